#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_state
short_description: Reads in one call what a host holds of a site
version_added: 1.0.0
description:
  - Reads the live release, the releases that are there, what runs, what is missing of packages and folders, and what
    a
    rollback would go back to. Changes nothing.
  - Takes the lease on the site, so that no second run is at work on it at the same time.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.claim
options:
  variables:
    description:
      - V(site_env) as JSON. It is used for the keyed digest that names the environment; no value is returned.
      - It is one text and not a dictionary, because Ansible would mask every value of a dictionary wherever it turns
        up in the
        result, and a result without the word V(shop) or V(1) is of no use.
    type: str
    default: "{}"
  domains:
    description: The host names of the site.
    type: list
    elements: str
    default: []
  scheme:
    description: How visitors come, V(http) or V(https), which the environment tells the site.
    type: str
    choices: [http, https]
    default: http
  services:
    description:
      - The services that the site uses, as JSON. V(found) is what M(switchyard.django.site_plan) returned of them,
        V(urls) has the URLs that the user gave. No value is returned.
    type: str
    default: "{}"
  reach:
    description: The addresses of services, to see how this host comes to them.
    type: list
    elements: str
    default: []
  address:
    description: By which this host comes to them; empty to take the one that the system takes.
    type: str
    default: ""
  packages:
    description: Debian packages that should be installed.
    type: list
    elements: str
    default: []
  worker_connections:
    description: The connections of each of nginx's workers that are to be set in its main configuration; 0 for none.
    type: int
    default: 0
  bind:
    description: The address and port at which nginx is to listen, which must be the host's; empty for every address.
    type: str
    default: ""
  ports:
    description: The ports at which nginx is to listen for the site, to see whether another site has its names there.
    type: list
    elements: int
    default: []
  tls:
    description: Where the certificate of the site comes from, a dictionary of kind, certificate, key and directory as
      M(switchyard.django.site_certificate) has them; empty for no TLS.
    type: dict
    default: {}
  sandbox:
    description: By what the sandbox is loosened, to see whether the host has it.
    type: dict
    default: {}
  schedules:
    description: When timers are to run, by the name of the variable that says so, to see whether systemd understands
      it.
    type: dict
    default: {}
  requirements:
    description: Requirements as RV(switchyard.django.site_plan#module:requirements) has them; empty where no lock is
      asked for.
    type: dict
    default: {}
  server_packages:
    description: The Python packages of the site's app servers.
    type: list
    elements: str
    default: []
  files:
    description: What M(switchyard.django.host_files) would be given as O(switchyard.django.host_files#module:files),
      O(switchyard.django.host_files#module:absent) and O(switchyard.django.host_files#module:enable), to see whether
      something of it is amiss.
    type: dict
    default: {}
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: What the host holds of the site is known
  switchyard.django.site_state:
    site: shop
  register: state
"""

RETURN = r"""
lease:
  description: By which the modules that follow know the run; empty in check mode.
  type: str
  returned: unless another run is at work
held:
  description: The other run that is at work on the site.
  type: dict
  returned: when there is one and O(together) was asked for
state:
  description: What the host holds.
  type: dict
  returned: success
  contains:
    live:
      description: The identifier of the live release, or null.
      type: str
    live_since:
      description: The time at which traffic last moved to it, in seconds; 0 where none is live.
      type: float
    releases:
      description: The manifest of every whole release, by identifier.
      type: dict
    running:
      description: The main PID of every instance that runs, by the identifier of its release.
      type: dict
    lived:
      description: The releases on the host that were live once, the latest first.
      type: list
    rejected:
      description: The releases that were rolled away from.
      type: list
    rollback_target:
      description: The release that a rollback goes back to, or null.
      type: str
    reached:
      description: For each of O(reach) C(to), its address, C(from), by which this host comes there, and the
        C(problem), if any.
      type: dict
    packages:
      description: In check mode, which packages the lock of the C(live) release has, and the lock that is C(wanted),
        each empty where there is none; of each package the versions, and the markers that say where they count.
      type: dict
    names_taken:
      description: Which of O(domains) another site of the host has at the same port, and the way out; empty where none.
      type: str
    certificate:
      description: Of the certificate that O(tls) names, its C(problem), which is why it can't work, with the way out,
        a C(warning), and why something is C(due), all empty where there is nothing to say; and the paths C(certificate)
        and C(key), and the C(digest) of one that is provided, empty without TLS.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    data_host,
    default_server,
    dependencies,
    disk,
    edge,
    environment,
    host_files,
    lease,
    nginx_service,
    processes,
    sandbox,
    services,
    state,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.requirements import Requirements

# What installs packages knows nothing of the site, so it gives no sign of life.
INSTALLING_TAKES = 900


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.CLAIM,
            "variables": {"type": "str", "default": "{}", "no_log": True},
            "domains": {"type": "list", "elements": "str", "default": []},
            "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
            "services": {"type": "str", "default": "{}", "no_log": True},
            "reach": {"type": "list", "elements": "str", "default": []},
            "address": {"type": "str", "default": ""},
            "packages": {"type": "list", "elements": "str", "default": []},
            "worker_connections": {"type": "int", "default": 0},
            "bind": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "int", "default": []},
            "tls": {"type": "dict", "default": {}},
            "sandbox": {"type": "dict", "default": {}},
            "schedules": {"type": "dict", "default": {}},
            "requirements": {"type": "dict", "default": {}},
            "server_packages": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    wanted, layout = module.params, Layout(module.params["site"])
    begun = lease.begin(layout, wanted["claim"], module.exit_json, module.warn)
    inputs = (
        Requirements(**wanted["requirements"]).digest(wanted["server_packages"]) if wanted["requirements"] else None
    )
    variables = environment.given(wanted["variables"])
    beside = services.read(wanted["services"])
    found = state.read(layout, variables, wanted["domains"], wanted["packages"], inputs, wanted["scheme"], beside)
    found["reached"] = {one: data_host.way_to(one, wanted["address"]) for one in wanted["reach"]}
    found["nginx_main"] = edge.main_problem(wanted["worker_connections"])
    found["nginx_refuses"] = nginx_service.refused_already(layout, and_ours=False)
    found["names_taken"] = names_taken(layout, wanted["domains"], wanted["bind"], wanted["ports"])
    found["bindable"] = not wanted["bind"] or edge.is_own(wanted["bind"])
    found["bad_schedules"] = processes.bad_schedules(wanted["schedules"])
    found["unknown"] = sandbox.unknown(wanted["sandbox"]) if wanted["sandbox"] else []
    found["files_amiss"] = host_files.amiss(**wanted["files"])
    found["certificate"] = certificate.described(layout, {**wanted["tls"], "domains": wanted["domains"]})
    if found["certificate"]["warning"]:
        module.warn(found["certificate"]["warning"])
    if begun["lease"] and (found["missing_packages"] or not found["uv"]):
        lease.renew(layout, begun["lease"], ahead=INSTALLING_TAKES)
    found["packages"] = packages(layout, found) if module.check_mode else {}
    module.exit_json(changed=False, state=found, **begun)


def packages(layout: Layout, found: dict) -> dict:
    """What the lock of the live release has, and the lock of this run where there is one already."""
    live = found["releases"].get(found["live"])
    lock = layout.lock(found["inputs"]) if found["lock"] else None
    return {
        "live": dependencies.named(disk.text_of(layout.venv(live["venv"]) / "switchyard.lock") or "") if live else {},
        "wanted": dependencies.named(disk.text_of(lock) or "") if lock else {},
    }


def names_taken(layout: Layout, domains: list[str], bind: str, ports: list[int]) -> str:
    """Which names another site of the host has where this one is to listen."""
    names = [f"[{name}]" if ":" in name else name for name in domains]
    listens = [bind] if bind else [f"{address}{port}" for port in ports for address in ("", "[::]:")]
    return default_server.rivals(layout.edge, names, listens)


if __name__ == "__main__":
    main()

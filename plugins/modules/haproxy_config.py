#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_config
short_description: Has HAProxy balance a site
version_added: 1.0.0
description:
  - Puts HAProxy's configuration and its certificate in place, once HAProxy itself has read them beside those in force,
    and reloads it without a lost connection. Where it does not take them up, those from before come back.
  - Replaces C(/etc/haproxy/haproxy.cfg) only where it is as the distribution made it, or this module's own.
  - Fails, before anything changes, where another program has a port that HAProxy is to listen at.
  - Hosts that were taken out for maintenance stay out.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
options:
  site:
    description: The V(site_name) of the site, which is the name of HAProxy's backend as well.
    type: str
    required: true
  configuration:
    description: The whole text. V(@DIGEST@) in the global description becomes what tells one from another.
    type: str
    required: true
  certificate:
    description: The text of a PEM file with certificates and key; empty for none.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The balancer has its configuration
  switchyard.django.haproxy_config:
    site: shop
    configuration: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
    certificate: "{{ lookup('ansible.builtin.file', 'shop.pem') }}"
"""

RETURN = r"""
path:
  description: Where the configuration is.
  type: str
  returned: success
"""

import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, haproxy
from ansible_collections.switchyard.django.plugins.module_utils.layout import (
    HAPROXY,
    HAPROXY_CERTIFICATE,
    HAPROXY_CONFIGURATION,
    HAPROXY_LOCK,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "configuration": {"type": "str", "required": True},
            "certificate": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        wanted = haproxy.Wanted(**module.params)
        changed, diff = settle(wanted, module.check_mode)
    except (haproxy.HAProxyError, OSError, ValueError, subprocess.CalledProcessError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=changed, path=str(HAPROXY_CONFIGURATION), diff=diff)


def settle(wanted: haproxy.Wanted, check: bool) -> tuple[bool, list[dict]]:
    """Have it in force, or find what keeps it from that."""
    problem = haproxy.foreign(wanted.site)
    if problem:
        raise haproxy.HAProxyError(f"{problem}. Nothing was changed.")
    if haproxy.is_in_force(wanted):
        return False, []
    taken = haproxy.taken(wanted.configuration)
    if taken:
        raise haproxy.HAProxyError(
            f"Another program has port {', '.join(taken)} of this host, which is balancer_port or balancer_tls_port. "
            "See who: ss -ltnp. Stop it, or choose another port. Nothing was changed."
        )
    diff = [difference(path, text) for path, text in wanted.files.items() if disk.text_of(path) != text]
    # A bare host that is only looked at has no HAProxy to ask.
    if HAPROXY.exists():
        problem = haproxy.refused(wanted)
        if problem:
            raise haproxy.HAProxyError(
                f"HAProxy refuses the configuration:\n{problem}\nNothing was changed. A name that it can't resolve is "
                "the balancer_address of that host, or its ansible_host."
            )
    if not check:
        with disk.locked(HAPROXY_LOCK):
            haproxy.enforce(wanted)
    return True, diff


def difference(path: Path, text: str | None) -> dict:
    before = disk.text_of(path)
    if path == HAPROXY_CERTIFICATE:
        before, text = (
            None if one is None else "(certificates and a key, which are not shown)\n" for one in (before, text)
        )
    return {"before_header": str(path), "after_header": str(path), "before": before or "", "after": text or ""}


if __name__ == "__main__":
    main()

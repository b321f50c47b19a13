#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_diagnosis_info
short_description: Says why a Django service does not serve, with the line that shows it
version_added: 1.0.0
author: switchyard.django contributors (@switchyard)
description:
  - Reads the state of a systemd unit, its journal since a point in time, and what nginx's error log says of the site
    since then, and returns what they give away, the likeliest cause first.
  - Each finding has the line of evidence, without the secrets of the unit's environment, and what to do about it.
  - Knows the tracebacks of Python, what Django, PostgreSQL, MySQL, SQLite and Redis say, the app servers' own messages,
    systemd's exit codes, and nginx's errors. A service that is well has no findings.
  - It only reads, and does not fail because of what it finds.
options:
  unit:
    description:
      - The systemd unit, for example C(gunicorn.service).
      - Exactly one of O(unit) and O(site) must be given.
    type: str
  site:
    description:
      - The V(site_name) of a site that this collection deployed, whose live release is diagnosed, with O(domains) as
        the site has them.
    type: str
  since:
    description:
      - From when on the journal and the log are read. A point in time as systemd.time(7) has it, such as
        V(-15min), V(2026-11-21 17:55) or V(@1790000000).
    type: str
    default: -15min
  domains:
    description:
      - The names of the site, by which its lines in nginx's error log are known. A line that names the unit's runtime
        folder as its upstream counts as well.
      - Without names, and for a unit without C(RuntimeDirectory=), every line of the log counts.
    type: list
    elements: str
    default: []
  nginx_error_log:
    description:
      - The path of nginx's error log. A log that does not exist is passed over.
      - Of a long log, the last 4 MiB are read.
    type: path
    default: /var/log/nginx/error.log
extends_documentation_fragment:
  - switchyard.django.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
notes:
  - It needs root, or the groups C(systemd-journal) and C(adm); what the user may not read, it does not tell.
  - Of a long journal, the last 4000 entries are read.
  - A cause that kept the unit from starting is left out once the unit has run for 15 seconds since. Any other that was
    mended is reported for as long as O(since) reaches back to it.
  - With C(DEBUG=False) and no C(LOGGING), Django writes no traceback of a failing request. Sites of this collection do.
seealso:
  - module: switchyard.django.health_probe
  - module: switchyard.django.env_file
  - name: Process exit codes
    description: What systemd says of the exit codes from 200 on.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Process%20Exit%20Codes
"""

EXAMPLES = r"""
- name: Ask why the service does not serve
  switchyard.django.service_diagnosis_info:
    unit: gunicorn.service
    domains: [shop.example.com]
  register: diagnosis

- name: Show the likeliest cause
  ansible.builtin.debug:
    var: diagnosis.msg

- name: See that the live release of a site has been well for an hour
  switchyard.django.service_diagnosis_info:
    site: shop
    since: -1h
  register: diagnosis
  failed_when: diagnosis.findings | length > 0
"""

RETURN = r"""
msg:
  description: The likeliest cause with its evidence and the way out, or that nothing was found.
  returned: always
  type: str
  sample: >-
    A module is missing: ModuleNotFoundError: No module named 'redis' (shop/cache.py:3). Add it to the
    requirements, or mend the import. Seen 4 times, the last at 17:55:01.
unit:
  description: The unit that was diagnosed.
  returned: always
  type: str
  sample: shop@3f9c2a7d41b8.service
findings:
  description: What was found, the likeliest cause first. Empty where nothing is wrong.
  returned: always
  type: list
  elements: dict
  contains:
    cause:
      description:
        - The kind of failure.
        - Before the command runs it is C(unit_missing), C(environment_file_missing), C(environment_file_permission),
          C(environment_file_invalid), C(user_missing) (216, 217), C(chdir_failed) (200), C(namespace_failed) (226),
          C(exec_failed) (203) or C(setup_failed) (systemd's other codes from 200 to 243).
        - Where the application can't be loaded it is C(bad_settings_module), C(wrong_entry_point), C(missing_module),
          C(syntax_error), C(import_error), C(missing_variable) or C(improperly_configured).
        - What the host refuses is C(disk_full), C(too_many_files), C(log_permission), C(socket_permission),
          C(address_in_use), C(sandbox_denied), C(permission) or C(out_of_memory).
        - What the site depends on is C(database_unknown_host), C(database_refused), C(database_timeout),
          C(database_connections), C(database_password), C(database_missing), C(missing_table), C(database_permission),
          C(database_read_only), C(database_locked), C(database_unopenable), C(database_gone), C(database_error),
          C(redis_refused) or C(redis_password).
        - The application itself is C(disallowed_host), C(missing_static) or C(exception).
        - What nginx refuses by itself is C(nginx_config), C(nginx_down),
          C(nginx_too_many_files), C(static_permission), C(nginx_permission),
          C(nginx_header_too_big) or C(nginx_body_too_large).
        - What follows from a cause that nobody logged is C(worker_timeout), C(start_timeout), C(start_limit_hit),
          C(stop_timeout), C(crashed), C(exited) or C(unit_inactive).
        - What nginx sees of it is C(nginx_upstream_timeout), C(nginx_queue_full), C(nginx_upstream_closed),
          C(nginx_refused), C(nginx_no_socket) or C(nginx_no_file).
      type: str
      sample: missing_module
    subject:
      description: What it is about, such as the module, the variable, the table or the path; empty where the line
        names nothing.
      type: str
      sample: redis
    evidence:
      description:
        - The line that shows it, the latest if there are several, and for an exception the project's own line that
          raised it. Secrets are masked.
      type: str
      sample: "ModuleNotFoundError: No module named 'redis' (shop/cache.py:3)"
    hint:
      description: What to do about it.
      type: str
      sample: Add it to the requirements, or mend the import.
    source:
      description: Where it was found, V(systemd), V(journal) or V(nginx).
      type: str
      sample: journal
    at:
      description: When it was seen last, in seconds since 1970.
      type: float
      sample: 1790000000.123
    count:
      description: How often it was seen.
      type: int
      sample: 4
"""

import time
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import diagnosis, journal, state
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import UNIT_NAME


def live_unit(site: str) -> tuple[str, list[str]]:
    """The unit of a site's live release, and the site's names. ValueError where it has none."""
    layout = Layout(site)
    release = state.live_release(layout)
    if release is None:
        raise ValueError(f"site: {site} has no live release on this host. It has the sites {state.sites() or 'none'}")
    return layout.unit(release), state.edge(layout)["hosts"]


def what_is_wrong(wanted: dict) -> str:
    """What can't be asked, by the option's name."""
    if wanted["unit"] is not None and not UNIT_NAME.fullmatch(wanted["unit"]):
        return f"unit: {wanted['unit']!r} is not the name of one systemd unit, such as gunicorn.service"
    if Path(wanted["nginx_error_log"]).is_dir():
        return f"nginx_error_log: {wanted['nginx_error_log']} is a folder. Name the log itself"
    return ""


def in_words(finding: diagnosis.Finding) -> str:
    """A finding, with when it was met: what was mended since is in the journal still."""
    times = "once" if finding.count == 1 else f"{finding.count} times, the last"
    return f"{finding} Seen {times} at {time.strftime('%H:%M:%S', time.localtime(finding.at))}."


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str"},
            "site": {"type": "str"},
            "since": {"type": "str", "default": "-15min"},
            "domains": {"type": "list", "elements": "str", "default": []},
            "nginx_error_log": {"type": "path", "default": str(diagnosis.NGINX_ERROR_LOG)},
        },
        mutually_exclusive=[("unit", "site")],
        required_one_of=[("unit", "site")],
        supports_check_mode=True,
    )
    wanted = module.params
    problem = what_is_wrong(wanted)
    if problem:
        module.fail_json(msg=problem)
    try:
        unit, domains = live_unit(wanted["site"]) if wanted["site"] else (wanted["unit"], [])
        found = diagnosis.diagnose(
            unit, journal.epoch(wanted["since"]), [*domains, *wanted["domains"]], Path(wanted["nginx_error_log"])
        )
    except (OSError, ValueError, journal.JournalError) as problem:
        module.fail_json(msg=str(problem))
    message = in_words(found[0]) if found else f"Nothing is wrong with {unit} since {wanted['since']}"
    module.exit_json(changed=False, unit=unit, msg=message, findings=[asdict(finding) for finding in found])


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_status_info
short_description: Says how a site fares on a host
version_added: 1.0.0
description:
  - Reads, as root, what is live and since when, how its instances and processes run, what visitors got by the access
    log, what the journal says is wrong, and what was changed by hand since the release was made.
  - Changes nothing, and waits for no run. What can't be read is named, and the rest is returned all the same.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  site:
    description: The V(site_name) of the site.
    type: str
    required: true
  since:
    description: From when on log, journal and samples count. A point in time as systemd.time(7) has it, such as V(-1h),
      V(2026-11-21 17:55) or V(@1790000000).
    type: str
    default: -1h
  endpoints:
    description: How many endpoints are told of apart.
    type: int
    default: 20
  buckets:
    description: Into how many parts the series of the access log divides the time.
    type: int
    default: 60
seealso:
  - module: switchyard.django.status_report
  - module: switchyard.django.release_info
  - module: switchyard.django.service_diagnosis_info
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: How the site is
  switchyard.django.site_status_info:
    site: shop
  register: status

- name: Nobody has changed anything by hand
  ansible.builtin.assert:
    that: status.drift.drift | length == 0
"""

RETURN = r"""
found:
  description: What the host has of the site. V(site), V(half) where a removal was cut off, V(data) where one has kept
    something, or V(nothing). Only a site has the rest.
  type: str
  returned: success
sites:
  description: The sites that the host has.
  type: list
  elements: str
  returned: success
else:
  description: What runs on a host that has no such site, such as V(HAProxy) or V(PostgreSQL).
  type: list
  elements: str
  returned: where the host has no such site
at:
  description: When it was read, in seconds since 1970, as all moments are.
  type: float
  returned: success
since:
  description: O(since), in seconds since 1970.
  type: float
  returned: success
live:
  description: The live release, with C(id), C(stack), C(server), C(commit), C(origin), the C(scheme) by which
    visitors come, C(since), who moved the traffic
    to it (C(by)), by which C(operation) and why (C(reason)), where a rollback leads (C(rollback_target)), and whether
    the last move is C(unfinished); null where none is live.
  type: dict
  returned: where the host has the site
run:
  description: The run that is at work on the site at this moment, in words, or null.
  type: str
  returned: where the host has the site
maintenance:
  description: Whether the site is closed for maintenance.
  type: bool
  returned: where the host has the site
units:
  description:
    - The instances, processes and timers that run, or should. Instances stand first.
    - Each has C(unit), C(release), C(process), which is empty for an instance, C(role), which is V(live), V(draining),
      V(starting), V(job) or V(other), C(state), C(result) and C(since), and where it drains the seconds that are left
      (C(ends_in)).
    - C(restarts) counts how often systemd has started it again by itself, C(restarts_lately) those since O(since),
      C(workers) how many there are, C(workers_started) how many of them took the place of others since O(since).
    - C(memory) and C(memory_limit) are bytes, C(growth) has C(per_hour) and C(seconds), C(cpu) is in cores;
      C(connections) and C(websockets) are open. A timer has C(next) and C(last).
  type: list
  elements: dict
  returned: where the host has the site
host:
  description: C(cores), C(load), C(memory) and C(memory_available) in bytes, C(disks), each with C(paths), C(size),
    C(free), C(free_share) and C(inodes_free_share), C(nginx), the state of its unit, and of the certificate (C(tls))
    its C(path), when it C(ends), in how many C(days), and whether nginx shows this very one (C(served)).
  type: dict
  returned: where the host has the site
log:
  description:
    - What the access log says. C(per_second), C(total), C(endpoints), C(failing), C(others), C(releases),
      C(websockets), a C(series) over time, and how much of the log could not be read.
    - Requests have C(requests), C(statuses), C(server_errors), C(rate_502) and C(rate_504), which are shares from 0 to
      1, and C(p50), C(p95) and C(p99) of their times in seconds.
  type: dict
  returned: where the host has the site
journal:
  description: C(connection_failures), the number of lines that tell of one by cause, their sum (C(failures)), and the
    likeliest C(findings) as M(switchyard.django.service_diagnosis_info) returns them, each with its C(unit).
  type: dict
  returned: where the host has the site
drift:
  description: What was changed by hand (C(drift)), each with its C(kind), C(path), C(what), C(at) and C(diff), without
    values that are secret; what can't be judged (C(unknown)), because an earlier version of the collection made it; and
    the units that systemd has not taken up again (C(not_taken_up)).
  type: dict
  returned: where the host has the site
history:
  description: The moves since O(since) and the last five before, as M(switchyard.django.release_info) returns them.
  type: list
  elements: dict
  returned: where the host has the site
samples:
  description: What the host has noted of each unit and of itself (C(host)) since O(since), each with C(at), C(memory),
    C(cpu), C(connections), C(websockets) and C(restarts).
  type: dict
  returned: where the host has the site
unread:
  description: What could not be read, and why.
  type: dict
  returned: where the host has the site
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import journal, status
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "since": {"type": "str", "default": "-1h"},
            "endpoints": {"type": "int", "default": 20},
            "buckets": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    numbers = {name: module.params[name] for name in ("endpoints", "buckets")}
    low = [name for name, number in numbers.items() if number < 1]
    if low:
        module.fail_json(msg=f"{low[0]} must be 1 or more")
    try:
        layout = Layout(module.params["site"])
        found = status.read(layout, status.Wanted(journal.epoch(module.params["since"]), **numbers))
    except (ValueError, journal.JournalError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

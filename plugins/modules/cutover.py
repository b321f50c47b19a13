#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cutover
short_description: Moves a site's traffic to a release that has passed its gate
version_added: 1.0.0
description:
  - Validates nginx's configuration with the release in place, moves the one pointer, reloads nginx and sees the
    release answer through
    it; or else puts everything back. This runs on the host as a systemd unit of its own, which a lost connection
      does not stop.
  - The old instance is stopped by the host when its last connection is gone, or after the drain time. Where the new
    one dies within the settle time, the host goes back.
  - Where the release is live already and answers through nginx, nothing happens.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of the release. Empty, with O(operation=restore), for none, as before a site's first.
    type: str
    required: true
  operation:
    description: What the history will say. V(restore) undoes the cutover before it, because another host of the site
      could not follow. V(recovery) is a rollback together with the data of O(backup).
    type: str
    choices: [deploy, rollback, recovery, restore]
    default: deploy
  explicit:
    description: Whether the user named the release, for the history.
    type: bool
    default: false
  reason:
    description: Why, for the history.
    type: str
    default: ""
  reversed:
    description: The migrations that were undone for it, for the history.
    type: list
    elements: str
    default: []
  regained:
    description: The migrations that are applied again with the data of a backup, for the history.
    type: list
    elements: str
    default: []
  backup:
    description: The backup whose data was brought back, for the history.
    type: str
    default: ""
  edge:
    description: Path and text of nginx's files that belong to the site and not to a release; empty to leave them as
      they are.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The absolute path.
        type: path
        required: true
      content:
        description: The text; without it the file is removed.
        type: str
      default_for:
        description: The port of which the file holds the default server. Where somebody has made one by hand the
          file is left out; the distribution's own stock site goes, where it is as the distribution made it.
        type: int
  drain:
    description: The seconds for which the old instance lives on at most; 0 for a minute more than its longest request,
      and at least 120.
    type: int
    default: 0
  settle:
    description: The seconds for which the host watches the new instance and goes back where it dies; 0 for none.
    type: int
    default: 10
  keep:
    description: How many releases stay on the host, the others are removed once the traffic has moved; 0 for all.
    type: int
    default: 0
  worker_connections:
    description: The connections that each of nginx's workers may have, in its main configuration; 0 to leave them as
      they are.
    type: int
    default: 0
  free:
    description: Whether this is the last task of the run, which frees its lease once the release is live.
    type: bool
    default: false
  gate:
    description: How the release passes its gate before it moves, unless it is live and runs already; without it, it has
      passed.
    type: dict
    suboptions:
      successes:
        description: How many rounds of probes in a row it must pass.
        type: int
        default: 3
      deadline:
        description: The seconds that it has.
        type: float
        default: 60
      remains:
        description: What was changed for the release and stays where it does not pass; the message ends with it.
        type: str
        default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The release is live
  switchyard.django.cutover:
    site: shop
    release: 0123456789ab
    lease: "{{ state.lease }}"
"""

RETURN = r"""
moved:
  description:
    - Whether the release is live now. The module does not fail where it is not, so that the hosts that moved already
      can be taken back
      before the run ends.
  type: bool
  returned: success
source:
  description: The release that was live before, or null.
  type: str
  returned: success
edge_before:
  description: O(edge) as it was before, with which a V(restore) puts it back.
  type: list
  elements: dict
  returned: when the release was moved
removed:
  description: The releases that were removed.
  type: list
  elements: str
  returned: success
said:
  description: The first of RV(message), without the RV(notes).
  type: str
  returned: success
notes:
  description: What RV(message) says beside RV(said), such as what becomes of the instance before.
  type: list
  elements: str
  returned: success
described:
  description: The release and the one before it in the words of a person, by identifier, where the host has them.
  type: dict
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: when not in check mode
freed:
  description: Whether the lease was freed.
  type: bool
  returned: success
gate:
  description: What M(switchyard.django.release_gate) returns, where the release had a gate to pass.
  type: dict
  returned: success
message:
  description: What happened; where the release is not live, what failed, what was restored and why.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import gate, lease, state, swap
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "release": {"type": "str", "required": True},
            "operation": {"type": "str", "choices": ["deploy", "rollback", "recovery", "restore"], "default": "deploy"},
            "explicit": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
            "reversed": {"type": "list", "elements": "str", "default": []},
            "regained": {"type": "list", "elements": "str", "default": []},
            "backup": {"type": "str", "default": ""},
            "edge": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "default_for": {"type": "int"},
                },
            },
            "drain": {"type": "int", "default": 0},
            "settle": {"type": "int", "default": 10},
            "keep": {"type": "int", "default": 0},
            "worker_connections": {"type": "int", "default": 0},
            "free": {"type": "bool", "default": False},
            "gate": {
                "type": "dict",
                "options": {
                    "successes": {"type": "int", "default": 3},
                    "deadline": {"type": "float", "default": 60},
                    "remains": {"type": "str", "default": ""},
                },
            },
        },
        supports_check_mode=True,
    )
    layout, wanted = Layout(module.params["site"]), module.params
    lease.keep(layout, wanted["lease"], module.fail_json)
    passed = {}
    if wanted["gate"] and not module.check_mode and not is_live(layout, wanted["release"]):
        passed = gate.pass_or_fail(module, layout, wanted["release"], wanted["gate"])
    plan = swap.plan_of(layout, wanted, wanted["lease"])
    if module.check_mode:
        module.exit_json(**swap.check(layout, plan, wanted["keep"]), freed=False)
    outcome = swap.carry_out(layout, plan, wanted["keep"])
    outcome["seconds"] = round(outcome["seconds"] - passed.get("seconds", 0), 1)
    freed = outcome["moved"] and wanted["free"] and lease.free(layout, wanted["lease"])
    module.exit_json(**outcome, freed=freed, gate=passed)


def is_live(layout: Layout, release: str) -> bool:
    """Whether it is, and runs, so that it has no gate to pass."""
    return state.live_release(layout) == release and release in state.running_instances(layout)


if __name__ == "__main__":
    main()

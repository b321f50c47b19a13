#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_rollback
short_description: Chooses the release to go back to, starts it and probes it
version_added: 1.0.0
description:
  - The release comes from the history on the host, never from a file's time. It is the last one that was live and
    healthy before this one and that nobody has rolled away from since.
  - Takes the lease on the site, so that no second run is at work on it at the same time.
  - Says which migrations stay applied that the release does not know, or plans how they are undone, and refuses, before
    anything changes, where one can't be.
  - Starts the instance where it doesn't run, and sends it the probes that it passed on its day. Nothing that is live is
    touched, unless O(move) says that the traffic follows at once.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
  - switchyard.django.claim
options:
  to:
    description: The identifier of a release; empty to let the history choose.
    type: str
    default: ""
  environment:
    description: V(proven) for the environment that the release had, V(current) for the one of the live release.
    type: str
    choices: [proven, current]
    default: proven
  migrations:
    description: V(keep) leaves them applied, V(reverse) plans how they are undone.
    type: str
    choices: [keep, reverse]
    default: keep
  move:
    description:
      - How the traffic is moved in the same call, where no other host of the site has to pass first. Without it the
        traffic stays where it is.
      - Where migrations have to be undone first, it stays all the same.
    type: dict
    suboptions:
      explicit:
        description: As in M(switchyard.django.cutover).
        type: bool
        default: false
      reason:
        description: As in M(switchyard.django.cutover).
        type: str
        default: ""
      drain:
        description: As in M(switchyard.django.cutover).
        type: int
        default: 0
      settle:
        description: As in M(switchyard.django.cutover).
        type: int
        default: 10
      free:
        description: As in M(switchyard.django.cutover).
        type: bool
        default: true
  alone:
    description: Whether the run has no other host of the site. Else it is no failure where there is no way back, for
      all hosts have to be judged together; RV(problem) says why.
    type: bool
    default: true
  successes:
    description: How many rounds of probes in a row must pass.
    type: int
    default: 3
  deadline:
    description: The seconds in all that the instance has.
    type: float
    default: 60
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The release to go back to has passed its gate
  switchyard.django.release_rollback:
    site: shop
  register: rollback
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
release:
  description: The identifier of the release to go back to; empty where there is a RV(problem).
  type: str
  returned: success
problem:
  description: Why there is no way back; empty where there is one.
  type: str
  returned: success
live:
  description: The identifier of the release that was live before, or null.
  type: str
  returned: always
has:
  description: The releases that were live once and can start, the latest first.
  type: list
  elements: str
  returned: success
left:
  description: The migrations that it does not know and that are applied.
  type: list
  elements: str
  returned: success
effects:
  description: What the files of the live release say of these migrations, by their names; only of the project's own.
  type: dict
  returned: success
outcome:
  description: What M(switchyard.django.cutover) would return, where the traffic was moved; else empty.
  type: dict
  returned: success
gate:
  description: What was C(probed), as RV(switchyard.django.release_gate#module:probed), and the C(seconds) until then;
    empty where the release had nothing to pass. Of one that did not pass the C(seconds) alone.
  type: dict
  returned: success, or when the release did not pass
described:
  description: The release in the words of a person, and the one that is live, by identifier.
  type: dict
  returned: always
reversal:
  description: How they are undone, for M(switchyard.django.release_reverse); empty where none is.
  type: dict
  returned: success
"""

import subprocess
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import (
    gate,
    host_program,
    lease,
    rollback,
    state,
    stopwatch,
    swap,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.CLAIM,
            "to": {"type": "str", "default": ""},
            "environment": {"type": "str", "choices": ["proven", "current"], "default": "proven"},
            "migrations": {"type": "str", "choices": ["keep", "reverse"], "default": "keep"},
            "move": {
                "type": "dict",
                "options": {
                    "explicit": {"type": "bool", "default": False},
                    "reason": {"type": "str", "default": ""},
                    "drain": {"type": "int", "default": 0},
                    "settle": {"type": "int", "default": 10},
                    "free": {"type": "bool", "default": True},
                },
            },
            "alone": {"type": "bool", "default": True},
            "successes": {"type": "int", "default": 3},
            "deadline": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    layout = Layout(module.params["site"])
    if not layout.etc.exists():
        module.fail_json(msg=f"site_name {layout.site}: this host has no such site. It has {state.sites() or 'none'}.")
    if state.is_removed(layout) or state.is_half_removed(layout):
        module.fail_json(
            msg=f"site_name {layout.site}: the site was removed from this host, with its releases. Deploy it with "
            "site.yml, which takes up what was kept of it."
        )
    if unfinished := state.restoring(layout):
        module.fail_json(
            msg=f"{layout.site}: a restore of {unfinished} was cut off on this host. End it first, with "
            f"playbooks/restore.yml -e restore_backup={unfinished}. Nothing was changed."
        )
    begun = lease.begin(layout, module.params["claim"], module.exit_json, module.warn)
    beside = {"live": state.live_release(layout)} if module.params["alone"] else rollback.what_there_is(layout)
    beside["described"] = swap.described(layout, beside["live"])
    try:
        result = {**roll_back(module, layout, begun), "problem": ""}
        beside["described"] = swap.described(layout, result["release"], beside["live"])
    except rollback.RollbackError as problem:
        if module.params["alone"]:
            module.fail_json(msg=f"{layout.site}: {problem}", **beside, **begun)
        nothing = {"release": "", "left": [], "effects": {}, "gate": {}, "reversal": {}, "outcome": {}}
        result = {"changed": False, **nothing, "problem": str(problem)}
    except (OSError, subprocess.CalledProcessError, units.StillAtWorkError, host_program.ProgramError) as problem:
        module.fail_json(
            msg=f"{layout.site}: the rollback ends here, the live release still serves: {problem}", **beside, **begun
        )
    module.exit_json(**result, **beside, **begun)


def roll_back(module: AnsibleModule, layout: Layout, begun: dict) -> dict:
    wanted = module.params
    target = rollback.choose(layout, wanted["to"], wanted["environment"])
    left = rollback.left_applied(layout, target)
    reversal = rollback.plan_reversal(layout, target, left) if wanted["migrations"] == "reverse" else None
    if wanted["environment"] == "current":
        target = rollback.with_current_environment(layout, target, make=not module.check_mode)
    told = {
        "release": target,
        "left": [f"{app}.{name}" for app, names in left.items() for name in names],
        "effects": rollback.effects(layout, left),
        "gate": {},
        "reversal": asdict(reversal) if reversal else {},
        "outcome": {},
    }
    running = target in state.running_instances(layout)
    if module.check_mode:
        return {"changed": not running, **told}
    started = False
    if not (running and target == state.live_release(layout)):
        passed = start(module, layout, target, begun)
        started, told["gate"] = passed.started, {"probed": passed.probed, "seconds": stopwatch.seconds()}
    if not wanted["move"] or (reversal and reversal.steps):
        return {"changed": started, **told}
    plan = swap.plan_of(layout, {**wanted["move"], "release": target, "operation": "rollback"}, begun["lease"])
    outcome = swap.carry_out(layout, plan)
    if not outcome["moved"]:
        raise rollback.RollbackError(f"{outcome['message']}\n{target} is not live.")
    outcome["seconds"] = round(outcome["seconds"] - told["gate"].get("seconds", 0), 1)
    outcome["freed"] = wanted["move"]["free"] and lease.free(layout, begun["lease"])
    return {**told, "changed": started or outcome["changed"], "diff": outcome["diff"], "outcome": outcome}


def start(module: AnsibleModule, layout: Layout, target: str, begun: dict) -> gate.Passed:
    """Let the release pass its gate."""
    limits = gate.limits_of(module.params["successes"], module.params["deadline"])
    passed = gate.admit(layout, target, state.manifest(layout, target), limits)
    if not passed.ok:
        live = state.live_release(layout)
        took = {"seconds": stopwatch.seconds()}
        described = swap.described(layout, live, target)
        module.fail_json(msg=passed.message, live=live, described=described, gate=took, **begun)
    return passed


if __name__ == "__main__":
    main()

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
  - The old instance is stopped by the host after the drain time.
  - Where the release is live already and answers through nginx, nothing happens.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of the release.
    type: str
    required: true
  operation:
    description: What the history will say. V(restore) undoes the cutover before it, because another host of the site
      could not follow.
    type: str
    choices: [deploy, rollback, restore]
    default: deploy
  explicit:
    description: Whether the user named the release. A rollback by name clears the mark of an earlier rejection.
    type: bool
    default: false
  by:
    description: Who moves it, for the history.
    type: str
    required: true
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
  drain:
    description: The seconds for which the old instance lives on.
    type: int
    default: 30
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The release is live
  switchyard.django.cutover:
    site: shop
    release: 0123456789ab
    by: jo@laptop
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
message:
  description: What happened; where the release is not live, what failed, what was restored and why.
  type: str
  returned: success
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import cutover, host_program, state, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "operation": {"type": "str", "choices": ["deploy", "rollback", "restore"], "default": "deploy"},
            "explicit": {"type": "bool", "default": False},
            "by": {"type": "str", "required": True},
            "edge": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                },
            },
            "drain": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    edge = {one["path"]: one["content"] for one in module.params["edge"]}
    plan = cutover.Plan(**{**module.params, "edge": edge})
    layout = Layout(plan.site)
    before = state.live_release(layout)
    if module.check_mode:
        diff = differences(plan, before)
        message = f"{plan.release} would be live" if diff else f"{plan.release} is live already"
        module.exit_json(changed=bool(diff), moved=True, source=before, message=message, diff=diff)
    if cutover.is_settled(plan):
        message = f"{cutover.describe(layout, plan.release)} is live already"
        module.exit_json(changed=False, moved=True, source=before, message=message)
    diff = differences(plan, before)
    try:
        outcome = host_program.run(f"switchyard-cutover@{plan.site}", "cutover", asdict(plan))
    except (host_program.ProgramError, units.StillAtWorkError) as problem:
        outcome = asdict(cutover.Outcome(False, before, str(problem)))
    outcome["edge_before"] = [{"path": path, "content": text} for path, text in outcome["edge_before"].items()]
    module.exit_json(changed=outcome["moved"], diff=diff if outcome["moved"] else [], **outcome)


def differences(plan: cutover.Plan, before: str | None) -> list[dict[str, str]]:
    """The pointer and the edge's files, before and after."""
    pointer = str(Layout(plan.site).current)
    texts = {pointer: (f"{before}\n" if before else "", f"{plan.release}\n")}
    for path, text in plan.edge.items():
        texts[path] = (Path(path).read_text() if Path(path).exists() else "", text or "")
    return [
        {"before_header": path, "after_header": path, "before": old, "after": new}
        for path, (old, new) in texts.items()
        if old != new
    ]


if __name__ == "__main__":
    main()

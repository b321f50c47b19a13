#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_reverse
short_description: Undoes migrations that the release to go back to does not know
version_added: 1.0.0
description:
  - Undoes them with the code of the release that has them, in its environment and sandbox, as the site's user.
  - Leaves a note on the host until the traffic has moved. Where it never does, the next run applies them again.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  reversal:
    description: How, as M(switchyard.django.release_rollback) returns it.
    type: dict
    required: true
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The migrations are undone
  switchyard.django.release_reverse:
    site: shop
    reversal: "{{ rollback.reversal }}"
  run_once: true
"""

RETURN = r"""
undone:
  description: The migrations that were undone.
  type: list
  elements: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: when something was done
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease, rollback, stopwatch, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={**lease.ARGUMENTS, "reversal": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    layout, reversal = Layout(module.params["site"]), rollback.Reversal(**module.params["reversal"])
    lease.keep(layout, module.params["lease"], module.fail_json)
    if module.check_mode:
        module.exit_json(changed=bool(reversal.steps), undone=reversal.steps)
    try:
        undone = rollback.reverse(layout, reversal)
    except (rollback.RollbackError, units.StillAtWorkError) as problem:
        module.fail_json(msg=str(problem), seconds=stopwatch.seconds())
    module.exit_json(changed=bool(undone), undone=undone, seconds=stopwatch.seconds())


if __name__ == "__main__":
    main()

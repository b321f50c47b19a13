#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_restore
short_description: Brings the data of a backup back, step by step
version_added: 1.0.0
description:
  - V(stop) ends all that works with the site's data on a host, V(data) brings the data of a backup back on the host
    that has it, V(done) notes that a release that fits the data is live, and V(resume) starts what is live again.
  - From V(data) on a deploy and a rollback of the site are refused, until V(done).
  - Where V(stop) or V(data) can't be done, the module does not fail but says so, so that what is live can be started
    again before the run ends.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  step:
    description: What is to be done.
    type: str
    choices: [stop, data, done, resume]
    required: true
  backup:
    description: The name of the backup.
    type: str
    default: ""
  present:
    description: The backup of the data as it is now, from which it is put back where only some of several databases
      could be restored; empty where that data is given up.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The data is what it was
  switchyard.django.site_restore:
    site: shop
    step: data
    backup: 20261126-104500-0123456789ab
    present: 20261126-113000-0123456789ab
"""

RETURN = r"""
problem:
  description: Why it could not be done; empty where it was. For V(data) the data is as it was before then, unless this
    says otherwise.
  type: str
  returned: success
resumable:
  description: Whether what is live still fits the data.
  type: bool
  returned: success
reversed:
  description: The migrations that are applied no more.
  type: list
  elements: str
  returned: success
regained:
  description: The migrations that are applied again.
  type: list
  elements: str
  returned: success
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import backup, host_program, lease, state, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "step": {"type": "str", "choices": ["stop", "data", "done", "resume"], "required": True},
            "backup": {"type": "str", "default": ""},
            "present": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    layout, wanted = Layout(module.params["site"]), module.params
    lease.keep(layout, wanted["lease"], module.fail_json)
    told = {"problem": "", "resumable": True, "reversed": [], "regained": []}
    if module.check_mode:
        module.exit_json(changed=True, **told)
    try:
        if wanted["step"] == "data":
            told |= backup.restore(layout, wanted["backup"], wanted["present"])
        else:
            {"stop": backup.stop, "done": backup.conclude, "resume": backup.resume}[wanted["step"]](layout)
    except (
        *(backup.BackupError, units.StillAtWorkError, host_program.ProgramError),
        *(OSError, subprocess.CalledProcessError),
    ) as problem:
        if wanted["step"] in ("done", "resume"):
            module.fail_json(msg=f"{layout.site}: {problem}")
        told |= {"problem": f"{layout.site}: {problem}", "resumable": not state.restoring(layout)}
    module.exit_json(changed=True, **told)


if __name__ == "__main__":
    main()

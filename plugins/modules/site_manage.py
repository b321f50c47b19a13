#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_manage
short_description: Runs a command of manage.py as a release of the site would
version_added: 1.0.0
description:
  - Runs it with the release's code, environment and sandbox, as the site's user, to its end, and returns what it
    printed, with secrets masked.
  - It has a systemd unit of its own, C(switchyard-manage-RELEASE-…@SITE.service). Several may run at once, and a deploy
    waits for none of them. As long as one runs its release is not removed.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of a whole release on the host; empty for the live one.
    type: str
    default: ""
  command:
    description: The command and its arguments, a text that is split as a shell would split it, or a list. Empty to
      run none and see only whether one could be run.
    type: raw
    default: []
  variables:
    description:
      - Environment variables for the command beside the site's own, a dictionary as JSON. They are in no argument list.
      - It is one text for the reason that O(input) is.
    type: str
    default: "{}"
  input:
    description:
      - What the command reads from its standard input, a text as JSON.
      - As JSON, because Ansible would mask the text wherever it turns up in the result.
    type: str
    default: '""'
  task:
    description: What the command is called in the message where it fails.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: Sessions that are over are removed
  switchyard.django.site_manage:
    site: shop
    command: clearsessions
"""

RETURN = r"""
release:
  description: The release whose code it was.
  type: str
  returned: success
program:
  description: The program on the host that runs any command of manage.py, in a terminal, too.
  type: str
  returned: success
rc:
  description: The exit status of the command; 0 where none was run.
  type: int
  returned: always
stdout:
  description: What the command printed.
  type: str
  returned: always
stderr:
  description: What it printed as errors.
  type: str
  returned: always
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease, manage, manage_variables
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "release": {"type": "str", "default": ""},
            "command": {"type": "raw", "default": []},
            "variables": {"type": "str", "default": "{}", "no_log": True},
            "input": {"type": "str", "default": '""', "no_log": True},
            "task": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    layout, wanted = Layout(module.params["site"]), module.params
    lease.keep(layout, wanted["lease"], module.fail_json)
    nothing = {"rc": 0, "stdout": "", "stderr": ""}
    if wanted["command"] and module.check_mode:
        module.exit_json(changed=True, msg=f"would run {manage_variables.shown(wanted['command'])}", **nothing)
    try:
        name = manage.release_of(layout, wanted["release"])
        told = {"release": name, "program": str(layout.etc / "current" / layout.manage(name).name)}
        if not wanted["command"]:
            module.exit_json(changed=False, **told, **nothing)
        variables = {key: str(value) for key, value in json.loads(wanted["variables"]).items()}
        done = manage.run(
            layout, name, manage_variables.words(wanted["command"]), variables, json.loads(wanted["input"])
        )
    except (manage.ManageError, ValueError) as problem:
        module.fail_json(msg=str(problem), **nothing)
    if done.rc:
        module.fail_json(msg=manage.failure(wanted["command"], done, wanted["task"]), **vars(done))
    module.exit_json(changed=True, **told, **vars(done))


if __name__ == "__main__":
    main()

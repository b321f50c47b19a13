#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_venv
short_description: Installs a lock into a virtual environment that releases share
version_added: 1.0.0
description:
  - Installs with uv, hashes required, in a sandbox, as the site's user, and then makes the environment root's.
  - Begins with a copy of the site's environment that has most of the lock already, if nobody has changed that by hand.
    With none, or where uv can't make the lock's of it, the environment is made from nothing.
  - A half-made environment is made anew.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  inputs:
    description: The digest of what the lock was made from.
    type: str
    required: true
  venv:
    description: The name of the virtual environment.
    type: str
    required: true
  build_environment:
    description: Environment variables for uv as one JSON text, for example an index or a CA bundle. No value is
      shown.
    type: str
    default: "{}"
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The dependencies are installed
  switchyard.django.release_venv:
    site: shop
    inputs: 0123456789abcdef
    venv: fedcba9876543210
"""

RETURN = r"""
path:
  description: The folder of the virtual environment.
  type: str
  returned: success
donor:
  description: The name of the virtual environment that it began as a copy of; empty where it was made from nothing.
  type: str
  returned: when something was done
seconds:
  description: How long it took.
  type: float
  returned: when something was done
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease, locks, stopwatch, venvs
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "inputs": {"type": "str", "required": True},
            "venv": {"type": "str", "required": True},
            "build_environment": {"type": "str", "default": "{}", "no_log": True},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    layout = Layout(module.params["site"])
    folder = layout.venv(module.params["venv"])
    if venvs.is_whole(folder):
        module.exit_json(changed=False, path=str(folder))
    donor = ""
    if not module.check_mode:
        lock = layout.lock(module.params["inputs"]).read_text()
        try:
            donor = venvs.install(layout, folder, lock, json.loads(module.params["build_environment"]))
        except locks.LockError as problem:
            module.fail_json(
                msg=f"The dependencies can't be installed; nothing that is live was touched:\n{problem}",
                seconds=stopwatch.seconds(),
            )
    module.exit_json(changed=True, path=str(folder), donor=donor, seconds=stopwatch.seconds())


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_lock
short_description: Resolves a project's requirements once, with hashes
version_added: 1.0.0
description:
  - Resolves the project's requirements and the packages of the site's app servers with uv, in a sandbox, as the
    site's user.
    What the project pins stays as it is pinned.
  - The result is kept on the host under the digest of what it was made from, so that the same inputs are never
    resolved twice.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  requirements:
    description: Requirements as RV(switchyard.django.site_plan#module:requirements) has them.
    type: dict
    required: true
  server_packages:
    description: The Python packages of the site's app servers.
    type: list
    elements: str
    required: true
  build_environment:
    description: Environment variables for uv as one JSON text, for example an index or a CA bundle. No value is
      shown.
    type: str
    default: "{}"
  lock:
    description: The text of a lock that another host of the site has made. Without it the host resolves.
    type: str
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The requirements are resolved
  switchyard.django.release_lock:
    site: shop
    requirements: "{{ plan.requirements }}"
    server_packages: [gunicorn]
"""

RETURN = r"""
lock:
  description: The text of the lock.
  type: str
  returned: success
digest:
  description: The digest that names the lock; in check mode, where nothing is resolved, that of its inputs.
  type: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: when something was done
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, lease, locks, stopwatch
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.requirements import Requirements


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "requirements": {"type": "dict", "required": True},
            "server_packages": {"type": "list", "elements": "str", "required": True},
            "build_environment": {"type": "str", "default": "{}", "no_log": True},
            "lock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    layout = Layout(module.params["site"])
    requirements = Requirements(**module.params["requirements"])
    packages = module.params["server_packages"]
    inputs = requirements.digest(packages)
    path = layout.lock(inputs)
    if path.exists():
        text = path.read_text()
        module.exit_json(changed=False, lock=text, digest=locks.digest(text))
    if module.check_mode:
        module.exit_json(changed=True, lock="", digest=inputs)
    text = module.params["lock"]
    if not text:
        try:
            build_environment = json.loads(module.params["build_environment"])
            text = locks.make(layout, requirements.kind, requirements.files, packages, build_environment)
        except locks.LockError as problem:
            module.fail_json(msg=locks.refusal(str(problem), packages))
    disk.write(path, text.encode(), 0o644)
    module.exit_json(changed=True, lock=text, digest=locks.digest(text), seconds=stopwatch.seconds())


if __name__ == "__main__":
    main()

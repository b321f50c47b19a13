#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_environment
short_description: Destroys an environment that must not be used again
version_added: 1.0.0
description:
  - Removes the environment file of that name from the host, for example because a secret in it has leaked.
  - Refuses the environment of the live release and of one whose instance still runs.
  - Releases that had it can't start any more and are no rollback's target; they come back with the environment of the
    live release alone.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  environment:
    description: The keyed digest that names the environment, as M(switchyard.django.release_info) returns it for each
      release.
    type: str
    required: true
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The leaked environment is gone
  switchyard.django.release_environment:
    site: shop
    environment: 0123456789abcdef
"""

RETURN = r"""
releases:
  description: The releases that can't start any more with the environment they had.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, lease, state
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={**lease.ARGUMENTS, "environment": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    layout, environment = Layout(module.params["site"]), module.params["environment"]
    lease.keep(layout, module.params["lease"], module.fail_json)
    found = state.releases(layout)
    users = sorted(name for name, one in found["releases"].items() if one["environment"] == environment)
    present = state.environments(layout)
    if environment not in present and not users:
        module.fail_json(
            msg=f"{layout.site} has no environment {environment!r}. The host has {', '.join(present) or 'none'}. "
            "Nothing was changed."
        )
    at_work = state.at_work(layout)
    in_use = [name for name in users if name == found["live"] or name in at_work]
    if in_use:
        module.fail_json(
            msg=f"The environment {environment} is in use by {', '.join(in_use)}. Deploy the site with the new secrets "
            "in site_env first, wait until the old instance has ended (cutover_drain), then forget this one. "
            "Nothing was changed."
        )
    if environment in present and not module.check_mode:
        disk.remove(layout.environment(environment))
    module.exit_json(changed=environment in present, releases=users)


if __name__ == "__main__":
    main()

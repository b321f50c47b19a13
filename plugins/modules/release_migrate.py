#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_migrate
short_description: Applies a release's migrations
version_added: 1.0.0
description:
  - Runs C(migrate) with the release's code, environment and sandbox, as the site's user.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of a whole release on the host.
    type: str
    required: true
  backup:
    description: The name of the backup that was made before, for the release's record and for the message where a
      migration fails.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The migrations are applied
  switchyard.django.release_migrate:
    site: shop
    release: 0123456789ab
  run_once: true
"""

RETURN = r"""
output:
  description: What C(migrate) printed, with secrets masked.
  type: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: when something was done
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease, release, stopwatch, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "release": {"type": "str", "required": True},
            "backup": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    if module.check_mode:
        module.exit_json(changed=True, output="")
    try:
        output = release.migrate(Layout(module.params["site"]), module.params["release"], module.params["backup"])
    except (release.ReleaseError, units.StillAtWorkError) as problem:
        module.fail_json(msg=str(problem), seconds=stopwatch.seconds())
    module.exit_json(changed=True, output=output, seconds=stopwatch.seconds())


if __name__ == "__main__":
    main()

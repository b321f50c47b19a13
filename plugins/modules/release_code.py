#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_code
short_description: Lays the code of a release down on the host
version_added: 1.0.0
description:
  - Takes the archive that M(switchyard.django.site_plan) made to the host and unpacks it as root's, readable by the
    site alone.
  - Where a release on the host was built from the same inputs, its code and static files are taken instead, by hard
    links.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of the release.
    type: str
    required: true
  archive:
    description: The path of the archive on the controller.
    type: path
    required: true
  built:
    description: The identifier of a release that was built from the same inputs; empty for none.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The code is in place
  switchyard.django.release_code:
    site: shop
    release: 0123456789ab
    archive: "{{ plan.archive }}"
"""

RETURN = r"""
path:
  description: The folder of the code.
  type: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: when something was done
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease, release, state, stopwatch
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "release": {"type": "str", "required": True},
            "archive": {"type": "path", "required": True},
            "built": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    layout, identifier = Layout(module.params["site"]), module.params["release"]
    code = layout.code(identifier)
    if state.manifest(layout, identifier):
        module.exit_json(changed=False, path=str(code))
    if not module.check_mode:
        try:
            if module.params["built"]:
                release.adopt(layout, identifier, module.params["built"])
            else:
                release.unpack(layout, identifier, Path(module.params["archive"]))
        except release.ReleaseError as problem:
            module.fail_json(msg=f"site_source can't be unpacked: {problem}", seconds=stopwatch.seconds())
    module.exit_json(changed=True, path=str(code), seconds=stopwatch.seconds())


if __name__ == "__main__":
    main()

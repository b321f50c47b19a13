#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_uv
short_description: Installs uv, with which releases get their dependencies
version_added: 1.0.0
description:
  - Installs one version of uv into a virtual environment of its own, C(/opt/switchyard/uv), from a wheel, so that no
    code of the
    package runs while it is installed.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  version:
    description: The version of uv.
    type: str
    required: true
  build_environment:
    description: Environment variables for pip as one JSON text, for example an index or a CA bundle. No value is
      shown.
    type: str
    default: "{}"
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The installer of dependencies is there
  switchyard.django.host_uv:
    version: 0.13.9
"""

RETURN = r"""
path:
  description: The command.
  type: str
  returned: success
"""

import json
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, masking, state
from ansible_collections.switchyard.django.plugins.module_utils.layout import UV, UV_LOCK


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "build_environment": {"type": "str", "default": "{}", "no_log": True},
        },
        supports_check_mode=True,
    )
    version = module.params["version"]
    if module.check_mode:
        changed = state.uv_version() != version
    else:
        with disk.locked(UV_LOCK):  # the host's sites share it, and the first runs of two may come at once
            changed = state.uv_version() != version
            if changed:
                install(module, version, json.loads(module.params["build_environment"]))
    module.exit_json(changed=changed, path=str(UV / "bin/uv"))


def install(module: AnsibleModule, version: str, variables: dict[str, str]) -> None:
    """Make the virtual environment anew; its version is noted last, so that a half-made one is not taken for whole."""
    pip = [
        str(UV / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]
    for command in ([sys.executable, "-m", "venv", "--clear", str(UV)], [*pip, f"uv=={version}"]):
        code, out, err = module.run_command(command, environ_update=variables, expand_user_and_vars=False)
        if code:
            said = masking.mask(f"{out}{err}".strip(), variables)
            module.fail_json(
                msg=f"uv {version} (host_uv_version) can't be installed; nothing that is live was touched:\n{said}"
            )
    disk.write(UV / "version", f"{version}\n".encode(), 0o644)


if __name__ == "__main__":
    main()

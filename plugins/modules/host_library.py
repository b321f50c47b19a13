#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_library
short_description: Lays this collection's modules on a host, so that they start quickly
version_added: 1.0.0
description:
  - Writes the modules of this collection and what they import to C(/opt/switchyard/library), compiled, in a folder that
    is named by the digest of their texts. M(switchyard.django.host_call) runs them from there.
  - A run without it does the same, and takes longer, because Ansible then packs each module anew, and the host compiles
    it anew.
  - Two older libraries stay, for a controller with an earlier version of the collection and for what is still running.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  digest:
    description: The name of the library. The action sets it.
    type: str
  archive:
    description: The path of the archive on the host. The action sets it.
    type: path
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The collection's modules start quickly on this host
  switchyard.django.host_library:
"""

RETURN = r"""
path:
  description: The folder.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import library
from ansible_collections.switchyard.django.plugins.module_utils.layout import LIBRARY


def main() -> None:
    module = AnsibleModule(
        argument_spec={"digest": {"type": "str"}, "archive": {"type": "path"}},
        supports_check_mode=True,
    )
    folder = LIBRARY / module.params["digest"]
    changed = not library.is_whole(folder)
    if changed and not module.check_mode:
        changed = library.lay_down(folder, module.params["archive"])
    module.exit_json(changed=changed, path=str(folder))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Writes several rendered files in one call
version_added: 1.0.0
description:
  - Writes files whose content was rendered on the controller, each atomically, as root's.
  - Where a file changed, or where O(apply_always) says so, runs C(systemd-sysusers), C(systemd-tmpfiles --create) and
    C(systemctl daemon-reload) for those that are theirs.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path.
        type: path
        required: true
      content:
        description: The text.
        type: str
        required: true
      mode:
        description: The permissions, octal.
        type: str
        default: "0644"
  apply_always:
    description: Apply sysusers and tmpfiles although their files are as they should be, because something they make
      is missing.
    type: bool
    default: false
  absent:
    description: Files that are to be gone, once the others are there.
    type: list
    elements: path
    default: []
  enable:
    description: Units to enable, once their files are there.
    type: list
    elements: str
    default: []
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The site's user exists
  switchyard.django.host_files:
    files:
      - path: /etc/sysusers.d/switchyard-shop.conf
        content: |
          u shop - "shop" /srv/shop/data
"""

RETURN = r"""
paths:
  description: The files that changed.
  type: list
  elements: str
  returned: success
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk


def current(path: Path, mode: int) -> str | None:
    """The text of a file that is as it should be in all but its text; None where it is not."""
    try:
        status = path.lstat()
        right = status.st_mode & 0o7777 == mode and status.st_uid == 0 and not path.is_symlink()
        return path.read_text() if right else None
    except (OSError, UnicodeDecodeError):
        return None


def commands(changed: list[str], written: list[str], apply_always: bool) -> list[list[str]]:
    """What makes systemd act on the files, in the order in which one needs the other."""
    due = written if apply_always else changed
    found = [["systemd-sysusers", path] for path in due if path.startswith("/etc/sysusers.d/")]
    found += [["systemd-tmpfiles", "--create", path] for path in due if path.startswith("/etc/tmpfiles.d/")]
    if any(path.startswith("/etc/systemd/system/") for path in changed):
        found.append(["systemctl", "daemon-reload"])
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "apply_always": {"type": "bool", "default": False},
            "absent": {"type": "list", "elements": "path", "default": []},
            "enable": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    diff, changed = [], []
    for one in module.params["files"]:
        path, mode = Path(one["path"]), int(one["mode"], 8)
        before = current(path, mode)
        if before == one["content"]:
            continue
        changed.append(str(path))
        diff.append(
            {"before_header": str(path), "after_header": str(path), "before": before or "", "after": one["content"]}
        )
        if not module.check_mode:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            disk.write(path, one["content"].encode(), mode)
    for path in (Path(name) for name in module.params["absent"] if os.path.lexists(name)):
        changed.append(str(path))
        diff.append({"before_header": str(path), "after_header": str(path), "before": path.read_text(), "after": ""})
        if not module.check_mode:
            disk.remove(path)
    disabled = [unit for unit in module.params["enable"] if not _is_enabled(unit)]
    apply_always = module.params["apply_always"]
    if not module.check_mode:
        for command in commands(changed, [one["path"] for one in module.params["files"]], apply_always):
            module.run_command(command, check_rc=True)
        for unit in disabled:
            module.run_command(["systemctl", "enable", "--quiet", unit], check_rc=True)
    module.exit_json(changed=bool(changed or disabled or apply_always), paths=changed, diff=diff)


def _is_enabled(unit: str) -> bool:
    return os.path.lexists(f"/etc/systemd/system/multi-user.target.wants/{unit}")


if __name__ == "__main__":
    main()

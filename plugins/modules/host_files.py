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
    description: Files that are to be gone, once the others are there. A timer is stopped and disabled before, with what
      it runs.
    type: list
    elements: path
    default: []
  enable:
    description: Units to enable, once their files are there; timers are started as well.
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, host_files


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
    wanted = module.params
    due = host_files.changes(wanted["files"], wanted["absent"])
    disabled, idle = host_files.disabled(wanted["enable"]), host_files.idle(wanted["enable"])
    changed = [str(change.path) for change in due]
    if not module.check_mode:
        for timer, service in host_files.leaving(due):
            module.run_command(["systemctl", "disable", "--quiet", "--now", timer], check_rc=True)
            module.run_command(["systemctl", "stop", service], check_rc=True)
            # One that was stopped in the midst of its work counts as failed, and stays in systemd's list.
            module.run_command(["systemctl", "reset-failed", service])
        for change in due:
            lay(change)
        written = [one["path"] for one in wanted["files"]]
        for command in host_files.commands(changed, written, wanted["apply_always"]):
            module.run_command(command, check_rc=True)
        for unit in disabled:
            module.run_command(["systemctl", "enable", "--quiet", unit], check_rc=True)
        for unit in host_files.due_timers(wanted["enable"], changed, idle):
            module.run_command(["systemctl", "restart", unit], check_rc=True)
    diff = [
        {"before_header": path, "after_header": path, "before": change.before, "after": change.after or ""}
        for path, change in zip(changed, due)
    ]
    module.exit_json(changed=bool(due or disabled or idle or wanted["apply_always"]), paths=changed, diff=diff)


def lay(change: host_files.Change) -> None:
    """Write the file, or remove it."""
    if change.after is None:
        disk.remove(change.path)
        return
    change.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    disk.write(change.path, change.after.encode(), change.mode)


if __name__ == "__main__":
    main()

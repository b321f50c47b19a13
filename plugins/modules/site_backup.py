#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_backup
short_description: Saves the databases of a site
version_added: 1.0.0
description:
  - Saves every database that the settings of a release name, SQLite by its own online backup, PostgreSQL by C(pg_dump),
    as the site's user, while the site works.
  - What was saved is read back before it counts. It lies in C(/srv/SITE/backups), where root alone reads it.
  - Uploaded files are no part of it.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of a whole release on the host, whose settings name the databases.
    type: str
    required: true
  why:
    description: Before what it is made, for people.
    type: str
    default: before migrations
  pending:
    description: The migrations that are about to be applied, for people.
    type: list
    elements: str
    default: []
  keep:
    description: How many backups stay on the host, never without the one that was made for the live release; 0 for all.
    type: int
    default: 0
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The databases are saved
  switchyard.django.site_backup:
    site: shop
    release: 0123456789ab
  run_once: true
"""

RETURN = r"""
name:
  description: By which V(restore_backup) knows it; empty where the site has no data yet.
  type: str
  returned: success
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import backup, lease, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "release": {"type": "str", "required": True},
            "why": {"type": "str", "default": "before migrations"},
            "pending": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    layout, wanted = Layout(module.params["site"]), module.params
    lease.keep(layout, wanted["lease"], module.fail_json)
    if module.check_mode:
        module.exit_json(changed=True, name="", msg="the databases would be saved")
    try:
        note = backup.save(layout, wanted["release"], wanted["why"], wanted["pending"], wanted["keep"])
    except (backup.BackupError, units.StillAtWorkError, OSError, subprocess.CalledProcessError) as problem:
        module.fail_json(msg=f"{problem}\nNothing was migrated or restored, and the live release serves as before.")
    if note is None:
        module.exit_json(changed=False, name="", msg="there is no data to save yet")
    size = sum(one["bytes"] for one in note["databases"])
    module.exit_json(changed=True, name=note["name"], msg=f"saved as {note['name']}, {size} bytes")


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Says which releases of a site a host has, which one is live, and who moved what when
version_added: 1.0.0
description:
  - Reads the releases on the host and their history, as root. Changes nothing, and waits for no run.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  site:
    description: The V(site_name) of the site.
    type: str
    required: true
  history_length:
    description: How many of the latest moves are returned; 0 for all of them.
    type: int
    default: 20
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: What is live, and since when
  switchyard.django.release_info:
    site: shop
  register: shop

- name: Show it
  ansible.builtin.debug:
    msg: "{{ shop.live }}, by {{ shop.history[-1].by }}; a rollback would lead to {{ shop.rollback_target }}"
"""

RETURN = r"""
live:
  description: The identifier of the live release, or null.
  type: str
  returned: success
rollback_target:
  description: The release that a rollback would lead to, or null.
  type: str
  returned: success
releases:
  description: The whole releases on the host, those first that were live last.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The identifier.
      type: str
    stack:
      description: V(wsgi) or V(asgi).
      type: str
    server:
      description: The app server.
      type: str
    commit:
      description: The commit of the source, or null where it was a folder.
      type: str
    origin:
      description: Where the source came from, without credentials.
      type: str
    live:
      description: Whether it is the live one.
      type: bool
    running:
      description: Whether its instance runs.
      type: bool
    ending:
      description: Whether the host will stop its instance, when its connections are gone or its drain time is over.
      type: bool
    startable:
      description: Whether it has its environment still.
      type: bool
    rejected:
      description: Whether somebody rolled away from it.
      type: bool
    reason:
      description: Why, where that was said.
      type: str
    environment:
      description: The keyed digest that names its environment.
      type: str
    processes:
      description: What it has on this host beside its instance. Each has a C(name), its C(unit), and whether that is
        C(running).
      type: list
      elements: dict
    backup:
      description: The backup that was made before its migrations were applied; null where none was.
      type: str
backups:
  description: What was saved of the databases on this host, the latest first.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: By which V(restore_backup) knows it.
      type: str
    at:
      description: When it was made, in seconds since 1970.
      type: float
    why:
      description: Before what it was made.
      type: str
    release:
      description: The release whose settings named the databases.
      type: str
    live:
      description: The release that was live then, and that comes back with the data; null where there was none.
      type: str
    pending:
      description: The migrations that were about to be applied.
      type: list
    applied:
      description: The migrations that were applied, by app.
      type: dict
    databases:
      description: C(alias), C(kind), C(file), C(bytes) and C(sha256) of each database.
      type: list
history:
  description: The moves of the pointer and the attempts at it, oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    at:
      description: When it began, in seconds since 1970.
      type: float
    by:
      description: Who ran it, and where.
      type: str
    operation:
      description: V(deploy), V(rollback), V(recovery), a rollback together with the data of a backup,
        V(restore), which undid a move because another host could not follow, or
        V(return), by which the host itself went back from an instance that died.
      type: str
    from:
      description: The release that was live before, or null.
      type: str
    to:
      description: The release that was to be live.
      type: str
    stack:
      description: The stack of that release.
      type: str
    explicit:
      description: Whether the user named the release.
      type: bool
    reversed:
      description: The migrations that were undone for it; null where none was.
      type: list
    regained:
      description: The migrations that came back with the data; null where none did.
      type: list
    backup:
      description: The backup whose data came back; null where none did.
      type: str
    seconds:
      description: How long the move took, in seconds.
      type: float
    result:
      description: V(live), V(failed) or V(cut off).
      type: str
    reason:
      description: Why it was done, or why it failed; null where there is nothing to say.
      type: str
run:
  description: The run that is at work on the site at this moment, in words, or null.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import guard, history, lease, processes, state
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "history_length": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    layout = Layout(module.params["site"])
    if module.params["history_length"] < 0:
        module.fail_json(msg="history_length must be 0 or more; 0 is for all of it")
    found, run = state.releases(layout), lease.read(layout)
    told = history.for_people(history.read(layout.history))
    module.exit_json(
        changed=False,
        live=found["live"],
        rollback_target=found["rollback_target"],
        releases=releases(layout, found),
        backups=state.backups(layout),
        history=told[-module.params["history_length"] :],
        run=str(run) if run and not run.is_left_over else None,
    )


def releases(layout: Layout, found: dict) -> list[dict]:
    order = [*found["lived"], *sorted(set(found["releases"]) - set(found["lived"]))]
    startable = state.startable(layout, found["releases"])
    running = processes.at_work(layout)
    return [
        {
            "id": name,
            **{key: found["releases"][name][key] for key in ("stack", "server", "commit", "origin", "environment")},
            "live": name == found["live"],
            "running": name in found["running"],
            "ending": guard.is_ending(layout, name),
            "startable": name in startable,
            "rejected": name in found["rejected"],
            "reason": found["reasons"].get(name, ""),
            "processes": [
                {"name": layout.parts_of(unit)[1], "unit": unit, "running": unit in running}
                for unit in processes.wanted(layout, name)
            ],
            "backup": state.backup_of(layout, name),
        }
        for name in order
    ]


if __name__ == "__main__":
    main()

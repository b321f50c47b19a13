# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how migrations are undone, and undoes them. Runs in the release's own venv, environment and sandbox.

This file travels to the release's Python as text, so it imports nothing of the collection. It reads its parameters
from WANTED, a line that is filled in on the way, and prints one JSON object behind a marker.
"""

# It is a program of its own: there is no AnsibleModule to run a command or to answer by.
# pylint: disable=ansible-bad-function

from __future__ import annotations

import json
import os
import sys

WANTED: dict = {}


def plan() -> list:
    """The migrations to undo, in this order, and for each what in it can't be undone."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections["default"])
    steps = executor.migration_plan(list(WANTED["targets"].items()))
    known = [
        {
            "name": f"{migration.app_label}.{migration.name}",
            "obstacles": [
                operation.describe() for operation in every(migration.operations) if not operation.reversible
            ],
        }
        for migration, backwards in steps
        if backwards
    ]
    unknown = [
        {"name": f"{app}.{name}", "obstacles": ["it is applied, and this release does not have it"]}
        for app, name in sorted(executor.loader.applied_migrations)
        if app in WANTED["targets"] and (app, name) not in executor.loader.disk_migrations
    ]
    return unknown + known


def every(operations: list) -> list:
    """The operations, and those inside others: SeparateDatabaseAndState calls itself reversible whatever it holds."""
    return [
        one for operation in operations for one in (operation, *every(getattr(operation, "database_operations", [])))
    ]


def undo(steps: list) -> None:
    from django.core.management import call_command

    apps = {step["name"].partition(".")[0] for step in steps}
    for app, name in WANTED["targets"].items():
        if app in apps:  # of another one the target is not even applied, and migrate would go forwards to it
            call_command("migrate", app, name or "zero", interactive=False, verbosity=0)


if __name__ == "__main__":
    sys.path[:0] = [os.getcwd()]
    import django

    django.setup()
    steps = plan()
    if WANTED["undo"]:
        undo(steps)
    print("\n" + WANTED["marker"] + json.dumps(steps))

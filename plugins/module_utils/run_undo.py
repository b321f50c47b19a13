# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what a run has done is taken back, and what stays then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible_collections.switchyard.django.plugins.module_utils import listing, migration_files
from ansible_collections.switchyard.django.plugins.module_utils.listing import row

if TYPE_CHECKING:
    from ansible_collections.switchyard.django.plugins.module_utils.run_summary import Run


def undo(run: Run, sources: Mapping[str, str], moved: list[str]) -> list[str]:
    """The command that takes it back; nothing where nothing has moved."""
    if run.operation == "restore":
        kept = saved(run)
        if not kept:
            return row("undo", "not possible: the data as it was before was not saved (restore_save)")
        return listing.command("undo", "", run.commands.of("restore", restore_backup=kept))
    if not moved:
        return []
    back = {sources[host] for host in moved}
    if back == {""}:
        return listing.command(
            "undo", "there is no release before it; this takes the site off:", run.commands.of("remove")
        )
    if run.of("reversed"):
        return listing.command(
            "undo", "this applies the migrations again:", run.commands.of("site", release_retry="true")
        )
    if len(back) > 1:
        said = (
            f"the hosts had different releases before: {listing.some(sorted(back - {''}))}. Name the one that is meant:"
        )
        return listing.command("undo", said, run.commands.of("rollback", rollback_to="…"))
    return _back(run, back.pop())


def _back(run: Run, before: str) -> list[str]:
    """The rollback, and where migrations were applied the one that undoes them as well."""
    bare = run.commands.of("rollback", rollback_to=before)
    names = standing(run)
    if not names:
        return listing.command("undo", "", bare)
    harm, stuck = migration_files.told(run.effects), migration_files.one_way(run.effects)
    it, stay = ("it", "stays") if len(names) == 1 else ("them", "stay")
    said = f"{listing.some(names)} {stay} applied" + (f", and the release before {harm}" if harm else "")
    if stuck:
        said += f". {listing.some(stuck)} can't be undone: the release goes back, and the database stays as it is:"
        return listing.command("undo", said, bare)
    reverse = run.commands.of("rollback", rollback_to=before, rollback_migrations="reverse")
    undone = f"this undoes {it} as well; what came into new columns and tables is lost:"
    return [*listing.command("undo", f"{said}:", bare), *listing.command("", undone, reverse)]


def saved(run: Run) -> str:
    """The backup that was made in this run."""
    return next((one["name"] for one in run.of("saved").values() if one.get("name")), "")


def applied(run: Run) -> list[str]:
    """The migrations that were pending, once for all hosts."""
    return _of_build(run, "pending")


def left(run: Run) -> list[str]:
    """The migrations that runs before have applied, and that the release before does not know."""
    return _of_build(run, "left")


def standing(run: Run) -> list[str]:
    """All that is applied now and that the release before does not know."""
    return list(dict.fromkeys([*left(run), *(applied(run) if run.of("migrated") else [])]))


def _of_build(run: Run, what: str) -> list[str]:
    return list(dict.fromkeys(name for one in run.of("build").values() for name in one.get(what, [])))

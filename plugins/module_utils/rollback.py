# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the release to go back to, and says what the database would keep that it does not know."""

from __future__ import annotations

import inspect
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    django_reversal,
    history,
    masking,
    migration_files,
    release,
    state,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


class RollbackError(Exception):
    """There is no way back like this; the message is for the user, and nothing was changed."""


@dataclass(frozen=True)
class Reversal:
    """Migrations to be undone.

    :param by: the release whose code knows them
    :param targets: app -> the migration that it goes back to; None for none at all
    :param steps: the migrations, in the order in which they are undone
    """

    by: str
    targets: dict[str, str | None]
    steps: list[str]


def choose(layout: Layout, to: str, environment: str) -> str:
    """The release to go back to.

    :param to: the identifier that the user named, or nothing
    :param environment: proven, for the one that the release had, or current, for the live release's
    """
    found = state.releases(layout)
    entries, live = history.read(layout.history), state.live_release(layout)
    startable = state.startable(layout, found["releases"])
    whole = set(found["releases"])
    if environment == "current":
        today = _current_environment(layout)
        ways = history.ways_back(entries, live, whole)
        target = to or next((way for way in ways if _leads_away(found, way, today)), None)
    else:
        # Where the only way back has lost its environment, the user is told of that.
        target = to or found["rollback_target"] or history.rollback_target(entries, live, whole)
    if not target or target not in found["releases"]:
        raise RollbackError(f"{_no_way_back(to, found)} {_what_there_is(found, startable)} Nothing was changed.")
    if environment == "proven" and target not in startable:
        digest = found["releases"][target]["environment"]
        raise RollbackError(
            f"{target} can't start: its environment {digest} was forgotten. Take it back with the environment of "
            "today: -e rollback_environment=current. Nothing was changed."
        )
    missing = _missing(layout, target)
    if missing:
        raise RollbackError(
            f"{target} needs migrations that a rollback has undone: {', '.join(missing)}. Deploy its version instead, "
            "which applies them: site.yml with -e release_retry=true. Nothing was changed."
        )
    return target


def what_there_is(layout: Layout) -> dict[str, Any]:
    """The live release, and those that were live once and can start, the latest first."""
    found = state.releases(layout)
    startable = state.startable(layout, found["releases"])
    return {"live": found["live"], "has": [name for name in found["lived"] if name in startable]}


def _leads_away(found: Mapping[str, Any], way: str, today: str) -> bool:
    """Whether the release, with the environment of today, is neither what is live nor what was rejected."""
    live, other = found["releases"][found["live"]], found["releases"][way]
    returns_as = release.with_environment_name(other, today)
    same = other.get("code") is not None and other.get("code") == live.get("code")
    return not same and returns_as != found["live"] and returns_as not in found["rejected"]


def _no_way_back(to: str, found: Mapping[str, Any]) -> str:
    if to:
        return f"rollback_to {to} is no release here."
    if set(found["lived"]) - {found["live"]}:
        return "None of the releases that were live before this one can be gone back to: name one with -e rollback_to=."
    return "No release was live before this one, so there is nothing to go back to."


def _what_there_is(found: Mapping[str, Any], startable: set[str]) -> str:
    told = {
        "The host has had live, the latest first": found["lived"],
        "rolled away from": found["rejected"],
        "environment forgotten": sorted(set(found["releases"]) - startable),
    }
    return "; ".join(f"{what}: {', '.join(names) or 'none'}" for what, names in told.items()) + "."


def with_current_environment(layout: Layout, target: str, make: bool) -> str:
    """What the release is called with the environment of today.

    :param make: whether to make it as well
    """
    environment = _current_environment(layout)
    if make:
        return release.with_environment(layout, target, environment)
    return release.with_environment_name(state.manifests(layout)[target], environment)


def _current_environment(layout: Layout) -> str:
    """The environment that is in force today: the live release's."""
    live = state.live_release(layout)
    manifest = state.manifest(layout, live) if live else None
    if manifest is None:
        raise RollbackError(
            "rollback_environment=current needs a live release, whose environment it takes. There is none."
        )
    return manifest["environment"]


def left_applied(layout: Layout, target: str) -> dict[str, list[str]]:
    """The migrations that releases since have applied and that the target does not know, by app."""
    applied, _undone = _applied_and_undone(layout)
    left: dict[str, list[str]] = {}
    for app, name in sorted(applied - _pairs(_known(layout).get(target, {}))):
        left.setdefault(app, []).append(name)
    return left


def unknown_to_live(layout: Layout) -> list[str]:
    """The migrations that runs before have applied and that the live release does not know: none of them went live."""
    live = state.live_release(layout)
    left = left_applied(layout, live) if live else {}
    return [f"{app}.{name}" for app, names in left.items() for name in names]


def effects(layout: Layout, left: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """What the files of the live release say of these migrations, as far as they are the project's own."""
    live = state.live_release(layout)
    if not (left and live):
        return {}
    code, wanted = layout.code(live), {f"{app}.{name}" for app, name in _pairs(left)}
    try:
        paths = [path for pattern in ("migrations/*.py", "apps.py") for path in code.rglob(pattern) if path.is_file()]
        texts = {str(path.relative_to(code)): path.read_text("utf-8", "replace") for path in paths}
    except OSError:  # no way back hangs on what is but told
        return {}
    return {one.called: one.effects for one in migration_files.read(texts) if one.called in wanted}


def _missing(layout: Layout, target: str) -> list[str]:
    """The migrations of the target that a rollback has undone since."""
    _applied, undone = _applied_and_undone(layout)
    return [f"{app}.{name}" for app, name in sorted(undone & _pairs(_known(layout).get(target, {})))]


def _known(layout: Layout) -> dict[str, dict[str, list[str]]]:
    return {name: one["migrations"].get("known", {}) for name, one in state.manifests(layout).items()}


def _applied_and_undone(layout: Layout) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """What is known of the database: a release whose migrations were applied need not have gone live."""
    known = _known(layout)
    events: list[tuple[float, set[tuple[str, str]], set[tuple[str, str]]]] = [
        (at, _pairs(names), set())
        for name, names in known.items()
        if (at := state.migrated_at(layout, name)) is not None
    ]
    for entry in history.ended(history.read(layout.history), state.live_release(layout)):
        is_live = entry["result"] == "live"  # where a rollback failed, what it had undone was applied again
        gained = _pairs(known.get(entry["to"], {})) if entry["operation"] == "deploy" else set()
        gained |= {_pair(name) for name in entry.get("regained", ()) if is_live}
        events.append((entry["at"], gained, {_pair(name) for name in entry.get("reversed", ()) if is_live}))
    applied: set[tuple[str, str]] = set()
    undone: set[tuple[str, str]] = set()
    for _at, gained, lost in sorted(events, key=lambda event: event[0]):
        applied = (applied | gained) - lost
        undone = (undone - gained) | lost
    return applied, undone


def plan_reversal(layout: Layout, target: str, left: Mapping[str, list[str]]) -> Reversal | None:
    """How the migrations would be undone, asked of the code that knows them. Changes nothing."""
    if not left:
        return None
    by = _who_knows(layout, left)
    after = state.manifests(layout)[target]["migrations"]["after"]
    targets = {app: after.get(app) for app in left}
    steps = _ask(layout, by, targets, undo=False)
    obstacles = [f"  {step['name']}: {what}" for step in steps for what in step["obstacles"]]
    if obstacles:
        raise RollbackError(
            "rollback_migrations=reverse: these migrations can't be undone, for they have no way back in the code of "
            f"{by}:\n"
            + "\n".join(obstacles)
            + "\nGo back without undoing any: -e rollback_migrations=keep. Nothing was changed."
        )
    return Reversal(by, targets, [step["name"] for step in steps])


def reverse(layout: Layout, reversal: Reversal) -> list[str]:
    """Undo the migrations; return those that were undone.

    The note says to the next run, if this one goes no further, whose migrations are missing.
    """
    disk.write(layout.reversal, json.dumps({"by": reversal.by}).encode() + b"\n", 0o644)
    return [step["name"] for step in _ask(layout, reversal.by, reversal.targets, undo=True)]


def _who_knows(layout: Layout, left: Mapping[str, list[str]]) -> str:
    """The release whose code has all of the migrations: the live one, the latest that was, or any that can start."""
    found = state.releases(layout)
    startable = state.startable(layout, found["releases"])
    for name in dict.fromkeys([found["live"], *found["lived"], *sorted(found["releases"])]):
        if name in startable and _pairs(left) <= _pairs(found["releases"][name]["migrations"].get("known", {})):
            return name
    names = ", ".join(f"{app}.{name}" for app, name in sorted(_pairs(left)))
    raise RollbackError(
        f"rollback_migrations=reverse: no release on the host that can start has the code of {names}. Go back with "
        "-e rollback_migrations=keep, or undo them by hand. Nothing was changed."
    )


def _ask(layout: Layout, by: str, targets: Mapping[str, str | None], undo: bool) -> list[dict[str, Any]]:
    marker = secrets.token_hex(16)
    question = {"marker": marker, "targets": dict(targets), "undo": undo}
    program = inspect.getsource(django_reversal).replace("WANTED: dict = {}", f"WANTED: dict = {question!r}", 1)
    done = release.manage(layout, by, ["-"], stdin=program, patient=True)
    _before, found, answer = done.stdout.rpartition(marker)
    if not found:
        said = masking.mask(f"{done.stdout}\n{done.stderr}".strip(), release.variables_of(layout, by))
        what = "undone" if undo else "asked about the way back"
        raise RollbackError(f"The migrations could not be {what}, with the code of {by}:\n{said[-2000:]}")
    return json.JSONDecoder().raw_decode(answer)[0]


def _pairs(names: Mapping[str, Iterable[str]]) -> set[tuple[str, str]]:
    return {(app, name) for app, each in names.items() for name in each}


def _pair(name: str) -> tuple[str, str]:
    app, _dot, migration = name.partition(".")
    return app, migration

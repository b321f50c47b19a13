# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a site fares on a host: what is live, how it runs, what visitors got, and what was changed by hand.

It only reads. What can't be read is named, and the rest is told all the same.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    access_log,
    drift,
    history,
    journal,
    lease,
    removal,
    samples,
    state,
    status_host,
    status_journal,
    status_units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import SITES, Layout

# What a person looks through of the moves before the window.
MOVES = 5
SERIES = 120
TROUBLES = (OSError, ValueError, KeyError, subprocess.SubprocessError, journal.JournalError)


@dataclass(frozen=True)
class Wanted:
    """What is asked.

    :param since: from when on log, journal and samples count, in seconds since 1970
    :param endpoints: how many of them are told of apart
    :param buckets: into how many parts the window is divided for charts
    """

    since: float
    endpoints: int = 20
    buckets: int = 60


def read(layout: Layout, wanted: Wanted) -> dict[str, Any]:
    """All of it. `unread` says what could not be read, and why, by part."""
    now = time.time()
    found = {"at": round(now, 3), "since": round(wanted.since, 3), "found": removal.found(layout), "sites": sites()}
    if found["found"] != "site":
        return {**found, "else": status_host.what_else()}
    parts = _Parts()
    live = state.live_release(layout)
    entries = parts.read("history", lambda: history.read(layout.history), [])
    told = parts.read("units", lambda: status_units.shown(layout), {})
    noted = parts.read("samples", lambda: samples.read(layout.samples, min(wanted.since, now - samples.DAY)), [])
    units = parts.read("units", lambda: status_units.read(layout, told, noted, wanted.since), [])
    edge = parts.read("edge", lambda: _edge(layout, live), {})
    ours = [unit.unit for unit in units if unit.role == "live" and unit.unit.endswith(".service")]
    return {
        **found,
        "live": parts.read("release", lambda: _live(layout, live, entries), None),
        "run": parts.read("lease", lambda: _run(layout), None),
        "maintenance": bool(edge.get("maintenance")),
        "units": [asdict(unit) for unit in units],
        "host": parts.read("host", lambda: asdict(status_host.read(layout)), None),
        "log": parts.read("access log", lambda: _log(layout, wanted, now), None),
        "journal": parts.read("journal", lambda: _journal(ours, wanted.since, edge.get("hosts", [])), None),
        "drift": parts.read("drift", lambda: _drift(layout, live, told), None),
        "history": _moves(entries, wanted.since),
        "samples": _series(noted, wanted),
        "unread": parts.unread,
    }


def sites() -> list[str]:
    """The sites that the host has, or had and keeps data of."""
    return sorted(path.name for path in SITES.iterdir() if path.is_dir()) if SITES.is_dir() else []


class _Parts:
    """Reads one part after the other."""

    def __init__(self) -> None:
        self.unread: dict[str, str] = {}

    def read(self, name: str, what: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return what()
        except TROUBLES as problem:
            self.unread[name] = str(problem) or type(problem).__name__
            return otherwise


def _live(layout: Layout, live: str | None, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The live release, since when it is, and who has moved the traffic to it."""
    if not live:
        return None
    manifest = state.manifest(layout, live) or {}
    moves = [move for move in history.for_people(entries) if move["to"] == live and move["result"] != "failed"]
    move = moves[-1] if moves else {}
    return {
        "id": live,
        **{name: manifest.get(name) for name in ("stack", "server", "commit", "origin", "python")},
        "scheme": manifest.get("gate", {}).get("scheme"),
        "since": history.live_since(entries, live) or None,
        "by": move.get("by", ""),
        "operation": move.get("operation", ""),
        "reason": move.get("reason"),
        "rollback_target": history.rollback_target(entries, live, set(state.manifests(layout))),
        "unfinished": bool(history.unfinished(entries)),
        "restoring": state.restoring(layout),
    }


def _edge(layout: Layout, live: str | None) -> dict[str, Any]:
    """How the edge is asked; nothing where it is not there yet, as before the first cutover."""
    try:
        return state.edge(layout)
    except FileNotFoundError:
        if live:
            raise
        return {}


def _run(layout: Layout) -> str | None:
    held = lease.read(layout)
    return str(held) if held and not held.is_left_over else None


def _moves(entries: list[dict[str, Any]], since: float) -> list[dict[str, Any]]:
    """The moves in the window, and the last ones before it."""
    told = history.for_people(entries)
    before = [move for move in told if move["at"] < since]
    return before[-MOVES:] + told[len(before) :]


def _log(layout: Layout, wanted: Wanted, now: float) -> dict[str, Any]:
    report = access_log.read(layout.access_log, wanted.since, now, buckets=wanted.buckets, endpoints=wanted.endpoints)
    return asdict(report)


def _journal(units: list[str], since: float, domains: list[str]) -> dict[str, Any]:
    found = status_journal.read(units, since, domains)
    return {**asdict(found), "failures": found.failures}


def _drift(layout: Layout, live: str | None, told: dict[str, dict[str, str]]) -> dict[str, Any] | None:
    if not live:
        return None
    ours = {name: unit for name, unit in told.items() if (layout.parts_of(name) or ("",))[0] == live}
    found = drift.read(layout, live, {name: unit.get("DropInPaths", "") for name, unit in ours.items()})
    stale = sorted(name for name, unit in ours.items() if unit.get("NeedDaemonReload") == "yes")
    return {**asdict(found), "not_taken_up": stale}


def _series(noted: list[samples.Sample], wanted: Wanted) -> dict[str, list[dict[str, Any]]]:
    """What charts need of each unit, and of the host."""
    within = samples.by_unit(sample for sample in noted if sample.at >= wanted.since)
    return {unit: samples.points(found, SERIES) for unit, found in within.items()}

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was live when, who moved it, and therefore what a rollback goes back to.

The order of releases comes from here, never from a file's time stamp. Each line of history.jsonl is an intent, written
before anything moves, or the outcome of the intent before it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk

# The operations that leave a release because it was no good: a user's rollback, also together with the data (a
# recovery), and the host's own way back.
AWAY = ("rollback", "return", "recovery")
TOLD = (
    "at",
    "by",
    "operation",
    "from",
    "to",
    "stack",
    "explicit",
    "seconds",
    "backup",
    "reversed",
    "regained",
    "reason",
)


@dataclass(frozen=True)
class Move:
    """One finished cutover."""

    operation: str
    source: str | None
    target: str
    reason: str = ""


def read(path: Path) -> list[dict[str, Any]]:
    """Every entry, oldest first. A last line that a power cut left unfinished is not an entry."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def record(path: Path, phase: str, **fields: Any) -> None:
    """Append an intent or an outcome."""
    disk.append_line(path, json.dumps({"phase": phase, "at": round(time.time(), 3), **fields}, sort_keys=True))


def unfinished(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The intent of a cutover that was cut off, if the last one was."""
    return entries[-1] if entries and entries[-1]["phase"] == "intent" else None


def ended(entries: list[dict[str, Any]], live: str | None) -> list[dict[str, Any]]:
    """The outcomes, oldest first.

    :param live: the release that the pointer names. Where the last move was cut off after it moved the pointer, it
        ended well: the next run finishes it.
    """
    cut_off = unfinished(entries)
    if cut_off and cut_off["to"] == live:
        entries = [*entries[:-1], {**cut_off, "phase": "outcome", "result": "live"}]
    return [entry for entry in entries if entry["phase"] == "outcome"]


def moves(entries: list[dict[str, Any]], live: str | None = None) -> list[Move]:
    """The cutovers that ended well on every host, oldest first.

    :param live: the release that the pointer names. Where the last move was cut off after it moved the pointer, that
        move counts: the next run finishes it.
    """
    found: list[Move] = []
    for entry in ended(entries, live):
        if entry["result"] != "live":
            continue
        if entry["operation"] == "restore":  # another host could not follow: as if the move before had not been
            found = found[:-1]
            continue
        found.append(Move(entry["operation"], entry.get("from"), entry["to"], entry.get("reason", "")))
    return found


def rejected(entries: list[dict[str, Any]], live: str | None = None) -> dict[str, str]:
    """The releases that were rolled away from and that nobody has called back by name since, each with the reason.

    Who calls such a release back takes back a rollback, and has nothing against the release that is left for it.
    """
    marked: dict[str, str] = {}
    for move in moves(entries, live):
        called_back = marked.pop(move.target, None) is not None
        is_away = move.operation == "return" or (move.operation in AWAY and not called_back)
        if is_away and move.source and move.source != move.target:
            marked[move.source] = move.reason
    return marked


def lived(entries: list[dict[str, Any]], present: set[str], live: str | None = None) -> list[str]:
    """The releases on the host that were live once, the latest first."""
    return list(dict.fromkeys(move.target for move in reversed(moves(entries, live)) if move.target in present))


def live_since(entries: list[dict[str, Any]], live: str | None) -> float:
    """The time at which traffic last moved to the live release; 0 where none is live."""
    return max(
        (entry["at"] for entry in ended(entries, live) if (entry["result"], entry["to"]) == ("live", live)), default=0
    )


def rollback_target(entries: list[dict[str, Any]], live: str | None, present: set[str]) -> str | None:
    """The last release that was live and healthy before this one, is still whole on the host and is not rejected.

    A rollback that was cut off is finished, and not taken for the first of two.
    """
    return next(iter(ways_back(entries, live, present)), None)


def ways_back(entries: list[dict[str, Any]], live: str | None, present: set[str]) -> list[str]:
    """The releases that a rollback may go to, the nearest first."""
    cut_off = unfinished(entries)
    first = [cut_off["to"]] if cut_off and cut_off["operation"] == "rollback" and cut_off["to"] in present else []
    unwanted = {live, *rejected(entries, live)}
    return [*first, *(name for name in lived(entries, present, live) if name not in unwanted)]


def for_people(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each move, oldest first: who, when, from, to, which stack, how long, how it ended and why."""
    told: list[dict[str, Any]] = []
    for entry in entries:
        if entry["phase"] == "intent":
            told.append(
                {**{name: entry.get(name) for name in TOLD}, "reason": entry.get("reason") or None, "result": "cut off"}
            )
        elif told:
            outcome = {
                "result": entry["result"],
                "seconds": entry.get("seconds"),
                "reason": entry.get("reason") or None,
            }
            told[-1] = {**told[-1], **outcome}
    return told

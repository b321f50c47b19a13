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


@dataclass(frozen=True)
class Move:
    """One finished cutover."""

    operation: str
    source: str | None
    target: str


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


def moves(entries: list[dict[str, Any]]) -> list[Move]:
    """The cutovers that ended well on every host, oldest first."""
    ended: list[Move] = []
    for entry in entries:
        if entry["phase"] != "outcome" or entry["result"] != "live":
            continue
        if entry["operation"] == "restore":  # another host could not follow: as if the move before had not been
            ended = ended[:-1]
            continue
        ended.append(Move(entry["operation"], entry.get("from"), entry["to"]))
    return ended


def rejected(entries: list[dict[str, Any]]) -> set[str]:
    """The releases that were rolled away from and that nobody has called back by name since."""
    marked: set[str] = set()
    for move in moves(entries):
        if move.operation == "rollback" and move.source:
            marked.add(move.source)
        marked.discard(move.target)
    return marked


def lived(entries: list[dict[str, Any]], present: set[str]) -> list[str]:
    """The releases on the host that were live once, the latest first."""
    return list(dict.fromkeys(move.target for move in reversed(moves(entries)) if move.target in present))


def rollback_target(entries: list[dict[str, Any]], live: str | None, present: set[str]) -> str | None:
    """The last release that was live and healthy before this one, is still whole on the host and is not rejected."""
    unwanted = rejected(entries)
    for move in reversed(moves(entries)):
        if move.target != live and move.target in present and move.target not in unwanted:
            return move.target
    return None

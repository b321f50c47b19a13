# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases stay on a host, and how the others go, with what they alone use.

A release loses its manifest first: from then on it is half-made, never a rollback's target, and whatever is left of it
goes with the next sweep.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    history,
    host_command,
    locks,
    state,
    venvs,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def kept(layout: Layout) -> int:
    """How many releases the last run was told to keep; 0 where nobody said, and then none goes."""
    try:
        return int(json.loads((layout.etc / "keep.json").read_text()))
    except (OSError, ValueError):
        return 0


def remember(layout: Layout, keep: int) -> None:
    """Leave the number for the guard, which sweeps when an old instance has ended."""
    if kept(layout) != keep:
        disk.write(layout.etc / "keep.json", json.dumps(keep).encode() + b"\n", 0o644)


def superfluous(layout: Layout, keep: int) -> list[str]:
    """The releases that go: all but the latest `keep` that were live.

    The live one, the one that a rollback leads to, and one of which anything still runs stay in any case.
    So does one that the data of a backup is for.
    """
    if keep < 1:
        return []
    found = state.releases(layout)
    before = next((release for release in found["lived"] if release != found["live"]), None)
    stay = {
        found["live"],
        found["undone"],
        found["rollback_target"],
        before,
        *state.at_work(layout),
        *state.managed(layout),
        *(note["live"] for note in state.backups(layout)),
        *found["lived"][:keep],
    }
    cut_off = history.unfinished(history.read(layout.history))
    if cut_off:
        stay |= {cut_off["from"], cut_off["to"]}
    return sorted(set(found["releases"]) - stay)


def leftovers(layout: Layout, going: list[str]) -> list[Path]:
    """What no release that stays has any use for: half-made releases, environments, venvs, locks."""
    stay = {name: one for name, one in state.manifests(layout).items() if name not in going}
    live = state.live_release(layout)

    def used(key: str) -> set[str]:
        return {str(one[key]) for one in stay.values()}

    environments = {f"{name}.env" for name in used("environment")}
    return [
        *_beside(layout.etc / "releases", {*stay, live}),
        *_beside(layout.srv / "releases", {*stay, live}),
        *_beside(layout.srv / "venvs", used("venv")),
        *_beside(layout.etc / "env", environments),
        *(path for path in _beside(layout.etc / "locks", set()) if not _is_used_lock(path, used("lock"))),
    ]


def sweep(layout: Layout, keep: int) -> list[str]:
    """Remove what is superfluous, and say which releases that were."""
    going = superfluous(layout, keep)
    remains = leftovers(layout, going)
    for release in going:
        disk.remove(layout.manifest(release))
    gone = [path.name for path in remains if path.parent == layout.etc / "releases"]
    for release in gone:
        for unit_file in layout.unit_files(release):
            disk.remove(unit_file)
    for path in remains:
        if path.is_dir() and not path.is_symlink():
            disk.remove(path / venvs.LOCK)  # what is cut off from here on is not taken for a whole venv
            disk.clear(path)
        else:
            disk.remove(path)
    if remains:
        _forget_static_files(layout)
    if gone:
        host_command.run(["systemctl", "daemon-reload"], check=True)
    return going


def _beside(folder: Path, stay: set[Any]) -> list[Path]:
    """What lies in a folder and is none of those that stay."""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / name for name in names if name not in stay]


def _is_used_lock(path: Path, used: set[str]) -> bool:
    try:
        return locks.digest(path.read_text()) in used
    except (OSError, UnicodeDecodeError):
        return False


def _forget_static_files(layout: Layout) -> None:
    """Drop hashed files of earlier releases that no release here has any more: the link is the last one then."""
    for parent, _folders, files in os.walk(layout.earlier_static, topdown=False):
        for name in files:
            path = Path(parent) / name
            if path.lstat().st_nlink == 1:
                path.unlink()
        if Path(parent) != layout.earlier_static and not os.listdir(parent):
            os.rmdir(parent)

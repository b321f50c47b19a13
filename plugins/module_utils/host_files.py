# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own files should be, and what of them is not so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import units as systemd
from ansible_collections.switchyard.django.plugins.module_utils.layout import UNITS


@dataclass(frozen=True)
class Change:
    """One file that is not as it should be; `after` is None where it is to be gone."""

    path: Path
    mode: int
    before: str
    after: str | None


def changes(files: Iterable[Mapping[str, Any]], absent: Iterable[str]) -> list[Change]:
    """The files that have to be written or removed, in this order.

    :param files: each with path, content and mode, an octal text
    :param absent: the paths of those that are to be gone
    """
    due = []
    for one in files:
        path, mode = Path(one["path"]), int(one.get("mode", "0644"), 8)
        before = _current(path, mode)
        if before != one["content"]:
            due.append(Change(path, mode, before or "", one["content"]))
    due += [Change(Path(path), 0, Path(path).read_text(), None) for path in absent if os.path.lexists(path)]
    return due


def disabled(units: Iterable[str]) -> list[str]:
    """Those of the units that systemd does not start at boot."""
    wanted = {path.name for path in UNITS.glob("*.wants/*")}
    return [unit for unit in units if unit not in wanted]


def idle(units: Iterable[str]) -> list[str]:
    """Those of the units that are timers, and do not run."""
    return [unit for unit in units if unit.endswith(".timer") and not systemd.is_active(unit)]


def due_timers(enable: Iterable[str], changed: Iterable[str], idle: Iterable[str]) -> list[str]:
    """The timers that are started, or started anew because they read otherwise now."""
    written = {Path(path).name for path in changed}
    return [unit for unit in enable if unit.endswith(".timer") and (unit in written or unit in idle)]


def leaving(changed: Iterable[Change]) -> list[tuple[str, str]]:
    """The timers that are stopped and disabled before their files go, each with what it runs, which may be at work."""
    timers = [one.path.name for one in changed if one.after is None and one.path.suffix == ".timer"]
    return [(timer, f"{timer.removesuffix('.timer')}.service") for timer in timers]


def amiss(files: Iterable[Mapping[str, Any]] = (), absent: Iterable[str] = (), enable: Iterable[str] = ()) -> list[str]:
    """The paths and units that are not as they should be."""
    found = [str(change.path) for change in changes(files, absent)] + disabled(enable)
    return found + [unit for unit in idle(enable) if unit not in found]


def commands(changed: Iterable[str], written: Iterable[str], apply_always: bool) -> list[list[str]]:
    """What makes systemd act on the files, in the order in which one needs the other."""
    due = list(written if apply_always else changed)
    found = [["systemd-sysusers", path] for path in due if path.startswith("/etc/sysusers.d/")]
    found += [["systemd-tmpfiles", "--create", path] for path in due if path.startswith("/etc/tmpfiles.d/")]
    if any(path.startswith("/etc/systemd/system/") for path in changed):
        found.append(["systemctl", "daemon-reload"])
    return found


def _current(path: Path, mode: int) -> str | None:
    """The text of a file that is as it should be in all but its text; None where it is not."""
    try:
        status = path.lstat()
        right = status.st_mode & 0o7777 == mode and status.st_uid == 0 and not path.is_symlink()
        return path.read_text() if right else None
    except (OSError, UnicodeDecodeError):
        return None

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host sees to by itself after a run: it watches the new instance and lets old ones end.

Here are the notes of what is to be done, which runs write, and the start of guard_program, which acts on them. They lie
in /run: a restart of the host ends every instance but the live one, and nothing is left to see to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    host_program,
    lease,
    processes,
    state,
    timing,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

Notes = dict[str, Any]
SIGNS_ON_WITHIN = 10


def let_end(layout: Layout, release: str, seconds: float, warm: float | None = None) -> None:
    """Have an instance stopped, unless its release is live by then.

    :param seconds: after which it is stopped, whatever connections it still holds
    :param warm: seconds after which it is stopped as soon as it holds no connection; None for not before the end
    """
    now = time.monotonic()
    with notes(layout) as noted:
        before = noted["ending"].get(release)
        if not before or before["idle_from"] is None or now + seconds < before["until"]:
            noted["ending"][release] = {
                "noted": now,
                "until": min(now + seconds, before["until"]) if before else now + seconds,
                "idle_from": None if warm is None else now + warm,
                "stopping": bool(before and before["stopping"]),
            }
        _start(layout, noted)


def let_live(layout: Layout, release: str) -> None:
    """Have an instance live on, that was to end. One that is being stopped already is waited for."""
    until = time.monotonic() + timing.stop_of(state.manifest(layout, release))
    while True:
        with notes(layout) as noted:
            if not noted["ending"].get(release, {}).get("stopping") or time.monotonic() > until:
                noted["ending"].pop(release, None)
                return
        time.sleep(0.1)


def is_ending(layout: Layout, release: str) -> bool:
    """Whether somebody will stop the instance."""
    noted = read(layout)
    return release in noted["ending"] and _is_at_work(noted)


def watch(layout: Layout, release: str, back_to: str, seconds: float, drain: int, edge: dict[str, str | None]) -> None:
    """Have traffic taken back where the instance dies within these seconds.

    :param drain: the drain time of the instance that would be left then
    :param edge: nginx's files of the site as they were before
    """
    instance = units.state_of(layout.unit(release))
    if instance is None:
        raise OSError(f"systemd says nothing of {layout.unit(release)}")
    with notes(layout) as noted:
        noted["watch"] = {
            "release": release,
            "back_to": back_to,
            "until": time.monotonic() + seconds,
            "seconds": seconds,
            "drain": drain,
            "edge": edge,
            "since": time.time(),
            "pid": instance["MainPID"],
            "restarts": instance["NRestarts"],
            "processes": processes.pulses(layout, release),
        }
        _start(layout, noted)


def look_away(layout: Layout) -> None:
    """Forget the watch: traffic has moved on, and the way back with it."""
    with notes(layout) as noted:
        noted["watch"] = None


def tidy(layout: Layout, seconds: float, postpone: bool = True) -> None:
    """Have the certificates removed that nginx names no longer, not before these seconds are over.

    :param postpone: whether that counts also where it was to be done before
    """
    with notes(layout) as noted:
        before = noted.get("tidy")  # notes of an earlier version have none
        if postpone or before is None:
            noted["tidy"] = max(time.monotonic() + seconds, before or 0)
        _start(layout, noted)


def read(layout: Layout) -> Notes:
    try:
        return json.loads(_file(layout).read_text())
    except (OSError, ValueError):
        return {"watch": None, "ending": {}, "tidy": None, "pid": 0, "started": "", "called": None}


@contextmanager
def notes(layout: Layout) -> Iterator[Notes]:
    """The notes, for nobody else to change at the same time."""
    with disk.locked(layout.run / "guard.lock"):
        noted = read(layout)
        before = json.dumps(noted)
        yield noted
        if json.dumps(noted) != before:
            disk.write(_file(layout), json.dumps(noted).encode(), 0o600)


def _file(layout: Layout) -> Path:
    return layout.run / "guard.json"


def _start(layout: Layout, noted: Notes) -> None:
    """Start the program where it doesn't run. The notes are locked: it signs on after the caller is done with them."""
    # Here and not above: it imports this module. So it travels with every module that leaves notes.
    from ansible_collections.switchyard.django.plugins.module_utils import guard_program

    if not _is_at_work(noted):
        host_program.start(layout, "guard", guard_program, {"site": layout.site})
        noted["called"] = time.monotonic()


def _is_at_work(noted: Notes) -> bool:
    if noted["pid"]:
        return noted["started"] == lease.process_start(noted["pid"])
    return noted["called"] is not None and time.monotonic() - noted["called"] < SIGNS_ON_WITHIN


def sign_on(noted: Notes) -> None:
    """Note that this process acts on the notes."""
    noted.update(pid=os.getpid(), started=lease.process_start(os.getpid()), called=None)


def sign_off(noted: Notes) -> None:
    """Note that nobody does: the next one who has something to do starts the program."""
    noted.update(pid=0, started="", called=None)

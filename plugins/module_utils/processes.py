# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs beside the instances: the background processes and timers of releases, on one host.

Which of them run here stands in the manifest of each release. What is to be at work follows from the pointer alone, so
that whoever is cut off, whoever comes next brings the host there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import diagnosis, host_command, state, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

# For so many seconds a new process must have run; the guard goes on to watch it. And so many it has to begin.
STAYS_UP = 3.0
STARTS_WITHIN = 30.0
LOOKS_EVERY = 0.1
GOES_ON = ("active", "activating", "reloading")


class ProcessError(Exception):
    """What should run beside the instance does not, or what should not does; the message is for the user."""


def unit_names(layout: Layout, release: str, here: Iterable[Mapping[str, Any]]) -> list[str]:
    """The units that are started for what a manifest lists: services, and the timers of those that have one."""
    return sorted(layout.unit(release, one["name"], "timer" if one["timer"] else "service") for one in here)


def wanted(layout: Layout, release: str | None) -> list[str]:
    """The units that are to be at work while the release is live."""
    manifest = state.manifest(layout, release) if release else None
    return unit_names(layout, release, manifest.get("processes", ())) if release and manifest else []


def at_work(layout: Layout, how: Collection[str] = units.AT_WORK) -> dict[str, dict[str, str]]:
    """The units of processes and timers, of whatever release, that are at work; but not the jobs of timers."""
    found = units.states([f"{layout.site}@*.service", f"{layout.site}@*.timer"])
    return {
        name: unit
        for name, unit in found.items()
        if unit["ActiveState"] in how and _process(layout, name) and not is_job(layout, name)
    }


def _release(layout: Layout, unit: str) -> str:
    return (layout.parts_of(unit) or ("", ""))[0]


def _process(layout: Layout, unit: str) -> str:
    return (layout.parts_of(unit) or ("", ""))[1]


def is_job(layout: Layout, unit: str) -> bool:
    """Whether a timer starts it: it ends by itself."""
    entry = _entry(layout, unit)
    return unit.endswith(".service") and entry is not None and entry["timer"]


def _entry(layout: Layout, unit: str) -> dict[str, Any] | None:
    """What its release's manifest says of it."""
    manifest = state.manifest(layout, _release(layout, unit)) or {}
    name = _process(layout, unit)
    return next((one for one in manifest.get("processes", ()) if one["name"] == name), None)


def missing(layout: Layout, release: str | None) -> list[str]:
    """The units that should be at work and are not."""
    needed = wanted(layout, release)
    found = units.states(needed) if needed else {}
    return [unit for unit in needed if found.get(unit, {}).get("ActiveState") not in units.AT_WORK]


def superfluous(layout: Layout, release: str | None) -> list[str]:
    """The units of other releases that go on as if theirs were live."""
    return sorted(unit for unit in at_work(layout, GOES_ON) if _release(layout, unit) != release)


def are_settled(layout: Layout, release: str | None) -> bool:
    """Whether all that the release has here is at work, and nothing of another one that should not be."""
    return not missing(layout, release) and not superfluous(layout, release)


def settle(layout: Layout, release: str | None, is_new: bool = False) -> None:
    """Have at work what the live release has here; others finish the task in hand.

    Of what must not run twice the old one has ended before the new one begins. What other releases have besides goes on
    until the new ones have shown that they stay up.

    :param is_new: whether all of them have to show that, and not only those that are started here
    """
    others = [unit for unit in at_work(layout) if _release(layout, unit) != release]
    _end([unit for unit in others if unit.endswith(".service") and _must_end_first(layout, unit)])
    _end([unit for unit in others if unit.endswith(".timer")])
    _start(layout, wanted(layout, release), is_new)
    left = superfluous(layout, release)
    if left:
        _systemctl("stop", "--no-block", *left)


def _must_end_first(layout: Layout, unit: str) -> bool:
    """Whether it must not run beside another; what nothing is known of may be of that kind."""
    entry = _entry(layout, unit)
    return entry is None or entry["singleton"]


def _end(going: list[str]) -> None:
    """Stop units and wait until they have ended; systemd kills what takes longer than its time."""
    if not going:
        return
    _systemctl("stop", *going)
    left = [name for name, unit in units.states(going).items() if unit["ActiveState"] in units.AT_WORK]
    if left:
        raise ProcessError(f"{left[0]} can't be stopped. journalctl -u {left[0]} says why.")


def _start(layout: Layout, needed: list[str], is_new: bool) -> None:
    """Start what doesn't run, and see it stay up. What finishes a task by an earlier word starts again after that."""
    before = {unit: shown["ActiveState"] for unit, shown in (units.states(needed) if needed else {}).items()}
    idle = [unit for unit in needed if before.get(unit) not in GOES_ON]
    since = time.time()
    if idle:
        _systemctl("daemon-reload")
        _systemctl("reset-failed", *idle)
        _systemctl("start", "--no-block", *idle)
    watched = needed if is_new else idle
    _require_up(layout, [unit for unit in watched if before.get(unit) != "deactivating"], since)


def _require_up(layout: Layout, started: list[str], since: float) -> None:
    """Wait until each has run for a while without a break."""
    up: dict[str, float] = {}
    restarts: dict[str, str] = {}
    until = time.monotonic() + STARTS_WITHIN
    while not all(time.monotonic() - up.get(unit, time.monotonic()) >= STAYS_UP for unit in started):
        found = units.states(started)
        for unit in started:
            shown = found.get(unit, {})
            how, again = shown.get("ActiveState", ""), shown.get("NRestarts", "")
            if how == "failed" or again != restarts.setdefault(unit, again) or (unit in up and how != "active"):
                raise ProcessError(_explain(layout, unit, since, "ended as soon as it was started"))
            if how == "active":
                up.setdefault(unit, time.monotonic())
            elif time.monotonic() > until:
                raise ProcessError(_explain(layout, unit, since, "does not start"))
        time.sleep(LOOKS_EVERY)


def _explain(layout: Layout, unit: str, since: float, what: str) -> str:
    cause = diagnosis.in_words(unit, since)
    met = f"The background process {_process(layout, unit)} {what}. journalctl -u {unit} has all of it."
    return f"{cause}\n{met}" if cause else met


def pulses(layout: Layout, release: str) -> dict[str, list[str]]:
    """Main PID and restarts of the release's processes that run now, by which their death is told."""
    services = [unit for unit in wanted(layout, release) if unit.endswith(".service")]
    found = units.states(services) if services else {}
    return {
        name: [unit["MainPID"], unit["NRestarts"]] for name, unit in found.items() if unit["ActiveState"] == "active"
    }


def _systemctl(*command: str) -> None:
    """What it can't do is told by the units' states, which are looked at afterwards."""
    host_command.run(["systemctl", *command], check=False, capture_output=True)


# --- before that -----------------------------------------------------------------------------------------------------


def missing_programs(venv: Path, wanted: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the virtual environment lacks for the commands."""
    return [
        f"{one['variable']}: the command begins with {one['program']}, and the project's requirements bring no such "
        f"program. Add the package that has it ({one['program']}?) to them, or give an absolute path."
        for one in wanted
        if one["program"] and not (venv / "bin" / one["program"]).exists()
    ]


def bad_schedules(timers: Mapping[str, str]) -> list[str]:
    """The schedules that this host's systemd does not understand, each with the way out.

    :param timers: by the variable's name
    """
    found = []
    for variable, schedule in timers.items():
        done = host_command.run(
            ["systemd-analyze", "calendar", "--", schedule], capture_output=True, text=True, check=False
        )
        if done.returncode:
            found.append(
                f"{variable}.schedule {schedule!r} is no calendar event of systemd.time(7). Write it for example as "
                "daily, hourly or Mon *-*-* 04:00:00; systemd-analyze calendar tries one."
            )
    return found

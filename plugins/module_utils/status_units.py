# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the site's instances and what runs beside them fare at this moment."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils import (
    guard,
    processes,
    sampler_program,
    samples,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.sampler_program import Sample
from ansible_collections.switchyard.django.plugins.module_utils.samples import Growth

SHOWN = (
    "Id,ActiveState,SubState,Result,NRestarts,MemoryMax,ActiveEnterTimestamp,NextElapseUSecRealtime,LastTriggerUSec,"
    "NeedDaemonReload,DropInPaths"
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# A look at what was computed since a moment ago would say little.
CPU_OVER = 30


@dataclass(frozen=True)
class Unit:
    """An instance, a process beside it, or a timer.

    :param process: its name; empty for an instance
    :param role: live; draining, which the host will stop; starting; job, a command of manage.py; or other, which nobody
        will stop
    :param state: as systemd has it, such as active/running
    :param since: when it was started, in seconds since 1970; None where it does not run
    :param ends_in: the seconds after which the host stops it at the latest, where it drains
    :param restarts: how often systemd has started it again by itself
    :param restarts_lately: those of them since the window began, as far as is known
    :param workers: how many there are; 0 where the main process does all itself
    :param workers_started: how many of them were started in the window in the place of others, as far as is known
    :param memory: the bytes that are its own, without what the kernel can drop
    :param memory_limit: MemoryMax= in bytes; None for no limit
    :param growth: of its memory; None where too little is known
    :param cpu: the cores that it keeps busy; since the sample before, or else since it was started
    :param next: when a timer elapses next, in seconds since 1970
    :param last: when it last has
    """

    unit: str
    release: str
    process: str
    role: str
    state: str
    result: str
    since: float | None = None
    ends_in: float | None = None
    restarts: int = 0
    restarts_lately: int = 0
    processes: int = 0
    workers: int = 0
    workers_started: int = 0
    memory: int = 0
    memory_limit: int | None = None
    growth: Growth | None = None
    cpu: float | None = None
    connections: int = 0
    websockets: int = 0
    next: float | None = None
    last: float | None = None


def shown(layout: Layout) -> dict[str, dict[str, str]]:
    """What systemd says of the site's units that it has loaded, and of those that the live release should have."""
    live = state.live_release(layout)
    wanted = [layout.unit(live), *processes.wanted(layout, live)] if live else []
    patterns = [f"{layout.site}@*.service", f"{layout.site}@*.timer", *wanted]
    found = units.states(dict.fromkeys(patterns), SHOWN)
    return {name: unit for name, unit in found.items() if layout.parts_of(name)}


def read(layout: Layout, told: Mapping[str, Mapping[str, str]], noted: Sequence[Sample], since: float) -> list[Unit]:
    """The units that run, or should: instances first, the live one before the others.

    :param told: what `shown` returned
    :param noted: the samples of a day
    :param since: the beginning of the window
    """
    live = state.live_release(layout)
    wanted = [layout.unit(live), *processes.wanted(layout, live)] if live else []
    taken = {one.unit: one for one in sampler_program.look(layout.site, layout.etc)}
    before = samples.by_unit(noted)
    ending = guard.read(layout)["ending"]
    found = [
        _unit(layout, unit, name in wanted, ending, taken.get(name), before.get(name, []), since)
        for name, unit in told.items()
        if name in wanted or unit["ActiveState"] in units.AT_WORK
    ]
    return sorted(found, key=lambda one: (bool(one.process), one.role != "live", one.unit))


def _unit(
    layout: Layout,
    told: Mapping[str, str],
    is_wanted: bool,
    ending: Mapping[str, Mapping[str, float]],
    now: Sample | None,
    before: Sequence[Sample],
    since: float,
) -> Unit:
    release, process = layout.parts_of(told["Id"]) or ("", "")
    started = _moment(told.get("ActiveEnterTimestamp")) if told["ActiveState"] == "active" else None
    seen = [one for one in [*before, *([now] if now else [])] if one.at >= since]
    restarts = int(told.get("NRestarts") or 0)
    until = None if is_wanted else ending.get(release, {}).get("until")
    return Unit(
        unit=told["Id"],
        release=release,
        process=process,
        role="live" if is_wanted else _role(layout, told, release in ending),
        state=f"{told['ActiveState']}/{told.get('SubState', '')}",
        result=told.get("Result", ""),
        since=started,
        ends_in=None if until is None else max(0, round(until - time.monotonic())),
        restarts=restarts,
        restarts_lately=samples.restarts(before, since, restarts),
        processes=now.processes if now else 0,
        workers=len(now.workers.split()) if now else 0,
        workers_started=samples.workers_started(seen),
        memory=now.memory if now else 0,
        memory_limit=_limit(told.get("MemoryMax", "")),
        growth=samples.growth(before, started) if started else None,
        cpu=_cpu(before, now, started),
        connections=now.connections if now else 0,
        websockets=now.websockets if now else 0,
        next=_moment(told.get("NextElapseUSecRealtime")),
        last=_moment(told.get("LastTriggerUSec")),
    )


def _role(layout: Layout, told: Mapping[str, str], is_ending: bool) -> str:
    if is_ending or told["ActiveState"] == "deactivating":
        return "draining"
    if processes.is_job(layout, told["Id"]):
        return "job"
    return "starting" if told["ActiveState"] == "activating" else "other"


def _cpu(before: Sequence[Sample], now: Sample | None, started: float | None) -> float | None:
    if not now or not started:
        return None
    earlier = next((one for one in reversed(before) if now.at - one.at >= CPU_OVER), None)
    known = samples.cores_busy(earlier, now) if earlier else None
    return known if known is not None else round(now.cpu / max(now.at - started, 1), 3)


def _moment(shown: str | None) -> float | None:
    """Seconds since 1970, of a moment as systemctl prints it where it is told that the time is UTC."""
    found = MOMENT.search(shown or "")
    return float(calendar.timegm(time.strptime(found[0], "%Y-%m-%d %H:%M:%S"))) if found else None


def _limit(shown: str) -> int | None:
    return int(shown) if shown.isdecimal() else None

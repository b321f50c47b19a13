# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what an access log says of a window of time: how much was asked for, what failed, and how long it took.

One pass, and memory that does not grow with the log.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import access_log_files, time_bins
from ansible_collections.switchyard.django.plugins.module_utils.access_log_files import SLACK, TROUBLES, Part
from ansible_collections.switchyard.django.plugins.module_utils.access_log_lines import LINES, entry, moment
from ansible_collections.switchyard.django.plugins.module_utils.access_log_report import (
    Endpoint,
    Release,
    Report,
    Slot,
    Source,
    WebSockets,
)
from ansible_collections.switchyard.django.plugins.module_utils.access_log_tally import Endpoints, Releases, Tally

_SWITCHING = b"101"
# More times than that are not known by heart.
_TIMES = 20_000


def read(log: Path, since: float, until: float, *, buckets: int = 60, endpoints: int = 20) -> Report:
    """What nginx wrote from `since` until `until`, in seconds since 1970; a request counts when it ended.

    :param log: the file that nginx writes; those turned over lie beside it
    :param buckets: into how many parts the series divides the window
    :param endpoints: how many of them are told of apart
    :raises OSError: a file can't be opened
    :raises ValueError: the window is empty, or a number is less than 1
    """
    if until <= since or buckets < 1 or endpoints < 1:
        raise ValueError("until must be after since; buckets and endpoints must be at least 1")
    reader = _Reader(since, until, buckets)
    with access_log_files.opened(log, since) as (parts, reaches_back):
        sources = [_read(part, reader) for part in parts]
    return reader.report(endpoints, reaches_back, sources)


def _read(part: Part, reader: _Reader) -> Source:
    trouble = ""
    reader.begin()
    try:
        for lines in part.lines(reader.since):
            reader.add(lines)
            if reader.is_past:
                break
    except TROUBLES as error:
        trouble = str(error)
    return Source(str(part.path), part.read, trouble)


class _Reader:
    """What was read so far.

    :param is_past: what follows in this file was written after the window
    """

    def __init__(self, since: float, until: float, buckets: int) -> None:
        self.since = since
        self.until = until
        self.slots = [Tally() for _bucket in range(buckets)]
        self.endpoints = Endpoints()
        self.releases = Releases()
        self.websockets = time_bins.bins()
        self.broken = 0
        self._bins: dict[bytes, int] = {}
        self.begin()

    def begin(self) -> None:
        """A new file: nothing is known of the time of its first line."""
        self.is_past = False
        self._stamp: bytes | None = None
        self._slot: Tally | None = None

    def add(self, lines: bytes) -> None:
        """The loop that costs the time: what it has met before takes a look into a dict, and no call."""
        known_endpoint, known_release, known_bin = self.endpoints.known.get, self.releases.known.get, self._bins.get
        before, slot = self._stamp, self._slot
        for stamp, method, path, status, seconds, upstream, odd in LINES.findall(lines):
            if stamp != before:
                if odd:
                    found = entry(odd)
                    if found is None:
                        self._add_broken()
                        continue
                    stamp, method, path, status, seconds, upstream = found
                slot = self._turn_to(stamp)
                before = self._stamp
            if slot is None:
                continue
            number = known_bin(seconds)
            if number is None:
                number = self._bin(seconds)
            if status == _SWITCHING:
                self.websockets[number] += 1
                continue
            endpoint = known_endpoint((method, path)) or self.endpoints.tally(method, path)
            release = known_release(upstream) or self.releases.tally(upstream)
            endpoint.statuses[status] += 1
            endpoint.times[number] += 1
            release.statuses[status] += 1
            release.times[number] += 1
            slot.statuses[status] += 1
            slot.times[number] += 1

    def _turn_to(self, stamp: bytes) -> Tally | None:
        """The part of the window that the line belongs to which has this time; None where it belongs to none."""
        if stamp == self._stamp:
            return self._slot
        when = moment(stamp)
        self._slot = None
        if when is None:
            self._stamp = None
            self.broken += 1
        else:
            self._stamp = stamp
            self.is_past = when > self.until + SLACK
            if self.since <= when < self.until:
                share = (when - self.since) / (self.until - self.since)
                self._slot = self.slots[min(int(share * len(self.slots)), len(self.slots) - 1)]
        return self._slot

    def _add_broken(self) -> None:
        """It was written when its neighbours were; where none is known yet, it may have been in the window."""
        if self._slot is not None or self._stamp is None:
            self.broken += 1

    def _bin(self, seconds: bytes) -> int:
        try:
            number = time_bins.bin_of(float(seconds))
        except ValueError:
            number = time_bins.UNTIMED
        if len(self._bins) < _TIMES:
            self._bins[seconds] = number
        return number

    def report(self, endpoints: int, reaches_back: bool, sources: list[Source]) -> Report:
        total = Tally()
        for slot in self.slots:
            total.add(slot)
        tallies = self.endpoints.tallies
        most = sorted(tallies, key=lambda endpoint: (-tallies[endpoint].requests, endpoint))[:endpoints]
        failing = sorted(tallies, key=lambda endpoint: (-tallies[endpoint].server_errors, endpoint))[:endpoints]
        others = Tally()
        others.add(total)
        for endpoint in most:
            others.add(tallies[endpoint], -1)
        return Report(
            since=self.since,
            until=self.until,
            per_second=total.requests / (self.until - self.since),
            total=total.figures(),
            endpoints=[_endpoint(*endpoint, tallies[endpoint]) for endpoint in most],
            failing=[
                _endpoint(*endpoint, tallies[endpoint]) for endpoint in failing if tallies[endpoint].server_errors
            ],
            others=others.figures(),
            releases=[Release(release=name, **vars(tally.figures())) for name, tally in self.releases.ranked()],
            websockets=WebSockets(sum(self.websockets), **time_bins.percentiles(self.websockets)),
            series=[self._slot_of(number, slot) for number, slot in enumerate(self.slots)],
            untimed=total.times[time_bins.UNTIMED],
            broken=self.broken,
            reaches_back=reaches_back,
            sources=sources,
        )

    def _slot_of(self, number: int, tally: Tally) -> Slot:
        at = self.since + (self.until - self.since) * number / len(self.slots)
        return Slot(at, tally.requests, tally.server_errors, time_bins.percentile(tally.times, 95))


def _endpoint(method: str, path: str, tally: Tally) -> Endpoint:
    return Endpoint(method=method, path=path, missed=tally.missed, **vars(tally.figures()))

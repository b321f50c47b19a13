# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler of a host has noted: how a unit has fared, and what of it grows."""

from __future__ import annotations

import csv
import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import sampler_program
from ansible_collections.switchyard.django.plugins.module_utils.sampler_program import COLUMNS, Sample

DAY = 24 * 3600
# What grows in its first minutes only warms up; and less than so many seconds say nothing of an hour.
WARM_AFTER, GROWTH_NEEDS = 300, 900
COUNTED = ("at", "pid", "memory", "processes", "restarts", "connections", "websockets")
# The pairs of points by which the growth is judged grow with the square of their number.
GROWTH_POINTS = 120


@dataclass(frozen=True)
class Growth:
    """How memory grows, by the median of the slopes between all pairs of samples, which single peaks do not sway.

    :param per_hour: bytes, less than 0 where it shrinks
    :param seconds: between the first sample that counts and the last
    """

    per_hour: float
    seconds: float


@dataclass(frozen=True)
class Point:
    """A sample as a chart needs it.

    :param cpu: the cores that it kept busy since the point before, 1.0 for one; None where that is not known
    """

    at: int
    memory: int
    cpu: float | None
    connections: int
    websockets: int
    restarts: int


def read(folder: Path, since: float) -> list[Sample]:
    """What was noted since then, the earliest first. Lines that a power cut or another version left are passed over."""
    found: list[Sample] = []
    for path in sampler_program.files(folder):
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as stream:
                found += (sample for row in csv.reader(stream) if (sample := _sample(row)) and sample.at >= since)
        except OSError:  # it was the oldest, and has gone meanwhile
            continue
    return sorted(found, key=lambda sample: sample.at)


def _sample(row: Sequence[str]) -> Sample | None:
    if len(row) != len(COLUMNS):
        return None
    told = dict(zip(COLUMNS, row))
    try:
        numbers = {name: int(told[name]) for name in COUNTED}
        return Sample(unit=told["unit"], cpu=float(told["cpu"]), workers=told["workers"], **numbers)
    except ValueError:  # the line with the names, too
        return None


def by_unit(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """The samples of each unit, in their order."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.unit, []).append(sample)
    return found


def growth(samples: Sequence[Sample], started: float) -> Growth | None:
    """How the memory of a unit grows that was started then; None where too little is known."""
    points = _thinned([one for one in samples if one.at >= started + WARM_AFTER], GROWTH_POINTS)
    if not points or points[-1].at - points[0].at < GROWTH_NEEDS:
        return None
    slopes = [
        (later.memory - earlier.memory) / (later.at - earlier.at)
        for earlier, later in itertools.combinations(points, 2)
        if later.at > earlier.at
    ]
    return Growth(round(statistics.median(slopes) * 3600), points[-1].at - points[0].at)


def workers_started(samples: Sequence[Sample]) -> int:
    """How many workers a main process has started after the first ones: it replaced those that ended, or reloaded.

    One that ended again between two samples is not seen.
    """
    count = 0
    for earlier, later in zip(samples, samples[1:]):
        if earlier.pid == later.pid and earlier.workers:
            count += len(set(later.workers.split()) - set(earlier.workers.split()))
    return count


def restarts(samples: Sequence[Sample], since: float, now: int) -> int:
    """How often a unit was started again by systemd since then, as far as is known.

    Somebody who starts it, or resets it, sets its number to 0. Where nothing was noted before, all of it counts.

    :param now: the number at this moment
    """
    before = [one.restarts for one in samples if one.at < since][-1:] or [0]
    numbers = [*before, *(one.restarts for one in samples if one.at >= since), now]
    return sum(later - earlier if later >= earlier else later for earlier, later in zip(numbers, numbers[1:]))


def cores_busy(earlier: Sample, later: Sample) -> float | None:
    """The cores that were busy for it between two samples; None where it has been started anew between them."""
    if later.at <= earlier.at or later.pid != earlier.pid or later.cpu < earlier.cpu:
        return None
    return round((later.cpu - earlier.cpu) / (later.at - earlier.at), 3)


def points(samples: Sequence[Sample], most: int) -> list[dict[str, float | None]]:
    """At most so many points of a unit, for a chart."""
    return [asdict(point) for point in _points(_thinned(samples, most))]


def _points(samples: Sequence[Sample]) -> Iterator[Point]:
    for number, one in enumerate(samples):
        cpu = cores_busy(samples[number - 1], one) if number else None
        yield Point(one.at, one.memory, cpu, one.connections, one.websockets, one.restarts)


def _thinned(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Samples at even steps, the last one among them."""
    step = -(-len(samples) // most)
    return list(reversed(samples[::-1][:: max(step, 1)]))

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from samples: what grows, what was started again, what a chart shows."""

from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import sampler_program, samples
from ansible_collections.switchyard.django.plugins.module_utils.sampler_program import Sample
from hypothesis import given
from hypothesis import strategies as st

MIB = 1024 * 1024
NOW = 1_790_000_000


def series(values, step=60, **fields):
    return [Sample(NOW + step * number, "shop", pid=1, memory=value, **fields) for number, value in enumerate(values)]


def test_what_was_noted_is_read_as_it_was(tmp_path):
    noted = [Sample(NOW + day * 86400, "shop@a.service", 1, 2, 3.5, 4, 5, 6, 7, "8 9") for day in range(3)]
    for one in noted:
        sampler_program.append(tmp_path, [one])
    assert samples.read(tmp_path, 0) == noted
    assert samples.read(tmp_path, NOW + 86400) == noted[1:]
    assert samples.read(tmp_path / "none", 0) == []


@pytest.mark.parametrize("junk", ["1,2", "x,shop,1,2,3,4,5,6,7,", "\0\0\0", "1,shop,1,2,much,4,5,6,7,", '"', ""])
def test_junk_is_passed_over(tmp_path, junk):
    (tmp_path / "samples-2026-09-21.csv").write_text(f"{junk}\n1790000000,shop,1,2,3,4,5,6,7,\n")
    assert [one.memory for one in samples.read(tmp_path, 0)] in ([2], [])
    assert len(samples.read(tmp_path, 0)) == (0 if junk == '"' else 1)


@given(
    st.integers(-50 * MIB, 50 * MIB),
    st.lists(st.integers(0, 59), max_size=12, unique=True),
)
def test_growth_is_what_grows_by_the_hour_and_peaks_do_not_sway_it(per_hour, peaks):
    """Up to a fifth of the samples may be peaks."""
    base = 500 * MIB
    values = [base + per_hour * number // 60 + (200 * MIB if number in peaks else 0) for number in range(60)]
    found = samples.growth(series(values), NOW - samples.WARM_AFTER)
    assert found
    assert found.seconds == 59 * 60
    if not peaks:
        assert found.per_hour == pytest.approx(per_hour, abs=200)


def test_a_few_peaks_leave_the_growth_where_it_was():
    values = [500 * MIB + MIB * number // 6 + (300 * MIB if number % 15 == 0 else 0) for number in range(60)]
    found = samples.growth(series(values), NOW - samples.WARM_AFTER)
    assert found.per_hour == pytest.approx(10 * MIB, rel=0.1)


def test_what_only_warms_up_or_is_young_does_not_grow():
    assert samples.growth(series([100 * MIB, 200 * MIB] * 3), NOW) is None
    assert samples.growth([], NOW) is None
    rising = [number * 50 * MIB for number in range(5)] + [250 * MIB] * 60
    assert samples.growth(series(rising), NOW).per_hour == 0


def test_workers_that_took_the_place_of_others_are_counted():
    def at(number, workers, pid=1):
        return Sample(NOW + number, "shop", pid, workers=workers)

    assert samples.workers_started([at(0, "10 11"), at(1, "10 11"), at(2, "10 12"), at(3, "13 14")]) == 3
    assert samples.workers_started([at(0, "10 11"), at(1, "20 21", pid=2)]) == 0, "a new main process has new workers"
    assert samples.workers_started([at(0, ""), at(1, "10 11")]) == 0, "it was only just started"


def test_the_cores_that_were_busy():
    first, later = Sample(NOW, "shop", 1, cpu=10), Sample(NOW + 60, "shop", 1, cpu=40)
    assert samples.cores_busy(first, later) == 0.5
    assert samples.cores_busy(first, Sample(NOW + 60, "shop", 2, cpu=40)) is None
    assert samples.cores_busy(first, Sample(NOW + 60, "shop", 1, cpu=1)) is None
    assert samples.cores_busy(first, first) is None


@given(st.integers(0, 500), st.integers(1, 120))
def test_a_chart_gets_no_more_points_than_it_can_show_and_always_the_latest(number, most):
    noted = series(range(number))
    points = samples.points(noted, most)
    assert len(points) <= most
    assert [point["at"] for point in points] == sorted(point["at"] for point in points)
    if noted:
        assert points[-1]["at"] == noted[-1].at


@pytest.mark.parametrize(
    ("before", "lately", "now", "restarts"),
    [
        ([3], [4, 5], 5, 2),
        ([], [], 5, 5),
        ([5], [], 5, 0),
        ([5], [], 4, 4),  # somebody started it anew, which sets the number to 0
        ([5], [6, 0, 2, 2, 0, 0], 1, 4),
        ([1, 5], [0], 7, 7),
    ],
)
def test_restarts_are_counted_also_where_somebody_has_set_their_number_to_0(before, lately, now, restarts):
    numbers = [*before, *lately]
    noted = [Sample(NOW + 60 * at, "shop", restarts=number) for at, number in enumerate(numbers)]
    assert samples.restarts(noted, NOW + 60 * len(before), now) == restarts

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import time_bins
from hypothesis import given
from hypothesis import strategies as st

# From a millisecond to two weeks, each order of magnitude as likely as another.
MILLISECONDS = st.floats(0, 21).map(math.exp).map(int) | st.just(0)


def counted(milliseconds):
    bins = time_bins.bins()
    for one in milliseconds:
        bins[time_bins.bin_of(one / 1000)] += 1
    return bins


@given(st.lists(MILLISECONDS, min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_as_near_as_it_says(milliseconds, percent):
    exact = sorted(milliseconds)[math.ceil(len(milliseconds) * percent / 100) - 1] / 1000
    told = time_bins.percentile(counted(milliseconds), percent)
    assert told == pytest.approx(exact, rel=time_bins.RELATIVE_ERROR * 1.000001)


@given(st.lists(st.integers(0, 63), min_size=1))
def test_short_times_are_exact(milliseconds):
    assert time_bins.percentile(counted(milliseconds), 100) == max(milliseconds) / 1000


def test_nothing_has_no_percentile():
    assert time_bins.percentiles(time_bins.bins()) == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize("seconds", [-0.001, math.inf, math.nan])
def test_what_is_no_time_is_counted_as_none(seconds):
    assert time_bins.bin_of(seconds) == time_bins.UNTIMED
    bins = counted([5])
    bins[time_bins.bin_of(seconds)] += 1000
    assert time_bins.percentile(bins, 99) == 0.005


def test_what_is_longer_than_a_month_counts_as_a_month():
    assert time_bins.percentile(counted([1e15]), 50) == pytest.approx(30 * 86_400, rel=0.02)

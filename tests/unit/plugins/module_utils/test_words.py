# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import words


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "–"), (0.0004, "0 ms"), (0.25, "250 ms"), (1.24, "1.2 s"), (90, "90 s"), (600, "10 min"), (9000, "2 h")],
)
def test_durations(seconds, told):
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"), [(None, "–"), (0, "0 B"), (2048, "2.0 KiB"), (93 * 1024**2, "93 MiB"), (3 * 1024**3, "3.0 GiB")]
)
def test_sizes(number, told):
    assert words.size(number) == told


@pytest.mark.parametrize(
    ("share", "told"),
    [(0, "0 %"), (0.00001, "< 0.01 %"), (0.0004, "0.04 %"), (0.011, "1.1 %"), (0.0995, "10 %"), (1, "100 %")],
)
def test_what_is_not_nothing_is_never_told_as_nothing(share, told):
    assert words.percent(share) == told


def test_moments_near_one_another_have_no_day():
    assert words.moment(1790000000, 1790000100) == "14:13:20"
    assert words.moment(1790000000, 1790100000) == "2026-09-21 14:13:20"


def test_rates_and_counts():
    assert [words.rate(each) for each in (0, 0.01, 1.25, 120)] == ["0/s", "36/h", "1.2/s", "120/s"]
    assert words.counts({"200": 5, "502": 9, "404": 5}) == "9 × 502, 5 × 200, 5 × 404"


@pytest.mark.parametrize(
    "said",
    [
        'Task failed: Data could not be sent to remote host "10.0.0.1". Make sure this host can be reached over ssh: '
        "ssh: connect to host 10.0.0.1 port 22: No route to host",
        "Failed to connect to the host via ssh: ssh: connect to host 10.0.0.1 port 22: No route to host",
        "ssh: connect to host 10.0.0.1 port 22: No route to host",
    ],
)
def test_a_host_that_can_not_be_reached_is_told_in_the_words_of_ssh(said):
    told = words.why_silent({"unreachable": True, "msg": said})
    assert told == "not reached: ssh: connect to host 10.0.0.1 port 22: No route to host"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.9994, "999 ms"), (0.9996, "1.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 min")]
    + [(7199, "120 min"), (7200, "2 h"), (86400 * 2 - 1, "48 h"), (86400 * 2, "2 d")],
)
def test_durations_at_the_borders_of_units(seconds, told):
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [(1023, "1023 B"), (1024, "1.0 KiB"), (1024**2 - 1, "1.0 MiB"), (1024**3 - 1, "1.0 GiB")]
    + [(1023 * 1024**2, "1023 MiB"), (10 * 1024**2 - 1, "10 MiB"), (-(1024**3) + 1, "-1.0 GiB")],
)
def test_sizes_at_the_borders_of_units(number, told):
    assert words.size(number) == told

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import timing
from ansible_collections.switchyard.django.plugins.module_utils.timing import Times, drain_of, plan, stop_of
from hypothesis import given
from hypothesis import strategies as st

AS_THEY_ARE = {"site_request_timeout": 60, "nginx_read_timeout": "auto", "site_graceful_timeout": "auto"}
NAMES = sorted(AS_THEY_ARE)
SECONDS = st.integers(1, 1800)


def planned(**changes):
    return plan({**AS_THEY_ARE, **changes})


def test_all_of_them_follow_from_one():
    assert planned() == (Times(request=60, nginx=60, server=65, graceful=60, stop=65), [])
    assert planned(site_request_timeout=300)[0] == Times(request=300, nginx=300, server=305, graceful=300, stop=305)


def test_numbers_may_be_texts():
    assert planned(site_request_timeout="90", nginx_read_timeout="120", site_graceful_timeout="100") == planned(
        site_request_timeout=90, nginx_read_timeout=120, site_graceful_timeout=100
    )


def test_nginx_lets_go_of_an_idle_connection_before_the_app_server_does():
    times, _problems = planned()
    assert times.idle_nginx < times.idle_server


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value",
    ["", 0, -1, 1801, 100000, "1.5", 1.5, "60s", "1m", "sixty", "AUTO", "60\n", " 60", "٦٠", None, True, []],
)
def test_what_is_no_time_is_refused_by_its_name(name, value):
    times, problems = planned(**{name: value})
    assert times is None
    (problem,) = problems
    assert problem.startswith(f"{name} {value} must be a whole number of seconds from 1 to 1800")


def test_how_long_a_request_takes_nobody_can_guess():
    (problem,) = planned(site_request_timeout="auto")[1]
    assert "auto" not in problem.partition("must")[2]
    for name in ("nginx_read_timeout", "site_graceful_timeout"):
        assert planned(**{name: 0})[1][0].endswith(", or auto")


def test_every_time_that_is_none_is_told_at_once():
    _times, problems = plan(dict.fromkeys(NAMES, "soon"))
    assert sorted(problem.split()[0] for problem in problems) == NAMES


@pytest.mark.parametrize("name", ["nginx_read_timeout", "site_graceful_timeout"])
def test_a_time_that_cuts_off_a_request_is_refused_with_both_values(name):
    (problem,) = planned(site_request_timeout=90, **{name: 89})[1]
    assert f"{name} 89 is shorter than site_request_timeout 90" in problem
    assert f"Take {name} out, or lower site_request_timeout" in problem
    assert planned(site_request_timeout=90, **{name: 90})[1] == []


@given(SECONDS, SECONDS | st.just("auto"), SECONDS | st.just("auto"))
def test_who_waits_for_another_waits_longer_or_is_refused(request, nginx, graceful):
    times, problems = plan(
        {"site_request_timeout": request, "nginx_read_timeout": nginx, "site_graceful_timeout": graceful}
    )
    cuts = [value for value in (nginx, graceful) if value != "auto" and value < request]
    assert len(problems) == len(cuts)
    assert times.nginx < times.server
    assert times.graceful < times.stop
    if not problems:
        assert times.request <= min(times.nginx, times.graceful)


# --- what an instance needs once it leaves ---------------------------------------------------------------------------


def served(**times):
    return {"serving": {"times": times}}


@pytest.mark.parametrize(
    ("manifest", "seconds"),
    [(None, 120), ({}, 120), (served(request=1), 120), (served(request=60), 120), (served(request=600), 660)],
)
def test_a_drain_outlasts_the_longest_request_by_a_minute(manifest, seconds):
    assert drain_of(manifest) == seconds


def test_the_longest_drain_is_one_that_a_user_may_set():
    assert drain_of(served(request=timing.LONGEST)) <= 3000


@pytest.mark.parametrize(("manifest", "seconds"), [(None, 125), ({}, 125), (served(stop=65), 70)])
def test_a_stop_is_over_a_little_after_systemd_has_killed_what_was_left(manifest, seconds):
    assert stop_of(manifest) == seconds

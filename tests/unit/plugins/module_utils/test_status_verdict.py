# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be looked at, and what is wrong with the limits of that."""

from __future__ import annotations

import importlib.util

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import status_verdict
from ansible_collections.switchyard.django.plugins.module_utils.status_verdict import Limits

GIVEN = {**vars(Limits()), "site": "shop", "since": "-1h", "endpoints": 10, "fail": False, "json": "", "report": ""}
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is 26 November 2026."""
    monkeypatch.setattr(status_verdict.time, "time", lambda: 1_795_700_000.0)


def judged(one, everywhere=False, **limits):
    return status_verdict.problems({"web1": one}, Limits(**limits), everywhere)


def test_a_site_that_is_well_has_nothing_to_be_looked_at(host_status):
    assert judged(host_status()) == []


def test_a_host_that_says_nothing(host_status):
    assert judged({"unreachable": True, "msg": "Failed to connect\nto the host"}) == [
        "web1: not reached: Failed to connect to the host"
    ]
    assert judged({"msg": "since: 'x' is no point in time"}) == ["web1: not read: since: 'x' is no point in time"]
    assert judged({}) == ["web1: not read: no answer"]


def test_a_host_without_the_site_is_a_problem_only_where_it_should_have_it():
    nothing = {"found": "nothing", "sites": [], "at": 1.0, "since": 0.0}
    assert judged(nothing) == []
    assert judged(nothing, everywhere=True) == ["web1: it has no such site"]
    assert judged({**nothing, "found": "half"}) == ["web1: the site is half removed; playbooks/remove.yml ends that"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "activating/auto-restart"}, "the instance 3f9c2a7d41b8 is activating/auto-restart"),
        ({"state": "failed/failed", "process": "mail"}, "the process mail is failed/failed"),
        ({"role": "other"}, "nobody will stop it"),
        ({"restarts_lately": 4}, "was restarted 4 times since status_since"),
        ({"memory": 700 * MIB}, "has 700 MiB of memory, and may have 768 MiB"),
    ],
)
def test_a_unit_that_is_not_well(host_status, changes, words):
    status = host_status()
    status["units"][0] |= changes
    (problem,) = judged(status)
    assert words in problem


def test_memory_that_grows_is_judged_where_somebody_says_from_when_on(host_status):
    status = host_status()
    status["units"][0]["growth"] = {"per_hour": 30 * MIB, "seconds": 3600}
    assert judged(status) == []
    assert judged(status, growth=20) == ["web1: the memory of the instance 3f9c2a7d41b8 grows by 30 MiB in an hour"]


def test_a_unit_that_drains_or_a_job_that_runs_is_no_problem(host_status):
    status = host_status()
    status["units"] += [{**status["units"][0], "role": role} for role in ("draining", "starting", "job")]
    assert judged(status) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate_502": 0.011}, "1.1 % of 100 requests ended with 502"),
        ({"rate_504": 0.5}, "50 % of 100 requests ended with 504"),
        ({"server_errors": 6}, "6.0 % of 100 requests ended with an error of the server"),
    ],
)
def test_requests_that_failed(host_status, changes, words):
    status = host_status()
    status["log"]["total"] |= changes
    assert judged(status) == [f"web1: {words}"]
    status["log"]["total"]["requests"] = 19  # too few to say anything
    assert judged(status) == []


def test_a_limit_is_what_still_may_be(host_status):
    status = host_status()
    status["log"]["total"] |= {"rate_502": 0.01, "rate_504": 0.01, "server_errors": 5}
    assert judged(status) == []
    assert judged(status, rate_502=0.99) == ["web1: 1.0 % of 100 requests ended with 502"]
    assert judged(status, p95=0.08) == []
    assert judged(status, p95=0.07) == ["web1: one of twenty requests takes more than 80 ms (p95)"]


def test_the_host_itself(host_status):
    status = host_status()
    status["host"] |= {"nginx": "failed/failed"}
    status["host"]["disks"][0] |= {"free_share": 0.05}
    status["host"]["tls"] |= {"days": 3.2, "served": False}
    problems = judged(status)
    assert "web1: nginx is failed/failed" in problems
    assert "web1: 5.0 % of the space of /srv/shop is free" in problems
    assert "web1: the certificate /etc/x.pem ends in 3.2 days" in problems
    assert "web1: nginx shows another certificate than /etc/x.pem has: systemctl reload nginx" in problems
    assert len(problems) == 4
    status["host"]["disks"][0] |= {"free_share": 0.5, "inodes_free_share": 0.01}
    assert "web1: 1.0 % of the inodes of /srv/shop is free" in judged(status)


def test_drift_counts_unless_somebody_says_otherwise(host_status):
    drift = [{"kind": "unit", "path": "/x", "what": "changed", "at": None, "diff": []}]
    status = host_status(drift={"drift": drift * 2, "unknown": ["code"], "not_taken_up": ["shop@1.service"]})
    assert judged(status) == [
        "web1: changed by hand since the release was made: unit",
        "web1: systemd has not read shop@1.service since it was changed: systemctl daemon-reload",
    ]
    assert judged(status, drift=False) == []


def test_what_was_cut_off_or_could_not_be_read(host_status):
    status = host_status(unread={"journal": "no access"})
    status["live"] |= {"unfinished": True}
    assert judged(status) == [
        "web1: the last move of the traffic was cut off; the next run ends it",
        "web1: journal could not be read: no access",
    ]
    assert judged({**status, "run": "a deploy by ann"}) == ["web1: journal could not be read: no access"]
    assert judged(host_status(live=None)) == ["web1: no release is live"]


def test_hosts_that_do_not_have_the_same_release(host_status):
    hosts = {"web1": host_status("aaaaaaaaaaaa"), "web2": host_status("bbbbbbbbbbbb")}
    assert status_verdict.problems(hosts, Limits(), False) == [
        "not the same release is live everywhere: aaaaaaaaaaaa on web1, bbbbbbbbbbbb on web2"
    ]


def test_connections_that_failed(host_status):
    journal = {"connection_failures": {"database_refused": 11, "nginx_refused": 1}, "findings": [], "failures": 12}
    assert judged(host_status(journal=journal)) == [
        "web1: 12 connection failures (11 × database_refused, 1 × nginx_refused)"
    ]
    assert judged(host_status(journal=journal), connections=12) == []


def test_variables_are_judged_by_their_names(tmp_path):
    assert status_verdict.variable_problems(GIVEN) == []
    found = status_verdict.variable_problems(
        {**GIVEN, "rate_502": "many", "disk": -1, "endpoints": 0, "json": f"{tmp_path}/none/x.json"}
    )
    assert found == [
        "status_fail_rate_502 many must be a number from 0 on, of six digits at most",
        "status_fail_disk -1 must be a number from 0 on, of six digits at most",
        "status_endpoints 0 must be a whole number from 1 to 999",
        f"status_json '{tmp_path}/none/x.json': the folder {tmp_path}/none does not exist. "
        "Name a file in a folder that exists and is yours, for example status_json=shop.json",
    ]


@pytest.mark.parametrize("wrong", ["many", -1, None, True, [1], {"a": 1}, "1e3", ""])
def test_limits_of_a_wrong_type_are_told_by_name(wrong):
    (problem,) = status_verdict.variable_problems({**GIVEN, "memory": wrong})
    assert problem.startswith("status_fail_memory ")


@pytest.mark.parametrize(("name", "variable"), [("drift", "status_fail_drift"), ("fail", "status_fail")])
@pytest.mark.parametrize("wrong", ["maybe", 2, None, []])
def test_what_is_neither_true_nor_false_is_told_by_name(name, variable, wrong):
    assert status_verdict.variable_problems({**GIVEN, name: wrong}) == [f"{variable} {wrong} must be true or false"]


@pytest.mark.parametrize("right", ["true", "False", "yes", 0, 1, "on", True])
def test_truths_are_read_as_ansible_reads_them(right):
    assert status_verdict.variable_problems({**GIVEN, "drift": right, "fail": right}) == []


def test_a_folder_is_no_file(tmp_path):
    for name in ("json", "report"):
        found = status_verdict.variable_problems({**GIVEN, name: str(tmp_path)})
        assert any(one.startswith(f"status_{name} '{tmp_path}': {tmp_path} is a folder. ") for one in found)


def test_a_folder_that_takes_no_file_is_told_before_a_host_is_asked():
    (problem,) = status_verdict.variable_problems({**GIVEN, "report": "/proc/x.html"})
    assert problem.startswith("status_report '/proc/x.html': the folder /proc can not be written to. ")


def test_the_page_and_the_data_are_two_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (problem,) = status_verdict.variable_problems({**GIVEN, "json": "x", "report": str(tmp_path / "x")})
    assert problem == "status_json and status_report both name x. Name two files"


@pytest.mark.parametrize(
    "since",
    ["-1h", "-15min", "-1h 30min", "-1h30min", "-2 days", "-90", "2h ago", "5 minutes ago", "-1.5h", "@1790000000"]
    + ["@1790000000.5", "now", "today", "yesterday", "2026-11-21", "2026-11-21 17:55", "17:55:01"]
    + ["2026-11-21T17:55:01Z", "2026-11-21 17:55:01 UTC", "Sat 2026-11-21 17:55:01 Europe/Berlin", "26-11-21 17:55"]
    + ["2026-11-21T17:55:01+02:00"],
)
def test_points_in_time_as_systemd_has_them(since):
    assert status_verdict.variable_problems({**GIVEN, "since": since}) == []


@pytest.mark.parametrize(
    "since",
    [
        "@99999999999",
        "@1795700301",
        "2026-11-28 00:00",
        "2999-01-01",
        "blah",
        "",
        "1h",
        "+1h",
        "-1 fortnight",
        "tomorrow",
        "2026-13-01",
        "-",
        "@",
        None,
        "-" + "1" * 9999 + "x",
    ],
)
def test_what_is_no_point_in_time_is_refused_before_a_host_is_asked(since):
    (problem,) = status_verdict.variable_problems({**GIVEN, "since": since})
    assert problem.startswith("status_since ")
    assert "is no point in time of the past" in problem
    assert "for example -15min, -2d, yesterday, 2026-11-21 17:55 or @1790000000" in problem


def test_a_site_has_to_be_named():
    assert status_verdict.variable_problems({**GIVEN, "site": ""}) == ["Name the site with -e site_name="]
    (problem,) = status_verdict.variable_problems({**GIVEN, "site": "../etc"})
    assert "can't name a unit" in problem


def test_a_report_without_what_draws_it_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (problem,) = status_verdict.variable_problems({**GIVEN, "report": str(tmp_path / "x.html")})
    assert "pip install matplotlib, or apt install python3-matplotlib" in problem


@pytest.mark.parametrize(("given", "truth"), [("true", True), (True, True), ("False", False), ("no", False)])
def test_limits_come_as_templates_make_them(given, truth):
    limits = status_verdict.limits_of({**{name: str(value) for name, value in vars(Limits()).items()}, "drift": given})
    assert limits == Limits(drift=truth)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table fits a terminal, whatever hosts and visitors call things, and nothing in it acts on the terminal."""

from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import status_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def told(hosts, left_out=(), problems=()):
    return status_table.lines("shop", hosts, left_out, problems)


def test_what_is_told_of_a_host(host_status):
    lines = told({"web1": host_status()}, ["db1"])
    assert lines[0] == "shop, 2026-09-21 14:13:20 UTC; requests and journal since 13:13:20 (60 min)"
    assert lines[1].split() == "host live release for requests 502 504 p50 p95 p99 conn ws".split()
    assert lines[2].split() == "web1 3f9c2a7d41b8 asgi 2 h 100/h 0 % 0 % 12 ms 80 ms 210 ms 5 2".split()
    assert lines[3] == "Not hosts of the site (site_group): db1"
    text = "\n".join(lines)
    assert "web1: 3f9c2a7d41b8 (asgi by uvicorn, commit c0ffeec0ffee) since 12:13:20 by deploy of ann@desk" in text
    assert "certificate until 2026-11-21, 61 days" in text
    assert "GET /notes/<int>/       100    0  12 ms  80 ms  210 ms" in text
    assert lines[-1] == "Nothing has to be looked at."


def test_of_tls_that_ends_in_front_of_the_host_nothing_is_claimed(host_status):
    status = host_status()
    status["host"]["tls"] = None
    facts = dict(status_table.facts(status))
    assert facts["TLS"] == "ends in front of this host, such as at a balancer: no certificate is looked at"
    status["live"]["scheme"] = "http"
    assert "TLS" not in dict(status_table.facts(status))


def test_hosts_that_have_no_site_or_say_nothing_stand_beside_the_others(host_status):
    nothing = {"found": "nothing", "sites": ["blog"], "else": ["HAProxy"], "at": 1790000000.0, "since": 1789996400.0}
    hosts = {"lb": nothing, "web1": host_status(), "web2": {"unreachable": True, "msg": "ssh: no route " * 20}}
    lines = told(hosts)
    assert lines[2] == "lb    no such site; it has blog; it runs HAProxy"
    assert lines[4].startswith("web2  not reached: ssh: no route ssh: no route")
    assert len(lines[4]) <= status_table.WIDTH


def test_units_that_drain_were_restarted_or_wait(host_status):
    status = host_status()
    unit = status["units"][0]
    unit |= {"restarts": 5, "restarts_lately": 2, "workers_started": 1}
    drains = {**unit, "release": "a" * 12, "role": "draining", "ends_in": 95, "growth": None}
    timer = {
        **unit,
        "unit": "shop@3f9c2a7d41b8-nightly.timer",
        "process": "nightly",
        "next": 1790003600.0,
        "last": None,
    }
    status["units"] += [drains, timer]
    text = "\n".join(told({"web1": status}))
    assert "5 (+2)" in text
    assert "2 (+1)" in text
    assert "+1.0 MiB" in text
    assert "aaaaaaaaaaaa (draining, 95 s)" in text
    assert "nightly (timer)" in text
    assert "next 15:13:20, has not run yet" in text


def test_drift_and_what_the_journal_says(host_status):
    lines = [f"-line {number}" for number in range(20)]
    drift = [{"kind": "unit", "path": "/etc/x.service", "what": "changed", "at": 1789999000.0, "diff": lines}]
    finding = {"unit": "shop@1.service", "cause": "missing_module", "evidence": "No module named 'redis'", "count": 4}
    finding |= {"at": 1789999000.0, "hint": "Add it.", "subject": "redis", "source": "journal"}
    status = host_status(
        drift={"drift": drift, "unknown": ["code"], "not_taken_up": ["x.service"]},
        journal={"connection_failures": {"redis_refused": 3}, "failures": 3, "findings": [finding]},
        unread={"samples": "gone"},
    )
    text = "\n".join(told({"web1": status}, problems=["web1: look here"]))
    assert "by hand      unit: /etc/x.service changed at 13:56:40" in text
    assert "-line 11" in text
    assert "… and 8 more lines" in text
    assert "connections  3 failures: 3 × redis_refused" in text
    assert "diagnosis    missing_module, 4 ×, last 13:56:40: No module named 'redis' Add it." in text
    assert "not judged   code: made by an earlier version" in text
    assert "not read     samples: gone" in text
    assert text.endswith("To be looked at:\n  web1: look here")


def test_what_fails_is_told_also_where_few_ask_for_it(host_status):
    status = host_status()
    often = status["log"]["endpoints"][0]
    seldom = {**often, "path": "/pay/", "requests": 3, "server_errors": 2}
    status["log"]["failing"] = [seldom, {**often, "server_errors": 1}]
    text = "\n".join(told({"web1": status}))
    assert "GET /pay/               3    2  12 ms  80 ms  210 ms" in text
    assert text.count("GET /notes/<int>/") == 1
    status["log"]["failing"] = []
    assert "failing besides" not in "\n".join(told({"web1": status}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=300), st.text(min_size=1, max_size=80), st.integers(0, 10**12))
def test_every_line_fits_and_no_character_acts_on_the_terminal(host_status, path, host, number):
    status = host_status()
    status["log"]["endpoints"][0]["path"] = path
    status["log"]["total"]["statuses"] = {str(code): number for code in range(200, 230)}
    status["units"][0] |= {"memory": number, "connections": number}
    status["live"]["reason"] = path
    drift = [{"kind": "code", "path": path, "what": "added", "at": None, "diff": [path, f"+{path}"]}]
    status["drift"]["drift"] = drift
    lines = told({host: status}, [path], [path])
    assert [line for line in lines if len(line) > status_table.WIDTH] == []
    assert [line for line in lines if not line.isprintable()] == []


@pytest.mark.parametrize("part", ["log", "host", "journal", "drift", "live"])
def test_a_part_that_could_not_be_read_leaves_the_others(host_status, part):
    text = "\n".join(told({"web1": host_status(**{part: None})}))
    assert "runs for" in text

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a site on a host, also where a part of it can't be read."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    guard,
    history,
    removal,
    sampler_program,
    state,
    status,
    status_host,
    status_journal,
    status_units,
    status_verdict,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.diagnosis import Finding
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.sampler_program import Sample

LIVE, OLD = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
HOST = status_host.HostStatus(2, 0.1, 2, 1, [], "active/running", None, "")
PROCESSES = [{"name": name, "singleton": False, "timer": name == "tidy"} for name in ("mail", "tidy")]


@pytest.fixture
def systemd(monkeypatch):
    """What systemd says of units, by name."""
    said = {}

    def states(wanted, *_shown):
        return {name: {"Id": name, **unit} for name, unit in said.items()}

    monkeypatch.setattr(units, "states", states)
    return said


@pytest.fixture
def taken(monkeypatch):
    """What a look at the units gives."""
    found = []
    monkeypatch.setattr(sampler_program, "look", lambda _site, _etc: found)
    return found


@pytest.fixture
def site(layout, make_release, systemd, taken, tmp_path, monkeypatch):
    monkeypatch.setattr(status, "SITES", tmp_path / "etc")
    monkeypatch.setattr(removal, "found", lambda _layout: "site")
    monkeypatch.setattr(status_host, "read", lambda _layout: pytest.fail("not of interest here"))
    monkeypatch.setattr(status_journal.diagnosis, "diagnose", lambda *_arguments: [])
    monkeypatch.setattr(Layout, "access_log", property(lambda self: tmp_path / "access.log"))
    monkeypatch.setattr(Layout, "sockets", property(lambda self: tmp_path / "sockets"))
    for name in (OLD, LIVE):
        make_release(name, origin="https://git.example.org/shop", python="3.11", processes=PROCESSES)
        entry = {"operation": "deploy", "from": state.live_release(layout), "to": name, "by": "ann", "stack": "asgi"}
        history.record(layout.history, "intent", **entry)
        history.record(layout.history, "outcome", result="live", seconds=0.5, **entry)
        disk.point(layout.current, f"releases/{name}")
    layout.edge_names.write_text(json.dumps({"hosts": ["shop.example.org"], "port": 80, "maintenance": True}))
    systemd[f"shop@{LIVE}.service"] = up()
    return layout


def up(**changes):
    return {"ActiveState": "active", "SubState": "running", "Result": "success", "NRestarts": "0"} | {
        "MemoryMax": "infinity",
        "ActiveEnterTimestamp": time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() - 600)),
        "NeedDaemonReload": "no",
        **changes,
    }


def read(layout, since=3600):
    return status.read(layout, status.Wanted(time.time() - since))


def test_what_is_live_and_what_can_not_be_read(site, monkeypatch):
    def broken(_layout):
        raise PermissionError("no access")

    monkeypatch.setattr(status_host, "read", broken)
    found = read(site)
    assert found["found"] == "site"
    assert {name: found["live"][name] for name in ("id", "stack", "by", "operation", "rollback_target")} == {
        "id": LIVE,
        "stack": "wsgi",
        "by": "ann",
        "operation": "deploy",
        "rollback_target": OLD,
    }
    assert found["maintenance"] is True
    assert [move["to"] for move in found["history"]] == [OLD, LIVE]
    assert found["unread"] == {"host": "no access"}
    assert found["log"]["total"]["requests"] == 0


def test_before_the_first_cutover_nothing_is_live_and_all_was_read(site, monkeypatch):
    monkeypatch.setattr(status_host, "read", lambda _layout: HOST)
    site.current.unlink()
    site.edge_names.unlink()
    found = read(site)
    assert (found["live"], found["maintenance"], found["unread"]) == (None, False, {})
    assert list(status_verdict._of_release(found)) == ["no release is live"]


def test_an_edge_that_is_gone_while_a_release_is_live_is_told_once(site, monkeypatch):
    monkeypatch.setattr(status_host, "read", lambda _layout: HOST)
    site.edge_names.unlink()
    assert list(read(site)["unread"]) == ["edge"]


def test_a_host_without_the_site_says_what_it_is(layout, systemd, tmp_path, monkeypatch):
    monkeypatch.setattr(status, "SITES", tmp_path / "etc")
    monkeypatch.setattr(removal, "found", lambda _layout: "nothing")
    systemd["postgresql@15-main.service"] = {"ActiveState": "active"}
    systemd["redis-server.service"] = {"ActiveState": "failed"}
    found = read(layout)
    assert (found["found"], found["sites"], found["else"]) == ("nothing", ["shop"], ["PostgreSQL"])


def unit_of(site, name):
    told = status_units.shown(site)
    return next(one for one in status_units.read(site, told, [], 0) if one.unit == name)


def test_units_have_the_part_that_they_play(site, systemd, monkeypatch):
    systemd |= {
        f"shop@{LIVE}-mail.service": up(ActiveState="failed", SubState="failed", Result="exit-code"),
        f"shop@{LIVE}-tidy.timer": up(
            SubState="waiting", NextElapseUSecRealtime="Mon 2026-09-21 14:13:20 UTC", LastTriggerUSec=""
        ),
        f"shop@{LIVE}-tidy.service": up(ActiveState="activating", SubState="start"),
        f"shop@{OLD}.service": up(),
        f"shop@{OLD}-mail.service": up(ActiveState="deactivating", SubState="stop-sigterm"),
        "shop@cccccccccccc.service": up(),
        "shop@dddddddddddd.service": up(ActiveState="activating", SubState="start"),
        "shop@eeeeeeeeeeee.service": up(ActiveState="inactive", SubState="dead"),
    }
    ending = {OLD: {"until": time.monotonic() + 90}}
    monkeypatch.setattr(guard, "read", lambda _layout: {"ending": ending})
    found = status_units.read(site, status_units.shown(site), [], 0)
    assert [(one.unit.removeprefix("shop@"), one.role) for one in found] == [
        (f"{LIVE}.service", "live"),
        (f"{OLD}.service", "draining"),
        ("cccccccccccc.service", "other"),
        ("dddddddddddd.service", "starting"),
        (f"{LIVE}-mail.service", "live"),
        (f"{LIVE}-tidy.timer", "live"),
        (f"{LIVE}-tidy.service", "job"),
        (f"{OLD}-mail.service", "draining"),
    ]
    assert found[1].ends_in in (89, 90)
    assert found[0].ends_in is None
    assert (found[4].state, found[4].result) == ("failed/failed", "exit-code")
    assert (found[5].next, found[5].last) == (1790000000.0, None)


def test_what_a_unit_takes_by_this_look_and_by_what_was_noted_before(site, systemd, taken):
    name, now = f"shop@{LIVE}.service", round(time.time())
    systemd[name] = up(NRestarts="5", MemoryMax="1000")
    taken.append(Sample(now, name, 7, memory=500, cpu=40, processes=3, connections=4, websockets=1, workers="8 9"))
    noted = [
        Sample(now - 5000, name, 7, restarts=3, workers="1 2"),
        Sample(now - 120, name, 7, cpu=10, restarts=4, workers="1 2"),
        Sample(now - 60, name, 7, cpu=10, restarts=5, workers="1 8"),
        Sample(now - 5, name, 7, cpu=39, restarts=5, workers="1 8"),
    ]
    (one,) = status_units.read(site, status_units.shown(site), noted, now - 3600)
    assert (one.restarts, one.restarts_lately) == (5, 2)
    assert (one.workers, one.workers_started) == (2, 2)
    assert one.cpu == 0.5, "since the last sample that is not of a moment ago"
    assert (one.memory, one.memory_limit, one.connections, one.websockets) == (500, 1000, 4, 1)
    (alone,) = status_units.read(site, status_units.shown(site), [], now - 3600)
    assert alone.cpu == pytest.approx(40 / 600, abs=0.001)
    assert (alone.restarts_lately, alone.workers_started, alone.growth) == (5, 0, None)


def test_failures_of_connections_are_counted_and_whose_a_finding_is_is_told(monkeypatch):
    def diagnose(unit, _since, domains, log):
        found = [Finding("database_refused", "", "refused", "Start it.", "journal", 1.0, 3)]
        if log:
            assert domains == ["shop.example.org"]
            found.append(Finding("nginx_no_socket", "", "no such file", "", "nginx", 1.0, 2))
        return [*found, Finding("missing_module", "redis", "No module", "Add it.", "journal", 1.0)]

    monkeypatch.setattr(status_journal.diagnosis, "diagnose", diagnose)
    found = status_journal.read(["shop.service", "mail.service"], 0, ["shop.example.org"])
    assert found.connection_failures == {"database_refused": 6, "nginx_no_socket": 2}
    assert found.failures == 8
    assert [one["unit"] for one in found.findings] == ["shop.service"] * 3 + ["mail.service"] * 2


def test_file_systems_are_told_once_each(tmp_path):
    (tmp_path / "a").mkdir()
    (one,) = status_host.disks([tmp_path, tmp_path / "a", tmp_path / "none"])
    assert one.paths == [str(tmp_path), str(tmp_path / "a")]
    assert 0 < one.free <= one.size
    assert one.free_share == pytest.approx(one.free / one.size, abs=0.0001)

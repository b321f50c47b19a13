# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    cutover,
    default_server,
    disk,
    edge,
    guard,
    host_program,
    swap,
)

NEW = "b" * 12
BEFORE = "user www-data;\nevents {\n\tworker_connections 768;\n}\n"
AFTER = "user www-data;\nworker_rlimit_nofile 4000;\nevents {\n\tworker_connections 2000;\n}\n"


@pytest.fixture
def main(tmp_path, monkeypatch):
    """nginx's main configuration."""
    path = tmp_path / "nginx.conf"
    path.write_text(BEFORE)
    monkeypatch.setattr(edge, "NGINX_MAIN", path)
    return path


def edge_of(layout, **wanted):
    return swap.plan_of(layout, {"release": NEW, "operation": "deploy", **wanted}, "").edge


def test_the_connections_of_nginxs_workers_move_with_the_edge(layout, main):
    files = [{"path": "/x", "content": "x"}, {"path": "/y", "content": None}]
    assert edge_of(layout, edge=files, worker_connections=2000) == {"/x": "x", "/y": None, str(main): AFTER}
    assert main.read_text() == BEFORE, "a plan changes nothing"


@pytest.mark.parametrize("wanted", [{}, {"worker_connections": 0}])
def test_where_nobody_sets_them_the_main_configuration_is_left_alone(layout, main, wanted):
    main.write_text("whatever")
    assert edge_of(layout, **wanted) == {}


def test_a_host_that_has_no_nginx_yet_can_be_checked(layout, main):
    main.unlink()
    assert edge_of(layout, worker_connections=2000) == {}


def test_a_main_configuration_that_says_so_already_makes_no_difference(layout, main):
    main.write_text(AFTER)
    plan = swap.plan_of(layout, {"release": NEW, "operation": "deploy", "worker_connections": 2000}, "")
    assert plan.edge == {str(main): AFTER}
    assert swap.differences(plan, NEW) == []


def test_a_main_configuration_of_another_shape_is_left_to_the_user_with_the_way_out(layout, main):
    main.write_text("events { worker_connections 768; }\n")
    said = edge.main_problem(2000)
    assert said.startswith(f"{main} has no line of its own with worker_connections")
    assert said.endswith("Set the number there by hand, and nginx_worker_connections: 0")
    assert edge.main_problem(0) == ""


# --- the distribution's own site, and what is to be said of the edge -------------------------------------------------

NOTE = "/etc/nginx/sites-enabled/mine is the default server of port 80 and stays"


@pytest.fixture
def stock(tmp_path, monkeypatch):
    """The distribution's site, switched on as it switches it on."""
    path = tmp_path / "sites-enabled" / "default"
    path.parent.mkdir()
    path.symlink_to("/etc/nginx/sites-available/default")
    monkeypatch.setattr(default_server, "STOCK_SITE", path)
    monkeypatch.setattr(default_server, "STOCK_NOTE", tmp_path / "stock-site.json")
    monkeypatch.setattr(default_server, "_listens", lambda: {str(path): [default_server.Listen("", 80, True)]})
    monkeypatch.setattr(default_server, "is_stock", path.is_symlink)
    return path


DEFAULT = {"path": "/nowhere/sites-enabled/switchyard-default-80.conf", "content": "ours", "default_for": 80}


def plan_of(layout, **wanted):
    return swap.plan_of(layout, {"release": NEW, "operation": "deploy", **wanted}, "")


def test_a_stock_site_goes_with_the_edge_and_a_note_of_it_is_kept(layout, stock):
    plan = plan_of(layout, edge=[DEFAULT])
    assert plan.notes == [f"nginx's stock site, {stock}, is switched off"]
    assert plan.edge[str(stock)] is None
    note = {"path": str(stock), "target": "/etc/nginx/sites-available/default"}
    assert json.loads(plan.edge[str(default_server.STOCK_NOTE)]) == note
    assert stock.is_symlink(), "a plan changes nothing"


def test_what_goes_and_what_comes_back_is_shown_for_peoples_eyes(layout, stock):
    plan = plan_of(layout, edge=[DEFAULT])
    shown = {one["before_header"]: (one["before"], one["after"]) for one in swap.differences(plan, NEW)}
    assert shown[str(stock)] == ("link to /etc/nginx/sites-available/default", "")
    assert shown[DEFAULT["path"]] == ("", "ours")
    back = cutover.Plan("shop", NEW, "restore", "ann", edge={str(stock): disk.text_of(stock)})
    stock.unlink()
    (one,) = swap.differences(back, NEW)
    assert (one["before"], one["after"]) == ("", "link to /etc/nginx/sites-available/default")
    assert not any("\0" in text for file in swap.differences(plan, NEW) for text in file.values())


def test_a_link_that_points_elsewhere_is_a_difference(layout, stock):
    plan = cutover.Plan("shop", NEW, "restore", "ann", edge={str(stock): f"{disk.LINK}elsewhere"})
    assert len(swap.differences(plan, NEW)) == 1
    stock.unlink()
    os.symlink("elsewhere", stock)
    assert swap.differences(plan, NEW) == []


def test_what_is_to_be_said_of_the_edge_stands_behind_the_message(layout, main, monkeypatch, make_release):
    make_release(NEW)
    monkeypatch.setattr(default_server, "settled", lambda site, files: ({"/x": "x"}, [NOTE, "and more"]))
    plan = plan_of(layout)
    assert plan.notes == [NOTE, "and more"]
    monkeypatch.setattr(swap.retention, "superfluous", lambda layout, keep: ["a" * 12])
    found = swap.check(layout, plan, 2)
    assert found["message"] == f"{NEW} would be live; removes 1 release: {'a' * 12}; {NOTE}; and more"
    monkeypatch.setattr(cutover, "is_settled", lambda plan: True)
    found = swap.carry_out(layout, plan)
    assert found["message"] == f"{cutover.describe(layout, NEW)} is live already; {NOTE}; and more"
    assert (found["said"], found["notes"]) == (f"{cutover.describe(layout, NEW)} is live already", [NOTE, "and more"])


def test_the_releases_of_a_move_are_told_as_far_as_the_host_has_them(layout, main, monkeypatch, make_release):
    make_release(NEW)
    disk.point(layout.current, f"releases/{'a' * 12}")
    monkeypatch.setattr(cutover, "is_settled", lambda plan: False)
    moved = cutover.Outcome(True, "a" * 12, "it is live", notes=["one lives on"])
    monkeypatch.setattr(swap, "_move", lambda *_how: moved)
    found = swap.carry_out(layout, plan_of(layout))
    assert found["described"] == {NEW: cutover.describe(layout, NEW)}
    assert (found["said"], found["message"]) == ("it is live", "it is live, one lives on")
    assert found["notes"] == ["one lives on"]
    assert found["seconds"] >= 0


def test_a_way_back_takes_the_links_along(layout, stock, monkeypatch):
    """What a module returns of the edge before is what it takes to go back."""
    outcome = cutover.Outcome(True, None, "moved", {str(stock): disk.text_of(stock), "/gone": None})
    monkeypatch.setattr(cutover, "is_settled", lambda plan: False)
    monkeypatch.setattr(swap, "_move", lambda *_how: outcome)
    monkeypatch.setattr(default_server, "_listens", dict)
    before = json.loads(json.dumps(swap.carry_out(layout, plan_of(layout))["edge_before"]))
    assert plan_of(layout, edge=before).edge == outcome.edge_before


# --- what is left of certificates ------------------------------------------------------------------------------------


@pytest.fixture
def moving(layout, main, monkeypatch):
    """Moves traffic, or fails to, or finds it moved; what the guard is told is noted."""
    told = []
    monkeypatch.setattr(guard, "tidy", lambda layout, seconds, postpone: told.append((seconds, postpone)))
    monkeypatch.setattr(default_server, "_listens", dict)

    def move(moved=True, settled=False, unused=("switchyard-shop",)):
        told.clear()
        monkeypatch.setattr(cutover, "is_settled", lambda plan: settled)
        monkeypatch.setattr(cutover, "describe", lambda layout, release: release)
        monkeypatch.setattr(swap, "_move", lambda *_how: cutover.Outcome(moved, None, "said"))
        monkeypatch.setattr(certificate, "unused", lambda layout: list(unused))
        return told, swap.carry_out(layout, plan_of(layout))

    return move


def test_what_nginx_names_no_longer_goes_later_and_runs_that_move_nothing_do_not_put_it_off(moving):
    assert moving()[0] == [(900, True)]
    assert moving(settled=True)[0] == [(900, False)]
    assert moving(moved=False)[0] == []
    assert moving(unused=())[0] == []


def test_a_guard_that_can_not_be_started_does_not_undo_a_cutover(layout, moving, monkeypatch):
    def fail(*_what, **_how):
        raise host_program.ProgramError("no systemd")

    moving()
    monkeypatch.setattr(guard, "tidy", fail)
    outcome = swap.carry_out(layout, plan_of(layout))
    assert outcome["moved"]
    assert outcome["message"] == "said; what is no longer needed can't be removed: no systemd"
    assert (outcome["said"], outcome["notes"]) == ("said", ["what is no longer needed can't be removed: no systemd"])


# --- what runs beside the instance -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "shown"), [(NEW, ["shop@x-worker.service"]), ("a" * 12, [])])
def test_what_should_run_and_does_not_is_a_difference_of_the_live_release(layout, monkeypatch, before, shown):
    monkeypatch.setattr(swap.processes, "missing", lambda layout, release: ["shop@x-worker.service"])
    headers = [one["after_header"] for one in swap.differences(plan_of(layout), before)]
    assert [header for header in headers if header != str(layout.current)] == shown

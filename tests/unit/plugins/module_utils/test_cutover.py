# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import cutover, disk, gate, history
from ansible_collections.switchyard.django.plugins.module_utils.cutover import CutoverError, Plan, move
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import HttpCheck, WebSocketCheck

OLD, NEW = "a" * 12, "b" * 12


@pytest.mark.parametrize(
    "name",
    ["app.3f2a9c1b.css", "logo.0123456789ab.svg", "vendor/app.3f2a9c1b.min.js", "app.3f2a9c1b.js.gz"],
)
def test_a_name_with_a_digest_is_hashed(name):
    assert cutover.HASHED_NAME.search(name)


@pytest.mark.parametrize(
    "name",
    ["app.css", "staticfiles.json", "jquery.3.7.1.min.js", "deadbeefdeadbeef", "app.DEADBEEF.css", "a.1234567.css"],
)
def test_a_name_without_a_digest_may_change_its_content(name):
    assert not cutover.HASHED_NAME.search(name)


class Host:
    """A host on which nginx and the new instance do what the test wants."""

    def __init__(self, layout):
        self.layout = layout
        self.broken = set()
        self.reloads = []
        self.drained = []
        self.kept = []
        self.running = [NEW]
        self.draining = []

    def fail_on(self, *steps):
        self.broken.update(steps)

    def require_instance(self, layout, release):
        if "instance" in self.broken:
            raise CutoverError("the instance went away")

    def require_welcome(self, layout, plan):
        if "welcome" in self.broken:
            raise CutoverError("the release does not serve the names")

    def validate(self, layout, plan):
        if "nginx -t" in self.broken:
            raise CutoverError("nginx refuses the configuration")

    def reload(self):
        self.reloads.append(cutover.state.live_release(self.layout))
        if "reload" in self.broken and self.reloads[-1] == NEW:
            raise CutoverError("nginx can't be reloaded")

    def require_answer(self, layout, release):
        if release in self.broken:
            raise CutoverError(f"{release} does not answer")

    @property
    def outcome(self):
        return history.read(self.layout.history)[-1]


@pytest.fixture
def host(layout, monkeypatch):
    one = Host(layout)
    monkeypatch.setattr(cutover, "_require_instance", one.require_instance)
    monkeypatch.setattr(cutover, "_validate_candidate", one.validate)
    monkeypatch.setattr(cutover, "_reload_nginx", one.reload)
    monkeypatch.setattr(cutover, "_require_answer", one.require_answer)
    monkeypatch.setattr(cutover, "_require_welcome", one.require_welcome)
    monkeypatch.setattr(cutover.drain, "is_scheduled", lambda layout, release: release in one.draining)
    monkeypatch.setattr(cutover.state, "running_instances", lambda layout: dict.fromkeys(one.running, 1))
    monkeypatch.setattr(cutover.drain, "cancel", lambda layout, release: one.kept.append(release))
    monkeypatch.setattr(
        cutover.drain, "schedule", lambda layout, release, seconds: one.drained.append((release, seconds))
    )
    return one


@pytest.fixture
def with_old(layout, host):
    host.running = [OLD, NEW]
    disk.point(layout.current, f"releases/{OLD}")
    for name in ("app.css", "css/app.3f2a9c1b.css"):
        path = layout.static(OLD) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"old {name}")
    layout.earlier_static.mkdir()


@pytest.fixture
def plan(layout):
    for release in (OLD, NEW):
        layout.record(release).mkdir()
        manifest = {"stack": "wsgi", "server": "gunicorn", "commit": "c0ffee" * 6}
        layout.manifest(release).write_text(json.dumps(manifest))
    layout.edge.parent.mkdir()
    layout.edge.write_text("old edge")
    return Plan(
        "shop", NEW, "deploy", "ann", edge={str(layout.edge): "new edge", f"{layout.edge}.new": "more"}, drain=45
    )


def test_traffic_moves_and_the_old_instance_drains(layout, host, with_old, plan):
    outcome = move(plan)
    assert (outcome.moved, outcome.source) == (True, OLD)
    assert cutover.state.live_release(layout) == NEW
    assert os.readlink(layout.current) == f"releases/{NEW}"
    assert layout.edge.read_text() == "new edge"
    assert host.drained == [(OLD, 45)]
    assert host.kept == [NEW]
    assert host.reloads == [NEW]


def test_the_message_says_what_is_live_and_what_lives_on(host, with_old, plan):
    assert move(plan).message == f"{NEW} (wsgi by gunicorn, commit c0ffeec0ffee) is live, {OLD} lives on for 45 s"


def test_a_drain_that_can_not_be_scheduled_does_not_make_the_move_a_failure(layout, host, with_old, plan, monkeypatch):
    def fail(layout, release, seconds):
        raise subprocess.CalledProcessError(1, "systemd-run")

    monkeypatch.setattr(cutover.drain, "schedule", fail)
    outcome = move(plan)
    assert outcome.moved
    assert f"systemctl stop shop@{OLD}.service" in outcome.message
    assert host.outcome["result"] == "live"


def test_what_happened_is_in_the_history(host, with_old, plan):
    move(plan)
    intent, outcome = history.read(host.layout.history)
    assert (intent["phase"], outcome["phase"]) == ("intent", "outcome")
    assert (outcome["from"], outcome["to"], outcome["by"], outcome["result"]) == (OLD, NEW, "ann", "live")
    assert outcome["seconds"] >= 0


def test_the_first_release_has_nothing_to_drain(layout, host, plan):
    assert move(plan).source is None
    assert cutover.state.live_release(layout) == NEW
    assert host.drained == []


def test_moving_to_the_live_release_again_does_not_drain_it(layout, host, with_old, plan):
    disk.point(layout.current, f"releases/{NEW}")
    assert move(plan).moved
    assert NEW not in dict(host.drained)


def test_every_instance_beside_the_live_one_ends_unless_its_drain_is_under_way(host, with_old, plan):
    host.running, host.draining = [OLD, NEW, "c" * 12], [OLD]
    assert move(plan).moved
    assert host.drained == [("c" * 12, 45)]


def test_a_run_that_was_cut_off_behind_the_move_is_finished_by_the_next(layout, host, with_old, plan):
    history.record(layout.history, "intent", operation="deploy", **{"from": OLD, "to": NEW})
    disk.point(layout.current, f"releases/{NEW}")
    assert not cutover.is_settled(plan)
    outcome = move(plan)
    assert (outcome.moved, outcome.source) == (True, OLD)
    assert (host.outcome["from"], host.outcome["to"], host.outcome["result"]) == (OLD, NEW, "live")
    assert host.drained == [(OLD, 45)]


def test_the_edge_as_it_was_can_be_restored(layout, host, with_old, plan):
    outcome = move(plan)
    assert outcome.edge_before == {str(layout.edge): "old edge", f"{layout.edge}.new": None}
    assert move(Plan("shop", OLD, "restore", "ann", edge=outcome.edge_before)).moved
    assert layout.edge.read_text() == "old edge"
    assert not layout.edge.with_name(f"{layout.edge.name}.new").exists()


def test_pages_that_are_still_open_find_their_hashed_files(layout, host, with_old, plan):
    move(plan)
    kept = layout.earlier_static / "css/app.3f2a9c1b.css"
    assert kept.samefile(layout.static(OLD) / "css/app.3f2a9c1b.css")
    assert not (layout.earlier_static / "app.css").exists()


def test_a_hashed_file_that_is_kept_already_is_in_nobodys_way(layout, host, with_old, plan):
    (layout.earlier_static / "css").mkdir()
    (layout.earlier_static / "css/app.3f2a9c1b.css").write_text("earlier")
    assert move(plan).moved
    assert (layout.earlier_static / "css/app.3f2a9c1b.css").read_text() == "earlier"


@pytest.mark.parametrize("step", ["instance", "welcome", "nginx -t"])
def test_what_is_found_before_the_move_touches_nothing(layout, host, with_old, plan, step):
    host.fail_on(step)
    outcome = move(plan)
    assert not outcome.moved
    assert "Nothing was changed" in outcome.message
    assert (cutover.state.live_release(layout), layout.edge.read_text(), host.reloads) == (OLD, "old edge", [])
    assert host.outcome["result"] == "failed"


@pytest.mark.parametrize("step", ["reload", NEW])
def test_a_move_that_fails_goes_back_whole(layout, host, with_old, plan, step):
    host.fail_on(step)
    outcome = move(plan)
    assert not outcome.moved
    assert f"Restored: {OLD} serves as before." in outcome.message
    assert (cutover.state.live_release(layout), layout.edge.read_text()) == (OLD, "old edge")
    assert not layout.edge.with_name("shop.conf.new").exists()
    assert host.reloads[-1] == OLD
    assert host.drained == [(NEW, 45)], "the instance that traffic did not stay with ends"
    assert host.outcome["result"] == "failed"
    assert host.outcome["reason"] == outcome.message


def test_a_check_that_can_not_be_made_touches_nothing(layout, host, with_old, plan, monkeypatch):
    def fail(layout, plan):
        raise FileNotFoundError("unshare")

    monkeypatch.setattr(cutover, "_validate_candidate", fail)
    outcome = move(plan)
    assert not outcome.moved
    assert "Nothing was changed" in outcome.message
    assert host.outcome["result"] == "failed"


def test_the_pointer_goes_back_even_where_the_edge_can_not(layout, host, with_old, plan, monkeypatch):
    host.fail_on(NEW)
    write = disk.write

    def full(path, *how):
        if cutover.state.live_release(layout) == OLD and path == layout.edge and layout.edge.read_text() == "new edge":
            raise OSError("no space left on device")
        write(path, *how)

    monkeypatch.setattr(disk, "write", full)
    outcome = move(plan)
    assert cutover.state.live_release(layout) == OLD
    assert f"The pointer is back at {OLD}, but: no space left" in outcome.message


def test_a_full_disk_in_the_middle_goes_back_as_well(layout, host, with_old, plan, monkeypatch):
    write = cutover._write_edge

    def full(files):
        monkeypatch.setattr(cutover, "_write_edge", write)
        layout.edge.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(cutover, "_write_edge", full)
    outcome = move(plan)
    assert "no space left" in outcome.message
    assert (cutover.state.live_release(layout), layout.edge.read_text()) == (OLD, "old edge")


def test_a_first_release_that_fails_leaves_a_site_without_one(layout, host, plan):
    host.fail_on(NEW)
    outcome = move(plan)
    assert "no release yet" in outcome.message
    assert cutover.state.live_release(layout) is None


def test_an_old_release_that_does_not_come_back_is_not_called_restored(layout, host, with_old, plan):
    host.fail_on(NEW, OLD)
    outcome = move(plan)
    assert "Restored" not in outcome.message
    assert f"{OLD} does not answer" in outcome.message
    assert cutover.state.live_release(layout) == OLD


def test_a_failed_move_is_no_release_to_go_back_to(layout, host, with_old, plan):
    host.fail_on(NEW)
    move(plan)
    assert history.rollback_target(history.read(layout.history), OLD, {OLD, NEW}) is None


def test_a_plan_survives_the_journey_into_the_unit(host, with_old, plan, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(asdict(plan)))
    cutover.main(str(tmp_path / "plan.json"), str(tmp_path / "outcome.json"))
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["moved"], outcome["source"]) == (True, OLD)


# --- the gate's probes -----------------------------------------------------------------------------------------------

GATE = {"host": "shop.example.org", "scheme": "https", "health_path": "/health/", "websocket_path": ""}


def test_a_probe_sends_what_the_edge_sends():
    (check,) = gate.checks(GATE)
    assert isinstance(check, HttpCheck)
    assert check.headers["Host"] == "shop.example.org"
    assert check.headers["X-Forwarded-Proto"] == "https"


def test_a_websocket_is_probed_where_the_release_offers_one():
    http, websocket = gate.checks({**GATE, "websocket_path": "/ws/"})
    assert isinstance(websocket, WebSocketCheck)
    assert websocket.headers == http.headers


def test_through_the_edge_the_answer_must_carry_the_release():
    (check,) = gate.checks(GATE, response_headers={gate.RELEASE_HEADER: NEW})
    assert check.response_headers == {"X-Release": NEW}

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import json
import os
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    cutover,
    disk,
    gate,
    guard,
    history,
    nginx_service,
)
from ansible_collections.switchyard.django.plugins.module_utils.cutover import CutoverError, Plan, move
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import HttpCheck, Target, WebSocketCheck
from ansible_collections.switchyard.django.plugins.module_utils.processes import ProcessError

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


class Killed(BaseException):
    """The program is killed: nothing of it runs any more, not even what stands under except."""


class Host:
    """A host on which nginx and the new instance do what the test wants, and which notes what its guard is told."""

    def __init__(self, layout):
        self.layout = layout
        self.broken = set()
        self.reloads = []
        self.commands = []
        self.running = [NEW]
        self.beside = None
        self.forget()

    def forget(self):
        self.ending, self.kept, self.watched, self.looked_away = [], [], [], 0

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

    def settle(self, layout, release, is_new=False):
        if "processes" in self.broken and release == NEW:
            raise ProcessError("the worker ended")
        self.beside = release

    def is_active(self, unit):
        return unit in [self.layout.unit(release) for release in self.running]

    def run(self, argv, **_how):
        self.commands.append(" ".join(str(part) for part in argv))
        return subprocess.CompletedProcess(argv, 0, "", "")

    def let_live(self, layout, release):
        self.kept.append(release)
        self.commands.append(f"let live {release}")

    def look_away(self, layout):
        self.looked_away += 1

    @property
    def live(self):
        return cutover.state.live_release(self.layout)

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
    monkeypatch.setattr(
        cutover, "_edge_answers", lambda layout, release, limits: SimpleNamespace(ok=release not in one.broken)
    )
    monkeypatch.setattr(cutover.processes, "settle", one.settle)
    monkeypatch.setattr(cutover.processes, "are_settled", lambda layout, release: one.beside == release)
    monkeypatch.setattr(subprocess, "run", one.run)
    monkeypatch.setattr(cutover.units, "is_active", one.is_active)
    monkeypatch.setattr(cutover.units, "is_at_work", one.is_active)
    monkeypatch.setattr(cutover.state, "at_work", lambda layout: set(one.running))
    monkeypatch.setattr(cutover.guard, "let_live", one.let_live)
    monkeypatch.setattr(cutover.guard, "look_away", one.look_away)
    monkeypatch.setattr(cutover.guard, "watch", lambda layout, *how: one.watched.append(how))
    monkeypatch.setattr(cutover.guard, "let_end", lambda layout, *how: one.ending.append(how))
    return one


@pytest.fixture
def with_old(layout, host, plan):
    host.running, host.beside = [OLD, NEW], OLD
    history.record(layout.history, "intent", operation="deploy", by="eve", **{"from": None, "to": OLD})
    history.record(layout.history, "outcome", operation="deploy", result="live", by="eve", **{"from": None, "to": OLD})
    disk.point(layout.current, f"releases/{OLD}")
    for name in ("app.css", "css/app.3f2a9c1b.css"):
        path = layout.static(OLD) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"old {name}")
    layout.earlier_static.mkdir()


@pytest.fixture
def plan(layout, make_release):
    for release in (OLD, NEW):
        make_release(release)
    layout.edge.parent.mkdir()
    layout.edge.write_text("old edge")
    return Plan(
        "shop", NEW, "deploy", "ann", edge={str(layout.edge): "new edge", f"{layout.edge}.new": "more"}, drain=45
    )


def test_traffic_moves_and_the_old_instance_drains(layout, host, with_old, plan):
    outcome = move(plan)
    assert (outcome.moved, outcome.source) == (True, OLD)
    assert os.readlink(layout.current) == f"releases/{NEW}"
    assert layout.edge.read_text() == "new edge"
    assert host.ending == [(OLD, 45, 10)]
    assert host.kept == [NEW]
    assert host.reloads == [NEW]
    assert host.beside == NEW


def test_the_message_says_what_is_live_and_what_lives_on(host, with_old, plan):
    live = f"{NEW} (wsgi by gunicorn, commit c0ffeec0ffee) is live"
    assert move(plan).told == f"{live}, {OLD} lives on for its connections, 45 s at most"


def test_the_new_instance_is_watched_with_the_way_back_at_hand(layout, host, with_old, plan):
    outcome = move(plan)
    assert host.watched == [(NEW, OLD, 10, 45, outcome.edge_before)]


@pytest.mark.parametrize(
    ("manifest", "drain"),
    [
        ({}, 120),
        ({"serving": {"times": {"request": 60}}}, 120),
        ({"serving": {"times": {"request": 61}}}, 121),
        ({"serving": {"times": {"request": 1800}}}, 1860),
    ],
)
def test_where_nobody_set_a_drain_it_is_what_the_leaving_instance_needs(
    host, with_old, plan, make_release, manifest, drain
):
    make_release(OLD, **manifest)
    make_release(NEW, serving={"times": {"request": 900}})
    assert f"{OLD} lives on for its connections, {drain} s at most" in move(replace(plan, drain=0)).notes[0]
    assert host.ending == [(OLD, drain, 10)]


def test_an_instance_that_traffic_did_not_stay_with_has_the_time_that_it_needs_itself(
    host, with_old, plan, make_release
):
    make_release(NEW, serving={"times": {"request": 900}})
    host.fail_on(NEW)
    move(replace(plan, drain=0))
    assert host.ending == [(NEW, 960, 0)]


def test_the_way_back_of_a_plan_without_a_drain_has_none_either(layout, host, with_old, plan):
    outcome = move(replace(plan, drain=0))
    assert host.watched == [(NEW, OLD, 10, 0, outcome.edge_before)]


def test_the_old_instance_lives_at_least_as_long_as_traffic_may_come_back(host, with_old, plan):
    move(replace(plan, drain=5, settle=20))
    assert host.ending == [(OLD, 20, 20)]


@pytest.mark.parametrize("how", [{"settle": 0}, {"release": OLD, "edge": {}}], ids=["no settle time", "the same"])
def test_where_there_is_no_way_back_nobody_watches_and_no_older_watch_stays(host, with_old, plan, how):
    assert move(replace(plan, **how)).moved
    assert (host.watched, host.looked_away) == ([], 1)


def test_a_release_whose_migrations_were_undone_is_nothing_to_come_back_to_by_itself(host, with_old, plan):
    assert move(replace(plan, operation="rollback", reversed=["shop.0002_price"])).moved
    assert (host.watched, host.looked_away) == ([], 1)


@pytest.mark.parametrize("problem", [OSError("no space left"), subprocess.CalledProcessError(1, "systemd-run")])
def test_an_end_that_can_not_be_noted_does_not_make_the_move_a_failure(
    layout, host, with_old, plan, monkeypatch, problem
):
    def fail(layout, release, seconds, warm):
        raise problem

    monkeypatch.setattr(cutover.guard, "let_end", fail)
    outcome = move(plan)
    assert outcome.moved
    assert f"systemctl stop shop@{OLD}.service" in outcome.told
    assert host.outcome["result"] == "live"


def test_a_watch_that_can_not_be_noted_does_not_make_the_move_a_failure(host, with_old, plan, monkeypatch):
    def fail(layout, *how):
        raise OSError("no space left")

    monkeypatch.setattr(cutover.guard, "watch", fail)
    outcome = move(plan)
    assert outcome.moved
    assert "nobody watches it: no space left" in outcome.told
    assert host.ending == [(OLD, 45, 10)], "it would live for ever"


REALLY_WATCH = guard.watch


def test_a_systemd_that_does_not_answer_now_does_not_make_the_move_a_failure(host, with_old, plan, monkeypatch):
    monkeypatch.setattr(cutover.guard, "watch", REALLY_WATCH)
    assert move(plan).moved
    assert host.ending == [(OLD, 45, 10)]


def test_what_happened_is_in_the_history(host, with_old, plan):
    move(replace(plan, operation="rollback", reason="prices are wrong", explicit=True, reversed=["shop.0002_price"]))
    intent, outcome = history.read(host.layout.history)[-2:]
    assert (intent["phase"], outcome["phase"]) == ("intent", "outcome")
    assert (outcome["from"], outcome["to"], outcome["by"], outcome["result"]) == (OLD, NEW, "ann", "live")
    assert (outcome["reason"], outcome["explicit"]) == ("prices are wrong", True)
    assert outcome["stack"] == "wsgi"
    assert outcome["reversed"] == ["shop.0002_price"]
    assert outcome["seconds"] >= 0


def test_the_first_release_has_nothing_to_drain_and_no_way_back(layout, host, plan):
    assert move(plan).source is None
    assert host.live == NEW
    assert (host.ending, host.watched, host.looked_away) == ([], [], 1)


def test_moving_to_the_live_release_again_does_not_end_it(layout, host, with_old, plan):
    disk.point(layout.current, f"releases/{NEW}")
    assert move(plan).moved
    assert [release for release, *_how in host.ending] == [OLD]


def test_every_instance_beside_the_live_one_ends(host, with_old, plan):
    host.running = [OLD, NEW, "c" * 12]
    assert move(plan).moved
    assert host.ending == [(OLD, 45, 10), ("c" * 12, 45, 10)]


def test_the_note_of_undone_migrations_goes_once_traffic_has_moved(layout, host, with_old, plan):
    layout.reversal.write_text("{}")
    host.fail_on(NEW)
    assert not move(plan).moved
    assert layout.reversal.exists()
    host.broken.clear()
    assert move(plan).moved
    assert not layout.reversal.exists()


def test_while_traffic_moves_no_neighbour_changes_nginx(layout, host, with_old, plan, monkeypatch):
    def neighbour_waits():
        with layout.nginx_lock.open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        host.reload()

    monkeypatch.setattr(cutover, "_reload_nginx", neighbour_waits)
    assert move(plan).moved
    assert host.reloads == [NEW]
    with layout.nginx_lock.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_move_from_a_release_that_is_live_no_more_does_not_happen(layout, host, with_old, plan):
    before = history.read(layout.history)
    outcome = move(replace(plan, operation="return", only_from="c" * 12))
    assert (outcome.moved, outcome.source) == (False, OLD)
    assert f"{'c' * 12} is not live any more" in outcome.message
    assert (host.live, host.reloads, history.read(layout.history)) == (OLD, [], before)


@pytest.mark.parametrize("operation", ["restore", "return"])
def test_the_instance_to_come_back_to_is_saved_from_its_end_and_started_where_it_has_ended(
    host, with_old, plan, operation
):
    move(replace(plan, operation=operation))
    start = f"systemctl start shop@{NEW}.service"
    assert f"let live {NEW}" in host.commands[: host.commands.index(start)]


def test_a_deploy_starts_no_instance_that_no_gate_has_seen(host, with_old, plan):
    move(plan)
    assert not [command for command in host.commands if command.startswith("systemctl start")]


def test_what_says_already_what_it_should_is_not_written_again(layout, host, with_old, plan):
    layout.edge.write_text("new edge")
    before = layout.edge.stat()
    assert move(plan).moved
    assert layout.edge.stat().st_ino == before.st_ino


def test_a_file_of_the_edge_that_is_to_go_goes(layout, host, with_old, plan):
    assert move(replace(plan, edge={str(layout.edge): None})).moved
    assert not layout.edge.exists()


# --- is it live already ----------------------------------------------------------------------------------------------


@pytest.fixture
def moved(layout, host, with_old, plan):
    assert move(plan).moved
    host.forget()


def test_what_is_live_and_answers_is_settled(moved, plan):
    assert cutover.is_settled(plan)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda layout, host: disk.point(layout.current, f"releases/{OLD}"),
        lambda layout, host: layout.edge.write_text("other"),
        lambda layout, host: layout.undo.write_text("{}"),
        lambda layout, host: history.record(layout.history, "intent", operation="deploy", **{"from": NEW, "to": OLD}),
        lambda layout, host: host.fail_on(NEW),
        lambda layout, host: setattr(host, "beside", OLD),
    ],
    ids=["pointer", "edge", "way back", "intent", "no answer", "processes"],
)
def test_what_is_not_so_through_and_through_is_not_settled(layout, host, moved, plan, spoil):
    spoil(layout, host)
    assert not cutover.is_settled(plan)


def test_a_file_that_is_to_be_gone_and_is_gone_is_settled(layout, moved, plan):
    assert cutover.is_settled(replace(plan, edge={f"{layout.edge}.nothing": None}))


# --- a move that was cut off -----------------------------------------------------------------------------------------

STEPS = [
    "intent",
    "undo",
    "static",
    "edge",
    "pointer",
    "reload",
    "answer",
    "processes",
    "outcome",
    "undo gone",
    "keep",
    "watch",
    "end",
]


@pytest.fixture
def kill_at(layout, host, monkeypatch):
    """Has the program killed just before a step, once."""

    def kill_at(step):
        def deadly(module, name, applies=lambda *arguments: True):
            function = getattr(module, name)

            def killed(*arguments, **how):
                if kill_at.armed and applies(*arguments):
                    kill_at.armed = False
                    raise Killed(step)
                return function(*arguments, **how)

            monkeypatch.setattr(module, name, killed)

        kill_at.armed = True
        {
            "intent": lambda: deadly(history, "record", lambda path, phase, **_entry: phase == "intent"),
            "undo": lambda: deadly(disk, "write", lambda path, *_how: path == layout.undo),
            "static": lambda: deadly(cutover, "_keep_hashed_files"),
            "edge": lambda: deadly(disk, "write", lambda path, *_how: path.name == "shop.conf.new"),
            "pointer": lambda: deadly(disk, "point"),
            "reload": lambda: deadly(cutover, "_reload_nginx"),
            "answer": lambda: deadly(cutover, "_require_answer"),
            "processes": lambda: deadly(cutover.processes, "settle"),
            "outcome": lambda: deadly(history, "record", lambda path, phase, **_entry: phase == "outcome"),
            "undo gone": lambda: deadly(disk, "remove", lambda path: path == layout.undo),
            "keep": lambda: deadly(guard, "let_live"),
            "watch": lambda: deadly(guard, "watch"),
            "end": lambda: deadly(guard, "let_end"),
        }[step]()

    return kill_at


def kill(plan):
    with pytest.raises(Killed):
        move(plan)


@pytest.mark.parametrize("step", STEPS)
def test_a_move_that_is_killed_anywhere_is_brought_to_its_end_by_the_same_again(
    layout, host, with_old, plan, kill_at, step
):
    layout.reversal.write_text("{}")
    kill_at(step)
    kill(plan)
    assert move(plan).moved
    assert (host.live, host.beside, layout.edge.read_text()) == (NEW, NEW, "new edge")
    assert layout.edge.with_name("shop.conf.new").read_text() == "more"
    assert not layout.undo.exists()
    assert not layout.reversal.exists()
    assert history.unfinished(history.read(layout.history)) is None
    assert history.rollback_target(history.read(layout.history), NEW, {OLD, NEW}) == OLD
    assert NEW in host.kept
    assert OLD in [release for release, *_how in host.ending], "nobody else would ever end it"


@pytest.mark.parametrize("step", STEPS)
def test_a_move_that_is_killed_anywhere_is_in_no_other_ones_way(layout, host, with_old, plan, kill_at, step):
    kill_at(step)
    kill(plan)
    back = Plan("shop", OLD, "rollback", "ann", edge={str(layout.edge): "old edge", f"{layout.edge}.new": None})
    assert move(back).moved
    assert (host.live, host.beside, layout.edge.read_text()) == (OLD, OLD, "old edge")
    assert not layout.edge.with_name("shop.conf.new").exists()
    assert not layout.undo.exists()
    assert history.unfinished(history.read(layout.history)) is None


@pytest.mark.parametrize("what", [NEW, "processes"])
@pytest.mark.parametrize("step", STEPS[: STEPS.index("outcome") + 1])
def test_a_move_that_is_killed_anywhere_goes_back_where_the_release_does_not_answer(
    layout, host, with_old, plan, kill_at, step, what
):
    kill_at(step)
    kill(plan)
    host.fail_on(what)
    assert not move(plan).moved
    assert (host.live, host.beside, layout.edge.read_text()) == (OLD, OLD, "old edge")
    assert not layout.edge.with_name("shop.conf.new").exists()
    assert host.reloads[-1] == OLD
    assert not layout.undo.exists()
    assert {one["result"] for one in history.for_people(history.read(layout.history))[1:]} == {"failed"}


def test_what_was_cut_off_before_it_changed_anything_is_told_as_that(layout, host, with_old, plan, kill_at):
    kill_at("undo")
    kill(plan)
    move(plan)
    cut_off, again = history.for_people(history.read(layout.history))[1:]
    assert (cut_off["result"], cut_off["reason"]) == ("failed", "cut off before it changed anything")
    assert again["result"] == "live"


def test_a_move_that_ended_well_and_could_not_say_so_is_told_once(layout, host, with_old, plan, kill_at):
    kill_at("outcome")
    kill(plan)
    outcome = move(plan)
    assert (outcome.moved, outcome.source) == (True, OLD)
    assert outcome.edge_before == {str(layout.edge): "old edge", f"{layout.edge}.new": None}
    assert [one["to"] for one in history.for_people(history.read(layout.history))] == [OLD, NEW]


def test_a_way_back_that_was_not_forgotten_does_not_undo_a_move_that_ended(layout, host, moved, plan):
    layout.undo.write_text(json.dumps({"source": OLD, "target": NEW, "edge": {str(layout.edge): "old edge"}}))
    assert move(plan).moved
    assert (host.live, layout.edge.read_text()) == (NEW, "new edge")


# --- going back ------------------------------------------------------------------------------------------------------


def test_the_edge_as_it_was_can_be_restored(layout, host, with_old, plan):
    outcome = move(plan)
    assert outcome.edge_before == {str(layout.edge): "old edge", f"{layout.edge}.new": None}
    assert move(Plan("shop", OLD, "restore", "ann", edge=outcome.edge_before, settle=0)).moved
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
    assert (host.live, layout.edge.read_text(), host.reloads) == (OLD, "old edge", [])
    assert host.outcome["result"] == "failed"


@pytest.mark.parametrize("step", ["reload", NEW, "processes"])
def test_a_move_that_fails_goes_back_whole(layout, host, with_old, plan, step):
    host.fail_on(step)
    outcome = move(plan)
    assert not outcome.moved
    assert f"Restored: {OLD} serves as before." in outcome.message
    assert (host.live, host.beside, layout.edge.read_text()) == (OLD, OLD, "old edge")
    assert not layout.edge.with_name("shop.conf.new").exists()
    assert host.reloads[-1] == OLD
    assert host.ending == [(NEW, 45, 0)], "the instance that traffic did not stay with ends"
    assert not layout.undo.exists()
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
        if host.live == OLD and path == layout.edge and layout.edge.read_text() == "new edge":
            raise OSError("no space left on device")
        write(path, *how)

    monkeypatch.setattr(disk, "write", full)
    outcome = move(plan)
    assert host.live == OLD
    assert f"The pointer is back at {OLD}, but: no space left" in outcome.message


def test_a_disk_that_is_full_from_the_start_changes_nothing_and_says_why(layout, host, with_old, plan, monkeypatch):
    def full(path, line):
        raise OSError("no space left on device")

    monkeypatch.setattr(disk, "append_line", full)
    outcome = move(plan)
    assert not outcome.moved
    assert "no space left" in outcome.message
    assert (host.live, layout.edge.read_text(), host.reloads) == (OLD, "old edge", [])


def test_a_full_disk_in_the_middle_goes_back_as_well(layout, host, with_old, plan, monkeypatch):
    write = cutover._write_edge

    def full(files):
        monkeypatch.setattr(cutover, "_write_edge", write)
        layout.edge.write_text("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(cutover, "_write_edge", full)
    outcome = move(plan)
    assert "no space left" in outcome.message
    assert (host.live, layout.edge.read_text()) == (OLD, "old edge")


def test_files_that_can_not_be_settled_on_the_disk_stop_the_move(layout, host, with_old, plan, monkeypatch):
    def fail(folder):
        raise subprocess.CalledProcessError(1, ["sync", "--file-system", str(folder)])

    monkeypatch.setattr(disk, "settle", fail)
    outcome = move(plan)
    assert not outcome.moved
    assert "sync" in outcome.message
    assert (host.live, layout.edge.read_text()) == (OLD, "old edge")


def test_a_first_release_that_fails_leaves_a_site_without_one(layout, host, plan):
    host.fail_on(NEW)
    outcome = move(plan)
    assert "no release yet" in outcome.message
    assert host.live is None


def test_an_old_release_that_does_not_come_back_is_not_called_restored(layout, host, with_old, plan):
    host.fail_on(NEW, OLD)
    outcome = move(plan)
    assert "Restored" not in outcome.message
    assert f"{OLD} does not answer" in outcome.message
    assert host.live == OLD


def test_processes_come_back_also_where_nginx_does_not(layout, host, with_old, plan):
    host.fail_on("processes", OLD)
    host.beside = None
    outcome = move(plan)
    assert (host.live, host.beside) == (OLD, OLD)
    assert f"{OLD} does not answer" in outcome.message


def test_processes_that_do_not_come_back_are_told(layout, host, with_old, plan, monkeypatch):
    def fail(layout, release, is_new=False):
        raise ProcessError(f"the worker of {release} ended")

    monkeypatch.setattr(cutover.processes, "settle", fail)
    message = move(plan).message
    assert f"the worker of {NEW} ended" in message
    assert f"The pointer is back at {OLD}, but: the worker of {OLD} ended" in message
    assert "Restored" not in message


def test_what_was_stopped_by_hand_runs_again_and_nothing_else_is_said_to_have_changed(layout, host, moved, plan):
    host.beside = None
    assert not cutover.is_settled(plan)
    outcome = move(plan)
    assert host.beside == NEW
    assert "is live as before, and all that belongs to it runs" in outcome.message


def test_a_failed_move_is_no_release_to_go_back_to(layout, host, with_old, plan):
    host.fail_on(NEW)
    move(plan)
    assert history.rollback_target(history.read(layout.history), OLD, {OLD, NEW}) is None


def test_a_plan_survives_the_journey_into_the_unit(host, with_old, plan, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(asdict(plan)))
    cutover.main(str(tmp_path / "plan.json"), str(tmp_path / "outcome.json"))
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["moved"], outcome["source"]) == (True, OLD)


# --- by which names a release is asked -------------------------------------------------------------------------------

GATE = {"host": "shop.example.org", "scheme": "https", "health_path": "/health/", "websocket_path": ""}


@pytest.mark.parametrize(
    ("today", "asked"),
    [(["www.example.org", "shop.example.org"], "shop.example.org"), (["new.example.org"], "new.example.org")],
    ids=["a name of its day", "no name of its day"],
)
def test_a_release_is_asked_by_a_name_that_the_site_has_today(layout, make_release, today, asked):
    make_release(NEW, gate=GATE)
    ((check,), _handshake) = cutover._visits(layout, NEW, {"hosts": today, "port": 80})
    assert check.headers["Host"] == asked


def test_the_names_of_the_plan_count_before_those_on_the_disk(layout, plan):
    path = layout.etc / "edge.json"
    path.write_text('{"hosts": ["old.example.org"], "port": 80}')
    assert cutover._edge(layout, plan)["hosts"] == ["old.example.org"]
    assert cutover._edge(layout, replace(plan, edge={str(path): '{"hosts": ["new.example.org"]}'}))["hosts"] == [
        "new.example.org"
    ]


@pytest.mark.parametrize("port", [None, 21845])
def test_an_instance_is_asked_for_its_names_where_it_listens(layout, make_release, monkeypatch, plan, port):
    make_release(NEW, gate=GATE, port=port)
    layout.edge_names.write_text('{"hosts": ["shop.example.org"], "port": 80}')
    asked = []
    monkeypatch.setattr(cutover, "probe", lambda target, *_how: asked.append(target) or SimpleNamespace(ok=True))
    cutover._require_welcome(layout, plan)
    assert asked == [Target(port=port) if port else Target(unix_socket=str(layout.socket(NEW)))]


# --- the candidate that nginx reads ----------------------------------------------------------------------------------


@pytest.fixture
def mounted(monkeypatch, layout):
    """What nginx would read: path of a folder -> its files, in the order in which they are mounted over each other.

    It also says what nginx says: of the candidate, and of what the host has.
    """
    seen = {}

    def run(argv, **_how):
        if argv[0] == "nginx":
            return subprocess.CompletedProcess(argv, run.rc_before, run.reads, run.said_before)
        assert argv[:2] == ["unshare", "--mount"]
        assert "exec nginx -t" in argv[argv.index("-c") + 1]
        pairs = [str(part) for part in argv[argv.index("sh") + 1 :]]
        for source, target in zip(pairs[::2], pairs[1::2], strict=True):
            files = [path for path in Path(source).iterdir() if path.is_file()]
            seen[target] = {path.name: path.read_text() for path in files}
            if target == str(layout.etc):
                run.site = {str(path.relative_to(source)): path for path in Path(source).rglob("*") if path.is_file()}
                run.site = {name: (path.read_text(), path.stat().st_mode & 0o777) for name, path in run.site.items()}
        return subprocess.CompletedProcess(argv, run.rc, "", run.said)

    run.rc, run.said, run.seen, run.site = 0, "", seen, {}
    run.rc_before, run.said_before, run.reads = 0, "", ""
    monkeypatch.setattr(subprocess, "run", run)
    return run


@pytest.fixture
def nginx(layout, tmp_path, make_release):
    """A folder of nginx with the main configuration and two folders in it."""
    make_release(NEW)
    (layout.record(NEW) / "nginx").mkdir()
    layout.edge_names.write_text('{"hosts": ["shop.example.org", "www.example.org"], "port": 80}')
    folder = tmp_path / "etc-nginx"
    for name in ("nginx.conf", "conf.d/switchyard.conf", "sites-enabled/shop.conf", "sites-enabled/blog.conf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"old {name}")
    return folder


def validate(layout, edge=None):
    cutover._validate_candidate(layout, Plan("shop", NEW, "deploy", "ann", edge=edge or {}))


def refusal(layout, edge=None):
    with pytest.raises(CutoverError) as caught:
        validate(layout, edge)
    return str(caught.value)


def test_a_folder_of_the_candidate_is_mounted_before_those_in_it(layout, nginx, mounted):
    names = ["sites-enabled/shop.conf", "conf.d/switchyard.conf", "nginx.conf", "sites-enabled/shop.conf.2"]
    edge = {str(nginx / name): f"new {name}" for name in names}
    edge[str(layout.edge_names)] = '{"hosts": []}'
    validate(layout, edge)
    places = [layout.etc, nginx, nginx / "conf.d", nginx / "sites-enabled"]
    assert list(mounted.seen) == [str(place) for place in places]
    assert mounted.seen[str(nginx)] == {"nginx.conf": "new nginx.conf"}
    assert mounted.seen[str(nginx / "sites-enabled")] == {
        "blog.conf": "old sites-enabled/blog.conf",
        "shop.conf": "new sites-enabled/shop.conf",
        "shop.conf.2": "new sites-enabled/shop.conf.2",
    }


def test_a_file_that_is_to_go_is_not_in_the_candidate(layout, nginx, mounted):
    validate(layout, {str(nginx / "sites-enabled/shop.conf"): None})
    assert set(mounted.seen[str(nginx / "sites-enabled")]) == {"blog.conf"}
    assert (nginx / "sites-enabled/shop.conf").exists()


def test_a_link_of_the_candidate_is_one(layout, nginx, mounted):
    """Going back to the distribution's own site lays a link."""
    (nginx / "sites-enabled/linked").symlink_to("blog.conf")
    validate(layout, {str(nginx / "sites-enabled/default"): f"{disk.LINK}blog.conf"})
    seen = mounted.seen[str(nginx / "sites-enabled")]
    assert seen["default"] == seen["linked"] == "old sites-enabled/blog.conf"


def test_what_all_releases_share_is_read_with_the_candidate(layout, nginx, mounted):
    for name in ("edge/application.conf", "edge/errors/502.html", "edge/errors/503.html", "tls/key.pem"):
        (layout.etc / name).parent.mkdir(parents=True, exist_ok=True)
        (layout.etc / name).write_text(f"old {name}")
    (layout.tls / "key.pem").chmod(0o600)
    (layout.record(NEW) / "nginx/http").mkdir()
    (layout.record(NEW) / "nginx/http/upstream.conf").write_text("new upstream")
    changes = {"edge/application.conf": "new", "edge/errors/503.html": None, "edge/errors/504.html": "<p>ü"}
    before = {path: path.read_text() for path in layout.etc.rglob("*") if path.is_file()}
    validate(layout, {str(layout.etc / name): text for name, text in changes.items()})
    assert mounted.site == {
        "current/nginx/http/upstream.conf": ("new upstream", 0o644),
        "edge/application.conf": ("new", 0o644),
        "edge/errors/502.html": ("old edge/errors/502.html", 0o644),
        "edge/errors/504.html": ("<p>ü", 0o644),
        "tls/key.pem": ("old tls/key.pem", 0o600),
    }
    assert list(mounted.seen) == [str(layout.etc)], "the site's own folder and none in it"
    assert {path: path.read_text() for path in layout.etc.rglob("*") if path.is_file()} == before


def test_a_note_that_nginx_does_not_read_is_no_part_of_the_candidate(layout, nginx, mounted, monkeypatch):
    monkeypatch.setattr(cutover, "SITES", layout.etc.parent)
    validate(layout, {str(layout.etc.parent / "stock-site.json"): "{}"})
    assert list(mounted.seen) == [str(layout.etc)]


def test_what_nginx_says_of_a_candidate_is_told_and_nothing_of_it_stays(layout, nginx, mounted):
    mounted.rc = 1
    mounted.said = "nginx: [warn] the user directive\nnginx: [emerg] unknown directive\n"
    assert refusal(layout) == "nginx refuses the configuration:\nnginx: [emerg] unknown directive"
    assert not (layout.run / "candidate").exists()
    assert (nginx / "nginx.conf").read_text() == "old nginx.conf"


def test_what_nginx_warns_of_is_no_refusal(layout, nginx, mounted):
    mounted.said = (
        "nginx: [warn] the user directive\nnginx: configuration file /etc/nginx/nginx.conf test is successful\n"
    )
    validate(layout)
    assert not (layout.run / "candidate").exists()


# --- whose fault it is -----------------------------------------------------------------------------------------------

BLOG = 'nginx: [emerg] unknown directive "listen" in /etc/nginx/sites-enabled/blog.conf:3\n'


@pytest.mark.parametrize(
    "said",
    [
        BLOG,
        'nginx: [emerg] open() "/etc/nginx/sites-enabled/gone" failed (2: No such file or directory)\n',
        'nginx: [emerg] cannot load certificate "/etc/ssl/blog.pem": BIO_new_file() failed\n',
        # A name that begins like the site's is another's.
        'nginx: [emerg] unknown directive "x" in {etc}-2/edge/files.conf:1\n',
        'nginx: [emerg] unknown directive "x" in {edge}.bak:1\n',
        "nginx: [warn] something in {edge}:1\nnginx: [emerg] bind() to 0.0.0.0:80 failed\n",
        "",
    ],
)
def test_a_configuration_that_nginx_refuses_without_us_is_not_our_fault(layout, nginx, mounted, said):
    layout.edge.parent.mkdir()
    layout.edge.write_text("server {\n    ssl_certificate /etc/ssl/shop.pem;\n}\n")
    mounted.rc = mounted.rc_before = 1
    mounted.said = mounted.said_before = said.format(etc=layout.etc, edge=layout.edge)
    message = refusal(layout)
    assert message.startswith(
        "nginx refuses the configuration that the host has already, without what shop would change:"
    )
    assert mounted.said_before.strip() in message
    assert "Mend that file, which is not shop's, or take it out of nginx's configuration." in message
    assert "would not start again" in message


@pytest.mark.parametrize(
    "said",
    [
        'nginx: [emerg] open() "{etc}/tls/certificate.pem" failed (2: No such file or directory)\n',
        'nginx: [emerg] cannot load certificate "/etc/ssl/shop.pem": BIO_new_file() failed (SSL: error:80000002)\n',
    ],
    ids=["a file in its folder", "a file that it names"],
)
def test_a_file_of_the_site_that_went_bad_is_not_called_another_ones(layout, nginx, mounted, said):
    layout.edge.parent.mkdir()
    layout.edge.write_text("server {\n    ssl_certificate /etc/ssl/shop.pem;\n}\n")
    mounted.rc = mounted.rc_before = 1
    mounted.said = mounted.said_before = said.format(etc=layout.etc, edge=layout.edge)
    assert refusal(layout) == f"nginx refuses the configuration:\n{mounted.said.strip()}"


def test_a_candidate_that_mends_what_nginx_refuses_is_taken(layout, nginx, mounted):
    mounted.rc_before, mounted.said_before = 1, BLOG
    validate(layout)


# --- names that somebody else has ------------------------------------------------------------------------------------

TAKEN = 'nginx: [warn] conflicting server name "{}" on 0.0.0.0:80, ignored\n'
READS = """\
# configuration file {edge}:
server {{ listen 80; server_name shop.example.org www.example.org; }}
# configuration file /etc/nginx/sites-enabled/blog.conf:
server {{
    listen 80;
    server_name blog.example.org
        www.example.org;
}}
"""


def test_a_name_that_another_file_serves_is_refused_with_the_file(layout, nginx, mounted):
    mounted.said = TAKEN.format("www.example.org") * 2
    mounted.reads = READS.format(edge=layout.edge)
    assert refusal(layout) == (
        "site_domains has www.example.org, which /etc/nginx/sites-enabled/blog.conf serves on the same port already. "
        "Take the name out of there, or out of site_domains."
    )
    assert not (layout.run / "candidate").exists()


def test_where_nobody_finds_the_other_file_the_name_is_told_all_the_same(layout, nginx, mounted):
    mounted.said = TAKEN.format("shop.example.org") + TAKEN.format("www.example.org")
    message = refusal(layout)
    assert message.startswith(
        "site_domains has shop.example.org, www.example.org, which another server of nginx serves"
    )


def test_what_others_contend_for_is_not_ours(layout, nginx, mounted):
    mounted.said = TAKEN.format("blog.example.org") + TAKEN.format("example.org")
    validate(layout)


def test_the_names_of_the_plan_are_those_that_may_be_taken(layout, nginx, mounted):
    mounted.said = TAKEN.format("new.example.org")
    validate(layout)
    assert "has New.example.org," in refusal(layout, {str(layout.edge_names): '{"hosts": ["New.example.org"]}'})


# --- through the edge ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edge", "place", "name"),
    [
        ({"port": 8080, "tls": False, "tls_port": 443}, ("127.0.0.1", 8080), None),
        ({"port": 80, "tls": True, "tls_port": 8443}, ("127.0.0.1", 8443), "shop.example.org"),
        ({"port": 80, "bind": "10.0.0.5:8000", "tls": False}, ("10.0.0.5", 8000), None),
        ({"port": 80}, ("127.0.0.1", 80), None),
    ],
    ids=["http", "https", "bound", "written by an earlier version"],
)
def test_the_edge_is_asked_as_a_visitor_asks_it(layout, make_release, monkeypatch, edge, place, name):
    make_release(NEW, gate=GATE)
    layout.edge_names.write_text(json.dumps({"hosts": ["shop.example.org", "www.example.org"], **edge}))
    asked = []
    monkeypatch.setattr(cutover.gate, "ask", lambda *how: asked.append(how) or SimpleNamespace(ok=True))
    cutover._edge_answers(layout, NEW, cutover.EDGE_LIMITS)
    ((target, ((check,), _handshake), limits),) = asked
    assert (target.host, target.port, limits) == (*place, cutover.EDGE_LIMITS)
    assert (target.tls and target.tls.server_name) == name
    assert not target.tls or not target.tls.validate
    assert (check.headers["Host"], check.response_headers) == ("shop.example.org", {"X-Release": NEW})


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (
            "/etc/nginx/sites-enabled/wiki:3",
            "Mend that file, which is not shop's, or take it out of nginx's configuration",
        ),
        ("/etc/switchyard/blog/current/nginx/http/upstream.conf:1", "Mend that file, which is not shop's"),
        ("{edge}:12", "That file is shop's own, and was changed by hand: site.yml writes it anew."),
        ("{etc}/current/nginx/http/upstream.conf:1", "That file is shop's own"),
    ],
)
def test_whose_file_it_is_that_nginx_refused_before(layout, monkeypatch, at, words):
    line = f'nginx: [emerg] unknown directive "lissten" in {at.format(edge=layout.edge, etc=layout.etc)}'
    monkeypatch.setattr(subprocess, "run", lambda argv, **_how: subprocess.CompletedProcess(argv, 1, "", f"{line}\n"))
    said = cutover._refused(layout, line)
    assert line in said
    assert words in said
    assert "without what shop would change" in said
    # A deploy writes the site's own anew, and is told of others' before it begins.
    assert nginx_service.refused_already(layout, and_ours=False) == ("" if "own" in words else said)


@pytest.mark.parametrize("rc", [0, None])
def test_before_a_deploy_nothing_is_said_where_nginx_is_content_or_not_there_yet(layout, monkeypatch, rc):
    def nginx(argv, **_how):
        if rc is None:
            raise FileNotFoundError("nginx")
        return subprocess.CompletedProcess(argv, rc, "", "nginx: [warn] something\n")

    monkeypatch.setattr(subprocess, "run", nginx)
    assert nginx_service.refused_already(layout, and_ours=False) == ""


# --- the gate's probes -----------------------------------------------------------------------------------------------


def test_a_probe_sends_what_the_edge_sends():
    ((check,), handshake) = gate.checks(GATE)
    assert handshake == []
    assert isinstance(check, HttpCheck)
    assert check.headers["Host"] == "shop.example.org"
    assert check.headers["X-Forwarded-Proto"] == "https"


def test_a_websocket_is_probed_where_the_release_offers_one():
    (http,), (websocket,) = gate.checks({**GATE, "websocket_path": "/ws/"})
    assert isinstance(websocket, WebSocketCheck)
    assert websocket.headers == http.headers


def test_through_the_edge_the_answer_must_carry_the_release():
    ((check,), _handshake) = gate.checks(GATE, response_headers={gate.RELEASE_HEADER: NEW})
    assert check.response_headers == {"X-Release": NEW}


def test_the_first_release_of_a_site_is_taken_away_again_where_another_host_could_not_follow(layout, host, plan):
    first = move(plan)
    assert (host.live, first.source) == (NEW, None)
    outcome = move(replace(plan, release="", operation="restore", edge=first.edge_before))
    assert (outcome.moved, host.live, host.beside, layout.edge.read_text()) == (True, None, None, "old edge")
    assert "the site has no release yet, as before" in outcome.message
    entries = history.read(layout.history)
    assert history.moves(entries) == []
    assert history.unfinished(entries) is None

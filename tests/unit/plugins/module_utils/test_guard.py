# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import subprocess
import threading
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import guard, guard_program, lease

OLD, NEW = "a" * 12, "b" * 12


@pytest.fixture
def host(monkeypatch):
    """A host that notes which programs are started, and on which the instances have the PIDs that the test wants."""

    def start(layout, name, module, plan):
        assert (name, module, plan) == ("guard", guard_program, {"site": "shop"})
        if start.fails:
            raise OSError("no space left on device")
        start.count += 1

    def states(wanted):
        return {unit: {"Id": unit, "ActiveState": "active", "MainPID": "71", "NRestarts": "2"} for unit in wanted}

    start.count, start.fails = 0, False
    monkeypatch.setattr(guard.host_program, "start", start)
    monkeypatch.setattr(guard.units, "states", states)
    return start


@pytest.fixture
def program(layout, host):
    """The program, signed on: this very process."""
    with guard.notes(layout) as noted:
        guard.sign_on(noted)


def gone():
    """The PID of a process that was."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def test_an_instance_ends_after_its_time_or_when_it_is_idle(layout, host):
    now = time.monotonic()
    guard.let_end(layout, OLD, 45, 10)
    ending = guard.read(layout)["ending"][OLD]
    assert ending["until"] - ending["noted"] == pytest.approx(45)
    assert ending["idle_from"] - ending["noted"] == pytest.approx(10)
    assert now <= ending["noted"] <= time.monotonic()
    assert not ending["stopping"]


def test_an_instance_that_is_kept_warm_for_a_cutover_does_not_end_for_being_idle(layout, host):
    guard.let_end(layout, NEW, 900)
    assert guard.read(layout)["ending"][NEW]["idle_from"] is None


def test_a_drain_that_is_under_way_is_not_made_longer_by_the_next_deploy(layout, host):
    guard.let_end(layout, OLD, 10, 5)
    before = guard.read(layout)["ending"][OLD]
    guard.let_end(layout, OLD, 300, 10)
    after = guard.read(layout)["ending"][OLD]
    assert (after["until"], after["idle_from"]) == (before["until"], before["idle_from"])


def test_an_instance_that_no_cutover_came_for_ends_with_the_cutover_that_passed_it_by(layout, host):
    guard.let_end(layout, OLD, 900)
    guard.let_end(layout, OLD, 45, 10)
    ending = guard.read(layout)["ending"][OLD]
    assert ending["until"] - time.monotonic() < 46
    assert ending["idle_from"] is not None


def test_the_instance_that_is_watched_is_known_by_its_process_and_its_restarts(layout, host):
    guard.watch(layout, NEW, OLD, 10, 45, {"/etc/nginx/x": "old edge"})
    watch = guard.read(layout)["watch"]
    assert (watch["release"], watch["back_to"], watch["pid"], watch["restarts"]) == (NEW, OLD, "71", "2")
    assert (watch["drain"], watch["edge"]) == (45, {"/etc/nginx/x": "old edge"})
    assert 9 < watch["until"] - time.monotonic() <= 10


def test_where_traffic_has_moved_on_the_watch_is_forgotten(layout, host):
    guard.watch(layout, NEW, OLD, 10, 45, {})
    guard.look_away(layout)
    assert guard.read(layout)["watch"] is None


def test_what_the_edge_was_is_nobodys_business(layout, host):
    guard.watch(layout, NEW, OLD, 10, 45, {})
    assert (layout.run / "guard.json").stat().st_mode & 0o777 == 0o600


def test_what_is_left_of_certificates_goes_later(layout, host):
    guard.tidy(layout, 900)
    assert guard.read(layout)["tidy"] - time.monotonic() == pytest.approx(900, abs=5)
    assert host.count == 1
    guard.tidy(layout, 60)
    assert guard.read(layout)["tidy"] - time.monotonic() > 890, "somebody may need them for so long"
    guard.tidy(layout, 1800, postpone=False)
    assert guard.read(layout)["tidy"] - time.monotonic() < 900
    guard.tidy(layout, 1800)
    assert guard.read(layout)["tidy"] - time.monotonic() > 1790


def test_notes_of_an_earlier_version_know_nothing_of_certificates(layout, host):
    guard.let_end(layout, OLD, 45)
    with guard.notes(layout) as noted:
        del noted["tidy"]
    guard.tidy(layout, 900, postpone=False)
    assert guard.read(layout)["tidy"] > time.monotonic()
    assert set(guard.read(layout)["ending"]) == {OLD}


# --- living on -------------------------------------------------------------------------------------------------------


def test_an_instance_that_was_to_end_lives_on(layout, host):
    guard.let_end(layout, OLD, 45)
    guard.let_end(layout, NEW, 45)
    guard.let_live(layout, OLD)
    assert set(guard.read(layout)["ending"]) == {NEW}


def test_an_instance_that_nobody_wants_to_end_is_let_live_at_once(layout, host):
    guard.let_live(layout, OLD)
    assert guard.read(layout)["ending"] == {}


def stopping(layout, release):
    guard.let_end(layout, release, 45)
    with guard.notes(layout) as noted:
        guard.sign_on(noted)
        noted["ending"][release]["stopping"] = True


def test_an_instance_that_is_being_stopped_is_waited_for_so_that_it_can_be_started(layout, host):
    def stopped():
        with guard.notes(layout) as noted:
            del noted["ending"][OLD]

    stopping(layout, OLD)
    began = time.monotonic()
    threading.Timer(0.15, stopped).start()
    guard.let_live(layout, OLD)
    assert time.monotonic() - began >= 0.15


class Clock:
    """A clock that goes on while somebody sleeps, and not else."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(
    ("manifest", "patience"),
    [({"serving": {"times": {"stop": 35}}}, 40), ({"serving": {"times": {"stop": 1805}}}, 1810), ({}, 125)],
    ids=["a short one", "the longest", "a release from before there were times"],
)
def test_a_stop_has_as_long_as_the_instances_own_requests_and_no_longer(
    layout, host, make_release, monkeypatch, manifest, patience
):
    make_release(OLD, **manifest)
    stopping(layout, OLD)
    clock = Clock()
    monkeypatch.setattr(guard, "time", clock)
    guard.let_live(layout, OLD)
    assert clock.now - 1000 == pytest.approx(patience, abs=0.2)
    assert guard.read(layout)["ending"] == {}


# --- the program that acts on it -------------------------------------------------------------------------------------


def test_the_program_is_called_once_however_much_there_is_to_do(layout, host):
    guard.let_end(layout, OLD, 45)
    guard.let_end(layout, "c" * 12, 45)
    guard.watch(layout, NEW, OLD, 10, 45, {})
    assert host.count == 1


def test_a_program_that_was_called_and_never_came_is_called_again(layout, host, monkeypatch):
    guard.let_end(layout, OLD, 45)
    monkeypatch.setattr(guard, "SIGNS_ON_WITHIN", 0)
    guard.let_end(layout, OLD, 45)
    assert host.count == 2


def test_a_program_that_is_at_work_is_not_called(layout, program, host):
    guard.let_end(layout, OLD, 45)
    assert host.count == 0


@pytest.mark.parametrize(
    "changes",
    [lambda: {"pid": gone()}, lambda: {"started": "1"}],
    ids=["dead", "a later process of the same number"],
)
def test_a_program_that_died_at_work_is_called_again(layout, program, host, changes):
    with guard.notes(layout) as noted:
        noted.update(changes())
    guard.let_end(layout, OLD, 45)
    assert host.count == 1


def test_a_program_that_has_signed_off_is_called_when_there_is_something_to_do(layout, program, host):
    with guard.notes(layout) as noted:
        guard.sign_off(noted)
    guard.let_end(layout, OLD, 45)
    assert host.count == 1


def test_what_nobody_will_do_is_not_promised(layout, host):
    host.fails = True
    with pytest.raises(OSError, match="no space"):
        guard.let_end(layout, OLD, 45)
    assert guard.read(layout)["ending"] == {}


def test_an_instance_is_ending_while_somebody_sees_to_it(layout, program, host):
    assert not guard.is_ending(layout, OLD)
    guard.let_end(layout, OLD, 45)
    assert guard.is_ending(layout, OLD)
    assert not guard.is_ending(layout, NEW)
    with guard.notes(layout) as noted:
        noted["pid"] = gone()
    assert not guard.is_ending(layout, OLD)


def test_a_process_is_told_from_a_later_one():
    assert lease.process_start(os.getpid()) == lease.process_start(os.getpid()) != ""
    assert lease.process_start(gone()) == ""


# --- the notes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["", '{"watch": nu'])
def test_damaged_notes_are_no_notes(layout, host, damage):
    (layout.run / "guard.json").write_text(damage)
    assert guard.read(layout)["ending"] == {}
    guard.let_end(layout, OLD, 45)
    assert set(guard.read(layout)["ending"]) == {OLD}


def test_notes_that_stay_as_they_are_are_not_written(layout, host):
    guard.let_end(layout, OLD, 45)
    before = (layout.run / "guard.json").stat()
    with guard.notes(layout):
        pass
    assert (layout.run / "guard.json").stat().st_ino == before.st_ino


def test_nobodys_note_is_lost_where_many_write_at_once(layout, program):
    fork = multiprocessing.get_context("fork")

    def write(letter):
        for number in range(10):
            guard.let_end(layout, f"{letter * 11}{number}", 45)

    writers = [fork.Process(target=write, args=(letter,)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(guard.read(layout)["ending"]) == 40

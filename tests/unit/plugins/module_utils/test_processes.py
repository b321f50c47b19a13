# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from fnmatch import fnmatch

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, guard, processes, state
from ansible_collections.switchyard.django.plugins.module_utils.processes import ProcessError, settle

OLD, NEW = "a" * 12, "b" * 12
HERE = [
    {"name": "worker", "singleton": False, "timer": False},
    {"name": "beat", "singleton": True, "timer": False},
    {"name": "tidy", "singleton": True, "timer": True},
]


def units_of(release):
    return [f"shop@{release}-beat.service", f"shop@{release}-tidy.timer", f"shop@{release}-worker.service"]


class Killed(BaseException):
    """The program is killed: nothing of it runs any more."""


class Systemd:
    """Units as systemd has them, and what it was told. A worker that is told to stop has a task in hand."""

    def __init__(self):
        self.units, self.told = {}, []
        self.dies, self.stuck = set(), set()
        self.kill_before = None

    def start(self, *names):
        for name in names:
            how = self.units.get(name, {}).get("ActiveState")
            if how == "deactivating":
                self.units[name]["queued"] = True
            elif how not in ("active", "activating"):
                self.units[name] = {"ActiveState": "active", "MainPID": str(100 + len(self.told)), "NRestarts": "0"}

    def stop(self, *names, wait):
        for name in names:
            if name in self.stuck or (not wait and name in self.units):
                self.units[name]["ActiveState"] = "deactivating"
            else:
                self.units.pop(name, None)

    def finish(self):
        """The tasks in hand are done."""
        for name, unit in list(self.units.items()):
            if unit["ActiveState"] == "deactivating":
                del self.units[name]
                if unit.get("queued"):
                    self.start(name)

    def states(self, wanted):
        for name in self.dies & set(self.units):
            unit = self.units[name]
            unit.update(ActiveState="activating", NRestarts=str(int(unit["NRestarts"]) + 1))
        return {
            name: {"Id": name, **unit}
            for name, unit in self.units.items()
            if any(fnmatch(name, pattern) for pattern in wanted)
        }

    def run(self, argv, **_how):
        verb, names = argv[1], [one for one in argv[2:] if not one.startswith("-")]
        if self.kill_before and self.kill_before(verb, names):
            self.kill_before = None
            raise Killed
        self.told.append((verb, names))
        if verb == "start":
            self.start(*names)
        elif verb == "stop":
            self.stop(*names, wait="--no-block" not in argv)
        return subprocess.CompletedProcess(argv, 0, "", "")

    @property
    def at_work(self):
        return sorted(name for name, unit in self.units.items() if unit["ActiveState"] == "active")


@pytest.fixture
def systemd(monkeypatch):
    one = Systemd()
    monkeypatch.setattr(subprocess, "run", one.run)
    monkeypatch.setattr(processes.units, "states", one.states)
    monkeypatch.setattr(processes, "STAYS_UP", 0.02)
    monkeypatch.setattr(processes, "STARTS_WITHIN", 0.2)
    monkeypatch.setattr(processes, "LOOKS_EVERY", 0.005)
    monkeypatch.setattr(processes.diagnosis, "in_words", lambda unit, since: "Its module is missing.")
    return one


@pytest.fixture
def releases(layout, make_release):
    make_release(OLD, processes=HERE)
    make_release(NEW, processes=HERE)


@pytest.fixture
def with_old(systemd, layout, releases):
    systemd.start(*units_of(OLD))


# --- what is whose ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "parts"),
    [
        (f"shop@{OLD}.service", (OLD, "")),
        (f"shop@{OLD}-worker.service", (OLD, "worker")),
        (f"shop@{OLD}-night-shift_2.timer", (OLD, "night-shift_2")),
        (f"shop-2@{OLD}-worker.service", None),
        ("shop@tty1.service", None),
        (f"shop@{OLD}-.service", None),
        (f"shop@{OLD}-worker.socket", None),
        ("shop.service", None),
    ],
)
def test_a_units_name_tells_release_and_process(layout, unit, parts):
    assert layout.parts_of(unit) == parts
    if parts:
        assert layout.unit(*parts, kind=unit.rpartition(".")[2]) == unit


def test_an_instance_is_no_process_and_a_process_no_instance(layout, systemd, with_old, monkeypatch):
    systemd.start(f"shop@{OLD}.service", f"shop@{NEW}-worker.service")
    assert state.running_instances(layout).keys() == {OLD}
    assert f"shop@{OLD}.service" not in processes.at_work(layout)


@pytest.mark.parametrize("unit", ["worker.service", "tidy.service", "tidy.timer"])
@pytest.mark.parametrize("how", ["active", "activating", "deactivating"])
def test_a_release_of_which_anything_is_at_work_is_at_work(layout, systemd, releases, unit, how):
    systemd.units[f"shop@{OLD}-{unit}"] = {"ActiveState": how, "MainPID": "7", "NRestarts": "0"}
    assert state.at_work(layout) == {OLD}
    systemd.units[f"shop@{OLD}-{unit}"]["ActiveState"] = "failed"
    assert state.at_work(layout) == set()


def test_a_release_of_an_earlier_version_has_no_processes(layout, systemd, make_release):
    make_release(OLD)
    assert processes.wanted(layout, OLD) == []
    assert processes.are_settled(layout, OLD)
    settle(layout, OLD, is_new=True)
    assert systemd.told == []


# --- the move --------------------------------------------------------------------------------------------------------


def test_what_the_first_release_has_is_started(layout, systemd, releases):
    settle(layout, NEW, is_new=True)
    assert systemd.at_work == units_of(NEW)
    assert processes.are_settled(layout, NEW)


def test_the_old_worker_finishes_its_task_and_all_else_has_moved(layout, systemd, with_old):
    settle(layout, NEW, is_new=True)
    assert systemd.at_work == units_of(NEW)
    assert systemd.units[f"shop@{OLD}-worker.service"]["ActiveState"] == "deactivating"
    assert processes.are_settled(layout, NEW)
    assert state.at_work(layout) == {OLD, NEW}, "its release is not to be removed"


def test_a_singleton_has_ended_before_the_new_one_begins(layout, systemd, with_old):
    settle(layout, NEW, is_new=True)
    started = systemd.told.index(("start", units_of(NEW)))
    assert systemd.told.index(("stop", [f"shop@{OLD}-beat.service"])) < started
    assert systemd.told.index(("stop", [f"shop@{OLD}-worker.service"])) > started


def test_a_singleton_that_does_not_end_keeps_the_new_one_from_beginning(layout, systemd, with_old):
    systemd.stuck.add(f"shop@{OLD}-beat.service")
    with pytest.raises(ProcessError, match=f"shop@{OLD}-beat.service can't be stopped"):
        settle(layout, NEW, is_new=True)
    assert "start" not in [verb for verb, _names in systemd.told]


def test_of_what_nothing_is_known_is_taken_for_a_singleton(layout, systemd, releases):
    systemd.start(f"shop@{'c' * 12}-worker.service")
    settle(layout, NEW)
    assert systemd.at_work == units_of(NEW)
    assert f"shop@{'c' * 12}-worker.service" not in systemd.units


def test_a_job_of_an_old_timer_is_left_to_end(layout, systemd, with_old):
    systemd.start(f"shop@{OLD}-tidy.service")
    settle(layout, NEW, is_new=True)
    assert f"shop@{OLD}-tidy.service" in systemd.at_work
    assert f"shop@{OLD}-tidy.timer" not in systemd.at_work
    assert processes.are_settled(layout, NEW)


def test_a_second_time_there_is_nothing_to_do(layout, systemd, releases):
    settle(layout, NEW, is_new=True)
    systemd.told.clear()
    settle(layout, NEW)
    assert systemd.told == []


@pytest.mark.parametrize("process", ["worker", "beat"])
def test_a_process_that_dies_is_told_with_its_cause_and_the_old_ones_come_back(layout, systemd, with_old, process):
    systemd.dies.add(f"shop@{NEW}-{process}.service")
    with pytest.raises(ProcessError) as caught:
        settle(layout, NEW, is_new=True)
    assert str(caught.value) == (
        f"Its module is missing.\nThe background process {process} ended as soon as it was started. "
        f"journalctl -u shop@{NEW}-{process}.service has all of it."
    )
    assert f"shop@{OLD}-worker.service" in systemd.at_work, "the old worker never stopped"
    settle(layout, OLD)
    assert systemd.at_work == units_of(OLD)
    systemd.finish()
    assert not [name for name in systemd.units if NEW in name]


def test_a_process_that_never_starts_is_told(layout, systemd, releases, monkeypatch):
    monkeypatch.setattr(systemd, "start", lambda *names: None)
    with pytest.raises(ProcessError, match="The background process beat does not start"):
        settle(layout, NEW, is_new=True)


def test_what_crashed_before_is_no_fault_of_a_move_that_does_not_touch_it(layout, systemd, releases):
    settle(layout, NEW, is_new=True)
    systemd.dies.add(f"shop@{NEW}-worker.service")
    settle(layout, NEW)
    with pytest.raises(ProcessError):
        settle(layout, NEW, is_new=True)


def test_going_back_at_once_does_not_wait_for_the_task_in_hand(layout, systemd, with_old):
    settle(layout, NEW, is_new=True)
    settle(layout, OLD, is_new=True)
    assert systemd.units[f"shop@{OLD}-worker.service"]["ActiveState"] == "deactivating"
    systemd.finish()
    assert systemd.at_work == units_of(OLD)


def test_without_a_release_all_of_it_ends(layout, systemd, with_old):
    settle(layout, None)
    systemd.finish()
    assert systemd.units == {}


STEPS = {
    "singletons": lambda verb, names: verb == "stop" and names[0].endswith("-beat.service"),
    "timers": lambda verb, names: verb == "stop" and names[0].endswith(".timer"),
    "reload": lambda verb, names: verb == "daemon-reload",
    "start": lambda verb, names: verb == "start",
    "workers": lambda verb, names: verb == "stop" and names[0].endswith("-worker.service"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("release", [OLD, NEW])
def test_wherever_it_is_killed_the_next_one_brings_the_host_to_the_live_release(
    layout, systemd, with_old, step, release
):
    systemd.kill_before = STEPS[step]
    with pytest.raises(Killed):
        settle(layout, NEW, is_new=True)
    assert not processes.are_settled(layout, NEW)
    settle(layout, release, is_new=True)
    assert processes.are_settled(layout, release)
    systemd.finish()
    assert systemd.at_work == units_of(release)


@pytest.mark.parametrize("unit", units_of(NEW))
def test_what_was_stopped_by_hand_is_not_settled_and_runs_again(layout, systemd, releases, unit):
    settle(layout, NEW, is_new=True)
    del systemd.units[unit]
    assert processes.missing(layout, NEW) == [unit]
    assert not processes.are_settled(layout, NEW)
    settle(layout, NEW)
    assert systemd.at_work == units_of(NEW)


# --- the guard -------------------------------------------------------------------------------------------------------


def test_the_guard_is_told_what_it_watches(layout, systemd, releases, monkeypatch):
    monkeypatch.setattr(guard.host_program, "start", lambda *_how: None)
    disk.point(layout.current, f"releases/{NEW}")
    settle(layout, NEW, is_new=True)
    systemd.start(f"shop@{NEW}.service")
    guard.watch(layout, NEW, OLD, 10, 45, {})
    assert sorted(guard.read(layout)["watch"]["processes"]) == [
        f"shop@{NEW}-beat.service",
        f"shop@{NEW}-worker.service",
    ]


# --- before that -----------------------------------------------------------------------------------------------------


def test_a_program_that_nothing_brings_is_named_with_its_variable(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rq").touch()
    wanted = [
        {"variable": "site_processes.a", "program": "rq"},
        {"variable": "site_processes.b", "program": "celery"},
        {"variable": "site_processes.c", "program": ""},
    ]
    (said,) = processes.missing_programs(tmp_path, wanted)
    assert said.startswith("site_processes.b: the command begins with celery")


def test_the_hosts_own_systemd_says_what_a_schedule_is(monkeypatch):
    def analyze(argv, **_how):
        assert argv[:3] == ["systemd-analyze", "calendar", "--"]
        return subprocess.CompletedProcess(argv, argv[3] != "daily", "", "")

    monkeypatch.setattr(subprocess, "run", analyze)
    (said,) = processes.bad_schedules({"site_timers.a": "daily", "site_timers.b": "dayly"})
    assert said.startswith("site_timers.b.schedule 'dayly' is no calendar event")

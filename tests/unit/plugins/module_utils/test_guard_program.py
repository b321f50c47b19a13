# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    cutover,
    diagnosis,
    disk,
    guard,
    guard_program,
    lease,
)

OLD, NEW, OTHER = "a" * 12, "b" * 12, "c" * 12


# --- connections -----------------------------------------------------------------------------------------------------

TABLE = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 36781 {old}
0000000000000000: 00000003 00000000 00000000 0001 03 36790 {old}
0000000000000000: 00000003 00000000 00000000 0001 03 36791 {old}
0000000000000000: 00000003 00000000 00000000 0001 03 36792
0000000000000000: 00000003 00000000 00000000 0001 03 36793 {new}
0000000000000000: 00000002 00000000 00000000 0002 01 36794 {old}.log
0000000000000000: 00000003 00000000 00000000 0001 03 36795 @{old}
"""


def test_connections_are_those_on_the_instances_own_socket(layout, tmp_path):
    (tmp_path / "unix").write_text(TABLE.format(old=layout.socket(OLD), new=layout.socket(NEW)))
    assert guard_program.connections(layout, OLD, tmp_path) == 2
    assert guard_program.connections(layout, NEW, tmp_path) == 1
    assert guard_program.connections(layout, OTHER, tmp_path) == 0


# In turn: the port 5555 listens, has two visits, one that is about to be, and three that are over. Then the other end
# of the first, a visit to another port, one to the same port of another address, and one of the host's own elsewhere.
TCP_TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:5555 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0
   1: 0100007F:5555 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 20 4 30 10 -1
   2: 0100007F:5555 0100007F:9C42 01 00000000:00000000 00:00000000 00000000     0        0 43 1 0 20 4 30 10 -1
   3: 0100007F:5555 0100007F:9C44 03 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   4: 0100007F:5555 0100007F:9C46 06 00000000:00000000 03:00000F3A 00000000     0        0 0 3 0
   5: 0100007F:5555 0100007F:9C48 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   6: 0100007F:5555 0100007F:9C4A 08 00000000:00000000 00:00000000 00000000     0        0 44 1 0 20 4 30 10 -1
   7: 0100007F:9C40 0100007F:5555 01 00000000:00000000 00:00000000 00000000    33        0 45 1 0 20 4 30 10 -1
   8: 0100007F:5556 0100007F:9C4C 01 00000000:00000000 00:00000000 00000000     0        0 46 1 0 20 4 30 10 -1
   9: 0500000A:5555 0200000A:9C4E 01 00000000:00000000 00:00000000 00000000     0        0 47 1 0 20 4 30 10 -1
  10: 0100007F:9C50 0500000A:5555 01 00000000:00000000 00:00000000 00000000     0        0 48 1 0 20 4 30 10 -1
"""


def test_connections_of_an_instance_with_a_port_are_those_on_its_port_of_the_loopback(layout, make_release, tmp_path):
    make_release(OLD, port=0x5555)
    make_release(NEW, port=0x5557)
    (tmp_path / "tcp").write_text(TCP_TABLE)
    assert guard_program.connections(layout, OLD, tmp_path) == 4
    assert guard_program.connections(layout, NEW, tmp_path) == 0


def test_the_kernel_counts_what_an_instance_with_a_port_really_holds(layout, make_release):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        make_release(OLD, port=address[1])
        assert guard_program.connections(layout, OLD) == 0
        with socket.create_connection(address), socket.create_connection(address):
            accepted = listener.accept()[0]
            assert guard_program.connections(layout, OLD) == 2, "one waits to be accepted still"
            accepted.close()
            assert guard_program.connections(layout, OLD) == 1
    assert guard_program.connections(layout, OLD) == 0


@pytest.fixture
def server(layout):
    path = layout.socket(OLD)
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        one.listen()
        yield one


@pytest.fixture
def connect(layout):
    clients = []

    def connect():
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].connect(str(layout.socket(OLD)))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_the_kernel_counts_what_an_instance_really_holds(layout, server, connect):
    assert guard_program.connections(layout, OLD) == 0
    clients = [connect(), connect()]
    accepted = [server.accept()[0] for _client in clients]
    assert guard_program.connections(layout, OLD) == 2
    for one in (clients[0], accepted[0]):
        one.close()
    assert guard_program.connections(layout, OLD) == 1
    for one in (clients[1], accepted[1]):
        one.close()
    assert guard_program.connections(layout, OLD) == 0


def test_a_connection_that_waits_to_be_accepted_counts(layout, server, connect):
    connect()
    assert guard_program.connections(layout, OLD) == 1


@pytest.fixture
def processes(tmp_path):
    """A /proc of the test's own: adds a process by its title and the seconds after boot at which it began."""
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "uptime").write_text("1000.00 2000.00\n")

    def add(pid, title, began):
        (folder / str(pid)).mkdir()
        (folder / str(pid) / "cmdline").write_bytes(title.encode() + b"\0")
        ticks = int(began * os.sysconf("SC_CLK_TCK"))
        fields = ["S", "1", *["0"] * 17, str(ticks), *["0"] * 20]
        (folder / str(pid) / "stat").write_text(f"{pid} (nginx: (worker) x) {' '.join(fields)}\n")

    add.folder = folder
    return add


def test_workers_of_nginx_that_finish_what_they_have_are_waited_for(processes):
    processes(71, "nginx: master process /usr/sbin/nginx", 10)
    processes(72, "nginx: worker process is shutting down", 10)
    processes(73, "nginx: worker process is shutting down", 20)
    processes(74, "nginx: worker process", 30)
    processes(75, "python3 nginx: worker process is shutting down", 10)
    assert guard_program.nginx_workers_from_before(25, processes.folder) == 2


def test_workers_that_another_reload_ends_do_not_count(processes):
    processes(72, "nginx: worker process is shutting down", 30)
    assert guard_program.nginx_workers_from_before(25, processes.folder) == 0


def test_a_process_that_ends_while_it_is_looked_at_is_none(processes):
    processes(72, "nginx: worker process is shutting down", 10)
    (processes.folder / "72/stat").unlink()
    (processes.folder / "73").mkdir()
    assert guard_program.nginx_workers_from_before(25, processes.folder) == 0


def test_the_hosts_own_processes_can_be_read():
    assert guard_program.nginx_workers_from_before(time.monotonic()) >= 0


# --- whose time has come ---------------------------------------------------------------------------------------------


@pytest.fixture
def busy(monkeypatch):
    """How many connections the old instance and old workers of nginx have."""
    counts = {"connections": 0, "workers": 0}
    monkeypatch.setattr(guard_program, "connections", lambda layout, release: counts["connections"])
    monkeypatch.setattr(guard_program, "nginx_workers_from_before", lambda moment: counts["workers"])
    return counts


def ending(**changes):
    now = time.monotonic()
    return {"noted": now - 5, "until": now + 60, "idle_from": now - 1, "stopping": False, **changes}


def test_an_idle_instance_ends_before_its_time(layout, busy):
    assert guard_program._is_due(layout, OLD, ending())


@pytest.mark.parametrize("who", ["connections", "workers"])
def test_an_instance_with_a_connection_or_a_request_on_its_way_lives_on(layout, busy, who):
    busy[who] = 1
    assert not guard_program._is_due(layout, OLD, ending())


def test_when_its_time_is_over_it_ends_whatever_it_holds(layout, busy):
    busy.update(connections=1, workers=1)
    assert guard_program._is_due(layout, OLD, ending(until=time.monotonic()))


def test_while_traffic_may_come_back_an_idle_instance_lives_on(layout, busy):
    assert not guard_program._is_due(layout, OLD, ending(idle_from=time.monotonic() + 1))


def test_what_waits_for_its_cutover_is_always_idle_and_lives_on(layout, busy):
    assert not guard_program._is_due(layout, OLD, ending(idle_from=None))
    assert guard_program._is_due(layout, OLD, ending(idle_from=None, until=time.monotonic()))


def test_a_stop_that_was_begun_is_finished(layout, busy):
    busy.update(connections=1)
    assert guard_program._is_due(layout, OLD, ending(stopping=True))


# --- the program -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The program is killed."""


class Host:
    """A host with instances; what the guard does to them is noted."""

    def __init__(self, layout):
        self.layout = layout
        self.instances = {
            layout.unit(release): (pid, "0") for release, pid in ((NEW, "71"), (OLD, "72"), (OTHER, "73"))
        }
        self.stopped, self.back, self.swept, self.tidied = [], [], 0, []
        self.on_stop = self.on_back = self.on_sweep = self.on_tidy = lambda: None

    def systemctl(self, argv, **_how):
        assert argv[:3] == ["systemctl", "stop", "--no-block"]
        self.stopped.append(argv[3])
        self.on_stop()
        del self.instances[argv[3]]
        return subprocess.CompletedProcess(argv, 0, "", "")

    def states(self, wanted):
        return {
            unit: {"Id": unit, "ActiveState": "active", "MainPID": self.instances[unit][0], "NRestarts": restarts}
            for unit in wanted
            if unit in self.instances
            for restarts in [self.instances[unit][1]]
        }

    def move(self, plan):
        self.back.append(plan)
        self.on_back()
        return cutover.Outcome(True, NEW, f"{plan.release} is live")

    def sweep(self, layout, keep):
        self.swept += 1
        self.on_sweep()
        return []

    def forget_unused(self, layout):
        self.tidied.append(time.monotonic())
        self.on_tidy()
        return []


@pytest.fixture
def host(layout, monkeypatch, busy):
    one = Host(layout)
    monkeypatch.setattr(guard_program.certificate, "forget_unused", one.forget_unused)
    monkeypatch.setattr(guard_program, "LOOKS_EVERY", 0.01)
    monkeypatch.setattr(guard_program.subprocess, "run", one.systemctl)
    monkeypatch.setattr(guard_program.units, "states", one.states)
    monkeypatch.setattr(diagnosis, "diagnose", lambda unit, since, error_log: [])
    monkeypatch.setattr(guard_program.cutover, "move", one.move)
    monkeypatch.setattr(guard_program.retention, "sweep", one.sweep)
    monkeypatch.setattr(guard.host_program, "start", lambda *_how: None)
    disk.point(layout.current, f"releases/{NEW}")
    return one


def run(layout):
    guard_program.run(layout)


def watch(layout, seconds=60):
    guard.watch(layout, NEW, OLD, seconds, 45, {"/etc/nginx/x": "old edge"})


def test_a_guard_that_finds_nothing_to_do_signs_off(layout, host):
    run(layout)
    noted = guard.read(layout)
    assert (noted["pid"], noted["started"], noted["called"]) == (0, "", None)
    assert (host.stopped, host.back, host.swept) == ([], [], 0)


def test_a_guard_at_work_is_signed_on(layout, host):
    seen = []
    host.on_stop = lambda: seen.append(guard.read(layout))
    guard.let_end(layout, OLD, 0)
    run(layout)
    (noted,) = seen
    assert noted["pid"] == os.getpid()
    assert noted["ending"][OLD]["stopping"], "whoever wants it to live on has to wait from here on"


def test_an_old_instance_is_stopped_and_its_release_swept(layout, host):
    guard.let_end(layout, OLD, 0)
    run(layout)
    assert host.stopped == [f"shop@{OLD}.service"]
    assert guard.read(layout)["ending"] == {}
    assert host.swept == 1


def test_what_is_not_due_yet_is_waited_for(layout, host, busy):
    busy["connections"] = 1
    guard.let_end(layout, OLD, 0.15, 0)
    began = time.monotonic()
    run(layout)
    assert time.monotonic() - began >= 0.15
    assert host.stopped == [f"shop@{OLD}.service"]


def test_the_live_instance_is_never_stopped(layout, host):
    guard.let_end(layout, NEW, 0)
    run(layout)
    assert host.stopped == []
    assert guard.read(layout)["ending"] == {}


def test_a_stop_that_a_killed_guard_left_undone_is_done(layout, host):
    def killed():
        raise Killed

    host.on_stop = killed
    guard.let_end(layout, OLD, 0)
    with pytest.raises(Killed):
        run(layout)
    host.on_stop = lambda: None
    run(layout)
    assert host.stopped == [f"shop@{OLD}.service"] * 2
    assert guard.read(layout)["ending"] == {}


def test_what_is_noted_while_the_guard_is_at_work_is_done_too(layout, host):
    def another():
        host.on_stop = lambda: None
        guard.let_end(layout, OTHER, 0)

    host.on_stop = another
    guard.let_end(layout, OLD, 0)
    run(layout)
    assert host.stopped == [f"shop@{OLD}.service", f"shop@{OTHER}.service"]


def test_an_instance_that_lives_through_its_watch_is_left_alone(layout, host):
    watch(layout, seconds=0.1)
    run(layout)
    assert host.back == []
    assert guard.read(layout)["watch"] is None


@pytest.mark.parametrize("after", [("0", "0"), ("72", "0"), ("71", "1")], ids=["dead", "another process", "restarted"])
def test_traffic_goes_back_from_an_instance_that_died(layout, host, after, make_release, monkeypatch):
    make_release(NEW)
    finding = diagnosis.Finding("exception", "", "MemoryError in views.py", "Mend it.", "journal", 1.0)
    monkeypatch.setattr(diagnosis, "diagnose", lambda unit, since, error_log: [finding])
    watch(layout)
    host.instances[layout.unit(NEW)] = after
    run(layout)
    (plan,) = host.back
    assert (plan.release, plan.only_from, plan.operation, plan.by) == (OLD, NEW, "return", "the host itself")
    assert (plan.edge, plan.drain, plan.settle) == ({"/etc/nginx/x": "old edge"}, 45, 0)
    assert (
        "died within 60 s of the cutover. The application raises an exception: MemoryError in views.py" in plan.reason
    )
    assert f"journalctl -u shop@{NEW}.service" in plan.reason
    assert guard.read(layout)["watch"] is None


@pytest.mark.parametrize("after", [("0", "0"), ("82", "0"), ("81", "1")], ids=["dead", "another one", "restarted"])
def test_traffic_goes_back_where_a_process_beside_the_instance_died(layout, host, after, make_release):
    worker = layout.unit(NEW, "worker")
    make_release(NEW, processes=[{"name": "worker", "singleton": False, "timer": False}])
    host.instances[worker] = ("81", "0")
    watch(layout)
    host.instances[worker] = after
    run(layout)
    (plan,) = host.back
    assert "its background process worker died within 60 s of the cutover" in plan.reason
    assert f"journalctl -u {worker} has all of it" in plan.reason


def test_a_watch_that_an_earlier_version_noted_is_kept(layout, host):
    watch(layout)
    with guard.notes(layout) as noted:
        del noted["watch"]["processes"]
    host.instances[layout.unit(NEW)] = ("0", "0")
    run(layout)
    assert len(host.back) == 1


def test_an_instance_that_died_in_its_last_second_counts(layout, host):
    watch(layout, seconds=0)
    host.instances[layout.unit(NEW)] = ("0", "0")
    run(layout)
    assert len(host.back) == 1


def test_the_instance_to_go_back_to_is_not_stopped_at_that_very_moment(layout, host):
    seen = []
    host.on_back = lambda: seen.append(guard.read(layout)["ending"].get(OLD, {}).get("stopping"))
    guard.let_end(layout, OLD, 0)
    watch(layout)
    host.instances[layout.unit(NEW)] = ("0", "0")
    # The way back lets the instance live; one that is being stopped it would wait for, and nobody else stops it.
    run(layout)
    assert seen[0] is not True


def test_a_way_back_on_which_the_guard_was_killed_is_gone_again(layout, host):
    def killed():
        raise Killed

    host.on_back = killed
    watch(layout)
    host.instances[layout.unit(NEW)] = ("0", "0")
    with pytest.raises(Killed):
        run(layout)
    host.on_back = lambda: None
    run(layout)
    assert len(host.back) == 2, "the move may have been cut off anywhere, and nobody else ends it"


def test_a_systemd_that_does_not_answer_now_is_no_dead_instance(layout, host):
    watch(layout, seconds=0.1)
    host.instances.clear()
    run(layout)
    assert host.back == []


def test_a_cause_that_can_not_be_found_is_no_reason_to_stay(layout, host, make_release, monkeypatch):
    def fail(unit, since, error_log):
        raise OSError("no journalctl")

    make_release(NEW)
    monkeypatch.setattr(diagnosis, "diagnose", fail)
    watch(layout)
    host.instances[layout.unit(NEW)] = ("0", "0")
    run(layout)
    assert [plan.release for plan in host.back] == [OLD]


@pytest.mark.parametrize("what", ["back", "sweep"])
def test_what_fails_does_not_keep_other_instances_from_ending(layout, host, busy, what):
    def fail():
        if what == "sweep":
            raise subprocess.CalledProcessError(1, "systemctl daemon-reload")
        raise OSError("no space left on device")

    setattr(host, f"on_{what}", fail)
    guard.let_end(layout, OLD, 0)
    guard.let_end(layout, OTHER, 0.1)
    if what == "back":
        watch(layout)
        host.instances[layout.unit(NEW)] = ("0", "0")
    run(layout)
    assert f"shop@{OTHER}.service" in host.stopped
    assert lease.read(layout) is None


def test_while_a_run_is_at_work_it_is_left_to_see_to_the_releases(layout, host):
    lease.take(layout, {"token": "ann", "by": "ann", "purpose": "a deploy"})
    guard.let_end(layout, OLD, 0)
    run(layout)
    assert host.stopped == [f"shop@{OLD}.service"]
    assert host.swept == 0
    assert lease.read(layout).token == "ann"


def test_the_guard_sweeps_with_the_lease_and_gives_it_back(layout, host):
    seen = []
    host.on_sweep = lambda: seen.append(lease.read(layout))
    guard.let_end(layout, OLD, 0)
    run(layout)
    assert [one.by for one in seen] == ["the host itself"]
    assert lease.read(layout) is None


def test_certificates_go_when_it_is_time(layout, host):
    guard.tidy(layout, 0.15)
    began, seen = time.monotonic(), []
    host.on_tidy = lambda: seen.append(lease.read(layout).by)
    run(layout)
    assert len(host.tidied) == 1
    assert host.tidied[0] - began > 0.1
    assert seen == ["the host itself"]
    assert (guard.read(layout)["tidy"], lease.read(layout)) == (None, None)


def test_certificates_stay_while_the_new_instance_is_watched(layout, host):
    guard.tidy(layout, 0)
    watch(layout, seconds=0.15)
    began = time.monotonic()
    run(layout)
    assert host.tidied[0] - began > 0.1


def test_certificates_stay_while_a_run_is_at_work_which_may_have_fetched_one(layout, host, monkeypatch):
    monkeypatch.setattr(guard_program, "TIDIES_AGAIN", 0.05)
    lease.take(layout, {"token": "ann", "by": "ann", "purpose": "a deploy"})
    threading.Timer(0.2, lambda: lease.free(layout, "ann")).start()
    guard.tidy(layout, 0)
    began = time.monotonic()
    run(layout)
    assert host.tidied[0] - began > 0.19
    assert len(host.tidied) == 1


@pytest.mark.parametrize("problem", [certificate.CertificateError("certbot is busy"), OSError("no certbot")])
def test_certificates_that_can_not_go_are_said_and_left_to_the_next_deploy(layout, host, capsys, problem):
    def fail():
        raise problem

    host.on_tidy = fail
    guard.tidy(layout, 0)
    guard.let_end(layout, OLD, 0.1)
    run(layout)
    assert capsys.readouterr().out == f"{problem}\n"
    assert host.stopped == [f"shop@{OLD}.service"]
    assert (guard.read(layout)["tidy"], lease.read(layout)) == (None, None)


def test_what_is_noted_while_certificates_go_is_not_forgotten(layout, host):
    def again():
        host.on_tidy = lambda: None
        guard.tidy(layout, 0.1)

    host.on_tidy = again
    guard.tidy(layout, 0)
    run(layout)
    assert len(host.tidied) == 2


def test_notes_of_an_earlier_version_are_acted_on(layout, host):
    guard.let_end(layout, OLD, 0)
    with guard.notes(layout) as noted:
        del noted["tidy"]
    run(layout)
    assert (host.stopped, host.tidied) == ([f"shop@{OLD}.service"], [])


def test_the_program_sees_to_the_site_of_its_plan(layout, host, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"site": "shop"}))
    guard.let_end(layout, OLD, 0)
    guard_program.main(str(tmp_path / "plan.json"), str(tmp_path / "outcome.json"))
    assert host.stopped == [f"shop@{OLD}.service"]

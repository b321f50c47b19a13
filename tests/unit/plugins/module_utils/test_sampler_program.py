# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sampler notes, by what the kernel and systemd say, and that its files stay small."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import sampler_program as sampler
from ansible_collections.switchyard.django.plugins.module_utils.sampler_program import Sample

ID = "3f9c2a7d41b8"
SHOWN = f"""\
Id=shop@{ID}.service
MainPID=100
NRestarts=3
ControlGroup=/system.slice/shop@{ID}.service

Id=shop@{ID}-worker.service
MainPID=200
NRestarts=0
ControlGroup=/system.slice/shop@{ID}-worker.service

Id=shop@aaaaaaaaaaaa.service
MainPID=0
NRestarts=0
ControlGroup=
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with an instance of two workers, one process beside it, and no more of control groups than a folder."""
    for name in ("proc", "cgroup", "run"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sampler, "PROC", tmp_path / "proc")
    monkeypatch.setattr(sampler, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(sampler, "RUN", tmp_path / "run")
    shown = subprocess.CompletedProcess([], 0, SHOWN)
    monkeypatch.setattr(sampler.subprocess, "run", lambda *_arguments, **_options: shown)
    group = f"cgroup/system.slice/shop@{ID}"
    put(tmp_path / f"{group}.service/cgroup.procs", "100\n101\n102\n103\n104\n")
    put(tmp_path / f"{group}.service/memory.stat", "file 999\nanon 52428800\nkernel 1\n")
    put(tmp_path / f"{group}.service/cpu.stat", "usage_usec 12345678\nuser_usec 1\n")
    put(tmp_path / f"{group}-worker.service/cgroup.procs", "200\n")
    for pid, parent in ((100, 1), (101, 100), (102, 100), (103, 100), (104, 101), (200, 1)):
        put(tmp_path / f"proc/{pid}/stat", f"{pid} (a (b) c) S {parent} 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1")
        put(tmp_path / f"proc/{pid}/status", "Name:\tx\nRssAnon:\t    1024 kB\nRssFile:\t 1 kB\n")
        put(tmp_path / f"proc/{pid}/cmdline", "python\0-m\0x")
    put(tmp_path / "proc/103/cmdline", "python\0-c\0from multiprocessing.resource_tracker import main")
    path = tmp_path / f"run/shop/{ID}/app.sock"
    rows = [
        f"0: 00000002 00000000 00010000 0001 01 1 {path}",
        f"0: 3 0 0 0001 03 2 {path}",
        f"0: 3 0 0 0001 02 3 {path}",
    ]
    put(
        tmp_path / "proc/net/unix",
        "\n".join(["Num RefCount Protocol Flags Type St Inode Path", *rows, "0: 3 0 0 0001 03 4"]),
    )
    put(tmp_path / f"run/shop/{ID}/websockets.101", "3      \n")
    put(tmp_path / f"run/shop/{ID}/websockets.102", "4      \n")
    put(tmp_path / f"run/shop/{ID}/websockets.999", "50     \n")  # of a worker that was killed
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_an_instance_and_a_process(host):
    instance, process = sampler.look("shop", host / "etc")
    assert instance == Sample(
        at=instance.at,
        unit=f"shop@{ID}.service",
        pid=100,
        memory=52428800,
        cpu=12.35,
        processes=5,
        restarts=3,
        connections=2,
        websockets=7,
        workers="101 102",
    )
    # There the control group says nothing of memory and time.
    ticks = os.sysconf("SC_CLK_TCK")
    assert (process.pid, process.memory, process.cpu, process.connections) == (200, 1024 * 1024, 300 / ticks, 0)


def test_what_the_site_lays_where_numbers_are_is_not_followed_and_not_waited_for(host):
    folder = host / f"run/shop/{ID}"
    (folder / "websockets.101").unlink()
    (folder / "websockets.101").symlink_to(folder / "websockets.102")
    os.mkfifo(folder / "websockets.104")
    put(folder / "websockets.102", "9" * 100)
    assert sampler.look("shop", host / "etc")[0].websockets == 99999999
    put(folder / "websockets.102", "many")
    assert sampler.look("shop", host / "etc")[0].websockets == 0


def test_that_the_kernel_can_not_be_asked_is_not_taken_for_no_connections(host):
    (host / "proc/net/unix").unlink()
    with pytest.raises(OSError, match="No such file"):
        sampler.connections(host / "x", None)


def test_connections_are_counted_as_the_kernel_has_them(tmp_path):
    """On this machine, with real sockets."""
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        clients = [socket.socket(socket.AF_UNIX) for _number in range(3)]
        for client in clients:
            client.connect(str(path))
        assert sampler.connections(path, None) == 3
        for client in clients:
            client.close()


def test_the_host_as_a_whole(host):
    put(host / "proc/meminfo", "MemTotal:  4000 kB\nMemFree: 1 kB\nMemAvailable:  1500 kB\n")
    put(host / "proc/stat", "cpu  100 10 40 5000 300 5 5 0 0 0\ncpu0 1 1\n")
    put(host / "proc/net/sockstat", "sockets: used 9\nTCP: inuse 42 orphan 0\n")
    one = sampler.look_at_host()
    assert (one.unit, one.memory, one.connections) == ("host", 2500 * 1024, 42)
    assert one.cpu == round(160 / os.sysconf("SC_CLK_TCK"), 2)


def test_a_day_has_a_file_with_a_heading_and_a_line_that_was_cut_off_spoils_no_other(tmp_path):
    first, second = Sample(1_790_000_000, "shop", 1, cpu=0.5), Sample(1_790_000_060, "shop", 1)
    sampler.append(tmp_path, [first])
    (path,) = sampler.files(tmp_path)
    with path.open("a") as stream:
        stream.write("17900000")
    sampler.append(tmp_path, [second])
    rows = list(csv.reader(path.open()))
    assert rows[0] == list(sampler.COLUMNS)
    assert [row[:2] for row in rows[1:]] == [["1790000000", "shop"], ["17900000"], ["1790000060", "shop"]]


def test_no_more_than_so_many_days_stay_and_no_file_grows_without_end(tmp_path, monkeypatch, capsys):
    for day in range(sampler.DAYS + 5):
        sampler.append(tmp_path, [Sample(1_790_000_000 + 86400 * day, "shop")])
    assert len(sampler.files(tmp_path)) == sampler.DAYS
    monkeypatch.setattr(sampler, "LARGEST", 100)
    latest = 1_790_000_000 + 86400 * (sampler.DAYS + 4)
    for _time in range(10):
        sampler.append(tmp_path, [Sample(latest, "shop")])
    assert sampler.files(tmp_path)[-1].stat().st_size < 300
    assert "as large as it may be" in capsys.readouterr().out


def test_it_runs_alone_as_a_program(tmp_path):
    """As on a host: without site packages and without the collection; there is no unit of such a site."""
    command = [sys.executable, "-I", "-S", "-B", sampler.__file__, "no-such-site", str(tmp_path)]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "FileNotFoundError" in done.stderr:
        pytest.skip("this machine has no systemctl")
    assert done.returncode == 0, done.stderr
    (path,) = sampler.files(tmp_path)
    assert [row[1] for row in csv.reader(path.open())] == ["unit", "host"]
    assert time.monotonic() - started < 10

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes, on the host and once a minute, what the site's instances and processes take: for charts, and for what grows.

A deploy lays this file down as it is, and a timer runs it: so it stands alone, with the standard library and nothing of
ours. Each day has a CSV file. There are never more than DAYS of them, and none is larger than LARGEST.
"""

# It is a program of its own: there is no AnsibleModule to run a command or to answer by.
# pylint: disable=ansible-bad-function

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

DAYS = 15
LARGEST = 8 * 1024 * 1024
FILE = "samples-%Y-%m-%d.csv"
HOST = "host"
SHOWN = "Id,MainPID,NRestarts,ControlGroup"
HELD = ("02", "03")  # St in /proc/net/unix: waiting to be accepted, and connected
# st in /proc/net/tcp: established, about to be, and one whose visitor has left while the instance works for him.
HELD_TCP = ("01", "03", "08")
# Python's own, which a main process starts beside its workers.
NO_WORKER = b"multiprocessing.resource_tracker"
PROC, CGROUPS, RUN = Path("/proc"), Path("/sys/fs/cgroup"), Path("/run")


@dataclass(frozen=True)
class Sample:
    """What one unit takes at one moment, or the host as a whole, whose `unit` is HOST.

    :param at: in seconds since 1970
    :param pid: of the main process, 0 where none runs
    :param memory: the bytes that are its own: not what the kernel can drop, such as cached files
    :param cpu: the seconds that it has computed since it was started
    :param restarts: how often systemd has started it again by itself
    :param connections: those that it holds open, idle ones of nginx's included
    :param websockets: those of them that are WebSockets
    :param workers: the PIDs of its workers, with blanks between them
    """

    at: int
    unit: str
    pid: int = 0
    memory: int = 0
    cpu: float = 0
    processes: int = 0
    restarts: int = 0
    connections: int = 0
    websockets: int = 0
    workers: str = ""


COLUMNS = tuple(field.name for field in fields(Sample))


def main(site: str, folder: str) -> None:
    """Add one look to today's file."""
    append(Path(folder), [*look(site, Path("/etc/switchyard") / site), look_at_host()])


# --- a look ----------------------------------------------------------------------------------------------------------


def look(site: str, etc: Path) -> list[Sample]:
    """All services of the site's releases that are at work."""
    done = subprocess.run(
        ["systemctl", "show", f"--property={SHOWN}", "--", f"{site}@*.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    blocks = (block.splitlines() for block in done.stdout.split("\n\n"))
    units = [dict(line.split("=", 1) for line in block if "=" in line) for block in blocks]
    return [_sample(site, etc, unit) for unit in units if unit.get("ControlGroup")]


def _sample(site: str, etc: Path, unit: dict[str, str]) -> Sample:
    main, group = _number(unit.get("MainPID")), unit["ControlGroup"]
    pids = _numbers(_text(_control(group, "cgroup.procs")))
    found = re.fullmatch(rf"{re.escape(site)}@([0-9a-f]+)\.service", unit["Id"])
    release = found[1] if found else ""  # the instance alone is asked by visitors
    return Sample(
        at=round(time.time()),
        unit=unit["Id"],
        pid=main,
        memory=memory(group, pids),
        cpu=cpu(group, pids),
        processes=len(pids),
        restarts=_number(unit.get("NRestarts")),
        connections=connections(RUN / site / release / "app.sock", port_of(etc, release)) if release else 0,
        websockets=websockets(RUN / site / release, pids) if release else 0,
        workers=" ".join(str(pid) for pid in workers(main, pids)),
    )


def port_of(etc: Path, release: str) -> int | None:
    """The port of an instance that has no socket."""
    try:
        return json.loads((etc / "releases" / release / "release.json").read_text()).get("port")
    except (OSError, ValueError):
        return None


def connections(socket: Path, port: int | None, net: Path | None = None) -> int:
    """How many connections an instance holds, on its socket or on its port."""
    net = net or PROC / "net"
    if port:
        address = f"0100007F:{port:04X}"  # 127.0.0.1, as the kernel writes it
        return sum(1 for row in _rows(net / "tcp") if row[1] == address and row[3] in HELD_TCP)
    return sum(1 for row in _rows(net / "unix") if row[-1] == str(socket) and row[5] in HELD)


def websockets(folder: Path, pids: list[int]) -> int:
    """What the stack notes of each process that still lives: a number in a file, where the site may write anything."""
    return sum(_number(_begin(folder / f"websockets.{pid}")) for pid in pids)


def workers(main: int, pids: list[int]) -> list[int]:
    """The processes that the main one has started, but for what Python itself needs."""
    children = [pid for pid in sorted(pids) if main and _stat(pid)[1:2] == [str(main)]]
    return [pid for pid in children if NO_WORKER not in _bytes(PROC / f"{pid}/cmdline")]


def memory(group: str, pids: list[int]) -> int:
    """The bytes that are a control group's own, or else of its processes, where what they share counts for each."""
    for path, name in ((_control(group, "memory.stat"), "anon"), (_memory_v1(group), "total_rss")):
        found = re.search(rf"^{name} (\d+)$", _text(path), re.MULTILINE)
        if found:
            return int(found[1])
    told = (re.search(r"^RssAnon:\s+(\d+) kB", _text(PROC / f"{pid}/status"), re.MULTILINE) for pid in pids)
    return sum(int(one[1]) * 1024 for one in told if one)


def cpu(group: str, pids: list[int]) -> float:
    """The seconds that a control group has computed, or else those of its processes that have not ended."""
    found = re.search(r"^usage_usec (\d+)$", _text(_control(group, "cpu.stat")), re.MULTILINE)
    if found:
        return round(int(found[1]) / 1e6, 2)
    times = (_stat(pid)[11:13] for pid in pids)
    return round(sum(sum(_numbers(" ".join(two))) for two in times) / os.sysconf("SC_CLK_TCK"), 2)


def look_at_host() -> Sample:
    """The host as a whole: memory that is not to be had, seconds computed, open TCP connections."""
    told = {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+)", _text(PROC / "meminfo"), re.MULTILINE)}
    times = [int(word) for word in _text(PROC / "stat").partition("\n")[0].split()[1:]]
    busy = sum(times[:3]) + sum(times[5:8])  # not idle, and not waiting for a disk
    inuse = re.search(r"^TCP: inuse (\d+)", _text(PROC / "net/sockstat"), re.MULTILINE)
    return Sample(
        at=round(time.time()),
        unit=HOST,
        memory=(told.get("MemTotal", 0) - told.get("MemAvailable", 0)) * 1024,
        cpu=round(busy / os.sysconf("SC_CLK_TCK"), 2),
        connections=int(inuse[1]) if inuse else 0,
    )


def _control(group: str, name: str) -> Path:
    """A file of a control group: of the only hierarchy that there is, or of systemd's own beside older ones."""
    unified = CGROUPS / "unified"
    root = unified if unified.is_dir() else CGROUPS
    path = root / group.lstrip("/") / name
    return path if path.exists() else CGROUPS / "systemd" / group.lstrip("/") / name


def _memory_v1(group: str) -> Path:
    return CGROUPS / "memory" / group.lstrip("/") / "memory.stat"


def _stat(pid: int) -> list[str]:
    """What proc(5) lists of a process from the state on, which is the third; nothing where it has ended."""
    return _text(PROC / f"{pid}/stat").rpartition(")")[2].split()


def _rows(table: Path) -> list[list[str]]:
    # Not _text(): where it can't be read nobody may take it that there are no connections.
    return [row for line in table.read_text(errors="replace").splitlines() if len(row := line.split()) > 5]


def _number(word: str | None) -> int:
    return int(word) if word and word.isdecimal() and len(word) < 19 else 0


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split() if word.isdecimal()]


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace")


def _bytes(path: Path) -> bytes:
    """What a file holds; a process that ends meanwhile takes its own along."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _begin(path: Path) -> str:
    """The first bytes of a file where another user writes: no link is followed, and nothing is waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with contextlib.closing(os.fdopen(handle, "rb")) as stream:
        try:
            return stream.read(8).decode("ascii", errors="replace").strip()
        except OSError:
            return ""


# --- the files -------------------------------------------------------------------------------------------------------


def append(folder: Path, samples: list[Sample]) -> None:
    """Add to the file of the day, by one write, and let the oldest files go."""
    path = folder / time.strftime(FILE, time.gmtime(samples[0].at))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size > LARGEST:
            print(f"<4>{path} is as large as it may be: nothing more is noted today", flush=True)
            return
        if not size:
            writer.writerow(COLUMNS)
        elif os.pread(handle, 1, size - 1) != b"\n":  # a power cut has left a line without its end
            text.write("\n")
        writer.writerows(astuple(sample) for sample in samples)
        os.write(handle, text.getvalue().encode())
    finally:
        os.close(handle)
    for old in files(folder)[:-DAYS]:
        old.unlink(missing_ok=True)


def files(folder: Path) -> list[Path]:
    """The files that there are, the oldest first."""
    return sorted(folder.glob("samples-????-??-??.csv"))


if __name__ == "__main__":
    main(*sys.argv[1:])

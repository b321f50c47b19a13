# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real event loops, really held up: the monitor must see it, name the line, and accuse nobody who is not to blame."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "roles/asgi/files/switchyard_stalls.py"
STALL = 0.4
# On a busy machine a stall seems shorter than it is, since the monitor forgives what comes late; all else takes longer.
THRESHOLD = 0.05
PATIENCE = 0.12
PAUSE = 0.03

VIEWS = f"""\
import socket
import time


async def sleeps(secret):
    time.sleep({STALL})


async def reads():
    one, other = socket.socketpair()
    with one, other, one.makefile() as file:
        one.settimeout({STALL})
        file.readline()


async def computes():
    end = time.thread_time() + {STALL}
    while time.thread_time() < end:
        pass


async def keeps_the_lock(number):
    sum(range(number))


async def calls(other):
    return other()
"""

Serve = Callable[..., list[str]]


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stalls() -> Iterator[ModuleType]:
    """The module as it is on a site, and its logger as new."""
    yield load(FILE)
    logger = logging.getLogger("switchyard.stalls")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project's code, in the folder that the process is in."""
    (tmp_path / "board").mkdir()
    (tmp_path / "board/views.py").write_text(VIEWS)
    monkeypatch.chdir(tmp_path)
    return load(tmp_path / "board/views.py")


@pytest.fixture
def serve(stalls: ModuleType, capfd: pytest.CaptureFixture[str]) -> Serve:
    """Serves something by a loop that is watched, and returns what standard error says."""

    def serve(thing: Callable[[], Awaitable[Any]], threshold: float = THRESHOLD) -> list[str]:
        async def main() -> None:
            stalls.watch(threshold)
            await asyncio.sleep(PAUSE)
            await thing()
            await asyncio.sleep(PAUSE)

        asyncio.run(main())
        ended()
        return capfd.readouterr().err.splitlines()

    return serve


def monitors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "switchyard-stalls"]


def ended() -> None:
    for thread in monitors():
        thread.join(5)
    assert not monitors()


def long() -> int:
    """How many numbers C code adds up while a loop stalls."""
    began = time.thread_time()
    sum(range(300_000))
    return int(300_000 * 1.2 * STALL / (time.thread_time() - began))


def number(text: str) -> int:
    """The line of VIEWS that begins with this text."""
    return next(number for number, line in enumerate(VIEWS.splitlines(), 1) if line.strip().startswith(text))


# --- what is reported


def test_a_call_that_blocks_is_named_with_its_line_and_no_value(serve: Serve, views: Any) -> None:
    (line,) = serve(lambda: views.sleeps("hunter2"))
    found = re.fullmatch(
        r"WARNING switchyard\.stalls: event loop stalled for (\d+\.\d\d) s"
        rf" at board/views\.py:{number('time.sleep')} in sleeps: time\.sleep\({STALL}\)",
        line,
    )
    assert found, line
    assert THRESHOLD <= float(found[1]) < 5


def test_the_projects_line_comes_first_and_then_the_innermost(serve: Serve, views: Any) -> None:
    async def read() -> None:
        with pytest.raises(OSError, match="timed out"):
            await views.reads()

    (line,) = serve(read)
    assert f" at board/views.py:{number('file.readline')} in reads: file.readline(), inside " in line
    assert re.search(r", inside /.*/socket\.py:\d+ in readinto: ", line)


def test_the_innermost_line_is_named_where_none_is_the_projects(serve: Serve, views: Any) -> None:
    async def block() -> None:
        time.sleep(STALL)

    (line,) = serve(block)
    assert re.search(rf" s at {re.escape(__file__)}:\d+ in block: time\.sleep\(STALL\)$", line)


def test_packages_in_the_projects_folder_are_not_its_own(
    serve: Serve, views: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / ".venv/lib/python3/site-packages"
    paths = {**sysconfig.get_paths(), "purelib": str(packages)}
    monkeypatch.setattr("sysconfig.get_paths", lambda: paths)
    packages.mkdir(parents=True)
    (packages / "package.py").write_text(f"import time\n\n\ndef block():\n    time.sleep({STALL})\n")
    (line,) = serve(lambda: views.calls(load(packages / "package.py").block))
    assert f" s at board/views.py:{number('return other()')} in calls: return other(), inside {packages}/" in line


def test_a_computation_is_named(serve: Serve, views: Any) -> None:
    (line,) = serve(views.computes)
    loop = number("while time.thread_time")
    assert re.search(rf" at board/views\.py:({loop}|{loop + 1}) in computes: ", line)


def test_c_code_that_keeps_the_interpreters_lock_is_named(serve: Serve, views: Any) -> None:
    numbers = long()

    async def keep() -> None:
        # While the machine is busy, the loop may rarely be past the line before the monitor gets the lock.
        await views.keeps_the_lock(numbers)
        await asyncio.sleep(PAUSE)
        await views.keeps_the_lock(numbers)

    lines = serve(keep)
    place = f" at board/views.py:{number('sum(range(number))')} in keeps_the_lock: sum(range(number))"
    assert lines
    assert all(line.endswith(place) for line in lines)


def test_a_stall_in_the_very_step_that_begins_to_watch(
    stalls: ModuleType, views: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        stalls.watch(THRESHOLD)
        await views.sleeps("hunter2")
        await asyncio.sleep(PAUSE)

    asyncio.run(main())
    ended()
    (line,) = capfd.readouterr().err.splitlines()
    assert f" at board/views.py:{number('time.sleep')} in sleeps: " in line


def test_a_stall_that_does_not_end_is_told_once(
    serve: Serve, stalls: ModuleType, views: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "ENDLESS", THRESHOLD)
    (line,) = serve(lambda: views.sleeps("hunter2"))
    assert " event loop has stood still for 0 s, and still does, at board/views.py:" in line


class Loop:
    """What a monitor asks of a loop, and what the loop does, step by step."""

    def __init__(self, steps: str) -> None:
        self.steps = steps
        self.now = 0.0

    def call_soon_threadsafe(self, _answer: Callable[[], None]) -> None:
        pass

    def is_closed(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ("aaaaaaaa", 8),
        ("aaa", None),
        ("aaaaaabb", 5),  # it ended after the last look at it
        ("aaaaaa..", 5),
        ("abababab", None),
        ("........", None),
        ("......aa", None),  # it waited for its turn before that
    ],
)
def test_one_callback_must_last_for_the_threshold(
    stalls: ModuleType, monkeypatch: pytest.MonkeyPatch, steps: str, seconds: int | None
) -> None:
    loop, said = Loop(steps), []
    monitor = stalls._Monitor(loop, 4)
    monitor.due = 0
    monitor.project = stalls._Project()

    def look() -> tuple[str | None, list[Any]]:
        step = loop.steps[0]
        return (None, []) if step == "." else (step, [(step, 1, step)])

    def sleep() -> int:
        loop.now, loop.steps = loop.now + 1, loop.steps[1:]
        monitor.answered = None if loop.steps else loop.now
        return 0

    monkeypatch.setattr(time, "monotonic", lambda: loop.now)
    monitor.look, monitor.sleep = look, sleep
    monitor.report = lambda message, seen: said.append((message, seen[0][1][0]))
    monitor.beat()
    assert said == ([(f"event loop stalled for {seconds}.00 s", "a")] if seconds else [])


# --- who is not accused


def test_waiting_is_no_stall(serve: Serve) -> None:
    assert serve(lambda: asyncio.sleep(STALL), PATIENCE) == []


def test_short_steps_of_one_task_are_no_stall(serve: Serve) -> None:
    async def work() -> None:
        end = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < end:
            time.sleep(0.002)
            await asyncio.sleep(0)

    assert serve(work, PATIENCE) == []


def test_many_tasks_at_once_are_no_stall(serve: Serve) -> None:
    async def step() -> float:
        time.sleep(0.002)
        return time.monotonic()

    async def crowd() -> None:
        ends = await asyncio.gather(*(step() for _number in range(120)))
        assert ends[-1] - ends[0] > 1.9 * PATIENCE

    assert serve(crowd, PATIENCE) == []


def test_a_stall_below_the_threshold_is_none(serve: Serve, views: Any) -> None:
    assert serve(lambda: views.sleeps("hunter2"), threshold=0.5) == []


def test_a_stopped_process_is_not_the_projects_fault(serve: Serve) -> None:
    program = f"""
import os, signal, time
input()
time.sleep({STALL})
os.kill({os.getpid()}, signal.SIGCONT)
"""
    with subprocess.Popen([sys.executable, "-IS", "-c", program], stdin=subprocess.PIPE) as other:

        async def stopped() -> None:
            assert other.stdin
            other.stdin.write(b"\n")
            other.stdin.close()
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(PAUSE)

        before = time.monotonic()
        assert serve(stopped, PATIENCE) == []
        assert time.monotonic() - before > STALL


def test_another_thread_that_keeps_the_lock_is_not_the_loops_fault(serve: Serve, views: Any) -> None:
    numbers = long()

    def elsewhere() -> None:
        time.sleep(PAUSE)  # the loop is done with starting this thread
        asyncio.run(views.keeps_the_lock(numbers))

    assert serve(lambda: asyncio.to_thread(elsewhere), PATIENCE) == []


def test_what_runs_after_the_loop_does_not_hold_it_up(
    stalls: ModuleType, views: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        stalls.watch(PATIENCE)
        await asyncio.sleep(PAUSE)

    def deep(calls: int) -> None:
        deep(calls - 1) if calls else time.sleep(STALL)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    deep(20)
    loop.run_until_complete(main())
    loop.close()
    ended()
    assert capfd.readouterr().err == ""


# --- one monitor, for as long as there is a loop


def test_there_is_one_monitor_for_each_loop(stalls: ModuleType) -> None:
    async def main() -> list[threading.Thread]:
        for _call in range(100):
            stalls.watch(THRESHOLD)
        return monitors()

    (first,) = asyncio.run(main())
    ended()
    (second,) = asyncio.run(main())
    assert first is not second
    assert first.daemon
    ended()
    assert not stalls._monitors


def test_a_loop_that_is_closed_behind_its_back_is_no_error(stalls: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    monkeypatch.setattr(loop, "is_closed", lambda: False)
    stalls._monitors[loop] = stalls._Monitor(loop, THRESHOLD)
    stalls._monitors[loop].run()
    assert not stalls._monitors


def test_a_loop_whose_thread_ends_without_closing_it_is_no_error(stalls: ModuleType) -> None:
    async def main() -> None:
        stalls.watch(THRESHOLD)

    loop = asyncio.new_event_loop()
    server = threading.Thread(target=lambda: loop.run_until_complete(main()))
    server.start()
    server.join()
    ended()
    loop.close()
    assert not stalls._monitors


def test_without_a_loop_of_asyncio_there_is_none(stalls: ModuleType) -> None:
    stalls.watch(THRESHOLD)
    assert not monitors()


def test_a_process_without_room_for_a_thread_serves_on(
    stalls: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        stalls.watch(THRESHOLD)
        stalls.watch(THRESHOLD)

    monkeypatch.setattr(threading.Thread, "start", full)
    asyncio.run(main())
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("event loop is not watched: can't start new thread")


def alone(program: str, folder: Path) -> list[str]:
    """Run a program that may change what a process has one of, and return what standard error says."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env={**os.environ, "PYTHONPATH": f"{FILE.parent}:{folder}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


STALLS = f"""\
import asyncio, inspect, logging.config, os, switchyard_stalls
from board import views

async def watched(*things):
    switchyard_stalls.watch({THRESHOLD})
    for thing in things:
        await asyncio.sleep({PAUSE})
        await thing() if inspect.iscoroutinefunction(thing) else thing()
    await asyncio.sleep({PAUSE})

async def stall():
    await views.sleeps("hunter2")

"""


def test_it_does_not_keep_a_process_from_ending(views: Any, tmp_path: Path) -> None:
    program = STALLS + "loop = asyncio.new_event_loop()\nloop.run_until_complete(watched())"
    assert alone(program, tmp_path) == []


def test_the_child_of_a_fork_has_a_monitor_of_its_own(views: Any, tmp_path: Path) -> None:
    program = """
loop = asyncio.new_event_loop()
loop.run_until_complete(watched())
child = os.fork()
if child == 0:
    loop.run_until_complete(watched(stall))
    os._exit(0)
os.waitpid(child, 0)
os._exit(0)
"""
    (line,) = alone(STALLS + program, tmp_path)
    assert f" in sleeps: time.sleep({STALL})" in line


# --- the log


def test_a_line_that_blocks_each_time_does_not_fill_the_journal(
    stalls: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def monitor() -> Any:
        return stalls._Monitor(asyncio.get_running_loop(), THRESHOLD)

    clock = [time.monotonic()]
    stalled = asyncio.run(monitor())
    stalled.project = stalls._Project()
    line = ("/usr/lib/board.py", 8, "slow")
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for _stall in range(14):
        clock[0] += 1
        stalled.report("stalled", [(0.2, line, line)])
    lines = capfd.readouterr().err.splitlines()
    assert [line.endswith(": stalled at /usr/lib/board.py:8 in slow") for line in lines] == [True] * 10 + [False]
    assert lines[-1].endswith("event loop stalled more than 10 times in 60 s: further reports are left out")
    clock[0] += 60
    stalled.report("stalled", [(0.2, line, line)])
    stalled.report("stalled", [(0.2, line, line)])
    first, second = capfd.readouterr().err.splitlines()
    assert first.endswith(" in slow (4 reports before this one were left out)")
    assert second.endswith(" in slow")


def test_the_projects_logging_does_not_hide_it(views: Any, tmp_path: Path) -> None:
    program = """
def configure(**configuration):
    return lambda: logging.config.dictConfig({"version": 1, "disable_existing_loggers": True, **configuration})

console = {"console": {"class": "logging.StreamHandler"}}
asyncio.run(watched(
    configure(root={"level": "CRITICAL", "handlers": []}), stall,
    configure(handlers=console, root={"level": "DEBUG", "handlers": ["console"]}), stall,
    configure(loggers={"switchyard": {"level": "CRITICAL"}}), stall,
))
"""
    lines = alone(STALLS + program, tmp_path)
    assert [line.partition(" stalled for ")[0] for line in lines] == ["WARNING switchyard.stalls: event loop"] * 3


def test_a_project_that_gives_handlers_to_the_logger_decides_for_itself(views: Any, tmp_path: Path) -> None:
    program = """
logging.config.dictConfig({
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "stalls.log"}},
    "loggers": {"switchyard.stalls": {"handlers": ["file"]}},
})
asyncio.run(watched(stall))
"""
    assert alone(STALLS + program, tmp_path) == []
    assert f" in sleeps: time.sleep({STALL})" in (tmp_path / "stalls.log").read_text()

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host, in each Python process of ours: names each effect just before it happens, dies there on demand.

`install()` is called by a .pth file of the system's Python while /run/fault/control.json exists, so that no step is
listed by hand: a step is what the code is about to do to the host, named by the frames of ours that lead to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

FOLDER = "/run/fault"
CONTROL = f"{FOLDER}/control.json"
FIRED = f"{FOLDER}/fired.json"
STEPS = f"{FOLDER}/steps.jsonl"
REACHED = f"{FOLDER}/reached"

OURS = "/ansible_collections/switchyard/django/plugins/"
IDENTIFIER = re.compile(r"[0-9a-f]{12,64}")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Neither the host's nor ours: what ansible-core makes for a module and takes away itself.
NOT_AN_EFFECT = ("/dev/", "/proc/", "/root/.ansible/", "/tmp/ansible")
# Whatever is inside a scratch folder is lost with it: one step for each line that fills one.
SCRATCH = re.compile(r"/run/switchyard(-[^/]+)?/")

# What every module does in the same way is one row of steps, whoever does it.
SHARED = ("lease.", "guard.notes:")
# A loop is interrupted before its first round and after it.
ROUNDS = 2
# For how long the host goes on waiting until the controller is dead.
PATIENCE = 3.0

PATHS = frozenset(
    {
        *("os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir"),
        *("os.chmod", "os.chown", "os.truncate", "os.utime", "os.setxattr", "os.removexattr"),
    }
)
OTHERS = frozenset({"open", "subprocess.Popen", "os.kill", "os.killpg", "os.system", "os.exec", "os.posix_spawn"})

# What only asks; anything else that is run is taken for an effect.
QUERIES = frozenset(
    {
        *(("systemctl", verb) for verb in ("show", "is-active", "is-enabled", "list-units", "list-unit-files", "cat")),
        *(("dpkg-query", "--show"), ("journalctl", "--unit"), ("journalctl", "-u")),
    }
)


class Hook:
    """One process's view of what it does."""

    def __init__(self, orders: dict) -> None:
        self.fault = orders.get("fault")
        self.rounds: Counter[str] = Counter()
        self.at_work = False
        self.writes = (os.write, os.fsync)

    def install(self) -> None:
        write, fsync = self.writes

        def write_step(handle: int, content: bytes) -> int:
            self.step("os.write", "", lambda: write(handle, bytes(content)[: len(content) // 2]))
            return write(handle, content)

        def fsync_step(handle: int) -> None:
            self.step("os.fsync", "")
            fsync(handle)

        # The interpreter doesn't audit these two, and a write is where a death leaves half of something.
        os.write, os.fsync = write_step, fsync_step
        sys.addaudithook(self.audit)

    def audit(self, event: str, arguments: tuple) -> None:
        if self.at_work or (event not in PATHS and event not in OTHERS):
            return
        if event in PATHS:
            self.step(event, " ".join(_text(part) for part in arguments if isinstance(part, (str, bytes, os.PathLike))))
        elif event == "open":
            self._open(*arguments)
        elif event == "subprocess.Popen":
            words = [_text(word) for word in arguments[1]] if not isinstance(arguments[1], str) else [arguments[1]]
            words[0] = os.path.basename(words[0])
            if tuple(words[:2]) not in QUERIES:
                self.step(f"run {' '.join(words[:2])}", " ".join(words[2:6]))
        else:
            self.step(event, "")

    def _open(self, path: Any, mode: str | None, flags: int | None) -> None:
        if isinstance(path, int) or not (flags or 0) & WRITING:
            return
        self.step("open", _text(path))
        if mode is not None:  # by open(): what it writes can't be seen, so the death in the middle is an empty file
            self.step(
                "empty", _text(path), lambda: os.close(os.open(path, os.O_CREAT | (flags or 0) & ~os.O_EXCL, 0o644))
            )

    def step(self, event: str, detail: str, half: Callable[[], object] | None = None) -> None:
        """Note the effect that is about to happen, and die if it is the one.

        :param half: does a part of it, as a death in the middle would leave it
        """
        # A thread of ours is a sign of life, which comes when time has passed and not at a place in the work.
        if threading.current_thread() is not threading.main_thread() or detail.startswith(NOT_AN_EFFECT):
            return
        way = _way(sys._getframe(1))
        if self.at_work or not way:
            return
        self.at_work = True
        try:
            scratch = bool(SCRATCH.match(detail)) and not event.startswith("run ")
            label = IDENTIFIER.sub("ID", f"{' > '.join(way)} · {'scratch' if scratch else event}")
            self.rounds[label] += 1
            if self.rounds[label] > (1 if scratch else ROUNDS):
                return
            line = json.dumps({"label": label, "round": self.rounds[label], "detail": detail}) + "\n"
            self._note(line)
            fault = self.fault
            if fault and (fault["label"], fault["round"]) == (label, self.rounds[label]) and _claim():
                self._die(fault["kind"], half)
        finally:
            self.at_work = False

    def _note(self, line: str) -> None:
        """Where the test has taken the folder away already, what is still at work goes on undisturbed."""
        with contextlib.suppress(OSError):
            handle = os.open(STEPS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self.writes[0](handle, line.encode())
            os.close(handle)

    def _die(self, kind: str, half: Callable[[], object] | None) -> None:
        if half and kind != "controller":
            half()
        os.close(os.open(REACHED, os.O_WRONLY | os.O_CREAT, 0o644))
        if kind == "module":
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + (PATIENCE if kind == "controller" else 3600)
        while os.path.exists(REACHED) and time.monotonic() < until:
            time.sleep(0.02)


def _claim() -> bool:
    """Whether this process is the one that the fault is for: it happens once."""
    try:
        os.rename(CONTROL, FIRED)
    except OSError:
        return False
    return True


def _text(path: str | bytes | os.PathLike) -> str:
    return os.fsdecode(path)


def _way(frame: FrameType | None) -> list[str]:
    """The frames of ours, outermost first: folder (for modules), file, function and line."""
    way: list[str] = []
    while frame is not None:
        _before, found, name = frame.f_code.co_filename.partition(OURS)
        if found:
            name = name.removeprefix("module_utils/").removesuffix(".py").replace("/", ".")
            way.append(f"{name}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    if way and way[-1].endswith(".<module>", 0, way[-1].rfind(":")):
        way.pop()
    shared = [index for index, name in enumerate(way) if name.startswith(SHARED)]
    return way[shared[-1] :: -1] if shared else way[::-1]


def install() -> None:
    try:
        with open(CONTROL, encoding="utf-8") as stream:
            orders = json.load(stream)
    except (OSError, ValueError):
        return
    if orders.get("trace"):
        _trace(orders["trace"])
    else:
        Hook(orders).install()


def _trace(calls: str) -> None:
    """Become strace of this very process, unless it is that already."""
    with open("/proc/self/status", encoding="ascii") as stream:
        traced = re.search(r"^TracerPid:\t[1-9]", stream.read(), re.MULTILINE)
    if not traced:
        how = ["strace", "-ff", "--seccomp-bpf", "-qq", "-y", "-ttt", "-s", "1024", "-e", "signal=none", "-e", calls]
        how += ["-o", f"{FOLDER}/trace.{os.getpid()}", sys.executable, *sys.orig_argv[1:]]
        os.execvp("strace", how)  # noqa: S606

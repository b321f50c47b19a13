# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries to get at things, as whoever runs it, and says how each attempt ended: a page of a site does, or a program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(path)


def write(path: str) -> None:
    Path(path).write_text("pried\n")
    os.unlink(path)


ATTEMPTS: dict[str, Callable[[str], object]] = {
    "read": lambda path: Path(path).read_bytes(),
    "list": os.listdir,
    "write": write,
    "run": lambda path: subprocess.run([path, "--version"], check=True, capture_output=True),
    "connect": connect,
    "stop": lambda pid: os.kill(int(pid), signal.SIGCONT),
}


def pry(wanted: list[str]) -> dict[str, str]:
    """What came of each attempt, which is written as HOW:WHAT: "got", or why not."""
    ended = {}
    for one in wanted:
        how, _sep, what = one.partition(":")
        try:
            ATTEMPTS[how](what)
            ended[one] = "got"
        except (OSError, subprocess.CalledProcessError) as problem:
            ended[one] = type(problem).__name__
    return ended


if __name__ == "__main__":
    json.dump(pry(json.load(sys.stdin)), sys.stdout)

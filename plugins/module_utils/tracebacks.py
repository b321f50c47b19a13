# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds Python's tracebacks among the lines of a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')
_EXCEPTION = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
# Python says this between two tracebacks of one chain; of an exception group each line begins with bars.
_CHAINED = re.compile(
    r"The above exception was the direct cause of|During handling of the above exception, another exception occurred"
)
_BARS = re.compile(r"^(?:\s*[|+](?:-+)?)+ ?")
# How a message of several lines goes on: PostgreSQL's indented explanations, and psycopg's list of attempts.
_GOES_ON = re.compile(r"(?:\t| {2,})\S|- host: |connection to server |(?:DETAIL|HINT|LINE \d+): ")
_LONGEST_MESSAGE = 8
# Not the project's own code: Python's, and what is installed.
_FOREIGN = re.compile(r"/(?:site|dist)-packages/|/lib/python3|^<frozen |/bin/[^/]+$")
_IMPORTS = re.compile(r"^<frozen importlib|/importlib/__init__\.py$")


@dataclass(frozen=True)
class Frame:
    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Raised:
    """An exception as its traceback tells it; `number` is that of its line."""

    kind: str
    message: str
    frames: tuple[Frame, ...]
    number: int

    @property
    def name(self) -> str:
        """The class without its module."""
        return self.kind.rpartition(".")[2]

    @property
    def text(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind

    @property
    def caller(self) -> Frame | None:
        """Where it was raised, or where the import stands that failed."""
        return next((frame for frame in reversed(self.frames) if not _IMPORTS.search(frame.file)), None)

    @property
    def own(self) -> Frame | None:
        """The last line of the project's own code."""
        return next((frame for frame in reversed(self.frames) if not _FOREIGN.search(frame.file)), None)

    def passed(self, file: str, function: str = "") -> bool:
        """Whether it came by a function of a file that ends like that."""
        return any(frame.file.endswith(file) and function in ("", frame.function) for frame in self.frames)


def find(lines: Iterable[str]) -> list[list[Raised]]:
    """All exceptions with a traceback, in the order in which they were raised: those of one chain together."""
    chains: list[list[Raised]] = []
    goes_on = False
    for one in _read(list(lines)):
        if one is None:
            goes_on = bool(chains)
        elif goes_on:
            chains[-1].append(one)
            goes_on = False
        else:
            chains.append([one])
    return chains


@dataclass
class _Open:
    """A traceback whose exception is still to come."""

    frames: list[Frame] = field(default_factory=list)


def _read(lines: list[str]) -> Iterator[Raised | None]:
    """Each exception, and None where Python says that the next one came of the one before."""
    reading: _Open | None = None
    for number, line in enumerate(lines):
        if _BEGIN in line or "Exception Group Traceback" in line:
            reading = _Open()
            continue
        if _CHAINED.search(line):
            yield None
        if reading is None:
            continue
        text = _BARS.sub("", line)
        frame = _FRAME.match(text)
        if frame:
            reading.frames.append(Frame(frame["file"], int(frame["line"]), frame["function"] or ""))
        elif text.strip() and not text[0].isspace():
            exception = _EXCEPTION.fullmatch(text.strip())
            if exception:
                message = " ".join([exception["message"] or "", *_rest_of_message(lines, number)]).strip()
                yield Raised(exception["kind"], message, tuple(reading.frames), number)
            reading = None


def _rest_of_message(lines: list[str], number: int) -> Iterator[str]:
    for line in lines[number + 1 : number + _LONGEST_MESSAGE]:
        text = _BARS.sub("", line)
        if not _GOES_ON.match(text) or _FRAME.match(text):
            return
        yield text.strip()

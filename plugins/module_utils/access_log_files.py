# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the part of an access log that a window of time needs, in the file that nginx writes and in those turned over.

nginx writes a line when a request ends, with the time that its worker has then. A worker looks at the clock once in
each round of its event loop, and `access_log … flush=` may hold lines back: so the lines are in order but for `SLACK`.
"""

from __future__ import annotations

import glob
import gzip
import itertools
import math
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ansible_collections.switchyard.django.plugins.module_utils.access_log_lines import LONGEST, entry, moment

# Seconds by which a line may stand too late in its file.
SLACK = 60.0
_BLOCK = 128 * 1024
_GZIP = b"\x1f\x8b"
# logrotate's own names, and those with dateext.
_TURNED_OVER = re.compile(r"(?:\.([0-9]+)|-([0-9]{8}(?:-?[0-9]+)?))(?:\.gz)?")
_TRIES = 5
# What may go wrong while a file is read: with the file, or with what it has where it is compressed.
TROUBLES = (OSError, EOFError, zlib.error)


def rotations(log: Path) -> list[Path]:
    """The files of a log, those that logrotate has turned over included, from the newest on.

    A file that is being compressed is there twice: what counts is the one that is whole.
    """
    aged: list[tuple[int, int, Path]] = []
    for path in log.parent.glob(f"{glob.escape(log.name)}*"):
        found = _TURNED_OVER.fullmatch(path.name[len(log.name) :])
        if found and not (path.suffix == ".gz" and path.with_suffix("").exists()):
            number, date = found.groups()
            aged.append((0, int(number), path) if number else (1, -int(date.replace("-", "")), path))
    return [*([log] if log.exists() else []), *(path for _kind, _age, path in sorted(aged))]


@dataclass
class Part:
    """A file of the log that is open: it stays the same whatever it is called meanwhile.

    :param size: what it had when it was opened, in bytes; what comes later is not read
    :param read: how many bytes of it were read so far, after decompression
    """

    path: Path
    handle: BinaryIO
    inode: int
    size: int
    read: int = 0

    def begins(self) -> float | None:
        """When the first line was written that can be read; None where there is none near its beginning."""
        try:
            return _first(itertools.islice(self._blocks(0, self.size), 1))
        except TROUBLES:
            return None

    def lines(self, since: float) -> Iterator[bytes]:
        """Whole lines, many at a time, from shortly before `since` on; raises one of `TROUBLES`."""
        begin = 0 if self._is_compressed() else self._bisected(since - SLACK)
        chunks = _whole(self._counted(self._blocks(begin, self.size)))
        if begin:
            # Within a line, most likely.
            yield next(chunks, b"").partition(b"\n")[2]
        yield from chunks

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.read += len(block)
            yield block

    def _is_compressed(self) -> bool:
        return os.pread(self.handle.fileno(), len(_GZIP), 0) == _GZIP

    def _blocks(self, begin: int, end: int) -> Iterator[bytes]:
        """The bytes from `begin` until `end`; of a compressed file all of them."""
        self.handle.seek(begin)
        if self._is_compressed():
            with gzip.GzipFile(fileobj=self.handle, mode="rb") as stream:
                yield from iter(lambda: stream.read(_BLOCK), b"")
            return
        while block := self.handle.read(min(_BLOCK, end - begin)):
            begin += len(block)
            yield block

    def _bisected(self, since: float) -> int:
        """The first byte that has to be read: the line that it is in, and all before, were written before `since`."""
        low, high = 0, self.size
        while high - low > _BLOCK:
            middle = (low + high) // 2
            when = _first(self._blocks(middle, high))
            if when is not None and when < since:
                low = middle
            else:
                high = middle
        return low


def _whole(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same, so that each ends with a line. One that is too long comes without its beginning, and fits no format."""
    rest = b""
    for block in blocks:
        lines, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield lines + newline
        if len(rest) > LONGEST:
            rest = b" "
    if rest:
        yield rest + b"\n"


def _first(blocks: Iterator[bytes]) -> float | None:
    """When the first line was written that can be read. A cut one can't be: a visitor's quotes are escaped in it."""
    for chunk in _whole(blocks):
        for line in chunk.split(b"\n"):
            found = entry(line)
            when = found and moment(found.stamp)
            if when is not None:
                return when
    return None


@contextmanager
def opened(log: Path, since: float) -> Iterator[tuple[list[Part], bool]]:
    """The files with what was written since then, from the oldest on, and whether they go back as far as that.

    logrotate may turn the log over meanwhile: then it is looked up again.
    """
    with ExitStack() as stack:
        for _try in range(_TRIES):
            stack.close()
            names = rotations(log)
            parts, reaches_back = _opened(names, since, stack)
            if [part.inode for part in parts] == [_inode(path) for path in rotations(log)[: len(parts)]]:
                break
        yield parts[::-1], reaches_back


def _opened(names: list[Path], since: float, stack: ExitStack) -> tuple[list[Part], bool]:
    parts: list[Part] = []
    earliest = math.inf
    for path in names:
        part = _open(path, stack)
        if part is None:
            continue
        parts.append(part)
        earliest = min(earliest, part.begins() or math.inf)
        if earliest < since - SLACK:
            break
    return parts, earliest <= since


def _open(path: Path, stack: ExitStack) -> Part | None:
    """None where it is no file, or not any more; a pipe does not keep anybody waiting."""
    try:
        handle = stack.enter_context(os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb"))
    except FileNotFoundError:
        return None
    found = os.fstat(handle.fileno())
    return Part(path, handle, found.st_ino, found.st_size) if stat.S_ISREG(found.st_mode) else None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None

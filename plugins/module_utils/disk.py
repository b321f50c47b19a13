# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing so that what is on the disk after a power cut is either the old state or the new one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, content: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace a file atomically and durably; it has its owner and mode before it has its content.

    :param owner: user and group by number; without it the file is of whoever writes it
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            if owner:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(path.parent)


def clear(folder: Path) -> None:
    """Remove a folder, if it is there, whole."""
    if os.path.lexists(folder):
        shutil.rmtree(folder)


def point(link: Path, target: str) -> None:
    """Make a symbolic link point at a target, atomically and durably."""
    temporary = link.parent / f".{link.name}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)
    sync_folder(link.parent)


def append_line(path: Path, line: str, mode: int = 0o644) -> None:
    """Append one line durably, and not to one that a power cut left without its end."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, (b"\n" if torn else b"") + line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def canonical(value: Any) -> bytes:
    """The one way in which a value is written before it is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest(value: Any, length: int = 64) -> str:
    """The hexadecimal SHA-256 of a JSON value, cut to a length."""
    return hashlib.sha256(canonical(value)).hexdigest()[:length]

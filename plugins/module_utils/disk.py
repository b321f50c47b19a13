# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing so that what is on the disk after a power cut is either the old state or the new one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import host_command


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, content: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace a file atomically and durably; it has its owner and mode before it has its content.

    What a write that was cut off leaves behind has one name, so that the next one takes its place.

    :param owner: user and group by number; without it the file is of whoever writes it
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            if owner:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


# How a link is told from a file where both are kept as texts. No file that is kept begins like this.
LINK = "\0link to "


def text_of(path: Path) -> str | None:
    """What lies there, so that put() can lay it there again: a file's text, a link's target, or nothing."""
    try:
        # Not read_text(), which makes one character of the two that end a line elsewhere.
        return f"{LINK}{os.readlink(path)}" if path.is_symlink() else path.read_bytes().decode()
    except OSError:
        return None


def put(path: Path, text: str | None) -> None:
    """Lay there what text_of() says. What is so already is not written again, which a full disk refuses."""
    if text is None:
        remove(path)
    elif text_of(path) != text:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if text.startswith(LINK):
            point(path, text.removeprefix(LINK))
        else:
            write(path, text.encode(), 0o644)


def remove(path: Path) -> None:
    """Remove a file or a link, durably, if it is there."""
    if os.path.lexists(path):
        path.unlink()
        sync_folder(path.parent)


def settle(folder: Path) -> None:
    """Make everything durable that the file system of a folder holds: for trees of many files."""
    host_command.run(["sync", "--file-system", folder], check=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that works behind this file; it is freed when the process ends, however it ends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def clear(folder: Path) -> None:
    """Remove a folder, if it is there, whole."""
    if os.path.lexists(folder):
        shutil.rmtree(folder)


def point(link: Path, target: str) -> None:
    """Make a symbolic link point at a target, atomically and durably."""
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    os.replace(partial, link)
    sync_folder(link.parent)


def append_line(path: Path, line: str, mode: int = 0o644) -> None:
    """Append one line durably, and not to one that a power cut left without its end."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        content = (b"\n" if torn else b"") + line.encode() + b"\n"
        if os.write(handle, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
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

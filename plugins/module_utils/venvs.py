# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the venv of a lock, out of the one that the site has already and that is most like it: the donor.

Most deploys change but a few packages, and to compile all the others takes most of the time of an installation. So the
donor is copied, and uv changes in the copy what the lock has otherwise.

What somebody changed in the donor by hand must not come along: what its files were is noted when a venv is made, and
one that has others is no donor. Files are copied and not linked: what somebody changes in one venv by hand would be
changed in another, to which a rollback may go back.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk, host_command, locks, made, ownership
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

LOCK = "switchyard.lock"
FILES = "switchyard.files"
# What is about one venv, and not in its copy; .lock is uv's own.
OWN = (LOCK, FILES, made.PACKAGES, ".lock")


def is_whole(venv: Path) -> bool:
    """Whether a venv was finished: its lock is written into it last."""
    return (venv / LOCK).exists()


def install(layout: Layout, venv: Path, lock: str, build_environment: Mapping[str, str]) -> str:
    """Make the venv of a lock; the name of its donor, or nothing.

    Where a copy can't be made the lock's venv, the fault may be the copy's: then the venv is made from nothing.
    """
    donor = find_donor(venv, lock)
    if donor:
        with contextlib.suppress(OSError, subprocess.CalledProcessError, locks.LockError):
            _begin(venv)
            _copy(donor, venv)
            # uv removes files and puts others in their places; it writes none that is there.
            ownership.give(venv, layout.site, files=False)
            _fill(layout, venv, lock, build_environment)
            return donor.name
    _begin(venv)
    ownership.give(venv, layout.site)
    locks.uv(
        layout,
        layout.cache,
        build_environment,
        *("venv", "--python", locks.PYTHON, "--allow-existing", str(venv)),
        writable=venv,
    )
    _fill(layout, venv, lock, build_environment)
    return ""


def _begin(venv: Path) -> None:
    disk.clear(venv)
    venv.mkdir(mode=0o750)


def _fill(layout: Layout, venv: Path, lock: str, build_environment: Mapping[str, str]) -> None:
    """Have uv install a lock into a venv, which is the site's user's until then, and root's from then on."""
    requirements = layout.cache / "install.txt"
    disk.write(requirements, lock.encode(), 0o644)
    locks.uv(
        layout,
        layout.cache,
        build_environment,
        *("pip", "sync", "--python", str(venv / "bin/python"), "--require-hashes", "--compile-bytecode"),
        *("--link-mode", "copy", str(requirements)),
        writable=venv,
    )
    requirements.unlink()
    ownership.take(venv, layout.site)
    made.note_packages(venv)
    disk.write(venv / FILES, digest(venv).encode(), 0o644)
    disk.settle(venv)
    disk.write(venv / LOCK, lock.encode(), 0o644)


# --- the donor -------------------------------------------------------------------------------------------------------


def find_donor(venv: Path, lock: str) -> Path | None:
    """The venv beside this one that has the most of a lock and more than half of it, and that nobody has changed."""
    python = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    wanted = _hashes(lock)
    shared = {}
    for other in sorted(venv.parent.iterdir()):
        if other != venv and is_whole(other) and (other / FILES).exists() and (other / python).is_dir():
            theirs = _hashes((other / LOCK).read_text())
            common = theirs.keys() & wanted.keys()
            # uv leaves what has the right version: it must be of a file that the lock allows.
            if all(theirs[pin] <= wanted[pin] for pin in common):
                shared[other] = len(common)
    fitting = sorted((other for other in shared if shared[other] > len(wanted) / 2), key=lambda other: -shared[other])
    return next((other for other in fitting if digest(other) == (other / FILES).read_text()), None)


def _hashes(lock: str) -> dict[str, set[str]]:
    return {pin: set(hashes) for pin, _head, hashes in locks.requirements(lock)}


def _copy(donor: Path, venv: Path) -> None:
    """Copy what is not the donor's own."""
    parts = [path for path in donor.iterdir() if path.name not in OWN]
    host_command.run(["cp", "--archive", "--reflink=auto", f"--target-directory={venv}", *parts], check=True)
    _move_scripts(donor, venv)


def _move_scripts(donor: Path, venv: Path) -> None:
    """Let what is in bin name the venv in which it is, and the packages' lists of files have the new digests."""
    digests = {}
    for script in (venv / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            before = script.read_bytes()
            after = before.replace(bytes(donor), bytes(venv))
            if after != before:
                script.write_bytes(after)
                digests[_recorded(before)] = _recorded(after)
    for record in venv.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        lines = record.read_bytes().splitlines(keepends=True)
        parted = [line.split(b",") for line in lines]
        moved = [b",".join(digests.get(part, part) for part in parts) for parts in parted]
        if moved != lines:
            record.write_bytes(b"".join(moved))


def _recorded(content: bytes) -> bytes:
    """A digest as https://packaging.python.org/specifications/recording-installed-packages has it."""
    return b"sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")


def digest(venv: Path) -> str:
    """A digest of a venv's files by path, mode, size and ctime, which nobody can set back as they can an mtime."""
    found = hashlib.sha256()
    for entry in _entries(venv):
        path, seen = os.path.relpath(entry.path, venv), entry.stat(follow_symlinks=False)
        if path not in OWN:
            found.update(os.fsencode(f"{path}\0{seen.st_mode} {seen.st_size} {seen.st_ctime_ns}\0"))
    return found.hexdigest()


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)

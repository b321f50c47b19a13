# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands a tree to the site's user for as long as it is made, and takes it back before anything trusts it."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path


def give(tree: Path, user: str, files: bool = True) -> None:
    """Make the user the owner of a tree. Links are not followed.

    :param files: whether of its files, too; otherwise they can be removed and replaced, and not be written
    """
    account = pwd.getpwnam(user)
    for path in _all(tree):
        if files or stat.S_ISDIR(os.lstat(path).st_mode):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def take(tree: Path, group: str, public: bool = False) -> None:
    """Make root the owner of a tree, and let nobody else write it.

    :param group: whose group may read it
    :param public: whether everybody may read it (static files, which nginx serves)
    """
    gid = 0 if public else pwd.getpwnam(group).pw_gid
    readable, runnable = (0o644, 0o111) if public else (0o640, 0o110)
    for path in _all(tree):
        found = os.lstat(path)
        # Most of a large tree is right already, and to look takes a tenth of the time that a change does.
        if (found.st_uid, found.st_gid) != (0, gid):
            os.chown(path, 0, gid, follow_symlinks=False)
        executable = stat.S_ISDIR(found.st_mode) or found.st_mode & 0o100
        wanted = readable | (runnable if executable else 0)
        if not stat.S_ISLNK(found.st_mode) and stat.S_IMODE(found.st_mode) != wanted:
            os.chmod(path, wanted)


def links_out(tree: Path) -> list[str]:
    """The links of a tree that lead out of it, as NAME -> TARGET."""
    inside = tree.resolve()
    return sorted(
        f"{os.path.relpath(path, tree)} -> {os.readlink(path)}"
        for path in _all(tree)
        if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(inside)
    )


def _all(tree: Path) -> Iterator[str]:
    yield str(tree)
    for parent, folders, files in os.walk(tree):
        for name in folders + files:
            yield os.path.join(parent, name)

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


def give(tree: Path, user: str) -> None:
    """Make the user the owner of a tree. Links are not followed."""
    account = pwd.getpwnam(user)
    for path in _all(tree):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def take(tree: Path, group: str, public: bool = False) -> None:
    """Make root the owner of a tree, and let nobody else write it.

    :param group: whose group may read it
    :param public: whether everybody may read it (static files, which nginx serves)
    """
    account = pwd.getpwnam(group)
    for path in _all(tree):
        os.chown(path, 0, 0 if public else account.pw_gid, follow_symlinks=False)
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            continue
        readable = 0o444 if public else 0o440
        executable = (0o111 if public else 0o110) if stat.S_ISDIR(mode) or mode & 0o100 else 0
        os.chmod(path, readable | executable | 0o200)


def links_out(tree: Path) -> list[str]:
    """The links of a tree that lead out of it, as NAME -> TARGET."""
    inside = tree.resolve()
    return sorted(
        f"{path.relative_to(tree)} -> {os.readlink(path)}"
        for path in _all(tree)
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside)
    )


def _all(tree: Path) -> Iterator[Path]:
    yield tree
    for parent, folders, files in os.walk(tree):
        for name in folders + files:
            yield Path(parent) / name

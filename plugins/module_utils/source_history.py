# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies between two versions of a source, as far as the controller has them: nothing is fetched for it."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils.source import SourceError, git


@dataclass(frozen=True)
class Commits:
    """How one commit differs from another.

    :param ahead: the commits that are new
    :param behind: the commits that it does not have any more
    :param subjects: the latest of the new ones, each with the beginning of its hash
    """

    ahead: int
    behind: int
    subjects: list[str]


def commits(clone: Path, live: str, wanted: str, most: int = 10) -> Commits | None:
    """What lies between two commits; None where the clone does not have them.

    :param most: how many subjects
    """
    try:
        behind, ahead = git("rev-list", "--left-right", "--count", f"{live}...{wanted}", "--", cwd=clone).split()
        listing = git("log", "--format=%h %s", f"--max-count={most}", f"{live}..{wanted}", "--", cwd=clone)
    except (SourceError, OSError):
        return None
    return Commits(int(ahead), int(behind), listing.splitlines())


def texts(archive: Path, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The text of some files of an archive, in one pass, for it is compressed as a whole."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() and wanted(member.name) else None
            if content is not None:
                found[member.name] = content.read().decode("utf-8", "replace")
    return found

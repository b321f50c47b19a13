# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says of many names what fits into a message, and lays a message out in lines."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

MOST = 10
# What a line of a summary has at most, and where what it says begins.
COLUMNS, LABEL = 100, 14
# Behind the commit of a folder that differs from it.
DIRTY = "-dirty"


def some(names: list[str], most: int = MOST) -> str:
    """All names where they are few, else the first ones and how many there are beside."""
    beside = len(names) - most
    return ", ".join(names) if beside <= 0 else f"{', '.join(names[:most])} and {beside} more"


def count(number: int, noun: str) -> str:
    """A number and its noun, for example 1 worker or 2 workers."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def row(label: str, text: str, lines: int = 0, indent: int = 0) -> list[str]:
    """A line that begins with a label, and the lines on which it goes on.

    :param lines: how many it has at most; 0 for all. A word that is longer than a line, such as a path, stays whole.
    :param indent: by how much it is set in, for what belongs to the row before
    """
    wrapped = _wrapped(text, COLUMNS - LABEL - indent, lines, "  " if indent else "")
    return [f"{label if not number else '':{LABEL + indent}}{line}" for number, line in enumerate(wrapped)]


def headline(text: str, lines: int = 0) -> list[str]:
    """The first line, which has no label."""
    return _wrapped(text, COLUMNS, lines, "  ")


def _wrapped(text: str, width: int, lines: int, hanging: str) -> list[str]:
    return textwrap.wrap(
        plain(text),
        width,
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=lines or None,
        placeholder=" …",
        subsequent_indent=hanging,
    )


def command(label: str, said: str, line: str) -> list[str]:
    """A command of the shell, in one line whatever its length, so that it can be pasted.

    :param said: what it is for, before it; may be empty
    """
    if not said and len(line) <= COLUMNS - LABEL:
        return [f"{label:{LABEL}}{line}"]
    return [*(row(label, said) or [label]), f"  {line}"]


def plain(text: str) -> str:
    """A text of somebody else's, such as the subject of a commit, without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def release(manifest: Mapping[str, Any]) -> str:
    """A release in the words of a person: its identifier, how it is served, and its commit."""
    return f"{manifest['id']} ({served(manifest)})"


def served(manifest: Mapping[str, Any]) -> str:
    """How a release is served, and its commit: what is known of it before it has a name."""
    commit = f", commit {short(manifest['commit'])}" if manifest.get("commit") else ""
    return f"{manifest['stack']} by {manifest['server']}{commit}"


def short(commit: str) -> str:
    """A commit as people write it; of a folder that differs from it, it says so."""
    return commit[:12] + (DIRTY if commit.endswith(DIRTY) else "")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of variables that are almost those which somebody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.switchyard.django.plugins.module_utils.env_finding import WARNING, Finding


def judge_names(keys: Iterable[str], known: Iterable[str], lines: Mapping[str, int] | None = None) -> list[Finding]:
    """A word on each key that none of the known names is, but that one of them resembles."""
    names = frozenset(known)
    findings = []
    for key in keys:
        meant = known_name_like(key, names)
        if meant:
            hint = f"Rename the variable to {meant} if so"
            line = (lines or {}).get(key)
            findings.append(Finding(key, line, "unknown-name", WARNING, f"did you mean {meant}", hint))
    return findings


def is_known(key: str, known: Iterable[str]) -> bool:
    """Names count with and without the prefix DJANGO_."""
    return key in known or key.removeprefix("DJANGO_") in known


def known_name_like(key: str, known: frozenset[str]) -> str | None:
    """The known name that the key misspells, None if it is one itself or resembles none."""
    if is_known(key, known):
        return None
    prefix = "DJANGO_" if key.upper().startswith("DJANGO_") else ""
    bare = key[len(prefix) :]
    for name in sorted(known):
        if _is_misspelling(key, name):
            return name
        if _is_misspelling(bare, name):
            return prefix + name
    return None


def _is_misspelling(written: str, known: str) -> bool:
    """Without regard to case, the same letters with other underscores, or one slip of a finger apart."""
    written, known = written.upper(), known.upper()
    if written.replace("_", "") == known.replace("_", ""):
        return True
    # Very short names are a letter apart by nature, and a number at the end makes a second variable on purpose.
    return len(known) >= 5 and not written[-1:].isdigit() and _one_slip_apart(written, known)


def _one_slip_apart(one: str, other: str) -> bool:
    """Whether one character is missing, added, wrong, or two neighbours changed places."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, other_rest = one[start:], other[start:]
    return (
        rest[1:] == other_rest
        or rest == other_rest[1:]
        or rest[1:] == other_rest[1:]
        or (rest[2:] == other_rest[2:] and rest[:2] == other_rest[1::-1])
    )

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to say about an environment.

No finding ever holds a value or a part of one: values are secrets until proven otherwise, messages end up in logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing to say about an environment; `key` is empty where a line or the whole file is meant."""

    key: str
    line: int | None
    code: str
    level: str
    message: str
    hint: str


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == WARNING]


def describe(finding: Finding, path: str) -> str:
    """One line for a human: `KEY (line N): message. hint.`, with the file's path where no key is at fault."""
    place = finding.key or path
    if finding.line is not None:
        place += f" (line {finding.line})"
    return f"{place}: {finding.message}. {finding.hint}."

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and names in the words of a person, for tables and messages."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.page_text import printable

NOTHING = "–"
# What Ansible says before the reason.
_BEFORE_SSH = re.compile(
    r"\A(?:Task failed: )?"
    r"(?:Data could not be sent to remote host .*?over ssh: |Failed to connect to the host via ssh: )?"
)
_DURATIONS = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (120, 60, "min"))
SIZES = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def duration(seconds: float | None) -> str:
    """How long something takes, or has been; two digits are enough."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for least, unit, name in _DURATIONS:
        if round(seconds) >= least:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def size(number: float | None) -> str:
    """Bytes, with three digits."""
    if number is None:
        return NOTHING
    for unit, name in SIZES:
        # What would be rounded to 1024 of a unit is 1.0 of the next one.
        if abs(number) >= unit - unit / 2048:
            return f"{number / unit:.{1 if abs(number) < 9.95 * unit else 0}f} {name}"
    return f"{number:.0f} B"


def percent(share: float | None) -> str:
    """A share from 0 to 1; what is not nothing is never told as 0."""
    if share is None:
        return NOTHING
    if not share or share >= 0.0995:
        return f"{share * 100:.0f} %"
    return f"{share * 100:.1f} %" if share >= 0.001 else f"{share * 100:.2f} %" if share >= 0.0001 else "< 0.01 %"


def rate(per_second: float) -> str:
    """Requests per second, or where they are few, in an hour."""
    if not per_second or per_second >= 0.1:
        return f"{per_second:.{0 if per_second >= 100 or not per_second else 1}f}/s"
    return f"{per_second * 3600:.0f}/h"


def moment(at: float | None, near: float | None = None) -> str:
    """A moment in UTC; without the day where it is near another one."""
    if at is None:
        return NOTHING
    is_near = near is not None and time.gmtime(at)[:3] == time.gmtime(near)[:3]
    return time.strftime("%H:%M:%S" if is_near else "%Y-%m-%d %H:%M:%S", time.gmtime(at))


def counts(numbers: Mapping[str, int]) -> str:
    """What was counted, the most first."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} × {name}" for name, number in ordered)


def line(text: Any, longest: int = 300) -> str:
    """One line that a terminal bears, of whatever somebody said."""
    return printable(str(text), longest)


def why_silent(answer: Mapping[str, Any]) -> str:
    """Why a host has not said how it is: what ssh says, without what Ansible says before it."""
    said = ssh(str(answer.get("msg") or "no answer"))
    return f"{'not reached' if answer.get('unreachable') else 'not read'}: {said}"


def ssh(said: str) -> str:
    """What ssh says, without what Ansible says before it."""
    return line(_BEFORE_SSH.sub("", said))


def kept(text: str) -> str:
    """The same without what a terminal would act on; blanks stay."""
    return "".join(character if character.isprintable() else " " for character in text)


def unit_name(unit: Mapping[str, Any]) -> str:
    """An instance, a process or a timer, as a person calls it."""
    if not unit["process"]:
        return f"the instance {unit['release']}"
    return f"the {'timer' if unit['unit'].endswith('.timer') else 'process'} {unit['process']}"

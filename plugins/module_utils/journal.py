# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal holds of a unit, and points in time as journalctl takes them."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils import host_command

LONGEST = 4000
_FIELDS = "MESSAGE,_PID,_TRANSPORT,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT"
_EPOCH = re.compile(r"UNIX seconds: @(\d+(?:\.\d+)?)")


class JournalError(Exception):
    """The journal can't be read; the message is for the user."""


@dataclass(frozen=True)
class Entry:
    """One line; `manager` says that systemd itself wrote it, and not a process of the unit."""

    at: float
    pid: str
    manager: bool
    message: str


def epoch(since: str) -> float:
    """The seconds since 1970 of a point in time such as -15min, 2026-11-21 17:55 or @1790000000."""
    at = float(since[1:]) if re.fullmatch(r"@\d+(\.\d+)?", since) else _epoch_by_systemd(since)
    if at > time.time():
        raise JournalError(f"since: {since!r} has not come yet. The past begins with a minus, as in -15min")
    return at


def _epoch_by_systemd(since: str) -> float:
    done = host_command.run(["systemd-analyze", "timestamp", "--", since], capture_output=True, text=True, check=False)
    found = _EPOCH.search(done.stdout)
    if done.returncode or not found:
        raise JournalError(
            f"since: {since!r} is no point in time. Write it as systemd.time(7) has it, for example -15min, "
            "2026-11-21 17:55 or @1790000000"
        )
    return float(found[1])


def read(unit: str, since: float) -> list[Entry]:
    """The last lines of the unit and of what systemd said of it since then."""
    # What was said a moment ago may still be on its way.
    host_command.run(["journalctl", "--sync"], check=False, capture_output=True)
    done = host_command.run(
        [
            "journalctl",
            f"--unit={unit}",
            f"--since=@{since:.6f}",
            f"--lines={LONGEST}",
            f"--output-fields={_FIELDS}",
            "--output=json",
            "--no-pager",
            "--all",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise JournalError(f"journalctl can't read the journal of {unit}: {done.stderr.strip()}")
    return parse(done.stdout)


def parse(output: str) -> list[Entry]:
    """What journalctl prints with --output=json; an entry of several lines becomes several."""
    return [entry for line in output.splitlines() if line.startswith("{") for entry in _entries(json.loads(line))]


def _entries(fields: dict) -> list[Entry]:
    at = int(fields["__REALTIME_TIMESTAMP"]) / 1_000_000
    manager = fields.get("SYSLOG_IDENTIFIER") == "systemd" and fields.get("_PID") == "1"
    lines = _text(fields.get("MESSAGE")).splitlines()
    return [Entry(at, str(fields.get("_PID", "")), manager, line) for line in lines]


def _text(message: object) -> str:
    """journalctl writes what is not plain text as a list of bytes."""
    if isinstance(message, list):
        return bytes(message).decode(errors="replace")
    return message if isinstance(message, str) else ""

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells that a systemd unit will not come up, so that nobody waits for it any longer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

PROPERTIES = ("LoadState", "ActiveState", "SubState", "NRestarts", "Result", "ExecMainStatus")

# One restart may be bad luck (a database that was not up yet); a unit that needs a third try does not come up.
RESTARTS_TOLERATED = 1

_UNIT_NAME = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*")
_SYSTEMCTL_TIMEOUT = 5


def parse_properties(text: str) -> dict[str, str]:
    """The output of systemctl show as a dict."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def restarts(properties: Mapping[str, str]) -> int:
    """How often systemd has restarted the unit by itself; 0 where it doesn't say."""
    value = properties.get("NRestarts", "")
    return int(value) if value.isdigit() else 0


def trouble(unit: str, properties: Mapping[str, str], restarts_before: int) -> str | None:
    """Why the unit will not come up, or None while it still may."""
    ending = f"result {properties.get('Result', '?')}, exit status {properties.get('ExecMainStatus', '?')}"
    state = f"{properties.get('ActiveState', '?')}/{properties.get('SubState', '?')}"
    if properties.get("LoadState") == "not-found":
        return f"{unit} does not exist"
    if properties.get("ActiveState") == "failed":
        return f"{unit} has failed ({ending})"
    again = restarts(properties) - restarts_before
    if again > RESTARTS_TOLERATED:
        return f"{unit} keeps restarting ({again} times while it was probed; now {state}, {ending})"
    return None


class UnitWatch:
    """A give_up condition for probe(): called, it says why the unit will not come up, or None.

    It counts restarts from the moment at which it was made. A systemctl that doesn't answer is no reason to give up:
    what counts is whether the application answers.
    """

    def __init__(self, unit: str, systemctl: str = "systemctl") -> None:
        if not _UNIT_NAME.fullmatch(unit):
            raise ValueError(f"unit: {unit!r} is not the name of a systemd unit (expected something like shop.service)")
        self.unit = unit
        self.systemctl = systemctl
        self.restarts_before: int | None = None
        self()

    def __call__(self) -> str | None:
        properties = self._show()
        if not properties:
            return None
        if self.restarts_before is None:
            self.restarts_before = restarts(properties)
        return trouble(self.unit, properties, self.restarts_before)

    def _show(self) -> dict[str, str]:
        command = [self.systemctl, "show", "--property", ",".join(PROPERTIES), "--", self.unit]
        try:
            answer = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_SYSTEMCTL_TIMEOUT,
                check=True,
                encoding="utf-8",
                errors="replace",
            )
        except (OSError, subprocess.SubprocessError):
            return {}
        return parse_properties(answer.stdout)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells that a systemd unit will not come up, so that nobody waits for it any longer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

from ansible_collections.switchyard.django.plugins.module_utils import host_command, units
from ansible_collections.switchyard.django.plugins.module_utils.health_judge import Problem

PROPERTIES = ("LoadState", "ActiveState", "SubState", "NRestarts", "Result", "ExecMainCode", "ExecMainStatus")

# One restart may be bad luck (a database that was not up yet); a unit that needs a third try does not come up.
RESTARTS_TOLERATED = 1

_MISSING_HINT = (
    "Correct the unit's name (systemctl list-unit-files shows those that are installed), or install the unit and run "
    "systemctl daemon-reload."
)

# ExecMainCode: how the main process ended, by the numbers of waitid(). 0 stands for one that never ran or still runs.
_EXITED = ("1",)
_KILLED = ("2", "3")

UNIT_NAME = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*")
_SYSTEMCTL_TIMEOUT = 5


def restarts(properties: Mapping[str, str]) -> int:
    """How often systemd has restarted the unit by itself; 0 where it doesn't say."""
    value = properties.get("NRestarts", "")
    return int(value) if value.isdigit() else 0


def trouble(unit: str, properties: Mapping[str, str], restarts_before: int) -> Problem | None:
    """Why the unit will not come up, or None while it still may."""
    if properties.get("LoadState") == "not-found":
        return Problem("unit_failed", f"{unit} does not exist", _MISSING_HINT)
    if properties.get("ActiveState") == "failed":
        return Problem("unit_failed", f"{unit} has failed ({ending(properties) or 'no reason is known'})")
    again = restarts(properties) - restarts_before
    if again > RESTARTS_TOLERATED:
        state = f"{properties.get('ActiveState', '?')}/{properties.get('SubState', '?')}"
        seen = [f"{again} times while it was probed", f"now {state}", ending(properties)]
        return Problem("unit_failed", f"{unit} keeps restarting ({'; '.join(filter(None, seen))})")
    return None


def ending(properties: Mapping[str, str]) -> str:
    """How the unit's latest run ended, in words; empty where it still goes on.

    The exit status is that of the main process: it tells nothing where another command of the unit failed.
    """
    result, code, status = (properties.get(name, "") for name in ("Result", "ExecMainCode", "ExecMainStatus"))
    exited_badly = result == "exit-code" and code in _EXITED and status != "0"
    killed = result in ("signal", "core-dump") and code in _KILLED
    if result == "success" or exited_badly or killed:
        return _end_of_process(code, status)
    if result in ("exit-code", "signal", "core-dump"):
        return "another command than its main process failed, such as ExecStartPre or ExecStartPost"
    return f"result {result}" if result else ""


def _end_of_process(code: str, status: str) -> str:
    if code in _EXITED:
        return f"its process ended {'by itself ' if status == '0' else ''}with exit status {status}"
    return f"its process was ended by signal {status}" if code in _KILLED else ""


class UnitWatch:
    """A give_up condition for probe(): called, it says why the unit will not come up, or None.

    It counts restarts from the moment at which it was made. A systemctl that doesn't answer is no reason to give up:
    what counts is whether the application answers.
    """

    def __init__(self, unit: str, systemctl: str = "systemctl") -> None:
        if not UNIT_NAME.fullmatch(unit):
            raise ValueError(f"unit: {unit!r} is not the name of a systemd unit (expected something like shop.service)")
        self.unit = unit
        self.systemctl = systemctl
        self.restarts_before: int | None = None
        self()

    def __call__(self) -> Problem | None:
        properties = self._show()
        if not properties:
            return None
        if self.restarts_before is None:
            self.restarts_before = restarts(properties)
        return trouble(self.unit, properties, self.restarts_before)

    def _show(self) -> dict[str, str]:
        command = [self.systemctl, "show", "--property", ",".join(PROPERTIES), "--", self.unit]
        try:
            answer = host_command.run(
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
        return units.properties(answer.stdout)

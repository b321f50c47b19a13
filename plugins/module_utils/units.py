# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of units, and what a run that was cut off may have left at work."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable

from ansible_collections.switchyard.django.plugins.module_utils import host_command

SHOWN = "Id,ActiveState,MainPID,NRestarts"
AT_WORK = ("active", "activating", "deactivating", "reloading")


class StillAtWorkError(Exception):
    """A unit has not ended in the time that it was given."""


def properties(shown: str) -> dict[str, str]:
    """What systemctl show prints of one unit, as a dict."""
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def states(wanted: Iterable[str], shown: str = SHOWN) -> dict[str, dict[str, str]]:
    """State, main PID and number of restarts of units, by name; a pattern finds those that are loaded.

    :param shown: what is asked instead, the Id among it; moments are UTC
    """
    done = host_command.run(
        ["systemctl", "show", f"--property={shown}", "--", *wanted],
        env={**os.environ, "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
    )
    blocks = [properties(block) for block in done.stdout.split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def state_of(unit: str) -> dict[str, str] | None:
    """State, main PID and restarts of one unit; None where systemd does not answer."""
    return states([unit]).get(unit)


def is_active(unit: str) -> bool:
    return host_command.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0


def version() -> int:
    """The version of systemd, for example 252."""
    said = host_command.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.findall(r"systemd (\d+)", said)[0])


def end(unit: str) -> None:
    """Stop what is left of an earlier run; what it made is made anew."""
    if is_active(unit):
        host_command.run(["systemctl", "stop", unit], check=True, capture_output=True)


def stop(patterns: list[str]) -> None:
    """Stop units, and don't go on before they have ended."""
    host_command.run(["systemctl", "stop", "--", *patterns], check=False, capture_output=True)
    left = [name for name, unit in states(patterns).items() if unit["ActiveState"] in AT_WORK]
    if left:
        raise StillAtWorkError(f"{', '.join(left)} can't be stopped. journalctl -u {left[0]} says why")


def restart(unit: str) -> None:
    host_command.run(["systemctl", "restart", unit], check=True, capture_output=True)


def wait_for(unit: str, seconds: float = 120) -> None:
    """Let a unit of an earlier run finish what must not be cut off."""
    until = time.monotonic() + seconds
    while is_at_work(unit):
        if time.monotonic() > until:
            raise StillAtWorkError(f"{unit} of an earlier run is still at work. journalctl -u {unit} says at what")
        time.sleep(0.2)


def is_at_work(unit: str) -> bool:
    """Whether it runs, or is about to: between two starts systemd calls a unit activating."""
    found = state_of(unit)
    return found is not None and found["ActiveState"] in AT_WORK

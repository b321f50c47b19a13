# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transient units that a run which was cut off may have left at work."""

from __future__ import annotations

import subprocess
import time


class StillAtWorkError(Exception):
    """A unit of an earlier run has not ended in the time that it was given."""


def is_active(unit: str) -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0


def end(unit: str) -> None:
    """Stop what is left of an earlier run; what it made is made anew."""
    if is_active(unit):
        subprocess.run(["systemctl", "stop", unit], check=True, capture_output=True)


def wait_for(unit: str, seconds: float = 120) -> None:
    """Let a unit of an earlier run finish what must not be cut off."""
    until = time.monotonic() + seconds
    while is_active(unit):
        if time.monotonic() > until:
            raise StillAtWorkError(f"{unit} of an earlier run is still at work. journalctl -u {unit} says at what")
        time.sleep(0.2)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of units, and what a run that was cut off may have left at work."""

from __future__ import annotations

import contextlib
import glob
import os
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import env_file

SHOWN = "Id,ActiveState,MainPID,NRestarts"
AT_WORK = ("active", "activating", "deactivating", "reloading")


DESCRIBED = (
    *("Id", "LoadState", "LoadError", "ActiveState", "SubState", "Result", "MainPID", "ActiveEnterTimestampMonotonic"),
    *("WorkingDirectory", "RuntimeDirectory", "Environment", "EnvironmentFiles"),
)


@dataclass(frozen=True)
class Description:
    """What systemd knows of one unit."""

    properties: dict[str, str]
    environment_files: list[str]

    @property
    def runtime_folders(self) -> list[str]:
        return [f"/run/{folder}/" for folder in self.properties.get("RuntimeDirectory", "").split()]

    @property
    def active_since(self) -> float | None:
        """Since when it runs, in seconds since 1970; None where it does not."""
        entered = int(self.properties.get("ActiveEnterTimestampMonotonic") or 0) / 1_000_000
        if self.properties.get("ActiveState") != "active" or not entered:
            return None
        return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - entered)

    def environments(self) -> Iterator[dict[str, str]]:
        """What its processes are told, were told, or tell themselves: each source, as far as it can be read.

        A variable may have another value in each of them: a file may have changed since the process was started.
        """
        with contextlib.suppress(ValueError):
            yield _pairs(shlex.split(self.properties.get("Environment", "")))
        process = Path("/proc", self.properties.get("MainPID", "0"), "environ")
        with contextlib.suppress(OSError):
            yield _pairs(process.read_bytes().decode(errors="replace").split("\0"))
        own = os.path.join(self.properties.get("WorkingDirectory") or "/nowhere", ".env")
        for pattern in (*self.environment_files, own):
            for path in glob.glob(pattern):
                with contextlib.suppress(OSError):
                    yield env_file.parse(Path(path).read_bytes()).variables


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    return {name: value for name, found, value in (text.partition("=") for text in texts) if found}


def describe(unit: str) -> Description:
    """Ask systemd for all that a diagnosis needs of a unit."""
    done = subprocess.run(
        ["systemctl", "show", f"--property={','.join(DESCRIBED)}", "--", unit],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return parse(done.stdout)


def parse(shown: str) -> Description:
    """What systemctl show prints of one unit."""
    pairs = [(line.partition("=")[0], line.partition("=")[2]) for line in shown.splitlines() if "=" in line]
    # One line for each of them, with whether it may be missing behind it.
    files = [value.rpartition(" (")[0] for name, value in pairs if name == "EnvironmentFiles" and value]
    return Description(dict(pairs), files)


class StillAtWorkError(Exception):
    """A unit of an earlier run has not ended in the time that it was given."""


def states(wanted: Iterable[str]) -> dict[str, dict[str, str]]:
    """State, main PID and number of restarts of units, by name; a pattern finds those that are loaded."""
    done = subprocess.run(
        ["systemctl", "show", f"--property={SHOWN}", "--", *wanted], capture_output=True, text=True, check=False
    )
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in done.stdout.split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}


def state_of(unit: str) -> dict[str, str] | None:
    """State, main PID and restarts of one unit; None where systemd does not answer."""
    return states([unit]).get(unit)


def is_active(unit: str) -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0


def end(unit: str) -> None:
    """Stop what is left of an earlier run; what it made is made anew."""
    if is_active(unit):
        subprocess.run(["systemctl", "stop", unit], check=True, capture_output=True)


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

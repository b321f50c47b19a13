# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a diagnosis asks systemd of one unit: how it fares, and what its processes were told."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import env_file, host_command, units

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
    done = host_command.run(
        ["systemctl", "show", f"--property={','.join(DESCRIBED)}", "--", unit],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return parse(done.stdout)


def parse(shown: str) -> Description:
    """What systemctl show prints of one unit."""
    # One line for each of them, with whether it may be missing behind it.
    files = re.findall(r"^EnvironmentFiles=(.+) \(ignore_errors=\w+\)$", shown, re.MULTILINE)
    return Description(units.properties(shown), files)

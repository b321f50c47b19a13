# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops an instance some time after its release went out of service. The host sees to it; no run waits."""

from __future__ import annotations

import subprocess

from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def _unit(layout: Layout, release: str) -> str:
    return f"switchyard-drain-{layout.site}@{release}"


def schedule(layout: Layout, release: str, seconds: int) -> None:
    """Stop the instance after the drain time, unless its release is live again by then."""
    cancel(layout, release)
    stop = f'[ "$(basename "$(readlink {layout.current})")" = {release} ] || exec systemctl stop {layout.unit(release)}'
    subprocess.run(
        [
            *(
                "systemd-run",
                f"--unit={_unit(layout, release)}",
                f"--on-active={seconds}s",
                "--timer-property=AccuracySec=1s",
            ),
            *("--collect", "--quiet", "--", "/bin/sh", "-c", stop),
        ],
        check=True,
        capture_output=True,
    )


def cancel(layout: Layout, release: str) -> None:
    """Let the instance live on."""
    subprocess.run(["systemctl", "stop", f"{_unit(layout, release)}.timer"], check=False, capture_output=True)

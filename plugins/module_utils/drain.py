# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops an instance some time after its release went out of service. The host sees to it; no run waits."""

from __future__ import annotations

import subprocess

from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def _unit(layout: Layout, release: str) -> str:
    return f"switchyard-drain-{layout.site}@{release}.service"


def schedule(layout: Layout, release: str, seconds: int) -> None:
    """Stop the instance after the drain time, unless its release is live again by then.

    A unit that sleeps, and no timer: systemd starts a transient timer's countdown anew at each daemon-reload. No shell
    either: what a transient unit quotes does not survive the reload.
    """
    cancel(layout, release)
    subprocess.run(
        [
            *("systemd-run", f"--unit={_unit(layout, release)}", "--service-type=oneshot", "--no-block"),
            *("--collect", "--quiet", f"--property=ExecStartPre=/bin/sleep {seconds}"),
            f"--property=ExecStartPre=/usr/bin/test ! {layout.current} -ef {layout.record(release)}",
            *("--", "/usr/bin/systemctl", "stop", layout.unit(release)),
        ],
        check=True,
        capture_output=True,
    )


def is_scheduled(layout: Layout, release: str) -> bool:
    """Whether the instance will be stopped."""
    state = subprocess.run(
        ["systemctl", "show", _unit(layout, release), "--property=ActiveState", "--value"],
        capture_output=True,
        text=True,
        check=False,
    )
    return state.stdout.strip() in ("activating", "active")


def cancel(layout: Layout, release: str) -> None:
    """Let the instance live on."""
    subprocess.run(["systemctl", "stop", _unit(layout, release)], check=False, capture_output=True)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a release beside the live one and says whether traffic may reach it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import diagnosis, env_file, guard, host_program, units
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import (
    Check,
    HttpCheck,
    Limits,
    Report,
    Target,
    WebSocketCheck,
    probe,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import UnitWatch

# By this header the edge tells who asks from the host itself which release answered.
RELEASE_HEADER = "X-Release"

# An instance that passed, but that no cutover came for within these seconds, ends by itself: the run may have died, or
# another host of the site may have failed its gate.
UNCLAIMED = 900


@dataclass(frozen=True)
class Passed:
    """What the gate has to say of an instance."""

    ok: bool
    started: bool
    message: str


def checks(
    wanted: Mapping[str, Any], response_headers: Mapping[str, str] | None = None
) -> tuple[list[Check], list[Check]]:
    """What a release is asked for, its page and its WebSocket, with the very headers that the edge sends."""
    headers = {
        "Host": wanted["host"],
        "X-Forwarded-Proto": wanted["scheme"],
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": wanted["host"],
        "X-Real-IP": "127.0.0.1",
        "User-Agent": "switchyard-probe",
    }
    page: list[Check] = [HttpCheck(wanted["health_path"], headers=headers, response_headers=response_headers or {})]
    path = wanted["websocket_path"]
    handshake: list[Check] = [WebSocketCheck(path, headers=headers)] if path else []
    return page, handshake


def ask(
    target: Target, checks: tuple[list[Check], list[Check]], limits: Limits, give_up: UnitWatch | None = None
) -> Report:
    """Ask for the page as often as the limits say, and then for one handshake: its orderly close takes its time."""
    page, handshake = checks
    report = probe(target, page, limits, give_up)
    return probe(target, handshake, replace(limits, successes=1), give_up) if report.ok and handshake else report


def admit(layout: Layout, release: str, manifest: Mapping[str, Any], limits: Limits) -> Passed:
    """Start the instance where it doesn't run, probe it over its own socket, and stop it again where it fails."""
    unit = layout.unit(release)
    guard.let_live(layout, release)
    running = units.is_active(unit)
    since = diagnosis.now()
    if not running:
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "reset-failed", "--quiet", unit], check=False, capture_output=True)
        subprocess.run(["systemctl", "start", "--no-block", unit], check=False, capture_output=True)
    report = ask(Target(unix_socket=str(layout.socket(release))), checks(manifest["gate"]), limits, UnitWatch(unit))
    if report.ok:
        message = f"{len(report.attempts)} probes, {report.latency_ms['median']:.0f} ms"
        try:
            guard.let_end(layout, release, UNCLAIMED)
        except (OSError, host_program.ProgramError) as problem:
            message += f"; nobody ends it where no cutover comes: {problem}"
        return Passed(True, not running, message)
    message = explain(layout, manifest, unit, since, report)
    if not running:
        subprocess.run(["systemctl", "stop", unit], check=False)
        subprocess.run(["systemctl", "reset-failed", "--quiet", unit], check=False, capture_output=True)
    return Passed(False, not running, message)


def explain(layout: Layout, manifest: Mapping[str, Any], unit: str, since: str, report: Report) -> str:
    """What failed, the line of evidence and the way to mend it."""
    found = cause(layout, manifest, unit, since)
    hint = f"journalctl -u {unit} has all of it." if report.failure == "unit_failed" else report.hint
    return "\n".join(part for part in (found, f"The probe says: {report.failure}: {report.evidence}", hint) if part)


def cause(layout: Layout, manifest: Mapping[str, Any], unit: str, since: str) -> str:
    """What the unit's journal says of why it doesn't serve, without a secret."""
    path = layout.environment(manifest["environment"])
    variables = env_file.parse(path.read_bytes()).variables if path.exists() else {}
    return diagnosis.explain(unit, since, variables)

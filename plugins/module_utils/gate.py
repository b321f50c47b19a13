# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a release beside the live one and says whether traffic may reach it."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    diagnosis,
    guard,
    host_command,
    host_program,
    reach,
    sandbox,
    state,
    stopwatch,
    units,
)
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
from ansible_collections.switchyard.django.plugins.module_utils.release import manage, variables_of
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import UnitWatch

# By this header the edge tells who asks from the host itself which release answered.
RELEASE_HEADER = "X-Release"

# By this one it tells an instance for which release a request is.
RECIPIENT_HEADER = "X-Switchyard-Release"

# An instance that passed, but that no cutover came for within these seconds, ends by itself: the run may have died, or
# another host of the site may have failed its gate.
UNCLAIMED = 900

# The seconds for which an answer may stand that does not heal by itself: an instance may give one while it starts.
PATIENCE = 5


@dataclass(frozen=True)
class Passed:
    """What the gate has to say of an instance.

    :param probed: which page was asked for how often in a row, and which WebSocket was opened
    """

    ok: bool
    started: bool
    message: str
    probed: dict[str, Any] = field(default_factory=dict)


def checks(
    wanted: Mapping[str, Any], response_headers: Mapping[str, str] | None = None, release: str = ""
) -> tuple[list[Check], list[Check]]:
    """What a release is asked for, its page and its WebSocket, with the very headers that the edge sends."""
    headers = {
        "Host": wanted["host"],
        "X-Forwarded-Proto": wanted["scheme"],
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": wanted["host"],
        "X-Real-IP": "127.0.0.1",
        **({RECIPIENT_HEADER: release} if release else {}),
        "User-Agent": "switchyard-probe",
    }
    page: list[Check] = [HttpCheck(wanted["health_path"], headers=headers, response_headers=response_headers or {})]
    path = wanted["websocket_path"]
    handshake: list[Check] = [WebSocketCheck(path, headers=headers)] if path else []
    return page, handshake


def target_of(layout: Layout, manifest: Mapping[str, Any]) -> Target:
    """Where an instance listens: its own socket, or its port on the loopback."""
    port = manifest.get("port")
    return Target(port=port) if port else Target(unix_socket=str(layout.socket(manifest["id"])))


def limits_of(successes: int, deadline: float) -> Limits:
    """How long an instance has. An answer that no waiting mends, such as 404, ends it early.

    Most instances answer within a second or two. One that doesn't is asked less and less often: a health page that
    fails may write something each time.
    """
    pauses = {"interval": 0.05, "backoff": 1.05, "max_interval": 1.0}
    return Limits(successes=successes, deadline=deadline, patience=PATIENCE, **pauses)


def ask(
    target: Target, checks: tuple[list[Check], list[Check]], limits: Limits, give_up: UnitWatch | None = None
) -> Report:
    """Ask for the page as often as the limits say, and then for one handshake: its orderly close takes its time."""
    page, handshake = checks
    report = probe(target, page, limits, give_up)
    return probe(target, handshake, replace(limits, successes=1), give_up) if report.ok and handshake else report


def admit(layout: Layout, release: str, manifest: Mapping[str, Any], limits: Limits, remains: str = "") -> Passed:
    """Start the instance where it doesn't run, probe it over its own socket, and stop it again where it fails.

    :param remains: what was changed for the release and stays where it fails, with which the message ends
    """
    unit = layout.unit(release)
    guard.let_live(layout, release)
    running = units.is_active(unit)
    since = time.time()
    if not running:
        host_command.run(["systemctl", "daemon-reload"], check=True)
        host_command.run(["systemctl", "reset-failed", "--quiet", unit], check=False, capture_output=True)
        host_command.run(["systemctl", "start", "--no-block", unit], check=False, capture_output=True)
    # While the instance starts.
    away = unreached(layout, release, manifest)
    report = (
        None
        if away
        else ask(target_of(layout, manifest), checks(manifest["gate"], release=release), limits, UnitWatch(unit))
    )
    if report and report.ok:
        message = f"{len(report.attempts)} probes, {report.latency_ms['median']:.0f} ms"
        try:
            guard.let_end(layout, release, UNCLAIMED)
        except (OSError, host_program.ProgramError) as problem:
            message += f"; nobody ends it where no cutover comes: {problem}"
        asked = manifest["gate"]
        probed = {"path": asked["health_path"], "times": limits.successes, "websocket": asked["websocket_path"]}
        return Passed(True, not running, message, probed)
    refused = _refused(release, remains)
    message = explain(layout, release, since, report, refused) if report else f"{away}\n{refused}"
    if not running:
        host_command.run(["systemctl", "stop", unit], check=False)
        host_command.run(["systemctl", "reset-failed", "--quiet", unit], check=False, capture_output=True)
    return Passed(False, not running, f"{message}\n{remains}".rstrip())


def pass_or_fail(module: Any, layout: Layout, release: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Let a release pass its gate on behalf of a module, which fails where it doesn't pass.

    :param wanted: successes, deadline and remains, as the modules document them
    """
    manifest = state.manifest(layout, release) or module.fail_json(
        msg=f"{release} is no whole release of {layout.site} on this host. ls {layout.etc}/releases shows what is there"
    )
    passed = admit(layout, release, manifest, limits_of(wanted["successes"], wanted["deadline"]), wanted["remains"])
    if not passed.ok:
        took = {"seconds": stopwatch.seconds(), "failed": True}
        module.fail_json(msg=passed.message, seconds=took["seconds"], gate=took)
    return {
        "changed": passed.started,
        "started": passed.started,
        "msg": passed.message,
        "probed": passed.probed,
        "seconds": stopwatch.seconds(),
    }


def unreached(layout: Layout, release: str, manifest: Mapping[str, Any]) -> str:
    """Which databases, caches and channel layers the release does not reach from here, in its own environment."""
    reaches = manifest.get("reaches", {})
    if not reaches:
        return ""

    def run(program: str) -> sandbox.Result:
        return manage(layout, release, ["-"], stdin=program, purpose="reach", limit=reach.LIMIT)

    return "\n".join(reach.problems(reaches, run, variables_of(layout, release), platform.node()))


def _refused(release: str, remains: str) -> str:
    """What became of the release: a migration that was applied for it has touched what is live."""
    stays = "the traffic stays where it is" if remains else "nothing that is live was touched"
    return f"{release} did not pass its gate; {stays}."


def explain(layout: Layout, release: str, since: float, report: Report, refused: str) -> str:
    """What is wrong, the line of evidence and the way to mend it; then what became of the release.

    An answer that stays until somebody mends it, such as 404, speaks for itself; else the journal knows more.
    """
    unit = layout.unit(release)
    met = f"{report.check or unit}: {report.failure}: {report.evidence}"
    found = "" if report.lasts else diagnosis.in_words(unit, since)
    journal = f"journalctl -u {unit} has all of it."
    if not found:
        return f"{met}{'' if met.endswith(('.', '…')) else '.'} {report.hint}\n{refused}\n{journal}"
    return f"{found}\n{refused} The probe met {met}\n{journal}"

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each molecule scenario is one test, on hosts of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "tests" / "output" / "molecule"
TIMEOUT = 30 * 60
HEARTBEAT = 20

MOLECULE = ("molecule", "--base-config", ".config/molecule/config.yml")
"""By itself molecule finds its base configuration in a git checkout only."""

SAMPLE = ("startproject", "two_hosts")
"""What `make test` runs; `make test-all` runs every scenario, on each release."""

SCENARIOS = sorted(file.parent.name for file in (ROOT / "molecule").glob("*/molecule.yml"))


def runs() -> list[object]:
    """Each scenario on each release of Debian; the sample is what's not marked `full`."""
    return [
        pytest.param(
            scenario,
            release,
            id=f"{scenario}-{release}",
            marks=() if scenario in SAMPLE and release == "bookworm" else pytest.mark.full,
        )
        for release in ("bookworm", "trixie")
        for scenario in SCENARIOS
    ]


def test_the_sample_exists() -> None:
    assert set(SAMPLE) <= set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_scenario_passes_without_hosts(scenario: str) -> None:
    """A play that matches no host passes, so each verification has to begin by counting them."""
    assert "assert_hosts.yml" in (ROOT / "molecule" / scenario / "verify.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scenario", "release"), runs())
def test_scenario(scenario: str, release: str, fresh_hosts: str, say: Callable[[str], None], tmp_path: Path) -> None:
    log = LOGS / f"{scenario}-{release}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "SWITCHYARD_TEST_GROUP": fresh_hosts,
        "SWITCHYARD_TEST_RELEASE": release,
        # Molecule's notes on what it created would outlive the hosts, which others end as well.
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
        "MOLECULE_COMMAND_BORDERS": "false",
        "ANSIBLE_FORCE_COLOR": "false",
        "NO_COLOR": "1",
    }
    say(f"{scenario} on {release}, log: {log.relative_to(ROOT)} ")
    with log.open("w", encoding="utf-8") as output:
        status = run([*MOLECULE, "test", "--scenario-name", scenario], environment, output.fileno(), say)
    if status != 0:
        pytest.fail(f"exit status {status}\n{the_end_of(log)}", pytrace=False)


def run(command: list[str], environment: dict[str, str], output: int, say: Callable[[str], None]) -> int:
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    ) as process:
        try:
            while True:
                try:
                    return process.wait(HEARTBEAT)
                except subprocess.TimeoutExpired:
                    elapsed = time.monotonic() - started
                    if elapsed > TIMEOUT:
                        pytest.fail(f"stopped after {elapsed:.0f} s")
                    say(f"  under way for {elapsed:.0f} s ")
        finally:
            process.terminate()


def the_end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-150:])

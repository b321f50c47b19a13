# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests on real hosts share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import Bench, make_bench

ROOT = Path(__file__).resolve().parents[2]
TESTBED = ROOT / "testbed" / "testbed"
GROUP = os.environ.get("SWITCHYARD_TEST_GROUP", "molecule")


@pytest.fixture
def fresh_hosts() -> Iterator[str]:
    """The name of a group in which no host is left from before, and none will be left afterwards."""
    subprocess.run([sys.executable, TESTBED, "down", GROUP], check=True)
    yield GROUP
    subprocess.run([sys.executable, TESTBED, "down", GROUP], check=True)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A host with a live site, for those who look at how it takes a death, a trace or a rival."""
    beside = os.environ.get("PYTEST_XDIST_WORKER", "")  # two processes have one each
    one = make_bench(tmp_path_factory.mktemp("bench"), f"{GROUP}_fault{beside}")
    try:
        one.up("asgi")
        yield one
    finally:
        one.down()


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print past pytest's capture: a test of minutes gives a sign of life."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def print_past_capture(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", end="", flush=True)

    return print_past_capture


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    started = os.environ.get("SWITCHYARD_TEST_STARTED")
    if started:
        terminalreporter.write_line(f"in total, with lint and images: {time.time() - int(started):.0f} s")

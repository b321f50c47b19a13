# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch of the stack and a rollback lose no request and cut no WebSocket, whatever visitors are doing meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator

import load
import pytest
from controller import ROOT, Host, Run

DOMAIN = "yard.example.org"
DRAIN = 10
WEBSOCKETS = 50
OTHER = {"asgi": "wsgi", "wsgi": "asgi"}

Say = Callable[[str], None]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that has a release of each stack; ASGI is live."""
    source = tmp_path_factory.mktemp("source") / "yard"
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3*")
    shutil.copytree(ROOT / "tests/integration/projects/yard", source, ignore=ignored)
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_load",
        variables={
            "site_name": "yard",
            "site_source": str(source),
            "site_package": "yard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/echo/",
            "cutover_drain": DRAIN,
        },
    )
    one.down()
    one.up()
    for stack in ("wsgi", "asgi"):
        switch(one, stack)
    yield one
    one.down()


def stack_of(host: Host) -> str:
    status, _headers, body = host.get("/health/", DOMAIN)
    assert status == 200, body
    return json.loads(body)["interface"].lower()


def moved(run: Run, host: Host, stack: str) -> None:
    assert run.rc == 0, run.output
    assert stack_of(host) == stack


def switch(host: Host, stack: str) -> None:
    """Also to a release that was rolled away from."""
    moved(host.play("site.yml", serve_mode=stack, release_retry=True), host, stack)


def roll_back(host: Host, stack: str) -> None:
    moved(host.play("rollback.yml"), host, stack)


def wait_for_the_end_of_the_drain(host: Host) -> None:
    """Until one instance is left: by then the WebSockets of the other one have ended."""
    for _dummy in range(2 * (DRAIN + 40)):
        running = host.sh("systemctl list-units --plain --no-legend --state=active,deactivating 'yard@*.service'")
        if len(running.splitlines()) == 1:
            return
        time.sleep(0.5)
    raise AssertionError(f"still two instances: {running}")


def wait_for(what: str, is_so: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def nothing_was_lost(host: Host, report: load.Report) -> None:
    load.nothing_was_lost(report, host.clues("yard"))


@pytest.mark.full
def test_a_switch_and_a_rollback_under_full_load(host: Host, say: Say) -> None:
    with load.running(host.address, DOMAIN, seconds=240, requests=100_000, websockets=WEBSOCKETS) as report:
        wait_for("every WebSocket is open", lambda: report.websockets.opened == WEBSOCKETS, 20)
        switch(host, "wsgi")
        wait_for_the_end_of_the_drain(host)
        roll_back(host, "asgi")
        wait_for("every WebSocket is open again", lambda: report.websockets.opened >= 2 * WEBSOCKETS, 20)
        wait_for_the_end_of_the_drain(host)
    say(f"a switch and a rollback: {report.summary()}\n")
    nothing_was_lost(host, report)
    assert report.websockets.unavailable > 0, "while WSGI was live there was none"
    assert sum(report.websockets.closed.values()) == WEBSOCKETS, "each was told once that its instance goes away"
    assert all(report.sent[kind] > 10 for kind in load.KINDS), report.sent


@pytest.mark.full
def test_ten_switches_and_ten_rollbacks_under_full_load(host: Host, say: Say) -> None:
    """In both directions, with the old instance gone and with it still there when the rollback comes."""
    switches = rollbacks = 0
    with load.running(host.address, DOMAIN, seconds=1500, requests=400_000, websockets=WEBSOCKETS) as report:
        for home in ("asgi", "wsgi"):
            if stack_of(host) != home:
                switch(host, home)
            for cycle in range(5):
                switch(host, OTHER[home])
                switches += 1
                if cycle % 2:
                    wait_for_the_end_of_the_drain(host)
                roll_back(host, home)
                rollbacks += 1
                if cycle % 2:
                    wait_for_the_end_of_the_drain(host)
                say(f"{switches} switches, {rollbacks} rollbacks: {report.requests} requests, {report.failures} failed")
        wait_for("20,000 requests", lambda: report.requests >= 20_000, 300)
    say(f"ten switches, ten rollbacks: {report.summary()}\n")
    nothing_was_lost(host, report)
    assert report.websockets.closed, "no WebSocket saw its instance go"
    assert report.requests >= 20_000

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every app server serves the example, and each takes over from each other without a failed request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import load
import pytest
import trial_site as trial
from controller import ROOT, Host

RESULTS = ROOT / "tests/output/servers"
RING = trial.servers()
# First those that a site has by default.
SAMPLE = [
    trial.Server("wsgi", "gunicorn"),
    trial.Server("asgi", "gunicorn_uvicorn"),
    trial.Server("wsgi", "uwsgi"),
    trial.Server("asgi", "uvicorn"),
]
LIMIT = 12
IN_FLIGHT = 10

Say = Callable[[str], None]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trial.make(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module", params=["bookworm", pytest.param("trixie", marks=pytest.mark.full)])
def host(request: pytest.FixtureRequest, source: Path) -> Iterator[Host]:
    one = trial.host_of("servers", source, release=request.param, site_request_timeout=LIMIT, cutover_drain=LIMIT)
    one.down()
    one.up()
    yield one
    one.down()


def under_load(host: Host, steps: list[trial.Server], say: Say, look: Callable[[trial.Server], Any]) -> load.Report:
    """Go from server to server while visitors of every kind are there."""
    with load.running(
        host.address,
        trial.DOMAIN,
        seconds=3600,
        requests=1_000_000,
        websockets=10,
        fresh=3,
        kept=3,
        slow=2,
        upload=1,
        rate=5.0,
    ) as report:
        for number, server in enumerate(steps, start=1):
            trial.deploy(host, server)
            look(server)
            say(f"{number} of {len(steps)}: {server}, {report.requests} requests, {report.failures} failed")
        time.sleep(LIMIT + 5)  # the last one but one ends its drain
    say(f"{len(steps)} switches: {report.summary()}\n")
    return report


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param(SAMPLE, id="each stack after the other"),
        pytest.param(RING, id="every server", marks=pytest.mark.full),
    ],
)
def test_a_ring_of_servers_under_load(host: Host, ring: list[trial.Server], say: Say) -> None:
    assert len(RING) == 10
    trial.deploy(host, ring[-1])
    where = trial.gateway(host)

    def look(server: trial.Server) -> None:
        trial.page(host, server)
        trial.stream(host, server)
        trial.websocket(host, server)
        trial.truth(host, where)
        assert trial.exposure(host) <= 1.5

    load.nothing_was_lost(under_load(host, ring, say, look), host.clues("board"))


@pytest.mark.full
@pytest.mark.parametrize("server", RING, ids=str)
def test_the_matrix(host: Host, server: trial.Server, say: Say) -> None:
    """What docs/servers.md says of each server; the table there is made of these results."""
    trial.deploy(host, server)
    result: dict[str, Any] = {"stack": server.stack, "server": server.name, "debian": host.release}
    trial.page(host, server)
    result["processes"], result["memory"] = trial.memory(host)
    result["first_event"] = trial.stream(host, server)
    result["websocket"] = trial.websocket(host, server)
    trial.truth(host, trial.gateway(host))
    result["exposure"] = trial.exposure(host)
    result["within"], result["beyond"] = trial.both_sides_of(host, LIMIT)
    result["reload"] = trial.in_flight_at_reload(host, 5)
    result["in_flight"] = trial.in_flight_at_stop(host, IN_FLIGHT)
    result["packages"] = trial.packages(host)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{host.release}-{server}.json").write_text(json.dumps(result), encoding="utf-8")
    say(json.dumps({**result, "packages": len(result["packages"])}))
    assert (result["within"], result["beyond"]) == (200, 504)
    growing = host.sh(f"systemctl show -p RestartSteps --value {trial.unit(host)}").strip()
    assert growing == ("4" if host.release == "trixie" else "")
    assert result["reload"] in (200, None)
    assert result["exposure"] <= 1.5
    limits = host.sh(f"systemctl show -p MemoryMax --value {trial.unit(host)}").strip()
    assert limits.isdecimal(), "systemd has a limit of its memory"
    if finishes(server):
        assert result["in_flight"] == 200
    else:
        assert result["in_flight"] != 200, "it finishes after all: say so in its file"


def finishes(server: trial.Server) -> bool:
    """Whether its file says that it lets requests finish when it is stopped."""
    text = (ROOT / f"roles/{server.stack}/vars/{server.name}.yml").read_text(encoding="utf-8")
    return "finishes: false" not in text


@pytest.mark.full
def test_every_pair_of_servers_under_load(host: Host, say: Say) -> None:
    walk = trial.every_pair(RING)
    steps = set(zip(walk, walk[1:]))
    assert len(walk) == 91
    assert len(steps) == 90
    trial.deploy(host, walk[0])
    load.nothing_was_lost(under_load(host, walk[1:], say, lambda server: trial.visit(host)), host.clues("board"))

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnosis names every fault that is induced in a deployed site, and finds nothing in a site that is well."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import load
import pytest
from broken_site import CANARY, PASSWORD, Fault, Site, induced
from controller import ROOT, Host
from induced_faults import FAULTS, SERVERS, SITES

PROJECT = ROOT / "tests/integration/projects/quay"


class Quays:
    """The sites on one host, each deployed when the first fault asks for it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._there: dict[str, Site] = {}
        self._has_servers = False

    def site(self, name: str) -> Site:
        if name not in self._there:
            run = self.host.play("site.yml", **variables(name))
            assert run.rc == 0, run.output
            self._there[name] = Site(self.host, name)
        return self._there[name]

    def require_servers(self) -> None:
        """PostgreSQL with the table of the project, and Redis."""
        if not self._has_servers:
            self.host.sh(f"apt-get update -qq; {INSTALL}; runuser -u postgres -- psql -q <<'END'\n{TABLE}\nEND\n")
            self._has_servers = True


def variables(name: str) -> dict[str, Any]:
    return {
        "site_name": name,
        "site_source": str(PROJECT),
        "site_package": "quay",
        "site_domains": [f"{name}.example.org"],
        "site_env": {
            "HARBOUR_TOKEN": f"{CANARY}-token",
            "DATABASE_PASSWORD": PASSWORD,
            "DATABASE_URL": f"sqlite:////srv/{name}/data/db.sqlite3",
            # The other sites are told nothing of logging: what the collection sees to must do.
            "LOG_LEVEL": "INFO" if name == "quay" else "",
        },
        **SITES[name],
    }


INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql redis-server > /dev/null 2>&1"
TABLE = f"""
CREATE ROLE quay LOGIN PASSWORD '{PASSWORD}';
CREATE DATABASE quay OWNER quay;
\\connect quay
CREATE TABLE harbour_ship (id bigserial PRIMARY KEY, name varchar(100) NOT NULL);
ALTER TABLE harbour_ship OWNER TO quay;
"""


@pytest.fixture(scope="module")
def quays() -> Iterator[Quays]:
    host = Host(group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_diagnosis")
    host.down()
    host.up()
    yield Quays(host)
    host.down()


def diagnose(site: Site, since: str) -> dict[str, Any]:
    """What the module returns."""
    asked = {"unit": site.sh('echo "$UNIT"').strip(), "since": since, "domains": [site.domain]}
    command = ["ansible", "-i", site.host.inventory, "all", "-m", "switchyard.django.service_diagnosis_info"]
    done = subprocess.run(
        [*command, "-a", json.dumps(asked)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.partition("=> ")[2])


def each(faults: list[Fault]) -> list[Any]:
    return [pytest.param(one, id=one.name, marks=[] if one.quick else [pytest.mark.full]) for one in faults]


@pytest.mark.parametrize("fault", each(FAULTS))
def test_fault_is_named_first(fault: Fault, quays: Quays) -> None:
    if fault in SERVERS:
        quays.require_servers()
    site = quays.site(fault.site)
    with induced(fault, site) as since:
        result = diagnose(site, since)
    assert CANARY not in json.dumps(result)
    assert result["findings"], "nothing was found"
    first = result["findings"][0]
    assert first["cause"] == fault.cause, json.dumps(result["findings"], indent=2)
    assert fault.word in first["evidence"], first
    assert first["hint"], first
    assert first["evidence"].rstrip(".") in result["msg"]
    assert first["hint"] in result["msg"]
    assert not result["changed"]


# --- a site that is well


LOADS = [pytest.param(10, id="10 s"), pytest.param(60, id="60 s", marks=pytest.mark.full)]


@pytest.mark.parametrize("seconds", LOADS)
def test_healthy_under_load(seconds: int, quays: Quays) -> None:
    """Visitors who do as visitors do, lose their way, go away too early or send nonsense: none of it is a fault."""
    site = quays.site("quay")
    site.wait_until_healthy()
    since = site.point_in_time()
    with (
        strangers(site) as met,
        load.running(
            site.host.address,
            site.domain,
            seconds=seconds,
            requests=100_000,
            upload=0,
            slow=2,
            websockets=3,
            kept_path="/ships/",
        ) as report,
    ):
        time.sleep(seconds)
    assert not report.failures, report.summary()
    assert report.requests > 10 * seconds, report.summary()
    assert report.websockets.echoes, report.summary()
    assert all(count > seconds / 2 for count in met.values()), met
    assert diagnose(site, since)["findings"] == []


@contextlib.contextmanager
def strangers(site: Site) -> Iterator[dict[str, int]]:
    """One thread for each way of being no good visitor, until the block ends; yield how often each one came."""
    ways: dict[str, Callable[[], None]] = {
        "lost": lambda: must_be(404, site, "/nowhere/", "/wp-login.php", "/.env", "/static/nothing.css"),
        "gone before the answer": lambda: leave_early(site, "GET /slow/?seconds=1 HTTP/1.1", 0.2),
        "gone in its upload": lambda: leave_early(site, "POST /ships/ HTTP/1.1\r\nContent-Length: 100000", 0.1),
        "gone without a goodbye": lambda: leave_early(site, WEBSOCKET, 0.5),
        "nonsense": lambda: leave_early(site, "\x16\x03\x01 HTTP", 0.1),
    }
    over = threading.Event()
    met = dict.fromkeys(ways, 0)

    def come(name: str) -> None:
        while not over.wait(0.1):
            ways[name]()
            met[name] += 1

    with ThreadPoolExecutor(len(ways)) as pool:
        coming = [pool.submit(come, name) for name in ways]
        try:
            yield met
        finally:
            over.set()
    for one in coming:
        one.result()


WEBSOCKET = (
    "GET /ws/echo/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)


def must_be(status: int, site: Site, *paths: str) -> None:
    for path in paths:
        assert site.get(path) == status, path


def leave_early(site: Site, head: str, seconds: float) -> None:
    """Send this, wait a little, and reset the connection."""
    with socket.create_connection((site.host.address, 80), timeout=5) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"{head}\r\nHost: {site.domain}\r\n\r\n".encode("latin-1"))
        time.sleep(seconds)


# --- a deploy that fails at its gate


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a release that can be built, and the words that its deploy ends with.

    :param edits: file, text, what stands there instead
    """

    edits: list[tuple[str, str, str]]
    words: list[str]
    variables: dict[str, Any] = field(default_factory=dict)


FLAWS = {
    "a table that no migration makes": Flaw(
        [
            (
                "harbour/models.py",
                "    def __str__",
                "    class Meta:\n        managed = False\n        db_table = 'fleet'\n\n    def __str__",
            ),
        ],
        ["no such table: fleet", "igrat"],
        {"site_health_path": "/ships/"},
    ),
    "a WebSocket that raises": Flaw(
        [
            ("quay/asgi.py", '    await send({"type": "websocket.accept"})', "    redis.Redis(port=6390).ping()"),
            ("quay/asgi.py", "from django.core.asgi", "import redis\nfrom django.core.asgi"),
        ],
        ["6390", "Redis"],
    ),
    "a variable that only a request asks for": Flaw(
        [("quay/urls.py", 'os.environ.get("RELEASE_ID", "")', 'os.environ["BERTH_TARIFF"]')],
        ["BERTH_TARIFF", "site_env"],
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("flaw", FLAWS)
def test_failed_deploy_ends_with_the_cause(flaw: str, quays: Quays, tmp_path: Path) -> None:
    site = quays.site("quay")
    site.wait_until_healthy()
    release = site.sh('echo "$RELEASE"')
    project = tmp_path / "quay"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
    for name, before, after in FLAWS[flaw].edits:
        text = (project / name).read_text()
        assert before in text
        (project / name).write_text(text.replace(before, after))
    run = site.host.play(
        "site.yml",
        **{**variables("quay"), "site_source": str(project), "cutover_gate_deadline": 10, **FLAWS[flaw].variables},
    )
    assert run.rc != 0, run.output
    message = fatal_message(run.output)
    first_line = message.splitlines()[0]
    for word in FLAWS[flaw].words:
        assert word in first_line, message
    assert CANARY not in run.output
    assert site.sh('echo "$RELEASE"') == release
    site.wait_until_healthy()


def fatal_message(output: str) -> str:
    """The msg of the task that failed."""
    lines = [line for line in output.splitlines() if line.startswith("fatal: ")]
    assert lines, output
    return json.loads(lines[0].partition("=> ")[2])["msg"]

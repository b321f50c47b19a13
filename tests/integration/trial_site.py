# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example with pages that are hard to serve, the app servers that there are, and how a host is asked about one."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import re
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller import ROOT, Host

DOMAIN = "board.example.org"
STACKS = ("wsgi", "asgi")
OVERLAY = """

from liveboard.trial import echo  # noqa: E402

board_application = application


async def application(scope, receive, send):
    echoes = scope["type"] == "websocket" and scope["path"] == "/ws/echo/"
    await (echo if echoes else board_application)(scope, receive, send)
"""
# A project that needs its database when it starts.
NEEDY = """
import os  # noqa: E402

from django.db import OperationalError  # noqa: E402

if os.path.exists("/srv/board/data/away"):
    raise OperationalError("the database is away")
"""
# All that a visitor might say to be taken for another, or for one who came by https.
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example.net",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "X-Url-Scheme": "https",
    "X-Real-IP": "6.6.6.6",
    "X-Client-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example.net",
    "X_Forwarded_Proto": "https",
    "X_Real_IP": "6.6.6.6",
    "SCRIPT_NAME": "/evil",
    "PATH_INFO": "/evil",
}


@dataclass(frozen=True)
class Server:
    stack: str
    name: str

    def __str__(self) -> str:
        return f"{self.stack}-{self.name}"

    @property
    def variables(self) -> dict[str, str]:
        return {"serve_mode": self.stack, f"{self.stack}_server": self.name}


def servers() -> list[Server]:
    """Every app server that has a file, the stacks in turn, so that most steps of the ring change the stack."""
    found = {
        stack: sorted(path.stem for path in (ROOT / f"roles/{stack}/vars").glob("*.yml") if path.stem != "main")
        for stack in STACKS
    }
    ring = []
    while any(found.values()):
        ring += [Server(stack, found[stack].pop(0)) for stack in STACKS if found[stack]]
    return ring


def every_pair(ring: list[Server]) -> list[Server]:
    """A walk that takes every step from one server to another once, and ends where it began (Hierholzer)."""
    left = {one: [other for other in ring if other != one] for one in ring}
    stack, walk = [ring[0]], []
    while stack:
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            walk.append(stack.pop())
    return walk[::-1]


def make(folder: Path) -> Path:
    """A copy of the example with the pages of the trial."""
    source = folder / "liveboard"
    shutil.copytree(ROOT / "examples/liveboard", source, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    shutil.copy(ROOT / "tests/integration/projects/trial/trial.py", source / "liveboard/trial.py")
    entry = source / "liveboard/asgi.py"
    entry.write_text(entry.read_text(encoding="utf-8") + OVERLAY, encoding="utf-8")
    with (source / "liveboard/wsgi.py").open("a", encoding="utf-8") as other:
        other.write(NEEDY)
    return source


def host_of(name: str, source: Path, release: str = "bookworm", **variables: Any) -> Host:
    return Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_{name}",
        release=release,
        variables={
            "site_name": "board",
            "site_source": str(source),
            "site_package": "liveboard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/board/",
            "site_settings_overrides": {"ROOT_URLCONF": "liveboard.trial"},
            "release_keep": 20,
            **variables,
        },
    )


# --- one deployed server, asked through nginx


def deploy_anywhere(host: Host, server: Server, **variables: Any) -> None:
    """Without a look from here: the site may be where this machine does not get to."""
    run = host.play("site.yml", **{**server.variables, "release_retry": True, **variables})
    assert run.rc == 0, run.output


def deploy(host: Host, server: Server, **variables: Any) -> None:
    deploy_anywhere(host, server, **variables)
    assert visit(host)["interface"] == server.stack.upper()
    described = host.sh(
        "systemctl show -p Description --value $(basename $(readlink -f /etc/switchyard/board/current/*.service))"
    )
    assert f"({server.stack}, {server.name})" in described


def unit(host: Host) -> str:
    return "board@" + host.sh("basename $(readlink /etc/switchyard/board/current)").strip() + ".service"


def ask(
    host: Host,
    path: str,
    headers: dict[str, str] | None = None,
    timeout: float = 60,
    port: int = 80,
    method: str = "GET",
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(host.address, port, timeout=timeout)
    connection.request(method, path, headers={"Host": DOMAIN, **(headers or {})})
    return connection.getresponse()


def visit(host: Host, **headers: str) -> dict[str, Any]:
    answer = ask(host, "/visit/", headers)
    body = answer.read()
    assert answer.status == 200, (answer.status, body)
    return dict(json.loads(body))


def gateway(host: Host) -> str:
    """The address by which this machine comes to the hosts of a group."""
    return host.sh("ip route show default | cut -d' ' -f3").strip()


def page(host: Host, server: Server) -> None:
    answer = ask(host, "/")
    body = answer.read().decode()
    assert answer.status == 200
    assert f'data-interface="{server.stack.upper()}"' in body
    style_sheets(host, body)
    long_requests(host)


def long_requests(host: Host) -> None:
    """As long as nginx lets a header and an address be."""
    assert ask(host, "/visit/", {"Cookie": "c" * 7900}).status == 200
    assert ask(host, f"/visit/?{'q' * 7900}").status == 200


def style_sheets(host: Host, body: str) -> None:
    sheets = re.findall(r'href="(/static/[^"]+\.css)"', body)
    assert sheets
    for sheet in sheets:
        answer = ask(host, sheet, {"Accept-Encoding": "gzip"})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.read()[:2] == b"\x1f\x8b"


def stream(host: Host, server: Server) -> float:
    """The seconds until the first event came, while the stream went on."""
    started = time.monotonic()
    answer = ask(host, "/events/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    first = answer.readline() + answer.readline()
    assert b"event: hello" in first
    took = time.monotonic() - started
    assert took < 2, "the event was held back"
    answer.close()
    return took


def websocket(host: Host, server: Server) -> str:
    """A handshake, a hello and an echo; behind WSGI there is none, and the answer says so."""
    answer = ask(
        host,
        "/ws/echo/",
        {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    if server.stack == "wsgi":
        assert answer.status == 404
        return "–"
    assert answer.status == 101
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    head = answer.fp.read(2)
    assert head[0] == 0x81, head
    assert answer.fp.read(head[1] & 0x7F).startswith(b"hello from")
    answer.close()
    return "yes"


def truth(host: Host, gateway: str) -> None:
    """Django is told the truth, whoever says what."""
    plain = visit(host)
    assert (plain["secure"], plain["host"], plain["client"], plain["port"]) == (False, DOMAIN, gateway, "80")
    assert plain["address"] == f"http://{DOMAIN}/visit/"
    forged = visit(host, **FORGED)
    assert {**forged, "pid": 0} == {**plain, "pid": 0}
    for name, value in FORGED.items():  # one at a time, too: a server may refuse two that contradict each other
        assert {**visit(host, **{name: value}), "pid": 0} == {**plain, "pid": 0}, name


def packages(host: Host) -> dict[str, str]:
    """The versions in the live release's virtual environment."""
    venv = json.loads(host.sh("cat /etc/switchyard/board/current/release.json"))["venv"]
    names = host.sh(f"ls -d /srv/board/venvs/{venv}/lib/python3*/site-packages/*.dist-info").split()
    return dict(Path(name).stem.rsplit("-", 1) for name in names)


def exposure(host: Host) -> float:
    said = host.sh(f"systemd-analyze security --no-pager {unit(host)} | tail -1")
    return float(re.findall(r": ([0-9.]+) ", said)[0])


FAMILY = """
import pathlib, re, sys
parents = {}
for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
    try:
        parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        pass
family = [int(sys.argv[1])]
for pid in family:
    family += [child for child, parent in parents.items() if parent == pid]
rollups = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in family]
print(len(family), sum(int(re.search(r"^Pss: +([0-9]+)", one, re.M)[1]) for one in rollups))
"""


def memory(host: Host) -> tuple[int, float]:
    """The processes of the live instance, and the MiB that they take; what they share is divided among them."""
    main = host.sh(f"systemctl show -p MainPID --value {unit(host)}").strip()
    number, kib = host.sh(f"python3 -c {shlex.quote(FAMILY)} {main}").split()
    return int(number), round(int(kib) / 1024, 1)


def status_of(host: Host, seconds: float) -> int | str:
    """How a request ended that takes so long."""
    try:
        answer = ask(host, f"/slow/?seconds={seconds}", timeout=seconds + 30)
        answer.read()
    except (OSError, http.client.HTTPException) as problem:
        return repr(problem)
    return answer.status


def both_sides_of(host: Host, limit: int) -> tuple[int | str, int | str]:
    """How requests end that take a second less, and a second more, than they may."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        less, more = pool.submit(status_of, host, limit - 1), pool.submit(status_of, host, limit + 1)
        return less.result(), more.result()


def in_flight_at_reload(host: Host, seconds: float) -> int | str | None:
    """How a request ends that was under way when the server was told to reload; None where it can't."""
    name = unit(host)
    if host.sh(f"systemctl show -p CanReload --value {name}").strip() != "yes":
        return None
    main = host.sh(f"systemctl show -p MainPID -p NRestarts {name}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        request = pool.submit(status_of, host, seconds)
        time.sleep(1)
        host.sh(f"systemctl reload {name}")
        ended = request.result()
    visit(host)
    assert host.sh(f"systemctl show -p MainPID -p NRestarts {name}") == main, "it did not reload, it started again"
    return ended


def in_flight_at_stop(host: Host, seconds: float) -> int | str:
    """How a request ends whose instance is told to stop a second after it has begun."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        request = pool.submit(status_of, host, seconds)
        time.sleep(1)
        host.sh(f"systemctl stop {unit(host)}")
        ended = request.result()
    host.sh(f"systemctl start {unit(host)}")
    return ended

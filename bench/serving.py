# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure this collection at its defaults against the setup that tutorials teach, on one real host.

Called by `make bench-serving`. docs/bench-serving.md says what is compared and how to read the table.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gzip
import http.client
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
import jinja2
from depot_host import (
    BENCH,
    DOMAIN,
    OURS,
    SITE,
    TROUBLES,
    TUTORIAL,
    Host,
    Side,
    booted,
    copy_project,
    load,
    release_of,
    wait_until_quiet,
    write,
)
from runs import ROOT, Trouble, say

PAGE = ROOT / "docs/bench-serving.md"

ALONE = "bench-alone"

CONNECTIONS = 32
# A request waits for those before it: with 32 of 200 ms and three workers, more than wrk's own 2 seconds.
WRK_TIMEOUT = 20
WARM_UP_SECONDS = 1

WEBSOCKET_PATH = "/ws/echo/"
WEBSOCKETS = 1000
WEBSOCKET_SECONDS = 5.0
HANDSHAKES_AT_ONCE = 50
WEBSOCKET_TIMEOUT = 20.0
# nginx has a second connection for each, to the app server; and one worker may get all of them.
CONNECTIONS_WANTED = 2 * WEBSOCKETS + 64

START_DEADLINE = 30.0


APP_SERVER = Side("app server", 8002)


@dataclass(frozen=True)
class Case:
    """What is asked for, of whom, and by how much ours should be faster than the tutorial's."""

    what: str
    path: str
    aim: float
    floor: float | None = None
    seconds: int = 2
    encoding: str = ""
    others: tuple[Side, ...] = (TUTORIAL,)

    @property
    def headers(self) -> dict[str, str]:
        return {"Host": DOMAIN, **({"Accept-Encoding": self.encoding} if self.encoding else {})}


CASES = (
    Case("trivial view", "/", aim=1.5, others=(TUTORIAL, APP_SERVER)),
    Case("page of 40 rows", "/items/", aim=1.0, floor=0.95, others=(TUTORIAL, APP_SERVER)),
    Case("32 × 200 ms of I/O", "/io/", aim=2.0, seconds=4),
    Case("50 kB style sheet", "/static/stock/style.css", aim=10.0, encoding="gzip"),
)


# ---- the host


def deploy(host: Host, stack: str, **variables: Any) -> None:
    say(f"deploying {SITE} with serve_mode={stack}")
    run = host.play("site.yml", serve_mode=stack, **variables)
    if run.rc:
        raise Trouble(f"the deploy failed:\n{run.output[-4000:]}")
    wait_until_quiet(host)


def set_up_tutorial(host: Host) -> None:
    """What the tutorials have their readers type, on the code and the packages of the release that is live."""
    say("setting up the tutorial's side")
    code = f"/srv/{SITE}/releases/{release_of(host)}/code"
    packages = Path(exec_start(unit_of(host)).split()[0]).parents[1]
    home, venv = f"/home/tutor/{SITE}", "/home/tutor/env"
    host.sh(
        "set -e; useradd --create-home tutor; chmod 755 /home/tutor; "
        f"cp -r {code} {home}; cp -a {packages} {venv}; "
        # The scripts of a virtual environment name its interpreter.
        f"sed -i 's|{packages}/|{venv}/|g' $(grep -rlI '{packages}/' {venv}/bin); "
        f"chmod -R go+rX {home} {venv}; chown -R tutor:tutor {home} {venv}"
    )
    write(host, f"{home}/.env", f"SECRET_KEY={secrets.token_urlsafe(50)}\nALLOWED_HOSTS={DOMAIN}\n")
    as_tutor = f"cd {home} && runuser -u tutor -- env $(cat .env) {venv}/bin/python manage.py"
    host.sh(f"{as_tutor} migrate --verbosity=0 && {as_tutor} collectstatic --noinput --verbosity=0")
    unit = jinja2.Template((BENCH / "tutorial/gunicorn.service.j2").read_text(), keep_trailing_newline=True)
    write(host, "/etc/systemd/system/gunicorn.service", unit.render(stack="wsgi"))
    write(host, "/etc/nginx/sites-enabled/tutorial.conf", (BENCH / "tutorial/nginx.conf").read_text())
    host.sh("set -e; systemctl daemon-reload; systemctl start gunicorn; nginx -qt; systemctl reload nginx")
    wait_for_an_answer(host, TUTORIAL)


def unit_of(host: Host) -> str:
    return host.sh(f"cat /etc/systemd/system/{SITE}@{release_of(host)}.service")


def exec_start(unit: str) -> str:
    return re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)[0]


def on_tcp(unit: str, address: str) -> str:
    """An instance's unit with a port instead of its socket, which wrk can't ask; all else is the same."""
    changes = {
        r"--bind[= ]unix:[^\s\"]+": f"--bind={address}",
        # Two units must not share one: the first to end would take it from the other.
        r"(?m)^RuntimeDirectory=.*$": f"RuntimeDirectory={ALONE}",
    }
    for pattern, replacement in changes.items():
        unit, found = re.subn(pattern, replacement, unit)
        if found != 1:
            raise Trouble(f"the unit of {SITE} should have {pattern!r} once, and has it {found} times:\n{unit}")
    return unit


@contextlib.contextmanager
def app_server_alone(host: Host) -> Iterator[None]:
    say("starting the app server alone")
    write(host, f"/run/systemd/system/{ALONE}.service", on_tcp(unit_of(host), f"{host.address}:{APP_SERVER.port}"))
    host.sh(f"systemctl daemon-reload; systemctl start {ALONE}")
    yield
    host.sh(f"systemctl stop {ALONE}; rm /run/systemd/system/{ALONE}.service; systemctl daemon-reload")


# ---- requests


def ask(host: Host, side: Side, case: Case) -> tuple[str, bytes, bytes]:
    """How the answer is encoded, as it comes, and what it says."""
    connection = http.client.HTTPConnection(host.address, side.port, timeout=WRK_TIMEOUT)
    with contextlib.closing(connection):
        connection.request("GET", case.path, headers=case.headers)
        answer = connection.getresponse()
        sent = answer.read()
    if answer.status != 200:
        raise Trouble(f"{side.name} answers {case.path} with {answer.status}: {sent[:200]!r}")
    encoding = answer.headers.get("Content-Encoding", "")
    return encoding, sent, gzip.decompress(sent) if encoding == "gzip" else sent


def wait_for_an_answer(host: Host, side: Side) -> None:
    end = time.monotonic() + START_DEADLINE
    while True:
        try:
            ask(host, side, CASES[0])
            return
        except (Trouble, OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@dataclass(frozen=True)
class Sameness:
    """Whether two sides do the same work, and the sizes of what was asked for compressed."""

    flaws: list[str]
    notes: list[str]


def look_at(host: Host, case: Case) -> Sameness:
    flaws, notes, said = [], [], {}
    for side in (OURS, *case.others):
        encoding, sent, said[side] = ask(host, side, case)
        if case.encoding:
            notes.append(f"{side.name} sends {encoding or 'as it is'}, {len(sent):,} of {len(said[side]):,} bytes")
            if encoding != case.encoding:
                flaws.append(f"{side.name} does not send {case.encoding}")
        if said[side] != said[OURS]:
            flaws.append(f"{side.name} says something else")
    return Sameness(flaws, [f"{case.what}: {'; '.join(notes)}."] if notes else [])


def wrk(host: Host, side: Side, case: Case, seconds: int) -> figures.Run:
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", f"--timeout={WRK_TIMEOUT}s"]
    command += [f"--header={name}: {value}" for name, value in case.headers.items()]
    command.append(f"http://{host.address}:{side.port}{case.path}")
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds + 60
    )
    if done.returncode:
        raise Trouble(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}")
    # What wrk has left unanswered is still worked on: the next one must not wait for it.
    ask(host, side, CASES[0])
    return figures.read_wrk(done.stdout)


def measure(host: Host, rounds: int) -> tuple[list[figures.Row], list[str]]:
    """All cases in each round, one side after the other, so that a bad minute of the machine's is spread over all."""
    sameness = {case: look_at(host, case) for case in CASES}
    for case in CASES:
        for side in (OURS, *case.others):
            wrk(host, side, case, WARM_UP_SECONDS)
    runs: dict[tuple[Case, Side], list[figures.Run]] = {
        (case, side): [] for case in CASES for side in (*case.others, OURS)
    }
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for case, side in runs:
            runs[case, side].append(wrk(host, side, case, case.seconds))
    rows = [
        compare(case, side, runs[case, side], runs[case, OURS], sameness[case].flaws)
        for side in (TUTORIAL, APP_SERVER)
        for case in CASES
        if side in case.others
    ]
    return rows, [note for case in CASES for note in sameness[case].notes]


def compare(
    case: Case, side: Side, theirs: list[figures.Run], ours: list[figures.Run], flaws: list[str]
) -> figures.Row:
    aim, floor = (case.aim, case.floor) if side is TUTORIAL else (None, None)
    return figures.compare(case.what, side.name, theirs, ours, aim, floor, flaws)


# ---- WebSockets


def connection_limit(host: Host) -> int:
    found = re.findall(r"^\s*worker_connections\s+(\d+)", host.sh("nginx -T 2>/dev/null"), re.MULTILINE)
    return int(found[0]) if found else 512


def memory(host: Host, unit: str) -> int:
    """KiB that the processes of a unit have for themselves, with their share of what they have in common."""
    group = f"$(systemctl show --value --property=ControlGroup {unit})"
    files = f"$(grep -lsE \"{group}$\" /proc/[0-9]*/cgroup | sed 's/cgroup$/smaps_rollup/')"
    return int(host.sh(f"cat {files} | awk '/^Pss:/ {{sum += $2}} END {{print sum}}'"))


async def open_websocket(address: str) -> load.WebSocket:
    """Shake hands and hear the hello."""
    connection = await load.Connection.open(address, OURS.port)
    head = [
        f"GET {WEBSOCKET_PATH} HTTP/1.1",
        f"Host: {DOMAIN}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    try:
        answer = await connection.request(head)
        if answer.status != 101:
            raise load.Failure(f"status {answer.status} at the handshake")
    except BaseException:
        connection.close()
        raise
    websocket = load.WebSocket(connection)
    try:
        await hear(websocket, "hello")
    except BaseException:
        await websocket.end()
        raise
    return websocket


async def hear(websocket: load.WebSocket, wanted: str) -> None:
    heard = await websocket.event(WEBSOCKET_TIMEOUT)
    if heard != wanted:
        raise load.Failure(f"{heard or 'nothing'} instead of {wanted!r}")


async def echo(websocket: load.WebSocket, text: str) -> None:
    await websocket.send(load.TEXT, text.encode())
    await hear(websocket, text)


async def hold(address: str, wanted: int, seconds: float, memories: Callable[[], dict[str, int]]) -> figures.Held:
    """Open as many as there may be, keep them, and see at the end whether each still answers."""
    failures: dict[str, int] = {}
    gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
    opened: list[load.WebSocket] = []

    async def come() -> None:
        async with gate:
            opened.append(await asyncio.wait_for(open_websocket(address), WEBSOCKET_TIMEOUT))

    async def succeeded(attempts: Iterable[Awaitable[None]]) -> int:
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, (load.Failure, asyncio.TimeoutError, OSError)):
                load.count(failures, getattr(outcome, "reason", "") or repr(outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
        return sum(outcome is None for outcome in outcomes)

    before = await asyncio.to_thread(memories)
    try:
        await succeeded(come() for _dummy in range(wanted))
        await asyncio.sleep(seconds)
        held = await asyncio.to_thread(memories)
        echoed = await succeeded(echo(websocket, f"text {number}") for number, websocket in enumerate(opened))
    finally:
        for websocket in opened:
            await websocket.end()
    kib = {who: (before[who], held[who]) for who in before}
    return figures.Held(wanted, len(opened), echoed, failures, kib)


def measure_websockets(host: Host) -> tuple[list[figures.Row], list[str]]:
    unit = f"{SITE}@{release_of(host)}.service"

    def memories() -> dict[str, int]:
        return {"app server": memory(host, unit), "nginx": memory(host, "nginx.service")}

    # What the first ones load stays for all others, and is no cost of one.
    asyncio.run(hold(host.address, 2 * HANDSHAKES_AT_ONCE, 0, memories))
    say(f"opening {WEBSOCKETS:,} WebSockets")
    held = asyncio.run(hold(host.address, WEBSOCKETS, WEBSOCKET_SECONDS, memories))
    return held.rows(f"{WEBSOCKETS:,} WebSockets, {WEBSOCKET_SECONDS:g} s"), held.shortfall()


# ---- all of it


def versions(host: Host) -> str:
    names = ("gunicorn", "Django", "Python", "nginx", "Debian", "cores")
    script = "import django, gunicorn, sys; print(gunicorn.__version__, django.__version__, sys.version.split()[0])"
    told = host.sh(
        f"/home/tutor/env/bin/python -c '{script}'; nginx -v 2>&1 | cut -d/ -f2; cat /etc/debian_version; nproc"
    )
    return ", ".join(f"{name} {value}" for name, value in zip(names, told.split())) + " (wrk works on them, too)."


def bench(host: Host, rounds: int) -> tuple[list[figures.Row], list[str]]:
    host.variables = {
        "site_name": SITE,
        "site_source": str(copy_project(host.scratch)),
        "site_package": "depot",
        "site_domains": [DOMAIN],
        "site_websocket_path": WEBSOCKET_PATH,
    }
    deploy(host, "wsgi")
    set_up_tutorial(host)
    with app_server_alone(host):
        rows, notes = measure(host, rounds)
    deploy(host, "asgi", **more_connections(host))
    held, shortfalls = measure_websockets(host)
    effort = f"Rounds: {rounds}, in each wrk -t2 -c{CONNECTIONS} for {CASES[0].seconds} s or more of each."
    return [*rows, *held], [*notes, *shortfalls, effort, versions(host)]


def more_connections(host: Host) -> dict[str, int]:
    """Debian's nginx has too few for this row alone, unless its administrator has raised them."""
    return {"nginx_worker_connections": 4096} if connection_limit(host) < CONNECTIONS_WANTED else {}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("rounds must be at least 1.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        with booted(f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_bench") as host:
            rows, notes = bench(host, given.rounds)
    except TROUBLES as trouble:
        say(f"nothing was measured: {trouble}")
        return 2
    except KeyboardInterrupt:
        say("interrupted; the host is gone.")
        return 130
    text = "\n".join([figures.table(rows), "", *(f"- {note}" for note in notes)])
    print(text)
    if given.write:
        PAGE.write_text(figures.replaced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    say(f"took {time.monotonic() - started:.0f} s")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())

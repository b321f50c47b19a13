# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is long, large or late comes through nginx whole, and what nginx says itself is said in the site's words.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import hostile
import pytest
import trial_site as trial
from controller import Host
from hostile import Visitor

ASGI, WSGI = trial.Server("asgi", "gunicorn_uvicorn"), trial.Server("wsgi", "gunicorn")
MEGABYTE = 1024 * 1024
EVENTS, CHUNKS = 8, 160
UPLOAD = 100 * MEGABYTE
SILENCE = 20
REPLACED = "<h1>Our own words</h1>"
PAGES = ("/", "/visit/", "/static/board/board.css", "/media/photo.png")
# What shows nginx's own answers soon.
TIGHT: dict[str, Any] = {
    "serve_mode": "asgi",
    "nginx_client_max_body_size": "25m",
    "nginx_error_pages": {"502": REPLACED},
    "site_request_timeout": 3,
}

Say = Callable[[str], None]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    one = trial.host_of(
        "streams",
        trial.make(tmp_path_factory.mktemp("source")),
        site_settings_overrides={
            "ROOT_URLCONF": "liveboard.trial",
            "MEDIA_URL": "/media/",
            "MEDIA_ROOT": "/srv/board/media",
        },
        nginx_client_max_body_size="110m",
        nginx_protected_media=["private", "bills/"],
        cutover_settle=1,
        cutover_drain=5,
    )
    one.down()
    one.up()
    yield one
    one.down()


def page(host: Host, path: str) -> tuple[int, str]:
    answer = trial.ask(host, path)
    return answer.status, answer.read().decode()


# --- streams


def events(host: Host, say: Say) -> None:
    """Each is here soon after the project has sent it; the clock is the same."""
    answer = trial.ask(host, f"/ticks/?number={EVENTS}")
    late = []
    while line := answer.readline():
        if line.startswith(b"data: "):
            late.append(time.time() - float(line[6:]))
    assert len(late) == EVENTS
    say(f"events: the first after {late[0] * 1000:.1f} ms, the slowest after {max(late) * 1000:.1f} ms")
    assert max(late) < 0.2, late


def nginx_memory(host: Host) -> int:
    """KiB that nginx's processes take."""
    return int(
        host.sh(
            "cat $(ls /proc/*/comm | xargs grep -lx nginx | sed s/comm/status/) | awk '/^VmRSS/{s+=$2} END{print s}'"
        )
    )


def nginx_files(host: Host) -> str:
    """What nginx has put down for a while, be it in a file that has no name any more."""
    return host.sh(
        "find /var/lib/nginx/proxy /var/lib/nginx/body -type f; "
        "for pid in $(pgrep -x nginx); do ls -l /proc/$pid/fd; done | grep /var/lib/nginx || true"
    )


def slowly(host: Host, path: str) -> tuple[str, str, int]:
    """A long answer, read in bits: its digest, the files nginx had meanwhile, and how much it grew."""
    visitor = Visitor(host.address)
    visitor.socket.settimeout(60)
    visitor.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # or the kernel would take most of it
    before = nginx_memory(host)
    connection = http.client.HTTPConnection(host.address)
    connection.sock = visitor.socket
    connection.request("GET", path, headers={"Host": trial.DOMAIN})
    answer = connection.getresponse()
    digest, files, grown = hashlib.sha256(answer.read(MEGABYTE)), "", 0
    for _dummy in range(3):  # the rest is ready long since
        time.sleep(0.5)
        files += nginx_files(host)
        grown = max(grown, nginx_memory(host) - before)
        digest.update(answer.read(MEGABYTE))
    while data := answer.read(MEGABYTE):
        digest.update(data)
    return digest.hexdigest(), files, grown


def long_answer(host: Host, say: Say) -> None:
    whole = hashlib.sha256(b"".join(repeated(one, 65536) for one in range(CHUNKS))).hexdigest()
    for path in (f"/bulk/?chunks={CHUNKS}", f"/bulk/?chunks={CHUNKS}&held_back=yes"):
        digest, files, grown = slowly(host, path)
        say(f"{path}: nginx grew by {grown} KiB")
        assert digest == whole
        assert files == ""
        assert grown < 2048


def parts() -> Iterator[bytes]:
    """100 MB, no two of them alike."""
    return (repeated(number, MEGABYTE) for number in range(UPLOAD // MEGABYTE))


def repeated(number: int, size: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (size // 32)


def upload(host: Host, say: Say) -> None:
    digest = hashlib.sha256()
    for part in parts():
        digest.update(part)
    connection = http.client.HTTPConnection(host.address, timeout=120)
    started = time.monotonic()
    headers = {"Host": trial.DOMAIN, "Content-Length": str(UPLOAD)}
    connection.request("POST", "/upload/", body=parts(), headers=headers)
    answer = connection.getresponse()
    told = answer.read().decode()
    say(f"100 MiB went up in {time.monotonic() - started:.1f} s")
    assert answer.status == 200, told
    assert digest.hexdigest() in told


def asked_for_websocket(host: Host) -> Visitor:
    visitor = Visitor(host.address)
    asked = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", hostile.KEY)
    visitor.send(hostile.get("/ws/echo/", *asked))
    visitor.hear(5)
    assert visitor.answers()[0].status == 101
    return visitor


def silence(host: Host, websockets: bool) -> None:
    """An answer that takes its time comes, and a WebSocket over which nothing is said stays."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(trial.status_of, host, SILENCE)
        if websockets:
            visitor = asked_for_websocket(host)
            time.sleep(SILENCE)
            visitor.send(b"\x81\x85\0\0\0\0still")
            visitor.hear(5)
            assert b"\x81\x05still" in visitor.heard
        assert answer.result() == 200


def test_streams(host: Host, say: Say) -> None:
    everything(host, ASGI, say)


def everything(host: Host, server: trial.Server, say: Say) -> None:
    trial.deploy(host, server)
    events(host, say)
    long_answer(host, say)
    upload(host, say)
    silence(host, server.stack == "asgi")


# --- files of visitors


def test_what_a_visitor_has_sent_acts_in_nobodys_name(host: Host) -> None:
    host.sh(
        "cd /srv/board/media && mkdir -p private bills && echo ours | tee private/bill.txt bills/bill.txt && "
        "for name in page.html drawing.svg data.xml photo.png note.txt; do echo '<script>' > $name; done && "
        "chown -R board: . && chmod -R a+rX ."
    )
    for name, is_document in {
        "page.html": True,
        "drawing.svg": True,
        "data.xml": True,
        "photo.png": False,
        "note.txt": False,
    }.items():
        answer = trial.ask(host, f"/media/{name}")
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
        assert ("sandbox" in (answer.headers["Content-Security-Policy"] or "")) is is_document, name


def test_a_protected_file_is_the_sites_to_give(host: Host) -> None:
    for folder in ("private", "bills"):
        assert page(host, f"/media/{folder}/bill.txt")[0] == 404
        assert trial.ask(host, f"/protected/?file=/media/{folder}/bill.txt").read() == b"ours\n"
    answer = trial.ask(host, "/protected/?file=/media/private/bill.txt")
    assert (answer.status, answer.read()) == (200, b"ours\n")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["X-Accel-Redirect"] is None
    assert page(host, "/protected/?file=/media/private/none.txt")[0] == 404


# --- what is written down

LOG = "/var/log/nginx/board.access.log"


def test_the_log_is_json_and_is_turned_over(host: Host) -> None:
    trial.visit(host, **{"User-Agent": 'a "quoted" \\ word'})
    entry = json.loads(host.sh(f"tail -n 1 {LOG}"))
    assert (entry["method"], entry["uri"], entry["status"], entry["scheme"]) == ("GET", "/visit/", 200, "http")
    assert (entry["client"], entry["user_agent"]) == (trial.gateway(host), 'a "quoted" \\ word')
    assert entry["upstream"] == trial.unit(host).removesuffix(".service").replace("@", "-")
    assert 0 <= float(entry["upstream_seconds"]) <= entry["seconds"] + 0.001
    host.sh("logrotate --force /etc/logrotate.d/nginx; sleep 0.5")
    trial.ask(host, "/visit/?after=1").read()
    (entry,) = map(json.loads, host.sh(f"cat {LOG}").splitlines())
    assert entry["uri"] == "/visit/?after=1"
    assert len(host.sh(f"cat {LOG}.1").splitlines()) > 1
    assert host.sh(f"stat -c '%a %U %G' {LOG} {LOG}.1").splitlines() == ["640 www-data adm"] * 2


# --- what nginx says itself


@pytest.mark.full
def test_a_site_that_is_down(host: Host) -> None:
    host.sh(f"systemctl stop {trial.unit(host)}")
    try:
        status, text = page(host, "/visit/")
        trial.ask(host, "/visit/", method="POST").read()
    finally:
        host.sh(f"systemctl start {trial.unit(host)}")
    assert status == 502
    asked, sent = (json.loads(entry) for entry in host.sh(f"tail -n 2 {LOG}").splitlines())
    # These are failures of the release, though nginx sent the page.
    assert (asked["method"], sent["method"]) == ("GET", "POST")
    upstream = trial.unit(host).removesuffix(".service").replace("@", "-")
    assert [(one["status"], one["upstream"]) for one in (asked, sent)] == [(502, upstream)] * 2
    assert "<h1>Back in a moment</h1>" in text
    assert "nginx" not in text


@pytest.mark.full
def test_what_is_too_slow_and_in_ones_own_words(host: Host) -> None:
    assert host.play("site.yml", **TIGHT).rc == 0
    started = time.monotonic()
    status, text = page(host, "/slow/?seconds=6")
    assert 3 <= time.monotonic() - started < 5
    assert status == 504
    assert "<h1>That took too long</h1>" in text
    host.sh(f"systemctl stop {trial.unit(host)}")
    try:
        assert page(host, "/visit/") == (502, REPLACED)
    finally:
        host.sh(f"systemctl start {trial.unit(host)}")


def too_large(host: Host, body: Iterator[bytes]) -> tuple[Visitor, float]:
    visitor = Visitor(host.address)
    started = time.monotonic()
    visitor.send(hostile.post(f"Content-Length: {UPLOAD}"))
    for part in body:
        visitor.send(part)
    visitor.hear(5)
    return visitor, time.monotonic() - started


@pytest.mark.full
def test_what_is_too_large_is_refused_before_it_is_read(host: Host) -> None:
    for body, soon in ((iter(()), 1 + hostile.QUIET), (parts(), 10)):
        visitor, took = too_large(host, body)
        (answer,) = visitor.answers()
        assert answer.status == 413
        assert b"<h1>Too large</h1>" in answer.body
        assert nginx_files(host) == ""
        assert took < soon


def closed(host: Host, path: str) -> Any:
    answer = trial.ask(host, path)
    return answer.status, answer.headers["Retry-After"], "<h1>Closed for maintenance</h1>" in answer.read().decode()


@pytest.mark.full
def test_maintenance_and_its_end(host: Host) -> None:
    run = host.play("site.yml", **TIGHT, nginx_maintenance=True)
    assert run.rc == 0, run.output
    for path in (*PAGES, "/nowhere/", "/health/x", "/static/none.css"):
        assert closed(host, path) == (503, "300", True), path
    assert page(host, "/health/")[0] == 200
    again = host.play("site.yml", **TIGHT, nginx_maintenance=True)
    assert (again.rc, again.changed) == (0, [])
    run = host.play("site.yml", **TIGHT)
    assert run.rc == 0, run.output
    assert [page(host, path)[0] for path in PAGES] == [200] * len(PAGES)


@pytest.mark.full
def test_streams_behind_wsgi(host: Host, say: Say) -> None:
    everything(host, WSGI, say)

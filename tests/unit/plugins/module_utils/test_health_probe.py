# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each failure class against a real server on a unix socket or on loopback that misbehaves in just that way."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import os
import re
import socket
import struct
import threading
import time
import zlib

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import health_probe
from ansible_collections.switchyard.django.plugins.module_utils.health_judge import Problem
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import (
    CLASSES,
    EventsCheck,
    HttpCheck,
    Limits,
    Target,
    WebSocketCheck,
    probe,
    probe_once,
)
from ansible_collections.switchyard.django.plugins.module_utils.tls import Tls

QUICK = Limits(connect_timeout=0.5, read_timeout=0.5, interval=0.05, deadline=5)
SHOP = {"Host": "shop.example", "X-Forwarded-Proto": "https"}


class Server:
    """Takes one connection after the other; the last behaviour goes on for all that follow."""

    def __init__(self, listener, target, behaviours):
        self.target = target
        self.requests = []
        self._listener = listener
        self._behaviours = list(behaviours)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                behaviour(self, connection)

    def read_request(self, connection):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            part = connection.recv(4096)
            if not part:
                break
            request += part
        self.requests.append(request.decode(errors="replace"))
        return self.requests[-1]

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(*behaviours, tcp=False):
        if tcp:
            listener = socket.create_server(("127.0.0.1", 0))
            target = Target(host="127.0.0.1", port=listener.getsockname()[1])
        else:
            path = str(tmp_path / f"{len(servers)}.sock")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(16)
            target = Target(unix_socket=path)
        servers.append(Server(listener, target, behaviours))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answers(status, body="", headers=()):
    payload = body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(payload)}", *headers, "", ""]
    return sends("\r\n".join(lines).encode() + payload)


def sends(raw):
    def behaviour(server, connection):
        server.read_request(connection)
        connection.sendall(raw)

    return behaviour


def hangs(server, connection):
    server.read_request(connection)
    connection.recv(1)


def drips(server, connection):
    server.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def resets(server, connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# -- status ------------------------------------------------------------------------------------------------------------

DJANGO_400 = (
    '<!doctype html><html lang="en"><head><title>Bad Request (400)</title></head><body><h1>Bad Request (400)</h1>'
)
DJANGO_DEBUG_400 = """<html><head><title>DisallowedHost
          at /health/</title><style>body { color: red }</style></head><body>
    <h1>DisallowedHost at /health/</h1>
    <pre class="exception_value">Invalid HTTP_HOST header: &#x27;x.example&#x27;. You may need to add it.</pre>
    <table>SECRET_STUFF</table>"""


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        ("200 OK", "", None),
        ("400 Bad Request", DJANGO_400, "disallowed_host"),
        ("400 Bad Request", DJANGO_DEBUG_400, "disallowed_host"),
        ("400 Bad Request", "<h1>400 Bad Request</h1>nginx", "bad_request"),
        ("401 Unauthorized", "", "unauthorized"),
        ("403 Forbidden", "", "unauthorized"),
        ("404 Not Found", "", "not_found"),
        ("413 Content Too Large", "", "too_large"),
        ("431 Request Header Fields Too Large", "", "too_large"),
        ("400 Bad Request", "<title>400 Request Header Or Cookie Too Large</title>", "too_large"),
        ("414 Request-URI Too Large", "", "too_large"),
        ("429 Too Many Requests", "", "unavailable"),
        ("500 Internal Server Error", "", "server_error"),
        ("502 Bad Gateway", "", "bad_gateway"),
        ("503 Service Unavailable", "", "unavailable"),
        ("504 Gateway Timeout", "", "gateway_timeout"),
        ("204 No Content", "", "wrong_status"),
        ("418 I'm a teapot", "", "wrong_status"),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_status(serve, status, body, failure, tcp):
    server = serve(answers(status, body), tcp=tcp)
    attempt = probe_once(server.target, HttpCheck("/health/"), QUICK)
    assert (attempt.ok, attempt.failure) == (failure is None, failure)
    assert attempt.status == int(status[:3])
    assert attempt.evidence.startswith(f"HTTP/1.1 {status}")
    assert attempt.hint == (CLASSES[failure].hint if failure else "")


def test_an_expected_status_is_no_failure(serve):
    server = serve(answers("404 Not Found"))
    assert probe_once(server.target, HttpCheck("/gone", statuses=(404, 410)), QUICK).ok


def test_wrong_status_names_what_was_expected(serve):
    server = serve(answers("200 OK"))
    attempt = probe_once(server.target, HttpCheck("/", statuses=(301, 308)), QUICK)
    assert attempt.failure == "wrong_status"
    assert "expected 301 or 308" in attempt.evidence


# -- redirects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "location", "failure"),
    [
        (SHOP, "https://shop.example/health/?q=1", "https_redirect_loop"),
        ({**SHOP, "Host": "Shop.example:8443"}, "https://shop.example/health/?q=1", "https_redirect_loop"),
        ({"Host": "shop.example"}, "https://shop.example/health/?q=1", "redirect"),
        (SHOP, "https://www.shop.example/health/?q=1", "redirect"),
        (SHOP, "https://shop.example/login/?next=/health/", "redirect"),
        (SHOP, "http://shop.example/health/?q=1", "redirect"),
        (SHOP, "/health", "redirect"),
        (SHOP, "https://[broken/health/?q=1", "redirect"),
    ],
)
def test_redirect(serve, headers, location, failure):
    server = serve(answers("301 Moved Permanently", headers=[f"Location: {location}"]))
    attempt = probe_once(server.target, HttpCheck("/health/?q=1", headers=headers), QUICK)
    assert attempt.failure == failure
    assert location.split("?")[0] in attempt.evidence


def test_the_loop_hint_has_the_line_to_add(serve):
    server = serve(answers("301 Moved Permanently", headers=["Location: https://shop.example/"]))
    attempt = probe_once(server.target, HttpCheck("/", headers=SHOP), QUICK)
    assert 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")' in attempt.hint


def test_the_query_of_a_redirect_stays_out_of_the_evidence(serve):
    server = serve(answers("302 Found", headers=["Location: /login/?token=hunter2"]))
    attempt = probe_once(server.target, HttpCheck(), QUICK)
    assert "/login/?…" in attempt.evidence
    assert "hunter2" not in repr(attempt)


def test_the_query_that_a_page_quotes_stays_out_of_the_evidence(serve):
    page = "<h1>Page not found (404)</h1>Request URL: http://shop.example/gone/?token=hunter2&amp;a=b Using the URLconf"
    attempt = probe_once(serve(answers("404 Not Found", page)).target, HttpCheck("/gone/?token=hunter2&a=b"), QUICK)
    assert "http://shop.example/gone/?… Using the URLconf" in attempt.evidence
    assert "hunter2" not in repr(attempt)


# -- content -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expectation", "failure"),
    [
        ({"body_contains": "all is well"}, None),
        ({"body_contains": "all is lost"}, "wrong_body"),
        ({"body_pattern": r"release \d+"}, None),
        ({"body_pattern": r"^release \d+$"}, "wrong_body"),
        ({"response_headers": {"x-release": "42"}}, None),
        ({"response_headers": {"X-Release": "43"}}, "wrong_header"),
        ({"response_headers": {"X-Other": "42"}}, "wrong_header"),
        ({"response_headers": {"Set-Cookie": "a=b"}}, "wrong_header"),
    ],
)
def test_content(serve, expectation, failure):
    headers = ["X-Release: 42", "Set-Cookie: sessionid=hunter2"]
    server = serve(answers("200 OK", "<p>all is well in release 42</p>", headers))
    attempt = probe_once(server.target, HttpCheck(**expectation), QUICK)
    assert attempt.failure == failure
    assert "hunter2" not in repr(attempt)


def test_a_chunked_answer_in_another_charset_is_read(serve):
    page = "grüß dich".encode("latin-1")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=latin-1\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(sends(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)))
    assert probe_once(server.target, HttpCheck(body_contains="grüß"), QUICK).ok


def test_an_unknown_charset_does_no_harm(serve):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=idna\r\nContent-Length: 2\r\n\r\n"
    assert probe_once(serve(sends(head + b"ok")).target, HttpCheck(body_contains="ok"), QUICK).ok


WELL = b"all is well"


def raw_deflate(page):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(page) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(WELL, mtime=0)),
        ("X-GZIP", gzip.compress(WELL, mtime=0)),
        ("deflate", zlib.compress(WELL)),
        ("deflate", raw_deflate(WELL)),
        ("identity", WELL),
        ("gzip", WELL),
    ],
)
def test_a_body_that_comes_compressed_is_read(serve, coding, body):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    attempt = probe_once(serve(sends(head.encode() + body)).target, HttpCheck(body_pattern="^all is well$"), QUICK)
    assert attempt.ok, attempt.evidence


def test_what_is_decompressed_has_a_limit(serve):
    bomb = gzip.compress(b"x" * 20 * 1024 * 1024 + b"the end")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    server = serve(sends(head.encode() + bomb))
    assert probe_once(server.target, HttpCheck(body_pattern="^x{1048576}$"), QUICK).ok


def test_no_compression_is_asked_for_unless_a_header_asks(serve):
    server = serve(answers("200 OK"))
    probe_once(server.target, HttpCheck(), QUICK)
    probe_once(server.target, HttpCheck(headers={"accept-encoding": "gzip"}), QUICK)
    sent = [re.findall(r"(?i)\r\naccept-encoding: (.*)\r\n", request) for request in server.requests]
    assert sent == [["identity"], ["gzip"]]


def test_head_reads_no_body(serve):
    server = serve(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"))
    assert probe_once(server.target, HttpCheck(method="HEAD"), QUICK).ok
    assert server.requests[0].startswith("HEAD / HTTP/1.1\r\n")


def test_the_debug_page_gives_the_exception(serve):
    server = serve(answers("400 Bad Request", DJANGO_DEBUG_400))
    attempt = probe_once(server.target, HttpCheck("/health/"), QUICK)
    assert "DisallowedHost at /health/: Invalid HTTP_HOST header: 'x.example'." in attempt.evidence
    assert "SECRET_STUFF" not in attempt.evidence


def test_the_excerpt_is_short_plain_and_without_passwords(serve):
    page = "<title>Oops</title><style>p{}</style><script>evil()</script>"
    page += "<p>Oh\x1b[31m\nno: postgres://shop:hunter2@db/shop &amp; " + "x" * 500
    attempt = probe_once(serve(answers("500 Error", page)).target, HttpCheck(), QUICK)
    assert attempt.evidence.startswith("HTTP/1.1 500 Error: Oh [31m no: postgres://***@db/shop & xxx")
    assert attempt.evidence.isprintable()
    assert len(attempt.evidence) < 250


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_the_headers_of_the_check_are_sent_with_one_host(serve):
    server = serve(answers("200 OK"))
    probe_once(
        server.target, HttpCheck("/a?b=c", headers={"hOST": "shop.example", "X-Forwarded-Proto": "https"}), QUICK
    )
    lines = server.requests[0].split("\r\n")
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert [line for line in lines if line.lower().startswith("host:")] == ["Host: shop.example"]
    assert "X-Forwarded-Proto: https" in lines


def test_host_without_a_header(serve):
    unix, tcp = serve(answers("200 OK")), serve(answers("200 OK"), tcp=True)
    for server in (unix, tcp):
        probe_once(server.target, HttpCheck(), QUICK)
    assert "\r\nHost: localhost\r\n" in unix.requests[0]
    assert f"\r\nHost: 127.0.0.1:{tcp.target.port}\r\n" in tcp.requests[0]


# -- the connection ----------------------------------------------------------------------------------------------------


def failure_of(target, check=None):
    attempt = probe_once(target, check or HttpCheck(), QUICK)
    assert not attempt.ok
    assert attempt.status is None
    assert attempt.evidence
    assert attempt.hint == CLASSES[attempt.failure].hint
    return attempt.failure


def test_no_socket(tmp_path):
    assert failure_of(Target(unix_socket=str(tmp_path / "missing.sock"))) == "no_socket"
    (tmp_path / "file").touch()
    assert failure_of(Target(unix_socket=str(tmp_path / "file" / "x.sock"))) == "no_socket"


@pytest.mark.parametrize(("kind", "make"), [("a plain file", "touch"), ("a folder", "mkdir")])
def test_what_is_no_socket_is_named(tmp_path, kind, make):
    getattr(tmp_path / "x.sock", make)()
    attempt = probe_once(Target(unix_socket=str(tmp_path / "x.sock")), HttpCheck(), QUICK)
    assert (attempt.failure, attempt.evidence) == ("no_socket", f"it is {kind}, not a socket")
    assert "stale" not in attempt.hint
    assert "unix_socket" in attempt.hint


def test_permission(serve):
    server = serve(answers("200 OK"))
    os.chmod(server.target.unix_socket, 0)
    # Root opens everything, so the probe is made as nobody.
    if os.geteuid() != 0:
        assert failure_of(server.target) == "permission"
        return
    os.seteuid(65534)
    try:
        assert failure_of(server.target) == "permission"
    finally:
        os.seteuid(0)


def test_refused_by_a_stale_socket_file(tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale.sock"))
    assert failure_of(Target(unix_socket=str(tmp_path / "stale.sock"))) == "refused"


def test_refused_by_a_closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure_of(Target(port=port)) == "refused"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "two..dots"])
def test_dns(host):
    assert failure_of(Target(host=host, port=80)) == "dns"


def test_unreachable(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(tmp_path / "log.sock"))
        assert failure_of(Target(unix_socket=str(tmp_path / "log.sock"))) == "unreachable"


def test_connect_timeout_where_the_queue_is_full(tmp_path):
    path = str(tmp_path / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as queue:
        listener.bind(path)
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = queue.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(path)
        started = time.monotonic()
        assert failure_of(Target(unix_socket=path)) == "connect_timeout"
        assert 0.4 < time.monotonic() - started < 2


def test_a_queue_that_empties_in_time_is_no_failure(tmp_path):
    path = str(tmp_path / "full.sock")
    target = Target(unix_socket=path)
    servers = []
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(path)
        listener.listen(0)
        waiting.connect(path)
        timer = threading.Timer(0.2, lambda: servers.append(Server(listener, target, [sends(b""), answers("200 OK")])))
        timer.start()
        waiting.sendall(b"GET / HTTP/1.1\r\n\r\n")
        attempt = probe_once(target, HttpCheck(), QUICK)
        timer.join()
        servers[0].close()
    assert attempt.ok
    assert attempt.latency_ms > 150


@pytest.mark.parametrize("behaviour", [hangs, drips])
def test_read_timeout(serve, behaviour):
    started = time.monotonic()
    assert failure_of(serve(behaviour).target) == "read_timeout"
    assert 0.4 < time.monotonic() - started < 2


TRUNCATED_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort"


@pytest.mark.parametrize(
    ("behaviour", "evidence"),
    [
        (resets, "reset by peer"),
        (sends(b""), "closed without an answer"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"), "after 5 bytes"),
        (sends(TRUNCATED_CHUNK), "bytes of the body"),
    ],
)
def test_reset(serve, behaviour, evidence):
    server = serve(behaviour, tcp=True)
    assert failure_of(server.target) == "reset"
    assert evidence in probe_once(server.target, HttpCheck(), QUICK).evidence


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_bad_http(serve, garbage):
    server = serve(sends(garbage))
    assert failure_of(server.target) == "bad_http"
    assert probe_once(server.target, HttpCheck(), QUICK).evidence.isprintable()


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(b"\x15\x03\x01\x00\x02\x02\x50"),
        answers("400 Bad Request", "<center>The plain HTTP request was sent to HTTPS port</center>"),
        answers("400 Bad Request", "Reason: You're speaking plain HTTP to an SSL-enabled server port."),
        answers("400 Bad Request", "Client sent an HTTP request to an HTTPS server."),
    ],
)
@pytest.mark.parametrize("check", [HttpCheck(), WebSocketCheck("/ws/"), EventsCheck("/events/")])
def test_tls_required(serve, behaviour, check):
    attempt = probe_once(serve(behaviour).target, check, QUICK)
    assert attempt.failure == "tls_required"
    assert "tls=true" in attempt.hint


# -- WebSocket ---------------------------------------------------------------------------------------------------------


def accept_value(request):
    key = re.search(r"^Sec-WebSocket-Key: (.+)\r$", request, re.MULTILINE).group(1)
    assert len(base64.b64decode(key)) == 16
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def switching_protocols(accept, extra=()):
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: WebSocket", "Connection: keep-alive, Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", *extra, "", ""]).encode()


CLOSED_IN_ORDER = struct.pack("!BBH", 0x88, 2, 1000)


def upgrades(extra=(), accept=None, frames=b"", closing=CLOSED_IN_ORDER, received=None):
    """Switch protocols, send frames, and answer the client's close frame with `closing`."""

    def behaviour(server, connection):
        value = accept or accept_value(server.read_request(connection))
        connection.sendall(switching_protocols(value, extra) + frames)
        frame = connection.recv(100)
        if received is not None:
            received.append(frame)
        if closing:
            connection.sendall(closing)

    return behaviour


def test_a_websocket_is_opened_and_closed_in_order(serve):
    received = []
    greeting = b"\x81\x05hello" + b"\x82\x7e\x01\x00" + b"x" * 256 + b"\x89\x00"
    server = serve(upgrades(frames=greeting, received=received))
    attempt = probe_once(server.target, WebSocketCheck("/ws/", headers=SHOP), QUICK)
    assert (attempt.ok, attempt.status) == (True, 101)
    assert attempt.evidence == "HTTP/1.1 101 Switching Protocols, closed with 1000"
    assert "\r\nOrigin: https://shop.example\r\n" in server.requests[0]
    assert "\r\nSec-WebSocket-Version: 13\r\n" in server.requests[0]
    frame = received[0]
    assert frame[:2] == b"\x88\x82"
    assert bytes(byte ^ frame[2 + position % 4] for position, byte in enumerate(frame[6:])) == struct.pack("!H", 1000)


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Host": "shop.example"}, "http://shop.example"),
        ({"Host": "shop.example", "origin": "https://pay.example"}, "https://pay.example"),
        ({}, "http://localhost"),
    ],
)
def test_origin(serve, headers, origin):
    server = serve(upgrades())
    assert probe_once(server.target, WebSocketCheck("/ws/", headers=headers), QUICK).ok
    assert re.findall(r"(?i)\r\norigin: (.*)\r\n", server.requests[0]) == [origin]


@pytest.mark.parametrize("closing", [b"", b"\x88\x00", b"\x88", b"\x81\x7f" + b"\xff" * 8, b"\x88\x82abcdef"])
def test_a_missing_or_odd_close_frame_is_no_failure(serve, closing):
    attempt = probe_once(serve(upgrades(closing=closing)).target, WebSocketCheck("/ws/"), QUICK)
    assert attempt.ok
    assert attempt.evidence.endswith("no close frame came back")


def test_a_server_that_never_closes_costs_a_second_and_no_latency(serve):
    def behaviour(server, connection):
        upgrades(closing=None)(server, connection)
        connection.recv(1)

    started = time.monotonic()
    attempt = probe_once(serve(behaviour).target, WebSocketCheck("/ws/"), QUICK)
    assert attempt.ok
    assert attempt.latency_ms < 500
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("tcp", [False, True])
def test_closed_for_an_internal_error(serve, tcp):
    def fails_soon(server, connection):
        connection.sendall(switching_protocols(accept_value(server.read_request(connection))))
        time.sleep(0.03)
        connection.sendall(struct.pack("!BBH", 0x88, 2, 1011))

    attempt = probe_once(serve(fails_soon, tcp=tcp).target, WebSocketCheck("/ws/"), QUICK)
    assert attempt.failure == "server_error"
    assert "1011" in attempt.evidence


@pytest.mark.parametrize("tcp", [False, True])
def test_dropped_after_the_handshake(serve, tcp):
    def drops(server, connection):
        connection.sendall(switching_protocols(accept_value(server.read_request(connection))))

    attempt = probe_once(serve(drops, tcp=tcp).target, WebSocketCheck("/ws/"), QUICK)
    assert (attempt.failure, attempt.status) == ("reset", 101)
    assert "then the connection was dropped" in attempt.evidence
    assert "message broker" in attempt.hint


@pytest.mark.parametrize(
    ("behaviour", "failure", "hint"),
    [
        (answers("200 OK", "plain page"), "no_upgrade", "WSGI"),
        (answers("404 Not Found"), "no_upgrade", "URLRouter"),
        (answers("403 Forbidden"), "no_upgrade", "origin validator"),
        (answers("400 Bad Request", DJANGO_400), "no_upgrade", "ALLOWED_HOSTS"),
        (answers("500 Internal Server Error"), "no_upgrade", "traceback"),
        (answers("301 Moved", headers=["Location: https://shop.example/ws/"]), "no_upgrade", "SECURE_SSL_REDIRECT"),
        (answers("426 Upgrade Required"), "no_upgrade", "WSGI"),
        (upgrades(accept="bm90IHRoZSByaWdodCBvbmU="), "bad_accept_key", "cache or proxy"),
        (upgrades(extra=["Sec-WebSocket-Extensions: permessage-deflate"]), "wrong_header", "header"),
        (upgrades(extra=["Sec-WebSocket-Protocol: mqtt"]), "wrong_subprotocol", "Browsers refuse"),
        (sends(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"), "wrong_header", "header"),
        (sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), "wrong_header", "header"),
        (sends(b"\x00garbage\r\n"), "bad_http", "HTTP"),
        (resets, "reset", "journal"),
        (hangs, "read_timeout", "in time"),
    ],
)
def test_websocket_failures(serve, behaviour, failure, hint):
    attempt = probe_once(serve(behaviour).target, WebSocketCheck("/ws/"), QUICK)
    assert attempt.failure == failure
    assert hint in attempt.hint


@pytest.mark.parametrize(
    ("chosen", "ok"), [(["Sec-WebSocket-Protocol: b"], True), (["Sec-WebSocket-Protocol: c"], False), ([], False)]
)
def test_subprotocols(serve, chosen, ok):
    server = serve(upgrades(extra=chosen))
    attempt = probe_once(server.target, WebSocketCheck("/ws/", subprotocols=("a", "b")), QUICK)
    assert attempt.ok is ok
    assert attempt.failure == (None if ok else "wrong_subprotocol")
    assert "\r\nSec-WebSocket-Protocol: a, b\r\n" in server.requests[0]


TEXT_PING, TEXT_PONG = b"\x81\x04ping", b"\x81\x04pong"


def unmasked(frame):
    return bytes(byte ^ frame[2 + position % 4] for position, byte in enumerate(frame[6:]))


def converses(*frames, then=None, received=None):
    """Greet with the first frames, and send one more for each message that comes; then wait for the end."""

    def behaviour(server, connection):
        connection.sendall(switching_protocols(accept_value(server.read_request(connection))))
        for frame in frames:
            message = connection.recv(200)
            if received is not None:
                received.append(message)
            connection.sendall(frame)
        if then:
            then(server, connection)
        while frame := connection.recv(200):
            if frame[0] == CLOSED_IN_ORDER[0]:
                connection.sendall(CLOSED_IN_ORDER)

    return behaviour


def drops(_server, connection):
    connection.shutdown(socket.SHUT_RDWR)


ECHO = WebSocketCheck("/ws/", send="ping", expect="pong")


def test_a_message_is_sent_and_comes_back(serve):
    received = []
    attempt = probe_once(serve(converses(TEXT_PONG, received=received)).target, ECHO, QUICK)
    assert (attempt.ok, attempt.evidence) == (True, "HTTP/1.1 101 Switching Protocols, closed with 1000")
    assert received[0][:2] == b"\x81\x84"
    assert unmasked(received[0]) == b"ping"


def test_a_greeting_is_expected_without_sending(serve):
    greeting = upgrades(frames=b"\x81\x05hello")
    assert probe_once(serve(greeting).target, WebSocketCheck("/ws/", expect="hello"), QUICK).ok


def test_other_messages_are_passed_over_fragments_joined_and_pings_answered(serve):
    received = []
    frames = (b"\x81\x05hello" + b"\x89\x02hi", b"\x01\x02po" + b"\x8a\x00" + b"\x80\x02ng")
    attempt = probe_once(serve(converses(*frames, received=received)).target, ECHO, QUICK)
    assert attempt.ok
    assert received[1][:2] == b"\x8a\x82"
    assert unmasked(received[1]) == b"hi"


@pytest.mark.parametrize(
    ("behaviour", "failure", "evidence"),
    [
        (converses(), "no_message", "the time was over before any message came"),
        (converses(b"\x89\x00"), "no_message", "the time was over"),
        (converses(b"", then=drops), "no_message", "the connection was dropped"),
        (converses(struct.pack("!BBH", 0x88, 2, 1008)), "no_message", "closed with 1008"),
        (converses(struct.pack("!BBH", 0x88, 2, 1011)), "server_error", "1011 (internal error)"),
        (converses(b"\x81\x04pong"[:5], then=drops), "no_message", "the connection was dropped"),
        (converses(TEXT_PING), "wrong_message", "one message came: 'ping' (expected to contain 'pong')"),
        (converses(TEXT_PING + b"\x81\x01x"), "wrong_message", "2 messages came, the last of them 'x'"),
        (converses(b"\x82\x7f" + b"\xff" * 8), "no_message", "dropped"),
    ],
)
def test_the_message_that_is_expected_does_not_come(serve, behaviour, failure, evidence):
    attempt = probe_once(serve(behaviour).target, ECHO, QUICK)
    assert (attempt.failure, attempt.status) == (failure, 101)
    assert evidence in attempt.evidence
    assert attempt.hint == CLASSES[failure].hint


# -- server-sent events ------------------------------------------------------------------------------------------------

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED = STREAM + b"Transfer-Encoding: chunked\r\n\r\n"


def streams(*parts, head=STREAM + b"\r\n"):
    """Send the parts one after the other, and keep the stream open."""

    def behaviour(server, connection):
        server.read_request(connection)
        connection.sendall(head)
        for part in parts:
            time.sleep(0.02)
            connection.sendall(part)
        connection.recv(1)

    return behaviour


@pytest.mark.parametrize(
    "behaviour",
    [
        streams(b": hello\n\n", b"event: hello\nda", b"ta: 1\n", b"\n"),
        streams(b"18\r\nevent: hello\r\ndata: 1\r\n\r\n\r\n", head=CHUNKED),
    ],
)
def test_the_first_event(serve, behaviour):
    server = serve(behaviour)
    attempt = probe_once(server.target, EventsCheck("/events/", SHOP, timeout=2), QUICK)
    assert (attempt.ok, attempt.status) == (True, 200)
    assert re.fullmatch(r"HTTP/1\.1 200 OK, then an event of 2[01] characters", attempt.evidence)
    assert attempt.latency_ms < 1000
    assert "\r\nAccept: text/event-stream\r\n" in server.requests[0]
    assert "\r\nHost: shop.example\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("behaviour", "failure", "evidence", "hint"),
    [
        (hangs, "no_event", "not even the head of an answer came within 0.3 s", "X-Accel-Buffering: no"),
        (streams(b"data: 1\n"), "no_event", "no complete event within 0.3 s, 8 bytes of it came", "proxy_buffering"),
        (streams(b": ping\n\n"), "no_event", "no complete event", "blank line"),
        (sends(STREAM + b"\r\ndata: 1\n"), "no_event", "ended without an event, 8 bytes", "data: …"),
        (sends(CHUNKED + b"ff\r\ndata"), "reset", "the connection was closed", "worker crashed"),
        (
            answers("200 OK", "a page", ["Content-Type: text/html"]),
            "not_an_event_stream",
            "Content-Type is text/html: a page",
            "StreamingHttpResponse",
        ),
        (answers("200 OK"), "not_an_event_stream", "Content-Type is missing", "StreamingHttpResponse"),
        (answers("404 Not Found"), "not_found", "404 Not Found", "URLs"),
        (answers("204 No Content"), "wrong_status", "(expected 200)", "view"),
        (answers("301 Moved", headers=["Location: https://shop.example/events/"]), "https_redirect_loop", "301", "SSL"),
        (resets, "reset", "reset by peer", "journal"),
    ],
)
def test_events_that_do_not_come(serve, behaviour, failure, evidence, hint):
    attempt = probe_once(serve(behaviour).target, EventsCheck("/events/", SHOP, timeout=0.3), QUICK)
    assert attempt.failure == failure
    assert evidence in attempt.evidence
    assert hint in attempt.hint


def test_events_without_a_connection_are_not_late_but_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale.sock"))
    assert failure_of(Target(unix_socket=str(tmp_path / "stale.sock")), EventsCheck("/events/")) == "refused"


# -- asking again ------------------------------------------------------------------------------------------------------

OK, ERROR = answers("200 OK"), answers("500 Internal Server Error")


def limits(**changes):
    return Limits(**{"connect_timeout": 0.5, "read_timeout": 0.5, "interval": 0.02, "deadline": 5, **changes})


def test_successes_must_come_in_a_row(serve):
    server = serve(OK, OK, ERROR, OK, OK, OK, ERROR)
    report = probe(server.target, [HttpCheck()], limits(successes=3))
    assert report.ok
    assert [attempt.ok for attempt in report.attempts] == [True, True, False, True, True, True]
    assert report.failure is None
    assert report.latency_ms["min"] <= report.latency_ms["median"] <= report.latency_ms["max"]


def test_every_check_must_pass_in_the_same_rounds(serve):
    server = serve(OK, upgrades(), OK, ERROR, OK, upgrades(), OK, upgrades(), ERROR)
    report = probe(server.target, [HttpCheck("/health/"), WebSocketCheck("/ws/")], limits(successes=2))
    assert report.ok
    assert report.attempt_count == 8


def test_both_failures_are_seen_and_the_first_is_named(serve):
    server = serve(answers("404 Not Found"), answers("200 OK"))
    report = probe(server.target, [HttpCheck("/health/"), WebSocketCheck("/ws/")], limits(interval=1, deadline=0.5))
    assert [attempt.failure for attempt in report.attempts] == ["not_found", "no_upgrade"]
    assert (report.check, report.failure) == ("GET /health/", "not_found")


def test_without_a_connection_the_other_checks_are_left_out(tmp_path):
    target = Target(unix_socket=str(tmp_path / "missing.sock"))
    report = probe(target, [HttpCheck(), WebSocketCheck("/ws/")], limits(deadline=0.3))
    assert {attempt.check for attempt in report.attempts} == {"GET /"}
    assert report.failure == "no_socket"
    assert report.latency_ms == {}


@pytest.mark.parametrize("behaviour", [ERROR, hangs, drips])
def test_the_deadline_holds(serve, behaviour):
    server = serve(behaviour)
    started = time.monotonic()
    report = probe(server.target, [HttpCheck()], limits(deadline=0.8, interval=0.1, read_timeout=0.6))
    assert not report.ok
    assert 0.5 < time.monotonic() - started < 1.5
    assert report.elapsed_ms == pytest.approx((time.monotonic() - started) * 1000, abs=200)


def test_what_the_deadline_cuts_off_does_not_hide_the_cause(serve):
    report = probe(serve(ERROR, hangs).target, [HttpCheck()], limits(deadline=0.4, read_timeout=60))
    assert report.attempts[-1].failure == "read_timeout"
    assert "cut off by the deadline" in report.attempts[-1].evidence
    assert report.failure == "server_error"


def test_nothing_failed_but_the_deadline_is_over(serve):
    def slow(server, connection):
        time.sleep(0.3)
        OK(server, connection)

    report = probe(
        serve(slow).target, [HttpCheck()], limits(successes=3, interval=0.2, deadline=0.45, read_timeout=0.4)
    )
    assert (report.ok, report.failure) == (False, "deadline")


def test_a_quick_start_is_seen_long_before_the_interval_is_over(tmp_path):
    path = str(tmp_path / "late.sock")
    servers = []

    def start():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        servers.append(Server(listener, Target(unix_socket=path), [OK]))

    timer = threading.Timer(0.3, start)
    timer.start()
    report = probe(Target(unix_socket=path), [HttpCheck()], limits(interval=10, deadline=60))
    timer.join()
    servers[0].close()
    assert report.ok
    assert report.elapsed_ms < 2000
    assert report.attempts[0].failure == "no_socket"


def test_every_attempt_is_returned(serve):
    report = probe(serve(*[ERROR] * 50, OK).target, [HttpCheck()], limits(interval=0.001))
    assert report.attempt_count == len(report.attempts) == 51
    assert [attempt.at_ms for attempt in report.attempts] == sorted(attempt.at_ms for attempt in report.attempts)


def test_a_very_long_wait_keeps_its_beginning_and_its_end(serve, monkeypatch):
    monkeypatch.setattr(health_probe, "FIRST_ATTEMPTS", 5)
    monkeypatch.setattr(health_probe, "LAST_ATTEMPTS", 15)
    server = serve(answers("404 Not Found"), *[ERROR] * 30, answers("503 Service Unavailable"), OK)
    report = probe(server.target, [HttpCheck()], limits(interval=0.001))
    assert report.attempt_count == 33
    assert len(report.attempts) == 20
    assert [report.attempts[index].status for index in (0, 1, -2, -1)] == [404, 500, 503, 200]


@pytest.mark.parametrize(
    ("backoff", "ceiling", "pauses"),
    [(1, 10, [0.1, 0.1, 0.1, 0.1]), (2, 10, [0.1, 0.1, 0.2, 0.4]), (2, 0.3, [0.1, 0.1, 0.2, 0.3])],
)
def test_the_pause_grows_with_each_failure(backoff, ceiling, pauses):
    grown = Limits(interval=0.1, backoff=backoff, max_interval=ceiling)
    assert [round(grown.pause(failures), 6) for failures in range(4)] == pauses
    assert grown.pause(10**6) <= 10


def test_the_pauses_of_a_probe_grow_and_are_short_again_after_a_success(serve):
    server = serve(ERROR, ERROR, ERROR, OK, ERROR, OK, OK)
    report = probe(server.target, [HttpCheck()], limits(interval=0.05, backoff=4, successes=2))
    began = [attempt.at_ms for attempt in report.attempts]
    gaps = [later - earlier for earlier, later in zip(began, began[1:])]
    assert report.ok
    assert 50 <= gaps[0] < 190 < gaps[1] < 790 < gaps[2]
    assert max(gaps[3:]) < 700


LASTING = [name for name, one in CLASSES.items() if one.lasts]


def test_some_failures_last_and_some_heal():
    assert {"disallowed_host", "https_redirect_loop", "tls_expired", "not_found", "no_upgrade"} <= set(LASTING)
    assert not {"refused", "no_socket", "server_error", "bad_gateway", "wrong_header", "deadline"} & set(LASTING)


def test_patience_ends_with_a_failure_that_lasts(serve):
    server = serve(ERROR, answers("404 Not Found"))
    report = probe(server.target, [HttpCheck()], limits(patience=0.3, deadline=30))
    assert (report.ok, report.failure) == (False, "not_found")
    assert 300 <= report.elapsed_ms < 3000
    assert report.attempt_count > 3


def test_without_patience_the_first_failure_that_lasts_ends_it(serve):
    report = probe(serve(answers("404 Not Found")).target, [HttpCheck()], limits(patience=0))
    assert (report.failure, report.attempt_count) == ("not_found", 1)


@pytest.mark.parametrize(
    ("behaviours", "checks"),
    [
        ([ERROR, ERROR, ERROR, OK], [HttpCheck()]),
        ([answers("505 HTTP Version Not Supported")] * 3 + [OK], [HttpCheck()]),
        ([answers("502 Bad Gateway")] * 3 + [upgrades()], [WebSocketCheck("/ws/")]),
    ],
)
def test_what_may_heal_is_waited_for(serve, behaviours, checks):
    report = probe(serve(*behaviours).target, checks, limits(patience=0))
    assert (report.ok, report.attempt_count) == (True, 4)


def test_patience_begins_anew_with_another_failure(serve):
    behaviours = [answers("404 Not Found"), ERROR] * 10
    report = probe(serve(*behaviours, OK).target, [HttpCheck()], limits(patience=0.15, interval=0.05))
    assert (report.ok, report.attempt_count) == (True, 21)


def test_a_round_over_the_latency_limit_has_failed(serve):
    def slow(server, connection):
        time.sleep(0.2)
        OK(server, connection)

    report = probe(serve(slow, slow, OK).target, [HttpCheck()], limits(latency_limit=0.15))
    assert [attempt.failure for attempt in report.attempts] == ["too_slow", "too_slow", None]
    first = report.attempts[0]
    assert first.status == 200
    assert re.fullmatch(r"HTTP/1\.1 200 OK after 0\.\d+ s \(limit 0\.15 s\)", first.evidence)


def test_a_slow_failure_is_named_for_what_it_is(serve):
    def slow(server, connection):
        time.sleep(0.2)
        ERROR(server, connection)

    assert probe_once(serve(slow).target, HttpCheck(), limits(latency_limit=0.1)).failure == "server_error"


def test_the_latency_limit_is_not_for_events(serve):
    def late(server, connection):
        server.read_request(connection)
        time.sleep(0.2)
        connection.sendall(STREAM + b"\r\ndata: 1\n\n")

    assert probe_once(serve(late).target, EventsCheck("/events/"), limits(latency_limit=0.1)).ok


def test_giving_up_says_why_and_what_was_met_last(serve):
    reasons = iter([None, Problem("unit_failed", "shop.service has failed (result timeout)", "Mend it.")])
    report = probe(serve(ERROR).target, [HttpCheck()], limits(), give_up=lambda: next(reasons))
    assert (report.ok, report.failure, report.attempt_count) == (False, "unit_failed", 2)
    assert report.evidence.startswith("shop.service has failed")
    assert "server_error: HTTP/1.1 500" in report.evidence
    assert report.hint == "Mend it."


def test_nothing_gives_up_on_success(serve):
    assert probe(serve(OK).target, [HttpCheck()], limits(), give_up=lambda: Problem("unit_failed", "gone")).ok


def test_nothing_to_ask():
    with pytest.raises(ValueError, match="nothing to ask"):
        probe(Target(port=80), [], limits())


# -- input -------------------------------------------------------------------------------------------------------------

INJECTION = "/\r\nX-Evil: 1"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HttpCheck(INJECTION), "path: .* control character"),
        (lambda: HttpCheck("/a\x00b"), "path: .* control character"),
        (lambda: HttpCheck("/a b"), "percent-encode"),
        (lambda: HttpCheck("/ä"), "percent-encode"),
        (lambda: HttpCheck("health/"), "must begin with /"),
        (lambda: HttpCheck("http://other.example/"), "must begin with /"),
        (lambda: HttpCheck(headers={"X-A": "1\r\nX-Evil: 1"}), "value of X-A contains a control character"),
        (lambda: HttpCheck(headers={"X-A": "1\nX-Evil: 1"}), "value of X-A contains a control character"),
        (lambda: HttpCheck(headers={"X-A: 1\r\nX-Evil": "1"}), "not the name of a header"),
        (lambda: HttpCheck(headers={"X-A:": "1"}), "not the name of a header"),
        (lambda: HttpCheck(headers={"": "1"}), "not the name of a header"),
        (lambda: HttpCheck(headers={"X-A": "ä"}), "beyond ASCII"),
        (lambda: HttpCheck(headers={"Host": "shop.example/evil"}), "not a valid Host"),
        (lambda: HttpCheck(headers={"Host": "shop.example\r\nX-Evil: 1"}), "control character"),
        (lambda: HttpCheck(headers={"Transfer-Encoding": "chunked"}), "set by the probe itself"),
        (lambda: WebSocketCheck("/ws/", headers={"Sec-WebSocket-Key": "x"}), "set by the probe itself"),
        (lambda: WebSocketCheck(INJECTION), "websocket_path: .* control character"),
        (lambda: WebSocketCheck("/ws/", subprotocols=("a\r\nX-Evil: 1",)), "subprotocols"),
        (lambda: HttpCheck(method="POST"), "neither GET nor HEAD"),
        (lambda: HttpCheck(method="HEAD", body_contains="x"), "no body"),
        (lambda: HttpCheck(body_pattern="("), "not a regular expression"),
        (lambda: HttpCheck(statuses=()), "at least one status"),
        (lambda: HttpCheck(statuses=(200, 9999)), "status: 9999 is no status of HTTP"),
        (lambda: HttpCheck(statuses=(99,)), "status: 99 is no status of HTTP"),
        (lambda: Target(host="a\r\nb", port=80), "host: "),
        (lambda: Target(host="a b", port=80), "host: "),
        (lambda: Target(host="shop.example"), "port: 0"),
        (lambda: Target(port=65536), "port: 65536"),
        (lambda: Target(unix_socket="run/shop.sock"), "must begin with /"),
        (lambda: Target(unix_socket=""), "must begin with /"),
        (lambda: Target(unix_socket="/run/a\nb"), "control character"),
        (lambda: Target(unix_socket="/" + "x" * 107), "longer than 107 bytes"),
        (lambda: Limits(deadline=0), "deadline: 0 must be greater than 0"),
        (lambda: Limits(successes=0), "successes"),
        (lambda: Limits(successes=4, interval=10, deadline=30), "do not fit into 30 s"),
        (lambda: Limits(backoff=0.5), "backoff: 0.5 is not between 1 and 10"),
        (lambda: Limits(patience=-1), "patience: -1 must not be less than 0"),
        (lambda: Limits(latency_limit=0), "latency_limit: 0 must be greater"),
        (lambda: EventsCheck("/events/", timeout=0), "events_timeout: 0 must be greater"),
        (lambda: EventsCheck("events/"), "events_path: 'events/' must begin with /"),
        (lambda: WebSocketCheck("/ws/", send="x"), "websocket_send: .* set websocket_expect"),
        (lambda: HttpCheck(json={"a": {"b": 1}}), "json: a expects a whole dict"),
        (lambda: HttpCheck(method="HEAD", json={"a": 1}), "no body"),
        (lambda: Tls("shop example"), "server_name: 'shop example'"),
        (lambda: Tls(""), "server_name: ''"),
        (lambda: Tls("shop.example", "/nowhere.pem"), "ca_path: '/nowhere.pem' holds no certificates"),
        (lambda: Tls("shop.example", __file__), "ca_path: .* holds no certificates"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_refused_header_does_not_show_its_value():
    with pytest.raises(ValueError) as error:
        HttpCheck(headers={"Authorization": "Bearer hunter2\n"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("make", [HttpCheck, WebSocketCheck, EventsCheck])
def test_the_query_of_a_path_is_never_shown(make):
    assert str(make("/loop?token=hunter2")).endswith(" /loop?…")
    with pytest.raises(ValueError, match="path: ") as error:
        make("/loop?token=hunter2 ")
    assert "hunter2" not in str(error.value)


def test_ipv6():
    assert Target(host="::1", port=8000).authority == "[::1]:8000"

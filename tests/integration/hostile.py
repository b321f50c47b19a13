# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no browser sends: requests to be sent as they stand, and what each must get."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from trial_site import DOMAIN, FORGED

EVIL = "evil.example.net"
# An answer is over when nothing more comes for so long.
QUIET = 0.4
CLOSED, SILENT = "closed", "silent"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
LARGEST = 1_000_000  # nginx_client_max_body_size: 1m, about
BODY_TIMEOUT = 3  # nginx_client_timeout
# Before it has read who is asked for, nginx goes by the default server, which all sites of a host share.
HEADER_TIMEOUT = 15


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Visitor:
    """A connection to the edge, and what is heard on it."""

    def __init__(self, address: str, port: int = 80) -> None:
        self.socket = socket.create_connection((address, port), timeout=5)
        self.heard = b""
        self.closed = False

    def send(self, data: bytes) -> None:
        """Who is cut off before he has said all still hears what was answered."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.socket.settimeout(5)
            self.socket.sendall(data)

    def drip(self, data: bytes, pause: float) -> None:
        for number in range(len(data)):
            if self.closed:
                return
            self.send(data[number : number + 1])
            self.hear(pause, quiet=pause)

    def hear(self, within: float, quiet: float = QUIET) -> None:
        until = time.monotonic() + within
        while not self.closed and (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return
            except ConnectionError:
                data = b""
            self.closed = not data
            self.heard += data
            until = time.monotonic() + quiet

    def perform(self, entry: Entry) -> None:
        if isinstance(entry.does, bytes):
            self.send(entry.does)
        else:
            entry.does(self)
        self.hear(entry.within)

    def answers(self) -> list[Answer]:
        return list(answers(self.heard))

    def outcome(self) -> str:
        statuses = " ".join(str(one.status) for one in self.answers())
        return statuses or (CLOSED if self.closed else SILENT)


def answers(heard: bytes) -> Iterator[Answer]:
    """One after the other, as they were framed; 0 is the status of what is no answer of HTTP/1."""
    while heard:
        found = re.match(rb"HTTP/1\.[01] ([0-9]{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", heard)
        if not found:
            yield Answer(0, {}, heard)
            return
        lines = [line.partition(b":") for line in found[2].splitlines()]
        headers = {name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, _colon, value in lines}
        status, rest = int(found[1]), heard[found.end() :]
        if status == 101:
            yield Answer(status, headers, rest)
            return
        body, heard = framed(status, headers, rest)
        yield Answer(status, headers, body)


def framed(status: int, headers: dict[str, str], rest: bytes) -> tuple[bytes, bytes]:
    """The body of an answer, and what comes behind it."""
    if status < 200 or status in (204, 304):
        return b"", rest
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while found := re.match(rb"([0-9a-fA-F]+)\r\n", rest):
            size = int(found[1], 16)
            body += rest[found.end() : found.end() + size]
            rest = rest[found.end() + size + 2 :]
            if not size:
                break
        return body, rest
    length = int(headers.get("content-length", len(rest)))
    return rest[:length], rest[length:]


# --- the entries ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One thing that a visitor may do.

    :param does: what is sent as it stands, or what drives the connection
    :param gets: what may come back: statuses, one after the other; or closed without an answer; or silence
    :param arrives: every request that reaches Django for it, unless it is refused before
    :param within: the seconds in which the answer begins, or the connection is closed
    :param holds: what has to be true of the answers, too
    """

    name: str
    does: bytes | Callable[[Visitor], None]
    gets: tuple[str, ...]
    arrives: tuple[str, ...] = ()
    within: float = 3
    holds: Callable[[list[Answer]], bool] = field(default=lambda _answers: True)


def request(line: str, *headers: str, host: str | None = DOMAIN, body: bytes = b"") -> bytes:
    lines = [line, *([f"Host: {host}"] if host is not None else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def get(path: str, *headers: str, host: str | None = DOMAIN) -> bytes:
    return request(f"GET {path} HTTP/1.1", *headers, host=host)


def post(*headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    return request(f"POST /upload/ HTTP/{version}", *headers, body=body)


def chunked(body: bytes, *headers: str) -> bytes:
    return post("Transfer-Encoding: chunked", *headers, body=body)


SMUGGLED = get("/smuggled/")
VISIT, UPLOAD = "GET /visit/", "POST /upload/"
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def saw_hello(found: list[Answer]) -> bool:
    return HELLO.encode() in found[-1].body


def framing() -> Iterable[Entry]:
    """Where one reads another request than the other does."""
    chunks = b"0\r\n\r\n" + SMUGGLED
    yield Entry(
        "Content-Length, then Transfer-Encoding",
        post("Content-Length: 5", "Transfer-Encoding: chunked", body=chunks),
        ("400",),
    )
    yield Entry("Transfer-Encoding, then Content-Length", chunked(chunks, f"Content-Length: {len(chunks)}"), ("400",))
    for name, line in {
        "that is unknown": "Transfer-Encoding: xchunked",
        "behind a tab": "Transfer-Encoding:\tchunked",
        "before a tab": "Transfer-Encoding: chunked\t",
        "behind a vertical tab": "Transfer-Encoding: \x0bchunked",
        "with identity": "Transfer-Encoding: chunked, identity",
        "in quotes": 'Transfer-Encoding: "chunked"',
    }.items():
        yield Entry(f"Transfer-Encoding {name}", post(line, "Content-Length: 5", body=chunks), ("400", "501"))
    yield Entry("Transfer-Encoding twice", chunked(chunks, "Transfer-Encoding: identity"), ("400", "501"))
    yield Entry(
        "Transfer-Encoding with an underscore",
        post("Transfer_Encoding: chunked", "Content-Length: 5", body=b"hello"),
        ("200",),
        (UPLOAD,),
        holds=saw_hello,
    )
    yield Entry(
        "Transfer-Encoding in HTTP/1.0", post("Transfer-Encoding: chunked", body=chunks, version="1.0"), ("400",)
    )
    yield Entry(
        "two Content-Lengths that differ",
        post("Content-Length: 5", "Content-Length: 50", body=b"hello" + SMUGGLED),
        ("400",),
    )
    yield Entry(
        "two Content-Lengths that agree", post("Content-Length: 5", "Content-Length: 5", body=b"hello"), ("400",)
    )
    for length in ("+5", "-5", "5 5", "5, 5", "0x5", "5.0", "5e0", "", "9" * 30):
        yield Entry(f"Content-Length: {length}", post(f"Content-Length: {length}", body=b"hello" + SMUGGLED), ("400",))
    yield Entry("Content-Length behind a tab", post("Content-Length:\t5", body=b"hello" + SMUGGLED), ("400",))
    for name, size in {
        "of a negative size": b"-5",
        "whose size overflows": b"f" * 17,
        "whose size has a sign": b"+5",
        "whose size is written 0x": b"0x5",
        "without a size": b"",
    }.items():
        yield Entry(f"a chunk {name}", chunked(size + b"\r\nhello\r\n0\r\n\r\n" + SMUGGLED), ("400",))
    yield Entry("a chunk longer than it says", chunked(b"3\r\nhello\r\n0\r\n\r\n" + SMUGGLED), ("400",))
    yield Entry(
        "a chunk with an extension", chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"), ("200",), (UPLOAD,), holds=saw_hello
    )
    # A line feed alone ends a line for nginx. What it hands on has a Content-Length, so nobody reads it otherwise.
    yield Entry(
        "a chunk whose extension ends in a line feed alone",
        chunked(b"5;a\nhello\r\n0\r\n\r\n"),
        ("200", "400"),
        (UPLOAD,),
        holds=lambda found: found[0].status == 400 or saw_hello(found),
    )
    yield Entry(
        "a trailer that lies",
        chunked(b"5\r\nhello\r\n0\r\nX-Real-IP: 6.6.6.6\r\nHost: evil.example.net\r\n\r\n"),
        ("200",),
        (UPLOAD,),
        holds=saw_hello,
    )
    yield Entry("a body of GET", get("/visit/", f"Content-Length: {len(SMUGGLED)}") + SMUGGLED, ("200",), (VISIT,))
    yield Entry(
        "a second request behind the first",
        post("Content-Length: 5", body=b"hello" + get("/visit/")),
        ("200 200",),
        (UPLOAD, VISIT),
    )
    yield Entry("a second request for another host", get("/visit/") + get("/smuggled/", host=EVIL), ("200",), (VISIT,))
    yield Entry("a second request that is none", get("/visit/") + b"\x00\x01\x02\r\n\r\n", ("200 400",), (VISIT,))


def lines() -> Iterable[Entry]:
    """What a request's line and its headers may look like."""
    yield Entry("line feeds alone", get("/visit/").replace(b"\r\n", b"\n"), ("200",), (VISIT,))
    yield Entry("a carriage return in a header", get("/visit/", "X-A: a\rX-Real-IP: 6.6.6.6"), ("400",))
    yield Entry("a NUL in a header", get("/visit/", "X-A: a\x00b"), ("400",))
    yield Entry("a NUL in a header's name", get("/visit/", "X-\x00A: a"), ("400",))
    yield Entry("a header that goes on in the next line", get("/visit/", "X-A: a", " X-Real-IP: 6.6.6.6"), ("400",))
    yield Entry("a first header that goes on", request("GET /visit/ HTTP/1.1", " X-A: a", host=None), ("400",))
    yield Entry("a space before the colon", get("/visit/", "X-Real-IP : 6.6.6.6"), ("400",))
    yield Entry("a header without a colon", get("/visit/", "X-Real-IP"), ("200", "400"), (VISIT,))
    yield Entry("a header without a name", get("/visit/", ": 6.6.6.6"), ("200", "400"), (VISIT,))
    yield Entry("HTTP/0.9", b"GET /visit/\r\n", (CLOSED, "400"))
    yield Entry("HTTP/1.0 without Host", request("GET /visit/ HTTP/1.0", host=None), (CLOSED,))
    yield Entry("HTTP/1.1 without Host", get("/visit/", host=None), ("400",))
    yield Entry("two Hosts", get("/visit/", f"Host: {EVIL}"), ("400",))
    yield Entry("two Hosts, the second the site's", get("/visit/", f"Host: {DOMAIN}", host=EVIL), ("400",))
    for host in (
        EVIL,
        "10.0.0.1",
        "[::1]",
        "localhost",
        f"{DOMAIN}.{EVIL}",
        f"{DOMAIN}:80.{EVIL}",
        f"{DOMAIN}:80abc",
        f"{DOMAIN}:",
        f"{DOMAIN}:999999",
    ):
        yield Entry(f"Host: {host}", get("/visit/", host=host), (CLOSED, "400"))
    for host in (
        f"{DOMAIN}/@{EVIL}",
        f"user@{DOMAIN}",
        f"{DOMAIN}, {EVIL}",
        f"{DOMAIN} {EVIL}",
        f"{DOMAIN}\\{EVIL}",
        f"{DOMAIN}#@{EVIL}",
        "",
        "..",
        f".{DOMAIN}",
    ):
        yield Entry(f"Host: {host!r}", get("/visit/", host=host), (CLOSED, "400"))
    yield Entry("Host in capitals", get("/visit/", host=DOMAIN.upper()), ("200",), (VISIT,))
    yield Entry("a full address for another host", get(f"http://{EVIL}/visit/"), (CLOSED,))
    yield Entry("a full address, and another Host", get(f"http://{DOMAIN}/visit/", host=EVIL), (CLOSED,))
    yield Entry("a full address and the same Host", get(f"http://{DOMAIN}/visit/"), ("200",), (VISIT,))
    yield Entry("a full address with a name before it", get(f"http://{DOMAIN}@{EVIL}/visit/"), (CLOSED, "400"))
    yield Entry("an address without a slash", get("visit/"), ("400",))
    yield Entry("CONNECT", request(f"CONNECT {EVIL}:443 HTTP/1.1"), ("400", "405"))
    yield Entry("CONNECT to a path", request("CONNECT /visit/ HTTP/1.1"), ("400", "405"))
    yield Entry("TRACE", request("TRACE /visit/ HTTP/1.1"), ("405",))
    yield Entry("OPTIONS *", request("OPTIONS * HTTP/1.1"), ("400", "405"))
    yield Entry("a method in small letters", request("get /visit/ HTTP/1.1"), ("400",))
    yield Entry("a method nobody knows", request("BREW /visit/ HTTP/1.1"), ("400", "403"), ("BREW /visit/",))
    yield Entry("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("400", "405", "505"))
    yield Entry("HTTP/2.0 by name", request("GET /visit/ HTTP/2.0"), ("505", "400"))
    yield Entry("HTTP/1.10", request("GET /visit/ HTTP/1.10"), ("200", "400", "505"), (VISIT,))
    yield Entry("two versions", request("GET /visit/ HTTP/1.1 HTTP/1.1"), ("400",))
    yield Entry("TLS where none is spoken", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), ("400",))


def upgrades(websockets: bool) -> Iterable[Entry]:
    """A tunnel is a place to hide requests in."""
    asked = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    hidden = get("/smuggled/", host=EVIL)
    yield Entry(
        "an upgrade to h2c",
        get("/visit/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAA"),
        ("200",),
        (VISIT,),
    )
    yield Entry("a WebSocket without a key", get("/visit/", *asked), ("200",), (VISIT,))
    yield Entry("a WebSocket with an empty key", get("/visit/", *asked, "Sec-WebSocket-Key:"), ("200",), (VISIT,))
    yield Entry(
        "a WebSocket by POST",
        request("POST /upload/ HTTP/1.1", *asked, KEY, "Content-Length: 5", body=b"hello"),
        ("200",),
        (UPLOAD,),
        holds=saw_hello,
    )
    yield Entry("a WebSocket of HTTP/1.0", request("GET /visit/ HTTP/1.0", *asked, KEY), ("200",), (VISIT,))
    yield Entry(
        "a WebSocket with a body that is a request",
        get("/visit/", *asked, KEY, f"Content-Length: {len(SMUGGLED)}") + SMUGGLED,
        ("200",),
        (VISIT,),
    )
    yield Entry(
        "a WebSocket with a body in chunks",
        get("/visit/", *asked, KEY, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        ("200",),
        (VISIT,),
    )
    yield Entry(
        "a WebSocket of another version, and a request behind it",
        get("/ws/echo/", *asked[:2], "Sec-WebSocket-Version: 9", KEY) + hidden,
        ("400", "426") if websockets else ("404",),
        () if websockets else ("GET /ws/echo/",),
    )
    yield Entry(
        "a WebSocket where there is none, and a request behind it",
        get("/visit/", *asked, KEY) + hidden,
        ("403",) if websockets else ("200",),
        () if websockets else (VISIT,),
    )
    yield Entry(
        "a WebSocket of another origin",
        get("/ws/board/", *asked, KEY, f"Origin: http://{EVIL}"),
        ("403",) if websockets else ("404",),
        () if websockets else ("GET /ws/board/",),
    )


def lies() -> Iterable[Entry]:
    """Django is told what nginx knows, whatever the visitor says. That is looked at wherever something arrives."""
    for name, value in {
        **FORGED,
        "Proxy": f"http://{EVIL}",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Server": EVIL,
    }.items():
        yield Entry(f"{name}: {value}", get("/visit/", f"{name}: {value}"), ("200", "400"), (VISIT,))
    yield Entry(
        "X-Forwarded-For twice",
        get("/visit/", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 6.6.6.6"),
        ("200",),
        (VISIT,),
    )
    for hop in (
        "X-Real-IP",
        "close, X-Forwarded-Proto",
        "X-Forwarded-For, X-Forwarded-Host, Host",
        "Transfer-Encoding, Content-Length",
    ):
        yield Entry(f"Connection: {hop}", get("/visit/", f"Connection: {hop}"), ("200",), (VISIT,))
    yield Entry(
        "Keep-Alive, TE and Trailer",
        get("/visit/", "TE: trailers", "Trailer: X-Real-IP", "Keep-Alive: 6"),
        ("200",),
        (VISIT,),
    )
    yield Entry(
        "X-Accel-Redirect from outside",
        get("/visit/", "X-Accel-Redirect: /media/private/secret.txt"),
        ("200",),
        (VISIT,),
    )
    yield Entry(
        "X-Original-URL", get("/visit/", "X-Original-URL: /smuggled/", "X-Rewrite-URL: /smuggled/"), ("200",), (VISIT,)
    )
    yield Entry(
        "a line break in an address to go to",
        get("/away/?to=/x%0d%0aSet-Cookie:%20evil=1"),
        ("302",),
        ("GET /away/?to=/x%0d%0aSet-Cookie:%20evil=1",),
        holds=lambda found: "set-cookie" not in found[0].headers,
    )
    yield Entry(
        "a line break in a path",
        get("/visit%0d%0aSet-Cookie:%20evil=1"),
        ("404",),
        ("GET /visit%0D%0ASet-Cookie:%20evil%3D1",),
        holds=lambda found: "set-cookie" not in found[0].headers,
    )
    yield Entry(
        "a path that is another host",
        get(f"//{EVIL}/%2e%2e/visit"),
        ("301", "404"),
        (f"GET //{EVIL}/../visit",),
        holds=lambda found: not found[0].headers.get("location", "/").startswith(("//", "http")),
    )


def paths() -> Iterable[Entry]:
    """Out of the folders that nginx serves, and into what it does not."""
    for path in (
        "/static/../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/media/..%2f..%2f..%2fetc/passwd",
        "/..",
        "/static/%00",
        "/static/board/board.css%00.txt",
        "/visit/%00",
        "/visit/%zz",
    ):
        yield Entry(path, get(path), ("400",))
    for path in (
        "/static/..%5c..%5cetc%5cpasswd",
        "/static/..\\..\\etc\\passwd",
        "/static/%252e%252e/%252e%252e/etc/passwd",
        "/static//etc/passwd",
        "/static/./././etc/passwd",
        "/static/board",
        "/static/..;/..;/etc/passwd",
        "/media/%2fetc/passwd",
        "/media/link/passwd",
        "/media/private/secret.txt",
        "/media/private/../private/secret.txt",
        "/media/%70rivate/secret.txt",
        "/media//private/secret.txt",
        "/media/./private//secret.txt",
    ):
        yield Entry(path, get(path), ("403", "404", "301"))
    for path in ("/static/", "/media/"):
        yield Entry(f"a list of {path}", get(path), ("403", "404"))
    for path in (
        "/.env",
        "/.git/config",
        "/static/.env",
        "/media/.env",
        "/a/.b",
        "/.well-known/../.env",
        "/.well-known/.env",
        "/.well-known/acme-challenge/../../.env",
        "/%2eenv",
        "/%2e%65nv",
        "//.env",
        "/a/..%2f.env",
        "/.well-knownx",
        "/.switchyard/502.html",
        "/.switchyard/413.html",
        "/.switchyard/../.switchyard/502.html",
        "/.switchyard/x",
    ):
        yield Entry(path, get(path), ("404",))
    # What is Django's is Django's, whether it has such a page or not.
    for path, arrived in {
        "/static/../etc/passwd": "/static/../etc/passwd",
        "/static../manage.py": "/static../manage.py",
        "/media..%2f": "/media../",
        "/.well-known/x": "/.well-known/x",
        "/@websocket": "/@websocket",
        "/@earlier_static": "/@earlier_static",
        "/smuggled%20HTTP/1.1%0d%0aHost:%20x": "/smuggled%20HTTP/1.1%0D%0AHost:%20x",
        "/a?b=/../../.env": "/a?b=/../../.env",
    }.items():
        yield Entry(path, get(path), ("404",), (f"GET {arrived}",))


def no_larger_than(size: int) -> Callable[[list[Answer]], bool]:
    return lambda found: sum(len(one.body) for one in found) <= size


def without_a_hundred(found: list[Answer]) -> bool:
    return [one.status for one in found] == [413] and b"<h1>Too large</h1>" in found[0].body


def sizes() -> Iterable[Entry]:
    too_long = 2 * LARGEST
    yield Entry("an address of 9000 characters", get(f"/visit/?{'q' * 9000}"), ("414",))
    yield Entry("an address without end", b"GET /" + b"a" * 100_000, ("414",))
    yield Entry("a header of 9000 characters", get("/visit/", f"Cookie: {'c' * 9000}"), ("400",))
    yield Entry("a header's name of 9000 characters", get("/visit/", f"{'N' * 9000}: 1"), ("400",))
    yield Entry(
        "1000 headers of 40 characters",
        get("/visit/", *(f"X-{number:04}: {'v' * 32}" for number in range(1000))),
        ("400",),
    )
    yield Entry(
        "1000 short headers",
        get("/visit/", *(f"X{number}: v" for number in range(1000))),
        ("200", "400", "431"),
        (VISIT,),
    )
    yield Entry("100 000 empty lines", b"\r\n" * 100_000, ("400", CLOSED, SILENT))
    yield Entry(
        "a body that is too large, of which nothing was sent",
        post(f"Content-Length: {too_long}"),
        ("413",),
        within=1,
        holds=without_a_hundred,
    )
    yield Entry(
        "a body that is too large, all of it",
        post(f"Content-Length: {too_long}", body=bytes(too_long)),
        ("413",),
        holds=without_a_hundred,
    )
    yield Entry(
        "chunks that are too large together",
        chunked(b"ffff\r\n".join([b"", *[bytes(0xFFFF) + b"\r\n"] * 40])),
        ("413",),
        holds=without_a_hundred,
    )
    yield Entry(
        "a chunk that says it is too large", chunked(b"fffffff\r\nx"), ("413",), within=1, holds=without_a_hundred
    )
    yield Entry(
        "a body that is too large, and asks first",
        post(f"Content-Length: {too_long}", "Expect: 100-continue"),
        ("413",),
        within=1,
        holds=without_a_hundred,
    )
    yield Entry(
        "a small body that asks first",
        post("Content-Length: 5", "Expect: 100-continue", body=b"hello"),
        ("100 200",),
        (UPLOAD,),
        holds=saw_hello,
    )
    yield Entry(
        "an expectation nobody knows", get("/visit/", "Expect: the-spanish-inquisition"), ("200", "417"), (VISIT,)
    )
    for ranges in ("0-," * 1000, "0-0," * 1500, "-1," * 1500, "5-0", "9" * 30 + "-"):
        name = ranges if len(ranges) < 9 else f"{ranges[:9]}…"
        yield Entry(
            f"Range: bytes={name}",
            get("/static/board/board.css", f"Range: bytes={ranges.rstrip(',')}"),
            ("200", "206", "416"),
            holds=no_larger_than(40_000),
        )


def slowness() -> Iterable[Entry]:
    """These run beside the others, and each has a path of its own below /late/."""

    def slow_header(visitor: Visitor) -> None:
        visitor.drip(get("/late/header/", "X-A: " + "a" * 60), 1)

    def slow_second_header(visitor: Visitor) -> None:
        visitor.send(get("/late/first/"))
        visitor.hear(5)
        visitor.drip(get("/late/second/", "X-A: " + "a" * 60), 1)

    def slow_body(visitor: Visitor) -> None:
        visitor.send(request("POST /late/body/ HTTP/1.1", "Content-Length: 100", body=b"x"))

    def halting_body(visitor: Visitor) -> None:
        visitor.send(request("POST /late/halting/ HTTP/1.1", "Content-Length: 8"))
        visitor.drip(b"hello yo", 0.7)

    def silence(visitor: Visitor) -> None:
        others = [Visitor(visitor.socket.getpeername()[0]) for _dummy in range(200)]
        visitor.hear(HEADER_TIMEOUT + 4)
        for other in others:
            other.hear(3)
        visitor.closed = all(other.closed for other in [visitor, *others])

    def half_closed(visitor: Visitor) -> None:
        visitor.send(get("/late/half/"))
        visitor.socket.shutdown(socket.SHUT_WR)

    def gone(visitor: Visitor) -> None:
        visitor.send(request("POST /late/gone/ HTTP/1.1", "Content-Length: 100", body=b"x"))
        visitor.socket.close()
        visitor.closed = True

    yield Entry("a header, a byte a second", slow_header, (CLOSED, "408"), within=HEADER_TIMEOUT + 4)
    yield Entry(
        "a second header, a byte a second", slow_second_header, ("404",), ("GET /late/first/",), HEADER_TIMEOUT + 4
    )
    yield Entry("a body of which nothing more comes", slow_body, (CLOSED, "408"), within=BODY_TIMEOUT + 4)
    yield Entry("a body in small bits", halting_body, ("404", "403"), ("POST /late/halting/",), within=10)
    yield Entry("200 connections that say nothing", silence, (CLOSED,), within=HEADER_TIMEOUT + 4)
    yield Entry("a visitor who says no more", half_closed, ("404", CLOSED), ("GET /late/half/",))
    yield Entry("a visitor who is gone before he has said all", gone, (CLOSED,))


def table(websockets: bool) -> list[Entry]:
    return [*framing(), *lines(), *upgrades(websockets), *lies(), *paths(), *sizes()]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request over a unix socket or TCP, with or without TLS, in a time that a slow server cannot stretch."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import os
import re
import socket
import ssl
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import event_stream, websocket
from ansible_collections.switchyard.django.plugins.module_utils.page_text import excerpt, printable, without_query
from ansible_collections.switchyard.django.plugins.module_utils.tls import Tls

HOST = re.compile(r"[A-Za-z0-9._:%\[\]-]+")
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")

_LONGEST_SOCKET_PATH = 107
_LONGEST_BODY = 1024 * 1024
_PART = 64 * 1024
# How zlib is to read a content coding. Not every server wraps what it calls deflate, as RFC 9110 wants it.
_ZLIB_WINDOWS = {
    "gzip": (zlib.MAX_WBITS | 16,),
    "x-gzip": (zlib.MAX_WBITS | 16,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}
_QUEUE_FULL_WAIT = 0.05
_CLOSE_WAIT = 1.0
# An application that accepts a WebSocket and then fails (its message broker is down) does so within this time.
_FAILING_TIME = 0.1
_PEEK_TIME = 0.01


@dataclass(frozen=True)
class Target:
    """Where the application listens: a unix socket or, without one, a host and a port; and whether it speaks TLS."""

    unix_socket: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    tls: Tls | None = None

    def __post_init__(self) -> None:
        if self.unix_socket is None:
            if not HOST.fullmatch(self.host):
                raise ValueError(f"host: {self.host!r} is neither a host name nor an address")
            if not 1 <= self.port <= 65535:
                raise ValueError(f"port: {self.port} is not between 1 and 65535")
            return
        if CONTROL_CHARACTER.search(self.unix_socket):
            raise ValueError(f"unix_socket: {self.unix_socket!r} contains a control character")
        if not self.unix_socket.startswith("/"):
            raise ValueError(f"unix_socket: {self.unix_socket!r} must begin with /")
        if len(self.unix_socket.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(f"unix_socket: {self.unix_socket!r} is longer than {_LONGEST_SOCKET_PATH} bytes")

    def __str__(self) -> str:
        place = f"unix:{self.unix_socket}" if self.unix_socket else self.authority
        return f"{place} (TLS, {self.tls.server_name})" if self.tls else place

    @property
    def authority(self) -> str:
        """The Host header that is sent where the check brings none."""
        if self.unix_socket:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What came back. The names of the headers are lower-case."""

    status: int
    status_line: str
    headers: Mapping[str, str]
    body: str

    def summary(self) -> str:
        """The status line and what tells most about it: where it leads to, or the beginning of the page."""
        detail = without_query(self.headers["location"]) if "location" in self.headers else excerpt(self.body)
        return f"{self.status_line}: {detail}" if detail else self.status_line


class Stage(Enum):
    """How far a connection has come."""

    CONNECT = "connection"
    TLS = "TLS handshake"
    ANSWER = "complete answer"


class Connection(http.client.HTTPConnection):
    """One connection to the target, for one request. `until` (monotonic) ends it whatever the time-outs say."""

    def __init__(self, target: Target, connect_timeout: float, read_timeout: float, until: float) -> None:
        super().__init__(target.host, target.port)
        self.target = target
        self.stage = Stage.CONNECT
        self.answered_at: float | None = None
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._until = until
        self._transport: _Transport | None = None
        self._response: http.client.HTTPResponse | None = None

    def connect(self) -> None:
        expires = min(time.monotonic() + self._connect_timeout, self._until)
        connected = _open_socket(self.target, expires)
        if self.target.tls:
            self.stage = Stage.TLS
            connected = _shake_hands(connected, self.target.tls, expires)
        self.stage = Stage.ANSWER
        self._transport = _Transport(connected, min(time.monotonic() + self._read_timeout, self._until))
        # http.client asks of its socket no more than sendall, makefile and close.
        self.sock = self._transport

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """The whole answer, or the head of one that switches protocols."""
        return self._answer(self._request(method, path, headers))

    def ask_for_events(self, path: str, headers: Mapping[str, str]) -> tuple[Answer, event_stream.EventReader | None]:
        """The head of the answer and what reads its events; or a whole answer that is no stream of events."""
        response = self._request("GET", path, headers)
        if response.status != 200 or response.headers.get_content_type() != event_stream.MEDIA_TYPE:
            return self._answer(response), None
        return _as_answer(response, ""), event_stream.EventReader(lambda: response.read1(_PART))

    def note_answer(self) -> None:
        """Take this moment for the one of the answer."""
        self.answered_at = time.monotonic()

    def _request(self, method: str, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        host = header_value(headers, "host") or self.target.authority
        others = {name: value for name, value in headers.items() if name.lower() != "host"}
        self.request(method, path, headers={"Host": host, **others})
        self._response = self.getresponse()
        return self._response

    def _answer(self, response: http.client.HTTPResponse) -> Answer:
        body = response.read(_LONGEST_BODY) if response.status != 101 else b""
        if response.length and len(body) < _LONGEST_BODY:
            raise http.client.IncompleteRead(body, response.length)
        self.note_answer()
        plain = _decompress(body, response.headers.get("Content-Encoding", ""))
        return _as_answer(response, _decode(plain, response.headers.get_content_charset("utf-8")))

    def drops_websocket(self) -> bool:
        """Whether the server hangs up without a word as soon as it has switched to WebSocket."""
        if self._transport is None or self._response is None:
            return True
        time.sleep(max(0.0, min(_FAILING_TIME, self._until - time.monotonic())))
        self._transport.expires = time.monotonic() + _PEEK_TIME
        try:
            return not self._response.fp.peek(1)
        except (TimeoutError, socket.timeout):
            return False
        except OSError:
            return True

    def exchange(self, message: str | None) -> Iterator[str | websocket.Frame | None]:
        """Send a message, and yield those that come within the read time-out; at last what ended them.

        That is the server's close frame, or None where the connection broke off. Running out of time is an error.
        """
        if self._transport is None or self._response is None:
            return
        self._transport.expires = min(time.monotonic() + self._read_timeout, self._until)
        if message is not None:
            self._transport.sendall(websocket.client_frame(websocket.TEXT, message.encode()))
        while True:
            came = websocket.read_message(self._response.fp, self._transport.sendall)
            yield came
            if not isinstance(came, str):
                return

    def close_websocket(self) -> int | None:
        """Close as RFC 6455 asks for; the code of the server's close frame, or None if it sent none in time."""
        if self._transport is None or self._response is None:
            return None
        self._transport.expires = min(time.monotonic() + _CLOSE_WAIT, self._until)
        # Where the server has closed already, sending may fail, and what it said is still to be read.
        with contextlib.suppress(OSError):
            self._transport.sendall(websocket.close_frame())
        with contextlib.suppress(OSError):
            return websocket.read_close_code(self._response.fp)
        return None

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        super().close()


class _Transport:
    """A socket with one time limit for all that is still to come.

    A socket's own time-out begins anew with each read: a server that sends a byte now and then would hold the probe
    for ever.
    """

    def __init__(self, connected: socket.socket, expires: float) -> None:
        self._socket = connected
        self.expires = expires

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_left(self.expires))
        self._socket.sendall(data)

    def receive_into(self, buffer: bytearray) -> int:
        self._socket.settimeout(_left(self.expires))
        return self._socket.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TransportReader(self, self._socket.makefile(mode, buffering=0)))  # type: ignore[call-overload]

    def close(self) -> None:
        self._socket.close()


class _TransportReader(io.RawIOBase):
    """Reads from the transport. The socket's own stream is there to hold the socket open while anybody reads:
    by itself it would refuse to read on after a time-out.
    """

    def __init__(self, transport: _Transport, stream: io.RawIOBase) -> None:
        super().__init__()
        self._transport = transport
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._transport.receive_into(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _open_socket(target: Target, expires: float) -> socket.socket:
    if target.unix_socket:
        return _open_unix_socket(target.unix_socket, expires)
    return _open_tcp_socket(target.host, target.port, expires)


def _open_tcp_socket(host: str, port: int, expires: float) -> socket.socket:
    """Connect to the first of the name's addresses that answers, all within the time for one connection."""
    problem: OSError | None = None
    for family, kind, protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        unconnected = socket.socket(family, kind, protocol)
        try:
            unconnected.settimeout(_left(expires))
            unconnected.connect(address)
            return unconnected
        except OSError as error:
            unconnected.close()
            problem = error
    raise problem or OSError(f"{host} has no address")


def _open_unix_socket(path: str, expires: float) -> socket.socket:
    """Connect, and wait where the server's queue is full: unlike TCP, the kernel then refuses at once."""
    while True:
        unconnected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            unconnected.settimeout(_left(expires))
            unconnected.connect(path)
            return unconnected
        except BlockingIOError:
            unconnected.close()
            time.sleep(min(_QUEUE_FULL_WAIT, _left(expires)))
        except ConnectionRefusedError:
            unconnected.close()
            _refuse_other_files(path)
            raise
        except OSError:
            unconnected.close()
            raise


def _refuse_other_files(path: str) -> None:
    """Linux refuses a connection to a plain file as it does one to a socket on which nobody listens."""
    mode = os.stat(path).st_mode
    if not stat.S_ISSOCK(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a plain file" if stat.S_ISREG(mode) else "a device or pipe"
        raise OSError(errno.ENOTSOCK, f"it is {kind}, not a socket")


def _shake_hands(connected: socket.socket, tls: Tls, expires: float) -> ssl.SSLSocket:
    """A handshake under the time-out of the socket, which the ssl module keeps for the handshake as a whole."""
    try:
        connected.settimeout(_left(expires))
        return tls.context().wrap_socket(connected, server_hostname=tls.server_name)
    except OSError:
        connected.close()
        raise


def speaks_tls(target: Target, expires: float) -> bool:
    """Whether a TLS handshake succeeds there, whoever the server proves to be."""
    anybody = Tls("localhost", validate=False)
    try:
        _shake_hands(_open_socket(target, expires), anybody, expires).close()
    except OSError:
        return False
    return True


def _left(expires: float) -> float:
    left = expires - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def header_value(headers: Mapping[str, str], wanted: str) -> str:
    """The value of a header, however its name is capitalised; empty where it is missing. `wanted` is lower-case."""
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _as_answer(response: http.client.HTTPResponse, body: str) -> Answer:
    version = "HTTP/1.0" if response.version == 10 else "HTTP/1.1"
    status_line = printable(f"{version} {response.status} {response.reason}")
    names = {name.lower() for name in response.headers}
    values = {name: ", ".join(response.headers.get_all(name, [])) for name in names}
    return Answer(response.status, status_line, values, body)


def _decompress(body: bytes, coding: str) -> bytes:
    """The body as it was before gzip or deflate, which some servers use unasked; else the body as it is."""
    for window in _ZLIB_WINDOWS.get(coding.strip().lower(), ()):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(window).decompress(body, _LONGEST_BODY)
    return body


def _decode(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, errors="replace")
    except (LookupError, UnicodeError):
        return body.decode("utf-8", errors="replace")

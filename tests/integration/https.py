# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a host over TLS, by the names that a test chooses."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS = 4, 1
# HPACK's static table (RFC 7541, appendix A): GET, https, /, and the answer's 200.
GET_ROOT, STATUS_200 = b"\x82\x87\x84", 0x88
END_STREAM_AND_HEADERS = 0x5


@dataclass(frozen=True)
class Place:
    """Where to ask, and the authority that its certificate must come from."""

    address: str
    authority: Path
    port: int = 443

    @contextlib.contextmanager
    def connected(self, name: str | None, alpn: Sequence[str] = ("http/1.1",)) -> Iterator[ssl.SSLSocket]:
        """A connection on which TLS was begun with this name; without one, no certificate is looked at."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = name is not None
        context.set_alpn_protocols(list(alpn))
        with (
            socket.create_connection((self.address, self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=name) as connection,
        ):
            yield connection

    def get(self, path: str, name: str, host: str = "") -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request by HTTP/1.1, under another Host where one is given."""
        with self.connected(name) as connection:
            asking = http.client.HTTPConnection(name, self.port)
            asking.sock = connection
            asking.request("GET", path, headers={"Host": host or self.written(name)})
            answer = asking.getresponse()
            return answer.status, answer.headers, answer.read()

    def written(self, name: str) -> str:
        """A name as it stands in Host."""
        return name if self.port == 443 else f"{name}:{self.port}"

    def answers_by_http2(self, name: str) -> bool:
        """Whether the front page is there with status 200, by HTTP/2."""
        with self.connected(name, ["h2"]) as connection:
            if connection.selected_alpn_protocol() != "h2":
                return False
            authority = name.encode()
            asked = GET_ROOT + b"\x41" + bytes([len(authority)]) + authority
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_STREAM_AND_HEADERS, 1, asked))
            stream = connection.makefile("rb")
            while head := stream.read(9):
                content = stream.read(int.from_bytes(head[:3], "big"))
                if head[3] == HEADERS:
                    # A change of the table's size may stand in front.
                    return content.lstrip(bytes(range(0x20, 0x40)))[0] == STATUS_200
        return False


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def refusal(address: str, name: str | None, port: int = 443, oldest: bool = False) -> str:
    """Why TLS does not come about, or nothing, whatever the certificate. `oldest`: by TLS 1.0 and 1.1 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if oldest:
        context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((address, port), timeout=20) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name):
                return ""
        except (ssl.SSLError, ConnectionError) as problem:
            return getattr(problem, "reason", None) or repr(problem)

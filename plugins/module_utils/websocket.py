# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of RFC 6455 that a probe needs: the opening handshake, a message each way and an orderly close."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

# RFC 6455, section 1.3: both ends join it to the key, so that only a WebSocket server can answer.
HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

_FINAL = 0x80
_MASKED = 0x80
# No message of a probe is larger: a length beyond it is a server that doesn't speak WebSocket.
_LARGEST_MESSAGE = 1024 * 1024


@dataclass(frozen=True)
class Frame:
    """One frame as it came from the server."""

    opcode: int
    final: bool
    payload: bytes

    @property
    def close_code(self) -> int | None:
        """Why the server closes, where it says so."""
        if self.opcode != CLOSE or len(self.payload) < 2:
            return None
        return int(struct.unpack("!H", self.payload[:2])[0])


def new_key() -> str:
    """A fresh Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode("ascii")


def accept_for(key: str) -> str:
    """The Sec-WebSocket-Accept with which a server proves that it read the key."""
    digest = hashlib.sha1((key + HANDSHAKE_GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def handshake_headers(key: str, subprotocols: Sequence[str] = ()) -> dict[str, str]:
    """What asks an HTTP server to go on as a WebSocket."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    if subprotocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    return headers


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message in one frame, masked as every frame of a client must be."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))
    return bytes((_FINAL | opcode,)) + _announced_length(len(payload)) + mask + masked


def close_frame(code: int = NORMAL_CLOSURE) -> bytes:
    return client_frame(CLOSE, struct.pack("!H", code))


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame, or None where the stream ends or breaks the protocol."""
    head = stream.read(2)
    if len(head) < 2 or head[1] & _MASKED:
        return None
    length = _payload_length(head[1], stream)
    if length is None or length > _LARGEST_MESSAGE:
        return None
    payload = stream.read(length)
    return Frame(head[0] & 0x0F, bool(head[0] & _FINAL), payload) if len(payload) == length else None


def read_message(stream: BinaryIO, send: Callable[[bytes], None]) -> str | Frame | None:
    """The next message; the frame with which the server closes instead; None where the stream ends or breaks off.

    Pings are answered and fragments are joined. Binary messages are read as text.
    """
    message = b""
    while True:
        frame = read_frame(stream)
        if frame is None or frame.opcode == CLOSE:
            return frame
        if frame.opcode == PING:
            send(client_frame(PONG, frame.payload))
        elif frame.opcode in (TEXT, BINARY, CONTINUATION):
            message += frame.payload
            if len(message) > _LARGEST_MESSAGE:
                return None
            if frame.final:
                return message.decode("utf-8", errors="replace")


def read_close_code(stream: BinaryIO) -> int | None:
    """Read frames up to the server's close frame; its code, or None where there is none.

    Whatever the application says before it closes (a greeting, a ping) is passed over.
    """
    while True:
        frame = read_frame(stream)
        if frame is None or frame.opcode == CLOSE:
            return frame.close_code if frame else None


def _announced_length(length: int) -> bytes:
    if length < 126:
        return bytes((_MASKED | length,))
    if length < 1 << 16:
        return struct.pack("!BH", _MASKED | 126, length)
    return struct.pack("!BQ", _MASKED | 127, length)


def _payload_length(announced: int, stream: BinaryIO) -> int | None:
    """The real length: 126 and 127 announce that it follows in two or eight bytes."""
    layout = {126: "!H", 127: "!Q"}.get(announced)
    if layout is None:
        return announced
    size = struct.calcsize(layout)
    extended = stream.read(size)
    return int(struct.unpack(layout, extended)[0]) if len(extended) == size else None

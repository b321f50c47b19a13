# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of RFC 6455 that a probe needs: the opening handshake and an orderly close."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Sequence
from typing import BinaryIO

# RFC 6455, section 1.3: both ends join it to the key, so that only a WebSocket server can answer.
HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011

_OPCODE_CLOSE = 0x8
_FINAL = 0x80
_MASKED = 0x80
# No greeting is larger: a length beyond it is a server that doesn't speak WebSocket.
_LARGEST_FRAME = 1024 * 1024


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


def close_frame(code: int = NORMAL_CLOSURE) -> bytes:
    """A client's close frame: masked, as every frame of a client must be."""
    payload = struct.pack("!H", code)
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))
    return bytes((_FINAL | _OPCODE_CLOSE, _MASKED | len(payload))) + mask + masked


def read_close_code(stream: BinaryIO) -> int | None:
    """Read frames up to the server's close frame; its code, or None where the stream ends or breaks the protocol first.

    Whatever the application says before it closes (a greeting, a ping) is passed over.
    """
    while True:
        head = stream.read(2)
        if len(head) < 2 or head[1] & _MASKED:
            return None
        length = _payload_length(head[1], stream)
        if length is None or length > _LARGEST_FRAME:
            return None
        payload = stream.read(length)
        if head[0] & 0x0F == _OPCODE_CLOSE:
            return int(struct.unpack("!H", payload[:2])[0]) if len(payload) >= 2 else None


def _payload_length(announced: int, stream: BinaryIO) -> int | None:
    """The real length: 126 and 127 announce that it follows in two or eight bytes."""
    layout = {126: "!H", 127: "!Q"}.get(announced)
    if layout is None:
        return announced
    size = struct.calcsize(layout)
    extended = stream.read(size)
    return int(struct.unpack(layout, extended)[0]) if len(extended) == size else None

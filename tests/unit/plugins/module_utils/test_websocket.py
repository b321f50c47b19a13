# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import struct

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import websocket


def test_the_example_of_rfc_6455():
    assert websocket.accept_for("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_each_key_is_new():
    assert len({websocket.new_key() for _dummy in range(100)}) == 100


def test_each_close_frame_has_its_own_mask():
    frames = [websocket.close_frame(1001) for _dummy in range(20)]
    assert len({frame[2:6] for frame in frames}) > 1
    for frame in frames:
        assert frame[:2] == b"\x88\x82"
        assert bytes(byte ^ frame[2 + position] for position, byte in enumerate(frame[6:])) == struct.pack("!H", 1001)


def test_no_subprotocol_no_header():
    assert "Sec-WebSocket-Protocol" not in websocket.handshake_headers("key")


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x88\x02\x03\xe8", 1000),
        (b"\x88\x06\x03\xf4gone", 1012),
        (b"\x81\x02hi\x8a\x00\x88\x02\x03\xe8", 1000),
        (b"\x82\x7e\x00\x80" + b"x" * 128 + b"\x88\x02\x03\xe8", 1000),
        (b"\x82\x7f" + struct.pack("!Q", 70000) + b"x" * 70000 + b"\x88\x02\x03\xe8", 1000),
        (b"", None),
        (b"\x88", None),
        (b"\x88\x00", None),
        (b"\x88\x01x", None),
        (b"\x88\x82abcd\x03\xe8", None),
        (b"\x82\x7e\x00", None),
        (b"\x82\x7f" + b"\xff" * 8, None),
    ],
)
def test_read_close_code(stream, code):
    assert websocket.read_close_code(io.BytesIO(stream)) == code

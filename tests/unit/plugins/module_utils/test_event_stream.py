# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.event_stream import EventReader


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("stream", "event"),
    [
        (b"data: 1\n\n", "data: 1"),
        (b"data\n\n", "data"),
        (b"event: hello\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", "event: hello\r\ndata: 1"),
        (b"data: 1\r\r", "data: 1"),
        (b"data: 1\n\r\n", "data: 1"),
        (b"\xef\xbb\xbfdata: 1\n\n", "\ufeffdata: 1"),
        (b": ping\n\nretry: 1000\n\nevent: x\n\nid: 7\ndata: 1\n\n", "id: 7\ndata: 1"),
        (b"data: \xff\n\n", "data: \ufffd"),
        (b"event: x\r\ndata: 1\r\n", None),
        (b"database: 1\n\n", None),
        (b"data: 1\n", None),
        (b"", None),
    ],
)
def test_the_first_event(stream, event, size):
    parts = iter([stream[begin : begin + size] for begin in range(0, len(stream), size)])
    reader = EventReader(lambda: next(parts, b""))
    assert reader.first_event() == event


def test_what_came_before_the_time_was_over_is_known():
    parts = iter([b": ping\n\n", b"data: 1\n"])

    def read():
        try:
            return next(parts)
        except StopIteration:
            raise TimeoutError from None

    reader = EventReader(read)
    with pytest.raises(TimeoutError):
        reader.first_event()
    assert reader.received == b": ping\n\ndata: 1\n"


def test_a_stream_without_a_blank_line_is_not_read_for_ever():
    asked = []
    reader = EventReader(lambda: asked.append(1) or b"data: " + b"x" * 65536)
    assert reader.first_event() is None
    assert len(asked) < 20

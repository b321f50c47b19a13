# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of server-sent events (text/event-stream) that a probe needs: where the first event ends."""

from __future__ import annotations

import re
from collections.abc import Callable

MEDIA_TYPE = "text/event-stream"

_LARGEST_EVENT = 1024 * 1024
_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class EventReader:
    """Finds the first event in what `read` returns, part by part; nothing means the end of the stream.

    `received` holds what has been read so far, also where `read` raises.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self.received = b""
        self._read = read

    def first_event(self) -> str | None:
        """The first block that carries data, or None where the stream ends before it. Comments keep a stream alive."""
        begin = 0
        while True:
            end = _BLANK_LINE.search(self.received, begin)
            if end is None:
                part = self._read() if len(self.received) < _LARGEST_EVENT else b""
                if not part:
                    return None
                self.received += part
                continue
            block = self.received[begin : end.start()].decode("utf-8", errors="replace")
            if any(line == "data" or line.startswith("data:") for line in _LINE_END.split(block.lstrip("\ufeff"))):
                return block
            begin = end.end()

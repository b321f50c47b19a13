# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a host over HTTP/3."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

# As browsers do, which then come by TCP.
LONGEST_SILENCE = 10


@dataclass
class Answer:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.headers[":status"])


class Client(QuicConnectionProtocol):
    """One connection. Whatever ends a request before its answer is whole is a ConnectionError."""

    name = ""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._http = H3Connection(self._quic)
        self._answers: dict[int, tuple[Answer, asyncio.Future[Answer]]] = {}

    async def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        stream = self._quic.get_next_available_stream_id()
        wanted = {":method": method, ":scheme": "https", ":authority": self.name, ":path": path, **(headers or {})}
        if body:
            wanted["content-length"] = str(len(body))
        over = asyncio.get_running_loop().create_future()
        self._answers[stream] = Answer(), over
        pairs = [(name.encode(), value.encode()) for name, value in wanted.items()]
        self._http.send_headers(stream, pairs, end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(over, LONGEST_SILENCE)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            for stream in list(self._answers):
                self._fail(stream, f"closed with {event.error_code:#x} {event.reason_phrase}".rstrip())
        elif isinstance(event, StreamReset):
            self._fail(event.stream_id, f"reset with {event.error_code:#x}")
        for heard in self._http.handle_event(event):
            self._take(heard)

    def _take(self, heard: H3Event) -> None:
        if not isinstance(heard, (HeadersReceived, DataReceived)) or heard.stream_id not in self._answers:
            return
        answer, over = self._answers[heard.stream_id]
        if isinstance(heard, HeadersReceived):
            answer.headers.update((name.decode(), value.decode()) for name, value in heard.headers)
        else:
            answer.body += heard.data
        if heard.stream_ended and not over.done():
            over.set_result(answer)
            del self._answers[heard.stream_id]

    def _fail(self, stream: int, why: str) -> None:
        _answer, over = self._answers.pop(stream, (None, None))
        if over and not over.done():
            over.set_exception(ConnectionError(why))


@contextlib.asynccontextmanager
async def connection(address: str, name: str, authority: Path, port: int = 443) -> AsyncIterator[Client]:
    """A connection to a server that proves to be `name`."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=name, idle_timeout=LONGEST_SILENCE
    )
    configuration.load_verify_locations(cafile=str(authority))
    async with connect(address, port, configuration=configuration, create_protocol=Client) as client:
        assert isinstance(client, Client)
        client.name = name if port == 443 else f"{name}:{port}"
        yield client


async def ask(address: str, name: str, authority: Path, path: str, port: int = 443, **request: object) -> Answer:
    """One request over a connection of its own."""
    async with connection(address, name, authority, port) as client:
        return await client.ask(path, **request)

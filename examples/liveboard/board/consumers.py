# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The WebSocket of the board: the server speaks, the page listens. Posting stays with the form and its CSRF check."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

import django.db
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .hub import hub
from .snapshot import release, snapshot
from .values import client_or_none, note_id_or_none

# "Service restart" and "try again later": the page comes back by itself after either.
BEHIND = 1012
NO_DATABASE = 1013
BAD_REQUEST = 4400


class BoardConsumer(AsyncJsonWebsocketConsumer):
    _forwarding: asyncio.Task | None = None

    async def connect(self) -> None:
        await self.accept()
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"))
        client = client_or_none(query["client"][0]) if "client" in query else ""
        after = note_id_or_none(query.get("after", ["0"])[0])
        if client is None or after is None:
            await self.close(BAD_REQUEST)
            return
        self._forwarding = asyncio.create_task(self._forward(client, after))

    async def disconnect(self, code: int) -> None:
        if self._forwarding:
            self._forwarding.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: object) -> None:
        """Nothing that a page says here matters."""

    async def _forward(self, client: str, after: int) -> None:
        # Listening begins before the snapshot is taken, so that no note falls between the two.
        with hub.listen(client) as news:
            try:
                notes = await database_sync_to_async(snapshot)(after)
            except django.db.Error:
                await self.close(NO_DATABASE)
                return
            await self.send_json({"type": "hello", "interface": "ASGI", **release(), **notes})
            async for message in news:
                await self.send_json(message)
        await self.close(BEHIND)

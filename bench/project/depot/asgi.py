# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry point for ASGI servers: HTTP goes to Django, and a WebSocket gets an echo."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "depot.settings")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

django = get_asgi_application()


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Say hello, then say back every text."""
    await receive()  # websocket.connect
    if scope["path"] != "/ws/echo/":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await (echo if scope["type"] == "websocket" else django)(scope, receive, send)

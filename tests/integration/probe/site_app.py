# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Django site in one file, with Channels. What is wrong with it, its environment says."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=os.environ["ALLOWED_HOSTS"].split(","),
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test, and never of a site",  # noqa: S106
    SECURE_SSL_REDIRECT=os.environ.get("SSL_REDIRECT") == "yes",
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https") if os.environ.get("TRUST_PROXY") == "yes" else None,
)

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import (  # noqa: E402
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path  # noqa: E402

# ---- pages


def health(_request: HttpRequest) -> JsonResponse:
    checks = [{"name": "database", "up": True}, {"name": "cache", "up": False}]
    return JsonResponse({"status": "ok", "checks": checks}, headers={"X-Release": "3f9c2a7d41b8"})


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("at last")


def error(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the engine is off the rails")


def account(_request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/login/?next=/account/")


def drip(_request: HttpRequest) -> StreamingHttpResponse:
    """Begin an answer that takes longer than the server lets a worker work."""

    def parts() -> Iterator[str]:
        yield "the beginning"
        time.sleep(60)

    return StreamingHttpResponse(parts())


async def events(_request: HttpRequest) -> StreamingHttpResponse:
    async def ticks() -> AsyncIterator[str]:
        while True:
            yield f"event: tick\ndata: {time.time():.0f}\n\n"
            await asyncio.sleep(1)

    return StreamingHttpResponse(ticks(), content_type="text/event-stream")


async def comments(_request: HttpRequest) -> StreamingHttpResponse:
    """Keep a stream alive, and say nothing on it."""

    async def pings() -> AsyncIterator[str]:
        while True:
            yield ": ping\n\n"
            await asyncio.sleep(1)

    return StreamingHttpResponse(pings(), content_type="text/event-stream")


urlpatterns = [
    path("health/", health),
    path("slow/", slow),
    path("error/", error),
    path("account/", account),
    path("drip/", drip),
    path("events/", events),
    path("comments/", comments),
]

# ---- WebSockets


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=text_data, bytes_data=bytes_data)


class Shout(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=json.dumps({"said": (text_data or "").upper()}))


class Silent(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        pass


class OneSubprotocol(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept("shop.v1")


class FailsAtOnce(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        raise ConnectionRefusedError("no message broker")


sockets = [
    path("ws/echo/", Echo.as_asgi()),
    path("ws/shout/", Shout.as_asgi()),
    path("ws/silent/", Silent.as_asgi()),
    path("ws/subprotocol/", OneSubprotocol.as_asgi()),
    path("ws/broken/", FailsAtOnce.as_asgi()),
]

asgi = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": AllowedHostsOriginValidator(URLRouter(sockets))}
)
wsgi = get_wsgi_application()

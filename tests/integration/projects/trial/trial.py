# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is laid into a copy of the example: pages that tell how a request arrived and that are hard to serve."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from board.models import Note
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

CHUNK = 64 * 1024

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def visit(request: HttpRequest) -> JsonResponse:
    """What Django makes of what it was told."""
    return JsonResponse(
        {
            "secure": request.is_secure(),
            "host": request.get_host(),
            "port": request.get_port(),
            "client": request.META["REMOTE_ADDR"],
            "address": request.build_absolute_uri(),
            "script": request.META.get("SCRIPT_NAME", ""),
            "interface": "ASGI" if isinstance(request, ASGIRequest) else "WSGI",
            "pid": os.getpid(),
        }
    )


def slow(request: HttpRequest) -> JsonResponse:
    """Answer only after some time. Under ASGI, too, Django runs this in a thread, so nobody else has to wait."""
    seconds = float(request.GET.get("seconds", "2"))
    time.sleep(seconds)
    return JsonResponse({"seconds": seconds})


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """Say what arrived. It is read as a stream: Django would refuse a body of this size as request.body."""
    length, digest = 0, hashlib.sha256()
    while chunk := request.read(CHUNK):
        length += len(chunk)
        digest.update(chunk)
    return JsonResponse({"length": length, "sha256": digest.hexdigest()})


def crate(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"notes": Note.objects.count()})


async def stall(request: HttpRequest) -> JsonResponse:
    """Do what an async view must not do."""
    time.sleep(0.6)  # noqa: ASYNC251
    return JsonResponse({})


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Say hello, then say back every text."""
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"hello from {os.environ.get('RELEASE_ID', '')}"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})


urlpatterns = [
    path("visit/", visit),
    path("slow/", slow),
    path("upload/", upload),
    path("crate/", crate),
    path("stall/", stall),
    path("", include("liveboard.urls")),
]

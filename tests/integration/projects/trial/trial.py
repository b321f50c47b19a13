# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is laid into a copy of the example: pages that tell how a request arrived and that are hard to serve."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import iscoroutinefunction
from board.models import Note
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.utils.decorators import sync_and_async_middleware
from django.views.decorators.csrf import csrf_exempt

CHUNK = 64 * 1024
RECORD = Path("/srv/board/data/record.jsonl")
UNRECORDED = ("/health/", "/record/")

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


def ticks(request: HttpRequest) -> StreamingHttpResponse:
    """Events that say when they were sent. It leaves to others that nobody holds them back."""
    number, seconds = int(request.GET.get("number", "5")), float(request.GET.get("seconds", "0.4"))

    async def as_it_goes() -> AsyncIterator[str]:
        for _dummy in range(number):
            yield tick()
            await asyncio.sleep(seconds)

    def one_by_one() -> Iterator[str]:
        for _dummy in range(number):
            yield tick()
            time.sleep(seconds)

    stream = as_it_goes() if isinstance(request, ASGIRequest) else one_by_one()
    return StreamingHttpResponse(stream, content_type="text/event-stream")


def tick() -> str:
    return f"data: {time.time()}\n\n"


def bulk(request: HttpRequest) -> StreamingHttpResponse:
    """A long answer, made as it is sent; anybody can work out what is in it."""
    number = int(request.GET.get("chunks", "160"))

    async def as_it_goes() -> AsyncIterator[bytes]:
        for one in range(number):
            yield chunk(one)

    stream = as_it_goes() if isinstance(request, ASGIRequest) else map(chunk, range(number))
    # A project may ask nginx to hold it back for a slow reader.
    headers = {"X-Accel-Buffering": "yes"} if request.GET.get("held_back") else {}
    return StreamingHttpResponse(stream, content_type="application/octet-stream", headers=headers)


def chunk(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (CHUNK // 32)


def protected(request: HttpRequest) -> HttpResponse:
    """Have nginx send a file that nobody gets by its address."""
    answer = HttpResponse(headers={"X-Accel-Redirect": request.GET["file"]})
    del answer["Content-Type"]  # nginx knows it
    return answer


def away(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to where the visitor says, as a project may, and as it must not."""
    return HttpResponseRedirect(request.GET.get("to", "/"))


def record(request: HttpRequest) -> HttpResponse:
    """What has reached Django since a line of the record."""
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    return JsonResponse([json.loads(line) for line in lines[int(request.GET["after"]) :]], safe=False)


@sync_and_async_middleware
def recorded(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Write down every request that reaches Django, before anything else looks at it."""
    if not iscoroutinefunction(get_response):

        def then_answered(request: HttpRequest) -> Any:
            write_down(request)
            return get_response(request)

        return then_answered

    async def and_answered(request: HttpRequest) -> Any:
        write_down(request)
        return await get_response(request)

    return and_answered


def write_down(request: HttpRequest) -> None:
    if request.path in UNRECORDED:
        return
    told = {name: value for name, value in request.META.items() if isinstance(value, str) and name not in os.environ}
    digest = hashlib.sha256(request.body).hexdigest()
    line = {"method": request.method, "path": request.get_full_path(), "told": told, "sha256": digest}
    with RECORD.open("a") as file:
        file.write(json.dumps(line) + "\n")


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
    path("ticks/", ticks),
    path("bulk/", bulk),
    path("protected/", protected),
    path("away/", away),
    path("record/", record),
    path("", include("liveboard.urls")),
]

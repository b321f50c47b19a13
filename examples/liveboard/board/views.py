# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages and interfaces of the board, the same under WSGI and ASGI."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator

import django.db
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from .forms import NoteForm
from .hub import hub
from .models import Note, Presence
from .snapshot import interface, release, snapshot
from .values import client_or_none, note_id_or_none

CONTENT_SECURITY_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

# A WSGI stream holds a thread while it lasts, so it ends soon and the browser asks again. An ASGI stream costs next to
# nothing; it ends now and then so that its reader moves on to the release that is live by then.
WSGI_STREAM_SECONDS = 5
ASGI_STREAM_SECONDS = 300

logger = logging.getLogger(__name__)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def board(request: HttpRequest) -> HttpResponse:
    wants_json = request.get_preferred_type(["text/html", "application/json"]) == "application/json"
    form = NoteForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        note = form.save()
        hub.nudge()
        return JsonResponse(note.as_json(), status=201) if wants_json else redirect("board")
    status = 422 if form.is_bound else 200
    if wants_json and form.is_bound:
        return JsonResponse({"errors": form.errors}, status=status)
    context = {
        "form": form,
        "notes": Note.objects.newest(),
        "people": Presence.objects.people(),
        "interface": interface(request),
        **release(),
    }
    response = render(request, "board/board.html", context, status=status)
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Ask the database itself, and whether it has the table that this release needs."""
    about = {"interface": interface(request), **release()}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        Note.objects.order_by("-id").first()
    except django.db.Error as error:
        reason = type(error).__name__
        logger.warning("The health check failed: the database answered with %s.", reason)
        return JsonResponse({"status": "unavailable", "database": reason, **about}, status=503)
    return JsonResponse({"status": "ok", "database": "ok", **about})


@never_cache
@require_safe
def notes(request: HttpRequest) -> JsonResponse:
    """The notes after one that the page has. A page that polls counts as present while it goes on asking."""
    after = note_id_or_none(request.GET.get("after", "0"))
    if after is None:
        return JsonResponse({"error": "after must be the id of a note."}, status=400)
    if "client" in request.GET:
        client = client_or_none(request.GET["client"])
        if client is None:
            return JsonResponse({"error": "client must be 8 to 64 letters, digits or dashes."}, status=400)
        Presence.objects.refresh([Presence.of(client)])
    return JsonResponse({"interface": interface(request), **release(), **snapshot(after)})


@never_cache
@require_safe
async def concurrent_waits(request: HttpRequest) -> JsonResponse:
    """Wait for two things at once. Both interfaces can; only ASGI does so on the server's own event loop."""
    waits = [0.25, 0.25]
    started = time.perf_counter()
    await asyncio.gather(*(asyncio.sleep(seconds) for seconds in waits))
    took = round(time.perf_counter() - started, 3)
    name = interface(request)
    return JsonResponse({"waits": waits, "took": took, "native": name == "ASGI", "interface": name})


@never_cache
@require_safe
def events(request: HttpRequest) -> HttpResponseBase:
    """The news as server-sent events. A browser that comes back says in a header which note it had last."""
    given = request.headers.get("Last-Event-ID") or request.GET.get("after", "0")
    after = note_id_or_none(given)
    if after is None:
        return JsonResponse({"error": "after must be the id of a note."}, status=400)
    hello = {"type": "hello", "interface": interface(request), **release(), **snapshot(after)}
    stream = asgi_stream(hello) if hello["interface"] == "ASGI" else wsgi_stream(hello, after)
    return StreamingHttpResponse(
        stream,
        content_type="text/event-stream",
        # nginx would hold the events back until its buffer is full.
        headers={"X-Accel-Buffering": "no"},
    )


async def asgi_stream(hello: dict) -> AsyncIterator[str]:
    ends = time.monotonic() + ASGI_STREAM_SECONDS
    with hub.listen() as news:
        yield event(hello)
        async for message in news:
            yield event(message)
            if time.monotonic() > ends:
                return


def wsgi_stream(hello: dict, after: int) -> Iterator[str]:
    yield event(hello)
    newest = hello["notes"]
    for _dummy in range(WSGI_STREAM_SECONDS):
        time.sleep(1)
        after = newest[-1]["id"] if newest else after
        now = snapshot(after)
        newest = now["notes"]
        if newest:
            yield event({"type": "notes", "notes": newest})
        yield event({"type": "people", "people": now["people"]})


def event(message: dict) -> str:
    """One server-sent event. The number of the last note in it is what a browser comes back with."""
    number = f"id: {message['notes'][-1]['id']}\n" if message.get("notes") else ""
    return f"retry: 1000\nevent: {message['type']}\n{number}data: {json.dumps(message)}\n\n"

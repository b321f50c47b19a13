# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the relay: a page with a chat, and what tells which host serves, for whom, and how often."""

from __future__ import annotations

import hashlib
import os
import time

from cargo.models import Crate
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

CHUNK = 64 * 1024
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Relay</title><link rel="icon" href="data:,">
<body data-live="connecting"><h1>Relay</h1>
<form id="form"><input name="text" aria-label="text"><button>Say</button></form>
<ul id="said"></ul>
<script>
const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws/chat/");
socket.onopen = () => { document.body.dataset.live = "websocket"; };
socket.onmessage = (message) => {
  const line = document.createElement("li"); line.textContent = message.data;
  document.getElementById("said").append(line);
};
document.getElementById("form").onsubmit = (event) => {
  event.preventDefault(); socket.send(event.target.text.value); event.target.reset();
};
</script></body></html>
"""


def interface_of(request: HttpRequest) -> str:
    return "ASGI" if isinstance(request, ASGIRequest) else "WSGI"


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


@require_GET
def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"release": os.environ.get("RELEASE_ID", ""), "interface": interface_of(request)})


@require_GET
def visit(request: HttpRequest) -> JsonResponse:
    """What Django makes of what it was told, and who tells it."""
    return JsonResponse(
        {
            "on": os.uname().nodename,
            "secure": request.is_secure(),
            "host": request.get_host(),
            "client": request.META["REMOTE_ADDR"],
            "forwarded": request.headers.get("X-Forwarded-For", ""),
        }
    )


@require_GET
def slow(request: HttpRequest) -> JsonResponse:
    seconds = min(60.0, float(request.GET.get("seconds", "2")))
    time.sleep(seconds)
    return JsonResponse({"seconds": seconds})


@csrf_exempt
@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    """Say what arrived, and leave a crate for it: who counts them sees what was done twice."""
    length, digest = 0, hashlib.sha256()
    while chunk := request.read(CHUNK):
        length += len(chunk)
        digest.update(chunk)
    Crate.objects.create(label="upload")
    return JsonResponse({"length": length, "sha256": digest.hexdigest()})


@require_GET
def crates(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"crates": Crate.objects.count()})


urlpatterns = [
    path("", page),
    path("health/", health),
    path("visit/", visit),
    path("slow/", slow),
    path("upload/", upload),
    path("crate/", crates),
]

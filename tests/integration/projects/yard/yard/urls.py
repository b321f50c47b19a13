# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the yard, and what answers there: each is one way in which a cutover could hurt."""

from __future__ import annotations

import hashlib
import os
import time

from cargo.models import Crate
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBadRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from yard.version import VERSION

LONGEST_WAIT = 60.0
CHUNK = 64 * 1024


@require_GET
def health(request: HttpRequest) -> JsonResponse:
    interface = "ASGI" if isinstance(request, ASGIRequest) else "WSGI"
    return JsonResponse({"release": os.environ.get("RELEASE_ID", ""), "interface": interface, "version": VERSION})


@require_GET
def slow(request: HttpRequest) -> JsonResponse | HttpResponseBadRequest:
    """Answer only after some time. Under ASGI, too, Django runs this in a thread, so nobody else has to wait."""
    try:
        seconds = float(request.GET.get("seconds", "2"))
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= LONGEST_WAIT:
        return HttpResponseBadRequest(f"seconds must be a number from 0 to {LONGEST_WAIT:g}.\n")
    time.sleep(seconds)
    return JsonResponse({"release": os.environ.get("RELEASE_ID", ""), "seconds": seconds})


@csrf_exempt
@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    """Say what arrived. It is read as a stream: Django would refuse a body of this size as request.body."""
    length, digest = 0, hashlib.sha256()
    while chunk := request.read(CHUNK):
        length += len(chunk)
        digest.update(chunk)
    return JsonResponse({"length": length, "sha256": digest.hexdigest()})


@require_GET
def crate(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"crates": Crate.objects.count()})


urlpatterns = [
    path("health/", health),
    path("slow/", slow),
    path("upload/", upload),
    path("crate/", crate),
]

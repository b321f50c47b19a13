# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the quay. Most of them ask the process for one thing that can go wrong."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from harbour.models import Ship

LONGEST_WAIT = 60.0
MEGABYTE = 1024 * 1024


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"release": os.environ.get("RELEASE_ID", "")})


def ships(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ships": Ship.objects.count()})


def arrive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ship": Ship.objects.create(name=request.GET.get("name", "Argo")).pk})


def tide(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ping": redis.from_url(settings.REDIS_URL).ping()})


def slow(request: HttpRequest) -> JsonResponse:
    seconds = min(float(request.GET.get("seconds", "2")), LONGEST_WAIT)
    time.sleep(seconds)
    return JsonResponse({"seconds": seconds})


async def stuck(request: HttpRequest) -> JsonResponse:
    """Under ASGI this holds the event loop, as a view does that forgets an await."""
    return slow(request)


def load(request: HttpRequest) -> JsonResponse:
    """Fill memory, page by page, as a report does that is built in one list."""
    cargo = [b"x" * MEGABYTE for _dummy in range(int(request.GET.get("megabytes", "64")))]
    return JsonResponse({"megabytes": len(cargo)})


def store(request: HttpRequest) -> JsonResponse:
    """Write a file, wherever the request says."""
    with Path(request.GET["path"]).open("ab") as file:
        file.write(b"x" * int(request.GET.get("bytes", "1")))
    return JsonResponse({})


def crash(request: HttpRequest) -> None:
    """Read address 0, as a broken extension module does."""
    ctypes.string_at(0)


def leave(request: HttpRequest) -> None:
    os._exit(int(request.GET.get("code", "0")))


def flags(request: HttpRequest) -> HttpResponse:
    """Answer with a large header, as many cookies make one."""
    return HttpResponse(headers={"X-Flags": "x" * int(request.GET.get("bytes", "65000"))})


urlpatterns = [
    path("health/", health),
    path("ships/", ships),
    path("arrive/", arrive),
    path("tide/", tide),
    path("slow/", slow),
    path("stuck/", stuck),
    path("load/", load),
    path("store/", store),
    path("crash/", crash),
    path("leave/", leave),
    path("flags/", flags),
]

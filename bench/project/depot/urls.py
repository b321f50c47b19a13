# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the depot: each is one kind of work that a site does."""

from __future__ import annotations

import time
from importlib import metadata

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from stock.models import Item

from depot.edition import EDITION

IO_SECONDS = 0.2


def trivial(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def rows(request: HttpRequest) -> HttpResponse:
    return render(request, "stock/items.html", {"items": Item.objects.order_by("shelf")})


def io(request: HttpRequest) -> HttpResponse:
    """Wait as for a slow database or somebody else's API."""
    time.sleep(IO_SECONDS)
    return HttpResponse("done\n", content_type="text/plain")


def edition(request: HttpRequest) -> HttpResponse:
    """What is deployed, for those who deploy it: the code, by which stack it is served, and one of its dependencies."""
    said = (EDITION, type(request).__name__, metadata.version("certifi"))
    return HttpResponse(" ".join(map(str, said)), content_type="text/plain")


urlpatterns = [
    path("", trivial, name="trivial"),
    path("health/", trivial),
    path("items/", rows, name="items"),
    path("io/", io),
    path("edition/", edition),
]

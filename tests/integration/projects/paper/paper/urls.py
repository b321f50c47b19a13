# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that is nearly all static files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import path


def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def address(request: HttpRequest) -> JsonResponse:
    """By which address a browser gets a static file of this release."""
    return JsonResponse({"address": static(request.GET["name"])})


urlpatterns = [
    path("health/", health),
    path("address/", address),
]

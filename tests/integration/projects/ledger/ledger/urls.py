# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger says of itself, and of what it has in stock."""

from __future__ import annotations

import os

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET
from stock.models import Item


@require_GET
def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"release": os.environ.get("RELEASE_ID", "")})


@require_GET
def stock(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"items": list(Item.objects.order_by("pk").values())})


urlpatterns = [path("health/", health), path("stock/", stock)]

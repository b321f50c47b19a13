# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page for each thing that the site uses beside itself. /health/ uses none of them."""

from __future__ import annotations

import os

from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

from telegraph.models import Telegram


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"release": os.environ["RELEASE_ID"]})


def telegrams(request: HttpRequest) -> JsonResponse:
    """Keep what `text` says, if anything, and tell all that was kept."""
    if "text" in request.GET:
        Telegram.objects.create(text=request.GET["text"])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, ssl, client_addr FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            "WHERE pid = pg_backend_pid()"
        )
        user, ssl, address = cursor.fetchone()
    kept = list(Telegram.objects.order_by("id").values_list("text", flat=True))
    return JsonResponse({"kept": kept, "user": user, "ssl": ssl, "address": address and str(address)})


def cached(request: HttpRequest) -> JsonResponse:
    cache.add("visits", 0)
    return JsonResponse({"visits": cache.incr("visits")})


def sent(request: HttpRequest) -> JsonResponse:
    """Send a message through the channel layer, and take it out at the other end."""
    from channels.layers import get_channel_layer

    async def send_and_receive() -> dict[str, str]:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add("everybody", channel)
        await layer.group_send("everybody", {"type": "telegram", "text": request.GET.get("text", "")})
        return await layer.receive(channel)

    return JsonResponse(async_to_sync(send_and_receive)())


urlpatterns = [
    path("health/", health),
    path("telegrams/", telegrams),
    path("cached/", cached),
    path("sent/", sent),
]

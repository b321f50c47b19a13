# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One page, which says who answers."""

from __future__ import annotations

import socket

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, JsonResponse
from django.urls import path


def who_answers(request: HttpRequest) -> JsonResponse:
    stack = "asgi" if isinstance(request, ASGIRequest) else "wsgi"
    return JsonResponse({"host": socket.gethostname(), "stack": stack, "greeting": settings.GREETING})


urlpatterns = [path("health/", who_answers)]

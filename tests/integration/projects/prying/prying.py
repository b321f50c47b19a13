# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that is laid beside those of a project: it pries from inside of the instance."""

from __future__ import annotations

import json
import os

import pry
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def page(request: HttpRequest) -> JsonResponse:
    return JsonResponse(pry.pry(json.loads(request.body)))


urlpatterns = [
    path("pry/", page),
    path("", include(os.environ["URLCONF"])),
]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the board; the WebSocket's stands in asgi.py."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("", views.board, name="board"),
    path("health/", views.health, name="health"),
    path("api/notes/", views.notes, name="notes"),
    path("async/", views.concurrent_waits, name="async"),
    path("events/", views.events, name="events"),
]

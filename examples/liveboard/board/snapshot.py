# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way of asking for the board's state answers with: the page, polling, event stream and WebSocket."""

from __future__ import annotations

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from .models import Note, Presence


def interface(request: HttpRequest) -> str:
    """Which interface really serves this request: the class of the request tells, no setting can."""
    return "ASGI" if isinstance(request, ASGIRequest) else "WSGI"


def release() -> dict:
    return {"release": settings.RELEASE_ID, "commit": settings.RELEASE_COMMIT}


def snapshot(after: int = 0) -> dict:
    """The newest notes after one that the page has, oldest of them first, and how many people are present."""
    return {
        "notes": [note.as_json() for note in reversed(Note.objects.newest(after))],
        "people": Presence.objects.people(),
    }

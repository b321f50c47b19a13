# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes and presence. The database is the one truth about both, whatever number of processes serves the board."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

PAGE_LENGTH = 100
PRESENT_FOR = timedelta(seconds=15)


class NoteQuerySet(models.QuerySet):
    def newest(self, after: int = 0) -> NoteQuerySet:
        """The newest notes with an id above `after`, newest first, as many as a page shows."""
        return self.filter(id__gt=after).order_by("-id")[:PAGE_LENGTH]


class Note(models.Model):
    class Colour(models.TextChoices):
        AMBER = "amber"
        RED = "red"
        GREEN = "green"
        BLUE = "blue"
        VIOLET = "violet"

    text = models.TextField(max_length=280)
    author = models.CharField(max_length=40, blank=True)
    colour = models.CharField(max_length=10, choices=Colour, default=Colour.AMBER)
    created = models.DateTimeField(auto_now_add=True)

    objects = NoteQuerySet.as_manager()

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> dict:
        return {
            "id": self.id,
            "text": self.text,
            "author": self.author,
            "colour": self.colour,
            "created": self.created.isoformat(),
        }


class PresenceQuerySet(models.QuerySet):
    def people(self) -> int:
        """How many different pages are open: one that moves between two processes counts once."""
        return self.filter(seen__gt=Now() - PRESENT_FOR).aggregate(n=models.Count("client", distinct=True))["n"]

    def refresh(self, connections: Iterable[Presence]) -> None:
        """Say that these connections are alive, and sweep out those that have not said so for long."""
        self.bulk_create(connections, update_conflicts=True, unique_fields=["connection"], update_fields=["seen"])
        self.filter(seen__lt=Now() - 2 * PRESENT_FOR).delete()


class Presence(models.Model):
    """One open connection of one page; it counts until its heartbeat stops.

    The database's clock alone writes and compares `seen`, so hosts whose clocks differ agree.
    """

    connection = models.CharField(primary_key=True, max_length=64)
    client = models.CharField(max_length=64)
    seen = models.DateTimeField(db_index=True)

    objects = PresenceQuerySet.as_manager()

    def __str__(self) -> str:
        return self.client

    @classmethod
    def of(cls, client: str, connection: str = "") -> Presence:
        """The heartbeat of a page; one that polls has no connection, and its own identifier stands for it."""
        return cls(connection=connection or client, client=client, seen=Now())


def new_connection() -> str:
    return uuid.uuid4().hex

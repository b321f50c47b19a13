# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live news from the database, fetched once per process and handed to every open connection.

A process that nobody listens to asks nothing. One that has listeners looks once a second, or at once when a note was
posted here. Other processes are never spoken to: what they wrote is in the database a second later.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Iterator

import django.db
from channels.db import database_sync_to_async

from .models import Note, Presence, new_connection

LOOK_EVERY = 1.0
BEAT_EVERY = 5.0

# Two notes may be committed in another order than they were numbered: look again at the last few numbers.
OVERLAP = 20

# A listener this far behind is cut off; it comes back and asks for what it missed.
QUEUE_LENGTH = 64

logger = logging.getLogger(__name__)


class Listener:
    """One open connection. One without a client identifier listens without being counted as present."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.connection = new_connection()
        self._queue: asyncio.Queue[dict | None] = asyncio.Queue()

    def offer(self, message: dict) -> None:
        if self._queue.qsize() < QUEUE_LENGTH:
            self._queue.put_nowait(message)
        elif self._queue.qsize() == QUEUE_LENGTH:
            self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[dict]:
        while (message := await self._queue.get()) is not None:
            yield message


class Hub:
    """Delivers each note at least once: a listener drops what it has already, by its id."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._left: set[str] = set()
        self._task: asyncio.Task | None = None

    @contextlib.contextmanager
    def listen(self, client: str = "") -> Iterator[Listener]:
        """Join the hub for as long as the block runs."""
        listener = Listener(client)
        self._listeners.add(listener)
        if not self._running:
            self._start()
        self._beat_due = 0.0
        self.nudge()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if client:
                self._left.add(listener.connection)
            self.nudge()

    def nudge(self) -> None:
        """Look now. Safe to call from any thread, and without effect where nobody listens (under WSGI: always)."""
        if self._running:
            self._loop.call_soon_threadsafe(self._wake.set)

    @property
    def _running(self) -> bool:
        return self._task is not None and not self._task.done()

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._seen: set[int] | None = None
        self._people = 0
        self._beat_due = 0.0
        self._failing = False
        # A fresh context: the task outlives the request that happens to start it, and must not hold on to its thread.
        self._task = self._loop.create_task(self._run(), context=contextvars.Context())

    async def _run(self) -> None:
        while self._listeners or self._left:
            self._wake.clear()
            await self._look()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY)

    async def _look(self) -> None:
        beat = time.monotonic() >= self._beat_due
        present = [Presence.of(x.client, x.connection) for x in self._listeners if beat and x.client]
        # Forgotten even if the database is away: a row that cannot be deleted now expires by itself.
        left, self._left = self._left, set()
        try:
            notes, people = await self._ask_database(present, left)
        except django.db.Error as error:
            self._report_failure(error)
            return
        self._failing = False
        self._publish_notes(notes)
        # The beat also shows a page, and every proxy on the way, that a quiet line is not a dead one.
        if beat or people != self._people:
            self._publish({"type": "people", "people": people})
        self._people = people
        if beat:
            self._beat_due = time.monotonic() + BEAT_EVERY

    @database_sync_to_async
    def _ask_database(self, present: list[Presence], left: set[str]) -> tuple[list[Note], int]:
        if left:
            Presence.objects.filter(connection__in=left).delete()
        if present:
            Presence.objects.refresh(present)
        if self._seen is None:
            notes = Note.objects.newest()[:OVERLAP]
        else:
            notes = Note.objects.newest(after=max(self._seen, default=0) - OVERLAP)
        return list(notes), Presence.objects.people()

    def _publish_notes(self, notes: list[Note]) -> None:
        seen = self._seen or set()
        fresh = [note.as_json() for note in reversed(notes) if note.id not in seen]
        self._seen = {note.id for note in notes}
        if fresh:
            self._publish({"type": "notes", "notes": fresh})

    def _publish(self, message: dict) -> None:
        for listener in self._listeners:
            listener.offer(message)

    def _report_failure(self, error: django.db.Error) -> None:
        """Once per failure, not once a second; the class alone, for the text may tell how the database is reached."""
        if not self._failing:
            logger.warning("The database does not answer (%s); asking again every second.", type(error).__name__)
        self._failing = True


hub = Hub()

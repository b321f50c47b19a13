# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

from asgiref.testing import ApplicationCommunicator
from channels.routing import get_default_application
from django.test import AsyncClient, TransactionTestCase, override_settings

from ..hub import hub
from ..models import Note, Presence


class Page(ApplicationCommunicator):
    """A page's end of the WebSocket, by way of the real entry point: routing and the check of the origin included.

    (channels.testing has one too, but wants daphne installed.)
    """

    def __init__(self, client: str = "a" * 32, after: int | str = 0, origin: str = "http://testserver") -> None:
        scope = {
            "type": "websocket",
            "path": "/ws/board/",
            "query_string": urlencode({"client": client, "after": after}).encode(),
            "headers": [(b"origin", origin.encode())],
            "subprotocols": [],
        }
        super().__init__(get_default_application(), scope)

    async def connect(self) -> str:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output(3))["type"]

    async def news(self, kind: str) -> dict:
        """The next message of one kind."""
        while True:
            message = json.loads((await self.receive_output(3))["text"])
            if message["type"] == kind:
                return message

    async def note(self, number: int) -> None:
        while number not in [note["id"] for note in (await self.news("notes"))["notes"]]:
            pass

    async def people(self, number: int) -> None:
        while (await self.news("people"))["people"] != number:
            pass

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.wait(3)


# A transaction around a test would hide what the hub writes from what the test reads.
@override_settings(ALLOWED_HOSTS=["testserver"])
class LiveTests(TransactionTestCase):
    async def leave(self, *pages: Page) -> None:
        for page in pages:
            await page.disconnect()
        # The hub deletes the presence of those who left, and ends.
        await asyncio.wait_for(hub._task, 3)

    async def test_a_page_gets_what_it_missed_and_then_the_news(self):
        first = await Note.objects.acreate(text="first")
        await Note.objects.acreate(text="second")
        page = Page(after=first.id)
        await page.connect()
        hello = await page.news("hello")
        self.assertEqual([note["text"] for note in hello["notes"]], ["second"])
        self.assertEqual(hello["interface"], "ASGI")
        third = await Note.objects.acreate(text="third")
        await page.note(third.id)
        await self.leave(page)

    async def test_a_note_that_becomes_visible_late_is_not_lost(self):
        await Note.objects.acreate(id=50, text="numbered later, committed first")
        page = Page()
        await page.connect()
        await page.note(50)
        await Note.objects.acreate(id=49, text="numbered first, committed later")
        await page.note(49)
        await self.leave(page)

    async def test_pages_are_counted_while_they_are_open(self):
        ada, bob = Page("a" * 32), Page("b" * 32)
        await ada.connect()
        await bob.connect()
        await ada.people(2)
        await bob.disconnect()
        await ada.people(1)
        await self.leave(ada)
        self.assertEqual(await Presence.objects.acount(), 0)

    async def test_a_probe_without_an_identifier_is_greeted_and_not_counted(self):
        page = Page(client="")
        await page.connect()
        await page.news("hello")
        await page.people(0)
        await self.leave(page)

    async def test_another_site_is_refused(self):
        self.assertEqual(await Page(origin="https://elsewhere.example").connect(), "websocket.close")

    async def test_nonsense_is_refused(self):
        for query in ({"client": "<b>"}, {"after": "x"}):
            with self.subTest(query):
                page = Page(**query)
                await page.connect()
                self.assertEqual((await page.receive_output())["code"], 4400)

    async def test_the_event_stream_goes_on(self):
        answer = await AsyncClient().get("/events/")
        heard = []

        async def read() -> None:
            async for chunk in answer.streaming_content:
                heard.append(chunk.decode())
                if "news" in heard[-1]:
                    return
            self.fail("The stream ended.")

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        await Note.objects.acreate(text="news")
        await asyncio.wait_for(reader, 3)
        self.assertIn("event: hello", heard[0])

    async def test_a_reader_that_goes_away_leaves_nothing_behind(self):
        answer = await AsyncClient().get("/events/")
        arrived = asyncio.Event()

        async def read() -> None:
            async for _dummy in answer.streaming_content:
                arrived.set()

        reader = asyncio.create_task(read())
        await arrived.wait()
        reader.cancel()
        await asyncio.wait_for(hub._task, 3)

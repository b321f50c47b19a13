# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import timedelta
from unittest import mock

from django.db import DatabaseError, connection
from django.test import AsyncClient, Client, TestCase, override_settings
from django.utils import timezone

from ..models import PRESENT_FOR, Note, Presence

PLAIN_STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@override_settings(STORAGES=PLAIN_STATIC)
class BoardTests(TestCase):
    def post(self, **fields: str):
        return self.client.post("/", {"text": "Hello", "author": "", "colour": "green", **fields})

    def test_a_posted_note_is_on_the_page(self):
        answer = self.client.post("/", {"text": "Hello", "author": "Ada", "colour": "green"}, follow=True)
        self.assertRedirects(answer, "/")
        self.assertContains(answer, "Hello")
        self.assertContains(answer, "Ada")

    def test_a_script_is_shown_and_not_run(self):
        self.post(text="<script>alert(1)</script>", author="<b>Ada</b>")
        answer = self.client.get("/")
        self.assertContains(answer, "&lt;script&gt;alert(1)&lt;/script&gt;")
        self.assertContains(answer, "&lt;b&gt;Ada&lt;/b&gt;")
        self.assertNotContains(answer, "<script>alert")

    def test_what_does_not_fit_is_refused_and_stays_in_the_form(self):
        answer = self.post(text="x" * 281)
        self.assertContains(answer, "x" * 281, status_code=422)
        self.assertEqual(Note.objects.count(), 0)

    def test_a_line_break_counts_once(self):
        self.assertEqual(self.post(text="x" * 140 + "\r\n" + "y" * 139).status_code, 302)
        self.assertEqual(len(Note.objects.get().text), 280)

    def test_a_script_gets_json(self):
        answer = self.client.post("/", {"text": "Hi", "colour": "red"}, headers={"accept": "application/json"})
        self.assertEqual((answer.status_code, answer.json()["text"]), (201, "Hi"))
        answer = self.client.post("/", {"text": "", "colour": "red"}, headers={"accept": "application/json"})
        self.assertEqual((answer.status_code, list(answer.json()["errors"])), (422, ["text"]))

    def test_posting_needs_the_csrf_token(self):
        answer = Client(enforce_csrf_checks=True).post("/", {"text": "Hello", "colour": "green"})
        self.assertEqual(answer.status_code, 403)

    def test_the_page_keeps_the_newest_hundred(self):
        Note.objects.bulk_create(Note(text=f"note {n:03}") for n in range(105))
        answer = self.client.get("/")
        self.assertContains(answer, "note 104")
        self.assertContains(answer, "note 005")
        self.assertNotContains(answer, "note 004")


@override_settings(STORAGES=PLAIN_STATIC)
class InterfaceTests(TestCase):
    def test_wsgi_is_named(self):
        self.assertContains(self.client.get("/"), '<body data-interface="WSGI"')
        self.assertEqual(self.client.get("/health/").json()["interface"], "WSGI")
        self.assertIs(self.client.get("/async/").json()["native"], False)

    async def test_asgi_is_named(self):
        client = AsyncClient()
        self.assertContains(await client.get("/"), '<body data-interface="ASGI"')
        self.assertEqual((await client.get("/health/")).json()["interface"], "ASGI")
        self.assertIs((await client.get("/async/")).json()["native"], True)

    async def test_waits_run_at_the_same_time(self):
        answer = (await AsyncClient().get("/async/")).json()
        self.assertGreaterEqual(answer["took"], max(answer["waits"]))
        self.assertLess(answer["took"], sum(answer["waits"]))


class HealthTests(TestCase):
    @override_settings(RELEASE_ID="0123456789ab", RELEASE_COMMIT="c0ffee")
    def test_a_healthy_board_names_its_release(self):
        answer = self.client.get("/health/")
        self.assertEqual(
            answer.json(),
            {"status": "ok", "database": "ok", "interface": "WSGI", "release": "0123456789ab", "commit": "c0ffee"},
        )
        self.assertIn("no-store", answer["Cache-Control"])

    def test_a_missing_table_is_noticed(self):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE board_note RENAME TO elsewhere")
        with self.assertLogs("board.views", "WARNING"):
            answer = self.client.get("/health/")
        self.assertEqual((answer.status_code, answer.json()["status"]), (503, "unavailable"))
        self.assertIn(answer.json()["database"], {"OperationalError", "ProgrammingError"})

    def test_a_failure_tells_its_class_alone(self):
        failure = DatabaseError("password=hunter2")
        with mock.patch.object(connection, "cursor", side_effect=failure), self.assertLogs("board.views") as logs:
            answer = self.client.get("/health/")
        self.assertEqual((answer.status_code, answer.json()["database"]), (503, "DatabaseError"))
        self.assertNotIn("hunter2", answer.content.decode() + "".join(logs.output))


class NotesTests(TestCase):
    def test_only_newer_notes_oldest_first(self):
        first, second, third = (Note.objects.create(text=text) for text in ("one", "two", "three"))
        answer = self.client.get("/api/notes/", {"after": first.id}).json()
        self.assertEqual([note["id"] for note in answer["notes"]], [second.id, third.id])

    def test_a_polling_page_is_present_once(self):
        for _dummy in range(2):
            answer = self.client.get("/api/notes/", {"client": "a" * 32})
        self.assertEqual(answer.json()["people"], 1)

    def test_a_page_on_two_connections_counts_once_and_an_expired_one_not_at_all(self):
        now = timezone.now()
        Presence.objects.create(connection="one", client="a", seen=now)
        Presence.objects.create(connection="two", client="a", seen=now)
        Presence.objects.create(connection="three", client="b", seen=now - PRESENT_FOR - timedelta(seconds=1))
        self.assertEqual(Presence.objects.people(), 1)

    def test_nonsense_is_refused(self):
        for query in ({"after": "-1"}, {"after": "x"}, {"after": "9" * 30}, {"client": "<b>"}, {"client": ""}):
            with self.subTest(query):
                self.assertEqual(self.client.get("/api/notes/", query).status_code, 400)


class EventsTests(TestCase):
    @mock.patch("board.views.time.sleep")
    def test_a_wsgi_stream_tells_the_news_and_ends(self, sleep):
        sleep.side_effect = lambda seconds: Note.objects.create(text="news") if sleep.call_count == 1 else None
        answer = self.client.get("/events/")
        stream = b"".join(answer.streaming_content).decode()
        self.assertEqual(stream.count('"text": "news"'), 1)
        self.assertEqual(answer["Content-Type"], "text/event-stream")
        self.assertEqual(answer["X-Accel-Buffering"], "no")

    def test_a_browser_that_comes_back_goes_on_where_it_was(self):
        first = Note.objects.create(text="first")
        Note.objects.create(text="second")
        answer = self.client.get("/events/", headers={"last-event-id": str(first.id)})
        hello = next(iter(answer.streaming_content)).decode()
        self.assertIn("second", hello)
        self.assertNotIn("first", hello)

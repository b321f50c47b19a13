# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

THREAD = "from asgiref.sync import sync_to_async"
PLANTED = Path(__file__).parent / "advice_projects/planted/shop"


@pytest.fixture
def blocks(advise):
    """What an async view with this body does that blocks: the calls as they read."""

    def blocks(body, imports="", beside=""):
        text = textwrap.dedent(imports) + textwrap.dedent(beside) + "\nfrom books.models import Author, Book, Tag\n"
        text += "async def view(request):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        return [finding.call for finding in advise({"books/views.py": text}).blocking]

    return blocks


# --- the planted project ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(advise_folder):
    return advise_folder(PLANTED)


def marked():
    """The lines at the end of which the project says that they block."""
    return {
        (str(path.relative_to(PLANTED)), number)
        for path in PLANTED.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("# blocks")
    }


def test_every_planted_call_is_found_and_none_of_the_right_ones_is_accused(planted):
    assert len(marked()) >= 20
    assert {(finding.path, finding.line) for finding in planted.blocking} == marked()


def test_a_finding_says_how_the_call_is_reached(planted):
    (finding,) = [finding for finding in planted.blocking if finding.call == "asking.urlopen()"]
    assert finding.kind == "async view"
    assert [name for _path, _line, name in finding.chain] == ["Detail.get", "cover", "fetch"]
    assert finding.chain[0][:2] == ("catalog/views.py", 33)


def test_async_middleware_and_consumers_are_entries_too(planted):
    assert {finding.kind for finding in planted.blocking} == {"async view", "async middleware", "consumer"}


def test_a_sync_middleware_and_a_channel_layer_in_memory_are_named_with_the_way_out(planted):
    texts = {(sign.path, sign.line): sign.what for sign in planted.costs}
    assert "sync-only middleware Timer" in texts["shop/middleware.py", 24]
    assert "channels_redis, or asgi_workers: 1" in texts["shop/settings.py", 10]
    assert len(texts) == 2, "stamp takes both"


# --- by themselves ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("imports", "body", "call"),
    [
        ("import time", "time.sleep(1)", "time.sleep()"),
        ("import os", "os.system('true')", "os.system()"),
        ("from subprocess import Popen", "Popen(['true']).wait()", "Popen(['true']).wait()"),
        ("import httpx", "with httpx.Client() as client:\n    client.get('x')", "client.get()"),
        ("import requests", "with requests.Session() as one:\n    one.post('x')", "one.post()"),
        ("import urllib.request", "urllib.request.urlopen('x')", "urllib.request.urlopen()"),
        ("import socket", "socket.create_connection(('x', 1))", "socket.create_connection()"),
        ("import redis", "redis.Redis.from_url('x').get('y')", "redis.Redis.from_url('x').get()"),
        ("from django_redis import get_redis_connection as to", "to('default').set('a', 1)", "to('default').set()"),
        ("import boto3", "boto3.client('s3').list_buckets()", "boto3.client('s3').list_buckets()"),
        ("from pathlib import Path", "Path('x').resolve().parent.joinpath('y').write_text('')", None),
        ("from django.db import connection", "with connection.cursor() as one:\n    one.execute('x')", "one.execute()"),
        ("from django.db import transaction", "with transaction.atomic():\n    pass", "transaction.atomic()"),
        ("from django.contrib.auth import login", "login(request, 1)", "login()"),
        ("import asyncio", "asyncio.run(view(request))", "asyncio.run()"),
        ("from django.core.cache import caches", "caches['default'].get('x')", "caches['default'].get()"),
        ("from django.core.mail.message import EmailMessage as M", "M('a').send()", "M('a').send()"),
        ("import time", "getattr(time, 'sleep')(1)", "getattr(time, 'sleep')()"),
        ("import importlib", "importlib.import_module('time').sleep(1)", "importlib.import_module('time').sleep()"),
        ("import time\nnap, rest = time.sleep, 2", "nap(rest)", "nap()"),
        (
            "from concurrent.futures import ThreadPoolExecutor as P",
            "P().submit(print).result()",
            "P().submit(print).result()",
        ),
        (
            "from django.conf import settings",
            "(settings.BASE_DIR / 'x').read_text()",
            "(settings.BASE_DIR / 'x').read_text()",
        ),
        ("from pathlib import Path", "(Path.home() / 'x').read_text()", "(Path.home() / 'x').read_text()"),
        ("from django.db import connections", "connections['default'].cursor()", "connections['default'].cursor()"),
        ("from django.contrib.auth.models import User", "User.objects.get(pk=1)", "User.objects.get()"),
        ("from django.contrib.auth.models import User", "User(pk=1).save()", "User(pk=1).save()"),
        (
            "from django.contrib.auth.models import User",
            "for one in User.objects.all():\n    pass",
            "for … in User.objects.all()",
        ),
        (
            "from django.contrib.auth import get_user_model",
            "get_user_model().objects.count()",
            "get_user_model().objects.count()",
        ),
        ("", "open('/etc/hostname')", "open()"),
        ("", "list(Book.objects.all())", "list(Book.objects.all())"),
        ("", "[*sorted(Book.objects.filter(pk=1))]", "sorted(Book.objects.filter(pk=1))"),
        ("", "{book.pk for book in Book.objects.all()}", "for … in Book.objects.all()"),
        ("", "if Book.objects.filter(pk=1):\n    pass", "Book.objects.filter(pk=1)"),
        ("", "if not Book.objects.filter(pk=1):\n    pass", "Book.objects.filter(pk=1)"),
        ("", "Book.objects.order_by('pk')[0]", "Book.objects.order_by('pk')[0]"),
        ("", "1 in Book.objects.values_list('pk')", "1 in Book.objects.values_list('pk')"),
        ("", "book = await Book.objects.afirst()\nbook.tags.add(1)", "book.tags.add()"),
        ("", "book = await Book.objects.afirst()\nbook.author.name", "book.author"),
        ("", "book = await Book.objects.afirst()\nbook.tag_set.count()", "book.tag_set.count()"),
        ("", "one = await Author.objects.afirst()\nlist(one.books.all())", "list(one.books.all())"),
        ("", "Author(name='x').save()", "Author(name='x').save()"),
        ("", "qs = Book.objects.all()\nqs = qs.filter(pk=1)\nqs.exists()", "qs.exists()"),
        (THREAD, "book = await sync_to_async(Book.objects.get)(pk=1)\nbook.save()", "book.save()"),
        (THREAD, "book = await sync_to_async(Book.objects.get)(pk=1)\nbook.author.name", "book.author"),
        (THREAD, "qs = await sync_to_async(Book.objects.filter)(pk=1)\n[one for one in qs]", "for … in qs"),
        ("", "(Book.objects.all() | Book.objects.none()).count()", "(Book.objects.all() | Book.objects.none…()"),
        (
            "from django.contrib.auth import get_user_model",
            "await get_user_model().objects.aget()\nBook.objects.get(pk=1)",
            None,
        ),
    ],
)
def test_what_blocks_is_found(blocks, imports, body, call):
    found = blocks(body, imports + "\n")
    assert len(found) >= 1
    if call:
        assert found[-1] == call


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("import asyncio", "await asyncio.sleep(1)"),
        ("from time import monotonic", "monotonic()"),
        ("import redis.asyncio as redis", "await redis.from_url('x').get('y')"),
        ("from redis import asyncio as aioredis", "one = aioredis.Redis()\nawait one.get('y')"),
        ("import smtplib", "smtplib.SMTP()"),
        ("from django.template.response import TemplateResponse as T", "T(request, 'x', {'b': Book.objects.all()})"),
        ("from django.shortcuts import render", "render(request, 'x', {'n': await Book.objects.acount()})"),
        ("", "Book.objects.filter(pk=1).exclude(pk=2)"),
        ("", "async for book in Book.objects.all():\n    book.author_id"),
        ("", "books = [one async for one in Book.objects.all()]\nfor book in books:\n    book.pk"),
        ("", "book = await Book.objects.select_related('author').afirst()\nbook.author.name"),
        ("", "book = await Book.objects.select_related().afirst()\nbook.author.name"),
        ("", "book = await Book.objects.prefetch_related('tags').afirst()\n[one for one in book.tags.all()]"),
        ("", "book = await Book.objects.afirst()\nbook.author = None\nbook.author"),
        ("", "one = await Author.objects.prefetch_related('books').afirst()\nlist(one.books.all())"),
        ("", "one = await Author.objects.afirst()\nlist(one.others.all())"),
        ("from django.contrib.auth.models import User", "await User.objects.aget(pk=1)"),
        ("", "book = await Book.objects.acreate(author=None)\nbook.author"),
        ("", "qs = Book.objects.all()\nasync for one in qs:\n    pass\nlen(qs)"),
        (THREAD, "book = await sync_to_async(Book.objects.select_related('author').get)(pk=1)\nbook.author.name"),
        (THREAD, "qs = await sync_to_async(list)(Book.objects.all())\n[one for one in qs]"),
        (THREAD, "number = await sync_to_async(Book.objects.count)()\nif number:\n    pass"),
        ("", "query = request.books\nquery.count()\nlist(query)"),
        ("", "Book.objects = request.anything\nrequest.get('x')\nself.get('x')"),
        ("", "open = request.open\nopen('x')"),
        ("import time", "def later():\n    time.sleep(1)\nrequest.defer(later)"),
        ("import time", "request.defer(lambda: time.sleep(1))"),
        ("import time\ntime = request", "time.sleep(1)"),
        (
            "import asyncio, time",
            "try:\n    asyncio.get_running_loop()\nexcept RuntimeError:\n    time.sleep(1)",
        ),
    ],
)
def test_what_does_not_block_or_can_not_be_told_is_not_accused(blocks, imports, body):
    assert blocks(body, imports + "\n") == []


@pytest.mark.parametrize(
    "beside",
    [
        "def helper():\n    time.sleep(1)\n",
        "import functools\n@functools.lru_cache\ndef helper():\n    time.sleep(1)\n",
        "def logged(f):\n    return lambda: f()\n@logged\ndef helper():\n    time.sleep(1)\n",
        "class Helper:\n    def __call__(self):\n        time.sleep(1)\nhelper = Helper()\n",
        "class Helper:\n    def __init__(self):\n        time.sleep(1)\nhelper = Helper\n",
        "class Helper:\n    @staticmethod\n    def run():\n        time.sleep(1)\nhelper = Helper.run\n",
        "class Base:\n    def run(self):\n        time.sleep(1)\nclass Helper(Base):\n    ...\nhelper = Helper().run\n",
        "async def helper():\n    time.sleep(1)\n",
        "class C:\n    def __enter__(self):\n        time.sleep(1)\ndef helper():\n    with C():\n        pass\n",
        "def helper():\n    return inner()\ndef inner():\n    return helper() or time.sleep(1)\n",
    ],
)
def test_a_call_is_followed_into_the_project(blocks, beside):
    assert blocks("helper()", "import time\n", beside) == ["time.sleep()"]


@pytest.mark.parametrize(
    "beside",
    [
        "from channels.db import database_sync_to_async\n@database_sync_to_async\ndef helper():\n    time.sleep(1)\n",
        "def away(f):\n    return sync_to_async(f)\n@away\ndef helper():\n    time.sleep(1)\n",
        "from tasks import task\n@task\ndef helper():\n    time.sleep(1)\n",
        "def helper():\n    time.sleep(1)\n    yield 1\n",
        "def helper(): pass\ndef other():\n    time.sleep(1)\n",
    ],
)
def test_a_call_is_not_followed_where_it_may_run_elsewhere_or_later(blocks, beside):
    assert blocks("helper()", "import time\nfrom asgiref.sync import sync_to_async\n", beside) == []


def test_a_generator_blocks_where_it_is_gone_through(blocks):
    beside = "def helper():\n    time.sleep(1)\n    yield 1\n"
    assert blocks("for one in helper():\n    pass", "import time\n", beside) == ["time.sleep()"]


def test_what_is_awaited_is_not_taken_for_a_sync_function(blocks):
    beside = """
class Operation:
    def run(self):
        time.sleep(1)

def find(request) -> Operation: ...
"""
    assert blocks("await find(request).run()", "import time\n", beside) == []
    assert blocks("find(request).run()", "import time\n", beside) == ["time.sleep()"]


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("loop.call_soon(time.sleep, 3)", ["loop.call_soon(time.sleep, 3)"]),
        ("loop.call_later(1, time.sleep, 3)", ["loop.call_later(1, time.sleep, 3)"]),
        ("loop.call_later(1, partial(time.sleep, 3))", ["loop.call_later(1, partial(time.sleep, …"]),
        ("asyncio.get_event_loop().call_soon(helper)", ["time.sleep()"]),
        ("loop.call_at(1, lambda: helper())", ["time.sleep()"]),
        ("loop.call_soon(asyncio.sleep, 3)", []),
        ("await loop.run_in_executor(None, helper)", []),
        ("loop.call_soon()", []),
    ],
)
def test_what_the_loop_is_told_to_call_runs_on_it(blocks, call, found):
    imports = "import asyncio, time\nfrom functools import partial\ndef helper():\n    time.sleep(1)\n"
    assert blocks(f"loop = asyncio.get_running_loop()\n{call}", imports) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("(await Book.objects.aget()).shout", ["self.author"]),
        ("book = await Book.objects.aget()\nbook.label()", ["self.author"]),
        ("async for book in Book.objects.all():\n    book.loud()", ["self.author"]),
        ("book = await Book.objects.aget()\nbook.by.name", []),
        ("book = await Book.objects.select_related('author').aget()\nbook.shout", []),
        ("book = await Book.objects.acreate(author=None)\nbook.shout", []),
        ("book = await Book.objects.aget()\nbook.author = await Author.objects.aget()\nbook.shout", []),
        ("book = request.book\nbook.shout", []),
    ],
)
def test_a_relation_is_looked_for_in_the_methods_of_a_row(advise, body, found):
    models = """
        from django.db import models

        class Author(models.Model):
            name = models.TextField()

        class Book(models.Model):
            author = models.ForeignKey(Author, models.CASCADE)

            @property
            def shout(self):
                return self.author.name.upper()

            @property
            def by(self):
                self.author = Author()
                return self.author

            def label(self):
                return self.author.name

            def loud(self):
                return self.shout
    """
    views = f"from books.models import Author, Book\nasync def view(request):\n{textwrap.indent(body, '    ')}\n"
    blocking = advise({"books/models.py": models, "books/views.py": views}).blocking
    assert [finding.call for finding in blocking] == found


def test_a_property_is_followed(blocks):
    assert blocks("book = await Book.objects.afirst()\nbook.first_tag") == ["Tag.objects.first()"]


@pytest.mark.parametrize(("backend", "found"), [("redis.RedisCache", ["cache.get()"]), ("locmem.LocMemCache", [])])
def test_only_a_cache_outside_of_the_process_blocks(advise, backend, found):
    settings = f"""
        INSTALLED_APPS = ["books"]
        ROOT_URLCONF = "shop.urls"
        CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.{backend}"}}}}
    """
    views = """
        from django.core.cache import cache

        async def view(request):
            cache.get("x")
    """
    found_calls = advise({"shop/settings.py": settings, "books/views.py": views}).blocking
    assert [finding.call for finding in found_calls] == found


VIEW = """
    import time

    async def view(request):
        time.sleep(1)
"""


def test_code_that_no_request_reaches_is_not_judged(advise):
    job = VIEW.replace("request", "number")
    assert advise({"books/jobs.py": job, "books/management/commands/run.py": VIEW}).blocking == []
    assert advise({"left/__init__.py": "", "left/views.py": VIEW}).blocking == []
    assert len(advise({"books/views.py": VIEW}).blocking) == 1


def test_a_view_that_is_made_sync_has_a_thread_of_its_own(advise):
    made = VIEW.replace("async def", "@async_to_sync\n    async def")
    made = made.replace("import time", "import time\n    from asgiref.sync import async_to_sync")
    assert advise({"books/views.py": made}).blocking == []


def test_what_takes_a_request_but_is_no_view_is_not_judged(advise):
    transport = """
        import time

        import httpx

        class Transport(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request):
                time.sleep(1)
    """
    assert advise({"books/views.py": transport}).blocking == []


def test_a_project_where_all_depends_on_all_ends(blocks):
    names = [f"f{number}" for number in range(12)]
    beside = "".join(f"def {one}():\n    return {' or '.join(f'{other}()' for other in names)}\n" for one in names)
    assert blocks("f0().x()\ntime.sleep(1)", "import time\n", beside) == ["time.sleep()"]


def test_a_project_that_goes_in_circles_ends(blocks):
    beside = (
        "a = b\nb = a\nclass C(C): pass\nclass D(E): pass\nclass E(D): pass\nfrom books.views import view as again\n"
    )
    assert blocks("a.x\nC().x()\nE().y()\nagain(request)", "", beside) == []

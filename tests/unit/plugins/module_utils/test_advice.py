# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import textwrap

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import advice_text

ROUTER = """
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.core.asgi import get_asgi_application

    from books.consumers import Books

    application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([Books.as_asgi()])})
"""
CONSUMERS = """
    from channels.generic.websocket import AsyncWebsocketConsumer

    class Books(AsyncWebsocketConsumer):
        pass
"""
OWN_WEBSOCKET = """
    from django.core.asgi import get_asgi_application

    http = get_asgi_application()

    async def application(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await http(scope, receive, send)
"""
EVENTS = """
    import asyncio

    from django.http import StreamingHttpResponse

    async def news(request):
        async def events():
            while True:
                yield "data: x"
                await asyncio.sleep(1)

        return StreamingHttpResponse(events(), content_type="text/event-stream")
"""
POLLING = """
    import asyncio

    from django.http import HttpResponse

    async def wait(request):
        while not request.session.get("news"):
            await asyncio.sleep(1)
        return HttpResponse("news")
"""
ASYNC_VIEW = """
    import asyncio

    from django.http import HttpResponse

    async def view(request):
        await asyncio.sleep(1)
        return HttpResponse("fine")
"""
SYNC_STREAM = """
    from django.http import StreamingHttpResponse

    def rows():
        yield "a,b"

    def export(request):
        return StreamingHttpResponse(rows())
"""
BOTH_STREAMS = """
    from django.http import StreamingHttpResponse

    async def later():
        yield "a"

    def now():
        yield "a"

    def export(request):
        lines = later() if request.GET else now()
        return StreamingHttpResponse(lines)
"""
STARLETTE = """
    from django.core.asgi import get_asgi_application
    from starlette.applications import Starlette

    application = Starlette(routes=[get_asgi_application()])
"""
SETTINGS = """
    INSTALLED_APPS = ["books", "django_eventstream"]
    ROOT_URLCONF = "shop.urls"
"""


def said(found):
    return {f"{sign.path}:{sign.line} {sign.what}": sign.weight for sign in found.reasons}


@pytest.mark.parametrize(
    ("files", "line", "subject"),
    [
        ({"shop/asgi.py": ROUTER, "books/consumers.py": CONSUMERS}, "shop/asgi.py:7 WebSocket routing", "WebSockets"),
        ({"shop/asgi.py": OWN_WEBSOCKET}, "shop/asgi.py:7 answers WebSockets itself", "WebSockets"),
        ({"books/views.py": EVENTS}, "books/views.py:12 server-sent events", "server-sent events"),
        ({"books/views.py": POLLING}, "books/views.py:6 long polling in wait", "long polling"),
        ({"shop/asgi.py": STARLETTE}, "shop/asgi.py:5 another ASGI application", "other applications"),
        ({"shop/settings.py": SETTINGS}, "shop/settings.py:2 server-sent events by django-eventstream", "server-sent"),
    ],
)
def test_what_does_not_work_under_wsgi_asks_for_asgi(advise, files, line, subject):
    found = advise(files)
    assert (found.stack, found.firm) == ("asgi", True)
    assert subject in found.verdict
    assert any(reason.startswith(line) for reason in said(found)), said(found)


@pytest.mark.parametrize(
    ("files", "firm", "line"),
    [
        ({}, True, "shop/wsgi.py:2 the WSGI entry point"),
        ({"books/views.py": ASYNC_VIEW}, False, "books/views.py:6 async view view: awaits asyncio.sleep"),
        (
            {"books/views.py": ASYNC_VIEW.replace("await asyncio.sleep(1)", "pass")},
            False,
            "books/views.py:6 async view view: awaits nothing",
        ),
        ({"books/views.py": SYNC_STREAM}, True, "books/views.py:8 a stream by a sync iterator"),
        ({"books/views.py": BOTH_STREAMS}, False, "books/views.py:12 a stream, async or sync as the stack asks"),
        ({"books/consumers.py": CONSUMERS}, True, "shop/wsgi.py:2 the WSGI entry point"),
        ({"books/management/commands/serve.py": EVENTS}, True, "shop/wsgi.py:2 the WSGI entry point"),
        ({"books/tests/test_views.py": EVENTS, "docs/conf.py": EVENTS}, True, "shop/wsgi.py:2 the WSGI entry point"),
        ({"left/__init__.py": "", "left/views.py": EVENTS}, True, "shop/wsgi.py:2 the WSGI entry point"),
    ],
)
def test_all_else_is_for_wsgi(advise, files, firm, line):
    found = advise(files)
    assert (found.stack, found.firm) == ("wsgi", firm)
    assert any(reason.startswith(line) for reason in said(found)), said(found)


def test_a_router_for_http_alone_asks_for_nothing(advise):
    plain = ROUTER.replace(', "websocket": URLRouter([Books.as_asgi()])', "")
    found = advise({"shop/asgi.py": plain.replace("from books.consumers import Books", "")})
    assert (found.stack, found.firm) == ("wsgi", False)
    assert "shop/asgi.py:7 puts something of its own around Django" in said(found)


def test_another_application_that_asgi_py_does_not_lead_to_asks_for_nothing(advise):
    view = "from fastapi import FastAPI\n\nother = FastAPI()\n"
    assert advise({"books/views.py": view}).stack == "wsgi"


def test_a_project_without_wsgi_is_for_asgi(advise):
    found = advise({"shop/wsgi.py": None})
    assert (found.stack, found.firm) == ("asgi", True)
    assert "no wsgi.py" in found.verdict


def test_what_needs_asgi_and_has_no_asgi_py_is_told_so(advise):
    found = advise({"shop/asgi.py": None, "books/views.py": EVENTS})
    assert found.stack == "asgi"
    assert "asgi.py is still to be written" in found.verdict


def test_asgi_application_leads_to_the_routing(advise):
    settings = SETTINGS.replace(', "django_eventstream"', "") + '    ASGI_APPLICATION = "shop.routing.application"\n'
    files = {"shop/settings.py": settings, "shop/routing.py": ROUTER, "books/consumers.py": CONSUMERS}
    found = advise(files)
    assert found.stack == "asgi"
    assert "shop/settings.py:4 ASGI_APPLICATION is shop.routing.application" in said(found)


def test_the_same_source_has_the_same_advice(advise):
    files = {"books/views.py": EVENTS + POLLING, "shop/asgi.py": ROUTER, "books/consumers.py": CONSUMERS}
    assert advice_text.lines(advise(files)) == advice_text.lines(advise(files))


def test_what_is_no_python_is_named_and_left_out(advise):
    found = advise(
        {
            "books/old.py": 'print "hello"\n',
            "books/views.py": "from . import old\n" + textwrap.dedent(ASYNC_VIEW),
            "books/template.py": "import {{ name }}\n",
        }
    )
    assert sorted(found.unparsable) == ["books/old.py", "books/template.py"]
    assert found.unparsable["books/old.py"].startswith("line 1: ")
    assert found.stack == "wsgi"


def test_nothing_of_the_project_runs(advise, tmp_path):
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nraise SystemExit\n"
    advise(dict.fromkeys(("manage.py", "shop/settings.py", "shop/urls.py", "shop/asgi.py", "books/views.py"), trap))
    assert not (tmp_path / "sprung").exists()

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import textwrap

import pytest

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
BEFORE = "django.contrib.sessions.middleware.SessionMiddleware"
IMPORTS = """
from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.views import View
from rest_framework.views import APIView
from books.models import Book

def name_of(request):
    return request.user.username

def handed(f):
    async def wrapper(*args):
        return await f(*args)
    return wrapper

def known(f):
    async def wrapper(req):
        if not (await req.auser()).is_staff and req.user:
            return None
        return await f(req)
    return wrapper
"""


@pytest.fixture
def blocks(advise):
    def blocks(text, *middleware, **files):
        settings = f"""
            INSTALLED_APPS = ["books"]
            ROOT_URLCONF = "shop.urls"
            MIDDLEWARE = {[BEFORE, AUTHENTICATION, *middleware]!r}
        """
        views = IMPORTS + textwrap.dedent(text)
        return advise({"shop/settings.py": settings, "books/views.py": views, **files}).blocking

    return blocks


def view(body):
    return f"async def view(request):\n{textwrap.indent(body, '    ')}\n"


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ("request.user.username", "request.user.username"),
        ("x = request.user.username or 'anonymous'", "request.user.username"),
        ("user = request.user\nuser.pk", "user.pk"),
        ("if request.user:\n    pass", "request.user"),
        ("if not request.user:\n    pass", "request.user"),
        ("request.user and print()", "request.user"),
        ("request.user == 1", "request.user"),
        ("f'hello {request.user}'", "request.user"),
        ("Book.objects.filter(author=request.user)", "request.user"),
        ("user = await request.auser()\nrequest.user.is_authenticated", "request.user.is_authenticated"),
        ("name_of(request)", "request.user.username"),
        ("async def inner():\n    return request.user.pk\nawait inner()", "request.user.pk"),
    ],
)
def test_who_looks_at_the_user_asks_the_database(blocks, body, call):
    (found,) = blocks(view(body))
    assert (found.call, found.instead) == (call, "await request.auser()")
    assert "SynchronousOnlyOperation" in found.why


@pytest.mark.parametrize(
    "body",
    [
        "user = await request.auser()\nuser.username",
        "name = await sync_to_async(name_of)(request)",
        "name = await sync_to_async(lambda: request.user.username)()",
        "other = request.user\nprint(other)",
        "render(request, 'x', {'user': request.user})",
        "request.user is None",
        "await Book.objects.aget(author=request.user)",
        "other.filter(author=request.user)",
        "self.user.username\nother.user.username",
        "request = other\nrequest.user.username",
        "user = request.user if request.GET else other\nuser.pk",
    ],
)
def test_who_hands_it_on_or_asks_for_it_elsewhere_does_not(blocks, body):
    assert blocks(view(body)) == []


def test_a_view_by_class_has_it_too(blocks):
    found = blocks("""
        class Page(View):
            async def get(self, request):
                request.user.pk

            async def post(self, request):
                return self.name()

            def name(self):
                return self.request.user.username
    """)
    assert [one.call for one in found] == ["request.user.pk", "self.request.user.username"]


@pytest.mark.parametrize("decorator", ["login_required", "login_required()", "handed"])
def test_a_decorator_that_leaves_it_alone_changes_nothing(blocks, decorator):
    assert len(blocks(f"@{decorator}\n{view('request.user.pk')}")) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"@known\n{view('request.user.pk')}",
        f"from ninja import Router\nrouter = Router()\n@router.get('/')\n{view('request.user.pk')}",
        "class Page(APIView):\n    async def get(self, request):\n        request.user.pk\n",
        "class Page(View):\n    async def dispatch(self, request):\n        request.user = await request.auser()\n"
        "    async def get(self, request):\n        request.user.pk\n",
        view("request.user = await request.auser()\nrequest.user.pk"),
        view("request.user, request.auth = await other()\nrequest.user.pk"),
        view("setattr(request, 'user', await request.auser())\nrequest.user.pk"),
    ],
)
def test_where_somebody_may_have_put_it_there_nothing_is_said(blocks, text):
    assert blocks(text) == []


@pytest.mark.parametrize(
    ("middleware", "found"),
    [
        ("django.middleware.csrf.CsrfViewMiddleware", 1),
        ("whitenoise.middleware.WhiteNoiseMiddleware", 1),
        ("books.middleware.Quiet", 1),
        ("books.middleware.Looking", 0),
        ("django.contrib.auth.middleware.LoginRequiredMiddleware", 0),
        ("somebody.elses.Middleware", 0),
    ],
)
def test_middleware_may_have_looked_at_it_before_in_a_thread(blocks, middleware, found):
    name = "user" if "Looking" in middleware else "path"
    own = f"""
        class {middleware.rpartition(".")[2]}:
            def __call__(self, request):
                print(request.{name})
                return self.get_response(request)
    """
    assert len(blocks(view("request.user.pk"), middleware, **{"books/middleware.py": own})) == found


def test_without_the_middleware_there_is_none(advise):
    settings = "INSTALLED_APPS = ['books']\nROOT_URLCONF = 'shop.urls'\nMIDDLEWARE = []\n"
    assert advise({"shop/settings.py": settings, "books/views.py": view("request.user.pk")}).blocking == []


def test_a_consumer_has_none(blocks):
    consumer = """
        from channels.generic.websocket import AsyncWebsocketConsumer

        class Chat(AsyncWebsocketConsumer):
            async def receive(self, request):
                request.user.pk
    """
    assert blocks(consumer) == []

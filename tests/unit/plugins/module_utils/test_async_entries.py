# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import textwrap

import pytest

URLS = "from django.urls import path\nfrom books import views\nurlpatterns = [path('', {})]\n"


@pytest.fixture
def kinds(advise):
    """How the functions in which a call blocks are reached: the kind of the entry, for each."""

    def kinds(views, route="views.view", **files):
        text = "import functools, time\n" + textwrap.dedent(views)
        found = advise({"books/views.py": text, "shop/urls.py": URLS.format(route), **files}).blocking
        return {finding.chain[0][2]: finding.kind for finding in found}

    return kinds


def test_a_view_is_one_that_the_urls_name_whatever_it_calls_its_request(kinds):
    view = """
        async def view(req):
            time.sleep(1)

        async def other(req):
            time.sleep(1)
    """
    assert kinds(view) == {"view": "async view"}


@pytest.mark.parametrize("route", ["views.seen(views.view)", "csrf_exempt(views.seen(views.view))"])
def test_a_view_is_found_within_what_is_wrapped_around_it(kinds, route):
    view = """
        def seen(f):
            return f

        async def view(req):
            time.sleep(1)
    """
    urls = (
        "from django.urls import path\nfrom django.views.decorators.csrf import csrf_exempt\nfrom books import views\n"
    )
    found = kinds(view, **{"shop/urls.py": urls + f"urlpatterns = [path('', {route})]\n"})
    assert found == {"view": "async view"}


@pytest.mark.parametrize(
    "decorator",
    [
        "def seen(f):\n    @functools.wraps(f)\n    async def wrapper(*args, **kwargs):\n        time.sleep(1)\n"
        "        return await f(*args, **kwargs)\n    return wrapper\n@seen",
        "def seen(f):\n    async def wrapper(req, *args):\n        time.sleep(1)\n        return await f(req)\n"
        "    def inner(req):\n        return f(req)\n    if f:\n        return wrapper\n    return inner\n@seen",
        "def seen(times):\n    def seen(f):\n        async def wrapper(*args):\n            time.sleep(times)\n"
        "        return wrapper\n    return seen\n@seen(3)",
    ],
)
def test_a_decorator_is_followed_to_the_function_that_it_returns(kinds, decorator):
    assert kinds(f"{decorator}\nasync def view(request):\n    pass\n") == {"wrapper": "async decorator"}


def test_a_decorator_of_methods_is_followed_too(kinds):
    view = """
        from django.utils.decorators import method_decorator
        from django.views import View

        def seen(f):
            async def inner(self, req, *args):
                time.sleep(1)
                return await f(self, req, *args)
            return inner

        def plain(f):
            async def outer(*args):
                time.sleep(1)
                return await f(*args)
            return outer

        class Page(View):
            @seen
            async def get(self, request):
                pass

            @method_decorator(plain)
            async def post(self, request):
                pass
    """
    assert kinds(view, "views.Page.as_view()") == {"inner": "async decorator", "outer": "async decorator"}


def test_a_decorator_that_no_view_has_runs_nowhere(kinds):
    view = """
        def seen(f):
            async def wrapper(*args, **kwargs):
                time.sleep(1)
            return wrapper

        @seen
        async def job(number):
            pass

        async def view(request):
            pass
    """
    assert kinds(view) == {}


def test_middleware_is_what_the_settings_name(kinds):
    settings = """
        INSTALLED_APPS = ["books"]
        ROOT_URLCONF = "shop.urls"
        MIDDLEWARE = ["books.middleware.timed", "books.middleware.Counter"]
    """
    middleware = """
        import time

        def timed(get_response):
            async def middleware(req):
                time.sleep(1)
                return await get_response(req)
            return middleware

        class Counter:
            async def __call__(self, req):
                time.sleep(1)

        def other(get_response):
            async def unused(req):
                time.sleep(1)
            return unused
    """
    files = {"shop/settings.py": settings, "books/middleware.py": middleware}
    found = kinds("async def view(request):\n    pass\n", **files)
    assert found == {"middleware": "async middleware", "Counter.__call__": "async middleware"}

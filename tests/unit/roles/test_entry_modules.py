# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an app server serves: the project's application, told by nginx's headers who asks and how."""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import jinja2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROLES = Path(__file__).parents[3] / "roles"
FILES = ROLES / "release/files"
JINJA = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - Python
AS_USUAL = {"__site_plan": {"prefix": "shop."}, "asgi_stall_threshold": 0}

WSGI = """\
seen = []
headers = [("Content-Length", "4")]


def application(environ, start_response):
    seen.append(environ)
    start_response("200 OK", headers, *environ.get("x.error", ()))
    return [b"fine"]
"""
ASGI = """\
seen = []
messages = []


async def application(scope, receive, send):
    seen.append((scope, receive, send))
    for message in messages:
        await send(message)
"""


def render(stack, **variables):
    template = (ROLES / stack / "templates" / f"switchyard_{stack}.py.j2").read_text()
    return JINJA.from_string(template).render({**AS_USUAL, **variables})


@pytest.fixture
def logged():
    """The logger of Django, as it was before."""
    logger = logging.getLogger("django")
    before = list(logger.handlers)
    yield logger
    logger.handlers[:] = before


@pytest.fixture
def load(tmp_path, monkeypatch, logged):
    """Imports an entry module beside a project of its own, as a server does, and leaves no trace of it."""

    def load(stack, package="shop.", **variables):
        folder = tmp_path / package.replace(".", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "wsgi.py").write_text(WSGI)
        (folder / "asgi.py").write_text(ASGI)
        (tmp_path / f"switchyard_{stack}.py").write_text(render(stack, __site_plan={"prefix": package}, **variables))
        known = ("switchyard_", package.partition(".")[0] or stack)
        for name in [name for name in sys.modules if name.startswith(known)]:
            monkeypatch.delitem(sys.modules, name)
        for name, module in load.beside.items():
            monkeypatch.setitem(sys.modules, name, module)
        importlib.invalidate_caches()
        module = importlib.import_module(f"switchyard_{stack}")
        assert Path(module.__file__).parent == tmp_path
        module.theirs = importlib.import_module(f"{package}{stack}")
        module.seen = module.theirs.seen
        for name in [name for name in sys.modules if name.startswith(known)]:
            monkeypatch.delitem(sys.modules, name)
        return module

    conf = ModuleType("django.conf")
    conf.settings = load.settings = SimpleNamespace(LOGGING={}, LOGGING_CONFIG="logging.config.dictConfig")
    load.beside = {"django": ModuleType("django"), "django.conf": conf}
    monkeypatch.syspath_prepend(str(FILES))
    monkeypatch.syspath_prepend(str(ROLES / "asgi/files"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return load


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["wsgi", "asgi"])
def test_errors_of_the_project_go_to_the_journal(load, logged, stack):
    before = list(logged.handlers)
    load(stack)
    (handler,) = [one for one in logged.handlers if one not in before]
    assert (type(handler), handler.level) == (logging.StreamHandler, logging.ERROR)


@pytest.mark.parametrize("own", [{"LOGGING": {"version": 1}}, {"LOGGING_CONFIG": None}])
def test_a_project_that_sees_to_its_log_itself_decides_for_itself(load, logged, own):
    vars(load.settings).update(own)
    before = list(logged.handlers)
    load("wsgi")
    assert logged.handlers == before


@pytest.mark.parametrize("stack", ["wsgi", "asgi"])
def test_a_package_may_lie_in_another_one(load, stack):
    assert load(stack, package="apps.shop.").project.__module__ == f"apps.shop.{stack}"


@pytest.mark.parametrize("stack", ["wsgi", "asgi"])
def test_an_entry_point_may_lie_in_no_package(load, stack):
    assert load(stack, package="").project.__module__ == stack


# --- what a Host header asks for -------------------------------------------------------------------------------------

ASKED_FOR = [
    ("shop.example.org", "http", ("shop.example.org", 80)),
    ("shop.example.org", "https", ("shop.example.org", 443)),
    ("shop.example.org:8000", "https", ("shop.example.org", 8000)),
    ("192.0.2.7", "http", ("192.0.2.7", 80)),
    ("192.0.2.7:8000", "http", ("192.0.2.7", 8000)),
    ("[2001:db8::7]", "https", ("[2001:db8::7]", 443)),
    ("[2001:db8::7]:8000", "http", ("[2001:db8::7]", 8000)),
    ("[::1]", "http", ("[::1]", 80)),
    ("shop.example.org:", "http", ("shop.example.org:", 80)),
    ("shop.example.org:http", "https", ("shop.example.org:http", 443)),
    ("shop.example.org:-1", "http", ("shop.example.org:-1", 80)),
    ("shop.example.org:8²", "http", ("shop.example.org:8²", 80)),
    (":8000", "http", (":8000", 80)),
    ("", "https", ("", 443)),
]
# The headers of an answer, and whether it is one that is made as it goes.
ANSWERS = [
    ([], True),
    (["Content-Type", "Cache-Control"], True),
    (["Content-Length"], False),
    (["Content-Type", "content-length"], False),
    (["CONTENT-LENGTH"], False),
    (["X-Accel-Buffering"], False),
    (["x-accel-buffering", "Content-Length"], False),
    (["X-Content-Length", "Content-Length-Range"], True),
]
NO_SCHEMES = ["", "HTTPS", "https, http", "https ", "wss", "on", "javascript", "ÿþ"]


def visited(module, **environ):
    """What the project sees of a visit."""
    environ = {"wsgi.url_scheme": "http", "SERVER_NAME": "unix", "SERVER_PORT": "", "PATH_INFO": "/é", **environ}
    answers = []
    body = module.application(environ, lambda *answer: answers.append(answer))
    assert (body, answers) == ([b"fine"], [("200 OK", [("Content-Length", "4")])])
    return module.seen[-1]


# --- WSGI ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wsgi(load):
    return load("wsgi")


@pytest.mark.parametrize("known", ["http", "https"])
@pytest.mark.parametrize(("told", "secure"), [("https", "on"), ("http", "off")])
def test_nginx_says_whether_a_visit_is_secure(wsgi, known, told, secure):
    seen = visited(wsgi, HTTP_X_FORWARDED_PROTO=told, HTTPS="forged", **{"wsgi.url_scheme": known})
    assert (seen["wsgi.url_scheme"], seen["HTTPS"]) == (told, secure)


@pytest.mark.parametrize("known", ["http", "https"])
@pytest.mark.parametrize("told", [*NO_SCHEMES, None])
def test_where_nginx_does_not_say_it_the_server_knows_it(wsgi, known, told):
    headers = {} if told is None else {"HTTP_X_FORWARDED_PROTO": told}
    assert visited(wsgi, **headers, **{"wsgi.url_scheme": known})["wsgi.url_scheme"] == known


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"HTTP_X_REAL_IP": "192.0.2.7", "REMOTE_ADDR": ""}, "192.0.2.7"),
        ({"HTTP_X_REAL_IP": "2001:db8::7", "REMOTE_ADDR": "127.0.0.1"}, "2001:db8::7"),
        ({"HTTP_X_REAL_IP": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, "192.0.2.7"),
        ({"HTTP_X_FORWARDED_FOR": "203.0.113.9", "REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1"),
        ({"HTTP_X_REAL_IP": "", "REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1"),
        ({"REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1"),
        ({}, ""),
    ],
)
def test_the_visitors_address_is_the_one_that_nginx_saw(wsgi, environ, address):
    assert visited(wsgi, **environ)["REMOTE_ADDR"] == address


@pytest.mark.parametrize(("host", "scheme", "server"), ASKED_FOR)
def test_name_and_port_are_those_that_were_asked_for(wsgi, host, scheme, server):
    seen = visited(wsgi, HTTP_HOST=host, HTTP_X_FORWARDED_PROTO=scheme)
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == (server[0], str(server[1]))
    assert seen["HTTP_HOST"] == host


def test_who_names_no_host_gets_what_the_server_knows(wsgi):
    seen = visited(wsgi, SERVER_NAME="localhost", SERVER_PORT="8000")
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("localhost", "8000")


def test_all_else_is_as_the_server_has_it(wsgi):
    given_environ = {
        "QUERY_STRING": "a=1",
        "HTTP_COOKIE": "c=é",
        "wsgi.input": object(),
        "HTTP_HOST": "shop.example.org",
    }
    seen = visited(wsgi, **given_environ)
    assert {name: seen[name] for name in given_environ} == given_environ


@pytest.mark.parametrize("error", [(), (None,), ((ValueError, ValueError("x"), None),)], ids=["", "None", "an error"])
@pytest.mark.parametrize(("headers", "streams"), ANSWERS)
def test_nginx_holds_nothing_back_of_an_answer_that_is_made_as_it_goes(wsgi, headers, streams, error):
    wsgi.theirs.headers = given_headers = [(name, "x") for name in headers]
    answers = []
    environ = {"wsgi.url_scheme": "http", "x.error": error}
    assert wsgi.application(environ, lambda *answer: answers.append(answer) or b"".join) == [b"fine"]
    assert answers == [("200 OK", [(name, "x") for name in headers] + [("X-Accel-Buffering", "no")] * streams, *error)]
    assert given_headers == [(name, "x") for name in headers], "the project's own list stays as it is"


def test_an_answer_can_be_written_piece_by_piece(wsgi):
    """What a server's start_response returns (PEP 3333) reaches the project."""
    written = []

    def project(environ, start_response):
        start_response("200 OK", [])(b"piece")
        return []

    wsgi.project = project
    assert wsgi.application({"wsgi.url_scheme": "http"}, lambda *_answer: written.append) == []
    assert written == [b"piece"]


RECIPIENTS = [("0123456789ab", False), ("", False), ("ba9876543210", True), ("0123456789ab ", True)]


@pytest.mark.parametrize(("recipient", "refused"), RECIPIENTS)
def test_what_nginx_meant_for_another_release_is_not_answered(wsgi, monkeypatch, recipient, refused):
    monkeypatch.setenv("RELEASE_ID", "0123456789ab")
    if not refused:
        visited(wsgi, HTTP_X_SWITCHYARD_RELEASE=recipient)
        return
    answers = []
    environ = {"wsgi.url_scheme": "http", "HTTP_X_SWITCHYARD_RELEASE": recipient}
    assert wsgi.application(environ, lambda *answer: answers.append(answer)) == []
    assert [status for status, _headers in answers] == ["421 Misdirected Request"]
    assert wsgi.seen == [], "the project was asked"


LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=80)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LATIN_1, LATIN_1, LATIN_1)
def test_whatever_a_header_holds_the_project_is_asked(wsgi, host, proto, address):
    seen = visited(wsgi, HTTP_HOST=host, HTTP_X_FORWARDED_PROTO=proto, HTTP_X_REAL_IP=address)
    assert seen["wsgi.url_scheme"] in ("http", "https")
    assert seen["SERVER_PORT"].isdecimal()


# --- ASGI ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def asgi(load):
    return load("asgi")


async def nobody_calls(*_arguments):
    raise AssertionError


def scope_of(kind="http", headers=(), **changes):
    scheme = {"http": "http", "websocket": "ws"}[kind]
    return {
        "type": kind,
        "scheme": scheme,
        "server": ("/run/shop/app.sock", None),
        "client": None,
        "path": "/",
        "headers": [(name.encode(), value) for name, value in dict(headers).items()],
        "state": {},
        **changes,
    }


def asked(module, scope):
    """What the project sees of a scope that stays as it is."""
    before = copy.deepcopy(scope)
    asyncio.run(module.application(scope, nobody_calls, nobody_calls))
    assert scope == before
    seen, receive, send = module.seen[-1]
    assert receive is nobody_calls
    # What a page is sent passes who says whether it is a stream, and a WebSocket's who closes it.
    assert (send is nobody_calls) == (scope["type"] not in ("http", "websocket"))
    return seen


def sent(module, *messages):
    """What the server is sent of a page of which the project sends the messages."""
    module.theirs.messages = list(messages)
    before, passed = copy.deepcopy(messages), []

    async def send(message):
        passed.append(message)

    asyncio.run(module.application(scope_of(), nobody_calls, send))
    assert messages == before, "the project's own messages stay as they are"
    return passed


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(("recipient", "refused"), RECIPIENTS)
def test_a_scope_that_nginx_meant_for_another_release_is_refused(asgi, monkeypatch, kind, recipient, refused):
    monkeypatch.setenv("RELEASE_ID", "0123456789ab")
    scope = scope_of(kind, {"x-switchyard-release": recipient.encode()})
    if not refused:
        asked(asgi, scope)
        return
    passed = []

    async def send(message):
        passed.append(message)

    asyncio.run(asgi.application(scope, nobody_calls, send))
    assert asgi.seen == [], "the project was asked"
    assert passed[0] == (
        {"type": "websocket.close", "code": 1008}
        if kind == "websocket"
        else {"type": "http.response.start", "status": 421, "headers": [(b"content-length", b"0")]}
    )


@pytest.mark.parametrize(("headers", "streams"), ANSWERS)
def test_nginx_holds_nothing_back_of_a_response_that_is_made_as_it_goes(asgi, headers, streams):
    body = {"type": "http.response.body", "body": b"piece", "more_body": True}
    told = [(name.lower().encode(), b"x") for name in headers]
    start = {"type": "http.response.start", "status": 200, "headers": told}
    told = [*told, (b"x-accel-buffering", b"no")] if streams else told
    assert sent(asgi, start, body) == [{**start, "headers": told}, body]


def test_a_name_of_a_header_that_no_server_would_lower_counts_all_the_same(asgi):
    start = {"type": "http.response.start", "status": 200, "headers": [[bytearray(b"Content-Length"), b"4"]]}
    assert sent(asgi, start) == [start]


def test_a_response_without_headers_is_one_that_is_made_as_it_goes(asgi):
    (start,) = sent(asgi, {"type": "http.response.start", "status": 204})
    assert start["headers"] == [(b"x-accel-buffering", b"no")]


def test_what_is_no_start_of_a_response_goes_on_as_it_is(asgi):
    messages = [{"type": kind, "headers": []} for kind in ("http.response.body", "http.response.trailers")]
    assert [one is other for one, other in zip(sent(asgi, *messages), messages, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("kind", "known", "told", "scheme"),
    [
        ("http", "http", b"https", "https"),
        ("http", "https", b"http", "http"),
        ("http", "http", b"http", "http"),
        ("websocket", "ws", b"https", "wss"),
        ("websocket", "wss", b"http", "ws"),
        ("websocket", "http", b"https", "wss"),
        *(("http", "http", told.encode("latin-1"), "http") for told in NO_SCHEMES),
        *(("http", "https", told.encode("latin-1"), "https") for told in NO_SCHEMES),
        *(("websocket", "wss", told.encode("latin-1"), "wss") for told in NO_SCHEMES),
    ],
)
def test_a_scope_has_the_scheme_that_nginx_tells(asgi, kind, known, told, scheme):
    assert asked(asgi, scope_of(kind, {"x-forwarded-proto": told}, scheme=known))["scheme"] == scheme


@pytest.mark.parametrize(
    ("kind", "known", "scheme"),
    [
        ("http", "http", "http"),
        ("http", "https", "https"),
        ("websocket", "ws", "ws"),
        ("websocket", "wss", "wss"),
        ("websocket", "https", "wss"),
    ],
)
def test_a_scope_keeps_its_scheme_where_nginx_tells_none(asgi, kind, known, scheme):
    assert asked(asgi, scope_of(kind, scheme=known))["scheme"] == scheme


@pytest.mark.parametrize(("kind", "scheme"), [("http", "http"), ("websocket", "ws")])
def test_a_scope_without_a_scheme_gets_one(asgi, kind, scheme):
    scope = scope_of(kind)
    del scope["scheme"]
    assert asked(asgi, scope)["scheme"] == scheme


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(("host", "scheme", "server"), ASKED_FOR)
def test_the_server_of_a_scope_is_the_one_that_was_asked_for(asgi, kind, host, scheme, server):
    headers = {"host": host.encode("latin-1"), "x-forwarded-proto": scheme.encode()}
    assert asked(asgi, scope_of(kind, headers))["server"] == server


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_the_client_of_a_scope_is_the_visitor(asgi, kind):
    headers = {"x-real-ip": b"2001:db8::7", "x-forwarded-for": b"203.0.113.9"}
    assert asked(asgi, scope_of(kind, headers, client=("127.0.0.1", 4711)))["client"] == ("2001:db8::7", 0)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_no_header_tells_stays_as_the_server_has_it(asgi, kind):
    scope = scope_of(kind, {"x-forwarded-for": b"203.0.113.9", "cookie": b"\xff"}, client=("127.0.0.1", 4711))
    assert asked(asgi, scope) == scope


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_scope_keeps_all_else_and_shares_its_state(asgi, kind):
    scope = scope_of(kind, {"host": b"shop.example.org", "x-real-ip": b"192.0.2.7"}, extensions={"x": {}})
    seen = asked(asgi, scope)
    assert seen is not scope
    assert seen["state"] is scope["state"]
    assert {name for name in scope if seen[name] != scope[name]} == {"server", "client"}
    assert set(seen) == set(scope)


@pytest.mark.parametrize("kind", ["lifespan", "something.else"])
def test_a_scope_that_is_no_visit_goes_on_untouched(asgi, kind):
    scope = {"type": kind, "asgi": {"version": "3.0"}, "state": {}}
    assert asked(asgi, scope) is scope


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["http", "websocket"]), *[st.binary(max_size=80)] * 4)
def test_headers_are_bytes_and_need_not_be_text(asgi, kind, host, proto, address, other):
    headers = {"host": host, "x-forwarded-proto": proto, "x-real-ip": address, "x-other": other}
    seen = asked(asgi, scope_of(kind, headers))
    assert seen["client"] == (address.decode("latin-1"), 0)
    assert seen["scheme"] in ("http", "https", "ws", "wss")
    assert isinstance(seen["server"][1], int)


def test_a_loop_is_watched_with_the_threshold_that_the_user_set(load):
    load.beside["switchyard_stalls"] = stalls = ModuleType("switchyard_stalls")
    watched = []
    stalls.watch = watched.append
    module = load("asgi", asgi_stall_threshold="0.25")
    for scope in (scope_of(), scope_of("websocket"), {"type": "lifespan"}):
        asked(module, scope)
    assert watched == [0.25] * 3


def test_a_websocket_is_served_by_who_closes_it_in_the_end(load):
    load.beside["switchyard_goodbye"] = goodbye = ModuleType("switchyard_goodbye")
    served = []

    async def serve(project, *call):
        served.append((project, *call))

    goodbye.serve = serve
    module = load("asgi")
    for scope in (scope_of(), {"type": "lifespan"}):
        asked(module, scope)
    assert served == []
    headers = {"host": b"shop.example.org", "x-forwarded-proto": b"https"}
    asyncio.run(module.application(scope_of("websocket", headers), nobody_calls, nobody_calls))
    ((project, scope, *rest),) = served
    assert (project, rest) == (module.project, [nobody_calls, nobody_calls])
    assert (scope["scheme"], scope["server"]) == ("wss", ("shop.example.org", 443))


# --- Django ----------------------------------------------------------------------------------------------------------

SETTINGS = """\
SECRET_KEY = "x" * 50
ALLOWED_HOSTS = ["shop.example.org", "[2001:db8::7]"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
"""
URLS = """\
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path


def visit(request):
    return JsonResponse({
        "url": request.build_absolute_uri(),
        "secure": request.is_secure(),
        "port": request.get_port(),
        "visitor": request.META["REMOTE_ADDR"],
    })


def stream(request):
    return StreamingHttpResponse(iter([b"piece ", b"by piece"]))


urlpatterns = [path("", visit), path("stream/", stream)]
"""
ENTRY_POINT = """\
from django.core.{stack} import get_{stack}_application

application = get_{stack}_application()
"""
ASK = {
    "wsgi": """\
import io, json, sys
from switchyard_wsgi import application

for path, headers in json.load(sys.stdin):
    answers = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "unix", "SERVER_PORT": "",
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http",
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }
    body = b"".join(application(environ, lambda *answer: answers.append(answer))).decode()
    ((_status, headers),) = answers
    print(json.dumps([dict(headers).get("X-Accel-Buffering"), body]))
""",
    "asgi": """\
import asyncio, json, sys
from switchyard_asgi import application

async def ask(path, headers):
    messages, body, told = [{"type": "http.request", "body": b""}], [], {}

    async def receive():
        if messages:
            return messages.pop()
        await asyncio.Event().wait()

    async def send(message):
        told.update(message.get("headers", ()))
        body.append(message.get("body", b""))

    await application({
        "type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http", "client": None,
        "server": ("/run/shop/app.sock", None), "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }, receive, send)
    buffering = told.get(b"x-accel-buffering")
    return [buffering and buffering.decode(), b"".join(body).decode()]

for path, headers in json.load(sys.stdin):
    print(json.dumps(asyncio.run(ask(path, headers))))
""",
}
VISITS = [
    (
        {"Host": "shop.example.org", "X-Forwarded-Proto": "http", "X-Real-IP": "192.0.2.7"},
        "http://shop.example.org/",
        "80",
    ),
    (
        {"Host": "shop.example.org", "X-Forwarded-Proto": "https", "X-Real-IP": "2001:db8::9"},
        "https://shop.example.org/",
        "443",
    ),
    (
        {"Host": "shop.example.org:8443", "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7"},
        "https://shop.example.org:8443/",
        "8443",
    ),
    (
        {"Host": "[2001:db8::7]:8000", "X-Forwarded-Proto": "http", "X-Real-IP": "192.0.2.7"},
        "http://[2001:db8::7]:8000/",
        "8000",
    ),
]


@pytest.fixture(params=["wsgi", "asgi"])
def ask(request, tmp_path):
    """Asks a real project for pages: how nginx is to buffer each of them, and its body."""
    pytest.importorskip("django")
    stack = request.param
    (tmp_path / "shop").mkdir()
    entry = {"settings": SETTINGS, "urls": URLS, stack: ENTRY_POINT.format(stack=stack)}
    for name, text in entry.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text)
    (tmp_path / f"switchyard_{stack}.py").write_text(render(stack))

    def ask(*pages):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ASK[stack]],
            input=json.dumps(pages),
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{tmp_path}:{FILES}:{ROLES / 'asgi/files'}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "DJANGO_SETTINGS_MODULE": "shop.settings",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def test_django_sees_the_visit_that_nginx_saw(ask):
    assert [json.loads(body) for _buffering, body in ask(*(("/", headers) for headers, _url, _port in VISITS))] == [
        {"url": url, "secure": url.startswith("https"), "port": port, "visitor": headers["X-Real-IP"]}
        for headers, url, port in VISITS
    ]


def test_of_djangos_answers_streams_alone_are_not_held_back(ask):
    headers = {"Host": "shop.example.org", "X-Forwarded-Proto": "http", "X-Real-IP": "192.0.2.7"}
    page, stream, missing = ask(("/", headers), ("/stream/", headers), ("/nowhere/", headers))
    assert (page[0], stream, missing[0]) == (None, ["no", "piece by piece"], None)

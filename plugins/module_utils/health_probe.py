# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a web application whether it is well, and says what kind of failure it met and what to do about it.

Target says where, HttpCheck and WebSocketCheck say what, Limits says for how long. probe_once() asks one check once,
probe() asks until every check has passed often enough in a row. Bad input raises ValueError when the dataclass is
made.
"""

from __future__ import annotations

import http.client
import re
import socket
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union
from urllib.parse import urlsplit

from ansible_collections.switchyard.django.plugins.module_utils import websocket
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import (
    CONTROL_CHARACTER,
    HOST,
    Answer,
    Connection,
    Target,
    header_value,
)
from ansible_collections.switchyard.django.plugins.module_utils.page_text import printable

__all__ = [
    "HINTS",
    "Attempt",
    "Check",
    "HttpCheck",
    "Limits",
    "Report",
    "Target",
    "WebSocketCheck",
    "probe",
    "probe_once",
]

# What can go wrong, and the way out. The keys are the values that `failure` may take.
HINTS: Mapping[str, str] = {
    # No connection
    "no_socket": "The application server has not made its socket. See the unit's journal for why it did not start.",
    "permission": "Give the user who probes access to the socket and to search every directory above it.",
    "refused": "Nothing listens there: the application server is down, still starting, or left a stale socket file.",
    "dns": "The host name does not resolve on this machine: correct the name, or use an address.",
    "unreachable": "No connection to this address: check the address, the route and the firewall.",
    "connect_timeout": "Nothing takes the connection: a firewall drops it, or all workers are stuck and the queue "
    "is full.",
    # A connection, but no answer
    "read_timeout": "The application took the request and did not answer in time: look for a slow query, a database or "
    "cache out of reach, or a stuck worker; or raise the time-out.",
    "reset": "The application server closed the connection in mid-answer: a worker crashed, was killed for its memory "
    "or its time-out, or was restarting. See the unit's journal.",
    "bad_http": "What listens there does not speak HTTP: the wrong port or socket, TLS, or a uwsgi or FastCGI socket.",
    # An answer, but not the right one
    "disallowed_host": "Add the domain to ALLOWED_HOSTS.",
    "bad_request": "If Django sent this, its ALLOWED_HOSTS lacks the Host that was sent, or a header is malformed.",
    "https_redirect_loop": "Django does not see that the request came over HTTPS. Add to the settings: "
    'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")',
    "redirect": "Probe the URL that it leads to. A final slash may be missing, the page may need a login, or "
    "SECURE_SSL_REDIRECT is on and the probe did not send X-Forwarded-Proto: https.",
    "unauthorized": "Probe a page that needs no login and that no address filter or middleware guards.",
    "not_found": "Set site_health_path to a path that the project answers, or add this one to its URLs.",
    "too_large": "The request is larger than the server accepts: raise its limit on bodies, headers or URLs.",
    "server_error": "The application raised an exception: its traceback is in the unit's journal.",
    "bad_gateway": "The proxy got no valid answer from the application server: probe that one's own socket.",
    "unavailable": "Maintenance mode is on, the application reports itself unfit, or no worker is free.",
    "gateway_timeout": "The proxy waited in vain for the application server: probe that one's own socket.",
    "wrong_status": "Correct the status that is expected, or the view that answers.",
    "wrong_body": "Another application or release answers there, or the expected text has changed.",
    "wrong_header": "Another application or release answers there, or the expected header has changed.",
    "no_upgrade": "The server did not switch to WebSocket: it may be a WSGI server, an ASGI server without its "
    "WebSocket library, a path that is not routed, or a proxy that does not pass Upgrade and Connection on.",
    "bad_accept_key": "What answers is not a WebSocket server, or a cache or proxy answers in its place.",
    # No verdict in time
    "unit_failed": "The cause is in the unit's journal: journalctl --unit, followed by its name.",
    "deadline": "Nothing failed, but the answers were too slow for so many in a row: raise the deadline.",
}

# For a handshake that was refused, the status tells more than the class does.
_UPGRADE_HINTS: Mapping[int, str] = {
    403: "The consumer refused the connection, or its origin validator does: add the domain to ALLOWED_HOSTS.",
    404: "The path is not routed as a WebSocket: check the URLRouter in asgi.py, and that the site runs on an ASGI "
    "server with its WebSocket library (for uvicorn: websockets or wsproto).",
}

_DROPPED_HINT = (
    "The consumer failed as soon as it had accepted the connection: its traceback is in the unit's journal. "
    "Is its message broker up?"
)

_STATUS_FAILURES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "unauthorized",
    404: "not_found",
    413: "too_large",
    414: "too_large",
    431: "too_large",
    500: "server_error",
    502: "bad_gateway",
    503: "unavailable",
    504: "gateway_timeout",
}
_REDIRECTS = (301, 302, 303, 307, 308)
# "Bad Request (400)" is the page that Django itself sends; servers and proxies write theirs the other way round.
_DISALLOWED_HOST_MARKS = ("DisallowedHost", "Invalid HTTP_HOST", "Bad Request (400)")

# Failures before there is a connection: whatever else is asked would meet them too. The first two end by themselves
# when a server has started.
_NOT_THERE_YET = ("no_socket", "refused")
_NO_CONNECTION = (*_NOT_THERE_YET, "permission", "dns", "unreachable", "connect_timeout")
_TIMEOUTS = ("connect_timeout", "read_timeout")

_FIRST_WAIT = 0.05
_WAIT_GROWTH = 1.5
# Of a long wait, the report holds so many attempts from its beginning and its end.
_FIRST_ATTEMPTS = 5
_LAST_ATTEMPTS = 15

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# They frame the message or belong to the handshake: only the probe itself can set them right.
_OWN_HEADERS = ("connection", "content-length", "transfer-encoding", "upgrade")
_OWN_HEADERS_PREFIX = "sec-websocket-"
# A mismatch is reported without their values.
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "set-cookie")


# ---------------------------------------------------------------------------------------------------------------------
# What to ask


@dataclass(frozen=True)
class HttpCheck:
    """One request, and what a healthy application answers. Redirects are judged, never followed."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (200,)
    body_contains: str | None = None
    body_pattern: str | None = None
    response_headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate_path("path", self.path)
        _validate_headers("headers", self.headers)
        if self.method not in ("GET", "HEAD"):
            raise ValueError(f"method: {self.method!r} is neither GET nor HEAD")
        if not self.statuses:
            raise ValueError("status: at least one status must be expected")
        if self.method == "HEAD" and (self.body_contains or self.body_pattern):
            raise ValueError("method: the answer to HEAD has no body to compare; use GET with body or body_pattern")
        try:
            re.compile(self.body_pattern or "")
        except re.error as error:
            raise ValueError(f"body_pattern: {self.body_pattern!r} is not a regular expression: {error}") from error

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class WebSocketCheck:
    """A WebSocket handshake, followed by an orderly close. Without an Origin header the site's own origin is sent."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _validate_path("websocket_path", self.path)
        _validate_headers("headers", self.headers)
        for name in self.subprotocols:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"subprotocols: {name!r} is not a valid name")

    def __str__(self) -> str:
        return f"WebSocket {self.path}"


Check = Union[HttpCheck, WebSocketCheck]


@dataclass(frozen=True)
class Limits:
    """All in seconds, but for successes: how many passes in a row it takes."""

    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    successes: int = 1
    interval: float = 1.0
    deadline: float = 60.0

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "read_timeout", "successes", "interval", "deadline"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: {getattr(self, name)} must be greater than 0")
        if (self.successes - 1) * self.interval >= self.deadline:
            raise ValueError(
                f"deadline: {self.successes} successes {self.interval:g} s apart do not fit into {self.deadline:g} s"
            )


def _validate_path(name: str, path: str) -> None:
    # A line break in a request would begin another header, or another request.
    if CONTROL_CHARACTER.search(path):
        raise ValueError(f"{name}: {path!r} contains a control character")
    if not path.startswith("/"):
        raise ValueError(f"{name}: {path!r} must begin with /")
    if " " in path or not path.isascii():
        raise ValueError(f"{name}: {path!r} contains a blank or a letter beyond ASCII; percent-encode it")


def _validate_headers(name: str, headers: Mapping[str, str]) -> None:
    for header, value in headers.items():
        if not _HEADER_NAME.fullmatch(header):
            raise ValueError(f"{name}: {header!r} is not the name of a header")
        if header.lower() in _OWN_HEADERS or header.lower().startswith(_OWN_HEADERS_PREFIX):
            raise ValueError(f"{name}: {header} is set by the probe itself; remove it")
        if CONTROL_CHARACTER.search(value):
            raise ValueError(f"{name}: the value of {header} contains a control character")
        if not value.isascii():
            raise ValueError(f"{name}: the value of {header} contains a letter beyond ASCII")
        if header.lower() == "host" and not HOST.fullmatch(value):
            raise ValueError(f"{name}: {value!r} is not a valid Host")


# ---------------------------------------------------------------------------------------------------------------------
# What came of it


@dataclass(frozen=True)
class Attempt:
    """One check, asked once. `status` is None where no answer came; `failure` is a key of HINTS, or None."""

    check: str
    ok: bool
    status: int | None
    latency_ms: float
    failure: str | None
    evidence: str
    hint: str


@dataclass(frozen=True)
class Report:
    """What a whole probe found. `attempts` holds the first and the last of `attempt_count`.

    `check`, `failure`, `evidence` and `hint` are those of the failure that stood last; `latency_ms` has min, median and
    max of the attempts that were answered, and is empty where none was.
    """

    ok: bool
    attempts: list[Attempt]
    attempt_count: int
    elapsed_ms: float
    latency_ms: dict[str, float]
    check: str | None = None
    failure: str | None = None
    evidence: str = ""
    hint: str = ""


@dataclass(frozen=True)
class _Problem:
    failure: str
    evidence: str
    hint: str = ""


# ---------------------------------------------------------------------------------------------------------------------
# Asking


def probe(
    target: Target,
    checks: Sequence[Check],
    limits: Limits,
    give_up: Callable[[], str | None] | None = None,
) -> Report:
    """Ask all checks round after round, until `successes` rounds in a row have passed or the deadline is over.

    `give_up` is called after each failed round: where it returns a reason, there is no point in waiting any longer.
    """
    if not checks:
        raise ValueError("checks: there is nothing to ask")
    started = time.monotonic()
    until = started + limits.deadline
    record = _Record(started)
    passed = not_there = 0
    while True:
        failure = _ask_round(target, checks, limits, until, record)
        passed = 0 if failure else passed + 1
        if passed >= limits.successes:
            return record.passed()
        if failure and give_up:
            reason = give_up()
            if reason:
                return record.gave_up(reason)
        not_there = not_there + 1 if failure in _NOT_THERE_YET else 0
        wait = _pause(not_there, limits.interval)
        if time.monotonic() + wait >= until:
            return record.out_of_time()
        time.sleep(wait)


def probe_once(target: Target, check: Check, limits: Limits) -> Attempt:
    """Ask one check once. Both time-outs and the deadline of the limits hold; successes and interval don't matter."""
    return _ask(target, check, limits, time.monotonic() + limits.deadline)


def _pause(not_there: int, interval: float) -> float:
    """Look often at first for a server that is about to listen, so that a quick start is seen at once."""
    if not not_there:
        return interval
    growth: float = _WAIT_GROWTH ** min(not_there - 1, 20)
    return min(_FIRST_WAIT * growth, interval)


def _ask_round(target: Target, checks: Sequence[Check], limits: Limits, until: float, record: _Record) -> str | None:
    """The first failure of the round. All checks are asked, since a second failure is worth knowing as well."""
    first_failure = None
    for check in checks:
        if record.attempts and time.monotonic() >= until:
            return first_failure or "deadline"
        attempt = _ask(target, check, limits, until)
        record.add(attempt, cut_off=time.monotonic() >= until)
        first_failure = first_failure or attempt.failure
        if attempt.failure in _NO_CONNECTION:
            break
    record.end_round()
    return first_failure


def _ask(target: Target, check: Check, limits: Limits, until: float) -> Attempt:
    connection = Connection(target, limits.connect_timeout, limits.read_timeout, until)
    started = time.monotonic()
    status: int | None = None
    try:
        if isinstance(check, WebSocketCheck):
            status, evidence, problem = _ask_websocket(connection, check)
        else:
            status, evidence, problem = _ask_http(connection, check)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        now = time.monotonic()
        waited = f"{now - started:.1f} s" + (" (cut off by the deadline)" if now >= until else "")
        evidence, problem = "", _explain_error(error, connection.connected, waited)
    finally:
        connection.close()
    latency_ms = round(((connection.answered_at or time.monotonic()) - started) * 1000, 1)
    if problem is None:
        return Attempt(str(check), True, status, latency_ms, None, evidence, "")
    hint = problem.hint or HINTS[problem.failure]
    return Attempt(str(check), False, status, latency_ms, problem.failure, problem.evidence, hint)


def _ask_http(connection: Connection, check: HttpCheck) -> tuple[int, str, _Problem | None]:
    answer = connection.ask(check.method, check.path, {**check.headers, "Connection": "close"})
    return answer.status, answer.status_line, judge_http(check, answer)


def _ask_websocket(connection: Connection, check: WebSocketCheck) -> tuple[int, str, _Problem | None]:
    key = websocket.new_key()
    headers = {**check.headers, **websocket.handshake_headers(key, check.subprotocols)}
    if not header_value(check.headers, "origin"):
        headers["Origin"] = _origin(check.headers, connection.target)
    answer = connection.ask("GET", check.path, headers)
    problem = judge_handshake(check, answer, key)
    if problem:
        return answer.status, answer.status_line, problem
    if connection.drops_websocket():
        evidence = f"{answer.status_line}, then the connection was dropped"
        return answer.status, evidence, _Problem("reset", evidence, _DROPPED_HINT)
    code = connection.close_websocket()
    if code == websocket.INTERNAL_ERROR:
        evidence = f"{answer.status_line}, then closed with {code} (internal error)"
        return answer.status, evidence, _Problem("server_error", evidence)
    ending = f"closed with {code}" if code else "no close frame came back"
    return answer.status, f"{answer.status_line}, {ending}", None


class _Record:
    """Collects attempts, without letting a long wait fill the memory, and remembers which failure tells most."""

    def __init__(self, started: float) -> None:
        self.attempts: list[Attempt] = []
        self._started = started
        self._count = 0
        self._latencies: list[float] = []
        self._cause: Attempt | None = None
        self._round_has_cause = False

    def add(self, attempt: Attempt, cut_off: bool) -> None:
        self._count += 1
        self.attempts.append(attempt)
        if len(self.attempts) > _FIRST_ATTEMPTS + _LAST_ATTEMPTS:
            del self.attempts[_FIRST_ATTEMPTS]
        if attempt.status is not None:
            self._latencies.append(attempt.latency_ms)
        if attempt.ok or self._round_has_cause:
            return
        # A request that the deadline cut off says nothing new: what failed before it does.
        if self._cause and cut_off and attempt.failure in _TIMEOUTS:
            return
        self._cause = attempt
        self._round_has_cause = True

    def end_round(self) -> None:
        self._round_has_cause = False

    def passed(self) -> Report:
        return self._report(None, None)

    def gave_up(self, reason: str) -> Report:
        last = f"; the last probe met {self._cause.failure}: {self._cause.evidence}" if self._cause else ""
        return self._report(None, _Problem("unit_failed", reason + last, HINTS["unit_failed"]))

    def out_of_time(self) -> Report:
        cause = self._cause
        if cause and cause.failure:
            return self._report(cause.check, _Problem(cause.failure, cause.evidence, cause.hint))
        return self._report(None, _Problem("deadline", f"{self._count} attempts passed", HINTS["deadline"]))

    def _report(self, check: str | None, problem: _Problem | None) -> Report:
        return Report(
            ok=problem is None,
            attempts=self.attempts,
            attempt_count=self._count,
            elapsed_ms=round((time.monotonic() - self._started) * 1000, 1),
            latency_ms=self._latency(),
            check=check,
            failure=problem.failure if problem else None,
            evidence=problem.evidence if problem else "",
            hint=problem.hint if problem else "",
        )

    def _latency(self) -> dict[str, float]:
        if not self._latencies:
            return {}
        return {
            "min": min(self._latencies),
            "median": round(statistics.median(self._latencies), 1),
            "max": max(self._latencies),
        }


# ---------------------------------------------------------------------------------------------------------------------
# Judging


def judge_http(check: HttpCheck, answer: Answer) -> _Problem | None:
    """What is wrong with the answer, or None."""
    if answer.status not in check.statuses:
        return _wrong_status(check, answer)
    if check.body_contains and check.body_contains not in answer.body:
        return _Problem("wrong_body", f"{answer.summary()} (expected to contain {check.body_contains!r})")
    if check.body_pattern and not re.search(check.body_pattern, answer.body):
        return _Problem("wrong_body", f"{answer.summary()} (expected to match {check.body_pattern!r})")
    for name, expected in check.response_headers.items():
        problem = _wrong_header(answer, name, expected)
        if problem:
            return problem
    return None


def judge_handshake(check: WebSocketCheck, answer: Answer, key: str) -> _Problem | None:
    """What keeps the answer from being a WebSocket's, in a browser's eyes; or None."""
    if answer.status != 101:
        return _Problem("no_upgrade", answer.summary(), _refused_upgrade_hint(answer))
    if answer.headers.get("upgrade", "").lower() != "websocket":
        return _wrong_header(answer, "Upgrade", "websocket")
    if "upgrade" not in re.split(r"[\s,]+", answer.headers.get("connection", "").lower()):
        return _wrong_header(answer, "Connection", "Upgrade")
    if answer.headers.get("sec-websocket-accept") != websocket.accept_for(key):
        return _Problem("bad_accept_key", f"{answer.status_line}: Sec-WebSocket-Accept does not match the key sent")
    if "sec-websocket-extensions" in answer.headers:
        return _Problem("wrong_header", f"{answer.status_line}: an extension was switched on that nobody asked for")
    chosen = answer.headers.get("sec-websocket-protocol")
    if chosen not in (check.subprotocols or (None,)):
        offered = ", ".join(check.subprotocols) or "none"
        evidence = f"{answer.status_line}: subprotocol {chosen or 'none'} was chosen, offered were: {offered}"
        return _Problem("wrong_header", evidence, "Browsers refuse this: the consumer must accept one that is offered.")
    return None


def _wrong_status(check: HttpCheck, answer: Answer) -> _Problem:
    location = answer.headers.get("location", "")
    if answer.status in _REDIRECTS:
        looping = header_value(check.headers, "x-forwarded-proto").lower() == "https" and _only_adds_https(
            check, location
        )
        return _Problem("https_redirect_loop" if looping else "redirect", answer.summary())
    failure = _status_failure(answer) or "wrong_status"
    expected = " or ".join(str(status) for status in check.statuses)
    return _Problem(failure, answer.summary() + (f" (expected {expected})" if failure == "wrong_status" else ""))


def _status_failure(answer: Answer) -> str | None:
    if answer.status == 400 and any(mark in answer.body for mark in _DISALLOWED_HOST_MARKS):
        return "disallowed_host"
    return _STATUS_FAILURES.get(answer.status)


def _refused_upgrade_hint(answer: Answer) -> str:
    failure = _status_failure(answer)
    if answer.status >= 500 or failure == "disallowed_host":
        return HINTS.get(failure or "", "")
    if answer.status in _REDIRECTS:
        return HINTS["redirect"]
    return _UPGRADE_HINTS.get(answer.status, "")


def _only_adds_https(check: HttpCheck, location: str) -> bool:
    """Whether it leads to the very URL that was asked for, which the edge serves over HTTPS already."""
    asked = urlsplit("//" + header_value(check.headers, "host") + check.path)
    try:
        leads_to = urlsplit(location)
        same_host = leads_to.hostname == asked.hostname
    except ValueError:
        return False
    return (
        leads_to.scheme == "https" and same_host and (leads_to.path or "/", leads_to.query) == (asked.path, asked.query)
    )


def _wrong_header(answer: Answer, name: str, expected: str) -> _Problem | None:
    found = answer.headers.get(name.lower())
    if found == expected:
        return None
    if found is None:
        return _Problem("wrong_header", f"{answer.status_line}: {name} is missing")
    if name.lower() in _SECRET_HEADERS:
        return _Problem("wrong_header", f"{answer.status_line}: {name} has another value")
    return _Problem("wrong_header", printable(f"{answer.status_line}: {name} is {found!r} (expected {expected!r})"))


def _explain_error(error: Exception, connected: bool, waited: str) -> _Problem:
    """Which failure an exception stands for. The order matters: RemoteDisconnected is a BadStatusLine as well."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        if connected:
            return _Problem("read_timeout", f"no complete answer within {waited}")
        return _Problem("connect_timeout", f"no connection within {waited}")
    # UnicodeError: a name that cannot be written as a DNS name at all.
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return _Problem("dns", _error_text(error))
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return _Problem("no_socket", _error_text(error))
    if isinstance(error, PermissionError):
        return _Problem("permission", _error_text(error))
    if isinstance(error, ConnectionRefusedError):
        return _Problem("refused", _error_text(error))
    if isinstance(error, http.client.RemoteDisconnected):
        return _Problem("reset", "the connection was closed without an answer")
    if isinstance(error, http.client.IncompleteRead):
        return _Problem("reset", f"the connection was closed after {len(error.partial)} bytes of the body")
    if isinstance(error, ConnectionError):
        return _Problem("reset", _error_text(error))
    if isinstance(error, http.client.HTTPException):
        return _Problem("bad_http", printable(f"{type(error).__name__}: {error}"))
    return _Problem("reset" if connected else "unreachable", _error_text(error))


def _error_text(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _origin(headers: Mapping[str, str], target: Target) -> str:
    """The origin of the site's own pages, which an origin validator accepts."""
    scheme = "https" if header_value(headers, "x-forwarded-proto").lower() == "https" else "http"
    return f"{scheme}://{header_value(headers, 'host') or target.authority}"

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks one check once: a page, a WebSocket or a stream of events."""

from __future__ import annotations

import http.client
import socket
import time
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils import event_stream, health_errors, websocket
from ansible_collections.switchyard.django.plugins.module_utils.health_checks import (
    Check,
    EventsCheck,
    HttpCheck,
    Limits,
    WebSocketCheck,
)
from ansible_collections.switchyard.django.plugins.module_utils.health_judge import (
    Problem,
    came_over_https,
    judge_handshake,
    judge_page,
    judge_stream,
)
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import (
    Connection,
    Stage,
    Target,
    header_value,
    speaks_tls,
)
from ansible_collections.switchyard.django.plugins.module_utils.page_text import printable

_DROPPED_HINT = (
    "The consumer failed as soon as it had accepted the connection: its traceback is in the unit's journal. "
    "Is its message broker up?"
)
_ENDED_HINT = 'Have the view send "data: …" followed by a blank line, and keep the stream open.'


@dataclass(frozen=True)
class Attempt:
    """One check, asked once.

    `at_ms` is when, counted from the beginning of the probe; `status` is None where no answer came; `failure` is the
    name of a class, or None.
    """

    check: str
    ok: bool
    status: int | None
    at_ms: float
    latency_ms: float
    failure: str | None
    evidence: str
    hint: str


@dataclass(frozen=True)
class _Outcome:
    """What came of it: the status, what was seen, and what is wrong with that."""

    status: int | None
    evidence: str
    problem: Problem | None = None


def ask(target: Target, check: Check, limits: Limits, started: float, until: float) -> Attempt:
    """Ask, within the limits, up to `until`; `started` is when the whole probe began (both monotonic)."""
    patience = check.timeout if isinstance(check, EventsCheck) else limits.read_timeout
    connection = Connection(target, limits.connect_timeout, patience, until)
    asked_at = time.monotonic()
    try:
        outcome = _ask(connection, check)
        ended_at = connection.answered_at or time.monotonic()
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        ended_at = time.monotonic()
        waited = f"{ended_at - asked_at:.1f} s" + (" (cut off by the deadline)" if ended_at >= until else "")
        met = health_errors.explain(error, connection.stage, waited)
        if _may_be_tls(error, target) and speaks_tls(target, min(ended_at + limits.connect_timeout, until)):
            met = Problem("tls_required", f"{met.evidence}; a TLS handshake succeeds")
        outcome = _Outcome(None, "", met)
    finally:
        connection.close()
    latency = ended_at - asked_at
    problem = outcome.problem or _too_slow(check, outcome.evidence, latency, limits)
    return Attempt(
        check=str(check),
        ok=problem is None,
        status=outcome.status,
        at_ms=round((asked_at - started) * 1000, 1),
        latency_ms=round(latency * 1000, 1),
        failure=problem.failure if problem else None,
        evidence=_without_the_query(check, problem.evidence if problem else outcome.evidence),
        hint=problem.hint if problem else "",
    )


def _without_the_query(check: Check, evidence: str) -> str:
    """Pages of errors quote the URL that was asked for, and its query may hold a token."""
    query = check.path.partition("?")[2]
    return evidence.replace(f"?{query}", "?…") if query else evidence


def _ask(connection: Connection, check: Check) -> _Outcome:
    if isinstance(check, WebSocketCheck):
        return _ask_websocket(connection, check)
    if isinstance(check, EventsCheck):
        return _ask_events(connection, check)
    return _ask_page(connection, check)


def _may_be_tls(error: Exception, target: Target) -> bool:
    """Whether it hung up as servers do that expect TLS. A unix socket seldom has any: it is not asked again."""
    return isinstance(error, ConnectionResetError) and not target.unix_socket and not target.tls


def _too_slow(check: Check, evidence: str, latency: float, limits: Limits) -> Problem | None:
    # When an event comes is up to the view: it has a time-out of its own.
    if latency <= limits.latency_limit or isinstance(check, EventsCheck):
        return None
    return Problem("too_slow", f"{evidence} after {latency:.3f} s (limit {limits.latency_limit:g} s)")


# ---------------------------------------------------------------------------------------------------------------------
# A page


def _ask_page(connection: Connection, check: HttpCheck) -> _Outcome:
    answer = connection.ask(check.method, check.path, {**check.headers, "Connection": "close"})
    return _Outcome(answer.status, answer.status_line, judge_page(check, answer, connection.target))


# ---------------------------------------------------------------------------------------------------------------------
# A WebSocket


def _ask_websocket(connection: Connection, check: WebSocketCheck) -> _Outcome:
    key = websocket.new_key()
    headers = {**check.headers, **websocket.handshake_headers(key, check.subprotocols)}
    if not header_value(check.headers, "origin"):
        headers["Origin"] = _origin(check, connection.target)
    answer = connection.ask("GET", check.path, headers)
    seen = answer.status_line
    problem = judge_handshake(check, answer, key)
    if problem is None and connection.drops_websocket():
        problem = Problem("reset", f"{seen}, then the connection was dropped", _DROPPED_HINT)
    if problem is None and check.expect is not None:
        problem = _expect_message(connection, check, seen)
    if problem:
        return _Outcome(answer.status, seen, problem)
    code = connection.close_websocket()
    if code == websocket.INTERNAL_ERROR:
        return _Outcome(answer.status, seen, _closed_for_an_error(seen))
    ending = f"closed with {code}" if code else "no close frame came back"
    return _Outcome(answer.status, f"{seen}, {ending}")


def _expect_message(connection: Connection, check: WebSocketCheck, seen: str) -> Problem | None:
    """What keeps the message that is expected from coming, or None once it has come."""
    expected = check.expect or ""
    others: list[str] = []
    ending = "the connection was dropped"
    try:
        for came in connection.exchange(check.send):
            if isinstance(came, str):
                if expected in came:
                    return None
                others.append(came)
            elif came is not None:
                if came.close_code == websocket.INTERNAL_ERROR:
                    return _closed_for_an_error(seen)
                ending = f"the server closed with {came.close_code or 'no code'}"
    except (TimeoutError, socket.timeout):
        ending = "the time was over"
    except OSError as error:
        ending = f"the connection broke off ({error.strerror or error})"
    if others:
        count = f"{len(others)} messages came, the last of them" if len(others) > 1 else "one message came:"
        said = printable(f"{count} {others[-1]!r} (expected to contain {expected!r})")
        return Problem("wrong_message", f"{seen}, then {said}, and {ending}")
    return Problem("no_message", f"{seen}, then {ending} before any message came")


def _closed_for_an_error(seen: str) -> Problem:
    return Problem("server_error", f"{seen}, then closed with {websocket.INTERNAL_ERROR} (internal error)")


def _origin(check: WebSocketCheck, target: Target) -> str:
    """The origin of the site's own pages, which an origin validator accepts."""
    scheme = "https" if came_over_https(check.headers, target) else "http"
    return f"{scheme}://{header_value(check.headers, 'host') or target.authority}"


# ---------------------------------------------------------------------------------------------------------------------
# Server-sent events


def _ask_events(connection: Connection, check: EventsCheck) -> _Outcome:
    headers = {**check.headers, "Accept": event_stream.MEDIA_TYPE, "Cache-Control": "no-cache", "Connection": "close"}
    asked_at = time.monotonic()
    answer, events = None, None
    try:
        answer, events = connection.ask_for_events(check.path, headers)
        if events is None:
            return _Outcome(answer.status, answer.status_line, judge_stream(check, answer, connection.target))
        event = events.first_event()
    except (TimeoutError, socket.timeout):
        if connection.stage is not Stage.ANSWER:
            raise
        waited = f"within {time.monotonic() - asked_at:.1f} s"
        if answer is None or events is None:
            return _Outcome(None, "", Problem("no_event", f"not even the head of an answer came {waited}"))
        evidence = f"{answer.status_line}, then no complete event {waited}, {_so_far(events)}"
        return _Outcome(answer.status, "", Problem("no_event", evidence))
    if event is None:
        evidence = f"{answer.status_line}, then the stream ended without an event, {_so_far(events)}"
        return _Outcome(answer.status, "", Problem("no_event", evidence, _ENDED_HINT))
    connection.note_answer()
    return _Outcome(answer.status, f"{answer.status_line}, then an event of {len(event)} characters")


def _so_far(events: event_stream.EventReader) -> str:
    return f"{len(events.received)} bytes of it came"

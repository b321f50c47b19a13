# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what came back: which class of failure it is, what shows it, and what to do about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.switchyard.django.plugins.module_utils import websocket
from ansible_collections.switchyard.django.plugins.module_utils.health_checks import (
    EventsCheck,
    HttpCheck,
    WebSocketCheck,
)
from ansible_collections.switchyard.django.plugins.module_utils.health_classes import CLASSES
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import Answer, Target, header_value
from ansible_collections.switchyard.django.plugins.module_utils.page_text import excerpt, printable

# A dot that belongs to a key has a backslash before it.
_DOT_BETWEEN_KEYS = re.compile(r"(?<!\\)\.")

REDIRECTS = (301, 302, 303, 307, 308)

_STATUS_FAILURES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "unauthorized",
    404: "not_found",
    413: "too_large",
    414: "too_large",
    429: "unavailable",
    431: "too_large",
    500: "server_error",
    502: "bad_gateway",
    503: "unavailable",
    504: "gateway_timeout",
}
# A 400 has many causes, which the page tells apart. "Bad Request (400)" is the page that Django itself sends; servers
# and proxies write theirs the other way round.
_BAD_REQUEST_MARKS: Mapping[str, tuple[str, ...]] = {
    "disallowed_host": ("DisallowedHost", "Invalid HTTP_HOST", "Bad Request (400)"),
    "tls_required": (
        "plain HTTP request was sent to HTTPS port",
        "speaking plain HTTP to an SSL-enabled server port",
        "sent an HTTP request to an HTTPS server",
    ),
    "too_large": ("Request Header Or Cookie Too Large",),
}

# For a handshake that was refused, the status tells more than the class does.
_UPGRADE_HINTS: Mapping[int, str] = {
    403: "The consumer refused the connection, or its origin validator does: add the domain to ALLOWED_HOSTS.",
    404: "The path is not routed as a WebSocket: check the URLRouter in asgi.py, that the site runs on an ASGI server "
    "with its WebSocket library (for uvicorn: websockets or wsproto), and that the proxy passes Upgrade and Connection "
    "on for this location.",
}
# A mismatch is reported without their values.
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "set-cookie")


@dataclass(frozen=True)
class Problem:
    """A class of failure and what shows it. Without a hint of its own it has that of its class."""

    failure: str
    evidence: str
    special_hint: str = ""

    @property
    def hint(self) -> str:
        return self.special_hint or CLASSES[self.failure].hint


# ---------------------------------------------------------------------------------------------------------------------
# A page


def judge_page(check: HttpCheck, answer: Answer, target: Target) -> Problem | None:
    """What is wrong with the answer, or None."""
    if answer.status not in check.statuses:
        return _wrong_status(answer, check.statuses, check.path, check.headers, target)
    if check.body_contains and check.body_contains not in answer.body:
        return Problem("wrong_body", f"{answer.summary()} (expected to contain {check.body_contains!r})")
    if check.body_pattern and not re.search(check.body_pattern, answer.body):
        return Problem("wrong_body", f"{answer.summary()} (expected to match {check.body_pattern!r})")
    for name, expected in check.response_headers.items():
        problem = _wrong_header(answer, name, expected)
        if problem:
            return problem
    return _wrong_json(check.json, answer) if check.json else None


def _wrong_status(
    answer: Answer, expected: tuple[int, ...], path: str, headers: Mapping[str, str], target: Target
) -> Problem:
    if answer.status in REDIRECTS:
        looping = _is_loop(answer.headers.get("location", ""), path, headers, target)
        return Problem("https_redirect_loop" if looping else "redirect", answer.summary())
    failure = _status_failure(answer)
    if failure:
        return Problem(failure, answer.summary())
    wanted = " or ".join(str(status) for status in expected)
    return Problem("wrong_status", f"{answer.summary()} (expected {wanted})")


def _status_failure(answer: Answer) -> str | None:
    if answer.status == 400:
        for failure, marks in _BAD_REQUEST_MARKS.items():
            if any(mark in answer.body for mark in marks):
                return failure
    return _STATUS_FAILURES.get(answer.status)


def came_over_https(headers: Mapping[str, str], target: Target) -> bool:
    """Whether a visitor's request would be one over HTTPS, here or at the proxy for which the probe stands in."""
    return target.tls is not None or header_value(headers, "x-forwarded-proto").lower() == "https"


def _is_loop(location: str, path: str, headers: Mapping[str, str], target: Target) -> bool:
    """Whether it leads over HTTPS to the very URL that was asked for over HTTPS."""
    asked = urlsplit("//" + (header_value(headers, "host") or target.authority) + path)
    try:
        leads_to = urlsplit(location)
        same_host = leads_to.hostname == asked.hostname
    except ValueError:
        return False
    same_page = (leads_to.path or "/", leads_to.query) == (asked.path, asked.query)
    return came_over_https(headers, target) and leads_to.scheme == "https" and same_host and same_page


def _wrong_header(answer: Answer, name: str, expected: str) -> Problem | None:
    found = answer.headers.get(name.lower())
    if found == expected:
        return None
    if found is None:
        return Problem("wrong_header", f"{answer.status_line}: {name} is missing")
    if name.lower() in _SECRET_HEADERS:
        return Problem("wrong_header", f"{answer.status_line}: {name} has another value")
    return Problem("wrong_header", printable(f"{answer.status_line}: {name} is {found!r} (expected {expected!r})"))


# ---------------------------------------------------------------------------------------------------------------------
# JSON


def _wrong_json(expected: Mapping[str, Any], answer: Answer) -> Problem | None:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return Problem("wrong_json", f"{answer.summary()} (the answer is not JSON)")
    for path, value in expected.items():
        difference = _difference(document, path, value)
        if difference:
            return Problem("wrong_json", printable(f"{answer.status_line}: {difference}"))
    return None


def _difference(document: Any, path: str, expected: Any) -> str | None:
    found = document
    walked: list[str] = []
    for part in _DOT_BETWEEN_KEYS.split(path):
        key = part.replace(r"\.", ".")
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return f"{path} is missing: {'.'.join(walked) or 'the document'} {_contents(found)}"
        walked.append(part)
    # To Python, true is 1.
    if found == expected and isinstance(found, bool) == isinstance(expected, bool):
        return None
    return f"{path} is {json.dumps(found, ensure_ascii=False)} (expected {json.dumps(expected, ensure_ascii=False)})"


def _contents(value: Any) -> str:
    if isinstance(value, dict):
        return f"has {', '.join(map(str, value)) or 'nothing'}"
    return f"has {len(value)} items" if isinstance(value, list) else f"is {json.dumps(value, ensure_ascii=False)}"


# ---------------------------------------------------------------------------------------------------------------------
# A WebSocket


def judge_handshake(check: WebSocketCheck, answer: Answer, key: str) -> Problem | None:
    """What keeps the answer from being a WebSocket's, in a browser's eyes; or None."""
    if answer.status != 101:
        if _status_failure(answer) == "tls_required":
            return Problem("tls_required", answer.summary())
        return Problem("no_upgrade", answer.summary(), _refused_upgrade_hint(answer))
    if answer.headers.get("upgrade", "").lower() != "websocket":
        return _wrong_header(answer, "Upgrade", "websocket")
    if "upgrade" not in re.split(r"[\s,]+", answer.headers.get("connection", "").lower()):
        return _wrong_header(answer, "Connection", "Upgrade")
    if answer.headers.get("sec-websocket-accept") != websocket.accept_for(key):
        return Problem("bad_accept_key", f"{answer.status_line}: Sec-WebSocket-Accept does not match the key sent")
    if "sec-websocket-extensions" in answer.headers:
        return Problem("wrong_header", f"{answer.status_line}: an extension was switched on that nobody asked for")
    chosen = answer.headers.get("sec-websocket-protocol")
    if chosen not in (check.subprotocols or (None,)):
        offered = ", ".join(check.subprotocols) or "none"
        evidence = f"{answer.status_line}: subprotocol {chosen or 'none'} was chosen, offered were: {offered}"
        return Problem("wrong_subprotocol", printable(evidence))
    return None


def _refused_upgrade_hint(answer: Answer) -> str:
    failure = _status_failure(answer)
    if failure and (answer.status >= 500 or failure == "disallowed_host"):
        return CLASSES[failure].hint
    if answer.status in REDIRECTS:
        return CLASSES["redirect"].hint
    return _UPGRADE_HINTS.get(answer.status, "")


# ---------------------------------------------------------------------------------------------------------------------
# Server-sent events


def judge_stream(check: EventsCheck, answer: Answer, target: Target) -> Problem:
    """What kept the answer from being a stream of events."""
    if answer.status != 200:
        return _wrong_status(answer, (200,), check.path, check.headers, target)
    kind = answer.headers.get("content-type", "missing")
    evidence = printable(f"{answer.status_line}: Content-Type is {kind}: {excerpt(answer.body)}")
    return Problem("not_an_event_stream", evidence)

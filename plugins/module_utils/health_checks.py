# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe asks, and for how long. Bad input raises ValueError when the dataclass is made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.switchyard.django.plugins.module_utils.http_connection import CONTROL_CHARACTER, HOST
from ansible_collections.switchyard.django.plugins.module_utils.page_text import without_query

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# They frame the message or belong to the handshake: only the probe itself can set them right.
_OWN_HEADERS = ("connection", "content-length", "transfer-encoding", "upgrade")
_OWN_HEADERS_PREFIX = "sec-websocket-"


@dataclass(frozen=True)
class HttpCheck:
    """One request, and what a healthy application answers. Redirects are judged, never followed.

    :param json: dotted path -> the value that must stand there in the body; a number in a path counts in a list, and a
        dot that belongs to a key has a backslash before it
    """

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (200,)
    body_contains: str | None = None
    body_pattern: str | None = None
    json: Mapping[str, Any] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate_path("path", self.path)
        validate_headers("headers", self.headers)
        if self.method not in ("GET", "HEAD"):
            raise ValueError(f"method: {self.method!r} is neither GET nor HEAD")
        if not self.statuses:
            raise ValueError("status: at least one status must be expected")
        for status in self.statuses:
            if not 100 <= status <= 599:
                raise ValueError(f"status: {status} is no status of HTTP, which are 100 to 599")
        if self.method == "HEAD" and (self.body_contains or self.body_pattern or self.json):
            raise ValueError(
                "method: the answer to HEAD has no body to compare; use GET with body, body_pattern or json"
            )
        try:
            re.compile(self.body_pattern or "")
        except re.error as error:
            raise ValueError(f"body_pattern: {self.body_pattern!r} is not a regular expression: {error}") from error
        for path, expected in self.json.items():
            if isinstance(expected, (dict, list)):
                raise ValueError(f"json: {path} expects a whole {type(expected).__name__}; name the values in it")

    def __str__(self) -> str:
        return f"{self.method} {without_query(self.path)}"


@dataclass(frozen=True)
class WebSocketCheck:
    """A WebSocket handshake, a message each way if wanted, and an orderly close.

    Without an Origin header the site's own origin is sent.

    :param send: the message to send once the connection stands
    :param expect: what one of the messages must contain that come within the read time-out
    """

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()
    send: str | None = None
    expect: str | None = None

    def __post_init__(self) -> None:
        _validate_path("websocket_path", self.path)
        validate_headers("headers", self.headers)
        for name in self.subprotocols:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"websocket_subprotocols: {name!r} is not a valid name")
        if self.send is not None and self.expect is None:
            raise ValueError("websocket_send: nothing shows that it arrived; set websocket_expect as well")

    def __str__(self) -> str:
        return f"WebSocket {without_query(self.path)}"


@dataclass(frozen=True)
class EventsCheck:
    """A stream of server-sent events, of which the first must come within `timeout` seconds of the request."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0

    def __post_init__(self) -> None:
        _validate_path("events_path", self.path)
        validate_headers("headers", self.headers)
        _validate_positive("events_timeout", self.timeout)

    def __str__(self) -> str:
        return f"events {without_query(self.path)}"


Check = Union[HttpCheck, WebSocketCheck, EventsCheck]


@dataclass(frozen=True)
class Limits:
    """For how long, in seconds, and how often.

    :param successes: how many rounds in a row must pass
    :param interval: the pause between two rounds; after each round that fails it grows by the factor `backoff`, up to
        `max_interval`, and is itself again after one that passes
    :param deadline: for all of it
    :param patience: how long the same kind of failure may go on that doesn't heal by itself
    :param latency_limit: how long the answer to a request or a handshake may take
    """

    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    successes: int = 1
    interval: float = 1.0
    backoff: float = 1.0
    max_interval: float = 10.0
    deadline: float = 60.0
    patience: float = math.inf
    latency_limit: float = math.inf

    def __post_init__(self) -> None:
        for name in "connect_timeout read_timeout successes interval max_interval deadline latency_limit".split():
            _validate_positive(name, getattr(self, name))
        if not 1 <= self.backoff <= 10:
            raise ValueError(f"backoff: {self.backoff:g} is not between 1 and 10")
        if not self.patience >= 0:
            raise ValueError(f"patience: {self.patience:g} must not be less than 0")
        if (self.successes - 1) * self.interval >= self.deadline:
            raise ValueError(
                f"deadline: {self.successes} successes {self.interval:g} s apart do not fit into {self.deadline:g} s"
            )

    def pause(self, failures: int) -> float:
        """The pause after so many failed rounds in a row."""
        # What grows at all has met any ceiling long before the exponent does.
        growth: float = self.backoff ** min(max(failures - 1, 0), 100)
        return min(self.interval * growth, max(self.interval, self.max_interval))


def _validate_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name}: {value} must be greater than 0")


def _validate_path(name: str, path: str) -> None:
    shown = without_query(path)
    # A line break in a request would begin another header, or another request.
    if CONTROL_CHARACTER.search(path):
        raise ValueError(f"{name}: {shown!r} contains a control character")
    if not path.startswith("/"):
        raise ValueError(f"{name}: {shown!r} must begin with /")
    if " " in path or not path.isascii():
        raise ValueError(f"{name}: {shown!r} contains a blank or a letter beyond ASCII; percent-encode it")


def validate_headers(name: str, headers: Mapping[str, str]) -> None:
    """ValueError that blames the option `name`, and shows no value but that of Host."""
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

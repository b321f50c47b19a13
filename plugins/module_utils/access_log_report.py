# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of an access log: plain values, for `dataclasses.asdict` and JSON.

Times are seconds, moments seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """What is told of some requests.

    :param statuses: how many there were of each status; nginx's own too, such as 499, a visitor who went away
    :param server_errors: those of 500 to 599
    :param rate_502: the share of the requests that ended so, from 0 to 1
    :param rate_504: as before
    :param p50: of the request times, the least that is not exceeded by this part of them; None where the log has none
    :param p95: as before
    :param p99: as before
    """

    requests: int
    statuses: dict[str, int]
    server_errors: int
    rate_502: float
    rate_504: float
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Endpoint(Figures):
    """A method and a path, with `<int>`, `<uuid>` and the like for what names one thing among many.

    :param missed: as many requests at most were counted with the others, before this one stood out among them
    """

    method: str
    path: str
    missed: int


@dataclass(frozen=True)
class Release(Figures):
    """What a release answered; `release` is empty for what nginx answered itself, static files and redirects."""

    release: str


@dataclass(frozen=True)
class WebSockets:
    """Connections that ended in the window: nginx writes a line once it is over.

    :param connections: how many
    :param p50: for how long they were open; p95 and p99 as before
    """

    connections: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Slot:
    """A part of the window; `at` is its beginning."""

    at: float
    requests: int
    server_errors: int
    p95: float | None


@dataclass(frozen=True)
class Source:
    """A file of the log.

    :param read: how many bytes of it were read, after decompression
    :param trouble: why it was not read to its end; empty where it was
    """

    path: str
    read: int
    trouble: str


@dataclass(frozen=True)
class Report:
    """An access log from `since` until `until`, which is not within any more.

    :param per_second: requests, over the whole window
    :param total: all requests, without WebSockets
    :param endpoints: those with the most requests, from the most on
    :param failing: those with the most server errors, from the most on; none without any
    :param others: all requests but those of `endpoints`
    :param releases: from the one with the most requests on
    :param series: the window in equal parts, from the earliest on
    :param untimed: requests whose lines have no time, as in nginx's format combined
    :param broken: lines that can't be read: cut off, too long, or in a format that isn't known
    :param reaches_back: whether the log goes back to the window's beginning; where not, what was before is not there
    """

    since: float
    until: float
    per_second: float
    total: Figures
    endpoints: list[Endpoint]
    failing: list[Endpoint]
    others: Figures
    releases: list[Release]
    websockets: WebSockets
    series: list[Slot]
    untimed: int
    broken: int
    reaches_back: bool
    sources: list[Source]

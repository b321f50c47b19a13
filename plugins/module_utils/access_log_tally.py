# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts requests apart: by endpoint, by release, by part of the window. None of it grows with the log."""

from __future__ import annotations

from array import array
from collections import defaultdict

from ansible_collections.switchyard.django.plugins.module_utils import endpoint_paths, time_bins
from ansible_collections.switchyard.django.plugins.module_utils.access_log_report import Figures
from ansible_collections.switchyard.django.plugins.module_utils.layout import RELEASE_ID

# How many endpoints stay where there are more than twice as many.
ENDPOINTS = 1000
_RELEASES = 64
# What is known by heart: so many texts, none of them longer.
_KNOWN = 20_000
_LONGEST = 256


class Tally:
    """Some requests.

    :param missed: as many at most came before these and were not counted here
    """

    __slots__ = ("missed", "statuses", "times")

    def __init__(self, missed: int = 0) -> None:
        self.missed = missed
        self.statuses: defaultdict[bytes, int] = defaultdict(int)
        self.times = time_bins.bins()

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def server_errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status[:1] == b"5")

    def add(self, other: Tally, sign: int = 1) -> None:
        """Those of another as well; with -1 without those of another, which are among these."""
        for status, count in other.statuses.items():
            self.statuses[status] += sign * count
        self.times = array("Q", (mine + sign * theirs for mine, theirs in zip(self.times, other.times)))

    def figures(self) -> Figures:
        requests = self.requests
        return Figures(
            requests=requests,
            statuses={status.decode(): count for status, count in sorted(self.statuses.items()) if count},
            server_errors=self.server_errors,
            rate_502=self.statuses[b"502"] / requests if requests else 0.0,
            rate_504=self.statuses[b"504"] / requests if requests else 0.0,
            **time_bins.percentiles(self.times),
        )


class Endpoints:
    """The endpoints that most ask for.

    Whenever there are twice as many as may stay, those with the fewest requests go. One that comes later starts as if
    it had had as many as the largest of those, for it may be one of them: `missed`. This is Space-Saving (Metwally and
    others, "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005), many at a time. Whatever
    visitors ask for, an endpoint with more than one in `limit` of all requests is here, and misses no more than that.
    """

    def __init__(self, limit: int = ENDPOINTS) -> None:
        self.tallies: dict[tuple[str, str], Tally] = {}
        # By method and path, as they stand in the log.
        self.known: dict[tuple[bytes, bytes], Tally] = {}
        self._limit = limit
        self._missed = 0

    def tally(self, method: bytes, path: bytes) -> Tally:
        """Where a request is counted that is not known by heart."""
        endpoint = endpoint_paths.fold(method.decode(errors="replace"), path.decode(errors="replace"))
        found = self.tallies.get(endpoint)
        if found is None:
            if len(self.tallies) >= 2 * self._limit:
                self._make_room()
            found = self.tallies[endpoint] = Tally(self._missed)
        if len(self.known) >= _KNOWN:
            self.known.clear()
        if len(path) <= _LONGEST:
            self.known[method, path] = found
        return found

    def _make_room(self) -> None:
        def rank(endpoint: tuple[str, str]) -> int:
            return self.tallies[endpoint].missed + self.tallies[endpoint].requests

        ranked = sorted(self.tallies, key=rank, reverse=True)
        self._missed = rank(ranked[self._limit])
        self.tallies = {endpoint: self.tallies[endpoint] for endpoint in ranked[: self._limit]}
        self.known.clear()


class Releases:
    """The releases that answered."""

    def __init__(self) -> None:
        # By what nginx calls its upstream: the names of site and release. Nothing, where it answered itself.
        self.known: dict[bytes, Tally] = {}

    def tally(self, upstream: bytes) -> Tally:
        """A log of another making may have any number of upstreams: those that come late are taken together."""
        return self.known.setdefault(upstream if len(self.known) < _RELEASES else b"others", Tally())

    def ranked(self) -> list[tuple[str, Tally]]:
        """By name, the one with the most requests first."""
        ranked = sorted(self.known.items(), key=lambda item: (-item[1].requests, item[0]))
        return [(_release(upstream.decode(errors="replace")), tally) for upstream, tally in ranked]


def _release(upstream: str) -> str:
    name = upstream.rpartition("-")[2]
    return name if RELEASE_ID.fullmatch(name) else upstream

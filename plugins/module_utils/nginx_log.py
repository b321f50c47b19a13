# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads nginx's error log: what it says of one site since a point in time."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

LONGEST = 4 * 1024 * 1024
_LINE = re.compile(r"(?P<at>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>\w+)\] \d+#\d+: (?:\*\d+ )?(?P<rest>.*)")
_DETAIL = re.compile(r', (?P<name>client|server|request|upstream|host|referrer|subrequest): (?P<value>"[^"]*"|[^,]*)')
# What is graver concerns a configuration that nginx refused: its unit's journal has it, and says when that is over.
_TELLING = {"error", "crit", "alert"}
_QUERY = re.compile(r"\?[^\s\"]*")


@dataclass(frozen=True)
class Line:
    """One line of the log; `request` and `upstream` are empty where it has none."""

    at: float
    message: str
    server: str
    host: str
    request: str
    upstream: str

    @property
    def text(self) -> str:
        """What a person is shown: no client's address, and no query, which may carry a token."""
        request = f", request: {_QUERY.sub('?…', self.request)}" if self.request else ""
        upstream = f", upstream: {_QUERY.sub('?…', self.upstream)}" if self.upstream else ""
        return f"{_QUERY.sub('?…', self.message)}{request}{upstream}"


def read(path: Path, since: float) -> list[Line]:
    """The lines since then that tell of a failure; none where there is no such file."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - LONGEST))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in parse(text) if line.at >= int(since)]


def parse(text: str) -> list[Line]:
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return [_line(one["at"], one["rest"]) for one in found if one and one["level"] in _TELLING]


def _line(at: str, rest: str) -> Line:
    details = {found["name"]: found["value"].strip('"') for found in _DETAIL.finditer(rest)}
    first = _DETAIL.search(rest)
    return Line(
        # nginx writes the host's own time.
        at=time.mktime(time.strptime(at, "%Y/%m/%d %H:%M:%S")),
        message=rest[: first.start()] if first else rest,
        server=details.get("server", ""),
        host=details.get("host", ""),
        request=details.get("request", ""),
        upstream=details.get("upstream", ""),
    )


def of_site(lines: list[Line], domains: Collection[str], sockets: Collection[str]) -> list[Line]:
    """Those of one site, by its names or by the folders of its sockets; all of them where neither is known.

    A line that names no server concerns nginx as a whole, and so every site.
    """
    if not domains and not sockets:
        return lines
    return [line for line in lines if _concerns(line, domains, sockets)]


def _concerns(line: Line, domains: Collection[str], sockets: Collection[str]) -> bool:
    if not line.server and not line.upstream:
        return True
    names = {line.server, line.host.rpartition(":")[0] or line.host}
    return not names.isdisjoint(domains) or any(socket in line.upstream for socket in sockets)

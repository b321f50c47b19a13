# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a line of nginx's access log apart: the site's own format, and nginx's `combined`, which has no times."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

# No line of nginx's is longer: its parts are the headers that it takes, of 8 KiB each.
LONGEST = 1024 * 1024


class Entry(NamedTuple):
    """The fields that are told of, as they stand in the line, the path without its query; empty where it has none."""

    stamp: bytes
    method: bytes
    path: bytes
    status: bytes
    seconds: bytes
    upstream: bytes


_TEXT = rb'[^"\\\x00-\x1f]*'
_PLAIN = rb"\"" + _TEXT + rb"\""
# The site's format, as roles/nginx writes it, in as many groups as an entry has fields; or the whole line in the last
# one: an escape is in it, say, and `entry` is to take it apart. So each match is a line.
LINES = re.compile(
    rb'\{"time":"([0-9T:+-]{25})","client":%(plain)s,"method":"(%(text)s)","scheme":%(plain)s,"host":%(plain)s,'
    rb'"uri":"([^?"\\\x00-\x1f]*)%(text)s","protocol":%(plain)s,"status":([0-9]{3}),"bytes":[0-9]+,'
    rb'"seconds":([0-9]+\.[0-9]+),"upstream":"(%(text)s)","upstream_status":%(plain)s,"upstream_connect":%(plain)s,'
    rb'"upstream_header":%(plain)s,"upstream_seconds":%(plain)s,"referer":%(plain)s,"user_agent":%(plain)s,"tls":%(plain)s\}\n'
    rb"|([^\n]*\n)" % {b"plain": _PLAIN, b"text": _TEXT}
)
# nginx writes no quote within quotes here, but \x22.
_COMBINED = re.compile(
    rb"\S+ \S+ [^\[]*\[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(?::[0-9]{2}){3} [+-][0-9]{4})\] "
    rb'"(?:([A-Z_-]+) ([^? "]*)(?:\?[^ "]*)?(?: HTTP/[0-9.]+)?|[^"]*)" ([0-9]{3}) [0-9]+ "[^"]*" "[^"]*"\s*'
)
_MONTHS = {month: number for number, month in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


def entry(line: bytes) -> Entry | None:
    """The line, or None where it is neither in the site's format nor in nginx's `combined`."""
    if line.startswith(b"{"):
        return _from_json(line)
    found = _COMBINED.fullmatch(line)
    if not found:
        return None
    stamp, method, path, status = found.groups(default=b"")
    return Entry(stamp, method, path, status, b"", b"")


def _from_json(line: bytes) -> Entry | None:
    try:
        told = json.loads(line.decode(errors="replace"), parse_float=str)
        texts = [told["time"], told["method"], told["uri"], told.get("upstream", "")]
        stamp, method, uri, upstream = (text.encode(errors="replace") for text in texts)
        status = b"%03d" % told["status"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if len(status) > 3:
        return None
    return Entry(stamp, method, uri.partition(b"?")[0], status, str(told.get("seconds", "")).encode(), upstream)


def moment(stamp: bytes) -> float | None:
    """Seconds since 1970, from nginx's $time_iso8601 or $time_local; None where it is neither."""
    try:
        if stamp[2:3] == b"/":
            return _local(stamp)
        at = datetime.fromisoformat(stamp.decode("ascii"))
    except (ValueError, KeyError, OverflowError):
        return None
    return at.timestamp() if at.tzinfo else None


def _local(stamp: bytes) -> float:
    """26/Nov/2026:14:50:37 +0100"""
    offset = timedelta(hours=int(stamp[21:24]), minutes=int(stamp[21:22] + stamp[24:26]))
    year, month, day = int(stamp[7:11]), _MONTHS[stamp[3:6]], int(stamp[:2])
    hour, minute, second = int(stamp[12:14]), int(stamp[15:17]), int(stamp[18:20])
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).timestamp()

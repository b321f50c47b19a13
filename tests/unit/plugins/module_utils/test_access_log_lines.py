# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of nginx's access log, in the site's own format and in nginx's `combined`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.access_log_lines import LINES, Entry, entry, moment
from hypothesis import given
from hypothesis import strategies as st

TEMPLATE = Path(__file__).resolve().parents[4] / "roles/nginx/templates/edge.conf.j2"
FIELDS = {
    "$time_iso8601": "2026-11-26T17:55:00+01:00",
    "$switchyard_shop_method": "GET",
    "$request_uri": "/orders/17/?token=hunter2",
    "$status": "200",
    "$body_bytes_sent": "512",
    "$request_time": "0.012",
    "$switchyard_shop_upstream": "shop-a5aa0d423d44",
    "$upstream_status": "502, 200",
}
ENTRY = Entry(b"2026-11-26T17:55:00+01:00", b"GET", b"/orders/17/", b"200", b"0.012", b"shop-a5aa0d423d44")
COMBINED = (
    b'203.0.113.9 - anna [26/Nov/2026:17:55:00 +0100] "GET /orders/17/?a=1 HTTP/1.1" 200 512 '
    b'"https://shop.example.org/" "Mozilla/5.0 (\\x22X11)"\n'
)


def line(**fields):
    """As nginx would write it by the role's template."""
    template = TEMPLATE.read_text(encoding="utf-8").partition("log_format ")[2].partition(";")[0]
    template = "".join(re.findall(r"'(.*)'", template)).replace("{{ __nginx_variable }}", "switchyard_shop")
    values = {**FIELDS, **{f"${name}": value for name, value in fields.items()}}

    def escaped(found):
        return json.dumps(values.get(found[0], "x"), ensure_ascii=False)[1:-1]

    return (re.sub(r"\$\w+", escaped, template) + "\n").encode()


def test_the_format_of_the_role_is_known_at_first_sight():
    assert LINES.findall(line()) == [(*ENTRY, b"")]
    assert entry(line()) == ENTRY


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="?"), max_size=30)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(100, 599), st.integers(0, 10**7))), TEXT)
def test_both_ways_to_read_a_line_agree(requests, agent):
    """Whatever a visitor sends, each line is one, and what a quick look finds is what JSON says."""
    lines = [
        line(
            request_uri=f"/{uri}", host=host, status=str(status), request_time=f"{ms / 1000:.3f}", http_user_agent=agent
        )
        for uri, host, status, ms in requests
    ]
    found = LINES.findall(b"".join(lines))
    assert [Entry(*fields) if not odd else entry(odd) for *fields, odd in found] == list(map(entry, lines))
    for one, (uri, _host, status, ms) in zip(lines, requests):
        told = entry(one)
        assert (told.path, told.status) == (f"/{uri}".encode(), str(status).encode())
        assert float(told.seconds) == ms / 1000


def test_a_line_with_an_escape_is_taken_apart_as_json():
    odd = line(request_uri='/"x"?a', http_user_agent="\\ \t")
    assert LINES.findall(odd)[0][-1] == odd
    assert entry(odd) == ENTRY._replace(path=b'/"x"')


def test_a_line_of_combined_has_no_time_and_no_release():
    stamp = b"26/Nov/2026:17:55:00 +0100"
    assert entry(COMBINED) == Entry(stamp, b"GET", b"/orders/17/", b"200", b"", b"")
    junk = COMBINED.replace(b"GET /orders/17/?a=1 HTTP/1.1", b"\\x16\\x03\\x01")
    assert entry(junk) == Entry(stamp, b"", b"", b"200", b"", b"")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"\x00\xff\x1f",
        line()[:-40],
        line()[40:],
        COMBINED[:-30],
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        line(status="1000"),
        line(status="-"),
        b"a " * 500_000,
        b'1.1.1.1 - - [26/Nov/2026:17:55:00 +0100] "GET /' + b"x" * 500_000,
    ],
    ids=range(13),
)
def test_what_is_no_line_is_none(text):
    assert entry(text) is None


@pytest.mark.parametrize("hours", [-9.5, 0, 1, 5.75])
def test_both_ways_to_write_a_moment(hours):
    zone = timezone(timedelta(hours=hours))
    at = datetime(2026, 11, 26, 17, 55, 1, tzinfo=zone)
    assert moment(at.isoformat().encode()) == at.timestamp()
    assert moment(at.strftime("%d/%b/%Y:%H:%M:%S %z").encode()) == at.timestamp()


@pytest.mark.parametrize(
    "stamp", [b"", b"2026-13-01T00:00:00+00:00", b"2026-11-26", b"31/Foo/2026:00:00:00 +0000", b"\xff"]
)
def test_what_is_no_moment_is_none(stamp):
    assert moment(stamp) is None

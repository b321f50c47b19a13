# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a log, against a count that knows nothing of blocks, bins or bisection."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math
import random
import string
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import access_log, access_log_tally, time_bins
from ansible_collections.switchyard.django.plugins.module_utils.access_log_tally import Endpoints
from hypothesis import given
from hypothesis import strategies as st

BEGIN = 1_800_000_000
HOUR = 3600
RELEASES = ("shop-a5aa0d423d44", "shop-f99f895d922c", "")


def line(at, path="/", status=200, seconds="0.010", upstream=RELEASES[0], method="GET", agent="x"):
    told = {"time": datetime.fromtimestamp(at, timezone.utc).isoformat(), "client": "203.0.113.9", "method": method}
    told |= {"scheme": "https", "host": "shop.example.org", "uri": path, "protocol": "HTTP/2.0", "status": status}
    told |= {"bytes": 5, "seconds": float(seconds), "upstream": upstream, "upstream_status": str(status)}
    told |= dict.fromkeys(["upstream_connect", "upstream_header", "upstream_seconds"], "0.001")
    told |= {"referer": "", "user_agent": agent, "tls": "TLSv1.3"}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def combined(at, path="/", status=200):
    stamp = datetime.fromtimestamp(at, timezone.utc).strftime("%d/%b/%Y:%H:%M:%S %z")
    return f'203.0.113.9 - - [{stamp}] "GET {path} HTTP/1.1" {status} 5 "-" "x"\n'.encode()


def traffic(number, seed=1):
    """Requests of a day, nearly in order, as several workers write them."""
    dice = random.Random(seed)  # noqa: S311 (nothing here is secret)
    for count in range(number):
        yield line(
            at=BEGIN + 24 * HOUR * count / number - dice.randrange(5),
            path=dice.choice(["/", f"/orders/{count}/", f"/blog/post-{count}/?a={count}", "/static/app.css", "/ü/"]),
            status=dice.choices([200, 404, 502, 504, 500, 101], [80, 8, 4, 3, 2, 3])[0],
            seconds=f"{min(dice.lognormvariate(-3, 1.5), 300):.3f}",
            upstream=dice.choice(RELEASES),
            method=dice.choice(["GET", "POST"]),
            agent=dice.choice(["Mozilla/5.0", 'a "quoted" one', "Größe"]),
        )


def expected(lines, since, until):
    """The naive way: all lines in memory, as JSON."""
    told = [json.loads(one) for one in lines]
    told = [one for one in told if since <= datetime.fromisoformat(one["time"]).timestamp() < until]
    return [one for one in told if one["status"] != 101], [one for one in told if one["status"] == 101]


def percentile(entries, percent):
    times = sorted(one["seconds"] for one in entries)
    return times[math.ceil(len(times) * percent / 100) - 1] if times else None


def assert_figures(told, entries):
    count = Counter(str(one["status"]) for one in entries)
    assert (told.requests, told.statuses) == (len(entries), count)
    assert told.server_errors == sum(number for status, number in count.items() if status >= "500")
    assert (told.rate_502, told.rate_504) == (count["502"] / len(entries), count["504"] / len(entries))
    for percent in (50, 95, 99):
        near = pytest.approx(percentile(entries, percent), rel=time_bins.RELATIVE_ERROR * 1.000001)
        assert getattr(told, f"p{percent}") == near


def endpoint_of(one):
    path = one["uri"].partition("?")[0]
    for beginning, folded in (("/orders/", "/orders/<int>/"), ("/blog/", "/blog/<slug>/"), ("/ü", "/<str>/")):
        path = folded if path.startswith(beginning) else path
    return one["method"], path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "shop.access.log"


@pytest.mark.parametrize(
    ("since", "until"), [(BEGIN + 5 * HOUR, BEGIN + 6 * HOUR + 0.5), (BEGIN - HOUR, BEGIN + 25 * HOUR)]
)
def test_every_number_is_that_of_a_naive_count(log, since, until):
    lines = list(traffic(5000))
    log.write_bytes(b"".join(lines))
    told = access_log.read(log, since, until, buckets=7, endpoints=3)
    entries, websockets = expected(lines, since, until)

    assert_figures(told.total, entries)
    assert told.per_second == len(entries) / (until - since)
    assert (told.broken, told.untimed) == (0, 0)
    ranked = Counter(map(endpoint_of, entries)).most_common()
    assert [one.requests for one in told.endpoints] == [number for _endpoint, number in ranked[:3]]
    for one in told.endpoints:
        assert_figures(one, [entry for entry in entries if endpoint_of(entry) == (one.method, one.path)])
        assert one.missed == 0
    shown = {(one.method, one.path) for one in told.endpoints}
    assert_figures(told.others, [entry for entry in entries if endpoint_of(entry) not in shown])
    assert {one.release for one in told.releases} == {"a5aa0d423d44", "f99f895d922c", ""}
    for release in told.releases:
        assert_figures(release, [one for one in entries if one["upstream"].rpartition("-")[2] == release.release])
    assert told.websockets.connections == len(websockets) > 0
    assert told.websockets.p95 == pytest.approx(percentile(websockets, 95), rel=0.0101)
    step = (until - since) / 7
    for number, slot in enumerate(told.series):
        there, _websockets = expected(lines, since + number * step, since + (number + 1) * step)
        assert slot.at == pytest.approx(since + number * step)
        assert (slot.requests, slot.server_errors) == (len(there), sum(one["status"] >= 500 for one in there))
        assert slot.p95 == pytest.approx(percentile(there, 95), rel=0.0101)


def test_those_that_fail_most_stand_apart(log):
    log.write_bytes(line(BEGIN) * 5 + line(BEGIN, "/a/", 502) * 2 + line(BEGIN, "/b/", 500) * 3)
    told = access_log.read(log, BEGIN, BEGIN + 1, endpoints=1)
    assert [(one.path, one.requests) for one in told.endpoints] == [("/", 5)]
    assert [(one.path, one.server_errors) for one in told.failing] == [("/b/", 3)]


def test_a_report_is_json(log):
    log.write_bytes(b"".join(traffic(50)))
    told = dataclasses.asdict(access_log.read(log, BEGIN, BEGIN + 24 * HOUR))
    assert json.loads(json.dumps(told)) == told
    assert len(told["series"]) == 60


def test_the_end_is_not_in_the_window_any_more(log):
    log.write_bytes(line(BEGIN - 1) + line(BEGIN) + line(BEGIN + 9) + line(BEGIN + 10))
    told = access_log.read(log, BEGIN, BEGIN + 10, buckets=2)
    assert [slot.requests for slot in told.series] == [1, 1]


def test_broken_lines_are_counted_and_harm_none(log):
    good = line(BEGIN)
    broken = [good[:80] + b"\n", b"\x00\xff\x1b\n", b"\n", line(BEGIN).replace(b'"2027-01', b'"2027-13')]
    huge = b"x" * 3_000_000 + b"\n"
    log.write_bytes(good + b"".join(broken) + good + huge + good + line(BEGIN)[:-30])
    told = access_log.read(log, BEGIN, BEGIN + 1)
    assert (told.total.requests, told.broken) == (3, 6)


def test_a_broken_line_beyond_the_window_is_nobodys(log):
    log.write_bytes(line(BEGIN) + b"junk\n" + line(BEGIN + 100) + b"junk\n" + line(BEGIN + 200) + b"junk\n")
    assert access_log.read(log, BEGIN + 100, BEGIN + 101).broken == 1


def test_a_log_of_another_format_is_all_broken(log):
    log.write_bytes(b"GET / 200\n" * 10)
    told = access_log.read(log, BEGIN, BEGIN + 1)
    assert (told.total.requests, told.broken, told.reaches_back) == (0, 10, False)


def test_combined_says_how_many_and_how_they_ended_but_no_times(log):
    lines = [combined(BEGIN, f"/orders/{number}/", 502 if number < 2 else 200) for number in range(8)]
    log.write_bytes(b"".join(lines))
    told = access_log.read(log, BEGIN, BEGIN + 10, buckets=1)
    assert (told.total.requests, told.untimed, told.total.rate_502) == (8, 8, 0.25)
    assert (told.total.p50, told.series[0].p95) == (None, None)
    assert [(one.path, one.requests, one.p95) for one in told.endpoints] == [("/orders/<int>/", 8, None)]
    assert [one.release for one in told.releases] == [""]


def test_a_format_may_change_within_a_file(log):
    log.write_bytes(combined(BEGIN) + line(BEGIN) + combined(BEGIN) + line(BEGIN + 1))
    told = access_log.read(log, BEGIN, BEGIN + 10)
    assert (told.total.requests, told.untimed, told.broken) == (4, 2, 0)


def test_no_log_says_nothing(log):
    told = access_log.read(log, BEGIN, BEGIN + 10)
    assert (told.total.requests, told.per_second, told.sources, told.reaches_back) == (0, 0, [], False)
    assert told.total.rate_502 == 0


@pytest.mark.parametrize("wrong", [{"until": BEGIN}, {"buckets": 0}, {"endpoints": 0}])
def test_what_makes_no_sense_is_refused(log, wrong):
    with pytest.raises(ValueError, match="must be"):
        access_log.read(log, **{"since": BEGIN, "until": BEGIN + 1, **wrong})


def test_more_upstreams_than_releases_are_taken_together(log):
    log.write_bytes(b"".join(line(BEGIN, upstream=f"127.0.0.1:{number}") for number in range(100)))
    told = access_log.read(log, BEGIN, BEGIN + 1)
    assert (len(told.releases), told.releases[0].release, told.releases[0].requests) == (65, "others", 36)


def test_a_compressed_file_that_is_cut_off_is_told(log):
    whole = gzip.compress(b"".join(traffic(2000)))
    log.with_name("shop.access.log.2.gz").write_bytes(whole[: len(whole) // 2])
    told = access_log.read(log, BEGIN, BEGIN + 24 * HOUR)
    assert 0 < told.total.requests < 2000
    assert [bool(source.trouble) for source in told.sources] == [True]


@given(st.lists(st.sampled_from(string.ascii_letters[:40]), max_size=400), st.integers(1, 5))
def test_an_endpoint_that_many_ask_for_is_found_among_any_others(asked, limit):
    """Space-Saving's promise, for any order of requests."""
    endpoints = Endpoints(limit)
    for name in asked:
        endpoints.tally(b"GET", f"/{name}/".encode()).statuses[b"200"] += 1
    assert len(endpoints.tallies) <= 2 * limit
    for name, exact in Counter(asked).items():
        tally = endpoints.tallies.get(("GET", f"/{name}/"))
        if tally:
            assert tally.requests <= exact <= tally.requests + tally.missed
            assert tally.missed <= len(asked) / limit
        else:
            assert exact <= len(asked) / limit


def test_any_number_of_paths_takes_no_more_memory(monkeypatch):
    monkeypatch.setattr(access_log_tally, "_KNOWN", 50)
    reader = access_log._Reader(BEGIN, BEGIN + 1, 1)
    reader.endpoints = Endpoints(10)
    word = str.maketrans("0123456789", "abcdefghij")
    for number in range(1000):
        reader.add(
            line(BEGIN, f"/{str(number).translate(word)}/") + line(BEGIN, "/often/") + line(BEGIN, "/" + "x" * 300)
        )
    assert len(reader.endpoints.tallies) <= 20
    assert len(reader.endpoints.known) <= 50
    told = reader.report(3, True, [])
    assert {(one.path, one.requests, one.missed) for one in told.endpoints[:2]} == {
        ("/often/", 1000, 0),
        ("/<str>", 1000, 0),
    }
    assert told.others.requests == 1000 - told.endpoints[2].requests

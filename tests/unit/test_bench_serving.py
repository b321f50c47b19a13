# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark makes of its measurements: a figure that says more than was measured is worse than none."""

from __future__ import annotations

import gzip
from pathlib import Path

import depot_host
import figures
import pytest
import serving
from figures import Held, Run, compare, read_wrk, table

CLEAN = """\
Running 2s test @ http://192.0.2.1:80/
  2 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.89ms    0.96ms  10.72ms   83.36%
    Req/Sec     1.06k   261.95     2.13k    95.24%
  2207 requests in 1.10s, 1.09MB read
Requests/sec:   2007.44
Transfer/sec:      1.00MB
"""
WITH_ERRORS = CLEAN.replace(
    "Requests/sec",
    "  Socket errors: connect 0, read 3, write 0, timeout 12\n  Non-2xx or 3xx responses: 40\nRequests/sec",
)
UNIT = """\
[Service]
ExecStart=/srv/depot/venvs/ab12/bin/gunicorn --bind=unix:/run/depot/f4be9913ddb6/app.sock --umask=0 depot:application
RuntimeDirectory=depot/f4be9913ddb6
RuntimeDirectoryMode=0755
"""


def runs(*speeds: float, **errors: int) -> list[Run]:
    return [Run(int(speed), speed, errors) for speed in speeds]


def test_a_report_of_wrk_is_read() -> None:
    assert read_wrk(CLEAN) == Run(2207, 2007.44, {})


def test_errors_of_wrk_are_counted_and_those_that_did_not_happen_are_not() -> None:
    assert read_wrk(WITH_ERRORS).errors == {"read": 3, "timeout": 12, "status": 40}


def test_what_is_no_report_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        read_wrk("unable to connect to 192.0.2.1:80 Connection refused\n")


def test_the_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians() -> None:
    row = compare("page", "tutorial", runs(100, 200, 300), runs(300, 200, 330), aim=1.0)
    assert (row.ratio, row.spread) == ("1.10", "1.00–3.00")
    assert (row.theirs, row.ours) == ("200/s", "300/s")


@pytest.mark.parametrize(
    ("ours", "aim", "floor", "verdict", "failed"),
    [
        (150, 1.5, None, "reached", False),
        (149, 1.5, None, "missed", True),
        (96, 1.0, 0.95, "close", False),
        (95, 1.0, 0.95, "close", False),
        (94, 1.0, 0.95, "missed", True),
        (10, None, None, "", False),
    ],
)
def test_the_verdict(ours: int, aim: float | None, floor: float | None, verdict: str, failed: bool) -> None:
    row = compare("page", "tutorial", runs(100), runs(ours), aim, floor)
    assert (row.verdict, row.failed) == (verdict, failed)


def test_one_error_on_either_side_makes_a_row_invalid_and_gives_it_no_ratio() -> None:
    for theirs, ours, flaw in (
        (runs(100, 100), [*runs(900), *runs(900, timeout=2)], "ours: 2 × timeout"),
        ([*runs(100, status=1), *runs(100, status=3)], runs(900, 900), "tutorial: 4 × status"),
        (runs(100, 0), runs(900, 900), "tutorial: no answer in a whole run"),
    ):
        row = compare("page", "tutorial", theirs, ours, aim=1.0)
        assert (row.verdict, row.failed, row.ratio, row.spread) == ("invalid", True, "", "")
        assert row.flaws == (flaw,)
        assert f"- page, against tutorial: {flaw}." in table([row]).splitlines()


def test_what_is_not_the_same_work_is_not_compared() -> None:
    row = compare("page", "tutorial", runs(100), runs(900), aim=1.0, flaws=["ours does not send gzip"])
    assert row.failed


def held(opened: int, echoed: int, failures: dict[str, int]) -> Held:
    return Held(1000, opened, echoed, failures, {"nginx": (500, 500 + 20 * opened)})


def test_websockets_that_are_all_held() -> None:
    all_of_them = held(1000, 1000, {})
    socket, memory = all_of_them.rows("1,000 WebSockets")
    assert (socket.ours, socket.aim, socket.verdict) == ("1,000", "1,000", "reached")
    assert (memory.what, memory.ours, memory.verdict) == ("KiB each: nginx", "20.0", "")
    assert all_of_them.shortfall() == []


def test_a_shortfall_of_websockets_is_a_figure() -> None:
    some = held(760, 740, {"reset before the answer": 240, "nothing instead of 'text 3'": 20})
    socket, memory = some.rows("1,000 WebSockets")
    assert (socket.ours, socket.failed) == ("740", True)
    assert memory.ours == "20.0", "what is not open takes no memory"
    assert "held 740 of 1,000: 240 × reset before the answer" in some.shortfall()[0]
    assert held(0, 0, {"refused": 1000}).rows("x")[1].ours == ""


def test_the_table_is_as_wide_as_a_page() -> None:
    cases = [
        compare(case.what, side.name, runs(31_415, 31_415), runs(99_999, 999_999), aim=case.aim)
        for case in serving.CASES
        for side in case.others
    ]
    lines = table([*cases, *held(740, 740, {"reset": 260}).rows("1,000 WebSockets, 5 s")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 100


def test_the_page_has_a_place_for_the_table() -> None:
    page = serving.PAGE.read_text(encoding="utf-8")
    once = figures.replaced(page, "| new |")
    assert "<!-- table -->\n| new |\n<!-- end -->" in once
    assert figures.replaced(once, "| new |") == once
    with pytest.raises(ValueError, match="no place"):
        figures.replaced("a page", "| new |")


def test_an_instance_on_tcp_differs_in_nothing_else() -> None:
    changed = serving.on_tcp(UNIT, "192.0.2.1:8002")
    differing = [line for line in changed.splitlines() if line not in UNIT.splitlines()]
    assert differing == [
        "ExecStart=/srv/depot/venvs/ab12/bin/gunicorn --bind=192.0.2.1:8002 --umask=0 depot:application",
        "RuntimeDirectory=bench-alone",
    ]
    assert len(changed.splitlines()) == len(UNIT.splitlines())


def test_a_unit_that_listens_in_another_way_is_not_measured_as_something_else() -> None:
    with pytest.raises(serving.Trouble, match="0 times"):
        serving.on_tcp(UNIT.replace("--bind=unix:", "--uds="), "192.0.2.1:8002")


def test_the_style_sheet_is_the_same_each_time_and_compresses_as_css_does(tmp_path: Path) -> None:
    sheet = depot_host.style_sheet()
    assert 50_000 <= len(sheet) < 50_500
    assert sheet.count("{") == sheet.count("}")
    assert 3 < len(sheet) / len(gzip.compress(sheet.encode(), 5)) < 8
    copied = depot_host.copy_project(tmp_path) / depot_host.STYLE_SHEET
    assert copied.read_text(encoding="utf-8") == sheet

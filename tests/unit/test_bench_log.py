# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of the access log: the log that it writes, and what it makes of its measurements."""

from __future__ import annotations

import sys

import access_log as bench
import figures
import pytest
from access_log import GOACCESS, HOUR, WC, WHOLE, Sample
from ansible_collections.switchyard.django.plugins.module_utils import access_log
from ansible_collections.switchyard.django.plugins.module_utils.access_log_lines import LINES


def samples(ours=(3.0,), goaccess=(4.0,), memory=50.0):
    made = {WC.name: [0.1] * len(ours), GOACCESS.name: goaccess, WHOLE.name: ours, HOUR.name: [0.2] * len(ours)}
    return {name: [Sample(wall, wall / 2, memory) for wall in walls] for name, walls in made.items()}


def whole(found):
    (row,) = [row for row in bench.rows("1 GB", found) if row[1] == WHOLE.name]
    return row


def test_a_row_has_medians_and_the_ratio_of_the_rounds():
    row = whole(samples(ours=[8, 2, 3], goaccess=[4, 4, 2]))
    assert row == ("1 GB", WHOLE.name, "3.0 s", "2.0–8.0", "1.5 s", "50 MB", "1.50", "2, 100 MB", "reached")


@pytest.mark.parametrize(
    ("ours", "memory", "verdict"), [(8, 100, "reached"), (8.1, 100, "missed"), (8, 100.1, "missed")]
)
def test_the_aim_is_time_and_memory(ours, memory, verdict):
    assert whole(samples(ours=[ours], memory=memory))[-1] == verdict


def test_every_line_of_the_table_is_as_wide_as_the_others():
    lines = figures.grid(bench.HEAD, bench.rows("1 GB", samples())).splitlines()
    assert len(lines) == 6
    assert len({len(line) for line in lines}) == 1


def test_the_log_is_the_same_on_each_run_and_in_the_sites_own_format(tmp_path):
    log = tmp_path / "shop.access.log"
    assert bench.write(log, 300_000, 0) == "0.0003 GB of a day"
    content = log.read_bytes()
    assert len(content) == pytest.approx(300_000, abs=1000)
    bench.write(log, 300_000, 0)
    assert log.read_bytes() == content
    found = LINES.findall(content)
    assert len(found) == content.count(b"\n")
    assert not any(odd for *_fields, odd in found)


def test_distinct_paths_are_not_folded(tmp_path):
    log = tmp_path / "shop.access.log"
    bench.write(log, 300_000, 10**9)
    told = access_log.read(log, bench.BEGIN, bench.BEGIN + bench.DAY, endpoints=10_000)
    assert len({one.path for one in told.endpoints}) > 0.9 * told.total.requests > 400


def test_what_a_command_takes_is_measured_and_a_failure_is_told(tmp_path):
    sample = bench.timed([sys.executable, "-c", "print(sum(range(10**6)))"], tmp_path / "output")
    assert (tmp_path / "output").read_text() == "499999500000\n"
    assert sample.cpu > 0
    assert sample.memory > 5
    with pytest.raises(bench.Trouble, match="ended with 3: no such log"):
        bench.timed(
            [sys.executable, "-c", "import sys; print('no such log', file=sys.stderr); sys.exit(3)"], tmp_path / "x"
        )


def test_what_is_measured_reads_the_log(tmp_path):
    log, output = tmp_path / "shop.access.log", tmp_path / "output"
    bench.write(log, 300_000, 0)
    for tool in (WHOLE, HOUR, WC):
        bench.timed(tool.command(log, output), output)
        told = tool.requests(output)
        assert (told == log.read_bytes().count(b"\n")) == (tool is not HOUR)
        assert told > 0

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of several hosts makes of its measurements."""

from __future__ import annotations

import json
from dataclasses import replace

import figures
import growth
import pytest
import runs
from runs import Sample


def samples(**walls):
    return {
        int(count.removeprefix("n")): [
            Sample(wall, wall / 2, wall, 0.02, (("role : slow", wall), ("role : quick", 0.1))) for wall in found
        ]
        for count, found in walls.items()
    }


def test_a_row_has_the_median_and_how_it_grew():
    one, eight = growth.rows(samples(n1=[8, 12, 10], n8=[20, 40, 25]))
    assert one == ("1", "10.0 s", "8.0–12.0", "1.00", "", "", "5.0 s", "10.0 s", "2%")
    assert eight == ("8", "25.0 s", "20.0–40.0", "2.50", "3", "reached", "12.5 s", "25.0 s", "2%")


@pytest.mark.parametrize(("wall", "verdict"), [(30, "reached"), (30.1, "missed")])
def test_the_aim_is_that_of_the_most_hosts(wall, verdict):
    assert growth.rows(samples(n1=[10], n2=[50], n8=[wall]))[-1][5] == verdict


def test_what_was_measured_on_a_busy_machine_is_no_verdict():
    calm = samples(n1=[10], n8=[20])
    assert growth.rows(calm)[-1][5] == "reached"
    disturbed = {**calm, 1: [replace(sample, others=0.4) for sample in calm[1]]}
    assert growth.rows(disturbed)[-1][5] == "invalid"


def test_every_line_of_the_table_is_as_wide_as_the_others():
    lines = figures.grid(growth.HEAD, growth.rows(samples(n1=[8], n8=[200]))).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1


def test_the_tasks_that_take_longest_come_first():
    assert runs.slowest(samples(n1=[8, 10, 9])[1]) == "slow 9.0 s, quick 0.1 s"


def test_an_inventory_has_the_first_hosts_and_all_variables(tmp_path):
    whole = tmp_path / "inventory.yml"
    tree = {"all": {"hosts": {f"web{number}": {} for number in range(1, 9)}, "vars": {"ansible_user": "root"}}}
    whole.write_text("# Written by the testbed\n" + json.dumps(tree))
    made = growth.inventories(whole, tmp_path)
    assert list(made) == [1, 2, 4, 8]
    four = json.loads(made[4].read_text())["all"]
    assert list(four["hosts"]) == ["web1", "web2", "web3", "web4"]
    assert four["vars"] == {"ansible_user": "root"}

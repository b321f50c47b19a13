# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of a deploy makes of its measurements, and that both sides are asked for the same."""

from __future__ import annotations

import re

import deploy
import figures
import pytest
import runs
import yaml
from deploy import BACK, COMMIT, DEEDS, NOTHING, PING, SWITCH, Loaded, Wanted
from depot_host import BENCH, OURS, TUTORIAL
from runs import Sample


def samples(theirs=(10,), ours=(5,), others=0.02):
    found = {
        (deed, side): [
            Sample(wall, wall / 2, wall / 4, others, (("role : slow", wall / 2), ("quick", 0.1))) for wall in walls
        ]
        for deed in DEEDS[1:]
        for side, walls in ((TUTORIAL, theirs), (OURS, ours))
    }
    return {(PING, TUTORIAL): [Sample(wall, 0.5, 0.1, others) for wall in (0.8, 1.0, 0.9)], **found}


def row(lines, deed):
    (found,) = [line for line in lines if line[0] == deed.what]
    return found


def test_the_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians():
    told = row(deploy.times(samples(theirs=[10, 20, 30], ours=[8, 4, 15])), COMMIT)
    assert told == ("new commit", "20.0 s", "8.0 s", "0.50", "0.20–0.80", "0.6", "reached", "15.0 s", "6.0 s", "2%")


@pytest.mark.parametrize(("ours", "verdict"), [(6, "reached"), (6.1, "missed")])
def test_the_verdict_is_against_the_aim(ours, verdict):
    assert row(deploy.times(samples(ours=[ours])), COMMIT)[6] == verdict


def test_each_deed_has_an_aim_of_its_own():
    told = deploy.times(samples(ours=[4.5]))
    assert {line[0] for line in told if line[6] == "missed"} == {"one dependency of forty", NOTHING.what, BACK.what}
    assert row(told, SWITCH)[5:7] == ("0.5", "reached")


def test_a_ping_is_told_and_not_judged():
    assert row(deploy.times(samples()), PING) == ("one ping", "0.9 s", "", "", "0.8–1.0 s", "", "", "0.6 s", "", "2%")


def test_what_was_measured_on_a_busy_machine_is_no_verdict():
    assert row(deploy.times(samples(others=0.4)), COMMIT)[6] == "invalid"


def loads(**changed):
    lost = {(deed, side): [Loaded(20, 1000, 0)] for deed in DEEDS[1:] for side in (TUTORIAL, OURS)}
    return {**lost, (COMMIT, TUTORIAL): [Loaded(20, 600, 70), Loaded(20, 500, 50)], **changed}


def test_what_failed_is_counted_in_all_rounds():
    told = row(deploy.losses(loads()), COMMIT)
    assert told == ("new commit", "20", "1,100", "120", "20", "1,000", "0", "reached")


@pytest.mark.parametrize("ours", [Loaded(20, 1000, 1), Loaded(20, 0, 0)])
def test_one_failure_of_ours_is_missed_and_so_is_a_run_without_visitors(ours):
    found = {**loads(), (BACK, OURS): [Loaded(20, 1000, 0), ours]}
    assert row(deploy.losses(found), BACK)[-1] == "missed"
    assert row(deploy.losses(found), SWITCH)[-1] == "reached"


def test_where_the_time_goes_in_the_order_of_the_table():
    told = deploy.longest(samples(theirs=[10, 30, 20], ours=[5, 5, 5]))
    assert told[0] == "new commit, tutorial: 9.9 s before and after the tasks, slow 10.0 s, quick 0.1 s."
    assert told[1] == "new commit, ours: 2.4 s before and after the tasks, slow 2.5 s, quick 0.1 s."
    assert told[-1].startswith("rollback, warm, ours: ")


def test_tasks_of_one_name_count_together():
    sample = Sample(9, 1, 1, 0, (("release : wait", 1), ("cutover : wait", 2), ("go", 2.5)))
    assert runs.slowest([sample]) == "wait 3.0 s, go 2.5 s"
    assert runs.slowest([sample], number=1) == "wait 3.0 s"


def test_every_line_of_the_tables_is_as_wide_as_the_others():
    for head, lines in ((deploy.TIMES, deploy.times(samples())), (deploy.LOSSES, deploy.losses(loads()))):
        drawn = figures.grid(head, lines).splitlines()
        assert len({len(line) for line in drawn}) == 1
        assert len(drawn[0]) <= 120


def test_the_page_has_a_place_for_the_tables():
    assert "\n| new |\n" in figures.replaced(deploy.PAGE.read_text(encoding="utf-8"), "| new |")


def test_a_site_tells_what_is_deployed():
    assert Wanted(7, "asgi", "2026.1.4").page == "7 ASGIRequest 2026.1.4"


def test_calls_are_what_ansible_sends_over_ssh():
    said = (
        "<192.0.2.1> ESTABLISH SSH CONNECTION FOR USER: root\n"
        "<192.0.2.1> SSH: EXEC ssh -C -o ControlMaster=auto 192.0.2.1 '/bin/sh -c '\"'\"'echo ~root'\"'\"''\n"
        "<192.0.2.1> SSH: EXEC sftp -b - -C [192.0.2.1]\n"
        "<192.0.2.1> (0, b'', b'')\n"
    )
    assert len(deploy.CALL.findall(said)) == 2


def test_forty_dependencies_are_pinned_and_one_of_them_is_what_changes():
    pins = (BENCH / "forty.txt").read_text().splitlines()
    assert len(pins) == 40
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin) for pin in pins)
    assert f"{deploy.DEPENDENCY}=={deploy.VERSIONS[0]}" in pins
    assert len(set(deploy.VERSIONS)) == len(deploy.VERSIONS)


def test_both_sides_have_the_packages_of_both_stacks():
    pins = {pin.partition("==")[0] for pin in (BENCH / "forty.txt").read_text().splitlines()}
    assert {"django", "gunicorn", "uvicorn", "uvicorn-worker"} <= pins


def test_the_tutorials_playbook_gathers_no_facts_and_asks_for_the_site_last():
    (play,) = yaml.safe_load((BENCH / "tutorial/deploy.yml").read_text())
    assert play["gather_facts"] is False
    assert "ansible.builtin.uri" in play["tasks"][-1]

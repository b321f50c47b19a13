# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import cutover, guard_program, host_program, units
from ansible_collections.switchyard.django.plugins.module_utils.host_program import ProgramError


@pytest.mark.parametrize("module", [cutover, guard_program], ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_packed_program_needs_nothing_of_the_controller(tmp_path, module):
    (tmp_path / "program.pyz").write_bytes(host_program._pack(module))
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-S", tmp_path / "program.pyz"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    # Everything was imported; what is missing is the plan.
    assert "main() missing 2 required positional arguments" in done.stderr


@pytest.fixture
def systemd(monkeypatch):
    """A systemd whose units do what the test wants."""

    def run(argv, **_how):
        run.calls.append([str(part) for part in argv])
        if argv[0] == "systemctl":
            state = run.states.pop(0) if run.states else "inactive"
            return subprocess.CompletedProcess(argv, 0, f"Id={argv[-1]}\nActiveState={state}\n", "")
        if run.refusals:
            run.refusals -= 1
            return subprocess.CompletedProcess(argv, 1, "", "Unit was already loaded")
        return subprocess.CompletedProcess(argv, *run.unit(*(Path(part) for part in argv[-2:])), "")

    run.calls, run.states, run.refusals, run.unit = [], [], 0, lambda plan, outcome: (0, "")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(units.time, "sleep", lambda seconds: None)
    return run


def echo(plan, outcome):
    outcome.write_text(json.dumps({"echo": json.loads(plan.read_text())}))
    return 0, ""


def test_the_outcome_of_the_unit_is_returned(layout, systemd):
    systemd.unit = echo
    assert host_program.run(layout, "cutover", cutover, {"a": 1}) == {"echo": {"a": 1}}
    assert "--unit=switchyard-cutover@shop.service" in systemd.calls[-1]
    assert "--wait" in systemd.calls[-1]


def test_program_and_plan_are_roots_own(layout, systemd):
    systemd.unit = echo
    host_program.run(layout, "cutover", cutover, {"edge": "hunter2"})
    folder = layout.run / "cutover"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder / "program.pyz", folder / "plan.json")} == {0o600}
    assert not [part for call in systemd.calls for part in call if "hunter2" in part]


def test_a_unit_that_dies_without_an_outcome_says_where_to_look(layout, systemd):
    systemd.unit = lambda plan, outcome: (137, "")
    with pytest.raises(ProgramError, match="137.*journalctl -u switchyard-cutover@shop"):
        host_program.run(layout, "cutover", cutover, {})


def test_the_outcome_of_the_run_before_is_not_taken_for_this_ones(layout, systemd):
    systemd.unit = echo
    host_program.run(layout, "cutover", cutover, {"run": 1})
    systemd.unit = lambda plan, outcome: (137, "")
    with pytest.raises(ProgramError):
        host_program.run(layout, "cutover", cutover, {"run": 2})


def test_what_is_killed_is_started_again_by_systemd(layout, systemd):
    systemd.unit = echo
    host_program.run(layout, "cutover", cutover, {})
    assert "--property=Restart=on-abnormal" in systemd.calls[-1]


def test_a_plan_is_not_laid_out_while_the_program_of_an_earlier_run_reads_its_own(layout, systemd, monkeypatch):
    plan = layout.run / "cutover/plan.json"
    plan.parent.mkdir()
    plan.write_text("earlier")
    seen = []
    monkeypatch.setattr(units.time, "sleep", lambda seconds: seen.append(plan.read_text()))
    systemd.states += ["active", "deactivating"]
    systemd.unit = echo
    host_program.run(layout, "cutover", cutover, {})
    assert seen == ["earlier", "earlier"]


def test_what_is_started_is_not_waited_for(layout, systemd):
    host_program.start(layout, "guard", guard_program, {"site": "shop"})
    (call,) = systemd.calls
    assert "--no-block" in call
    assert "--wait" not in call
    assert json.loads((layout.run / "guard/plan.json").read_text()) == {"site": "shop"}


def test_one_that_is_about_to_end_is_waited_for_and_then_started(layout, systemd):
    systemd.refusals = 3
    host_program.start(layout, "guard", guard_program, {})
    assert len(systemd.calls) == 4


def test_a_program_that_can_not_be_started_is_an_error_and_no_promise(layout, systemd):
    systemd.refusals = 1000
    with pytest.raises(ProgramError, match="switchyard-guard@shop.*already loaded"):
        host_program.start(layout, "guard", guard_program, {})


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["active", "activating", "deactivating", "reloading"])
def test_an_earlier_run_is_waited_for(systemd, state):
    systemd.states += [state, state, "inactive"]
    units.wait_for("switchyard-cutover@shop.service")
    assert len(systemd.calls) == 3


def test_an_earlier_run_is_not_waited_for_for_ever(systemd):
    systemd.states += ["active"] * 5
    with pytest.raises(units.StillAtWorkError, match="still at work"):
        units.wait_for("switchyard-cutover@shop.service", seconds=-1)


def test_each_unit_has_its_own_state(monkeypatch):
    said = (
        "Id=shop@a.service\nActiveState=active\nMainPID=71\nNRestarts=2\n\n"
        "Id=shop@b.service\nActiveState=failed\nMainPID=0\nNRestarts=0\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda argv, **_how: subprocess.CompletedProcess(argv, 0, said, ""))
    found = units.states(["shop@*.service"])
    assert {name: (unit["ActiveState"], unit["MainPID"], unit["NRestarts"]) for name, unit in found.items()} == {
        "shop@a.service": ("active", "71", "2"),
        "shop@b.service": ("failed", "0", "0"),
    }

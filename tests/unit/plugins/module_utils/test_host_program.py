# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    cutover,  # noqa: F401 - what is loaded is packed
    host_program,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.host_program import ProgramError


def test_the_packed_program_needs_nothing_of_the_controller(tmp_path):
    host_program._pack(tmp_path / "program.pyz", "cutover")
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
def systemd(monkeypatch, tmp_path):
    """A systemd whose units do what the test wants."""

    def run(argv, **_how):
        run.calls.append([str(part) for part in argv])
        if argv[0] == "systemctl":
            return subprocess.CompletedProcess(argv, run.still_active.pop(0) if run.still_active else 3)
        return subprocess.CompletedProcess(argv, *run.unit(*(Path(part) for part in argv[-2:])), "")

    run.calls, run.still_active, run.unit = [], [], None
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(host_program.tempfile, "mkdtemp", lambda **_how: _folder(tmp_path / "scratch"))
    monkeypatch.setattr(units.time, "sleep", lambda seconds: None)
    return run


def _folder(path):
    path.mkdir()
    return str(path)


def test_the_outcome_of_the_unit_is_returned_and_nothing_is_left(systemd, tmp_path):
    def unit(plan, outcome):
        outcome.write_text(json.dumps({"echo": json.loads(plan.read_text())}))
        return 0, ""

    systemd.unit = unit
    assert host_program.run("switchyard-cutover@shop", "cutover", {"a": 1}) == {"echo": {"a": 1}}
    assert "--unit=switchyard-cutover@shop" in systemd.calls[-1]
    assert not (tmp_path / "scratch").exists()


def test_a_unit_that_dies_without_an_outcome_says_where_to_look(systemd, tmp_path):
    systemd.unit = lambda plan, outcome: (137, "")
    with pytest.raises(ProgramError, match="137.*journalctl -u switchyard-cutover@shop"):
        host_program.run("switchyard-cutover@shop", "cutover", {})
    assert not (tmp_path / "scratch").exists()


def test_an_earlier_run_is_waited_for(systemd):
    systemd.still_active += [0, 0, 3]
    units.wait_for("switchyard-cutover@shop.service")
    assert len(systemd.calls) == 3


def test_an_earlier_run_is_not_waited_for_for_ever(systemd):
    systemd.still_active += [0] * 5
    with pytest.raises(units.StillAtWorkError, match="still at work"):
        units.wait_for("switchyard-cutover@shop.service", seconds=-1)

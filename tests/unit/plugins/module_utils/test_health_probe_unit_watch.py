# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import units
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import (
    UnitWatch,
    ending,
    restarts,
    trouble,
)

UNIT = "shop@3f9c2a7d41b8.service"
RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "NRestarts": "0",
    "Result": "success",
    "ExecMainCode": "0",
    "ExecMainStatus": "0",
}


def test_parse_properties():
    assert units.properties("ActiveState=active\nExecStart={ path=/bin/a ; x=y }\n\n") == {
        "ActiveState": "active",
        "ExecStart": "{ path=/bin/a ; x=y }",
    }


@pytest.mark.parametrize(("value", "count"), [("3", 3), ("", 0), ("[not set]", 0)])
def test_restarts(value, count):
    assert restarts({"NRestarts": value}) == count


@pytest.mark.parametrize(
    ("changes", "before", "reason"),
    [
        ({}, 0, None),
        ({"ActiveState": "activating", "SubState": "start"}, 0, None),
        ({"NRestarts": "1", "ActiveState": "activating", "SubState": "auto-restart"}, 0, None),
        ({"NRestarts": "7"}, 7, None),
        ({"NRestarts": "0"}, 7, None),
        (
            {"NRestarts": "9", "SubState": "auto-restart"},
            7,
            "keeps restarting (2 times while it was probed; now active/auto-restart)",
        ),
        (
            {"NRestarts": "3", "ActiveState": "activating", "SubState": "auto-restart", "ExecMainCode": "1"},
            0,
            "; now activating/auto-restart; its process ended by itself with exit status 0)",
        ),
        ({"ActiveState": "failed", "Result": ""}, 0, "has failed (no reason is known)"),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "3"},
            0,
            "has failed (its process ended with exit status 3)",
        ),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, 0, "does not exist"),
    ],
)
def test_trouble(changes, before, reason):
    found = trouble(UNIT, {**RUNNING, **changes}, before)
    if reason is None:
        assert found is None
    else:
        assert found.failure == "unit_failed"
        assert found.evidence.startswith(UNIT)
        assert reason in found.evidence


def test_a_unit_that_does_not_exist_has_no_journal():
    missing = trouble(UNIT, {"LoadState": "not-found"}, 0)
    assert "journal" not in missing.hint
    assert "Correct the unit's name" in missing.hint
    assert "journal" in trouble(UNIT, {**RUNNING, "ActiveState": "failed"}, 0).hint


@pytest.mark.parametrize(
    ("result", "code", "status", "words"),
    [
        ("exit-code", "1", "203", "its process ended with exit status 203"),
        ("signal", "2", "9", "its process was ended by signal 9"),
        ("core-dump", "3", "11", "its process was ended by signal 11"),
        ("success", "1", "0", "its process ended by itself with exit status 0"),
        ("success", "2", "15", "its process was ended by signal 15"),
        ("success", "0", "0", ""),
        # ExecStartPre=/bin/false: the main process never ran.
        ("exit-code", "0", "0", "another command than its main process failed"),
        # ExecStartPost=/bin/false: systemd then ends the main process.
        ("exit-code", "2", "15", "another command than its main process failed"),
        ("signal", "0", "0", "another command than its main process failed"),
        ("timeout", "2", "15", "result timeout"),
        ("start-limit-hit", "1", "0", "result start-limit-hit"),
        ("", "", "", ""),
    ],
)
def test_how_it_ended(result, code, status, words):
    found = ending({"Result": result, "ExecMainCode": code, "ExecMainStatus": status})
    assert found.startswith(words)
    assert bool(found) == bool(words)


@pytest.fixture
def systemctl(tmp_path):
    """A systemctl that prints what the test wrote into a file, and records how it was called."""
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\nexec cat {tmp_path}/properties\n')
    program.chmod(0o755)
    return tmp_path


def test_watch_counts_from_its_beginning(systemctl):
    properties = systemctl / "properties"
    properties.write_text("LoadState=loaded\nActiveState=active\nNRestarts=5\n")
    watch = UnitWatch(UNIT, str(systemctl / "systemctl"))
    assert watch() is None
    properties.write_text("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=7\n")
    assert "keeps restarting (2 times" in watch().evidence
    assert (systemctl / "called").read_text().split()[-2:] == ["--", UNIT]


def test_a_systemctl_that_fails_is_no_reason_and_no_restart(systemctl):
    watch = UnitWatch(UNIT, str(systemctl / "systemctl"))
    assert watch() is None
    (systemctl / "properties").write_text("LoadState=loaded\nActiveState=active\nNRestarts=5\n")
    assert watch() is None
    (systemctl / "properties").write_text("LoadState=loaded\nActiveState=active\nNRestarts=6\n")
    assert watch() is None


def test_no_systemctl_at_all(tmp_path):
    assert UnitWatch(UNIT, str(tmp_path / "missing"))() is None


@pytest.mark.parametrize("name", ["", "-evil", "--help", "a b", "shop;id", "shop\n", "../shop", "*"])
def test_an_odd_name_is_refused(name):
    with pytest.raises(ValueError, match="not the name of a systemd unit"):
        UnitWatch(name)

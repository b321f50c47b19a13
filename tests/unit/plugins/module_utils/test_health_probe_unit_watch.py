# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import (
    UnitWatch,
    parse_properties,
    restarts,
    trouble,
)

UNIT = "shop@3f9c2a7d41b8.service"
RUNNING = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "NRestarts": "0", "Result": "success"}


def test_parse_properties():
    assert parse_properties("ActiveState=active\nExecStart={ path=/bin/a ; x=y }\n\n") == {
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
        ({"NRestarts": "9", "SubState": "auto-restart"}, 7, "keeps restarting (2 times"),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "3"},
            0,
            "(result exit-code, exit status 3)",
        ),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, 0, "does not exist"),
    ],
)
def test_trouble(changes, before, reason):
    found = trouble(UNIT, {**RUNNING, **changes}, before)
    if reason is None:
        assert found is None
    else:
        assert found.startswith(UNIT)
        assert reason in found


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
    assert "keeps restarting (2 times" in watch()
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

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, drain

OLD, NEW = "a" * 12, "b" * 12
REALLY_RUN = subprocess.run


@pytest.fixture
def systemd(monkeypatch):
    calls = []

    def run(argv, **_how):
        calls.append([str(part) for part in argv])
        return subprocess.CompletedProcess(argv, 0, "activating\n")

    monkeypatch.setattr(drain.subprocess, "run", run)
    return calls


@pytest.fixture
def condition(layout, systemd):
    """Whether the unit would go on to stop the instance, once it has slept."""
    layout.record(OLD).mkdir(parents=True)
    layout.record(NEW).mkdir()
    drain.schedule(layout, OLD, 30)
    _sleep, test = (part.partition("ExecStartPre=")[2] for part in systemd[-1] if "ExecStartPre=" in part)
    return lambda: REALLY_RUN(test.split(), check=False).returncode == 0


def test_the_old_instance_is_stopped_once_another_release_is_live(layout, systemd, condition):
    disk.point(layout.current, f"releases/{NEW}")
    assert condition()
    assert systemd[-1][-2:] == ["stop", f"shop@{OLD}.service"]


def test_an_instance_that_is_live_again_is_not_stopped(layout, condition):
    disk.point(layout.current, f"releases/{OLD}")
    assert not condition()


def test_where_no_release_is_live_the_old_one_still_ends(condition):
    assert condition()


def test_a_drain_that_is_under_way_begins_anew(layout, systemd):
    drain.schedule(layout, OLD, 30)
    cancelled, scheduled = systemd
    assert cancelled == ["systemctl", "stop", f"switchyard-drain-shop@{OLD}.service"]
    assert f"--unit=switchyard-drain-shop@{OLD}.service" in scheduled
    assert "--property=ExecStartPre=/bin/sleep 30" in scheduled


def test_nothing_in_the_unit_needs_quotes_which_a_daemon_reload_would_lose(layout, systemd):
    drain.schedule(layout, OLD, 30)
    assert not set("".join(systemd[-1])) & set("\"'$%\\")


def test_a_drain_that_sleeps_is_a_scheduled_one(layout, systemd):
    assert drain.is_scheduled(layout, OLD)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, drain

OLD, NEW = "a" * 12, "b" * 12


@pytest.fixture
def systemd(monkeypatch):
    calls = []

    def run(argv, **_how):
        calls.append([str(part) for part in argv])
        return subprocess.CompletedProcess(argv, 0)

    monkeypatch.setattr(drain.subprocess, "run", run)
    return calls


@pytest.fixture
def stop_after_the_drain(layout, systemd, tmp_path):
    """Runs what the timer would run, with a systemctl that only notes what it stops."""
    drain.schedule(layout, OLD, 30)
    command = systemd[-1][systemd[-1].index("--") + 1 :]
    fake = tmp_path / "bin/systemctl"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/stopped\n')
    fake.chmod(0o755)

    def stop():
        subprocess.Popen(command, env={"PATH": f"{fake.parent}:{os.environ['PATH']}"}).wait()
        stopped = tmp_path / "stopped"
        return stopped.read_text().strip() if stopped.exists() else None

    return stop


def test_the_old_instance_is_stopped_once_another_release_is_live(layout, stop_after_the_drain):
    disk.point(layout.current, f"releases/{NEW}")
    assert stop_after_the_drain() == f"stop shop@{OLD}.service"


def test_an_instance_that_is_live_again_is_not_stopped(layout, stop_after_the_drain):
    disk.point(layout.current, f"releases/{OLD}")
    assert stop_after_the_drain() is None


def test_where_no_release_is_live_the_old_one_still_ends(layout, stop_after_the_drain):
    assert stop_after_the_drain() == f"stop shop@{OLD}.service"


def test_a_drain_that_is_under_way_begins_anew(layout, systemd):
    drain.schedule(layout, OLD, 30)
    cancelled, scheduled = systemd
    assert cancelled == ["systemctl", "stop", f"switchyard-drain-shop@{OLD}.timer"]
    assert f"--unit=switchyard-drain-shop@{OLD}" in scheduled
    assert "--on-active=30s" in scheduled

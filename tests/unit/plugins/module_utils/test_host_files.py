# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import host_files


@pytest.fixture
def stopped():
    """The units that do not run."""
    return set()


@pytest.fixture
def laid(tmp_path, monkeypatch, stopped):
    """A host on which nothing is amiss: what it was given, with a file and an enabled unit that are so."""
    monkeypatch.setattr(host_files, "UNITS", tmp_path)
    monkeypatch.setattr(host_files.systemd, "is_active", lambda unit: unit not in stopped)
    path, gone = tmp_path / "one.conf", tmp_path / "gone"
    path.write_text("text\n")
    path.chmod(0o644)
    for folder, unit in (("multi-user.target.wants", "shop.service"), ("timers.target.wants", "shop.timer")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / unit).symlink_to(f"/etc/systemd/system/{unit}")
    return {
        "files": [{"path": str(path), "content": "text\n"}],
        "absent": [str(gone)],
        "enable": ["shop.service", "shop.timer"],
    }


def test_nothing_is_amiss(laid):
    assert host_files.amiss(**laid) == []
    assert host_files.amiss() == []


def test_what_is_amiss_is_named(laid, tmp_path):
    path, gone = tmp_path / "one.conf", tmp_path / "gone"
    path.write_text("edited\n")
    gone.touch()
    (tmp_path / "multi-user.target.wants/shop.service").unlink()
    assert host_files.amiss(**laid) == [str(path), str(gone), "shop.service"]
    written, removed = host_files.changes(laid["files"], laid["absent"])
    assert (written.before, written.after, written.mode) == ("edited\n", "text\n", 0o644)
    assert removed.after is None


def test_a_mode_a_link_and_a_file_that_is_no_text_are_amiss(laid, tmp_path):
    path = tmp_path / "one.conf"
    path.chmod(0o600)
    assert host_files.amiss(**laid) == [str(path)]
    path.rename(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    assert host_files.amiss(**laid) == [str(path)]
    path.unlink()
    path.write_bytes(b"\xff")
    path.chmod(0o644)
    assert host_files.amiss(**laid) == [str(path)]


def test_a_timer_runs_and_is_started_anew_where_it_reads_otherwise(laid, stopped):
    assert host_files.due_timers(laid["enable"], [], []) == []
    assert host_files.due_timers(laid["enable"], ["/x/shop.timer", "/x/shop.service"], []) == ["shop.timer"]
    stopped |= {"shop.timer", "shop.service"}
    assert host_files.amiss(**laid) == ["shop.timer"]
    assert host_files.due_timers(laid["enable"], [], host_files.idle(laid["enable"])) == ["shop.timer"]


def test_a_timer_is_stopped_before_its_file_goes(tmp_path):
    for name in ("a.timer", "a.service", "a.conf"):
        (tmp_path / name).touch()
    due = host_files.changes(
        [{"path": str(tmp_path / "b.timer"), "content": "x"}], sorted(map(str, tmp_path.iterdir()))
    )
    assert host_files.leaving(due) == [("a.timer", "a.service")]


def test_systemd_is_told_what_is_its_own():
    paths = ["/etc/sysusers.d/a.conf", "/etc/tmpfiles.d/a.conf", "/etc/systemd/system/a.service", "/etc/other"]
    assert host_files.commands(paths[3:], paths, apply_always=False) == []
    assert host_files.commands(paths[2:3], paths, apply_always=False) == [["systemctl", "daemon-reload"]]
    assert host_files.commands([], paths, apply_always=True) == [
        ["systemd-sysusers", "/etc/sysusers.d/a.conf"],
        ["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/a.conf"],
    ]

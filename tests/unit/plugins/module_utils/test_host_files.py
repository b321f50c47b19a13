# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import host_files


@pytest.fixture
def laid(tmp_path, monkeypatch):
    """A host on which nothing is amiss: what it was given, with a file and an enabled unit that are so."""
    monkeypatch.setattr(host_files, "WANTS", tmp_path / "wants")
    path, gone = tmp_path / "one.conf", tmp_path / "gone"
    path.write_text("text\n")
    path.chmod(0o644)
    host_files.WANTS.mkdir()
    (host_files.WANTS / "shop.service").symlink_to("/etc/systemd/system/shop.service")
    return {
        "files": [{"path": str(path), "content": "text\n"}],
        "absent": [str(gone)],
        "enable": ["shop.service"],
    }


def test_nothing_is_amiss(laid):
    assert host_files.amiss(**laid) == []
    assert host_files.amiss() == []


def test_what_is_amiss_is_named(laid, tmp_path):
    path, gone = tmp_path / "one.conf", tmp_path / "gone"
    path.write_text("edited\n")
    gone.touch()
    (host_files.WANTS / "shop.service").unlink()
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


def test_systemd_is_told_what_is_its_own():
    paths = ["/etc/sysusers.d/a.conf", "/etc/tmpfiles.d/a.conf", "/etc/systemd/system/a.service", "/etc/other"]
    assert host_files.commands(paths[3:], paths, apply_always=False) == []
    assert host_files.commands(paths[2:3], paths, apply_always=False) == [["systemctl", "daemon-reload"]]
    assert host_files.commands([], paths, apply_always=True) == [
        ["systemd-sysusers", "/etc/sysusers.d/a.conf"],
        ["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/a.conf"],
    ]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import types

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import ownership


@pytest.fixture
def owners(monkeypatch):
    """Who owns what, as it was asked for; tests run as anybody."""
    asked = {}

    def chown(path, uid, gid, follow_symlinks=True):
        assert not follow_symlinks, f"{path} was followed"
        asked[os.fspath(path)] = (uid, gid)

    real = os.lstat

    def lstat(path):
        """As if every file was of a user of this name: whoever the tests run as."""
        found = real(path)
        return os.stat_result((*found[:4], *asked.get(os.fspath(path), (901, 902)), *found[6:]))

    monkeypatch.setattr(ownership.os, "chown", chown)
    monkeypatch.setattr(ownership.os, "lstat", lstat)
    monkeypatch.setattr(ownership.pwd, "getpwnam", lambda name: types.SimpleNamespace(pw_uid=901, pw_gid=902))
    return asked


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").chmod(0o600)
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder").chmod(0o777)
    (tree / "folder/tool").write_text("x")
    (tree / "folder/tool").chmod(0o4777)
    (tree / "text").write_text("x")
    (tree / "text").chmod(0o666)
    (tree / "link").symlink_to("../outside")
    (tree / "linked").symlink_to("..")
    return tree


def modes(tree):
    return {name: (tree / name).stat().st_mode & 0o7777 for name in (".", "folder", "folder/tool", "text")}


def everything_in(tree):
    return {str(tree), *(str(tree / name) for name in ("folder", "folder/tool", "text", "link", "linked"))}


def test_the_whole_tree_is_given_and_nothing_outside_of_it(tree, owners):
    ownership.give(tree, "shop")
    assert set(owners) == everything_in(tree)
    assert set(owners.values()) == {(901, 902)}


def test_only_folders_are_given_where_files_shall_be_replaced_and_not_written(tree, owners):
    ownership.give(tree, "shop", files=False)
    assert set(owners) == {str(tree), str(tree / "folder")}


def test_what_was_taken_is_looked_at_and_not_touched(tree, owners, monkeypatch):
    ownership.take(tree, "shop")
    owned = dict(owners)

    def refuse(*_arguments, **_options):
        raise AssertionError

    monkeypatch.setattr(ownership.os, "chown", refuse)
    monkeypatch.setattr(ownership.os, "chmod", refuse)
    ownership.take(tree, "shop")
    assert owners == owned


def test_what_is_taken_is_roots_and_readable_by_the_group_alone(tree, owners):
    ownership.take(tree, "shop")
    assert set(owners) == everything_in(tree)
    assert set(owners.values()) == {(0, 902)}
    assert modes(tree) == {".": 0o750, "folder": 0o750, "folder/tool": 0o750, "text": 0o640}


def test_what_is_public_can_be_read_by_all_and_written_by_root_alone(tree, owners):
    ownership.take(tree, "shop", public=True)
    assert set(owners.values()) == {(0, 0)}
    assert modes(tree) == {".": 0o755, "folder": 0o755, "folder/tool": 0o755, "text": 0o644}


def test_what_a_link_points_at_keeps_its_mode(tree, owners):
    ownership.take(tree, "shop", public=True)
    assert (tree.parent / "outside").stat().st_mode & 0o777 == 0o600


def test_links_that_lead_out_of_a_tree_are_found_and_no_others(tree):
    (tree / "inside").symlink_to("folder/tool")
    (tree / "folder/up").symlink_to("../text")
    (tree / "by-the-whole-path").symlink_to(tree / "text")
    (tree / "over-another").symlink_to("link")
    (tree / "folder/nowhere").symlink_to("/no/such/file")
    assert ownership.links_out(tree) == [
        "folder/nowhere -> /no/such/file",
        "link -> ../outside",
        "linked -> ..",
        "over-another -> link",
    ]

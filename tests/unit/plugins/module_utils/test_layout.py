# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout, site_name_problem
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True).filter(
    lambda name: not site_name_problem(name)
)
LONGEST = "s" * 32
ID = "0123456789abcdef"


@pytest.mark.parametrize("name", ["", "Shop", "shop/x", "../etc", "s" * 33, "root", None, 5])
def test_a_layout_of_an_impossible_name_can_not_be_made(name):
    with pytest.raises(ValueError, match="site_name"):
        Layout(name)


@given(st.text(max_size=40))
def test_a_name_that_passes_needs_no_quoting_in_any_file(name):
    if site_name_problem(name) is None:
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name)
        assert not name.endswith("-")


@pytest.mark.parametrize("name", ["switchyard", "switchyard-x", "systemd-x", "www-data", "default", "root"])
def test_names_of_the_system_are_refused_with_another_that_passes(name):
    problem = site_name_problem(name)
    assert problem
    assert site_name_problem(problem.split("for example ")[1]) is None


def test_the_longest_names_fit_a_socket_path_a_user_and_a_unit():
    layout = Layout(LONGEST)
    assert len(str(layout.socket(ID)).encode()) <= 107
    assert len(layout.unit(ID)) <= 255
    assert len(LONGEST) <= 32


@given(NAMES, NAMES)
def test_no_two_sites_share_a_path_or_a_unit(one, other):
    if one == other:
        return
    first, second = Layout(one), Layout(other)
    shared = {first.etc.parent, first.cache.parent}
    assert {path for path, *_rest in first.folders()} & {path for path, *_rest in second.folders()} == shared
    assert first.unit(ID) != second.unit(ID)
    assert first.boot_unit != second.boot_unit
    assert first.edge != second.edge


@given(NAMES)
def test_what_root_trusts_is_roots_along_the_whole_path(name):
    layout = Layout(name)
    owners = {path: (mode, owner) for path, mode, owner, _group in layout.folders()}
    for path in (layout.record(ID), layout.environment("d"), layout.lock("i"), layout.current, layout.history):
        above = [folder for folder in owners if folder in path.parents]
        assert above
        assert all(owners[folder][1] == "root" and int(owners[folder][0], 8) & 0o022 == 0 for folder in above)


def test_secrets_lie_where_root_alone_looks():
    layout = Layout("shop")
    modes = {path: mode for path, mode, *_rest in layout.folders()}
    assert modes[layout.environment("d").parent] == "0700"


def test_the_site_may_write_its_data_its_media_and_the_caches_of_builds_only():
    layout = Layout("shop")
    own = {path for path, _mode, owner, _group in layout.folders() if owner == "shop"}
    assert own == {layout.data, layout.media, layout.cache / "uv", layout.build_cache, layout.socket(ID).parent.parent}


def test_folders_come_before_what_lies_in_them():
    paths = [path for path, *_rest in Layout("shop").folders()]
    for number, path in enumerate(paths):
        assert not any(later in path.parents for later in paths[number:])

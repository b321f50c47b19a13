# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import output_file


@pytest.mark.parametrize("given", ["", "new.json", "there.json"])
def test_a_file_in_a_folder_of_ones_own_can_be_written_and_none_need_be(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").write_text("old")
    assert output_file.problem("advise_json", given, "advice.json") == ""
    assert [one.name for one in tmp_path.iterdir()] == ["there.json"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("inner", "is a folder"),
        ("nowhere/a.json", "does not exist"),
        ("file/a.json", "is no folder"),
        # Its mode lets root write, and still it takes no file.
        ("/proc/a.json", "the folder /proc can not be written to"),
    ],
)
def test_where_it_can_not_be_written_the_variable_and_the_way_out_are_named(tmp_path, monkeypatch, given, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").write_text("")
    problem = output_file.problem("advise_json", given, "advice.json")
    assert problem.startswith(f"advise_json {given!r}: ")
    assert why in problem
    assert problem.endswith("for example advise_json=advice.json")


def test_a_file_is_written_as_a_whole_and_only_where_it_differs(tmp_path):
    path = tmp_path / "a.json"
    assert output_file.write(str(path), "a\n")
    assert not output_file.write(str(path), "a\n")
    assert output_file.write(str(path), "b\n")
    assert path.read_text() == "b\n"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]

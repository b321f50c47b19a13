# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import release_tasks


@pytest.fixture
def folders(tmp_path):
    """An inventory's folder without, and a playbook's with a task file."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "playbook/tasks").mkdir(parents=True)
    (tmp_path / "playbook/tasks/warm.yml").write_text("[]\n")
    return [str(tmp_path / "inventory"), str(tmp_path / "playbook")]


def test_what_is_to_be_done_at_a_point_in_its_order(folders):
    tasks = {
        "before_cutover": [
            {"manage": "say 'a b'"},
            {"tasks": "tasks/warm.yml", "once": False},
            {"manage": ["say", "c d"], "once": True},
        ]
    }
    assert release_tasks.problems(tasks, folders) == []
    first, second, third = release_tasks.at(tasks, "before_cutover", folders)
    assert (first["manage"], first["file"], first["once"]) == (["say", "a b"], "", True)
    assert (second["manage"], second["file"], second["once"]) == ([], f"{folders[1]}/tasks/warm.yml", False)
    assert third["name"] == "release_tasks.before_cutover 3, manage.py say 'c d'"
    assert release_tasks.at(tasks, "after_cutover", folders) == []


def test_a_file_of_the_inventory_comes_before_one_of_the_playbook_and_a_whole_path_is_taken(folders):
    (path := folders[0] + "/warm.yml") and open(path, "w").close()
    for given in ("warm.yml", path):
        (item,) = release_tasks.at({"after_migrate": [{"tasks": given}]}, "after_migrate", folders[::-1])
        assert item["file"] == path


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([], "release_tasks must be a dictionary"),
        ({"before_lunch": []}, "release_tasks.before_lunch is no point. There are before_migrate"),
        ({"after_migrate": {"manage": "x"}}, "release_tasks.after_migrate must be a list"),
        ({"after_migrate": ["x"]}, "release_tasks.after_migrate 1 must have either manage"),
        ({"after_migrate": [{"once": True}]}, "release_tasks.after_migrate 1 must have either manage"),
        ({"after_migrate": [{"manage": "x", "tasks": "tasks/warm.yml"}]}, "must have either manage"),
        ({"after_migrate": [{"manage": "x", "when": "y"}]}, "has when, which is unknown"),
        ({"after_migrate": [{"manage": "x", "once": "no"}]}, "has once: 'no', which must be true or false"),
        ({"after_migrate": [{"manage": "x"}, {"manage": "say 'x"}]}, "release_tasks.after_migrate 2 \"say 'x\" can't"),
        ({"after_migrate": [{"tasks": "tasks/none.yml"}]}, "has tasks: tasks/none.yml, and there is no such file in"),
    ],
)
def test_what_can_not_be_run_is_refused_by_its_place(folders, tasks, reason):
    (problem,) = release_tasks.problems(tasks, folders)
    assert reason in problem

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import manage_variables


@pytest.mark.parametrize(
    ("command", "split"),
    [
        ("clearsessions", ["clearsessions"]),
        ("loaddata 'my stock' --app $HOME", ["loaddata", "my stock", "--app", "$HOME"]),
        (["loaddata", "my stock"], ["loaddata", "my stock"]),
        (["migrate", "stock", 1], ["migrate", "stock", "1"]),
    ],
)
def test_a_command_is_a_text_or_a_list(command, split):
    assert manage_variables.problems("manage_command", command) == []
    assert manage_variables.words(command) == split


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("say 'x", "can't be split into words"),
        ("", "is no command"),
        ([], "is no command"),
        ("''", "is no command"),
        (["a\0b"], "is no command"),
        ("--help", "begins with --help"),
        ("fetch https://me:s3cret@shop.example.org/", "URL with a password"),
        (["fetch", "https://me:s3cret@shop.example.org/"], "URL with a password"),
        ("manage.py shell", "begins with manage.py"),
    ],
)
def test_what_is_no_command_is_refused_by_the_name_of_its_variable(command, reason):
    (problem,) = manage_variables.problems("manage_command", command)
    assert problem.startswith("manage_command ")
    assert reason in problem


def test_variables_that_no_environment_can_carry_are_named_without_their_value():
    (problem,) = manage_variables.environment_problems("manage_env", {"A B": "hunter2"})
    assert "manage_env.A B" in problem
    assert "hunter2" not in problem
    assert manage_variables.environment_problems("manage_env", ["A=1"])
    assert manage_variables.environment_problems("manage_env", {"A": "1", "B": 2}) == []

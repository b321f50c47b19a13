# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of manage.py as the user gives it: judged on the controller, and split into its words."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import env_file, masking


def problems(name: str, command: Any) -> list[str]:
    """What is wrong with a command.

    :param name: the variable that has it
    """
    if masking.PASSWORD_IN_URL.search(str(command)):
        return [
            f"{name} has a URL with a password, which every user of the host could read. Put it into a variable of the "
            "environment, and have the command read it there"
        ]
    try:
        found = words(command)
    except ValueError as problem:
        return [f"{name} {command!r} can't be split into words: {problem}. Close the quotes, or give a list of words."]
    if not found or not found[0] or any("\0" in word for word in found):
        return [f"{name} {command!r} is no command of manage.py. Give it with its arguments, for example clearsessions"]
    if found[0].startswith("-") or found[0].endswith(".py"):
        return [
            f"{name} begins with {found[0]}. It has the command alone, as behind manage.py: for example clearsessions"
        ]
    return []


def words(command: Any) -> list[str]:
    """A command as a list of words: a text is split as a shell would split it, and nothing in it is expanded."""
    return [str(word) for word in command] if isinstance(command, (list, tuple)) else shlex.split(str(command))


def environment_problems(name: str, variables: Any) -> list[str]:
    """What is wrong with the variables that a command gets beside the site's; never a value."""
    if not isinstance(variables, Mapping):
        return [f"{name} must be a dictionary of names and texts, for example {{LANG: C.UTF-8}}"]
    _accepted, findings = env_file.normalise(variables)
    return [f"{name}.{one.key}: {one.message}. {one.hint}." for one in findings]


def shown(command: Any) -> str:
    """A command as a person would type it behind manage.py."""
    return f"manage.py {shlex.join(words(command))}"

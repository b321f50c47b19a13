# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build is told by variables: packages of the system, and commands of the project's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import env_file, masking

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def problems(variables: Mapping[str, Any]) -> list[str]:
    """What is wrong with the variables that say what a build needs."""
    return [
        *_package_problems(variables["site_packages"]),
        *_command_problems(variables["release_build_commands"]),
        *_timeout_problems(variables["release_build_timeout"]),
        *_environment_problems(variables["release_build_environment"]),
    ]


def _package_problems(packages: object) -> list[str]:
    if not isinstance(packages, list):
        return ["site_packages must be a list, for example [libpq5, gettext]"]
    return [
        f"site_packages has {package!r}, which is no name of a Debian package. Give it as apt knows it, without a "
        "version, for example libpq5"
        for package in packages
        if not isinstance(package, str) or not PACKAGE.fullmatch(package)
    ]


def _command_problems(commands: object) -> list[str]:
    if not isinstance(commands, list):
        return ["release_build_commands must be a list, for example [npm ci, npm run build]"]
    return [problem for problem in map(_command_problem, commands) if problem]


def _command_problem(command: object) -> str | None:
    if not isinstance(command, str) or not command.isprintable():
        return f"release_build_commands has {command!r}, which is no line of text, such as npm run build"
    if masking.PASSWORD_IN_URL.search(command):
        return (
            "release_build_commands has a URL with a password, which every user of the host could read while it "
            "runs. Put it into release_build_environment, and have the command read it there"
        )
    try:
        words = shlex.split(command)
    except ValueError as problem:
        return f"release_build_commands: {command!r} has no end: {problem}. Close the quotes"
    if all(ASSIGNMENT.match(word) for word in words):
        return f"release_build_commands has {command!r}, which names no command. Take it out"
    signs = [word for word in words if re.fullmatch(r"&&|\|\|?|;|[12]?>>?|<", word)]
    if signs:
        return (
            f"release_build_commands: {command!r} is not run by a shell, to which alone {signs[0]} means something. "
            f"Give one command an item, or write sh -c {shlex.quote(command)}"
        )
    return None


def _timeout_problems(timeout: object) -> list[str]:
    if re.fullmatch(r"[1-9][0-9]*", str(timeout)):
        return []
    return [f"release_build_timeout {timeout!r} must be a whole number of seconds, at least 1"]


def _environment_problems(variables: object) -> list[str]:
    """What is wrong with release_build_environment; never a value."""
    name = "release_build_environment"
    if not isinstance(variables, dict):
        return [
            f"{name} must be a dictionary of names and texts, for example {{UV_INDEX: https://pypi.example.org/simple}}"
        ]
    untold = [one for one, value in variables.items() if not isinstance(value, str)]
    if untold:
        return [f"{name}.{one} is no text. Put its value in quotes, as the program should read it" for one in untold]
    try:
        env_file.render(variables)
    except ValueError as problem:
        return [f"{name}: {problem}"]
    return []

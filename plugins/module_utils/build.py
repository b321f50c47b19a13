# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release needs to be built beside its dependencies: packages of the system, and commands of the project's own.

The commands run in the release's own environment and sandbox, as the site's user, in code that it may write for as
long as they do.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    build_clues,
    env_file,
    masking,
    ownership,
    release,
    sandbox,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# npm counts the processors in /proc/cpuinfo, and never ends where it finds none.
# Vue's, and whatever else starts a server to build by, lists the network's interfaces first.
LOOSER = ("ProcSubset=all", "RestrictAddressFamilies=AF_NETLINK")
LAST_LINES = 30


# --- on the controller -----------------------------------------------------------------------------------------------


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


# --- on the host -----------------------------------------------------------------------------------------------------


def run(
    layout: Layout, wanted: release.Wanted, commands: list[str], build_environment: Mapping[str, str], timeout: int
) -> None:
    """Run the commands, one after the other, and take the code back."""
    code = layout.code(wanted.release)
    ownership.give(code, layout.site)
    try:
        for command in commands:
            _run(layout, wanted, command, build_environment, timeout)
    finally:
        ownership.take(code, layout.site)


def _run(
    layout: Layout, wanted: release.Wanted, command: str, build_environment: Mapping[str, str], timeout: int
) -> None:
    code, venv, caches = layout.code(wanted.release) / wanted.root, layout.venv(wanted.venv), layout.build_cache
    started = time.monotonic()
    done = sandbox.run(
        layout,
        "build",
        # env finds the command by the PATH that it is given; systemd-run has but its own.
        ["/usr/bin/env", "--", *words(command, venv / "bin/python", code / "manage.py")],
        cwd=code,
        writable=[layout.code(wanted.release), caches],
        environment_file=layout.environment(wanted.environment),
        environment={
            **release.environment_of(layout, wanted),
            "PATH": f"{venv / 'bin'}:{SYSTEM_PATH}",
            "HOME": str(caches),
            "XDG_CACHE_HOME": str(caches),
            "npm_config_cache": str(caches / "npm"),
            **build_environment,
        },
        loosened=wanted.serving["sandbox"],
        properties=LOOSER,
        limit=timeout,
        merged=True,
    )
    if done.rc:
        seen = {**release.variables_in(layout, wanted.environment), **build_environment}
        said = masking.mask(done.stdout.strip(), seen)
        if time.monotonic() - started >= timeout:
            ended = f"took longer than release_build_timeout, {timeout} s, and was stopped"
            way = "Raise release_build_timeout, if it may take so long"
        else:
            ended, way = f"ended with {done.rc}", build_clues.way_out(said)
        last = "\n".join(f"  {line}" for line in said.splitlines()[-LAST_LINES:]) or "  (nothing)"
        raise release.ReleaseError(
            f"release_build_commands: {masking.mask(command, seen)} {ended}; nothing that is live was touched. "
            + (f"{way}. " if way else "")
            + f"It said last:\n{last}"
        )


def words(command: str, python: Path, manage: Path) -> list[str]:
    """The words of a command, where manage.py is the release's, run by its Python; variables may stand before it."""
    found = shlex.split(command)
    first = next(number for number, word in enumerate(found) if not ASSIGNMENT.match(word))
    if found[first] == "manage.py":
        found[first : first + 1] = [str(python), str(manage)]
    return found

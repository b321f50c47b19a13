# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the project's own commands that a release is built with.

They run in the release's own environment and sandbox, as the site's user, in code that it may write for as long as
they do.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import (
    build_clues,
    build_variables,
    masking,
    ownership,
    release,
    sandbox,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# npm counts the processors in /proc/cpuinfo, and never ends where it finds none.
# Vue's, and whatever else starts a server to build by, lists the network's interfaces first.
LOOSER = ("ProcSubset=all", "RestrictAddressFamilies=AF_NETLINK")
LAST_LINES = 30


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
    first = next(number for number, word in enumerate(found) if not build_variables.ASSIGNMENT.match(word))
    if found[first] == "manage.py":
        found[first : first + 1] = [str(python), str(manage)]
    return found

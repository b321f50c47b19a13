# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of manage.py, run by the program that each release has for them."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    env_file,
    host_command,
    masking,
    release,
    sandbox,
    state,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

# The seconds after which a command that nobody looks after is stopped.
LIMIT = 4 * 3600
# systemd reads the variables of a command when it starts, in seconds.
READ_WITHIN = 600

# How dbshell says what it lacks, and the Debian packages that have it.
PROGRAM_MISSING = re.compile(r"You appear not to have the '([\w-]+)' program installed")
CLIENTS = {"psql": "postgresql-client", "mysql": "default-mysql-client"}


class ManageError(Exception):
    """The command can't be run; the message is for the user, and nothing was run."""


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


def release_of(layout: Layout, wanted: str) -> str:
    """The release whose code is to run: the one that is named, or the live one."""
    if not layout.etc.exists() or state.is_removed(layout):
        raise ManageError(f"site_name {layout.site}: this host has no such site. It has {state.sites() or 'none'}.")
    name = wanted or state.live_release(layout)
    if not name:
        raise ManageError(f"{layout.site}: no release is live here. Deploy one with site.yml.")
    manifest = state.manifest(layout, name)
    if manifest is None:
        raise ManageError(
            f"{layout.site}: {name} is no whole release here. ls {layout.etc}/releases shows what is there."
        )
    if not layout.manage(name).exists():
        raise ManageError(
            f"{layout.site}: release {name} is older than the commands of manage.py: it has no {layout.manage(name)}. "
            "Deploy once more with site.yml, which makes a release that has it."
        )
    if not layout.environment(manifest["environment"]).exists():
        raise ManageError(
            f"{layout.site}: {name} can't run, for its environment {manifest['environment']} was forgotten."
        )
    return name


def run(
    layout: Layout,
    release_name: str,
    command: Iterable[str],
    variables: Mapping[str, str],
    stdin: str = "",
    limit: int = LIMIT,
) -> sandbox.Result:
    """Run a command to its end and return what it printed, without secrets.

    :param variables: laid over the site's environment; they travel in a file that root alone can read
    """
    layout.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in layout.run.glob("manage-*.env"):  # systemd has read it long since, and who made it was killed
        if stale.stat().st_mtime < time.time() - READ_WITHIN:
            disk.remove(stale)
    extra = layout.run / f"manage-{secrets.token_hex(8)}.env"
    try:
        disk.write(extra, env_file.render(variables), 0o600)
        options = [f"--property=RuntimeMaxSec={limit}", f"--property=EnvironmentFile={extra}"]
        done = host_command.run(
            [layout.manage(release_name), *command],
            env={**os.environ, "SWITCHYARD_OPTIONS": " ".join(options)},
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        disk.remove(extra)
    known = {**release.variables_of(layout, release_name), **variables}
    printed = (masking.mask(text, known) for text in (done.stdout, done.stderr))
    return sandbox.Result(done.returncode, *printed)


def shown(command: Any) -> str:
    """A command as a person would type it behind manage.py."""
    return f"manage.py {shlex.join(words(command))}"


def failure(command: Any, done: sandbox.Result, task: str) -> str:
    """That a command failed, how, and what it said."""
    said = "\n".join(text.strip() for text in (done.stdout, done.stderr) if text.strip())
    last = "".join(f"\n  {line}" for line in said.splitlines()[-20:])
    program = PROGRAM_MISSING.search(said)
    way_out = f"\nThe host lacks {program[1]}: apt install {CLIENTS.get(program[1], program[1])}" if program else ""
    return (
        f"{task or shown(command)} ended with exit status {done.rc}.{' It said last:' if last else ''}{last}{way_out}"
    )

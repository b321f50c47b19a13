# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of manage.py, run by the program that each release has for them."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    env_file,
    host_command,
    manage_variables,
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


def failure(command: Any, done: sandbox.Result, task: str) -> str:
    """That a command failed, how, and what it said."""
    said = "\n".join(text.strip() for text in (done.stdout, done.stderr) if text.strip())
    last = "".join(f"\n  {line}" for line in said.splitlines()[-20:])
    program = PROGRAM_MISSING.search(said)
    way_out = f"\nThe host lacks {program[1]}: apt install {CLIENTS.get(program[1], program[1])}" if program else ""
    what = task or manage_variables.shown(command)
    return f"{what} ended with exit status {done.rc}.{' It said last:' if last else ''}{last}{way_out}"

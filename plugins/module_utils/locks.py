# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a project's requirements and the app servers' packages into one lock with hashes.

It is uv's work, done in the sandbox as the site's user. What is resolved once stays: the lock is the release's.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import (
    build_clues,
    disk,
    masking,
    ownership,
    sandbox,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import UV, Layout
from ansible_collections.switchyard.django.plugins.module_utils.requirements import CHECKOUT, OVERRIDES

PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;=]+)")

PYTHON = "/usr/bin/python3"
NEEDS_PYTHON = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?P<versions>[=<>!~]\S*)? (?:requires?|depends? on) Python ?>=3\.(?P<minor>\d+)"
)
# The newest Debian that a host may have, and the Python of it.
NEWEST_DEBIAN, ITS_PYTHON = "Debian 13", (3, 13)
# uv's heading says nothing of the reason below it, and its hint is about a pyproject.toml that is not asked here.
NOISE = re.compile(r"hint: .*`requires-python`")
# It may be broken into several lines.
HEADING = re.compile(
    r"\s*(?:×|error:) No solution found when resolving dependencies.*?\n(?=\s*(?:╰─▶|cause:))", re.DOTALL
)
BECAUSE = re.compile(r"^\s*(?:╰─▶|cause:)\s+")


class LockError(Exception):
    """uv could not resolve or install; the message is uv's own reason."""


def digest(text: str) -> str:
    """The digest that names a lock."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make(
    layout: Layout, kind: str, files: Mapping[str, str], packages: list[str], build_environment: Mapping[str, str]
) -> str:
    """Resolve, and return the text of the lock."""
    workshop = layout.cache / "lock"
    disk.clear(workshop)
    workshop.mkdir()
    for name, text in {**files, "switchyard-servers.in": "".join(f"{package}\n" for package in packages)}.items():
        path = workshop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    ownership.take(workshop, layout.site)
    project = next(iter(files))
    if kind == "uv":
        exported = uv(
            layout, workshop, build_environment, "export", "--frozen", "--no-dev", "--no-emit-project", "--no-header"
        )
        checkouts = [line for line in exported.splitlines() if CHECKOUT.search(line)]
        if checkouts:
            raise LockError(
                f"uv.lock names a repository, for which there is no hash to install it by: {checkouts[0]}\n"
                "Publish the package to an index and name its version."
            )
        project, given = "switchyard-project.txt", exported
        disk.write(workshop / project, exported.encode(), 0o644)
    else:
        given = "\n".join(files.values())
    wanted = ["--group", f"{project}:{kind[len('group:') :]}"] if kind.startswith("group:") else [project]
    if OVERRIDES in files:
        wanted += ["--override", OVERRIDES]
    wanted = ["--universal", "--generate-hashes", *wanted, "switchyard-servers.in"]
    try:
        resolved = _compile(layout, workshop, build_environment, *wanted)
    except LockError as problem:
        raise LockError(_of_python(layout, workshop, build_environment, str(problem)) + str(problem)) from None
    disk.clear(workshop)
    return with_hashes_of(given, resolved)


def _compile(layout: Layout, workshop: Path, build_environment: Mapping[str, str], *wanted: str) -> str:
    command = ("pip", "compile", "--no-header", "--no-annotate", "--python", PYTHON)
    return uv(layout, workshop, build_environment, *command, *wanted)


def _of_python(layout: Layout, workshop: Path, build_environment: Mapping[str, str], reason: str) -> str:
    """What to do where uv's reason is that the host's Python is too old for a package, or nothing."""
    found, host = NEEDS_PYTHON.search(" ".join(reason.split())), sys.version_info[:2]
    if not found or (3, int(found["minor"])) <= host:
        return ""
    latest = _latest(layout, workshop, build_environment, found["name"])
    ways = [f"pin {latest}, the latest that runs there" if latest else f"do without {found['name']}"]
    if host < ITS_PYTHON and (3, int(found["minor"])) <= ITS_PYTHON:
        ways.append(f"take {NEWEST_DEBIAN}, which has Python {ITS_PYTHON[0]}.{ITS_PYTHON[1]}")
    return (
        f"The host has Python {host[0]}.{host[1]}, and {found['name']}{found['versions'] or ''} needs "
        f"3.{found['minor']} or later: {', or '.join(ways)}.\n"
    )


def _latest(layout: Layout, workshop: Path, build_environment: Mapping[str, str], name: str) -> str:
    """The pin of a package's latest version for the host's Python, or nothing."""
    disk.write(workshop / "switchyard-latest.in", f"{name}\n".encode(), 0o644)
    try:
        resolved = _compile(layout, workshop, build_environment, "switchyard-latest.in")
    except LockError:
        return ""
    return next((pin for pin, _head, _hashes in requirements(resolved) if pin.startswith(f"{name}==")), "")


def refusal(reason: str, packages: list[str]) -> str:
    """That nothing was resolved, the reason of it, and what to do."""
    heading = "The project's requirements can't be resolved together with the app servers':"
    return f"{heading}\n{reason}{way_out(reason, packages)}"


def way_out(reason: str, packages: list[str]) -> str:
    """What to do where uv's reason is about what the app servers need, or nothing."""
    names = {package: re.split(r"[^\w.-]", package, maxsplit=1)[0] for package in packages}
    meant = [
        package for package, name in names.items() if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", reason)
    ]
    if not meant:
        return ""
    return (
        f"\nAn app server of the site needs {', '.join(meant)}. Loosen what the project says of it, choose another "
        f"server, or let what the server needs count: site_requirements_overrides: [{', '.join(meant)}]"
    )


def with_hashes_of(given: str, resolved: str) -> str:
    """The resolution, in which a package that the project pins with hashes keeps exactly those.

    Extras and markers are the resolution's: it may write them in other words than the project.
    """
    own: dict[str, list[str]] = {}
    for pin, _head, hashes in requirements(given):
        own.setdefault(pin, []).extend(hashes)
    return "".join(
        " \\\n    ".join([head, *(dict.fromkeys(own.get(pin) or hashes))]) + "\n"
        for pin, head, hashes in requirements(resolved)
    )


def requirements(text: str) -> list[tuple[str, str, list[str]]]:
    """Each requirement, its continuation lines joined: what it pins, how it is written, and its hashes."""
    found = []
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        head = re.split(r"\s+(?:--hash|#)", line)[0].strip()
        if head and not head.startswith(("#", "-")):
            pinned = PINNED.match(head)
            pin = f"{re.sub(r'[-_.]+', '-', pinned.group(1)).lower()}=={pinned.group(2)}" if pinned else head
            found.append((pin, head, re.findall(r"--hash=\S+", line)))
    return found


def uv(
    layout: Layout, cwd: Path, build_environment: Mapping[str, str], *arguments: str, writable: Path | None = None
) -> str:
    """Run uv as the site's user, and return what it prints."""
    done = sandbox.run(
        layout,
        "build",
        [UV / "bin/uv", *arguments],
        cwd=cwd,
        writable=[layout.cache / "uv", *([writable] if writable else [])],
        environment={
            "UV_CACHE_DIR": str(layout.cache / "uv"),
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "HOME": str(layout.cache / "uv"),
            **build_environment,
        },
    )
    if done.rc:
        said = masking.mask(done.stderr, build_environment)
        way = build_clues.way_out(said)
        raise LockError((reason(said) or f"uv ended with {done.rc}") + (f"\n{way}." if way else ""))
    return done.stdout


def reason(stderr: str) -> str:
    """What uv says went wrong, without its progress lines and its heading."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    start = next(
        (number for number, line in enumerate(lines) if re.match(r"\s*(×|error)", line)), max(0, len(lines) - 10)
    )
    said = HEADING.sub("", "\n".join(lines[start:])).splitlines()
    return "\n".join([BECAUSE.sub("", line) for line in said if not NOISE.match(line)][:25])

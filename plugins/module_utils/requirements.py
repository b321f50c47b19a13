# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a project says of its dependencies, on the controller, and names it by a digest.

Known are requirements.txt, pinned with hashes or not, with the files that it includes; pyproject.toml with uv.lock, or
with a dependency group of it; and Pipfile.lock. The host turns any of them into one lock (see locks.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk

INCLUDE = re.compile(r"^\s*(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|=))(\S+)")
# In this order, where site_requirements names none.
USUAL = ("uv.lock", "requirements.txt", "Pipfile.lock")
# What somebody may have meant.
NEAR = re.compile(r"requirements(/[^/]+|[^/]*)\.(txt|in)$|(^|/)(uv\.lock|Pipfile\.lock|pyproject\.toml)$")
LOCAL = re.compile(r"^\s*(?:-e|--editable)\b|^\s*(?:\.{1,2}(?:/|$|\[)|/|file:)|^[^#]*@\s*(?:file:|\.{0,2}/)")
# The lock has hashes, and a checkout has none.
CHECKOUT = re.compile(r"^[^#]*@\s*(?:git|hg|svn|bzr)\+|^\s*(?:git|hg|svn|bzr)\+")
PASSWORD = re.compile(r"^[^#]*\w://[^/\s]*@")
# What may stand in site_requirements_overrides: a name, and which versions of it.
OVERRIDE = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w.,-]+\])?\s*(([=!<>~]=|[<>])\s*[\w.*+!-]+\s*(,\s*(?!$)|$))*", re.ASCII)
# Where the host finds them.
OVERRIDES = "switchyard-overrides.in"
INDEX = re.compile(r"^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links|--trusted-host)\b")


class RequirementsError(Exception):
    """The project's requirements can't be used; the message names the variable and the way out."""


@dataclass(frozen=True)
class Requirements:
    """The files that say what a project depends on. The first of `files` is where reading starts."""

    kind: str
    files: dict[str, str]

    def digest(self, packages: list[str]) -> str:
        """Name what a lock is made from: the project's files and the packages of the site's app servers."""
        return disk.digest({"kind": self.kind, "files": self.files, "packages": sorted(packages)}, 16)


def overrides_problems(overrides: list[Any]) -> list[str]:
    """What in site_requirements_overrides names no versions of a package."""
    return [
        f"site_requirements_overrides has {one!r}, which names no versions of a package. Write it as in pillow>=11"
        for one in overrides
        if not isinstance(one, str) or not OVERRIDE.fullmatch(one)
    ]


def overridden(found: Requirements, overrides: list[str]) -> Requirements:
    """The project's requirements, with what is to count in place of what they say of some packages."""
    lines = "".join(f"{one}\n" for one in overrides)
    return Requirements(found.kind, {**found.files, OVERRIDES: lines}) if overrides else found


def find(wanted: str, names: frozenset[str], read: Callable[[str], str]) -> Requirements:
    """Return the project's requirements.

    :param wanted: site_requirements, or "" to look for USUAL
    :param names: the files of the source
    """
    name, _colon, group = wanted.partition(":")
    name = name or next((usual for usual in USUAL if usual in names), "")
    if not name:
        near = sorted(path for path in names if NEAR.search(path))
        advice = (
            f"It has {', '.join(near[:5])}: name one with site_requirements{_of_a_group(near)}."
            if near
            else "Add one (pip freeze > requirements.txt is a start), or name another file with site_requirements."
        )
        raise RequirementsError(
            "site_source has no requirements.txt, no Pipfile.lock and no pyproject.toml with uv.lock at its top, so "
            f"nothing says what to install. {advice}"
        )
    if name not in names:
        raise RequirementsError(
            f"site_requirements {name!r} is not in site_source. Give a path relative to the source's top"
        )
    if group and PurePosixPath(name).name != "pyproject.toml":
        raise RequirementsError(
            f"site_requirements {wanted!r}: only a pyproject.toml has dependency groups. Leave :{group} out"
        )
    if PurePosixPath(name).name == "uv.lock":
        project = str(PurePosixPath(name).with_name("pyproject.toml"))
        if project not in names:
            raise RequirementsError(f"site_source has {name}, but no {project} beside it. Commit both")
        return Requirements("uv", {"uv.lock": read(name), "pyproject.toml": read(project)})
    if PurePosixPath(name).name == "Pipfile.lock":
        return Requirements("requirements", {"requirements.txt": _of_pipfile(name, read(name))})
    files: dict[str, str] = {}
    _collect(name, names, read, files)
    return Requirements(f"group:{group}" if group else "requirements", files)


def _of_a_group(near: list[str]) -> str:
    return ", a dependency group as in pyproject.toml:main" if any(one.endswith(".toml") for one in near) else ""


def _of_pipfile(name: str, text: str) -> str:
    """What a Pipfile.lock has for a release, as requirements.txt says it."""
    lines = []
    for package, entry in sorted(json.loads(text)["default"].items()):
        if "version" not in entry:
            raise RequirementsError(
                f"{name} takes {package} from a repository or a path, for which there is no hash to install it by. "
                "Publish the package to an index and name its version"
            )
        extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
        markers = f" ; {entry['markers']}" if entry.get("markers") else ""
        hashes = "".join(f" --hash={one}" for one in entry.get("hashes", []))
        lines.append(f"{package}{extras}{entry['version']}{markers}{hashes}\n")
    return "".join(lines)


def _collect(name: str, names: frozenset[str], read: Callable[[str], str], files: dict[str, str]) -> None:
    if name in files:
        return
    files[name] = read(name)
    for number, line in enumerate(files[name].splitlines(), start=1):
        if LOCAL.search(line):
            raise RequirementsError(
                f"{name} line {number} names a local path ({line.strip()}). The release's own code is importable as "
                "it is: take the line out, or publish the package to an index"
            )
        if CHECKOUT.search(line):
            raise RequirementsError(
                f"{name} line {number} names a repository, for which there is no hash to install it by. "
                "Publish the package to an index and name its version"
            )
        if INDEX.search(line):
            raise RequirementsError(
                f"{name} line {number} names a package index. It may hold a password, so it belongs into the variable "
                "release_build_environment, for example as UV_INDEX or UV_DEFAULT_INDEX"
            )
        if PASSWORD.search(line):
            raise RequirementsError(
                f"{name} line {number} has a URL with a user's name or a password, which everybody could read on the "
                "host. Publish the package to an index, and name that in release_build_environment with its credentials"
            )
        included = INCLUDE.match(line)
        if not included:
            continue
        other = _beside(name, included.group(1))
        if other not in names:
            raise RequirementsError(
                f"{name} line {number} includes {included.group(1)}, which is not in site_source. Commit it"
            )
        _collect(other, names, read, files)


def _beside(name: str, other: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / other).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)

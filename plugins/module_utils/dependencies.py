# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages come, go and change between two locks, or between what a project says of them in two versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence

NAMED = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<wanted>[^;#]*?)\s*"
    r"(?:;(?P<marker>[^#]*))?(?:#.*)?"
)
# uv writes its lock by itself, and always like this.
IN_UV_LOCK = re.compile(r'^\[\[package\]\]\nname = "(?P<name>[^"]+)"\nversion = "(?P<version>[^"]+)"', re.MULTILINE)
# What the project asks for itself; the block ends with an empty line.
ASKED_IN_UV_LOCK = re.compile(r"^requires-dist = \[(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


# A package's versions, such as ==5.2, and the marker that says where they count; it may be named for several places.
Named = Mapping[str, Sequence[Sequence[str]]]
Holds = Callable[[str], bool]


def named(text: str) -> dict[str, list[list[str]]]:
    """What requirements, or a lock in their form, say of each package: name -> [[versions, marker]]."""
    found: dict[str, list[list[str]]] = {}
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        head = re.split(r"\s+--hash|\s+#", line.strip())[0]
        match = None if head.startswith(("#", "-")) else NAMED.fullmatch(head)
        if match:
            one = [match["wanted"].replace(" ", ""), (match["marker"] or "").strip()]
            found.setdefault(_normal(match["name"]), []).append(one)
    return found


def everywhere(_marker: str) -> bool:
    """Whether a marker holds, where nobody knows better."""
    return True


def fitting(found: Named, holds: Holds) -> dict[str, str]:
    """What counts on a host: name -> versions.

    :param holds: whether a marker is true there
    """
    return {name: wanted for name, each in found.items() for wanted, marker in each if not marker or holds(marker)}


def of_project(kind: str, files: Mapping[str, str], holds: Holds) -> dict[str, str]:
    """What a project's own files say, as `requirements.find` has found them."""
    if kind == "uv":
        return {match["name"]: f"=={match['version']}" for match in IN_UV_LOCK.finditer(files["uv.lock"])}
    found: dict[str, str] = {}
    for name, text in files.items():
        if not name.endswith(".toml"):
            found.update(fitting(named(text), holds))
    return found


def is_lock(kind: str, files: Mapping[str, str]) -> bool:
    """Whether the files name one version of each package, and so those that nobody has asked for as well."""
    said = [one[0] for text in files.values() for each in named(text).values() for one in each]
    return kind == "uv" or (kind == "requirements" and all(one.startswith("==") and "," not in one for one in said))


def declared(kind: str, files: Mapping[str, str], holds: Holds) -> set[str]:
    """The packages that a project asks for itself. A lock that is written as requirements does not say it."""
    if kind != "uv":
        return set() if is_lock(kind, files) else set(of_project(kind, files, holds))
    return {
        name
        for block in ASKED_IN_UV_LOCK.findall(files["uv.lock"])
        for name in re.findall(r'{ name = "([^"]+)"', block)
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What comes, what goes, and what changes from which version to which."""
    return [
        *(f"+{name} {shown(after[name])}".rstrip() for name in sorted(set(after) - set(before))),
        *(f"-{name} {shown(before[name])}".rstrip() for name in sorted(set(before) - set(after))),
        *(
            f"{name} {shown(before[name]) or 'any'} → {shown(after[name]) or 'any'}"
            for name in sorted(set(before) & set(after))
            if before[name] != after[name]
        ),
    ]


def asked_for(before: Mapping[str, str], after: Mapping[str, str], installed: Container[str]) -> list[str]:
    """The same of files that need not name all: a package that they name no more may stay, for another one needs it.

    :param installed: what is there now
    """
    found = []
    for one in differences(before, after):
        name = one.lstrip("+-").partition(" ")[0]
        if one.startswith("-"):
            found.append(f"{name} no longer asked for")
        else:
            found.append(f"{one[1:]} now asked for" if one.startswith("+") and name in installed else one)
    return found


def shown(wanted: str) -> str:
    """A version; what is no single one stays as it is written."""
    return wanted[2:] if re.fullmatch(r"==[^,=]+", wanted) else wanted

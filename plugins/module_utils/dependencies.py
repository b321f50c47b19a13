# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages come, go and change between two locks, or between what a project says of them in two versions."""

from __future__ import annotations

import re
from collections.abc import Mapping

NAMED = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<wanted>[^;#]*?)\s*(?:[;#].*)?")
# uv writes its lock by itself, and always like this.
IN_UV_LOCK = re.compile(r'^\[\[package\]\]\nname = "(?P<name>[^"]+)"\nversion = "(?P<version>[^"]+)"', re.MULTILINE)


def named(text: str) -> dict[str, str]:
    """What requirements, or a lock in their form, say of each package: name -> versions, such as ==5.2."""
    found = {}
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        head = re.split(r"\s+--hash|\s+#", line.strip())[0]
        match = None if head.startswith(("#", "-")) else NAMED.fullmatch(head)
        if match:
            found[re.sub(r"[-_.]+", "-", match["name"]).lower()] = match["wanted"].replace(" ", "")
    return found


def of_project(kind: str, files: Mapping[str, str]) -> dict[str, str]:
    """What a project's own files say, as `requirements.find` has found them."""
    if kind == "uv":
        return {match["name"]: f"=={match['version']}" for match in IN_UV_LOCK.finditer(files["uv.lock"])}
    found: dict[str, str] = {}
    for name, text in files.items():
        if not name.endswith(".toml"):
            found.update(named(text))
    return found


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


def shown(wanted: str) -> str:
    """A version; what is no single one stays as it is written."""
    return wanted[2:] if re.fullmatch(r"==[^,=]+", wanted) else wanted

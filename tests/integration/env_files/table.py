# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of bad environment files: cases.yml says what they are, cases/ has their bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
# It is in a value of each file, whole or in part, with other letters beside it.
CANARY = "tweety"

# key, line, code, level
Said = tuple[str, "int | None", str, str]


@dataclass(frozen=True)
class Case:
    """One bad file."""

    name: str
    content: bytes
    expected: list[Said]
    given: dict[str, Any]
    place: dict[str, Any]

    def options(self, folder: str) -> dict[str, Any]:
        """What the module gets, where the file lies in that folder."""
        named = {option: _named(value, folder) for option, value in self.given.items()}
        return {"path": f"{folder}/site.env", **named}

    def lay(self, folder: Path) -> None:
        """Make the file, and what there is to be beside it."""
        folder.mkdir()
        path = folder / ("elsewhere.env" if self.place.get("link") else "site.env")
        path.write_bytes(self.content)
        path.chmod(int(self.place.get("mode", "0600"), 8))
        if self.place.get("link"):
            (folder / "site.env").symlink_to(path.name)
        if self.place.get("second_name"):
            os.link(path, folder / "second.env")
        for name, text in self.place.get("tree", {}).items():
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text(text)
        folder.chmod(int(self.place.get("folder_mode", "0755"), 8))


def _named(value: Any, folder: str) -> Any:
    return value.replace("{folder}", folder) if isinstance(value, str) else value


def said(findings: list[dict[str, Any]]) -> list[Said]:
    """The findings of a result, as the table has them, in one order."""
    return in_order([(each["key"], each["line"], each["code"], each["level"]) for each in findings])


def in_order(found: list[Said]) -> list[Said]:
    return sorted(found, key=lambda each: (each[1] or 0, each[2], each[0]))


def load() -> dict[str, Case]:
    table = yaml.safe_load((HERE / "cases.yml").read_text())
    return {name: _case(name, row) for name, row in table.items()}


def _case(name: str, row: dict[str, Any]) -> Case:
    content = (HERE / "cases" / f"{name}.bin").read_bytes()
    expected: list[Said] = [tuple(one) for one in row["expected"]]
    return Case(name, content, in_order(expected), row.get("options", {}), row.get("place", {}))

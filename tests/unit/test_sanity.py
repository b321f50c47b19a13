# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-test minds most often, told in a second: `make checks` runs all of it."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHEBANGS = {"#!/bin/sh", "#!/usr/bin/env bash", "#!/usr/bin/env python", "#!/usr/bin/python"}


def texts() -> dict[str, str]:
    """The files of the repository, but for those whose bytes are what counts."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = (
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.rstrip("\0").split("\0")
    )
    paths = [ROOT / name for name in names if (ROOT / name).is_file() and not name.endswith((".bin", ".png", ".ico"))]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def test_no_typographic_quotes() -> None:
    found = texts()
    assert len(found) > 400
    assert [name for name, text in found.items() if re.search("[\u2018\u2019\u201c\u201d]", text)] == []


def test_no_other_shebangs() -> None:
    heads = {name: text.partition("\n")[0] for name, text in texts().items() if text.startswith("#!")}
    assert {name: head for name, head in heads.items() if head not in SHEBANGS} == {}


def test_no_variable_is_called_by_the_underscore_alone() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, text in texts().items()
        if name.endswith(".py") and "advice_projects" not in name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)
    ]
    assert found == []

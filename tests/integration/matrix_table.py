# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the table of docs/matrix.md from the results of test_matrix.py; `make matrix` runs both."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "testbed"))

from pythons import SUPPORTED  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/matrix.md"
RESULTS = ROOT / "tests/output/matrix"
HEAD = "| ansible-core | Python | unit tests | Debian 12 | Debian 13 | on |\n|---|---|---|---|---|---|\n"
DONE = "deploy, again, switch, rollback"


def main() -> int:
    pairs = [f"core-{core}-python-{python}" for core, pythons in SUPPORTED.items() for python in pythons]
    found = {name: {part: result(f"{name}-{part}") for part in ("unit", "bookworm", "trixie")} for name in pairs}
    hosts = {tuple(one[part]["host"].items()) for one in found.values() for part in ("bookworm", "trixie")}
    text = f"{HEAD}{''.join(row(one) for one in found.values())}\n{''.join(sorted(map(told, hosts)))}"
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- matrix -->\n).*?(<!-- end -->)", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda mark: f"{mark[1]}\n{text}\n{mark[2]}", page), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


def result(name: str) -> dict[str, Any]:
    """What a test has left; without it there is no table."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def row(one: dict[str, dict[str, Any]]) -> str:
    controller = one["unit"]["controller"]
    days = sorted({part["on"] for part in one.values()})
    cells = [controller["core"], controller["python"], f"{one['unit']['tests']} passed", DONE, DONE, " and ".join(days)]
    return f"| {' | '.join(cells)} |\n"


def told(host: tuple[tuple[str, str], ...]) -> str:
    has = dict(host)
    return f"- Debian {has['debian']} has Python {has['python']}, nginx {has['nginx']}, systemd {has['systemd']}.\n"


if __name__ == "__main__":
    sys.exit(main())

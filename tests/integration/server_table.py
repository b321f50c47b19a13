# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the table of docs/servers.md from the results of test_servers.py's matrix; `make servers` runs both."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from trial_site import servers

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/servers.md"
RESULTS = ROOT / "tests/output/servers"
DEBIANS = ("bookworm", "trixie")
SHOWN = (
    "gunicorn",
    "pyuwsgi",
    "mod_wsgi",
    "granian",
    "uvicorn",
    "uvicorn_worker",
    "daphne",
    "twisted",
    "hypercorn",
    "django",
)
HEAD = [
    "| stack | server | WebSocket | first event | forged headers | limit - 1 s | limit + 1 s | in flight at reload "
    "| in flight at stop | exposure | processes | MiB at rest |",
    f"|{'---|' * 12}",
]


def main() -> int:
    found = {
        (debian, server): json.loads((RESULTS / f"{debian}-{server}.json").read_text(encoding="utf-8"))
        for debian in DEBIANS
        for server in servers()
    }
    parts = [
        table(debian, [result for (where, _server), result in found.items() if where == debian]) for debian in DEBIANS
    ]
    text = "\n".join(parts)
    page = PAGE.read_text(encoding="utf-8")
    changed = re.sub(
        r"(<!-- matrix -->\n).*?(<!-- end -->)", lambda mark: f"{mark[1]}{text}{mark[2]}", page, flags=re.DOTALL
    )
    PAGE.write_text(changed, encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return 0


def table(debian: str, results: list[dict[str, Any]]) -> str:
    """One release of Debian: its rows, and the versions that were installed."""
    ordered = sorted(results, key=lambda one: (one["stack"] != "wsgi", one["server"]))
    versions = {name: version for one in results for name, version in one["packages"].items() if name in SHOWN}
    said = ", ".join(f"{name} {versions[name]}" for name in sorted(versions, key=str.lower))
    rows = [row(one) for one in ordered]
    return "\n".join([f"On {debian}:", "", *HEAD, *rows, "", f"{said}.", ""]) + "\n"


def row(one: dict[str, Any]) -> str:
    cells = [
        one["stack"],
        f"`{one['server']}`",
        one["websocket"],
        f"{one['first_event'] * 1000:.0f} ms",
        "no effect",
        one["within"],
        one["beyond"],
        "–" if one["reload"] is None else "completes" if one["reload"] == 200 else "is dropped",
        "completes" if one["in_flight"] == 200 else "is dropped",
        one["exposure"],
        one["processes"],
        f"{one['memory']:.0f}",
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())

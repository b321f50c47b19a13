# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw docs/terminal.svg: a switch of the stack and the way back, as they ran on a host a moment ago.

Left out is what changed nothing; `…` stands for it. Every line that is shown was printed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "testbed"), str(ROOT / "tests/integration")]

import guides  # noqa: E402
from controller import Host  # noqa: E402
from reader import Reader  # noqa: E402

PICTURE = ROOT / "docs/terminal.svg"
SITE = "ansible-playbook -i hosts.yml switchyard.django.site"
COMMANDS = (f"{SITE} -e serve_mode=asgi", "ansible-playbook -i hosts.yml switchyard.django.rollback")
COLUMNS = 120
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# rich's own picture fetches its font from elsewhere, which no page that shows it lets it do.
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    host = Host(group="terminal")
    host.down()
    host.up()
    try:
        with tempfile.TemporaryDirectory() as folder:
            draw(recorded(Reader(Path(folder), {"web1": host})))
    finally:
        host.down()


def recorded(reader: Reader) -> list[tuple[str, str]]:
    """Each command, and what it printed, once the site is live as the guide to the first deploy has it."""
    reader.follow(guides.FOLDER / "first-deploy.md")
    return [(command, run(reader, command)) for command in COMMANDS]


def run(reader: Reader, command: str) -> str:
    print(f"$ {command}", flush=True)
    environment = {name: value for name, value in reader.environment.items() if name != "ANSIBLE_NOCOLOR"}
    reader.drained()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=reader.folder,
        env={**environment, "ANSIBLE_FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def told(output: str) -> list[str]:
    """The tasks that changed something, and how it ended."""
    shown: list[str] = []
    for block in output.strip().split("\n\n"):
        lines = block.splitlines()
        plain = [COLOUR.sub("", line) for line in lines]
        if "How it ended" in plain[0]:
            shown += summary(lines)
        elif plain[0].startswith("TASK") and any(line.startswith("changed: ") for line in plain[1:]):
            shown += [lines[0][:COLUMNS].rstrip("* "), *(line for line in lines[1:] if "changed: " in line)]
        elif plain[0].startswith("PLAY RECAP"):
            shown += ["", *lines]
        elif shown[-1:] != ["…"]:
            shown.append("…")
    return shown


def summary(lines: list[str]) -> list[str]:
    return ["", *lines[:1], *(line for line in lines[1:] if '"changed"' not in line)]


def draw(runs: list[tuple[str, str]]) -> None:
    with open("/dev/null", "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for command, output in runs:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            for line in told(output):
                console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
            console.print()
        picture = console.export_svg(title="switchyard.django", unique_id="terminal")
    PICTURE.write_text(FONT.sub("", picture), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host of the benchmarks: the depot is served there as this collection does it, and as tutorials teach it."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runs import ROOT, TESTBED, Trouble, say

BENCH = ROOT / "bench"
sys.path.insert(0, str(ROOT / "tests/integration"))

import load  # noqa: E402, F401  # pylint: disable=unused-import
from controller import Host  # noqa: E402

SITE = "depot"
DOMAIN = "depot.example.org"
QUIET_DEADLINE = 180.0

# Host says with AssertionError that a command failed.
TROUBLES = (Trouble, AssertionError, ValueError, OSError, http.client.HTTPException, subprocess.SubprocessError)

STYLE_SHEET = "stock/static/stock/style.css"
STYLE_SHEET_BYTES = 50_000


@dataclass(frozen=True)
class Side:
    """Where one of those that are compared listens."""

    name: str
    port: int


OURS = Side("ours", 80)
TUTORIAL = Side("tutorial", 8080)


# ---- what is served


def style_sheet() -> str:
    """As much CSS as a site has, the same on each run: rules of a few properties, some of them in media queries."""
    dice = random.Random(50)  # noqa: S311 (nothing here is secret)
    blocks = "card nav table form button alert badge modal footer header list grid panel tab menu crumb hero".split()
    parts = "title body item link icon label row cell action meta image text group field note".split()
    states = ["", "", "", ":hover", ":focus-visible", ":first-child", "::before", "[aria-current]"]
    properties: dict[str, Callable[[], str]] = {
        "color": lambda: f"#{dice.getrandbits(24):06x}",
        "background-color": lambda: f"rgba({dice.randrange(256)}, {dice.randrange(256)}, {dice.randrange(256)}, 0.8)",
        "padding": lambda: f"{dice.randrange(1, 25) / 8:g}rem {dice.randrange(1, 25) / 8:g}rem",
        "margin-block": lambda: f"{dice.randrange(40)}px {dice.randrange(40)}px",
        "font-size": lambda: f"{dice.randrange(70, 200) / 100:g}rem",
        "line-height": lambda: f"{dice.randrange(100, 180) / 100:g}",
        "border": lambda: f"{dice.randrange(1, 4)}px solid var(--{dice.choice(blocks)}-edge)",
        "border-radius": lambda: f"{dice.randrange(16)}px",
        "display": lambda: dice.choice(["flex", "grid", "block", "inline-block", "none"]),
        "transition": lambda: f"{dice.choice(['color', 'opacity', 'transform'])} {dice.randrange(80, 400)}ms ease",
        "box-shadow": lambda: f"0 {dice.randrange(9)}px {dice.randrange(24)}px rgba(0, 0, 0, {dice.random():.2f})",
    }

    def rule(indent: str) -> str:
        selector = f".{dice.choice(blocks)}__{dice.choice(parts)}{dice.choice(states)}"
        lines = [f"{indent}  {name}: {properties[name]()};" for name in dice.sample(sorted(properties), 5)]
        return "\n".join([f"{indent}{selector} {{", *lines, f"{indent}}}\n"])

    text = ""
    while len(text) < STYLE_SHEET_BYTES:
        if dice.random() < 0.9:
            text += rule("")
        else:
            text += f"@media (min-width: {dice.randrange(30, 90)}em) {{\n{rule('  ')}{rule('  ')}}}\n"
    return text


def copy_project(folder: Path) -> Path:
    source = folder / SITE
    shutil.copytree(BENCH / "project", source, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    sheet = source / STYLE_SHEET
    sheet.parent.mkdir(parents=True)
    sheet.write_text(style_sheet(), encoding="utf-8")
    return source


# ---- the host


@contextlib.contextmanager
def booted(group: str) -> Iterator[Host]:
    """A host that is gone in the end, whatever happens, with all that was started on it."""
    host = Host(group=group)
    try:
        say("booting a host")
        host.down()
        host.up()
        yield host
    finally:
        # A second Ctrl-C would leave the host behind: it reaches neither this process nor podman, in its own group.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        down = [sys.executable, str(TESTBED), "down", group]
        subprocess.run(down, check=True, stdout=subprocess.DEVNULL, preexec_fn=os.setpgrp)
        shutil.rmtree(host.scratch, ignore_errors=True)


def wait_until_quiet(host: Host) -> None:
    """Until the host watches and drains nothing any more."""
    end = time.monotonic() + QUIET_DEADLINE
    units = "systemctl list-units --plain --no-legend --state=active,activating,deactivating"
    busy = (
        f"{units} 'switchyard-*@{SITE}.service'; {units} '{SITE}@*.service' | tail -n +2; "
        "pgrep -af '[n]ginx: worker process is shutting down'"
    )
    while said := host.sh(busy, check=False).strip():
        if time.monotonic() > end:
            raise Trouble(f"the host is still busy after {QUIET_DEADLINE:g} s:\n{said}")
        time.sleep(0.5)


def release_of(host: Host) -> str:
    return Path(host.sh(f"readlink /etc/switchyard/{SITE}/current").strip()).name


def write(host: Host, path: str, text: str) -> None:
    host.sh(f"cat > {path} <<'END OF FILE'\n{text}END OF FILE")

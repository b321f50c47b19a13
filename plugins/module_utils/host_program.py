# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one of our own modules on the host as a systemd unit that outlives the connection to the controller."""

from __future__ import annotations

import importlib.util
import io
import json
import pkgutil
import subprocess
import time
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk, host_command, library, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

PACKAGE = "ansible_collections.switchyard.django.plugins.module_utils"


class ProgramError(Exception):
    """The unit could not be run, or ended without an outcome."""


def run(layout: Layout, name: str, module: ModuleType, plan: dict[str, Any]) -> dict[str, Any]:
    """Run `module.main(plan_file, outcome_file)` as the unit switchyard-NAME@SITE and return the outcome.

    The unit's name is its lock: systemd runs no second one of that name. A leftover of the run before is waited for.
    Where the program is killed, systemd starts it again, and it goes on from what is on the disk.
    """
    unit = _unit(layout, name)
    units.wait_for(unit)
    outcome_file = _lay_out(layout, name, module, plan)
    done = _systemd_run(layout, name, module, "--wait")
    try:
        return json.loads(outcome_file.read_text())
    except (OSError, ValueError):
        raise ProgramError(
            f"{unit} ended with {done.returncode} and no outcome: {done.stderr.strip()}. journalctl -u {unit} says more"
        ) from None


def start(layout: Layout, name: str, module: ModuleType, plan: dict[str, Any]) -> None:
    """Start it, and don't wait. One of that name that is about to end is waited for."""
    _lay_out(layout, name, module, plan)
    for _attempt in range(100):
        done = _systemd_run(layout, name, module, "--no-block")
        if not done.returncode:
            return
        time.sleep(0.05)
    raise ProgramError(f"{_unit(layout, name)} can't be started: {done.stderr.strip()}")


def _unit(layout: Layout, name: str) -> str:
    return f"switchyard-{name}@{layout.site}.service"


def _lay_out(layout: Layout, name: str, module: ModuleType, plan: dict[str, Any]) -> Path:
    """Write program and plan where the unit finds them; say where it puts its outcome."""
    folder = layout.run / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "outcome.json").unlink(missing_ok=True)
    if not library.around(__file__):
        disk.write(folder / "program.pyz", _pack(module), 0o600)
    disk.write(folder / "plan.json", json.dumps(plan).encode(), 0o600)
    return folder / "outcome.json"


def _systemd_run(layout: Layout, name: str, module: ModuleType, how: str) -> subprocess.CompletedProcess[str]:
    # From the library it starts sooner, for there it is compiled.
    home = library.around(__file__)
    program = [home, module.__name__.rpartition(".")[2]] if home else [layout.run / name / "program.pyz"]
    return host_command.run(
        [
            *("systemd-run", f"--unit={_unit(layout, name)}", how, "--collect", "--quiet", "--service-type=exec"),
            *("--property=Restart=on-abnormal", f"--description={layout.site}: switchyard, {name}"),
            *("--", "/usr/bin/python3", "-I", "-B", *program),
            *(layout.run / name / one for one in ("plan.json", "outcome.json")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def _pack(module: ModuleType) -> bytes:
    """A zip application of this package's modules, as far as they have travelled to the host with the caller."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        parts = PACKAGE.split(".")
        for length in range(1, len(parts) + 1):
            archive.writestr("/".join(parts[:length]) + "/__init__.py", "")
        for one in pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__, f"{PACKAGE}."):
            loader = importlib.util.find_spec(one.name).loader  # type: ignore[union-attr]
            archive.writestr(one.name.replace(".", "/") + ".py", loader.get_source(one.name))  # type: ignore[union-attr]
        archive.writestr("__main__.py", f"import sys\nfrom {module.__name__} import main\nmain(*sys.argv[1:])\n")
    return packed.getvalue()

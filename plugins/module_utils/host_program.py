# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one of our own modules on the host as a systemd unit that outlives the connection to the controller."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import units

PACKAGE = "ansible_collections.switchyard.django.plugins.module_utils"


class ProgramError(Exception):
    """The unit could not be run, or ended without an outcome."""


def run(unit: str, module: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Run `module.main(plan_file, outcome_file)` of this package and return the outcome.

    The unit's name is its lock: systemd runs no second one of that name. A leftover of the run before is waited for.
    """
    units.wait_for(f"{unit}.service")
    folder = Path(tempfile.mkdtemp(dir="/run", prefix="switchyard-"))
    program, plan_file, outcome_file = folder / "program.pyz", folder / "plan.json", folder / "outcome.json"
    _pack(program, module)
    plan_file.write_text(json.dumps(plan))
    done = subprocess.run(
        [
            *("systemd-run", f"--unit={unit}", "--wait", "--collect", "--quiet", "--service-type=exec"),
            *("--", "/usr/bin/python3", "-I", "-B", str(program), str(plan_file), str(outcome_file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        outcome = json.loads(outcome_file.read_text())
    except (OSError, ValueError):
        raise ProgramError(
            f"{unit}.service ended with {done.returncode} and no outcome: {done.stderr.strip()}. "
            f"journalctl -u {unit} says more"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _pack(program: Path, module: str) -> None:
    """A zip application of the modules of this package that are loaded now, which holds all that `module` needs."""
    with zipfile.ZipFile(program, "w") as archive:
        parts = PACKAGE.split(".")
        for length in range(1, len(parts) + 1):
            archive.writestr("/".join(parts[:length]) + "/__init__.py", "")
        for name, loaded in sorted(sys.modules.items()):
            if name.startswith(f"{PACKAGE}.") and loaded is not None and loaded.__spec__ and loaded.__spec__.loader:
                source = loaded.__spec__.loader.get_source(name)  # type: ignore[attr-defined]
                archive.writestr(name.replace(".", "/") + ".py", source)
        archive.writestr("__main__.py", f"import sys\nfrom {PACKAGE}.{module} import main\nmain(*sys.argv[1:])\n")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers with an ansible-core and a Python of their own, in virtual environments beside the images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from machine import CACHE

# What upstream supports: https://docs.ansible.com/projects/ansible/devel/reference_appendices/release_and_maintenance.html
SUPPORTED = {"2.19": ("3.11", "3.12", "3.13"), "2.20": ("3.12", "3.13"), "2.21": ("3.12", "3.13")}


def environment() -> dict[str, str]:
    """The one of this process, in which the Pythons of pyenv are found like others: its own shims hide all but one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(str(folder) for folder in pyenv.glob("versions/*/bin"))
    usual = [one for one in os.environ["PATH"].split(os.pathsep) if Path(one) != pyenv / "shims"]
    return {**os.environ, "PATH": os.pathsep.join([*usual, *found])}


def controller(core: str, python: str, *packages: str) -> Path:
    """A virtual environment with the newest ansible-core of a series, and packages beside it; made once.

    :param core: such as 2.19
    :param python: such as 3.12; uv fetches one where the machine has none
    """
    folder = CACHE / "controllers" / f"core-{core}-python-{python}"
    uv = str(Path(sys.executable).with_name("uv"))
    if not (folder / "bin/python").exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, folder], check=True, env=environment())
    wanted = [f"ansible-core~={core}.0", *packages]
    into = ["--quiet", "--upgrade", "--python", str(folder / "bin/python")]
    subprocess.run([uv, "pip", "install", *into, *wanted], check=True, env=environment())
    return folder

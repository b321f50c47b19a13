# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a user asks for on the controller: whether they can be written, and how."""

from __future__ import annotations

import os
from pathlib import Path


def problem(variable: str, given: str, example: str) -> str:
    """Why the file that a variable names can't be written, with the way out; empty where it can be, or none is named.

    :param example: such a file
    """
    if not given:
        return ""
    path = Path(given).expanduser().absolute()
    if path.is_dir():
        why = f"{path} is a folder"
    elif not path.parent.exists():
        why = f"the folder {path.parent} does not exist"
    elif not path.parent.is_dir():
        why = f"{path.parent} is no folder"
    elif not os.access(path.parent, os.W_OK | os.X_OK) or _refuses(path.parent):
        why = f"the folder {path.parent} can not be written to"
    else:
        return ""
    way_out = f"Name a file in a folder that exists and is yours, for example {variable}={example}"
    return f"{variable} {given!r}: {why}. {way_out}"


def _refuses(folder: Path) -> bool:
    """Whether a folder takes no file though its mode allows it: root is allowed everything, in /proc, too."""
    trial = folder / f".switchyard.{os.getpid()}"
    try:
        trial.touch(exist_ok=False)
    except OSError:
        return True
    trial.unlink()
    return False


def write(given: str, content: str) -> bool:
    """Write a file as a whole or not at all; whether it had another content."""
    final = Path(given).expanduser().absolute()
    encoded = content.encode()
    if final.is_file() and final.read_bytes() == encoded:
        return False
    partial = final.with_name(f".{final.name}.partial")
    try:
        partial.write_bytes(encoded)
        os.replace(partial, final)
    finally:
        partial.unlink(missing_ok=True)
    return True

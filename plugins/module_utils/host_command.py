# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command, for whatever has no AnsibleModule and so no run_command: on the host, or on the controller."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any


def run(command: Sequence[str | os.PathLike[str]], *, check: bool, **options: Any) -> subprocess.CompletedProcess[Any]:
    """What subprocess.run does; each caller says whether a failure of the command is one of its own."""
    return subprocess.run(command, check=check, **options)  # pylint: disable=ansible-bad-function

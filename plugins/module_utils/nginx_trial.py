# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks nginx what it makes of a configuration that is not there yet."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

SCRIPT = 'while [ "$#" -gt 0 ]; do mount --bind "$1" "$2" || exit 70; shift 2; done; exec nginx -t'


def read_with(places: Mapping[Path, Path]) -> subprocess.CompletedProcess[str]:
    """Let nginx read its real configuration with other folders in the place of some, in a mount namespace of its own.

    :param places: what is to lie where; a folder before those in it, for what is mounted later lies on top
    """
    pairs = [part for place, folder in places.items() for part in (folder, place)]
    return subprocess.run(
        ["unshare", "--mount", "--propagation=private", "/bin/sh", "-c", SCRIPT, "sh", *pairs],
        capture_output=True,
        text=True,
        check=False,
    )

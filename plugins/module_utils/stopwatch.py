# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a module has been at work, on the host's own clock: a module is a process that begins with its imports."""

from __future__ import annotations

import time

BEGAN = time.monotonic()


def seconds() -> float:
    """The seconds since this process began."""
    return round(time.monotonic() - BEGAN, 1)

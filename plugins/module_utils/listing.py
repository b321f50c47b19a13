# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says of many names what fits into a message."""

from __future__ import annotations

MOST = 10


def some(names: list[str]) -> str:
    """All names where they are few, else the first ones and how many there are beside."""
    beside = len(names) - MOST
    return ", ".join(names) if beside <= 0 else f"{', '.join(names[:MOST])} and {beside} more"

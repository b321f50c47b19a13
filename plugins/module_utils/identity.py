# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names a release, and the virtual environment that it shares with others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk


def release(inputs: Mapping[str, Any]) -> str:
    """Name a release by what it is made from; the same on every host."""
    return disk.digest(dict(inputs), 12)


def venv(lock_digest: str, python: str) -> str:
    """Name a venv by its lock and the Python that it is made with, for example 3.11."""
    return disk.digest({"lock": lock_digest, "python": python}, 16)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins that read a project have on the controller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import source

# The options of doc_fragments/source.py.
SOURCE_OPTIONS = {
    "site_source": {"type": "str", "required": True},
    "site_version": {"type": "str", "default": ""},
    "site_source_token": {"type": "str", "default": "", "no_log": True},
    "site_source_key": {"type": "str", "default": "", "no_log": False},  # a path
    "base": {"type": "path", "required": True},
}


def cache() -> Path:
    """The folder in which sources are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "switchyard"


def resolve(variables: Mapping[str, Any]) -> source.Source:
    """The source that these options name."""
    return source.resolve(
        variables["site_source"],
        variables["site_version"],
        Path(variables["base"]),
        cache(),
        variables["site_source_token"],
        variables["site_source_key"],
    )

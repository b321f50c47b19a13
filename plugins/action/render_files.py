# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders files on the controller; documented in plugins/modules/render_files.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.plugin_utils import rendering


class ActionModule(ActionBase):
    """Renders, without a connection to any host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(
            argument_spec={"files": {"type": "list", "elements": "dict", "required": True}}
        )
        result.update(
            changed=False,
            files=[{**one["file"], "content": rendering.text(self, one, task_vars or {})} for one in given["files"]],
        )
        return result

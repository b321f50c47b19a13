# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of those modules to which meta/runtime.yml gives it; documented in plugins/modules/host_call.py.

Those that run on hosts which no deploy has prepared have none, and travel as any module does.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.switchyard.django.plugins.plugin_utils.library import LibraryActionModule


class ActionModule(LibraryActionModule):
    """Runs the task's module, which may be any of them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        return result

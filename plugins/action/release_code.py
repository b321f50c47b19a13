# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the archive to the host before the module unpacks it; documented in plugins/modules/release_code.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.switchyard.django.plugins.plugin_utils.library import LibraryActionModule


class ActionModule(LibraryActionModule):
    """Transfers the archive only where the host has to unpack it."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if not arguments.get("built") and not self._task.check_mode:
            folder = self._make_tmp_path()
            remote = self._connection._shell.join_path(folder, "source.tar.gz")
            self._transfer_file(arguments["archive"], remote)
            arguments["archive"] = remote
        result.update(
            self._execute_module(
                module_name="switchyard.django.release_code", module_args=arguments, task_vars=task_vars
            )
        )
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

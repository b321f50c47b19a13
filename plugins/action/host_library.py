# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the modules to the host before host_library lays them down; documented in plugins/modules/host_library.py."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.plugin_utils import library


class ActionModule(ActionBase):
    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = {"digest": library.digest(), "archive": ""}
        if not self._task.check_mode:
            folder = self._make_tmp_path()
            arguments["archive"] = self._connection._shell.join_path(folder, "library.tar.gz")
            with tempfile.TemporaryDirectory(prefix="switchyard-library-") as packed:
                library.pack(Path(packed) / "library.tar.gz")
                self._transfer_file(str(Path(packed) / "library.tar.gz"), arguments["archive"])
        result.update(
            self._execute_module(
                module_name="switchyard.django.host_library", module_args=arguments, task_vars=task_vars
            )
        )
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

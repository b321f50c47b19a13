# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the code to the host before the module unpacks it; documented in plugins/modules/release_build.py."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.plugin_utils.library import LibraryActionModule

# An archive that is no larger travels with the call: a file of its own takes three round trips more. In bytes.
SMALL = 1024 * 1024


class ActionModule(LibraryActionModule):
    """Takes the archive along only where the host has to unpack it."""

    # A folder on the host is made where a file has to travel, and not each time.
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        archive = arguments.pop("archive", "")
        folder = None
        if archive and not arguments.get("built") and not self._task.check_mode:
            if Path(archive).stat().st_size <= SMALL:
                arguments["code"] = base64.b64encode(Path(archive).read_bytes()).decode()
            else:
                folder = self._make_tmp_path()
                arguments["archive"] = self._connection._shell.join_path(folder, "source.tar.gz")
                self._transfer_file(archive, arguments["archive"])
        result.update(
            self._execute_module(
                module_name="switchyard.django.release_build", module_args=arguments, task_vars=task_vars
            )
        )
        if folder:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts, for the tests, how many tasks a run sent to a host, and how many changed something."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: tally
type: aggregate
short_description: counts remote tasks
description: Writes the number of remote and of changed tasks to the file that SWITCHYARD_TALLY names.
"""

# These run on the controller alone: they cost no round trip.
LOCAL = {
    "assert",
    "debug",
    "fail",
    "include_vars",
    "set_fact",
    "validate_argument_spec",
    "release_plan",
    "run_summary",
    "run_variables",
    "site_plan",
}


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "tally"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.tally: dict[str, Any] = {"remote": [], "changed": []}

    def _count(self, result: Any) -> None:
        task = result.task
        if task.action.rpartition(".")[2] not in LOCAL:
            self.tally["remote"].append(task.get_name())
        if result.result.get("changed"):
            self.tally["changed"].append(task.get_name())

    v2_runner_on_ok = _count

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._count(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        Path(os.environ["SWITCHYARD_TALLY"]).write_text(json.dumps(self.tally))

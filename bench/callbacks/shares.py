# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures, for the benchmark, what a run takes of the controller, and how long each of its tasks took."""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: shares
type: aggregate
short_description: measures the controller's share of a run
description: Writes the controller's CPU time and each task's wall time to the file that SWITCHYARD_SHARES names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "shares"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[tuple[str, float]] = []

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self.tasks.append((task.get_name(), time.monotonic()))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Workers and ssh are children that have ended by now, all but the ssh that keeps a connection open."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        ends = [*(begun for _name, begun in self.tasks[1:]), time.monotonic()]
        told = {
            "cpu": sum(one.ru_utime + one.ru_stime for one in used),
            "tasks": [[name, end - begun] for (name, begun), end in zip(self.tasks, ends)],
        }
        Path(os.environ["SWITCHYARD_SHARES"]).write_text(json.dumps(told))

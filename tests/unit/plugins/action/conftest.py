# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from unittest import mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar


@pytest.fixture
def run():
    """Runs an action as a task does, on no host at all."""

    def run(action, arguments, check_mode=False, **changes):
        loader = DataLoader()
        task = Task.load({"debug": {}, "check_mode": check_mode}, loader=loader)
        task.args = arguments
        module = action(
            task=task,
            connection=mock.MagicMock(),
            play_context=mock.MagicMock(),
            loader=loader,
            templar=Templar(loader=loader),
            shared_loader_obj=None,
        )
        for name, value in changes.items():
            setattr(module, name, value)
        return module.run(task_vars={})

    return run

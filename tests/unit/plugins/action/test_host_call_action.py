# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from unittest import mock

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.action.host_call import ActionModule
from ansible_collections.switchyard.django.plugins.module_utils.layout import LIBRARY
from ansible_collections.switchyard.django.plugins.plugin_utils import library

ARGUMENTS = {"site": "shop", "lease": "t1"}


@pytest.fixture
def call(run, monkeypatch):
    """Runs a task that names site_lease; the host gives these answers. Returns the result and the calls."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def call(*answers):
        execute = mock.MagicMock(side_effect=answers)
        monkeypatch.setattr(ActionBase, "_execute_module", execute)

        class Action(ActionModule):
            def run(self, tmp=None, task_vars=None):
                self._task = mock.MagicMock(action="switchyard.django.site_lease", args=ARGUMENTS)
                return super().run(tmp, task_vars)

        return run(Action, ARGUMENTS), [one.args for one in execute.call_args_list]

    return call


def test_the_module_is_run_from_the_library(call):
    result, calls = call({"changed": True})
    assert result == {"changed": True}
    (one,) = calls
    assert one == (
        "switchyard.django.host_call",
        {"library": str(LIBRARY / library.digest()), "module": "site_lease", "arguments": ARGUMENTS},
    )


def test_where_there_is_none_the_module_travels_and_the_result_says_so(call):
    result, calls = call({"library_missing": True}, {"changed": True})
    assert result == {"changed": True, "library_missing": True}
    assert calls[1] == ("switchyard.django.site_lease", ARGUMENTS)


def test_another_text_is_another_library(monkeypatch, tmp_path):
    for kind in ("modules", "module_utils"):
        (tmp_path / kind).mkdir()
    one = tmp_path / "modules/site_lease.py"
    monkeypatch.setattr(library, "PLUGINS", tmp_path)
    names = set()
    for text in ("a", "b", "b"):
        one.write_text(text)
        library.digest.cache_clear()
        names.add(library.digest())
    library.digest.cache_clear()
    assert len(names) == 2

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def on_a_host(monkeypatch):
    """Tests of actions and filters load the controller's code into this process; a module's host has none of it."""
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False, raising=False)

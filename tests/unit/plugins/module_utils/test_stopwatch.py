# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.switchyard.django.plugins.module_utils import stopwatch


def test_the_time_since_the_module_began_grows(monkeypatch):
    monkeypatch.setattr(stopwatch.time, "monotonic", lambda: stopwatch.BEGAN + 1.26)
    assert stopwatch.seconds() == 1.3

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import bounds

SETTLE = {"name": "cutover_settle", "least": 0, "most": 600, "unit": " seconds"}


@pytest.mark.parametrize("value", [0, 600, "0", "600", "007"])
def test_what_is_within_is_right(value):
    assert bounds.problems([{**SETTLE, "value": value}]) == []


@pytest.mark.parametrize("value", [-1, 601, 1.5, True, None, "", "ten", "1e3", "1\n", " 1", "9" * 30, [], "٣"])
def test_what_is_not_is_told_with_its_bounds(value):
    (problem,) = bounds.problems([{**SETTLE, "value": value}, {**SETTLE, "value": 1}])
    assert problem == f"cutover_settle {value} must be a whole number from 0 to 600 seconds."


def test_without_a_unit():
    assert bounds.problems([{"name": "redis_port", "value": 0, "least": 1, "most": 65535}]) == [
        "redis_port 0 must be a whole number from 1 to 65535."
    ]

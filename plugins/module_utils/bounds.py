# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges variables that are whole numbers within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

WHOLE = re.compile(r"[0-9]{1,18}")


def problems(numbers: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with each number.

    :param numbers: each with its name, its value, least and most, and unit, what stands behind the bounds
    """
    return [
        f"{one['name']} {one['value']} must be a whole number from {one['least']} to {one['most']}"
        f"{one.get('unit', '')}."
        for one in numbers
        if not is_within(one)
    ]


def is_within(number: Mapping[str, Any]) -> bool:
    return bool(WHOLE.fullmatch(str(number["value"]))) and number["least"] <= int(number["value"]) <= number["most"]

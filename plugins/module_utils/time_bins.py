# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts times in few bins, so that percentiles of any number of them take the same memory.

Each millisecond up to 63 has a bin of its own. Above, each bin is wider than the one before by the same factor, as in
DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
2019): a percentile is no farther than `RELATIVE_ERROR` from the one that sorting would give.
"""

from __future__ import annotations

import math
from array import array

RELATIVE_ERROR = 0.01
_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_EXACT = 64
_LONGEST = 30 * 86_400_000
_TIMED = _EXACT + math.ceil(math.log(_LONGEST / _EXACT, _GROWTH))
# Where that is counted which has no time.
UNTIMED = _TIMED

_EMPTY = array("Q", bytes(8 * (_TIMED + 1)))


def bins() -> array[int]:
    """No times yet."""
    return _EMPTY[:]


def bin_of(seconds: float) -> int:
    """Where this is counted. What is longer than 30 days counts as 30 days; what is no time, as untimed."""
    if not 0 <= seconds < math.inf:
        return UNTIMED
    milliseconds = round(seconds * 1000)
    if milliseconds < _EXACT:
        return milliseconds
    return min(_EXACT + int(math.log(milliseconds / _EXACT, _GROWTH)), _TIMED - 1)


def percentile(counted: array[int], percent: int) -> float | None:
    """In seconds, the least time that so many per cent do not exceed; None where there are no times."""
    rank = -(-sum(counted[:UNTIMED]) * percent // 100)
    for number, count in enumerate(counted[:UNTIMED]):
        rank -= count
        if count and rank <= 0:
            return _middle(number) / 1000
    return None


def percentiles(counted: array[int]) -> dict[str, float | None]:
    return {f"p{percent}": percentile(counted, percent) for percent in (50, 95, 99)}


def _middle(number: int) -> float:
    """In milliseconds, what is equally far from both ends of a bin, in relation to them."""
    if number < _EXACT:
        return number
    return _EXACT * _GROWTH ** (number - _EXACT) * (1 + RELATIVE_ERROR)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.switchyard.django.plugins.module_utils.listing import some


def test_few_names_are_all_said():
    assert some([]) == ""
    assert some(list("abcdefghij")) == "a, b, c, d, e, f, g, h, i, j"


def test_of_many_the_first_ones_and_how_many_there_are_beside():
    assert some(list("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"

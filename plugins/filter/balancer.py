# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for what the role balancer takes from the collection's Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import balancer_variables


class FilterModule:
    """The collection's filters for a balancer."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"balancer_problems": balancer_variables.problems, "host_names": balancer_variables.names_in}

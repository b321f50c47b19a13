# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.plugin_utils import markers


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("sys_platform == 'win32'", False),
        ("sys_platform == 'linux' and python_version < '3.12'", True),
        ("python_version >= '3.12'", False),
        ("python_full_version < '3.11.3'", True),
        ("extra == 'dev'", False),
        ("nonsense", True),
    ],
)
def test_a_marker_is_judged_for_a_debian_host(marker, holds):
    assert markers.holds(marker, "3.11") is holds

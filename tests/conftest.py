# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests are parted between processes (pytest --dist=loadgroup)."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file share its hosts, and some files share one host, so each such group stays in one process."""
    for item in items:
        shared = "bench" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("bench" if shared else item.path.name))

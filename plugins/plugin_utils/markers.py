# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an environment marker of a requirement is true on a host: ansible-core has packaging, a host need not."""

from __future__ import annotations


def holds(marker: str, python: str) -> bool:
    """Whether it is true on a Debian host. What can't be read counts as true.

    :param python: the version of the host's Python, such as 3.11
    """
    # Not at the top: ansible-core brings it along, but the place where ansible-test imports plugins has not got it.
    from packaging import markers

    place = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    try:
        return markers.Marker(marker).evaluate(place)
    except (markers.InvalidMarker, markers.UndefinedComparison, markers.UndefinedEnvironmentName):
        return True

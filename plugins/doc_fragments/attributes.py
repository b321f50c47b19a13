# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of the collection support, in the form that ansible-doc shows."""

from __future__ import annotations


class ModuleDocFragment:
    # On a Debian host, without a diff.
    DOCUMENTATION = r"""
options: {}
requirements:
  - python >= 3.9
attributes:
  check_mode:
    description: Can run in check mode and say what would change, without changing anything.
    support: full
  diff_mode:
    description: Returns what changed, or would change, with C(--diff).
    support: none
  platform:
    description: The systems that the module runs on.
    support: full
    platforms: debian
"""

    # With a diff.
    DIFF = r"""
options: {}
attributes:
  diff_mode:
    description: Returns what changed, or would change, with C(--diff).
    support: full
"""

    # On the controller.
    CONTROLLER = r"""
options: {}
attributes:
  platform:
    description: The systems that the module runs on.
    support: full
    platforms: posix
"""

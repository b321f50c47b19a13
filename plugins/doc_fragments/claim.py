# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules with which a run begins."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  site:
    description: The V(site_name) of the site.
    type: str
    required: true
  purpose:
    description: What the run is for; another run that waits for it is told.
    type: str
    default: a run
  lock_wait:
    description: The seconds to wait for another run that is at work on the site.
    type: float
    default: 0
  together:
    description:
      - Whether all hosts of the site are asked at once. Then nothing is waited for; where another run is at work, the
        result has it as C(held), and no lease. What the other hosts gave is to be given back before they are
        asked again, one after the other.
    type: bool
    default: false
  claim:
    description:
      - The lease that the module takes before anything else. The action plugin fills it in. Empty, as in check mode, to
        take none.
    type: dict
    default: {}
"""

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every module of the deploy has."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  site:
    description: The V(site_name) of the site.
    type: str
    required: true
  lease:
    description:
      - The run's lease on the site, as M(switchyard.django.site_state) returns it. The module renews it while it works,
        and fails, before it changes anything, where another run has taken it over.
      - Without it nothing keeps two runs apart.
    type: str
    default: ""
"""

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_rollback; its documentation is in plugins/modules/release_rollback.py."""

from __future__ import annotations

from ansible_collections.switchyard.django.plugins.plugin_utils.claim import ClaimingActionModule


class ActionModule(ClaimingActionModule):
    """Takes the lease for this run."""

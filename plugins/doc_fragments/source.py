# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules that read a project on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  site_source:
    description: A git URL, or a folder on the controller, which is taken as it is without what git ignores.
    type: str
    required: true
  site_version:
    description: A git ref; empty for the remote's HEAD.
    type: str
    default: ""
  site_source_token:
    description: A token or a password for a git URL over HTTP. It is not returned or shown.
    type: str
    default: ""
  site_source_key:
    description: The path of the private key for a git URL over ssh.
    type: str
    default: ""
  base:
    description: The folder from which a relative O(site_source) is meant.
    type: path
    required: true
"""

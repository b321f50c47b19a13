#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: render_files
short_description: Renders the templates of a role into texts that another task carries to the host
version_added: 1.0.0
description:
  - Runs on the controller alone and writes no file. What a release is made of has to be known before it has its name,
    and travels with the call that makes it.
extends_documentation_fragment:
  - switchyard.django.attributes.controller
  - switchyard.django.attributes
options:
  files:
    description:
      - The files, each with its C(file), which is handed on as it is, and its C(content), or the C(template) that makes
        it, the name of one of the role's. The template finds the whole entry as C(one).
    type: list
    elements: dict
    required: true
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The configuration is rendered
  switchyard.django.render_files:
    files:
      - file:
          path: nginx/server/static.conf
        template: static.conf.j2
  register: rendered
"""

RETURN = r"""
files:
  description: What C(file) says of each, and its C(content).
  type: list
  elements: dict
  returned: success
"""

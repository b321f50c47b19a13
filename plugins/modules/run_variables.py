#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: run_variables
short_description: Says at the beginning of a run which variables it lacks, and which are mistyped
version_added: 1.0.0
description:
  - Runs on the controller alone, once for all hosts of the run.
  - Fails where no host is the site's, where a variable is not set, and where a value of C(-e) is cut off at a space
    because it is not quoted for Ansible.
  - Warns of a variable that no role reads, and whose name is nearly that of one that is read.
extends_documentation_fragment:
  - switchyard.django.attributes.controller
  - switchyard.django.attributes
options:
  needs:
    description: The variables that have to be set on each host, of those that have no default.
    type: list
    elements: str
    default: []
  members:
    description: The hosts of the site, those that C(--limit) leaves out, too. Others of the run are not judged.
    type: list
    elements: str
  hosts:
    description: The hosts whose variables are judged where O(members) is not given; by itself those of the run.
    type: list
    elements: str
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The run is told what it needs
  switchyard.django.run_variables:
    members: "{{ groups.web }}"
    needs: [site_name]
  run_once: true
"""

RETURN = r"""
#
"""

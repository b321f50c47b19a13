#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: run_summary
short_description: Says at the end of a run what it has done, or in check mode what a deploy would do
version_added: 1.0.0
description:
  - Runs on the controller alone, once for all hosts, and puts together what the modules of the run have returned.
  - In check mode a deploy is told before it happens, by what is known without building anything, such as the commits
    between two versions and what the files of migrations say. Where something is not known, it says so.
  - For a run that failed it begins with the cause, says what serves now, and fails as well.
extends_documentation_fragment:
  - switchyard.django.attributes.controller
  - switchyard.django.attributes
options:
  site:
    description: The name of the site.
    type: str
    required: true
  operation:
    description: What kind of run it is.
    type: str
    choices: [deploy, rollback, restore]
    required: true
  release:
    description: The identifier of the release that was to be live; empty where the run did not come so far.
    type: str
    default: ""
  hosts:
    description: The site's hosts with which the run began.
    type: list
    elements: str
    required: true
  absent:
    description: The site's hosts that C(--limit) left out.
    type: list
    elements: str
    default: []
  results:
    description: By which variables the hosts know what the modules returned.
    type: dict
    required: true
  requirements:
    description: V(site_requirements), by which the requirements of the live release are found as well.
    type: str
    default: ""
  backup:
    description: The backup whose data was brought back.
    type: str
    default: ""
  reason:
    description: Why, in the user's own words, the traffic was moved back.
    type: str
    default: ""
  failed:
    description: Whether the run has failed.
    type: bool
    default: false
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: What was done
  switchyard.django.run_summary:
    site: shop
    operation: deploy
    release: "{{ release.id }}"
    hosts: "{{ ansible_play_hosts_all }}"
    results: {read: state, release: release, move: cutover}
  run_once: true
"""

RETURN = r"""
msg:
  description: The summary, line by line; with O(failed) its first sentence.
  type: raw
  returned: always
summary:
  description: The summary, line by line.
  type: list
  elements: str
  returned: with O(failed)
"""

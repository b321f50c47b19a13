#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Shows how a site fares on all of its hosts
version_added: 1.0.0
description:
  - Prints what M(switchyard.django.site_status_info) returned of each host as a table, writes it as JSON and as a
    page of HTML where that is asked for, and says what has to be looked at.
  - Runs on the controller alone. Fails where no host could be asked, and where none has such a site.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  site:
    description: The V(site_name) of the site.
    type: str
    required: true
  hosts:
    description: What M(switchyard.django.site_status_info) returned, by host, or how it failed there.
    type: dict
    required: true
  everywhere:
    description: Whether each of the hosts is to have the site.
    type: bool
    default: false
  left_out:
    description: Hosts of the inventory that are none of the site's, to be named.
    type: list
    elements: str
    default: []
  limits:
    description: What has to be looked at, the variables C(status_fail_…) by the rest of their names.
    type: dict
    default: {}
  fail:
    description: Whether it fails where something has to be looked at.
    type: bool
    default: false
  json:
    description: The file on the controller to write all of it to; empty for none.
    type: path
    default: ""
  report:
    description: The file on the controller to write the page to; empty for none. Needs matplotlib there.
    type: path
    default: ""
  template:
    description: The template of the page.
    type: path
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: How the site is
  switchyard.django.site_status_info:
    site: shop
  register: status

- name: Show it
  switchyard.django.status_report:
    site: shop
    hosts: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'status'))) }}"
  run_once: true
"""

RETURN = r"""
problems:
  description: What has to be looked at, each with its host in front.
  type: list
  elements: str
  returned: success
"""

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: data_host
short_description: Says what a host has of a service that a site wants there
version_added: 1.0.0
description:
  - Reads which packages are missing, whether PostgreSQL answers, whether the role or the instance of Redis of the
    site's name is the site's, and whether its port is free. Changes nothing.
  - Fails where the site can't have the service there, and says why.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  site:
    description: The V(site_name) of the site.
    type: str
    required: true
  kind:
    description: The service.
    type: str
    choices: [postgresql, redis]
    required: true
  port:
    description: At which it listens.
    type: int
    required: true
  addresses:
    description: At which it has to listen beside the loopback.
    type: list
    elements: str
    default: []
  fingerprint:
    description: Of the site's secrets, as M(switchyard.django.site_state) returns it; empty where it has none yet.
    type: str
    default: ""
  max_connections:
    description: The V(postgresql_max_connections) that are asked for, to see whether they can be set; 0 for none.
    type: int
    default: 0
  host:
    description: How the inventory calls the host, for messages.
    type: str
    required: true
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The site can have its database there
  switchyard.django.data_host:
    site: shop
    kind: postgresql
    port: 5432
    host: db1
  delegate_to: db1
"""

RETURN = r"""
found:
  description: What is there.
  type: dict
  returned: success
  contains:
    problem:
      description: Empty.
      type: str
    missing:
      description: The Debian packages that are not installed.
      type: list
      elements: str
    stale:
      description: Whether the server has not read its configuration yet.
      type: bool
    listens:
      description: PostgreSQL's listen_addresses, or where a Redis listens beside what is asked for, for a release that
        may still be live.
      type: str
    lets_in:
      description: The networks from which PostgreSQL lets the site in.
      type: list
      elements: str
    hba_file:
      description: The path of PostgreSQL's pg_hba.conf.
      type: str
    configuration:
      description: The path of the configuration.
      type: str
    unit:
      description: The unit of the server.
      type: str
    max_connections:
      description: The connections that PostgreSQL allows at this moment; 0 for another service.
      type: int
    settings:
      description: The settings of PostgreSQL that this collection has made, by their name.
      type: dict
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import data_host


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["postgresql", "redis"], "required": True},
            "port": {"type": "int", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "fingerprint": {"type": "str", "default": ""},
            "max_connections": {"type": "int", "default": 0},
            "host": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    found = data_host.look(**module.params)
    if found.problem:
        module.fail_json(msg=f"{found.problem} Nothing was changed.")
    module.exit_json(changed=False, found=asdict(found))


if __name__ == "__main__":
    main()

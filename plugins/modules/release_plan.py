#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_plan
short_description: Names a release and says what of it a host still lacks
version_added: 1.0.0
description:
  - Runs on the controller alone. Puts together what a release is made from, names it by the digest of that, and
    compares it with what
    M(switchyard.django.site_state) read on the host.
extends_documentation_fragment:
  - switchyard.django.attributes.controller
  - switchyard.django.attributes
options:
  source:
    description: What M(switchyard.django.site_plan) returned.
    type: dict
    required: true
  state:
    description: What M(switchyard.django.site_state) returned for the host.
    type: dict
    required: true
  lock:
    description: The digest of the lock.
    type: str
    required: true
  environment:
    description: The keyed digest of the environment.
    type: str
    required: true
  stack:
    description: The name of the stack.
    type: str
    required: true
  server:
    description: The name of the app server.
    type: str
    required: true
  entry_point:
    description: The module that the app server imports.
    type: str
    required: true
  settings_module:
    description: The project's settings module.
    type: str
    required: true
  overrides:
    description: The settings that are laid over it.
    type: dict
    required: true
  domains:
    description: The host names of the site.
    type: list
    elements: str
    required: true
  gate:
    description: What the gate asks of the release.
    type: dict
    required: true
  hosts:
    description: The number of the site's hosts.
    type: int
    required: true
  processes:
    description: What runs beside the instances, as RV(switchyard.django.site_plan#module:processes). It is a part of
      the name.
    type: list
    elements: dict
    required: true
  host:
    description: The host's name in the inventory, by which is known what runs there. It is no part of the name.
    type: str
    required: true
  serving:
    description:
      - How an instance listens (V(bind)), is sized (V(sizing)), keeps its times (V(times)) and what its sandbox allows
        beside (V(sandbox)), as the contract and the variables say. It is a part of the name.
    type: dict
    required: true
  size:
    description: What the host's cores and memory make of the sizing. It is no part of the name.
    type: dict
    required: true
  modules:
    description: The Python modules that the stack lays beside the project's, each with its path, and its content or the
      template that makes it.
    type: list
    elements: dict
    required: true
  commands:
    description: The build commands of the project.
    type: list
    elements: str
    required: true
  files:
    description: The files of the release, rendered but for tokens such as V(@RELEASE@), with path, content and,
      where one may be left out, the token it needs.
    type: list
    elements: dict
    required: true
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The release has its name
  switchyard.django.release_plan:
    source: "{{ plan }}"
    state: "{{ state.state }}"
    lock: "{{ lock.digest }}"
    environment: "{{ environment.digest }}"
    stack: asgi
    server: uvicorn
    entry_point: shop.asgi
    settings_module: shop.settings
    overrides: {}
    domains: [shop.example.org]
    gate: {host: shop.example.org, scheme: http, health_path: /health/, websocket_path: ""}
    hosts: 1
    processes: []
    host: "{{ inventory_hostname }}"
    serving: {bind: socket, sizing: {}, times: {}, sandbox: {}}
    size: {workers: 2, threads: 1, connections: 20, memory: 256}
    modules: []
    commands: []
    files: []
"""

RETURN = r"""
id:
  description: The identifier of the release, 12 hexadecimal digits.
  type: str
  returned: success
began:
  description: When it got its name, in seconds since the epoch, by the controller's clock.
  type: float
  returned: success
live:
  description: Whether it is the live release.
  type: bool
  returned: success
rejected:
  description: Whether it was rolled away from.
  type: bool
  returned: success
built:
  description: A release on the host that was built from the same inputs, or an empty text.
  type: str
  returned: success
venv:
  description: The name of its virtual environment on this host.
  type: str
  returned: success
switches:
  description: Whether it would change the stack of the live release.
  type: bool
  returned: success
wanted:
  description: What M(switchyard.django.release_build) makes of it.
  type: dict
  returned: success
"""

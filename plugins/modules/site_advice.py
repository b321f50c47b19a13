#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_advice
short_description: Says by which stack to serve a Django project, and why
version_added: 1.0.0
description:
  - Reads the project on the controller, without running or importing any of it, and needs no connection.
  - Says V(asgi) where the project has what does not work under WSGI, or no other entry point; in all other cases, and
    where that can't be told, V(wsgi).
  - Follows the project's calls from async views, consumers and async middleware to those that hold an event loop up.
    Nothing is said of what can't be told from the text.
  - Tests, migrations, management commands, documentation and virtual environments do not count.
extends_documentation_fragment:
  - switchyard.django.source
  - switchyard.django.attributes.controller
  - switchyard.django.attributes
options:
  site_package:
    description: The Python package that holds the entry points; C(.) where they lie beside manage.py; empty where one
      package alone has them.
    type: str
    default: ""
  site_settings:
    description: The settings module, which has to be in the source; empty for the one that the entry points name.
    type: str
    default: ""
  site_domains:
    description: The host names of the site, for the settings that name them.
    type: list
    elements: str
    default: []
  site_settings_overrides:
    description:
      - What the site has for it already. Nothing more is said of these settings. Where others are to be added, the
        variables have these as well.
    type: dict
    default: {}
  site_env:
    description: The names of the variables that the site's environment has already.
    type: list
    elements: str
    default: []
  scheme:
    description: How visitors come. With V(http) nothing is said of what a site needs for V(https) alone.
    type: str
    choices: [http, https]
    default: https
  json:
    description: The file on the controller to write RV(advice) to; empty for none.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The project is read
  switchyard.django.site_advice:
    site_source: https://git.example.org/shop.git
    base: "{{ playbook_dir }}"
  register: shop

- name: The advice
  ansible.builtin.debug:
    msg: "{{ shop.lines }}"
"""

RETURN = r"""
stack:
  description: V(wsgi) or V(asgi).
  type: str
  returned: success
lines:
  description: The advice to read. The verdict, the reasons, what does not belong in async code, what to set.
  type: list
  elements: str
  returned: success
advice:
  description: The same as data.
  type: dict
  returned: success
  contains:
    origin:
      description: The source without credentials.
      type: str
    commit:
      description: The commit, or null where git doesn't know the folder.
      type: str
    stack:
      description: As above.
      type: str
    firm:
      description: Whether the other stack would be wrong.
      type: bool
    verdict:
      description: The stack, and the reason in a few words.
      type: str
    reasons:
      description:
        - What speaks for a stack, with V(path), V(line) and V(what). V(weight) is V(needs) (does not work under WSGI),
          V(gains) (works there at a cost), V(loses) (suffers under ASGI) or V(has).
      type: list
      elements: dict
    blocking:
      description:
        - What does not belong in async code, with V(path), V(line), V(call), V(why), V(instead), and the way there from
          the V(kind) of entry (V(chain)).
      type: list
      elements: dict
    costs:
      description: What costs under ASGI, as V(reasons).
      type: list
      elements: dict
    needs:
      description:
        - The settings that production asks for, and the variables that give them. Where V(example) is true, they have
          an example in place of the site's names, for want of O(site_domains).
      type: list
      elements: dict
    variables:
      description: The site's variables that follow from all of it.
      type: dict
    unparsable:
      description: Files that could not be read, with the reason.
      type: dict
    package:
      description: The package.
      type: str
    root:
      description: The folder of the source in which the package can be imported; empty for its top.
      type: str
    placed:
      description:
        - The variables for a site below the top of the source, whose requirements the deploy would not find.
          V(site_source) for a folder, V(site_requirements) for a git URL.
      type: dict
    settings:
      description: The settings module.
      type: str
    settings_at:
      description: The file and line that name it.
      type: str
    files:
      description: How many files were read.
      type: int
"""

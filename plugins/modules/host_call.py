#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_call
short_description: Runs one of this collection's modules from where it lies on the host
version_added: 1.0.0
description:
  - The way by which the other modules of this collection are called, once M(switchyard.django.host_library) has laid
    them on the host. No task needs to name it. The module that is called answers, with its own result.
extends_documentation_fragment:
  - switchyard.django.attributes
options:
  library:
    description: The folder with the modules.
    type: path
    required: true
  module:
    description: The name of the module, without that of the collection.
    type: str
    required: true
  arguments:
    description: What the module is asked.
    type: dict
    default: {}
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
# What becomes of `switchyard.django.site_lease: {site: shop, lease: t1}` on a host that has the library:
- name: The lease is given back
  switchyard.django.host_call:
    library: /opt/switchyard/library/0123456789abcdef
    module: site_lease
    arguments:
      site: shop
      lease: t1
"""

RETURN = r"""
library_missing:
  description: The host has no such library, so nothing was called.
  type: bool
  returned: when it is missing
"""

import importlib
import json
import os
import sys

from ansible.module_utils import basic

PLUGINS = "ansible_collections.switchyard.django.plugins"


def main() -> None:
    module = basic.AnsibleModule(
        argument_spec={
            "library": {"type": "path", "required": True},
            "module": {"type": "str", "required": True},
            # The module that is called says which of its arguments are secret.
            "arguments": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    folder = module.params["library"]
    if not os.path.exists(os.path.join(folder, "whole")):
        module.exit_json(library_missing=True)
    name = module.params["module"]
    # Check mode, diff, verbosity and the like are the same for it.
    given = basic._load_params()
    how = {option: value for option, value in given.items() if option.startswith("_ansible_")}
    asked = {**given["arguments"], **how, "_ansible_module_name": f"switchyard.django.{name}"}
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": asked}).encode()
    # What came with this module is put aside for what lies on the host.
    for package in [one for one in sys.modules if one.partition(".")[0] == "ansible_collections"]:
        del sys.modules[package]
    sys.path.insert(0, folder)
    importlib.import_module(f"{PLUGINS}.modules.{name}").main()


if __name__ == "__main__":
    main()

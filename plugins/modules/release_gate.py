#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_gate
short_description: Starts a release beside the live one and probes it on its own socket
version_added: 1.0.0
description:
  - Starts the instance where it doesn't run, and sends it the very headers that nginx would send. HTTP has to answer
    as expected
    several times in a row, and a WebSocket handshake has to succeed where the release offers one.
  - An instance that fails is stopped again, and the message says why, with the line of its journal. Nothing that is
    live is touched.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  release:
    description: The identifier of the release.
    type: str
    required: true
  successes:
    description: How many rounds of probes in a row must pass.
    type: int
    default: 3
  deadline:
    description: The seconds in all that the instance has.
    type: float
    default: 60
  remains:
    description: What was changed for the release and stays where it fails, with which the message ends.
    type: str
    default: ""
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The release has passed its gate
  switchyard.django.release_gate:
    site: shop
    release: 0123456789ab
"""

RETURN = r"""
started:
  description: Whether the instance was started by this call.
  type: bool
  returned: success
probed:
  description: What was asked of it, C(path) so many C(times) in a row, and the C(websocket) that was opened, if any.
  type: dict
  returned: when not in check mode
seconds:
  description: How long it took.
  type: float
  returned: when not in check mode
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import gate, lease, state
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "release": {"type": "str", "required": True},
            "successes": {"type": "int", "default": 3},
            "deadline": {"type": "float", "default": 60},
            "remains": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    layout, release = Layout(module.params["site"]), module.params["release"]
    if module.check_mode:
        module.exit_json(changed=release not in state.running_instances(layout), started=False)
    module.exit_json(**gate.pass_or_fail(module, layout, release, module.params))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_servers
short_description: Takes hosts out from behind a balancer for maintenance, brings them back, and says how all are
version_added: 1.0.0
description:
  - Asks HAProxy by its own socket. A host that is out gets no new visitors, while those it has are served to their end.
  - Who is out stays out, whatever reloads or restarts HAProxy, until somebody brings it back.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
options:
  backend:
    description: HAProxy's backend.
    type: str
    required: true
  out:
    description: The hosts to take out. The last one that serves can't be.
    type: list
    elements: str
    default: []
  back:
    description: The hosts to bring back.
    type: list
    elements: str
    default: []
  drain:
    description: The seconds to wait at most until those that were taken out have no requests and no WebSockets left.
    type: int
    default: 60
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: Web2 gets no new visitors
  switchyard.django.haproxy_servers:
    backend: shop
    out: [web2]

- name: How the hosts are
  switchyard.django.haproxy_servers:
    backend: shop
  register: balancer
"""

RETURN = r"""
servers:
  description: The hosts behind the balancer, at the end.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The host.
      type: str
    state:
      description: V(up), V(down), V(drain) where it is out, V(maint) where somebody put it into maintenance by hand, or
        V(unchecked).
      type: str
    sessions:
      description: The requests and WebSockets that it serves at this moment.
      type: int
    check:
      description: What the last health check found, in HAProxy's words.
      type: str
message:
  description: All of it in words, line by line.
  type: list
  elements: str
  returned: success
"""

from dataclasses import asdict, replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, haproxy
from ansible_collections.switchyard.django.plugins.module_utils.layout import HAPROXY_LOCK


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "backend": {"type": "str", "required": True},
            "out": {"type": "list", "elements": "str", "default": []},
            "back": {"type": "list", "elements": "str", "default": []},
            "drain": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        if module.check_mode and not (haproxy.runs() and haproxy.servers(module.params["backend"])):
            module.exit_json(changed=False, servers=[], message=["HAProxy does not balance the site yet"])
        module.exit_json(**settle(module, module.params["backend"]))
    except (haproxy.HAProxyError, OSError) as problem:
        module.fail_json(msg=str(problem))


def settle(module: AnsibleModule, backend: str) -> dict:
    """Take out and bring back what is not so already, wait for it, and say how all are."""
    before = haproxy.servers(backend)
    out, back = module.params["out"], module.params["back"]
    problem = haproxy.problem_of(before, out, back)
    if problem:
        raise haproxy.HAProxyError(f"{problem}. Nothing was changed.")
    leaving = [one.name for one in before if one.name in out and not one.out]
    coming = [one.name for one in before if one.name in back and one.out]
    if module.check_mode:
        after = [
            replace(one, out=True, state="drain")
            if one.name in leaving
            else replace(one, out=False, state="up")
            if one.name in coming
            else one
            for one in before
        ]
    else:
        with disk.locked(HAPROXY_LOCK):
            haproxy.decide(backend, coming, "ready")
            haproxy.decide(backend, leaving, "drain")
        for one in haproxy.wait_until_idle(backend, out, module.params["drain"] if out else 0):
            module.warn(
                f"{one.name} gets no new visitors, and still has {one.sessions} after {module.params['drain']} s "
                "(balancer_drain): WebSockets, or requests that take longer. They end when its site is stopped"
            )
        for one in haproxy.wait_until_up(backend, back):
            module.warn(f"{one.name} is back, and gets no visitors while its health check fails: {one.check}")
        after = haproxy.servers(backend)
    texts = ["".join(f"{one.name} {'out' if one.out else 'in'}\n" for one in some) for some in (before, after)]
    return {
        "changed": bool(leaving or coming),
        "servers": [asdict(one) for one in after],
        "message": [str(one) for one in after],
        "diff": [{"before_header": backend, "after_header": backend, "before": texts[0], "after": texts[1]}],
    }


if __name__ == "__main__":
    main()

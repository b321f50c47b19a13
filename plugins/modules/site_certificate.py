#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_certificate
short_description: Has the certificate on the host by which nginx speaks TLS for a site
version_added: 1.0.0
description:
  - Makes a certificate that signs itself, or fetches one with Debian's certbot from an ACME authority, where
    there is none for these names from this authority, or where it ends soon.
  - Its place is named by a digest of the names and of the authority. C(/etc/letsencrypt) has the lineage
    C(switchyard-SITE-DIGEST), C(/etc/switchyard/SITE/tls) the folder C(DIGEST). So a certificate for other names, or
    from another authority, is had beside the one that nginx serves, which stays as it is. A cutover moves to the new
    one.
  - What nginx names no longer is removed by the host itself, a quarter of an hour after the cutover.
  - What is fetched is renewed by C(certbot.timer), which reloads nginx afterwards.
  - The authority asks for a file over HTTP under each of the names. The site's server answers where the site is live.
    For names that nginx does not serve yet, a server of a few lines answers for as long as the authority asks. What is
    live is not interrupted, and is as it was where no certificate can be had.
  - certbot trusts whom the host trusts. The certificate of a private authority's server, or of who signed it, is laid
    into C(/usr/local/share/ca-certificates) as C(NAME.crt), and C(update-ca-certificates) run.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  kind:
    description: Where it comes from, V(nginx_tls). One that is V(provided) is looked at; with V(none) there
      is nothing to do but to clear up behind a run that was cut off.
    type: str
    choices: [none, self_signed, provided, acme]
    required: true
  domains:
    description: The names that the certificate has to cover.
    type: list
    elements: str
    required: true
  certificate:
    description: The path of a certificate that is V(provided).
    type: str
    default: ""
  key:
    description: The path of its key.
    type: str
    default: ""
  email:
    description: Whom the authority writes to; empty for nobody.
    type: str
    default: ""
  directory:
    description: Whom to ask. V(production) and V(staging) are Let's Encrypt's; else the URL of an ACME directory.
    type: str
    default: production
  port:
    description: The port on which nginx speaks HTTP for the site.
    type: int
    default: 80
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The certificate is there
  switchyard.django.site_certificate:
    site: shop
    kind: acme
    domains: [shop.example.org, www.shop.example.org]
    email: ops@example.org
"""

RETURN = r"""
certificate:
  description: The path of the certificate, with those between it and the root behind it; empty for V(none).
  type: str
  returned: success
key:
  description: The path of its key.
  type: str
  returned: success
due:
  description: Why something was done, or would be; empty where nothing was.
  type: str
  returned: success
message:
  description: What was done, or would be.
  type: str
  returned: success
expires:
  description: When the certificate ends, in UTC; empty where there is none.
  type: str
  returned: success
  sample: "2027-02-24T06:55:47+00:00"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import acme, certificate, lease
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

KINDS = ["none", "self_signed", "provided", "acme"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "kind": {"type": "str", "required": True, "choices": KINDS},
            "domains": {"type": "list", "elements": "str", "required": True},
            "certificate": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": False},  # a path
            "email": {"type": "str", "default": ""},
            "directory": {"type": "str", "default": "production"},
            "port": {"type": "int", "default": 80},
        },
        supports_check_mode=True,
    )
    layout = Layout(module.params["site"])
    lease.keep(layout, module.params["lease"], module.fail_json)
    wanted = certificate.wanted_of(module.params)
    try:
        changed, due = acme.settle(layout, wanted, module.check_mode)
    except certificate.CertificateError as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=changed, due=due, **told(layout, wanted, due, module.check_mode))


def told(layout: Layout, wanted: certificate.Wanted, due: str, check_mode: bool) -> dict[str, Any]:
    """Where the certificate is, until when, and what was done."""
    if wanted.kind == "none":
        paths, found = ("", ""), None
    else:
        paths = certificate.files(layout, wanted)
        found = certificate.read(paths[0])
    done = f"{'would be' if check_mode else 'was'} seen to, because {due}" if due else "is in order"
    return {
        "certificate": str(paths[0]),
        "key": str(paths[1]),
        "expires": found.ends.isoformat() if found else "",
        "message": f"{layout.site}: the certificate {done}",
    }


if __name__ == "__main__":
    main()

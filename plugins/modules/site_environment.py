#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_environment
short_description: Writes the environment file of a release, and makes the site's secrets once
version_added: 1.0.0
description:
  - Puts together V(site_env), the usual names of what follows from the site, and a secret key where the user gives
    none, and
    writes the result for systemd alone, mode 0600, root's, under the keyed digest of its content.
  - A file that somebody has edited is written again.
  - The secrets of a site are made once and are the same on all its hosts.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  variables:
    description: V(site_env) as one JSON text. No value is returned or shown.
    type: str
    required: true
  domains:
    description: The host names of the site.
    type: list
    elements: str
    required: true
  scheme:
    description: How visitors come, V(http) or V(https).
    type: str
    choices: [http, https]
    default: http
  services:
    description: The services that the site uses, as M(switchyard.django.site_state) takes them.
    type: str
    default: "{}"
  secrets:
    description:
      - The secrets of another host of the site, as RV(secrets) returned them there.
      - Without it they are made where the host has none.
    type: str
  share:
    description: Return the secrets for another host. Use it with C(no_log) alone.
    type: bool
    default: false
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The environment is in place
  switchyard.django.site_environment:
    site: shop
    variables: "{{ site_env | to_json }}"
    domains: [shop.example.org]
"""

RETURN = r"""
digest:
  description: The keyed digest that names the environment.
  type: str
  returned: success
secrets:
  description: The site's secrets.
  type: str
  returned: when O(share) is true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file, environment, lease, services
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "variables": {"type": "str", "required": True, "no_log": True},
            "domains": {"type": "list", "elements": "str", "required": True},
            "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
            "services": {"type": "str", "default": "{}", "no_log": True},
            "secrets": {"type": "str", "no_log": True},
            "share": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    layout = Layout(module.params["site"])
    site_secrets = environment.load(layout)
    made = site_secrets is None
    if site_secrets is None:
        given = module.params["secrets"]
        site_secrets = environment.SiteSecrets.from_json(given) if given else environment.SiteSecrets.make()
        if not module.check_mode:
            environment.save(layout, site_secrets)
    variables = environment.given(module.params["variables"])
    composed = environment.with_defaults(
        variables,
        module.params["domains"],
        layout,
        module.params["scheme"],
        services.read(module.params["services"]),
        site_secrets.identity_key,
    )
    complete = environment.with_secret_key(composed, site_secrets)
    digest = environment.digest(complete, site_secrets)
    write = not environment.is_in_place(layout, digest, complete)
    if write and not module.check_mode:
        disk.write(layout.environment(digest), env_file.render(complete), 0o600)
    shared = {"secrets": site_secrets.to_json()} if module.params["share"] else {}
    module.exit_json(changed=made or write, digest=digest, **shared)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_verifiers
short_description: By what the services of a site know its password without having it
version_added: 1.0.0
description:
  - The password of a service is derived from the secrets of the site and stays on the site's hosts. What is returned
    here proves it, and does not let anybody in. Changes nothing.
  - Use it with C(no_log) all the same.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The services can know the site
  switchyard.django.site_verifiers:
    site: shop
  no_log: true
  register: verifiers
"""

RETURN = r"""
mark:
  description: By which what belongs to the site is known on the host of a service.
  type: str
  returned: success
postgresql:
  description: The verifier of SCRAM-SHA-256, as PostgreSQL keeps it.
  type: str
  returned: success
redis:
  description: The hash of the password, as an ACL of Redis has it.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import data_host, environment, lease, services
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(argument_spec=lease.ARGUMENTS, supports_check_mode=True)
    layout = Layout(module.params["site"])
    lease.keep(layout, module.params["lease"], module.fail_json)
    # Only in check mode a site has none yet.
    secrets = environment.load(layout) or environment.SiteSecrets.make()
    module.exit_json(
        changed=False,
        mark=data_host.mark(layout.site, secrets.fingerprint),
        postgresql=services.scram_verifier(secrets.identity_key),
        redis=services.redis_verifier(secrets.identity_key),
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_lease
short_description: Lets the next run in
version_added: 1.0.0
description:
  - Frees the lease that M(switchyard.django.site_state) or M(switchyard.django.release_rollback) took. One that is
    another run's by now stays.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The next run may begin
  switchyard.django.site_lease:
    site: shop
    lease: "{{ state.lease }}"
"""

RETURN = r"""
freed:
  description: Whether the lease was this run's.
  type: bool
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(argument_spec=lease.ARGUMENTS, supports_check_mode=True)
    freed = False if module.check_mode else lease.free(Layout(module.params["site"]), module.params["lease"])
    # A lease is no state of the host: what a run takes it gives back.
    module.exit_json(changed=False, freed=freed)


if __name__ == "__main__":
    main()

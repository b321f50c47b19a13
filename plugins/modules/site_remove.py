#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_remove
short_description: Takes a site off its host
version_added: 1.0.0
description:
  - Takes the site out of nginx, stops its instances and removes its units, files and folders. What all sites of the
    host share goes with the last one.
  - Changes nothing where nginx would not accept what is left, or where something that goes is a mount.
  - One that is cut off is ended by the next call.
extends_documentation_fragment:
  - switchyard.django.attributes.diff
  - switchyard.django.attributes
  - switchyard.django.site
options:
  data:
    description:
      - Whether the site's data and media folders, its secrets, its own certificate, its access logs, its user and its
        group go as well. They are lost then.
    type: bool
    default: false
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The site is gone, and its data is kept
  switchyard.django.site_remove:
    site: shop
"""

RETURN = r"""
found:
  description: What the host had of the site. V(site), V(half) where a removal was cut off, V(data) where one has kept
    something, or V(nothing).
  type: str
  returned: success
gone:
  description: What went, or would go.
  type: list
  elements: str
  returned: success
kept:
  description: What stays of the site.
  type: list
  elements: str
  returned: success
sites:
  description: The other sites of the host, for a message.
  type: str
  returned: success
message:
  description: All of it in words, line by line.
  type: list
  elements: str
  returned: success
freed:
  description: Whether the lease, which is no more either, was this run's.
  type: bool
  returned: success
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import lease, removal, state, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={**lease.ARGUMENTS, "data": {"type": "bool", "default": False}}, supports_check_mode=True
    )
    try:
        layout = Layout(module.params["site"])
    except ValueError as problem:
        module.fail_json(msg=str(problem))
    lease.keep(layout, module.params["lease"], module.fail_json)
    try:
        result = remove(layout, module.params["data"], module.params["lease"], module.check_mode)
    except (
        *(removal.RemovalError, units.StillAtWorkError),
        *(OSError, ValueError, subprocess.CalledProcessError),
    ) as problem:
        told = " It is half removed; run this again, which ends it." if state.is_half_removed(layout) else ""
        module.fail_json(msg=f"{layout.site}: {problem}{told}")
    # Also where the run before, for which this one waited, has removed the site.
    done = not module.check_mode and (result["changed"] or module.params["lease"])
    freed = bool(done) and lease.dissolve(layout, module.params["lease"])
    module.exit_json(**result, freed=freed)


def remove(layout: Layout, data: bool, token: str, check: bool) -> dict:
    """Remove the site, or say what would go."""
    what, planned = removal.found(layout), removal.survey(layout, data)
    changed = what == "half" or bool(planned.gone)
    if changed and check:
        removal.require_possible(layout, planned)
    elif changed:
        held = lease.read(layout)
        removal.carry_out(layout, data, held.by if held and held.token == token else "")
    return {
        "changed": changed,
        "found": what,
        "gone": planned.gone,
        "kept": planned.kept,
        "sites": state.sites(),
        "message": removal.describe(layout, what, planned, done=not check),
        "diff": difference(layout.site, planned) if changed else [],
    }


def difference(site: str, planned: removal.Removal) -> list[dict]:
    """What there is of the site, before and after."""
    after = [*planned.kept, *([str(planned.stock[0])] if planned.stock else [])]
    texts = {"before": [*planned.gone, *planned.kept], "after": after}
    return [
        {
            "before_header": f"of {site}",
            "after_header": f"of {site}",
            **{when: "".join(f"{line}\n" for line in lines) for when, lines in texts.items()},
        }
    ]


if __name__ == "__main__":
    main()

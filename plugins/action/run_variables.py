# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges on the controller what a run is told; documented in plugins/modules/run_variables.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.parsing.splitter import split_args
from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.module_utils import fleet, run_variables

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Once for all hosts, and without a connection to any."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(
            argument_spec={
                "needs": {"type": "list", "elements": "str", "default": []},
                "members": {"type": "list", "elements": "str"},
                "hosts": {"type": "list", "elements": "str"},
            }
        )
        variables = task_vars or {}
        here = variables["inventory_hostname"]
        if run_variables.LOST in variables:
            raise AnsibleActionFail("\n".join(run_variables.cut_off(_cut_off() or [""])))
        judged = variables["ansible_play_hosts_all"] if given["hosts"] is None else given["hosts"]
        hosts = {name: variables["hostvars"][name] for name in judged}
        if given["members"] is not None:
            groups = [one.get("site_group", "all") for one in hosts.values()]
            site = hosts[here].get("site_name", "the site")
            if problem := fleet.members_problem(groups, list(hosts), given["members"], site):
                raise AnsibleActionFail(problem)
            hosts = {name: one for name, one in hosts.items() if name in given["members"]}
        known = run_variables.options(ROLES)
        of_the_play = set(variables) - set(variables["hostvars"][here])
        needs = [name for name in given["needs"] if name not in of_the_play]
        if problems := run_variables.missing(needs, hosts, known):
            raise AnsibleActionFail("\n".join(problems))
        names = {name for one in hosts.values() for name in one}
        return {**result, "warnings": run_variables.mistyped(names, known)}


def _cut_off() -> list[str]:
    """The variables of -e NAME=VALUE that have words behind them which are of none."""
    found = {}
    for text in context.CLIARGS.get("extra_vars", ()):
        name = ""
        for word in split_args(text) if text[:1] not in "@/[{" else []:
            if "=" in word:
                name = word.partition("=")[0]
            else:
                found[name] = None
    return list(found)

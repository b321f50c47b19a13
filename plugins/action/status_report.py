# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a site's status on the controller; its documentation is in plugins/modules/status_report.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.switchyard.django.plugins.module_utils import (
    listing,
    output_file,
    status_table,
    status_verdict,
    words,
)
from ansible_collections.switchyard.django.plugins.plugin_utils import status_page

# What Ansible adds to the answer of a module.
NOT_OURS = ("changed", "failed", "failed_when_result", "warnings", "deprecations", "ansible_facts", "invocation")


class ActionModule(ActionBase):
    """Prints the table, writes JSON and page, and judges."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        given = self._task.args
        hosts = {host: _answer(one) for host, one in given["hosts"].items()}
        limits = status_verdict.limits_of({**vars(status_verdict.Limits()), **given.get("limits", {})})
        problems = status_verdict.problems(hosts, limits, boolean(given.get("everywhere", False)))
        for line in status_table.lines(given["site"], hosts, given.get("left_out", []), problems):
            Display().display(line)
        told = {"site": given["site"], "hosts": hosts, "problems": problems}
        if not self._task.check_mode:
            _write(given.get("json", ""), lambda: json.dumps(told, indent=2, sort_keys=True) + "\n")
            _write(given.get("report", ""), lambda: status_page.render(told, Path(given["template"])))
        _require_site(given["site"], hosts)
        if problems and boolean(given.get("fail", False)):
            found = listing.count(len(problems), "problem")
            said = f"{given['site']} has to be looked at (status_fail): {found}, named at the end of the table above"
            return {**result, "failed": True, "msg": said}
        return {**result, "changed": False, "problems": problems}


def _answer(one: Any) -> dict[str, Any]:
    """What the module returned on a host, as plain values."""
    answer = one if isinstance(one, Mapping) else {}
    return {name: value for name, value in answer.items() if name not in NOT_OURS}


def _write(path: str, content: Callable[[], str]) -> None:
    """Write a file that the user asked for."""
    try:
        if path:
            output_file.write(path, content())
    except OSError as problem:
        raise AnsibleActionFail(f"{path} can't be written: {problem}") from None


def _require_site(site: str, hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to call it well where nobody knows, or where a name was mistyped."""
    answers = [one for one in hosts.values() if "found" in one]
    if not answers:
        reasons = "\n".join(f"{host}: {words.why_silent(one)}" for host, one in hosts.items())
        raise AnsibleActionFail(f"{site}: no host could be asked.\n{reasons}")
    if all(one["found"] == "nothing" for one in answers):
        known = sorted({name for one in answers for name in one["sites"]})
        raise AnsibleActionFail(f"site_name {site}: no host has such a site. They have {', '.join(known) or 'none'}.")

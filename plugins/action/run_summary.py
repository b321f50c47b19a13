# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts together what the modules of a run have returned; documented in plugins/modules/run_summary.py."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.module_utils import run_summary
from ansible_collections.switchyard.django.plugins.module_utils.commands import Commands
from ansible_collections.switchyard.django.plugins.module_utils.run_summary import Failure, Run


class ActionModule(ActionBase):
    """Says what the run has done, without a connection to any host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(
            argument_spec={
                "site": {"type": "str", "required": True},
                "operation": {"type": "str", "choices": ["deploy", "rollback", "restore"], "required": True},
                "release": {"type": "str", "default": ""},
                "hosts": {"type": "list", "elements": "str", "required": True},
                "absent": {"type": "list", "elements": "str", "default": []},
                "results": {"type": "dict", "required": True},
                "requirements": {"type": "str", "default": ""},
                "backup": {"type": "str", "default": ""},
                "reason": {"type": "str", "default": ""},
                "failed": {"type": "bool", "default": False},
            }
        )
        variables = task_vars or {}
        names = [host for host in variables["ansible_play_hosts_all"] if host in given["hosts"]]  # in their order
        hosts = {host: _results(variables["hostvars"][host], given["results"]) for host in names}
        run = Run(
            site=given["site"],
            operation=given["operation"],
            release=given["release"],
            hosts=hosts,
            commands=_commands(given["site"], variables),
            seconds=_since(hosts),
            check=self._task.check_mode,
            absent=given["absent"],
            lost=[host for host, facts in hosts.items() if any(one.get("unreachable") for one in facts.values())],
            backup=given["backup"],
            reason=given["reason"],
            effects=_effects(hosts),
        )
        result["_ansible_verbose_always"] = True  # printed as debug prints a list
        if given["failed"]:
            failures = _failures(variables, names)
            result.update(failed=True, msg=run_summary.cause(run, failures), summary=run_summary.failed(run, failures))
        elif run.check and run.operation == "deploy":
            result["msg"] = _preview(run, given["requirements"])
        else:
            result["msg"] = run_summary.done(run)
        return result


def _results(host: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What the modules returned for a host, as far as they ran."""
    found = {name: host.get(variable) for name, variable in names.items()}
    return {name: one for name, one in found.items() if one}


def _commands(site: str, variables: Mapping[str, Any]) -> Commands:
    return Commands(
        site,
        variables.get("ansible_inventory_sources") or [],
        variables["playbook_dir"],
        variables.get("ansible_limit") or "",
    )


def _since(hosts: Mapping[str, Mapping[str, Any]]) -> float:
    """The seconds since the run began, by the controller's clock, on which its first module ran."""
    begun = [
        facts[name]["began"]
        for facts in hosts.values()
        for name in ("plan", "read", "rollback")
        if "began" in facts.get(name, {})
    ]
    return time.time() - min(begun) if begun else 0


def _effects(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """What the files of the migrations that are applied say of them, as far as they are the project's own.

    Those that the release before does not know: of this run, and of runs that failed before.
    """
    builds = [facts.get("build", {}) for facts in hosts.values()]
    applied = {name for one in builds for what in ("pending", "left") for name in one.get(what, [])}
    archive = next((facts["plan"]["archive"] for facts in hosts.values() if "archive" in facts.get("plan", {})), "")
    if not (applied and archive):
        return {}
    # Most runs migrate nothing.
    import tarfile

    from ansible_collections.switchyard.django.plugins.module_utils import migration_files, source_history

    try:
        texts = source_history.texts(Path(archive), migration_files.is_wanted)
    except (OSError, tarfile.TarError):  # another run has tidied up: the deploy went well all the same
        return {}
    found = migration_files.read(texts)
    return {one.called: one.effects for one in found if one.called in applied}


def _failures(variables: Mapping[str, Any], hosts: list[str]) -> list[Failure]:
    """Why the run ended, on all hosts that failed at the same task; of what is judged once for all, on none of them.

    What was rescued before is still known of a host. What this host has met last is what ended the run, or else, where
    it has met nothing, what the others have.
    """
    known = {
        host: variables["hostvars"].raw_get(host) for host in hosts
    }  # a task has templates: they mean nothing here
    met = {host: one for host, one in known.items() if one.get("ansible_failed_result")}
    if not met:
        return []
    here = variables["inventory_hostname"]
    last = met[here if here in met else next(iter(met))]
    if _task(last).get("run_once"):
        return [_failure("", last)]
    return [_failure(host, one) for host, one in met.items() if _identity(one) == _identity(last)]


def _failure(host: str, known: Mapping[str, Any]) -> Failure:
    task, result = _task(known), known["ansible_failed_result"]
    return Failure(_delegated(result) or host, task.get("name", ""), _message(result, task))


def _task(known: Mapping[str, Any]) -> Mapping[str, Any]:
    return known.get("ansible_failed_task") or {}


def _identity(known: Mapping[str, Any]) -> Any:
    return _task(known).get("uuid") or _task(known).get("name")


def _delegated(result: Mapping[str, Any]) -> str:
    """The host that a task was delegated to, if any; the controller is none."""
    host = (result.get("_ansible_delegated_vars") or {}).get("ansible_delegated_host") or ""
    return "" if host == "localhost" else str(host)


def _message(result: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    if result.get("_ansible_no_log") or task.get("no_log"):
        return "what it said is not shown, for it may hold a secret"
    items = [one for one in result.get("results", []) if one.get("failed")]  # of a loop
    return str((items[0] if items else result).get("msg") or "")


def _preview(run: Run, requirements: str) -> list[str]:
    # Ansible starts a process for each task: what is needed in check mode alone is read then.
    from ansible_collections.switchyard.django.plugins.module_utils import deploy_preview
    from ansible_collections.switchyard.django.plugins.plugin_utils import markers

    python = next(iter(run.of("release").values()))["wanted"]["manifest"]["python"]
    holds = functools.partial(markers.holds, python=python)
    return deploy_preview.preview(run, deploy_preview.sources(run, requirements, holds))

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of site_plan; its documentation is in plugins/modules/site_plan.py."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader
from ansible_collections.switchyard.django.plugins.module_utils import (
    build_variables,
    plan,
    process_variables,
    project_files,
    requirements,
    services,
    source,
    timing,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.plugin_utils import controller


class ActionModule(ActionBase):
    """Judges the variables and resolves the source, without a connection to any host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = {**super().run(tmp, task_vars), "began": time.time()}
        _validated, variables = self.validate_argument_spec(
            argument_spec={
                "site_name": {"type": "raw", "required": True},
                **controller.SOURCE_OPTIONS,
                "site_package": {"type": "str", "required": True},
                "site_settings": {"type": "str", "required": True},
                "site_settings_overrides": {"type": "raw", "default": {}},
                "site_domains": {"type": "raw", "required": True},
                "site_env": {"type": "raw", "default": {}},
                "site_env_schema": {"type": "raw", "default": []},
                "site_processes": {"type": "raw", "default": {}},
                "site_timers": {"type": "raw", "default": {}},
                "site_requirements": {"type": "str", "default": ""},
                "site_packages": {"type": "raw", "default": []},
                "release_build_commands": {"type": "raw", "default": []},
                "release_build_timeout": {"type": "raw", "default": 1800},
                "release_build_environment": {"type": "raw", "default": {}},
                "site_requirements_overrides": {"type": "raw", "default": []},
                "site_health_path": {"type": "str", "required": True},
                "site_websocket_path": {"type": "str", "default": ""},
                "site_request_timeout": {"type": "str", "default": "60"},
                "site_graceful_timeout": {"type": "str", "default": "auto"},
                "nginx_read_timeout": {"type": "str", "default": "auto"},
                "scheme": {"type": "str", "default": "http"},
                "serve_mode": {"type": "str", "default": ""},
                "hosts": {"type": "list", "elements": "str", "default": []},
                "site_database": {"type": "raw", "default": "sqlite"},
                "site_database_host": {"type": "str", "default": ""},
                "site_database_variables": {"type": "raw", "default": {"DATABASE_URL": "url"}},
                "site_redis": {"type": "raw", "default": False},
                "site_redis_host": {"type": "str", "default": ""},
                "site_redis_variables": {"type": "raw", "default": {"REDIS_URL": "url"}},
                "postgresql_port": {"type": "raw", "default": 5432},
                "redis_port": {"type": "raw", "default": 6379},
            }
        )
        self._refuse(plan.shape_problems(variables))
        times, contradictions = timing.plan(variables)
        processes, wrong = process_variables.read(variables, variables["hosts"])
        self._refuse([*plan.problems(variables), *build_variables.problems(variables), *contradictions, *wrong])
        problems, placed = services.place(variables, variables["hosts"], _addresses(task_vars or {}))
        self._refuse([*problems, *_missing_collections(placed)])
        problems, result["warnings"] = plan.judge_environment(variables, Layout(variables["site_name"]), placed)
        self._refuse(problems)
        try:
            found = controller.resolve(variables)
            wanted = requirements.find(variables["site_requirements"], found.files, found.read)
            wanted = requirements.overridden(wanted, variables["site_requirements_overrides"])
        except (source.SourceError, requirements.RequirementsError) as problem:
            self._refuse([str(problem)])
        root = plan.project_root(variables["site_package"], found.files)
        if root is None:
            package = (
                f"site_package {variables['site_package']!r} is no package of site_source: no folder has that name"
            )
            self._refuse([f"{package}. {plan.candidates(found.files)}"])
        processes, missing = process_variables.placed(processes, variables["site_name"], root or "", found.files)
        # What a build makes is not in the source.
        if not variables["release_build_commands"]:
            missing += project_files.settings_problems(variables["site_settings"], root or "", found.files, found.read)
        self._refuse(missing)
        try:
            advised = _advice(found.archive, variables) if variables["serve_mode"] == plan.AUTO else {}
        except project_files.ProjectError as problem:
            self._refuse([f"{problem}; or name the stack with serve_mode=wsgi or serve_mode=asgi"])
        result.update(
            origin=source.without_credentials(variables["site_source"]),
            commit=found.commit,
            identity=found.identity,
            archive=str(found.archive),
            clone=str(found.clone or ""),
            files=sorted(name for name in found.files if name.endswith(("manage.py", "asgi.py", "wsgi.py"))),
            root=root,
            prefix=plan.prefix(variables["site_package"]),
            times=asdict(times) if times else {},
            processes=[asdict(process) for process in processes],
            requirements={"kind": wanted.kind, "files": wanted.files},
            services=placed,
            advice=advised,
        )
        return result

    @staticmethod
    def _refuse(problems: list[str]) -> None:
        if problems:
            raise AnsibleActionFail("\n".join(problems))


def _advice(archive: Path, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Which stack the project asks for, and why."""
    # Most runs ask for none.
    from ansible_collections.switchyard.django.plugins.module_utils import advice, advice_text

    files = project_files.read(archive, variables["site_package"], variables["site_settings"])
    found = advice.advise(files, variables["site_settings"])
    return {"stack": found.stack, "firm": found.firm, "lines": advice_text.summary(found)}


def _addresses(task_vars: Mapping[str, Any]) -> dict[str, str]:
    """How the hosts of the inventory are reached: by site_address, or else as Ansible reaches them."""
    hosts = task_vars.get("hostvars", {})
    return {name: hosts[name].get("site_address") or hosts[name].get("ansible_host") or name for name in hosts}


# What a role is made of that ansible-core doesn't have: kind of service -> a module, and where it comes from.
NEEDED = {"postgresql": ("community.postgresql.postgresql_user", "community.postgresql")}


def _missing_collections(placed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for kind in sorted({one["kind"] for one in placed.values() if one}):
        module, collection = NEEDED.get(kind, ("", ""))
        if module and not module_loader.find_plugin_with_context(module).resolved:
            yield (
                f"{kind} is set up by modules of the collection {collection}, which this machine does not have. "
                f"Install it: ansible-galaxy collection install {collection}"
            )

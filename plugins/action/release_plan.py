# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_plan; its documentation is in plugins/modules/release_plan.py."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.module_utils import disk, identity
from ansible_collections.switchyard.django.plugins.plugin_utils import rendering

REQUIRED = {
    "source": "dict",
    "state": "dict",
    "lock": "str",
    "environment": "str",
    "stack": "str",
    "server": "str",
    "entry_point": "str",
    "settings_module": "str",
    "overrides": "dict",
    "domains": "list",
    "gate": "dict",
    "hosts": "int",
    "processes": "list",
    "host": "str",
    "serving": "dict",
    "size": "dict",
    "modules": "list",
    "commands": "list",
    "files": "list",
}


class ActionModule(ActionBase):
    """Names the release, without a connection to any host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(
            argument_spec={name: {"type": kind, "required": True} for name, kind in REQUIRED.items()}
        )
        source, state = given["source"], given["state"]
        given["modules"] = [
            {"path": one["path"], "content": rendering.text(self, one, task_vars or {})} for one in given["modules"]
        ]
        code = {
            "source": source["identity"],
            "root": source["root"],
            "lock": given["lock"],
            "environment": given["environment"],
            "settings": given["settings_module"],
            "overrides": given["overrides"],
            "commands": given["commands"],
        }
        inputs = {
            **code,
            "stack": given["stack"],
            "server": given["server"],
            "gate": given["gate"],
            "serving": given["serving"],
            "modules": given["modules"],
            "files": given["files"],
            "processes": given["processes"],
        }
        identifier = identity.release(inputs)
        build = disk.digest({**code, "python": state["python"]}, 16)
        live = state["releases"].get(state["live"]) if state["live"] else None
        venv = identity.venv(given["lock"], state["python"])
        result.update(
            id=identifier,
            began=time.time(),
            parts={name: disk.digest({name: part}, 12) for name, part in inputs.items()},
            live=state["live"] == identifier,
            rejected=identifier in state["rejected"],
            built=next(
                (name for name, one in state["releases"].items() if one["build"] == build and name != identifier), ""
            ),
            venv=venv,
            switches=bool(live) and live["stack"] != given["stack"],
            wanted={
                "release": identifier,
                "root": source["root"],
                "entry_point": given["entry_point"],
                "settings_module": given["settings_module"],
                "overrides": given["overrides"],
                "environment": given["environment"],
                "venv": venv,
                "domains": given["domains"],
                "health_path": given["gate"]["health_path"],
                "hosts": given["hosts"],
                "serving": given["serving"],
                "size": given["size"],
                "modules": given["modules"],
                "files": given["files"],
                "programs": [{name: one[name] for name in ("variable", "program")} for one in given["processes"]],
                "manifest": {
                    "stack": given["stack"],
                    "server": given["server"],
                    "commit": source["commit"],
                    "origin": source["origin"],
                    # By which the controller that made it finds its source again.
                    "archive": Path(source["archive"]).name.partition(".")[0],
                    "lock": given["lock"],
                    "build": build,
                    # By which releases are known that differ in their environment alone.
                    "code": disk.digest({**inputs, "environment": ""}, 16),
                    "gate": given["gate"],
                    # Those that run on this host.
                    "processes": [
                        {"name": one["name"], "singleton": one["singleton"], "timer": bool(one["schedule"])}
                        for one in given["processes"]
                        if one["host"] in ("", given["host"])
                    ],
                    "python": state["python"],
                },
            },
        )
        return result

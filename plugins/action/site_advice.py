# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of site_advice, which runs on the controller; its documentation is in plugins/modules/site_advice.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.module_utils import (
    advice,
    advice_text,
    output_file,
    project_files,
    settings_needs,
    settings_overlay,
    source,
)
from ansible_collections.switchyard.django.plugins.plugin_utils import controller


class ActionModule(ActionBase):
    """Reads a project, without a connection to any host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, variables = self.validate_argument_spec(
            argument_spec={
                **controller.SOURCE_OPTIONS,
                "site_package": {"type": "str", "default": ""},
                "site_settings": {"type": "str", "default": ""},
                "site_domains": {"type": "list", "elements": "str", "default": []},
                "site_settings_overrides": {"type": "dict", "default": {}},
                "site_env": {"type": "list", "elements": "str", "default": []},
                "scheme": {"type": "str", "choices": ["http", "https"], "default": "https"},
                "json": {"type": "str", "default": ""},
            }
        )
        refused = settings_overlay.problems(variables["site_settings_overrides"])
        refused += filter(None, [output_file.problem("advise_json", variables["json"], "advice.json")])
        if refused:
            raise AnsibleActionFail("\n".join(refused))
        try:
            found = controller.resolve(variables)
            is_folder = found.origin == "folder"  # which a bare repository is not
            folder = source.folder_of(variables["site_source"], Path(variables["base"])) if is_folder else None
            files = project_files.read(found.archive, variables["site_package"], variables["site_settings"], folder)
        except (source.SourceError, project_files.ProjectError) as problem:
            raise AnsibleActionFail(str(problem)) from None
        site = settings_needs.Site(
            variables["site_domains"],
            variables["site_settings_overrides"],
            variables["site_env"],
            variables["scheme"],
        )
        advised = advice.advise(files, variables["site_settings"], site)
        told = {
            "origin": source.without_credentials(variables["site_source"]),
            "commit": found.commit,
            **advice_text.as_data(advised),
        }
        written = variables["json"] and not self._task.check_mode
        result.update(
            changed=bool(written)
            and output_file.write(variables["json"], f"{json.dumps(told, indent=4, sort_keys=True)}\n"),
            stack=advised.stack,
            lines=advice_text.lines(advised),
            advice=told,
        )
        return result

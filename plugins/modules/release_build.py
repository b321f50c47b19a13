#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_build
short_description: Unpacks the code, builds it, asks Django what is in force and records the release
version_added: 1.0.0
description:
  - Takes the archive that M(switchyard.django.site_plan) made to the host and unpacks it as root's, readable by the
    site alone. Where a release on the host was built from the same inputs, its code and static files are taken instead,
    by hard links.
  - Runs the project's own build commands, such as C(npm run build), in the release's virtual environment, environment
    and sandbox, as the site's user. The code can be written while they run, and is root's again when they have ended.
    A release that takes over what another one has built needs none.
  - Loads the release's settings in its own environment and sandbox, runs C(check --deploy), imports the entry point
    and lists pending migrations, in one process, as the site's user.
  - Refuses what would not work in production, all of it at once, with the lines that mend it.
  - Then writes the unit, nginx's part and, last, the manifest, by which the release is whole.
extends_documentation_fragment:
  - switchyard.django.attributes
  - switchyard.django.site
options:
  wanted:
    description: What the release is to be, as M(switchyard.django.release_plan) returns it.
    type: dict
    required: true
  archive:
    description: The path of the archive on the controller. The action takes it to the host.
    type: path
    default: ""
  code:
    description: The archive itself, in Base64. The action sets it where the archive is small.
    type: str
    default: ""
  built:
    description: The identifier of a release that was built from the same inputs; empty for none.
    type: str
    default: ""
  commands:
    description: The build commands, each one a line that is split as a shell does, and run by none.
    type: list
    elements: str
    default: []
  timeout:
    description: The seconds after which a build command is stopped.
    type: int
    default: 1800
  build_environment:
    description: Environment variables for the build commands as one JSON text. No value is shown.
    type: str
    default: "{}"
  connections:
    description: The connections that the site may have to each of its databases; V(auto) for what the database says,
      V(0) not to count them.
    type: str
    default: auto
  own_database:
    description: Whether the collection itself has set up the database that the settings call default, for the way out
      where its connections do not suffice.
    type: bool
    default: false
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The release is built and recorded
  switchyard.django.release_build:
    site: shop
    wanted: "{{ release.wanted }}"
    archive: "{{ plan.archive }}"
    commands: [npm ci, npm run build, manage.py compilemessages]
"""

RETURN = r"""
pending:
  description: The migrations that are not applied yet.
  type: list
  elements: str
  returned: success
left:
  description: The migrations that runs before have applied, and that the live release does not know.
  type: list
  elements: str
  returned: success
findings:
  description: What C(check --deploy) has to say beside errors.
  type: list
  elements: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: when something was done
"""

import base64
import binascii
import inspect
import io
import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import (
    build,
    database_url_readers,
    django_inspector,
    django_settings,
    env_finding,
    environment,
    gate,
    lease,
    processes,
    release,
    rollback,
    state,
    stopwatch,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **lease.ARGUMENTS,
            "wanted": {"type": "dict", "required": True},
            "archive": {"type": "path", "default": ""},
            "code": {"type": "str", "default": "", "no_log": True},  # long, and of no use in a log
            "built": {"type": "str", "default": ""},
            "commands": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 1800},
            "build_environment": {"type": "str", "default": "{}", "no_log": True},
            "connections": {"type": "str", "default": "auto"},
            "own_database": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    lease.keep(Layout(module.params["site"]), module.params["lease"], module.fail_json)
    layout, wanted = Layout(module.params["site"]), release.Wanted(**module.params["wanted"])
    whole = state.manifest(layout, wanted.release) is not None
    if module.check_mode:
        module.exit_json(changed=not whole, pending=[], left=[], findings=[])
    if not whole:
        place(module, layout, wanted.release)
    lacking = processes.missing_programs(layout.venv(wanted.venv), wanted.programs)
    if lacking:
        module.fail_json(msg="\n".join(lacking))
    if not whole:
        release.lay_modules(layout, wanted)
    unbuilt = not whole and not release.is_built(layout, wanted.release)
    try:
        if unbuilt and module.params["commands"]:
            variables = json.loads(module.params["build_environment"])
            build.run(layout, wanted, module.params["commands"], variables, module.params["timeout"])
        report = release.inspect(layout, wanted, inspect.getsource(django_inspector), unbuilt)
    except release.ReleaseError as problem:
        module.fail_json(msg=str(problem), seconds=stopwatch.seconds())
    allowed = module.params["connections"]
    databases = report.get("connections", {})
    if allowed != "auto":
        for database in databases.values():
            database["max_connections"] = int(allowed)
    elif module.params["own_database"] and "default" in databases:
        databases["default"]["ours"] = True
    scheme = wanted.manifest["gate"]["scheme"]
    verdict = django_settings.judge(
        report, layout, wanted.domains, wanted.health_path, wanted.hosts, scheme, wanted.size
    )
    if verdict.problems:
        module.fail_json(msg=django_settings.refusal(verdict, wanted.overrides), seconds=stopwatch.seconds())
    if unbuilt:
        release.seal(layout, wanted.release)
    if not whole:
        try:
            release.record(layout, wanted, report)
        except release.ReleaseError as problem:
            module.fail_json(msg=str(problem), seconds=stopwatch.seconds())
    pending = report["migrations"]["pending"]
    # The gate asks, too; but what is migrated for a release that can't serve stays migrated.
    away = gate.unreached(layout, wanted.release, state.manifest(layout, wanted.release) or {}) if pending else ""
    if away:
        module.fail_json(
            msg=f"{away}\nNothing was migrated, and nothing that is live was touched.", seconds=stopwatch.seconds()
        )
    unread = database_url_readers.unread(
        str(layout.code(wanted.release)),
        release.variables_in(layout, wanted.environment),
        environment.default_database(layout),
    )
    findings = verdict.warnings + [env_finding.describe(finding, "") for finding in unread]
    left = rollback.unknown_to_live(layout)
    module.exit_json(changed=not whole, pending=pending, left=left, findings=findings, seconds=stopwatch.seconds())


def place(module: AnsibleModule, layout: Layout, identifier: str) -> None:
    """Have the code where the release has it. What an earlier run has left there is of the same release, and whole."""
    given = module.params
    try:
        if given["built"]:
            release.adopt(layout, identifier, given["built"])
        elif given["code"]:
            release.unpack(layout, identifier, io.BytesIO(base64.b64decode(given["code"], validate=True)))
        else:
            with open(given["archive"], "rb") as archive:
                release.unpack(layout, identifier, archive)
    except (release.ReleaseError, OSError, binascii.Error) as problem:
        module.fail_json(msg=f"site_source can't be unpacked: {problem}", seconds=stopwatch.seconds())


if __name__ == "__main__":
    main()

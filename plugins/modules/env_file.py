#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: env_file
short_description: Judge or write the environment file of a Django site
version_added: 1.0.0
description:
  - Reads an environment file exactly as C(EnvironmentFile=) of systemd does, and says where the service would get
    something else than the author meant.
  - Judges the variables as Django and its C(check --deploy) would, before the service starts with them.
  - Writes the file so that systemd reads back every value as it was given, atomically, and never readable by others.
  - Reports everything at once, by variable and line. No value ever appears in a message, a diff or a result.
author:
  - switchyard.django contributors (@switchyard)
options:
  path:
    description:
      - The path of the environment file.
    type: path
    required: true
  state:
    description:
      - V(validated) reads the file, judges it and changes nothing.
      - V(present) judges O(variables) first, and writes them only if nothing is wrong with them.
    type: str
    choices: [validated, present]
    default: validated
  variables:
    description:
      - The variables to write, each a string or a number. Needed with, and only allowed with, O(state=present).
      - A boolean is refused, because a site may read C(True), C(true) or C(1); write the string
        that the site reads.
    type: dict
  preset:
    description:
      - V(django) judges what Django reads, such as C(DEBUG), C(SECRET_KEY), C(ALLOWED_HOSTS) and
        C(CSRF_TRUSTED_ORIGINS), each with or without the prefix C(DJANGO_).
      - V(none) judges the file and its syntax alone.
    type: str
    choices: [django, none]
    default: django
  domains:
    description:
      - The domains that the site answers on. If C(ALLOWED_HOSTS) is in the environment, it has to cover all of them.
    type: list
    elements: str
    default: []
  required:
    description:
      - Names of variables that must be there and not empty.
    type: list
    elements: str
    default: []
  owner:
    description:
      - The user that owns the file, by name or number.
    type: str
    default: root
  group:
    description:
      - The group of the file, by name or number.
    type: str
    default: root
  mode:
    description:
      - The mode of the file in octal digits. It must leave nothing to others.
      - With O(state=validated) the file may be less open than this, not more.
    type: raw
    default: '0600'
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff
      mode.
    support: full
    details:
      - The diff names the variables that are added, changed or removed, and shows no value.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: linux
notes:
  - The option O(variables) never appears in the result. Use C(no_log) on the task as well if you set
    C(display_args_to_stdout), which prints a task's arguments before any module sees them.
seealso:
  - name: systemd.exec
    description: What systemd says about EnvironmentFile=.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=
  - name: Deployment checklist
    description: What Django says about settings in production.
    link: https://docs.djangoproject.com/en/stable/howto/deployment/checklist/
"""

EXAMPLES = r"""
---
- name: Judge the environment file that is there
  switchyard.django.env_file:
    path: /etc/example/site.env
    domains: [example.org, www.example.org]
    required: [SECRET_KEY, DATABASE_URL]

- name: Write an environment file
  switchyard.django.env_file:
    path: /etc/example/site.env
    state: present
    variables:
      SECRET_KEY: "{{ vault_secret_key }}"
      DATABASE_URL: "{{ vault_database_url }}"
      ALLOWED_HOSTS: example.org,.example.net
      DEBUG: '0'
    domains: [example.org, www.example.net]

- name: Write an environment file for something that is not Django
  switchyard.django.env_file:
    path: /etc/example/worker.env
    state: present
    preset: none
    group: worker
    mode: '0640'
    variables:
      QUEUE: mails
"""

RETURN = r"""
path:
  description: The path of the environment file.
  returned: always
  type: str
  sample: /etc/example/site.env
findings:
  description:
    - Everything there is to say about the file and its variables, errors and warnings.
  returned: always
  type: list
  elements: dict
  contains:
    key:
      description: The variable's name, empty where a line or the whole file is meant.
      type: str
      sample: ALLOWED_HOSTS
    line:
      description: The line in the file, null where there is none.
      type: int
      sample: 7
    code:
      description: A short name for the kind of finding, which stays the same when the message changes.
      type: str
      sample: host-not-allowed
    level:
      description: C(error) if the module fails because of it, else C(warning).
      type: str
      sample: error
    message:
      description: What is wrong.
      type: str
      sample: www.example.org is not covered, so Django would answer every request for it with 400
    hint:
      description: How to mend it.
      type: str
      sample: Add www.example.org to ALLOWED_HOSTS
keys:
  description: The names of the variables that the service gets, sorted.
  returned: success
  type: list
  elements: str
  sample: [ALLOWED_HOSTS, DATABASE_URL, SECRET_KEY]
"""

import dataclasses
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import disk, django_environment, env_file

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
SHORTEST_VALUE_TO_MASK = 8
MADE_BY_EARLIER_TASKS = {"folder-missing", "unknown-owner", "unknown-group"}


@dataclasses.dataclass(frozen=True)
class FileState:
    """A file's content, owners and mode, as they are or as they shall be."""

    content: bytes
    uid: int | None
    gid: int | None
    mode: int

    @classmethod
    def read(cls, path: str) -> FileState | None:
        if not os.path.lexists(path):
            return None
        with open(path, "rb") as file:
            content, status = file.read(), os.fstat(file.fileno())
        return cls(content, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))

    @property
    def access(self) -> str:
        return f"# owner {self.uid}, group {self.gid}, mode {self.mode:04o}"


class EnvFile:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = os.path.abspath(module.params["path"])
        self.owner: str = module.params["owner"]
        self.group: str = module.params["group"]
        self.variables: dict[str, Any] | None = module.params["variables"]
        hide(module)

    def run(self) -> NoReturn:
        try:
            self.mode = env_file.parse_mode(self.module.params["mode"])
        except ValueError as error:
            self._fail(f"mode: {error}")
        try:
            if self.module.params["state"] == "present":
                self._present(self.variables or {})
            self._validated()
        except OSError as error:
            self._fail(f"{self.path}: {error.strerror}")

    def _validated(self) -> NoReturn:
        if self.variables is not None:
            self._fail("variables: state=validated only reads the file. Set state=present to write variables.")
        findings = env_file.judge_file(self.path, self.owner, self.group, self.mode)
        variables: dict[str, str] = {}
        state = FileState.read(self.path) if os.path.isfile(self.path) else None
        if state:
            parsed = env_file.parse(state.content)
            variables = parsed.variables
            findings += parsed.findings + self._judge(variables, parsed.lines)
        self._stop_at_errors(findings)
        self._exit(False, findings, variables)

    def _present(self, given: dict[str, Any]) -> NoReturn:
        variables, findings = env_file.normalise(given)
        # A variable that is refused is there nevertheless: to call it missing as well would mislead.
        required = [key for key in self.module.params["required"] if key in variables or key not in given]
        findings += self._judge_place() + self._judge(variables, {}, required)
        self._stop_at_errors(findings)
        before = FileState.read(self.path)
        uid, gid = env_file.user_id(self.owner), env_file.group_id(self.group)
        after = FileState(env_file.render(variables), uid, gid, self.mode)
        if before != after and uid is not None and gid is not None and not self.module.check_mode:
            disk.write(Path(self.path), after.content, after.mode, (uid, gid))
        self._exit(before != after, findings, variables, diff_of(self.path, before, after))

    def _judge_place(self) -> list[env_file.Finding]:
        findings = env_file.judge_owners(self.owner, self.group) + env_file.judge_place(self.path, self.owner)
        if self.module.check_mode:
            # On a bare host the tasks before this one have only pretended to make the user, the group and the folder.
            findings = [finding for finding in findings if finding.code not in MADE_BY_EARLIER_TASKS]
        return findings

    def _judge(
        self, variables: dict[str, str], lines: dict[str, int], required: list[str] | None = None
    ) -> list[env_file.Finding]:
        if required is None:
            required = self.module.params["required"]
        findings = env_file.judge_required(variables, required, lines)
        if self.module.params["preset"] == "django":
            findings += django_environment.judge_django(variables, self.module.params["domains"], lines)
        return findings

    def _stop_at_errors(self, findings: list[env_file.Finding]) -> None:
        errors = env_file.errors(findings)
        if errors:
            self._warn(findings)
            self._fail("\n".join(env_file.describe(finding, self.path) for finding in errors), findings)

    def _warn(self, findings: list[env_file.Finding]) -> None:
        for finding in env_file.warnings(findings):
            self.module.warn(env_file.describe(finding, self.path))

    def _fail(self, message: str, findings: list[env_file.Finding] | None = None) -> NoReturn:
        # No keys here: in a file with errors, what looks like a name may be a part of a broken value.
        self.module.fail_json(msg=message, path=self.path, findings=as_dicts(findings or []))

    def _exit(
        self,
        changed: bool,
        findings: list[env_file.Finding],
        variables: dict[str, str],
        diff: dict[str, str] | None = None,
    ) -> NoReturn:
        self._warn(findings)
        result = {"diff": diff} if diff and self.module._diff else {}
        self.module.exit_json(
            changed=changed, path=self.path, findings=as_dicts(findings), keys=sorted(variables), **result
        )


def as_dicts(findings: list[env_file.Finding]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(finding) for finding in findings]


def diff_of(path: str, before: FileState | None, after: FileState) -> dict[str, str]:
    """What changes, by the variables' names alone."""
    old = shown_variables(before, after)
    new = env_file.parse(after.content).variables
    new_lines = [f"{key}=(hidden)" if old.get(key) in (None, new[key]) else f"{key}=(hidden, changed)" for key in new]
    if before and old == new and before.content != after.content:
        new_lines.append("# the same variables, written in another form")
    return {
        "before_header": path,
        "after_header": path,
        "before": as_text([before.access, *(f"{key}=(hidden)" for key in sorted(old))]) if before else "",
        "after": as_text([after.access, *new_lines]),
    }


def shown_variables(before: FileState | None, after: FileState) -> dict[str, str]:
    """The variables of the old file, so far as what stands there as a name is certain to be one."""
    if before is None:
        return {}
    parsed = env_file.parse(before.content)
    if not env_file.errors(parsed.findings):
        return parsed.variables
    certain = env_file.parse(after.content).variables
    return {key: value for key, value in parsed.variables.items() if key in certain}


def as_text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def hide(module: AnsibleModule) -> None:
    """Keep the variables' values out of the result, and the result readable.

    With no_log, Ansible replaces every occurrence of every value in the result, and then a variable set to 1 or to
    example.org shreds the line numbers, the domains and the names that the messages are about. Messages are made
    without values to begin with, and the echo of the option is replaced here as a whole. So the mask stays as a second
    lock, for the values that can be secrets: long enough, and not a part of what the user said in another option.
    """
    variables = module.params["variables"]
    if variables is None:
        return
    open_words = [module.params[name] for name in ("path", "owner", "group")]
    open_words += [*module.params["domains"], *module.params["required"], *map(str, variables)]
    module.no_log_values = {
        value
        for value in module.no_log_values
        if len(value) >= SHORTEST_VALUE_TO_MASK
        and not value.isalpha()
        and not any(value in word for word in open_words)
    }
    module.params["variables"] = dict.fromkeys(variables, HIDDEN)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["validated", "present"], "default": "validated"},
            "variables": {"type": "dict", "no_log": True},
            "preset": {"type": "str", "choices": ["django", "none"], "default": "django"},
            "domains": {"type": "list", "elements": "str", "default": []},
            "required": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "raw", "default": "0600"},
        },
        required_if=[("state", "present", ["variables"])],
        supports_check_mode=True,
    )
    EnvFile(module).run()


if __name__ == "__main__":
    main()

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
    something else than the author meant, and where a shell, docker compose or django-environ would read something
    else than systemd.
  - Judges the variables by a schema, and as Django and its C(check --deploy) would, before the service starts with
    them.
  - Judges the file itself, its owner, group and mode, the folders on the way to it, and whether it lies where it could
    be downloaded.
  - Writes the file so that systemd reads back every value as it was given, atomically, and never readable by others.
  - Reports everything at once, by variable and line. No value ever appears in a message, a diff or a result.
author:
  - switchyard.django contributors (@switchyard)
options:
  path:
    description:
      - The absolute path of the environment file.
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
      - Any text is written so that systemd reads it back as it is, with line ends, tabs, quotes, backslashes and
        control characters. What no service can get is refused, namely a NUL byte, a surrogate or a noncharacter of
        Unicode, and more than 131071 bytes with name and C(=).
      - A boolean is refused, because a site may read C(True), C(true) or C(1); write the string
        that the site reads. Put numbers in quotes where their spelling counts, since YAML makes C(3.1) of C(3.10) and
        C(8) of C(010) before any module sees them.
    type: dict
  preset:
    description:
      - V(django) judges what Django reads, such as C(DEBUG), C(SECRET_KEY), C(ALLOWED_HOSTS),
        C(CSRF_TRUSTED_ORIGINS), C(DATABASE_URL), C(REDIS_URL) and C(EMAIL_URL), each with or without the prefix
        C(DJANGO_), and warns of names that are almost a usual one.
      - V(none) judges the file, its syntax and what the other options ask for alone.
    type: str
    choices: [django, none]
    default: django
  domains:
    description:
      - The domains that the site answers on. If C(ALLOWED_HOSTS) is in the environment, it has to cover all of them.
    type: list
    elements: str
    default: []
  schema:
    description:
      - What the variables may be, one entry for each. A name in it also counts as known where O(preset) or a misspelled
        name is judged.
      - An entry that makes no sense is an error, and nothing is read or written.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The variable's name.
        type: str
        required: true
      required:
        description:
          - Whether the variable has to be there, and to hold more than blanks.
        type: bool
        default: false
      type:
        description:
          - What the value has to be, if the variable is there. Blanks around a value are a part of it. An empty value
            is a good V(str), V(list) and V(hosts), and no other type.
          - V(str) is any text.
          - V(bool) is one of C(true), C(false), C(1), C(0), C(yes), C(no), C(on), C(off), C(t), C(f), C(y), C(n), in
            letters of either case.
          - V(int) is decimal digits, with or without a sign before them.
          - V(port) is a number from 1 to 65535, digits alone.
          - V(url) is a scheme, C(://) and a host as in V(host), then what you like. No blanks, and no placeholder for a
            password.
          - V(host) is a host's name in ASCII (letters, digits and hyphens, parted by dots), an IPv4 address, or an IPv6
            address with or without brackets. No scheme, no port.
          - V(hosts) is a list as C(ALLOWED_HOSTS) takes it, of hosts, of names with a dot before them, and of C(*). It
            is parted by commas or blanks, or a JSON list of strings.
          - V(path) is an absolute path of printable characters, without C(.) and C(..). Whether it exists is not looked
            at.
          - V(email) is one mail address, or a name and an address in angle brackets.
          - V(list) is parted by commas, with no entry empty, or a JSON list of strings.
          - V(secret) is what Django takes for a good C(SECRET_KEY), at least 50 characters (or
            O(schema[].min_length)), 5 different ones, not beginning with C(django-insecure-), and no placeholder such
            as C(changeme), C(xxx) or C(<key>).
          - V(dsn) is a scheme, C(://) and something behind it that names a host, a socket or a file. No blanks, and no
            placeholder for a password.
          - V(choice) is one of O(schema[].allowed).
        type: str
        choices: [str, bool, int, port, url, host, hosts, path, email, list, dsn, secret, choice]
        default: str
      pattern:
        description:
          - A regular expression of Python that the whole value has to match.
        type: str
      allowed:
        description:
          - The only values that are allowed, texts or numbers. They are shown in messages.
          - A boolean is refused, because it has no single spelling in an environment.
        type: list
        elements: raw
        default: []
      forbidden:
        description:
          - Values that are not allowed, texts or numbers as in O(schema[].allowed). Messages do not show them.
        type: list
        elements: raw
        default: []
      min_length:
        description:
          - The least number of characters.
        type: int
  required:
    description:
      - Names of variables that must be there and not empty, in short for entries of O(schema).
    type: list
    elements: str
    default: []
  required_together:
    description:
      - Lists of two names or more. Where one variable of a list has a value, all of them need one.
    type: list
    elements: list
    default: []
  required_one_of:
    description:
      - Lists of two names or more. At least one variable of each list needs a value.
    type: list
    elements: list
    default: []
  mutually_exclusive:
    description:
      - Lists of two names or more. At most one variable of each list may have a value.
    type: list
    elements: list
    default: []
  source:
    description:
      - The folder of the project's code on the host, by its absolute path. The file must not lie in it.
      - If C(DATABASE_URL), C(DATABASE_URI) or C(DB_URL) is set, with or without the prefix C(DJANGO_), and none of the
        folder's Python files mentions it or a usual reader of it, there is a warning. Comments, docstrings, virtual
        environments, migrations and tests do not count. Nothing is said where the folder has more than 5000 Python
        files, or one of more than 1 MB.
      - If there is no such folder, there is a warning.
    type: path
  static_root:
    description:
      - The folder of the static files, by its absolute path. The file must not lie in it.
      - If there is no such folder, there is a warning.
    type: path
  media_root:
    description:
      - The folder of the media files, by its absolute path. The file must not lie in it.
      - If there is no such folder, there is a warning.
    type: path
  systemd_version:
    description:
      - The version of systemd that reads the file. Since 254 a comment that ends in a backslash does not go on in the
        next line.
      - Without it the host's own C(systemctl) is asked, and 252 is taken where there is none.
    type: int
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
      - The mode of the file, octal digits in quotes. It must leave nothing to others.
      - With O(state=validated) the file may be less open than this, not more.
    type: raw
    default: '0600'
requirements:
  - python >= 3.9
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details:
      - A file, a folder, a user or a group that is not there is a warning only, because earlier tasks may make it when
        they run for real.
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
- name: The folder of the environment files is root's
  ansible.builtin.file:
    path: /etc/example
    state: directory
    mode: '0755'

- name: The site's environment file is written
  switchyard.django.env_file:
    path: /etc/example/site.env
    state: present
    variables:
      SECRET_KEY: "{{ vault_secret_key }}"
      DATABASE_URL: >-
        postgres://example:{{ vault_database_password | urlencode | replace('/', '%2F') }}@localhost:5432/example
      ALLOWED_HOSTS: example.org,.example.net
      DEBUG: '0'
    domains: [example.org, www.example.net]

- name: The environment file that is there is a good one
  switchyard.django.env_file:
    path: /etc/example/site.env
    domains: [example.org, www.example.net]
    source: /srv/example/src
    static_root: /srv/example/static
    media_root: /srv/example/media
    schema:
      - {name: SECRET_KEY, type: secret, required: true}
      - {name: WORKERS, type: int}
      - {name: LOG_LEVEL, type: choice, allowed: [debug, info, warning, error]}
      - {name: ADMIN_URL, pattern: '[a-z0-9-]+/'}
    required_one_of: [[DATABASE_URL, DB_NAME]]
    required_together: [[DB_NAME, DB_USER, DB_PASSWORD]]
    mutually_exclusive: [[DATABASE_URL, DB_NAME]]

- name: A group may read the environment of its worker
  ansible.builtin.group:
    name: worker
    system: true

- name: The environment file of something that is not Django is written
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
names:
  description: The names of the variables that the service gets, sorted.
  returned: success
  type: list
  elements: str
  sample: [ALLOWED_HOSTS, DATABASE_URL, SECRET_KEY]
"""

import dataclasses
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils import (
    database_url_readers,
    disk,
    django_environment,
    env_file,
    env_finding,
    env_names,
    env_options,
    env_place,
    env_schema,
)
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import Finding
from ansible_collections.switchyard.django.plugins.module_utils.env_options import FOLDERS, GROUPS

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
SHORTEST_VALUE_TO_MASK = 8
MADE_BY_EARLIER_TASKS = {"folder-missing", "missing", "unknown-owner", "unknown-group"}


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
        self.path: str = module.params["path"]
        self.owner: str = module.params["owner"]
        self.group: str = module.params["group"]
        self.variables: dict[str, Any] | None = module.params["variables"]
        hide(module)

    def run(self) -> NoReturn:
        self._read_options()
        try:
            if self.module.params["state"] == "present":
                self._present(self.variables or {})
            self._validated()
        except OSError as error:
            self._fail(f"{self.path}: {error.strerror}")

    def _read_options(self) -> None:
        problems = env_options.problems(self.module.params)
        self.schema, broken = env_schema.read(self.module.params["schema"])
        problems += [f"schema: {problem}" for problem in broken]
        if problems:
            self._fail("\n".join(problems))
        self.mode = env_place.parse_mode(self.module.params["mode"])
        self.path = os.path.abspath(self.path)

    def _validated(self) -> NoReturn:
        if self.variables is not None:
            self._fail("variables: state=validated only reads the file. Set state=present to write variables.")
        findings = self._foretold(env_place.judge_file(self.path, self.owner, self.group, self.mode))
        findings += self._judge_apart()
        variables: dict[str, str] = {}
        state = FileState.read(self.path) if os.path.isfile(self.path) else None
        if state:
            parsed = env_file.parse(state.content, self._systemd_version())
            variables = parsed.variables
            findings += parsed.findings
            if not parsed.refused:
                findings += self._printable(self._judge(variables, parsed.lines), parsed.uncertain)
        self._stop_at_errors(findings)
        self._exit(False, findings, variables)

    def _present(self, given: dict[str, Any]) -> NoReturn:
        variables, findings = env_file.normalise(given)
        # A variable that is refused is there nevertheless: to call it missing as well would mislead.
        refused = {key for key in given if key not in variables}
        findings += self._judge_place() + self._judge_apart() + self._judge(variables, {}, refused)
        self._stop_at_errors(findings)
        before = FileState.read(self.path)
        uid, gid = env_place.user_id(self.owner), env_place.group_id(self.group)
        after = FileState(env_file.render(variables), uid, gid, self.mode)
        if before != after and uid is not None and gid is not None and not self.module.check_mode:
            disk.write(Path(self.path), after.content, after.mode, (uid, gid))
        self._exit(before != after, findings, variables, diff_of(self.path, before, after))

    def _systemd_version(self) -> int:
        """The one that was named, or the host's, as in `systemd 252 (252.39-1~deb12u2)`."""
        given: int | None = self.module.params["systemd_version"]
        if given is not None:
            return given
        program = self.module.get_bin_path("systemctl")
        answer = self.module.run_command([program, "--version"])[1] if program else ""
        found = re.match(r"systemd (\d+)", answer)
        return int(found.group(1)) if found else env_file.SYSTEMD

    # --- judging

    def _judge_place(self) -> list[Finding]:
        return self._foretold(
            env_place.judge_owners(self.owner, self.group) + env_place.judge_place(self.path, self.owner)
        )

    def _foretold(self, findings: list[Finding]) -> list[Finding]:
        """In check mode the tasks before this one have only pretended to make the user, the group, folder and file."""
        if not self.module.check_mode:
            return findings
        return [
            dataclasses.replace(each, level=env_finding.WARNING) if each.code in MADE_BY_EARLIER_TASKS else each
            for each in findings
        ]

    def _judge_apart(self) -> list[Finding]:
        folders = {name: self.module.params[option] for name, option in FOLDERS.items() if self.module.params[option]}
        return env_place.judge_apart(self.path, folders)

    def _judge(
        self, variables: Mapping[str, str], lines: Mapping[str, int], refused: Iterable[str] = ()
    ) -> list[Finding]:
        """Everything about the variables; of a refused one enough has been said."""
        options = self.module.params
        required = env_schema.judge_required(variables, options["required"], lines)
        findings = required + env_schema.judge(self.schema, variables, lines)
        findings = [finding for finding in findings if finding.key not in refused]
        set_ones = {key for key, value in variables.items() if value}.union(refused)
        findings += env_schema.judge_groups(set_ones, *(options[option] for option in GROUPS), lines)
        if options["preset"] == "django":
            findings += django_environment.judge_django(variables, options["domains"], lines)
        findings += env_names.judge_names(variables, self._known_names(), lines)
        for key in django_environment.database_urls(variables) if options["source"] else ():
            findings += database_url_readers.judge(options["source"], key, lines.get(key))
        # What the schema and Django say alike is said once.
        return list(dict.fromkeys(findings))

    def _known_names(self) -> frozenset[str]:
        names = {each.name for each in self.schema}.union(
            name for _option, name in env_options.names(self.module.params)
        )
        return names | django_environment.KNOWN_NAMES if self.module.params["preset"] == "django" else frozenset(names)

    def _printable(self, findings: list[Finding], uncertain: frozenset[str]) -> list[Finding]:
        """The findings without names that may be a part of a value."""
        hidden = {key for key in uncertain if not env_names.is_known(key, self._known_names())}
        return [dataclasses.replace(each, key="") if each.key in hidden else each for each in findings]

    # --- the end

    def _stop_at_errors(self, findings: list[Finding]) -> None:
        errors = env_finding.errors(findings)
        if errors:
            self._warn(findings)
            self._fail("\n".join(env_finding.describe(finding, self.path) for finding in errors), findings)

    def _warn(self, findings: list[Finding]) -> None:
        for finding in env_finding.warnings(findings):
            self.module.warn(env_finding.describe(finding, self.path))

    def _fail(self, message: str, findings: list[Finding] | None = None) -> NoReturn:
        # No names here: in a file with errors, what looks like a name may be a part of a broken value.
        self.module.fail_json(msg=message, path=self.path, findings=as_dicts(findings or []))

    def _exit(
        self,
        changed: bool,
        findings: list[Finding],
        variables: dict[str, str],
        diff: dict[str, str] | None = None,
    ) -> NoReturn:
        self._warn(findings)
        result = {"diff": diff} if diff and self.module._diff else {}
        self.module.exit_json(
            changed=changed, path=self.path, findings=as_dicts(findings), names=sorted(variables), **result
        )


def as_dicts(findings: list[Finding]) -> list[dict[str, Any]]:
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
    if not env_finding.errors(parsed.findings):
        return parsed.variables
    certain = env_file.parse(after.content).variables
    return {key: value for key, value in parsed.variables.items() if key in certain}


def as_text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# What these say may be in messages. All of the schema but `forbidden` may, too; that is not worth telling apart.
OPEN_OPTIONS = ("path", "owner", "group", "domains", "schema", "required", *GROUPS, *FOLDERS.values())


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
    open_words = [str(module.params[name]) for name in OPEN_OPTIONS] + list(map(str, variables))
    module.no_log_values = {
        value
        for value in module.no_log_values
        if len(value) >= SHORTEST_VALUE_TO_MASK
        and not value.isalpha()
        and not any(value in word for word in open_words)
    }
    module.params["variables"] = dict.fromkeys(variables, HIDDEN)


SCHEMA_ENTRY = {
    "name": {"type": "str", "required": True},
    "required": {"type": "bool", "default": False},
    "type": {"type": "str", "choices": list(env_schema.TYPES), "default": "str"},
    "pattern": {"type": "str"},
    "allowed": {"type": "list", "elements": "raw", "default": []},
    "forbidden": {"type": "list", "elements": "raw", "default": []},
    "min_length": {"type": "int"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["validated", "present"], "default": "validated"},
            "variables": {"type": "dict", "no_log": True},
            "preset": {"type": "str", "choices": ["django", "none"], "default": "django"},
            "domains": {"type": "list", "elements": "str", "default": []},
            "schema": {"type": "list", "elements": "dict", "default": [], "options": SCHEMA_ENTRY},
            "required": {"type": "list", "elements": "str", "default": []},
            **{option: {"type": "list", "elements": "list", "default": []} for option in GROUPS},
            **{option: {"type": "path"} for option in FOLDERS.values()},
            "systemd_version": {"type": "int"},
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

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for what templates take from the collection's Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from importlib import import_module
from string import ascii_letters, digits
from typing import Any
from urllib.parse import unquote_to_bytes

from ansible.errors import AnsibleFilterError

MODULE_UTILS = "ansible_collections.switchyard.django.plugins.module_utils"

# What means itself in a regular expression, and in quotes of nginx's configuration.
PLAIN = frozenset(f"{ascii_letters}{digits}/_-~")


def module(name: str) -> Any:
    """One of module_utils, imported when a filter needs it.

    Each task of each host runs in a process of its own, which would read all of them for the one filter that it uses.
    """
    return import_module(f"{MODULE_UTILS}.{name}")


def of(name: str, function: str) -> Callable[..., Any]:
    """A filter that is a function of one of module_utils."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(module(name), function)(*arguments, **options)

    return call


def exec_start(arguments: Iterable[str]) -> str:
    """An argument list as ExecStart= takes it: quoted, and without anything that systemd would expand."""
    return " ".join(quote(str(argument)) for argument in arguments)


def quote(text: str) -> str:
    """One word of a unit's line, as systemd.syntax(7) describes it."""
    if any(ord(character) < 32 for character in text):
        raise AnsibleFilterError(f"{text!r} can't stand in a unit: it has a control character")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" '\"\\;#*") or not escaped else escaped


def instance_size(rule: Mapping[str, Any], host: Mapping[str, int], neighbours: Mapping[str, int]) -> dict[str, Any]:
    """How an instance is sized on a host; `problem` is the sum that shows why it does not fit, or empty."""
    sizing = module("sizing")
    size, problem = sizing.size(sizing.rule_of(rule), host, neighbours)
    return {"size": asdict(size), "problem": problem}


def nginx_path(path: str) -> str:
    """A URL's path as a regular expression for nginx's $uri, which is decoded and without its query."""
    decoded = unquote_to_bytes(path.partition("?")[0])
    return "".join(chr(byte) if chr(byte) in PLAIN else f"\\x{byte:02x}" for byte in decoded)


def site_folders(site: str) -> list[dict[str, str]]:
    """The folders of a site that outlive its releases."""
    return [
        {"path": str(path), "mode": mode, "owner": owner, "group": group}
        for path, mode, owner, group in module("layout").Layout(site).folders()
    ]


def manage_problems(wanted: Mapping[str, Any]) -> list[str]:
    """What is wrong with a command of manage.py, and with the variables and the input that it gets."""
    manage = module("manage_variables")
    command = [] if wanted["command"] is None else manage.problems("manage_command", wanted["command"])
    said = [] if isinstance(wanted["input"], str) else ["manage_input must be a text. Put it in quotes, or JSON in '…'"]
    return [*command, *manage.environment_problems("manage_env", wanted["variables"]), *said]


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "access_rules": of("postgresql", "access_rules"),
            "advised_stack": of("plan", "advised_stack"),
            "balancer_problems": of("balancer_variables", "problems"),
            "batch_problems": of("fleet", "batch_problems"),
            "batches": of("fleet", "batches"),
            "cutover_farewell": of("fleet", "farewell"),
            "cutover_stragglers": of("fleet", "stragglers"),
            "cutover_story": of("fleet", "story"),
            "differing": of("fleet", "differing"),
            "edge_problems": of("edge_variables", "problems"),
            "exec_start": exec_start,
            "host_names": of("balancer_variables", "names_in"),
            "instance_size": instance_size,
            "manage_problems": manage_problems,
            "nginx_path": nginx_path,
            "postgresql_changes": of("postgresql", "changes"),
            "postgresql_problems": of("postgresql", "problems"),
            "release_task_problems": of("release_tasks", "problems"),
            "release_tasks_at": of("release_tasks", "at"),
            "restore_plan": of("backup", "plan"),
            "rollback_parting": of("fleet", "parting"),
            "sandbox_directives": of("sandbox", "directives"),
            "sandbox_problems": of("sandbox", "problems"),
            "site_folders": site_folders,
            "number_problems": of("bounds", "problems"),
            "sizing_problems": of("sizing", "rule_problems"),
            "some": of("listing", "some"),
            "status_problems": of("status_verdict", "variable_problems"),
        }

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for what templates take from the collection's Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.switchyard.django.plugins.module_utils import sandbox
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


def exec_start(arguments: Iterable[str]) -> str:
    """An argument list as ExecStart= takes it: quoted, and without anything that systemd would expand."""
    return " ".join(quote(str(argument)) for argument in arguments)


def quote(text: str) -> str:
    """One word of a unit's line, as systemd.syntax(7) describes it."""
    if any(ord(character) < 32 for character in text):
        raise AnsibleFilterError(f"{text!r} can't stand in a unit: it has a control character")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" '\"\\;#*") or not escaped else escaped


def sandbox_directives(site: str) -> list[str]:
    """The directives of the sandbox in which everything of a site runs."""
    Layout(site)
    return list(sandbox.DIRECTIVES)


def site_folders(site: str) -> list[dict[str, str]]:
    """The folders of a site that outlive its releases."""
    return [
        {"path": str(path), "mode": mode, "owner": owner, "group": group}
        for path, mode, owner, group in Layout(site).folders()
    ]


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"exec_start": exec_start, "sandbox_directives": sandbox_directives, "site_folders": site_folders}

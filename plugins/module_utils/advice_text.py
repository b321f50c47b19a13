# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The advice as lines to read, and as data."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import plan, settings_needs
from ansible_collections.switchyard.django.plugins.module_utils.advice import Advice
from ansible_collections.switchyard.django.plugins.module_utils.blocking_calls import Finding

# Ansible puts a line into quotes, behind 8 spaces, within 100 columns.
WIDTH = 88
ALIKE = 12
CALLS = 40
FILES = 8
# A text that YAML takes as it is; true and no are none.
PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n)$)[A-Za-z_][\w.]*", re.IGNORECASE)


def as_data(advice: Advice) -> dict[str, Any]:
    """All of it, for programs."""
    found = asdict(advice)
    del found["site"]
    for finding in found["blocking"]:
        finding["chain"] = [{"path": path, "line": line, "name": name} for path, line, name in finding["chain"]]
    return {**found, "variables": variables(advice)}


def variables(advice: Advice) -> dict[str, Any]:
    """The variables of the site that follow from the advice."""
    found: dict[str, Any] = {**advice.placed, "site_package": advice.package}
    if advice.settings != f"{plan.prefix(advice.package)}settings" or advice.package == ".":
        found["site_settings"] = advice.settings
    found["serve_mode"] = advice.stack
    environment = {name: value for need in advice.needs for name, value in need.environment.items()}
    overrides = {name: value for need in advice.needs for name, value in need.overrides.items()}
    if environment:
        found["site_env"] = environment
    if overrides:
        found["site_settings_overrides"] = {**advice.site.overrides, **overrides}
    return found


def lines(advice: Advice) -> list[str]:
    """The verdict, then the reasons, then what blocks, then what to set."""
    found = [*_wrapped(advice.verdict, "")]
    found += _some((_place(sign.path, sign.line, sign.what) for sign in advice.reasons), ALIKE)
    if not [sign for sign in advice.reasons if sign.weight != "has"]:
        found += _wrapped(f"no consumer, no WebSocket, no stream, no async view in {advice.files} files", "  ")
    if advice.costs:
        found += ["", "What costs under ASGI:"]
        found += _some((_place(sign.path, sign.line, sign.what) for sign in advice.costs), ALIKE)
    if advice.blocking:
        number = len(advice.blocking)
        calls = "One call that does" if number == 1 else f"{number} calls that do"
        found += ["", f"{calls} not belong in async code, where one makes all visitors wait:"]
        found += _some(map(_call, advice.blocking), CALLS)
    if advice.needs:
        found += ["", "Settings that production asks for:"]
        found += _some((_place(need.path, need.line, f"{need.setting} {need.what}") for need in advice.needs), ALIKE)
    if advice.unparsable:
        found += ["", "Not read:"]
        found += _some((_wrapped(f"{path}: {why}", "  ") for path, why in sorted(advice.unparsable.items())), FILES)
    if advice.placed:
        found += ["", "The site lies below the top of site_source:", *_wrapped(_below(advice), "  ")]
    found += ["", "Variables for the site:"]
    if any(need.example for need in advice.needs):
        found.append(f"  # {settings_needs.EXAMPLE} is an example: give site_domains for the site's own names")
    suggested = variables(advice)
    if advice.site.overrides and "site_settings_overrides" in suggested:
        found.append("  # site_settings_overrides takes the place of the one there, and has what that says")
    if advice.site.environment and "site_env" in suggested:
        found.append("  # the site_env there gets these as well")
    return [*found, *as_yaml(suggested)]


def summary(advice: Advice, most: int = 4) -> list[str]:
    """The verdict and the first reasons."""
    return [
        *_wrapped(advice.verdict, ""),
        *_some((_place(sign.path, sign.line, sign.what) for sign in advice.reasons), most),
    ]


def _below(advice: Advice) -> str:
    if "site_source" in advice.placed:
        why = "at whose top the deploy looks for requirements"
        return f"{advice.root} holds manage.py: it is to be the site_source, {why}"
    return f"{advice.placed['site_requirements']} has to be named: the deploy looks for requirements at the top"


def _some(blocks: Iterable[list[str]], most: int) -> list[str]:
    blocks = list(blocks)
    shown = [line for block in blocks[:most] for line in block]
    return shown + ([f"  and {len(blocks) - most} more"] if len(blocks) > most else [])


def _place(path: str, line: int, what: str) -> list[str]:
    return _wrapped(f"{path}:{line}  {what}" if line else f"{path}  {what}", "  ")


def _call(finding: Finding) -> list[str]:
    found = _place(finding.path, finding.line, f"{finding.call}: {finding.why}")
    way = " → ".join(f"{path}:{line} {name}" for path, line, name in finding.chain)
    found += _wrapped(f"instead: {finding.instead}", "      ")
    return [*found, *_wrapped(f"{finding.kind}: {way}", "      ")]


def _wrapped(text: str, indent: str) -> list[str]:
    # What stands apart by two spaces stays so.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def as_yaml(found: dict[str, Any], indent: str = "  ") -> Iterator[str]:
    """YAML in block style, without the double quotes that Ansible would escape."""
    for name, value in found.items():
        name = name if name == "$env" else _scalar(name)
        if value and isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from as_yaml(value, f"{indent}  ")
        elif isinstance(value, list) and len(_scalar(value)) > WIDTH // 2:
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {_scalar(one)}" for one in value)
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    quoted = value.replace("'", "''")
    return value if PLAIN.fullmatch(value) else f"'{quoted}'"

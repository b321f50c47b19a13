# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schema for the variables of an environment: which there have to be, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import env_values
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR, Finding
from ansible_collections.switchyard.django.plugins.module_utils.env_reader import NAME
from ansible_collections.switchyard.django.plugins.module_utils.env_values import Verdict

TYPES = ("str", *env_values.JUDGES, "secret", "choice")
# What an empty value is a good one of; a secret says of itself that it is empty.
_MAY_BE_EMPTY = ("str", "list", "hosts")


@dataclass(frozen=True)
class Variable:
    """What the schema asks of one variable."""

    name: str
    required: bool = False
    type: str = "str"
    pattern: str | None = None
    allowed: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    min_length: int | None = None


Schema = tuple[Variable, ...]


# --- Reading a schema --------------------------------------------------------------------------------------------


def read(raw: Any) -> tuple[Schema, list[str]]:
    """The schema, and what is wrong with it; where anything is, there is no schema."""
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return (), ["the schema is no list"]
    entries = [_converted(entry) for entry in raw]
    problems = [
        f"{_place(number, entry)}: {problem}" for number, entry in enumerate(entries, 1) for problem in _problems(entry)
    ]
    if not problems:
        names = [entry["name"] for entry in entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        problems = [f"entry {names.index(name) + 1} ({name}): the name is there more than once" for name in twice]
    return ((), problems) if problems else (tuple(_variable(entry) for entry in entries), [])


# What Ansible takes for a boolean, in letters of either case.
_TRUE = {"y", "yes", "on", "1", "1.0", "true", "t"}
_FALSE = {"n", "no", "off", "0", "0.0", "false", "f"}


def _converted(entry: Any) -> Any:
    """The entry with each word as Ansible converts a module's option; what cannot be converted is left to judge."""
    if not isinstance(entry, Mapping):
        return entry
    return {word: _CONVERSIONS[word](value) if word in _CONVERSIONS else value for word, value in entry.items()}


def _bool(value: Any) -> Any:
    word = str(value).lower().strip()
    return word in _TRUE if word in _TRUE | _FALSE else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()) else value


def _text(value: Any) -> Any:
    """A number as text. Not so a boolean, which has no single spelling in an environment."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _texts(value: Any) -> Any:
    """A list may also be one text, parted by commas, or one number."""
    value = _text(value)
    if isinstance(value, str):
        return value.split(",")
    return [_text(each) for each in value] if isinstance(value, (list, tuple)) else value


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "required": _bool,
    "pattern": _text,
    "allowed": _texts,
    "forbidden": _texts,
    "min_length": _number,
}


def _place(number: int, entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f"entry {number} ({name})" if isinstance(name, str) and name.isprintable() else f"entry {number}"


def _problems(entry: Any) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield "it is no dictionary"
        return
    unknown = sorted(str(word) for word in entry if word not in Variable.__dataclass_fields__)
    if unknown:
        yield f"{', '.join(unknown)} is no word of a schema; there are {', '.join(Variable.__dataclass_fields__)}"
    if not isinstance(entry.get("name"), str) or not NAME.fullmatch(entry["name"]):
        yield "name is not a variable's name: letters, digits and underscores, and no digit first"
    if not isinstance(entry.get("required") or False, bool):
        yield "required is neither true nor false"
    if entry.get("type") not in (None, *TYPES):
        yield f"type is none of {', '.join(TYPES)}"
    yield from _problems_of_limits(entry)


def _problems_of_limits(entry: Mapping[str, Any]) -> Iterator[str]:
    for word in ("allowed", "forbidden"):
        if not _is_list_of_texts(entry.get(word) or []):
            yield f"{word} is no list of texts and numbers; put each one in quotes"
    if entry.get("type") == "choice" and not entry.get("allowed"):
        yield "type is choice, and allowed does not say of what"
    length = entry.get("min_length")
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 0):
        yield "min_length is no number of characters"
    pattern = entry.get("pattern")
    if pattern is not None:
        try:
            re.compile(pattern)
        except (re.error, TypeError, RecursionError, OverflowError) as problem:
            yield f"pattern is no regular expression: {problem}"


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)


def _variable(entry: Mapping[str, Any]) -> Variable:
    given = {word: value for word, value in entry.items() if value is not None}
    for word in ("allowed", "forbidden"):
        given[word] = tuple(given.get(word, ()))
    return Variable(**given)


# --- Judging by it -----------------------------------------------------------------------------------------------


def judge(schema: Schema, variables: Mapping[str, str], lines: Mapping[str, int] | None = None) -> list[Finding]:
    """Everything that the variables are not, and the schema wants them to be."""
    findings = judge_required(variables, [each.name for each in schema if each.required], lines)
    empty = {finding.key for finding in findings}
    for each in schema:
        if each.name in variables and each.name not in empty:
            line = (lines or {}).get(each.name)
            findings += [Finding(each.name, line, *verdict) for verdict in _judge(each, variables[each.name])]
    return findings


def _judge(wanted: Variable, value: str) -> Iterator[Verdict]:
    if wanted.type == "secret":
        yield from env_values.judge_secret_key(value, wanted.min_length or env_values.SHORTEST_SECRET_KEY)
    elif wanted.type in env_values.JUDGES and (value or wanted.type not in _MAY_BE_EMPTY):
        yield from env_values.JUDGES[wanted.type](value)
    if wanted.pattern is not None and not re.fullmatch(wanted.pattern, value):
        yield (
            "pattern",
            ERROR,
            "the value is not of the form that the schema asks for",
            f"It has to match {wanted.pattern}",
        )
    if wanted.allowed and value not in wanted.allowed:
        yield (
            "not-allowed",
            ERROR,
            "the value is none of those that are allowed",
            f"Write one of {', '.join(wanted.allowed)}",
        )
    if value in wanted.forbidden:
        yield "forbidden", ERROR, "the schema forbids this very value", "Choose another one"
    if wanted.type != "secret" and wanted.min_length and len(value) < wanted.min_length:
        message = f"the value has fewer than {wanted.min_length} characters"
        yield "too-short", ERROR, message, "Choose a longer one"


def judge_required(
    variables: Mapping[str, str], required: Iterable[str], lines: Mapping[str, int] | None = None
) -> list[Finding]:
    findings = []
    for key in required:
        if key not in variables:
            hint = f"Add {key} to the environment"
            findings.append(Finding(key, None, "required-missing", ERROR, "the variable is required and not set", hint))
        elif not variables[key].strip():
            line = (lines or {}).get(key)
            hint = f"Give {key} a value"
            findings.append(Finding(key, line, "required-empty", ERROR, "the variable is required and empty", hint))
    return findings


Groups = Iterable[Sequence[str]]


def judge_groups(
    names: Iterable[str],
    required_together: Groups = (),
    required_one_of: Groups = (),
    mutually_exclusive: Groups = (),
    lines: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Whether the variables that have a value go together; `names` are theirs."""
    present = set(names)
    findings = []
    for group in required_together:
        there = [name for name in group if name in present]
        for name in group if there else ():
            if name not in present:
                message = f"the variable has no value, and {there[0]} needs it"
                hint = f"Set {_all_of(group)} together, or none of them"
                findings.append(Finding(name, None, "required-together", ERROR, message, hint))
    for group in required_one_of:
        if group and not present & set(group):
            message = f"none of {_all_of(group)} has a value"
            findings.append(Finding("", None, "required-one-of", ERROR, message, "Set one of them"))
    for group in mutually_exclusive:
        there = [name for name in group if name in present]
        for name in there[1:]:
            message = f"the variable is set beside {there[0]}, and only one of them may be"
            line = (lines or {}).get(name)
            findings.append(Finding(name, line, "mutually-exclusive", ERROR, message, "Keep one of them"))
    return findings


def _all_of(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)

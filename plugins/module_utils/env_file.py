# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files as systemd's EnvironmentFile= reads them, and how to write one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR, Finding
from ansible_collections.switchyard.django.plugins.module_utils.env_reader import (
    BOM,
    LONGEST_ASSIGNMENT,
    NAME,
    NOT_TEXT,
    PROBLEMS,
    Entry,
    Reader,
    Remark,
    as_text,
    printable,
)

HEADER = "# Managed by switchyard.django"

# Debian 12 has this systemd. Where nobody asked the host, a file is read as it reads it.
SYSTEMD = 252


@dataclass(frozen=True)
class Assignment:
    key: str
    value: str
    line: int


@dataclass(frozen=True)
class ParsedFile:
    """What the service will get (one assignment per key, the last one in the file) and what to say about it.

    Where systemd refuses the whole file, there are no assignments and the service does not start. `uncertain` are names
    that may be a part of a value which somebody broke over several lines: systemd takes them, but nobody should print
    them.
    """

    assignments: list[Assignment]
    findings: list[Finding]
    refused: bool = False
    uncertain: frozenset[str] = frozenset()

    @property
    def variables(self) -> dict[str, str]:
        return {assignment.key: assignment.value for assignment in self.assignments}

    @property
    def lines(self) -> dict[str, int]:
        return {assignment.key: assignment.line for assignment in self.assignments}


# --- Reading -----------------------------------------------------------------------------------------------------


def parse(data: bytes, systemd: int = SYSTEMD) -> ParsedFile:
    """Reads the file as that version of systemd does."""
    reader = Reader(data, systemd)
    reader.read()
    remarks = list(_without_consequences(reader.remarks))
    assignments: dict[str, Assignment] = {}
    for entry in reader.entries:
        ignored = _why_ignored(entry)
        if ignored:
            remarks.append(Remark(ignored, entry.line, printable(entry.key)))
            continue
        assignment = Assignment(entry.key.decode(), entry.value.decode(), entry.line)
        if assignment.key in assignments:
            remarks.append(Remark("duplicate-key", entry.line, assignment.key))
        assignments[assignment.key] = assignment
    for assignment in assignments.values():
        if _length(assignment.key, assignment.value) > LONGEST_ASSIGNMENT:
            remarks.append(Remark("too-long", assignment.line, assignment.key))
    uncertain = frozenset(_names_behind_broken_lines(reader.entries, remarks))
    remarks = _with_nul_bytes(data, remarks)
    refused = any(remark.code in ("invalid-utf8", "nul-byte") for remark in remarks)
    if refused:
        assignments.clear()
    remarks.sort(key=lambda remark: remark.line)
    remarks = list(_once_per_file("carriage-return", remarks))
    findings = [_finding(Remark(each.code, each.line, "" if each.key in uncertain else each.key)) for each in remarks]
    return ParsedFile(list(assignments.values()), findings, refused, uncertain)


def _names_behind_broken_lines(entries: Iterable[Entry], remarks: Iterable[Remark]) -> Iterator[str]:
    """The names in lines that come right behind one which is no assignment.

    Such a line is often a part of a value that has no quotes, a private key for instance, and then so are the next.
    """
    broken = {remark.line for remark in remarks if remark.code in ("not-an-assignment", "invalid-name")}
    for entry in sorted(entries, key=lambda entry: entry.line):
        if entry.line - 1 in broken:
            broken.add(entry.line)
            yield printable(entry.key)


def _with_nul_bytes(data: bytes, remarks: list[Remark]) -> list[Remark]:
    """One remark for all NUL bytes, and none beside it on their lines: in UTF-16 every line is broken by them."""
    lines = [number for number, line in enumerate(data.split(b"\n"), 1) if b"\0" in line]
    return [Remark("nul-byte", line) for line in lines[:1]] + [each for each in remarks if each.line not in set(lines)]


def _without_consequences(remarks: list[Remark]) -> Iterator[Remark]:
    """A quote that is not closed where it should be makes a value of several lines: not worth a second word."""
    astray = {(remark.key, remark.line) for remark in remarks if remark.code in ("unbalanced-quote", "runaway-quote")}
    for remark in remarks:
        if remark.code != "multi-line" or (remark.key, remark.line) not in astray:
            yield remark


def _length(key: str, value: str) -> int:
    return len(f"{key}={value}".encode())


def _why_ignored(entry: Entry) -> str | None:
    key = as_text(entry.key)
    if key is None or as_text(entry.value) is None:
        return "invalid-utf8"
    if NAME.fullmatch(key):
        return None
    if key.startswith(BOM):
        return "bom"
    return "export" if re.match(r"export\s", key) else "invalid-name"


def _once_per_file(code: str, remarks: Iterable[Remark]) -> Iterator[Remark]:
    seen = False
    for remark in remarks:
        if remark.code != code:
            yield remark
        elif not seen:
            seen = True
            yield Remark(code, remark.line)


def _finding(remark: Remark) -> Finding:
    level, message, hint = PROBLEMS[remark.code]
    return Finding(remark.key, remark.line, remark.code, level, message, hint)


# --- Writing -----------------------------------------------------------------------------------------------------

# What systemd, shells, docker compose and django-environ all read alike without quotes.
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")


def normalise(variables: Mapping[str, object]) -> tuple[dict[str, str], list[Finding]]:
    """The variables as text, and an error for each one that is no text or that no environment can carry."""
    accepted: dict[str, str] = {}
    findings: list[Finding] = []
    for key, value in variables.items():
        problem = _wrong_type(value) or _cannot_carry(str(key), str(value))
        if problem:
            code, message, hint = problem
            findings.append(Finding(_in_one_line(str(key)), None, code, ERROR, message, hint))
        else:
            accepted[str(key)] = str(value)
    return accepted, findings


def render(variables: Mapping[str, str]) -> bytes:
    """The file from which systemd reads back the very same variables; ValueError where there is no such file."""
    lines = [HEADER]
    for key in sorted(variables):
        problem = _cannot_carry(key, variables[key])
        if problem:
            raise ValueError(f"{_in_one_line(key)}: {problem[1]}")
        lines.append(f"{key}={_quote(variables[key])}")
    return "".join(line + "\n" for line in lines).encode("utf-8")


def _in_one_line(key: str) -> str:
    return key if key and key.isprintable() else ascii(key)


def _quote(value: str) -> str:
    if _NEEDS_NO_QUOTES.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


def _wrong_type(value: object) -> tuple[str, str, str] | None:
    if isinstance(value, bool):
        return (
            "boolean",
            "a boolean has no single spelling in an environment",
            "Quote the spelling that the site reads, such as 'true' or '0'",
        )
    if value is None:
        return "null", "the variable has no value", "Write '' for an empty value, or leave the variable out"
    if isinstance(value, float) and not math.isfinite(value):
        return "not-a-string", "the value is not a finite number", "Quote it if it is meant as text"
    if not isinstance(value, (str, int, float)):
        return (
            "not-a-string",
            "the value is a list or a dictionary",
            "Give one string: join a list with commas, or use to_json",
        )
    return None


def _cannot_carry(key: str, value: str) -> tuple[str, str, str] | None:
    if not NAME.fullmatch(key):
        return (
            "invalid-name",
            "a variable's name consists of letters, digits and underscores and does not begin with a digit",
            "Rename the variable",
        )
    if "\0" in value:
        return "nul-byte", "no environment can carry a NUL byte", "Encode the value, as base64 for instance"
    if NOT_TEXT.search(value):
        return (
            "invalid-utf8",
            "the value holds characters that are not valid UTF-8 text",
            "Encode the value, as base64 for instance",
        )
    if _length(key, value) > LONGEST_ASSIGNMENT:
        return ("too-long",) + PROBLEMS["too-long"][1:]
    return None

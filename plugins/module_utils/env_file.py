# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files as systemd's EnvironmentFile= reads them: read, judge, write.

No message made here ever holds a value: values are secrets until proven otherwise, messages end up in logs.
"""

from __future__ import annotations

import grp
import math
import os
import pwd
import re
import stat
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

HEADER = "# Managed by switchyard.django"

ERROR = "error"
WARNING = "warning"

# The kernel's MAX_ARG_STRLEN is 128 KiB with the closing NUL: a longer KEY=VALUE makes execve fail with E2BIG.
LONGEST_ASSIGNMENT = 128 * 1024 - 1

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# systemd takes these for invalid UTF-8 and refuses the file, although Python encodes the noncharacters happily.
_NONCHARACTERS = "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
_NOT_TEXT = re.compile(f"[\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")


@dataclass(frozen=True)
class Finding:
    """One thing to say about an environment; `key` is empty where a line or the whole file is meant."""

    key: str
    line: int | None
    code: str
    level: str
    message: str
    hint: str


@dataclass(frozen=True)
class Assignment:
    key: str
    value: str
    line: int


@dataclass(frozen=True)
class ParsedFile:
    """What the service will get (one assignment per key, the last one in the file) and what to say about it."""

    assignments: list[Assignment]
    findings: list[Finding]

    @property
    def variables(self) -> dict[str, str]:
        return {assignment.key: assignment.value for assignment in self.assignments}

    @property
    def lines(self) -> dict[str, int]:
        return {assignment.key: assignment.line for assignment in self.assignments}


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == WARNING]


def describe(finding: Finding, path: str) -> str:
    """One line for a human: `KEY (line N): message. hint.`, with the file's path where no key is at fault."""
    place = finding.key or path
    if finding.line is not None:
        place += f" (line {finding.line})"
    return f"{place}: {finding.message}. {finding.hint}."


# --- Reading -----------------------------------------------------------------------------------------------------

_PROBLEMS: dict[str, tuple[str, str, str]] = {
    "nul-byte": (
        ERROR,
        "systemd refuses the whole file because of a NUL byte here",
        "Save the file as plain UTF-8 text",
    ),
    "invalid-utf8": (
        ERROR,
        "systemd refuses the whole file because this is not valid UTF-8",
        "Save the file as UTF-8, and encode binary values, as base64 for instance",
    ),
    "bom": (
        ERROR,
        "the line begins with a byte order mark, and systemd takes it for a part of the variable's name",
        "Save the file as UTF-8 without a byte order mark",
    ),
    "export": (
        ERROR,
        "systemd ignores this line because of the word export, so the variable is not set",
        "Remove the word export",
    ),
    "invalid-name": (
        ERROR,
        "systemd ignores this line because what stands before = is not a variable's name",
        "Use letters, digits and underscores, and do not begin with a digit; a value of several lines needs quotes",
    ),
    "not-an-assignment": (
        ERROR,
        "systemd ignores this line because it is no assignment",
        "Write KEY=value, begin a comment with #, and put quotes around a value of several lines",
    ),
    "unbalanced-quote": (
        ERROR,
        "the quote that opens here is never closed, so the rest of the file becomes a part of the value",
        "Close the quote, or put the whole value in the other kind of quotes",
    ),
    "runaway-quote": (
        ERROR,
        "the quote that opens here closes in the middle of a later line, and the value swallows the lines between",
        "Close the quote on its own line",
    ),
    "comment-continues": (
        ERROR,
        "this comment ends in a backslash, so systemd before version 254 takes the next line for a part of it",
        "Remove the backslash at the end of the comment",
    ),
    "too-long": (
        ERROR,
        f"the assignment is longer than the {LONGEST_ASSIGNMENT} bytes that Linux hands to a process, so the service "
        "would not start",
        "Put the value in a file of its own and set the variable to its path",
    ),
    "duplicate-key": (
        WARNING,
        "the variable is set more than once: systemd takes this line, django-environ the first one",
        "Keep one of them",
    ),
    "spaces-around-equals": (
        WARNING,
        "systemd drops the spaces around =, a shell takes the line for a command",
        "Remove the spaces",
    ),
    "inline-comment": (
        WARNING,
        "systemd knows no comment behind a value: everything from # on is a part of the value",
        "Move the comment to a line of its own, or put quotes around a value that holds a #",
    ),
    "expansion": (
        WARNING,
        "systemd passes $ and ` on as they are, a shell and docker compose put something else in their place",
        "Write the value out, or put it in single quotes if the characters are meant as they stand",
    ),
    "unquoted-special": (
        WARNING,
        "a shell does not take this value as one word, systemd does",
        "Put the value in single quotes",
    ),
    "backslash": (
        WARNING,
        "systemd and a shell drop a backslash outside quotes, docker compose and django-environ keep it",
        "Put the value in single quotes if the backslash belongs to it, or else remove the backslash",
    ),
    "escape-sequence": (
        WARNING,
        "systemd passes \\n, \\r and \\t on as two characters, docker compose makes one of them",
        "Break the line for real inside the quotes, or use single quotes if two characters are meant",
    ),
    "quote-inside": (
        WARNING,
        "systemd keeps a quote in the middle of an unquoted value, a shell removes it",
        "Put quotes around the whole value",
    ),
    "text-after-quote": (
        WARNING,
        "systemd joins what follows the closing quote to the value, other readers do not",
        "Put the whole value in one pair of quotes",
    ),
    "semicolon-comment": (
        WARNING,
        "systemd takes this line for a comment, a shell and docker compose do not",
        "Begin the comment with #",
    ),
    "carriage-return": (
        WARNING,
        "lines end in a carriage return: systemd drops it, a shell makes it a part of the value",
        "Save the file with Unix line ends, with dos2unix for instance",
    ),
}

_BLANK = b" \t"
_LINE_END = b"\r\n"
_BOM = "\ufeff"
_EXPANDS = re.compile(rb"\$[A-Za-z_{(]|`")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_COMMENT_INSIDE = re.compile(rb"(?:^|[ \t])#")
_SHELL_ACTS_ON = re.compile(rb"[ \t;&|<>()]")


@dataclass(frozen=True)
class _Entry:
    key: bytes
    value: bytes
    line: int


@dataclass(frozen=True)
class _Remark:
    code: str
    line: int
    key: str = ""


class _Reader:
    """Walks through the bytes once, from assignment to assignment, with the rules of systemd 252."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.entries: list[_Entry] = []
        self.remarks: list[_Remark] = []
        self._line_ends = [match.start() for match in re.finditer(b"\n", data)]
        self._key = ""

    def read(self) -> None:
        while self._skip(_BLANK + _LINE_END):
            if self._here() in (b"#", b";"):
                self._read_comment()
            else:
                self._read_assignment()

    def _line(self) -> int:
        return bisect_left(self._line_ends, self.at) + 1

    def _here(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def _ended(self) -> bool:
        return self.at >= len(self.data)

    def _line_ended(self) -> bool:
        return self._ended() or self._here() in (b"\r", b"\n")

    def _take(self) -> bytes:
        taken = self._here()
        self.at += 1
        return taken

    def _skip(self, characters: bytes) -> bool:
        """Skips any of the characters; tells whether something is left."""
        while not self._ended() and self._here() in characters:
            if self._here() == b"\r":
                self._remark("carriage-return")
            self.at += 1
        return not self._ended()

    def _remark(self, code: str, line: int | None = None) -> None:
        self.remarks.append(_Remark(code, line or self._line(), self._key))

    def _read_comment(self) -> None:
        self._key = ""
        if self._here() == b";":
            self._remark("semicolon-comment")
        while not self._line_ended():
            line = self._line()
            if self._take() == b"\\" and self._take() in (b"\r", b"\n"):
                following = self.data[self.at :].splitlines()[:1]
                if following and following[0].strip() and following[0].lstrip()[:1] not in (b"#", b";"):
                    self._remark("comment-continues", line)

    def _read_assignment(self) -> None:
        self._key = ""
        line = self._line()
        start = self.at
        # The first character belongs to the name whatever it is, even if it is an =.
        self.at += 1
        while not self._line_ended() and self._here() != b"=":
            self.at += 1
        name = self.data[start : self.at]
        if self._line_ended():
            self._remark("bom" if name.startswith(_BOM.encode()) else "not-an-assignment", line)
            return
        self.at += 1
        key = name.rstrip(_BLANK)
        self._key = _printable(key)
        after_equals = self.at
        self._skip(_BLANK)
        if key != name or (self.at > after_equals and not self._line_ended()):
            self._remark("spaces-around-equals", line)
        self.entries.append(_Entry(key, self._read_value(), line))

    def _read_value(self) -> bytes:
        value = b""
        quoted_from: int | None = None
        while not self._line_ended():
            if quoted_from is not None:
                self._remark_text_after_quote(quoted_from)
            if self._here() == b"'":
                quoted_from = self._line()
                value += self._read_single_quoted()
            elif self._here() == b'"':
                quoted_from = self._line()
                value += self._read_double_quoted()
            else:
                return value + self._read_bare(after_quote=quoted_from is not None)
            self._skip(_BLANK)
        return value

    def _remark_text_after_quote(self, quoted_from: int) -> None:
        if self._line() > quoted_from:
            self._remark("runaway-quote", quoted_from)
        elif self._here() != b"#":
            self._remark("text-after-quote")

    def _read_single_quoted(self) -> bytes:
        line = self._line()
        self.at += 1
        end = self.data.find(b"'", self.at)
        if end < 0:
            self._remark("unbalanced-quote", line)
            end = len(self.data)
        value = self.data[self.at : end]
        self.at = end + 1
        return value

    def _read_double_quoted(self) -> bytes:
        line = self._line()
        value = bytearray()
        self.at += 1
        start = self.at
        while not self._ended() and self._here() != b'"':
            character = self._take()
            if character != b"\\":
                value += character
            elif not self._ended():
                value += _unescape(self._take())
        text = self.data[start : self.at]
        if self._ended():
            self._remark("unbalanced-quote", line)
        if _EXPANDS.search(_ESCAPED.sub(b"", text)):
            self._remark("expansion", line)
        if any(escape in (b"\\n", b"\\r", b"\\t") for escape in _ESCAPED.findall(text)):
            self._remark("escape-sequence", line)
        self.at += 1
        return bytes(value)

    def _read_bare(self, after_quote: bool) -> bytes:
        line = self._line()
        start = self.at
        value = bytearray()
        kept = 0  # how much of the value is safe from the stripping of trailing blanks
        while not self._line_ended():
            character = self._take()
            if character == b"\\":
                escaped = self._take()
                if escaped not in (b"\r", b"\n"):
                    value += escaped
                kept = len(value)
            else:
                value += character
                if character not in (b" ", b"\t"):
                    kept = len(value)
        self._remark_bare(self.data[start : self.at].rstrip(_BLANK), line, after_quote)
        return bytes(value[:kept])

    def _remark_bare(self, text: bytes, line: int, after_quote: bool) -> None:
        unescaped = _ESCAPED.sub(b"", text)
        if _COMMENT_INSIDE.search(unescaped):
            self._remark("inline-comment", line)
        elif _SHELL_ACTS_ON.search(unescaped):
            self._remark("unquoted-special", line)
        if _EXPANDS.search(unescaped):
            self._remark("expansion", line)
        if re.search(rb"\\[^\r\n]", text):
            self._remark("backslash", line)
        if re.search(rb"['\"]", unescaped) and not after_quote:
            self._remark("quote-inside", line)


def _unescape(character: bytes) -> bytes:
    """What a backslash and this character are worth between double quotes."""
    if character in (b'"', b"\\", b"`", b"$"):
        return character
    if character == b"\n":
        return b""
    return b"\\" + character


def _text(data: bytes) -> str | None:
    """The text if systemd takes the bytes for UTF-8, else None."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _NOT_TEXT.search(text) else text


def _printable(key: bytes) -> str:
    """The name to print for what stands before an =.

    Empty unless it is a name: behind a value that somebody broke over several lines without quotes, it is a part of
    that value.
    """
    name = re.sub(r"^export\s+", "", (_text(key) or "").lstrip(_BOM))
    return name if _NAME.fullmatch(name) else ""


def parse(data: bytes) -> ParsedFile:
    """Reads the file as systemd does; where systemd refuses the whole file there are no assignments."""
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        return ParsedFile([], [_finding(_Remark("nul-byte", line))])
    reader = _Reader(data)
    reader.read()
    remarks = list(_once_per_file("carriage-return", reader.remarks))
    assignments: dict[str, Assignment] = {}
    for entry in reader.entries:
        ignored = _why_ignored(entry)
        if ignored:
            remarks.append(_Remark(ignored, entry.line, _printable(entry.key)))
            continue
        assignment = Assignment(entry.key.decode(), entry.value.decode(), entry.line)
        if assignment.key in assignments:
            remarks.append(_Remark("duplicate-key", entry.line, assignment.key))
        if len(entry.key) + len(b"=") + len(entry.value) > LONGEST_ASSIGNMENT:
            remarks.append(_Remark("too-long", entry.line, assignment.key))
        assignments[assignment.key] = assignment
    if any(remark.code == "invalid-utf8" for remark in remarks):
        assignments.clear()
    remarks.sort(key=lambda remark: remark.line)
    return ParsedFile(list(assignments.values()), [_finding(remark) for remark in remarks])


def _why_ignored(entry: _Entry) -> str | None:
    key = _text(entry.key)
    if key is None or _text(entry.value) is None:
        return "invalid-utf8"
    if _NAME.fullmatch(key):
        return None
    if key.startswith(_BOM):
        return "bom"
    return "export" if re.match(r"export\s", key) else "invalid-name"


def _once_per_file(code: str, remarks: Iterable[_Remark]) -> Iterator[_Remark]:
    seen = False
    for remark in remarks:
        if remark.code != code:
            yield remark
        elif not seen:
            seen = True
            yield _Remark(code, remark.line)


def _finding(remark: _Remark) -> Finding:
    level, message, hint = _PROBLEMS[remark.code]
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
    if not _NAME.fullmatch(key):
        return (
            "invalid-name",
            "a variable's name consists of letters, digits and underscores and does not begin with a digit",
            "Rename the variable",
        )
    if "\0" in value:
        return "nul-byte", "no environment can carry a NUL byte", "Encode the value, as base64 for instance"
    if _NOT_TEXT.search(value):
        return (
            "invalid-utf8",
            "the value holds characters that are not valid UTF-8 text",
            "Encode the value, as base64 for instance",
        )
    if len(f"{key}={value}".encode()) > LONGEST_ASSIGNMENT:
        return ("too-long",) + _PROBLEMS["too-long"][1:]
    return None


# --- Judging -----------------------------------------------------------------------------------------------------


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


def parse_mode(mode: int | str) -> int:
    """The mode given as a number or as octal digits; ValueError if it is none, or if it lets everybody read secrets."""
    if isinstance(mode, str):
        if not re.fullmatch(r"(0o)?[0-7]{3,4}", mode):
            raise ValueError("the mode is not written as octal digits, such as '0600'")
        mode = int(mode, 8)
    if mode & ~0o770:
        raise ValueError("the mode must leave nothing to others, as '0600' and '0640' do")
    return mode


def user_id(owner: str) -> int | None:
    """The number of a user given by name or number, None if there is no such user."""
    if owner.isdigit():
        return int(owner)
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        return None


def group_id(group: str) -> int | None:
    """The number of a group given by name or number, None if there is no such group."""
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def judge_owners(owner: str, group: str) -> list[Finding]:
    findings = []
    if user_id(owner) is None:
        findings.append(
            _about_file(
                "unknown-owner", f"the user {owner} does not exist", "Create the user first, or name another owner"
            )
        )
    if group_id(group) is None:
        findings.append(
            _about_file(
                "unknown-group", f"the group {group} does not exist", "Create the group first, or name another group"
            )
        )
    return findings


def judge_place(path: str, owner: str) -> list[Finding]:
    """Whether the path, and every folder on the way to it, is in the hands of root and the owner alone."""
    findings = []
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return [_about_file("folder-missing", f"the folder {folder} does not exist", "Create it with mode 0700 first")]
    if os.path.islink(path):
        findings.append(
            _about_file(
                "symlink",
                "the path is a symbolic link",
                "Put the file itself there, so that nobody can exchange what it points to",
            )
        )
    elif os.path.lexists(path) and not os.path.isfile(path):
        findings.append(
            _about_file("not-a-file", "the path is not a regular file", "Remove what is there, or choose another path")
        )
    trusted = {0, user_id(owner)}
    for each in _folders_above(path):
        status = os.stat(each)
        if status.st_uid not in trusted:
            findings.append(
                _about_file(
                    "folder-owner",
                    f"the folder {each} belongs to user {status.st_uid}, who can exchange the file",
                    f"chown root {each}",
                )
            )
        if _others_may_write(status):
            findings.append(
                _about_file(
                    "folder-writable",
                    f"others can write to the folder {each} and exchange the file",
                    f"chmod go-w {each}",
                )
            )
    return findings


def judge_file(path: str, owner: str, group: str, mode: int) -> list[Finding]:
    """Whether the file is there, in a safe place, and open to nobody but those who were named."""
    findings = judge_owners(owner, group) + judge_place(path, owner)
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        return findings
    if not os.path.lexists(path):
        hint = "Write it with state=present, or correct the path"
        return findings + [_about_file("missing", "the file does not exist", hint)]
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        return findings
    uid, gid = user_id(owner), group_id(group)
    excess = stat.S_IMODE(status.st_mode) & ~mode
    if excess:
        message = f"the mode is {stat.S_IMODE(status.st_mode):04o} and opens the file further than {mode:04o}"
        findings.append(_about_file("mode", message, f"chmod {mode:04o} {path}"))
    if uid is not None and status.st_uid != uid:
        findings.append(
            _about_file("owner", f"the file belongs to user {status.st_uid}, not to {owner}", f"chown {owner} {path}")
        )
    if gid is not None and status.st_gid != gid and status.st_mode & stat.S_IRWXG:
        message = f"the file is open to group {status.st_gid}, not to {group}"
        findings.append(_about_file("group", message, f"chgrp {group} {path}"))
    return findings


def _about_file(code: str, message: str, hint: str) -> Finding:
    return Finding("", None, code, ERROR, message, hint)


def _folders_above(path: str) -> list[str]:
    """Every folder on the way to the file, both as it is named and, behind symbolic links, as it really is."""
    folder = os.path.dirname(path)
    folders = {folder, os.path.realpath(folder)}
    return sorted(folders.union(*(map(str, PurePath(each).parents) for each in folders)))


def _others_may_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_ISVTX:
        # In a sticky folder such as /tmp nobody can rename or remove what belongs to another user.
        return False
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    return bool(by_group or status.st_mode & stat.S_IWOTH)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks through the bytes of an environment file as systemd does, and remarks where other readers part from it."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR, WARNING

# The kernel's MAX_ARG_STRLEN is 128 KiB with the closing NUL: a longer KEY=VALUE makes execve fail with E2BIG.
LONGEST_ASSIGNMENT = 128 * 1024 - 1

# Since this version of systemd a comment ends with its line, even if that ends in a backslash.
COMMENTS_END_WITH_THE_LINE = 254

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# systemd takes these for invalid UTF-8 and refuses the file, although Python encodes the noncharacters happily.
_NONCHARACTERS = "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
NOT_TEXT = re.compile(f"[\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")

PROBLEMS: dict[str, tuple[str, str, str]] = {
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
        "systemd ignores this line because of the word export, and may write it to the journal",
        "Remove the word export",
    ),
    "invalid-name": (
        ERROR,
        "what stands before = is not a variable's name, so systemd ignores this line, and may write it to the journal",
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
        "this comment ends in a backslash, so the host's systemd takes the next line for a part of it",
        "Remove the backslash at the end of the comment",
    ),
    "comment-backslash": (
        WARNING,
        "this comment ends in a backslash, and systemd before version 254 would take the next line for a part of it",
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
    "indented": (
        WARNING,
        "the line begins with blanks: systemd and a shell drop them, django-environ ignores the whole line",
        "Begin the line with the variable's name",
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
    "tilde": (
        WARNING,
        "systemd passes ~ on as it is, a shell puts a home folder in its place",
        "Write the folder out, or put the value in single quotes if the character is meant as it stands",
    ),
    "escape-sequence": (
        WARNING,
        "systemd passes a backslash and the letter behind it on as they are, docker compose and django-environ do not",
        "Break the line for real if \\n is meant so, or use single quotes if both characters are meant",
    ),
    "trailing-blanks": (
        WARNING,
        "systemd and a shell drop the blanks at the end of the line, django-environ keeps them",
        "Remove them, or put quotes around a value that ends in blanks",
    ),
    "odd-line-end": (
        WARNING,
        "the value holds a character, a form feed for instance, at which django-environ ends the line and systemd not",
        "Remove it, or let the environment alone hand the variable to the site",
    ),
    "multi-line": (
        WARNING,
        "the value goes on in the next line: systemd and a shell read all of it, django-environ the first line at most",
        "Let the environment alone hand the variable to the site, and no other reader read this file",
    ),
    "continuation": (
        WARNING,
        "systemd and a shell join this line to the next one at its backslash, docker compose and django-environ do not",
        "Write the value in one line",
    ),
    "curly-quote": (
        WARNING,
        "the value stands in typographic quotes, which every reader takes for a part of it",
        "Write straight quotes",
    ),
    "quote-inside": (
        WARNING,
        "systemd keeps a quote in the middle of an unquoted value, a shell removes it",
        "Put quotes around the whole value",
    ),
    "doubly-quoted": (
        WARNING,
        "the value stands in quotes within quotes: systemd keeps the inner ones, django-environ does not",
        "Keep one pair of quotes",
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
        "lines end in a carriage return: systemd ends the line there, a shell makes it a part of the value",
        "Save the file with Unix line ends, with dos2unix for instance",
    ),
}

_BLANK = b" \t"
_LINE_END = b"\r\n"
BOM = "\ufeff"
_EXPANDS = re.compile(rb"\$[A-Za-z0-9_{(@*#?$!-]|`")
_TILDE = re.compile(rb"(?:^|[:=])~")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_COMMENT_INSIDE = re.compile(rb"(?:^|[ \t])#")
_SHELL_ACTS_ON = re.compile(rb"[ \t;&|<>()]")
# Where str.splitlines() parts lines, and systemd does not; a carriage return only inside quotes.
_ODD_LINE_END = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)")
_KEPT_AS_TWO = re.compile(rb"\\[^\"\\`$\n]", re.DOTALL)
_REST_OF_LINE = re.compile(rb"[^\r\n]*")
_CURLY_QUOTES = tuple(quote.encode() for quote in "\u2018\u2019\u201a\u201c\u201d\u201e")


@dataclass(frozen=True)
class Entry:
    key: bytes
    value: bytes
    line: int


@dataclass(frozen=True)
class Remark:
    code: str
    line: int
    key: str = ""


class Reader:
    """Walks through the bytes once, from assignment to assignment, with the rules of one version of systemd."""

    def __init__(self, data: bytes, systemd: int) -> None:
        self.data = data
        self.comments_continue = systemd < COMMENTS_END_WITH_THE_LINE
        self.at = 0
        self.entries: list[Entry] = []
        self.remarks: list[Remark] = []
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
        self.remarks.append(Remark(code, line or self._line(), self._key))

    def _read_comment(self) -> None:
        self._key = ""
        if self._here() == b";":
            self._remark("semicolon-comment")
        while not self._line_ended():
            if self._take() == b"\\" and not self._ended():
                self._read_escape_in_comment(self._line())

    def _read_escape_in_comment(self, line: int) -> None:
        """What comes after a backslash in a comment, which counts only if the line ends there."""
        if self._line_ended():
            if self._loses_something(self.at + 1):
                self._remark("comment-continues" if self.comments_continue else "comment-backslash", line)
            if not self.comments_continue:
                return
        self.at += 1

    def _loses_something(self, start: int) -> bool:
        """Whether a line that begins there and becomes a part of a comment was meant as something else."""
        found = _REST_OF_LINE.match(self.data, start)
        line = found.group().strip() if found else b""
        return bool(line) and line[:1] not in (b"#", b";")

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
            self._remark("bom" if name.startswith(BOM.encode()) else "not-an-assignment", line)
            return
        self.at += 1
        key = name.rstrip(_BLANK)
        self._key = printable(key)
        after_equals = self.at
        self._skip(_BLANK)
        if start and self.data[start - 1 : start] in (b" ", b"\t"):
            self._remark("indented", line)
        if key != name or (self.at > after_equals and not self._line_ended()):
            self._remark("spaces-around-equals", line)
        value = self._read_value()
        self.entries.append(Entry(key, value, line))
        if _ODD_LINE_END.search(value.decode(errors="replace")):
            self._remark("odd-line-end", line)
        written = self.data[after_equals : self.at]
        if _without_trailing_blanks(written) != written:
            self._remark("trailing-blanks")

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
        if b"\n" in value:
            self._remark("multi-line", line)
        if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
            self._remark("doubly-quoted", line)
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
        escapes = _ESCAPED.findall(text)
        if any(_KEPT_AS_TWO.fullmatch(escape) for escape in escapes):
            self._remark("escape-sequence", line)
        if b"\\\n" in escapes:
            self._remark("continuation", line)
        if b"\n" in value:
            self._remark("multi-line", line)
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
        self._remark_bare(_without_trailing_blanks(self.data[start : self.at]), line, after_quote)
        return bytes(value[:kept])

    def _remark_bare(self, text: bytes, line: int, after_quote: bool) -> None:
        unescaped = _ESCAPED.sub(b"", text)
        if _COMMENT_INSIDE.search(unescaped):
            self._remark("inline-comment", line)
        elif _SHELL_ACTS_ON.search(unescaped):
            self._remark("unquoted-special", line)
        if _EXPANDS.search(unescaped):
            self._remark("expansion", line)
        if _TILDE.search(unescaped) and not after_quote:
            self._remark("tilde", line)
        if re.search(rb"\\[^\r\n]", text):
            self._remark("backslash", line)
        if re.search(rb"\\[\r\n]", text):
            self._remark("continuation", line)
        if text.startswith(_CURLY_QUOTES):
            self._remark("curly-quote", line)
        if re.search(rb"['\"]", unescaped) and not after_quote:
            self._remark("quote-inside", line)


def _without_trailing_blanks(text: bytes) -> bytes:
    """What systemd strips; a blank behind a backslash stays."""
    stripped = text.rstrip(_BLANK)
    backslashes = len(stripped) - len(stripped.rstrip(b"\\"))
    return text[: len(stripped) + backslashes % 2]


def _unescape(character: bytes) -> bytes:
    """What a backslash and this character are worth between double quotes."""
    if character in (b'"', b"\\", b"`", b"$"):
        return character
    if character == b"\n":
        return b""
    return b"\\" + character


def as_text(data: bytes) -> str | None:
    """The text if systemd takes the bytes for UTF-8, else None."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if NOT_TEXT.search(text) else text


def printable(key: bytes) -> str:
    """The name to print for what stands before an =.

    Empty unless it is a name: behind a value that somebody broke over several lines without quotes, it is a part of
    that value.
    """
    name = re.sub(r"^export\s+", "", (as_text(key) or "").lstrip(BOM))
    return name if NAME.fullmatch(name) else ""

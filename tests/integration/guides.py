# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the guides of docs/guides as somebody does who follows them: the files to write, the commands to give.

A block ```console has commands behind a prompt, `$` on your machine and `web1#` on that host, and lines that they
print. Any other block that begins with a comment `# NAME` is that file, or with `# NAME, under vars` what to add to the
variables of that inventory. ```text is for reading. A comment right above a block says what is unlike the others:

    <!-- not run: REASON -->    it is left out, and why
    <!-- fails -->              its last command ends with an error
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/guides"
FENCE = re.compile(r"^(?:<!-- (?P<mark>[^\n]*?) -->\n+)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?P<where>\$|[a-z]\w*#) (?P<words>.*)")
FILE = re.compile(r"(?:#|//|\{#|;) (?P<name>[\w./-]+\.\w+)(?P<added>, under vars)?(?: #\})?")
# What a line says that is another each time: identifiers, commits, numbers, and what was left out.
VARYING = re.compile(r"\b[0-9a-f]{12,16}\b|\d+(?:\.\d+)*|…")
# What makes a reader type: none of it may hide in a sentence.
PROGRAMS = r"(?:ansible[a-z-]*|make|curl|ssh|scp|sudo|apt|systemctl|journalctl|git|pip|certbot)"
TYPED = re.compile(rf"`({PROGRAMS} [^` ]+ [^`]+)`")
STARTS_TYPED = re.compile(rf"^\s*(?:\$ |\w+# )?{PROGRAMS} ", re.MULTILINE)
INDENTED = re.compile(r"(?:\A|\n)\n {4,}(?![-*\d ])\S")


@dataclass(frozen=True)
class Command:
    where: str
    words: str
    printed: tuple[str, ...]
    fails: bool = False


@dataclass(frozen=True)
class File:
    name: str
    text: str
    added: bool = False


@dataclass(frozen=True)
class Block:
    kind: str
    mark: str
    text: str
    line: int
    steps: list[Command | File] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Why it is not run, if it is not."""
        return self.mark.partition("not run: ")[2]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        kind, mark, inside = fence["kind"], fence["mark"] or "", fence["text"]
        steps = list(steps_of(kind, inside, mark == "fails"))
        found.append(Block(kind, mark, inside, text.count("\n", 0, fence.start()) + 1, steps))
    return found


def steps_of(kind: str, text: str, fails: bool) -> Iterator[Command | File]:
    if kind == "console":
        yield from commands(text, fails)
    elif kind != "text" and (head := FILE.fullmatch(text.partition("\n")[0])):
        yield File(head["name"], text, added=bool(head["added"]))


def commands(text: str, fails: bool) -> Iterator[Command]:
    given: list[tuple[str, str, list[str]]] = []
    for line in text.replace("\\\n", "").splitlines():
        if found := COMMAND.fullmatch(line):
            given.append((found["where"].rstrip("#"), found["words"], []))
        elif line.strip():
            given[-1][2].append(line.strip())
    for number, (where, words, printed) in enumerate(given, start=1):
        yield Command(where, words, tuple(printed), fails and number == len(given))


def missing(printed: tuple[str, ...], output: str) -> list[str]:
    """The lines of a guide that a command did not print, in this order."""
    lines = iter(plain(output))
    return [line for line in printed if not any(re.fullmatch(pattern(line), one) for one in lines)]


def pattern(line: str) -> str:
    parts = VARYING.split(line)
    between = VARYING.findall(line)
    wild = [".*" if one == "…" else r"[0-9a-f]+" if len(one) >= 12 else r"[\d.,]+" for one in between]
    return "".join(re.escape(part) + one for part, one in zip(parts, [*wild, ""], strict=True))


def plain(output: str) -> list[str]:
    """The lines as they are, without what JSON puts around those of a list."""
    texts = (re.sub(r'^"((?:[^"\\]|\\.)*)",?$', r"\1", line.strip()) for line in output.splitlines())
    return [text.strip().replace('\\"', '"') for text in texts]

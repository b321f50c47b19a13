# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes environment files that are as hard to read as one can make them, and values that are as hard to write.

The same seed makes the same files, so that a disagreement can be looked at again.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

# What a reader may trip over, alone and beside one another.
SPECIAL = [b"=", b" ", b"\t", b"'", b'"', b"\\", b"#", b";", b"$", b"`", b"\x0b", b"\x0c", b"\x01", b"\x7f", b"%", b"!"]
LINE_ENDS = [b"\n", b"\r\n", b"\r", b"\n\n", b"\n\r", b" \n", b"\t\r\n"]
WORDS = [
    b"x",
    b"word",
    b"$HOME",
    b"${A}",
    b"$(date)",
    b"%n",
    b"export ",
    b"A=b",
    b"\\n",
    b"\\\n",
    b"\\\r\n",
    b"''",
    b'""',
]
LETTERS = [text.encode() for text in ("é", "\u20ac", "😀", "\ufeff", "\u2028", "\u0085", "\u00a0", "\u200b", "\ue000")]
# Each of these makes systemd refuse the whole file, if it is a part of a name or a value.
POISON = [
    b"\0",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbf\xbe",
    b"\xef\xb7\x90",
    b"\xc3",
    b"\x80",
]
POISON += ["\U0001fffe".encode(), "\U0010ffff".encode(), b"\xf8\x88\x80\x80\x80", b"\xe0\x80\x80"]


def file(random: Random, lines: int, poisoned: bool) -> bytes:
    """One file of about so many lines, half of which systemd should take for assignments."""
    text = b"".join(_line(random, number) for number in range(lines))
    if random.random() < 0.05:
        text = b"\xef\xbb\xbf" + text
    if random.random() < 0.1:
        text = text.rstrip(b"\r\n")
    if random.random() < 0.1:
        # Whatever the last line was, it is cut off somewhere.
        text = text[: -random.randint(1, 8)]
    if poisoned:
        at = random.randint(0, len(text))
        text = text[:at] + random.choice(POISON) + text[at:]
    return text


def _line(random: Random, number: int) -> bytes:
    kinds: list[tuple[Callable[[Random], bytes], int]] = [(_soup, 4), (_comment, 8), (_no_assignment, 6)]
    kind = random.choices([None, *(kind for kind, _weight in kinds)], [82, *(weight for _kind, weight in kinds)])[0]
    if kind:
        return kind(random)
    before = random.choice([b""] * 6 + [b" ", b"\t", b" \t ", b"\x0b"])
    equals = random.choice([b"="] * 6 + [b" =", b"= ", b" = ", b"\t=\t", b"=\\\n", b"=="])
    return before + _name(random, number) + equals + written_value(random) + _line_end(random)


def _name(random: Random, number: int) -> bytes:
    roll = random.random()
    if roll < 0.8:
        return b"K%d" % number
    if roll < 0.88:
        return b"K%d" % random.randint(0, number)
    if roll < 0.94:
        return random.choice([b"_", b"a", b"A_", b"_9", b"lower", b"X" * 300, b"Q0", b"__"])
    odd = [
        b"9A",
        b"A-B",
        b"A.B",
        b"A B",
        b"export A",
        b"export\tA",
        b"\xef\xbb\xbfA",
        b"",
        b'"A"',
        b"A'",
        b"A\\",
        "É".encode(),
    ]
    return random.choice(odd)


def written_value(random: Random) -> bytes:
    """What stands behind the = of an assignment, without the end of the line."""
    style = random.random()
    if style < 0.3:
        return _bare(random)
    if style < 0.55:
        return b"'" + _characters(random, b"'") + b"'" + _behind_quotes(random)
    if style < 0.85:
        return b'"' + _in_double_quotes(random) + b'"' + _behind_quotes(random)
    if style < 0.97:
        return b"".join(
            random.choice([_bare(random), b"'a b'", b'"c d"', b" ", b"\\\n"]) for _dummy in range(random.randint(0, 4))
        )
    return _long(random)


def _bare(random: Random) -> bytes:
    """A value without quotes: no quote begins it, which might swallow all that comes after."""
    pieces = [_piece(random, b"'\"\r\n") for _dummy in range(random.randint(0, 8))]
    if random.random() < 0.2:
        pieces.insert(
            random.randint(0, len(pieces)), b"\\" + random.choice([b"\n", b"\r", b"'", b'"', b" ", b"\\", b"x"])
        )
    if random.random() < 0.1:
        pieces += [b"w", random.choice([b"'", b'"', b"it's", b'a"b"c'])]
    return b"".join(pieces)


def _characters(random: Random, without: bytes) -> bytes:
    pieces = [_piece(random, without) for _dummy in range(random.randint(0, 10))]
    if random.random() < 0.2:
        pieces.insert(random.randint(0, len(pieces)), random.choice(LINE_ENDS))
    return b"".join(pieces)


def _in_double_quotes(random: Random) -> bytes:
    """An escape is made whole here, so that the quote which closes the value is one."""
    pieces = []
    for _dummy in range(random.randint(0, 8)):
        if random.random() < 0.3:
            pieces.append(b"\\" + random.choice([*SPECIAL, *LETTERS, b"\n", b"\r", b"n", b"t", b"x", b"0"]))
        else:
            pieces.append(_characters(random, b'"\\'))
    return b"".join(pieces)


def _behind_quotes(random: Random) -> bytes:
    return random.choice(
        [b""] * 8 + [b" ", b"  \t", b"tail", b" 'more'", b'"more"', b" # comment", b"\\ ", b" \\\n", b"''"]
    )


def _long(random: Random) -> bytes:
    length = random.choice([500, 4_000, 70_000])
    return b"'" + random.choice([b"x", "é".encode(), b"\\", b" ", b"\n"]) * length + b"'"


def _piece(random: Random, without: bytes) -> bytes:
    piece = random.choice([random.choice(SPECIAL), random.choice(WORDS), random.choice(LETTERS), _letters(random)])
    return piece.translate(None, without)


def _letters(random: Random) -> bytes:
    return "".join(random.choices(string.ascii_letters + string.digits + "_-./:@", k=random.randint(1, 6))).encode()


def _line_end(random: Random) -> bytes:
    return b"\n" if random.random() < 0.8 else random.choice(LINE_ENDS)


def _soup(random: Random) -> bytes:
    """Anything at all, and then quotes of both kinds, so that an open one does not swallow the rest of the file."""
    pieces = [
        random.choice([*SPECIAL, *LINE_ENDS, *WORDS, *LETTERS, b"A", b"B="]) for _dummy in range(random.randint(1, 12))
    ]
    return b"".join(pieces) + random.choice([b"\n", b"'\n\"\n", b"\"\n'\n", b"\n'\"\n"])


def _comment(random: Random) -> bytes:
    inside = b"".join(_piece(random, b"\r\n") for _dummy in range(random.randint(0, 5)))
    end = random.choice([b"", b"", b"\\", b"\\\\", b"\\ ", b"\\\r"])
    return random.choice([b"", b" ", b"\t"]) + random.choice([b"#", b";", b"# "]) + inside + end + _line_end(random)


def _no_assignment(random: Random) -> bytes:
    return random.choice(
        [b"A", b"A: b", b"", b"   ", b"export", b"-----BEGIN-----", b"=", b"A'b'", b'"', b"\\"]
    ) + _line_end(random)


# --- Values to write ---------------------------------------------------------------------------------------------

CONTROLS = [chr(code) for code in range(1, 32)] + ["\x7f", "\x80", "\x85", "\x9f"]
HARD = [
    *"'\"\\$`#;=!~ \t\r\n%{}()&|<>*?[]",
    "\\n",
    "\\\n",
    "\r\n",
    "$A",
    "${A}",
    "`a`",
    "''",
    '""',
    "\\'",
    '\\"',
    "\ufeff",
]
UNUSUAL = [
    "é",
    "€",
    "😀",
    "\u2028",
    "\u200b",
    "\u00a0",
    "\ue000",
    "\ud7ff",
    "\ufdcf",
    "\ufdf0",
    "\ufffd",
    "\U0001fffd",
    "\U0010fffd",
]


def value(random: Random) -> str:
    """Any text that an environment can carry."""
    kind = random.random()
    if kind < 0.02:
        return random.choice(["x", "'", '"', "\\", "\n", "é", "'\"\\$`\n"]) * random.randint(1, 3_000)
    if kind < 0.2:
        return "".join(chr(_code_point(random)) for _dummy in range(random.randint(0, 12)))
    alphabet = [HARD, HARD + UNUSUAL, CONTROLS + HARD, [*string.ascii_letters, *HARD]]
    return "".join(random.choices(random.choice(alphabet), k=random.randint(0, 16)))


def _code_point(random: Random) -> int:
    while True:
        code = random.choice([random.randint(1, 0xFF), random.randint(1, 0xFFFF), random.randint(1, 0x10FFFF)])
        if not (0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE):
            return code

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folds the paths of an access log into endpoints: what names one thing among many becomes what Django's URLs call it.

`/orders/17/` is `/orders/<int>/`. What is left has letters, digits and `._~-<>/` alone, whatever was asked for.
"""

from __future__ import annotations

import functools
import re

_DEEPEST = 8
_LONGEST = 64
_METHOD = re.compile(r"[A-Z][A-Z_-]{0,19}")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
# The first that fits says what a segment is.
_SEGMENT = re.compile(
    r"""
    (?P<int>  [0-9]+ )
  | (?P<uuid> [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} -[0-9a-fA-F]{12} )
  | (?P<hash> [0-9a-fA-F]{16,} | (?=[a-fA-F]*[0-9]) (?=[0-9]*[a-fA-F]) [0-9a-fA-F]{8,15} )
  | (?P<word> (?: [A-Za-z._~-]* | [vV][0-9]{1,3} (?:\.[0-9]{1,3}){0,2} | [A-Za-z]+ [0-9]{1,2} ) )
  | (?P<slug> [A-Za-z0-9._~-]+ )
    """,
    re.VERBOSE,
)
# collectstatic's app.3f2a9c1b0d4e.css, and what has an extension and no such hash.
_FILE = re.compile(r"(.+?)(\.[0-9a-f]{12})?(\.[A-Za-z][A-Za-z0-9]{0,7})")


def fold(method: str, path: str) -> tuple[str, str]:
    """The endpoint of a request, whose path is without its query."""
    return method if _METHOD.fullmatch(method) else "OTHER", _folded(path)


def _folded(path: str) -> str:
    if path in ("", "*"):
        return path
    if not path.startswith("/"):
        path = _ORIGIN.sub("", path, count=1)
    segments = path.split("/", _DEEPEST + 1)
    deeper = ["<path>"] if len(segments) > _DEEPEST + 1 else []
    return "/".join([*(_segment(text[: _LONGEST + 1]) for text in segments[: _DEEPEST + 1]), *deeper])


@functools.lru_cache(maxsize=4096)
def _segment(text: str) -> str:
    if len(text) > _LONGEST:
        return "<str>"
    file = _FILE.fullmatch(text) if "." in text else None
    return f"{_kind(file[1])}{'.<hash>' if file[2] else ''}{file[3]}" if file else _kind(text)


def _kind(text: str) -> str:
    found = _SEGMENT.fullmatch(text)
    kind = found.lastgroup if found else "str"
    return text if kind == "word" else f"<{kind}>"

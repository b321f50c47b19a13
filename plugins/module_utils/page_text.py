# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one readable, printable line of what a web server sent."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_LONGEST_PAGE = 64 * 1024
_LONGEST_LINE = 200
_CREDENTIALS_IN_URL = re.compile(r"://(?:[^/\s:@]*:\S+|[^/\s@]+)@")


def excerpt(page: str) -> str:
    """The beginning of a page as one line of plain text; of Django's debug page, what was raised."""
    parser = _PageText()
    parser.feed(page[:_LONGEST_PAGE])
    parser.close()
    if parser.exception:
        return printable(f"{parser.title}: {parser.exception}")
    return printable(parser.text) or printable(parser.title)


class _PageText(HTMLParser):
    """Picks from a page the text, the title and, from Django's debug page, the exception's own words."""

    _UNSEEN = ("script", "style")

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.title = ""
        self.exception = ""
        self._unseen = 0
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._UNSEEN:
            self._unseen += 1
        elif tag == "title" and not self.title:
            self._within = "title"
        elif tag == "pre" and not self.exception and ("class", "exception_value") in attrs:
            self._within = "exception"

    def handle_endtag(self, tag: str) -> None:
        if tag in self._UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in ("title", "pre"):
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "title":
            self.title += data
        elif self._within == "exception":
            self.exception += data
        elif not self._unseen:
            self.text += " " + data


def printable(text: str, longest: int = _LONGEST_LINE) -> str:
    """One line without control characters and passwords, cut to a length that a terminal bears."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(_CREDENTIALS_IN_URL.sub("://***@", visible).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def without_query(location: str) -> str:
    """A query may carry a token."""
    base, query, _rest = location.partition("?")
    return printable(base + ("?…" if query else ""))

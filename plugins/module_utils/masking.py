# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what a project's own code printed before anybody sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

SECRET_NAME = re.compile(
    r"SECRET|PASS|TOKEN|KEY|CREDENTIAL|DSN|PRIVATE|SALT|^GIT_CONFIG_VALUE|_(?:PWD|PW|AUTH|COOKIE)$", re.IGNORECASE
)
# Up to the last @: a password may hold any of the characters that part a URL.
PASSWORD_IN_URL = re.compile(r"(?P<before>\w+://[^/\s:@]*:)(?P<password>\S+)(?=@)")
HIDDEN = "********"


def mask(text: str, variables: Mapping[str, str]) -> str:
    """The text without the values of secret variables and without passwords in URLs."""
    # The longest first: a short one may be a part of it.
    for secret in sorted(_secrets(variables), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return PASSWORD_IN_URL.sub(rf"\g<before>{HIDDEN}", text)


def _secrets(variables: Mapping[str, str]) -> set[str]:
    """What is too short to be told from the words around it is left."""
    named = {form for name, value in variables.items() if SECRET_NAME.search(name) for form in _forms(value, 4)}
    in_urls = {url["password"] for value in variables.values() for url in PASSWORD_IN_URL.finditer(value)}
    return named | {form for password in in_urls for form in _forms(password, 8)}


def _forms(value: str, shortest: int) -> Iterator[str]:
    """A value as programs print it: as it is, in Python's quotes, in JSON's, without percent-encoding, line by line."""
    if len(value) < shortest:
        return
    yield from (value, repr(value)[1:-1], json.dumps(value)[1:-1], unquote(value))
    yield from (line for line in value.splitlines() if len(line) >= 8)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what a project's own code printed before anybody sees it."""

from __future__ import annotations

import json
import re
import shlex
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


# --- a line of a file ------------------------------------------------------------------------------------------------

# A name that tells of a secret, and what it is set to; in nginx's configuration a blank stands between them.
_NAMED = re.compile(
    r"(?P<name>[\w.$-]*(?:SECRET|PASS|TOKEN|KEY|CREDENTIAL|DSN|PRIVATE|SALT|AUTH|COOKIE)[\w.-]*[\"']?\]?"
    r"(?:\s*[:=]\s*|(?<=Authorization)\s+|(?<=Cookie)\s+))(?P<rest>.+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?P<quote>\"\"\"|'''|[\"'])(?P<text>.*?)(?:(?P=quote)|$)")
# Keys, hashes and the like are long, and have letters and digits.
_LONG = re.compile(r"(?<![\w/.@-])(?=[\w+/-]*[0-9])(?=[\w+/-]*[A-Za-z])[\w+-][\w+/-]{31,}=*")
_SET_IN_UNIT = re.compile(r"\s*(Environment|SetCredential|SetCredentialEncrypted)=(.*)")


def hide_line(line: str) -> str:
    """A line of a unit, of nginx's configuration or of code, without what somebody may have set in it as a secret.

    Rather too much is hidden than too little: the line is shown to say what was changed.
    """
    unit = _SET_IN_UNIT.fullmatch(line)
    if unit:
        return f"{unit[1]}={_names_in(unit[2]) if unit[1] == 'Environment' else HIDDEN}"
    return _LONG.sub(HIDDEN, _NAMED.sub(lambda found: found["name"] + _without_values(found["rest"]), line))


def _names_in(assignments: str) -> str:
    try:
        names = [word.partition("=")[0] for word in shlex.split(assignments)]
    except ValueError:
        return HIDDEN
    return " ".join(f"{name}={HIDDEN}" for name in names)


def _without_values(text: str) -> str:
    """Of code the quoted parts are values; where nothing is quoted, all but a path or a call is one."""
    if _QUOTED.search(text):
        return _QUOTED.sub(lambda found: f"{found['quote']}{HIDDEN}{found['quote']}", text)
    return text if text.startswith("/") or re.search(r"[(\[{]|^\s*\w+\s*[,):]", text) else HIDDEN

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what a project's own code printed before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECRET_NAME = re.compile(r"SECRET|PASS|TOKEN|KEY|CREDENTIAL|DSN|PRIVATE|SALT", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?P<before>\w+://[^/\s:@]*:)(?P<password>[^\s/]+)(?=@)")
HIDDEN = "********"


def mask(text: str, variables: Mapping[str, str]) -> str:
    """The text without the values of secret variables and without passwords in URLs."""
    # The longest first: a short one may be a part of it.
    for secret in sorted(_secrets(variables), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return PASSWORD_IN_URL.sub(rf"\g<before>{HIDDEN}", text)


def _secrets(variables: Mapping[str, str]) -> set[str]:
    """What is too short to be told from the words around it is left."""
    named = {value for name, value in variables.items() if SECRET_NAME.search(name) and len(value) >= 4}
    in_urls = {url["password"] for value in variables.values() for url in PASSWORD_IN_URL.finditer(value)}
    return named | {password for password in in_urls if len(password) >= 8}

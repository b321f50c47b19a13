# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what a project's own code printed before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECRET_NAME = re.compile(r"SECRET|PASS|TOKEN|KEY|CREDENTIAL|DSN|PRIVATE|SALT", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?P<before>\w+://[^/\s:@]*:)[^@\s/]+(?=@)")


def mask(text: str, variables: Mapping[str, str]) -> str:
    """The text without the values of secret variables and without passwords in URLs."""
    for name, value in variables.items():
        if SECRET_NAME.search(name) and len(value) >= 4:
            text = text.replace(value, "********")
        elif "://" in value and "@" in value:
            text = text.replace(value, PASSWORD_IN_URL.sub(r"\g<before>********", value))
    return PASSWORD_IN_URL.sub(r"\g<before>********", text)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings module that lays site_settings_overrides over the project's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.masking import PASSWORD_IN_URL

# By this name Django loads it.
MODULE = "site_settings_overrides"

SECRET_SETTING = re.compile(r"SECRET|PASSWORD(?!_HASHERS)|TOKEN|API_?KEY|CREDENTIAL", re.IGNORECASE)


def problems(overrides: Mapping[str, Any]) -> list[str]:
    """What can't be laid over a settings module."""
    wrong = []
    for name, value in overrides.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(name)):
            wrong.append(f"site_settings_overrides: {name!r} is no setting's name; Django reads upper-case names only")
        wrong += [f"site_settings_overrides: {found}" for found in _secrets_in(value, str(name))]
    return wrong


def _secrets_in(value: Any, path: str) -> list[str]:
    if isinstance(value, Mapping):
        if set(value) == {"$env"}:
            return (
                []
                if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value["$env"]))
                else [f"{path}: $env needs a variable's name"]
            )
        return [found for name, item in value.items() for found in _secrets_in(item, f"{path}.{name}")]
    if isinstance(value, (list, tuple)):
        return [found for number, item in enumerate(value) for found in _secrets_in(item, f"{path}[{number}]")]
    if isinstance(value, str) and _is_secret(path.rpartition(".")[2], value):
        name = re.sub(r"\W+", "_", path).upper()
        return [
            f"{path} would lie in the release's folder for the site to read. "
            f"Put it into site_env and write {{$env: {name}}} here"
        ]
    return []


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and bool(SECRET_SETTING.search(name) or PASSWORD_IN_URL.search(value))


OVERLAY = """\
# Made by switchyard.django from site_settings_overrides, which it lays over the project's own settings.
import json
import os

from {base} import *  # noqa: F401,F403


def _read(value):
    if isinstance(value, dict):
        if set(value) == {{"$env"}}:
            return os.environ[value["$env"]]
        return {{name: _read(item) for name, item in value.items()}}
    if isinstance(value, list):
        return [_read(item) for item in value]
    return value


globals().update(_read(json.loads({overrides!r})))

# The project's key if it is one; otherwise the one that was made for the site.
if not globals().get("SECRET_KEY") or SECRET_KEY.startswith("django-insecure-"):
    SECRET_KEY = os.environ.get("SECRET_KEY") or os.environ["DJANGO_SECRET_KEY"]
"""


def text(base: str, overrides: Mapping[str, Any]) -> str:
    """The text of the settings module that lays the overrides over the project's settings."""
    return OVERLAY.format(base=base, overrides=json.dumps(overrides, sort_keys=True))

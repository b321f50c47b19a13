# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes no sense in the options of env_file, whatever the environment file holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import env_place
from ansible_collections.switchyard.django.plugins.module_utils.env_reader import NAME

GROUPS = ("required_together", "required_one_of", "mutually_exclusive")
# What the folders are, and the options that name them.
FOLDERS = {"source": "source", "static": "static_root", "media": "media_root"}


def problems(options: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong, each by the name of its option."""
    return [
        *_problems_of_paths(options),
        *_problems_of_access(options),
        *_problems_of_names(options),
        *_problems_of_version(options["systemd_version"]),
    ]


def names(options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The variables that the options name, each with the option."""
    required = [("required", name) for name in options["required"]]
    return required + [(option, name) for option in GROUPS for group in options[option] for name in group]


def _problems_of_paths(options: Mapping[str, Any]) -> Iterator[str]:
    for option in ("path", *FOLDERS.values()):
        path = options[option]
        if path is not None and not os.path.isabs(path):
            yield f"{option}: {path!r} is not an absolute path; begin it with /"


def _problems_of_access(options: Mapping[str, Any]) -> Iterator[str]:
    for option in ("owner", "group"):
        if not options[option].strip():
            yield f"{option}: it is empty; give a name or a number, or leave the option out for root"
    try:
        env_place.parse_mode(options["mode"])
    except ValueError as problem:
        yield f"mode: {problem}"


def _problems_of_names(options: Mapping[str, Any]) -> Iterator[str]:
    for option, name in names(options):
        if not isinstance(name, str) or not NAME.fullmatch(name):
            yield f"{option}: {name!r} is not a variable's name"
    for option in GROUPS:
        # Ansible makes [[A], [B]] of [A, B], which is one list where a list of lists is meant.
        if any(len(set(map(str, group))) < 2 for group in options[option]):
            yield f"{option}: it is a list of lists, each of two names or more; write it as in [[A, B], [C, D]]"


def _problems_of_version(version: int | None) -> Iterator[str]:
    if version is not None and version < 1:
        yield f"systemd_version: {version} is no version of systemd; write its number, such as 252"

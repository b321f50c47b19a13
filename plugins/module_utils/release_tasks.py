# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own tasks at points of a deploy and of a rollback, judged on the controller: what is done at each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import manage_variables

POINTS = ("before_migrate", "after_migrate", "before_cutover", "after_cutover", "after_rollback")
KINDS = ("manage", "tasks")
EXAMPLE = "{before_cutover: [{manage: warm_cache}, {tasks: tasks/announce.yml, once: false}]}"


def problems(tasks: Any, folders: Iterable[str]) -> list[str]:
    """What is wrong with release_tasks.

    :param folders: where the path of a task file may begin
    """
    if not isinstance(tasks, Mapping):
        return [f"release_tasks must be a dictionary of points, for example {EXAMPLE}"]
    found = [
        f"release_tasks.{point} is no point. There are {', '.join(POINTS)}" for point in tasks if point not in POINTS
    ]
    for point in POINTS:
        items = tasks.get(point, [])
        if not isinstance(items, list):
            found.append(f"release_tasks.{point} must be a list, as in {EXAMPLE}")
            continue
        for number, item in enumerate(items, start=1):
            found += _item_problems(f"release_tasks.{point} {number}", item, list(folders))
    return found


def _item_problems(name: str, item: Any, folders: list[str]) -> list[str]:
    if not isinstance(item, Mapping) or len(set(item) & set(KINDS)) != 1:
        return [f"{name} must have either manage, a command, or tasks, a file, as in {EXAMPLE}"]
    found = [
        f"{name} has {key}, which is unknown. There are manage, tasks and once" for key in item if key not in _KEYS
    ]
    if not isinstance(item.get("once", True), bool):
        found.append(f"{name} has once: {item['once']!r}, which must be true or false")
    if "manage" in item:
        return found + manage_variables.problems(name, item["manage"])
    if _file(item["tasks"], folders) is None:
        found.append(f"{name} has tasks: {item['tasks']}, and there is no such file in {' or '.join(folders)}")
    return found


_KEYS = (*KINDS, "once")


def _file(path: Any, folders: Iterable[str]) -> str | None:
    places = (Path(folder) / str(path) for folder in folders)
    return next((str(place) for place in places if place.is_file()), None)


def at(tasks: Mapping[str, Any], point: str, folders: Iterable[str]) -> list[dict[str, Any]]:
    """What is to be done at a point, in its order: either a command or a file, on one host or on all."""
    return [
        {
            "name": f"release_tasks.{point} {number}, {_shown(item)}",
            "manage": manage_variables.words(item.get("manage", [])),
            "file": _file(item["tasks"], folders) if "tasks" in item else "",
            "once": item.get("once", True),
        }
        for number, item in enumerate(tasks.get(point, []), start=1)
    ]


def _shown(item: Mapping[str, Any]) -> str:
    return manage_variables.shown(item["manage"]) if "manage" in item else str(item["tasks"])

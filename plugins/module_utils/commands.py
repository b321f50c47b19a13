# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command by which a person goes on from here, as it can be pasted into the shell that this run was started in."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLLECTION = "switchyard.django"


@dataclass(frozen=True)
class Commands:
    """What all of them share.

    :param site: the site's name
    :param inventories: the paths of the inventory, or lists of hosts
    :param folder: where the playbook of this run lies
    :param limit: what --limit said, if anything
    """

    site: str
    inventories: Sequence[str]
    folder: str
    limit: str = ""

    def of(self, playbook: str, **variables: str) -> str:
        """ansible-playbook with one of the collection's playbooks, such as rollback, and variables."""
        words = ["ansible-playbook"]
        for inventory in self.inventories:
            words += ["-i", _near(inventory)]
        words.append(self._playbook(playbook))
        for name, value in {"site_name": self.site, **variables}.items():
            words += ["-e", f"{name}={value}"]
        return shlex.join([*words, *(["--limit", self.limit] if self.limit else [])])

    def _playbook(self, name: str) -> str:
        """Its path in the checkout, or its name where the collection is installed."""
        if "ansible_collections" not in Path(self.folder).parts:
            folder = Path(self.folder)
            for path in (folder.parent / f"{name}.yml", folder / f"{name}.yml"):
                if folder.name == "playbooks" and path.is_file():
                    return _near(str(path))
        return f"{COLLECTION}.{name}"


def _near(path: str) -> str:
    """A path from here, where that is shorter."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path

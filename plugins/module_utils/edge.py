# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of the site's edge: where it listens, and nginx's main configuration."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.layout import NGINX_MAIN

BIND = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")
OPEN_FILES = re.compile(r"(?m)^(\s*worker_rlimit_nofile\s+)([0-9]+)(\s*;)")


def place(edge: Mapping[str, Any]) -> tuple[str, int]:
    """Where the host itself reaches the site's edge: the address and the port at which nginx listens."""
    found = BIND.fullmatch(edge.get("bind") or "")
    if found:
        return found["v6"] or found["v4"], int(found["port"])
    return "127.0.0.1", int(edge["tls_port"] if edge.get("tls") else edge["port"])


def is_own(bind: str) -> bool:
    """Whether the address is one of this host's."""
    host, _port = place({"bind": bind})
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as asked:
        try:
            asked.bind((host, 0))
        except OSError:
            return False
    return True


def main_problem(number: int) -> str:
    """Why nginx's main configuration can't be given so many connections for each worker, or nothing."""
    try:
        main_configuration(number)
    except ValueError as problem:
        return str(problem)
    return ""


def main_configuration(number: int) -> dict[str, str]:
    """nginx's main configuration as it is to be, by its path; it stays the distribution's in all else."""
    if not number or not NGINX_MAIN.exists():  # a bare host: nginx will bring it
        return {}
    return {str(NGINX_MAIN): with_worker_connections(NGINX_MAIN.read_text(), number)}


def with_worker_connections(text: str, number: int) -> str:
    """nginx's main configuration, with so many connections for each worker, and the open files that they need."""
    changed, count = re.subn(r"(?m)^(\s*worker_connections\s+)[0-9]+(\s*;)", rf"\g<1>{number}\g<2>", text)
    if count != 1:
        raise ValueError(
            f"{NGINX_MAIN} has no line of its own with worker_connections, or more than one. Set the number there by "
            "hand, and nginx_worker_connections: 0"
        )
    files = 2 * number
    if OPEN_FILES.search(changed):  # from here or the user's own: it grows, and more than is needed stays
        return OPEN_FILES.sub(lambda found: f"{found[1]}{max(int(found[2]), files)}{found[3]}", changed)
    return re.sub(r"(?m)^events\b", f"worker_rlimit_nofile {files};\nevents", changed, count=1)

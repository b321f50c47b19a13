# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loopback port of an instance whose app server can't listen on a unix socket."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable
from pathlib import Path

# Below what the kernel gives to outgoing connections by itself (net.ipv4.ip_local_port_range begins at 32768).
PORTS = range(20000, 30000)


def choose(release: str, etc: Path = Path("/etc/switchyard"), texts: Iterable[str] = ()) -> int:
    """A port that no release of any site on this host has and that nobody listens on.

    :param texts: of the release's files; a number that stands there already would not be told apart from the port
    """
    taken = _of_releases(etc).union(int(number) for text in texts for number in re.findall(r"\b[0-9]{5}\b", text))
    start = int(release, 16) % len(PORTS)
    for number in range(len(PORTS)):
        port = PORTS[(start + number) % len(PORTS)]
        if port not in taken and _is_free(port):
            return port
    raise OSError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free on this host")


def _of_releases(etc: Path) -> set[int]:
    found = set()
    for manifest in etc.glob("*/releases/*/release.json"):
        try:
            found.add(json.loads(manifest.read_text()).get("port"))
        except (OSError, ValueError):  # half-made: it will choose anew
            continue
    return found - {None}


def _is_free(port: int) -> bool:
    with socket.socket() as asked:
        try:
            asked.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

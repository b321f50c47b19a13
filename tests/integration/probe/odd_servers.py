# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that do what no real one can be made to do, and clients that take up all that a server has."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def hole(port: int) -> None:
    """Take connections and never answer."""
    listener = socket.create_server(("127.0.0.1", port))
    taken = []
    while True:
        taken.append(listener.accept())


def says(port: int, text: str) -> None:
    """Answer whatever is asked with the same bytes."""
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _address = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)


def occupy(path: str) -> None:
    """Keep a server's only worker busy with a request that never comes, and its queue full; say so in a file."""
    held = []
    found_full = 0
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
            held.append(one)
            found_full = 0
        except BlockingIOError:
            found_full += 1
            time.sleep(0.1)
        if found_full == 5:
            Path(f"{path}.occupied").touch()


SWITCHES = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

if __name__ == "__main__":
    if sys.argv[1:2] == ["occupy"]:
        occupy(sys.argv[2])
    for serve in (
        lambda: hole(9001),
        lambda: says(9002, f"{SWITCHES}Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\n"),
        lambda: says(9003, "220 mail.example.com ESMTP\r\n"),
    ):
        threading.Thread(target=serve, daemon=True).start()
    signal.pause()

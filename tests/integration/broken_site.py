# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployed site that can be hurt and healed.

What a fault does to the host is shell that begins with TOOLS. STOP takes back what the tools have done, and START lets
the site serve again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller import Host

CANARY = "canary-3f9a1c77"
PASSWORD = f"{CANARY}-password"

TOOLS = f"""
export LC_ALL=C
RELEASE=$(basename "$(readlink "/etc/switchyard/$SITE/current")")
UNIT=$SITE@$RELEASE.service
RECORD=/etc/switchyard/$SITE/releases/$RELEASE
ENVIRONMENT=$(sed -n 's/^EnvironmentFile=//p' "$RECORD/$UNIT")
COMMAND=$(sed -n 's/^ExecStart=//p' "$RECORD/$UNIT")
VENV=$(dirname "$(dirname "${{COMMAND%% *}}")")
PACKAGES=$(echo "$VENV"/lib/python3*/site-packages)
PROJECT=/srv/$SITE/releases/$RELEASE/code
STATIC=/srv/$SITE/releases/$RELEASE/static
MEDIA=/srv/$SITE/media
DATA=/srv/$SITE/data
DATABASE=$DATA/db.sqlite3
SCRATCH=$DATA/scratch
SOCKET=/run/$SITE/$RELEASE/app.sock
POSTGRESQL=postgres://quay:{PASSWORD}@127.0.0.1:5432/quay
DROP_INS=/run/systemd/system/$UNIT.d
KEPT=/var/tmp/kept
MEMORY=/sys/fs/cgroup/memory
"""
TOOLS += r"""
keep() { mkdir -p "$KEPT"; cp -a --parents "$1" "$KEPT"; echo "$1" >> "$KEPT/list"; }
edit() { keep "$2"; sed -i "$1" "$2"; }
append() { keep "$2"; printf "$1\n" >> "$2"; }
remove() { keep "$1"; rm -r "$1"; }
unreadable() { install -m 600 /dev/null "$1"; }
drop_in() { mkdir -p "$DROP_INS"; printf '%s\n' "$@" > "$DROP_INS/fault.conf"; systemctl daemon-reload; }
service() { drop_in '[Service]' "$@"; }
variables() { printf '%s\n' "$@" > /run/fault.env; service EnvironmentFile=/run/fault.env; }
run_as() { service ExecStart= "ExecStart=$(echo "$COMMAND" | sed "$1")"; }
restart() { timeout 20 systemctl restart "$UNIT"; sleep "${1:-2}"; }
# nginx keeps the connections that it has; its new workers have none.
reconnect() { systemctl reload nginx; sleep 1; }
small_disk() { mkdir "$SCRATCH"; mount -t tmpfs -o size=64k,mode=777 tmpfs "$SCRATCH"; }
in_background() { setsid "$@" > /dev/null 2>&1 < /dev/null & echo $! >> /run/fault.pids; }
limit_memory() {
    mkdir -p "$MEMORY/fault"; echo 400M > "$MEMORY/fault/memory.limit_in_bytes"
    main=$(systemctl show -P MainPID "$UNIT")
    for pid in $main $(cat /proc/$main/task/*/children); do echo $pid > "$MEMORY/fault/cgroup.procs"; done
}
sql() { runuser -u postgres -- psql -qAt quay -c "$1"; }
"""

STOP = r"""
if [ -e /run/fault.pids ]; then xargs -r kill -9 < /run/fault.pids; rm /run/fault.pids; fi
systemctl kill --kill-who=all --signal=KILL "$UNIT"
systemctl stop "$UNIT"
if [ -e "$KEPT/list" ]; then while read -r path; do rm -rf "$path"; cp -a "$KEPT$path" "$path"; done < "$KEPT/list"; fi
if mountpoint -q "$SCRATCH"; then umount -l "$SCRATCH"; fi
rm -rf "$KEPT" "$DROP_INS" "$SCRATCH" /run/fault.env
"""
START = r"""
systemctl daemon-reload
systemctl reset-failed "$UNIT"
systemctl start "$UNIT"
systemctl reload nginx
"""


@dataclass(frozen=True)
class Site:
    """A deployed site, and what is needed to hurt it."""

    host: Host
    name: str

    @property
    def domain(self) -> str:
        return f"{self.name}.example.org"

    def sh(self, script: str, check: bool = True) -> str:
        return self.host.sh(f"SITE={self.name}\n{TOOLS}\n{script}", check)

    def get(self, path: str, timeout: float = 8) -> int:
        """The status, or 0 where there is no answer: a broken site may give any."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.host.get(path, self.domain, timeout=timeout)[0]
        return 0

    def announce(self, size: int) -> None:
        """Begin to send a body of this size."""
        head = f"POST /store/ HTTP/1.1\r\nHost: {self.domain}\r\nContent-Length: {size}\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection((self.host.address, 80), timeout=5) as connection:
            connection.sendall(head.encode() + b"x" * 1024)
            connection.recv(4096)

    def crowd(self, visitors: int) -> None:
        """So many connections at once, each of which waits for something slow."""
        head = f"GET /slow/?seconds=1 HTTP/1.1\r\nHost: {self.domain}\r\n\r\n".encode()
        with contextlib.ExitStack() as stack:
            for _dummy in range(visitors):
                with contextlib.suppress(OSError):
                    connection = stack.enter_context(socket.create_connection((self.host.address, 80), timeout=2))
                    connection.sendall(head)
            time.sleep(2)

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 30
        while self.get("/health/") != 200:
            if time.monotonic() > deadline:
                raise AssertionError(f"not healthy again:\n{self.sh('systemctl status $UNIT', check=False)}")
            time.sleep(0.1)

    def point_in_time(self) -> str:
        """From here on; nginx tells whole seconds only, so a new one begins first."""
        return self.host.sh("sleep $(date +%N | awk '{print 1.01 - $1 / 1e9}'); date +@%s.%N").strip()


def nothing(site: Site) -> None:
    """The fault shows by itself."""


@dataclass(frozen=True)
class Fault:
    """What happens to a site, and what the diagnosis must say of it.

    :param cause: of the first finding
    :param word: what its evidence holds
    :param induce: shell on the host, with TOOLS before it
    :param ask: what makes the fault show
    :param undo: what STOP doesn't take back
    :param quick: in the sample that each run of the tests takes
    """

    name: str
    cause: str
    word: str
    induce: str = ":"
    ask: Callable[[Site], None] = nothing
    undo: str = ":"
    site: str = "quay"
    quick: bool = False

    def at(self, site: str) -> Fault:
        return dataclasses.replace(self, site=site, name=f"{self.name}_{site.partition('-')[2]}", quick=False)


@contextlib.contextmanager
def induced(fault: Fault, site: Site) -> Iterator[str]:
    """The fault is there and has shown; yield the point in time before it. Afterwards the site is healthy again."""
    site.wait_until_healthy()
    since = site.point_in_time()
    try:
        site.sh(fault.induce, check=False)
        fault.ask(site)
        site.host.sh("journalctl --sync")
        yield since
    finally:
        site.sh(f"{STOP}\n{fault.undo}\n{START}", check=False)
        site.wait_until_healthy()


def get(path: str, timeout: float = 8) -> Callable[[Site], None]:
    """Ask for a page, whatever comes of it."""

    def ask(site: Site) -> None:
        site.get(path, timeout)

    return ask

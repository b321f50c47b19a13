# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy on a balancer: its configuration, how it takes up another one, and what it says and does while it runs.

It is asked by the socket of its master, which is root's: there every process answers, also those from before a reload
that still have connections.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import re
import socket
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk, host_command, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import (
    HAPROXY,
    HAPROXY_CERTIFICATE,
    HAPROXY_CONFIGURATION,
    HAPROXY_MASTER,
    HAPROXY_STATE,
)

UNIT = "haproxy.service"
# The first line of a configuration that is ours, and of which site it is.
OURS = re.compile(r"# (?P<site>[a-z0-9-]+), made by switchyard\.django\b")
# By which a process shows which configuration it has read. The certificate counts: another one is to be taken up, too.
DIGEST = "@DIGEST@"
STATES_FORMAT = "1"
# What somebody decided, forced maintenance or forced drain; everything else HAProxy finds out by itself.
FORCED = 0x01 | 0x08
SERVER_LINE = re.compile(r"^ +server (\S+) \S+:([0-9]+)$", re.MULTILINE)
BIND_LINE = re.compile(r"^ +bind (\S+):([0-9]+)\b", re.MULTILINE)
SERVING = ("up", "unchecked")
ANSWER_SECONDS = 5.0
RELOAD_SECONDS = 15.0
UP_SECONDS = 15.0


class HAProxyError(Exception):
    """HAProxy did not do what it was asked to; the message is for the user."""


# --- the configuration


@dataclass(frozen=True)
class Wanted:
    """What is to be in force.

    :param configuration: the text, with DIGEST in it
    :param certificate: certificates and key, or empty
    """

    site: str
    configuration: str
    certificate: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.configuration}\0{self.certificate}".encode()).hexdigest()[:16]

    @property
    def files(self) -> dict[Path, str | None]:
        return {
            HAPROXY_CERTIFICATE: self.certificate or None,
            HAPROXY_CONFIGURATION: self.configuration.replace(DIGEST, self.digest),
        }


def foreign(site: str) -> str:
    """Why the configuration that is there must not be replaced; empty where it may be."""
    text = disk.text_of(HAPROXY_CONFIGURATION)
    ours = OURS.match(text or "")
    if ours and ours["site"] != site:
        return (
            f"{HAPROXY_CONFIGURATION} balances the site {ours['site']}, and one balancer has one site. Put {site} "
            "behind another host, or remove that file"
        )
    if text is None or ours or hashlib.md5(text.encode()).hexdigest() == _of_the_distribution():  # noqa: S324
        return ""
    return (
        f"{HAPROXY_CONFIGURATION} was changed by hand, and would be replaced as a whole. Move it away, for example to "
        f"{HAPROXY_CONFIGURATION}.before, or put the site behind another host"
    )


def _of_the_distribution() -> str:
    """The digest that dpkg knows of the configuration that came with the package."""
    said = host_command.run(
        ["dpkg-query", "--show", "--showformat=${Conffiles}", "haproxy"], capture_output=True, text=True, check=False
    )
    found = re.search(rf"^ {re.escape(str(HAPROXY_CONFIGURATION))} ([0-9a-f]{{32}})", said.stdout, re.MULTILINE)
    return found[1] if found else ""


def taken(configuration: str) -> list[str]:
    """The ports of the configuration that another program has; what HAProxy itself has may be bound again."""
    own = BIND_LINE.findall(disk.text_of(HAPROXY_CONFIGURATION) or "") if runs() else []
    wanted = [one for one in BIND_LINE.findall(configuration) if one not in own]
    return list(dict.fromkeys(port for address, port in wanted if _is_taken(address, int(port))))


def _is_taken(address: str, port: int) -> bool:
    is_v6 = address.startswith("[")
    with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6:
            asked.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            asked.bind(("" if address == "*" else address.strip("[]"), port))
        except OSError as problem:
            return problem.errno == errno.EADDRINUSE
    return False


def refused(wanted: Wanted) -> str:
    """What HAProxy says against the configuration, read beside the one in force; empty where it takes it."""
    with tempfile.TemporaryDirectory(prefix="switchyard-haproxy-") as scratch:
        certificate, configuration = Path(scratch) / "certificate.pem", Path(scratch) / "haproxy.cfg"
        disk.write(certificate, wanted.certificate.encode(), 0o600)
        text = wanted.configuration.replace(str(HAPROXY_CERTIFICATE), str(certificate))
        disk.write(configuration, text.encode(), 0o600)
        said = host_command.run([HAPROXY, "-c", "-f", configuration], capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return ""
        told = (said.stderr or said.stdout).replace(str(configuration), str(HAPROXY_CONFIGURATION))
        return told.replace(str(certificate), "balancer_certificate").strip()


def is_in_force(wanted: Wanted) -> bool:
    return all(disk.text_of(path) == text for path, text in wanted.files.items()) and _read() == wanted.digest


def enforce(wanted: Wanted) -> None:
    """Put it in place and have HAProxy take it up; what was there before comes back where it doesn't."""
    before = {path: disk.text_of(path) for path in wanted.files}
    keep_decisions(wanted.site, wanted.configuration)
    _put(wanted.files)
    told = _take_up(wanted.digest)
    if told:
        _put(before)
        host_command.run(["systemctl", "reload", UNIT], capture_output=True, check=False)
        now = (
            "goes on with the one before" if OURS.match(before[HAPROXY_CONFIGURATION] or "") else "balances nothing yet"
        )
        raise HAProxyError(f"HAProxy did not take up its configuration, and {now}:\n{told}")
    host_command.run(["systemctl", "enable", "--quiet", UNIT], check=True, capture_output=True)


def _put(files: Mapping[Path, str | None]) -> None:
    for path, text in files.items():
        if text is not None:
            disk.write(path, text.encode(), 0o600 if path == HAPROXY_CERTIFICATE else 0o644)
    for path, text in files.items():
        if text is None:
            disk.remove(path)


def _take_up(digest: str) -> str:
    """Why no process has read that configuration in time; empty where one has."""
    began = f"@{time.time():.0f}"
    verb = "reload" if units.is_active(UNIT) else "start"
    said = host_command.run(["systemctl", verb, UNIT], capture_output=True, text=True, check=False)
    until = time.monotonic() + RELOAD_SECONDS
    while said.returncode == 0 and time.monotonic() < until:
        if _read() == digest:
            return ""
        time.sleep(0.1)
    journal = host_command.run(
        ["journalctl", "--no-pager", "--output=cat", f"--since={began}", f"--unit={UNIT}", "--lines=20"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in journal.stdout.splitlines() if "[ALERT]" in line]
    if any("cannot bind" in line for line in lines):
        lines.append("Another program has that port, which is balancer_port or balancer_tls_port. See: ss -ltnp")
    return "\n".join(lines) or said.stderr.strip() or journal.stdout.strip()


def _read() -> str:
    """The digest of the configuration that the current process has read; empty where there is none."""
    with contextlib.suppress(OSError, HAProxyError):
        found = re.search(r"^description: \S+ ([0-9a-f]+)$", ask(processes()[0], "show info"), re.MULTILINE)
        return found[1] if found else ""
    return ""


# --- the process


def processes() -> list[str]:
    """Those that run, the current one first, as the master takes them in front of a command."""
    found = [line.split() for line in _say("show proc").splitlines()]
    pids = [words[0] for words in found if len(words) > 1 and words[1] == "worker"]
    if not pids:
        raise HAProxyError(f"HAProxy has no process that works. See: journalctl -u {UNIT}")
    return [f"@!{pid}" for pid in pids]


def ask(process: str, command: str) -> str:
    return _say(f"{process} {command}")


def _say(line: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(HAPROXY_MASTER))
        connection.sendall(f"{line}\n".encode())
        # Else the master waits for the next command.
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts).decode(errors="replace")


def runs() -> bool:
    return units.is_active(UNIT)


# --- the servers


@dataclass(frozen=True)
class Server:
    """A host behind the balancer.

    :param state: up, down, drain, maint or unchecked, as HAProxy has it; one that is out may be down, too
    :param out: whether somebody took it out
    :param sessions: the requests and WebSockets that it serves at this moment
    :param check: what the last health check found, in HAProxy's words
    """

    name: str
    state: str
    out: bool
    sessions: int
    check: str

    def __str__(self) -> str:
        sessions = "1 session" if self.sessions == 1 else f"{self.sessions} sessions"
        state = f"out, {self.state.upper()}" if self.out else self.state.upper()
        return f"{self.name}: {state}, {sessions}, {self.check or 'not checked yet'}"

    @property
    def serves(self) -> bool:
        """Whether it gets new visitors."""
        return self.state in SERVING


def servers(backend: str) -> list[Server]:
    """The hosts by the current process; sessions of earlier processes are counted, too."""
    current, *earlier = (_rows(backend, process) for process in processes())
    out = {row["srv_name"] for row in _state_rows(_states(backend)) if int(row["srv_admin_state"]) & FORCED}
    old: dict[str, int] = {}
    for rows in earlier:
        for row in rows:
            old[row["svname"]] = old.get(row["svname"], 0) + int(row["scur"])
    return [
        Server(
            name=row["svname"],
            state="unchecked" if row["status"] == "no check" else row["status"].split()[0].lower(),
            out=row["svname"] in out,
            sessions=int(row["scur"]) + old.get(row["svname"], 0),
            check=" ".join(part for part in (row["check_desc"], row["check_code"]) if part),
        )
        for row in current
    ]


def _rows(backend: str, process: str) -> list[dict[str, str]]:
    lines = ask(process, f"show stat {backend} 4 -1").lstrip("# ").splitlines()
    return [row for row in csv.DictReader(lines) if row.get("pxname") == backend and row.get("scur")]


def problem_of(found: Sequence[Server], out: Sequence[str], back: Sequence[str]) -> str:
    """Why these can't be taken out or brought back; empty where they can."""
    unknown = {*out, *back}.difference(one.name for one in found)
    if unknown:
        return f"The balancer has no host {', '.join(sorted(unknown))}. It has {', '.join(one.name for one in found)}"
    leaving = [one.name for one in found if one.name in out and not one.out]
    left = [one for one in found if one.name not in out and (one.serves or one.name in back)]
    if not leaving or left:
        return ""
    others = ", ".join(f"{one.name} is {one.state}" for one in found if one.name not in out) or "there is no other"
    return f"balancer_out {', '.join(leaving)}: no host would be left to serve ({others}). Bring one back first"


def decide(backend: str, names: Iterable[str], state: str) -> None:
    """Have every process treat these so, and remember it."""
    for name in names:
        for process in processes():
            told = ask(process, f"set server {backend}/{name} state {state}").strip()
            if told and process == processes()[0]:
                raise HAProxyError(f"HAProxy would not set {name} to {state}: {told}")
    keep_decisions(backend, disk.text_of(HAPROXY_CONFIGURATION) or "")


def keep_decisions(backend: str, configuration: str) -> None:
    """Write down who is out, which HAProxy reads when it begins: after a reload, a restart, and a boot of the host.

    The file has nobody else in it, for how these are is to be found out anew.
    """
    before = disk.text_of(HAPROXY_STATE)
    said = _states(backend) if runs() else before or ""
    text = decisions(said, configuration) or before or f"{STATES_FORMAT}\n"
    if text != before:
        disk.write(HAPROXY_STATE, text.encode(), 0o600)


def decisions(said: str, configuration: str) -> str:
    """Of the states that HAProxy prints, those that somebody decided; empty where it says nothing.

    HAProxy would take the port from there, where the configuration has another one.
    """
    rows = _state_rows(said)
    if not rows:
        return ""
    ports = dict(SERVER_LINE.findall(configuration))
    kept = [
        " ".join({**row, "srv_port": ports[row["srv_name"]]}.values())
        for row in rows
        if int(row["srv_admin_state"]) & FORCED and row["srv_name"] in ports
    ]
    return "".join(f"{line}\n" for line in [STATES_FORMAT, f"# {' '.join(rows[0])}", *kept])


def _states(backend: str) -> str:
    return ask(processes()[0], f"show servers state {backend}")


def _state_rows(said: str) -> list[dict[str, str]]:
    """What `show servers state` prints, by the names of its columns."""
    lines = [line.split() for line in said.splitlines() if line.strip()]
    if len(lines) < 2 or lines[0] != [STATES_FORMAT]:
        return []
    return [dict(zip(lines[1][1:], words)) for words in lines[2:]]


def wait_until_idle(backend: str, names: Sequence[str], seconds: float) -> list[Server]:
    """Those that still had sessions when the time was over."""
    until = time.monotonic() + seconds
    while True:
        busy = [one for one in servers(backend) if one.name in names and one.sessions]
        if not busy or time.monotonic() >= until:
            return busy
        time.sleep(min(0.5, max(0.0, until - time.monotonic())))


def wait_until_up(backend: str, names: Sequence[str], seconds: float = UP_SECONDS) -> list[Server]:
    """Those that did not pass their health checks in that time."""
    until = time.monotonic() + seconds
    while True:
        lacking = [one for one in servers(backend) if one.name in names and not one.serves]
        if not lacking or time.monotonic() >= until:
            return lacking
        time.sleep(0.5)

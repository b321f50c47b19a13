# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has left for the site: memory, disk, and days of its certificate; and what else the host is."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import certificate, edge, sizing, state, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import HAPROXY, NGINX_LOGS, Layout

ANSWERS_WITHIN = 3
SERVED = re.compile(r"^\s*ssl_certificate\s+(\S+);", re.MULTILINE)
# What a host without the site may be there for, by a unit that is at work.
ELSE = {"haproxy.service": "HAProxy", "postgresql@*.service": "PostgreSQL", "redis-server*.service": "Redis"}


@dataclass(frozen=True)
class Disk:
    """A file system that the site writes to; sizes in bytes, shares from 0 to 1.

    :param paths: what of the site lies there
    """

    paths: list[str]
    size: int
    free: int
    free_share: float
    inodes_free_share: float


@dataclass(frozen=True)
class TlsCertificate:
    """The certificate that nginx names for the site.

    :param ends: in seconds since 1970
    :param days: until then; less than 0 where it is over
    :param served: whether nginx shows this very one to visitors; None where nginx could not be asked
    """

    path: str
    ends: float
    days: float
    served: bool | None


@dataclass(frozen=True)
class HostStatus:
    """Memory in bytes; `load` is of the last minute, for all cores."""

    cores: int
    load: float
    memory: int
    memory_available: int
    disks: list[Disk]
    nginx: str
    tls: TlsCertificate | None
    tls_problem: str


def read(layout: Layout) -> HostStatus:
    """The host, as far as the site needs it."""
    told = sizing.resources()
    available = re.search(r"^MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    nginx = units.states(["nginx.service"], "Id,ActiveState,SubState").get("nginx.service", {})
    tls, problem = _tls(layout)
    return HostStatus(
        cores=told["cores"],
        load=round(os.getloadavg()[0], 2),
        memory=told["memory"] * sizing.MIB,
        memory_available=int(available[1]) * 1024 if available else 0,
        disks=disks([layout.srv, layout.data, layout.media, layout.backups, layout.etc, NGINX_LOGS, layout.samples]),
        nginx="/".join(nginx.get(name, "") for name in ("ActiveState", "SubState")).strip("/"),
        tls=tls,
        tls_problem=problem,
    )


def disks(paths: list[Path]) -> list[Disk]:
    """The file systems on which these lie, each once; a path that is not there is passed over."""
    found: dict[int, list[Path]] = {}
    for path in paths:
        if path.exists():
            found.setdefault(path.stat().st_dev, []).append(path)
    return [_disk(here) for here in found.values()]


def _disk(paths: list[Path]) -> Disk:
    told = os.statvfs(paths[0])
    size, free = told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize
    return Disk(
        paths=[str(path) for path in paths],
        size=size,
        free=free,
        free_share=round(free / size, 4) if size else 1.0,
        # Some file systems make them as they are needed, and have no number.
        inodes_free_share=round(told.f_favail / told.f_files, 4) if told.f_files else 1.0,
    )


def _tls(layout: Layout) -> tuple[TlsCertificate | None, str]:
    """The certificate, or nothing where the site has none; and why it can't be read."""
    try:
        facts = state.edge(layout)
        found = SERVED.search(layout.edge.read_text()) if facts.get("tls") else None
    except (OSError, ValueError):
        return None, ""
    if not found:
        return None, ""
    path = Path(found[1])
    read = certificate.read(path)
    if read is None:
        return None, f"{path} can't be read, which nginx names as the site's certificate"
    shown = _shown(facts)
    served = None if shown is None else shown == _own(path)
    return TlsCertificate(str(path), read.ends.timestamp(), round(read.left.total_seconds() / 86400, 2), served), ""


def _shown(facts: Mapping[str, Any]) -> bytes | None:
    """The certificate that nginx shows to who asks for the site's first name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is looked at, and not relied on
    try:
        with (
            socket.create_connection(edge.place(facts), ANSWERS_WITHIN) as connection,
            context.wrap_socket(connection, server_hostname=facts["hosts"][0]) as tls,
        ):
            return tls.getpeercert(binary_form=True)
    except OSError:
        return None


def _own(path: Path) -> bytes:
    """The first certificate of a file."""
    begin, found, rest = path.read_text(errors="replace").partition(certificate.CERTIFICATE_BEGINS)
    end = "-----END CERTIFICATE-----"
    try:
        return ssl.PEM_cert_to_DER_cert(found + rest.partition(end)[0] + end) if found else b""
    except ValueError:
        return b""


def what_else() -> list[str]:
    """What a host is that has no such site."""
    found = units.states(ELSE, "Id,ActiveState")
    active = [name for name, unit in found.items() if unit.get("ActiveState") == "active"]
    named = [words for pattern, words in ELSE.items() if any(_matches(name, pattern) for name in active)]
    return [words for words in named if words != "HAProxy" or HAPROXY.exists()]


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern.partition("*")[0].removesuffix(".service"))

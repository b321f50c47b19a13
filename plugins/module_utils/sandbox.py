# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox in which everything of the site's own runs: its instances, manage.py, installers and builds.

One list serves the unit of an instance and the transient units of a deploy, so that what works while a release is made
works when it serves. https://www.freedesktop.org/software/systemd/man/systemd.exec.html describes each directive.
"""

from __future__ import annotations

import grp
import re
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file, host_command, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

DIRECTIVES = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "DevicePolicy=closed",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    # gunicorn chowns its socket to the user that it already is; without the capability that is all it can do.
    "SystemCallFilter=@chown",
    "SystemCallErrorNumber=EPERM",
    "UMask=0027",
)


# What may be loosened: by which variable, what an item must look like, and an example. A unit's path can't hold more.
STRAIGHT = r"(?!.*/\.\.(?:/|$))"  # systemd leaves out a path with .. in it, and says so to nobody who would hear it
PATH = rf"{STRAIGHT}/[A-Za-z0-9._/@+-]+"
LOOSENED = {
    "writable_paths": (PATH, "/srv/exports"),
    "address_families": (r"AF_[A-Z0-9]+", "AF_NETLINK"),
    "system_calls": (r"@?[a-z0-9_-]+", "@resources"),
    "devices": (rf"{STRAIGHT}/dev/[A-Za-z0-9._/-]+|char-[a-z0-9-]+", "/dev/dri/renderD128"),
    "groups": (r"[a-z_][a-z0-9_-]{0,31}", "render"),
}
PROTECT_HOME = ("yes", "read-only", "tmpfs", "no")


def problems(loosened: Mapping[str, Any]) -> list[str]:
    """What is wrong with the variables that loosen the sandbox."""
    found = []
    for name, (shape, example) in LOOSENED.items():
        if not isinstance(loosened[name], list):
            found.append(f"systemd_{name} must be a list, for example [{example}]")
            continue
        found += [
            f"systemd_{name} has {item!r}, which can't stand in a unit; an example is {example}"
            for item in loosened[name]
            if not re.fullmatch(shape, str(item))
        ]
    if loosened["protect_home"] not in PROTECT_HOME:
        found.append(
            f"systemd_protect_home {loosened['protect_home']!r} is none of {', '.join(PROTECT_HOME)} "
            "(ProtectHome= of systemd.exec); yes and no need quotes, or YAML makes a truth value of them"
        )
    return found


def unknown(loosened: Mapping[str, list[str]]) -> list[str]:
    """What this host does not have of that by which the sandbox is loosened."""
    found = [
        f"systemd_writable_paths: no folder {path}" for path in loosened["writable_paths"] if not Path(path).is_dir()
    ]
    found += [
        f"systemd_devices: no device {path}"
        for path in loosened["devices"]
        if path.startswith("/") and not Path(path).exists()
    ]
    for family in loosened["address_families"]:
        if not hasattr(socket, family):
            found.append(f"systemd_address_families: no {family}")
    for group in loosened["groups"]:
        try:
            grp.getgrnam(group)
        except KeyError:
            found.append(f"systemd_groups: no group {group}")
    for call in (one for one in loosened["system_calls"] if one.startswith("@")):
        listed = host_command.run(
            ["systemd-analyze", "syscall-filter", call], capture_output=True, text=True, check=False
        )
        if listed.returncode:
            found.append(f"systemd_system_calls: no group {call}")
    return found


def directives(loosened: Mapping[str, Any] | None = None) -> list[str]:
    """The sandbox, with what the user has loosened: a list of systemd grows with each line, other lines count last."""
    added = []
    if loosened:
        if loosened["address_families"]:
            added.append(f"RestrictAddressFamilies={' '.join(loosened['address_families'])}")
        if loosened["system_calls"]:
            added.append(f"SystemCallFilter={' '.join(loosened['system_calls'])}")
        if loosened["devices"]:
            added += ["PrivateDevices=no", *(f"DeviceAllow={device} rw" for device in loosened["devices"])]
        if loosened["groups"]:
            added.append(f"SupplementaryGroups={' '.join(loosened['groups'])}")
        if loosened["protect_home"] != "yes":
            added.append(f"ProtectHome={loosened['protect_home']}")
        if loosened["writable_paths"]:
            added.append(f"ReadWritePaths={' '.join(loosened['writable_paths'])}")
    return [*DIRECTIVES, *added]


@dataclass(frozen=True)
class Result:
    """How a command in the sandbox ended."""

    rc: int
    stdout: str
    stderr: str


def run(
    layout: Layout,
    purpose: str,
    argv: Iterable[str | Path],
    *,
    cwd: Path | None = None,
    writable: Iterable[Path] = (),
    binds: Mapping[Path, Path] | None = None,
    environment: Mapping[str, str] | None = None,
    environment_file: Path | None = None,
    stdin: str | IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    patient: bool = False,
    limit: int = 1800,
    loosened: Mapping[str, Any] | None = None,
    properties: Iterable[str] = (),
    merged: bool = False,
) -> Result:
    """Run a command as the site's user, in the sandbox, and wait for it.

    The transient unit is named after the purpose, so that systemd itself refuses a second one while the first runs.
    What an earlier run left at work is stopped, or, where `patient`, waited for.
    The environment travels in files that only root can read, never as arguments, which every user can see.

    :param writable: folders beside the site's data and media that the command may write
    :param binds: folder on the host -> path at which the command finds it
    :param environment_file: the site's own environment; `environment` is laid over it
    :param stdin: a text, or an open file; the command may read one of root's like this
    :param stdout: an open file that takes what the command prints; without it the result has it
    :param patient: whether the command must not be cut off, such as a migration
    :param limit: seconds after which the command is stopped
    :param loosened: what the release's sandbox allows beside, as `directives` takes it
    :param properties: what this one command needs beside
    :param merged: whether stderr comes in stdout, line by line as it was said
    """
    unit = f"switchyard-{purpose}@{layout.site}.service"
    if patient:
        units.wait_for(unit, limit)
    else:
        units.end(unit)
    layout.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    extra = layout.run / f"{purpose}.env"
    try:
        disk.write(extra, env_file.render(environment or {}), 0o600)
        listed = [
            *directives(loosened),
            *properties,
            f"User={layout.site}",
            f"Group={layout.site}",
            f"ReadWritePaths={' '.join(str(path) for path in (layout.data, layout.media, *writable))}",
            f"RuntimeMaxSec={limit}",
            *(f"EnvironmentFile={path}" for path in (environment_file, extra) if path),
            *(f"BindPaths={source}:{destination}" for source, destination in (binds or {}).items()),
        ]
        done = host_command.run(
            [
                *("systemd-run", f"--unit={unit}", "--service-type=exec"),
                *("--wait", "--pipe", "--collect", "--quiet", f"--working-directory={cwd or layout.data}"),
                *(f"--property={item}" for item in listed),
                # systemd puts variables in before the command sees its arguments.
                *("--", *(str(part).replace("$", "$$") for part in argv)),
            ],
            **({"input": stdin or ""} if stdin is None or isinstance(stdin, str) else {"stdin": stdin}),
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        disk.remove(extra)
    return Result(done.returncode, done.stdout or "", done.stderr or "")

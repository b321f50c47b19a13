# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox in which everything of the site's own runs: its instances, manage.py, installers and builds.

One list serves the unit of an instance and the transient units of a deploy, so that what works while a release is made
works when it serves. https://www.freedesktop.org/software/systemd/man/systemd.exec.html describes each directive.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file, units
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
    stdin: str | None = None,
    patient: bool = False,
    limit: int = 1800,
) -> Result:
    """Run a command as the site's user, in the sandbox, and wait for it.

    The transient unit is named after the purpose, so that systemd itself refuses a second one while the first runs.
    What an earlier run left at work is stopped, or, where `patient`, waited for.
    The environment travels in files that only root can read, never as arguments, which every user can see.

    :param writable: folders beside the site's data and media that the command may write
    :param binds: folder on the host -> path at which the command finds it
    :param environment_file: the site's own environment; `environment` is laid over it
    :param patient: whether the command must not be cut off, such as a migration
    :param limit: seconds after which the command is stopped
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
        properties = [
            *DIRECTIVES,
            f"User={layout.site}",
            f"Group={layout.site}",
            f"ReadWritePaths={' '.join(str(path) for path in (layout.data, layout.media, *writable))}",
            f"RuntimeMaxSec={limit}",
            *(f"EnvironmentFile={path}" for path in (environment_file, extra) if path),
            *(f"BindPaths={source}:{destination}" for source, destination in (binds or {}).items()),
        ]
        done = subprocess.run(
            [
                *("systemd-run", f"--unit={unit}", "--service-type=exec"),
                *("--wait", "--pipe", "--collect", "--quiet", f"--working-directory={cwd or layout.data}"),
                *(f"--property={item}" for item in properties),
                *("--", *(str(part) for part in argv)),
            ],
            input=stdin or "",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        disk.remove(extra)
    return Result(done.returncode, done.stdout, done.stderr)

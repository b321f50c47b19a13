# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, in one go and without changing anything, what a host holds of a site."""

from __future__ import annotations

import contextlib
import datetime
import grp
import json
import math
import os
import platform
import pwd
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    environment,
    history,
    host_command,
    locks,
    services,
    sizing,
    units,
    venvs,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import SITES, TMPFILES, UV, Layout


def manifest(layout: Layout, release: str) -> dict[str, Any] | None:
    """What a release is; None where it is not there or only half made."""
    try:
        return json.loads(layout.manifest(release).read_text())
    except (OSError, ValueError):
        return None


def manifests(layout: Layout) -> dict[str, dict[str, Any]]:
    """Every whole release on the host, by identifier."""
    folder = layout.etc / "releases"
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    found = {name: manifest(layout, name) for name in names}
    return {name: content for name, content in found.items() if content}


def live_release(layout: Layout) -> str | None:
    """The release that `current` names."""
    try:
        return os.path.basename(os.readlink(layout.current))
    except OSError:
        return None


def edge(layout: Layout) -> dict[str, Any]:
    """The port and the names by which the site's edge is asked."""
    return json.loads(layout.edge_names.read_text())


# In so many days, of which the first may be nearly over, HSTS counts for 300 seconds.
FIRST_DAYS = 3


def edge_memory(layout: Layout, today: datetime.date) -> dict[str, Any]:
    """What the edge has told browsers: until when they come by https alone, and in which days only for a while."""
    try:
        before = edge(layout)
    except (OSError, ValueError):
        before = {}
    first = [str(today + datetime.timedelta(days=number)) for number in range(FIRST_DAYS)]
    hsts, days = before.get("hsts") or 0, before.get("hsts_days") or first
    until = before.get("hsts_until", "")
    if hsts:  # it may have been said a moment ago
        until = str(today + datetime.timedelta(days=1 if str(today) in days else math.ceil(hsts / 86400)))
    return {"hsts": hsts, "hsts_days": days, "hsts_until": until, "hsts_holds": until > str(today)}


# What Debian's releases have, for a host where it is not installed yet.
OS_RELEASE = Path("/etc/os-release")
DEBIAN_NGINX = {"12": "1.22.1", "13": "1.26.3"}


def nginx_version() -> str:
    """The version of nginx that the host has, or will have once it is installed."""
    try:
        told = host_command.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
    except OSError:
        told = ""
    found = re.search(r"nginx/([0-9.]+)", told)
    if found:
        return found[1]
    try:
        release = re.search(r'^VERSION_ID="?(\d+)', OS_RELEASE.read_text(), re.MULTILINE)
    except OSError:
        release = None
    return DEBIAN_NGINX.get(release[1] if release else "", max(DEBIAN_NGINX.values()))


def running_instances(layout: Layout) -> dict[str, int]:
    """The main PID of every instance that runs, by release."""
    return {
        release: int(unit["MainPID"])
        for release, process, unit in _units_of_releases(layout)
        if not process and unit["ActiveState"] == "active"
    }


def _migrated(layout: Layout, release: str) -> dict[str, Any]:
    try:
        return json.loads(layout.migrated(release).read_text())
    except (OSError, ValueError):
        return {}


def migrated_at(layout: Layout, release: str) -> float | None:
    """When the release's migrations were applied by this host, if they were."""
    return _migrated(layout, release).get("at")


def backup_of(layout: Layout, release: str) -> str | None:
    """The backup that was made before the release's migrations were applied."""
    return _migrated(layout, release).get("backup")


BACKUP_NOTE = "backup.json"


def backups(layout: Layout) -> list[dict[str, Any]]:
    """What was saved of the databases on this host, the latest first."""
    found = []
    for note in sorted(layout.backups.glob(f"[!.]*/{BACKUP_NOTE}"), reverse=True):
        with contextlib.suppress(OSError, ValueError):
            found.append(json.loads(note.read_text()))
    return found


# What the program of a release calls the unit of a command of manage.py.
MANAGE_UNIT = re.compile(r"switchyard-manage-([0-9a-f]+)-")


def at_work(layout: Layout) -> set[str]:
    """The releases of which anything may be at work still: a stop may take as long as the last request, or task."""
    return {release for release, _process, unit in _units_of_releases(layout) if unit["ActiveState"] in units.AT_WORK}


def managed(layout: Layout) -> set[str]:
    """The releases whose code a command of manage.py runs at this moment, as the units' names say."""
    found = units.states([f"switchyard-manage-*@{layout.site}.service"])
    named = ((MANAGE_UNIT.match(name), unit["ActiveState"]) for name, unit in found.items())
    return {name[1] for name, activity in named if name and activity in units.AT_WORK}


def _units_of_releases(layout: Layout) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The release, the process and the state of every unit of the site that systemd has loaded."""
    for name, unit in units.states([f"{layout.site}@*.service", f"{layout.site}@*.timer"]).items():
        parts = layout.parts_of(name)
        if parts:
            yield (*parts, unit)


def sites() -> str:
    """The sites that the host has, for a message."""
    return ", ".join(
        f"{path.name} (removed, its data is kept)" if (path / "removed.json").exists() else path.name
        for path in _folders_of_sites()
    )


def in_use() -> set[str]:
    """The sites that need what all of them share: that serve, or that a run has begun with and not ended."""
    marked = {path.stem.removeprefix("switchyard-") for path in TMPFILES.glob("switchyard-*.conf")}
    return marked | {path.name for path in _folders_of_sites() if not (path / "removed.json").exists()}


def _folders_of_sites() -> list[Path]:
    return sorted(path for path in SITES.iterdir() if path.is_dir()) if SITES.is_dir() else []


def is_removed(layout: Layout) -> bool:
    """Whether nothing is left of the site but what its removal has kept."""
    return layout.removed.exists() and not marker(layout).exists() and not is_half_removed(layout)


def is_half_removed(layout: Layout) -> bool:
    """Whether a removal has begun and not ended."""
    return layout.removing.exists()


def startable(layout: Layout, known: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The releases that have all they need to start; an environment may have been forgotten since."""
    return {name for name, one in known.items() if layout.environment(one["environment"]).exists()}


def environments(layout: Layout) -> list[str]:
    """The names of the environments that are on the host."""
    folder = layout.etc / "env"
    return sorted(path.stem for path in folder.glob("*.env")) if folder.is_dir() else []


def restoring(layout: Layout) -> str:
    """The backup that a restore was about to bring back which did not come to its end; empty where there is none."""
    try:
        return json.loads(layout.restoring.read_text())["backup"]
    except (OSError, ValueError):
        return ""


def _undone(layout: Layout) -> str | None:
    """The release whose migrations a rollback undid that was cut off before the traffic moved."""
    try:
        return json.loads(layout.reversal.read_text())["by"]
    except (OSError, ValueError):
        return None


def conflict(layout: Layout) -> str | None:
    """Say what else on the host has the site's name, or None where it is ours or free."""
    if any(path.exists() for path in (marker(layout), layout.removed, layout.removing)):
        return None
    site = layout.site
    try:
        pwd.getpwnam(site)
        return f"a user {site}"
    except KeyError:
        pass
    try:
        grp.getgrnam(site)
        return f"a group {site}"
    except KeyError:
        pass
    for path in (layout.edge, layout.edge.with_suffix(""), layout.sockets):
        if path.exists():
            return str(path)
    if layout.srv.exists() and not (layout.srv.is_dir() and not os.listdir(layout.srv)):
        return str(layout.srv)
    done = host_command.run(
        ["systemctl", "list-unit-files", "--no-legend", f"{site}.service", f"{site}@*.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    units = done.stdout.split()
    return f"a unit {units[0]}" if units else None


def marker(layout: Layout) -> Path:
    """The first file of ours that a deploy writes: where it is, the name is the site's."""
    return TMPFILES / f"switchyard-{layout.site}.conf"


def missing_packages(wanted: list[str]) -> list[str]:
    """Those of the Debian packages that are not installed, and that no installed one provides."""
    if not wanted:
        return []
    done = host_command.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}, ${Provides}\\n"],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {
        entry.split()[0]
        for line in done.stdout.splitlines()
        if line.startswith("installed ")
        for entry in line.removeprefix("installed ").split(",")
        if entry.strip()
    }
    return sorted(set(wanted) - installed)


def folders_amiss(layout: Layout) -> list[str]:
    """The site's folders that are missing or have another owner or mode than they must."""
    amiss = []
    for path, mode, owner, _group in layout.folders():
        try:
            status = os.stat(path)
            right = status.st_mode & 0o7777 == int(mode, 8) and pwd.getpwuid(status.st_uid).pw_name == owner
        except (OSError, KeyError):
            right = False
        if not right:
            amiss.append(str(path))
    return amiss


def uv_version() -> str | None:
    """The version of uv that the host role installed."""
    try:
        return (UV / "version").read_text().strip()
    except OSError:
        return None


def whole_venvs(layout: Layout) -> list[str]:
    folder = layout.srv / "venvs"
    return [name for name in sorted(os.listdir(folder)) if venvs.is_whole(folder / name)] if folder.is_dir() else []


def read(
    layout: Layout,
    variables: dict[str, str],
    domains: list[str],
    packages: list[str],
    inputs: str | None,
    scheme: str = "http",
    beside: services.Services = services.NONE,
) -> dict[str, Any]:
    """Everything that a deploy or a rollback decides on.

    :param variables: site_env; only its keyed digest leaves this function
    :param packages: Debian packages that the host should have
    :param inputs: the digest of the requirements whose lock is asked for
    :param scheme: how visitors come
    :param beside: the services that the site uses
    """
    site_secrets = environment.load(layout)
    digest, complete = None, {}
    if site_secrets:
        composed = environment.with_defaults(variables, domains, layout, scheme, beside, site_secrets.identity_key)
        complete = environment.with_secret_key(composed, site_secrets)
        digest = environment.digest(complete, site_secrets)
    return {
        "systemd": Path("/run/systemd/system").is_dir(),
        "apt": Path("/usr/bin/apt-get").exists(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "ipv6": Path("/proc/net/if_inet6").exists() and bool(Path("/proc/net/if_inet6").read_text()),
        "nginx": nginx_version(),
        "edge": edge_memory(layout, datetime.datetime.now().astimezone().date()),
        "resources": sizing.resources(),
        "neighbours": sizing.neighbours(layout.site),
        "conflict": conflict(layout),
        "half_removed": is_half_removed(layout),
        "restoring": restoring(layout),
        "missing_packages": missing_packages(packages),
        "folders_amiss": folders_amiss(layout),
        "uv": uv_version(),
        "secrets": site_secrets.fingerprint if site_secrets else None,
        "environment": digest,
        "environment_present": digest is not None and environment.is_in_place(layout, digest, complete),
        "inputs": inputs,
        "lock": locks.digest(layout.lock(inputs).read_text()) if inputs and layout.lock(inputs).exists() else None,
        "venvs": whole_venvs(layout),
        **releases(layout),
    }


def releases(layout: Layout) -> dict[str, Any]:
    """The releases on the host: what they are, which is live, which run, which were, and where a rollback leads."""
    entries = history.read(layout.history)
    known = manifests(layout)
    live = live_release(layout)
    rejected = history.rejected(entries, live)
    return {
        "live": live if live in known else None,
        "live_since": history.live_since(entries, live),
        "undone": _undone(layout),
        "releases": known,
        "running": running_instances(layout),
        "lived": history.lived(entries, set(known), live),
        "rejected": sorted(rejected),
        "reasons": rejected,
        "rollback_target": history.rollback_target(entries, live, startable(layout, known)),
    }

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of a service that a site wants there, and whether the site can have it. Changes nothing."""

from __future__ import annotations

import glob
import os
import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import host_command, services, state, units

# sudo: a host that is reached as root may have none, and PostgreSQL lets its own user administer it alone.
PACKAGES = {"postgresql": ["postgresql", "python3-psycopg2", "sudo"], "redis": ["redis-server"]}
REDIS = Path("/etc/redis")
MARK = "switchyard.django"


def mark(site: str, fingerprint: str) -> str:
    """By which a role of PostgreSQL and an instance of Redis are known as this site's, and not one of its name."""
    return f"{MARK}: {site} {fingerprint}"


@dataclass
class Found:
    """What is there. `stale` is a configuration that the server has not read yet.

    `listens` is PostgreSQL's listen_addresses, and where a Redis listens for a release that may still be live.
    `settings` are those of PostgreSQL that this collection has set.
    """

    problem: str = ""
    missing: list[str] = field(default_factory=list)
    stale: bool = False
    listens: str = ""
    lets_in: list[str] = field(default_factory=list)
    hba_file: str = ""
    configuration: str = ""
    unit: str = ""
    max_connections: int = 0
    settings: dict[str, str] = field(default_factory=dict)


def look(
    site: str, kind: str, port: int, addresses: list[str], fingerprint: str, host: str, max_connections: int = 0
) -> Found:
    """Read what the host has, and judge whether the site can have its service there.

    :param addresses: at which the service is to listen beside the loopback
    :param fingerprint: of the site's secrets, empty where it has none yet
    :param host: how the inventory calls the host
    :param max_connections: that PostgreSQL has to allow; 0 where those that it allows will do
    """
    found = Found(missing=state.missing_packages(PACKAGES[kind]))
    foreign = [one for one in addresses if not _is_own(one)]
    if not Path("/usr/bin/apt-get").exists():
        found.problem = f"{host} has no apt-get, by which {kind} is installed. Choose a Debian host."
    elif foreign:
        found.problem = (
            f"{host}: {', '.join(foreign)} is none of its addresses, so {kind} can't listen there for {site}. Give the "
            f"address by which the site's hosts reach it as site_address of {host}."
        )
    elif kind == "postgresql":
        _look_at_postgresql(found, site, port, fingerprint, host, max_connections)
    else:
        _look_at_redis(found, site, port, addresses, fingerprint, host)
    return found


def _is_own(address: str) -> bool:
    return _bind(address, 0) is None


def _bind(address: str, port: int) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((address, port))
        except OSError as problem:
            return problem
    return None


def way_to(address: str, given: str = "") -> dict[str, str]:
    """How this host comes to another one: by which address it goes (`given` where the user says so), and where to."""
    try:
        family, kind, _protocol, _name, target = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asked:
            asked.connect(target)  # chooses a way, and sends nothing
            return {"to": str(target[0]), "from": given or asked.getsockname()[0], "problem": ""}
    except OSError as problem:
        return {"to": "", "from": given, "problem": problem.strerror or str(problem)}


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

QUESTION = """\
SELECT current_setting('listen_addresses'), current_setting('hba_file'), current_setting('config_file'),
       extract(epoch FROM pg_conf_load_time()),
       (SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = '{site}'),
       (SELECT count(*) FROM pg_database WHERE datname = '{site}'),
       setting, coalesce(sourcefile, ''), coalesce(sourceline, 0)
  FROM pg_settings WHERE name = 'max_connections'
"""
SEPARATOR = "\x1f"
# Beside postgresql.conf, which includes it.
SETTINGS = "conf.d/90-switchyard.conf"
SETTING = re.compile(r"(?m)^(\w+) = '([^']*)'$")
INCLUDES = re.compile(r"\s*include_dir\s*=?\s*'conf\.d'")


def _look_at_postgresql(found: Found, site: str, port: int, fingerprint: str, host: str, max_connections: int) -> None:
    if found.missing and not Path("/usr/bin/psql").exists():
        return  # it will come with the package
    done = _ask_postgresql(site, port)
    if done.returncode:
        if "postgresql" in found.missing:
            return
        said = " ".join(done.stderr.split())
        found.problem = (
            f"site_database: PostgreSQL on {host} does not answer, at port {port} (postgresql_port): {said} "
            f"Look there: systemctl status 'postgresql*'; pg_lsclusters says which ports there are."
        )
        return
    told = done.stdout.rstrip("\n").split(SEPARATOR)
    found.listens, found.hba_file, found.configuration, loaded, comment, databases, connections, source, line = told
    version, cluster = Path(found.configuration).parts[3:5]
    found.unit = f"postgresql@{version}-{cluster}.service"
    found.stale = os.path.getmtime(found.hba_file) > float(loaded)
    found.lets_in = re.findall(
        rf"^hostssl\s+{site}\s+{site}\s+([0-9a-fA-F.:/]+)\s", _read(found.hba_file), re.MULTILINE
    )
    settings = Path(found.configuration).parent / SETTINGS
    found.settings = dict(SETTING.findall(_read(str(settings))))
    found.max_connections = int(connections)
    there = comment != "-" or databases != "0"
    if there and comment not in (MARK, mark(site, fingerprint)):
        found.problem = (
            f"site_database: PostgreSQL on {host} has a {'role' if comment != '-' else 'database'} {site} that is not "
            f"this site's. Choose another site_name, or give the database by its URL. If it is meant for this site, "
            f'hand it over there: sudo -u postgres psql -c "COMMENT ON ROLE \\"{site}\\" IS \'{MARK}\'"'
        )
    elif max_connections > found.max_connections and _overrules(source, int(line), settings, found.configuration):
        found.problem = (
            f"postgresql_max_connections {max_connections}: on {host} {source}, line {line}, says {connections}, and "
            f"is read after {settings}, where it would be set. Raise it there and restart PostgreSQL, or take the line "
            "out."
        )


def _ask_postgresql(site: str, port: int) -> subprocess.CompletedProcess[str]:
    command = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", f"--port={port}", f"--field-separator={SEPARATOR}"]
    return host_command.run(
        [*command, f"--host={services.SOCKETS}", "--dbname=postgres", "--pset=null=-"],
        input=QUESTION.format(site=site),
        env={**os.environ, "PGCONNECT_TIMEOUT": "5", "LC_ALL": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def _overrules(source: str, line: int, settings: Path, configuration: str) -> bool:
    """Whether a line of PostgreSQL's configuration counts more than our file: the last one that is read does."""
    if source != configuration:
        return bool(source) and (Path(source).parent != settings.parent or Path(source).name > settings.name)
    lines = _read(configuration).splitlines()
    includes = next((number for number, text in enumerate(lines, 1) if INCLUDES.match(text)), 0)
    return line > includes


# --- Redis -----------------------------------------------------------------------------------------------------------


def _look_at_redis(found: Found, site: str, port: int, addresses: list[str], fingerprint: str, host: str) -> None:
    ends = [services.LOOPBACK, *addresses]
    found.unit = f"redis-server@{site}.service"
    found.configuration = str(REDIS / f"redis-{site}.conf")
    there = _read(found.configuration)
    if there and mark(site, fingerprint) not in there:
        found.problem = (
            f"site_redis: {host} has {found.configuration}, which is not this site's. Choose another site_name, or "
            "move the file away."
        )
        return
    if there and _port(there) != port:
        found.problem = (
            f"redis_port {port}: the Redis of {site} on {host} listens at {_port(there)}, where the live release looks "
            f"for it. Leave it there, with redis_port: {_port(there)}."
        )
        return
    found.listens = " ".join(one for one in _bound(there) if one not in ends and _is_own(one))
    active = units.is_active(found.unit)
    found.stale = active and _started(found.unit) < int(os.path.getmtime(found.configuration))
    others = glob.glob(str(REDIS / "redis-*.conf"))
    rival = next((path for path in others if path != found.configuration and _port(_read(path)) == port), "")
    if not rival and not active:
        taken = [one for one in ends if _bind(one, port)]
        rival = f"another program, at {taken[0]}" if taken else ""
    if rival:
        found.problem = (
            f"redis_port {port}: on {host} that port is taken by {rival}. Give {site} another one, for example "
            f"redis_port: {port + 1}."
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _bound(configuration: str) -> list[str]:
    found = re.search(r"^bind\s+(.+)", configuration, re.MULTILINE)
    return found[1].split() if found else []


def _port(configuration: str) -> int:
    found = re.search(r"^port\s+([0-9]+)", configuration, re.MULTILINE)
    return int(found[1]) if found else 0


def _started(unit: str) -> float:
    done = host_command.run(
        ["systemctl", "show", "--timestamp=unix", "--property=ActiveEnterTimestamp", "--value", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout.strip().removeprefix("@")
    return float(told) if told.isdigit() else 0.0

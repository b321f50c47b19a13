# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database and the Redis that a site uses: where they are, and what the site is told of them.

A password is derived from the key that the site's hosts share, so there is nothing more to keep; the hosts of the data
get what proves it, and never the password.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

DATABASE_PARTS = ("url", "host", "port", "name", "user", "password")
REDIS_PARTS = ("url", "host", "port", "password")
SOCKETS = "/run/postgresql"
LOOPBACK = "127.0.0.1"
# What a role, a database or a line of pg_hba.conf can't be called, or means something else by.
TAKEN_BY_POSTGRESQL = frozenset(
    "all none postgres public replication samegroup samerole sameuser template0 template1 user".split()
)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# By these a project is told of a database; others, such as DB_POOL_SIZE, say how it is used.
NAMES_A_DATABASE = re.compile(
    r"(DJANGO_)?(DB|DATABASE|POSTGRES|POSTGRESQL|MYSQL|SQL)_(URL|URI|DSN|HOST|NAME|DB|USER|PASSWORD|PORT)"
    r"|PG(HOST|DATABASE|USER|PASSWORD|PORT)"
)


@dataclass(frozen=True)
class Service:
    """Where the site finds a service, and by which variables it is told."""

    kind: str  # postgresql and redis are set up by the roles of that name; url is somebody else's
    variables: Mapping[str, str]  # the variable -> which part of it
    host: str = ""  # the inventory's name of the host that has it
    address: str = ""  # empty where the service shares the site's only host
    port: int = 0
    url: str = ""

    def parts(self, site: str, key: str) -> dict[str, str]:
        """All that a variable may be told."""
        if self.kind == "url":
            return _parts_of(self.url)
        host = f"[{self.address}]" if ":" in self.address else self.address
        if self.kind == "redis":
            word = password(key, "redis")
            url = f"redis://:{word}@{host or LOOPBACK}:{self.port}/0"
            return {"url": url, "host": self.address or LOOPBACK, "port": str(self.port), "password": word}
        told = {"port": str(self.port), "name": site, "user": site}
        if not self.address:
            port = f"&port={self.port}" if self.port != 5432 else ""
            return {**told, "url": f"postgresql://{site}@/{site}?host={SOCKETS}{port}", "host": SOCKETS, "password": ""}
        word = password(key, "postgresql")
        url = f"postgresql://{site}:{word}@{host}:{self.port}/{site}?sslmode=require"
        return {**told, "url": url, "host": self.address, "password": word}


@dataclass(frozen=True)
class Services:
    """What the site uses beside itself."""

    database: Service | None = None
    redis: Service | None = None

    def told(self, site: str, key: str) -> dict[str, str]:
        """The variables by which the site learns of its services.

        :param key: the identity key of the site's secrets
        """
        found = {}
        for service in filter(None, (self.database, self.redis)):
            parts = service.parts(site, key)
            found.update({name: parts[part] for name, part in service.variables.items()})
        return found


NONE = Services()


def _parts_of(url: str) -> dict[str, str]:
    found = urlsplit(url)
    return {
        "url": url,
        "host": unquote(found.hostname or ""),
        "port": str(found.port or ""),
        "name": unquote(found.path.lstrip("/")),
        "user": unquote(found.username or ""),
        "password": unquote(found.password or ""),
    }


def urls(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The URLs that the user gave, where they gave one."""
    return {"database": variables.get("site_database"), "redis": variables.get("site_redis")}


def read(text: str) -> Services:
    """What `place` has found, with the URLs, which travel beside it where nobody sees them."""
    given = json.loads(text)
    found = {
        name: Service(**one, **({"url": given["urls"][name]} if one["kind"] == "url" else {}))
        for name, one in given.get("found", {}).items()
        if one
    }
    return Services(**found)


# --- passwords -------------------------------------------------------------------------------------------------------


def _derive(key: str, purpose: str) -> bytes:
    return hmac.new(bytes.fromhex(key), purpose.encode(), hashlib.sha256).digest()


def password(key: str, service: str) -> str:
    """The site's password for a service, the same on all hosts of the site."""
    return _derive(key, f"password for {service}").hex()


ITERATIONS = 4096


def scram_verifier(key: str) -> str:
    """By which PostgreSQL knows the password without having it (RFC 5803). The same each time, as is its salt."""
    salt = _derive(key, "salt for postgresql")[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password(key, "postgresql").encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    text = [base64.b64encode(one).decode() for one in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{text[0]}${text[1]}:{text[2]}"


def redis_verifier(key: str) -> str:
    """By which Redis knows the password without having it. Of 256 random bits nobody guesses the hash back."""
    return hashlib.sha256(password(key, "redis").encode()).hexdigest()


# --- on the controller -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What the user says of one service."""

    name: str  # the variable
    value: Any
    meanings: Mapping[str, str]  # a value -> the kind of the service; empty for none
    host: str
    port: Any
    variables: Any
    parts: tuple[str, ...]
    example: str
    called: str

    @property
    def kind(self) -> str | None:
        """What is meant by the value, or None where it has no sense."""
        value = str(self.value)
        is_url = isinstance(self.value, str) and re.match(r"[a-z][a-z0-9+.-]*://", value) and _is_sound(value)
        return self.meanings.get(value.lower(), "url" if is_url else None)

    @property
    def own_kind(self) -> str:
        """The kind that is set up by a role."""
        return next(kind for kind in self.meanings.values() if kind)


def _is_sound(url: str) -> bool:
    try:
        return bool(_parts_of(url))
    except ValueError:  # a port that is none
        return False


def choices(variables: Mapping[str, Any]) -> dict[str, Choice]:
    """The user's variables, by service."""
    return {
        "database": Choice(
            name="site_database",
            value=variables["site_database"],
            meanings={"sqlite": "", "postgresql": "postgresql"},
            host=variables["site_database_host"],
            port=variables["postgresql_port"],
            variables=variables["site_database_variables"],
            parts=DATABASE_PARTS,
            example="postgres://USER:PASSWORD@HOST/NAME",
            called="PostgreSQL",
        ),
        "redis": Choice(
            name="site_redis",
            value=variables["site_redis"],
            meanings={"false": "", "true": "redis"},
            host=variables["site_redis_host"],
            port=variables["redis_port"],
            variables=variables["site_redis_variables"],
            parts=REDIS_PARTS,
            example="redis://:PASSWORD@HOST:6379/0",
            called="Redis",
        ),
    }


def place(
    variables: Mapping[str, Any], hosts: list[str], addresses: Mapping[str, str]
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Where the services are to be, without a secret; and everything that is wrong with what is said of them.

    :param hosts: the site's, by their names in the inventory
    :param addresses: of every host of the inventory, as it is reached
    """
    problems: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for name, choice in choices(variables).items():
        wrong = [*_problems_of(choice, hosts, addresses), *_contradictions(name, choice, variables)]
        problems += wrong
        found[name] = {}
        if choice.kind and not wrong:
            where = {} if choice.kind == "url" else _where(choice, hosts, addresses)
            found[name] = {"kind": choice.kind, "variables": choice.variables, **where}
    problems += sqlite_problems(variables, len(hosts))
    return problems, found


def _where(choice: Choice, hosts: list[str], addresses: Mapping[str, str]) -> dict[str, Any]:
    host = choice.host or hosts[0]
    return {"host": host, "address": "" if [host] == hosts else addresses[host], "port": int(choice.port)}


def _problems_of(choice: Choice, hosts: list[str], addresses: Mapping[str, str]) -> Iterator[str]:
    host_name = f"{choice.name}_host"
    if choice.kind is None:
        yield f"{choice.name} must be {', '.join(choice.meanings)} or a URL, for example {choice.example}"
    elif choice.kind != choice.own_kind and choice.host:
        value = [value for value, kind in choice.meanings.items() if kind][0]
        yield f"{host_name} {choice.host} has no effect without {choice.name}: {value}. Set that, or take it out"
    elif choice.kind == choice.own_kind:
        host = choice.host or (hosts[0] if len(hosts) == 1 else "")
        if not host:
            yield (
                f"{choice.name}: the site has {len(hosts)} hosts. Name the host of the inventory on which "
                f"{choice.called} is to be set up with {host_name}, or give the URL of one, for example "
                f"{choice.example}"
            )
        elif host not in addresses:
            yield f"{host_name} {host!r} is no host of the inventory. Add it, or name another"
        elif [host] != hosts and _is_loopback(addresses[host]):
            yield (
                f"{host_name} {host}: the site's hosts can't reach it at {addresses[host]}. Give its address among "
                f"them as site_address, for example {host}: {{site_address: 10.0.0.5}}"
            )
        if not re.fullmatch(r"[0-9]{1,5}", str(choice.port)) or not 0 < int(choice.port) < 65536:
            yield f"{choice.own_kind}_port {choice.port!r} is no port. Use a number from 1 to 65535"
    names = f"{choice.name}_variables"
    if not isinstance(choice.variables, dict) or not choice.variables:
        yield f"{names} must be a dictionary, for example {{{choice.name[5:].upper()}_URL: url}}"
        return
    for name, part in choice.variables.items():
        if not VARIABLE.fullmatch(str(name)):
            yield f"{names} has {name!r}, which is no name of an environment variable"
        if part not in choice.parts:
            yield f"{names}.{name} {part!r} is none of {', '.join(choice.parts)}"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _contradictions(name: str, choice: Choice, variables: Mapping[str, Any]) -> Iterator[str]:
    """What is said twice, so that nobody could tell which one counts."""
    if not choice.kind:
        return
    told = choice.variables if isinstance(choice.variables, dict) else {}
    for key in variables["site_env"]:
        if key in told or (name == "database" and NAMES_A_DATABASE.fullmatch(str(key))):
            yield (
                f"site_env.{key} and {choice.name} both say where the {'database' if name == 'database' else 'Redis'} "
                f"is. Take one of them out; where the project reads {key}, map it with {choice.name}_variables"
            )
    if name == "database" and variables["site_name"] in TAKEN_BY_POSTGRESQL and choice.kind == choice.own_kind:
        yield (
            f"site_name {variables['site_name']!r} can't be the name of a role and a database of PostgreSQL. Choose "
            "another, or give a database by its URL"
        )


def sqlite_problems(variables: Mapping[str, Any], hosts: int) -> list[str]:
    """SQLite, where it is seen before anything is built. What the settings say by themselves is judged at the build."""
    if hosts < 2:
        return []
    overrides = variables["site_settings_overrides"].get("DATABASES")
    databases = overrides if isinstance(overrides, dict) else {}
    found = [
        f"DATABASES[{alias!r}]" for alias, one in databases.items() if "sqlite" in str(dict(one).get("ENGINE", ""))
    ]
    found += [
        f"site_env.{name}"
        for name, value in variables["site_env"].items()
        if NAMES_A_DATABASE.fullmatch(str(name)) and str(value).startswith("sqlite")
    ]
    if str(variables["site_database"]).startswith("sqlite:"):
        found.append("site_database")
    return [sqlite_refusal(one, hosts) for one in found]


def sqlite_refusal(where: str, hosts: int) -> str:
    """Why more than one host can't have it, and the way out."""
    return (
        f"{where} is SQLite, which one host alone can have, but the site has {hosts} hosts. Use PostgreSQL, with "
        "site_database: postgresql and the host for it in site_database_host, or one host"
    )

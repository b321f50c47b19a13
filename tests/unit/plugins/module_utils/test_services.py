# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import environment, services
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

KEY = "ab" * 32
DEFAULTS: dict[str, Any] = {
    "site_name": "shop",
    "site_env": {},
    "site_settings_overrides": {},
    "site_database": "sqlite",
    "site_database_host": "",
    "site_database_variables": {"DATABASE_URL": "url"},
    "site_redis": False,
    "site_redis_host": "",
    "site_redis_variables": {"REDIS_URL": "url"},
    "postgresql_port": 5432,
    "redis_port": 6379,
}
ADDRESSES = {"web1": "10.0.0.2", "web2": "10.0.0.3", "db1": "10.0.0.5", "db6": "fd00::5", "near": "127.0.0.1"}


def place(hosts: list[str], **changes: Any) -> dict[str, dict[str, Any]]:
    problems, found = services.place({**DEFAULTS, **changes}, hosts, ADDRESSES)
    assert problems == []
    return found


def refused(hosts: list[str], **changes: Any) -> str:
    problems, _found = services.place({**DEFAULTS, **changes}, hosts, ADDRESSES)
    assert problems
    return "\n".join(problems)


def told(hosts: list[str], **changes: Any) -> dict[str, str]:
    variables = {**DEFAULTS, **changes}
    text = json.dumps({"found": place(hosts, **changes), "urls": services.urls(variables)})
    return services.read(text).told("shop", KEY)


def test_by_default_a_site_uses_nothing_beside_itself() -> None:
    assert place(["web1", "web2"]) == {"database": {}, "redis": {}}
    assert told(["web1"]) == {}


def test_on_the_only_host_the_site_comes_by_the_socket_and_the_loopback() -> None:
    found = told(["web1"], site_database="postgresql", site_redis=True)
    assert found["DATABASE_URL"] == "postgresql://shop@/shop?host=/run/postgresql"
    assert found["REDIS_URL"] == f"redis://:{services.password(KEY, 'redis')}@127.0.0.1:6379/0"


def test_another_port_of_the_socket_is_told_too() -> None:
    url = told(["web1"], site_database="postgresql", postgresql_port="5433")["DATABASE_URL"]
    assert url.endswith("?host=/run/postgresql&port=5433")


@pytest.mark.parametrize("hosts", [["web1"], ["web1", "web2"], ["web1", "db1"]])
def test_elsewhere_the_site_comes_by_address_with_a_password_over_tls(hosts: list[str]) -> None:
    found = told(hosts, site_database="postgresql", site_database_host="db1", site_redis="true", site_redis_host="db1")
    word = services.password(KEY, "postgresql")
    assert found["DATABASE_URL"] == f"postgresql://shop:{word}@10.0.0.5:5432/shop?sslmode=require"
    assert urlsplit(found["REDIS_URL"]).hostname == "10.0.0.5"


def test_an_ipv6_address_stands_in_brackets_in_a_url_alone() -> None:
    parts = {"DATABASE_URL": "url", "DB_HOST": "host"}
    found = told(["web1"], site_database="postgresql", site_database_host="db6", site_database_variables=parts)
    assert "@[fd00::5]:5432/" in found["DATABASE_URL"]
    assert found["DB_HOST"] == "fd00::5"


def test_a_project_may_be_told_in_parts() -> None:
    parts = {"H": "host", "P": "port", "N": "name", "U": "user", "W": "password"}
    by_socket = told(["web1"], site_database="postgresql", site_database_variables=parts)
    assert by_socket == {"H": "/run/postgresql", "P": "5432", "N": "shop", "U": "shop", "W": ""}
    url = "postgres://al%40ice:p%2Fw@db.example.org:5433/depot"
    by_url = told(["web1"], site_database=url, site_database_variables=parts)
    assert by_url == {"H": "db.example.org", "P": "5433", "N": "depot", "U": "al@ice", "W": "p/w"}


def test_a_url_is_never_in_what_the_controller_returns() -> None:
    found = place(["web1"], site_database="postgres://u:geheim@h/d", site_redis="redis://:geheim@h:6379/0")
    assert "geheim" not in json.dumps(found)
    assert found["database"]["kind"] == found["redis"]["kind"] == "url"


def test_several_hosts_need_a_host_for_the_data() -> None:
    said = refused(["web1", "web2"], site_database="postgresql", site_redis=True)
    assert "site_database: the site has 2 hosts" in said
    assert "with site_database_host" in said
    assert "with site_redis_host" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"site_database": "mysql"}, "site_database must be sqlite, postgresql or a URL"),
        ({"site_database": True}, "site_database must be"),
        ({"site_redis": "postgresql"}, "site_redis must be false, true or a URL"),
        ({"site_redis": "redis://:geheim@h:port/0"}, "site_redis must be"),
        ({"site_database": "postgresql", "site_database_host": "db9"}, "is no host of the inventory"),
        ({"site_database": "postgresql", "site_database_host": "near"}, "site_address"),
        ({"site_database_host": "db1"}, "has no effect without site_database: postgresql"),
        ({"site_redis_host": "db1"}, "has no effect without site_redis: true"),
        ({"site_redis": True, "redis_port": "70000"}, "redis_port '70000' is no port"),
        ({"site_database": "postgresql", "site_env": {"DATABASE_URL": "x"}}, "site_env.DATABASE_URL and site_database"),
        ({"site_database": "postgresql", "site_env": {"PGHOST": "x"}}, "site_env.PGHOST and site_database"),
        ({"site_redis": True, "site_env": {"REDIS_URL": "x"}}, "site_env.REDIS_URL and site_redis"),
        ({"site_database": "postgresql", "site_name": "postgres"}, "site_name 'postgres'"),
        ({"site_database": "postgresql", "site_name": "all"}, "site_name 'all'"),
        ({"site_database_variables": {"A B": "url"}}, "no name of an environment variable"),
        ({"site_database_variables": {"DB": "dsn"}}, "site_database_variables.DB 'dsn' is none of url, host"),
        ({"site_redis_variables": []}, "site_redis_variables must be a dictionary, for example {REDIS_URL: url}"),
    ],
)
def test_what_has_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    said = refused(["web1"], **changes)
    assert words in said
    assert "geheim" not in said


def test_how_a_database_is_used_is_no_second_database() -> None:
    place(["web1"], site_database="postgresql", site_env={"DB_POOL_SIZE": "4", "DATABASE_CONN_MAX_AGE": "60"})


def test_a_database_in_site_env_counts_where_nothing_else_is_said() -> None:
    assert place(["web1", "web2"], site_env={"DATABASE_URL": "postgres://db/shop"})["database"] == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"site_settings_overrides": {"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}}},
        {"site_env": {"DATABASE_URL": "sqlite:////srv/shop/data/db.sqlite3"}},
        {"site_database": "sqlite:////srv/shop/data/db.sqlite3"},
    ],
)
def test_sqlite_for_several_hosts_is_refused_before_anything_is_built(changes: dict[str, Any]) -> None:
    place(["web1"], **changes)
    said = refused(["web1", "web2"], **changes)
    assert "is SQLite, which one host alone can have, but the site has 2 hosts" in said
    assert "site_database_host" in said


# --- the environment -------------------------------------------------------------------------------------------------


def test_a_database_of_the_site_takes_sqlites_place_whatever_it_is_told_by() -> None:
    database = services.Service("postgresql", {"MAIN_DSN": "url"}, host="web1", port=5432)
    composed = environment.with_defaults({}, ["a.org"], Layout("shop"), "http", services.Services(database), KEY)
    assert "DATABASE_URL" not in composed
    assert composed["MAIN_DSN"].startswith("postgresql://shop@/shop")


# --- passwords -------------------------------------------------------------------------------------------------------


def test_each_service_and_each_site_has_a_password_of_its_own() -> None:
    words = {services.password(key, name) for key in (KEY, "cd" * 32) for name in ("postgresql", "redis")}
    assert len(words) == 4
    assert services.password(KEY, "redis") == services.password(KEY, "redis")


def test_postgresqls_verifier_proves_the_password() -> None:
    """What a server does with a client's proof (RFC 5802): the stored key is the hash of what the client shows."""
    algorithm, middle, keys = services.scram_verifier(KEY).split("$")
    iterations, salt = middle.split(":")
    stored, server = (base64.b64decode(one) for one in keys.split(":"))
    word = services.password(KEY, "postgresql").encode()
    salted = hashlib.pbkdf2_hmac("sha256", word, base64.b64decode(salt), int(iterations))
    message = b"what both have said"
    signature = hmac.new(stored, message, hashlib.sha256).digest()
    client = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    proof = bytes(a ^ b for a, b in zip(client, signature))
    assert algorithm == "SCRAM-SHA-256"
    assert hashlib.sha256(bytes(a ^ b for a, b in zip(proof, signature))).digest() == stored
    assert server == hmac.new(salted, b"Server Key", hashlib.sha256).digest()


def test_a_verifier_is_the_same_each_time_and_does_not_hold_the_password() -> None:
    assert services.scram_verifier(KEY) == services.scram_verifier(KEY)
    assert services.password(KEY, "redis") not in services.redis_verifier(KEY)

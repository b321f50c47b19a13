# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The URLs by which a site is told its database, its cache and its mail server.

The forms are those of dj-database-url, dj-email-url, django-cache-url and django-environ. A scheme that none of them
has gets a warning only: a site may have registered one of its own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, unquote

from ansible_collections.switchyard.django.plugins.module_utils import env_values
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR, WARNING
from ansible_collections.switchyard.django.plugins.module_utils.env_values import Verdict

_DATABASE = "postgres://user:password@host:5432/name"
_DATABASE_FILES = {"sqlite", "spatialite", "prometheus_sqlite", "prometheus_spatialite"}
_DATABASE_SERVERS = set(
    """
    cockroach cockroachdb mssql mssqlms mysql mysql-connector mysql2 mysqlgis oracle oraclegis pgsql postgis postgres
    postgresql prometheus_mysql prometheus_postgis prometheus_postgresql psql pyodbc redshift timescale timescalegis
    """.split()
)
_CACHES = set(
    """
    db dbcache dummy dummycache file filecache hiredis locmem locmemcache memcache memcached pylibmc pymemcache
    pymemcached redis rediscache rediss unix valkey valkeys
    """.split()
)
_REDIS = {"redis", "rediss", "unix", "valkey", "valkeys"}
_MAIL = {"smtp", "smtp+ssl", "smtp+tls", "smtps", "submission", "submit"}
_MAIL_IN_FILES = {"file", "filemail"}
_MAIL_TO_NOBODY = {"console", "consolemail", "dummy", "dummymail", "memory", "memorymail"}
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def judge_database_url(value: str) -> Iterator[Verdict]:
    if not value.strip():
        yield (
            "empty-url",
            WARNING,
            "the URL is empty, so there is no database by it",
            "Give it a value, or leave it out",
        )
        return
    if value in ("sqlite://:memory:", "sqlite:", "sqlite://", "sqlite:///"):
        yield _memory()
        return
    yield from _judge(value, _DATABASE_FILES | _DATABASE_SERVERS | {"ldap"}, _DATABASE, ERROR)
    parts = env_values.split_url(value)
    if parts is None:
        return
    if env_values.scheme(value) in _DATABASE_FILES:
        yield from _judge_database_file(parts)
    elif env_values.scheme(value) in _DATABASE_SERVERS and not parts.path.strip("/") and not parts.query:
        yield (
            "no-database-name",
            WARNING,
            "the URL names no database",
            f"Write its name behind the host, as in {_DATABASE}",
        )


def _judge_database_file(parts: SplitResult) -> Iterator[Verdict]:
    file = unquote(parts.path[1:])
    if parts.hostname:
        yield (
            "sqlite-two-slashes",
            ERROR,
            "two slashes make a host of what follows, and the database is in memory",
            "Write four slashes before an absolute path: sqlite:////srv/site/db.sqlite3",
        )
    elif file in ("", ":memory:"):
        yield _memory()
    elif not posixpath.isabs(file):
        yield (
            "relative-database",
            WARNING,
            "the path of the database is relative, so it depends on the folder in which the service starts",
            "Write four slashes before an absolute path: sqlite:////srv/site/db.sqlite3",
        )


def _memory() -> Verdict:
    return (
        "memory-database",
        WARNING,
        "the database is in the memory of one process, and gone when it ends",
        "Name a file: sqlite:////srv/site/db.sqlite3",
    )


def judge_redis_url(value: str) -> Iterator[Verdict]:
    if value.strip():
        yield from _judge(value, _REDIS, "redis://:password@host:6379/0 or unix:///run/redis/redis.sock")


def judge_cache_url(value: str) -> Iterator[Verdict]:
    if value.strip():
        yield from _judge(value, _CACHES, "redis://host:6379/1")


def judge_email_url(value: str) -> Iterator[Verdict]:
    # dj-email-url takes these without slashes, as in console:
    scheme = value.partition(":")[0].lower()
    if value.strip() and scheme not in _MAIL_TO_NOBODY | _MAIL_IN_FILES:
        yield from _judge(value, _MAIL, "smtp+tls://user:password@host:587")
    if scheme in _MAIL_TO_NOBODY:
        yield (
            "mail-to-nobody",
            WARNING,
            "with this scheme no mail ever leaves the host",
            "Write smtp+tls://user:password@host:587 if mails are to be sent",
        )


def _judge(value: str, schemes: set[str], example: str, level: str = WARNING) -> Iterator[Verdict]:
    scheme = env_values.scheme(value)
    parts = env_values.split_url(value)
    if not scheme:
        yield "not-a-url", level, "the value is not a URL with a scheme", f"Write it whole, as in {example}"
    elif parts is None or re.search(r"\s", parts.hostname or ""):
        # django-environ mends some of these before it reads them.
        yield env_values.broken_url(WARNING)
    elif scheme not in schemes:
        yield "unknown-scheme", WARNING, "no usual reader knows the URL's scheme", f"Write it as in {example}"
    if scheme and _STRAY_PERCENT.search(value.partition("?")[0]):
        yield (
            "stray-percent",
            WARNING,
            "a % in the URL stands without two hexadecimal digits behind it: some readers keep it, others stop",
            "Write %25 for a % that is meant as such",
        )
    if scheme:
        yield from env_values.judge_password_in_url(value)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import django_urls


def verdicts(judge, value):
    return [(code, level) for code, level, _message, _hint in judge(value)]


@pytest.mark.parametrize(
    "value",
    [
        "postgres://user:Bxq8Zt@host:5432/name",
        "postgresql://host/name?sslmode=require",
        "pgsql:///name",
        "postgis://user@[::1]:5432/name",
        "postgres://%2Fvar%2Frun%2Fpostgresql/name",
        "postgres://user:p%23w%2Fd%40@host/name",
        "postgres://user:p@w@host/name",
        "postgres:///?service=site",
        "mysql://user:Bxq8Zt@host/name?ssl-ca=/etc/ssl/ca.pem",
        "mysql2://host/name",
        "mysqlgis://host/name",
        "mysql-connector://host/name",
        "mssql://host/name",
        "mssqlms://host/name",
        "oracle://user:Bxq8Zt@host:1521/name",
        "oraclegis://host/name",
        "redshift://host/name",
        "cockroach://host/name",
        "timescale://host/name",
        "timescalegis://host/name",
        "spatialite:////srv/site/db.sqlite3",
        "sqlite:////srv/site/db.sqlite3",
        "sqlite:////srv/our site/db.sqlite3",
        "postgres://user:p w@host/name",
        "prometheus_postgresql://user:Bxq8Zt@host/name",
        "prometheus_sqlite:////srv/site/db.sqlite3",
        "POSTGRES://host/name",
    ],
)
def test_forms_of_a_database_url(value):
    assert verdicts(django_urls.judge_database_url, value) == []


@pytest.mark.parametrize(
    ("value", "code", "level"),
    [
        ("", "empty-url", "warning"),
        ("sqlite://:memory:", "memory-database", "warning"),
        ("sqlite://", "memory-database", "warning"),
        ("sqlite:///:memory:", "memory-database", "warning"),
        ("sqlite:///db.sqlite3", "relative-database", "warning"),
        ("sqlite://db.sqlite3", "sqlite-two-slashes", "error"),
        ("sqlite://srv/db.sqlite3", "sqlite-two-slashes", "error"),
        ("/srv/db.sqlite3", "not-a-url", "error"),
        ("localhost:5432/name", "not-a-url", "error"),
        ("postgres:/host/name", "not-a-url", "error"),
        ("postgress://host/name", "unknown-scheme", "warning"),
        ("postgres://host", "no-database-name", "warning"),
        ("postgres://host/", "no-database-name", "warning"),
        ("prometheus_mysql://host", "no-database-name", "warning"),
        ("postgres://user:p#w@host/name", "broken-url", "warning"),
        ("postgres://user:p/w@host/name", "broken-url", "warning"),
        ("postgres://user:p?w@host/name", "broken-url", "warning"),
        ("postgres://user:[@host/name", "broken-url", "warning"),
        ("postgres://user:p\tw@host/name", "broken-url", "warning"),
        ("postgres://host:port/name", "broken-url", "warning"),
        ("postgres://user:Bxq8Zt@ho st/name", "broken-url", "warning"),
        ("prometheus_mysql://host:port/name", "broken-url", "warning"),
        ("postgres://user:p%zz@host/name", "stray-percent", "warning"),
        ("postgres://user:Bxq8Zt%@host/name", "stray-percent", "warning"),
        ("prometheus_sqlite:///db.sqlite3", "relative-database", "warning"),
        ("prometheus_sqlite://srv/db.sqlite3", "sqlite-two-slashes", "error"),
        ("prometheus_mysql://user:changeme@host/name", "placeholder-secret", "error"),
        ("postgres://user:changeme@host/name", "placeholder-secret", "error"),
        ("postgres://user:<password>@host/name", "placeholder-secret", "error"),
    ],
)
def test_database_urls_that_are_wrong(value, code, level):
    assert verdicts(django_urls.judge_database_url, value) == [(code, level)]


@pytest.mark.parametrize(
    ("judge", "value", "expected"),
    [
        (django_urls.judge_redis_url, "redis://:Bxq8Zt@host:6379/0", []),
        (django_urls.judge_redis_url, "rediss://host", []),
        (django_urls.judge_redis_url, "unix:///run/redis.sock?db=1", []),
        (django_urls.judge_redis_url, "", []),
        (django_urls.judge_redis_url, "host:6379", [("not-a-url", "warning")]),
        (django_urls.judge_redis_url, "http://host:6379", [("unknown-scheme", "warning")]),
        (django_urls.judge_redis_url, "redis://:xxx@host", [("placeholder-secret", "error")]),
        (django_urls.judge_cache_url, "locmemcache://", []),
        (django_urls.judge_cache_url, "memcache://host:11211", []),
        (django_urls.judge_cache_url, "redis://host:six", [("broken-url", "warning")]),
        (django_urls.judge_email_url, "smtp+tls://user%40example.org:Bxq8Zt@host:587", []),
        (django_urls.judge_email_url, "submission://user:Bxq8Zt@host", []),
        (django_urls.judge_email_url, "", []),
        (django_urls.judge_email_url, "consolemail://", [("mail-to-nobody", "warning")]),
        (django_urls.judge_email_url, "console:", [("mail-to-nobody", "warning")]),
        (django_urls.judge_email_url, "file:///var/spool/site", []),
        (django_urls.judge_email_url, "host:25", [("not-a-url", "warning")]),
        (django_urls.judge_email_url, "smtp://user:changeme@host", [("placeholder-secret", "error")]),
        (django_urls.judge_email_url, "pop3://host", [("unknown-scheme", "warning")]),
    ],
)
def test_other_urls(judge, value, expected):
    assert verdicts(judge, value) == expected

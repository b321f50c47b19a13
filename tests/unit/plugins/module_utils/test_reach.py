# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import reach, sandbox

POSTGRESQL = {"engine": "django.db.backends.postgresql", "name": ""}
SQLITE = {"engine": "django.db.backends.sqlite3", "name": "db.sqlite3"}
DUMMY = {"engine": "django.db.backends.dummy", "name": ""}


def test_files_and_memory_are_not_asked() -> None:
    settings = {
        "DATABASES": {"default": SQLITE, "none": DUMMY},
        "CACHES": {"default": "django.core.cache.backends.locmem.LocMemCache"},
        "CHANNEL_LAYERS": {"default": "channels.layers.InMemoryChannelLayer"},
    }
    assert reach.beyond_the_host(settings) == {}


def test_what_is_elsewhere_is_asked() -> None:
    settings = {
        "DATABASES": {"default": POSTGRESQL, "archive": {"engine": "django.db.backends.mysql"}, "local": SQLITE},
        "CACHES": {"default": "django_redis.cache.RedisCache"},
        "CHANNEL_LAYERS": {"default": "channels_redis.pubsub.RedisPubSubChannelLayer"},
    }
    assert reach.beyond_the_host(settings) == {
        "databases": ["archive", "default"],
        "caches": ["default"],
        "channel_layers": ["default"],
    }


def test_a_release_of_before_is_not_asked() -> None:
    def run(program: str) -> sandbox.Result:
        raise AssertionError("nothing is run")

    assert reach.problems({}, run, {}, "web1") == []


def in_words(failures: list[dict[str, str]], variables: dict[str, str]) -> list[str]:
    def run(program: str) -> sandbox.Result:
        marker = re.findall(r"'marker': '(\w+)'", program)[0]
        return sandbox.Result(0, f"noise\n{marker}{json.dumps(failures)}", "")

    return reach.problems({"databases": ["default"]}, run, variables, "web1")


def test_a_failure_names_the_alias_the_place_and_the_way_out_but_no_password() -> None:
    problem = "OperationalError: no entry for postgres://shop:geheimes@db1/shop\n"
    failure = {"kind": "databases", "alias": "default", "where": "10.0.0.5:5432", "problem": problem}
    (said,) = in_words([failure], {"DATABASE_URL": "postgres://shop:geheimes@db1/shop"})
    assert said.startswith("DATABASES['default'] at 10.0.0.5:5432 can't be reached from web1: OperationalError: ")
    assert "pg_hba.conf" in said
    assert "site_database" in said
    assert "geheimes" not in said


def test_a_channel_layer_points_at_redis() -> None:
    failure = {"kind": "channel_layers", "alias": "default", "where": "", "problem": "no answer within 5 s"}
    (said,) = in_words([failure], {})
    assert said.startswith("CHANNEL_LAYERS['default'] can't be reached from web1: no answer within 5 s. ")
    assert "redis-server" in said
    assert "site_redis" in said


def test_a_program_that_says_nothing_is_a_failure() -> None:
    (said,) = reach.problems(
        {"caches": ["default"]}, lambda program: sandbox.Result(1, "", "PASSWORD is wort"), {"PASSWORD": "wort"}, "web1"
    )
    assert "ended with 1" in said
    assert "wort" not in said


# --- the program, by a real Django -----------------------------------------------------------------------------------

SETTINGS = """
import os
SECRET_KEY = "x" * 50
CACHES = {
    "good": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "deaf": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    "slow": {"BACKEND": "backends.Slow"},
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
DATABASES = {
    "good": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/no/such/folder/db", "HOST": "db1", "PORT": "5432"},
}
"""
BACKENDS = """
import time
from django.core.cache.backends.dummy import DummyCache
class Slow(DummyCache):
    def set(self, *arguments, **options):
        time.sleep(60)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "backends.py").write_text(BACKENDS)
    return tmp_path


def test_the_program_tells_who_does_not_answer(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "SECONDS", 2)

    def run(program: str) -> sandbox.Result:
        done = subprocess.run(
            [sys.executable, "-"],
            input=program,
            cwd=project,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return sandbox.Result(done.returncode, done.stdout, done.stderr)

    reaches = {"databases": ["good", "default"], "caches": ["good", "deaf", "slow"], "channel_layers": ["default"]}
    said = reach.problems(reaches, run, {}, "web1")
    assert [one.partition(" can't be reached")[0] for one in said] == [
        "CACHES['deaf']",
        "CACHES['slow']",
        "CHANNEL_LAYERS['default']",
        "DATABASES['default'] at db1:5432",
    ]
    assert "does not give back what it was given" in said[0]
    assert "no answer within 2 s" in said[1]
    assert "No module named 'channels'" in said[2]
    assert "unable to open database file" in said[3]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import database_url_readers


@pytest.fixture
def source(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "settings.py").write_text('DATABASES = {"default": {"NAME": "shop"}}\n')
    return tmp_path


def codes(source, key="DATABASE_URL"):
    findings = database_url_readers.judge(str(source), key, 3)
    assert all((each.key, each.line, each.level) == (key, 3, "warning") for each in findings)
    return [finding.code for finding in findings]


def test_a_project_that_never_reads_the_url(source):
    assert codes(source) == ["url-not-read"]


@pytest.mark.parametrize(
    "line",
    [
        'os.environ["DATABASE_URL"]',
        "dj_database_url.config()",
        "env.db()",
        'Env().db("OTHER")',
        "env.db_url()",
        "env.dj_db_url('X')",
        "f'{PREFIX}DATABASE_URL'",
        "Settings().database_url",
        "env.db()  # for another Python: ¿",
        "env.db() !",
        "# DATABASE_URL, in a file that this Python cannot read\n)",
        "'DATABASE_URL' '\\d'",
    ],
)
def test_a_project_that_reads_it(source, line):
    (source / "shop" / "databases.py").write_text(f"default = {line}\n")
    assert codes(source) == []


@pytest.mark.parametrize(
    "text",
    [
        "# DATABASE_URL\nA = 1\n",
        'A = 1  # not env.db("DATABASE_URL")\n',
        '"""DATABASE_URL is not for us."""\n',
        'def f():\n    """Not dj_database_url.config()."""\n',
        "class A:\n    'No DATABASE_URL'\n    b = 1\n",
    ],
)
def test_comments_and_docstrings_read_nothing(source, text):
    (source / "shop" / "databases.py").write_text(text)
    assert codes(source) == ["url-not-read"]


@pytest.mark.parametrize("key", ["DB_URL", "DJANGO_DB_URL"])
def test_another_name_of_the_url(source, key):
    (source / "shop" / "databases.py").write_text('default = os.environ["DATABASE_URL"]\n')
    assert codes(source, key) == ["url-not-read"]
    (source / "shop" / "databases.py").write_text('default = os.environ["DJANGO_DB_URL"]\n')
    assert codes(source, key) == []


@pytest.mark.parametrize(
    "name",
    [
        "shop/tests/test_a.py",
        "shop/tests.py",
        "shop/migrations/0001.py",
        "conftest.py",
        ".tox/a.py",
        "own/lib/a.py",
        "a.txt",
    ],
)
def test_what_does_not_count(source, name):
    (source / "own").mkdir()
    (source / "own" / "pyvenv.cfg").write_text("")
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_text("a = DATABASE_URL")
    assert codes(source) == ["url-not-read"]


def test_nothing_is_said_of_a_source_that_is_not_there(tmp_path):
    assert codes(tmp_path / "nothing") == []


def test_nothing_is_said_where_there_is_too_much_to_read(source, monkeypatch):
    (source / "shop" / "large.py").write_text("x" * 11)
    monkeypatch.setattr(database_url_readers, "_MOST_BYTES", 100)
    assert codes(source) == ["url-not-read"]
    monkeypatch.setattr(database_url_readers, "_MOST_BYTES", 10)
    assert codes(source) == []
    monkeypatch.setattr(database_url_readers, "_MOST_BYTES", 100)
    monkeypatch.setattr(database_url_readers, "_MOST_FILES", 1)
    assert codes(source) == []


def test_a_pipe_and_a_loop_of_links_are_no_trap(source):
    os.mkfifo(source / "pipe.py")
    (source / "loop").symlink_to(source)
    assert codes(source) == ["url-not-read"]


# --- of a release ----------------------------------------------------------------------------------------------------

DEFAULT = "sqlite:////srv/shop/data/db.sqlite3"


def test_a_database_that_the_project_never_asks_for_is_worth_a_word(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("DATABASES = {}\n")
    variables = {"DATABASE_URL": "postgres://shop:hunter2hunter2@db/shop", "LANG": "C"}
    (found,) = database_url_readers.unread(str(tmp_path), variables, DEFAULT)
    assert (found.key, found.code) == ("DATABASE_URL", "url-not-read")
    assert "hunter2" not in str(found)


def test_the_database_that_the_deploy_offers_is_not(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("DATABASES = {}\n")
    assert database_url_readers.unread(str(tmp_path), {"DATABASE_URL": DEFAULT}, DEFAULT) == []

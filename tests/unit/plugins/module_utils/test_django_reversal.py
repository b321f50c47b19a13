# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program runs as it does on a host: as text on the standard input of the project's own Python."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import django_reversal

pytest.importorskip("django")

PROGRAM = Path(django_reversal.__file__).read_text()
MARKER = "0123456789abcdef"
SETTINGS = """\
from pathlib import Path

SECRET_KEY = "x"
INSTALLED_APPS = ["shop", "blog"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "db.sqlite3"}}
USE_TZ = True
"""
MIGRATION = """\
from django.db import migrations, models


def forwards(apps, schema_editor):
    pass


class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = [{operations}]
"""
AUTO = "('id', models.AutoField(primary_key=True))"
IRREVERSIBLE = "migrations.RunPython(forwards)"


def table(name):
    return f"migrations.CreateModel('{name}', [{AUTO}])"


class Project:
    """A small Django project: blog's second migration needs shop's second."""

    def __init__(self, folder):
        self.folder = folder

    def make(self):
        self.folder.mkdir()
        (self.folder / "settings.py").write_text(SETTINGS)
        for app in ("shop", "blog"):
            (self.folder / app / "migrations").mkdir(parents=True)
            for package in (self.folder / app, self.folder / app / "migrations"):
                (package / "__init__.py").touch()
        self.add("shop", "0001_item", table("Item"))
        self.add("shop", "0002_price", table("Price"), ("shop", "0001_item"))
        self.add("blog", "0001_post", table("Post"))
        self.add("blog", "0002_offer", table("Offer"), ("blog", "0001_post"), ("shop", "0002_price"))
        return self

    def add(self, app, name, operation, *dependencies):
        text = MIGRATION.format(dependencies=list(dependencies), operations=operation)
        (self.folder / app / "migrations" / f"{name}.py").write_text(text)

    def python(self, *arguments, stdin=""):
        return subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "settings", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def migrate(self):
        done = self.python("-m", "django", "migrate", "--verbosity=0")
        assert done.returncode == 0, done.stderr
        return self

    def ask(self, targets, undo=False):
        wanted = {"marker": MARKER, "targets": targets, "undo": undo}
        return self.python("-", stdin=PROGRAM.replace("WANTED: dict = {}", f"WANTED: dict = {wanted!r}", 1))

    def steps(self, targets, undo=False):
        done = self.ask(targets, undo)
        assert MARKER in done.stdout, done.stderr
        return json.loads(done.stdout.rpartition(MARKER)[2])

    @property
    def applied(self):
        with contextlib.closing(sqlite3.connect(self.folder / "db.sqlite3")) as database:
            return [
                f"{app}.{name}"
                for app, name in database.execute("SELECT app, name FROM django_migrations ORDER BY 1, 2")
            ]

    @property
    def tables(self):
        with contextlib.closing(sqlite3.connect(self.folder / "db.sqlite3")) as database:
            return {
                name
                for (name,) in database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%\\_%' ESCAPE '\\'")
            }


ALL = ["blog.0001_post", "blog.0002_offer", "shop.0001_item", "shop.0002_price"]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("migrated") / "code").make().migrate()


@pytest.fixture
def project(migrated, tmp_path):
    """A project all of whose migrations are applied."""
    shutil.copytree(migrated.folder, tmp_path / "code")
    return Project(tmp_path / "code")


def test_the_plan_names_the_steps_in_their_order_and_changes_nothing(project):
    steps = project.steps({"blog": "0001_post", "shop": "0001_item"})
    assert steps == [{"name": "blog.0002_offer", "obstacles": []}, {"name": "shop.0002_price", "obstacles": []}]
    assert project.applied == ALL


def test_what_is_undone_is_undone_in_the_database(project):
    steps = project.steps({"shop": "0001_item", "blog": "0001_post"}, undo=True)
    assert [step["name"] for step in steps] == ["blog.0002_offer", "shop.0002_price"]
    assert project.applied == ["blog.0001_post", "shop.0001_item"]
    assert {"shop_item", "blog_post"} <= project.tables
    assert not {"shop_price", "blog_offer"} & project.tables
    assert project.steps({"shop": "0001_item", "blog": "0001_post"}, undo=True) == [], "and once more does nothing"


def test_an_app_that_was_new_is_undone_whole(project):
    assert len(project.steps({"blog": None}, undo=True)) == 2
    assert project.applied == ["shop.0001_item", "shop.0002_price"]


def test_what_has_no_way_back_is_known_before_anything_is_undone(project):
    project.add("shop", "0003_python", IRREVERSIBLE, ("shop", "0002_price"))
    project.add("shop", "0004_sql", "migrations.RunSQL('SELECT 1')", ("shop", "0003_python"))
    project.add("shop", "0005_table", table("More"), ("shop", "0004_sql"))
    steps = project.migrate().steps({"shop": "0002_price"})
    assert [(step["name"], len(step["obstacles"])) for step in steps] == [
        ("shop.0005_table", 0),
        ("shop.0004_sql", 1),
        ("shop.0003_python", 1),
    ]


def test_what_has_no_way_back_inside_another_operation_is_known_as_well(project):
    inside = f"migrations.SeparateDatabaseAndState(database_operations=[{IRREVERSIBLE}])"
    project.add("shop", "0003_hidden", inside, ("shop", "0002_price"))
    (step,) = project.migrate().steps({"shop": "0002_price"})
    assert step["name"] == "shop.0003_hidden"
    assert step["obstacles"]


def test_what_was_never_applied_is_not_applied_in_order_to_go_back_to_it(project):
    project.steps({"shop": None}, undo=True)
    assert project.applied == ["blog.0001_post"]
    assert project.steps({"shop": "0001_item"}, undo=True) == []
    assert project.applied == ["blog.0001_post"]


def test_a_database_that_is_not_there_gives_no_answer_but_a_reason(project):
    settings = project.folder / "settings.py"
    settings.write_text(SETTINGS.replace("Path(__file__).parent", "Path('/no/such/folder')"))
    done = project.ask({"shop": "0001_item"})
    assert MARKER not in done.stdout
    assert "unable to open database file" in done.stderr


def test_what_is_applied_and_not_in_this_code_is_an_obstacle(project):
    project.add("shop", "0003_size", table("Size"), ("shop", "0002_price"))
    project.migrate()
    (project.folder / "shop/migrations/0003_size.py").unlink()
    (unknown, *known) = project.steps({"shop": "0001_item", "blog": "0001_post"})
    assert unknown == {
        "name": "shop.0003_size",
        "obstacles": ["it is applied, and this release does not have it"],
    }
    assert [step["name"] for step in known] == ["blog.0002_offer", "shop.0002_price"]

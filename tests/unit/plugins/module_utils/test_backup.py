# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a real project, saved and brought back by the program that a host's Python runs. Systemd is left out."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections import namedtuple

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    backup,
    disk,
    django_backup,
    guard,
    history,
    release,
    retention,
    rollback,
    sandbox,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.backup import BackupError

pytest.importorskip("django")

R1, R2, R3 = (f"{number}" * 12 for number in range(1, 4))
SETTINGS = """\
from pathlib import Path

SECRET_KEY = "hunter2hunter2"
SQLITE = "django.db.backends.sqlite3"
HERE = Path(__file__).parent
DATABASES = {
    "default": {"ENGINE": SQLITE, "NAME": HERE / "db.sqlite3", "OPTIONS": {"timeout": 1}},
    "stock": {"ENGINE": SQLITE, "NAME": HERE / "stock.sqlite3"},
    "again": {"ENGINE": SQLITE, "NAME": HERE / "stock.sqlite3"},
    "replica": {"ENGINE": SQLITE, "NAME": HERE / "other.sqlite3", "TEST": {"MIRROR": "default"}},
    "memory": {"ENGINE": SQLITE, "NAME": ":memory:"},
}
USE_TZ = True
"""
Disk = namedtuple("Disk", "f_bavail f_frsize")


class Site:
    """What the site has in its two databases."""

    def __init__(self, layout, folder):
        self.layout, self.folder = layout, folder

    def sql(self, alias, *commands):
        name = {"default": "db"}.get(alias, alias)
        with contextlib.closing(sqlite3.connect(self.folder / f"{name}.sqlite3", isolation_level=None)) as database:
            return [row for command in commands for row in database.execute(command)]

    def fill(self, *migrations, rows=3):
        made = "CREATE TABLE django_migrations (id integer primary key, app text, name text, applied datetime)"
        row = "INSERT INTO django_migrations (app, name) VALUES ('shop', '{}')"
        applied = [row.format(name) for name in migrations]
        self.sql("default", "PRAGMA journal_mode=WAL", made, *applied)
        for alias in ("default", "stock"):
            items = ["INSERT INTO item VALUES ('item')"] * rows
            self.sql(alias, "CREATE TABLE item (label text)", *items)

    def destroy(self):
        self.sql("default", "DELETE FROM item", "INSERT INTO django_migrations (app, name) VALUES ('shop', '0002')")
        self.sql("stock", "DELETE FROM item", "CREATE TABLE extra (x)")

    def count(self, alias):
        return self.sql(alias, "SELECT count(*) FROM item")[0][0]


@pytest.fixture
def site(layout, make_release, tmp_path, monkeypatch):
    """A site that R1 serves, with rows in two databases."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "settings.py").write_text(SETTINGS)
    clock = itertools.count()
    monkeypatch.setattr(backup.time, "strftime", lambda shape, now: f"20261126-{next(clock):06}")

    def manage(layout, name, arguments, *, stdin="", stdout=None, patient=False):
        assert patient, "what a run before left at work must not be cut off"
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "settings", "PYTHONDONTWRITEBYTECODE": "1"},
            **({"input": stdin} if isinstance(stdin, str) else {"stdin": stdin}),
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return sandbox.Result(done.returncode, done.stdout or "", done.stderr)

    monkeypatch.setattr(release, "manage", manage)
    make_release(R1)
    disk.point(layout.current, f"releases/{R1}")
    one = Site(layout, folder)
    one.fill("0001")
    return one


def save(layout, by=R2, keep=0, **more):
    note = backup.save(layout, by, more.get("why", "before migrations"), ["shop.0002"], keep)
    return note["name"] if note else None


# --- saving ----------------------------------------------------------------------------------------------------------


def test_each_database_is_saved_once_where_root_alone_reads_it(layout, site, make_release):
    make_release(R2)
    name = save(layout)
    folder = layout.backups / name
    assert sorted(path.name for path in folder.iterdir()) == ["backup.json", "default.sqlite3", "stock.sqlite3"]
    assert stat.S_IMODE(layout.backups.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    (note,) = state.backups(layout)
    assert (note["name"], note["live"], note["release"]) == (name, R1, R2)
    assert note["applied"] == {"shop": ["0001"]}
    assert note["pending"] == ["shop.0002"]
    assert sorted(path.name for path in site.folder.glob("*.switchyard*")) == []


def test_what_is_saved_is_what_is_there_while_others_write(layout, site, make_release):
    make_release(R2)
    with contextlib.closing(sqlite3.connect(site.folder / "db.sqlite3")) as writer:
        writer.execute("INSERT INTO item VALUES ('not committed')")
        name = save(layout)
        writer.rollback()
    with contextlib.closing(sqlite3.connect(layout.backups / name / "default.sqlite3")) as saved:
        assert saved.execute("SELECT count(*) FROM item").fetchone() == (3,)


def test_before_the_first_release_there_is_nothing_to_save_unless_there_is_data(layout, site, make_release):
    make_release(R2)
    layout.current.unlink()
    assert save(layout)
    site.sql("default", "DELETE FROM django_migrations")
    assert save(layout) is None


def test_a_damaged_database_is_no_backup(layout, site, make_release):
    make_release(R2)
    site.sql(
        "stock", "CREATE TABLE t (x CHECK (x > 0))", "PRAGMA ignore_check_constraints=1", "INSERT INTO t VALUES (-1)"
    )
    with pytest.raises(BackupError, match="The database 'stock' can't be saved: SQLite finds the database damaged"):
        save(layout)
    assert list(layout.backups.iterdir()) == []


def test_what_was_not_written_as_it_was_read_is_no_backup(layout, site, make_release, monkeypatch):
    make_release(R2)
    monkeypatch.setattr(backup, "_digest", lambda path: "0" * 64)
    with pytest.raises(BackupError, match="is not what is on the disk"):
        save(layout)
    assert state.backups(layout) == []


@pytest.mark.parametrize("blocks", [0, 1])
def test_room_is_judged_before(layout, site, make_release, monkeypatch, blocks):
    make_release(R2)
    monkeypatch.setattr(backup.os, "statvfs", lambda path: Disk(blocks, 4096))
    with pytest.raises(BackupError, match=r"has 0.0 MiB free.*release_backup_keep.*release_backup=false"):
        save(layout)
    assert not layout.backups.exists()


@pytest.mark.parametrize(
    ("database", "reason"),
    [
        ({"kind": "mysql"}, "is mysql, and SQLite and PostgreSQL can be saved.*release_tasks.before_migrate"),
        ({"kind": "postgresql", "size": 1, "missing": ["pg_dump", "psql"]}, "lacks pg_dump, psql: apt install"),
    ],
)
def test_what_can_not_be_saved_is_named_with_the_way_out(layout, database, reason):
    with pytest.raises(BackupError, match=reason):
        backup._require_possible(layout, {"default": database})


def test_django_that_fails_is_told_without_its_secrets(layout, site, make_release):
    make_release(R2)
    (site.folder / "settings.py").write_text("raise ValueError('hunter2hunter2')\n")
    with pytest.raises(BackupError, match=r"(?s)The databases can't be looked at.*\*\*\*\*") as caught:
        save(layout)
    assert "hunter2" not in str(caught.value)


def test_so_many_are_kept_and_always_the_live_releases_own(layout, site, make_release):
    make_release(R2)
    own = save(layout)
    layout.migrated(R2).write_text(json.dumps({"at": 1, "backup": own}))
    disk.point(layout.current, f"releases/{R2}")
    names = [save(layout, keep=2) for _dummy in range(3)]
    assert sorted(note["name"] for note in state.backups(layout)) == [own, *names[1:]]
    assert state.backup_of(layout, R2) == own


def test_what_a_killed_run_left_is_no_backup_and_goes_with_the_next(layout, site, make_release):
    make_release(R2)
    layout.backups.mkdir()
    (layout.backups / ".20200101-000000-x").mkdir()
    (layout.backups / "no-note").mkdir()
    assert state.backups(layout) == []
    save(layout)
    assert not list(layout.backups.glob(".*"))


def test_the_release_that_a_backup_is_for_stays(layout, site, make_release, monkeypatch):
    monkeypatch.setattr(units, "states", lambda patterns: {})
    for name in (R2, R3):
        make_release(name)
    save(layout)
    for target in (R2, R3):
        history.record(layout.history, "outcome", operation="deploy", result="live", **{"from": R1, "to": target})
        disk.point(layout.current, f"releases/{target}")
    assert retention.superfluous(layout, 1) == []
    disk.clear(layout.backups)
    assert retention.superfluous(layout, 1) == [R1]


# --- bringing back ---------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(layout, site, make_release):
    """The name of a backup that is followed by a migration that destroyed data."""
    make_release(R2)
    name = save(layout)
    site.destroy()
    assert site.count("default") == site.count("stock") == 0
    return name


def test_all_rows_come_back_and_what_came_since_is_gone(layout, site, saved):
    present = save(layout, R1)
    told = backup.restore(layout, saved, present)
    assert told == {"reversed": ["shop.0002"], "regained": []}
    assert site.count("default") == site.count("stock") == 3
    assert site.sql("stock", "SELECT name FROM sqlite_master WHERE name = 'extra'") == []
    assert site.sql("default", "PRAGMA journal_mode") == [("wal",)]
    assert state.restoring(layout) == saved
    backup.conclude(layout)
    assert state.restoring(layout) == ""
    told = backup.restore(layout, present, save(layout, R1))
    assert told == {"reversed": [], "regained": ["shop.0002"]}
    assert site.count("default") == 0


def test_one_that_was_cut_off_still_knows_which_migrations_it_has_undone(layout, site, saved):
    present = save(layout, R1)
    backup.restore(layout, saved, present)
    assert backup.restore(layout, saved, present)["reversed"] == ["shop.0002"]


def test_a_database_that_can_not_be_read_is_replaced(layout, site, saved, make_release):
    (site.folder / "db.sqlite3").write_bytes(b"no database at all" * 500)
    known = {"shop": ["0001", "0002"]}
    make_release(R2, migrations={"before": {}, "after": {}, "known": known, "pending": []})
    assert backup.restore(layout, saved, "") == {"reversed": ["shop.0002"], "regained": []}
    assert site.count("default") == 3


def test_where_somebody_has_the_database_open_nothing_is_changed(layout, site, saved, monkeypatch):
    monkeypatch.setattr(django_backup, "PATIENCE", 30)
    source = backup.inspect.getsource
    monkeypatch.setattr(backup.inspect, "getsource", lambda one: source(one).replace("PATIENCE = 30", "PATIENCE = 1"))
    with contextlib.closing(sqlite3.connect(site.folder / "db.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackupError, match=r"(?s)somebody has .*db.sqlite3 open.*The data is as it was before"):
            backup.restore(layout, saved, "")
    assert site.count("default") == 0
    assert state.restoring(layout) == ""


def test_where_the_second_database_fails_the_first_is_put_back(layout, site, saved, monkeypatch):
    present = save(layout, R1)
    restore = backup._restore

    def fail_at_stock(layout, by, name, one):
        if (name, one["alias"]) == (saved, "stock"):
            raise BackupError("no")
        restore(layout, by, name, one)

    monkeypatch.setattr(backup, "_restore", fail_at_stock)
    with pytest.raises(BackupError, match="no\nThe data is as it was before"):
        backup.restore(layout, saved, present)
    assert site.count("default") == 0
    assert state.restoring(layout) == ""
    with pytest.raises(BackupError, match="Restored are default, and the site stays stopped"):
        backup.restore(layout, saved, "")
    assert state.restoring(layout) == saved


def test_a_restore_that_fails_does_not_forget_that_one_before_was_cut_off(layout, saved):
    layout.restoring.write_text(json.dumps({"applied": None, "backup": saved, "present": ""}))
    (layout.backups / saved / "stock.sqlite3").write_bytes(b"x")
    with pytest.raises(BackupError, match="A restore before was cut off"):
        backup.restore(layout, saved, "")
    assert state.restoring(layout) == saved


def test_a_backup_that_was_changed_is_refused(layout, site, saved):
    with (layout.backups / saved / "stock.sqlite3").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BackupError, match="stock.sqlite3 is not as it was when it was made"):
        backup.restore(layout, saved, "")
    assert site.count("default") == 0


@pytest.mark.parametrize("change", [("django.db.backends.sqlite3", "django.db.backends.dummy"), ('"stock"', '"other"')])
def test_a_release_with_another_database_does_not_get_the_data(layout, site, saved, change):
    settings = site.folder / "settings.py"
    settings.write_text(settings.read_text().replace(*change, 1))
    with pytest.raises(BackupError, match=r"(?s)it was sqlite when it was saved.*The data is as it was before"):
        backup.restore(layout, saved, save(layout, R1) if "other" in change[1] else "")


def test_the_host_does_not_take_the_stop_for_a_death(layout, monkeypatch):
    told = []
    monkeypatch.setattr(guard, "look_away", lambda layout: told.append("look away"))
    monkeypatch.setattr(units, "stop", told.append)
    backup.stop(layout)
    assert told == ["look away", ["shop@*", "switchyard-manage-*@shop.service"]]


def test_a_later_rollback_knows_what_the_restore_has_undone(layout, make_release):
    known = {"before": {}, "after": {"shop": "0002"}, "known": {"shop": ["0001", "0002"]}, "pending": []}
    make_release(R1, migrations={**known, "after": {"shop": "0001"}, "known": {"shop": ["0001"]}})
    make_release(R2, migrations=known)
    moves = [("deploy", R1, {}), ("deploy", R2, {}), ("recovery", R1, {"reversed": ["shop.0002"]})]
    for operation, target, more in moves:
        entry = {"operation": operation, "from": state.live_release(layout), "to": target, **more}
        history.record(layout.history, "outcome", result="live", **entry)
        disk.point(layout.current, f"releases/{target}")
    assert rollback.left_applied(layout, R1) == {}
    assert rollback._missing(layout, R2) == ["shop.0002"]
    assert list(history.rejected(history.read(layout.history))) == [R2]
    history.record(
        layout.history, "outcome", result="live", operation="recovery", regained=["shop.0002"], **{"from": R1, "to": R2}
    )
    assert rollback._missing(layout, R2) == []
    assert rollback.left_applied(layout, R1) == {"shop": ["0002"]}


# --- which one -------------------------------------------------------------------------------------------------------

NOTE = {
    "name": "20261126-104500-x",
    "at": 1795690418.7,
    "why": "before migrations",
    "release": R2,
    "live": R1,
    "pending": ["shop.0002"],
    "databases": [{"bytes": 3 << 20}],
}
THERE = {"backups": [], "releases": [{"id": R1, "startable": True}]}


def test_the_host_that_has_it_and_the_release_that_comes_back():
    found = backup.plan({"web1": THERE, "web2": {**THERE, "backups": [NOTE]}}, NOTE["name"])
    assert (found["host"], found["release"], found["problem"]) == ("web2", R1, "")
    (line,) = found["listed"]
    assert line.startswith("20261126-104500-x on web2: 2026-11-26 10:53:38 UTC, 3.0 MiB, ")
    assert line.endswith(f"{R1} was live; before migrations of {R2}: shop.0002")


@pytest.mark.parametrize(
    ("note", "releases", "name", "reason"),
    [
        (NOTE, THERE["releases"], "none", "is no backup of the site. It has:\n  20261126-104500-x on web1"),
        ({**NOTE, "live": None}, THERE["releases"], NOTE["name"], "no release was live when"),
        (NOTE, [], NOTE["name"], f"release {R1}, which fits .* can't start any more on web1"),
        (NOTE, [{"id": R1, "startable": False}], NOTE["name"], "can't start any more on web1"),
    ],
)
def test_what_can_not_be_brought_back_says_why(note, releases, name, reason):
    found = backup.plan({"web1": {"backups": [note], "releases": releases}}, name)
    assert pytest.raises(BackupError, _raise, found["problem"]).match(reason)


def _raise(text):
    raise BackupError(text)


def test_without_a_backup_there_is_none():
    assert backup.plan({"web1": THERE}, None)["listed"] == ["There is no backup."]
    assert backup.plan({"web1": THERE}, "")["problem"].startswith("restore_backup '' is no backup of the site.")
    assert "web1 has no such site" in backup.plan({"web1": {"backups": [], "releases": []}}, None)["problem"]
    assert backup.plan({"web1": THERE}, "x")["problem"].endswith("It has none.")

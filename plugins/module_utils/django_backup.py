# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves and restores the databases of a release. Runs in the release's own venv, environment and sandbox.

This file travels to the release's Python as text, so it imports nothing of the collection. It reads its parameters
from WANTED, a line that is filled in on the way. What is saved goes to standard output and what is restored comes from
standard input: both are root's files, which the site can't open. The report is one JSON object on standard error,
behind a marker.
"""

# It is a program of its own: there is no AnsibleModule to run a command or to answer by.
# pylint: disable=ansible-bad-function

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from typing import IO, Any, cast

WANTED: dict = {}

CLIENTS = ("pg_dump", "pg_restore", "psql")
CHUNK = 1 << 20
# A lock that is not had within these seconds is held by somebody who does not stop.
PATIENCE = 30

# What the role owns goes, whatever migrations have made it: what belongs to extensions and to others stays, and so do
# the rights in the schema public, which may be another's.
EMPTY = """\
SET lock_timeout = '30s';
SET client_min_messages = warning;
DO $switchyard$
DECLARE command text;
BEGIN
  FOR command IN
    WITH ours AS (
      SELECT oid, nspname AS name, nspowner AS owner FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ), extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
    SELECT line FROM (
      SELECT 0 AS place, format('DROP SCHEMA IF EXISTS %I CASCADE', name) AS line FROM ours
      WHERE name <> 'public' AND pg_has_role(owner, 'USAGE')
        AND (('pg_namespace'::regclass)::oid, oid) NOT IN (SELECT classid, objid FROM extended)
      UNION ALL
      SELECT CASE relkind WHEN 'S' THEN 2 ELSE 1 END, format('DROP %s IF EXISTS %I.%I CASCADE',
        CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
        WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, ours.name, relname)
      FROM pg_class JOIN ours ON ours.oid = relnamespace
      WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_has_role(relowner, 'USAGE')
        AND (('pg_class'::regclass)::oid, pg_class.oid) NOT IN (SELECT classid, objid FROM extended)
      UNION ALL
      SELECT 3, format('DROP ROUTINE IF EXISTS %s CASCADE', pg_proc.oid::regprocedure)
      FROM pg_proc JOIN ours ON ours.oid = pronamespace
      WHERE pg_has_role(proowner, 'USAGE')
        AND (('pg_proc'::regclass)::oid, pg_proc.oid) NOT IN (SELECT classid, objid FROM extended)
      UNION ALL
      SELECT 4, format('DROP TYPE IF EXISTS %I.%I CASCADE', ours.name, typname)
      FROM pg_type JOIN ours ON ours.oid = typnamespace
      WHERE pg_has_role(typowner, 'USAGE') AND (typtype IN ('e', 'd', 'r')
          OR typtype = 'c' AND EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))
        AND (('pg_type'::regclass)::oid, pg_type.oid) NOT IN (SELECT classid, objid FROM extended)
    ) AS all_of_it ORDER BY place
  LOOP
    EXECUTE command;
  END LOOP;
END
$switchyard$;
"""
# Of these the role need not be the owner, and they are there already.
NOT_RESTORED = re.compile(r"\d+; \d+ \d+ (COMMENT - EXTENSION |(COMMENT|ACL) - SCHEMA public |SCHEMA - public )")


class Trouble(Exception):
    """What the user is told."""


def survey() -> dict:
    """What there is to save: each database once, and the migrations that are applied."""
    from django.db import connections
    from django.db.migrations.recorder import MigrationRecorder

    found: dict = {}
    for alias in connections:
        connection = connections[alias]
        if connection.vendor == "unknown" or connection.settings_dict.get("TEST", {}).get("MIRROR"):
            continue  # Django's stand-in for a site without a database; a replica
        one = described(connection)
        if one and one["identity"] not in [other["identity"] for other in found.values()]:
            found[alias] = one
    applied: dict = {}
    if "default" in found:
        for app, name in sorted(MigrationRecorder(connections["default"]).applied_migrations()):
            applied.setdefault(app, []).append(name)
    return {"databases": found, "applied": applied}


def described(connection: Any) -> dict:
    settings = connection.settings_dict
    one = {"kind": connection.vendor, "identity": [str(settings.get(name)) for name in ("NAME", "HOST", "PORT")]}
    if connection.vendor == "sqlite":
        path = os.path.abspath(str(settings["NAME"]))
        if connection.is_in_memory_db():
            return {}
        parts = [path, f"{path}-wal"]
        size = sum(os.path.getsize(part) for part in parts if os.path.exists(part))
        staged = os.stat(os.path.dirname(path))
        return {**one, "size": size, "path": path, "device": staged.st_dev, "free": free(os.path.dirname(path))}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            size = cursor.fetchone()[0]
        return {**one, "size": size, "missing": [name for name in CLIENTS if not shutil.which(name)]}
    return one


def free(folder: str) -> int:
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize


# --- SQLite ----------------------------------------------------------------------------------------------------------


def staging(path: str) -> str:
    """Beside the database, where there is room for it and a rename is atomic."""
    staged = f"{path}.switchyard"
    for left in (staged, *beside(staged)):
        remove(left)
    return staged


def beside(path: str) -> list:
    return [f"{path}{end}" for end in ("-wal", "-shm", "-journal")]


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def save_sqlite(connection: Any) -> dict:
    """SQLite's own online backup: the site reads and writes meanwhile."""
    path = os.path.abspath(str(connection.settings_dict["NAME"]))
    staged = staging(path)
    try:
        connection.ensure_connection()
        copy = sqlite3.connect(staged)
        with contextlib.closing(copy):
            connection.connection.backup(copy)
            require_whole(copy)
        digest = hashlib.sha256()
        with open(staged, "rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return {"sha256": digest.hexdigest()}
    finally:
        staging(path)


def require_whole(database: sqlite3.Connection) -> None:
    with contextlib.suppress(ImportError):  # what Django's own constraints and indexes call
        from django.db.backends.sqlite3._functions import register

        register(database)
    said = [row[0] for row in database.execute("PRAGMA integrity_check(10)")]
    if said != ["ok"]:
        raise Trouble(f"SQLite finds the database damaged: {'; '.join(said)}")


def restore_sqlite(connection: Any) -> None:
    """In one step, once nobody has the file open: what stands in its write-ahead log belongs to the old one."""
    path = os.path.abspath(str(connection.settings_dict["NAME"]))
    connection.close()
    staged = staging(path)
    try:
        with open(staged, "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream, CHUNK)
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.exists(path):
            shutil.copymode(path, staged)
            end_log(path)
        for left in beside(path):
            remove(left)
        os.replace(staged, path)
    finally:
        staging(path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def end_log(path: str) -> None:
    """SQLite leaves its write-ahead log only where nobody else has the database open."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as old:
            old.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise Trouble(f"somebody has {path} open, beside the site. End that first") from error
        # It is damaged, which may be why it is replaced.


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def client(connection: Any, program: str, *options: str) -> tuple:
    """A program of PostgreSQL's as Django would call psql: the password is in its environment."""
    settings = connection.settings_dict
    (_psql, *place), told = connection.client.settings_to_cmd_args_env(settings, [])
    options_of_session = settings.get("OPTIONS", {}).get("options")
    more = {"PGOPTIONS": str(options_of_session)} if options_of_session else {}
    return [program, *options, *place], {**os.environ, **(told or {}), **more}


def save_postgresql(connection: Any) -> dict:
    command, environment = client(connection, "pg_dump", "--format=custom", f"--lock-wait-timeout={PATIENCE}s")
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise Trouble("pg_dump failed")
    return {}


def verify_postgresql(_connection: Any) -> None:
    if subprocess.run(["pg_restore", "--file=/dev/null"], check=False).returncode:
        raise Trouble("pg_restore can't read what pg_dump has written")


def restore_postgresql(connection: Any) -> None:
    """All of it in one transaction, which is ended well only when pg_restore has."""
    connection.close()
    listed = subprocess.run(["pg_restore", "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    os.lseek(sys.stdin.fileno(), 0, os.SEEK_SET)
    with tempfile.NamedTemporaryFile("w") as wanted:
        wanted.writelines(f"{line}\n" for line in listed.splitlines() if not NOT_RESTORED.match(line))
        wanted.flush()
        command, environment = client(
            connection, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password", "--file=-"
        )
        psql = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        script = cast(IO[str], psql.stdin)
        whole = False
        with contextlib.suppress(BrokenPipeError), script:  # where psql has met an error it is gone already
            print("BEGIN;", EMPTY, file=script, flush=True)
            arguments = ["pg_restore", "--file=-", "--no-owner", f"--use-list={wanted.name}"]
            whole = subprocess.run(arguments, check=False, stdout=script).returncode == 0
            if whole:
                print("COMMIT;", file=script)
        if psql.wait() or not whole:
            raise Trouble("the transaction in which the database would have been restored failed")


def act() -> dict:
    from django.db import connections

    if WANTED["step"] == "survey":
        return survey()
    if WANTED["alias"] not in connections or connections[WANTED["alias"]].vendor != WANTED["kind"]:
        raise Trouble(f"it was {WANTED['kind']} when it was saved, and the settings of this release have no such one")
    connection = connections[WANTED["alias"]]
    report = STEPS[WANTED["step"], connection.vendor](connection)
    return report or {}


STEPS = {
    ("save", "sqlite"): save_sqlite,
    ("restore", "sqlite"): restore_sqlite,
    ("save", "postgresql"): save_postgresql,
    ("verify", "postgresql"): verify_postgresql,  # SQLite's was, while it was saved
    ("restore", "postgresql"): restore_postgresql,
}


if __name__ == "__main__":
    sys.path[:0] = [os.getcwd()]
    import django

    try:
        django.setup()
        report = act()
    except Trouble as trouble:
        report = {"trouble": str(trouble)}
    print("\n" + WANTED["marker"] + json.dumps(report), file=sys.stderr)

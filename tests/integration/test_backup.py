# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration that destroys data, and the way back, with SQLite and with PostgreSQL: two sites on one host.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from controller import ROOT, Host, Run

ROWS = 200
PASSWORD = "pg-pass-word-1"
HEAD = "from django.db import migrations, models\n\n\n"
TAIL = """

class Migration(migrations.Migration):
    dependencies = [("stock", "0001_initial")]
    operations = [migrations.RunPython(change), migrations.CreateModel(
        "Extra", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
    ), *MORE]
"""
DESTROY = """\
def change(apps, schema_editor):
    Item = apps.get_model("stock", "Item")
    Item.objects.filter(pk__gt=10).delete()
    Item.objects.update(label="oops")
"""
MEND = """\
def change(apps, schema_editor):
    for item in apps.get_model("stock", "Item").objects.all():
        item.label += " mended"
        item.save()
"""
# All kinds of things that a migration may leave behind, and that must be gone with it, and come back with it.
POSTGRESQL = """migrations.RunSQL(
    "CREATE SCHEMA more; CREATE TABLE more.t (x int); CREATE TYPE mood AS ENUM ('a', 'b');"
    "CREATE FUNCTION f(m mood) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT * FROM stock_item;"
    "CREATE SEQUENCE alone; CREATE DOMAIN dom AS text; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS x;"
    "COMMENT ON TABLE stock_item IS 'what there is'"
)"""

pytestmark = pytest.mark.full


@dataclass
class Site:
    """One of the two sites, and the versions of its project."""

    host: Host
    name: str
    folder: Path
    database: dict[str, str]

    @property
    def domain(self) -> str:
        return f"{self.name}.example.org"

    @property
    def is_sqlite(self) -> bool:
        return not self.database

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        run = self.host.play(playbook, *arguments, site_name=self.name, **variables)
        assert PASSWORD not in run.output
        return run

    def deploy(self, **variables: Any) -> Run:
        return self.play(
            "site.yml",
            site_source=str(self.folder),
            site_domains=[self.domain],
            site_env=self.database,
            release_backup=True,
            **variables,
        )

    def restore(self, backup: str, *arguments: str, **variables: Any) -> Run:
        """As a user does, who gives nothing but names."""
        wanted = {"restore_confirm": self.name, **variables}
        return self.play("playbooks/restore.yml", *arguments, restore_backup=backup, **wanted)

    def migration(self, change: str) -> None:
        more = f"MORE = [{POSTGRESQL if self.database else ''}]\n\n\n"
        (self.folder / "stock/migrations/0002_change.py").write_text(HEAD + more + change + TAIL)

    def items(self) -> list[dict[str, Any]]:
        status, _headers, body = self.host.get("/stock/", self.domain)
        assert status == 200, body
        return list(json.loads(body)["items"])

    def live(self) -> str:
        return self.host.sh(f"basename $(readlink /etc/switchyard/{self.name}/current)").strip()

    def backups(self) -> list[str]:
        return self.host.sh(f"ls /srv/{self.name}/backups").split()

    def history(self) -> list[dict[str, Any]]:
        lines = self.host.sh(f"cat /etc/switchyard/{self.name}/history.jsonl").splitlines()
        return [json.loads(line) for line in lines]

    def sql(self, command: str) -> str:
        return self.host.sh(f'runuser -u postgres -- psql -qAtc "{command}" {self.name}')


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_backup",
        variables={"site_package": "ledger", "cutover_settle": 3},
    )
    one.down()
    one.up()
    one.sh("apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends postgresql")
    login = f"CREATE ROLE pg LOGIN PASSWORD '{PASSWORD}'"
    one.sh(f'runuser -u postgres -- psql -c "{login}" -c "CREATE DATABASE pg OWNER pg"')
    yield one
    one.down()


@pytest.fixture(scope="module", params=["lite", "pg"])
def site(request: pytest.FixtureRequest, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("source") / "ledger"
    shutil.copytree(ROOT / "tests/integration/projects/ledger", folder, ignore=shutil.ignore_patterns("__pycache__"))
    place = {"DB_NAME": "pg", "DB_USER": "pg", "DB_PASSWORD": PASSWORD, "DB_HOST": "127.0.0.1"}
    return Site(host, request.param, folder, place if request.param == "pg" else {})


def succeeded(run: Run) -> Run:
    assert run.rc == 0, run.output
    return run


releases: dict[str, str] = {}


def test_a_first_deploy_has_nothing_to_save(site: Site) -> None:
    succeeded(site.deploy())
    releases["first"] = site.live()
    assert site.backups() == []
    run = succeeded(site.play("playbooks/restore.yml"))
    assert "There is no backup." in run.output
    rows = f"Item(label=f'item {{n}}', note='dear') for n in range({ROWS})"
    fill = f"from stock.models import Item; Item.objects.bulk_create({rows})"
    succeeded(site.play("playbooks/manage.yml", manage_command=["shell", "-c", fill]))
    assert len(site.items()) == ROWS


def test_before_a_migration_that_destroys_data_it_is_saved_where_root_alone_reads_it(site: Site) -> None:
    site.migration(DESTROY)
    succeeded(site.deploy())
    releases["bad"] = site.live()
    assert {item["label"] for item in site.items()} == {"oops"}
    (releases["backup"],) = site.backups()
    found = site.host.sh(f"find /srv/{site.name}/backups -printf '%y %M %u\\n' | sort -u").splitlines()
    assert found == ["d drwx------ root", "f -rw------- root"]
    assert site.host.sh(f"find /srv/{site.name}/data -name '*.switchyard*'") == ""
    info = json.loads(site.host.sh(f"cat /etc/switchyard/{site.name}/current/migrated.json"))
    assert info["backup"] == releases["backup"]
    run = succeeded(site.play("playbooks/restore.yml"))
    assert f"{releases['backup']} on web1: " in run.output
    assert f"{releases['first']} was live; before migrations of {releases['bad']}: stock.0002_change" in run.output


def test_a_restore_has_to_be_meant(site: Site) -> None:
    for arguments, reason in (
        ({"backup": "20200101-000000-0123456789ab"}, "is no backup of the site"),
        ({"backup": releases["backup"], "restore_confirm": "another"}, "is not the site_name"),
    ):
        run = site.restore(**arguments)
        assert run.rc != 0
        assert reason in run.output
        assert "Nothing was changed" in " ".join(run.output.split())
    before = site.host.fingerprint()
    run = succeeded(site.restore(releases["backup"], "--check", "--diff"))
    assert f"+{releases['first']}" in run.output
    assert site.host.fingerprint() == before


def test_a_damaged_backup_changes_nothing_and_the_site_serves_again(site: Site) -> None:
    file = f"/srv/{site.name}/backups/{releases['backup']}/default.{'sqlite3' if site.is_sqlite else 'dump'}"
    site.host.sh(f"cp {file} /root/whole; printf x | dd of={file} bs=1 seek=5000 conv=notrunc status=none")
    run = site.restore(releases["backup"])
    assert run.rc != 0
    assert "is not as it was when it was made" in run.output
    assert f"{releases['bad']} serves again, as before." in run.output
    assert site.live() == releases["bad"]
    assert {item["label"] for item in site.items()} == {"oops"}
    site.host.sh(f"cat /root/whole > {file}")


def test_somebody_who_holds_the_database_is_named_and_nothing_is_changed(site: Site) -> None:
    if site.is_sqlite:
        hold = "c = sqlite3.connect('/srv/lite/data/db.sqlite3'); c.execute('BEGIN IMMEDIATE')"
        code = f"import sqlite3, time; {hold}; time.sleep(300)"
        site.host.sh(f'systemd-run --quiet --collect --unit=holder --uid=lite /usr/bin/python3 -c "{code}"; sleep 1')
        expected = "somebody has /srv/lite/data/db.sqlite3 open"
    else:
        code = "BEGIN; LOCK TABLE stock_item; SELECT pg_sleep(300)"
        site.host.sh(f'systemd-run --quiet --collect --unit=holder --uid=postgres psql -c "{code}" pg; sleep 1')
        expected = "lock timeout"
    # What is saved first would wait, too.
    run = site.restore(releases["backup"], restore_save=False)
    if not site.is_sqlite:  # the server does not notice at once that a client is gone
        site.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = 'AccessExclusiveLock'")
    site.host.sh("systemctl stop holder", check=False)
    assert run.rc != 0
    assert expected in run.output
    assert f"{releases['bad']} serves again, as before." in run.output
    assert {item["label"] for item in site.items()} == {"oops"}


def test_all_rows_come_back_with_the_release_that_fits_them(site: Site) -> None:
    run = succeeded(site.restore(releases["backup"]))
    items = site.items()
    assert [(item["label"], item["note"]) for item in items] == [(f"item {n}", "dear") for n in range(ROWS)]
    assert site.live() == releases["first"]
    assert f"{releases['first']} (wsgi by gunicorn) is live with the data of {releases['backup']}" in run.output
    last = site.history()[-1]
    assert (last["operation"], last["backup"]) == ("recovery", releases["backup"])
    assert last["reversed"] == ["stock.0002_change"]
    assert not site.host.sh(f"ls /etc/switchyard/{site.name}/restoring.json 2>/dev/null", check=False)
    if not site.is_sqlite:
        assert (
            site.sql("SELECT count(*) FROM pg_class WHERE relname IN ('t', 'v', 'mv', 'alone', 'stock_extra')") == "0\n"
        )
        assert site.sql("SELECT count(*) FROM pg_type WHERE typname IN ('mood', 'dom')") == "0\n"
    releases["present"] = sorted(site.backups())[-1]


def test_the_release_that_was_left_does_not_come_back_by_itself(site: Site) -> None:
    run = site.deploy()
    assert run.rc != 0
    assert f"Release {releases['bad']} was rolled away from" in run.output
    run = site.play("rollback.yml", rollback_to=releases["bad"])
    assert run.rc != 0
    assert f"{releases['bad']} needs migrations that a rollback has undone: stock.0002_change" in run.output
    assert len(site.items()) == ROWS


def test_a_restore_can_be_taken_back(site: Site) -> None:
    succeeded(site.restore(releases["present"]))
    assert site.live() == releases["bad"]
    assert {item["label"] for item in site.items()} == {"oops"}
    assert site.history()[-1]["regained"] == ["stock.0002_change"]
    if not site.is_sqlite:
        assert site.sql("SELECT count(*) FROM more.t, v, mv") == "0\n"
        assert site.sql("SELECT obj_description('stock_item'::regclass)") == "what there is\n"
    succeeded(site.restore(releases["backup"]))
    assert len(site.items()) == ROWS


def test_a_restore_that_is_cut_off_holds_up_everything_until_it_is_ended(site: Site) -> None:
    """The release can't start: the data is restored by then."""
    unit = f"/run/systemd/system/{site.name}@{releases['first']}.service.d"
    site.host.sh(f"mkdir -p {unit}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {unit}/x.conf")
    run = site.restore(releases["backup"], cutover_gate_deadline=5)
    assert run.rc != 0
    assert (
        f"The data of {releases['backup']} is restored, and {releases['first']}, which fits it, is not live"
        in run.output
    )
    for playbook in (site.deploy, lambda: site.play("rollback.yml")):
        run = playbook()
        assert run.rc != 0
        assert f"a restore of {releases['backup']} was cut off" in run.output
    site.host.sh(f"rm -r {unit}; systemctl daemon-reload")
    succeeded(site.restore(releases["backup"]))
    assert len(site.items()) == ROWS


def test_the_mended_migration_is_deployed_and_so_much_is_kept(site: Site) -> None:
    site.migration(MEND)
    succeeded(site.deploy(release_backup_keep=1))
    assert [item["label"] for item in site.items()] == [f"item {n} mended" for n in range(ROWS)]
    (own,) = site.backups()
    assert own.endswith(site.live())
    assert succeeded(site.deploy(release_backup_keep=1)).changed == []


def test_a_backup_that_fails_ends_the_deploy_before_anything_is_migrated(site: Site) -> None:
    before = site.live()
    (site.folder / "stock/migrations/0003_more.py").write_text(
        HEAD + "class Migration(migrations.Migration):\n"
        '    dependencies = [("stock", "0002_change")]\n'
        '    operations = [migrations.AddField("item", "more", models.TextField(default=""))]\n'
    )
    # In place of a full disk: what can't be written.
    folder = f"/srv/{site.name}/backups"
    site.host.sh(f"rm -rf /root/backups; mv {folder} /root/backups; install -d -m 0700 {folder}")
    site.host.sh(f"mount -t tmpfs -o size=8k,mode=0700 none {folder}")
    run = site.deploy()
    site.host.sh(f"umount {folder}; rmdir {folder}; mv /root/backups {folder}")
    assert run.rc != 0
    assert "Nothing was migrated or restored, and the live release serves as before." in run.output
    assert site.live() == before
    assert len(site.items()) == ROWS
    succeeded(site.deploy())
    assert len(site.backups()) == 2

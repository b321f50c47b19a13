# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with PostgreSQL and Redis: on its own host, and on one that it shares with a second site.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from controller import ROOT, Host, Run

pytestmark = pytest.mark.full

DOMAIN = "telegraph.example.org"
SITE = {
    "site_package": "telegraph",
    "site_domains": [DOMAIN],
    "serve_mode": "asgi",
    "cutover_drain": 5,
    "cutover_settle": 2,
}
PARTS = {
    "POSTGRES_HOST": "host",
    "POSTGRES_PORT": "port",
    "POSTGRES_DB": "name",
    "POSTGRES_USER": "user",
    "POSTGRES_PASSWORD": "password",
}
# Tries to get into a database as the psycopg of a release does; says nothing where it can.
TRY = """
import sys, psycopg
psycopg.connect(sys.argv[1], connect_timeout=5).execute("SELECT 1")
"""


@dataclass
class Town:
    """Two hosts for sites, one for data, and the project."""

    web1: Host
    web2: Host
    db1: Host
    source: Path

    def deploy(self, host: Host, *arguments: str, **variables: Any) -> Run:
        return host.play("site.yml", *arguments, **variables)

    def new_version(self) -> None:
        with (self.source / "telegraph/version.py").open("a", encoding="utf-8") as stream:
            stream.write("# again\n")

    def get(self, host: Host, path: str) -> dict[str, Any]:
        status, _headers, body = host.get(path, DOMAIN)
        assert status == 200, body
        return dict(json.loads(body))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    source = tmp_path_factory.mktemp("source") / "telegraph"
    project = ROOT / "tests/integration/projects/telegraph"
    shutil.copytree(project, source, ignore=shutil.ignore_patterns("__pycache__"))
    group = f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_services"
    common = {**SITE, "site_source": str(source)}
    near = {**common, "site_name": "near", "site_group": "web1", "site_database": "postgresql", "site_redis": True}
    far = {
        **common,
        "site_name": "far",
        "site_group": "web2",
        "site_database": "postgresql",
        "site_database_host": "db1",
        "site_redis": True,
        "site_redis_host": "db1",
        "site_redis_variables": {"REDIS_URL": "url", "CELERY_BROKER_URL": "url"},
    }
    one = Town(
        Host(group, "web1", variables=near),
        Host(group, "web2", variables=far),
        Host(group, "db1"),
        source,
    )
    try:
        for host in (one.db1, one.web1, one.web2, one.web1):  # the inventory has those that are up
            host.up()
        yield one
    finally:
        one.db1.down()


def live(host: Host, site: str) -> str:
    return host.sh(f"readlink /etc/switchyard/{site}/current").strip()


def in_environment(host: Host, site: str, name: str) -> str:
    """A variable of the live release, which root alone can read."""
    release = json.loads(host.sh(f"cat /etc/switchyard/{site}/current/release.json"))
    text = host.sh(f"cat /etc/switchyard/{site}/env/{release['environment']}.env")
    (line,) = (one for one in text.splitlines() if one.startswith(f"{name}="))
    return line.partition("=")[2].strip("\"'")


def venv(host: Host, site: str) -> str:
    release = json.loads(host.sh(f"cat /etc/switchyard/{site}/current/release.json"))
    return f"/srv/{site}/venvs/{release['venv']}/bin/python"


def listeners(host: Host) -> set[str]:
    return {line.split()[3] for line in host.sh("ss -Hltn").splitlines()}


def kept(town: Town, host: Host) -> list[str]:
    return list(town.get(host, "/telegrams/")["kept"])


# --- on the site's own host ------------------------------------------------------------------------------------------


def test_a_check_on_a_bare_host_says_what_would_be_and_does_nothing(town: Town) -> None:
    before = town.web1.fingerprint()
    run = town.deploy(town.web1, "--check", "--diff")
    assert run.rc == 0, run.output
    assert "PostgreSQL would get a role and a database near for the user of the site" in run.output
    assert "redis-server@near.service would listen at 127.0.0.1, port 6379" in run.output
    assert town.web1.fingerprint() == before


def test_a_site_has_its_database_and_its_redis_beside_it(town: Town) -> None:
    before = listeners(town.web1)
    run = town.deploy(town.web1)
    assert run.rc == 0, run.output
    answer = town.get(town.web1, "/telegrams/?text=hello")
    assert answer == {"kept": ["hello"], "user": "near", "ssl": False, "address": None}  # by the socket
    assert town.get(town.web1, "/cached/") == {"visits": 1}
    assert town.get(town.web1, "/sent/?text=hello")["text"] == "hello"
    new = listeners(town.web1) - before
    assert new == {"127.0.0.1:5432", "127.0.0.1:6379"}
    assert town.web1.sh("systemctl --failed --plain --no-legend") == ""


def test_again_nothing_changes(town: Town) -> None:
    run = town.deploy(town.web1)
    assert (run.rc, run.changed) == (0, []), run.output
    run = town.deploy(town.web1, "--check", "--diff")
    assert (run.rc, run.changed) == (0, []), run.output


MORE = {"postgresql_max_connections": 150, "postgresql_extensions": ["bloom"]}
REFUSES_TO_START = """
mkdir -p /etc/systemd/system/postgresql@.service.d
printf '[Service]\\nExecStartPre=/bin/sh -c "! grep -q 170 /etc/postgresql/15/main/conf.d/90-switchyard.conf"\\n' \\
    > /etc/systemd/system/postgresql@.service.d/99-test.conf
systemctl daemon-reload
"""


def sql(host: Host, database: str, statement: str) -> str:
    return host.sh(f"runuser -u postgres -- psql -d {database} -tAc {shlex.quote(statement)}").strip()


def test_the_server_allows_more_connections_and_has_the_extensions_that_a_superuser_makes(town: Town) -> None:
    run = town.deploy(town.web1, "--check", "--diff", **MORE)
    assert run.rc == 0, run.output
    assert "+max_connections = '150'" in run.output
    assert sql(town.web1, "near", "SHOW max_connections") == "100"
    run = town.deploy(town.web1, **MORE)
    assert run.rc == 0, run.output
    assert sql(town.web1, "near", "SHOW max_connections") == "150"
    assert sql(town.web1, "near", "SELECT count(*) FROM pg_extension WHERE extname = 'bloom'") == "1"
    assert kept(town, town.web1) == ["hello"]
    for variables in (MORE, {}):  # and what was raised stays
        run = town.deploy(town.web1, **variables)
        assert (run.rc, run.changed) == (0, []), run.output
    assert sql(town.web1, "near", "SHOW max_connections") == "150"


@pytest.mark.parametrize(
    "variables", [{"postgresql_extensions": ["bloom", "post gis"]}, {"postgresql_max_connections": "many"}]
)
def test_what_postgresql_can_not_be_told_is_refused_before_a_host_is_asked(
    town: Town, variables: dict[str, Any]
) -> None:
    run = town.deploy(town.web1, **variables)
    assert (run.rc != 0, run.remote) == (True, [])
    assert next(iter(variables)) in run.output


def test_a_server_that_does_not_start_with_more_has_what_it_had_before(town: Town) -> None:
    town.web1.sh(REFUSES_TO_START)
    try:
        run = town.deploy(town.web1, postgresql_max_connections=170)
        assert run.rc != 0
        assert "PostgreSQL on web1 does not start with max_connections = 170, and runs with what it had" in run.output
        assert sql(town.web1, "near", "SHOW max_connections") == "150"
        assert kept(town, town.web1) == ["hello"]
    finally:
        town.web1.sh("rm /etc/systemd/system/postgresql@.service.d/99-test.conf; systemctl daemon-reload")


def test_what_a_queue_holds_survives_a_power_cut(town: Town) -> None:
    visits = town.get(town.web1, "/cached/")["visits"]
    town.web1.sh("sleep 1.5")  # Redis writes each second
    town.web1.restart()
    for _attempt in range(60):
        status, _headers, body = town.web1.get("/cached/", DOMAIN)
        if status == 200:
            break
        town.web1.sh("sleep 0.5")
    assert json.loads(body) == {"visits": visits + 1}
    assert kept(town, town.web1) == ["hello"]


# --- on a host for data ----------------------------------------------------------------------------------------------


def test_a_site_has_its_database_and_its_redis_on_another_host_and_no_password_shows(town: Town) -> None:
    run = town.deploy(town.web2, "-vvv", "--diff")
    assert run.rc == 0, run.output
    answer = town.get(town.web2, "/telegrams/?text=secret")
    assert answer == {"kept": ["secret"], "user": "far", "ssl": True, "address": town.web2.address}
    assert town.get(town.web2, "/sent/?text=hello")["text"] == "hello"
    words = {
        in_environment(town.web2, "far", name).rpartition("@")[0].rpartition(":")[2]
        for name in ("DATABASE_URL", "REDIS_URL")
    }
    assert len(words) == 2
    assert "SCRAM-SHA-256$" not in run.output
    for word in words:
        assert len(word) == 64
        assert word not in run.output
        look = f"grep -lF {word}"
        for host, who in ((town.web2, "-perm -o=r"), (town.db1, "")):
            found = host.sh(
                f"find / -xdev -type f {who} -size -8M ! -path '/proc/*' ! -path '/sys/*' -print0 | xargs -0 {look}; "
                f"ps -eww -o args | grep -F {word} | grep -v grep; journalctl --no-pager | {look}; true",
                check=False,
            )
            assert found.strip() == "", found


def test_again_nothing_changes_on_either_host(town: Town) -> None:
    before = town.db1.fingerprint()
    run = town.deploy(town.web2)
    assert (run.rc, run.changed) == (0, []), run.output
    assert town.db1.fingerprint() == before


def test_the_servers_listen_where_the_site_reaches_them_and_nowhere_else(town: Town) -> None:
    ends = {f"{host}:{port}" for host in ("127.0.0.1", town.db1.address) for port in (5432, 6379)}
    assert {end for end in listeners(town.db1) if end.endswith((":5432", ":6379"))} == ends


def test_another_host_does_not_get_in(town: Town) -> None:
    """Though it knows the password."""
    url = in_environment(town.web2, "far", "DATABASE_URL")
    command = "{} -c {} {}".format("{}", shlex.quote(TRY), shlex.quote(url))
    assert town.web2.sh(command.format(venv(town.web2, "far")) + " 2>&1") == ""
    assert "no pg_hba.conf entry" in town.web1.sh(command.format(venv(town.web1, "near")) + " 2>&1", check=False)
    plain = command.format(venv(town.web2, "far")).replace("sslmode=require", "sslmode=disable")
    assert "no encryption" in town.web2.sh(plain + " 2>&1", check=False)


def test_a_second_site_shares_the_host_and_reads_nothing_of_the_first(town: Town) -> None:
    second = {
        **town.web2.variables,
        "site_name": "second",
        "site_group": "web1",
        "site_domains": ["second.example.org"],
    }
    refused = town.deploy(town.web1, **second)
    assert refused.rc != 0
    assert "redis_port 6379: on db1 that port is taken by /etc/redis/redis-far.conf" in refused.output
    second |= {"redis_port": 6380, "site_database_variables": PARTS, "postgresql_max_connections": 120}
    before = town.db1.fingerprint()
    run = town.deploy(town.web1, "--check", "--diff", **second)
    assert run.rc == 0, run.output
    assert town.db1.fingerprint() == before
    run = town.deploy(town.web1, **second)
    assert run.rc == 0, run.output
    status, _headers, body = town.web1.get("/telegrams/?text=mine", "second.example.org")
    assert (status, json.loads(body)["kept"], json.loads(body)["ssl"]) == (200, ["mine"], True)
    assert sql(town.db1, "second", "SHOW max_connections") == "120"
    settings = "/etc/postgresql/15/main/conf.d/90-switchyard.conf"
    assert f"listen_addresses = 'localhost,{town.db1.address}'" in town.db1.sh(f"cat {settings}")
    # The second knows its own password, and comes from a host that may come.
    word, address = in_environment(town.web1, "second", "POSTGRES_PASSWORD"), town.db1.address
    url = f"postgresql://second:{word}@{address}/far?sslmode=require"
    said = town.web1.sh(f"{venv(town.web1, 'second')} -c {shlex.quote(TRY)} '{url}' 2>&1", check=False)
    assert "no pg_hba.conf entry" in said
    inside = "runuser -u postgres -- psql -d far -c 'SET ROLE second; SELECT * FROM telegraph_telegram' 2>&1"
    assert "permission denied" in town.db1.sh(inside, check=False)
    can = "SELECT has_database_privilege('second', 'far', 'CONNECT')"
    assert town.db1.sh(f'runuser -u postgres -- psql -tAc "{can}"').strip() == "f"
    assert kept(town, town.web2) == ["secret"]


def test_a_site_of_the_same_name_elsewhere_does_not_take_what_is_not_its_own(town: Town) -> None:
    rival = {**town.web2.variables, "site_group": "web1", "site_domains": ["rival.example.org"]}
    run = town.deploy(town.web1, **rival)
    assert run.rc != 0
    assert "PostgreSQL on db1 has a role far that is not this site's" in run.output
    assert kept(town, town.web2) == ["secret"]


# --- what is away ----------------------------------------------------------------------------------------------------


def test_a_database_that_is_away_ends_a_deploy_before_it_begins(town: Town) -> None:
    before = live(town.web2, "far")
    town.new_version()
    town.db1.sh("systemctl stop postgresql")
    try:
        fingerprint = town.web2.fingerprint()
        run = town.deploy(town.web2)
        assert run.rc != 0
        assert "site_database: PostgreSQL on db1 does not answer, at port 5432 (postgresql_port)" in run.output
        assert town.web2.fingerprint() == fingerprint
        assert town.web2.get("/health/", DOMAIN)[0] == 200
    finally:
        town.db1.sh("systemctl start postgresql")
    assert live(town.web2, "far") == before


def test_a_database_of_somebody_elses_that_is_away_is_named_at_the_build(town: Town) -> None:
    before = live(town.web2, "far")
    url = f"postgres://far:geheimes1@{town.db1.address}:5999/far"
    run = town.deploy(town.web2, site_database=url, site_database_host="")
    assert run.rc != 0
    assert "The database can't be asked for its migrations" in run.output
    assert "geheimes1" not in run.output
    assert (live(town.web2, "far"), kept(town, town.web2)) == (before, ["secret"])


def test_a_redis_that_is_away_fails_the_gate(town: Town) -> None:
    before, pid = live(town.web2, "far"), town.web2.sh("systemctl show -p MainPID --value 'far@*'")
    run = town.deploy(town.web2, site_redis=f"redis://:geheimes2@{town.db1.address}:6999/0", site_redis_host="")
    assert run.rc != 0
    assert "CHANNEL_LAYERS['default'] can't be reached from web2" in run.output
    assert "CACHES['default'] can't be reached from web2" in run.output
    assert "did not pass its gate; nothing that is live was touched." in run.output
    assert "geheimes2" not in run.output
    assert live(town.web2, "far") == before
    assert town.web2.sh("systemctl show -p MainPID --value 'far@*'").split()[:1] == pid.split()[:1]
    assert town.get(town.web2, "/sent/?text=still")["text"] == "still"


def test_a_rollback_asks_them_too_and_leaves_them_alone(town: Town) -> None:
    run = town.deploy(town.web2)
    assert run.rc == 0, run.output
    new = live(town.web2, "far")
    town.db1.sh("systemctl stop redis-server@far")
    try:
        run = town.web2.play("rollback.yml")
        assert run.rc != 0
        assert "CHANNEL_LAYERS['default'] can't be reached from web2" in run.output
        assert live(town.web2, "far") == new
    finally:
        town.db1.sh("systemctl start redis-server@far")
    before = town.db1.fingerprint()
    run = town.web2.play("rollback.yml")
    assert run.rc == 0, run.output
    assert live(town.web2, "far") != new
    assert town.db1.fingerprint() == before
    assert kept(town, town.web2) == ["secret"]
    assert town.get(town.web2, "/sent/?text=back")["text"] == "back"


def test_a_removal_leaves_the_data_service(town: Town) -> None:
    run = town.web2.play("playbooks/remove.yml", "-e", "remove_confirm=far", "-e", "remove_data=true")
    assert run.rc == 0, run.output
    assert town.db1.sh("systemctl is-active redis-server@far").strip() == "active"
    rows = "runuser -u postgres -- psql -d far -tAc 'SELECT text FROM telegraph_telegram'"
    assert town.db1.sh(rows).strip() == "secret"


# --- what is missing -------------------------------------------------------------------------------------------------


def test_a_missing_collection_is_named_before_a_host_is_touched(town: Town, tmp_path: Path) -> None:
    """By a Python that does not look for collections beside ansible-core."""
    config = tmp_path / "ansible.cfg"
    config.write_text(f"[defaults]\ncollections_path = {ROOT}/collections\ncollections_scan_sys_path = false\n")
    run = town.web1.play("site.yml", env={"ANSIBLE_CONFIG": str(config)})
    assert run.rc != 0
    assert "ansible-galaxy collection install community.postgresql" in run.output
    assert [task for task in run.remote if task] == []

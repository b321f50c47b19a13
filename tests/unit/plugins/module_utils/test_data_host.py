# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import data_host

MARK = data_host.mark("shop", "0123456789abcdef")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A data host: what is installed, what runs since when, what psql says."""
    it = SimpleNamespace(missing=[], active=set(), since=0.0, psql=(0, "", ""), redis=tmp_path, hba=tmp_path / "hba")
    it.hba.write_text("local all all peer\nhostssl\tshop\tshop\t10.0.0.9/32\tscram-sha-256\n")
    real = subprocess.run

    def run(command: list[str], *, check: bool, **options: Any) -> Any:
        if command[0] == "runuser":
            return subprocess.CompletedProcess(command, *it.psql)
        return real(command, check=check, **options)

    monkeypatch.setattr(data_host, "REDIS", tmp_path)
    monkeypatch.setattr(data_host.state, "missing_packages", lambda wanted: it.missing)
    monkeypatch.setattr(data_host.units, "is_active", lambda unit: unit in it.active)
    monkeypatch.setattr(data_host, "_started", lambda unit: it.since)
    monkeypatch.setattr(subprocess, "run", run)
    return it


def look(kind: str, port: int = 0, addresses: list[str] | None = None, max_connections: int = 0) -> data_host.Found:
    return data_host.look("shop", kind, port, addresses or [], "0123456789abcdef", "db1", max_connections)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def says(
    host: SimpleNamespace,
    comment: str,
    databases: int = 0,
    loaded: float | None = None,
    configuration: str = "/etc/postgresql/15/main/postgresql.conf",
    source: tuple[str, int] = ("", 0),
) -> None:
    parts = ["localhost", str(host.hba), configuration, str(time.time() + 9 if loaded is None else loaded), comment]
    parts += [str(databases), "100", *map(str, source)]
    host.psql = (0, data_host.SEPARATOR.join(parts) + "\n", "")


def test_a_server_is_read(host: SimpleNamespace) -> None:
    says(host, "-")
    found = look("postgresql")
    assert (found.problem, found.listens, found.unit) == ("", "localhost", "postgresql@15-main.service")
    assert found.lets_in == ["10.0.0.9/32"]
    assert not found.stale


def test_a_file_that_the_server_has_not_read_is_told(host: SimpleNamespace) -> None:
    says(host, "-", loaded=1.0)
    assert look("postgresql").stale


@pytest.mark.parametrize("comment", [MARK, data_host.MARK])
def test_the_sites_own_role_is_taken_up_and_one_that_was_handed_over(host: SimpleNamespace, comment: str) -> None:
    says(host, comment, 1)
    assert look("postgresql").problem == ""


@pytest.mark.parametrize(
    ("comment", "databases", "what"),
    [("", 0, "a role shop"), (data_host.mark("shop", "f" * 16), 1, "a role shop"), ("-", 1, "a database shop")],
)
def test_what_is_another_sites_is_refused(host: SimpleNamespace, comment: str, databases: int, what: str) -> None:
    says(host, comment, databases)
    problem = look("postgresql").problem
    assert f"db1 has {what} that is not this site's" in problem
    assert "COMMENT ON ROLE" in problem


def test_a_server_that_does_not_answer_is_named(host: SimpleNamespace) -> None:
    host.psql = (2, "", "connection to server on socket failed:\n\tNo such file or directory")
    problem = look("postgresql", 5432).problem
    assert problem.startswith("site_database: PostgreSQL on db1 does not answer, at port 5432")
    assert "No such file or directory" in problem
    assert "systemctl status" in problem


def test_a_server_that_is_not_installed_has_nothing_to_say(host: SimpleNamespace) -> None:
    host.missing, host.psql = ["postgresql"], (1, "", "runuser: user postgres does not exist")
    found = look("postgresql")
    assert (found.problem, found.missing) == ("", ["postgresql"])


def test_an_address_that_is_not_the_hosts_is_refused(host: SimpleNamespace) -> None:
    says(host, "-")
    problem = look("postgresql", addresses=["192.0.2.77"]).problem
    assert "192.0.2.77 is none of its addresses" in problem
    assert "site_address of db1" in problem


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Debian's, as far as it counts: the number of connections, and the folder that is read after it."""
    file = tmp_path / "postgresql/15/main/postgresql.conf"
    (file.parent / "conf.d").mkdir(parents=True)
    file.write_text("max_connections = 100\n#include_dir = '...'\ninclude_dir = 'conf.d'\nmax_connections = 100\n")
    return file


def test_what_the_collection_has_set_is_read(host: SimpleNamespace, configuration: Path) -> None:
    says(host, "-", configuration=str(configuration))
    assert (look("postgresql").settings, look("postgresql").max_connections) == ({}, 100)
    ours = configuration.parent / "conf.d/90-switchyard.conf"
    ours.write_text("# ours\nlisten_addresses = 'localhost,10.0.0.5'\nmax_connections = '100'\n")
    assert look("postgresql").settings == {"listen_addresses": "localhost,10.0.0.5", "max_connections": "100"}


@pytest.mark.parametrize(
    ("file", "line", "overrules"),
    [
        ("postgresql.conf", 1, False),
        ("postgresql.conf", 4, True),
        ("conf.d/10-mine.conf", 1, False),
        ("conf.d/90-switchyard.conf", 3, False),
        ("conf.d/99-mine.conf", 1, True),
        ("postgresql.auto.conf", 3, True),
        ("", 0, False),
    ],
)
def test_a_line_that_counts_more_than_ours_is_named_before_anything_changes(
    host: SimpleNamespace, configuration: Path, file: str, line: int, overrules: bool
) -> None:
    source = str(configuration.parent / file) if file else ""
    says(host, "-", configuration=str(configuration), source=(source, line))
    assert look("postgresql").problem == look("postgresql", max_connections=100).problem == ""
    problem = look("postgresql", max_connections=101).problem
    assert problem.startswith(f"postgresql_max_connections 101: on db1 {source}, line {line}, says 100") == overrules
    assert bool(problem) == overrules


# --- Redis -----------------------------------------------------------------------------------------------------------


def configure(host: SimpleNamespace, site: str, port: int, mark: str = MARK, bind: str = "127.0.0.1") -> Path:
    path = host.redis / f"redis-{site}.conf"
    path.write_text(f"# {mark}\nbind {bind}\nport {port}\n")
    return path


def test_a_free_port_is_taken(host: SimpleNamespace) -> None:
    found = look("redis", free_port())
    assert (found.problem, found.unit, found.stale) == ("", "redis-server@shop.service", False)


def test_a_port_that_a_program_has_is_refused(host: SimpleNamespace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert look("redis", port).problem.startswith(
            f"redis_port {port}: on db1 that port is taken by another program"
        )


def test_a_port_that_another_sites_instance_has_is_refused_though_it_is_down(host: SimpleNamespace) -> None:
    port = free_port()
    other = configure(host, "other", port, data_host.mark("other", "f" * 16))
    assert f"taken by {other}. Give shop another one, for example redis_port: {port + 1}" in look("redis", port).problem


def test_the_sites_own_instance_has_its_port(host: SimpleNamespace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        configure(host, "shop", port)
        host.active, host.since = {"redis-server@shop.service"}, time.time() + 9
        found = look("redis", port)
    assert (found.problem, found.stale) == ("", False)


def test_an_instance_stays_where_the_live_release_looks_for_it(host: SimpleNamespace) -> None:
    configure(host, "shop", 6379, bind="127.0.0.1 ::1 192.0.2.77")
    assert "Leave it there, with redis_port: 6379" in look("redis", free_port()).problem
    port = free_port()
    configure(host, "shop", port, bind="127.0.0.1 127.0.0.2 192.0.2.77")
    assert look("redis", port).listens == "127.0.0.2"


def test_an_instance_that_has_not_read_its_configuration_is_told(host: SimpleNamespace) -> None:
    port = free_port()
    path = configure(host, "shop", port)
    host.active, host.since = {"redis-server@shop.service"}, 1000.0
    os.utime(path, (2000, 2000))
    assert look("redis", port).stale


def test_an_instance_of_another_site_of_that_name_is_refused(host: SimpleNamespace) -> None:
    configure(host, "shop", 6379, data_host.mark("shop", "f" * 16))
    assert "which is not this site's" in look("redis", 6379).problem


# --- the way there ---------------------------------------------------------------------------------------------------


def test_the_way_to_a_host_is_the_one_that_the_system_takes() -> None:
    assert data_host.way_to("127.0.0.1") == {"to": "127.0.0.1", "from": "127.0.0.1", "problem": ""}
    assert data_host.way_to("127.0.0.1", "10.0.0.2")["from"] == "10.0.0.2"


def test_a_name_that_does_not_resolve_is_told() -> None:
    found = data_host.way_to("no-such-host.invalid")
    assert found["to"] == ""
    assert found["problem"]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One site on several hosts, with its database on one more."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trial_site as trial
from controller import TESTBED, Host, Run

DATA = "data1"
PASSWORD = "harbour"  # noqa: S105 - of a database that lives for the length of a test
# By an edition a release is told from the one before. A host is sick when it can't serve an edition: at the gate.
SICK = """

import os  # noqa: E402
import sys

healthy_application = application


def application(environ, start_response):
    try:
        with open("/srv/board/data/sick") as marker:
            sick = marker.read().strip()
    except OSError:
        sick = ""
    if sick != os.environ["EDITION"]:
        return healthy_application(environ, start_response)
    start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"sick"]
"""
POSTGRESQL = rf"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends postgresql
printf "listen_addresses = '*'\\nmax_connections = 300\\n" > /etc/postgresql/15/main/conf.d/everywhere.conf
echo "host board board 10.0.0.0/8 scram-sha-256" >> /etc/postgresql/15/main/pg_hba.conf
systemctl restart postgresql@15-main
runuser -u postgres -- psql -qc "CREATE ROLE board LOGIN PASSWORD '{PASSWORD}'" -c "CREATE DATABASE board OWNER board"
"""


def source(folder: Path) -> Path:
    """The example with the pages of the trial, which is sick where it is told to be."""
    made = trial.make(folder)
    with (made / "liveboard/wsgi.py").open("a", encoding="utf-8") as entry:
        entry.write(SICK)
    return made


@dataclass
class Fleet:
    """The site's hosts in the order of the inventory, and the one that has the database."""

    hosts: dict[str, Host]
    data: Host

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts.values())

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    @property
    def group(self) -> str:
        return self.data.group

    def up(self) -> None:
        """Have them running, and each controller's inventory written."""
        everybody = [*self, self.data]
        for release in dict.fromkeys(host.release for host in everybody):
            names = [host.name for host in everybody if host.release == release]
            command = [sys.executable, TESTBED, "up", *names, f"--group={self.group}", f"--release={release}", "--warm"]
            subprocess.run([*command, f"--inventory={self.data.inventory}"], check=True, stdout=subprocess.DEVNULL)
        written = self.data.inventory.read_text()
        addresses = json.loads(written.split("\n", 1)[1])["all"]["hosts"]
        for host in everybody:
            host.address = addresses[host.name]["ansible_host"]
            host.inventory.write_text(written)

    def have_database(self) -> None:
        self.data.sh(POSTGRESQL)

    def down(self) -> None:
        self.data.down()

    def power(self, name: str, verb: str) -> None:
        """`kill` is a power cut, `start` boots the host again."""
        settings = {**os.environ, "CONTAINERS_CONF": str(TESTBED.with_name("containers.conf"))}
        container = f"switchyard-{self.group}-{name}"
        subprocess.run(["podman", verb, container], check=True, stdout=subprocess.DEVNULL, env=settings)

    def deploy(self, edition: int | str, *arguments: str, controller: str = "web1", **variables: Any) -> Run:
        """Deploy an edition, as from a machine of its own for each `controller`."""
        host = self[controller]
        environment = {**host.variables["site_env"], "EDITION": str(edition)}
        return host.play("site.yml", *arguments, site_env=environment, **variables)

    def roll_back(self, *arguments: str, **variables: Any) -> Run:
        return self["web1"].play("rollback.yml", *arguments, **variables)

    @contextlib.contextmanager
    def variables_of(self, name: str, text: str) -> Iterator[None]:
        """The first controller's inventory says something of one host alone."""
        file = self["web1"].scratch / f"host_vars/{name}.yml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        try:
            yield
        finally:
            file.unlink()

    def live(self) -> dict[str, str]:
        return {host.name: live(host) for host in self}

    def serving(self) -> dict[str, str]:
        """The release that is live on each host, and the process that serves it."""
        return {host.name: serving(host) for host in self}

    @contextlib.contextmanager
    def under_load(self) -> Iterator[dict[str, list[str]]]:
        """Ask every host for the page that reads the database; yield the failures."""
        with contextlib.ExitStack() as stack:
            yield {host.name: stack.enter_context(host.under_load("/api/notes/", trial.DOMAIN)) for host in self}


def make(name: str, folder: Path, releases: dict[str, str]) -> Fleet:
    """A fleet that is not up yet.

    :param releases: the Debian release of each of the site's hosts
    """
    made = source(folder)
    group = f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_{name}"
    variables = {
        "site_group": "web*",
        "site_env": {"DATABASE_URL": f"postgres://board:{PASSWORD}@{DATA}/board"},
        "serve_mode": "wsgi",
        "wsgi_workers": 2,
        "wsgi_threads": 2,
    }
    hosts = {}
    for host, release in releases.items():
        hosts[host] = trial.host_of(name, made, release, **variables)
        hosts[host].name = host
    return Fleet(hosts, Host(group=group, name=DATA))


def live(host: Host) -> str:
    return host.sh("basename $(readlink /etc/switchyard/board/current)").strip()


def serving(host: Host) -> str:
    pid = host.sh(f"systemctl show -p MainPID --value {trial.unit(host)}").strip()
    return f"{live(host)} {pid}"


def history(host: Host) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.sh("cat /etc/switchyard/board/history.jsonl").splitlines()]


def recap(run: Run, host: str) -> dict[str, int]:
    """What Ansible counted for a host."""
    line = re.search(rf"^{host} +: (.+)$", run.output, re.MULTILINE)
    assert line, run.output
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line[1])}

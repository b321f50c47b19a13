# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides, followed: every file written, every command given, every line that they show looked for.

Each guide goes on where the one before ended, as a reader does who takes them in their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import guides
import pytest
from controller import Host
from reader import Reader

pytestmark = pytest.mark.full

# In the order in which the documentation has them.
ONE_HOST = (
    "first-deploy",
    "wsgi-or-asgi",
    "switching",
    "what-happens",
    "troubleshooting",
    "security",
    "secrets",
    "tls",
    "server-file",
    "upgrading",
)
SEVERAL_HOSTS = "several-hosts"
NUMBERS = {"lb1": "10.0.0.2", "web1": "10.0.0.11", "web2": "10.0.0.12", "db1": "10.0.0.21"}

Say = Callable[[str], None]


@pytest.fixture(scope="module")
def group() -> str:
    return f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_guides"


@pytest.fixture(scope="module")
def one_host(group: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    host = Host(group=group)
    host.down()
    host.up()
    yield Reader(tmp_path_factory.mktemp("guides"), {"web1": host}, NUMBERS)
    host.down()


@pytest.fixture
def fleet(group: str, tmp_path: Path) -> Iterator[Reader]:
    # A balancer has no nginx that would have its port.
    hosts = {name: Host(group=group, name=name, warm=name != "lb1") for name in ("web1", "web2", "db1", "lb1")}
    hosts["web1"].down()
    for host in reversed(hosts.values()):  # so that the inventory of the first has all of them
        host.up()
    reader = Reader(tmp_path, hosts, NUMBERS)
    reader.install()
    reader.lead(hosts["lb1"].address)
    yield reader
    hosts["web1"].down()


@pytest.mark.parametrize("name", ONE_HOST)
def test_a_guide_for_one_host(name: str, one_host: Reader, say: Say) -> None:
    one_host.say = say
    if name == "upgrading":
        a_new_version(one_host)
        a_host_with_debian_13(one_host)
    one_host.follow(guides.FOLDER / f"{name}.md")


def test_the_guide_for_several_hosts(fleet: Reader, say: Say) -> None:
    fleet.say = say
    page = guides.FOLDER / f"{SEVERAL_HOSTS}.md"

    def debian_13_on_web2() -> None:
        fleet.hosts["web2"].remove()
        a_host_with_debian_13(fleet)
        fleet.lead(fleet.addresses["lb1"])
        (described,) = (step for block in guides.blocks(page) for step in block.steps if isinstance(step, guides.File))
        fleet.write(described)

    fleet.follow(page, {"balancer_out=web2": debian_13_on_web2})
    assert "trixie" in fleet.hosts["web2"].sh("cat /etc/os-release")


def test_no_guide_with_a_command_is_left_out() -> None:
    with_commands = {page.stem for page in guides.FOLDER.glob("*.md") if any(one.steps for one in guides.blocks(page))}
    assert with_commands == {*ONE_HOST, SEVERAL_HOSTS}


def a_new_version(reader: Reader) -> None:
    """Of the collection, with another unit, where the reader's checkout came from."""
    version = reader.home / "version"
    reader.run_here(f"git clone --quiet {reader.home}/git/switchyard.django.git {version}")
    with (version / "roles/systemd/templates/instance.service.j2").open("a", encoding="utf-8") as unit:
        unit.write("# As of the next version.\n")
    reader.run_here("git commit --quiet --all --message 'The next version' && git push --quiet", version)


def a_host_with_debian_13(reader: Reader) -> None:
    first = reader.hosts["web1"]
    reader.hosts["web2"] = Host(group=first.group, name="web2", release="trixie")
    reader.hosts["web2"].up()
    first.up()
    reader.meet()

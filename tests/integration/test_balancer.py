# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One balancer, three hosts of a site, one of its data: examples/five_hosts, tried.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import browser
import https
import load
import pytest
import trial_site as trial
import yaml
from authority import Authority
from controller import ROOT, TESTBED, Host, Run

pytestmark = pytest.mark.full

DOMAIN = "relay.example.org"
WEB = ("web1", "web2", "web3")
KEPT_POSTERS = 4
# Some 50 requests in a second.
LOAD: dict[str, Any] = {"seconds": 300, "requests": 60_000, "fresh": 4, "kept": 4, "rate": 4.0, "slow": 3, "upload": 4}
LOAD |= {"upload_bytes": 50_000, "upload_pause": 0.3}

# The data services, until the collection's own roles set them up here.
DATA = r"""
set -e
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends postgresql redis-server >/dev/null
cat > /tmp/sql <<'END'
create role relay login password 'relay';
create database relay owner relay;
END
su postgres -c 'psql -q -f /tmp/sql'
cd /etc/postgresql/*/main
printf "listen_addresses = '*'\nmax_connections = 300\n" >> postgresql.conf
echo 'host relay relay samenet scram-sha-256' >> pg_hba.conf
sed -i 's/^bind .*/bind */; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
systemctl restart postgresql redis-server
"""

SHOW_STAT = """
import socket
master = socket.socket(socket.AF_UNIX)
master.connect("/run/haproxy-master.sock")
master.sendall(b"@1 show stat relay 4 -1\\n")
master.shutdown(socket.SHUT_WR)
print(master.makefile().read())
"""

Say = Callable[[str], None]


@dataclass
class Fleet:
    """The five hosts of the example."""

    balancer: Host
    web: dict[str, Host]
    data: Host
    site: dict[str, Any] = field(default_factory=dict)

    def up(self) -> None:
        for host in (self.balancer, self.data, *self.web.values()):
            host.up()
        self.describe()

    def describe(self) -> None:
        """The example's inventory, with the addresses and the site of this test."""
        self.data.up()
        booted = json.loads(self.data.inventory.read_text().split("\n", 1)[1])["all"]
        told = yaml.safe_load((ROOT / "examples/five_hosts/hosts.yml").read_text(encoding="utf-8"))["all"]
        for group in told["children"].values():
            group["hosts"] = {name: booted["hosts"][name] for name in group["hosts"]}
        own = {name: value for name, value in told["vars"].items() if name == "site_group"}
        told["vars"] = {**own, **booted["vars"], **self.site}
        behind = told["children"]["web"]["vars"]
        behind["nginx_trusted_proxies"] = [self.balancer.address]
        if "balancer_certificate" not in self.site:
            del behind["nginx_public_scheme"]
        self.balancer.inventory.write_text(json.dumps({"all": told}))

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        return self.balancer.play(playbook, *arguments, site_group="web", **variables)

    def stats(self, column: str) -> dict[str, int]:
        """What HAProxy's current process counts of each host."""
        said = self.balancer.sh(f"python3 -c {shlex.quote(SHOW_STAT)}")
        names, *rows = (line.split(",") for line in said.lstrip("# ").splitlines() if line)
        return {row[1]: int(row[names.index(column)] or 0) for row in rows}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    group = f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_balancer"
    one = Fleet(
        balancer=Host(group, "balancer1", warm=False),
        web={name: Host(group, name) for name in WEB},
        data=Host(group, "data1", warm=False),
    )
    one.balancer.down()
    one.up()
    one.data.sh(DATA)
    one.site = {
        "site_name": "relay",
        "site_source": str(ROOT / "tests/integration/projects/relay"),
        "site_package": "relay",
        "site_domains": [DOMAIN],
        "site_websocket_path": "/ws/chat/",
        "site_env": {
            "DATABASE_URL": f"postgres://relay:relay@{one.data.address}/relay",
            "REDIS_URL": f"redis://{one.data.address}:6379/0",
        },
        "cutover_drain": 8,
        "cutover_settle": 2,
    }
    one.describe()
    yield one
    one.balancer.down()


def succeeded(run: Run) -> str:
    assert run.rc == 0, run.output
    return run.output


def refused(run: Run, *texts: str) -> None:
    assert run.rc != 0, run.output
    for text in texts:
        assert text in run.output, run.output


def wait_for(what: str, is_so: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.3)


def ask(fleet: Fleet, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(fleet.balancer.address, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": DOMAIN, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()


def visit(fleet: Fleet, **headers: str) -> dict[str, Any]:
    status, body = ask(fleet, "/visit/", **headers)
    assert status == 200, body
    return dict(json.loads(body))


def interface(fleet: Fleet) -> str:
    return str(json.loads(ask(fleet, "/health/")[1])["interface"]).lower()


def clues(fleet: Fleet) -> str:
    return fleet.balancer.sh("journalctl --no-pager -n 30 -o short-iso-precise -u haproxy") + "".join(
        host.clues("relay") for host in fleet.web.values()
    )


def nothing_was_lost(fleet: Fleet, report: load.Report, say: Say, what: str) -> None:
    say(f"{what}: {report.summary()}\n")
    load.nothing_was_lost(report, clues(fleet))


@contextlib.contextmanager
def kept_posts(fleet: Fleet) -> Iterator[list[str]]:
    """Visitors who post again and again on one connection, which nobody may ask for them a second time."""
    failures: list[str] = []
    over, done = threading.Event(), [0]

    def post() -> None:
        connection = http.client.HTTPConnection(fleet.balancer.address, timeout=30)
        while not over.is_set() and done[0] < 20_000:
            try:
                connection.request("POST", "/upload/", b"x" * 100, {"Host": DOMAIN})
                answer = connection.getresponse()
                answer.read()
                done[0] += 1
                if answer.status != 200:
                    failures.append(f"status {answer.status}")
            except (OSError, http.client.HTTPException) as problem:
                failures.append(repr(problem))
                connection.close()
            over.wait(0.25)
        connection.close()

    threads = [threading.Thread(target=post, daemon=True) for _dummy in range(KEPT_POSTERS)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert done[0] > 20, "the posts never came up"


# --- before anything is there

BAD = [
    ({"site_group": "nobody"}, "site_group nobody has no host"),
    ({"site_group": "all"}, "site_group all has balancer1, which is in balancer_group balancer as well"),
    ({"balancer_group": "nobody"}, "balancer_group nobody has no host"),
    ({"balancer_drain": "long"}, "balancer_drain"),
    ({"balancer_check_interval": 0}, "balancer_check_interval 0 must be a whole number from 1 to 60"),
    ({"balancer_certificate": "nowhere.pem"}, "balancer_certificate nowhere.pem is no file on the controller"),
    ({"balancer_address": "127.0.0.1"}, "balancer_address 127.0.0.1 of web1 is nothing that the balancer could ask"),
    ({"balancer_out": "web9"}, "balancer_out web9 is no host of site_group web: web1, web2, web3"),
    ({"balancer_out": "web1", "balancer_in": ["web1"]}, "balancer_out and balancer_in both name web1"),
    ({"nginx_trusted_proxies": []}, "nginx_trusted_proxies of web1 is empty"),
    ({"nginx_tls": "self_signed"}, "nginx_tls self_signed of web1: the balancer asks the hosts by HTTP"),
    ({"nginx_public_scheme": "https"}, "nginx_public_scheme https of web1"),
]


def test_what_is_wrong_is_named_before_a_host_is_touched(fleet: Fleet) -> None:
    for variables, text in BAD:
        run = fleet.balancer.play("playbooks/balancer.yml", **variables)
        refused(run, text)
        assert run.remote == [], (text, run.remote)


def test_a_look_at_a_bare_host_changes_nothing(fleet: Fleet) -> None:
    before = fleet.balancer.fingerprint()
    run = fleet.play("playbooks/balancer.yml", "--check", "--diff")
    assert "+backend relay" in succeeded(run)
    assert run.changed
    assert fleet.balancer.fingerprint() == before


# --- it serves


def test_the_site_is_served_and_a_second_run_changes_nothing(fleet: Fleet) -> None:
    for stack in ("wsgi", "asgi"):
        succeeded(fleet.play("site.yml", serve_mode=stack))
    assert "web3: UP" in succeeded(fleet.play("playbooks/balancer.yml"))
    for playbook in ("playbooks/balancer.yml", "site.yml"):
        again = fleet.play(playbook)
        assert (again.rc, again.changed) == (0, []), again.output
    assert {visit(fleet)["on"] for _dummy in range(12)} == set(WEB)


def test_django_is_told_who_comes_and_how(fleet: Fleet) -> None:
    own = trial.gateway(fleet.web["web1"])
    for forged in ({}, trial.FORGED):
        told = visit(fleet, **forged)
        assert told | {"on": ""} == {"on": "", "secure": False, "host": DOMAIN, "client": own, "forwarded": own}


def test_a_name_that_is_not_the_sites_gets_no_host(fleet: Fleet) -> None:
    before = sum(fleet.stats("stot").values())
    assert ask(fleet, "/", Host="other.example.org")[0] == 421
    assert ask(fleet, "/health/", Host=f"{DOMAIN.upper()}.:80")[0] == 200
    assert sum(fleet.stats("stot").values()) == before + 1


async def chatting(address: str) -> tuple[load.WebSocket, str]:
    """A WebSocket of the chat, and the host on which it is."""
    connection = await load.Connection.open(address, 80)
    head = ["GET /ws/chat/ HTTP/1.1", f"Host: {DOMAIN}", "Connection: Upgrade", "Upgrade: websocket"]
    answer = await connection.request([*head, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + "A" * 22 + "=="])
    assert answer.status == 101, answer
    one = load.WebSocket(connection)
    return one, str(await one.event(10)).removeprefix("hello from ")


def test_what_is_said_on_one_host_is_heard_on_another(fleet: Fleet) -> None:
    async def talk(*addresses: str) -> set[str]:
        people = [await chatting(address) for address in addresses]
        for number, (one, _host) in enumerate(people):
            await one.send(load.TEXT, f"word {number}".encode())
            assert [await other.event(10) for other, _host in people] == [f"word {number}"] * len(people)
        for one, _host in people:
            await one.end()
        return {host for _one, host in people}

    assert asyncio.run(talk(*(host.address for host in fleet.web.values()))) == set(WEB)
    assert asyncio.run(talk(*[fleet.balancer.address] * 3)) == set(WEB)


# --- nothing is lost


def test_a_switch_and_a_rollback_lose_nothing(fleet: Fleet, say: Say) -> None:
    with (
        kept_posts(fleet) as failures,
        load.running(fleet.balancer.address, DOMAIN, websockets=9, **LOAD) as report,
    ):
        succeeded(fleet.play("site.yml", serve_mode="wsgi"))
        assert interface(fleet) == "wsgi"
        time.sleep(10)
        succeeded(fleet.play("rollback.yml"))
        assert interface(fleet) == "asgi"
        time.sleep(10)
    nothing_was_lost(fleet, report, say, "a switch and a rollback")
    assert failures == []


def test_a_reload_of_the_balancer_loses_nothing(fleet: Fleet, say: Say) -> None:
    with (
        kept_posts(fleet) as failures,
        load.running(fleet.balancer.address, DOMAIN, websockets=6, **LOAD) as report,
    ):
        for interval in (3, 4, 2):
            run = fleet.play("playbooks/balancer.yml", balancer_check_interval=interval)
            succeeded(run)
            assert run.changed
            time.sleep(3)
        fleet.balancer.sh("systemctl reload haproxy")
        time.sleep(3)
    nothing_was_lost(fleet, report, say, "four reloads of the balancer")
    assert failures == []


def test_a_host_is_taken_out_and_brought_back_and_nothing_is_lost(fleet: Fleet, say: Say) -> None:
    with load.running(fleet.balancer.address, DOMAIN, **LOAD) as report:
        before = fleet.play("playbooks/balancer.yml", "--check", "--diff", balancer_out="web2")
        assert "+web2 out" in succeeded(before)
        assert before.changed
        assert fleet.stats("scur").keys() == set(WEB)
        said = succeeded(fleet.play("playbooks/balancer.yml", balancer_out="web2", balancer_drain=30))
        assert "web2: out, DRAIN, 0 sessions" in said
        left = fleet.stats("stot")
        # Neither a run, nor another configuration, nor a restart brings it back.
        assert fleet.play("playbooks/balancer.yml", balancer_out=["web2"]).changed == []
        succeeded(fleet.play("playbooks/balancer.yml", balancer_check_interval=3))
        succeeded(fleet.play("playbooks/balancer.yml"))
        time.sleep(5)
        assert fleet.stats("stot")["web2"] == 0 < fleet.stats("stot")["web1"], left
        said = succeeded(fleet.play("playbooks/balancer.yml", balancer_in="web2"))
        assert "web2: UP" in said
        time.sleep(3)
        assert fleet.stats("stot")["web2"] > 0
    nothing_was_lost(fleet, report, say, "a host out and in")


def test_who_is_out_stays_out_over_a_restart(fleet: Fleet) -> None:
    succeeded(fleet.play("playbooks/balancer.yml", balancer_out="web1,web2"))
    fleet.balancer.sh("systemctl restart haproxy")
    assert {visit(fleet)["on"] for _dummy in range(6)} == {"web3"}
    refused(
        fleet.play("playbooks/balancer.yml", balancer_out="web3"),
        "balancer_out web3: no host would be left to serve (web1 is drain, web2 is drain). Bring one back first",
    )
    succeeded(fleet.play("playbooks/balancer.yml", balancer_in=["web1", "web2"]))


def test_a_websocket_that_stays_is_told_of_and_not_cut(fleet: Fleet) -> None:
    async def stay() -> None:
        people = [await chatting(fleet.balancer.address) for _dummy in range(3)]
        out = asyncio.to_thread(fleet.play, "playbooks/balancer.yml", balancer_out="web2", balancer_drain=2)
        assert "web2 gets no new visitors, and still has 1 after 2 s (balancer_drain)" in succeeded(await out)
        # Another configuration is read by another process: the one before still has the WebSocket.
        again = asyncio.to_thread(fleet.play, "playbooks/balancer.yml", balancer_check_interval=3)
        assert "web2: out, DRAIN, 1 session" in succeeded(await again)
        for one, _host in people:
            await one.send(load.TEXT, b"still here")
            assert await one.event(10) == "still here"
            for other, _host in people:
                if other is not one:
                    assert await other.event(10) == "still here"
        for one, _host in people:
            await one.end()

    asyncio.run(stay())
    succeeded(fleet.play("playbooks/balancer.yml", balancer_in="web2"))


def test_a_host_that_falls_silent_loses_nothing_that_may_be_asked_twice(fleet: Fleet, say: Say) -> None:
    host = fleet.web["web2"]
    gateway = trial.gateway(host)
    with load.running(fleet.balancer.address, DOMAIN, **{**LOAD, "slow": 9, "upload": 0}) as report:
        time.sleep(5)
        host.sh("ip link set eth0 down")
        try:
            time.sleep(15)
            assert "web2: DOWN" in succeeded(fleet.play("playbooks/balancer.yml", "--check"))
        finally:
            host.sh(f"ip link set eth0 up; ip route add default via {gateway}")
        wait_for("web2 is asked again", lambda: fleet.stats("scur")["web2"] > 0, 30)
    nothing_was_lost(fleet, report, say, "a host falls silent")
    assert report.slowest["slow"] > 6, "it had nothing in its hands"


def test_a_host_that_dies_loses_no_more_than_what_it_had_in_its_hands(fleet: Fleet, say: Say) -> None:
    _status, body = ask(fleet, "/crate/")
    done_before = json.loads(body)["crates"]
    with load.running(fleet.balancer.address, DOMAIN, **{**LOAD, "slow": 9}) as report:
        time.sleep(8)
        in_hand = fleet.stats("scur")["web3"]
        settings = {**os.environ, "CONTAINERS_CONF": str(TESTBED.with_name("containers.conf"))}
        container = f"switchyard-{fleet.balancer.group}-web3"
        subprocess.run(["podman", "kill", container], check=True, stdout=subprocess.DEVNULL, env=settings)
        time.sleep(25)
        lost = fleet.stats("eresp")["web3"]
        assert "web3: DOWN" in succeeded(fleet.play("playbooks/balancer.yml", "--check"))
        # It comes back, here at another address.
        fleet.web["web3"].up()
        fleet.describe()
        said = succeeded(fleet.play("playbooks/balancer.yml"))
        wait_for("web3 is up", lambda: fleet.stats("stot")["web3"] > 0, 40)
        time.sleep(3)
    done = json.loads(ask(fleet, "/crate/")[1])["crates"] - done_before
    say(f"a host dies with {in_hand} in its hands, {lost} lost to it: {report.summary()}\n{said[-300:]}")
    # What may be asked twice was asked of another host.
    assert set(report.failed) <= {"upload"}, f"{report.summary()}\n{clues(fleet)}"
    assert report.failures <= lost, report.summary()
    # Nobody's upload was done twice.
    assert report.answered["upload"] <= done <= report.sent["upload"]


# --- what the balancer's own host has


def test_a_configuration_made_by_hand_is_not_replaced(fleet: Fleet) -> None:
    path = "/etc/haproxy/haproxy.cfg"
    before = fleet.balancer.sh(f"cat {path}")
    for text, told in (
        (before.replace("# relay, made", "# shop, made"), "balances the site shop, and one balancer has one site"),
        (before.split("\n", 1)[1], "was changed by hand, and would be replaced as a whole"),
    ):
        fleet.balancer.sh(f"printf %s {shlex.quote(text)} > {path}")
        refused(fleet.play("playbooks/balancer.yml"), told, "Nothing was changed")
        assert fleet.balancer.sh(f"cat {path}") == text
    fleet.balancer.sh(f"printf %s {shlex.quote(before)} > {path}")
    assert fleet.play("playbooks/balancer.yml").changed == []


def test_a_port_that_another_program_has_changes_nothing(fleet: Fleet) -> None:
    before = fleet.balancer.sh("cat /etc/haproxy/haproxy.cfg")
    fleet.balancer.sh("systemd-run --unit=squatter python3 -m http.server 8081")
    refused(
        fleet.play("playbooks/balancer.yml", balancer_port=8081),
        "Another program has port 8081 of this host, which is balancer_port or balancer_tls_port",
        "Nothing was changed",
    )
    fleet.balancer.sh("systemctl stop squatter")
    assert fleet.balancer.sh("cat /etc/haproxy/haproxy.cfg") == before
    assert ask(fleet, "/health/")[0] == 200
    refused(
        fleet.play("playbooks/balancer.yml", balancer_address="no.such.host"),
        "HAProxy refuses the configuration",
        "could not resolve address",
        "balancer_address",
    )
    assert fleet.play("playbooks/balancer.yml").changed == []


# --- TLS


def test_visitors_come_by_https(fleet: Fleet, authority: Authority, tmp_path: Path) -> None:
    made, key = authority.sign([DOMAIN])
    secret = key.read_text().splitlines()[2]
    (fleet.balancer.scratch / "relay.pem").write_text(made.read_text() + key.read_text())
    fleet.site["balancer_certificate"] = "relay.pem"
    fleet.describe()
    succeeded(fleet.play("site.yml"))
    run = fleet.play("playbooks/balancer.yml", "-vvvv", "--diff")
    assert secret not in succeeded(run)
    assert fleet.balancer.sh("stat -c '%a %U' /etc/haproxy/switchyard.pem").strip() == "600 root"
    place = https.Place(fleet.balancer.address, authority.certificate)
    assert place.answers_by_http2(DOMAIN)
    told = json.loads(place.get("/visit/", DOMAIN)[2])
    assert (told["secure"], told["client"]) == (True, trial.gateway(fleet.web["web1"]))
    status, headers, _body = fleet.balancer.get("/visit/?a=b", DOMAIN)
    assert (status, headers["location"]) == (308, f"https://{DOMAIN}/visit/?a=b")
    with (
        browser.driver() as playwright,
        browser.opened(playwright, tmp_path, {DOMAIN: fleet.balancer.address}, authority.certificate) as chromium,
    ):
        people = [browser.Visitor(chromium.new_page()) for _dummy in range(3)]
        for one in people:
            one.go(f"https://{DOMAIN}/")
            one.page.wait_for_selector("body[data-live=websocket] #said li")
        people[0].page.fill("[name=text]", "by https")
        people[0].page.click("button")
        for one in people:
            one.page.wait_for_selector('#said li:text-is("by https")')
            assert (one.trouble, one.sockets) == ([], [f"wss://{DOMAIN}/ws/chat/"])
        hosts = {one.page.inner_text("#said li") for one in people}
        assert hosts == {f"hello from {name}" for name in WEB}
        people[0].shoot("balancer")

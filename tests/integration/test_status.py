# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site on two hosts, and what its status says of them: every number is counted once more by other means.

The hosts have Debian 12 and 13, and a third one has the database. Each test goes on where the one before ended.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import json
import math
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import browser
import fleet as fleets
import load
import pytest
import trial_site as trial
from controller import Host, Run
from fleet import Fleet

pytestmark = pytest.mark.full

WEB = {"web1": "bookworm", "web2": "trixie"}
DOMAIN = trial.DOMAIN
PAGES = ("/", "/visit/", "/api/notes/", "/crate/", "/none/17/", "/none/4711/", "/slow/?seconds=0.2")
TIMEOUT, TOO_LONG = 8, "/slow/?seconds=12"
ENDPOINTS = {
    **{page: page for page in PAGES},
    **dict.fromkeys(("/none/17/", "/none/4711/"), "/none/<int>/"),
    **dict.fromkeys(("/slow/?seconds=0.2", TOO_LONG), "/slow/"),
}
TOO_SLOW, KILLED = 4, 1
SAMPLE_EVERY = 5
SECRET = "canary-5d0e7c1b93-must-never-be-seen"
HAND = rf"""
unit=/etc/systemd/system/UNIT
sed -i 's/^MemoryMax=.*/MemoryMax=90%/; /^User=/i Environment=A_TOKEN={SECRET}' $unit
systemctl daemon-reload
"""
PSS = """
import pathlib, re, sys
pids = sys.argv[1:]
kib = ticks = 0
for pid in pids:
    kib += int(re.search(r"^Pss_Anon: +([0-9]+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
    ticks += sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
print(kib * 1024, ticks / 100)
"""


@dataclass
class Visitors:
    """Visitors of both hosts, who note what they got."""

    fleet: Fleet
    got: list[tuple[str, str, int]] = field(default_factory=list)

    def ask(self, host: Host, path: str) -> int:
        status, _headers, _body = host.get(path, DOMAIN, timeout=30)
        self.got.append((host.name, ENDPOINTS[path], status))
        return status

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        over = threading.Event()

        def visit(host: Host) -> None:
            while not over.wait(0.15):
                self.ask(host, random.choice(PAGES))  # noqa: S311 - nothing here is secret

        threads = [threading.Thread(target=visit, args=[host]) for host in self.fleet for _number in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def count(self, host: str) -> dict[tuple[str, int], int]:
        return dict(collections.Counter((path, status) for name, path, status in self.got if name == host))


@dataclass
class Story:
    """What the tests know of one another."""

    fleet: Fleet
    folder: Path
    visitors: Visitors
    since: float = 0.0
    status: dict[str, Any] = field(default_factory=dict)

    def look(self, *arguments: str, **variables: Any) -> Run:
        variables = {"status_since": f"@{self.since:.0f}", "status_endpoints": 50, **variables}
        return self.fleet["web1"].play("playbooks/status.yml", *arguments, **variables)

    def read(self, **variables: Any) -> dict[str, Any]:
        """What the hosts say, by host."""
        path = self.folder / "status.json"
        run = self.look(status_json=str(path), **variables)
        assert run.rc == 0, run.output
        assert run.changed == []
        self.status = json.loads(path.read_text())
        return dict(self.status["hosts"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("status")
    fleet = fleets.make("status", folder, WEB)
    for host in fleet:
        host.variables |= {
            "serve_mode": "asgi",
            "asgi_workers": 2,
            "nginx_tls": "self_signed",
            "nginx_https_redirect": False,
            "site_request_timeout": TIMEOUT,
            "cutover_drain": 300,
            "cutover_settle": 2,
            "systemd_sample_sec": SAMPLE_EVERY,
            "site_processes": {"idle": "/usr/bin/sleep infinity"},
            "site_timers": {"tick": {"command": "/usr/bin/true", "schedule": "*:*:0/10"}},
        }
    fleet.down()
    try:
        fleet.up()
        fleet.have_database()
        yield Story(fleet, folder, Visitors(fleet))
    finally:
        fleet.down()


def done(run: Run) -> None:
    assert run.rc == 0, run.output


def instance(one: dict[str, Any], role: str = "live") -> dict[str, Any]:
    (found,) = (unit for unit in one["units"] if not unit["process"] and unit["role"] == role)
    return dict(found)


@contextlib.contextmanager
def websockets(host: Host, number: int) -> Iterator[None]:
    """So many that stay open, and answer what keeps them alive."""
    nobody = dict.fromkeys(load.KINDS, 0)
    with load.running(host.address, DOMAIN, seconds=1200, requests=10_000, websockets=number, **nobody) as report:
        yield
    assert report.websockets.cut == 0


def test_before_the_first_deploy_no_host_has_such_a_site(story: Story) -> None:
    run = story.look()
    assert run.rc != 0
    assert "site_name board: no host has such a site. They have none." in run.output
    done(story.fleet.deploy(1))
    run = story.look(site_name="bord")
    assert run.rc != 0
    assert "site_name bord: no host has such a site. They have board." in run.output


def test_a_second_run_of_the_deploy_changes_nothing_and_the_timer_runs(story: Story) -> None:
    run = story.fleet.deploy(1)
    done(run)
    assert run.changed == []
    for host in story.fleet:
        assert host.sh("systemctl is-enabled switchyard-sampler@board.timer").strip() == "enabled"
        assert host.sh("journalctl -q -u switchyard-sampler@board.service").strip() == "", "it fills the journal"


def test_a_deploy_a_switch_and_a_rollback_are_told_as_they_were(story: Story) -> None:
    story.since = time.time() - 1
    for host in story.fleet:  # what was before is not in the window
        host.sh("mv /var/log/nginx/board.access.log /root/; systemctl kill -s USR1 --kill-whom=main nginx; sleep 1")
    with story.visitors.at_work():
        done(story.fleet.deploy(2))
        time.sleep(2 * SAMPLE_EVERY)
        with websockets(story.fleet["web1"], 1):
            done(story.fleet.deploy(2, serve_mode="wsgi"))
            time.sleep(SAMPLE_EVERY)
            one = story.read()["web1"]
            drains = instance(one, "draining")
            assert drains["websockets"] == 1
            assert drains["connections"] >= 1
            assert 0 < drains["ends_in"] <= 300
            assert instance(one)["websockets"] == 0
            time.sleep(SAMPLE_EVERY)
            done(story.fleet.roll_back())
            assert instance(story.read()["web1"])["websockets"] == 1, "it came back to the instance that drained"
    assert {status for _host, _path, status in story.visitors.got} == {200, 404}, "a visitor noticed"

    hosts = story.read()
    for host in story.fleet:
        one, entries = hosts[host.name], fleets.history(host)
        outcomes = [entry for entry in entries if entry["phase"] == "outcome"]
        told = [(move["operation"], move["to"], move["stack"], move["result"], move["by"]) for move in one["history"]]
        assert told == [(e["operation"], e["to"], e["stack"], e["result"], e["by"]) for e in outcomes]
        assert [move[0] for move in told] == ["deploy", "deploy", "deploy", "rollback"]
        assert one["live"]["id"] == fleets.live(host) == outcomes[-1]["to"]
        assert one["live"]["since"] == outcomes[-1]["at"]
        assert (one["live"]["stack"], one["live"]["operation"], one["live"]["by"]) == (
            *("asgi", "rollback"),
            outcomes[-1]["by"],
        )


def test_induced_502_and_504_and_all_other_requests_are_counted(story: Story) -> None:
    visitors = story.visitors
    with visitors.at_work():
        for host in story.fleet:
            threads = [threading.Thread(target=visitors.ask, args=[host, TOO_LONG]) for _dummy in range(TOO_SLOW)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            host.sh(f"systemctl kill -s KILL {trial.unit(host)}")
            for _number in range(30):
                visitors.ask(host, "/visit/")
                time.sleep(0.05)
        time.sleep(5)
    hosts = story.read()
    for host in story.fleet:
        log, lines = hosts[host.name]["log"], lines_of(host)
        requests = [line for line in lines if line["status"] != 101]
        statuses = collections.Counter(str(line["status"]) for line in requests)
        assert statuses["502"] >= 10
        assert statuses["504"] >= TOO_SLOW
        total = log["total"]
        assert total["requests"] == len(requests)
        assert total["statuses"] == dict(statuses)
        assert total["server_errors"] == sum(n for status, n in statuses.items() if status >= "500")
        assert total["rate_502"] == pytest.approx(statuses["502"] / len(requests))
        assert total["rate_504"] == pytest.approx(statuses["504"] / len(requests))
        assert log["per_second"] == pytest.approx(len(requests) / (log["until"] - log["since"]))
        assert sum(slot["requests"] for slot in log["series"]) == len(requests)
        assert log["websockets"]["connections"] == len(lines) - len(requests)
        assert (log["broken"], log["untimed"]) == (0, 0)
        percentiles_are(total, [line["seconds"] for line in requests])
        endpoints_are(log["endpoints"], requests)
        # What the visitors themselves got; the site's own health page is asked by the collection, too.
        seen = {(one["path"], int(status)): n for one in log["endpoints"] for status, n in one["statuses"].items()}
        theirs = {key: number for key, number in seen.items() if key[0] != "/health/" and not key[0].startswith("/ws/")}
        assert theirs == visitors.count(host.name)


def lines_of(host: Host) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.sh("cat /var/log/nginx/board.access.log").splitlines()]


def percentiles_are(told: dict[str, Any], seconds: list[float]) -> None:
    """As if all times had been sorted, within the error that is stated."""
    ordered = sorted(seconds)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        right = ordered[math.ceil(share * len(ordered)) - 1]
        assert told[name] == pytest.approx(right, rel=0.01, abs=0.0011), name


def endpoints_are(told: list[dict[str, Any]], requests: list[dict[str, Any]]) -> None:
    times = collections.defaultdict(list)
    for line in requests:
        path = line["uri"].partition("?")[0]
        times[line["method"], re.sub(r"/\d+/", "/<int>/", path)].append(line["seconds"])
    assert {(one["method"], one["path"]): one["requests"] for one in told} == {key: len(n) for key, n in times.items()}
    for one in told:
        percentiles_are(one, times[one["method"], one["path"]])


def test_instances_processes_and_timers_are_as_systemd_and_the_kernel_have_them(story: Story) -> None:
    with websockets(story.fleet["web1"], 3), websockets(story.fleet["web2"], 2):
        time.sleep(SAMPLE_EVERY + 2)
        hosts = story.read()
        for host, sockets in zip(story.fleet, (3, 2)):
            one = hosts[host.name]
            unit = instance(one)
            shown = dict(
                line.split("=", 1)
                for line in host.sh(f"systemctl show --timestamp=unix {unit['unit']}").splitlines()
                if "=" in line
            )
            assert unit["restarts"] == unit["restarts_lately"] == int(shown["NRestarts"]) == KILLED
            assert unit["since"] == float(shown["ActiveEnterTimestamp"][1:])
            assert unit["memory_limit"] == int(shown["MemoryMax"])
            pids = host.sh(f"pgrep -g {shown['MainPID']} -d ' '; true").split() or [shown["MainPID"]]
            family = host.sh(f"cat /sys/fs/cgroup/systemd{shown['ControlGroup']}/cgroup.procs").split()
            assert set(pids) <= set(family)
            assert unit["processes"] == len(family)
            assert unit["workers"] == len(host.sh(f"pgrep -P {shown['MainPID']}").split()) == 2
            memory, cpu = host.sh(f"python3 -c '{PSS}' {' '.join(family)}").split()
            assert unit["memory"] == pytest.approx(int(memory), rel=0.25), "what workers share counts for each here"
            taken = samples_of(host)[unit["unit"]][-1]
            assert float(taken["cpu"]) == pytest.approx(float(cpu), rel=0.15, abs=1)
            held = host.sh(f"ss -Hxa src /run/board/{unit['release']}/app.sock | grep -c ESTAB; true")
            assert abs(unit["connections"] - int(held)) <= 2, "visitors have gone, and idle ones end"
            assert unit["websockets"] == int(taken["websockets"]) == sockets
            units = {each["unit"].removeprefix(f"board@{unit['release']}"): each for each in one["units"]}
            assert units["-idle.service"]["state"] == "active/running"
            if host.name == "web1":  # a timer is at work on the first host alone
                assert units["-tick.timer"]["state"] == "active/waiting"
                assert 0 <= units["-tick.timer"]["next"] - one["at"] <= 11
                assert units["-tick.timer"]["last"] <= one["at"] + 1
    assert instance(story.read()["web1"])["websockets"] == 0


def samples_of(host: Host) -> dict[str, list[dict[str, str]]]:
    """What the sampler has noted, read as anything reads CSV."""
    found = collections.defaultdict(list)
    for row in csv.DictReader(host.sh("cat /var/lib/switchyard/board/samples-*.csv").splitlines()):
        found[row["unit"]].append(row)
    return found


def test_workers_that_are_replaced_are_counted(story: Story) -> None:
    host = story.fleet["web1"]
    before = instance(story.read()["web1"])["workers_started"]
    for _number in range(2):
        main = host.sh(f"systemctl show -P MainPID {trial.unit(host)}").strip()
        host.sh(f"kill -KILL $(pgrep -P {main} | head -1)")
        time.sleep(2 * SAMPLE_EVERY)
    assert instance(story.read()["web1"])["workers_started"] == before + 2


def test_disk_memory_and_certificate_are_the_hosts_own(story: Story) -> None:
    hosts = story.read()
    for host in story.fleet:
        told = hosts[host.name]["host"]
        size, free = map(int, host.sh("df --block-size=1 --output=size,avail /srv/board | tail -1").split())
        (disk,) = (disk for disk in told["disks"] if "/srv/board" in disk["paths"])
        assert disk["size"] == size
        assert disk["free"] == pytest.approx(free, rel=0.02)
        total = int(host.sh("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
        assert told["memory"] <= total * 1024
        pem = host.sh("grep -o '/etc/switchyard/board/tls/[^;]*certificate.pem' /etc/nginx/sites-enabled/board.conf")
        ends = host.sh(f'date +%s -d "$(openssl x509 -noout -enddate -in {pem.strip()} | cut -d= -f2)"')
        assert told["tls"]["ends"] == int(ends)
        assert told["tls"]["days"] == pytest.approx((int(ends) - time.time()) / 86400, abs=0.05)
        assert told["tls"]["served"] is True
        assert told["nginx"] == "active/running"


def test_what_somebody_changes_by_hand_is_told_without_its_values(story: Story) -> None:
    assert {name: one["drift"]["drift"] for name, one in story.read().items()} == {"web1": [], "web2": []}
    unit = trial.unit(story.fleet["web1"])
    story.fleet["web1"].sh(HAND.replace("UNIT", unit))
    hosts = story.read()
    (drift,) = hosts["web1"]["drift"]["drift"]
    assert (drift["kind"], drift["what"]) == ("unit", "changed")
    assert drift["path"] == f"/etc/systemd/system/{unit}", "sed has put a file in the place of the link"
    assert drift["diff"] == ["+Environment=********", "-MemoryMax=75%", "+MemoryMax=90%"]
    assert abs(drift["at"] - time.time()) < 120
    assert hosts["web2"]["drift"]["drift"] == []
    run = story.look("-vvv")
    assert "+Environment=********" in run.output
    assert SECRET not in run.output
    assert SECRET not in json.dumps(story.status)


def test_the_exit_status_follows_the_limits(story: Story) -> None:
    mild = {f"status_fail_{name}": 0 for name in ("rate_502", "rate_504", "errors", "connections")}
    mild |= {"status_fail_disk": 1, "status_fail_restarts": 5}
    run = story.look(status_fail=True)
    assert run.rc == 2
    assert "web1: changed by hand since the release was made: unit" in run.output
    assert re.search(r"web2: [0-9.]+ % of \d+ requests ended with 502", run.output), run.output
    assert story.look(status_fail=True, status_fail_drift=False, **mild).rc == 0
    assert story.look(status_fail=True, status_fail_drift=False, **{**mild, "status_fail_restarts": 0}).rc == 2
    assert story.look().rc == 0, "without it nothing is a failure"


def test_a_look_changes_nothing_and_the_table_fits(story: Story) -> None:
    host = story.fleet["web1"]
    before = host.fingerprint()
    run = story.look("--check")
    done(run)
    assert host.fingerprint() == before
    assert run.changed == []
    table = run.output[run.output.index("board, 20") : run.output.index("To be looked at")]
    assert [line for line in table.splitlines() if len(line) > 100] == []
    for words in ("Not hosts of the site (site_group): data1", "idle (live)", "tick (timer)", "GET /none/<int>/"):
        assert words in table
    assert run.seconds < 60


def test_the_report_can_be_read_in_a_browser_whatever_it_is_like(story: Story, tmp_path: Path) -> None:
    page = tmp_path / "status.html"
    done(story.look(status_report=str(page)))
    assert page.stat().st_size < 500_000
    with browser.driver() as playwright, browser.opened(playwright, tmp_path, {}) as chromium:
        for name, width, scheme in (("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "dark")):
            context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            visitor = browser.Visitor(context.new_page())
            visitor.go(page.as_uri())
            visitor.shoot(f"status-{name}")
            assert visitor.trouble == []
            assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
            assert visitor.page.locator("figure svg").count() == 9
            marks = visitor.page.locator("figure >> nth=0 >> title").all_text_contents()
            assert [re.sub(r" .*", "", mark.partition(": ")[2]) for mark in marks] == ["deploy", "switch", "rollback"]
            assert contrast(visitor) >= 4.5
            context.close()


def contrast(visitor: browser.Visitor) -> float:
    """Of the text on its ground, as WCAG has it, in the colours that this scheme has."""
    pairs = visitor.page.evaluate(
        """() => [...document.querySelectorAll("h1, .card td, .card p, figure text, dt, .soft")].map(element => {
            let ground = element;
            while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
            const style = getComputedStyle(element);
            const text = element instanceof SVGElement ? style.fill : style.color;
            return [text, getComputedStyle(ground).backgroundColor].map(one => one.match(/[0-9.]+/g).map(Number));
        })"""
    )

    def light(colour: list[float]) -> float:
        parts = [c / 255 / 12.92 if c / 255 <= 0.03928 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    assert len(pairs) > 100
    return min((max(map(light, pair)) + 0.05) / (min(map(light, pair)) + 0.05) for pair in pairs)


def test_the_sampler_costs_next_to_nothing_and_keeps_within_its_bounds(story: Story) -> None:
    host = story.fleet["web1"]
    program = "/usr/bin/python3 -I -S -B /etc/switchyard/board/sampler.py board /tmp"
    spent = host.sh(f"bash -c 'TIMEFORMAT=\"%U %S\"; time for n in $(seq 20); do {program}; done' 2>&1").split()
    assert sum(map(float, spent)) / 20 < 0.3, "of a core, once a minute"
    host.sh("rm /tmp/samples-*.csv")
    exposed = host.sh("systemd-analyze security --no-pager switchyard-sampler@board.service | tail -1")
    assert float(re.findall(r": ([0-9.]+) ", exposed)[0]) < 2
    folder = "/var/lib/switchyard/board"
    host.sh(f"for n in $(seq 10 40); do touch {folder}/samples-2020-01-$n.csv; done")
    time.sleep(2 * SAMPLE_EVERY)
    assert len(host.sh(f"ls {folder}").split()) == 15
    host.sh(f"rm {folder}/samples-2020-*.csv")


def test_a_host_that_can_not_be_reached_is_named_and_the_other_is_shown(story: Story) -> None:
    story.fleet.power("web2", "kill")
    run = story.look()
    assert run.rc == 0, run.output
    assert re.search(r"^web2 +not reached: ", run.output, re.MULTILINE), run.output
    assert re.search(r"^web1: [0-9a-f]{12} \(asgi", run.output, re.MULTILINE), run.output
    run = story.look(status_fail=True)
    assert run.rc != 0
    assert "web2: not reached: " in run.output
    story.fleet.power("web2", "start")
    story.fleet.up()


def test_without_samples_the_timer_goes_and_with_the_site_all_of_it(story: Story) -> None:
    done(story.fleet.deploy(2, serve_mode="", systemd_sample_sec=0))
    for host in story.fleet:
        assert host.sh("systemctl list-units --all --no-legend 'switchyard-sampler*'").strip() == ""
        assert host.sh("ls /etc/systemd/system /etc/switchyard/board | grep sampler; true").strip() == ""
    done(story.fleet.deploy(2, serve_mode=""))
    done(story.fleet["web1"].play("playbooks/remove.yml", remove_confirm="board"))
    for host in story.fleet:
        left = host.sh(
            "ls -d /var/lib/switchyard /etc/systemd/system/*sampler* /etc/systemd/system/*.wants/*sampler*; true"
        )
        assert left.strip() == ""
        assert host.sh("systemctl list-units --all --no-legend 'switchyard-*'").strip() == ""
    run = story.look()
    done(run)
    assert "only data of it" in run.output

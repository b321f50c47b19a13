# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long a deploy takes, against a playbook of the steps that tutorials teach, on one real host.

Called by `make bench`. docs/bench-deploy.md says what is compared and how to read the tables.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from depot_host import (
    BENCH,
    DOMAIN,
    OURS,
    SITE,
    TROUBLES,
    TUTORIAL,
    Host,
    Side,
    booted,
    copy_project,
    load,
    release_of,
    wait_until_quiet,
)
from figures import INVALID, MISSED, REACHED, grid, replaced, short
from runs import CORES, ROOT, Sample, Trouble, commit, disturbed, measure, playbook, run, say, slowest

PAGE = ROOT / "docs/bench-deploy.md"
# Each change of the dependency goes to a version that the host has never had installed.
DEPENDENCY = "certifi"
VERSIONS = """
    2026.10.18 2026.7.22 2026.6.17 2026.5.20 2026.4.22 2026.2.25 2026.1.4 2025.11.12 2025.10.5 2025.8.3
    2025.7.14 2025.7.9 2025.6.15 2025.4.26 2025.1.31 2024.12.14 2024.8.30 2024.7.4 2024.6.2 2024.2.2
    2023.11.17 2023.7.22 2023.5.7
""".split()
LOADED_ROUNDS = 1
VISITORS: dict[str, Any] = {
    "seconds": 300,
    "requests": 20_000,
    "fresh": 6,
    "fresh_path": "/",
    "kept": 6,
    "kept_path": "/items/",
    "slow": 0,
    "upload": 0,
}
ANSWER_DEADLINE = 5.0
# How Ansible tells of each command that it sends, from -vvv on.
CALL = re.compile(r"SSH: EXEC (?:ssh|sftp|scp) ")


@dataclass(frozen=True)
class Deed:
    """What both sides do, and how much of the tutorial's time ours may take for it."""

    what: str
    aim: float | None = None


PING = Deed("one ping")
COMMIT = Deed("new commit", 0.6)
CHANGED = Deed("one dependency of forty", 0.4)
NOTHING = Deed("nothing to do", 0.4)
SWITCH = Deed("switch of the stack", 0.5)
BACK = Deed("rollback, warm", 0.2)
DEEDS = (PING, COMMIT, CHANGED, NOTHING, SWITCH, BACK)


@dataclass(frozen=True)
class Loaded:
    """A run while the site has visitors.

    :param calls: the commands that Ansible sent to the host
    """

    calls: int
    requests: int
    failed: int


Samples = Mapping[tuple[Deed, Side], Sequence[Sample]]
Loads = Mapping[tuple[Deed, Side], Sequence[Loaded]]

# ---- what is made of the samples

TIMES = ("what is done", "tutorial", "ours", "ratio", "spread", "aim", "", "CPU: tutorial", "ours", "others")
LOSSES = ("under load", "tutorial: calls", "requests", "failed", "ours: calls", "requests", "failed", "")


def times(samples: Samples) -> list[tuple[str, ...]]:
    """The median of each round's ratio: what slows the machine down for a while slows both halves of a round."""
    made: list[tuple[str, ...]] = []
    for deed in DEEDS:
        theirs, ours = samples[deed, TUTORIAL], samples.get((deed, OURS), ())
        others = f"{median(sample.others for sample in (*theirs, *ours)):.0%}"
        if deed.aim is None:
            walls = [sample.seconds for sample in theirs]
            made.append(
                (
                    deed.what,
                    seconds(theirs),
                    "",
                    "",
                    f"{min(walls):.1f}–{max(walls):.1f} s",
                    "",
                    "",
                    cpu(theirs),
                    "",
                    others,
                )
            )
            continue
        ratios = [mine.seconds / other.seconds for other, mine in zip(theirs, ours)]
        spread = f"{short(min(ratios))}–{short(max(ratios))}"
        verdict = REACHED if median(ratios) <= deed.aim else MISSED
        if disturbed([*theirs, *ours]):
            verdict = INVALID
        cells = (seconds(theirs), seconds(ours), short(median(ratios)), spread, f"{deed.aim:g}", verdict)
        made.append((deed.what, *cells, cpu(theirs), cpu(ours), others))
    return made


def seconds(samples: Sequence[Sample]) -> str:
    return f"{median(sample.seconds for sample in samples):.1f} s"


def cpu(samples: Sequence[Sample]) -> str:
    return f"{median(sample.cpu for sample in samples):.1f} s"


def losses(loads: Loads) -> list[tuple[str, ...]]:
    """All that failed in all rounds; ours has nothing to fail. What nobody asked for is no proof."""
    made = []
    for deed in DEEDS[1:]:
        both = [loads[deed, side] for side in (TUTORIAL, OURS)]
        cells = [
            cell
            for found in both
            for cell in (
                f"{median(one.calls for one in found):g}",
                f"{sum(one.requests for one in found):,}",
                f"{sum(one.failed for one in found):,}",
            )
        ]
        kept = all(one.requests and not one.failed for one in loads[deed, OURS])
        made.append((deed.what, *cells, REACHED if kept else MISSED))
    return made


def longest(samples: Samples) -> list[str]:
    """Where the time of each run goes: before and after the tasks, and in those that take longest."""
    told = []
    for deed in DEEDS[1:]:
        for side in (TUTORIAL, OURS):
            found = samples[deed, side]
            around = median(sample.seconds - sum(sample.by_name.values()) for sample in found)
            told.append(f"{deed.what}, {side.name}: {around:.1f} s before and after the tasks, {slowest(found)}.")
    return told


# ---- both sides


@dataclass(frozen=True)
class Wanted:
    """What a site shows of what was deployed."""

    edition: int = 0
    stack: str = "wsgi"
    version: str = VERSIONS[0]
    commit: str = ""

    @property
    def page(self) -> str:
        return f"{self.edition} {self.stack.upper()}Request {self.version}"


Take = Callable[[Deed, Side, Sequence[object]], None]


class Depots:
    """The same project, served by both sides on one host."""

    def __init__(self, host: Host, repository: Path, url: str, changes: int) -> None:
        self.host, self.repository, self.url = host, repository, url
        self.wanted = self.before = Wanted()
        self.editions = 0
        self.versions = VERSIONS[1 : 1 + changes]
        self.secret = secrets.token_urlsafe(50)
        variables = json.loads(host.inventory.read_text().split("\n", 1)[1])["all"]["vars"]
        self.packages = {**variables["release_build_environment"], "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    # - what is wanted

    def commit(self, version: str = "") -> None:
        """New code; what it needs stays as it is, unless the dependency gets this version."""
        self.before, version = self.wanted, version or self.wanted.version
        self.editions += 1
        edition = self.repository / "depot/edition.py"
        edition.write_text(re.sub(r"EDITION = \d+", f"EDITION = {self.editions}", edition.read_text()))
        forty = (BENCH / "forty.txt").read_text()
        text = re.sub(rf"^{DEPENDENCY}==.+$", f"{DEPENDENCY}=={version}", forty, flags=re.MULTILINE)
        (self.repository / "requirements.txt").write_text(text)
        made = commit(self.repository, f"Edition {self.editions}")
        self.wanted = replace(self.wanted, edition=self.editions, version=version, commit=made)

    def ping(self) -> list[object]:
        return ["-i", self.host.inventory, BENCH / "tutorial/ping.yml"]

    def deploy(self, side: Side, **more: object) -> list[object]:
        """:param more: variables of ours alone"""
        if side is OURS:
            return self._playbook("site.yml", **self.host.variables, serve_mode=self.wanted.stack, **more)
        variables = {"repository": self.url, "version": self.wanted.commit, "stack": self.wanted.stack}
        passed_on = {"secret_key": self.secret, "pip_environment": self.packages}
        return self._playbook(BENCH / "tutorial/deploy.yml", **variables, **passed_on)

    def _playbook(self, playbook: object, **variables: object) -> list[object]:
        return ["-i", self.host.inventory, playbook, "-e", json.dumps(variables)]

    # - what is there

    def see(self, side: Side) -> None:
        """A run that has not done its work is no measurement."""
        end = time.monotonic() + ANSWER_DEADLINE
        while (page := self._page(side)) != self.wanted.page:
            if time.monotonic() > end:
                raise Trouble(f"{side.name} should show {self.wanted.page!r}, and shows {page!r}")
            time.sleep(0.1)

    def _page(self, side: Side) -> str:
        connection = http.client.HTTPConnection(self.host.address, side.port, timeout=ANSWER_DEADLINE)
        with contextlib.closing(connection):
            connection.request("GET", "/edition/", headers={"Host": DOMAIN})
            return connection.getresponse().read().decode()

    def require_warm(self, release: str) -> None:
        unit = f"{SITE}@{release}.service"
        if (state := self.host.sh(f"systemctl is-active {unit}", check=False).strip()) != "active":
            raise Trouble(f"a rollback to {unit} would not be warm: it is {state}")

    # - what is done

    def set_up(self) -> None:
        self.commit()
        for side in (TUTORIAL, OURS):
            say(f"the first deploy, {side.name}")
            playbook(self.deploy(side))
            self.see(side)
        self.warm_caches()

    def warm_caches(self) -> None:
        """Each side's cache has every version of the dependency, as it has all the others."""
        say("warming the caches of pip and uv")
        environment = " ".join(f"{name}='{value}'" for name, value in self.packages.items())
        pip = f"runuser -u tutor -- env HOME=/home/tutor {environment} /home/tutor/env/bin/pip -q download"
        cache = f"/var/cache/switchyard/{SITE}/uv"
        uv = f"runuser -u {SITE} -- env HOME={cache} UV_CACHE_DIR={cache} {environment} /opt/switchyard/uv/bin/uv -q"
        self.host.sh(
            f"set -e; cd /tmp; for version in {' '.join(self.versions)}; do "
            f"{pip} --dest=$(runuser -u tutor -- mktemp -d) --no-deps {DEPENDENCY}==$version; "
            f"{uv} pip install --python=/usr/bin/python3 --target=$(runuser -u {SITE} -- mktemp -d) "
            f"--no-deps {DEPENDENCY}==$version; done"
        )

    def round(self, take: Take) -> None:
        """Every deed in turn, one side after the other."""
        wait_until_quiet(self.host)
        take(PING, TUTORIAL, self.ping())
        live = release_of(self.host)
        self.commit()
        # However slow the machine is, the instance before still runs when it is rolled back to.
        self.both(take, COMMIT, cutover_settle=60)
        self.roll_back(take, live)
        self.commit(version=self.versions.pop())
        self.both(take, CHANGED)
        self.wanted = replace(self.wanted, stack={"wsgi": "asgi", "asgi": "wsgi"}[self.wanted.stack])
        self.both(take, SWITCH)
        self.both(take, NOTHING)

    def both(self, take: Take, deed: Deed, **more: object) -> None:
        for side in (TUTORIAL, OURS):
            wait_until_quiet(self.host)
            take(deed, side, self.deploy(side, **more))
            self.see(side)

    def roll_back(self, take: Take, release: str) -> None:
        """Ours at once: that is when somebody sees that the new code is no good."""
        self.wanted = self.before
        self.require_warm(release)
        take(BACK, OURS, self._playbook("rollback.yml", site_name=SITE))
        self.see(OURS)
        wait_until_quiet(self.host)
        take(BACK, TUTORIAL, self.deploy(TUTORIAL))
        self.see(TUTORIAL)


@contextlib.contextmanager
def served_by_git(folder: Path, address: str) -> Iterator[str]:
    """A repository that the host clones from, as from a server that is near; its URL."""
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    command = ["git", "daemon", "--export-all", f"--base-path={folder.parent}", f"--listen={address}", f"--port={port}"]
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"git://{address}:{port}/{folder.name}"
    finally:
        daemon.terminate()
        daemon.wait()


# ---- all of it


def bench(host: Host, rounds: int) -> tuple[Samples, Loads]:
    host.variables = {"site_name": SITE, "site_package": SITE, "site_domains": [DOMAIN]}
    repository = copy_project(host.scratch)
    run(["git", "init", "-q", "-b", "main", repository])
    host.variables["site_source"] = f"file://{repository}"
    containers = [f"switchyard-{host.group}-{host.name}"]
    samples: dict[tuple[Deed, Side], list[Sample]] = {}
    loads: dict[tuple[Deed, Side], list[Loaded]] = {}

    def time_it(number: int, deed: Deed, side: Side, command: Sequence[object]) -> None:
        sample = measure(command, containers, host.scratch)
        samples.setdefault((deed, side), []).append(sample)
        say(f"round {number}: {deed.what}, {side.name}, in {sample.seconds:.1f} s")

    def load_it(deed: Deed, side: Side, command: Sequence[object]) -> None:
        with load.running(host.address, DOMAIN, port=side.port, **VISITORS) as report:
            said = playbook([*command, "-vvv"])
        loads.setdefault((deed, side), []).append(Loaded(len(CALL.findall(said)), report.requests, report.failures))
        say(f"under load: {deed.what}, {side.name}: {report.failures} of {report.requests} requests failed")

    gateway = host.sh("ip route show default | cut -d' ' -f3").strip()
    with served_by_git(repository, gateway) as url:
        depots = Depots(host, repository, url, rounds + LOADED_ROUNDS)
        depots.set_up()
        for number in range(1, rounds + 1):
            depots.round(partial(time_it, number))
        for _number in range(LOADED_ROUNDS):
            depots.round(load_it)
    return samples, loads


def main() -> int:
    most = len(VERSIONS) - 1 - LOADED_ROUNDS
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    if not 1 <= given.rounds <= most:
        parser.error(f"rounds must be from 1 to {most}: there are no more versions of {DEPENDENCY}.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        with booted(f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_bench") as host:
            samples, loads = bench(host, given.rounds)
    except TROUBLES as trouble:
        say(f"nothing was measured: {trouble}")
        return 2
    except KeyboardInterrupt:
        say("interrupted; the host is gone.")
        return 130
    taken, lost = times(samples), losses(loads)
    notes = [
        f"Rounds: {given.rounds}, and {LOADED_ROUNDS} under load. Cores: {CORES}, for the controller and the host."
    ]
    notes += longest(samples)
    tables = [grid(TIMES, taken, left=(0, 6)), "", grid(LOSSES, lost, left=(0, 7))]
    text = "\n".join([*tables, "", *(f"- {note}" for note in notes)])
    print(text)
    if given.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    say(f"took {time.monotonic() - started:.0f} s")
    return int(any({MISSED, INVALID} & set(line) for line in (*taken, *lost)))


if __name__ == "__main__":
    sys.exit(main())

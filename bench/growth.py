# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how the wall time of a deploy grows with the number of hosts.

Called by `make bench-hosts`. docs/bench-hosts.md says what is measured and how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from figures import INVALID, MISSED, REACHED, grid, replaced
from runs import CORES, ROOT, TESTBED, Sample, Trouble, commit, disturbed, measure, run, say, slowest

PAGE = ROOT / "docs/bench-hosts.md"
PROJECT = ROOT / "molecule/two_hosts/project"
COUNTS = (1, 2, 4, 8)
AIM = 3.0
SITE = "pair"
HEAD = ("hosts", "wall time", "spread", "× 1 host", "aim", "", "CPU: controller", "CPU: hosts", "CPU: others")


# ---- what is made of the samples


def rows(samples: Mapping[int, Sequence[Sample]], aim: float = AIM) -> list[tuple[str, ...]]:
    """One row for each number of hosts; the aim is that of the largest."""
    invalid = any(map(disturbed, samples.values()))
    one = median(sample.seconds for sample in samples[min(samples)])
    made: list[tuple[str, ...]] = []
    for count, found in sorted(samples.items()):
        walls = [sample.seconds for sample in found]
        ratio = median(walls) / one
        is_last = count == max(samples)
        verdict = INVALID if invalid else REACHED if ratio <= aim else MISSED
        made.append(
            (
                str(count),
                f"{median(walls):.1f} s",
                f"{min(walls):.1f}–{max(walls):.1f}",
                f"{ratio:.2f}",
                f"{aim:g}" if is_last else "",
                verdict if is_last else "",
                f"{median(sample.controller for sample in found):.1f} s",
                f"{median(sample.hosts for sample in found):.1f} s",
                f"{median(sample.others for sample in found):.0%}",
            )
        )
    return made


# ---- the hosts, and a deploy


def make_repository(folder: Path) -> None:
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    run(["git", "init", "-q", folder])


def new_code(folder: Path, number: int) -> None:
    """A commit; what it needs stays as it is."""
    (folder / "edition.py").write_text(f"EDITION = {number}\n")
    commit(folder, f"Edition {number}")


def inventories(whole: Path, folder: Path) -> dict[int, Path]:
    """For each number of hosts one inventory with the first of them."""
    tree = json.loads(whole.read_text().split("\n", 1)[1])
    made = {}
    for count in COUNTS:
        made[count] = folder / f"{count}.json"
        hosts = dict(list(tree["all"]["hosts"].items())[:count])
        made[count].write_text(json.dumps({"all": {"hosts": hosts, "vars": tree["all"]["vars"]}}))
    return made


@dataclass(frozen=True)
class Bench:
    group: str
    scratch: Path

    @property
    def repository(self) -> Path:
        return self.scratch / "repository"

    def containers(self, count: int) -> list[str]:
        return [f"switchyard-{self.group}-web{number}" for number in range(1, count + 1)]

    def up(self) -> dict[int, Path]:
        whole = self.scratch / "inventory.yml"
        names = [f"web{number}" for number in range(1, max(COUNTS) + 1)]
        run([sys.executable, TESTBED, "down", self.group])
        run([sys.executable, TESTBED, "up", *names, f"--group={self.group}", "--warm", f"--inventory={whole}"])
        return inventories(whole, self.scratch)

    def deploy(self, inventory: Path, count: int) -> Sample:
        variables = {
            "site_name": SITE,
            "site_source": f"file://{self.repository}",
            "site_package": "pair",
            "site_domains": ["pair.example.org"],
            "site_env": {"GREETING": "hello"},
        }
        command = ["-i", inventory, "site.yml", "-e", json.dumps(variables)]
        return measure(command, self.containers(count), self.scratch)

    def measure(self, rounds: int) -> dict[int, list[Sample]]:
        """In each round every number of hosts in turn: what slows the machine down for a while slows all of them."""
        made = self.up()
        make_repository(self.repository)
        new_code(self.repository, 0)
        say(f"the first deploy, to {max(COUNTS)} hosts")
        self.deploy(made[max(COUNTS)], max(COUNTS))
        samples: dict[int, list[Sample]] = {count: [] for count in COUNTS}
        for number in range(rounds):
            for count in COUNTS:
                new_code(self.repository, number * len(COUNTS) + count)
                samples[count].append(self.deploy(made[count], count))
                say(f"round {number + 1}: {count} host(s) in {samples[count][-1].seconds:.1f} s")
        return samples


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-hosts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("rounds must be at least 1.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    group = f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_bench"
    with tempfile.TemporaryDirectory(prefix="switchyard-bench-") as scratch:
        try:
            samples = Bench(group, Path(scratch)).measure(given.rounds)
        except (Trouble, OSError, ValueError) as trouble:
            say(f"nothing was measured: {trouble}")
            return 2
        except KeyboardInterrupt:
            say("interrupted.")
            return 130
        finally:
            subprocess.run([sys.executable, TESTBED, "down", group], check=False, stdout=subprocess.DEVNULL)
    lines = rows(samples)
    notes = [
        f"Rounds: {given.rounds}. Cores: {CORES}, for the controller and all hosts.",
        *(f"What takes longest on {count} host(s): {slowest(samples[count])}." for count in (1, max(COUNTS))),
    ]
    text = "\n".join([grid(HEAD, lines), "", *(f"- {note}" for note in notes)])
    print(text)
    if given.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return int(not any(REACHED in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())

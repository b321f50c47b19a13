# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks for the benchmarks, and measures what they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
TESTBED = ROOT / "testbed" / "testbed"
CORES = os.cpu_count() or 1
# What others may take of the cores while a run is measured. A machine that is busy anyway makes ratios look better or
# worse than they are.
OTHERS = 0.1


class Trouble(Exception):
    """Nothing could be measured: what went wrong, with the evidence."""


@dataclass(frozen=True)
class Sample:
    """One run of a playbook.

    :param seconds: its wall time, from the start of ansible-playbook to its end
    :param controller: seconds of CPU time that ansible-playbook took, with its workers and ssh
    :param hosts: those that all hosts took together
    :param others: the part of all cores that whatever else runs on the machine took meanwhile, from 0 to 1
    :param tasks: the wall time of each task
    """

    seconds: float
    controller: float
    hosts: float
    others: float
    tasks: tuple[tuple[str, float], ...] = ()

    @property
    def cpu(self) -> float:
        return self.controller + self.hosts

    @property
    def by_name(self) -> Counter[str]:
        """What tasks of one name took together."""
        took: Counter[str] = Counter()
        for name, seconds in self.tasks:
            took[name.rpartition(" : ")[2]] += seconds  # type: ignore[assignment]
        return took


def say(text: str) -> None:
    """Signs of life go beside the table, not into it."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(command: Sequence[object], **options: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise Trouble(
            f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr}"
        )
    return str(done.stdout)


def commit(repository: Path, subject: str) -> str:
    """Everything that has changed, by nobody in particular; the commit."""
    git = ["git", "-C", repository, "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    run([*git, "add", "."])
    run([*git, "commit", "-qm", subject])
    return run([*git, "rev-parse", "HEAD"]).strip()


def cpu_of(containers: Sequence[str]) -> float:
    """The CPU time that these have taken so far."""
    settings = {**os.environ, "CONTAINERS_CONF": str(TESTBED.with_name("containers.conf"))}
    told = run(["podman", "stats", "--no-stream", "--format={{.CPUNano}}", *containers], env=settings)
    return sum(map(int, told.split())) / 1e9


def busy() -> float:
    """The CPU time that all of this machine has taken so far, as proc(5) describes it."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def playbook(command: Sequence[object], **environment: str) -> str:
    """What ansible-playbook says, as a user in the checkout runs it."""
    return run(["ansible-playbook", *command], cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL)


def measure(command: Sequence[object], containers: Sequence[str], scratch: Path) -> Sample:
    """Run a playbook on these hosts."""
    shares = scratch / "shares.json"
    before = cpu_of(containers)
    busy_before, started = busy(), time.monotonic()
    playbook(
        command,
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "bench/callbacks"),
        ANSIBLE_CALLBACKS_ENABLED="shares",
        SWITCHYARD_SHARES=str(shares),
    )
    seconds, machine = time.monotonic() - started, busy() - busy_before
    hosts = cpu_of(containers) - before
    told = json.loads(shares.read_text())
    others = max(0.0, machine - told["cpu"] - hosts) / seconds / CORES
    return Sample(seconds, told["cpu"], hosts, others, tuple((name, took) for name, took in told["tasks"]))


def disturbed(samples: Sequence[Sample]) -> bool:
    """Whether others took so much of the machine that these say nothing."""
    return median(sample.others for sample in samples) > OTHERS


def slowest(samples: Sequence[Sample], number: int = 6) -> str:
    """The tasks that took longest, for a note; a task that is not in every run counts with nothing in the others."""
    took = [sample.by_name for sample in samples]
    middle = {name: median(one[name] for one in took) for name in dict.fromkeys(name for one in took for name in one)}
    told = sorted(middle.items(), key=lambda task: -task[1])[:number]
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in told)

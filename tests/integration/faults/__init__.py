# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the controller, a module or the host at a step of an operation, and says what did not hold afterwards.

The steps are not listed anywhere: hook.py records them on the host while an operation runs undisturbed.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller import ROOT, TESTBED, Host, Run

from faults import hook, judge, trace

KINDS = ("module", "controller", "host")
DOMAIN = "board.example.org"
HEALTH = "/health/"
LOOK = "/usr/local/lib/switchyard-fault-look.py"
# The path of Debian's Python that is on sys.path even under -I, as the host's programs run.
PACKAGES = "/usr/lib/python3/dist-packages"
START = f"""import os; os.path.exists({hook.CONTROL!r}) and __import__("switchyard_fault").install()\n"""
IS_LIVE = re.compile(r"liveboard: ([0-9a-f]{12,16}) \([^)]*\) is live")

MENDED_WITHIN = 10.0
BOOTED_WITHIN = 30.0
SETTLED_WITHIN = 12.0


class NotReached(AssertionError):
    """The run ended without coming to the step."""


@dataclass(frozen=True)
class Step:
    """An effect on the host that is about to happen, the first or the second time in its process."""

    label: str
    round: int
    detail: str

    def __str__(self) -> str:
        return f"{self.label}{' again' if self.round > 1 else ''}"


@dataclass(frozen=True)
class Case:
    """Where, and what dies there."""

    operation: str
    kind: str
    step: Step

    def __str__(self) -> str:
        return f"{self.operation}, {self.kind} at {self.step}"


@dataclass
class Verdict:
    """What did not hold, and how long the site took to be one release again."""

    problems: list[str] = field(default_factory=list)
    reached: bool = True
    mended: float = 0.0
    seconds: float = 0.0


def cases(operation: str, kind: str, steps: list[Step]) -> list[Case]:
    """Every step; a controller's death leaves no half of a write on the host."""
    return [Case(operation, kind, one) for one in steps if kind != "controller" or not one.label.endswith(" · empty")]


# What these do is gone with the run, or with a restart of the host.
VOLATILE = ("lease.", "guard.notes", "guard._start", "host_program._lay_out", "sandbox.run")
# Of a write, what leaves another host behind: nothing of it, all but its name, all but its being on the disk.
OF_A_WRITE = ("open", "os.symlink", "os.rename", "os.fsync")


def telling(kind: str, steps: list[Step]) -> list[Step]:
    """The steps at which a death leaves a host behind that no earlier one does.

    The move itself is taken at every step. A controller's death leaves the module at work, so one for each program
    does.
    """
    seen: set[tuple[str, ...]] = set()
    chosen = []
    for step in steps:
        way, _dot, event = step.label.partition(" · ")
        functions = [frame.rpartition(":")[0] for frame in way.split(" > ")]
        helped = any(name.startswith("disk.") for name in functions)
        volatile = event == "scratch" or any(name.startswith(VOLATILE) for name in functions)
        if kind == "controller":
            same = (functions[0],)
        elif step.round > 1 or (volatile and kind == "host"):
            continue
        elif volatile:
            same = (next((name for name in functions if name.startswith(VOLATILE)), functions[-1]),)
        elif helped and functions[0] != "cutover.main" and not _tells(event, functions[-1]):
            continue
        else:
            same = (step.label,)
        if same not in seen:
            seen.add(same)
            chosen.append(step)
    return chosen


def _tells(event: str, function: str) -> bool:
    """Whether another host is left behind before this part of a write than before the part that comes first."""
    return event.startswith("run ") or (event in OF_A_WRITE and (event != "os.fsync" or function == "disk.sync_folder"))


def parse_steps(log: str) -> list[Step]:
    """The distinct steps of a recording, in order of their first appearance."""
    return list({(one["label"], one["round"]): Step(**one) for one in map(json.loads, log.splitlines())}.values())


def pointer(steps: list[Step]) -> int:
    """The index of the step that moves `current`."""
    return next(
        index
        for index, one in enumerate(steps)
        if one.label.endswith("os.rename") and one.detail.endswith("/liveboard/current")
    )


# --- operations ------------------------------------------------------------------------------------------------------


class Operation:
    """One command of a user's, given again and again until `prepare` makes it another."""

    name: str

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def prepare(self) -> None:
        """Have something to do for the next run, the same steps each time."""
        raise NotImplementedError

    def play(self) -> Run:
        raise NotImplementedError

    def missed(self, before: str, seen: dict[str, Any]) -> str | None:
        """How what is live now differs from what was wanted, if it does."""
        raise NotImplementedError


class Deploy(Operation):
    """A new version of the source, the same stack."""

    name = "deploy"

    def prepare(self) -> None:
        with (self.bench.source / "liveboard/urls.py").open("a") as stream:
            stream.write(f"# {uuid.uuid4()}\n")

    def play(self) -> Run:
        return self.bench.play("site.yml", release_retry=True)

    def missed(self, before: str, seen: dict[str, Any]) -> str | None:
        return "the new version is not live" if seen["current"] == before else None


class Switch(Operation):
    """The other stack, which the host has no release of yet: built from the same code, then moved to."""

    name = "switch"

    def prepare(self) -> None:
        seen = self.bench.look()
        self.stack = "wsgi" if seen["stacks"][seen["current"]] == "asgi" else "asgi"
        for release in set(seen["manifests"]) - {seen["current"]}:
            self.bench.forget(release)

    def play(self) -> Run:
        return self.bench.play("site.yml", serve_mode=self.stack, release_retry=True)

    def missed(self, before: str, seen: dict[str, Any]) -> str | None:
        stack = seen["stacks"].get(seen["current"])
        return f"the live stack is {stack}, not {self.stack}" if stack != self.stack else None


class Rollback(Operation):
    """Back to a release of the other stack, by name: the next one goes forth again."""

    name = "rollback"

    def prepare(self) -> None:
        seen = self.bench.look()
        live = seen["stacks"][seen["current"]]
        others = [name for name, stack in seen["stacks"].items() if stack not in (live, None)]
        self.target = others[0]

    def play(self) -> Run:
        return self.bench.play("rollback.yml", rollback_to=self.target)

    def missed(self, before: str, seen: dict[str, Any]) -> str | None:
        return f"{seen['current']} is live, not {self.target}" if seen["current"] != self.target else None


OPERATIONS: dict[str, type[Operation]] = {one.name: one for one in (Deploy, Switch, Rollback)}


# --- the bench -------------------------------------------------------------------------------------------------------


class Bench:
    """A host with a live site on which things die."""

    def __init__(self, host: Host, source: Path) -> None:
        self.host, self.source = host, source
        self.mark = f"SWITCHYARD_FAULT_BENCH={uuid.uuid4()}"

    def up(self, *stacks: str) -> None:
        """A host with a release of each of these stacks, the last one live."""
        self.host.down()
        self.host.up()
        self._put(Path(hook.__file__).read_text(), f"{PACKAGES}/switchyard_fault.py")
        self._put(START, f"{PACKAGES}/switchyard_fault.pth")
        self._put(Path(__file__).with_name("look.py").read_text(), LOOK)
        for stack in stacks:
            run = self.play("site.yml", serve_mode=stack)
            assert run.rc == 0, run.output
        self._settle()

    def down(self) -> None:
        self.kill_controllers()
        self.host.down()

    def _put(self, text: str, path: str) -> None:
        encoded = base64.b64encode(text.encode()).decode()
        self.host.sh(f"echo {encoded} | base64 -d > {path}")

    def play(self, playbook: str, **variables: Any) -> Run:
        name, value = self.mark.split("=")
        # A connection of its own, so that a dead host's is not met by another test's run.
        connections = str(self.host.scratch / "cp")
        return self.host.play(playbook, env={name: value, "ANSIBLE_SSH_CONTROL_PATH_DIR": connections}, **variables)

    def look(self) -> dict[str, Any]:
        site = self.host.variables["site_name"]
        return json.loads(self.host.sh(f"/usr/bin/python3 -I -B {LOOK} {site} {DOMAIN} {HEALTH}"))

    def forget(self, release: str) -> None:
        """Take a release from the host as if it had never been made."""
        site = self.host.variables["site_name"]
        folders = f"/etc/switchyard/{site}/releases/{release} /srv/{site}/releases/{release}"
        self.host.sh(
            f"systemctl stop {site}@{release} switchyard-drain-{site}@{release}; systemctl daemon-reload; "
            f"rm -rf {folders} /etc/systemd/system/{site}@{release}.service"
        )

    # --- faults

    def record(self, operation: Operation) -> list[Step]:
        """The steps of an undisturbed run."""
        operation.prepare()
        self.arm(None)
        run = operation.play()
        assert run.rc == 0, run.output
        self._settle()  # the host goes on by itself for a while
        log = self.host.sh(f"cat {hook.STEPS}; rm -r {hook.FOLDER}")
        steps = parse_steps(log)
        assert len(steps) > 20, f"{operation.name} has hardly a step: the hook does not see our code\n{log}"
        return steps

    def traced(self, operation: Operation) -> list[trace.Event]:
        """What an undisturbed run asks of the disk, in order. Its processes become strace's as they start."""
        operation.prepare()
        self.arm(None, calls=trace.CALLS)
        run = operation.play()
        assert run.rc == 0, run.output
        self._settle()  # what the host goes on with by itself opens traces of its own
        listing = self.host.sh(f"cd {hook.FOLDER} && grep -H '' trace.*; rm -r {hook.FOLDER}")
        lines: dict[str, list[str]] = {}
        for name, _colon, line in (one.partition(":") for one in listing.splitlines()):
            lines.setdefault(name.removeprefix("trace."), []).append(line)
        return trace.merge({process: "\n".join(found) for process, found in lines.items()})

    def survive(self, case: Case) -> Verdict:
        """Let it die at the step, and say what did not hold from then on until the next run had converged."""
        started = time.monotonic()
        verdict = Verdict()
        operation = self.operation = OPERATIONS[case.operation](self)
        operation.prepare()
        before = self.look()["current"]
        self.arm({"label": case.step.label, "round": case.step.round, "kind": case.kind})
        unvisited: contextlib.AbstractContextManager[list[str]] = contextlib.nullcontext([])
        with unvisited if case.kind == "host" else self.visited() as failures:
            try:
                self._die(case.kind, operation.play)
            except NotReached as problem:
                verdict.reached = False
                verdict.problems.append(str(problem))
            verdict.mended, problems = self._wait_for(judge.inconsistencies, self._patience(case.kind))
            verdict.problems += [f"not one release after {verdict.mended:.0f} s: {problem}" for problem in problems]
            verdict.problems += self._converge(operation, before)
        verdict.problems += [f"a visitor met {failure}" for failure in dict.fromkeys(failures)]
        verdict.seconds = time.monotonic() - started
        return verdict

    def _patience(self, kind: str) -> float:
        return BOOTED_WITHIN if kind == "host" else MENDED_WITHIN

    def _converge(self, operation: Operation, before: str) -> list[str]:
        """The same command again does what was wanted, and once more does nothing."""
        run = operation.play()
        if run.rc:
            return [f"the next run ended with {run.rc}: {_why(run)}"]
        seen = self.look()
        problems = [f"after the next run: {problem}" for problem in judge.inconsistencies(seen)]
        missed = operation.missed(before, seen)
        if missed:
            problems.append(f"after the next run {missed}")
        again = operation.play()
        if again.rc:
            problems.append(f"the run after the next ended with {again.rc}: {_why(again)}")
        elif again.changed:
            problems.append(f"the run after the next still changed: {', '.join(again.changed)}")
        _seconds, busy = self._wait_for(judge.unsettled, SETTLED_WITHIN)
        return [*problems, *busy, *judge.leftovers(self.look())]

    def repair(self) -> bool:
        """Have a sound host for the next case, although this one failed; whether the host had to be made anew."""
        with contextlib.suppress(AssertionError):
            site = self.host.variables["site_name"]
            seen = self.look()
            for path in seen["leftovers"]:
                self.host.sh(f"rm -rf '{path}'")
            listed = "systemctl list-units --plain --no-legend"
            self.host.sh(
                f"{{ {listed} 'switchyard-*{site}*'; {listed} '{site}@*' | grep -vF '@{seen['current']}.'; }} "
                "| cut -d' ' -f1 | xargs -r systemctl stop; systemctl reset-failed"
            )
            for release in set(seen["code"]) | set(seen["manifests"]):
                if not seen["manifests"].get(release):
                    self.forget(release)
            run = self.play("site.yml", release_retry=True)
            if not run.rc:
                self._settle()
                return False
        self.up()
        return True

    def arm(self, fault: dict[str, Any] | None, calls: str | None = None) -> None:
        self.host.sh(f"rm -rf {hook.FOLDER}; mkdir {hook.FOLDER}")
        self._put(json.dumps({"fault": fault, "trace": calls}), hook.CONTROL)

    def _die(self, kind: str, play: Callable[[], Run]) -> None:
        """Run until the step is reached, and kill what is to die."""
        runs: list[Run] = []
        controller = threading.Thread(target=lambda: runs.append(play()), daemon=True)
        controller.start()
        command = [sys.executable, TESTBED, "exec", self.host.name, "--group", self.host.group, "--"]
        wait = f"until test -e {hook.REACHED}; do sleep 0.05; done"
        with subprocess.Popen([*command, "sh", "-c", wait], stderr=subprocess.DEVNULL) as watch:
            until = time.monotonic() + SETTLED_WITHIN
            while watch.poll() is None and time.monotonic() < until:
                if controller.is_alive():  # and when the run is over, the host may still be at work
                    until = time.monotonic() + SETTLED_WITHIN
                time.sleep(0.02)
            reached = watch.poll() == 0
            if not reached:  # the run may have ended before the watch had another look
                reached = bool(self.host.sh(f"ls {hook.REACHED} 2>/dev/null", check=False))
                watch.kill()
        if kind != "module":
            self.kill_controllers()
        if kind == "controller":
            self.host.sh(f"rm -f {hook.REACHED}")
        if kind == "host" and reached:
            self.host.restart()
            self.kill_controllers()
        controller.join(timeout=180)
        self.host.sh(f"rm -rf {hook.FOLDER}")
        if not reached:
            raise NotReached(f"the run never came to the step; it ended with {runs[0].rc}: {_why(runs[0])}")

    def kill_controllers(self) -> None:
        """All processes of this bench's runs: ansible's workers are in sessions of their own, and so is ssh."""
        while True:
            marked = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)]
            if not marked:
                return
            for pid in marked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _is_ours(self, pid: int) -> bool:
        try:
            return self.mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    # --- looking

    def _wait_for(self, judged: Callable[[dict[str, Any]], list[str]], patience: float) -> tuple[float, list[str]]:
        """Until nothing is amiss any more: how long that took, and what still is."""
        started = time.monotonic()
        while True:
            try:
                problems = judged(self.look())
            except AssertionError as unanswered:  # a host that is booting
                problems = [str(unanswered)]
            passed = time.monotonic() - started
            if not problems or passed > patience:
                return passed, problems
            time.sleep(0.3)

    def _settle(self) -> None:
        _seconds, problems = self._wait_for(judge.unsound, SETTLED_WITHIN)
        assert not problems, f"without any fault: {problems}"

    @contextlib.contextmanager
    def visited(self) -> Iterator[list[str]]:
        """A visitor who asks again and again, and what was wrong with the answers."""
        failures: list[str] = []
        over = threading.Event()

        def ask() -> None:
            while not over.wait(0.05):
                try:
                    status, _headers, _body = self.host.get(HEALTH, DOMAIN)
                    if status != 200:
                        failures.append(f"status {status}")
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))

        visitor = threading.Thread(target=ask, daemon=True)
        visitor.start()
        try:
            yield failures
        finally:
            over.set()
            visitor.join()


def _why(run: Run) -> str:
    """The lines of a run's output that say why it failed."""
    lines = [line for line in run.output.splitlines() if re.match(r"fatal:|\[ERROR\]|ERROR", line)]
    return " / ".join(lines)[-800:] or run.output[-800:]


def make_bench(folder: Path, group: str) -> Bench:
    """A bench in a group of hosts of its own, with a copy of the example to deploy."""
    source = folder / "liveboard"
    shutil.copytree(ROOT / "examples/liveboard", source, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    host = Host(
        group=group,
        variables={
            "site_name": "liveboard",
            "site_source": str(source),
            "site_package": "liveboard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/board/",
            "cutover_drain": 1,
        },
    )
    return Bench(host, source)

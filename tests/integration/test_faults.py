# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wherever the controller, a module or the host dies, the site serves one release, and the next run converges."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from controller import Run
from faults import (
    IS_LIVE,
    KINDS,
    OPERATIONS,
    Bench,
    Case,
    Deploy,
    Step,
    cases,
    judge,
    make_bench,
    parse_steps,
    pointer,
    telling,
)
from faults.hook import CONTROL, STEPS

GROUP = os.environ.get("SWITCHYARD_TEST_GROUP", "molecule")
# To go on where a full run was stopped: the numbers of the cases to take, as in a slice, for example 40: or 40:80.
ONLY = os.environ.get("SWITCHYARD_FAULTS", ":")
# Every step, even where the one before leaves the same host behind: hours.
EVERY = "SWITCHYARD_FAULTS_EVERY" in os.environ

# For each operation, what dies where: so far before or after the pointer moves, or at a part of the way.
SAMPLE: list[tuple[str, str, int | float]] = [
    ("deploy", "controller", 0.6),
    ("switch", "module", 1),
    ("rollback", "host", 4),
]


@pytest.fixture
def own_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench of the test's own, named by its parameter; with both stacks, so that a rollback goes back at once."""
    one = make_bench(tmp_path, f"{GROUP}_fault_{request.param}")
    try:
        one.up("wsgi", "asgi")
        yield one
    finally:
        one.down()


def chosen(operation: str, steps: list[Step]) -> list[Case]:
    """The sample's cases of an operation."""
    return [
        Case(operation, kind, steps[int(where * len(steps)) if isinstance(where, float) else pointer(steps) + where])
        for one, kind, where in SAMPLE
        if one == operation
    ]


def survive_all(bench: Bench, todo: list[Case], say: Callable[[str], None]) -> list[str]:
    """Go through the cases, go on after a failed one, and return what did not hold."""
    failed: list[str] = []
    survived: Counter[tuple[str, str]] = Counter()
    for number, case in enumerate(todo):
        verdict = bench.survive(case)
        if not verdict.reached:  # a switch to the one stack has steps that one to the other has not: it is its turn now
            verdict = bench.survive(case)
        if verdict.problems:
            failed.append(f"{case} ({case.step.detail[:80]})\n    " + "\n    ".join(verdict.problems))
            say(f"[{number}/{len(todo)}] FAILED {failed[-1]}")
            if bench.repair():
                say("the host had to be made anew")
        else:
            survived[case.operation, case.kind] += 1
            times = f"one release after {verdict.mended:.1f} s, {verdict.seconds:.0f} s in all"
            say(f"[{number}/{len(todo)}] {case}: {times}")
    counts = ", ".join(f"{operation} {kind} {count}" for (operation, kind), count in sorted(survived.items()))
    say(f"survived {survived.total()} of {len(todo)} ({counts})\n")
    return failed


def test_a_sample_of_deaths(bench: Bench, say: Callable[[str], None]) -> None:
    failed = []
    for operation in OPERATIONS:
        steps = bench.record(OPERATIONS[operation](bench))
        say(f"{operation}: {len(steps)} steps")
        failed += survive_all(bench, chosen(operation, steps), say)
    assert not failed, "\n".join(failed)


@pytest.mark.full
@pytest.mark.parametrize(
    ("own_bench", "operation", "kind"),
    [
        pytest.param(f"{operation}_{kind[0]}", operation, kind, id=f"{operation}-{kind}")
        for operation in OPERATIONS
        for kind in KINDS
    ],
    indirect=["own_bench"],
)
def test_every_death(own_bench: Bench, operation: str, kind: str, say: Callable[[str], None]) -> None:
    steps = own_bench.record(OPERATIONS[operation](own_bench))
    todo = cases(operation, kind, steps if EVERY else telling(kind, steps))
    say(f"{operation}: {len(steps)} steps, of which {len(todo)} are told apart by a {kind}'s death")
    todo.sort(key=lambda case: not case.step.label.startswith("cutover."))  # what moves the traffic comes first
    first, _colon, last = ONLY.partition(":")
    taken = todo[int(first or 0) : int(last or len(todo))]
    say(f"{operation}, {kind}: {len(taken)} of {len(todo)} cases")
    failed = survive_all(own_bench, taken, say)
    assert not failed, "\n".join(failed)


# --- the judges ------------------------------------------------------------------------------------------------------

LIVE, OLD = "1111aaaa2222", "3333bbbb4444"


def sound() -> dict[str, Any]:
    """What look.py sees where all is well."""
    unit = {"ActiveState": "active", "SubState": "running", "MainPID": "7"}
    return {
        "site": "liveboard",
        "current": LIVE,
        "units": {
            f"liveboard@{LIVE}.service": {
                **unit,
                "EnvironmentFiles": "/etc/switchyard/liveboard/env/e1.env (ignore_errors=no)",
            },
            "nginx.service": unit,
        },
        "environ": {f"liveboard@{LIVE}.service": LIVE, "nginx.service": None},
        "manifests": {LIVE: "e1", OLD: "e1"},
        "stacks": {LIVE: "wsgi", OLD: "asgi"},
        "code": [LIVE, OLD],
        "nginx": {"problem": None, "releases": [LIVE]},
        "served": {"status": 200, "header": LIVE, "health": LIVE},
        "leftovers": [],
    }


def test_where_all_is_well_nothing_is_amiss() -> None:
    assert judge.unsound(sound()) == []


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("current", None, "current names nothing"),
        ("current", OLD, f"current is {OLD}, the answer is from {LIVE}"),
        ("served", {"status": 200, "header": OLD, "health": LIVE}, f"nginx's part from {OLD}"),
        ("served", {"status": 502, "header": None, "health": None}, "the health page answers 502"),
        ("nginx", {"problem": None, "releases": [LIVE, OLD]}, f"nginx -T: ['{LIVE}', '{OLD}']"),
        ("nginx", {"problem": "unknown directive", "releases": []}, "nginx -T: unknown directive"),
        ("environ", {f"liveboard@{LIVE}.service": OLD, "nginx.service": None}, f"was told that it is {OLD}"),
        ("environ", {f"liveboard@{LIVE}.service": None, "nginx.service": None}, "instances that run: none"),
        ("manifests", {LIVE: "e2", OLD: "e1"}, "its manifest says e2"),
        ("manifests", {LIVE: "e1", OLD: None}, f"half-made: the record of {OLD} has no manifest"),
        ("code", [LIVE, OLD, "5555"], "half-made: 5555 has code and no record"),
        ("leftovers", ["/run/switchyard-x"], "left behind: /run/switchyard-x"),
    ],
)
def test_what_is_amiss_is_said(part: str, value: Any, said: str) -> None:
    assert said in "\n".join(judge.unsound({**sound(), part: value}))


def test_a_unit_that_is_still_at_work_or_failed_is_not_settled() -> None:
    for state in ("activating", "failed"):
        seen = sound()
        seen["units"]["nginx.service"] = {**seen["units"]["nginx.service"], "ActiveState": state}
        assert judge.unsettled(seen) == [f"nginx.service is {state}/running"]


def test_a_step_is_its_label_and_its_round_in_order_of_appearance() -> None:
    lines = [("a · open", 1), ("a · empty", 1), ("a · open", 2), ("a · open", 1), ("b · os.rename", 1)]
    log = "".join(json.dumps({"label": label, "round": number, "detail": ""}) + "\n" for label, number in lines)
    steps = parse_steps(log)
    assert [(one.label, one.round) for one in steps] == [*lines[:3], lines[4]]
    assert [str(one.step) for one in cases("deploy", "controller", steps)] == [
        "a · open",
        "a · open again",
        "b · os.rename",
    ]


def test_of_steps_that_leave_the_same_host_behind_one_is_taken() -> None:
    move = "cutover.main:1 > cutover.move:2 > cutover._move:3 > disk.write:4"
    build = "modules.release_build.main:1 > release.record:2 > disk.write:4"
    labels = [
        "lease.keep:1 > lease.renew:2 > disk.write:3 · scratch",
        "lease.keep:1 > lease.renew:2 > disk.write:4 · os.chmod",
        *(f"{build} · {event}" for event in ("open", "os.chmod", "os.fsync", "os.rename")),
        f"{build} > disk.sync_folder:9 · os.fsync",
        *(f"{move} · {event}" for event in ("open", "os.chmod", "os.fsync", "os.rename")),
    ]
    steps = [Step(label, 1, "") for label in labels]
    assert [labels.index(one.label) for one in telling("module", steps)] == [0, 2, 5, 6, 7, 8, 9, 10]
    assert [labels.index(one.label) for one in telling("host", steps)] == [2, 5, 6, 7, 8, 9, 10]
    assert [labels.index(one.label) for one in telling("controller", steps)] == [0, 2, 7]


# --- two controllers -------------------------------------------------------------------------------------------------


def together(bench: Bench, first: dict[str, Any], second: dict[str, Any]) -> tuple[Run, Run, str]:
    """Start a deploy and, when it is at work on the host, another one of another version; also tell the first one's."""
    other = Bench(dataclasses.replace(bench.host), bench.source)
    other.host.up()
    Deploy(bench).prepare()
    runs: list[Run] = []
    leader = threading.Thread(target=lambda: runs.append(bench.play("site.yml", **first)), daemon=True)
    bench.arm(None)
    leader.start()
    bench.host.sh(f"for i in $(seq 300); do test -s {STEPS} && break; sleep 0.1; done; rm {CONTROL}")
    Deploy(bench).prepare()  # the first one has packed its source by now
    follower = other.play("site.yml", **second)
    leader.join(timeout=180)
    found = IS_LIVE.search(runs[0].output)
    return runs[0], follower, found.group(1) if found else ""


def test_a_second_controller_does_not_get_in_the_way(bench: Bench) -> None:
    """It says whom it waited for, and for how long."""
    first, second, version = together(bench, {}, {"cutover_lock_wait": 0})
    assert first.rc == 0, first.output
    assert second.rc != 0, "both deployed at once"
    owner = f"{getpass.getuser()}@{socket.gethostname()}"
    assert owner in second.output, second.output
    assert re.search(r"\b\d+ s\b", second.output), f"it does not say for how long: {second.output}"
    assert bench.look()["current"] == version


@pytest.mark.full
def test_a_second_controller_waits_for_the_first(bench: Bench) -> None:
    first, second, version = together(bench, {}, {"cutover_lock_wait": 120})
    assert first.rc == 0, first.output
    assert version, first.output
    assert second.rc == 0, second.output
    live = bench.look()["current"]
    found = IS_LIVE.search(second.output)
    assert found
    assert live == found.group(1) != version, "the last one wins"
    same = bench.play("site.yml")
    assert same.rc == 0, same.output
    assert same.changed == []
    assert bench.look()["current"] == live


@pytest.mark.full
def test_the_lease_of_a_killed_run_is_taken_over_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller knows that its own process is gone."""
    monkeypatch.setitem(bench.host.variables, "cutover_lock_wait", 0)
    steps = bench.record(Deploy(bench))
    verdict = bench.survive(Case("deploy", "controller", steps[len(steps) // 2]))
    assert verdict.problems == []

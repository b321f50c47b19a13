# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a web application whether it is well, and says what kind of failure it met and what to do about it.

Target says where, HttpCheck, WebSocketCheck and EventsCheck say what, Limits says for how long. probe_once() asks one
check once, probe() asks until every check has passed often enough in a row.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.switchyard.django.plugins.module_utils.health_ask import Attempt, ask
from ansible_collections.switchyard.django.plugins.module_utils.health_checks import (
    Check,
    EventsCheck,
    HttpCheck,
    Limits,
    WebSocketCheck,
)
from ansible_collections.switchyard.django.plugins.module_utils.health_classes import CLASSES
from ansible_collections.switchyard.django.plugins.module_utils.health_judge import Problem
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import Target

__all__ = [
    "CLASSES",
    "Attempt",
    "Check",
    "EventsCheck",
    "HttpCheck",
    "Limits",
    "Report",
    "Target",
    "WebSocketCheck",
    "probe",
    "probe_once",
]

# Both end by themselves when a server has started: it is looked for often at first, so that a quick start is seen at
# once.
_NOT_THERE_YET = ("no_socket", "refused")
_FIRST_WAIT = 0.05
_WAIT_GROWTH = 1.5

_TIMEOUTS = ("connect_timeout", "read_timeout", "no_message", "no_event")

# Of a very long wait, the report holds so many attempts from its beginning and its end.
FIRST_ATTEMPTS = 100
LAST_ATTEMPTS = 200


@dataclass(frozen=True)
class Report:
    """What a whole probe found. `attempts` holds all of `attempt_count`, or the first and the last of very many.

    `check`, `failure`, `evidence` and `hint` are those of the failure that stood last; `latency_ms` has min, median and
    max of the attempts that were answered, and is empty where none was. `lasts` says that no waiting mends the failure.
    """

    ok: bool
    attempts: list[Attempt]
    attempt_count: int
    elapsed_ms: float
    latency_ms: dict[str, float]
    check: str | None = None
    failure: str | None = None
    evidence: str = ""
    hint: str = ""
    lasts: bool = False


def probe(
    target: Target,
    checks: Sequence[Check],
    limits: Limits,
    give_up: Callable[[], Problem | None] | None = None,
) -> Report:
    """Ask all checks round after round, until `successes` rounds in a row have passed or it makes no sense to go on.

    That is when the deadline is over, or when a failure that doesn't heal by itself has stood for as long as the
    limits have patience. `give_up` is called after each failed round: where it returns a problem, that ends it too.
    """
    if not checks:
        raise ValueError("checks: there is nothing to ask")
    record = _Record(time.monotonic())
    until = record.started + limits.deadline
    streak = _Streak()
    while True:
        asked_at = time.monotonic()
        answers = _ask_round(target, checks, limits, record.started, until)
        failure = record.add(answers, over=time.monotonic() >= until)
        if failure:
            streak.fail(failure, asked_at)
        elif len(answers) == len(checks):
            streak.succeed()
        if streak.passed >= limits.successes:
            return record.passed()
        hopeless = give_up() if failure and give_up else None
        if hopeless:
            return record.gave_up(hopeless)
        wait = streak.pause(limits)
        if streak.stood_for() >= limits.patience or time.monotonic() + wait >= until:
            return record.failed()
        time.sleep(wait)


def probe_once(target: Target, check: Check, limits: Limits) -> Attempt:
    """Ask one check once. Of the limits, the time-outs, the deadline and the latency limit matter."""
    now = time.monotonic()
    return ask(target, check, limits, now, now + limits.deadline)


def _ask_round(target: Target, checks: Sequence[Check], limits: Limits, started: float, until: float) -> list[Attempt]:
    """One attempt at each check, as far as time allows: a second failure is worth knowing as well."""
    attempts: list[Attempt] = []
    for check in checks:
        if attempts and time.monotonic() >= until:
            break
        attempts.append(ask(target, check, limits, started, until))
        failure = attempts[-1].failure
        if failure and CLASSES[failure].blocks:
            break
    return attempts


def _lasts(attempt: Attempt) -> bool:
    """Whether it stays until somebody mends it. A server that is in trouble may get over it, whatever was asked."""
    in_trouble = attempt.status is not None and attempt.status >= 500
    return attempt.failure is not None and CLASSES[attempt.failure].lasts and not in_trouble


class _Streak:
    """How the latest rounds ended, in a row."""

    def __init__(self) -> None:
        self.passed = 0
        self._failed = 0
        self._not_there = 0
        self._lasting: str | None = None
        self._lasting_since = 0.0

    def succeed(self) -> None:
        self.passed += 1
        self._failed = self._not_there = 0
        self._lasting = None

    def fail(self, failure: Attempt, asked_at: float) -> None:
        self.passed = 0
        self._failed += 1
        self._not_there = self._not_there + 1 if failure.failure in _NOT_THERE_YET else 0
        lasting = failure.failure if _lasts(failure) else None
        if lasting != self._lasting:
            self._lasting, self._lasting_since = lasting, asked_at

    def stood_for(self) -> float:
        """For how many seconds the same failure has stood that doesn't heal by itself; -1 where there is none."""
        return time.monotonic() - self._lasting_since if self._lasting else -1.0

    def pause(self, limits: Limits) -> float:
        pause = limits.pause(self._failed)
        if not self._not_there:
            return pause
        growth: float = _WAIT_GROWTH ** min(self._not_there - 1, 20)
        return min(_FIRST_WAIT * growth, pause)


class _Record:
    """Collects attempts, without letting a long wait fill the memory, and remembers which failure tells most."""

    def __init__(self, started: float) -> None:
        self.started = started
        self._attempts: list[Attempt] = []
        self._count = 0
        self._latencies: list[float] = []
        self._cause: Attempt | None = None

    def add(self, answers: Sequence[Attempt], over: bool) -> Attempt | None:
        """Take up a round, after which the deadline is over or not; the first failure in it."""
        self._count += len(answers)
        self._attempts += answers
        if len(self._attempts) > FIRST_ATTEMPTS + LAST_ATTEMPTS:
            del self._attempts[FIRST_ATTEMPTS:-LAST_ATTEMPTS]
        self._latencies += [attempt.latency_ms for attempt in answers if attempt.status is not None]
        failure = next((attempt for attempt in answers if not attempt.ok), None)
        # A request that the deadline cut off says nothing new: what failed before it does.
        cut_off = over and failure is answers[-1] and failure.failure in _TIMEOUTS
        if failure and not (self._cause and cut_off):
            self._cause = failure
        return failure

    def passed(self) -> Report:
        return self._report(None, None)

    def gave_up(self, problem: Problem) -> Report:
        last = f"; the last probe met {self._cause.failure}: {self._cause.evidence}" if self._cause else ""
        return self._report(None, replace(problem, evidence=problem.evidence + last))

    def failed(self) -> Report:
        cause = self._cause
        if cause and cause.failure:
            return self._report(cause.check, Problem(cause.failure, cause.evidence, cause.hint), _lasts(cause))
        return self._report(None, Problem("deadline", f"{self._count} attempts passed"))

    def _report(self, check: str | None, problem: Problem | None, lasts: bool = False) -> Report:
        return Report(
            ok=problem is None,
            attempts=self._attempts,
            attempt_count=self._count,
            elapsed_ms=round((time.monotonic() - self.started) * 1000, 1),
            latency_ms=self._latency(),
            check=check,
            failure=problem.failure if problem else None,
            evidence=problem.evidence if problem else "",
            hint=problem.hint if problem else "",
            lasts=lasts,
        )

    def _latency(self) -> dict[str, float]:
        if not self._latencies:
            return {}
        return {
            "min": min(self._latencies),
            "median": round(statistics.median(self._latencies), 1),
            "max": max(self._latencies),
        }

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the load generator prints to a table for people."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

BEGIN, END = "<!-- table -->", "<!-- end -->"
HEAD = ("what is asked for", "against", "it does", "ours does", "ratio", "spread", "aim", "")
LEFT = (0, 1, 7)
REACHED, CLOSE, MISSED, INVALID = "reached", "close", "missed", "invalid"


@dataclass(frozen=True)
class Run:
    """What one run of wrk saw."""

    answers: int
    per_second: float
    errors: dict[str, int]


def read_wrk(output: str) -> Run:
    """Every kind of error counts: the speed of answers that are none says nothing."""
    total = re.search(r"^\s*(\d+) requests in ", output, re.MULTILINE)
    speed = re.search(r"^Requests/sec:\s+([\d.]+)$", output, re.MULTILINE)
    if not total or not speed:
        raise ValueError(f"this is no report of wrk's: {output!r}")
    errors = {}
    if sockets := re.search(r"^\s*Socket errors: (.+)$", output, re.MULTILINE):
        errors = {kind: int(number) for kind, number in re.findall(r"(\w+) (\d+)", sockets[1])}
    if statuses := re.search(r"^\s*Non-2xx or 3xx responses: (\d+)$", output, re.MULTILINE):
        errors["status"] = int(statuses[1])
    return Run(int(total[1]), float(speed[1]), {kind: number for kind, number in errors.items() if number})


@dataclass(frozen=True)
class Row:
    """One line of the table. What misses its aim or is invalid fails the whole."""

    what: str
    against: str = ""
    theirs: str = ""
    ours: str = ""
    ratio: str = ""
    spread: str = ""
    aim: str = ""
    verdict: str = ""
    flaws: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.verdict in (MISSED, INVALID)

    def cells(self) -> tuple[str, ...]:
        return (self.what, self.against, self.theirs, self.ours, self.ratio, self.spread, self.aim, self.verdict)


def compare(
    what: str,
    against: str,
    theirs: Sequence[Run],
    ours: Sequence[Run],
    aim: float | None = None,
    floor: float | None = None,
    flaws: Iterable[str] = (),
) -> Row:
    """The median of each round's ratio: what slows the machine down for a while slows both halves of a round.

    :param floor: the least ratio that still counts as close; without one, the aim itself is the least
    :param flaws: what makes the row invalid, whatever was measured
    """
    found = (*flaws, *(f"{whose}: {flaw}" for whose, runs in (("ours", ours), (against, theirs)) for flaw in bad(runs)))
    shown = "" if aim is None else f"{aim:g}"
    if found:
        return Row(what, against, rate(theirs), rate(ours), aim=shown, verdict=INVALID, flaws=found)
    ratios = [mine.per_second / other.per_second for other, mine in zip(theirs, ours)]
    spread = f"{short(min(ratios))}–{short(max(ratios))}"
    verdict = judge(median(ratios), aim, floor)
    return Row(what, against, rate(theirs), rate(ours), short(median(ratios)), spread, shown, verdict)


def bad(runs: Sequence[Run]) -> list[str]:
    """The errors of all runs by their kind, and whether there was no answer at all."""
    kinds = sorted({kind for run in runs for kind in run.errors})
    counted = [f"{sum(run.errors.get(kind, 0) for run in runs)} × {kind}" for kind in kinds]
    return counted + (["no answer in a whole run"] if any(run.answers == 0 for run in runs) else [])


def judge(ratio: float, aim: float | None, floor: float | None = None) -> str:
    if aim is None:
        return ""
    if ratio >= aim:
        return REACHED
    return CLOSE if floor is not None and ratio >= floor else MISSED


def short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"


def rate(runs: Sequence[Run]) -> str:
    speed = median(run.per_second for run in runs)
    return f"{speed:,.0f}/s" if speed >= 100 else f"{speed:.1f}/s"


@dataclass(frozen=True)
class Held:
    """How many WebSockets there were at once, and what they cost.

    :param kib: by who holds them, the memory before, and while all are open
    """

    wanted: int
    opened: int
    echoed: int
    failures: dict[str, int]
    kib: dict[str, tuple[int, int]]

    def rows(self, what: str) -> list[Row]:
        """A shortfall is a figure like any other."""
        verdict = REACHED if self.echoed == self.wanted else MISSED
        held = Row(what, "tutorial", "none", f"{self.echoed:,}", aim=f"{self.wanted:,}", verdict=verdict)
        return [held, *(Row(f"KiB each: {who}", ours=self._each(*kib)) for who, kib in self.kib.items())]

    def _each(self, before: int, open_: int) -> str:
        return f"{(open_ - before) / self.opened:.1f}" if self.opened else ""

    def shortfall(self) -> list[str]:
        if not self.failures:
            return []
        reasons = "; ".join(f"{number} × {reason}" for reason, number in self.failures.items())
        return [f"WebSockets: held {self.echoed:,} of {self.wanted:,}: {reasons}."]


def table(rows: Sequence[Row]) -> str:
    """Why a row is invalid stands below: that may be long."""
    drawn = grid(HEAD, [row.cells() for row in rows], left=LEFT)
    invalid = [f"- {row.what}, against {row.against}: {'; '.join(row.flaws)}." for row in rows if row.flaws]
    return "\n".join([drawn, *(["", *invalid] if invalid else [])])


def grid(head: Sequence[str], lines: Sequence[Sequence[str]], left: Container[int] = ()) -> str:
    """Markdown that reads well in a terminal, too.

    :param left: the columns that are aligned there; figures stand on the right
    """
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    rule = ["-" * (width - 1) + ("-" if column in left else ":") for column, width in enumerate(widths)]

    def aligned(line: Sequence[str]) -> str:
        cells = [
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths))
        ]
        return f"| {' | '.join(cells)} |"

    return "\n".join(map(aligned, [head, rule, *lines]))


def replaced(page: str, text: str) -> str:
    """The page with this text between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table, between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"

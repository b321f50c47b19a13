# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says why a unit does not serve: from its state, its journal and nginx's error log, the likeliest cause first."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import (
    causes,
    clues,
    journal,
    nginx_log,
    tracebacks,
    unit_description,
)
from ansible_collections.switchyard.django.plugins.module_utils.masking import mask
from ansible_collections.switchyard.django.plugins.module_utils.page_text import printable

LONGEST_EVIDENCE = 400
# For so many seconds a unit has to run until what kept it from starting before is over: one that crashes at every start
# runs between two of them, too.
ON_ITS_FEET = 15
QUERY = re.compile(r"\b((?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S*?\?)\S+")
# They name no reason: the last words of the process may.
WITHOUT_A_REASON = ("exited", "crashed", "start_limit_hit", "start_timeout")
NGINX_ERROR_LOG = Path("/var/log/nginx/error.log")


@dataclass(frozen=True)
class Finding:
    """A cause, the line that shows it, and what to do about it.

    :param subject: what it is about: the module, the variable, the table, the path; empty where the line names none
    :param source: journal, systemd or nginx
    :param at: when it was seen last, in seconds since 1970
    """

    cause: str
    subject: str
    evidence: str
    hint: str
    source: str
    at: float
    count: int = 1

    def __str__(self) -> str:
        words = causes.CAUSES[self.cause].words
        return f"{words[:1].upper()}{words[1:]}: {self.evidence.rstrip('.')}. {self.hint}"


def diagnose(
    unit: str, since: float, domains: Collection[str] = (), error_log: Path | None = NGINX_ERROR_LOG
) -> list[Finding]:
    """All that is wrong with a unit, the likeliest cause first, without the secrets of its environment.

    :param domains: the names by which visitors come through nginx, where they do
    """
    described = unit_description.describe(unit)
    lines = nginx_log.read(error_log, since) if error_log else []
    found = in_order(
        [
            *of_state(unit, described.properties),
            *of_journal(journal.read(unit, since), described.properties.get("WorkingDirectory", "")),
            *of_nginx(nginx_log.of_site(lines, domains, described.runtime_folders)),
            *(of_nginx_itself(since) if domains else ()),
        ]
    )
    environments = list(described.environments())
    return [
        _shown(finding, environments)
        for finding in found
        if not _is_over(finding, described.active_since) and not _is_of_a_stranger(finding, domains)
    ]


def _is_over(finding: Finding, active_since: float | None) -> bool:
    """Whether it kept the unit from an earlier start, and the unit has been well on its feet since the latest one."""
    if active_since is None or time.time() - active_since < ON_ITS_FEET:
        return False
    return finding.cause in causes.OF_A_START and finding.at < active_since


def _is_of_a_stranger(finding: Finding, domains: Collection[str]) -> bool:
    """Whether Django rightly refused a name that is none of the site's: who scans the internet sends any."""
    name = finding.subject.rpartition(":")[0] or finding.subject
    return bool(domains) and finding.cause == "disallowed_host" and name not in domains


def _shown(finding: Finding, environments: list[dict[str, str]]) -> Finding:
    """The finding as anybody may see it: without secrets, without what a visitor sent in a query, in one line."""
    evidence, subject = QUERY.sub(r"\1…", finding.evidence), finding.subject
    for variables in environments:
        evidence, subject = mask(evidence, variables), mask(subject, variables)
    return replace(finding, subject=subject, evidence=printable(evidence, LONGEST_EVIDENCE))


def in_words(unit: str, since: float, error_log: Path | None = None) -> str:
    """The likeliest cause in one line, or nothing. That it can't be found out is no failure of its own."""
    try:
        found = diagnose(unit, since, error_log=error_log)
    except (OSError, ValueError, journal.JournalError):
        return ""
    return str(found[0]) if found else ""


def of_output(text: str) -> Finding | None:
    """Why a program failed, by what it printed; None where its words are not known."""
    entries = [journal.Entry(0, "", False, line) for line in text.splitlines()]
    found = in_order(finding for finding in of_journal(entries) if finding.cause != "exception")
    return _shown(found[0], []) if found else None


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """One finding for each cause and what it is about, with the latest line; causes before what follows from them."""
    merged: dict[tuple[str, str], Finding] = {}
    for finding in found:
        key = (finding.cause, finding.subject)
        before = merged.get(key)
        latest = finding if before is None or finding.at >= before.at else before
        merged[key] = replace(latest, count=finding.count + (before.count if before else 0))
    return sorted(merged.values(), key=lambda one: (causes.ORDER[one.cause], -one.at))


# --- the sources -----------------------------------------------------------------------------------------------------


def of_state(unit: str, properties: Mapping[str, str]) -> Iterator[Finding]:
    clue = clues.of_state(properties)
    if clue:
        shown = [properties.get(name, "") for name in ("LoadState", "ActiveState", "SubState", "Result")]
        error = properties.get("LoadError", "").partition(" ")[2].strip('"')
        evidence = f"{unit} is {'/'.join(filter(None, shown))}" + (f": {error}" if error else "")
        yield _finding(clue, evidence, "systemd", time.time())


def of_journal(entries: list[journal.Entry], folder: str = "") -> Iterator[Finding]:
    """What systemd wrote, and what each process of the unit did: their lines may lie between one another's.

    :param folder: the unit's working directory, without which the paths of its files are shown
    """
    theirs = [entry for entry in entries if not entry.manager]
    telling = [entry for entry in theirs if clues.says_something(entry.message)]
    for finding in (*_of_manager(entries), *_of_processes(theirs, folder)):
        if finding.cause in WITHOUT_A_REASON:
            words = _last_words(telling, finding)
            yield replace(finding, evidence=f"{finding.evidence}{words}")
        else:
            yield finding


def _last_words(entries: list[journal.Entry], finding: Finding) -> str:
    said = [entry.message for entry in entries if entry.at <= finding.at]
    return f" It said last: {said[-1].strip()}" if said and said[-1] != finding.evidence else ""


def _of_manager(entries: list[journal.Entry]) -> Iterator[Finding]:
    written = [entry for entry in entries if entry.manager]
    kills = clues.kills(entry.message for entry in written)
    for entry in written:
        clue = clues.of_manager(entry.message, kills)
        if clue:
            yield _finding(clue, entry.message, "systemd", entry.at)


def _of_processes(entries: list[journal.Entry], folder: str) -> Iterator[Finding]:
    given_up = clues.timed_out(entry.message for entry in entries)
    for pid in dict.fromkeys(entry.pid for entry in entries):
        yield from _of_process([entry for entry in entries if entry.pid == pid], given_up, folder)


def _of_process(entries: list[journal.Entry], given_up: Collection[str], folder: str) -> Iterator[Finding]:
    chains = tracebacks.find(entry.message for entry in entries)
    for chain in chains:
        telling = clues.of_chain(chain)
        if telling:
            raised, clue = telling
            yield _finding(clue, _with_place(raised, folder), "journal", entries[raised.number].at)
    told = {raised.number for chain in chains for raised in chain}
    for number, entry in enumerate(entries):
        line = None if number in told else clues.of_line(entry.message, given_up)
        if line:
            yield _finding(line, entry.message, "journal", entry.at)


def _with_place(raised: tracebacks.Raised, folder: str) -> str:
    """The exception, and the project's own line that raised it or imported what can't be."""
    place = str(raised.own or raised.caller or "")
    if folder:
        place = place.replace(f"{folder.rstrip('/')}/", "", 1)
    return f"{raised.text} ({place})" if place else raised.text


def of_nginx(lines: list[nginx_log.Line]) -> Iterator[Finding]:
    for line in lines:
        clue = clues.of_nginx(line.message)
        if clue:
            yield _finding(clue, line.text, "nginx", line.at)


def of_nginx_itself(since: float) -> Iterator[Finding]:
    """Whether nginx runs, and whether it has refused a configuration since it last took one up."""
    described = unit_description.describe("nginx.service")
    if described.properties.get("LoadState") != "loaded":
        return
    entries = journal.read("nginx.service", since)
    refused = [entry for entry in entries if clues.NGINX_REFUSES.search(entry.message)]
    taken_up = max((entry.at for entry in entries if clues.takes_up(entry.message)), default=0)
    for entry in refused:
        if entry.at > taken_up:
            yield _finding(clues.Clue("nginx_config"), entry.message, "nginx", entry.at)
    if described.properties.get("ActiveState") != "active":
        state = "/".join(described.properties.get(name, "") for name in ("ActiveState", "SubState", "Result"))
        yield _finding(clues.Clue("nginx_down"), f"nginx.service is {state}", "systemd", time.time())


def _finding(clue: clues.Clue, evidence: str, source: str, at: float) -> Finding:
    return Finding(clue.cause, clue.subject, evidence, causes.CAUSES[clue.cause].hint, source, round(at, 3))

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has done, in a few lines that a person can paste into a chat; on a failure, the cause first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import listing, migration_files, run_undo
from ansible_collections.switchyard.django.plugins.module_utils.commands import Commands
from ansible_collections.switchyard.django.plugins.module_utils.listing import headline, row

NOUNS = {"deploy": "deploy", "rollback": "rollback", "restore": "restore"}
# The lines of a cause and of what is said beside, at most: the whole of it stands above.
CAUSE, BESIDE = 3, 3
NOTHING_CHANGED = "Nothing was changed: this was a check."


@dataclass(frozen=True)
class Failure:
    """Why a run ended, in the words of the task that failed.

    :param host: where it failed; empty for what was judged once for all hosts
    """

    host: str
    task: str
    message: str


@dataclass(frozen=True)
class Run:
    """All that is known of a run.

    :param operation: deploy, rollback or restore
    :param release: what was to be live; empty where the run did not come so far
    :param hosts: what the modules returned, by host and by what it is: plan, read, lock, release, venv, build,
        saved, migrated, gate, move, back, rollback, reversed, restore. What did not run is not there.
    :param absent: the site's hosts that --limit left out
    :param lost: the hosts that can't be reached any more
    :param seconds: how long it took; 0 where that is not known
    :param backup: whose data a restore brought back
    :param reason: why it was done, in the user's own words
    :param effects: what the files of migrations that were applied say of each, by its name
    """

    site: str
    operation: str
    release: str
    hosts: Mapping[str, Mapping[str, Any]]
    commands: Commands
    seconds: float = 0
    check: bool = False
    absent: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    backup: str = ""
    reason: str = ""
    effects: Mapping[str, Iterable[str]] = field(default_factory=dict)

    def of(self, name: str) -> dict[str, Any]:
        """What one kind of module returned, by host, where it ran and did not fail."""
        return {
            host: facts[name]
            for host, facts in self.hosts.items()
            if facts.get(name) and not facts[name].get("skipped") and not facts[name].get("failed")
        }

    @property
    def moves(self) -> dict[str, Any]:
        """What came of the cutover, by host: of a rollback of one host it is a part of its only call."""
        inside = {host: one["outcome"] for host, one in self.of("rollback").items() if one.get("outcome")}
        return {**inside, **self.of("move")}


# --- releases --------------------------------------------------------------------------------------------------------


def described(run: Run, release: str) -> str:
    """A release in the words of a person, as far as any host has told."""
    for facts in run.hosts.values():
        state = (facts.get("read") or {}).get("state") or {}
        manifest = state.get("releases", {}).get(release)
        if manifest:
            return listing.release(manifest)
        for name in ("move", "back", "rollback"):
            found = facts.get(name) or {}
            for told in (found, found.get("outcome") or {}):
                if release in (told.get("described") or {}):
                    return str(told["described"][release])
        named = facts.get("release") or {}
        if named.get("id") == release and "wanted" in named:
            return listing.release({"id": release, **named["wanted"]["manifest"]})
    return release


def before(run: Run) -> dict[str, str]:
    """The release that was live when the run began, by host; a host that never answered is not there."""
    found = {}
    for host, facts in run.hosts.items():
        move, read, rollback = (facts.get(name) or {} for name in ("move", "read", "rollback"))
        for told in (move, rollback.get("outcome") or {}):
            if "source" in told:
                found[host] = told["source"] or ""
        if host not in found and "state" in read:
            found[host] = read["state"]["live"] or ""
        if host not in found and "live" in rollback:
            found[host] = rollback["live"] or ""
    return found


def grouped(run: Run, releases: Mapping[str, str], nothing: str) -> str:
    """Releases and their hosts; where all hosts have the same, that one alone."""
    alike: dict[str, list[str]] = {}
    for host, release in releases.items():
        alike.setdefault(release, []).append(host)
    told = {described(run, release) if release else nothing: hosts for release, hosts in alike.items()}
    if len(told) == 1:
        return next(iter(told))
    return "; ".join(f"{said} on {listing.some(hosts)}" for said, hosts in told.items())


# --- what went well --------------------------------------------------------------------------------------------------


def done(run: Run) -> list[str]:
    """What the run has done."""
    sources = before(run)
    moved = [host for host, source in sources.items() if host in run.moves and source != run.release]
    said = {host: run.moves[host]["said"] for host in moved or run.moves}
    first = next(iter(said.values()), f"{described(run, run.release)} is live")
    if run.check and f"{run.release} (" not in first:  # the module says but the identifier: it need not be there yet
        first = first.replace(run.release, described(run, run.release))
    lines = headline(f"{run.site}: {first}")
    if moved:
        lines += row(
            "before", grouped(run, {host: sources[host] for host in moved}, "nothing: it is the first release")
        )
    lines += row("reason", run.reason if moved and run.operation == "rollback" else "", BESIDE)
    lines += row("hosts", _hosts(run, moved))
    if moved and not run.check:
        lines += row("gate", gate(run))
    lines += row("migrations", migrations(run))
    lines += row("seconds", seconds(run))
    lines += row("beside", _beside(run), BESIDE)
    return [*lines, NOTHING_CHANGED] if run.check else lines + run_undo.undo(run, sources, moved)


def _hosts(run: Run, moved: list[str]) -> str:
    others = [host for host in run.moves if host not in moved]
    said = listing.some(moved or others)
    if moved and others:
        said += f"; live already on {listing.some(others)}"
    if run.absent:
        way = (
            "the next run without it takes them along"
            if run.operation == "deploy"
            else f"the same without it and with -e rollback_to={run.release} takes them along"
        )
        said += f"; left out by --limit, with the release that they had: {listing.some(run.absent)} ({way})"
    return said


def gate(run: Run) -> str:
    """What was asked of the release before the traffic moved."""
    gates = [*run.of("gate").values(), *(one["gate"] for one in run.of("rollback").values() if one.get("gate"))]
    probed = next((one["probed"] for one in gates if one.get("probed")), None)
    if probed is None:
        return "it ran and was live there already; it answers through nginx"
    opened = f", a WebSocket opened at {probed['websocket']}" if probed["websocket"] else ""
    return f"{probed['path']} answered {probed['times']} times in a row{opened}; then it answered through nginx"


def migrations(run: Run) -> str:
    """What became of the database; empty where nobody looked at it."""
    applied = run_undo.applied(run)
    saved = run_undo.saved(run)
    kept = f"; the data as it was before is saved as {saved}" if saved else ""
    if run.of("migrated"):
        return f"{listing.some(applied)} applied{kept}"
    left: list[str] = next((one["left"] for one in run.of("rollback").values() if one.get("left")), [])
    if run.of("reversed"):
        return f"{listing.some(left)} undone"
    if left:
        many = listing.count(len(left), "migration")
        said = f"{many} that it does not know stay{'s' if len(left) == 1 else ''} applied: {listing.some(left)}"
        return said + _with_them(run)
    if run.operation == "restore":
        return f"as in {run.backup}, whose data {'would be' if run.check else 'is'} back{kept}"
    if run_undo.left(run):
        return f"none to apply; {listing.some(run_undo.left(run))} applied by a run before"
    return "none to apply" if run.of("build") else ""


def _with_them(run: Run) -> str:
    """What a rollback's release can't do with the migrations that stay; a check says how they would be undone."""
    effects: Mapping[str, Iterable[str]] = next(
        (one["effects"] for one in run.of("rollback").values() if one.get("effects")), {}
    )
    harm, stuck = migration_files.told(effects), migration_files.one_way(effects)
    said = f"; with that the release {harm}" if harm else ""
    if stuck:
        return f"{said}; {listing.some(stuck)} can't be undone"
    return said + ("; rollback_migrations=reverse would undo it" if run.check else "")


PHASES = {
    "build": "to build and check",
    "migrate": "to migrate",
    "gate": "at the gate",
    "move": "to move",
}


def seconds(run: Run) -> str:
    """How long it took, and which part of that each phase, on the slowest of the hosts that were at it at once."""
    named, plans = run.of("release"), run.of("plan")
    parts = []
    if named and plans:
        prepared = max(one["began"] for one in named.values()) - min(one["began"] for one in plans.values())
        parts = [f"{prepared:.0f} to prepare"] if prepared >= 0.5 else []
    hosts = [_phases(facts) for facts in run.hosts.values()]
    for phase, said in PHASES.items():
        results = [host[phase] for host in hosts]
        took = max((sum(one.get("seconds", 0) for one in each) for each in results), default=0)
        failed_here = any(one.get("failed") for each in results for one in each)
        if took >= 0.5:
            parts.append(f"{took:.0f} {said}" + (", where it failed" if failed_here else ""))
    if not run.seconds:
        return ", ".join(parts)
    return f"{run.seconds:.0f}" + (f", of which {', '.join(parts)}" if parts else "")


def _phases(facts: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """What the modules of each phase returned for a host, where they failed as well."""
    found = {name: facts.get(name) or {} for name in ("venv", "build", "migrated", "reversed", "gate", "move")}
    back = facts.get("rollback") or {}  # of one host it is a rollback in a single call
    has_failed = {"failed": back.get("failed", False)}
    return {
        "build": [found["venv"], found["build"]],
        "migrate": [found["migrated"], found["reversed"]],
        "gate": [found["gate"], {**(back.get("gate") or {}), **has_failed}],
        "move": [found["move"] or back.get("outcome") or {}],
    }


def _beside(run: Run) -> str:
    """What the cutover notes, with the hosts where not all of them say it."""
    notes: dict[str, list[str]] = {}
    for host, move in run.moves.items():
        for note in move.get("notes", []):
            notes.setdefault(note.removeprefix("but "), []).append(host)
    return "; ".join(
        note if len(hosts) == len(run.moves) else f"{note} ({listing.some(hosts)})" for note, hosts in notes.items()
    )


# --- what went wrong -------------------------------------------------------------------------------------------------


def cause(run: Run, failures: list[Failure]) -> str:
    """Why the run ended, in a sentence."""
    noun = f"{'check of the ' if run.check else ''}{NOUNS[run.operation]}"
    said = failures[0].message if failures else ""
    if not said and run.lost:
        said = f"{listing.some(run.lost)} can't be reached"
    why = _first(said).removeprefix(f"{run.site}: ") or "the message above says why"
    is_told = len(run.hosts) == 1 or why.partition(":")[0] in run.hosts
    hosts = list(dict.fromkeys(one.host for one in failures if one.host))
    where = f" on {listing.some(hosts)}" if hosts and not is_told else ""
    if len({_first(one.message) for one in failures}) > 1:
        why = f"{hosts[0]}: {why}"
    return f"{run.site}: the {noun} failed{where}: {why}"


def failed(run: Run, failures: list[Failure]) -> list[str]:
    """Why the run ended, what serves now, and what it leaves."""
    lines = headline(cause(run, failures), CAUSE)
    if failures:
        lines += row("task", failures[0].task)
    lines += row("hosts", _failed_hosts(run, failures))
    if run.operation != "restore":  # which may have left the site stopped, and says so in its message
        lines += row("live", _live(run))
    if run.release:
        lines += row("wanted", described(run, run.release))
    lines += row("migrations", _left(run))
    lines += row("seconds", seconds(run))
    return lines + row("next", "do what the message above says, and run again")


def _failed_hosts(run: Run, failures: list[Failure]) -> str:
    """Where it failed, with what others say of it where they say something else; the others end with these."""
    if len(run.hosts) == 1:
        return next(iter(run.hosts))
    failed_on = [one.host for one in failures if one.host in run.hosts]
    others = [host for host in run.hosts if host not in failed_on]
    if not failed_on:
        return listing.some(others)
    said = f"failed on {listing.some(failed_on)}" + (f"; ended with it on {listing.some(others)}" if others else "")
    for one in failures[1:CAUSE]:
        if _first(one.message) != _first(failures[0].message):
            said += f"; {one.host}: {_first(one.message)}"
    return said


def _first(message: str) -> str:
    """The first line, and the next one where it only leads to that."""
    lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
    return " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])


def _live(run: Run) -> str:
    """What serves now, by host."""
    now = {}
    for host, release in before(run).items():
        move, back = run.moves.get(host, {}), run.hosts[host].get("back") or {}
        went = bool(move.get("moved")) and not back.get("moved")
        now[host] = run.release if went and run.release else release
    unknown = [
        host
        for host, facts in run.hosts.items()
        if host in run.lost or (_is_cut_off(facts.get("move") or {}) or _is_cut_off(facts.get("back") or {}))
    ]
    known = {host: release for host, release in now.items() if host not in unknown}
    as_before = known == {host: release for host, release in before(run).items() if host in known}
    said = grouped(run, known, "nothing") + (", as before" if as_before else "") if known else ""
    lost = f"{listing.some(unknown)}: not known from here" if unknown else ""
    return "; ".join(part for part in (said, lost) if part)


def _is_cut_off(result: Mapping[str, Any]) -> bool:
    """Whether a cutover ended without a word: its host serves the one release or the other."""
    return bool(result.get("unreachable") or result.get("timedout"))


def _left(run: Run) -> str:
    """What stays in the database of a release that did not go live, or was undone for one."""
    if run.of("reversed"):
        left = next(one["left"] for one in run.of("rollback").values())
        is_live = run.moves and all(one.get("moved") for one in run.moves.values())
        return f"{listing.some(left)} undone" + (
            "" if is_live else "; as the traffic did not move, they are applied again"
        )
    standing = run_undo.standing(run)
    if not standing:
        return ""
    saved = run_undo.saved(run)
    way = f"; the data as it was before: {run.commands.of('restore', restore_backup=saved)}" if saved else ""
    harm = migration_files.told(run.effects)
    said = f"{listing.some(standing)} applied, and still there" + (
        f"; with that the release before {harm}" if harm else ""
    )
    return f"{said}{way}"

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a site's traffic to an instance that has passed its gate, or leaves everything as it was.

This runs on the host, as a transient systemd unit of its own, so that a controller which dies in the middle does not
stop it. The one pointer is /etc/switchyard/SITE/current: nginx includes what lies behind it, and at boot systemd starts
what it names.

What is written, in this order, each synced before the next: the intent (history.jsonl), the way back (undo.json),
nginx's files of the site, the pointer, the outcome. The background processes follow the pointer. A move that is cut
off, by whatever, is ended by the next one: forwards where the pointer has moved and the new release answers, and else
back.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    default_server,
    diagnosis,
    disk,
    gate,
    guard,
    history,
    host_command,
    host_program,
    listing,
    nginx_service,
    processes,
    state,
    timing,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils import edge as edge_rules
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import Check, Limits, Report, Target, probe
from ansible_collections.switchyard.django.plugins.module_utils.layout import SITES, Layout
from ansible_collections.switchyard.django.plugins.module_utils.tls import Tls

# Wider than what nginx calls immutable: to keep a file more does no harm, and a hash may be of digits alone.
HASHED_NAME = re.compile(r"\.[0-9a-f]{8,}\.")
# How far back the journal is asked why an instance went away after its gate, in seconds.
LATELY = 120
WELCOME = Limits(connect_timeout=2, read_timeout=10, deadline=10, interval=0.2)
# nginx takes up a new configuration some time after it was told to.
EDGE_LIMITS = Limits(connect_timeout=2, read_timeout=10, successes=3, interval=0.02, deadline=20)


class CutoverError(Exception):
    """Traffic could not be moved; the message is for the user."""


@dataclass(frozen=True)
class Plan:
    """What to move where.

    :param edge: path -> text of nginx's files that are the site's or the host's, not a release's; None for a file that
        is to go, and nothing at all to leave them
    :param notes: what is to be said of those files
    :param drain: seconds for which the old instance lives on at most; 0 for what its longest request needs
    :param settle: seconds for which the host watches the new instance, ready to go back
    :param release: its identifier; empty for none, which undoes the first cutover of a site
    :param operation: deploy, rollback, recovery, which goes back together with the data, restore, which undoes the
        cutover before it, or return, which is the host's own
    :param explicit: whether the user named the release
    :param reason: why, for the history
    :param reversed: the migrations that were undone for it
    :param regained: the migrations that are applied again
    :param backup: whose data was brought back for it
    :param only_from: move only while this release is live
    """

    site: str
    release: str
    operation: str
    by: str
    explicit: bool = False
    reason: str = ""
    reversed: list[str] = field(default_factory=list)
    regained: list[str] = field(default_factory=list)
    backup: str = ""
    only_from: str = ""
    edge: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    drain: int = 0
    settle: int = 10


@dataclass(frozen=True)
class Outcome:
    """How it ended.

    :param notes: what is to be said beside the message, such as what becomes of the others
    """

    moved: bool
    source: str | None
    message: str
    edge_before: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """The message and the notes."""
        return ", ".join([self.message, *self.notes])


@dataclass(frozen=True)
class Undo:
    """The way back from a move that is under way."""

    source: str | None
    target: str
    edge: dict[str, str | None]


def describe(layout: Layout, release: str) -> str:
    """A release on the host in the words of a person."""
    return listing.release(json.loads(layout.manifest(release).read_text()))


def is_settled(plan: Plan) -> bool:
    """Whether the release is live already, by the pointer, by nginx's files and by the edge's own answer.

    That data was brought back is written into the history by a move, be it to where it was.
    """
    layout = Layout(plan.site)
    cut_off = layout.undo.exists() or history.unfinished(history.read(layout.history))
    return not cut_off and not plan.backup and _serves(layout, plan)


def _serves(layout: Layout, plan: Plan) -> bool:
    if state.live_release(layout) != plan.release:
        return False
    if any(disk.text_of(Path(path)) != text for path, text in plan.edge.items()):
        return False
    if not processes.are_settled(layout, plan.release):
        return False
    return _edge_answers(layout, plan.release, Limits(read_timeout=10, deadline=2, interval=0.2)).ok


def move(plan: Plan) -> Outcome:
    """End what was cut off; then validate, move the pointer, reload, see the new release answer; or else go back."""
    layout = Layout(plan.site)
    # nginx refuses or takes its configuration as a whole: a neighbour's must not be half written just then.
    with disk.locked(layout.run / "cutover.lock"), disk.locked(layout.nginx_lock):
        ended = _end_what_was_cut_off(layout)
        live = state.live_release(layout)
        if plan.only_from and plan.only_from != live:
            return Outcome(False, live, f"{plan.only_from} is not live any more")
        if ended and ended.target == plan.release and not plan.backup and _serves(layout, plan):
            return _moved(layout, plan, ended)
        return _move(layout, plan, live) if plan.release else _withdraw(layout, plan, live)


def _move(layout: Layout, plan: Plan, before: str | None) -> Outcome:
    started = time.monotonic()
    entry: dict[str, Any] = {
        "operation": plan.operation,
        "from": before,
        "to": plan.release,
        "stack": json.loads(layout.manifest(plan.release).read_text())["stack"],
        "by": plan.by,
        "explicit": plan.explicit,
        "reason": plan.reason,
        **{name: value for name in ("reversed", "regained", "backup") if (value := getattr(plan, name))},
    }
    try:
        history.record(layout.history, "intent", **entry)
    except OSError as problem:
        return Outcome(False, before, f"{layout.history} can't be written: {problem}\nNothing was changed.")
    undo = Undo(before, plan.release, {path: disk.text_of(Path(path)) for path in plan.edge})
    try:
        if plan.operation in ("restore", "return"):  # its drain may be over by now
            guard.let_live(layout, plan.release)
            host_command.run(["systemctl", "start", layout.unit(plan.release)], check=False, capture_output=True)
        _require_instance(layout, plan.release)
        _require_welcome(layout, plan)
        _validate_candidate(layout, plan)
    except (CutoverError, OSError) as problem:
        return _failed(layout, plan, entry, started, f"{problem}\nNothing was changed.")
    try:
        disk.write(layout.undo, json.dumps(asdict(undo)).encode(), 0o600)
        _keep_hashed_files(layout, before)
        _write_edge(plan.edge)
        disk.point(layout.current, f"releases/{plan.release}")
        _reload_nginx()
        _require_answer(layout, plan.release)
        processes.settle(layout, plan.release, is_new=plan.release != before)
    except (CutoverError, processes.ProcessError, OSError, subprocess.CalledProcessError) as problem:
        restored = _restore(layout, undo)
        return _failed(layout, plan, entry, started, f"{problem}\n{restored}")
    history.record(layout.history, "outcome", result="live", seconds=_since(started), **entry)
    return _moved(layout, plan, undo)


def _moved(layout: Layout, plan: Plan, undo: Undo) -> Outcome:
    """Hand over to the guard, and only then forget the way back: where this is cut off it is done again."""
    disk.remove(layout.reversal)
    notes = _hand_to_guard(layout, plan, undo)
    disk.remove(layout.undo)
    if plan.operation in ("rollback", "recovery") and undo.source in history.rejected(history.read(layout.history)):
        way_on = (
            "site.yml with release_retry=true brings it back"
            if plan.operation == "rollback"
            else "its migrations would do to the data what they did: deploy a version in which they are mended"
        )
        notes.append(f"{undo.source} was rolled away from; {way_on}")
    again = f" with the data of {plan.backup}" if plan.backup else ""
    if undo.source == plan.release and not plan.backup:
        changed = (
            "what nginx does for the site has changed" if undo.edge != plan.edge else "all that belongs to it runs"
        )
        again = f" as before, and {changed}"
    return Outcome(True, undo.source, f"{describe(layout, plan.release)} is live{again}", undo.edge, notes)


def _withdraw(layout: Layout, plan: Plan, live: str | None) -> Outcome:
    """Take the first release of a site away again, because another host could not follow."""
    entry = {"operation": plan.operation, "from": live, "to": None, "stack": None, "by": plan.by, "explicit": False}
    history.record(layout.history, "intent", **entry)
    message = _restore(layout, Undo(None, "", plan.edge))
    gone = state.live_release(layout) is None
    history.record(layout.history, "outcome", result="live" if gone else "failed", reason=message, **entry)
    guard.look_away(layout)
    notes = _let_end(layout, live, plan.drain) if live else []
    return Outcome(gone, live, message.rstrip("."), notes=notes)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _failed(layout: Layout, plan: Plan, entry: dict[str, Any], started: float, message: str) -> Outcome:
    """Note the failure, and let the instance end that traffic did not stay with."""
    history.record(
        layout.history, "outcome", **{**entry, "result": "failed", "reason": message, "seconds": _since(started)}
    )
    disk.remove(layout.undo)
    if plan.release != entry["from"]:
        _let_end(layout, plan.release, plan.drain)
    return Outcome(False, entry["from"], message)


# --- a move that was cut off -----------------------------------------------------------------------------------------


def _end_what_was_cut_off(layout: Layout) -> Undo | None:
    """Bring the move before to an end, if it has none: forwards or back, by what the pointer and the edge say.

    Return its way back where it ended well, for the guard may not know of it yet.
    """
    cut_off = history.unfinished(history.read(layout.history))
    undo = _read_undo(layout)
    if cut_off is None:
        return undo
    entry = {name: value for name, value in cut_off.items() if name not in ("phase", "at")}
    if undo is None or undo.target != entry["to"]:
        reason = "cut off before it changed anything"
        history.record(layout.history, "outcome", **{**entry, "result": "failed", "reason": reason})
        return None
    try:
        if state.live_release(layout) != undo.target:
            raise CutoverError("cut off before the pointer moved")
        _reload_nginx()
        _require_answer(layout, undo.target)
        processes.settle(layout, undo.target, is_new=undo.target != undo.source)
    except (CutoverError, processes.ProcessError, OSError) as problem:
        reason = f"{problem}\n{_restore(layout, undo)}"
        history.record(layout.history, "outcome", **{**entry, "result": "failed", "reason": reason})
        disk.remove(layout.undo)
        return None
    history.record(layout.history, "outcome", **{**entry, "result": "live"})
    return undo


def _read_undo(layout: Layout) -> Undo | None:
    text = disk.text_of(layout.undo)
    return Undo(**json.loads(text)) if text else None


# --- what the host sees to from here on ------------------------------------------------------------------------------


def _hand_to_guard(layout: Layout, plan: Plan, undo: Undo) -> list[str]:
    """Have the new instance watched and the others end. Traffic has moved: what goes wrong here is no failure of it."""
    notes = []
    try:
        guard.let_live(layout, plan.release)
        # Where migrations were undone, the release before no longer fits the database.
        if plan.settle and undo.source and undo.source != plan.release and not plan.reversed:
            guard.watch(layout, plan.release, undo.source, plan.settle, plan.drain, undo.edge)
        else:
            guard.look_away(layout)
    except (OSError, host_program.ProgramError) as problem:
        notes.append(f"but nobody watches it: {problem}")
    # One that systemd is about to start again counts: it would crash and start for ever.
    others = [release for release in state.at_work(layout) if release != plan.release]
    for release in sorted(others):
        notes += _let_end(layout, release, plan.drain, plan.settle)
    return notes


def _let_end(layout: Layout, release: str, drain: int, warm: int = 0) -> list[str]:
    seconds = drain or timing.drain_of(state.manifest(layout, release))
    try:
        if release != state.live_release(layout) and units.is_at_work(layout.unit(release)):
            guard.let_end(layout, release, max(seconds, warm), warm)
            return [f"{release} lives on for its connections, {max(seconds, warm)} s at most"]
    except (OSError, subprocess.CalledProcessError, host_program.ProgramError):
        return [f"but {release} lives on until somebody stops it: systemctl stop {layout.unit(release)}"]
    return []


# --- the steps -------------------------------------------------------------------------------------------------------


def _require_instance(layout: Layout, release: str) -> None:
    unit = layout.unit(release)
    if not units.is_active(unit):
        away = f"{unit} went away between its gate and the cutover. journalctl -u {unit} has all of it."
        raise CutoverError(f"{diagnosis.in_words(unit, time.time() - LATELY)}\n{away}".strip())


def _require_welcome(layout: Layout, plan: Plan) -> None:
    """Ask the instance by the name under which visitors come today, before any of them does."""
    page, _handshake = _visits(layout, plan.release, _edge(layout, plan))
    manifest = json.loads(layout.manifest(plan.release).read_text())
    report = probe(gate.target_of(layout, manifest), page, WELCOME)
    if not report.ok:
        raise CutoverError(
            f"{plan.release} does not serve the names that the site has now: {report.failure}: {report.evidence} "
            f"{report.hint}"
        )


def _write_edge(files: dict[str, str | None]) -> None:
    for path, text in files.items():
        disk.put(Path(path), text)


def _validate_candidate(layout: Layout, plan: Plan) -> None:
    """Let nginx read its real configuration with the candidate in its place, in a mount namespace that ends with it."""
    scratch = layout.run / "candidate"
    disk.clear(scratch)
    site = scratch / "site"
    (site / "current").mkdir(parents=True)
    shutil.copytree(layout.record(plan.release) / "nginx", site / "current" / "nginx")
    for kept in (layout.edge_files, layout.tls):
        if kept.is_dir():
            shutil.copytree(kept, site / kept.name)
    mounts = {layout.etc: site}
    # A folder before those in it: what is mounted later lies on top.
    for path, text in sorted(plan.edge.items(), key=lambda item: Path(item[0]).parts[:-1]):
        folder = Path(path).parent
        if folder.is_relative_to(layout.etc):
            disk.put(site / Path(path).relative_to(layout.etc), text)
            continue
        if folder == SITES:  # notes of ours, which nginx does not read
            continue
        copy = scratch / folder.name
        if folder not in mounts:
            shutil.copytree(folder, copy, symlinks=True)
            mounts[folder] = copy
        disk.put(copy / Path(path).name, text)
    done = nginx_service.read_with(mounts)
    disk.clear(scratch)
    if done.returncode:
        raise CutoverError(_refused(layout, done.stderr))
    taken = default_server.conflicts(done.stderr, _edge(layout, plan)["hosts"])
    if taken:
        owners = [file for file in default_server.files_with(taken[0]) if file != str(layout.edge)]
        raise CutoverError(default_server.taken(taken, owners[0] if owners else "another server of nginx"))


def _refused(layout: Layout, said: str) -> str:
    """Whose fault it is that nginx refuses the configuration: ours, or that of what was there before."""
    words = "\n".join(line for line in said.strip().splitlines() if "[warn]" not in line)
    return nginx_service.refused_already(layout) or f"nginx refuses the configuration:\n{words}"


def _keep_hashed_files(layout: Layout, release: str | None) -> None:
    """Keep what pages that are still open refer to: a hashed name means one content for ever."""
    if release is None or not layout.static(release).is_dir():
        return
    linked = False
    for parent, _folders, files in os.walk(layout.static(release)):
        kept = layout.earlier_static / os.path.relpath(parent, layout.static(release))
        for name in files:
            if HASHED_NAME.search(name) and not (kept / name).exists():
                kept.mkdir(mode=0o755, parents=True, exist_ok=True)
                os.link(os.path.join(parent, name), kept / name)
                linked = True
    if linked:
        disk.settle(layout.earlier_static)


def _reload_nginx() -> None:
    problem = nginx_service.reload()
    if problem:
        raise CutoverError(problem)


def _edge(layout: Layout, plan: Plan | None = None) -> dict[str, Any]:
    """The port and the names by which the edge is asked: those of the plan, or else those on the disk."""
    text = plan.edge.get(str(layout.edge_names)) if plan else None
    return json.loads(text) if text else state.edge(layout)


def _visits(
    layout: Layout, release: str, edge: dict[str, Any], headers: dict[str, str] | None = None
) -> tuple[list[Check], list[Check]]:
    """The release's probes, under a name that the site has today: it may have had others on the release's day."""
    wanted = json.loads(layout.manifest(release).read_text())["gate"]
    host = wanted["host"] if wanted["host"] in edge["hosts"] else edge["hosts"][0]
    return gate.checks({**wanted, "host": host}, response_headers=headers)


def _edge_answers(layout: Layout, release: str, limits: Limits) -> Report:
    edge = _edge(layout)
    visits = _visits(layout, release, edge, {gate.RELEASE_HEADER: release})
    host, port = edge_rules.place(edge)
    # Whom the certificate is for was judged before; here it is about who answers.
    tls = Tls(edge["hosts"][0], validate=False) if edge.get("tls") else None
    return gate.ask(Target(host=host, port=port, tls=tls), visits, limits)


def _require_answer(layout: Layout, release: str) -> None:
    since = time.time()
    report = _edge_answers(layout, release, EDGE_LIMITS)
    if not report.ok:
        cause = diagnosis.in_words(layout.unit(release), since, diagnosis.NGINX_ERROR_LOG)
        met = f"{release} does not answer through nginx: {report.failure}: {report.evidence}"
        raise CutoverError(f"{cause}\n{met}" if cause else f"{met} {report.hint}".strip())


def _restore(layout: Layout, undo: Undo) -> str:
    """Put pointer, edge and processes back and say what serves now."""
    problems = []
    try:
        _put_back(layout, undo)
        _reload_nginx()
        if undo.source:
            _require_answer(layout, undo.source)
    except (CutoverError, OSError) as problem:
        problems.append(str(problem))
    try:  # they need nginx for nothing
        processes.settle(layout, state.live_release(layout))
    except (processes.ProcessError, OSError) as problem:
        problems.append(str(problem))
    if problems:
        return f"The pointer is back at {state.live_release(layout) or 'nothing'}, but: " + "\n".join(problems)
    return (
        f"Restored: {undo.source} serves as before."
        if undo.source
        else "Restored: the site has no release yet, as before."
    )


def _put_back(layout: Layout, undo: Undo) -> None:
    """The pointer first: what the host starts at the next boot hangs on it."""
    if undo.source is None:
        disk.remove(layout.current)
    elif state.live_release(layout) != undo.source:
        disk.point(layout.current, f"releases/{undo.source}")
    _write_edge(undo.edge)


def main(plan_file: str, outcome_file: str) -> None:
    """Run as a program: read a plan, write an outcome."""
    plan = Plan(**json.loads(Path(plan_file).read_text()))
    disk.write(Path(outcome_file), json.dumps(asdict(move(plan))).encode(), 0o600)


if __name__ == "__main__":
    main(*sys.argv[1:])

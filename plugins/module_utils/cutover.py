# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a site's traffic to an instance that has passed its gate, or leaves everything as it was.

This runs on the host, as a transient systemd unit of its own, so that a controller which dies in the middle does not
stop it. The one pointer is /etc/switchyard/SITE/current: nginx includes what lies behind it, and at boot systemd starts
what it names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk, drain, gate, history, state, units
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import Check, Limits, Report, Target, probe
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

HASHED_NAME = re.compile(r"\.[0-9a-f]{8,}\.")
WELCOME = Limits(connect_timeout=2, read_timeout=10, deadline=10, interval=0.2)
# nginx takes up a new configuration some time after it was told to.
EDGE_LIMITS = Limits(connect_timeout=2, read_timeout=10, successes=3, interval=0.05, deadline=20)


class CutoverError(Exception):
    """Traffic could not be moved; the message is for the user."""


@dataclass(frozen=True)
class Plan:
    """What to move where.

    :param edge: path -> text of nginx's files that are the site's or the host's, not a release's; None for a file that
        is to go, and nothing at all to leave them
    :param drain: seconds for which the old instance lives on
    :param operation: deploy, rollback or restore, which undoes the cutover before it
    :param explicit: whether the user named the release
    """

    site: str
    release: str
    operation: str
    by: str
    explicit: bool = False
    edge: dict[str, str | None] = field(default_factory=dict)
    drain: int = 30


@dataclass(frozen=True)
class Outcome:
    """How it ended."""

    moved: bool
    source: str | None
    message: str
    edge_before: dict[str, str | None] = field(default_factory=dict)


def describe(layout: Layout, release: str) -> str:
    """A release in the words of a person: its identifier, how it is served, and its commit."""
    manifest = json.loads(layout.manifest(release).read_text())
    commit = f", commit {manifest['commit'][:12]}" if manifest["commit"] else ""
    return f"{release} ({manifest['stack']} by {manifest['server']}{commit})"


def is_settled(plan: Plan) -> bool:
    """Whether the release is live already, by the pointer, by nginx's files and by the edge's own answer."""
    layout = Layout(plan.site)
    if state.live_release(layout) != plan.release:
        return False
    if any(_text(Path(path)) != text for path, text in plan.edge.items()):
        return False
    if history.unfinished(history.read(layout.history)):
        return False
    return _edge_answers(layout, plan.release, Limits(read_timeout=10, deadline=2, interval=0.2)).ok


def move(plan: Plan) -> Outcome:
    """Validate, move the pointer, reload, see the new release answer through the edge; or else go back."""
    layout = Layout(plan.site)
    before, started = state.live_release(layout), time.monotonic()
    cut_off = history.unfinished(history.read(layout.history))
    if cut_off and before == plan.release == cut_off["to"]:
        before = cut_off["from"]  # a run that was cut off moved the pointer already, from there
    entry: dict[str, Any] = {
        "operation": plan.operation,
        "from": before,
        "to": plan.release,
        "by": plan.by,
        "explicit": plan.explicit,
    }
    history.record(layout.history, "intent", **entry)
    edge_before = {path: _text(Path(path)) for path in plan.edge}
    try:
        if plan.operation == "restore":  # its drain may be over by now
            subprocess.run(["systemctl", "start", layout.unit(plan.release)], check=False, capture_output=True)
        _require_instance(layout, plan.release)
        _require_welcome(layout, plan)
        _validate_candidate(layout, plan)
    except (CutoverError, OSError) as problem:
        return _failed(layout, plan, entry, started, f"{problem}\nNothing was changed.")
    try:
        _keep_hashed_files(layout, before)
        _write_edge(plan.edge)
        disk.point(layout.current, f"releases/{plan.release}")
        _reload_nginx()
        _require_answer(layout, plan.release)
    except (CutoverError, OSError) as problem:
        restored = _restore(layout, before, edge_before)
        return _failed(layout, plan, entry, started, f"{problem}\n{restored}")
    history.record(layout.history, "outcome", result="live", seconds=round(time.monotonic() - started, 3), **entry)
    drain.cancel(layout, plan.release)
    drained = "".join(_drain(layout, release, plan.drain) for release in _left_running(layout, plan.release))
    return Outcome(True, before, f"{describe(layout, plan.release)} is live{drained}", edge_before)


def _failed(layout: Layout, plan: Plan, entry: dict[str, Any], started: float, message: str) -> Outcome:
    """Note the failure, and let the instance end that traffic did not stay with."""
    seconds = round(time.monotonic() - started, 3)
    history.record(layout.history, "outcome", result="failed", reason=message, seconds=seconds, **entry)
    if plan.release != entry["from"]:
        _drain(layout, plan.release, plan.drain)
    return Outcome(False, entry["from"], message)


def _drain(layout: Layout, release: str, seconds: int) -> str:
    """Let the old instance end. Traffic has moved by now, so whatever goes wrong here is no failure of the move."""
    try:
        drain.schedule(layout, release, seconds)
    except (OSError, subprocess.CalledProcessError):
        return f", but {release} lives on until somebody stops it: systemctl stop {layout.unit(release)}"
    return f", {release} lives on for {seconds} s"


def _require_instance(layout: Layout, release: str) -> None:
    unit = layout.unit(release)
    if not units.is_active(unit):
        raise CutoverError(f"{unit} went away between its gate and the cutover. journalctl -u {unit} says why")


def _require_welcome(layout: Layout, plan: Plan) -> None:
    """Ask the instance by the name under which visitors come today, before any of them does."""
    report = probe(
        Target(unix_socket=str(layout.socket(plan.release))),
        _visits(layout, plan.release, _edge(layout, plan)),
        WELCOME,
    )
    if not report.ok:
        raise CutoverError(
            f"{plan.release} does not serve the names that the site has now: {report.failure}: {report.evidence} "
            f"{report.hint}"
        )


def _left_running(layout: Layout, release: str) -> list[str]:
    """The instances beside the live one that nothing is going to stop yet."""
    running = state.running_instances(layout)
    return sorted(one for one in running if one != release and not drain.is_scheduled(layout, one))


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _write_edge(files: dict[str, str | None]) -> None:
    """Make nginx's files say what they should; what says so already is not written again, which a full disk refuses."""
    for path, text in ((Path(name), text) for name, text in files.items()):
        if text is None:
            path.unlink(missing_ok=True)
        elif _text(path) != text:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            disk.write(path, text.encode(), 0o644)


def _validate_candidate(layout: Layout, plan: Plan) -> None:
    """Let nginx read its real configuration with the candidate in its place, in a mount namespace that ends with it."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="switchyard-") as scratch:
        site = Path(scratch) / "site"
        (site / "current").mkdir(parents=True)
        shutil.copytree(layout.record(plan.release) / "nginx", site / "current" / "nginx")
        mounts = {str(layout.etc): str(site)}
        for path, text in plan.edge.items():
            folder = Path(path).parent
            if folder == layout.etc:
                continue
            copy = Path(scratch) / folder.name
            if str(folder) not in mounts:
                shutil.copytree(folder, copy, symlinks=True)
                mounts[str(folder)] = str(copy)
            (copy / Path(path).name).unlink(missing_ok=True)
            if text is not None:
                (copy / Path(path).name).write_text(text)
        script = 'while [ "$#" -gt 0 ]; do mount --bind "$1" "$2" || exit 70; shift 2; done; exec nginx -t -q'
        pairs = [part for target, source in mounts.items() for part in (source, target)]
        done = subprocess.run(
            ["unshare", "--mount", "--propagation=private", "/bin/sh", "-c", script, "sh", *pairs],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise CutoverError(f"nginx refuses the configuration:\n{done.stderr.strip()}")


def _keep_hashed_files(layout: Layout, release: str | None) -> None:
    """Keep what pages that are still open refer to: a hashed name means one content for ever."""
    if release is None or not layout.static(release).is_dir():
        return
    for parent, _folders, files in os.walk(layout.static(release)):
        kept = layout.earlier_static / os.path.relpath(parent, layout.static(release))
        for name in files:
            if HASHED_NAME.search(name) and not (kept / name).exists():
                kept.mkdir(mode=0o755, parents=True, exist_ok=True)
                os.link(os.path.join(parent, name), kept / name)


def _reload_nginx() -> None:
    active = units.is_active("nginx.service")
    done = subprocess.run(
        ["systemctl", "reload" if active else "start", "nginx.service"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CutoverError(f"nginx can't be {'reloaded' if active else 'started'}: {done.stderr.strip()}")


def _edge(layout: Layout, plan: Plan | None = None) -> dict[str, Any]:
    """The port and the names by which the edge is asked: those of the plan, or else those on the disk."""
    path = layout.etc / "edge.json"
    text = (plan.edge.get(str(path)) if plan else None) or path.read_text()
    return json.loads(text)


def _visits(layout: Layout, release: str, edge: dict[str, Any], headers: dict[str, str] | None = None) -> list[Check]:
    """The release's probes, under a name that the site has today: it may have had others on the release's day."""
    wanted = json.loads(layout.manifest(release).read_text())["gate"]
    host = wanted["host"] if wanted["host"] in edge["hosts"] else edge["hosts"][0]
    return gate.checks({**wanted, "host": host}, response_headers=headers)


def _edge_answers(layout: Layout, release: str, limits: Limits) -> Report:
    edge = _edge(layout)
    visits = _visits(layout, release, edge, {gate.RELEASE_HEADER: release})
    return probe(Target(port=int(edge["port"])), visits, limits)


def _require_answer(layout: Layout, release: str) -> None:
    report = _edge_answers(layout, release, EDGE_LIMITS)
    if not report.ok:
        raise CutoverError(
            f"{release} does not answer through nginx: {report.failure}: {report.evidence} {report.hint}".strip()
        )


def _restore(layout: Layout, before: str | None, edge_before: dict[str, str | None]) -> str:
    """Put pointer and edge back and say what serves now."""
    try:
        _put_back(layout, before, edge_before)
        _reload_nginx()
        if before:
            _require_answer(layout, before)
    except (CutoverError, OSError) as problem:
        return f"The pointer is back at {state.live_release(layout) or 'nothing'}, but: {problem}"
    return f"Restored: {before} serves as before." if before else "Restored: the site has no release yet, as before."


def _put_back(layout: Layout, before: str | None, edge_before: dict[str, str | None]) -> None:
    """The pointer first: what the host starts at the next boot hangs on it."""
    if before is None:
        layout.current.unlink(missing_ok=True)
        disk.sync_folder(layout.etc)
    elif state.live_release(layout) != before:
        disk.point(layout.current, f"releases/{before}")
    _write_edge(edge_before)


def main(plan_file: str, outcome_file: str) -> None:
    """Run as a program: read a plan, write an outcome."""
    plan = Plan(**json.loads(Path(plan_file).read_text()))
    disk.write(Path(outcome_file), json.dumps(asdict(move(plan))).encode(), 0o600)


if __name__ == "__main__":
    main(*sys.argv[1:])

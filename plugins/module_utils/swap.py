# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module has to say of a cutover, before it and after it; the move itself is in cutover."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    cutover,
    default_server,
    disk,
    edge,
    guard,
    host_program,
    lease,
    listing,
    made,
    processes,
    retention,
    state,
    stopwatch,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

# For so long a way back may still lead to the certificates that nginx names no longer: the guard's, or because another
# host could not follow. In seconds.
CERTIFICATES_STAY = 900


def plan_of(layout: Layout, wanted: Mapping[str, Any], token: str) -> cutover.Plan:
    """The plan that a module's parameters make; whoever has the lease is the one who moves.

    :param token: that of the lease
    """
    held = lease.read(layout)
    named = {field.name for field in fields(cutover.Plan)}
    files, notes = default_server.settled(layout.site, wanted.get("edge", ()))
    return cutover.Plan(
        **{
            **{name: value for name, value in wanted.items() if name in named},
            "site": layout.site,
            "edge": {
                **made.with_note_of_edge(layout, files),
                **edge.main_configuration(wanted.get("worker_connections", 0)),
            },
            "notes": notes,
            "by": held.by if held and held.token == token else "",
        }
    )


def check(layout: Layout, plan: cutover.Plan, keep: int) -> dict[str, Any]:
    """What would happen."""
    before = state.live_release(layout)
    diff = differences(plan, before)
    removed = retention.superfluous(layout, keep)
    message = f"{plan.release} would be live" if diff else f"{plan.release} is live already"
    gone = [f"removes {listing.count(len(removed), 'release')}: {', '.join(removed)}"] if removed else []
    notes = [*gone, *_notes(plan)]
    return {
        "changed": bool(diff or removed),
        "moved": True,
        "source": before,
        "message": "; ".join([message, *notes]),
        "said": message,
        "notes": notes,
        "described": described(layout, plan.release, before),
        "diff": diff,
        "removed": removed,
    }


def carry_out(layout: Layout, plan: cutover.Plan, keep: int = 0) -> dict[str, Any]:
    """Move the traffic where it isn't there yet, then see which releases have become too many.

    :param keep: how many releases stay; 0 for all of them
    """
    before = state.live_release(layout)
    if cutover.is_settled(plan):
        message = f"{cutover.describe(layout, plan.release)} is live already"
        outcome, diff, changed = cutover.Outcome(True, before, message), [], False
    else:
        diff = differences(plan, before)
        outcome = _move(layout, plan, before)
        changed = outcome.moved
    removed: list[str] = []
    problems: list[str] = []
    if outcome.moved:
        try:
            if keep:
                retention.remember(layout, keep)
                removed = retention.sweep(layout, keep)
            if certificate.unused(layout):  # where nothing has moved, runs that come often must not put it off for ever
                guard.tidy(layout, CERTIFICATES_STAY, postpone=changed)
        except (OSError, subprocess.CalledProcessError, host_program.ProgramError) as problem:
            # The release is live all the same.
            problems = [f"what is no longer needed can't be removed: {problem}"]
    gone = [f"{len(removed)} removed: {', '.join(removed)}"] if removed else []
    notes = [*problems, *gone, *_notes(plan)]
    return {
        **asdict(outcome),
        "message": "; ".join([outcome.told, *notes]),
        "said": outcome.message,
        "notes": [*outcome.notes, *notes],
        "described": described(layout, plan.release, before),
        "seconds": stopwatch.seconds(),
        "edge_before": [{"path": path, "content": text} for path, text in outcome.edge_before.items()],
        "changed": changed or bool(removed),
        "diff": diff if changed else [],
        "removed": removed,
    }


def _move(layout: Layout, plan: cutover.Plan, before: str | None) -> cutover.Outcome:
    try:
        return cutover.Outcome(**host_program.run(layout, "cutover", cutover, asdict(plan)))
    except (host_program.ProgramError, units.StillAtWorkError) as problem:
        return cutover.Outcome(False, before, str(problem))


def described(layout: Layout, *releases: str | None) -> dict[str, str]:
    """The releases in the words of a person, where they are on the host."""
    known = {name: state.manifest(layout, name) for name in releases if name}
    return {name: listing.release(manifest) for name, manifest in known.items() if manifest}


def _notes(plan: cutover.Plan) -> list[str]:
    return [*plan.notes, *_closed(Layout(plan.site), plan)]


def _closed(layout: Layout, plan: cutover.Plan) -> list[str]:
    """Whether visitors see nothing of what is live."""
    text = plan.edge.get(str(layout.edge_names)) or disk.text_of(layout.edge_names) or "{}"
    closed = json.loads(text).get("maintenance")
    return ["closed for maintenance (nginx_maintenance): who comes gets 503"] if closed else []


def _shown(text: str | None) -> str:
    """For people's eyes, where a link is marked by what no terminal shows."""
    return (text or "").replace("\0", "")


def _idle(plan: cutover.Plan, before: str | None) -> list[str]:
    """What of the live release should run beside its instance and does not. With another release all of it moves."""
    return processes.missing(Layout(plan.site), before) if before == plan.release else []


def differences(plan: cutover.Plan, before: str | None) -> list[dict[str, str]]:
    """The pointer, the edge's files and what should run and doesn't, before and after."""
    pointer = str(Layout(plan.site).current)
    texts = {pointer: (f"{before}\n" if before else "", f"{plan.release}\n" if plan.release else "")}
    for unit in _idle(plan, before):
        texts[unit] = ("stopped\n", "running\n")
    for path, text in plan.edge.items():
        texts[path] = (_shown(disk.text_of(Path(path))), _shown(text))
    changed = {path: two for path, two in texts.items() if two[0] != two[1]}
    if len(changed) > 1:  # the note has the texts of others, which are shown themselves
        changed.pop(str(Layout(plan.site).edge_made), None)
    return [
        {"before_header": path, "after_header": path, "before": old, "after": new}
        for path, (old, new) in changed.items()
    ]

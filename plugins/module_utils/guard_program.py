# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts, on the host and by itself, on the notes that runs leave it: see guard.

Within the settle time after a cutover it takes traffic back from an instance that dies. An old instance it stops when
its last connection is gone, or when the drain time is over: the application itself closes its WebSockets then. What is
left of certificates it removes when no way back needs them any more.
"""

# It is a program of its own: there is no AnsibleModule to run a command or to answer by.
# pylint: disable=ansible-bad-function

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    cutover,
    diagnosis,
    guard,
    lease,
    retention,
    sampler_program,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

LOOKS_EVERY = 0.5
SWEEP_TAKES = 600
# A run that is at work may have fetched a certificate that it has not moved to. In seconds.
TIDIES_AGAIN = 60


def run(layout: Layout) -> None:
    """Look at the notes until nothing is left to do."""
    with guard.notes(layout) as noted:
        guard.sign_on(noted)
    while True:
        with guard.notes(layout) as noted:
            back = _way_back(layout, noted)
            due = [
                release
                for release, ending in noted["ending"].items()
                if not (back and release == back["back_to"]) and _is_due(layout, release, ending)
            ]
            for release in due:
                noted["ending"][release]["stopping"] = True
            gone = [release for release in due if not _is_left(layout, release)]
            for release in gone:
                del noted["ending"][release]
            tidy = _tidy_due(noted)
            over = not (noted["ending"] or noted["watch"] or gone or noted.get("tidy"))
            if over:
                guard.sign_off(noted)
        if over:
            return
        if back:
            _attempt(_go_back, layout, back)
            _forget(layout, back)
        for release in set(due).difference(gone):
            _stop(layout, release)
        if gone:
            _attempt(_sweep, layout)
        if tidy:
            _attempt(_tidy, layout, tidy)
        time.sleep(LOOKS_EVERY)


def _attempt(what: Callable[..., None], *arguments: Any) -> None:
    """What goes wrong with one instance keeps no other from being seen to."""
    try:
        what(*arguments)
    except (OSError, subprocess.CalledProcessError, certificate.CertificateError) as problem:
        print(problem, flush=True)


@contextmanager
def _lease(layout: Layout) -> Iterator[bool]:
    """Keep runs out for as long as this lasts; say whether that could be had."""
    token = f"guard-{os.getpid()}"
    try:
        lease.take(layout, {"token": token, "by": "the host itself", "purpose": "a clean-up", "silence": SWEEP_TAKES})
    except lease.HeldError:
        yield False
        return
    try:
        yield True
    finally:
        lease.free(layout, token)


# --- old instances ---------------------------------------------------------------------------------------------------


def _is_due(layout: Layout, release: str, ending: dict[str, Any]) -> bool:
    now = time.monotonic()
    if ending["stopping"] or now >= ending["until"]:
        return True
    if ending["idle_from"] is None or now < ending["idle_from"]:
        return False
    return not connections(layout, release) and not nginx_workers_from_before(ending["noted"])


def connections(layout: Layout, release: str, net: Path = Path("/proc/net")) -> int:
    """How many connections an instance holds, on its socket or on its port."""
    port = (state.manifest(layout, release) or {}).get("port")
    return sampler_program.connections(layout.socket(release), port, net)


def nginx_workers_from_before(moment: float, processes: Path = Path("/proc")) -> int:
    """How many workers of nginx, begun before that moment, finish what they have.

    One of them may read an upload still, and hand it to the old instance when it is complete.
    """
    ticks, found = os.sysconf("SC_CLK_TCK"), 0
    for folder in processes.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            title = (folder / "cmdline").read_bytes()
            if title.startswith(b"nginx: worker process is shutting down"):
                started = int((folder / "stat").read_text().rpartition(")")[2].split()[19]) / ticks
                found += started < moment
        except OSError:  # it has ended meanwhile
            continue
    return found


def _is_left(layout: Layout, release: str) -> bool:
    """Whether it is to be stopped still. The live one never is."""
    return state.live_release(layout) != release and units.is_at_work(layout.unit(release))


def _stop(layout: Layout, release: str) -> None:
    """Have systemd stop it, and don't wait: another instance may need the guard meanwhile."""
    subprocess.run(["systemctl", "stop", "--no-block", layout.unit(release)], check=False)


def _sweep(layout: Layout) -> None:
    """Now that an instance has ended, its release may be one too many. A run that is under way sees to that itself."""
    with _lease(layout) as ours:
        removed = retention.sweep(layout, retention.kept(layout)) if ours else []
        if removed:
            print(f"removed {', '.join(removed)}", flush=True)


# --- certificates ----------------------------------------------------------------------------------------------------


def _tidy_due(noted: guard.Notes) -> float | None:
    """From when on it was to be done, where it is time."""
    tidy = noted.get("tidy")
    return tidy if tidy and not noted["watch"] and time.monotonic() >= tidy else None


def _tidy(layout: Layout, due: float) -> None:
    """Remove the certificates that nginx names no longer. What can't be removed is met by the next deploy."""
    with _lease(layout) as ours:
        if not ours:
            guard.tidy(layout, TIDIES_AGAIN)
            return
        try:
            removed = certificate.forget_unused(layout)
            if removed:
                print(f"removed {', '.join(removed)}", flush=True)
        finally:
            with guard.notes(layout) as noted:
                if noted["tidy"] == due:
                    noted["tidy"] = None


# --- the new instance ------------------------------------------------------------------------------------------------


def _died(layout: Layout, watch: dict[str, Any]) -> str:
    """The unit that died, of the instance or of a process beside it; empty where all of them live."""
    watched = {layout.unit(watch["release"]): [watch["pid"], watch["restarts"]], **watch.get("processes", {})}
    found = units.states(watched)
    return next(
        (name for name, pulse in watched.items() if name in found and _pulse(found[name]) != pulse),
        "",
    )


def _pulse(unit: dict[str, str]) -> list[str]:
    return [unit["MainPID"], unit["NRestarts"]]


def _way_back(layout: Layout, noted: guard.Notes) -> dict[str, Any] | None:
    """The watch, where it calls for the way back; it stays noted until that has been gone. One that is over goes."""
    watch = noted["watch"]
    if not watch:
        return None
    if _died(layout, watch):
        return watch
    if time.monotonic() >= watch["until"]:
        noted["watch"] = None
    return None


def _forget(layout: Layout, watch: dict[str, Any]) -> None:
    with guard.notes(layout) as noted:
        if noted["watch"] == watch:
            noted["watch"] = None


def _go_back(layout: Layout, watch: dict[str, Any]) -> None:
    unit = _died(layout, watch) or layout.unit(watch["release"])
    _release, process = layout.parts_of(unit) or ("", "")
    what = f"background process {process}" if process else "instance"
    cause = diagnosis.in_words(unit, watch["since"])
    reason = f"its {what} died within {watch['seconds']:.0f} s of the cutover. {cause}".strip()
    outcome = cutover.move(
        cutover.Plan(
            site=layout.site,
            release=watch["back_to"],
            operation="return",
            by="the host itself",
            reason=f"{reason} journalctl -u {unit} has all of it.",
            only_from=watch["release"],
            edge=watch["edge"],
            drain=watch["drain"],
            settle=0,
        )
    )
    print(f"{watch['release']}: {reason} {outcome.told}", flush=True)
    if outcome.moved:  # or systemd would start it again and again
        _stop(layout, watch["release"])


def main(plan_file: str, _outcome_file: str) -> None:
    """Run as a program: see to the site that the plan names."""
    run(Layout(json.loads(Path(plan_file).read_text())["site"]))


if __name__ == "__main__":
    main(*sys.argv[1:])

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for each site.

A run takes a lease on every host before it changes anything there, renews it while it works and frees it when it ends.
A run that died can't free its own: nobody renews it, and after some time it is a left-over, which the next run takes
over.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

# Between two of its tasks a run is silent for a moment; one that is silent for so many seconds is taken for dead.
SILENCE = 120
RENEWED_EVERY = 2

# What the modules are told with which a run begins, and those that come after.
CLAIM = {
    "site": {"type": "str", "required": True},
    "claim": {"type": "dict", "default": {}},
    # The action plugin's own.
    "purpose": {"type": "str", "default": "a run"},
    "lock_wait": {"type": "float", "default": 0},
    "together": {"type": "bool", "default": False},
}
ARGUMENTS = {"site": {"type": "str", "required": True}, "lease": {"type": "str", "default": ""}}


@dataclass(frozen=True)
class Lease:
    """Who works on the site.

    :param token: by which its owner knows it
    :param by: user and machine, for people
    :param process: where the run's process is found by whoever is on the same machine
    :param silence: seconds without a sign of life after which it is a left-over
    :param since: the time of day at which it was taken, in seconds
    :param renewed: the host's clock since boot at the last sign of life, in seconds
    """

    token: str
    by: str
    purpose: str
    process: dict[str, Any] = field(default_factory=dict)
    silence: float = SILENCE
    since: float = 0
    renewed: float = 0

    @property
    def quiet(self) -> float:
        """For how many seconds it has given no sign of life."""
        return max(0.0, time.monotonic() - self.renewed)

    @property
    def is_left_over(self) -> bool:
        return self.quiet > self.silence

    def __str__(self) -> str:
        age = max(0, round(time.time() - self.since))
        return f"{self.purpose} by {self.by}, begun {age} s ago, last sign of life {round(self.quiet)} s ago"


class HeldError(Exception):
    """Another run works on the site."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(str(lease))
        self.lease = lease


class LostError(Exception):
    """The run's own lease is another's by now."""


def read(layout: Layout) -> Lease | None:
    """The lease that is taken, be it a left-over."""
    try:
        return Lease(**json.loads(_file(layout).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def take(layout: Layout, wanted: Mapping[str, Any], wait: float = 0, instead_of: str = "") -> Lease | None:
    """Take the lease, or wait for it; return the left-over that it was taken over from.

    :param wanted: token, by, purpose, process and silence of the lease
    :param instead_of: the token of a lease whose run is known to be dead
    :raises HeldError: where the other run still works after the wait
    """
    until = time.monotonic() + wait
    while True:
        with disk.locked(_lock_file(layout)):
            held = read(layout)
            if held is None or held.is_left_over or held.token in (instead_of, wanted["token"]):
                _write(layout, Lease(**{**wanted, "since": time.time(), "renewed": time.monotonic()}))
                break
        if time.monotonic() >= until:
            raise HeldError(held)
        time.sleep(0.25)
    if held is None or held.token == wanted["token"]:
        return None
    if held.quiet < 2 * RENEWED_EVERY:  # a module of the dead run may be at work still: it ends when it sees this
        time.sleep(1.5 * RENEWED_EVERY)
    return held


def begin(
    layout: Layout, claim: Mapping[str, Any], leave: Callable[..., Any], warn: Callable[[str], Any]
) -> dict[str, Any]:
    """Take the lease that a run asks for, and return by what it is known; leave the module where another run has it.

    :param claim: what `take` wants; nothing to take none
    :param leave: called with `held` where another run is at work
    :param warn: called where the lease was taken over
    """
    if not claim:
        return {"lease": ""}
    wanted = {name: claim[name] for name in ("token", "by", "purpose", "process", "silence")}
    try:
        left_over = take(layout, wanted, claim.get("wait", 0), claim.get("instead_of", ""))
    except HeldError as held:
        leave(changed=False, held={**asdict(held.lease), "described": str(held)})
    if left_over:
        warn(f"Took {layout.site} over from a run that is dead: {left_over}.")
    keep(layout, wanted["token"], functools.partial(leave, failed=True))
    return {"lease": wanted["token"]}


def renew(layout: Layout, token: str, ahead: float = 0, shorten: bool = True) -> None:
    """Give a sign of life.

    :param ahead: seconds for which the run will be busy elsewhere and give none
    :param shorten: whether what was said ahead before counts no more
    :raises LostError: where the lease is another's by now
    """
    with disk.locked(_lock_file(layout)):
        held = read(layout)
        if held is None:
            raise LostError(
                f"The lease of this run on {layout.site} is gone: the host was restarted, or somebody freed it. "
                "Run it again"
            )
        if held.token != token:
            raise LostError(f"{layout.site} was taken over from this run: {held}. Wait for it, then run this again")
        renewed = time.monotonic() + ahead
        _write(layout, Lease(**{**asdict(held), "renewed": renewed if shorten else max(renewed, held.renewed)}))


def free(layout: Layout, token: str) -> bool:
    """Let the next run in; say whether the lease was this run's."""
    _end_signs(token)
    with disk.locked(_lock_file(layout)):
        held = read(layout)
        if held is None or held.token != token:
            return False
        _file(layout).unlink()
        return True


def dissolve(layout: Layout, token: str) -> bool:
    """Free the lease of a site that is no more, with all that lies beside it; say whether it was this run's."""
    _end_signs(token)
    with disk.locked(_lock_file(layout)):
        held = read(layout)
        if held and held.token != token:
            return False
        disk.clear(layout.run)
    with contextlib.suppress(OSError):  # other sites are at work
        layout.run.parent.rmdir()
    return held is not None


# What gives signs of life in this process, by the token of its lease.
_SIGNS: dict[str, tuple[threading.Event, threading.Thread]] = {}


def keep(layout: Layout, token: str, fail: Callable[..., Any]) -> None:
    """Give signs of life until this process frees the lease or ends; without a token there is nothing to keep.

    :param fail: called with `msg` where the lease is another's by now
    """
    if not token:
        return
    try:
        renew(layout, token)
    except LostError as problem:
        fail(msg=str(problem))
    over = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(over, layout, token, fail), daemon=True)
    thread.start()
    _SIGNS[token] = over, thread


def _end_signs(token: str) -> None:
    """Give none from here on: one that came after the lease is freed would find it lost, and end the process."""
    if token in _SIGNS:
        over, thread = _SIGNS.pop(token)
        over.set()
        thread.join()


def _renew_until(over: threading.Event, layout: Layout, token: str, fail: Callable[..., Any]) -> None:
    """Renew until it is over, and end the process where the lease is lost: two runs must never work side by side."""
    while not over.wait(RENEWED_EVERY):
        try:
            renew(layout, token, shorten=False)
        except OSError:  # a full disk, which another run can't write to either
            continue
        except LostError as problem:
            with contextlib.suppress(SystemExit):  # which would end this thread alone
                fail(msg=str(problem))
            sys.stdout.flush()
            os._exit(1)


def process_start(pid: int) -> str:
    """By which a process is told from a later one of the same number; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _write(layout: Layout, lease: Lease) -> None:
    disk.write(_file(layout), json.dumps(asdict(lease)).encode(), 0o600)


def _file(layout: Layout) -> Path:
    return layout.run / "lease.json"


def _lock_file(layout: Layout) -> Path:
    return layout.run / "lease.lock"

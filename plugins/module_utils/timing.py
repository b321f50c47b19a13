# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of a site, which all follow from one: how long a request may take.

nginx gives up first, so that a visitor whose request takes too long gets a 504. The app server ends what hangs only
after that: a worker that it killed earlier would be a 502. When an instance stops, a request that began a moment before
has all of its time, and systemd waits for longer than the server does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AUTO = "auto"
LONGEST = 1800
# A worker that nginx has given up on is ended these seconds later; systemd gives the server as many more to end.
MARGIN = 5
# nginx lets go of an idle connection before the app server does: a request never meets a closing one.
IDLE_NGINX, IDLE_SERVER = 50, 55
# The drain of an instance that nobody set one for, at least; and how much longer than its longest request.
DRAIN, DRAIN_MARGIN = 120, 60


@dataclass(frozen=True)
class Times:
    """Seconds.

    :param request: what a request may take
    :param nginx: until nginx answers 504
    :param server: until the app server ends a worker that hangs
    :param graceful: for requests in flight when an instance stops
    :param stop: until systemd kills what has not ended
    """

    request: int
    nginx: int
    server: int
    graceful: int
    stop: int
    idle_nginx: int = IDLE_NGINX
    idle_server: int = IDLE_SERVER


def plan(variables: Mapping[str, Any]) -> tuple[Times | None, list[str]]:
    """The times, or what is wrong with the variables."""
    names = ("site_request_timeout", "nginx_read_timeout", "site_graceful_timeout")
    problems = [
        f"{name} {variables[name]} must be a whole number of seconds from 1 to {LONGEST}"
        + (f", or {AUTO}" if name != "site_request_timeout" else "")
        for name in names
        if not _is_fit(variables[name], name != "site_request_timeout")
    ]
    if problems:
        return None, problems
    request = int(variables["site_request_timeout"])
    nginx, graceful = (request if variables[name] == AUTO else int(variables[name]) for name in names[1:])
    if nginx < request:
        problems.append(
            f"nginx_read_timeout {nginx} is shorter than site_request_timeout {request}: nginx would answer 504 to a "
            "request that may take that long. Take nginx_read_timeout out, or lower site_request_timeout"
        )
    if graceful < request:
        problems.append(
            f"site_graceful_timeout {graceful} is shorter than site_request_timeout {request}: an instance that stops "
            "would cut off a request that may take that long. Take site_graceful_timeout out, or lower "
            "site_request_timeout"
        )
    return Times(request, nginx, nginx + MARGIN, graceful, graceful + MARGIN), problems


def _is_fit(value: object, may_be_auto: bool) -> bool:
    if may_be_auto and value == AUTO:
        return True
    return bool(re.fullmatch(r"[0-9]{1,4}", str(value))) and 1 <= int(str(value)) <= LONGEST


def drain_of(manifest: Mapping[str, Any] | None) -> int:
    """The seconds for which an instance needs to live on, so that no request of its longest kind is cut off."""
    times = (manifest or {}).get("serving", {}).get("times", {})
    return max(DRAIN, times.get("request", 0) + DRAIN_MARGIN)


def stop_of(manifest: Mapping[str, Any] | None) -> int:
    """The seconds after which an instance that is being stopped has ended, whatever it was at."""
    times = (manifest or {}).get("serving", {}).get("times", {})
    return int(times.get("stop", DRAIN)) + MARGIN

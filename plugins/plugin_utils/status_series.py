# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which charts a site's page has, and the values in them; how one is drawn is in status_charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import words
from ansible_collections.switchyard.django.plugins.module_utils.sampler_program import HOST

Hosts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """The values of one thing over time.

    :param colour: the number of its colour
    :param style: solid, dashed or dotted
    :param points: moment in seconds since 1970, and value; None where there is none
    """

    colour: int
    points: Sequence[tuple[float, float | None]]
    style: str = "solid"


@dataclass(frozen=True)
class Mark:
    """A move of the traffic; `sign` is what stands above the line, `told` what who points at it is told."""

    at: float
    kind: str
    sign: str
    told: str


@dataclass(frozen=True)
class Chart:
    """What one chart shows.

    :param show: a value on the axis, in words
    :param whole: whether values are whole numbers
    """

    name: str
    title: str
    lines: Sequence[Line]
    show: Callable[[float], str] = field(default=lambda value: f"{value:g}")
    whole: bool = False


def charts(hosts: Hosts) -> list[Chart]:
    """The charts of all hosts, each of which has a colour of its own; those without any value are left out.

    :param hosts: what site_status_info returned, by host
    """
    wanted = [
        Chart("requests", "Requests per second", _of_log(hosts, lambda slot, seconds: slot["requests"] / seconds)),
        Chart("p95", "Response time, p95", _of_log(hosts, lambda slot, _seconds: slot["p95"]), words.duration),
        Chart(
            "errors",
            "Server errors (5xx) per minute",
            _of_log(hosts, lambda slot, seconds: slot["server_errors"] / seconds * 60),
        ),
        _in_bytes("memory", "Memory; processes dotted", _of_units(hosts, "memory")),
        Chart("cpu", "Cores busy; processes dotted", _of_units(hosts, "cpu")),
        Chart("connections", "Open connections; WebSockets dotted", _connections(hosts), whole=True),
        Chart("restarts", "Restarts since a unit was started", _of_units(hosts, "restarts"), whole=True),
        _in_bytes("host_memory", "Memory of the host in use", _of_host(hosts, "memory")),
        Chart("host_cpu", "Cores of the host busy", _of_host(hosts, "cpu")),
    ]
    return [one for one in wanted if any(value is not None for line in one.lines for _at, value in line.points)]


def _in_bytes(name: str, title: str, lines: Sequence[Line]) -> Chart:
    """A chart of bytes, in a unit of which the axis has round numbers."""
    most = max((value for line in lines for _at, value in line.points if value), default=0)
    unit, word = next(((unit, word) for unit, word in words.SIZES if most >= unit), words.SIZES[-1])
    scaled = [replace(line, points=[(at, value and value / unit) for at, value in line.points]) for line in lines]
    return Chart(name, title, scaled, lambda value: f"{value:g} {word}")


def _of_log(hosts: Hosts, value: Callable[[Mapping[str, Any], float], float | None]) -> list[Line]:
    """A line for each host, each value in the middle of its part of the window."""
    lines = []
    for number, one in enumerate(hosts.values()):
        log = one["log"]
        if log:
            seconds = (log["until"] - log["since"]) / len(log["series"])
            lines.append(Line(number, [(slot["at"] + seconds / 2, value(slot, seconds)) for slot in log["series"]]))
    return lines


def _of_units(hosts: Hosts, name: str) -> list[Line]:
    """A line for each instance, and a dotted one for each process."""
    return [
        Line(number, [(point["at"], point[name]) for point in points], "solid" if _is_instance(unit) else "dotted")
        for number, one in enumerate(hosts.values())
        for unit, points in one["samples"].items()
        if unit != HOST
    ]


def _connections(hosts: Hosts) -> list[Line]:
    return [
        Line(number, [(point["at"], point[name]) for point in points], style)
        for number, one in enumerate(hosts.values())
        for unit, points in one["samples"].items()
        if _is_instance(unit)
        for name, style in (("connections", "solid"), ("websockets", "dotted"))
    ]


def _of_host(hosts: Hosts, name: str) -> list[Line]:
    return [
        Line(number, [(point["at"], point[name]) for point in one["samples"].get(HOST, ())])
        for number, one in enumerate(hosts.values())
    ]


def _is_instance(unit: str) -> bool:
    return unit != HOST and "-" not in unit.partition("@")[2]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody has to look at, of all that the hosts said, and what is wrong with the limits of that."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import output_file, words
from ansible_collections.switchyard.django.plugins.module_utils.layout import site_name_problem

CHARTS = "matplotlib"
MIB = 1024 * 1024
NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]+)?")
# By so many seconds the clock of a host may be ahead.
CLOCKS_DIFFER = 300
# As Ansible reads them.
TRUE, FALSE = ("true", "yes", "on", "y", "t", "1", "1.0"), ("false", "no", "off", "n", "f", "0", "0.0")
# A point in time by its form; the hosts judge the rest, in their own time. systemd-analyze may not be on this machine.
_UNIT = r"(?:us|usec|µs|μs|ms|msec|s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|w|weeks?|M|months?|y|years?)"
_NUMBER = r"\d+(?:\.\d+)?"
_SPAN = rf"{_NUMBER}(?:\s*{_UNIT}(?:\s*{_NUMBER}\s*{_UNIT})*)?"
_DAY, _TIME = r"(?:\d{4}|\d\d)-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])", r"\d\d?:\d\d?(?::\d\d?(?:\.\d+)?)?"
_ZONE = r"(?:Z|\s*[+-]\d\d:?\d\d|\s+[A-Za-z][\w/+-]*)"
_SINCE = re.compile(
    rf"now|@\d+(?:\.\d+)?|-\s*{_SPAN}|{_SPAN}\s+ago|"
    rf"(?:(?:[A-Z][a-z]+,?\s+{_DAY}|{_DAY})(?:[T ]\s*{_TIME})?|{_TIME}|today|yesterday){_ZONE}?"
)


@dataclass(frozen=True)
class Limits:
    """What is too much, or too little; each is status_fail_NAME. A limit of 0 judges nothing, but for `restarts`.

    :param rate_502: percent of the requests
    :param rate_504: percent of the requests
    :param errors: percent of the requests that end with a status from 500 on
    :param requests: rates and times are judged from so many requests on
    :param p95: seconds
    :param connections: connection failures in journal and nginx's error log
    :param restarts: restarts of a unit since status_since
    :param memory: percent of MemoryMax=
    :param growth: MiB in an hour
    :param disk: percent of a file system, or of its inodes, that have to be free
    :param certificate: days that it has to be valid still
    :param drift: whether what was changed by hand counts
    """

    rate_502: float = 1
    rate_504: float = 1
    errors: float = 5
    requests: float = 20
    p95: float = 0
    connections: float = 10
    restarts: float = 3
    memory: float = 90
    growth: float = 0
    disk: float = 10
    certificate: float = 10
    drift: bool = True


def limits_of(given: Mapping[str, Any]) -> Limits:
    """The limits, of what templates made: there every number may be a text."""
    numbers = {field.name: float(given[field.name]) for field in fields(Limits) if field.name != "drift"}
    return Limits(**numbers, drift=_truth(given["drift"]))


def variable_problems(given: Mapping[str, Any]) -> list[str]:
    """What is wrong with the variables of a status, before a host is asked.

    :param given: limits, by their names; and site, since, endpoints, fail, json and report as the user set them
    """
    problem = site_name_problem(given["site"]) if given["site"] else "Name the site with -e site_name="
    found = [problem] if problem else []
    if not _SINCE.fullmatch(str(given["since"])) or _is_to_come(str(given["since"])):
        found.append(
            f"status_since {words.line(given['since'])!r} is no point in time of the past. Write it as systemd.time(7) "
            "has it, for example -15min, -2d, yesterday, 2026-11-21 17:55 or @1790000000"
        )
    found += [
        f"status_fail_{field.name} {words.line(given[field.name])} must be a number from 0 on, of six digits at most"
        for field in fields(Limits)
        if field.name != "drift" and not NUMBER.fullmatch(str(given[field.name]))
    ]
    found += [
        f"{name} {words.line(value)} must be true or false"
        for name, value in (("status_fail_drift", given["drift"]), ("status_fail", given["fail"]))
        if str(value).lower() not in (*TRUE, *FALSE)
    ]
    if not re.fullmatch(r"[1-9][0-9]{0,2}", str(given["endpoints"])):
        found.append(f"status_endpoints {words.line(given['endpoints'])} must be a whole number from 1 to 999")
    files = {"status_json": "shop.json", "status_report": "shop.html"}
    named = {variable: str(given[variable.removeprefix("status_")] or "") for variable in files}
    found += [
        problem for variable, one in named.items() if (problem := output_file.problem(variable, one, files[variable]))
    ]
    if all(named.values()) and len({Path(one).expanduser().resolve() for one in named.values()}) == 1:
        found.append(f"status_json and status_report both name {given['json']}. Name two files")
    if given["report"] and importlib.util.find_spec(CHARTS) is None:
        found.append(
            f"status_report needs {CHARTS}, which the Python that runs Ansible does not have. Install it there: "
            f"pip install {CHARTS}, or apt install python3-{CHARTS}; or leave status_report out"
        )
    return found


def _is_to_come(since: str) -> bool:
    """Whether a point in time is none of the past on any host: where it is another day, it may be a day ahead."""
    seconds, day = re.match(r"@(\d+)", since), re.search(r"\d{4}-\d\d?-\d\d?", since)
    if seconds:
        return int(seconds[1]) > time.time() + CLOCKS_DIFFER
    parts = tuple(int(part) for part in day[0].split("-")) if day else ()
    return parts > time.gmtime(time.time() + 86400)[:3]


def _truth(value: Any) -> bool:
    return str(value).lower() in TRUE


def problems(hosts: Mapping[str, Mapping[str, Any]], limits: Limits, everywhere: bool) -> list[str]:
    """What has to be looked at, each with its host in front.

    :param hosts: what site_status_info returned, or why it could not
    :param everywhere: whether each of the hosts is to have the site
    """
    found = [f"{host}: {problem}" for host, one in hosts.items() for problem in _of_host(one, limits, everywhere)]
    live = {one["live"]["id"]: host for host, one in hosts.items() if one.get("live")}
    if len(live) > 1:
        found.append(
            f"not the same release is live everywhere: {', '.join(f'{one} on {host}' for one, host in live.items())}"
        )
    return found


def _of_host(one: Mapping[str, Any], limits: Limits, everywhere: bool) -> Iterator[str]:
    if "found" not in one:
        yield words.why_silent(one)
    elif one["found"] == "half":
        yield "the site is half removed; playbooks/remove.yml ends that"
    elif one["found"] != "site":
        if everywhere:
            yield "it has no such site"
    else:
        yield from _of_release(one)
        yield from _of_units(one["units"], limits)
        yield from _of_requests(one.get("log"), limits)
        yield from _of_journal(one.get("journal"), limits)
        yield from _of_machine(one.get("host"), limits)
        yield from _of_drift(one.get("drift"), limits)
        yield from (f"{part} could not be read: {words.line(why)}" for part, why in one["unread"].items())


def _of_release(one: Mapping[str, Any]) -> Iterator[str]:
    live = one.get("live")
    if not live:
        yield "no release is live"
        return
    if live["unfinished"] and not one.get("run"):
        yield "the last move of the traffic was cut off; the next run ends it"
    if live["restoring"]:
        yield f"the restore of {live['restoring']} was cut off; playbooks/restore.yml ends it"


def _of_units(units: list[Mapping[str, Any]], limits: Limits) -> Iterator[str]:
    for unit in units:
        name = words.unit_name(unit)
        if unit["role"] == "live" and not unit["state"].startswith(("active/", "reloading/")):
            yield f"{name} is {unit['state']} ({unit['unit']})"
        if unit["role"] == "other":
            yield f"{name} runs, and nobody will stop it: {unit['unit']} is of a release that is not live"
        if unit["restarts_lately"] > limits.restarts:
            yield f"{name} was restarted {unit['restarts_lately']} times since status_since"
        if limits.memory and unit["memory_limit"] and unit["memory"] > unit["memory_limit"] * limits.memory / 100:
            yield (
                f"{name} has {words.size(unit['memory'])} of memory, and may have {words.size(unit['memory_limit'])} "
                "(MemoryMax=)"
            )
        if limits.growth and unit["growth"] and unit["growth"]["per_hour"] > limits.growth * MIB:
            yield f"the memory of {name} grows by {words.size(unit['growth']['per_hour'])} in an hour"


def _of_requests(log: Mapping[str, Any] | None, limits: Limits) -> Iterator[str]:
    if not log or log["total"]["requests"] < max(limits.requests, 1):
        return
    total = log["total"]
    errors = total["server_errors"] / total["requests"]
    for share, limit, what in (
        (total["rate_502"], limits.rate_502, "with 502"),
        (total["rate_504"], limits.rate_504, "with 504"),
        (errors, limits.errors, "with an error of the server"),
    ):
        if limit and share * 100 > limit:
            yield f"{words.percent(share)} of {total['requests']} requests ended {what}"
    if limits.p95 and total["p95"] is not None and total["p95"] > limits.p95:
        yield f"one of twenty requests takes more than {words.duration(total['p95'])} (p95)"


def _of_journal(journal: Mapping[str, Any] | None, limits: Limits) -> Iterator[str]:
    if journal and limits.connections and journal["failures"] > limits.connections:
        yield f"{journal['failures']} connection failures ({words.counts(journal['connection_failures'])})"


def _of_machine(host: Mapping[str, Any] | None, limits: Limits) -> Iterator[str]:
    if not host:
        return
    if not host["nginx"].startswith(("active/", "reloading/")):
        yield f"nginx is {host['nginx'] or 'not there'}"
    for disk in host["disks"]:
        if min(disk["free_share"], disk["inodes_free_share"]) * 100 < limits.disk:
            what = "space" if disk["free_share"] <= disk["inodes_free_share"] else "inodes"
            share = min(disk["free_share"], disk["inodes_free_share"])
            yield f"{words.percent(share)} of the {what} of {disk['paths'][0]} is free"
    if host["tls_problem"]:
        yield host["tls_problem"]
    tls = host["tls"]
    if tls and limits.certificate and tls["days"] < limits.certificate:
        yield f"the certificate {tls['path']} ends in {tls['days']:.1f} days"
    if tls and tls["served"] is False:
        yield f"nginx shows another certificate than {tls['path']} has: systemctl reload nginx"


def _of_drift(drift: Mapping[str, Any] | None, limits: Limits) -> Iterator[str]:
    if not drift or not limits.drift:
        return
    if drift["drift"]:
        kinds = dict.fromkeys(one["kind"] for one in drift["drift"])
        yield f"changed by hand since the release was made: {', '.join(kinds)}"
    if drift["not_taken_up"]:
        yield f"systemd has not read {', '.join(drift['not_taken_up'])} since it was changed: systemctl daemon-reload"

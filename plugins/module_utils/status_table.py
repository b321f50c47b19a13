# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts said of a site, as a terminal of 100 columns shows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import words

WIDTH = 100
INDENT = "  "
# Of drift so many lines are shown for each file; the report and the JSON have more.
DIFF_LINES = 12
OVERVIEW = ("host", "live release", "for", "requests", "502", "504", "p50", "p95", "p99", "conn", "ws")
UNITS = ("", "runs for", "restarts", "workers", "memory", "in an hour", "cpu", "conn", "ws")
FIGURES = ("requests", "5xx", "p50", "p95", "p99")
ENDPOINTS, FAILING, RELEASES = ((name, *FIGURES) for name in ("endpoint", "failing besides", "release"))


def lines(
    site: str, hosts: Mapping[str, Mapping[str, Any]], left_out: Sequence[str], problems: Sequence[str]
) -> list[str]:
    """The whole page: an overview, each host, and what has to be looked at.

    :param hosts: what site_status_info returned, or why it could not
    :param left_out: hosts of the inventory that are none of the site's
    """
    told = [
        *_head(site, hosts),
        *_table(OVERVIEW, [overview(host, one) for host, one in hosts.items()]),
        *([] if not left_out else _wrapped(f"Not hosts of the site (site_group): {', '.join(left_out)}", "")),
    ]
    for host, one in hosts.items():
        if one.get("found") == "site":
            told += ["", *_host(host, one)]
    return [*told, "", *_verdict(problems)]


def _head(site: str, hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    asked = [one for one in hosts.values() if "at" in one]
    if not asked:
        return [site]
    at, since = max(one["at"] for one in asked), min(one["since"] for one in asked)
    window = f"requests and journal since {words.moment(since, at)} ({words.duration(at - since)})"
    return [f"{site}, {words.moment(at)} UTC; {window}"]


def overview(host: str, one: Mapping[str, Any]) -> list[str]:
    """A host in words, as OVERVIEW has them; of one without the site there is less."""
    if "found" not in one:
        return [host, words.why_silent(one)]
    if one["found"] != "site":
        return [host, _without_site(one)]
    live, log = one["live"], one["log"]
    instances = [unit for unit in one["units"] if not unit["process"]]
    return [
        host,
        f"{live['id']} {live['stack']}" if live else "none",
        words.duration(one["at"] - live["since"]) if live and live["since"] else words.NOTHING,
        *_requests(log),
        str(sum(unit["connections"] for unit in instances)),
        str(sum(unit["websockets"] for unit in instances)),
    ]


def _requests(log: Mapping[str, Any] | None) -> list[str]:
    if not log:
        return [words.NOTHING] * 6
    total = log["total"]
    times = [words.duration(total[name]) for name in ("p50", "p95", "p99")]
    return [words.rate(log["per_second"]), words.percent(total["rate_502"]), words.percent(total["rate_504"]), *times]


def _without_site(one: Mapping[str, Any]) -> str:
    what = {"data": "only data of it", "half": "half removed"}.get(one["found"], "no such site")
    has = f"; it has {', '.join(one['sites'])}" if one["sites"] and one["found"] == "nothing" else ""
    runs = f"; it runs {', '.join(one['else'])}" if one.get("else") else ""
    return f"{what}{has}{runs}"


def _verdict(problems: Sequence[str]) -> list[str]:
    if not problems:
        return ["Nothing has to be looked at."]
    told = ["To be looked at:"]
    for problem in problems:
        told += _wrapped(problem, INDENT)
    return told


# --- one host --------------------------------------------------------------------------------------------------------


def _host(host: str, one: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrapped(f"{host}: {release(one)}", "")
    for part in (
        _table(UNITS, [unit(each, one["at"]) for each in one["units"]], INDENT) if one["units"] else [],
        [line for name, text in facts(one) for line in _fact(name, text)],
        _table(ENDPOINTS, rows, INDENT) if (rows := endpoints(one["log"])) else [],
        _table(FAILING, rows, INDENT) if (rows := failing(one["log"])) else [],
        _journal(one["journal"], one["at"]),
        _drift(one["drift"], one["at"]),
        _unread(one["unread"]),
    ):
        yield from part


def release(one: Mapping[str, Any]) -> str:
    """What is live, since when, and by whom."""
    live = one["live"]
    if not live:
        return "no release is live"
    commit = f", commit {live['commit'][:12]}" if live["commit"] else ""
    move = f"by {live['operation']} of {live['by'] or 'somebody'}" if live["operation"] else ""
    since = f" since {words.moment(live['since'], one['at'])}" if live["since"] else ""
    reason = f": {live['reason']}" if live["reason"] else ""
    closed = "; closed for maintenance" if one["maintenance"] else ""
    at_work = f"; at work on it: {one['run']}" if one["run"] else ""
    return f"{live['id']} ({live['stack']} by {live['server']}{commit}){since} {move}{reason}{closed}{at_work}"


def unit(unit: Mapping[str, Any], at: float) -> list[str]:
    """A unit in words, as UNITS has them; of a timer there is less."""
    if unit["unit"].endswith(".timer"):
        last = f"last {words.moment(unit['last'], at)}" if unit["last"] else "has not run yet"
        upcoming = f"next {words.moment(unit['next'], at)}" if unit["next"] else unit["state"]
        return [f"{unit['process']} (timer)", f"{upcoming}, {last}"]
    return [
        f"{unit['process'] or unit['release']} ({_role(unit)})",
        words.duration(at - unit["since"]) if unit["since"] else words.NOTHING,
        _more(unit["restarts"], unit["restarts_lately"]),
        _more(unit["workers"], unit["workers_started"]),
        words.size(unit["memory"]) if unit["processes"] else words.NOTHING,
        _signed(unit["growth"]),
        words.percent(unit["cpu"]),
        str(unit["connections"]) if not unit["process"] else "",
        str(unit["websockets"]) if not unit["process"] else "",
    ]


def _role(unit: Mapping[str, Any]) -> str:
    if unit["role"] == "live":
        return "live" if unit["state"].startswith(("active/", "reloading/")) else unit["state"]
    left = f", {words.duration(unit['ends_in'])}" if unit["ends_in"] is not None else ""
    return f"{unit['role']}{left}"


def _more(number: int, lately: int) -> str:
    """A number, and how many of it are new since the window began."""
    return f"{number} (+{lately})" if lately else str(number)


def _signed(growth: Mapping[str, Any] | None) -> str:
    if not growth:
        return words.NOTHING
    sign = "+" if growth["per_hour"] >= 0 else "−"
    return f"{sign}{words.size(abs(growth['per_hour']))}"


def facts(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is to be said of the host and of its log, each with a name."""
    host, log = one["host"], one["log"]
    if host:
        yield "host", _machine(host)
        yield "disk", "; ".join(_disk(disk) for disk in host["disks"])
        if host["tls"]:
            yield "TLS", _certificate(host["tls"])
        elif one["live"] and one["live"]["scheme"] == "https" and not host["tls_problem"]:
            yield "TLS", "ends in front of this host, such as at a balancer: no certificate is looked at"
    if log:
        yield "log", _log(log)


def _certificate(tls: Mapping[str, Any]) -> str:
    shown = ", which nginx does not show" if tls["served"] is False else ""
    return f"certificate until {words.moment(tls['ends'])[:10]}, {tls['days']:.0f} days{shown}"


def _machine(host: Mapping[str, Any]) -> str:
    free = f"{words.size(host['memory_available'])} of {words.size(host['memory'])} memory free"
    return f"load {host['load']:.2f} on {host['cores']} cores, {free}, nginx {host['nginx']}"


def _disk(disk: Mapping[str, Any]) -> str:
    beside = f" and {len(disk['paths']) - 1} more" if len(disk["paths"]) > 1 else ""
    few = (
        ""
        if disk["inodes_free_share"] >= disk["free_share"]
        else f", inodes {words.percent(disk['inodes_free_share'])}"
    )
    return f"{disk['paths'][0]}{beside}: {words.size(disk['free'])} free ({words.percent(disk['free_share'])}{few})"


def _log(log: Mapping[str, Any]) -> str:
    total = log["total"]
    statuses = f" ({words.counts(total['statuses'])})" if total["statuses"] else ""
    ended = log["websockets"]["connections"]
    sockets = f"; {ended} WebSocket{'s' if ended != 1 else ''} ended" if ended else ""
    broken = f"; {log['broken']} lines can't be read" if log["broken"] else ""
    untimed = f"; {log['untimed']} have no time" if log["untimed"] else ""
    short = "" if log["reaches_back"] else "; the log does not reach back that far"
    return f"{total['requests']} requests{statuses}{sockets}{broken}{untimed}{short}"


def endpoints(log: Mapping[str, Any] | None) -> list[list[str]]:
    """The endpoints in words, as ENDPOINTS has them."""
    if not log or not log["endpoints"]:
        return []
    rows = [_endpoint(one) for one in log["endpoints"]]
    return [*rows, *([["all others", *_figures(log["others"])]] if log["others"]["requests"] else [])]


def failing(log: Mapping[str, Any] | None) -> list[list[str]]:
    """Endpoints with errors of the server that are none of those with the most requests, as FAILING has them."""
    if not log:
        return []
    shown = {(one["method"], one["path"]) for one in log["endpoints"]}
    return [_endpoint(one) for one in log["failing"] if (one["method"], one["path"]) not in shown]


def releases(log: Mapping[str, Any] | None) -> list[list[str]]:
    """What each release answered, as RELEASES has it."""
    return [[one["release"] or "nginx itself", *_figures(one)] for one in log["releases"]] if log else []


def _endpoint(one: Mapping[str, Any]) -> list[str]:
    return [f"{one['method']} {one['path']}", *_figures(one)]


def _figures(one: Mapping[str, Any]) -> list[str]:
    times = [words.duration(one[name]) for name in ("p50", "p95", "p99")]
    return [str(one["requests"]), str(one["server_errors"]), *times]


def _journal(journal: Mapping[str, Any] | None, at: float) -> Iterator[str]:
    if not journal:
        return
    if journal["failures"]:
        yield from _fact(
            "connections", f"{journal['failures']} failures: {words.counts(journal['connection_failures'])}"
        )
    for number, one in enumerate(journal["findings"]):
        said = f"{one['cause']}, {one['count']} ×, last {words.moment(one['at'], at)}: {one['evidence']} {one['hint']}"
        yield from _fact("diagnosis" if not number else "", said)


def _drift(drift: Mapping[str, Any] | None, at: float) -> Iterator[str]:
    if not drift:
        return
    for number, one in enumerate(drift["drift"]):
        when = f" at {words.moment(one['at'], at)}" if one["at"] else ""
        yield from _fact("by hand" if not number else "", f"{one['kind']}: {one['path']} {one['what']}{when}")
        shown = one["diff"][:DIFF_LINES]
        yield from (_cut(f"{INDENT}{' ' * 15}{words.kept(line)}", WIDTH) for line in shown)
        if len(one["diff"]) > len(shown):
            yield f"{INDENT}{' ' * 15}… and {len(one['diff']) - len(shown)} more lines"
    if drift["not_taken_up"]:
        yield from _fact("", f"systemd has not taken up {', '.join(drift['not_taken_up'])}")
    if drift["unknown"]:
        yield from _fact("not judged", f"{', '.join(drift['unknown'])}: made by an earlier version")


def _unread(unread: Mapping[str, str]) -> Iterator[str]:
    for part, why in unread.items():
        yield from _fact("not read", f"{part}: {words.line(why)}")


# --- text ------------------------------------------------------------------------------------------------------------


def _fact(name: str, text: str) -> list[str]:
    return _wrapped(f"{name:12} {words.line(text, 1000)}", INDENT, " " * 13)


def _wrapped(text: str, indent: str, hanging: str = INDENT) -> list[str]:
    return textwrap.wrap(
        words.kept(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Columns as wide as they have to be, the first to the left; what is too long there is cut. A row may end early."""
    cells = [[words.line(cell) for cell in row] for row in (head, *rows)]
    whole = [row for row in cells if len(row) == len(head)]
    widths = [max(len(row[number]) for row in whole) for number in range(len(head))]
    beside = len(indent) + sum(widths[1:]) + 2 * (len(head) - 1)
    first = max(len(row[0]) for row in cells)
    widths[0] = min(first, max(WIDTH - beside, 8))
    return [_row(row, widths, indent) for row in cells]


def _row(row: Sequence[str], widths: Sequence[int], indent: str) -> str:
    first = _cut(row[0], widths[0]).ljust(widths[0])
    if len(row) < len(widths):
        return _cut("  ".join([indent + first, *row[1:]]), WIDTH)
    is_text = {1} if widths[1] > 12 else set()  # a release, and no number
    others = [
        cell.ljust(width) if number in is_text else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(row[1:], widths[1:]), 1)
    ]
    return "  ".join([indent + first, *others]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

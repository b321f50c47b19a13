# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the page of a site's status: what its template shows, in words, and the charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.switchyard.django.plugins.module_utils import status_table, words
from ansible_collections.switchyard.django.plugins.plugin_utils import status_series
from ansible_collections.switchyard.django.plugins.plugin_utils.status_series import Mark

UNIT_HEAD = ("unit", *status_table.UNITS[1:])
# Hosts move one after the other; so many seconds apart it is one move of the site still.
TOGETHER = 300
OPERATIONS = {"rollback": "rollback", "recovery": "rollback", "return": "rollback", "restore": "rollback"}


def render(told: Mapping[str, Any], template: Path) -> str:
    """The page as one text of HTML.

    :param told: `site`, `hosts` as site_status_info returned them, and `problems`
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(
        duration=words.duration, size=words.size, percent=words.percent, moment=words.moment, rate=words.rate
    )
    hosts = {name: one for name, one in told["hosts"].items() if one.get("found") == "site"}
    moves = moves_of(hosts)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        site=told["site"],
        problems=told["problems"],
        at=max((one["at"] for one in hosts.values()), default=None),
        since=min((one["since"] for one in hosts.values()), default=None),
        overview=[
            _named(status_table.OVERVIEW, status_table.overview(name, one)) for name, one in told["hosts"].items()
        ],
        overview_head=status_table.OVERVIEW,
        unit_head=UNIT_HEAD,
        endpoint_head=status_table.ENDPOINTS,
        failing_head=status_table.FAILING,
        release_head=status_table.RELEASES,
        colours={name: number for number, name in enumerate(hosts)},
        moves=moves,
        charts=_charts(hosts, moves),
        hosts={name: _host(name, one) for name, one in hosts.items()},
    )


def _charts(hosts: status_series.Hosts, moves: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    # Here and not above: nothing but the page needs matplotlib.
    from ansible_collections.switchyard.django.plugins.plugin_utils import status_charts

    charts = status_series.charts(hosts)
    if not charts:
        return []
    since, until = min(one["since"] for one in hosts.values()), max(one["at"] for one in hosts.values())
    marks = [_mark(move, since) for move in moves if move["number"]]
    return [{"title": one.title, "svg": status_charts.draw(one, marks, since, until)} for one in charts]


def _named(head: Sequence[str], row: Sequence[str]) -> list[tuple[str, str]]:
    """Each cell with its heading, which a narrow page shows beside it."""
    return list(zip(head, row))


def _host(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of one host."""
    return {
        "release": status_table.release(one),
        "units": [_named(UNIT_HEAD, status_table.unit(unit, one["at"])) for unit in one["units"]],
        "facts": list(status_table.facts(one)),
        "endpoints": [_named(status_table.ENDPOINTS, row) for row in status_table.endpoints(one["log"])],
        "failing": [_named(status_table.FAILING, row) for row in status_table.failing(one["log"])],
        "releases": [_named(status_table.RELEASES, row) for row in status_table.releases(one["log"])],
        "findings": [
            {**finding, "when": words.moment(finding["at"], one["at"])}
            for finding in (one["journal"] or {}).get("findings", ())
        ],
        "failures": words.counts(one["journal"]["connection_failures"]) if one["journal"] else "",
        "drift": [
            {**drift, "when": words.moment(drift["at"], one["at"]) if drift["at"] else ""}
            for drift in (one["drift"] or {}).get("drift", ())
        ],
        "unknown": (one["drift"] or {}).get("unknown", ()),
        "stale": (one["drift"] or {}).get("not_taken_up", ()),
        "unread": one["unread"],
    }


# --- the moves -------------------------------------------------------------------------------------------------------


def moves_of(hosts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The moves of all hosts, oldest first, those that belong together as one."""
    found: list[dict[str, Any]] = []
    for move in sorted(_moves(hosts), key=lambda one: one["at"]):
        same = next((one for one in reversed(found) if _is_same(one, move)), None)
        if same:
            same["hosts"].append(move["host"])
        else:
            found.append({**move, "hosts": [move["host"]]})
    since = min((one["since"] for one in hosts.values()), default=0)
    inside = [move for move in found if move["at"] >= since]
    for number, move in enumerate(inside, 1):
        move["number"] = number
    return found


def _moves(hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for host, one in hosts.items():
        stack = None
        for move in one["history"]:
            yield {
                "host": host,
                "at": move["at"],
                "kind": _kind(move, stack),
                "operation": move["operation"],
                "from": move["from"] or "",
                "to": move["to"] or "",
                "stack": move["stack"] or "",
                "by": move["by"] or "",
                "result": move["result"],
                "reason": move["reason"] or "",
                "number": 0,
            }
            stack = move["stack"] if move["result"] == "live" else stack


def _kind(move: Mapping[str, Any], stack_before: str | None) -> str:
    """What a mark is: a switch is a deploy that changes the stack."""
    if move["result"] != "live":
        return "failed"
    if move["operation"] in OPERATIONS:
        return OPERATIONS[move["operation"]]
    return "switch" if stack_before and move["stack"] and stack_before != move["stack"] else "deploy"


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    alike = all(one[name] == other[name] for name in ("operation", "to", "result"))
    return alike and other["at"] - one["at"] <= TOGETHER and other["host"] not in one["hosts"]


def _mark(move: Mapping[str, Any], since: float) -> Mark:
    told = f"{move['kind']} to {move['to']} on {', '.join(move['hosts'])}, {words.moment(move['at'], since)}"
    return Mark(move["at"], move["kind"], str(move["number"]), f"{move['number']}: {told}")

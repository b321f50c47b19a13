# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of one site, which move in batches and go the same way: all of them, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SIZE = re.compile(r"([1-9][0-9]{0,5})|([1-9][0-9]?|100)%")


def members_problem(groups: Sequence[str], hosts: Sequence[str], members: Sequence[str], site: str) -> str:
    """Why a run would not do what it is asked; empty where it would.

    :param groups: the site_group of each host of the run
    :param members: the hosts of the site, those that --limit leaves out, too
    """
    named = list(dict.fromkeys(str(group) for group in groups))
    if len(named) > 1:
        return (
            f"site_group is not the same for {', '.join(hosts)}: {', '.join(named)}. Set it for all hosts of the "
            "inventory, below all: vars:, or give it with -e site_group=. Nothing was changed."
        )
    if not members or not named[0]:
        return (
            f"site_group {named[0] or repr('')} has no host in the inventory. Name a group of it, or give the "
            "inventory with -i."
        )
    if not set(hosts) & set(members):
        return f"--limit leaves none of the hosts of {site}, which are {', '.join(members)}. Nothing was changed."
    return ""


def batch_problems(wanted: Any) -> list[str]:
    """Why hosts can't be parted like this; nothing where they can."""
    sizes = wanted if isinstance(wanted, list) else [wanted]
    if sizes and all(SIZE.fullmatch(str(size)) and not isinstance(size, bool) for size in sizes):
        return []
    return [
        f"site_batch {wanted} must be a whole number of hosts from 1 on, a percentage like 25%, or a list of "
        "those, for example [1, 50%]."
    ]


def batches(hosts: Sequence[str], wanted: Any) -> list[list[str]]:
    """The hosts in their order, parted; the last size goes on until every host has its batch.

    :param wanted: site_batch
    """
    sizes = wanted if isinstance(wanted, list) else [wanted]
    parted: list[list[str]] = []
    begin = 0
    while begin < len(hosts):
        size = str(sizes[min(len(parted), len(sizes) - 1)])
        number = max(1, len(hosts) * int(size[:-1]) // 100) if size.endswith("%") else int(size)
        parted.append(list(hosts[begin : begin + number]))
        begin += number
    return parted


def differing(parts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """In what the hosts' releases differ, with the hosts that have the same.

    :param parts: digests of what a release is made of, by host
    """
    found = []
    for name in dict.fromkeys(name for one in parts.values() for name in one):
        alike: dict[str, list[str]] = {}
        for host, one in parts.items():
            alike.setdefault(one[name], []).append(host)
        if len(alike) > 1:
            found.append(f"{name} ({' / '.join(', '.join(hosts) for hosts in alike.values())})")
    return found


def parting(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """Why the hosts can't go back together, with what each of them has and the way out; empty where they can.

    :param answers: what the module release_rollback returned, by host
    """
    problems = any(answer["problem"] for answer in answers.values())
    if not problems and len({answer["release"] for answer in answers.values()}) == 1:
        return ""
    alike: dict[str, list[str]] = {}
    for host, answer in answers.items():
        said = answer["problem"] or f"It would go back to {answer['release']}."
        alike.setdefault(f"{answer['live'] or 'Nothing'} is live. {said}", []).append(host)
    # What is the same everywhere says its own way out.
    way_out = f" {_common_way(answers)}" if len(alike) > 1 else ""
    return "\n".join(
        [
            "The hosts can't go back together:" if problems else "The hosts would go back to different releases:",
            *(f"{', '.join(hosts)}: {said}" for said, hosts in alike.items()),
            f"No traffic was moved.{way_out}",
        ]
    )


def _common_way(answers: Mapping[str, Mapping[str, Any]]) -> str:
    everywhere = {answer["live"] for answer in answers.values()}
    first, *others = (answer["has"] for answer in answers.values())
    common = [name for name in first if all(name in one for one in others) and everywhere != {name}]
    if common:
        return f"Name the one that is meant with -e rollback_to=; each of them has {', '.join(common)}."
    return (
        "There is no release to go back to that each of them has: deploy the version that is meant, or leave hosts out "
        "by name, with what they have: --limit '!NAME'"
    )


def stragglers(moves: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts that were to move and did not, or of which nobody knows whether they did.

    :param moves: what the module cutover returned, by host
    """
    return [host for host, move in moves.items() if not move.get("skipped") and not move.get("moved")]


def story(
    moves: Mapping[str, Mapping[str, Any]],
    returns: Mapping[str, Mapping[str, Any]],
    release: str,
    remains: str = "",
) -> str:
    """What became of every host, where one could not move.

    :param moves: what the module cutover returned, by host
    :param returns: what it returned when it took a host back
    :param release: the one that was to be live
    :param remains: what was changed for it and stays, such as migrations
    """
    failed = stragglers(moves)
    lines = [f"{host}: {_why_not(moves[host])}" for host in failed]
    known = {moves[host].get("source", "") for host in moves if not moves[host].get("skipped")}
    lines.append(
        f"{release} serves as before, without what this run would have changed."
        if known == {release}
        else f"{release} is not live."
    )
    lines += [f"{host}{_what_became(moves[host], returns.get(host, {}))}" for host in moves if host not in failed]
    return "\n".join([*lines, remains] if remains else lines)


def farewell(lost: Sequence[str], moves: Mapping[str, Mapping[str, Any]], returns: Mapping[str, Any]) -> str:
    """What a host that went away means for the others, and the way out.

    :param lost: the hosts that can't be reached
    :param moves: what the module cutover returned, by host
    :param returns: what it returned when it took a host back
    """
    moved = [host for host, move in moves.items() if move.get("moved") and move.get("changed") and host not in returns]
    said = f"{', '.join(lost)} can't be reached; Ansible's own message above says why."
    if moved:
        return f"{said} The traffic has moved on {', '.join(moved)}, and stays there. Mend it, and run this again."
    out = ",".join(f"!{host}" for host in lost)
    return f"{said} No host has its traffic moved. Mend it, or leave it out by name: --limit '{out}'"


def _why_not(move: Mapping[str, Any]) -> str:
    if "message" in move:
        return str(move["message"])
    said = str(move.get("msg", "no answer")).strip()
    if move.get("unreachable") or move.get("timedout"):
        return (
            f"it went away during its cutover: {said.rstrip('.')}. One release serves there when it is back, "
            "the old or the new one: run this again then."
        )
    return said


def _what_became(move: Mapping[str, Any], way_back: Mapping[str, Any]) -> str:
    if move.get("skipped"):
        return " was not touched: its batch had not begun."
    if not move.get("changed"):
        return ": this release was live there before."
    if way_back.get("moved"):
        return f" was taken back: {way_back['message']}"
    return f" could not be taken back: {_why_not(way_back)}"

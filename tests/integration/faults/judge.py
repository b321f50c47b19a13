# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a host after a fault: judged from what look.py saw there."""

from __future__ import annotations

from typing import Any


def inconsistencies(seen: dict[str, Any]) -> list[str]:
    """Why what serves is not one release."""
    live, served = seen["current"], seen["served"]
    if live is None:
        return ["current names nothing"]
    found = []
    unit_name = f"{seen['site']}@{live}.service"
    unit = seen["units"].get(unit_name, {})
    if served["status"] != 200:
        found.append(f"the health page answers {served['status']} ({served['health']})")
    if (served["health"], served["header"]) != (live, live):
        found.append(
            f"current is {live}, the answer is from {served['health']} and nginx's part from {served['header']}"
        )
    if unit.get("ActiveState") != "active":
        found.append(f"the unit of {live} is {unit.get('ActiveState', 'not loaded')}")
    elif seen["environ"][unit_name] != live:
        found.append(f"the main process of {unit_name} was told that it is {seen['environ'][unit_name]}")
    digest = seen["manifests"].get(live)
    if not digest:
        found.append(f"{live} has no whole manifest")
    elif f"/env/{digest}.env" not in unit.get("EnvironmentFiles", ""):
        found.append(f"the unit of {live} reads {unit.get('EnvironmentFiles')}, its manifest says {digest}")
    if seen["nginx"]["problem"] or seen["nginx"]["releases"] != [live]:
        found.append(f"nginx -T: {seen['nginx']['problem'] or seen['nginx']['releases']}")
    return found


def unsettled(seen: dict[str, Any]) -> list[str]:
    """What is still at work, or has failed. A drain ends by itself."""
    found = [
        f"{name} is {unit['ActiveState']}/{unit['SubState']}"
        for name, unit in sorted(seen["units"].items())
        if unit["ActiveState"] in ("activating", "deactivating", "failed", "reloading")
    ]
    running = sorted(name for name in seen["units"] if name.startswith(f"{seen['site']}@") and seen["environ"][name])
    return found if len(running) == 1 else [*found, f"instances that run: {', '.join(running) or 'none'}"]


def leftovers(seen: dict[str, Any]) -> list[str]:
    """What is still there although a run ended well since: scratch files, and releases that are half-made."""
    found = [f"left behind: {path}" for path in seen["leftovers"]]
    found += [
        f"half-made: the record of {name} has no manifest" for name, whole in seen["manifests"].items() if not whole
    ]
    return found + [
        f"half-made: {name} has code and no record" for name in seen["code"] if name not in seen["manifests"]
    ]


def unsound(seen: dict[str, Any]) -> list[str]:
    """Everything that is amiss when nothing is going on."""
    return [*inconsistencies(seen), *unsettled(seen), *leftovers(seen)]

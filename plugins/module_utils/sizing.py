# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many workers a host can carry, and whether what is wanted fits: two instances overlap during a cutover."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AUTO = "auto"
MIB = 1024 * 1024
MEMORY = re.compile(r"infinity|[1-9][0-9]*[KMGT]?|[1-9][0-9]?%|100%")
UNITS = {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB, "T": 1024 * 1024 * MIB}
INSTANCES = 2
# Fewer bytes than any Python needs: a number without its unit.
LEAST_MEMORY = 16 * MIB
# Of its connections PostgreSQL keeps so many for superusers.
RESERVED = 3


# --- the host --------------------------------------------------------------------------------------------------------


def resources(root: Path = Path("/")) -> dict[str, int]:
    """The cores and the MiB of memory that the host's services may use: the machine's, or less by cgroup."""
    total = int(re.findall(r"^MemTotal:\s+(\d+) kB", (root / "proc/meminfo").read_text(), re.MULTILINE)[0]) * 1024
    return {"cores": _cores(root), "memory": min([total, *_limits(root)]) // MIB}


def _cores(root: Path) -> int:
    cores = float(len(os.sched_getaffinity(0)))
    for folder in (root / "sys/fs/cgroup", root / "sys/fs/cgroup/cpu"):
        quota = _read(folder / "cpu.max").split()
        if len(quota) != 2:
            quota = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
        if all(part.isdecimal() for part in quota):
            cores = min(cores, int(quota[0]) / int(quota[1]))
    return max(1, int(cores))


def _limits(root: Path) -> list[int]:
    """By a container's own cgroup, and by the slice in which systemd runs services."""
    cgroup = root / "sys/fs/cgroup"
    names = [
        "memory.max",
        "system.slice/memory.max",
        "memory/memory.limit_in_bytes",
        "memory/system.slice/memory.limit_in_bytes",
    ]
    found = [_read(cgroup / name) for name in names]
    # Where v1 limits nothing it says a number that is more than any machine has.
    return [int(text) for text in found if text.isdecimal()]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def neighbours(site: str, etc: Path = Path("/etc/switchyard")) -> dict[str, int]:
    """What the live releases of the host's other sites are counted with, in MiB, by site."""
    found = {}
    for current in sorted(etc.glob("*/current")):
        name = current.parent.name
        try:
            manifest = json.loads((current / "release.json").read_text())
        except (OSError, ValueError):
            continue
        if name != site and "size" in manifest:
            found[name] = int(manifest["size"]["memory"])
    return found


# --- what fits -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """How an app server is sized; the numbers of the contract and of the variables.

    :param workers: what the user wants, or auto
    :param threads: what the user wants of each worker, or auto
    :param per_core: workers for each core where the user leaves it to the host
    :param plus: and so many more
    :param least: at least
    :param most: the server can't have more; 0 for any number
    :param usual_threads: the threads of a worker where the user leaves it to the server
    :param connections: database connections of a worker; 0 for one a thread
    :param worker_memory: MiB that a worker takes once it has worked for a while
    :param reserve: MiB that are the system's, nginx's, a database's
    :param memory_max: MemoryMax= of an instance
    :param variable: by which the user sets the workers
    """

    workers: str
    threads: str
    per_core: int
    least: int
    usual_threads: int
    worker_memory: int
    reserve: int
    memory_max: str
    variable: str
    plus: int = 0
    most: int = 0
    connections: int = 0


@dataclass(frozen=True)
class Size:
    """What one instance has on a host; memory in MiB."""

    workers: int
    threads: int
    connections: int
    memory: int


def size(rule: Rule, host: Mapping[str, int], others: Mapping[str, int]) -> tuple[Size, str]:
    """The size, and the sum that shows why it does not fit, or nothing.

    Where the user leaves the number to the host, memory counts before cores.
    """
    fitting = max(0, _room(rule, host, others) // rule.worker_memory)
    if rule.workers == AUTO:
        by_cores = max(rule.least, host["cores"] * rule.per_core + rule.plus)
        workers = max(1, min(by_cores, fitting, *([rule.most] if rule.most else [])))
    else:
        workers = int(rule.workers)
    threads = rule.usual_threads if rule.threads == AUTO else int(rule.threads)
    connections = workers * (rule.connections or threads)
    found = Size(workers, threads, connections, workers * rule.worker_memory)
    return found, "" if workers <= fitting else _sum(rule, found, host, others, fitting)


def _room(rule: Rule, host: Mapping[str, int], others: Mapping[str, int]) -> int:
    """The MiB that one instance may have: beside it, and the other sites', the largest of them overlaps once.

    So a site that fits goes on to fit when another one comes: that one is judged by the same sum.
    """
    left = host["memory"] - rule.reserve - sum(others.values())
    largest = max(others.values(), default=0)
    shared = max(left // INSTANCES, 0)
    return min(shared if shared >= largest else left - largest, _allowed(rule, host))


def _allowed(rule: Rule, host: Mapping[str, int]) -> int:
    """systemd_memory_max in MiB."""
    if rule.memory_max == "infinity":
        return host["memory"]
    if rule.memory_max.endswith("%"):
        return host["memory"] * int(rule.memory_max[:-1]) // 100
    unit = rule.memory_max[-1] if rule.memory_max[-1] in UNITS else ""
    return int(rule.memory_max.removesuffix(unit)) * UNITS[unit] // MIB


def _sum(rule: Rule, wanted: Size, host: Mapping[str, int], others: Mapping[str, int], fitting: int) -> str:
    rows = [
        (wanted.memory, f"{_count(wanted.workers)} × {rule.worker_memory} MiB (systemd_worker_memory)"),
        (
            max(wanted.memory, *others.values()) if others else wanted.memory,
            f"{'the largest site' if others else 'the same'} once more: two instances overlap during a cutover",
        ),
        (rule.reserve, "kept for the rest of the host (systemd_memory_reserve)"),
        *((memory, f"the site {name}, which is live on this host") for name, memory in others.items()),
    ]
    total = sum(memory for memory, _whose in rows)
    what = f"{_count(wanted.workers)} {'do' if wanted.workers != 1 else 'does'} not fit"
    if total > host["memory"]:
        lines = [f"{what} into the memory of this host, {host['memory']} MiB:"]
        lines += [f"  {memory:6} MiB  {whose}" for memory, whose in rows]
        lines.append(f"  {total:6} MiB  in all")
    else:
        lines = [
            f"{what} into systemd_memory_max {rule.memory_max}, {_allowed(rule, host)} MiB for an instance: "
            f"they are counted with {rule.worker_memory} MiB each (systemd_worker_memory)."
        ]
    if fitting:
        lines.append(f"{_count(fitting)} would fit: set {rule.variable}: {fitting}, or leave it out.")
    lines.append(
        "Or take a larger host; or, where you have measured less (systemctl show -p MemoryCurrent), lower "
        "systemd_worker_memory."
    )
    return "\n".join(lines)


def needed(rule: Rule, wanted: Mapping[str, int], others: Mapping[str, int]) -> int:
    """The MiB that a host must have while two instances overlap."""
    overlap = max(wanted["memory"], *others.values()) if others else wanted["memory"]
    return wanted["memory"] + overlap + rule.reserve + sum(others.values())


def _count(workers: int) -> str:
    return f"{workers} worker{'s' if workers != 1 else ''}"


def rule_problems(rule: Mapping[str, Any]) -> list[str]:
    """What is wrong with the numbers that a user set."""
    found = []
    stack = str(rule["variable"]).partition("_")[0]
    for name in ("workers", "threads"):
        if rule[name] != AUTO and not re.fullmatch(r"[1-9][0-9]{0,2}", str(rule[name])):
            found.append(f"{stack}_{name} {rule[name]} must be a whole number from 1 to 999, or {AUTO}")
    if not found and rule.get("most") and rule["workers"] != AUTO and int(rule["workers"]) > int(rule["most"]):
        found.append(
            f"{rule['variable']} {rule['workers']} is more than this app server can have: {rule['most']}. "
            "Leave it out, or choose another server"
        )
    for name in ("worker_memory", "reserve"):
        variable = {"worker_memory": "systemd_worker_memory", "reserve": "systemd_memory_reserve"}[name]
        if not re.fullmatch(r"[1-9][0-9]{0,6}", str(rule[name])):
            found.append(f"{variable} {rule[name]} must be a whole number of MiB from 1 on")
    if not MEMORY.fullmatch(str(rule["memory_max"])):
        found.append(
            f"systemd_memory_max {rule['memory_max']} is no limit that systemd knows: use a number with K, M, G or T "
            "behind it, a percentage of the host's memory, or infinity, for example 768M"
        )
    elif str(rule["memory_max"]).isdecimal() and int(str(rule["memory_max"])) < LEAST_MEMORY:
        found.append(f"systemd_memory_max {rule['memory_max']} would be bytes: {rule['memory_max']}M may be meant")
    return found


def rule_of(given: Mapping[str, Any]) -> Rule:
    """The rule, of what templates made: there every number may be a text."""
    texts = ("workers", "threads", "memory_max", "variable")
    fields: dict[str, Any] = {name: str(value) if name in texts else int(value) for name, value in given.items()}
    return Rule(**fields)


# --- the database ----------------------------------------------------------------------------------------------------


def connections_problem(wanted: Mapping[str, int], hosts: int, databases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What does not fit into the connections that a database server allows; two instances have theirs at once.

    :param databases: alias -> what Django and the database say: max_connections, and pool, the most that one process
        keeps, each where there is one; and ours, whether the role postgresql set it up
    """
    found = []
    for alias, database in databases.items():
        limit, pool = database.get("max_connections"), database.get("pool")
        if not limit:
            continue
        each = wanted["workers"] * pool if pool else wanted["connections"]
        total = INSTANCES * hosts * each
        if total > limit:
            how = (
                f"a pool of {pool} in each of {_count(wanted['workers'])}" if pool else "one for each request at a time"
            )
            enough = -(-(total + RESERVED) // 10) * 10
            way = f" (postgresql_max_connections: {enough} does, and restarts it)" if database.get("ours") else ""
            found.append(
                f"DATABASES[{alias!r}] allows {limit} connections, but {INSTANCES} instances during a cutover × "
                f"{hosts} host(s) × {each} ({how}) are {total}. Have fewer workers or threads, raise the server's "
                f"max_connections{way}, or say with site_database_connections how many there are, where a pool such as "
                "PgBouncer stands in front, 0 not to count them"
            )
    return found

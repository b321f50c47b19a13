# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is told before it asks a host: what it lacks, and what somebody has mistyped."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

# What has no default, as a person is told of it: a meaning, and a value.
REQUIRED = {
    "site_name": ("The name of the site, from which units, user and folders have theirs", "shop"),
    "site_source": ("A git URL, or a folder on this machine", "https://git.example.org/shop.git"),
    "site_package": ("The Python package that holds wsgi.py and asgi.py", "shop"),
    "site_domains": ("The host names under which the site answers", "[shop.example.org]"),
}
# An option in an argument spec. All of them are read in a thousandth of the time that a parser of YAML takes.
OPTION = re.compile(r"^      (\w+):", re.MULTILINE)
# How alike two names are, of 1: what people mistype is above it, and two words that are both meant are below.
ALIKE = 0.8
# The same for two names with their prefixes: where these are the same, nearly all names are alike.
ALIKE_AS_A_WHOLE = 0.88
# Where Ansible puts what it can't tell of -e NAME=VALUE.
LOST = "_raw_params"


def options(roles: Path) -> set[str]:
    """The names of all variables that the roles in a folder read."""
    return {
        name for spec in roles.glob("*/meta/argument_specs.yml") for name in OPTION.findall(spec.read_text("utf-8"))
    }


def missing(needs: Iterable[str], hosts: Mapping[str, Collection[str]], known: Collection[str]) -> list[str]:
    """Which variables are not set, what each of them is, and what may have been meant for it.

    :param hosts: the names of the variables that a host has, by host
    :param known: the names of all variables that are read
    """
    said = []
    for name in needs:
        without = [host for host, names in hosts.items() if name not in names]
        if without:
            meaning, value = REQUIRED[name]
            where = "" if len(without) == len(hosts) else f" for {', '.join(without)}"
            others = sorted({other for host in without for other in hosts[host]} - set(known))
            meant = f" {near} is set: is that meant?" if (near := _nearest(name, others)) else ""
            said.append(f"{name} is not set{where}. {meaning}, for example {name}: {value}.{meant}")
    return [*said, "Set it in the inventory, or with -e. Nothing was changed."] if said else []


def mistyped(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Which variables nothing reads, though their names are nearly those of some that are read.

    A project may have variables of its own that begin as ours do, so that only what is near one of ours is told.
    """
    said = []
    for name in sorted(set(names) - set(known)):
        prefix, _underscore, rest = name.partition("_")
        alike = {one.partition("_")[2]: one for one in known if one.startswith(f"{prefix}_")}
        near = _nearest(rest, alike)
        if meant := alike[near] if near else _nearest(name, known, ALIKE_AS_A_WHOLE):
            said.append(f"{name} is no variable of switchyard.django, and nothing of it reads it. Is {meant} meant?")
    return said


def cut_off(names: Iterable[str]) -> list[str]:
    """What is said where Ansible takes a part of a value for none. The value may be secret, and is not shown.

    :param names: the variables whose values are cut off; empty where it stands before all of them
    """
    return [
        f"-e {name}=… is cut off at a space, and Ansible drops the rest. Quote the value for Ansible as well: "
        f"""-e "{name}='…'", or -e '{{"{name}": "…"}}'. Nothing was changed."""
        if name
        else "-e has a word that belongs to no variable; it takes NAME=VALUE. Nothing was changed."
        for name in names
    ]


def _nearest(name: str, names: Iterable[str], alike: float = ALIKE) -> str:
    return next(iter(difflib.get_close_matches(name, names, 1, alike)), "")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges site_processes and site_timers on the controller, and makes one list of them.

A command is an argument list in the end: no shell reads it, and nothing in it means anything to systemd.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import masking
from ansible_collections.switchyard.django.plugins.module_utils.layout import PROCESS_NAME

SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH")
LONGEST_STOP = 86400
# The move of the traffic waits for a singleton to end.
SINGLETONS_STOP = 120
SINGLETONS_LONGEST_STOP = 300
PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
# What systemd.time(7) writes a calendar event with. The host says whether it is one.
SCHEDULE = re.compile(r"[A-Za-z0-9*.,:/~+_ -]+")
TOKEN = re.compile(r"@[A-Z_]+@")
SHELL = ("|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "&>")
NO_SHELL = "no shell reads it: write a script, or /bin/sh -c '…'"
# Celery's own options that stand before its subcommand and have a value.
CELERY_VALUES = ("-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir")
BEAT_FILE = ("-s", "--schedule", "--schedule-filename", "-S", "--scheduler")

EXAMPLES = {
    "site_processes": '{worker: "celery -A shop worker"}',
    "site_timers": "{clearsessions: {command: manage.py clearsessions, schedule: daily}}",
}
KEYS = {
    "site_processes": ("command", "singleton", "host", "stop_signal", "stop_timeout"),
    "site_timers": ("command", "schedule", "host"),
}


@dataclass(frozen=True)
class Process:
    """What runs beside the instances of a release.

    :param variable: by which name the user knows it
    :param argv: the argument list, with tokens such as @VENV@
    :param program: what the virtual environment must have for it; empty where it needs none
    :param singleton: whether it never runs twice at once
    :param host: the one host of the inventory on which it runs; empty for every one
    :param schedule: when it is started; empty for what runs all the time
    """

    name: str
    variable: str
    argv: list[str]
    program: str
    singleton: bool
    host: str
    stop_signal: str = "TERM"
    stop_timeout: int = 600
    schedule: str = ""


def read(variables: Mapping[str, Any], hosts: list[str]) -> tuple[list[Process], list[str]]:
    """The processes and timers that the variables describe, and everything that is wrong with them.

    :param hosts: the site's hosts, in the order of the inventory
    """
    found, problems = [], []
    for variable in KEYS:
        for name, value in variables[variable].items():
            process, wrong = _read_one(variable, str(name), value, hosts)
            problems += wrong
            found += [process] if process else []
    for name in sorted(set(variables["site_processes"]) & set(variables["site_timers"]), key=str):
        problems.append(f"site_timers.{name} has the name of a process of site_processes. Call one of them otherwise")
    return sorted(found, key=lambda one: one.name), problems


def _read_one(variable: str, name: str, value: Any, hosts: list[str]) -> tuple[Process | None, list[str]]:
    what = f"{variable}.{name}"
    if not PROCESS_NAME.fullmatch(name):
        return None, [
            f"{variable} has {name!r}, which can't stand in a unit's name. Use 1 to 32 of a-z, 0-9, - and _, "
            "a letter first, for example worker"
        ]
    given = {"command": value} if variable == "site_processes" and isinstance(value, str) else value
    if not isinstance(given, dict):
        return None, [f"{what} must be {_meant(variable)}, for example {EXAMPLES[variable]}"]
    unknown = [key for key in given if key not in KEYS[variable]]
    if unknown:
        return None, [f"{what} has {unknown[0]!r}, which is unknown. There are {', '.join(KEYS[variable])}"]
    is_timer = variable == "site_timers"
    singleton = True if is_timer else given.get("singleton", False)
    argv, problems = _arguments(what, given.get("command"))
    problems += [f"{what}.{problem}" for problem in _option_problems(given, singleton, is_timer, hosts)]
    if argv and not problems:
        problems += _celery_problems(what, argv, singleton)
    if problems:
        return None, problems
    host = given.get("host", hosts[0] if hosts else "") if singleton else ""
    process = Process(name, what, argv, "", singleton, host, schedule=given.get("schedule", ""))
    if singleton and not is_timer:
        process = replace(process, stop_timeout=SINGLETONS_STOP)
    for key in ("stop_signal", "stop_timeout"):
        process = replace(process, **{key: given[key]}) if key in given else process
    return process, []


def _meant(variable: str) -> str:
    return (
        "a command, or a dictionary with one"
        if variable == "site_processes"
        else "a dictionary with a command and a schedule"
    )


def _arguments(what: str, command: object) -> tuple[list[str], list[str]]:
    if not isinstance(command, str) or not command.strip():
        return [], [f"{what}: it has no command, for example celery -A shop worker"]
    if masking.PASSWORD_IN_URL.search(command):
        return [], [
            f"{what}: the command has a URL with a password, which every user of the host could read. Put it into "
            "site_env, and have the program read it there"
        ]
    try:
        words = shlex.split(command)
    except ValueError as problem:
        return [], [f"{what}: the command's quotes don't match ({problem})"]
    if any(not character.isprintable() for word in words for character in word):
        return [], [f"{what}: the command has a control character between quotes. Write it in one line"]
    token = next((found[0] for found in map(TOKEN.search, words) if found), "")
    if token:
        return [], [f"{what}: the command has {token}, which a release replaces. Write it otherwise"]
    operator = next((word for word in words if word in SHELL), "")
    if operator:
        return [], [f"{what}: the command has {operator}, and {NO_SHELL}"]
    if not words[0].startswith("/") and not PROGRAM.fullmatch(words[0]):
        return [], [
            f"{what}: the command begins with {words[0]!r}. It begins with manage.py, with a program of the "
            f"project's requirements such as celery, or with an absolute path; {NO_SHELL}"
        ]
    return words, []


def _option_problems(given: Mapping[str, Any], singleton: Any, is_timer: bool, hosts: list[str]) -> Iterable[str]:
    if not isinstance(singleton, bool):
        yield f"singleton {singleton!r} must be true or false"
    if "host" in given and given["host"] not in hosts:
        yield f"host {given['host']!r} is no host of the site, which has {', '.join(hosts)}"
    elif "host" in given and singleton is False:
        yield "host is for what runs on one host alone: add singleton: true, or take host out"
    if given.get("stop_signal", "TERM") not in SIGNALS:
        yield f"stop_signal {given['stop_signal']!r} is none of {', '.join(SIGNALS)}"
    seconds = given.get("stop_timeout", 1)
    most = SINGLETONS_LONGEST_STOP if singleton is True else LONGEST_STOP
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= most:
        why = ": the move of the traffic waits for a singleton to end" if singleton is True else ""
        yield f"stop_timeout {seconds!r} must be a whole number of seconds from 1 to {most}{why}"
    schedule = given.get("schedule", "")
    if is_timer and (not isinstance(schedule, str) or not SCHEDULE.fullmatch(schedule)):
        yield "schedule must say when, as systemd.time(7) writes it, for example daily or Mon *-*-* 04:00:00"


# --- Celery ----------------------------------------------------------------------------------------------------------


def _celery_problems(what: str, argv: list[str], singleton: bool) -> list[str]:
    """What would go wrong with Celery's beat, which sends each task that is due as often as it runs."""
    words = _celery_words(argv)
    if not words or not ("beat" in words[:1] or (words[0] == "worker" and {"-B", "--beat"} & set(words))):
        return []
    found = []
    if not singleton:
        found.append(
            f"{what}: beat would run on every host, and during a cutover twice, and send each task as often. "
            "Add singleton: true"
        )
    if not any(word.partition("=")[0] in BEAT_FILE or re.match(r"-[sS].", word) for word in words):
        found.append(
            f"{what}: beat writes its schedule into the folder of the code, which is read-only. Give it a place with "
            "-s /srv/SITE/data/celerybeat-schedule (SITE is your site_name), or a scheduler with -S"
        )
    return found


def _celery_words(argv: list[str]) -> list[str]:
    """What Celery is told, its subcommand first; nothing where the command is not Celery's."""
    if argv[0].rpartition("/")[2] == "celery":
        rest = argv[1:]
    elif argv[1:3] == ["-m", "celery"]:
        rest = argv[3:]
    else:
        return []
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in CELERY_VALUES else rest[1:]
    return rest


# --- where the programs are ------------------------------------------------------------------------------------------


def placed(
    processes: Iterable[Process], site: str, root: str, files: Collection[str]
) -> tuple[list[Process], list[str]]:
    """The processes with their programs where a release has them, and what the source lacks for them.

    :param root: the folder of the source that holds manage.py
    :param files: the paths in the source
    """
    found, problems = [], []
    for process in processes:
        first, rest = process.argv[0], process.argv[1:]
        if first == "manage.py":
            path = f"{root}/manage.py" if root else "manage.py"
            if path not in files:
                problems.append(f"{process.variable}: the command begins with manage.py, and site_source has no {path}")
            code = f"/srv/{site}/releases/@RELEASE@/code"
            found.append(replace(process, argv=["@VENV@/bin/python", f"{code}/{path}", *rest], program="python"))
        elif first.startswith("/"):
            found.append(process)
        else:
            found.append(replace(process, argv=[f"@VENV@/bin/{first}", *rest], program=first))
    return found, problems

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which words an exception, an app server, systemd and nginx give a cause away."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from ansible_collections.switchyard.django.plugins.module_utils.tracebacks import Raised


@dataclass(frozen=True)
class Clue:
    """What something gives away: a cause, and what it is about (a module, a variable, a table, a path), if it says."""

    cause: str
    subject: str = ""


_Rules = Sequence[tuple[str, str]]


def _clue(rules: _Rules, text: str) -> Clue | None:
    """By the first rule that matches; what it is about is the first group that took part."""
    for pattern, cause in rules:
        found = re.search(pattern, text)
        if found:
            return Clue(cause, next((group for group in found.groups() if group), ""))
    return None


# --- exceptions ------------------------------------------------------------------------------------------------------

# By the whole text "module.Class: message". The first rule counts.
_DATABASE = r"^(?:psycopg\w*|MySQLdb\w*|pymysql|oracledb|sqlite3|django\.db)\.\S*"
_EXCEPTIONS: _Rules = (
    (r"^ModuleNotFoundError: No module named '([^']+)'", "missing_module"),
    (r"^\S*ImproperlyConfigured: Error loading (psycopg2?|MySQLdb)", "missing_module"),
    (r"^\S*ImproperlyConfigured: .*define the environment variable (DJANGO_SETTINGS_MODULE)", "bad_settings_module"),
    (r"^\S*ImproperlyConfigured: Set the (\w+) environment variable", "missing_variable"),
    (r"^\S*UndefinedValueError: (\w+) not found", "missing_variable"),
    (r"^\S*Env\w*Error: [Ee]nvironment variable \"(\w+)\" not set", "missing_variable"),
    (r"^\S*ImproperlyConfigured", "improperly_configured"),
    (r"^(?:SyntaxError|IndentationError|TabError)", "syntax_error"),
    (r"^\S*(?:AppImportError|NoAppError)", "wrong_entry_point"),
    (r"^ImportError: cannot import name '([^']+)'", "import_error"),
    (r"^ImportError", "import_error"),
    (r"^\S*DisallowedHost: Invalid HTTP_HOST header: '([^']*)'", "disallowed_host"),
    (r"^(?:redis|valkey)\.\S*: .*(?:NOAUTH|WRONGPASS|[Aa]uthentication)", "redis_password"),
    (r"^(?:redis|valkey|kombu|channels_redis)\.\S*(?:Connection|Timeout|Operational)Error", "redis_refused"),
    (r"No space left on device|disk is full|Disk quota exceeded|could not extend file", "disk_full"),
    (r"Too many open files", "too_many_files"),
    (r"[Aa]ddress already in use", "address_in_use"),
    (r"^MemoryError", "out_of_memory"),
    # Databases: PostgreSQL, MySQL and SQLite share the names of the exceptions, so their words tell them apart.
    (r"could not translate host name \"([^\"]+)|failed to resolve host '([^']+)", "database_unknown_host"),
    (r"Unknown \w+ server host '([^']+)", "database_unknown_host"),
    (r"too many clients|[Tt]oo many connections|connection slots are reserved", "database_connections"),
    (r"authentication failed for user \"([^\"]+)|Access denied for user|no password supplied", "database_password"),
    (r"no pg_hba\.conf entry|role \"([^\"]*)\" does not exist", "database_password"),
    (r"database \"([^\"]*)\" does not exist|Unknown database '([^']*)'", "database_missing"),
    (r"no such table: (\S+)|relation \"([^\"]+)\" does not exist|Table '([^']+)' doesn't exist", "missing_table"),
    (r"column (\S+) (?:of relation \S+ )?does not exist", "missing_table"),
    (r"no such column: (\S+)|has no column named (\S+)|Unknown column '([^']+)'", "missing_table"),
    (r"permission denied (?:to create extension|for \w+) \"?([^\s\"]+)", "database_permission"),
    (r"must be owner of \w+ (\S+)", "database_permission"),
    (r"readonly database|read-only transaction|read-only option", "database_read_only"),
    (r"database (?:table |schema )?is locked", "database_locked"),
    (r"unable to open database file", "database_unopenable"),
    (_DATABASE + r": .*(?:Connection refused|No such file or directory|Can't connect)", "database_refused"),
    (_DATABASE + r": .*(?:is starting up|is shutting down)", "database_refused"),
    (_DATABASE + r": .*(?:timeout expired|timed out|[Tt]imeout)", "database_timeout"),
    (_DATABASE + r": .*(?:closed the connection|terminating connection|connection is closed)", "database_gone"),
    (_DATABASE + r": .*(?:gone away|Lost connection)", "database_gone"),
    (_DATABASE + r"(?:Operational|Internal|Interface|Database)Error", "database_error"),
    (r"^TypeError: ((?:ASGI|WSGI)Handler)\.__call__\(\)", "wrong_entry_point"),
    (r"^ValueError: Missing staticfiles manifest entry for '([^']+)'", "missing_static"),
    (r"^FileNotFoundError: \[Errno 2\] No usable temporary directory", "sandbox_denied"),
    (r"^(?:OSError|PermissionError): \[Errno (?:30|1)\] [^:]+(?:: '([^']+)')?", "sandbox_denied"),
    (r"^PermissionError: \[Errno 13\] [^:]+(?:: '([^']+)')?", "permission"),
)  # fmt: skip

# How code ends that was stopped, whose visitor went away, or that refuses a request: it says nothing of the site.
_HARMLESS = frozenset(
    """
    SystemExit KeyboardInterrupt GeneratorExit CancelledError BrokenPipeError ConnectionResetError HaltServer
    ClientDisconnected ClientDisconnect RequestAborted UnreadablePostError ConnectionClosedOK ConnectionClosedError
    Http404 Resolver404 PermissionDenied BadRequest MultiPartParserError SuspiciousOperation SuspiciousFileOperation
    SuspiciousMultipartForm DisallowedRedirect TooManyFieldsSent TooManyFilesSent RequestDataTooBig
    """.split()
)
_WRAPPERS = ("exception", "import_error")
# Where an app server imports the application that it was told to serve.
_ENTRY_POINT = re.compile(r"(?:gunicorn/util|uvicorn/importer|daphne/utils|hypercorn/utils|/switchyard_[aw]sgi)\.py$")
# Where the settings module is imported by its name: Django itself, and the module that lays overrides over it.
_NAMES_THE_SETTINGS = ("django/conf/__init__.py", "/site_settings_overrides.py")
_NOT_FOUND = ("ModuleNotFoundError", "ImportError", "AttributeError")
_FILE_ERRORS = ("PermissionError", "FileNotFoundError", "IsADirectoryError", "OSError")


def of_chain(chain: Sequence[Raised]) -> tuple[Raised, Clue] | None:
    """The exception of a chain that tells most, and what it gives away; None where nothing is wrong.

    That is the last one, raised by those who knew what they were about, unless it only wraps what went wrong before.
    """
    if chain[-1].name in _HARMLESS:
        return None
    given = [(raised, _of_exception(raised)) for raised in reversed(chain)]
    return next((one for one in given if one[1].cause not in _WRAPPERS), given[0])


def _of_exception(raised: Raised) -> Clue:
    return _by_its_way(raised) or _clue(_EXCEPTIONS, raised.text) or Clue("exception", raised.name)


def _by_its_way(raised: Raised) -> Clue | None:
    """What only the frames tell: whose import failed, who asked for the key, what the file was for."""
    caller, last = raised.caller, raised.frames[-1] if raised.frames else None
    if raised.name == "ModuleNotFoundError" and caller and caller.file.endswith(_NAMES_THE_SETTINGS):
        return Clue("bad_settings_module", raised.message.partition("'")[2].rstrip("'"))
    if raised.name in _NOT_FOUND and caller and _ENTRY_POINT.search(caller.file):
        return Clue("wrong_entry_point")
    if raised.name == "KeyError" and last and re.search(r"^<frozen os>$|/os\.py$", last.file):
        return Clue("missing_variable", raised.message.strip("'"))
    if raised.name in _FILE_ERRORS and raised.passed("logging/__init__.py", "_open"):
        return Clue("log_permission", raised.message.rpartition(": ")[2].strip("'"))
    if raised.name == "PermissionError" and re.search(r"/([^/]*\.)?env(\.[^/]*)?'$", raised.message):
        return Clue("environment_file_permission", raised.message.rpartition(": ")[2].strip("'"))
    if raised.name == "PermissionError" and last and re.search("bind|unix_server", last.function):
        return Clue("socket_permission")
    return None


# --- what the app servers write --------------------------------------------------------------------------------------

# What stands before the words themselves: times and process ids in brackets, then the level.
_PREFIX = r"^(?:\[[^]]*\] ?)*(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):? +)?"
_LOGGER = r"(?:[\w.]+:? )??"
_LINES: _Rules = (
    (r"Failed to find attribute '([^']+)' in|Failed to parse '([^']+)' as an attribute", "wrong_entry_point"),
    (r"Error loading ASGI app\. ", "wrong_entry_point"),
    (r"Connection in use: (.+)", "address_in_use"),
    (r"(?:\[Errno \d+\] )?error while attempting to bind on address (.+?): .*already in use", "address_in_use"),
    (r"(?:\[Errno \d+\] )?error while attempting to bind on address (.+?): .*denied", "socket_permission"),
    (r"connection to (.+?) failed: \[Errno (?:1|2|13|30)\]", "socket_permission"),
    (r"Error: '(.+)' isn't writable", "log_permission"),
    (r"Error: can't chdir to '(.+)'", "chdir_failed"),
    (r"\S*python\S*: No module named (\S+)", "missing_module"),
    (r"WORKER TIMEOUT \(pid:\d+\)", "worker_timeout"),
    (r"Worker \(pid:\d+\) was sent SIGSYS!", "sandbox_denied"),
    (r"Worker \(pid:\d+\) was sent SIG(SEGV|BUS|ILL|FPE|ABRT)!|Fatal Python error: (.+)", "crashed"),
    (r"Worker \(pid:\d+\) exited with code ([1-9]\d*)", "exited"),
    (_LOGGER + r"Invalid HTTP_HOST header: '([^']*)'", "disallowed_host"),
)  # fmt: skip
_OF_APP_SERVERS = tuple((_PREFIX + rf"(?:{pattern})", cause) for pattern, cause in _LINES)
_KILLED = re.compile(_PREFIX + r"Worker \(pid:(?P<pid>\d+)\) was sent SIGKILL! Perhaps out of memory\?")
_TIMED_OUT = re.compile(_PREFIX + r"WORKER TIMEOUT \(pid:(?P<pid>\d+)\)")
# An exception whose traceback nobody wrote, in one line: it counts where its words are telling.
_BARE_EXCEPTION = re.compile(
    _PREFIX + _LOGGER + r"(?P<text>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Configured|DisallowedHost): .+)"
)
# What a visitor asked for, in the words of an access log and of Django: it may say anything.
_REASONS = "|".join(status.phrase for status in HTTPStatus if status >= 400)
_OF_A_VISITOR = re.compile(rf'"[A-Z]+ \S.*? HTTP/\d|(?:{_REASONS})(?: \([^)]*\))?: /')
_ROUTINE = re.compile(
    r"^\s*$|^(?:\[[^]]*\] ?)*(?:DEBUG|INFO)\b|^(?:\[[^]]*\] ?)*\[(?:DEBUG|INFO)\]"
    r"|Shutting down: Master$|Reason: Worker failed to boot|exited with code \d+"
)


def of_line(text: str, timed_out: Collection[str] = ()) -> Clue | None:
    """What a line of the app server or of the application gives away.

    :param timed_out: the workers that gunicorn itself kills, because they were too long at a request
    """
    if _OF_A_VISITOR.search(text):
        return None
    killed = _KILLED.search(text)
    if killed:
        return None if killed["pid"] in timed_out else Clue("out_of_memory")
    bare = _BARE_EXCEPTION.search(text)
    return _clue(_OF_APP_SERVERS, text) or (_clue(_EXCEPTIONS, bare["text"]) if bare else None)


def timed_out(texts: Iterable[str]) -> set[str]:
    """The process ids of the workers that gunicorn gave up on."""
    return {found["pid"] for found in map(_TIMED_OUT.search, texts) if found}


def says_something(text: str) -> bool:
    """Whether a line is no routine and no visitor's: worth showing where nobody knows its words."""
    return not _ROUTINE.search(text) and not _OF_A_VISITOR.search(text)


# --- what systemd writes ---------------------------------------------------------------------------------------------

_STEPS = {
    "EXEC": "exec_failed",
    "USER": "user_missing",
    "GROUP": "user_missing",
    "CHDIR": "chdir_failed",
    "NAMESPACE": "namespace_failed",
}
# systemd's own exit codes: https://www.freedesktop.org/software/systemd/man/systemd.exec.html, Process Exit Codes.
_STEP = re.compile(r"Failed at step (?P<step>\w+) spawning|code=exited, status=2[0-4]\d/(?P<status>\w+)")
_MANAGER: _Rules = (
    (r"Failed to load environment files: (?:No such file|Is a dir|Not a dir)", "environment_file_missing"),
    (r"Failed to load environment files: Permission", "environment_file_permission"),
    (r"Failed to load environment files: ", "environment_file_invalid"),
    (r"killed by the OOM killer|Result: oom-kill|result 'oom-kill'", "out_of_memory"),
    (r"code=(?:killed|dumped), status=31/SYS", "sandbox_denied"),
    (r"State '[^']+' timed out\. Killing", "stop_timeout"),
    (r"code=killed, status=9/KILL", "out_of_memory"),
    (r"code=(?:killed|dumped), status=\d+/(SEGV|BUS|ILL|FPE|ABRT|TRAP)", "crashed"),
    (r"code=exited, status=([1-9]\d*)", "exited"),
    (r"start operation timed out", "start_timeout"),
    (r"Watchdog timeout", "worker_timeout"),
    (r"Start request repeated too quickly", "start_limit_hit"),
)  # fmt: skip


def of_manager(text: str, kills: bool = False) -> Clue | None:
    """What a line of systemd about the unit gives away.

    :param kills: whether systemd itself has killed a process of the unit
    """
    if kills and "status=9/KILL" in text:
        return None
    step = _STEP.search(text)
    if step:
        name = step["step"] or step["status"]
        return Clue(_STEPS.get(name, "setup_failed"), name)
    return _clue(_MANAGER, text)


def kills(texts: Iterable[str]) -> bool:
    """Whether systemd kills the unit's processes itself, because they don't end."""
    return any("with signal SIGKILL" in text for text in texts)


def of_state(properties: Mapping[str, str]) -> Clue | None:
    """What the unit's state by itself gives away."""
    if properties.get("LoadState") == "not-found":
        return Clue("unit_missing")
    if properties.get("LoadState") not in ("loaded", None):
        return Clue("setup_failed")
    by_result = {"oom-kill": "out_of_memory", "start-limit-hit": "start_limit_hit"}
    if properties.get("Result") in by_result:
        return Clue(by_result[properties["Result"]])
    return Clue("unit_inactive") if properties.get("ActiveState") in ("inactive", "failed") else None


# --- what nginx writes -----------------------------------------------------------------------------------------------

_NGINX: _Rules = (
    (r"\(24: Too many open files\)|worker_connections are not enough", "nginx_too_many_files"),
    (r"connect\(\) .*\(13: ", "nginx_permission"),
    (r"connect\(\) .*\(2: ", "nginx_no_socket"),
    (r"connect\(\) .*\(111: |no live upstreams", "nginx_refused"),
    (r"connect\(\) .*\(11: ", "nginx_queue_full"),
    (r"\(13: Permission denied\)", "static_permission"),
    (r"\(2: No such file or directory\)", "nginx_no_file"),
    (r"upstream timed out", "nginx_upstream_timeout"),
    (r"upstream sent too big header", "nginx_header_too_big"),
    (r"client intended to send too large (?:chunked )?body", "nginx_body_too_large"),
    (r"upstream prematurely closed|\(104: [^)]*\) while reading response header", "nginx_upstream_closed"),
    (r"\(28: No space left on device\)", "disk_full"),
)  # fmt: skip


# In the journal of nginx's own unit: of a start, of a test, and of a reload.
NGINX_REFUSES = re.compile(r"\[emerg\]")


def takes_up(message: str) -> bool:
    """Whether systemd says there that nginx has read its configuration."""
    return message.startswith(("Started nginx.service", "Reloaded nginx.service"))


def of_nginx(message: str) -> Clue | None:
    """What a line of nginx's error log gives away."""
    return _clue(_NGINX, message)

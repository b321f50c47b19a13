# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a Django site does not serve: every cause that is known.

CAUSES is in order: what explains others stands before them. A missing module also ends the worker, makes systemd start
the unit again and again, and lets nginx answer 502; it is the missing module that somebody has to mend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """A kind of failure, in words that go before the line of evidence, and what to do about it."""

    name: str
    words: str
    hint: str


_SANDBOX = "The unit's sandbox lets the site write its data and media folders alone."

CAUSES: Mapping[str, Cause] = {
    cause.name: cause
    for cause in (
        # systemd doesn't get as far as the command
        Cause("unit_missing", "the unit does not exist", "Correct the name: systemctl list-units --all lists them."),
        Cause(
            "environment_file_missing",
            "the environment file is missing",
            "Write the file that EnvironmentFile= of the unit names, or deploy again.",
        ),
        Cause(
            "environment_file_permission",
            "the environment file can't be read",
            "Whoever reads it needs access: systemd reads EnvironmentFile= as root, a project that reads a .env file "
            "by itself does so as the site's user.",
        ),
        Cause(
            "environment_file_invalid",
            "the environment file is no text that systemd reads",
            "Judge it with the module env_file, which names the line.",
        ),
        Cause("user_missing", "the unit's user or group does not exist", "Create it, or correct User= and Group=."),
        Cause("chdir_failed", "the working directory can't be entered", "Check WorkingDirectory= and its permissions."),
        Cause(
            "namespace_failed",
            "the unit's sandbox can't be set up",
            "A path of ReadWritePaths=, BindPaths= or the like does not exist: create it, or correct the unit.",
        ),
        Cause(
            "exec_failed",
            "the command can't be executed",
            "Check the path of ExecStart=, that it is executable, and the interpreter in its first line.",
        ),
        Cause(
            "setup_failed",
            "the process can't be prepared by systemd",
            "systemd.exec(5) explains the code under Process Exit Codes.",
        ),
        # The application can't be loaded
        Cause(
            "bad_settings_module",
            "DJANGO_SETTINGS_MODULE names no module that can be imported",
            "Write it as in mysite.settings, and see that the package lies in the working directory or on PYTHONPATH.",
        ),
        Cause(
            "wrong_entry_point",
            "the app server does not find the application",
            "Name the module and the callable as in mysite.wsgi:application, or mysite.asgi:application where the "
            "server speaks ASGI.",
        ),
        Cause("missing_module", "a module is missing", "Add it to the requirements, or mend the import."),
        Cause("syntax_error", "a file has a syntax error", "Mend the line, for the Python that the unit runs."),
        Cause("import_error", "an import fails", "Mend the import, or install the version that has the name."),
        Cause(
            "missing_variable",
            "an environment variable is missing",
            "Add it to the environment file; in a site of this collection, to site_env.",
        ),
        Cause(
            "improperly_configured",
            "the settings are incomplete or contradict each other",
            "Set what the line names, in the settings or in the environment.",
        ),
        # What the host refuses
        Cause("disk_full", "the disk is full", "df -h and df -i show which file system; make room, or enlarge it."),
        Cause(
            "too_many_files",
            "the process has too many files open",
            "Raise LimitNOFILE= of the unit, or find what leaks them.",
        ),
        Cause(
            "log_permission",
            "a log file can't be written",
            "Let LOGGING write to standard error, which the journal keeps, or give the site the folder.",
        ),
        Cause(
            "socket_permission",
            "the app server can't make its socket",
            "The site's user must be able to write to the socket's folder: RuntimeDirectory= makes such a folder. A "
            "port below 1024 takes AmbientCapabilities=CAP_NET_BIND_SERVICE.",
        ),
        Cause(
            "address_in_use",
            "another process holds the address",
            "ss -ltnxp shows which one: stop it, or choose another address.",
        ),
        # What the site depends on
        Cause(
            "database_unknown_host", "the database's host name does not resolve", "Correct the host, or use an address."
        ),
        Cause(
            "database_refused",
            "the database does not take connections",
            "Start the database server, or correct host, port and socket.",
        ),
        Cause(
            "database_timeout",
            "the database does not answer in time",
            "Check the address, the firewall and the server's load.",
        ),
        Cause(
            "database_connections",
            "the database has no connection to spare",
            "Raise max_connections, pool them, or lower the workers and CONN_MAX_AGE.",
        ),
        Cause(
            "database_password",
            "the database refuses the user or the password",
            "Correct them in the environment, or let the database know the user (pg_hba.conf).",
        ),
        Cause("database_missing", "the database does not exist", "Create it, or correct its name."),
        Cause(
            "missing_table",
            "the database lacks a table or a column that the code asks for",
            "Apply the migrations: manage.py migrate.",
        ),
        Cause(
            "database_permission",
            "the database's user may not do that",
            "Let it be granted, or done once by a superuser. An extension goes into postgresql_extensions where this "
            "collection sets the database up; elsewhere, psql DATABASE -c 'CREATE EXTENSION NAME'.",
        ),
        Cause(
            "database_read_only",
            "the database can't be written",
            "Of SQLite, the file and its folder must be writable for the site's user; elsewhere, ask the primary.",
        ),
        Cause(
            "database_locked",
            "another process holds the SQLite database",
            "End it, raise the time-out, use WAL, or use PostgreSQL.",
        ),
        Cause(
            "database_unopenable",
            "the SQLite database can't be opened",
            "The site's user must be able to write to the file, and its folder must exist and be writable.",
        ),
        Cause(
            "database_gone",
            "the database ended the connection",
            "See the server's own log; CONN_HEALTH_CHECKS reconnects after a restart.",
        ),
        Cause(
            "database_error",
            "the database does not do as it should",
            "See the line, and the database server's own log.",
        ),
        Cause(
            "redis_refused",
            "Redis does not take connections",
            "Start Redis, or correct its address in the environment.",
        ),
        Cause("redis_password", "Redis refuses the password", "Correct it in the environment."),
        Cause(
            "disallowed_host",
            "Django refuses the Host header",
            "Add the domain to ALLOWED_HOSTS, or keep nginx from passing on other names.",
        ),
        Cause("sandbox_denied", "the unit's sandbox denies it", _SANDBOX),
        Cause("permission", "a file can't be opened", f"Give the site's user access to it. {_SANDBOX}"),
        Cause(
            "out_of_memory",
            "a process was killed, or ended, for want of memory",
            "Fewer workers, a higher limit, or find what takes it. journalctl -k confirms it, unless it was kill -9.",
        ),
        Cause(
            "missing_static",
            "a static file is not in the manifest",
            "Correct the name in the template, run collectstatic, or have the build make the file first; in a site of "
            "this collection, by release_build_commands.",
        ),
        Cause("exception", "the application raises an exception", "Its traceback is in the journal."),
        # What nginx refuses by itself
        Cause(
            "nginx_config",
            "the configuration of nginx is refused",
            "Mend the line. Until then nginx goes on with what it has read before, or does not start.",
        ),
        Cause(
            "nginx_down",
            "the web server nginx does not run",
            "journalctl -u nginx says why; then systemctl start nginx.",
        ),
        Cause(
            "nginx_too_many_files",
            "the connections or the open files of nginx run out",
            "Raise worker_connections and worker_rlimit_nofile.",
        ),
        Cause(
            "static_permission",
            "a static or media file can't be read by nginx",
            "The user of nginx must read the file and pass through each folder above it: namei -l shows them.",
        ),
        Cause(
            "nginx_permission",
            "the app server's socket may not be opened by nginx",
            "The user of nginx must write to the socket and pass through each folder above it: namei -l shows them.",
        ),
        Cause(
            "nginx_header_too_big",
            "the application's headers don't fit nginx's buffer",
            "Raise proxy_buffer_size, or send fewer and smaller cookies.",
        ),
        Cause(
            "nginx_body_too_large",
            "an upload is larger than nginx takes",
            "Raise client_max_body_size; in a site of this collection, nginx_client_max_body_size.",
        ),
        # What follows from a cause that nobody logged
        Cause(
            "worker_timeout",
            "a worker was too long at one request",
            "Find what the request waits for, or raise the app server's time-out.",
        ),
        Cause(
            "start_timeout",
            "the app server was not ready in time",
            "See what it waits for when it starts; TimeoutStartSec= is how long it may take.",
        ),
        Cause(
            "start_limit_hit",
            "the unit is not started any more, because it ended too often",
            "Mend what ended it, then: systemctl reset-failed and start.",
        ),
        Cause(
            "stop_timeout",
            "the process did not end in time and was killed",
            "Find what it was at; TimeoutStopSec= is how long it may take.",
        ),
        Cause("crashed", "the process was killed by a signal", "coredumpctl or the kernel's log may say more."),
        Cause("exited", "the process ended by itself", "The lines before it in the journal say why."),
        Cause("unit_inactive", "the unit does not run", "systemctl start starts it."),
        # What nginx sees of it
        Cause(
            "nginx_upstream_timeout",
            "the application did not answer nginx in time",
            "Find what the request waits for, or raise proxy_read_timeout.",
        ),
        Cause(
            "nginx_queue_full",
            "the application takes no more connections",
            "All its workers are busy and the queue is full: find what the requests wait for, or add workers.",
        ),
        Cause(
            "nginx_upstream_closed", "the application broke off an answer", "A worker ended: see the unit's journal."
        ),
        Cause(
            "nginx_refused",
            "nothing takes connections at the address to which nginx passes requests",
            "Start the app server, or correct the address in proxy_pass.",
        ),
        Cause(
            "nginx_no_socket",
            "the socket to which nginx passes requests is not there",
            "Start the app server, or correct the path in proxy_pass.",
        ),
        Cause(
            "nginx_no_file",
            "a file is not found by nginx",
            "Run collectstatic, or correct the alias; a visitor may also have asked for what never was there.",
        ),
    )
}
# These keep a unit from starting. Once it runs they are over, whatever the journal says of an earlier start.
OF_A_START = frozenset(
    """
    environment_file_missing environment_file_permission environment_file_invalid user_missing chdir_failed
    namespace_failed exec_failed setup_failed bad_settings_module wrong_entry_point missing_module syntax_error
    import_error missing_variable improperly_configured log_permission socket_permission address_in_use start_timeout
    start_limit_hit stop_timeout exited
    """.split()
)
ORDER = {name: position for position, name in enumerate(CAUSES)}

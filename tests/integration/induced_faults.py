# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that can be induced in a deployed site, each with the cause that a diagnosis must name first."""

from __future__ import annotations

from typing import Any

from broken_site import Fault, get

# --- code, dependencies and settings ---------------------------------------------------------------------------------

NO_DEPENDENCY = Fault("missing_module", "missing_module", "environ", 'remove "$PACKAGES/environ"; restart', quick=True)
NO_APP = Fault(
    "missing_module_app",
    "missing_module",
    "lighthouse",
    """edit 's/"harbour"]/"harbour", "lighthouse"]/' "$PROJECT/quay/settings.py"; restart""",
)
WRONG_BRACKET = Fault(
    "syntax_error",
    "syntax_error",
    "SyntaxError",
    """edit 's/^MIDDLEWARE = \\[/MIDDLEWARE = (/' "$PROJECT/quay/settings.py"; restart""",
)
NO_SECRET_KEY = Fault(
    "missing_variable",
    "missing_variable",
    "SECRET_KEY",
    'edit /^SECRET_KEY=/d "$ENVIRONMENT"; restart',
    quick=True,
)
NO_APPLICATION = Fault(
    "wrong_entry_point",
    "wrong_entry_point",
    "application",
    """edit 's/def application/def app/' "$PROJECT/quay/asgi.py"; restart""",
)
# Named by the project's own entry point, as other deployments do it, the app server itself looks for it.
NO_APPLICATION_OF_ITS_OWN = Fault(
    "wrong_entry_point_direct",
    "wrong_entry_point",
    "application",
    """edit 's/def application/def app/' "$PROJECT/quay/asgi.py"; run_as s/switchyard_asgi:/quay.asgi:/; restart""",
)
NO_ENTRY_MODULE = Fault(
    "wrong_entry_point_module", "wrong_entry_point", "quay.agsi", "run_as s/switchyard_asgi:/quay.agsi:/; restart"
)
OTHER_HOSTS = Fault(
    "disallowed_host",
    "disallowed_host",
    ".example.org",
    "variables ALLOWED_HOSTS=elsewhere.example.org; restart",
    get("/health/"),
    quick=True,
)
PROJECTS = [
    NO_DEPENDENCY,
    NO_APP,
    Fault("missing_module_request", "missing_module", "redis", 'remove "$PACKAGES/redis"; restart', get("/health/")),
    Fault(
        "missing_module_until_limit",
        "missing_module",
        "environ",
        """remove "$PACKAGES/environ"
        drop_in '[Unit]' StartLimitIntervalSec=60 StartLimitBurst=2 '[Service]' RestartSec=100ms; restart 4""",
    ),
    WRONG_BRACKET,
    Fault(
        "syntax_error_request",
        "syntax_error",
        "SyntaxError",
        """append 'def harbour(:' "$PROJECT/quay/urls.py"; restart""",
        get("/health/"),
    ),
    Fault(
        "improperly_configured",
        "improperly_configured",
        "ImproperlyConfigured",
        """edit 's/env.db(.*)/{"ENGINE": "django.db.backends.oracel"}/' "$PROJECT/quay/settings.py"; restart""",
    ),
    Fault(
        "improperly_configured_secret",
        "improperly_configured",
        "HARBOUR_TOKEN",
        r"""append 'from django.core.exceptions import ImproperlyConfigured
raise ImproperlyConfigured(f"HARBOUR_TOKEN {HARBOUR_TOKEN!r} has expired")' "$PROJECT/quay/settings.py"; restart""",
    ),
    NO_SECRET_KEY,
    Fault(
        "missing_variable_environ",
        "missing_variable",
        "HARBOUR_TOKEN",
        'edit /^HARBOUR_TOKEN=/d "$ENVIRONMENT"; restart',
    ),
    Fault(
        "bad_settings_module",
        "bad_settings_module",
        "quay.setings",
        "service Environment=DJANGO_SETTINGS_MODULE=quay.setings; restart",
    ),
    NO_APPLICATION,
    NO_APPLICATION_OF_ITS_OWN,
    NO_ENTRY_MODULE,
    OTHER_HOSTS,
]

# --- databases and Redis ---------------------------------------------------------------------------------------------

POSTGRESQL_CONF = "/etc/postgresql/15/main/postgresql.conf"
SERVERS = [
    Fault(
        "database_refused",
        "database_refused",
        "onnection refused",
        'systemctl stop postgresql@15-main; variables "DATABASE_URL=$POSTGRESQL"; restart',
        get("/ships/"),
        undo="systemctl start postgresql@15-main",
    ),
    Fault(
        "database_password",
        "database_password",
        "password authentication failed",
        'variables "DATABASE_URL=$(echo "$POSTGRESQL" | sed s/-password/-wrong/)"; restart',
        get("/ships/"),
    ),
    Fault(
        "database_missing",
        "database_missing",
        "does not exist",
        'variables "DATABASE_URL=$POSTGRESQL-elsewhere"; restart',
        get("/ships/"),
    ),
    Fault(
        "database_unknown_host",
        "database_unknown_host",
        "db.invalid",
        'variables "DATABASE_URL=$(echo "$POSTGRESQL" | sed s/127.0.0.1/db.invalid/)"; restart',
        get("/ships/"),
    ),
    Fault(
        "database_connections",
        "database_connections",
        "connection",
        f"""variables "DATABASE_URL=$POSTGRESQL"; restart
        append 'max_connections = 6\\nsuperuser_reserved_connections = 1\\nmax_wal_senders = 0' {POSTGRESQL_CONF}
        systemctl restart postgresql@15-main
        for _ in 1 2 3 4 5; do in_background psql "$POSTGRESQL" -c 'SELECT pg_sleep(60)'; done; sleep 2""",
        get("/ships/"),
        undo="systemctl restart postgresql@15-main",
    ),
    Fault(
        "database_connections_role",
        "database_connections",
        "too many connections for role",
        """variables "DATABASE_URL=$POSTGRESQL"; restart; sql 'ALTER ROLE quay CONNECTION LIMIT 0'""",
        get("/ships/"),
        undo="sql 'ALTER ROLE quay CONNECTION LIMIT -1'",
    ),
    Fault(
        "missing_table_postgresql",
        "missing_table",
        "harbour_ship",
        """variables "DATABASE_URL=$POSTGRESQL"; sql 'ALTER TABLE harbour_ship RENAME TO sunk'; restart""",
        get("/ships/"),
        undo="sql 'ALTER TABLE sunk RENAME TO harbour_ship'",
    ),
    Fault(
        "missing_column",
        "missing_table",
        "harbour_ship",
        """variables "DATABASE_URL=$POSTGRESQL"; sql 'ALTER TABLE harbour_ship RENAME name TO label'; restart""",
        get("/arrive/"),
        undo="sql 'ALTER TABLE harbour_ship RENAME label TO name'",
    ),
    Fault(
        "redis_refused",
        "redis_refused",
        "6379",
        "systemctl stop redis-server",
        get("/tide/"),
        undo="systemctl start redis-server",
    ),
]
DROP = "import sqlite3; sqlite3.connect('$DATABASE').execute('DROP TABLE harbour_ship')"
NO_TABLE = Fault(
    "missing_table",
    "missing_table",
    "harbour_ship",
    f"""keep "$DATABASE"; python3 -c "{DROP}" """,
    get("/ships/"),
    quick=True,
)
HOLD = "import sqlite3, time; c = sqlite3.connect('$DATABASE'); c.execute('BEGIN EXCLUSIVE'); time.sleep(60)"
SQLITE = [
    NO_TABLE,
    Fault(
        "database_read_only",
        "database_read_only",
        "readonly database",
        'keep "$DATABASE"; chown root:root "$DATABASE"; chmod 0644 "$DATABASE"; restart',
        get("/arrive/"),
    ),
    Fault(
        "database_read_only_folder",
        "database_read_only",
        "readonly database",
        """mkdir "$SCRATCH"; cp -a "$DATABASE" "$SCRATCH"
        variables "DATABASE_URL=sqlite:///$SCRATCH/db.sqlite3"; restart""",
        get("/arrive/"),
    ),
    Fault(
        "database_unopenable",
        "database_unopenable",
        "unable to open database file",
        'keep "$DATABASE"; chown root:root "$DATABASE"; chmod 0600 "$DATABASE"; restart',
        get("/ships/"),
    ),
    Fault(
        "database_locked",
        "database_locked",
        "locked",
        f"""variables "DATABASE_URL=sqlite:///$DATABASE?timeout=1"; restart
        in_background python3 -c "{HOLD}"; sleep 1""",
        get("/arrive/"),
    ),
]

# --- files -----------------------------------------------------------------------------------------------------------

LOCKED_FOLDER = Fault(
    "socket_permission", "socket_permission", "ermission denied", "service RuntimeDirectoryMode=0555; restart"
)
FILES = [
    Fault(
        "environment_file_missing",
        "environment_file_missing",
        "environment file",
        'remove "$ENVIRONMENT"; restart',
    ),
    Fault(
        "environment_file_folder",
        "environment_file_missing",
        "environment file",
        'remove "$ENVIRONMENT"; mkdir "$ENVIRONMENT"; restart',
    ),
    Fault(
        "environment_file_invalid",
        "environment_file_invalid",
        "environment file",
        r"""append 'MOTTO=\377\376' "$ENVIRONMENT"; restart""",
    ),
    Fault(
        "environment_file_nul",
        "environment_file_invalid",
        "environment file",
        r"""append 'MOTTO=a\000b' "$ENVIRONMENT"; restart""",
    ),
    # systemd reads as root, who may read all of a local disk; a project that reads its own file may not.
    Fault(
        "environment_file_permission",
        "environment_file_permission",
        ".env",
        'mkdir "$SCRATCH"; unreadable "$SCRATCH/.env"; variables "DOTENV=$SCRATCH/.env"; restart',
    ),
    LOCKED_FOLDER,
    Fault(
        "static_permission",
        "static_permission",
        "flag.txt",
        'chmod 0700 "$STATIC"',
        get("/static/harbour/flag.txt"),
        undo='chmod 0755 "$STATIC"',
        quick=True,
    ),
    Fault(
        "static_permission_file",
        "static_permission",
        "flag.txt",
        'chmod 0600 "$STATIC/harbour/flag.txt"',
        get("/static/harbour/flag.txt"),
        undo='chmod 0644 "$STATIC/harbour/flag.txt"',
    ),
    Fault(
        "media_permission",
        "static_permission",
        "chart.png",
        'unreadable "$MEDIA/chart.png"',
        get("/media/chart.png"),
        undo='rm "$MEDIA/chart.png"',
    ),
    Fault(
        "log_permission",
        "log_permission",
        "quay.log",
        'mkdir "$SCRATCH"; unreadable "$SCRATCH/quay.log"; variables "LOG_FILE=$SCRATCH/quay.log"; restart',
    ),
    Fault(
        "log_read_only",
        "log_permission",
        "quay.log",
        'install -o "$SITE" /dev/null /var/log/quay.log; variables LOG_FILE=/var/log/quay.log; restart',
        undo="rm /var/log/quay.log",
    ),
    Fault(
        "log_folder_missing",
        "log_permission",
        "quay/site.log",
        "variables LOG_FILE=/var/log/quay/site.log; restart",
    ),
    Fault(
        "disk_full",
        "disk_full",
        "No space left",
        "small_disk; restart",
        get("/store/?path=/srv/quay/data/scratch/cargo&bytes=200000"),
    ),
    Fault(
        "disk_full_sqlite",
        "disk_full",
        "full",
        """small_disk; cp -a "$DATABASE" "$SCRATCH"; variables "DATABASE_URL=sqlite:///$SCRATCH/db.sqlite3"; restart
        head -c 60000 /dev/zero > "$SCRATCH/ballast" """,
        get("/arrive/"),
    ),
]

# --- processes -------------------------------------------------------------------------------------------------------

PORT_IN_USE = Fault(
    "address_in_use",
    "address_in_use",
    "8123",
    """in_background python3 -m http.server --bind 127.0.0.1 8123; sleep 1
    run_as 's/--bind=[^ ]*/--bind=127.0.0.1:8123/; s/--uds=[^ ]*/--port=8123/'; restart 8""",
)
SEGFAULT = Fault("crashed", "crashed", "SEGV", ask=get("/crash/"))
OUT_OF_MEMORY = Fault(
    "out_of_memory",
    "out_of_memory",
    "KILL",
    "limit_memory",
    get("/load/?megabytes=1000", timeout=20),
    undo='sleep 1; rmdir "$MEMORY/fault"',
)
PROCESSES = [
    PORT_IN_USE,
    Fault(
        "worker_timeout",
        "worker_timeout",
        "TIMEOUT",
        "service 'Environment=\"GUNICORN_CMD_ARGS=--timeout 2\"'; restart",
        get("/stuck/?seconds=8"),
    ),
    OUT_OF_MEMORY,
    Fault(
        "out_of_memory_container",
        "out_of_memory",
        "KILL",
        'echo 700M > "$MEMORY/memory.limit_in_bytes"',
        get("/load/?megabytes=1500", timeout=30),
        undo='echo -1 > "$MEMORY/memory.limit_in_bytes"',
    ),
    SEGFAULT,
    Fault("crashed_main", "crashed", "SEGV", 'kill -SEGV "$(systemctl show -P MainPID "$UNIT")"; sleep 1'),
    Fault(
        "start_limit_hit",
        "start_limit_hit",
        "start-limit-hit",
        """drop_in '[Unit]' StartLimitIntervalSec=60 StartLimitBurst=2
        for _ in 1 2 3 4; do systemctl restart "$UNIT"; done""",
    ),
    Fault(
        "start_timeout",
        "start_timeout",
        "timed out",
        """service TimeoutStartSec=3 ExecStart= "ExecStart=/usr/bin/env -u NOTIFY_SOCKET $COMMAND"; restart""",
    ),
]

# --- what systemd can't set up, and what its sandbox refuses ---------------------------------------------------------


def unfit(name: str, cause: str, word: str, *lines: str, quick: bool = False) -> Fault:
    """Directives that systemd can't carry out.

    The journal may lack the line of the process that met it, which ends at once, but not systemd's own of its exit.
    """
    quoted = " ".join(f"'{line}'" for line in lines)
    return Fault(name, cause, word, f"service {quoted}; restart", quick=quick)


GUNICORN = '"$VENV/bin/gunicorn"'
UNITS = [
    Fault("exec_failed", "exec_failed", "EXEC", f"edit '1s|.*|#!/srv/nowhere/bin/python|' {GUNICORN}; restart"),
    Fault("exec_failed_mode", "exec_failed", "EXEC", f"keep {GUNICORN}; chmod 0644 {GUNICORN}; restart"),
    Fault("exec_failed_missing", "exec_failed", "EXEC", f"remove {GUNICORN}; restart"),
    Fault("exec_failed_format", "exec_failed", "EXEC", f"edit 1d {GUNICORN}; restart"),
    unfit("user_missing", "user_missing", "USER", "User=captain"),
    unfit("group_missing", "user_missing", "GROUP", "Group=crew"),
    unfit("namespace_failed", "namespace_failed", "NAMESPACE", "ReadWritePaths=/srv/nowhere", quick=True),
    unfit("namespace_failed_bind", "namespace_failed", "NAMESPACE", "BindPaths=/srv/nowhere:/mnt"),
    unfit("chdir_failed", "chdir_failed", "CHDIR", "WorkingDirectory=/srv/nowhere"),
    unfit("stdout_failed", "setup_failed", "STDOUT", "StandardOutput=append:/srv/nowhere/out.log"),
    unfit("credentials_failed", "setup_failed", "CREDENTIALS", "LoadCredential=key:/srv/nowhere/key"),
    Fault(
        "state_directory_failed",
        "setup_failed",
        "STATE_DIRECTORY",
        "touch /var/lib/quay-state; service StateDirectory=quay-state; restart",
        undo="rm /var/lib/quay-state",
    ),
    Fault(
        "runtime_directory_failed",
        "setup_failed",
        "RUNTIME_DIRECTORY",
        'systemctl stop "$UNIT"; rm -rf "/run/$SITE/$RELEASE"; touch "/run/$SITE/$RELEASE"; restart',
        undo='rm -rf "/run/$SITE/$RELEASE"',
    ),
    Fault(
        "sandbox_denied",
        "sandbox_denied",
        "Read-only file system",
        'install -d -o "$SITE" /var/spool/quay',
        get("/store/?path=/var/spool/quay/manifest"),
        undo="rm -r /var/spool/quay",
    ),
    Fault(
        "sandbox_denied_call",
        "sandbox_denied",
        "Operation not permitted",
        r"""edit '/^def ships/a\    os.nice(1)' "$PROJECT/quay/urls.py"; restart""",
        get("/ships/"),
    ),
    unfit("sandbox_denied_kill", "sandbox_denied", "SYS", "SystemCallFilter=~chdir", "SystemCallErrorNumber=kill"),
]

# --- nginx -----------------------------------------------------------------------------------------------------------

NGINX_CONF = "/etc/nginx/nginx.conf"
STALE = "import os, socket; socket.socket(socket.AF_UNIX).bind('$SOCKET'); os.chmod('$SOCKET', 0o666)"
NGINX = [
    Fault("nginx_refused", "nginx_refused", "111", f'rm "$SOCKET"; python3 -c "{STALE}"; reconnect', get("/health/")),
    Fault("nginx_no_socket", "nginx_no_socket", "app.sock", 'rm "$SOCKET"; reconnect', get("/health/"), quick=True),
    Fault("nginx_permission", "nginx_permission", "app.sock", 'chmod 0600 "$SOCKET"; reconnect', get("/health/")),
    Fault(
        "nginx_permission_folder",
        "nginx_permission",
        "app.sock",
        'chmod 0700 "/run/$SITE"; reconnect',
        get("/health/"),
        undo='chmod 0710 "/run/$SITE"',
    ),
    Fault("nginx_no_file", "nginx_no_file", "chart.png", ask=get("/media/chart.png")),
    Fault(
        "nginx_upstream_timeout",
        "nginx_upstream_timeout",
        "110",
        """edit 's/proxy_read_timeout .*/proxy_read_timeout 1s;/' "$(grep -l proxy_pass "$RECORD"/nginx/server/*)"
        reconnect""",
        get("/slow/?seconds=3"),
    ),
    Fault(
        "nginx_body_too_large", "nginx_body_too_large", "too large body", ask=lambda site: site.announce(10 * 1024**3)
    ),
    Fault(
        "nginx_too_many_files",
        "nginx_too_many_files",
        "24: Too many open files",
        f"append 'worker_rlimit_nofile 24;' {NGINX_CONF}; reconnect",
        lambda site: site.crowd(60),
    ),
    Fault(
        "nginx_too_many_connections",
        "nginx_too_many_files",
        "worker_connections",
        f"edit 's/worker_connections .*/worker_connections 12;/' {NGINX_CONF}; reconnect",
        lambda site: site.crowd(60),
    ),
    # Nobody but nginx says a word of a worker that ends in order, in the midst of a request.
    Fault("nginx_upstream_closed", "nginx_upstream_closed", "prematurely closed", ask=get("/leave/")),
    Fault("exited", "exited", "exited with code 5", ask=get("/leave/?code=5")),
    Fault("nginx_header_too_big", "nginx_header_too_big", "too big header", ask=get("/flags/")),
    Fault("unit_stopped", "unit_inactive", "inactive", 'systemctl stop "$UNIT"; reconnect', get("/health/")),
]

# --- what other ways of serving say of it ----------------------------------------------------------------------------

UVICORN = [
    fault.at("quay-uvicorn")
    for fault in (
        NO_DEPENDENCY,
        WRONG_BRACKET,
        NO_SECRET_KEY,
        NO_APPLICATION,
        NO_APPLICATION_OF_ITS_OWN,
        NO_ENTRY_MODULE,
        NO_TABLE,
        OTHER_HOSTS,
        PORT_IN_USE,
        LOCKED_FOLDER,
        SEGFAULT,
        OUT_OF_MEMORY,
    )
]
STUCK_SYNC_WORKER = Fault(
    "worker_timeout",
    "worker_timeout",
    "TIMEOUT",
    "run_as 's/--worker-class=gthread/--worker-class=sync --timeout=2/; s/--threads=[0-9]*//'; restart",
    get("/slow/?seconds=8"),
)
WSGI = [fault.at("quay-wsgi") for fault in (NO_DEPENDENCY, NO_APP, NO_TABLE, OTHER_HOSTS, STUCK_SYNC_WORKER)]

FAULTS = [*PROJECTS, *SERVERS, *SQLITE, *FILES, *PROCESSES, *UNITS, *NGINX, *UVICORN, *WSGI]
# One site for each way of serving that says of a fault what the others don't.
SITES: dict[str, dict[str, Any]] = {
    "quay": {"serve_mode": "asgi", "asgi_workers": 2, "site_websocket_path": "/ws/echo/"},
    "quay-uvicorn": {"serve_mode": "asgi", "asgi_server": "uvicorn", "asgi_workers": 1},
    "quay-wsgi": {"serve_mode": "wsgi", "wsgi_workers": 2},
}

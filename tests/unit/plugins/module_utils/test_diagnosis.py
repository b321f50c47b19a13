# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The samples in journals/ come from faults that were induced on a host."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    causes,
    clues,
    diagnosis,
    journal,
    nginx_log,
    unit_description,
)

REFUSED = "django.db.utils.ProgrammingError:"
SAMPLES = Path(__file__).with_name("journals")
GUNICORN = "[2026-11-21 17:55:00 +0000] [7] [ERROR] "
UVICORN = "ERROR:    "
IMPROPERLY = "django.core.exceptions.ImproperlyConfigured"
UNIT = "shop@0123456789ab.service"


def findings_of(sample: Path) -> list[diagnosis.Finding]:
    described = unit_description.parse((sample / "unit.txt").read_text())
    lines = nginx_log.parse((sample / "nginx.log").read_text())
    return diagnosis.in_order(
        [
            *diagnosis.of_state(UNIT, described.properties),
            *diagnosis.of_journal(journal.parse((sample / "journal.json").read_text())),
            *diagnosis.of_nginx(lines),
        ]
    )


def expected_of(sample: Path) -> str:
    """The cause, with which the description of the fault begins."""
    return (sample / "fault.txt").read_text().partition(" ")[0]


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*/")), ids=lambda folder: folder.name)
def test_a_real_fault_is_named_first(sample: Path) -> None:
    found = findings_of(sample)
    assert [finding.cause for finding in found][:1] == [expected_of(sample)], found
    assert found[0].evidence
    assert found[0].hint


def test_there_are_samples() -> None:
    assert len(list(SAMPLES.glob("*/"))) >= 24


# --- what the samples don't show ------------------------------------------------------------------------------------


def said(*lines: str, pid: str = "7", manager: bool = False, at: float = 1.0) -> list[journal.Entry]:
    return [journal.Entry(at, pid, manager, line) for line in lines]


def raised(text: str, *frames: str) -> list[str]:
    return ["Traceback (most recent call last):", *(f'  File "{frame}' for frame in frames), text]


def first_of(*lines: str) -> tuple[str, str]:
    found = diagnosis.in_order(diagnosis.of_journal(said(*lines)))
    return (found[0].cause, found[0].subject) if found else ("", "")


@pytest.mark.parametrize(
    ("line", "cause", "subject"),
    [
        ("ModuleNotFoundError: No module named 'redis'", "missing_module", "redis"),
        ("ImportError: cannot import name 'x' from 'y' (/srv/y.py)", "import_error", "x"),
        ("IndentationError: unexpected indent", "syntax_error", ""),
        (f"{IMPROPERLY}: Set the DB_URL environment variable", "missing_variable", "DB_URL"),
        (f"{IMPROPERLY}: Error loading psycopg2 or psycopg module", "missing_module", "psycopg2"),
        ("decouple.UndefinedValueError: API_KEY not found. Declare it as envvar", "missing_variable", "API_KEY"),
        ('environs.exceptions.EnvError: Environment variable "X_KEY" not set', "missing_variable", "X_KEY"),
        ("MySQLdb.OperationalError: (1045, \"Access denied for user 'a'@'b'\")", "database_password", ""),
        ("MySQLdb.OperationalError: (1049, \"Unknown database 'shop'\")", "database_missing", "shop"),
        ("MySQLdb.OperationalError: (2002, \"Can't connect to server on 'db' (115)\")", "database_refused", ""),
        ("MySQLdb.OperationalError: (2006, 'Server has gone away')", "database_gone", ""),
        ("django.db.utils.ProgrammingError: (1146, \"Table 'shop.cart' doesn't exist\")", "missing_table", "shop.cart"),
        (f'{REFUSED} permission denied to create extension "bloom"', "database_permission", "bloom"),
        (f"{REFUSED} permission denied for schema public", "database_permission", "public"),
        (f"{REFUSED} must be owner of table cart", "database_permission", "cart"),
        ("psycopg.OperationalError: connection timeout expired", "database_timeout", ""),
        ("psycopg2.errors.AdminShutdown: terminating connection due to administrator command", "database_gone", ""),
        ("django.db.utils.OperationalError: something else", "database_error", ""),
        ("redis.exceptions.AuthenticationError: WRONGPASS invalid username-password pair", "redis_password", ""),
        ("OSError: [Errno 28] No space left on device: '/srv/x'", "disk_full", ""),
        ("OSError: [Errno 24] Too many open files", "too_many_files", ""),
        ("PermissionError: [Errno 13] Permission denied: '/srv/shop/x'", "permission", "/srv/shop/x"),
        ("OSError: [Errno 30] Read-only file system: '/srv/shop/x'", "sandbox_denied", "/srv/shop/x"),
        ("MemoryError", "out_of_memory", ""),
        ("ZeroDivisionError: division by zero", "exception", "ZeroDivisionError"),
        ("KeyError: 'price'", "exception", "KeyError"),
    ],
)  # fmt: skip
def test_an_exception_is_named(line: str, cause: str, subject: str) -> None:
    assert first_of("[INFO] Starting", *raised(line, 'a.py", line 1, in f'), "[ERROR] Worker failed to boot.") == (
        cause,
        subject,
    )


@pytest.mark.parametrize(
    "line",
    [
        "SystemExit: 1",
        "asyncio.exceptions.CancelledError",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        "websockets.exceptions.ConnectionClosedError: no close frame received or sent",
    ],
)
def test_who_went_away_or_was_stopped_is_no_finding(line: str) -> None:
    assert first_of(*raised(line, 'a.py", line 1, in f')) == ("", "")


def test_a_wrapper_lets_the_cause_through() -> None:
    opening = '/usr/lib/python3.11/logging/__init__.py", line 1, in _open'
    lines = [
        *raised("PermissionError: [Errno 13] Permission denied: '/var/log/shop.log'", opening),
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        *raised("ValueError: Unable to configure handler 'file'", 'logging/config.py", line 1, in configure'),
    ]
    assert first_of(*lines) == ("log_permission", "/var/log/shop.log")


def test_workers_lines_may_lie_between_one_another_s() -> None:
    one, two = raised("KeyError: 'A'", 'a.py", line 1, in f'), raised("ZeroDivisionError: x", 'b.py", line 2, in g')
    mixed = [entry for pair in zip(said(*one, pid="1"), said(*two, pid="2")) for entry in pair]
    assert {finding.evidence for finding in diagnosis.of_journal(mixed)} == {
        "KeyError: 'A' (a.py:1)",
        "ZeroDivisionError: x (b.py:2)",
    }


def test_a_worker_that_gunicorn_kills_did_not_lack_memory() -> None:
    timeout = "[CRITICAL] WORKER TIMEOUT (pid:9)"
    killed = "[ERROR] Worker (pid:9) was sent SIGKILL! Perhaps out of memory?"
    assert first_of(timeout, killed) == ("worker_timeout", "")
    assert first_of(killed) == ("out_of_memory", "")


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f"{UNIT}: Failed at step CAPABILITIES spawning /srv/x: Operation not permitted", "setup_failed"),
        (f"{UNIT}: Main process exited, code=exited, status=243/CREDENTIALS", "setup_failed"),
        (f"{UNIT}: Main process exited, code=exited, status=216/GROUP", "user_missing"),
        (f"{UNIT}: Main process exited, code=exited, status=1/FAILURE", "exited"),
        (f"{UNIT}: Main process exited, code=killed, status=9/KILL", "out_of_memory"),
        (f"{UNIT}: Main process exited, code=dumped, status=11/SEGV", "crashed"),
        (f"{UNIT}: Main process exited, code=killed, status=31/SYS", "sandbox_denied"),
        (f"{UNIT}: A process of this unit has been killed by the OOM killer.", "out_of_memory"),
    ],
)
def test_systemd_is_understood(line: str, cause: str) -> None:
    assert [finding.cause for finding in diagnosis.of_journal(said(line, manager=True))] == [cause]


def test_what_systemd_itself_kills_did_not_lack_memory() -> None:
    lines = [
        f"{UNIT}: State 'stop-sigterm' timed out. Killing.",
        f"{UNIT}: Killing process 9 (gunicorn) with signal SIGKILL.",
        f"{UNIT}: Main process exited, code=killed, status=9/KILL",
    ]
    assert [finding.cause for finding in diagnosis.of_journal(said(*lines, manager=True))] == ["stop_timeout"]


def test_a_stop_is_no_finding() -> None:
    lines = (
        "Stopping shop…",
        f"{UNIT}: Deactivated successfully.",
        f"{UNIT}: Main process exited, code=killed, status=15/TERM",
    )
    assert list(diagnosis.of_journal(said(*lines, manager=True))) == []


def test_an_application_that_quotes_systemd_is_not_taken_for_it() -> None:
    assert list(diagnosis.of_journal(said(f"{UNIT}: Main process exited, code=killed, status=11/SEGV"))) == []


def test_one_finding_for_one_cause_with_the_latest_line() -> None:
    found = diagnosis.in_order(
        diagnosis.of_journal(
            [
                *said(*raised("KeyError: 'old'", 'a.py", line 1, in f'), at=1.0),
                *said(*raised("KeyError: 'new'", 'a.py", line 1, in f'), at=2.0),
            ]
        )
    )
    assert [(one.count, one.at, "new" in one.evidence) for one in found] == [(2, 2.0, True)]


def test_no_secret_is_left_where_a_long_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "canary-" + "s" * 60
    text = "KeyError: " + "x" * (diagnosis.LONGEST_EVIDENCE - 40) + secret
    described = unit_description.Description(
        {"LoadState": "loaded", "ActiveState": "active", "Environment": f"API_KEY={secret}"}, []
    )
    monkeypatch.setattr(unit_description, "describe", lambda unit: described)
    monkeypatch.setattr(journal, "read", lambda unit, since: said(*raised(text, 'a.py", line 1, in f')))
    [finding] = diagnosis.diagnose(UNIT, 0, error_log=None)
    assert "canary" not in str(finding)
    assert len(finding.evidence) <= diagnosis.LONGEST_EVIDENCE


def test_a_unit_that_is_not_there_is_said_to_be_missing() -> None:
    [finding] = diagnosis.of_state(UNIT, {"LoadState": "not-found", "ActiveState": "inactive"})
    assert (finding.cause, UNIT in finding.evidence) == ("unit_missing", True)


def test_every_clue_leads_to_a_cause() -> None:
    rules = (*clues._EXCEPTIONS, *clues._LINES, *clues._MANAGER, *clues._NGINX)
    assert {cause for _pattern, cause in rules} | set(clues._STEPS.values()) <= set(causes.CAUSES)


def test_the_documentation_names_every_cause() -> None:
    module = Path(diagnosis.__file__).parents[1] / "modules/service_diagnosis_info.py"
    documented = module.read_text()
    assert [cause for cause in causes.CAUSES if f"C({cause})" not in documented] == []


def test_the_paths_of_environment_files_and_variables_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("API_KEY='from the file'\n")
    shown = (
        f"EnvironmentFiles={tmp_path}/a.e*v (ignore_errors=no)\n"
        f"EnvironmentFiles={tmp_path}/none.env (ignore_errors=yes)\n"
        'Environment=A=1 "B=two words"\nRuntimeDirectory=shop/0123 more\n'
    )
    described = unit_description.parse(shown)
    environments = list(described.environments())
    assert {"A": "1", "B": "two words"} in environments
    assert {"API_KEY": "from the file"} in environments
    assert described.runtime_folders == ["/run/shop/0123/", "/run/more/"]


# --- what somebody else has written into the journal -----------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "WARNING django.request: Not Found: /b psycopg.OperationalError: Connection refused",
        "Not Found: /a MemoryError: x",
        "Forbidden (CSRF cookie not set.): /WORKER TIMEOUT (pid:7)",
        "[2026-11-21 17:55:00 +0000] [7] [WARNING] Not Found: /c Invalid HTTP_HOST header: 'x'",
        ' - - [21/Nov/2026:17:55:00 +0000] "GET / HTTP/1.1" 200 5 "-" "django.db.utils.OperationalError: refused"',
        "the search for WORKER TIMEOUT (pid:7) found nothing",
        "somebody asked for redis.exceptions.ConnectionError: Error 111",
    ],
)
def test_what_a_visitor_writes_is_no_finding(line: str) -> None:
    assert first_of(line) == ("", "")


def test_what_a_visitor_writes_hides_no_finding_either() -> None:
    forged = "Not Found: /WORKER TIMEOUT (pid:9)"
    assert first_of(forged, "[ERROR] Worker (pid:9) was sent SIGKILL! Perhaps out of memory?")[0] == "out_of_memory"


@pytest.mark.parametrize(
    "prefix", ["", "ERROR:    ", "[2026-11-21 17:55:00 +0000] [7] [ERROR] ", "ERROR shop.views: ", "[7] ERROR "]
)
def test_a_bare_exception_is_known_behind_what_logs_put_before_it(prefix: str) -> None:
    assert first_of(f"{prefix}django.db.utils.OperationalError: no such table: cart") == ("missing_table", "cart")


def test_an_access_line_is_no_part_of_the_exception_before_it() -> None:
    access = ' - - [21/Nov/2026:17:55:00 +0000] "GET /x/?token=hunter2 HTTP/1.1" 500 145 "-" "curl"'
    [finding] = diagnosis.of_journal(said(*raised("RuntimeError: boom", 'a.py", line 1, in f'), access))
    assert finding.evidence == "RuntimeError: boom (a.py:1)"


@pytest.mark.parametrize("kind", ["django.core.exceptions.PermissionDenied", "django.http.response.Http404"])
def test_a_refusal_that_django_logs_is_no_finding(kind: str) -> None:
    assert first_of(*raised(f"{kind}: no", 'a.py", line 1, in f')) == ("", "")


# --- what says little by itself --------------------------------------------------------------------------------------


def test_an_end_without_a_reason_shows_the_last_words() -> None:
    entries = [
        *said("[2026-11-21 17:55:00 +0000] [7] [INFO] Starting gunicorn"),
        *said("Error: '/etc/shop/gunicorn.py' doesn't exist"),
        *said(f"{UNIT}: Main process exited, code=exited, status=1/FAILURE", manager=True, at=2.0),
        *said(f"{UNIT}: Start request repeated too quickly.", manager=True, at=3.0),
    ]
    first, second = diagnosis.in_order(diagnosis.of_journal(entries))
    assert (first.cause, second.cause) == ("start_limit_hit", "exited")
    assert first.evidence.endswith("It said last: Error: '/etc/shop/gunicorn.py' doesn't exist")


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("Error: '/var/log/shop/error.log' isn't writable [FileNotFoundError(2, 'No such file')]", "log_permission"),
        ("Error: can't chdir to '/srv/nowhere'", "chdir_failed"),
        ("/srv/shop/venv/bin/python3: No module named gunicorn", "missing_module"),
        (f"{GUNICORN}connection to ('127.0.0.1', 80) failed: [Errno 13] no", "socket_permission"),
        (f"{UVICORN}[Errno 98] error while attempting to bind on address ('::', 80): already in use", "address_in_use"),
        (f"{GUNICORN}Worker (pid:9) exited with code 5.", "exited"),
    ],
)  # fmt: skip
def test_what_an_app_server_says_is_known(line: str, cause: str) -> None:
    assert first_of(line)[0] == cause


def test_the_stacks_that_were_mixed_up_are_a_wrong_entry_point() -> None:
    text = "TypeError: ASGIHandler.__call__() missing 1 required positional argument: 'send'"
    assert first_of(
        *raised(text, '/srv/x/lib/python3.11/site-packages/gunicorn/workers/sync.py", line 1, in handle')
    ) == (
        "wrong_entry_point",
        "ASGIHandler",
    )


def test_a_unit_with_bad_settings_says_which() -> None:
    shown = {
        "LoadState": "bad-setting",
        "LoadError": 'org.freedesktop.systemd1.BadUnitSetting "Unit x has a bad setting"',
    }
    [finding] = diagnosis.of_state(UNIT, shown)
    assert finding.cause == "setup_failed"
    assert finding.evidence.endswith(": Unit x has a bad setting")


# --- all together ----------------------------------------------------------------------------------------------------


@pytest.fixture
def diagnose(monkeypatch: pytest.MonkeyPatch):
    """Diagnose a unit that said this, in the state that the properties describe."""

    def diagnose(entries: list[journal.Entry], domains: tuple[str, ...] = (), nginx: tuple = (), **properties: str):
        described = {
            UNIT: unit_description.Description({"LoadState": "loaded", "ActiveState": "active", **properties}, []),
            "nginx.service": unit_description.Description({"LoadState": "loaded", "ActiveState": "active"}, []),
        }
        monkeypatch.setattr(unit_description, "describe", lambda unit: described[unit])
        monkeypatch.setattr(journal, "read", lambda unit, since: entries if unit == UNIT else list(nginx))
        return [(one.cause, one.evidence) for one in diagnosis.diagnose(UNIT, 0, domains, error_log=None)]

    return diagnose


def monotonic(seconds_ago: float) -> str:
    return str(int((time.clock_gettime(time.CLOCK_MONOTONIC) - seconds_ago) * 1_000_000))


def test_what_kept_a_unit_from_starting_is_over_once_it_runs(diagnose) -> None:
    entries = said(*raised("KeyError: 'API'", '<frozen os>", line 1, in __getitem__'), at=time.time() - 60)
    assert diagnose(entries, ActiveEnterTimestampMonotonic=monotonic(30)) == []
    assert diagnose(entries, ActiveEnterTimestampMonotonic=monotonic(90))[0][0] == "missing_variable"


def test_a_unit_that_starts_again_and_again_is_not_well_in_between(diagnose) -> None:
    entries = said(*raised("KeyError: 'API'", '<frozen os>", line 1, in __getitem__'), at=time.time() - 3)
    assert diagnose(entries, ActiveEnterTimestampMonotonic=monotonic(1))[0][0] == "missing_variable"


def test_a_request_that_failed_before_a_restart_still_counts(diagnose) -> None:
    entries = said(*raised("sqlite3.OperationalError: no such table: x", 'a.py", line 1, in f'), at=time.time() - 60)
    assert diagnose(entries, ActiveEnterTimestampMonotonic=monotonic(30))[0][0] == "missing_table"


def test_a_name_that_is_none_of_the_site_s_is_rightly_refused(diagnose) -> None:
    entries = said(
        "ERROR django.security.DisallowedHost: Invalid HTTP_HOST header: '192.0.2.7'. You may need to add it"
    )
    assert diagnose(entries, domains=("shop.example.org",)) == []
    assert diagnose(entries)[0][0] == "disallowed_host"


def test_a_configuration_that_nginx_refuses_is_named_until_it_takes_one_up(diagnose) -> None:
    refused = said('nginx: [emerg] unknown directive "bogus" in /etc/nginx/conf.d/x.conf:1', at=5.0)
    reloaded = said("Reloaded nginx.service - A high performance web server.", manager=True, at=6.0)
    assert diagnose([], ("shop.example.org",), tuple(refused))[0][0] == "nginx_config"
    assert diagnose([], ("shop.example.org",), (*refused, *reloaded)) == []
    assert diagnose([], (), tuple(refused)) == []


def test_a_secret_is_masked_in_each_form_in_which_it_is_printed(diagnose) -> None:
    entries = said(
        *raised("""ValueError: CANARY "q\\'x and CANARYpw/x and GET /?token=CANARYQ1""", 'a.py", line 1, in f')
    )
    environment = """'TOKEN_A=CANARY "q'"'"'x' DATABASE_URL=postgres://u:CANARYpw/x@h/db"""
    [(_cause, evidence)] = diagnose(entries, Environment=environment)
    assert "CANARY" not in evidence

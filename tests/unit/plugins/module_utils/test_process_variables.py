# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import process_variables

HOSTS = ["web1", "web2"]
BEAT = "celery -A shop beat -s /srv/shop/data/beat"


def read(processes=None, timers=None):
    return process_variables.read({"site_processes": processes or {}, "site_timers": timers or {}}, HOSTS)


def one(value):
    (found,), problems = read({"worker": value})
    assert problems == []
    return found


def problem(value=None, name="worker", **timers):
    found, problems = read({name: value} if value is not None else {}, timers)
    assert found == []
    (said,) = problems
    return said


# --- what is meant ---------------------------------------------------------------------------------------------------


def test_a_text_is_a_command_that_runs_on_every_host():
    found = one("celery -A shop worker --hostname 'w 1@%h'")
    assert found.argv == ["celery", "-A", "shop", "worker", "--hostname", "w 1@%h"]
    assert (found.name, found.variable) == ("worker", "site_processes.worker")
    assert (found.singleton, found.host, found.stop_signal, found.stop_timeout) == (False, "", "TERM", 600)


@pytest.mark.parametrize(("given", "host"), [({}, "web1"), ({"host": "web2"}, "web2")])
def test_a_singleton_runs_on_one_host(given, host):
    assert one({"command": "rqscheduler", "singleton": True, **given}).host == host


def test_how_it_is_stopped_is_the_users_choice():
    found = one({"command": "rq worker", "stop_signal": "INT", "stop_timeout": 5})
    assert (found.stop_signal, found.stop_timeout) == ("INT", 5)


def test_the_traffic_does_not_wait_long_for_a_singleton():
    assert one({"command": "rq worker", "singleton": True}).stop_timeout == 120


@pytest.mark.parametrize(("given", "host"), [({}, "web1"), ({"host": "web2"}, "web2")])
def test_a_timer_runs_on_one_host_by_its_schedule(given, host):
    (found,), problems = read(None, {"tidy": {"command": "manage.py tidy", "schedule": "Mon *-*-* 04:00:00", **given}})
    assert problems == []
    assert (found.variable, found.schedule, found.host) == ("site_timers.tidy", "Mon *-*-* 04:00:00", host)


def test_the_order_in_which_they_are_written_does_not_matter():
    assert read({"a": "x", "b": "y"}) == read({"b": "y", "a": "x"})


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Worker", "1st", "-w", "a b", "w@x", "w.x", "ä", "w" * 33, "w\n"])
def test_a_name_must_fit_into_a_units(name):
    assert f"site_processes has {name!r}" in problem("celery worker", name=name)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["celery"], "site_processes.worker must be a command, or a dictionary with one"),
        ({}, "has no command"),
        ("", "has no command"),
        ({"command": 7}, "has no command"),
        ({"command": "rq worker", "singelton": True}, "'singelton', which is unknown"),
        ({"command": "rq worker", "schedule": "daily"}, "'schedule', which is unknown"),
        ("rq 'worker", "quotes don't match"),
        ('rq "a\nb"', "control character"),
        ('rq "a\x1bb"', "control character"),
        ("rq worker@HOST@", "has @HOST@"),
        ("rq worker | tee log", "has |, and no shell reads it"),
        ("cd x && rq worker", "has &&, and no shell"),
        ("QUEUE=a rq worker", "begins with 'QUEUE=a'"),
        ("./worker.sh", "begins with './worker.sh'"),
        ("$HOME/worker", "begins with '$HOME/worker'"),
        ({"command": "rq worker", "singleton": "yes"}, "singleton 'yes' must be true or false"),
        ({"command": "rq worker", "host": "web1"}, "add singleton: true"),
        (
            {"command": "rq worker", "singleton": True, "host": "web9"},
            "'web9' is no host of the site, which has web1, web2",
        ),
        ({"command": "rq worker", "stop_signal": "KILL"}, "stop_signal 'KILL' is none of TERM"),
        (
            {"command": "rq worker", "singleton": True, "stop_timeout": 301},
            "from 1 to 300: the move of the traffic waits",
        ),
        ("celery -b redis://:s3cret@db1/0 worker", "URL with a password"),
        ({"command": "rq worker", "stop_timeout": 0}, "stop_timeout 0 must be"),
        ({"command": "rq worker", "stop_timeout": True}, "stop_timeout True must be"),
        ({"command": "rq worker", "stop_timeout": "1min"}, "stop_timeout '1min' must be"),
    ],
)
def test_what_can_not_be_run_is_refused_by_its_variable(value, words):
    said = problem(value)
    assert said.startswith("site_processes.worker")
    assert words in said


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("manage.py tidy", "must be a dictionary with a command and a schedule"),
        ({"command": "manage.py tidy"}, "schedule must say when"),
        ({"command": "manage.py tidy", "schedule": "daily\nUnit=other.service"}, "schedule must say when"),
        ({"command": "manage.py tidy", "schedule": "%t"}, "schedule must say when"),
        ({"command": "manage.py tidy", "schedule": ["daily"]}, "schedule must say when"),
        ({"command": "manage.py tidy", "schedule": "daily", "singleton": True}, "'singleton', which is unknown"),
        ({"command": "manage.py tidy", "schedule": "daily", "host": "web9"}, "'web9' is no host"),
    ],
)
def test_a_timer_that_can_not_be_is_refused_by_its_variable(value, words):
    said = problem(tidy=value)
    assert said.startswith("site_timers.tidy")
    assert words in said


def test_a_process_and_a_timer_don_t_share_a_name():
    _found, problems = read({"tidy": "rq worker"}, {"tidy": {"command": "manage.py tidy", "schedule": "daily"}})
    assert problems == ["site_timers.tidy has the name of a process of site_processes. Call one of them otherwise"]


def test_everything_that_is_wrong_is_said_at_once():
    _found, problems = read({"a": "", "b": "x | y"}, {"c": {"command": "manage.py c"}})
    assert len(problems) == 3


# --- Celery's beat ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        BEAT,
        "celery beat -A shop -s /srv/shop/data/beat",
        "celery --app=shop -b redis:// beat --schedule=/srv/shop/data/beat",
        "python -m celery -A shop beat -s/srv/shop/data/beat",
        "/srv/x/bin/celery -A shop beat -S django",
        "celery -A shop worker -B -s /srv/shop/data/beat",
        "celery -A shop worker --beat --scheduler django",
    ],
)
def test_a_beat_that_might_run_twice_is_refused(command):
    assert "beat would run on every host" in problem(command)
    assert one({"command": command, "singleton": True}).host == "web1"


@pytest.mark.parametrize("command", ["celery -A shop beat -l info", "celery -A shop worker -B"])
def test_a_beat_without_a_place_for_its_schedule_is_refused_with_one(command):
    assert "-s /srv/SITE/data/celerybeat-schedule" in problem({"command": command, "singleton": True})


@pytest.mark.parametrize(
    "command", ["celery -A beat worker", "celery -A shop worker -Q beat", "rq beat", "celery", "manage.py beat"]
)
def test_what_is_no_beat_is_not_taken_for_one(command):
    assert one(command)


# --- where the programs are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "root", "argv", "program"),
    [
        ("celery worker", "", ["@VENV@/bin/celery", "worker"], "celery"),
        ("python x.py", "", ["@VENV@/bin/python", "x.py"], "python"),
        (
            "manage.py run a",
            "",
            ["@VENV@/bin/python", "/srv/shop/releases/@RELEASE@/code/manage.py", "run", "a"],
            "python",
        ),
        (
            "manage.py run",
            "backend",
            ["@VENV@/bin/python", "/srv/shop/releases/@RELEASE@/code/backend/manage.py", "run"],
            "python",
        ),
        ("/bin/sh -c 'a | b'", "", ["/bin/sh", "-c", "a | b"], ""),
    ],
)
def test_a_command_finds_its_program_in_the_release(command, root, argv, program):
    files = {"manage.py", "backend/manage.py"}
    (found,), problems = process_variables.placed([one(command)], "shop", root, files)
    assert problems == []
    assert (found.argv, found.program) == (argv, program)


def test_a_source_without_manage_py_is_told():
    _found, problems = process_variables.placed([one("manage.py run")], "shop", "backend", {"manage.py"})
    assert problems == [
        "site_processes.worker: the command begins with manage.py, and site_source has no backend/manage.py"
    ]

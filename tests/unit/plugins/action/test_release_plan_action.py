# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy

import pytest
from ansible_collections.switchyard.django.plugins.action.release_plan import REQUIRED, ActionModule

GIVEN = {
    "source": {
        "identity": "c0ffee",
        "root": "backend",
        "commit": "c0ffee",
        "origin": "https://git.example.org/shop.git",
        "archive": "/cache/sources/0a1b.tar.gz",
    },
    "state": {"live": None, "releases": {}, "rejected": [], "python": "3.11"},
    "lock": "l1",
    "environment": "e1",
    "stack": "wsgi",
    "server": "one",
    "entry_point": "shop.wsgi",
    "settings_module": "shop.settings",
    "overrides": {},
    "domains": ["shop.example.org"],
    "gate": {"host": "shop.example.org", "scheme": "http", "health_path": "/health/", "websocket_path": ""},
    "hosts": 1,
    "serving": {"bind": "socket", "sizing": {"workers": "auto"}, "times": {"request": 60}, "sandbox": {}},
    "size": {"workers": 2, "threads": 8, "connections": 16, "memory": 256},
    "modules": [],
    "commands": [],
    "files": [{"path": "unit", "content": "x"}],
    "processes": [],
    "host": "web1",
}


PROCESS = {
    "name": "worker",
    "variable": "site_processes.worker",
    "program": "celery",
    "singleton": False,
    "host": "",
    "schedule": "",
}


@pytest.fixture
def plan(run):
    def plan(**changes):
        return run(ActionModule, {**copy.deepcopy(GIVEN), **changes})

    return plan


def state(**changes):
    return {**GIVEN["state"], **changes}


def test_the_same_inputs_name_the_same_release(plan):
    assert plan()["id"] == plan()["id"]
    assert len(plan()["id"]) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"source": {**GIVEN["source"], "identity": "other"}},
        {"source": {**GIVEN["source"], "root": ""}},
        {"lock": "l2"},
        {"environment": "e2"},
        {"stack": "asgi"},
        {"server": "two"},
        {"settings_module": "shop.settings.live"},
        {"overrides": {"DEBUG": False}},
        {"gate": {**GIVEN["gate"], "health_path": "/"}},
        {"serving": {**GIVEN["serving"], "bind": "port"}},
        {"serving": {**GIVEN["serving"], "sizing": {"workers": "4"}}},
        {"serving": {**GIVEN["serving"], "times": {"request": 90}}},
        {"serving": {**GIVEN["serving"], "sandbox": {"devices": ["/dev/fuse"]}}},
        {"processes": [PROCESS]},
        {"modules": [{"path": "wrapper.py", "content": "y"}]},
        {"commands": ["npm ci"]},
        {"files": [{"path": "unit", "content": "y"}]},
    ],
    ids=[
        *("code", "root", "lock", "environment", "stack", "server", "settings", "overrides", "gate"),
        *("bind", "sizing", "times", "sandbox", "processes", "modules", "commands", "files"),
    ],
)
def test_every_input_of_a_release_changes_its_name(plan, change):
    assert plan(**change)["id"] != plan()["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"state": state(python="3.13")},
        {"state": state(live="b" * 12, releases={"b" * 12: {"build": "x", "stack": "asgi"}})},
        {"hosts": 3},
        {"host": "web2"},
        {"size": {"workers": 8, "threads": 8, "connections": 64, "memory": 1024}},
        {"source": {**GIVEN["source"], "origin": "https://mirror.example.org/shop.git"}},
    ],
    ids=["Python", "what is live", "number of hosts", "name of the host", "size", "origin"],
)
def test_what_differs_between_hosts_does_not_name_a_release(plan, change):
    assert plan(**change)["id"] == plan()["id"]


def test_how_it_is_served_and_how_large_it_is_go_to_the_host(plan):
    wanted = plan()["wanted"]
    assert (wanted["serving"], wanted["size"]) == (GIVEN["serving"], GIVEN["size"])


@pytest.mark.parametrize(("host", "here"), [("web1", ["worker", "beat"]), ("web2", ["worker", "tidy"])])
def test_each_host_is_told_what_runs_there_and_all_of_them_the_same_name(plan, host, here):
    beat = {**PROCESS, "name": "beat", "singleton": True, "host": "web1"}
    tidy = {**PROCESS, "name": "tidy", "singleton": True, "host": "web2", "schedule": "daily"}
    given = [PROCESS, beat, tidy]
    found = plan(processes=given, host=host)
    assert [one["name"] for one in found["wanted"]["manifest"]["processes"]] == here
    assert found["id"] == plan(processes=given)["id"]
    assert [one["variable"] for one in found["wanted"]["programs"]] == ["site_processes.worker"] * 3


def test_a_host_with_another_python_has_another_venv(plan):
    assert plan(state=state(python="3.13"))["venv"] != plan()["venv"]


def test_a_release_that_is_live_is_known_as_such(plan):
    name = plan()["id"]
    assert not plan()["live"]
    assert plan(state=state(live=name, releases={name: {"build": "x", "stack": "wsgi"}}))["live"]


def test_a_release_that_was_rolled_away_from_is_known_as_such(plan):
    assert plan(state=state(rejected=[plan()["id"]]))["rejected"]
    assert not plan(state=state(rejected=["b" * 12]))["rejected"]


@pytest.mark.parametrize(
    ("live", "switches"),
    [(None, False), ({"build": "x", "stack": "wsgi"}, False), ({"build": "x", "stack": "asgi"}, True)],
)
def test_a_change_of_stack_is_seen(plan, live, switches):
    found = state(live="b" * 12, releases={"b" * 12: live}) if live else state()
    assert plan(state=found)["switches"] is switches


def test_a_switch_adopts_what_the_other_stack_has_built(plan):
    first = plan()
    built = {first["id"]: first["wanted"]["manifest"]}
    assert plan(stack="asgi", state=state(releases=built))["built"] == first["id"]
    assert plan(state=state(releases=built))["built"] == ""
    assert plan(stack="asgi", lock="l2", state=state(releases=built))["built"] == ""
    assert plan(stack="asgi", state=state(releases=built, python="3.13"))["built"] == ""


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_plan_without_one_of_its_inputs_is_refused(run, name):
    arguments = {key: value for key, value in GIVEN.items() if key != name}
    with pytest.raises(Exception, match=name):
        run(ActionModule, arguments)


def test_what_differs_between_two_releases_can_be_told_by_its_part(plan):
    one, other = plan()["parts"], plan(gate={**GIVEN["gate"], "health_path": "/"})["parts"]
    assert {name for name in one if one[name] != other[name]} == {"gate"}
    assert plan(size={**GIVEN["size"], "workers": 9}, state=state(python="3.13"))["parts"] == one

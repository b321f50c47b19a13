# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.switchyard.django.plugins.action.status_report import ActionModule


@pytest.fixture
def shown(monkeypatch):
    """What is printed."""
    lines = []
    display = "ansible_collections.switchyard.django.plugins.action.status_report.Display"
    monkeypatch.setattr(display, lambda: type("Display", (), {"display": staticmethod(lines.append)}))
    return lines


def report(run, hosts, check=False, **options):
    return run(ActionModule, {"site": "shop", "hosts": hosts, **options}, check)


def test_it_prints_and_writes_what_the_hosts_said(run, shown, host_status, tmp_path):
    answer = {**host_status(), "changed": False, "invocation": {"module_args": {}}}
    result = report(run, {"web1": answer}, json=str(tmp_path / "x.json"))
    assert (result["changed"], result["problems"]) == (False, [])
    assert shown[0].startswith("shop, ")
    written = json.loads((tmp_path / "x.json").read_text())
    assert written["hosts"]["web1"] == host_status()
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_check_mode_writes_nothing(run, shown, host_status, tmp_path):
    report(run, {"web1": host_status()}, check=True, json=str(tmp_path / "x.json"))
    assert list(tmp_path.iterdir()) == []
    assert shown


def test_a_file_that_can_not_be_written_is_named(run, shown, host_status, tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(AnsibleActionFail, match=r"x.json can't be written"):
        report(run, {"web1": host_status()}, json=str(tmp_path / "x.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_it_fails_where_something_has_to_be_looked_at_and_that_was_asked_for(run, shown, host_status):
    hosts = {"web1": host_status(), "web2": {"unreachable": True, "msg": "no route"}}
    assert not report(run, hosts).get("failed")
    result = report(run, hosts, fail="yes")
    assert result["failed"]
    said = "shop has to be looked at (status_fail): 1 problem, named at the end of the table above"
    assert (result["msg"], "problems" in result) == (said, False), "they stand in the table"
    assert shown[-1] == "  web2: not reached: no route"
    assert not report(run, {"web1": host_status()}, fail=True).get("failed")


def test_limits_are_those_of_the_variables(run, shown, host_status):
    hosts = {"web1": host_status()}
    assert report(run, hosts, limits={"p95": "0.01", "drift": "no"})["problems"] == [
        "web1: one of twenty requests takes more than 80 ms (p95)"
    ]


def test_a_site_that_no_host_has_is_no_status(run, shown):
    nothing = {"found": "nothing", "sites": ["blog"], "at": 2.0, "since": 1.0}
    with pytest.raises(AnsibleActionFail, match=r"no host has such a site. They have blog, news"):
        report(run, {"web1": nothing, "web2": {**nothing, "sites": ["news"]}})
    with pytest.raises(AnsibleActionFail, match=r"no host could be asked.\nweb1: not read: no route"):
        report(run, {"web1": {"msg": "no route"}})

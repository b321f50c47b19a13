# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.context_objects import CLIArgs
from ansible_collections.switchyard.django.plugins.action import run_variables

SET = {"site_name": "shop", "site_source": "/shop", "site_package": "shop", "site_domains": ["shop.example.org"]}


@pytest.fixture
def judge(run, monkeypatch):
    """Runs the action for hosts that have these variables; `play` are those of the play."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def judge(known_of, play=None, said=(), **arguments):
        monkeypatch.setattr(context, "CLIARGS", CLIArgs({"extra_vars": tuple(said)}))
        here = next(iter(known_of))
        known = {
            **known_of[here],
            **(play or {}),
            "hostvars": known_of,
            "inventory_hostname": here,
            "ansible_play_hosts_all": [name for name in known_of if name != "away"],
        }

        class Action(run_variables.ActionModule):
            def run(self, tmp=None, task_vars=None):
                return super().run(tmp, known)

        return run(Action, arguments)

    return judge


def refused(judge, *arguments, **how):
    with pytest.raises(AnsibleActionFail) as caught:
        judge(*arguments, **how)
    return str(caught.value)


def test_a_run_that_has_all_passes_without_a_word(judge):
    assert judge({"web1": SET}, members=["web1"], needs=list(SET))["warnings"] == []


def test_what_is_missing_is_asked_of_the_hosts_of_the_site_alone(judge):
    hosts = {"db1": {"site_group": "web"}, "web1": {"site_group": "web"}}
    assert "site_name is not set. The" in refused(judge, hosts, members=["web1"], needs=["site_name"])
    hosts["web1"]["site_name"] = "shop"
    judge(hosts, members=["web1"], needs=["site_name"])


def test_what_the_play_sets_is_there(judge):
    judge({"web1": {}, "web2": {}}, play={"site_name": "shop"}, members=["web1", "web2"], needs=["site_name"])


def test_the_hosts_that_count_may_be_others_than_those_of_the_run(judge):
    hosts = {"balancer1": SET, "away": {}}
    assert "site_name is not set." in refused(judge, hosts, hosts=["away"], needs=["site_name"])


def test_a_run_without_a_host_of_the_site_is_refused_first(judge):
    said = refused(judge, {"web1": {"site_name": "shop"}}, members=["web2"], needs=["site_source"])
    assert said == "--limit leaves none of the hosts of shop, which are web2. Nothing was changed."


def test_what_is_mistyped_on_several_hosts_is_told_once(judge):
    hosts = {name: {**SET, "site_helth_path": "/"} for name in ("web1", "web2")}
    (said,) = judge(hosts, members=list(hosts))["warnings"]
    assert said.startswith("site_helth_path is no variable of switchyard.django")


def test_a_value_that_is_cut_off_is_refused_and_not_shown(judge):
    text = "site_source_token=abc hunter2"
    said = refused(judge, {"web1": {**SET, "_raw_params": "hunter2"}}, said=["a=b", "@file with blanks.yml", text])
    assert said.startswith("-e site_source_token=… is cut off at a space")
    assert "a=…" not in said
    assert "hunter2" not in said


def test_what_ansible_puts_there_from_anywhere_else_is_refused_as_well(judge):
    assert "belongs to no variable" in refused(judge, {"web1": {"_raw_params": "x"}}, said=["@file.yml"])

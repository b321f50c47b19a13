# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.action import release_rollback, site_state
from ansible_collections.switchyard.django.plugins.module_utils import lease
from ansible_collections.switchyard.django.plugins.plugin_utils import claim

ARGUMENTS = {"site": "shop", "purpose": "a deploy", "lock_wait": 30}


@pytest.fixture
def ask(run, monkeypatch):
    """Runs the action; the module gives these answers. Returns the result and what the module was asked."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    said = []
    monkeypatch.setattr(claim.Display, "display", lambda self, message, *_how, **_more: said.append(message))

    def ask(*answers, hosts=1, check_mode=False, action=site_state.ActionModule, connection=None, **arguments):
        module = mock.MagicMock(side_effect=answers)
        names = [f"web{number}" for number in range(hosts)]

        class Action(action):
            def run(self, tmp=None, task_vars=None):
                self._play_context.check_mode = check_mode
                return super().run(tmp, {"ansible_play_hosts": names, "inventory_hostname": "web0"})

        changes = {"_execute_module": module, **({"_connection": connection} if connection else {})}
        result = run(Action, {**ARGUMENTS, **arguments}, check_mode=check_mode, **changes)
        return result, [call.kwargs["module_args"] for call in module.call_args_list]

    ask.said = said
    return ask


def held(**process):
    return {"held": {"token": "t1", "described": "a rollback by bob@laptop, begun 5 s ago", "process": process}}


def gone():
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


# --- is the other run dead -------------------------------------------------------------------------------------------


def test_a_run_that_lives_is_not_dead():
    assert not claim.is_dead(claim.process())


def test_a_run_on_this_machine_whose_process_is_gone_is_dead():
    assert claim.is_dead({**claim.process(), "pid": gone()})


def test_a_run_whose_number_another_process_has_by_now_is_dead():
    assert claim.is_dead({**claim.process(), "started": "1"})


@pytest.mark.parametrize(
    "other", [{"machine": "another", "pid": 1, "started": "1"}, {}, {"pid": 1, "started": "1"}, {"machine": ""}]
)
def test_of_a_run_elsewhere_nothing_is_known(other):
    assert not claim.is_dead(other)


def test_where_a_machine_can_not_be_told_from_others_nothing_is_known(monkeypatch):
    monkeypatch.setattr(claim, "_machine", lambda: "")
    assert not claim.is_dead({**claim.process(), "pid": gone()})


def test_a_run_is_the_parent_of_the_process_in_which_an_action_works():
    assert claim.process()["pid"] == os.getppid()
    assert claim.process()["started"]


def test_who_runs_it_is_a_person_and_not_sudo(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ann")
    assert claim.by().startswith("ann@")


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def unknown():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(claim.getpass, "getuser", unknown)
    monkeypatch.setattr(claim.os, "getuid", lambda: 1234)
    assert claim.by().startswith("1234@")


# --- asking for the lease --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [site_state.ActionModule, release_rollback.ActionModule])
def test_a_free_lease_is_asked_for_once(ask, action):
    result, (asked,) = ask({"lease": "x", "changed": False}, action=action)
    assert result["lease"] == "x"
    assert asked["site"] == "shop"
    assert (asked["claim"]["purpose"], asked["claim"]["by"]) == ("a deploy", claim.by())
    assert asked["claim"]["process"] == claim.process()
    assert "lock_wait" not in asked
    assert ask.said == []


def test_two_runs_never_have_the_same_token(ask):
    tokens = {ask({"lease": "x"})[1][0]["claim"]["token"] for _run in range(3)}
    assert len(tokens) == 3
    assert all(len(token) == 16 for token in tokens)


def test_in_check_mode_nothing_is_claimed(ask):
    _result, (asked,) = ask({"lease": ""}, check_mode=True)
    assert asked["claim"] == {}


def test_a_host_of_several_may_be_silent_while_the_others_are_at_work(ask):
    silence = [ask({"lease": "x"}, hosts=hosts)[1][0]["claim"]["silence"] for hosts in (1, 2)]
    assert silence == [lease.SILENCE, claim.SILENCE_IN_COMPANY]


def test_a_run_that_is_at_work_is_named_and_waited_for(ask):
    _result, (first, second) = ask(held(**claim.process()), {"lease": "x"})
    assert "wait" not in first["claim"]
    assert (second["claim"]["wait"], second["claim"]["instead_of"]) == (30.0, "")
    assert second["claim"]["token"] == first["claim"]["token"]
    assert ask.said == ["web0: waits for a rollback by bob@laptop, begun 5 s ago, 30 s at most"]


def test_a_run_that_is_dead_is_taken_over_from_and_not_waited_for(ask):
    _result, (_first, second) = ask(held(**{**claim.process(), "pid": gone()}), {"lease": "x"})
    assert second["claim"]["instead_of"] == "t1"
    assert ask.said == []


def test_a_run_that_does_not_end_stops_this_one_and_names_the_way_out(ask):
    with pytest.raises(AnsibleActionFail) as caught:
        ask(held(machine="another"), held(machine="another"))
    message = str(caught.value)
    assert "shop: another run is at work on web0: a rollback by bob@laptop" in message
    assert "Waited 30 s (cutover_lock_wait)" in message
    assert "Nothing was changed." in message


def test_a_module_that_fails_for_another_reason_fails_as_it_does(ask):
    result, _asked = ask({"failed": True, "msg": "no Python"})
    assert {**result, "began": 0} == {"failed": True, "msg": "no Python", "began": 0}


def test_where_all_hosts_are_asked_at_once_none_is_waited_for(ask):
    result, (asked,) = ask(held(**claim.process()), together=True)
    assert result["held"]["token"] == "t1"
    assert "lease" not in result
    assert "wait" not in asked["claim"]
    assert ask.said == []


def test_a_dead_run_is_taken_over_from_on_all_hosts_at_once(ask):
    result, (_first, second) = ask(held(**{**claim.process(), "pid": gone()}), {"lease": "x"}, together=True)
    assert result["lease"] == "x"
    assert second["claim"]["instead_of"] == "t1"


# --- a host that can't be reached ------------------------------------------------------------------------------------

REFUSED = (
    'Data could not be sent to remote host "10.0.0.9". Make sure this host can be reached over ssh: '
    "ssh: connect to host 10.0.0.9 port 22: Connection refused"
)
BROKEN = "Failed to connect to the host via ssh: Timeout, server 10.0.0.9 not responding."
WAYS = {"host": "10.0.0.9", "port": 2222, "remote_user": "ann", "private_key_file": None}


@pytest.fixture
def connection():
    return mock.MagicMock(transport="ssh", get_option=WAYS.get)


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_only_host_fails_with_the_way_out_where_it_can_not_be_reached(ask, connection, check_mode):
    with pytest.raises(AnsibleActionFail) as caught:
        ask(AnsibleConnectionFailure(REFUSED), check_mode=check_mode, connection=connection)
    assert str(caught.value) == (
        "web0 can't be reached: ssh: connect to host 10.0.0.9 port 22: Connection refused. "
        "Try it by hand: ssh -p 2222 ann@10.0.0.9\n"
        "Where ssh needs something else to get there, say it in the inventory: ansible_host, ansible_user, "
        "ansible_port, ansible_ssh_private_key_file. Nothing was changed."
    )


def test_one_of_several_hosts_is_left_to_ansible_and_to_the_others(ask, connection):
    with pytest.raises(AnsibleConnectionFailure):
        ask(AnsibleConnectionFailure(REFUSED), hosts=2, connection=connection)


def test_of_a_connection_that_broke_nobody_says_that_nothing_was_changed(ask, connection):
    with pytest.raises(AnsibleConnectionFailure):
        ask(AnsibleConnectionFailure(BROKEN), connection=connection)


def test_a_connection_that_is_not_sshs_is_left_to_ansible(ask, connection):
    connection.transport = "podman"
    with pytest.raises(AnsibleConnectionFailure):
        ask(AnsibleConnectionFailure(REFUSED), connection=connection)


def test_the_command_has_what_ssh_is_told_and_no_more():
    def command(*ways):
        return claim.unreached("web1", REFUSED, *ways).splitlines()[0].partition("by hand: ")[2]

    assert command("web1", None, None, None) == "ssh web1"
    assert command("web1", 22, "root", "/home/ann/a key") == "ssh -p 22 -i '/home/ann/a key' root@web1"

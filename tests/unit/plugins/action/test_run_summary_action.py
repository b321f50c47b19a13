# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tarfile
import time

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.switchyard.django.plugins.action import run_summary

MOVED = {"moved": True, "source": "old", "changed": True, "said": "new (x) is live", "notes": [], "described": {}}


class HostVars(dict):
    """As Ansible has them: what is got by raw_get is not templated."""

    def raw_get(self, host):
        return self[host]


@pytest.fixture
def summary(run, monkeypatch):
    """Runs the action on a run of which the hosts know this."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def summary(hosts, check_mode=False, arguments=None, **variables):
        known = {
            "hostvars": HostVars(hosts),
            "ansible_play_hosts_all": ["localhost", *hosts],
            "inventory_hostname": next(iter(hosts)),
            "playbook_dir": "/nowhere",
            **variables,
        }

        class Action(run_summary.ActionModule):
            def run(self, tmp=None, task_vars=None):
                return super().run(tmp, known)

        given = {"site": "shop", "operation": "deploy", "release": "new", "hosts": list(reversed(hosts))}
        results = {"plan": "__plan", "read": "__read", "move": "__move"}
        return run(Action, {**given, "results": results, **(arguments or {})}, check_mode=check_mode)

    return summary


def test_what_the_hosts_know_is_put_together(summary):
    host = {"__move": MOVED, "__plan": {"began": time.time() - 30}, "__other": "not asked for"}
    result = summary({"web1": host}, ansible_inventory_sources=["web1,"], ansible_limit="web1")
    assert result["msg"][0] == "shop: new (x) is live"
    assert "seconds       30" in result["msg"]
    assert result["msg"][-1].endswith(
        "-i web1, switchyard.django.rollback -e site_name=shop -e rollback_to=old --limit web1"
    )
    assert (result["_ansible_verbose_always"], "failed" in result) == (True, False)


def test_the_undo_knows_what_the_files_of_the_migrations_say(summary, tmp_path):
    archive, source = tmp_path / "new.tar.gz", tmp_path / "0002_pinned.py"
    operation = 'AddField("pin", "at", IntegerField(default=1))'
    source.write_text(f"class Migration:\n    operations = [{operation}]\n")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "board/migrations/0002_pinned.py")
    host = {"__move": MOVED, "__plan": {"archive": str(archive)}, "__build": {"pending": ["board.0002_pinned"]}}
    host["__migrated"] = {"changed": True}
    results = {"plan": "__plan", "move": "__move", "build": "__build", "migrated": "__migrated"}
    said = "undo          board.0002_pinned stays applied, and the release before can't add rows:"
    assert said in summary({"web1": host}, arguments={"results": results})["msg"]
    host["__build"] = {"pending": [], "left": ["board.0002_pinned"]}
    assert said in summary({"web1": host}, arguments={"results": results})["msg"]
    archive.unlink()
    lines = summary({"web1": host}, arguments={"results": results})["msg"]
    assert "undo          board.0002_pinned stays applied:" in lines


def failed(message, task="The task", once=False, **more):
    return {
        "ansible_failed_result": {"failed": True, "msg": message, **more},
        "ansible_failed_task": {"name": task, "uuid": f"of {task}", "run_once": once},
    }


def test_a_failure_fails_with_the_cause_first(summary):
    hosts = {"web1": {}, "web2": failed("no room\nnowhere")}
    result = summary(hosts, arguments={"failed": True})
    assert result["failed"]
    assert result["msg"] == result["summary"][0] == "shop: the deploy failed on web2: no room"
    assert result["summary"][1] == "task          The task"


def test_the_failure_that_followed_from_a_rescue_counts(summary):
    hosts = {"web1": failed("web2: the story", once=True), "web2": failed("what was rescued", "Another")}
    assert summary(hosts, arguments={"failed": True})["msg"] == "shop: the deploy failed: web2: the story"


def test_all_hosts_that_failed_at_the_task_are_named(summary):
    hosts = {"web1": failed("no"), "web2": failed("no"), "web3": failed("no"), "web4": failed("rescued", "Another")}
    result = summary(hosts, arguments={"failed": True})
    assert result["msg"] == "shop: the deploy failed on web1, web2, web3: no"
    assert result["summary"][2] == "hosts         failed on web1, web2, web3; ended with it on web4"


def test_what_is_judged_once_names_no_host(summary):
    hosts = {"web1": failed("rollback_to x is no release", once=True), "web2": {}}
    result = summary(hosts, arguments={"failed": True})
    assert result["msg"] == "shop: the deploy failed: rollback_to x is no release"
    assert result["summary"][2] == "hosts         web1, web2"


@pytest.mark.parametrize("once", [True, False])
def test_what_was_delegated_to_another_host_names_that(summary, once):
    delegated = {"_ansible_delegated_vars": {"ansible_delegated_host": "db1"}}
    hosts = {"web1": failed("no room", once=once, **delegated), "web2": {}}
    assert summary(hosts, arguments={"failed": True})["msg"] == "shop: the deploy failed on db1: no room"


def test_of_a_loop_the_item_that_failed_is_the_cause(summary):
    host = failed("One or more items failed", results=[{"msg": "all well"}, {"failed": True, "msg": "two is wrong"}])
    assert summary({"web1": host}, arguments={"failed": True}, **host)["msg"].endswith(": two is wrong")


def test_a_host_that_is_gone_is_named(summary):
    hosts = {"web1": {}, "web2": {"__move": {"unreachable": True}}}
    result = summary(hosts, arguments={"failed": True})
    assert result["msg"] == "shop: the deploy failed: web2 can't be reached"


@pytest.mark.parametrize("how", [{"_ansible_no_log": True}, {}])
def test_what_may_hold_a_secret_is_not_said(summary, how):
    host = failed("hunter2", **how)
    host["ansible_failed_task"]["no_log"] = not how
    assert "hunter2" not in str(summary({"web1": host}, arguments={"failed": True}, **host))


def test_a_check_of_a_deploy_is_told_beforehand(summary, monkeypatch):
    monkeypatch.setattr(run_summary, "_preview", lambda run, requirements: [f"{run.release} {requirements}"])
    result = summary({"web1": {"__move": MOVED}}, check_mode=True, arguments={"requirements": "r.txt"})
    assert result["msg"] == ["new r.txt"]

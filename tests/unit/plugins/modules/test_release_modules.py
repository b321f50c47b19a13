# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of a deploy and a rollback make of what module_utils can do."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.module_utils import cutover as mover
from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    edge,
    environment,
    gate,
    history,
    lease,
    retention,
    state,
    swap,
)
from ansible_collections.switchyard.django.plugins.modules import (
    cutover,
    release_info,
    release_rollback,
    site_environment,
    site_lease,
    site_state,
)

R1, R2, R3 = (f"{number}" * 12 for number in range(1, 4))


@pytest.fixture(autouse=True)
def host(layout, make_release, monkeypatch):
    """A host on which R1 and R2 were live, and R3 is; no instance runs, and what a cutover would do is noted."""
    monkeypatch.setattr(state, "running_instances", lambda layout: {})
    monkeypatch.setattr(mover, "is_settled", lambda plan: state.live_release(layout) == plan.release)
    moved = []

    def move(layout, name, module, plan):
        moved.append(plan)
        return {"moved": True, "source": R3, "message": "it is live", "edge_before": {}}

    monkeypatch.setattr(swap.host_program, "run", move)
    for name in (R1, R2, R3):
        make_release(name, origin="https://git.example.org/shop")
        entry = {"operation": "deploy", "from": state.live_release(layout), "to": name, "by": "ann"}
        history.record(layout.history, "intent", **entry)
        history.record(layout.history, "outcome", result="live", seconds=0.5, **entry)
        disk.point(layout.current, f"releases/{name}")
    return moved


@pytest.fixture
def run(capsys):
    def run(module, check=False, **options):
        arguments = {"site": "shop", "_ansible_check_mode": check, "_ansible_diff": True, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        output = capsys.readouterr().out
        assert "hunter2" not in output
        return json.loads(output)

    return run


# --- release_info ----------------------------------------------------------------------------------------------------


def test_what_is_live_and_where_a_rollback_leads(run):
    found = run(release_info)
    assert (found["changed"], found["live"], found["rollback_target"]) == (False, R3, R2)
    assert [one["id"] for one in found["releases"]] == [R3, R2, R1]
    assert [one["live"] for one in found["releases"]] == [True, False, False]
    assert [(one["to"], one["result"], one["by"]) for one in found["history"]] == [
        (name, "live", "ann") for name in (R1, R2, R3)
    ]
    assert found["run"] is None


def test_as_much_of_the_history_as_is_asked_for(run):
    assert [one["to"] for one in run(release_info, history_length=1)["history"]] == [R3]
    assert len(run(release_info, history_length=0)["history"]) == 3


def test_a_release_that_was_rolled_away_from_says_why_and_one_without_environment_that_it_can_not_start(layout, run):
    entry = {"operation": "rollback", "from": R3, "to": R2, "reason": "prices are wrong"}
    history.record(layout.history, "outcome", result="live", **entry)
    disk.point(layout.current, f"releases/{R2}")
    layout.environment("e1").unlink()
    releases = {one["id"]: one for one in run(release_info)["releases"]}
    assert (releases[R3]["rejected"], releases[R3]["reason"]) == (True, "prices are wrong")
    assert (releases[R1]["rejected"], releases[R1]["reason"]) == (False, "")
    assert not releases[R1]["startable"]


def test_a_run_that_is_at_work_is_named_and_a_dead_one_is_not(layout, run):
    lease.take(layout, {"token": "t1", "by": "ann@laptop", "purpose": "a deploy", "silence": 60})
    assert run(release_info)["run"].startswith("a deploy by ann@laptop")
    lease.take(layout, {"token": "t1", "by": "ann@laptop", "purpose": "a deploy", "silence": -1})
    assert run(release_info)["run"] is None


def test_reading_changes_nothing_and_waits_for_nobody(layout, run, tmp_path):
    before = sorted((path, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))
    run(release_info)
    assert sorted((path, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


# --- release_rollback ------------------------------------------------------------------------------------------------


def test_in_check_mode_a_rollback_says_where_it_leads_and_takes_no_lease(layout, run):
    found = run(release_rollback, check=True)
    assert (found["changed"], found["release"], found["lease"]) == (True, R2, "")
    assert (found["left"], found["reversal"]) == ([], {})
    assert lease.read(layout) is None


def test_beside_other_hosts_a_rollback_to_nowhere_is_said_and_no_failure(run):
    found = run(release_rollback, check=True, to="f" * 12, alone=False)
    assert not found.get("failed")
    assert found["problem"].startswith(f"rollback_to {'f' * 12} is no release here")
    assert (found["release"], found["live"], found["has"]) == ("", R3, [R3, R2, R1])
    assert run(release_rollback, check=True, alone=False)["problem"] == ""


def test_a_rollback_to_nowhere_names_the_site(run):
    found = run(release_rollback, check=True, to="f" * 12)
    assert found["failed"]
    assert found["msg"].startswith(f"shop: rollback_to {'f' * 12} is no release here")
    assert found["live"] == R3
    assert found["described"][R3].startswith(f"{R3} (wsgi by gunicorn, commit ")


def test_a_rollback_tells_what_was_probed_and_how_long_each_part_took(layout, run, monkeypatch):
    probed = {"path": "/health/", "times": 3, "websocket": ""}
    monkeypatch.setattr(release_rollback.gate, "admit", lambda *_what: gate.Passed(True, True, "", probed))
    clock = iter([2.0, 5.5])
    monkeypatch.setattr(release_rollback.stopwatch, "seconds", lambda: next(clock))
    found = run(release_rollback, move={"free": False})
    assert found["gate"] == {"probed": probed, "seconds": 2.0}
    assert found["outcome"]["seconds"] == 3.5
    assert set(found["described"]) == {R2, R3}


def test_a_rollback_whose_gate_fails_says_what_is_live(run, monkeypatch):
    monkeypatch.setattr(release_rollback.gate, "admit", lambda *_what: gate.Passed(False, True, "no answer"))
    found = run(release_rollback)
    assert (found["failed"], found["msg"], found["live"]) == (True, "no answer", R3)


# --- site_state ------------------------------------------------------------------------------------------------------


def test_the_packages_of_both_locks_are_told(layout):
    venv = layout.venv("v1")
    (venv / "switchyard.lock").write_text("django==5.2.1\n")
    layout.lock("i1").write_text("django==5.2.2\n")
    found = {**state.releases(layout), "inputs": "i1", "lock": "l1"}
    both = {"live": {"django": [["==5.2.1", ""]]}, "wanted": {"django": [["==5.2.2", ""]]}}
    assert site_state.packages(layout, found) == both
    assert site_state.packages(layout, {**found, "lock": None})["wanted"] == {}
    assert site_state.packages(layout, {**found, "live": None})["live"] == {}


# --- site_lease ------------------------------------------------------------------------------------------------------


def test_an_environment_that_somebody_has_edited_is_written_again(layout, run, monkeypatch):
    monkeypatch.setattr(lease, "keep", lambda *_how: None)
    environment.save(layout, environment.SiteSecrets.make())
    wanted = {"lease": "x", "variables": '{"API_TOKEN": "right"}', "domains": ["shop.example.org"]}
    first = run(site_environment, **wanted)
    file = layout.environment(first["digest"])
    text = file.read_text()
    assert (first["changed"], run(site_environment, **wanted)["changed"]) == (True, False)
    file.write_text(text.replace("right", "wrong"))
    assert run(site_environment, check=True, **wanted)["changed"] is True
    assert "wrong" in file.read_text()
    assert run(site_environment, **wanted) == {**first, "changed": True}
    assert file.read_text() == text


def test_a_run_gives_back_its_own_lease_alone(layout, run):
    lease.take(layout, {"token": "t1", "by": "ann", "purpose": "a deploy"})
    assert not run(site_lease, lease="t2")["freed"]
    assert not run(site_lease, lease="t1", check=True)["freed"]
    assert lease.read(layout).token == "t1"
    found = run(site_lease, lease="t1")
    assert (found["changed"], found["freed"]) == (False, True)
    assert lease.read(layout) is None


# --- cutover ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def swept(monkeypatch):
    calls = []
    monkeypatch.setattr(retention, "sweep", lambda layout, keep: calls.append(keep) or [R1])
    return calls


def test_what_is_live_already_is_not_moved(run, host):
    found = run(cutover, release=R3)
    assert (found["changed"], found["moved"], host) == (False, True, [])


def test_a_move_says_who_asked_for_it_and_why(layout, run, host, monkeypatch):
    monkeypatch.setattr(lease, "keep", lambda *_how: None)
    lease.take(layout, {"token": "t1", "by": "ann@laptop", "purpose": "a rollback"})
    found = run(
        cutover,
        release=R2,
        lease="t1",
        operation="rollback",
        reason="prices are wrong",
        reversed=["shop.0002"],
        settle=7,
    )
    (plan,) = host
    assert (plan["by"], plan["operation"], plan["reason"]) == ("ann@laptop", "rollback", "prices are wrong")
    assert (plan["reversed"], plan["settle"], plan["drain"]) == (["shop.0002"], 7, 0)
    assert (found["changed"], found["message"]) == (True, "it is live")


def test_the_connections_of_nginxs_workers_are_a_part_of_the_move_and_of_its_diff(run, host, tmp_path, monkeypatch):
    before = "events {\n\tworker_connections 768;\n}\n"
    (tmp_path / "nginx.conf").write_text(before)
    monkeypatch.setattr(edge, "NGINX_MAIN", tmp_path / "nginx.conf")
    found = run(cutover, release=R2, worker_connections=4096)
    after = "worker_rlimit_nofile 8192;\nevents {\n\tworker_connections 4096;\n}\n"
    assert host[0]["edge"] == {str(tmp_path / "nginx.conf"): after}
    assert (before, after) in [(one["before"], one["after"]) for one in found["diff"]]


def test_the_diff_is_of_the_pointer_and_the_edge(layout, run):
    layout.edge.parent.mkdir()
    layout.edge.write_text("old\n")
    found = run(cutover, check=True, release=R2, edge=[{"path": str(layout.edge), "content": "new\n"}])
    assert [(one["before"], one["after"]) for one in found["diff"]] == [(f"{R3}\n", f"{R2}\n"), ("old\n", "new\n")]
    assert found["changed"]


def test_releases_go_once_traffic_has_moved_and_the_guard_is_told_how_many_stay(layout, run, swept):
    found = run(cutover, release=R2, keep=2)
    assert (found["removed"], swept) == ([R1], [2])
    assert found["message"] == f"it is live; 1 removed: {R1}"
    assert retention.kept(layout) == 2


def test_where_nobody_said_how_many_stay_nothing_is_swept(run, swept):
    run(cutover, release=R2)
    assert swept == []


def test_where_traffic_did_not_move_nothing_goes_and_the_lease_stays(layout, run, swept, monkeypatch):
    monkeypatch.setattr(lease, "keep", lambda *_how: None)
    monkeypatch.setattr(
        swap.host_program, "run", lambda *_how: {"moved": False, "source": R3, "message": "no", "edge_before": {}}
    )
    lease.take(layout, {"token": "t1", "by": "ann", "purpose": "a deploy"})
    found = run(cutover, release=R2, lease="t1", keep=2, free=True)
    assert (found["changed"], found["moved"], found["freed"], found["diff"]) == (False, False, False, [])
    assert swept == []
    assert lease.read(layout).token == "t1"


def test_a_program_that_ends_without_an_outcome_has_not_moved_and_says_where_to_look(run, monkeypatch):
    def fail(*_how):
        raise swap.host_program.ProgramError("ended with 137. journalctl -u switchyard-cutover@shop says more")

    monkeypatch.setattr(swap.host_program, "run", fail)
    found = run(cutover, release=R2)
    assert (found["moved"], found["source"]) == (False, R3)
    assert "journalctl -u switchyard-cutover@shop" in found["message"]


def test_the_last_task_frees_the_lease(layout, run, monkeypatch):
    monkeypatch.setattr(lease, "keep", lambda *_how: None)
    lease.take(layout, {"token": "t1", "by": "ann", "purpose": "a deploy"})
    assert run(cutover, release=R2, lease="t1", free=True)["freed"]
    assert lease.read(layout) is None


@pytest.mark.parametrize("problem", [OSError("device is busy"), subprocess.CalledProcessError(1, "systemctl")])
def test_a_clean_up_that_fails_does_not_make_a_release_that_is_live_a_failure(run, monkeypatch, problem):
    def fail(layout, keep):
        raise problem

    monkeypatch.setattr(retention, "sweep", fail)
    found = run(cutover, release=R2, keep=2)
    assert (found["moved"], found["removed"]) == (True, [])
    assert str(problem) in found["message"]

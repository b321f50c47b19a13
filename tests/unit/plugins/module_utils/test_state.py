# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, environment, history, sizing, state


@pytest.fixture
def says(monkeypatch):
    """What the host's programs say, by name."""
    answers = {}

    def run(argv, **_how):
        return subprocess.CompletedProcess(argv, 0, stdout=answers.get(argv[0], ""), stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    return answers


@pytest.fixture
def no_accounts(monkeypatch):
    def unknown(name):
        raise KeyError(name)

    monkeypatch.setattr(state.pwd, "getpwnam", unknown)


@pytest.fixture
def unmarked(monkeypatch, tmp_path):
    monkeypatch.setattr(state, "marker", lambda layout: tmp_path / "marker")
    return tmp_path / "marker"


def test_a_release_is_whole_by_its_manifest(layout, make_release):
    make_release("a" * 12, stack="one")
    layout.record("b" * 12).mkdir()
    layout.record("c" * 12).mkdir()
    layout.manifest("c" * 12).write_text('{"id": "ccc')
    assert {name: one["stack"] for name, one in state.manifests(layout).items()} == {"a" * 12: "one"}


def test_a_bare_host_has_nothing(layout):
    (layout.etc / "releases").rmdir()
    assert state.manifests(layout) == {}
    assert state.live_release(layout) is None


def test_the_pointer_names_the_live_release(layout):
    disk.point(layout.current, "releases/0123456789ab")
    assert state.live_release(layout) == "0123456789ab"


def test_running_instances_are_those_that_are_active(layout, says):
    says["systemctl"] = (
        "Id=shop@aaaaaaaaaaaa.service\nActiveState=active\nMainPID=71\n\n"
        "Id=shop@bbbbbbbbbbbb.service\nActiveState=failed\nMainPID=0\n\n"
        "Id=shop@cccccccccccc.service\nActiveState=active\nMainPID=72\n"
    )
    assert state.running_instances(layout) == {"aaaaaaaaaaaa": 71, "cccccccccccc": 72}


def test_no_instance_at_all_is_no_instance(layout, says):
    assert state.running_instances(layout) == {}


def test_a_free_name_conflicts_with_nothing(layout, says, no_accounts, unmarked):
    layout.srv.rename(layout.srv.parent / "away")
    assert state.conflict(layout) is None


def test_a_name_that_is_a_users_belongs_to_somebody_else(layout, says, unmarked, monkeypatch):
    monkeypatch.setattr(state.pwd, "getpwnam", lambda name: object())
    assert state.conflict(layout) == "a user shop"


def test_a_folder_with_something_in_it_belongs_to_somebody_else(layout, says, no_accounts, unmarked):
    assert state.conflict(layout) == str(layout.srv)


def test_an_empty_folder_is_in_nobodys_way(layout, says, no_accounts, unmarked):
    for folder in ("releases", "venvs"):
        (layout.srv / folder).rmdir()
    assert state.conflict(layout) is None


def test_a_unit_of_the_name_belongs_to_somebody_else(layout, says, no_accounts, unmarked):
    layout.srv.rename(layout.srv.parent / "away")
    says["systemctl"] = "shop.service enabled enabled\n"
    assert state.conflict(layout) == "a unit shop.service"


def test_what_the_first_deploy_marked_is_the_sites_own(layout, says, unmarked, monkeypatch):
    monkeypatch.setattr(state.pwd, "getpwnam", lambda name: object())
    unmarked.touch()
    assert state.conflict(layout) is None


def test_packages_that_were_removed_count_as_missing(says):
    says["dpkg-query"] = "nginx installed\ndbus config-files\npython3-venv installed\n"
    assert state.missing_packages(["nginx", "dbus", "python3-venv", "unknown"]) == ["dbus", "unknown"]
    assert state.missing_packages([]) == []


def test_an_unfinished_venv_is_not_listed(layout):
    for name in ("whole", "half"):
        layout.venv(name).mkdir()
    (layout.venv("whole") / "switchyard.lock").touch()
    assert state.whole_venvs(layout) == ["whole"]


def read(layout, **variables):
    return state.read(layout, variables, ["shop.example.org"], [], None)


@pytest.fixture
def quiet_host(says, no_accounts, unmarked):
    return says


def test_everything_that_a_deploy_decides_on_is_read_in_one_go(layout, quiet_host, make_release):
    for name in ("a" * 12, "b" * 12):
        make_release(name)
        history.record(layout.history, "outcome", operation="deploy", result="live", **{"from": None, "to": name})
    disk.point(layout.current, f"releases/{'b' * 12}")
    found = read(layout)
    assert found["live"] == "b" * 12
    assert set(found["releases"]) == {"a" * 12, "b" * 12}
    assert found["rollback_target"] == "a" * 12
    assert found["rejected"] == []
    assert found["lived"] == ["b" * 12, "a" * 12]
    assert found["undone"] is None
    assert found["resources"] == sizing.resources()
    assert found["neighbours"] == {}


def test_a_release_whose_environment_was_forgotten_can_not_start_and_is_no_target(layout, quiet_host, make_release):
    for name in ("a" * 12, "b" * 12, "c" * 12):
        make_release(name, environment=f"e-{name}")
        history.record(layout.history, "outcome", operation="deploy", result="live", **{"from": None, "to": name})
    disk.point(layout.current, f"releases/{'c' * 12}")
    layout.environment(f"e-{'b' * 12}").unlink()
    found = read(layout)
    assert state.startable(layout, found["releases"]) == {"a" * 12, "c" * 12}
    assert found["rollback_target"] == "a" * 12


def test_a_move_that_was_cut_off_behind_the_pointer_is_where_the_host_stands(layout, quiet_host, make_release):
    for name in ("a" * 12, "b" * 12):
        make_release(name)
    history.record(layout.history, "outcome", operation="deploy", result="live", **{"from": None, "to": "a" * 12})
    history.record(layout.history, "intent", operation="deploy", **{"from": "a" * 12, "to": "b" * 12})
    disk.point(layout.current, f"releases/{'b' * 12}")
    found = read(layout)
    assert (found["live"], found["lived"]) == ("b" * 12, ["b" * 12, "a" * 12])
    assert found["rollback_target"] == "a" * 12


@pytest.mark.parametrize(("note", "undone"), [('{"by": "0123456789ab"}', "0123456789ab"), ('{"by', None)])
def test_whose_migrations_a_rollback_undid_that_went_no_further_is_known(layout, quiet_host, note, undone):
    layout.reversal.write_text(note)
    assert read(layout)["undone"] == undone


def test_a_pointer_to_a_release_that_is_gone_is_no_live_release(layout, quiet_host):
    disk.point(layout.current, "releases/0123456789ab")
    assert read(layout)["live"] is None


def test_no_value_of_the_environment_leaves_the_host(layout, quiet_host):
    environment.save(layout, environment.SiteSecrets.make())
    found = read(layout, API_TOKEN="hunter2hunter2")
    assert "hunter2" not in json.dumps(found)
    secrets = environment.load(layout)
    assert secrets.secret_key not in json.dumps(found)
    assert secrets.identity_key not in json.dumps(found)


def test_the_environment_is_named_as_it_will_be_written(layout, quiet_host):
    secrets = environment.SiteSecrets.make()
    environment.save(layout, secrets)
    composed = environment.with_defaults({"A": "1"}, ["shop.example.org"], layout)
    name = environment.digest(environment.with_secret_key(composed, secrets), secrets)
    assert read(layout, A="1")["environment"] == name
    assert read(layout, A="1")["environment_present"] is False
    layout.environment(name).touch()
    assert read(layout, A="1")["environment_present"] is True
    assert read(layout, A="2")["environment_present"] is False


def test_reading_changes_nothing(layout, quiet_host, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    read(layout)
    assert sorted(tmp_path.rglob("*")) == before

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import json
import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    env_file,
    environment,
    history,
    sizing,
    state,
)


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


@pytest.mark.parametrize("note", ["removed", "removing"])
def test_what_a_removal_kept_is_the_sites_own(layout, says, unmarked, monkeypatch, note):
    monkeypatch.setattr(state.pwd, "getpwnam", lambda name: object())
    getattr(layout, note).touch()
    assert state.conflict(layout) is None


def test_a_site_is_removed_until_a_deploy_has_it_again(layout, says, unmarked):
    assert not state.is_removed(layout)
    layout.removed.touch()
    assert state.is_removed(layout)
    layout.removing.touch()
    assert (state.is_removed(layout), state.is_half_removed(layout)) == (False, True)
    layout.removing.unlink()
    unmarked.touch()
    assert not state.is_removed(layout)


def test_a_message_names_the_sites_and_nothing_beside_them(layout, monkeypatch):
    monkeypatch.setattr(state, "SITES", layout.etc.parent)
    (layout.etc.parent / "blog").mkdir()
    (layout.etc.parent / "stock-site.json").touch()
    layout.removed.touch()
    assert state.sites() == "blog, shop (removed, its data is kept)"
    monkeypatch.setattr(state, "SITES", layout.etc / "nothing")
    assert state.sites() == ""


def test_what_all_share_is_needed_by_those_that_a_run_has_begun_with(layout, monkeypatch, tmp_path):
    monkeypatch.setattr(state, "SITES", layout.etc.parent)
    monkeypatch.setattr(state, "TMPFILES", tmp_path)
    (tmp_path / "switchyard-blog.conf").touch()
    (tmp_path / "tmp.conf").touch()
    assert state.in_use() == {"blog", "shop"}
    layout.removed.touch()
    assert state.in_use() == {"blog"}
    (tmp_path / "switchyard-shop.conf").touch()
    assert state.in_use() == {"blog", "shop"}


def test_packages_that_were_removed_count_as_missing(says):
    says["dpkg-query"] = "installed nginx, \nconfig-files dbus, \ninstalled python3-venv, python3.11-venv\n"
    assert state.missing_packages(["nginx", "dbus", "python3-venv", "unknown"]) == ["dbus", "unknown"]
    assert state.missing_packages([]) == []


def test_a_package_that_another_one_provides_is_not_missing(says):
    says["dpkg-query"] = "installed mawk, awk, \ninstalled nodejs, node-types (= 18), libnode\ninstalled gcc\n"
    assert state.missing_packages(["awk", "node-types", "libnode", "gcc", "node"]) == ["node"]


def test_an_unfinished_venv_is_not_listed(layout):
    for name in ("whole", "half"):
        layout.venv(name).mkdir()
    (layout.venv("whole") / "switchyard.lock").touch()
    assert state.whole_venvs(layout) == ["whole"]


# --- what the edge has told browsers, and which nginx it is ----------------------------------------------------------

TODAY = datetime.date(2026, 12, 31)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        '{"hsts": 300',
        '{"port": 80, "hosts": ["shop.example.org"]}',
        '{"hsts": 0, "hsts_days": []}',
        '{"hsts": null, "hsts_days": null}',
    ],
    ids=["no file", "empty", "torn", "of an earlier version", "none", "null"],
)
def test_an_edge_that_has_told_nothing_begins_today_and_tells_it_for_a_while_for_two_whole_days(layout, text):
    if text is not None:
        layout.edge_names.write_text(text)
    assert state.edge_memory(layout, TODAY) == {
        "hsts": 0,
        "hsts_days": ["2026-12-31", "2027-01-01", "2027-01-02"],
        "hsts_until": "",
        "hsts_holds": False,
    }


@pytest.mark.parametrize(
    ("told", "until"),
    [
        ({"hsts": 31536000, "hsts_days": ["2026-01-01"]}, "2027-12-31"),
        ({"hsts": 86401, "hsts_days": ["2026-01-01"]}, "2027-01-02"),
        ({"hsts": 31536000, "hsts_days": ["2026-12-30", "2026-12-31"]}, "2027-01-01"),
        ({"hsts": 0, "hsts_until": "2027-03-01"}, "2027-03-01"),
        ({"hsts": 0, "hsts_until": "2026-12-31"}, "2026-12-31"),
    ],
    ids=["a year", "a day and a second", "in the first days", "not any more", "over since today"],
)
def test_until_when_browsers_may_remember_what_an_edge_has_told(layout, told, until):
    layout.edge_names.write_text(json.dumps(told))
    memory = state.edge_memory(layout, TODAY)
    assert (memory["hsts"], memory["hsts_until"]) == (told["hsts"], until)
    assert memory["hsts_holds"] is (until > "2026-12-31")
    # What is not said any more is over at the same day, whenever it is asked.
    layout.edge_names.write_text(json.dumps({"hsts": 0, "hsts_until": until}))
    assert state.edge_memory(layout, TODAY + datetime.timedelta(days=9))["hsts_until"] == until


@pytest.fixture
def nginx(monkeypatch, tmp_path):
    """What nginx and the distribution say of themselves; None for one that is not there."""

    def nginx(says, release):
        def run(argv, **_how):
            assert argv == ["nginx", "-v"]
            if says is None:
                raise FileNotFoundError(argv[0])
            return subprocess.CompletedProcess(argv, 0, stdout="", stderr=says)

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr(state, "OS_RELEASE", tmp_path / "os-release")
        if release is not None:
            said = {"ID": "debian", **release}
            state.OS_RELEASE.write_text("".join(f'{name}="{value}"\n' for name, value in said.items()))
        return state.nginx_version()

    return nginx


@pytest.mark.parametrize(
    ("says", "release", "version"),
    [
        ("nginx version: nginx/1.22.1\n", {"VERSION_ID": "13"}, "1.22.1"),
        ("nginx version: nginx/1.27.4 (Ubuntu)\n", {"VERSION_ID": "12"}, "1.27.4"),
        ("nginx version: openresty/1.25.3.1\n", {"VERSION_ID": "12"}, "1.22.1"),
        (None, {"VERSION_ID": "12"}, "1.22.1"),
        (None, {"VERSION_ID": "13"}, "1.26.3"),
        (None, {"VERSION_ID": "14"}, "1.26.3"),
        (None, {}, "1.26.3"),
        (None, None, "1.26.3"),
    ],
)
def test_the_version_of_nginx_is_the_hosts_or_what_it_will_be(nginx, says, release, version):
    assert nginx(says, release) == version


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
    disk.write(layout.environment(name), env_file.render(environment.with_secret_key(composed, secrets)), 0o600)
    assert read(layout, A="1")["environment_present"] is True
    assert read(layout, A="2")["environment_present"] is False


def test_an_environment_that_somebody_has_edited_is_not_in_place(layout, quiet_host):
    secrets = environment.SiteSecrets.make()
    environment.save(layout, secrets)
    composed = environment.with_defaults({"A": "1"}, ["shop.example.org"], layout)
    complete = environment.with_secret_key(composed, secrets)
    name = environment.digest(complete, secrets)
    disk.write(layout.environment(name), env_file.render({**complete, "A": "2"}), 0o600)
    assert read(layout, A="1")["environment"] == name
    assert read(layout, A="1")["environment_present"] is False


def test_how_visitors_come_is_a_part_of_the_environment(layout, quiet_host):
    secrets = environment.SiteSecrets.make()
    environment.save(layout, secrets)
    names = {
        scheme: state.read(layout, {}, ["shop.example.org"], [], None, scheme)["environment"]
        for scheme in ("http", "https")
    }
    assert names["http"] == read(layout)["environment"]
    composed = environment.with_defaults({}, ["shop.example.org"], layout, "https")
    assert names["https"] == environment.digest(environment.with_secret_key(composed, secrets), secrets)
    assert names["http"] != names["https"]


def test_nginx_and_its_memory_are_read_too(layout, quiet_host):
    layout.edge_names.write_text('{"hsts": 300, "hsts_days": ["2026-01-01", "2026-01-02"]}')
    found = read(layout)
    assert (found["edge"]["hsts"], found["edge"]["hsts_days"]) == (300, ["2026-01-01", "2026-01-02"])
    assert found["nginx"] == state.nginx_version()


def test_reading_changes_nothing(layout, quiet_host, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    read(layout)
    assert sorted(tmp_path.rglob("*")) == before

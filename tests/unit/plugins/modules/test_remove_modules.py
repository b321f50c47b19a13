# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules make of a removal: site_remove itself, and those that meet a site that was removed."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.module_utils import disk, lease, removal, state
from ansible_collections.switchyard.django.plugins.modules import host_files, release_rollback, site_remove


@pytest.fixture(autouse=True)
def host(layout, monkeypatch):
    """A host whose removals end at once, and are noted."""
    done = []
    monkeypatch.setattr(state, "SITES", layout.etc.parent)
    monkeypatch.setattr(state, "marker", lambda layout: layout.srv / "marker")
    monkeypatch.setattr(removal, "survey", lambda layout, data: removal.Removal(edge=[layout.edge], kept=["/kept"]))
    monkeypatch.setattr(removal, "require_possible", lambda layout, planned: done.append("looked at"))
    monkeypatch.setattr(removal, "carry_out", lambda layout, data, by: done.append((data, by)))
    return done


@pytest.fixture
def run(capsys):
    def run(module, check=False, **options):
        arguments = {"_ansible_check_mode": check, "_ansible_diff": True, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_a_look_names_what_would_go_and_changes_nothing(layout, host, run, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    found = run(site_remove, check=True, site="shop")
    assert (found["changed"], found["found"], found["freed"]) == (True, "site", False)
    assert (found["gone"], found["kept"], found["sites"]) == ([str(layout.edge)], ["/kept"], "shop")
    assert found["diff"][0]["before"] == f"{layout.edge}\n/kept\n"
    assert found["diff"][0]["after"] == "/kept\n"
    assert host == ["looked at"]
    assert sorted(tmp_path.rglob("*")) == before


def test_whose_run_it_is_gets_into_the_note_and_the_lease_goes_with_the_site(layout, host, run):
    lease.take(layout, {"token": "t1", "by": "ann@laptop", "purpose": "removing it", "silence": 60})
    found = run(site_remove, site="shop", lease="t1", data=True)
    assert (found["changed"], found["freed"]) == (True, True)
    assert host == [(True, "ann@laptop")]
    assert not layout.run.exists()


def test_a_lease_that_is_anothers_ends_it_before_anything_changes(layout, host, run):
    lease.take(layout, {"token": "t2", "by": "bob@laptop", "purpose": "a deploy", "silence": 60})
    found = run(site_remove, site="shop", lease="t1")
    assert "taken over from this run: a deploy by bob@laptop" in found["msg"]
    assert host == []


def test_where_nothing_is_there_nothing_is_done(layout, host, run, monkeypatch):
    monkeypatch.setattr(removal, "survey", lambda layout, data: removal.Removal())
    disk.clear(layout.etc)
    found = run(site_remove, site="shop")
    assert (found["changed"], found["found"], found["gone"], host) == (False, "nothing", [], [])


def test_where_the_run_before_has_removed_it_the_lease_goes_all_the_same(layout, host, run, monkeypatch):
    monkeypatch.setattr(removal, "survey", lambda layout, data: removal.Removal())
    disk.clear(layout.etc)
    lease.take(layout, {"token": "t1", "by": "ann@laptop", "purpose": "its removal", "silence": 60})
    found = run(site_remove, site="shop", lease="t1")
    assert (found["changed"], found["freed"]) == (False, True)
    assert not layout.run.exists()


def test_one_that_was_cut_off_goes_on_although_nothing_is_left_to_go(layout, host, run, monkeypatch):
    monkeypatch.setattr(removal, "survey", lambda layout, data: removal.Removal())
    layout.removing.touch()
    assert run(site_remove, site="shop")["changed"]
    assert host == [(False, "")]


@pytest.mark.parametrize("problem", [removal.RemovalError("no"), OSError("no"), ValueError("no")])
@pytest.mark.parametrize("half", [False, True])
def test_what_can_not_be_done_is_said_and_whether_it_has_begun(layout, run, monkeypatch, problem, half):
    def fail(layout, data, by):
        if half:
            layout.removing.touch()
        raise problem

    monkeypatch.setattr(removal, "carry_out", fail)
    found = run(site_remove, site="shop")
    told = " It is half removed; run this again, which ends it." if half else ""
    assert (found["failed"], found["msg"]) == (True, f"shop: no{told}")


def test_a_name_that_no_site_can_have_is_refused(host, run):
    assert "site_name 'Shop!' can't name a unit" in run(site_remove, site="Shop!")["msg"]
    assert host == []


@pytest.mark.parametrize("note", ["removed", "removing"])
def test_a_site_that_was_removed_has_nothing_to_go_back_to(layout, run, note):
    getattr(layout, note).touch()
    found = run(release_rollback, site="shop")
    assert found["msg"].startswith("site_name shop: the site was removed from this host, with its releases.")
    assert lease.read(layout) is None


def test_a_file_that_is_to_be_gone_goes_and_is_shown(layout, run):
    layout.removed.write_text("note\n")
    options = {"files": [], "absent": [str(layout.removed), str(layout.etc / "no-such")]}
    look = run(host_files, check=True, **options)
    assert (look["changed"], look["paths"]) == (True, [str(layout.removed)])
    assert (look["diff"][0]["before"], look["diff"][0]["after"]) == ("note\n", "")
    assert layout.removed.exists()
    assert run(host_files, **options)["changed"]
    assert not layout.removed.exists()
    assert not run(host_files, **options)["changed"]

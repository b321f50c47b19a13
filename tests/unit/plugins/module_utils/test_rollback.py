# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, history, rollback, sandbox, state
from ansible_collections.switchyard.django.plugins.module_utils.rollback import Reversal, RollbackError

R1, R2, R3 = (f"{number}" * 12 for number in range(1, 4))


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    monkeypatch.setattr(state, "running_instances", lambda layout: {})


def record(layout, operation, target, result="live", **more):
    entry = {"operation": operation, "from": state.live_release(layout), "to": target, **more}
    history.record(layout.history, "intent", **entry)
    if result:
        history.record(layout.history, "outcome", result=result, **entry)
    if result == "live":
        disk.point(layout.current, f"releases/{target}")


@pytest.fixture
def deploy(layout, make_release):
    """Deploys a release that knows these migrations of shop."""

    def deploy(name, *migrations, result="live", **changes):
        known = {"shop": list(migrations)} if migrations else {}
        after = {"shop": migrations[-1]} if migrations else {}
        make_release(name, migrations={"before": {}, "after": after, "known": known, "pending": []}, **changes)
        if result != "made":
            record(layout, "deploy", name, result)

    return deploy


# --- which release ---------------------------------------------------------------------------------------------------


def test_the_history_chooses(layout, deploy):
    deploy(R1)
    deploy(R2)
    deploy(R3)
    assert rollback.choose(layout, "", "proven") == R2


def test_the_user_chooses(layout, deploy):
    deploy(R1)
    deploy(R2)
    deploy(R3)
    assert rollback.choose(layout, R1, "proven") == R1


def test_a_rejected_release_may_be_called_back_by_its_name(layout, deploy):
    deploy(R1)
    deploy(R2)
    record(layout, "rollback", R1)
    assert rollback.choose(layout, R2, "proven") == R2


def refused(layout, to="", environment="proven"):
    with pytest.raises(RollbackError) as caught:
        rollback.choose(layout, to, environment)
    assert "Nothing was changed." in str(caught.value)
    return str(caught.value)


def test_a_release_that_is_not_there_is_answered_with_those_that_are(layout, deploy):
    deploy(R1)
    deploy(R2)
    deploy(R3)
    record(layout, "rollback", R2)
    message = refused(layout, to="f" * 12)
    assert f"rollback_to {'f' * 12} is no release here" in message
    assert f"the latest first: {R2}, {R3}, {R1}" in message
    assert f"rolled away from: {R3}" in message


def test_a_half_made_release_is_not_there(layout, deploy):
    deploy(R1)
    layout.record(R2).mkdir()
    assert f"rollback_to {R2} is no release here" in refused(layout, to=R2)


def test_the_first_release_has_nothing_to_go_back_to(layout, deploy):
    deploy(R1)
    message = refused(layout)
    assert "No release was live before this one" in message
    assert f"the latest first: {R1}" in message


def test_a_bare_host_has_nothing_to_go_back_to(layout):
    assert "the latest first: none; rolled away from: none" in refused(layout)


def test_a_release_whose_environment_was_forgotten_names_the_way_out(layout, deploy):
    deploy(R1, environment="e1")
    deploy(R2, environment="e2")
    layout.environment("e1").unlink()
    message = refused(layout, to=R1)
    assert f"{R1} can't start: its environment e1 was forgotten" in message
    assert "-e rollback_environment=current" in message


def test_the_only_way_back_that_lost_its_environment_is_named_and_not_denied(layout, deploy):
    deploy(R1, environment="e1")
    deploy(R2, environment="e2")
    layout.environment("e1").unlink()
    message = refused(layout)
    assert "no release was live before" not in message
    assert R1 in message
    assert "-e rollback_environment=current" in message


@pytest.mark.parametrize("to", ["", R1], ids=["by history", "by name"])
def test_with_the_environment_of_today_a_forgotten_one_is_not_missed(layout, deploy, to):
    deploy(R1, environment="e1")
    deploy(R2, environment="e2")
    layout.environment("e1").unlink()
    assert rollback.choose(layout, to, "current") == R1


def test_the_environment_of_today_is_the_live_releases(layout, deploy):
    deploy(R1, environment="e1")
    deploy(R2, environment="e2")
    assert rollback._current_environment(layout) == "e2"
    record(layout, "rollback", R1)
    assert rollback._current_environment(layout) == "e1"


def test_without_a_live_release_there_is_no_environment_of_today(layout):
    with pytest.raises(RollbackError, match="rollback_environment=current needs a live release"):
        rollback._current_environment(layout)


# --- what the database would keep ------------------------------------------------------------------------------------


def test_migrations_since_stay_applied(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    deploy(R3, "0001", "0002", "0003")
    assert rollback.left_applied(layout, R2) == {"shop": ["0003"]}
    assert rollback.left_applied(layout, R1) == {"shop": ["0002", "0003"]}
    assert rollback.left_applied(layout, R3) == {}


def test_a_release_that_never_got_live_has_left_its_migrations(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002", result="failed")
    assert rollback.left_applied(layout, R1) == {"shop": ["0002"]}


def test_a_release_that_was_only_made_has_applied_nothing(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002", result="made")
    assert rollback.left_applied(layout, R1) == {}


def test_a_rollback_applies_nothing_and_leaves_what_was_left(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    record(layout, "rollback", R1)
    assert rollback.left_applied(layout, R1) == {"shop": ["0002"]}


def test_what_was_undone_is_left_no_more_until_it_is_applied_again(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    record(layout, "rollback", R1, reversed=["shop.0002"])
    assert rollback.left_applied(layout, R1) == {}
    record(layout, "deploy", R2)
    assert rollback.left_applied(layout, R1) == {"shop": ["0002"]}


def test_what_was_undone_for_a_rollback_that_failed_was_applied_again(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    record(layout, "rollback", R1, result="failed", reversed=["shop.0002"])
    assert rollback.left_applied(layout, R1) == {"shop": ["0002"]}


def test_a_rollback_that_was_cut_off_behind_the_pointer_has_undone_what_it_said(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    record(layout, "rollback", R1, result=None, reversed=["shop.0002"])
    disk.point(layout.current, f"releases/{R1}")
    assert rollback.left_applied(layout, R1) == {}


def test_a_release_that_is_gone_is_no_obstacle(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    deploy(R3, "0001", "0002", "0003")
    disk.clear(layout.record(R2))
    assert rollback.left_applied(layout, R1) == {"shop": ["0002", "0003"]}


# --- undoing it ------------------------------------------------------------------------------------------------------


class Django:
    """The code of a release: says which migrations are to be undone, and notes what it was asked."""

    def __init__(self):
        self.asked = []
        self.steps = [{"name": "shop.0002", "obstacles": []}]
        self.said = None
        self.stderr = ""

    def manage(self, layout, name, arguments, *, stdin="", patient=False):
        namespace = {}
        exec(next(line for line in stdin.splitlines() if line.startswith("WANTED")), namespace)  # noqa: S102
        wanted = namespace["WANTED"]
        self.asked.append({"by": name, "patient": patient, **wanted})
        said = f"chatter\n{wanted['marker']}{json.dumps(self.steps)}\n" if self.said is None else self.said
        return sandbox.Result(0, said, self.stderr)


@pytest.fixture
def django(monkeypatch):
    one = Django()
    monkeypatch.setattr(rollback.release, "manage", one.manage)
    return one


@pytest.fixture
def two(deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")


def test_nothing_left_is_nothing_to_undo(layout, two, django):
    assert rollback.plan_reversal(layout, R1, {}) is None
    assert django.asked == []


def test_the_code_that_knows_the_migrations_plans_how_they_are_undone(layout, two, django):
    reversal = rollback.plan_reversal(layout, R1, {"shop": ["0002"]})
    assert reversal == Reversal(R2, {"shop": "0001"}, ["shop.0002"])
    (asked,) = django.asked
    assert (asked["by"], asked["targets"], asked["undo"]) == (R2, {"shop": "0001"}, False)
    assert asked["patient"], "what an earlier run undoes must not be cut off"
    assert not layout.reversal.exists()


def test_an_app_that_the_release_did_not_have_is_undone_whole(layout, deploy, django):
    deploy(R1)
    deploy(R2, "0001", "0002")
    assert rollback.plan_reversal(layout, R1, {"shop": ["0001", "0002"]}).targets == {"shop": None}


def test_a_release_that_is_live_no_more_may_be_the_one_that_knows(layout, two, deploy, django):
    deploy(R3, "0001")
    assert rollback.plan_reversal(layout, R1, rollback.left_applied(layout, R1)).by == R2


def test_where_no_code_knows_them_all_the_way_out_is_named(layout, two, deploy, django):
    deploy(R3, "0001", "0003")
    with pytest.raises(RollbackError) as caught:
        rollback.plan_reversal(layout, R1, rollback.left_applied(layout, R1))
    message = str(caught.value)
    assert "no release on the host that can start has the code of shop.0002, shop.0003" in message
    assert "-e rollback_migrations=keep" in message
    assert "Nothing was changed." in message
    assert django.asked == []


def test_what_can_not_be_undone_is_named_with_the_operation_and_the_way_out(layout, two, django):
    django.steps = [
        {"name": "shop.0003", "obstacles": []},
        {"name": "shop.0002", "obstacles": ["Raw Python operation"]},
    ]
    with pytest.raises(RollbackError) as caught:
        rollback.plan_reversal(layout, R1, {"shop": ["0002"]})
    message = str(caught.value)
    assert "  shop.0002: Raw Python operation" in message
    assert "shop.0003" not in message
    assert R2 in message
    assert "-e rollback_migrations=keep" in message
    assert "Nothing was changed." in message
    assert not layout.reversal.exists()


def test_while_migrations_are_undone_a_note_says_whose_they_are(layout, two, django, monkeypatch):
    seen = []
    manage = django.manage
    monkeypatch.setattr(
        rollback.release,
        "manage",
        lambda *what, **how: seen.append(layout.reversal.read_text()) or manage(*what, **how),
    )
    assert rollback.reverse(layout, Reversal(R2, {"shop": "0001"}, ["shop.0002"])) == ["shop.0002"]
    assert [json.loads(note) for note in seen] == [{"by": R2}]
    assert state.releases(layout)["undone"] == R2, "until the traffic has moved"
    assert django.asked[0]["undo"] is True


def test_a_database_that_refuses_is_told_without_a_secret(layout, two, django):
    django.said, django.stderr = "hunter2hunter2", "OperationalError: database is locked for hunter2hunter2"
    with pytest.raises(RollbackError) as caught:
        rollback.reverse(layout, Reversal(R2, {"shop": "0001"}, ["shop.0002"]))
    assert "could not be undone" in str(caught.value)
    assert "database is locked" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert layout.reversal.exists(), "some of them may have been undone"


def test_what_the_project_prints_when_it_ends_does_not_spoil_the_answer(layout, two, django, monkeypatch):
    manage = django.manage

    def chatty(*what, **how):
        done = manage(*what, **how)
        return sandbox.Result(0, f"{done.stdout}bye\n", "")

    monkeypatch.setattr(rollback.release, "manage", chatty)
    assert rollback.plan_reversal(layout, R1, {"shop": ["0002"]}).steps == ["shop.0002"]


# --- a release that was migrated and never went live -----------------------------------------------------------------


def test_what_a_release_that_failed_its_gate_applied_is_left_as_well(layout, deploy):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    deploy(R3, "0001", "0002", "0003", result="made")
    assert rollback.left_applied(layout, R1) == {"shop": ["0002"]}
    layout.migrated(R3).write_text(json.dumps({"at": time.time()}))
    assert rollback.left_applied(layout, R1) == {"shop": ["0002", "0003"]}
    assert rollback.unknown_to_live(layout) == ["shop.0003"]
    record(layout, "rollback", R1, reversed=["shop.0002", "shop.0003"])
    assert rollback.left_applied(layout, R1) == {}


def test_its_code_undoes_them(layout, deploy, monkeypatch):
    deploy(R1, "0001")
    deploy(R2, "0001", "0002")
    deploy(R3, "0001", "0002", "0003", result="made")
    assert rollback._who_knows(layout, {"shop": ["0002", "0003"]}) == R3


# --- the environment of today ----------------------------------------------------------------------------------------


def test_with_the_environment_of_today_the_code_that_is_left_is_no_way_back(layout, deploy):
    deploy(R1, environment="e1", code="old")
    deploy(R2, environment="e1", code="new")
    deploy(R3, environment="e2", code="new")
    assert rollback.choose(layout, "", "proven") == R2
    assert rollback.choose(layout, "", "current") == R1


def test_with_the_environment_of_today_one_rollback_after_the_other_goes_further_back(layout, deploy):
    deploy(R1, environment="e1", code="oldest")
    deploy(R2, environment="e1", code="old")
    deploy(R3, environment="e2", code="new")
    clone = rollback.with_current_environment(layout, R2, make=False)
    deploy(clone, environment="e2", code="old", made_from=R2, result="made")
    record(layout, "rollback", clone)
    assert rollback.choose(layout, "", "current") == R1


def test_with_the_environment_of_today_no_rollback_goes_into_what_was_rejected(layout, deploy):
    deploy(R1, environment="e1", code="oldest")
    deploy(R2, environment="e1", code="old")
    deploy(R3, environment="e2", code="new")
    clone = rollback.with_current_environment(layout, R2, make=False)
    deploy(clone, environment="e2", code="old", made_from=R2, result="made")
    record(layout, "rollback", clone)
    record(layout, "rollback", R1)
    deploy("4" * 12, environment="e2", code="newest")
    assert rollback.choose(layout, "", "current") == R1


def test_a_release_that_comes_back_again_keeps_the_name_of_its_origin(layout, deploy):
    deploy(R1, environment="e1")
    deploy(R2, environment="e2")
    deploy(R3, environment="e2", made_from=R1)
    again = rollback.with_current_environment(layout, R3, make=False)
    assert again == R3
    deploy("4" * 12, environment="e3")
    assert rollback.with_current_environment(layout, R3, make=False) == rollback.with_current_environment(
        layout, R1, make=False
    )


def test_without_a_live_release_the_environment_of_today_is_refused_and_not_guessed(layout, deploy):
    deploy(R1)
    layout.current.unlink()
    with pytest.raises(RollbackError, match="needs a live release"):
        rollback.choose(layout, "", "current")


def test_the_files_of_the_live_release_say_what_its_migrations_do(layout, deploy):
    deploy(R1, "0001_initial")
    assert rollback.effects(layout, {}) == {}
    deploy(R2, "0001_initial", "0002_pinned")
    folder = layout.code(R2) / "shop" / "migrations"
    folder.mkdir(parents=True)
    operation = 'migrations.AddField("pin", "at", models.IntegerField(default=1), preserve_default=False)'
    (folder / "0002_pinned.py").write_text(f"class Migration:\n    operations = [{operation}]\n")
    found = rollback.effects(layout, {"shop": ["0002_pinned"], "auth": ["0099_not_of_the_project"]})
    assert list(found) == ["shop.0002_pinned"]
    assert "can't add rows" in found["shop.0002_pinned"][0]


def test_a_file_that_can_not_be_read_stops_no_rollback(layout, deploy, monkeypatch):
    deploy(R1, "0001_initial")

    def broken(*_what):
        raise OSError("Input/output error")

    monkeypatch.setattr(rollback.migration_files, "read", lambda texts: pytest.fail("it was not to go on"))
    monkeypatch.setattr("pathlib.Path.rglob", broken)
    assert rollback.effects(layout, {"shop": ["0001_initial"]}) == {}

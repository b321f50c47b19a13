# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import history
from hypothesis import given
from hypothesis import strategies as st


class Host:
    """A host whose releases come and go, with its history on disk."""

    def __init__(self, path):
        self.path = path
        self.live = None
        self.present = set()

    def _move(self, operation, target, result="live", explicit=False, reason=""):
        entry = {"operation": operation, "from": self.live, "to": target, "by": "ann", "explicit": explicit}
        if reason:
            entry["reason"] = reason
        history.record(self.path, "intent", **entry)
        history.record(self.path, "outcome", result=result, seconds=0.1, **entry)
        if result == "live":
            self.live = target

    def deploy(self, release, result="live"):
        self.present.add(release)
        self._move("deploy", release, result)

    def rollback(self, to=None, result="live", reason=""):
        target = to or self.target
        assert target, "nothing to go back to"
        self._move("rollback", target, result, explicit=bool(to), reason=reason)
        return target

    def returns(self, target, reason):
        """The host itself goes back from an instance that died."""
        self._move("return", target, reason=reason)

    def cut_off(self, operation, target, moved):
        history.record(self.path, "intent", operation=operation, by="ann", **{"from": self.live, "to": target})
        if moved:
            self.live = target

    @property
    def target(self):
        return history.rollback_target(history.read(self.path), self.live, self.present)

    @property
    def reasons(self):
        return history.rejected(history.read(self.path), self.live)

    @property
    def rejected(self):
        return set(self.reasons)

    @property
    def lived(self):
        return history.lived(history.read(self.path), self.present, self.live)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "history.jsonl")


def deploy_all(host, *releases):
    for release in releases:
        host.deploy(release)
    return host


def test_a_site_without_a_history_has_nothing_to_go_back_to(host):
    assert host.target is None
    assert host.rejected == set()


def test_the_first_release_has_nothing_before_it(host):
    assert deploy_all(host, "r1").target is None


def test_rollbacks_go_back_one_release_after_the_other(host):
    deploy_all(host, "r1", "r2", "r3", "r4")
    assert [host.rollback(), host.rollback(), host.rollback()] == ["r3", "r2", "r1"]
    assert host.target is None
    assert host.rejected == {"r2", "r3", "r4"}


def test_switching_the_stack_to_and_fro_goes_back_to_the_other_stack(host):
    deploy_all(host, "asgi", "wsgi", "asgi", "wsgi")
    assert host.rollback() == "asgi"
    assert host.rejected == {"wsgi"}
    assert host.target is None


def test_after_a_rollback_and_a_mended_release_the_good_one_is_the_target(host):
    deploy_all(host, "good", "bad").rollback()
    assert deploy_all(host, "mended").target == "good"


def test_a_release_that_is_called_back_by_name_is_rejected_no_more(host):
    deploy_all(host, "r1", "r2").rollback()
    assert host.rejected == {"r2"}
    host.rollback(to="r2")
    assert host.live == "r2"
    assert "r2" not in host.rejected


def test_a_release_that_is_deployed_once_more_is_rejected_no_more(host):
    deploy_all(host, "r1", "r2").rollback()
    assert deploy_all(host, "r2").rejected == set()
    assert host.target == "r1"


def test_a_release_that_never_got_live_is_no_target(host):
    deploy_all(host, "r1", "r2").deploy("broken", result="failed")
    host.deploy("r3")
    assert host.target == "r2"


def test_a_rollback_that_failed_rejects_nothing(host):
    deploy_all(host, "r1", "r2").rollback(result="failed")
    assert host.rejected == set()
    assert (host.live, host.target) == ("r2", "r1")


def test_a_rollback_that_was_cut_off_before_the_pointer_moved_rejects_nothing(host):
    deploy_all(host, "r1", "r2").cut_off("rollback", "r1", moved=False)
    assert host.target == "r1"
    assert host.rejected == set()


def test_a_deploy_that_was_cut_off_before_the_pointer_moved_moved_nothing(host):
    deploy_all(host, "r1", "r2").present.add("r3")
    host.cut_off("deploy", "r3", moved=False)
    assert host.target == "r1"
    assert host.lived == ["r2", "r1"]


def test_a_deploy_that_was_cut_off_behind_the_pointer_has_moved(host):
    deploy_all(host, "r1", "r2").present.add("r3")
    host.cut_off("deploy", "r3", moved=True)
    assert host.target == "r2"
    assert host.lived == ["r3", "r2", "r1"]


@pytest.mark.parametrize("moved", [False, True])
def test_a_rollback_that_was_cut_off_is_finished_by_the_next_and_not_doubled(host, moved):
    deploy_all(host, "r1", "r2", "r3").cut_off("rollback", "r2", moved=moved)
    assert host.target == "r2"
    history.record(host.path, "outcome", operation="rollback", result="live", **{"from": "r3", "to": "r2"})
    host.live = "r2"
    assert host.target == "r1"


def test_a_rollback_that_was_cut_off_behind_the_pointer_rejects_what_it_left(host):
    deploy_all(host, "r1", "r2").cut_off("rollback", "r1", moved=True)
    assert host.rejected == {"r2"}


def test_a_rollback_that_was_cut_off_and_whose_release_is_gone_is_not_finished(host):
    deploy_all(host, "r1", "r2", "r3").cut_off("rollback", "r2", moved=False)
    host.present.remove("r2")
    assert host.target == "r1"


def test_a_release_is_rejected_with_the_reason_that_was_given(host):
    deploy_all(host, "r1", "r2").rollback(reason="prices are wrong")
    assert host.reasons == {"r2": "prices are wrong"}


def test_a_release_whose_instance_died_is_rejected_like_one_that_was_rolled_away_from(host):
    deploy_all(host, "r1", "r2").returns("r1", "its instance died")
    assert host.reasons == {"r2": "its instance died"}
    assert (host.live, host.target) == ("r1", None)


def test_a_rollback_whose_release_died_at_once_is_not_tried_once_more(host):
    deploy_all(host, "r1", "r2", "r3").rollback()
    host.returns("r3", "its instance died")
    assert host.rejected == {"r2"}
    assert host.target == "r1"


def test_who_calls_a_release_back_has_nothing_against_the_one_that_was_live_meanwhile(host):
    deploy_all(host, "r1", "r2").rollback()
    host.rollback(to="r2")
    assert host.rejected == set()
    assert host.target == "r1"


def test_the_latest_that_were_live_come_first_and_each_once(host):
    deploy_all(host, "r1", "r2", "r1", "r3").present.remove("r3")
    assert host.lived == ["r1", "r2"]


def test_a_release_that_is_gone_from_the_host_is_passed_over(host):
    deploy_all(host, "r1", "r2", "r3").present.remove("r2")
    assert host.target == "r1"


def test_a_rollback_from_nothing_rejects_nothing(host):
    history.record(
        host.path, "outcome", result="live", operation="rollback", explicit=False, **{"from": None, "to": "r1"}
    )
    assert host.rejected == set()


def test_a_line_that_a_power_cut_tore_is_no_entry_and_spoils_none(host):
    deploy_all(host, "r1", "r2")
    whole = host.path.read_text()
    torn = json.dumps({"phase": "outcome", "result": "live", "operation": "deploy", "from": "r2", "to": "r3"})
    for length in range(len(torn)):
        host.path.write_text(whole + torn[:length])
        assert host.target == "r1"
    assert deploy_all(host, "r4").target == "r2"
    assert [entry["phase"] for entry in history.read(host.path)] == ["intent", "outcome"] * 3


def test_entries_are_readable_lines_in_the_order_of_what_happened(host):
    deploy_all(host, "r1", "r2")
    entries = [json.loads(line) for line in host.path.read_text().splitlines()]
    assert [(one["phase"], one["to"]) for one in entries] == [
        ("intent", "r1"),
        ("outcome", "r1"),
        ("intent", "r2"),
        ("outcome", "r2"),
    ]
    assert sorted(one["at"] for one in entries) == [one["at"] for one in entries]
    assert entries[-1]["by"] == "ann"


# --- what people are told --------------------------------------------------------------------------------------------


def test_a_move_is_told_once_with_how_it_began_and_how_it_ended(host):
    deploy_all(host, "r1", "r2")
    first, second = history.for_people(history.read(host.path))
    assert (first["from"], first["to"], first["result"]) == (None, "r1", "live")
    assert (second["by"], second["operation"], second["from"], second["to"]) == ("ann", "deploy", "r1", "r2")
    assert second["seconds"] == 0.1
    assert second["at"] >= first["at"]
    assert "phase" not in second


def test_a_move_that_failed_says_why(host):
    entry = {"operation": "deploy", "from": None, "to": "r1", "by": "ann", "reason": ""}
    history.record(host.path, "intent", **entry)
    history.record(host.path, "outcome", result="failed", **{**entry, "reason": "nginx refuses"})
    (told,) = history.for_people(history.read(host.path))
    assert (told["result"], told["reason"]) == ("failed", "nginx refuses")


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "cut off"])
def test_where_there_is_nothing_to_say_the_reason_is_null(host, ended):
    entry = {"operation": "deploy", "from": None, "to": "r1", "by": "ann", "reason": ""}
    history.record(host.path, "intent", **entry)
    if ended:
        history.record(host.path, "outcome", result="live", **entry)
    (told,) = history.for_people(history.read(host.path))
    assert told["reason"] is None


def test_a_move_that_was_cut_off_is_told_as_that_until_it_is_ended(host):
    deploy_all(host, "r1").cut_off("deploy", "r2", moved=True)
    assert [one["result"] for one in history.for_people(history.read(host.path))] == ["live", "cut off"]
    history.record(host.path, "outcome", operation="deploy", result="live", **{"from": "r1", "to": "r2"})
    assert [one["result"] for one in history.for_people(history.read(host.path))] == ["live", "live"]


def test_a_line_that_a_power_cut_tore_is_not_told(host):
    deploy_all(host, "r1")
    with host.path.open("a") as stream:
        stream.write('{"phase": "int')
    assert len(history.for_people(history.read(host.path))) == 1


# --- whatever happens ------------------------------------------------------------------------------------------------

RELEASES = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.one_of(
    st.tuples(st.just("deploy"), RELEASES, st.sampled_from(["live", "live", "failed"])),
    st.tuples(st.just("rollback"), st.none(), st.sampled_from(["live", "live", "failed"])),
    st.tuples(st.just("rollback to"), RELEASES, st.just("live")),
    st.tuples(st.just("clean up"), RELEASES, st.none()),
)


@given(st.lists(STEPS, max_size=12))
def test_the_target_is_never_live_never_rejected_and_always_present(tmp_path_factory, steps):
    host = Host(tmp_path_factory.mktemp("host") / "history.jsonl")
    was_live = set()
    for step, release, result in steps:
        if step == "deploy":
            host.deploy(release, result)
        elif step == "rollback" and host.target:
            host.rollback(result=result)
        elif step == "rollback to" and release in host.present and release != host.live:
            host.rollback(to=release)
        elif step == "clean up" and release != host.live:
            host.present.discard(release)
        was_live.add(host.live)
        assert host.target != host.live or host.live is None
        assert host.live not in host.rejected
        if host.target:
            assert host.target in host.present & was_live
            assert host.target not in host.rejected


def test_a_move_that_another_host_could_not_follow_is_as_if_it_had_not_been() -> None:
    def outcome(operation: str, source: str | None, target: str) -> dict[str, object]:
        return {"phase": "outcome", "result": "live", "operation": operation, "from": source, "to": target}

    entries = [outcome("deploy", None, "r1"), outcome("deploy", "r1", "r2"), outcome("deploy", "r2", "r3")]
    entries.append(outcome("restore", "r3", "r2"))
    assert history.rejected(entries) == {}
    assert history.rollback_target(entries, "r2", {"r1", "r2", "r3"}) == "r1"


# --- since when


def test_a_release_is_live_since_traffic_last_moved_to_it(host, monkeypatch):
    clock = iter(range(100, 200))
    monkeypatch.setattr(history.time, "time", lambda: next(clock))

    def since():
        return history.live_since(history.read(host.path), host.live)

    assert since() == 0
    host.deploy("r1")  # an intent at 100, its outcome at 101
    assert since() == 101
    host.deploy("r2", result="failed")
    assert since() == 101
    host.deploy("r2")
    assert since() == 105
    host.rollback("r1")
    assert since() == 107
    host.cut_off("deploy", "r3", moved=True)
    assert since() == 108

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import fleet
from hypothesis import given
from hypothesis import strategies as st

EIGHT = [f"web{number}" for number in range(1, 9)]
SIZES = st.one_of(st.integers(1, 20), st.integers(1, 100).map("{}%".format))


def sizes(wanted, hosts=EIGHT):
    return [len(batch) for batch in fleet.batches(hosts, wanted)]


# --- batches


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("100%", [8]),
        (1, [1] * 8),
        ("3", [3, 3, 2]),
        ("25%", [2, 2, 2, 2]),
        ("30%", [2, 2, 2, 2]),
        ("1%", [1] * 8),
        (99, [8]),
        ([1, 2], [1, 2, 2, 2, 1]),
        ([1, "50%", "100%"], [1, 4, 3]),
    ],
)
def test_hosts_are_parted_as_by_serial(wanted, expected):
    assert sizes(wanted) == expected


def test_without_hosts_there_is_no_batch():
    assert fleet.batches([], 2) == []


@given(st.integers(0, 40), st.one_of(SIZES, st.lists(SIZES, min_size=1, max_size=4)))
def test_every_host_is_in_one_batch_and_the_order_stays(number, wanted):
    hosts = [f"web{one}" for one in range(number)]
    parted = fleet.batches(hosts, wanted)
    assert [host for batch in parted for host in batch] == hosts
    assert all(parted)
    assert not fleet.batch_problems(wanted)


@pytest.mark.parametrize(
    "wanted", ["", 0, "0", "0%", "101%", "half", -1, 1.5, True, None, [], [1, 0], {"a": 1}, "25 %"]
)
def test_what_is_no_size_is_named(wanted):
    (problem,) = fleet.batch_problems(wanted)
    assert problem.startswith(f"site_batch {wanted} must be a whole number of hosts from 1 on, a percentage like 25%")


# --- what differs


def test_nothing_differs_where_all_is_the_same():
    assert fleet.differing({"web1": {"files": "a"}, "web2": {"files": "a"}}) == []


def test_what_differs_is_named_with_who_agrees():
    parts = {
        "web1": {"gate": "a", "files": "x"},
        "web2": {"gate": "b", "files": "x"},
        "web3": {"gate": "a", "files": "x"},
    }
    assert fleet.differing(parts) == ["gate (web1, web3 / web2)"]


# --- back together


def answer(live, target, *has, problem=""):
    return {"live": live, "release": target, "has": list(has), "problem": problem}


def test_hosts_that_go_back_to_the_same_release_do():
    assert fleet.parting({"web1": answer("c", "b", "c", "b"), "web2": answer("b", "b", "b")}) == ""
    assert fleet.parting({"web1": answer("c", "b")}) == ""


def test_of_hosts_on_different_releases_each_is_named_with_its_own_and_what_all_have():
    answers = {
        "web1": answer("c", "b", "c", "b", "a"),
        "web2": answer("b", "a", "b", "a"),
        "web3": answer("c", "b", "c", "b", "a"),
    }
    assert fleet.parting(answers).splitlines() == [
        "The hosts would go back to different releases:",
        "web1, web3: c is live. It would go back to b.",
        "web2: b is live. It would go back to a.",
        "No traffic was moved. Name the one that is meant with -e rollback_to=; each of them has b, a.",
    ]


def test_a_host_without_a_way_back_hides_nobody_elses():
    answers = {"web1": answer("b", "a", "b", "a"), "web2": answer("a", "", "a", problem="No release was live before.")}
    assert fleet.parting(answers).splitlines() == [
        "The hosts can't go back together:",
        "web1: b is live. It would go back to a.",
        "web2: a is live. No release was live before.",
        "No traffic was moved. Name the one that is meant with -e rollback_to=; each of them has a.",
    ]


def test_hosts_that_have_no_release_in_common_are_told_so():
    answers = {"web1": answer("c", "b", "c", "b"), "web2": answer("c", "", "c", problem="There is none.")}
    assert "There is no release to go back to that each of them has: deploy the version" in fleet.parting(answers)


def test_what_all_hosts_say_is_said_once_and_has_its_own_way_out():
    answers = {name: answer("b", "", "b", "a", problem="There is none. Do this.") for name in ("web1", "web2")}
    assert fleet.parting(answers).splitlines() == [
        "The hosts can't go back together:",
        "web1, web2: b is live. There is none. Do this.",
        "No traffic was moved.",
    ]


# --- who could not follow


MOVED = {"moved": True, "changed": True, "source": "old", "message": "new is live"}
LIVE_BEFORE = {"moved": True, "changed": False, "source": "new", "message": "new is live already"}
FAILED = {"moved": False, "changed": False, "source": "old", "message": "nginx refuses the configuration."}
SKIPPED = {"skipped": True, "changed": False}
GONE = {"unreachable": True, "changed": False, "msg": "Connection timed out."}
STUCK = {"timedout": {"period": 600}, "msg": "Timed out after 600 second(s)."}
CRASHED = {"failed": False, "changed": False, "msg": "shop was taken over from this run: a deploy by bob"}
BACK = {"moved": True, "message": "old is live"}


@pytest.mark.parametrize(
    ("move", "is_one"),
    [
        (MOVED, False),
        (LIVE_BEFORE, False),
        (SKIPPED, False),
        (FAILED, True),
        (GONE, True),
        (STUCK, True),
        (CRASHED, True),
    ],
)
def test_whoever_was_asked_and_has_not_moved_is_a_straggler(move, is_one):
    assert (fleet.stragglers({"web1": move}) == ["web1"]) is is_one


def test_the_story_begins_with_the_cause_and_has_every_host():
    moves = {"web1": MOVED, "web2": FAILED, "web3": SKIPPED, "web4": LIVE_BEFORE}
    assert fleet.story(moves, {"web1": BACK}, "new", "shop.0002_price stays.").splitlines() == [
        "web2: nginx refuses the configuration.",
        "new is not live.",
        "web1 was taken back: old is live",
        "web3 was not touched: its batch had not begun.",
        "web4: this release was live there before.",
        "shop.0002_price stays.",
    ]


@pytest.mark.parametrize("move", [GONE, STUCK])
def test_of_a_host_that_went_away_the_story_does_not_say_more_than_is_known(move):
    first = fleet.story({"web1": move}, {}, "new").splitlines()[0]
    assert first.startswith(f"web1: it went away during its cutover: {move['msg']} ")
    assert "the old or the new one" in first


def test_a_module_that_ends_for_another_reason_is_quoted():
    assert fleet.story({"web1": CRASHED}, {}, "new").startswith("web1: shop was taken over from this run")


def test_a_host_that_can_not_be_taken_back_is_told():
    moves = {"web1": MOVED, "web2": FAILED}
    for way_back, reason in ((FAILED, "nginx refuses"), (GONE, "it went away")):
        assert f"web1 could not be taken back: {reason}" in fleet.story(moves, {"web1": way_back}, "new")


def test_a_change_of_the_edge_alone_leaves_the_release_live():
    move = {**FAILED, "source": "new"}
    assert "new serves as before, without what this run would have changed." in fleet.story({"web1": move}, {}, "new")


def test_of_a_host_that_is_lost_it_is_said_whether_traffic_has_moved():
    said = fleet.farewell(["web2", "web3"], {}, {})
    assert said.startswith("web2, web3 can't be reached;")
    assert said.endswith("No host has its traffic moved. Mend it, or leave it out by name: --limit '!web2,!web3'")
    moves = {"web1": MOVED, "web2": MOVED, "web3": SKIPPED, "web4": LIVE_BEFORE}
    assert "The traffic has moved on web1, and stays there." in fleet.farewell(["web2"], moves, {"web2": BACK})
    assert "No host has its traffic moved" in fleet.farewell(["web2"], {"web1": MOVED}, {"web1": BACK})


# --- whose hosts a run has -------------------------------------------------------------------------------------------


def test_a_run_with_a_host_of_the_site_is_right():
    assert fleet.members_problem(["web", "web"], ["web1", "db1"], ["web1", "web2"], "shop") == ""


@pytest.mark.parametrize(
    ("groups", "hosts", "members", "said"),
    [
        (["a", "b"], ["web1", "db1"], ["web1"], "site_group is not the same for web1, db1: a, b."),
        (["typo", "typo"], ["web1", "db1"], [], "site_group typo has no host in the inventory."),
        (["", ""], ["web1", "db1"], ["web1"], "site_group '' has no host in the inventory."),
        (["web"], ["db1"], ["web1", "web2"], "--limit leaves none of the hosts of shop, which are web1, web2."),
    ],
)
def test_a_run_that_would_do_nothing_is_told_why(groups, hosts, members, said):
    assert fleet.members_problem(groups, hosts, members, "shop").startswith(said)

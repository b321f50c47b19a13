# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs are processes, so what two of them do to each other is tried with processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.module_utils import lease, release, state
from ansible_collections.switchyard.django.plugins.module_utils.lease import HeldError, LostError
from ansible_collections.switchyard.django.plugins.modules import release_migrate, site_state

FORK = multiprocessing.get_context("fork")


def wanted(token, **changes):
    return {"token": token, "by": f"{token}@laptop", "purpose": "a deploy", "process": {"pid": 1}, **changes}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Signs of life come, and are waited for, in hundredths of a second."""
    monkeypatch.setattr(lease, "RENEWED_EVERY", 0.05)


@pytest.fixture
def dead(layout):
    """The lease of a run that gave its last sign of life long ago."""
    lease.take(layout, wanted("dead", silence=0.01))
    time.sleep(0.03)


# --- taking it -------------------------------------------------------------------------------------------------------


def test_a_free_lease_is_taken_and_says_whose_it_is(layout):
    assert lease.take(layout, wanted("ann")) is None
    held = lease.read(layout)
    assert (held.token, held.by, held.purpose, held.process) == ("ann", "ann@laptop", "a deploy", {"pid": 1})
    assert not held.is_left_over
    assert str(held).startswith("a deploy by ann@laptop, begun 0 s ago")


def test_nobody_but_root_reads_the_token(layout):
    lease.take(layout, wanted("ann"))
    assert (layout.run / "lease.json").stat().st_mode & 0o777 == 0o600


def test_a_lease_that_is_held_is_not_given_twice(layout):
    lease.take(layout, wanted("ann"))
    with pytest.raises(HeldError, match="a deploy by ann@laptop") as caught:
        lease.take(layout, wanted("bob"))
    assert caught.value.lease.token == "ann"
    assert lease.read(layout).token == "ann"


def test_a_run_may_ask_for_its_own_lease_again(layout):
    lease.take(layout, wanted("ann"))
    assert lease.take(layout, wanted("ann")) is None


def test_a_lease_that_is_freed_meanwhile_is_worth_the_wait(layout):
    lease.take(layout, wanted("ann"))
    threading.Timer(0.1, lease.free, (layout, "ann")).start()
    assert lease.take(layout, wanted("bob"), wait=10) is None
    assert lease.read(layout).token == "bob"


def test_the_wait_has_an_end(layout):
    lease.take(layout, wanted("ann"))
    began = time.monotonic()
    with pytest.raises(HeldError):
        lease.take(layout, wanted("bob"), wait=0.3)
    assert time.monotonic() - began >= 0.3


def test_what_a_dead_run_left_is_taken_over_and_returned(layout, dead):
    left_over = lease.take(layout, wanted("bob"))
    assert left_over.token == "dead"
    assert lease.read(layout).token == "bob"


def test_a_silent_run_is_not_dead_before_its_time(layout):
    lease.take(layout, wanted("ann", silence=900))
    with pytest.raises(HeldError):
        lease.take(layout, wanted("bob", silence=0.001))


def test_a_run_that_is_known_to_be_dead_is_not_waited_for(layout):
    lease.take(layout, wanted("ann"))
    assert lease.take(layout, wanted("bob"), instead_of="ann").token == "ann"


def test_a_lease_that_went_from_the_dead_run_to_a_living_one_is_held(layout):
    lease.take(layout, wanted("carol"))
    with pytest.raises(HeldError):
        lease.take(layout, wanted("bob"), instead_of="ann")


def test_a_module_of_the_dead_run_that_is_at_work_still_gets_the_time_to_see_it(layout, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED_EVERY", 100)
    slept = []
    monkeypatch.setattr(lease.time, "sleep", slept.append)
    lease.take(layout, wanted("ann"))
    lease.take(layout, wanted("bob"), instead_of="ann")
    assert sum(slept) > 100


def test_a_damaged_lease_keeps_nobody_out(layout):
    (layout.run / "lease.json").write_text('{"token": "a')
    assert lease.read(layout) is None
    assert lease.take(layout, wanted("bob")) is None


def test_of_many_runs_at_once_exactly_one_gets_it(layout):
    barrier, answers = FORK.Barrier(6), FORK.SimpleQueue()

    def run(token):
        barrier.wait()
        try:
            lease.take(layout, wanted(token))
            answers.put(token)
        except HeldError:
            answers.put("")

    def race():
        runs = [FORK.Process(target=run, args=(f"run-{number}",)) for number in range(6)]
        for one in runs:
            one.start()
        for one in runs:
            one.join()
        return [token for token in (answers.get() for _run in runs) if token]

    for _attempt in range(3):
        (winner,) = race()
        assert lease.read(layout).token == winner
        lease.free(layout, winner)


def test_of_many_runs_that_find_a_dead_one_exactly_one_takes_over(layout, dead):
    test_of_many_runs_at_once_exactly_one_gets_it(layout)


# --- keeping it ------------------------------------------------------------------------------------------------------


def test_a_sign_of_life_makes_it_last_and_changes_nothing_else(layout):
    lease.take(layout, wanted("ann", silence=0.2))
    before = lease.read(layout)
    time.sleep(0.02)
    lease.renew(layout, "ann")
    after = lease.read(layout)
    assert after.renewed > before.renewed
    assert (after.since, after.silence, after.by) == (before.since, before.silence, before.by)


def test_a_run_that_will_be_busy_elsewhere_says_so_ahead(layout):
    lease.take(layout, wanted("ann", silence=0.01))
    lease.renew(layout, "ann", ahead=60)
    time.sleep(0.03)
    assert not lease.read(layout).is_left_over
    assert lease.read(layout).quiet == 0


def test_a_lease_that_is_gone_can_not_be_kept(layout):
    with pytest.raises(LostError, match="shop is gone.*Run it again"):
        lease.renew(layout, "ann")


def test_a_lease_that_was_taken_over_names_who_has_it_now(layout, dead):
    lease.take(layout, wanted("bob"))
    with pytest.raises(LostError, match="taken over from this run: a deploy by bob@laptop"):
        lease.renew(layout, "dead")
    assert lease.read(layout).token == "bob"


def test_without_a_token_there_is_nothing_to_keep(layout):
    before = threading.active_count()
    lease.keep(layout, "", pytest.fail)
    assert threading.active_count() == before
    assert lease.read(layout) is None


def test_freeing_lets_the_next_run_in(layout):
    lease.take(layout, wanted("ann"))
    assert lease.free(layout, "ann")
    assert lease.take(layout, wanted("bob")) is None


def test_nobody_frees_what_is_somebody_elses(layout):
    lease.take(layout, wanted("ann"))
    assert not lease.free(layout, "bob")
    assert lease.read(layout).token == "ann"
    lease.free(layout, "ann")
    assert not lease.free(layout, "ann")


class Module:
    """One of our modules at work: a process whose standard output is what Ansible would read."""

    def __init__(self, path, work):
        self.path = path
        self.process = FORK.Process(target=self._run, args=(work,))
        self.process.start()

    def _run(self, work):
        # As in a process of its own: no output of the tests' is in the buffer, and a pipe or a file is no terminal.
        sys.stdout = self.path.open("w")
        try:
            work()
        finally:
            sys.stdout.close()

    def ends(self):
        self.process.join(8)
        assert self.process.exitcode is not None, "it works on, although the site is another run's"
        return self.process.exitcode

    @property
    def answer(self):
        return json.loads(self.path.read_text())


@pytest.fixture
def at_work(tmp_path):
    modules = []

    def start(work):
        modules.append(Module(tmp_path / "stdout", work))
        return modules[-1]

    yield start
    for module in modules:
        module.process.kill()
        module.process.join()


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def as_a_module(main, arguments):
    """What runs on a host, where nothing of the controller is loaded."""
    with patch_module_args(arguments), pytest.MonkeyPatch.context() as patch:
        patch.setattr("ansible.module_utils._internal.is_controller", False, raising=False)
        main()


def test_a_process_at_work_gives_signs_of_life(layout, at_work):
    def work():
        lease.keep(layout, "ann", os._exit)
        time.sleep(60)

    lease.take(layout, wanted("ann", silence=5))
    began = lease.read(layout).renewed
    at_work(work)
    until(lambda: lease.read(layout).renewed > began + 0.2)


def test_a_module_that_begins_on_a_lost_lease_fails_before_it_does_anything(layout, at_work, tmp_path, monkeypatch):
    monkeypatch.setattr(release, "migrate", lambda layout, name: (tmp_path / "migrated").touch())
    lease.take(layout, wanted("bob"))
    module = at_work(
        lambda: as_a_module(release_migrate.main, {"site": "shop", "lease": "ann", "release": "0123456789ab"})
    )
    assert module.ends() == 1
    assert module.answer["failed"]
    assert "taken over from this run: a deploy by bob@laptop" in module.answer["msg"]
    assert not (tmp_path / "migrated").exists()


def test_a_module_at_work_ends_when_its_lease_is_lost_and_says_why(layout, at_work, tmp_path, monkeypatch):
    def migrate(layout, name, backup):
        (tmp_path / "begun").touch()
        time.sleep(60)

    monkeypatch.setattr(release, "migrate", migrate)
    lease.take(layout, wanted("ann"))
    module = at_work(
        lambda: as_a_module(release_migrate.main, {"site": "shop", "lease": "ann", "release": "0123456789ab"})
    )
    until((tmp_path / "begun").exists)
    lease.take(layout, wanted("bob"), instead_of="ann")
    assert module.ends() == 1
    assert module.answer["failed"]
    assert "taken over from this run: a deploy by bob@laptop" in module.answer["msg"]


def test_a_run_that_loses_its_lease_in_its_very_first_module_fails(layout, at_work, tmp_path, monkeypatch):
    def read(*_what):
        (tmp_path / "begun").touch()
        time.sleep(60)

    monkeypatch.setattr(state, "read", read)
    claim = wanted("ann", silence=60)
    module = at_work(lambda: as_a_module(site_state.main, {"site": "shop", "claim": claim}))
    until((tmp_path / "begun").exists)
    lease.take(layout, wanted("bob"), instead_of="ann")
    assert module.ends() == 1
    assert module.answer.get("failed"), "Ansible would go on without the lease and without the state"


def test_a_sign_of_life_that_can_not_be_given_now_is_given_later(layout, at_work, tmp_path, monkeypatch):
    renew = lease.renew

    def stumble(*whose, **how):
        if (tmp_path / "full").exists():
            (tmp_path / "stumbled").touch()
            raise OSError("no space left on device")
        renew(*whose, **how)

    def work():
        monkeypatch.setattr(lease, "renew", stumble)
        lease.keep(layout, "ann", lambda msg: os._exit(7))
        time.sleep(60)

    lease.take(layout, wanted("ann"))
    began = lease.read(layout).renewed
    module = at_work(work)
    until(lambda: lease.read(layout).renewed > began + 0.05)
    (tmp_path / "full").touch()
    until((tmp_path / "stumbled").exists)
    (tmp_path / "full").unlink()
    lease.take(layout, wanted("bob"), instead_of="ann")
    assert module.ends() == 7


def test_signs_of_life_do_not_take_back_what_was_said_ahead(layout, at_work, tmp_path):
    def work():
        lease.keep(layout, "ann", os._exit)
        lease.renew(layout, "ann", ahead=1000)
        time.sleep(0.3)  # as long as it takes to leave
        (tmp_path / "done").touch()
        os._exit(0)

    lease.take(layout, wanted("ann"))
    assert at_work(work).ends() == 0
    assert lease.read(layout).renewed > time.monotonic() + 900


# --- the module with which a run begins ------------------------------------------------------------------------------


@pytest.fixture
def begin(layout, monkeypatch):
    """Begins a run in this process, which shall give no signs of life and shall not end."""
    kept, warnings = [], []
    monkeypatch.setattr(lease, "keep", lambda layout, token, *_how: kept.append(token))

    class Left(Exception):
        pass

    def leave(**how):
        raise Left(how)

    def begin(claim):
        try:
            return lease.begin(layout, claim, leave, warnings.append)
        except Left as left:
            return left.args[0]

    begin.kept, begin.warnings = kept, warnings
    return begin


def test_in_check_mode_no_lease_is_taken(layout, begin):
    assert begin({}) == {"lease": ""}
    assert lease.read(layout) is None


def test_a_run_begins_with_a_lease_that_it_keeps(layout, begin):
    assert begin(wanted("ann", silence=60)) == {"lease": "ann"}
    assert lease.read(layout).token == "ann"
    assert (begin.kept, begin.warnings) == (["ann"], [])


def test_a_run_that_comes_second_is_told_who_is_at_work(layout, begin):
    lease.take(layout, wanted("ann"))
    left = begin(wanted("bob", silence=60))
    assert left["changed"] is False
    assert (left["held"]["token"], left["held"]["process"]) == ("ann", {"pid": 1})
    assert left["held"]["described"].startswith("a deploy by ann@laptop")
    assert begin.kept == []
    json.dumps(left)


def test_a_run_that_takes_over_says_from_whom(begin, dead):
    assert begin(wanted("bob", silence=60)) == {"lease": "bob"}
    (warning,) = begin.warnings
    assert "Took shop over from a run that is dead: a deploy by dead@laptop" in warning


def test_what_the_controller_asks_for_travels_with_the_claim(layout, begin):
    lease.take(layout, wanted("ann"))
    threading.Timer(0.1, lease.free, (layout, "ann")).start()
    assert begin(wanted("bob", silence=60, wait=10.0)) == {"lease": "bob"}
    assert begin(wanted("carol", silence=60, wait=0, instead_of="bob")) == {"lease": "carol"}


@pytest.mark.parametrize("let_go", [lease.free, lease.dissolve])
def test_who_lets_the_next_run_in_gives_no_more_signs_of_life_and_goes_on(layout, at_work, monkeypatch, let_go):
    monkeypatch.setattr(lease, "RENEWED_EVERY", 0.01)

    def work():
        lease.keep(layout, "ann", lambda msg: os._exit(7))
        assert let_go(layout, "ann")
        time.sleep(0.3)
        os._exit(0)

    lease.take(layout, wanted("ann"))
    assert at_work(work).ends() == 0
    assert lease.read(layout) is None


def test_with_a_site_that_is_gone_its_lease_goes_and_all_beside_it(layout):
    lease.take(layout, wanted("ann"))
    (layout.run / "guard.json").touch()
    assert lease.dissolve(layout, "ann")
    assert not layout.run.parent.exists()


def test_a_lease_that_is_anothers_by_now_is_not_dissolved(layout):
    lease.take(layout, wanted("bob"))
    assert not lease.dissolve(layout, "ann")
    assert lease.read(layout).token == "bob"


def test_where_other_sites_are_at_work_their_leases_stay(layout):
    lease.take(layout, wanted("ann"))
    (layout.run.parent / "blog").mkdir()
    lease.dissolve(layout, "ann")
    assert [path.name for path in layout.run.parent.iterdir()] == ["blog"]

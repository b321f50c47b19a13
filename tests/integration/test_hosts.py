# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts and their database: they move together or not at all, whichever of them fails, sleeps or dies.

Two of them have Debian 12 and one Debian 13, so they differ in Python, nginx and systemd. Each test goes on where the
one before ended.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fleet as fleets
import pytest
from controller import Run
from fleet import Fleet

pytestmark = pytest.mark.full

NAMES = ("web1", "web2", "web3")
# A neighbour who wants the site's name. Where an included file has it, a host finds that at the cutover and not before.
NEIGHBOUR = "/etc/nginx/conf.d/neighbour.conf"
INCLUDED = "/etc/nginx/neighbours_name"
RIVAL = f"echo 'server {{ listen 80; server_name board.example.org; return 204; }}' > {NEIGHBOUR}"
HIDDEN_RIVAL = (
    f"echo 'server_name board.example.org;' > {INCLUDED}; "
    f"echo 'server {{ listen 80; server_name neighbour; include {INCLUDED}; return 204; }}' > {NEIGHBOUR}"
)
PATIENCE = 120


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    releases = {"web1": "bookworm", "web2": "bookworm", "web3": "trixie"}
    made = fleets.make("hosts", tmp_path_factory.mktemp("hosts"), releases)
    made.down()
    try:
        made.up()
        made.have_database()
        yield made
    finally:
        made.down()


@contextlib.contextmanager
def unnoticed(fleet: Fleet) -> Iterator[None]:
    """No visitor of any host notices anything, and at the end the same releases serve."""
    before = fleet.live()
    with fleet.under_load() as failures:
        yield
    assert failures == dict.fromkeys(NAMES, [])
    assert fleet.live() == before


@contextlib.contextmanager
def untouched(fleet: Fleet) -> Iterator[None]:
    """And the same processes do."""
    before = fleet.serving()
    with unnoticed(fleet):
        yield
    assert fleet.serving() == before


def refused(run: Run, *texts: str) -> None:
    assert run.rc != 0, run.output
    for text in texts:
        assert text in run.output, run.output


def done(run: Run) -> None:
    assert run.rc == 0, run.output


def on_one_release(fleet: Fleet) -> str:
    live = fleet.live()
    assert len(set(live.values())) == 1, live
    for host in fleet:
        status, _headers, body = host.get("/health/", "board.example.org")
        assert (status, b'"ok"' in body) == (200, True), body
    return live["web1"]


def wait_on(fleet: Fleet, name: str, condition: str) -> None:
    """Until a command succeeds on the host."""
    fleet[name].sh(f"timeout {PATIENCE} sh -c 'until {condition}; do sleep 0.02; done'")


@contextlib.contextmanager
def meanwhile(play: Callable[[], Run]) -> Iterator[concurrent.futures.Future[Run]]:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(play)


def test_the_first_deploy_gives_every_host_the_same_release(fleet: Fleet) -> None:
    run = fleet.deploy(1)
    done(run)
    assert run.changed.count("switchyard.django.release : The migrations are applied, once for the site") == 1
    on_one_release(fleet)
    pythons = {host.sh("python3 -c 'import sys; print(sys.version_info[:2])'") for host in fleet}
    assert len(pythons) == 2, "the hosts do not differ"


def test_the_same_again_changes_nothing(fleet: Fleet) -> None:
    run = fleet.deploy(1)
    done(run)
    assert run.changed == []


def test_where_one_fails_at_the_gate_none_moves(fleet: Fleet) -> None:
    fleet["web2"].sh("echo 2 > /srv/board/data/sick")
    with untouched(fleet):
        refused(fleet.deploy(2), "did not pass its gate", "fatal: [web2]")
    fleet["web2"].sh("rm /srv/board/data/sick")


def test_where_the_third_has_a_neighbour_of_the_sites_name_nothing_is_begun(fleet: Fleet) -> None:
    fleet["web3"].sh(RIVAL)
    before = [host.fingerprint() for host in fleet]
    with untouched(fleet):
        refused(
            fleet.deploy(3),
            f"web3: site_domains has board.example.org, which {NEIGHBOUR} serves",
            "Nothing was changed.",
        )
    assert [host.fingerprint() for host in fleet] == before


def test_where_the_third_can_not_move_the_first_two_are_taken_back(fleet: Fleet) -> None:
    fleet["web3"].sh(HIDDEN_RIVAL)
    with unnoticed(fleet):
        refused(fleet.deploy(3), f"which {INCLUDED} serves", "web1 was taken back: ", "web2 was taken back: ")
    for name, how in (("web1", "restore"), ("web2", "restore"), ("web3", "deploy")):
        assert fleets.history(fleet[name])[-1]["operation"] == how


def test_where_one_of_a_batch_can_not_move_the_next_batch_is_not_touched(fleet: Fleet) -> None:
    fleet["web3"].sh(f"rm {NEIGHBOUR}")
    fleet["web2"].sh(HIDDEN_RIVAL)
    before = fleets.history(fleet["web3"])
    with unnoticed(fleet):
        run = fleet.deploy(4, site_batch=1)
        refused(run, f"which {INCLUDED} serves", "web1 was taken back: ", "web3 was not touched: ")
    assert fleets.history(fleet["web3"]) == before
    fleet["web2"].sh(f"rm {NEIGHBOUR}")


def test_a_batch_follows_the_one_before(fleet: Fleet) -> None:
    done(fleet.deploy(5, site_batch=[1, "50%"]))
    on_one_release(fleet)
    moved = [next(e["at"] for e in fleets.history(fleet[name])[::-1] if e["phase"] == "intent") for name in NAMES]
    ended = [fleets.history(fleet[name])[-1]["at"] for name in NAMES]
    assert ended[0] <= moved[1], (moved, ended)
    assert ended[1] <= moved[2], (moved, ended)


def test_a_batch_that_is_none_is_refused_before_a_host_is_asked(fleet: Fleet) -> None:
    run = fleet.deploy(5, site_batch="half")
    refused(run, "site_batch half must be a whole number of hosts")
    assert run.remote == []


def test_batches_that_differ_between_hosts_are_refused_before_a_host_is_asked(fleet: Fleet) -> None:
    with fleet.variables_of("web2", "site_batch: 1\n"):
        for run in (fleet.deploy(5), fleet.roll_back()):
            refused(run, "site_batch is not the same for web1, web2, web3: not set / 1.")
            assert run.remote == []


def test_where_the_database_goes_away_during_a_deploy_nothing_moves(fleet: Fleet) -> None:
    before, folders = fleet.serving(), fleet["web1"].sh("ls /srv/board/releases")
    with meanwhile(lambda: fleet.deploy(6)) as run:
        wait_on(fleet, "web1", f'test "$(ls /srv/board/releases)" != "{folders.strip()}"')
        fleet.data.sh("systemctl stop postgresql@15-main")
        refused(run.result())
    assert fleet.serving() == before
    fleet.data.sh("systemctl start postgresql@15-main")
    done(fleet.deploy(6))
    on_one_release(fleet)


def test_a_host_that_sleeps_stops_the_deploy_unless_it_is_left_out_by_name(fleet: Fleet) -> None:
    before = fleet.serving()
    fleet.power("web3", "kill")
    refused(fleet.deploy(7), "web3 can't be reached", "--limit '!web3'")
    others = {name: fleet[name] for name in ("web1", "web2")}
    assert {name: fleets.serving(host) for name, host in others.items()} == {name: before[name] for name in others}

    run = fleet.deploy(7, "--limit", "!web3")
    done(run)
    assert "left out by --limit, with the release that they had: web3" in run.output
    moved = {name: fleets.live(host) for name, host in others.items()}
    assert len(set(moved.values())) == 1
    assert moved["web1"] != before["web1"].split()[0]

    fleet.power("web3", "start")
    fleet.up()
    serving = {name: fleets.serving(host) for name, host in others.items()}
    run = fleet.deploy(7)
    done(run)
    assert on_one_release(fleet) == moved["web1"]
    assert {name: fleets.serving(host) for name, host in others.items()} == serving
    assert [fleets.recap(run, name)["changed"] for name in others] == [0, 0]
    assert fleets.recap(run, "web3")["changed"] > 0


def test_the_first_host_may_be_the_one_that_lags_behind(fleet: Fleet) -> None:
    done(fleet.deploy(8, "--limit", "!web1", serve_mode="asgi"))
    live = fleet.live()
    with untouched(fleet):
        refused(
            fleet.roll_back(),
            "board: The hosts would go back to different releases:",
            f"web1: {live['web1']} is live. It would go back to ",
            f"web2, web3: {live['web2']} is live. It would go back to {live['web1']}.",
            "Name the one that is meant with -e rollback_to=; each of them has ",
        )
    run = fleet.deploy(8, serve_mode="")  # the stack of the latest cutover
    done(run)
    on_one_release(fleet)
    assert [fleets.recap(run, name)["changed"] for name in ("web2", "web3")] == [0, 0]
    assert fleets.history(fleet["web1"])[-1]["stack"] == "asgi"


def test_a_new_host_does_not_get_secrets_of_its_own(fleet: Fleet) -> None:
    """Where the hosts that have them are left out."""
    secrets = "/etc/switchyard/board/secrets.json"
    fleet["web3"].sh(f"mv {secrets} {secrets}.away")
    refused(
        fleet.deploy(8, "--limit", "web3"), "No host of this run has the secrets of board, which web1, web2 may have"
    )
    fleet["web3"].sh(f"mv {secrets}.away {secrets}")


def test_a_release_that_would_differ_between_hosts_is_refused(fleet: Fleet) -> None:
    with untouched(fleet), fleet.variables_of("web2", "site_health_path: /health/?web2\n"):
        refused(fleet.deploy(8, serve_mode=""), "would not have the same release: gate (web1, web3 / web2)")


def test_a_host_that_dies_during_its_cutover_takes_the_others_back(fleet: Fleet) -> None:
    before = fleet.live()
    with meanwhile(lambda: fleet.deploy(9)) as run:
        wait_on(fleet, "web2", "test -e /etc/switchyard/board/undo.json")
        fleet.power("web2", "kill")
        refused(run.result(), "web2: it went away during its cutover", "web1 was taken back: ", "web3 was taken back: ")
    assert [fleets.live(fleet[name]) for name in ("web1", "web3")] == [before["web1"], before["web3"]]
    fleet.power("web2", "start")
    fleet.up()
    release = fleets.live(fleet["web2"])
    status, headers, _body = fleet["web2"].get("/health/", "board.example.org")
    assert status == 200, f"{release}: {status} {headers}"
    done(fleet.deploy(9))
    assert on_one_release(fleet) != before["web1"]


def test_two_controllers_at_once_end_one_after_the_other(fleet: Fleet) -> None:
    def two(edition: int) -> list[Run]:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(fleet.deploy, edition, controller=name) for name in ("web1", "web2")]
            return [run.result() for run in runs]

    for edition in (10, 11):
        first, second = two(edition)
        done(first)
        done(second)
        outputs = [first.output, second.output]
        assert sum("waits for a deploy of the newest version" in output for output in outputs) >= 1, outputs
        assert sorted(bool(run.changed) for run in (first, second)) == [False, True], outputs
        on_one_release(fleet)


def test_a_controller_that_is_killed_between_batches_leaves_what_the_next_run_ends(fleet: Fleet) -> None:
    before = fleet.live()

    def killed() -> None:
        wait_on(fleet, "web1", f"test $(basename $(readlink /etc/switchyard/board/current)) != {before['web1']}")
        end_the_controller(str(fleet["web1"].scratch))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        killer = pool.submit(killed)
        run = fleet.deploy(12, site_batch=1)
        killer.result()
    assert run.rc < 0, run.output
    time.sleep(3)  # what a host has begun, it ends by itself
    live = fleet.live()
    assert live["web1"] != before["web1"]
    assert live["web3"] == before["web3"]
    done(fleet.deploy(12, site_batch=1, controller="web2"))
    assert on_one_release(fleet) == live["web1"]


def end_the_controller(scratch: str) -> None:
    """Kill the run that has its variables there, and its workers."""
    found = subprocess.run(["pgrep", "-f", f"ansible-playbook.*{scratch}"], capture_output=True, text=True, check=True)
    for pid in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_a_rollback_goes_in_batches_and_a_host_that_can_not_follow_keeps_all_where_they_were(fleet: Fleet) -> None:
    before = fleet.live()
    target = next(e["from"] for e in fleets.history(fleet["web1"])[::-1] if e["phase"] == "outcome")
    fleet["web2"].sh(HIDDEN_RIVAL)
    with untouched(fleet):
        run = fleet.roll_back(rollback_to="f" * 12)
        refused(run, f"web1, web2, web3: {before['web1']} is live. rollback_to {'f' * 12} is no release here.")
    with unnoticed(fleet):
        run = fleet.roll_back(rollback_to=target, site_batch=1)
        refused(run, f"which {INCLUDED} serves", "web1 was taken back: ", "web3 was not touched: ")
    fleet["web2"].sh(f"rm {NEIGHBOUR}")
    with fleet.under_load() as failures:
        done(fleet.roll_back(rollback_to=target, site_batch=1))
    assert failures == dict.fromkeys(NAMES, [])
    assert on_one_release(fleet) == target != before["web1"]


def test_sqlite_is_refused_even_where_one_host_alone_takes_part(fleet: Fleet, tmp_path: Path) -> None:
    environment = {"EDITION": "13"}
    run = fleet["web1"].play("site.yml", "--limit", "web1", site_env=environment)
    refused(run, "SQLite, which one host alone can have, but the site has 3 hosts")

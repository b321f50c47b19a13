# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs beside the instances, on one host with Redis and Celery. Each test goes on where the one before ended."""

from __future__ import annotations

import collections
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controller import ROOT, Host, Run

DOMAIN = "depot.example.org"
TASKS = 200
WORKER = "celery -A depot worker --concurrency 4"
BEAT = {"command": "celery -A depot beat -s /srv/depot/data/celerybeat-schedule", "singleton": True}
CHIME = {"command": "manage.py chime", "schedule": "*:*:0/2"}
# Each tick tells when it was sent and by which process; so much the clocks of two processes may seem to differ.
SLACK = 0.3

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "depot"
    shutil.copytree(ROOT / "tests/integration/projects/depot", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def host(source: Path) -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_processes",
        variables={
            "site_name": "depot",
            "site_source": str(source),
            "site_package": "depot",
            "site_domains": [DOMAIN],
            "site_processes": {"worker": WORKER, "beat": BEAT},
            "site_timers": {"chime": CHIME},
            "cutover_settle": 4,
            "cutover_drain": 5,
        },
    )
    one.down()
    one.up()
    one.sh("apt-get -qq update && apt-get -qq install --yes --no-install-recommends redis-server >/dev/null")
    yield one
    one.down()


def version(source: Path, name: str) -> None:
    (source / "depot/version.py").write_text(f'VERSION = "{name}"\n')


def live(host: Host) -> str:
    return host.sh("basename $(readlink /etc/switchyard/depot/current)").strip()


def notes(host: Host, what: str) -> list[str]:
    return host.sh(f"redis-cli -n 1 lrange {what} 0 -1").splitlines()


def units(host: Host, *states: str) -> set[str]:
    """What of the site is at work, without the site's name and the timer's job, which comes and goes."""
    wanted = ",".join(states or ("active", "activating"))
    listed = host.sh(f"systemctl list-units --plain --no-legend --all --state={wanted} 'depot@*' | cut -d' ' -f1")
    return {name.removeprefix("depot@") for name in listed.split() if not name.endswith("-chime.service")}


def instances(host: Host) -> set[str]:
    return {name for name in units(host) if "-" not in name}


def beside(release: str) -> set[str]:
    return {f"{release}-worker.service", f"{release}-beat.service", f"{release}-chime.timer"}


def until(what: Callable[[], bool], seconds: float, otherwise: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.5)


def send(host: Host, first: int) -> None:
    """As many tasks at once as there are, which take from a fifth of a second to three."""
    code = (
        "from depot.queue import work\n"
        f"for n in range({first}, {first + TASKS}): work.delay(n, 3.0 if n % 10 == 0 else 0.2 + n % 7 / 10)\n"
    )
    release = live(host)
    venv = json.loads(host.sh("cat /etc/switchyard/depot/current/release.json"))["venv"]
    python = f"PYTHONPATH=/srv/depot/releases/{release}/code /srv/depot/venvs/{venv}/bin/python -B"
    host.sh(f"{python} -c {shlex.quote(code)}")


def all_done_once(host: Host, first: int) -> set[str]:
    """Wait for the tasks, and say which releases have done them."""
    expected = set(range(first, first + TASKS))

    def done(what: str) -> list[list[str]]:
        return [one for one in map(str.split, notes(host, what)) if int(one[0]) in expected]

    until(lambda: len(done("done")) >= TASKS, 90, lambda: f"{len(done('done'))} of {TASKS} done")
    time.sleep(2)
    for what in ("begun", "done"):
        counted = collections.Counter(int(number) for number, _release in done(what))
        assert counted == collections.Counter(expected), f"{what}: lost or done twice"
    return {release for _number, release in done("done")}


def done_over(host: Host, playbook: str, first: int) -> set[str]:
    """Send the tasks a moment before the cutover of a run; see each done once.

    A rollback is over in seconds, for which the tasks take longer. A deploy is not: its instance is waited for.
    """
    until(lambda: len(instances(host)) == 1, 60, lambda: instances(host))
    if playbook == "rollback.yml":
        send(host, first)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(host.play, playbook)
        if playbook != "rollback.yml":
            until(lambda: len(instances(host)) == 2 or run.done(), 240, lambda: "no new instance")
            send(host, first)
        succeeded(run.result())
    return all_done_once(host, first)


def never_two(host: Host) -> list[str]:
    """See that the ticks of one process end before those of the next begin; say whose they were, in order."""
    ticks = [(float(at), pid, release) for at, pid, release in map(str.split, notes(host, "ticks"))]
    order = list(dict.fromkeys((pid, release) for _at, pid, release in ticks))
    spans = [[at for at, pid, release in ticks if (pid, release) == one] for one in order]
    for earlier, later in zip(spans, spans[1:], strict=False):
        assert max(earlier) < min(later) + SLACK, "two at once"
    return [release for _pid, release in order]


def succeeded(run: Run) -> Run:
    assert run.rc == 0, run.output
    return run


def test_processes_and_timers_run_with_the_release(host: Host) -> None:
    wrong = host.play("site.yml", site_timers={"chime": {**CHIME, "schedule": "dayly"}})
    assert "site_timers.chime.schedule 'dayly' is no calendar event" in wrong.output
    assert wrong.changed == []
    assert succeeded(host.play("site.yml", "--check", "--diff")).rc == 0
    succeeded(host.play("site.yml"))
    release = live(host)
    assert units(host) == {f"{release}.service", *beside(release)}
    until(lambda: bool(notes(host, "ticks") and notes(host, "chimes")), 15, lambda: host.clues("depot"))
    again = succeeded(host.play("site.yml"))
    assert again.changed == []
    assert succeeded(host.play("site.yml", "--check", "--diff")).changed == []
    told = host.sh(f"systemd-analyze security --no-pager depot@{release}-worker.service | tail -1")
    assert float(re.findall(r": ([0-9.]+) ", told)[0]) < 2


def test_what_was_stopped_by_hand_runs_again(host: Host) -> None:
    release = live(host)
    host.sh(f"systemctl stop depot@{release}-beat.service")
    check = succeeded(host.play("site.yml", "--check", "--diff"))
    assert f"depot@{release}-beat.service" in check.output
    assert len(check.changed) == 1
    assert "and all that belongs to it runs" in succeeded(host.play("site.yml")).output
    assert units(host) >= beside(release)


def test_no_task_is_lost_or_done_twice_by_a_deploy_and_a_rollback(
    host: Host, source: Path, say: Callable[[str], None]
) -> None:
    before = live(host)
    version(source, "two")
    with host.under_load("/health/", DOMAIN) as failures:
        deployed = done_over(host, "site.yml", 1000)
        after = live(host)
        chimes = len(notes(host, "chimes"))
        returned = done_over(host, "rollback.yml", 2000)
    assert failures == []
    assert live(host) == before != after
    say(f"{2 * TASKS} tasks, each once, in flight over a deploy and a rollback")
    assert deployed == returned == {before, after}, "they were not in flight at the cutover"
    until(
        lambda: units(host, "active", "activating", "deactivating") == {f"{before}.service", *beside(before)},
        60,
        lambda: units(host, "active", "activating", "deactivating"),
    )
    assert never_two(host)[-3:] == [before, after, before]
    until(lambda: len(notes(host, "chimes")) > chimes + 2, 15, lambda: "the timer did not move")
    assert notes(host, "chimes")[-1].split()[1] == before


@pytest.mark.parametrize("command", ["python -c 'import nowhere'", "/bin/false"])
def test_a_worker_that_does_not_start_leaves_all_as_it_was(host: Host, command: str) -> None:
    before, pids = live(host), host.sh("systemctl show -p MainPID 'depot@*-worker.service'")
    run = host.play("site.yml", site_processes={"worker": command, "beat": BEAT})
    assert run.rc != 0
    assert "The background process worker ended as soon as it was started." in run.output
    assert "nowhere" in run.output or command == "/bin/false"
    assert f"Restored: {before} serves as before." in run.output
    assert live(host) == before
    assert units(host) >= {f"{before}.service", *beside(before)}
    assert pids.strip() in host.sh("systemctl show -p MainPID 'depot@*-worker.service'"), "the old worker was touched"
    until(
        lambda: not [one for one in units(host) if "-" in one and not one.startswith(before)], 15, lambda: units(host)
    )
    never_two(host)


def test_a_program_that_nothing_brings_is_refused_at_the_build(host: Host) -> None:
    before = live(host)
    run = host.play("site.yml", site_processes={"worker": "rq worker"})
    assert "site_processes.worker: the command begins with rq" in run.output
    assert live(host) == before


def test_a_worker_that_dies_after_the_cutover_takes_the_traffic_back(host: Host) -> None:
    before = live(host)
    short = "/bin/sh -c 'sleep 5; exit 3'"
    succeeded(host.play("site.yml", site_processes={"worker": short, "beat": BEAT}, cutover_settle=20))
    until(lambda: live(host) == before, 30, lambda: host.clues("depot"))
    until(lambda: units(host) >= {f"{before}.service", *beside(before)}, 30, lambda: units(host))
    assert "its background process worker died" in host.sh("cat /etc/switchyard/depot/history.jsonl")


def test_they_come_back_with_the_host(host: Host) -> None:
    release = live(host)
    host.restart()
    until(lambda: units(host) >= {f"{release}.service", *beside(release)}, 60, lambda: units(host))
    ticks = len(notes(host, "ticks"))
    until(lambda: len(notes(host, "ticks")) > ticks, 20, lambda: host.clues("depot"))


def test_without_them_the_next_release_has_none_and_a_removal_leaves_none(host: Host) -> None:
    succeeded(host.play("site.yml", site_processes={}))
    release = live(host)
    until(lambda: units(host) == {f"{release}.service", f"{release}-chime.timer"}, 20, lambda: units(host))
    succeeded(host.play("playbooks/remove.yml", remove_confirm="depot"))
    assert units(host, "active", "activating", "deactivating", "failed") == set()
    assert host.sh("ls /etc/systemd/system | grep depot || true") == ""

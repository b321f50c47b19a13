# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of manage.py, by a playbook and in a terminal, and a site's own tasks at points of a deploy and a rollback.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller import ROOT, Host, Run

DOMAIN = "ledger.example.org"
MANAGE = "/etc/switchyard/ledger/current/manage"
SAID = "/srv/ledger/data/said"
TOKEN, PASSWORD = "hush-hush-token", "correct-horse-9"
DEADLINE = 60

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "ledger"
    shutil.copytree(ROOT / "tests/integration/projects/ledger", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def host(source: Path) -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_manage",
        variables={
            "site_name": "ledger",
            "site_source": str(source),
            "site_package": "ledger",
            "site_domains": [DOMAIN],
            "site_env": {"API_TOKEN": TOKEN},
            "cutover_settle": 0,
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


def version(source: Path, name: str) -> None:
    with (source / "ledger/settings.py").open("a", encoding="utf-8") as settings:
        settings.write(f"VERSION = {name!r}\n")


def live(host: Host) -> str:
    return host.sh("basename $(readlink /etc/switchyard/ledger/current)").strip()


def succeeded(run: Run) -> Run:
    assert run.rc == 0, run.output
    assert TOKEN not in run.output
    return run


def manage(host: Host, command: str | list[str] | None, *arguments: str, **variables: Any) -> Run:
    wanted = {} if command is None else {"manage_command": command}
    return host.play("playbooks/manage.yml", *arguments, **wanted, **variables)


def in_a_terminal(host: Host, command: str, *steps: tuple[str, str], program: str = MANAGE) -> tuple[int, str]:
    """Answer what a command asks in a terminal, over ssh; its exit status, and what the terminal showed."""
    variables = host.inventory.read_text()
    key = re.findall(r'"ansible_ssh_private_key_file": "([^"]+)"', variables)[0]
    known = re.findall(r"UserKnownHostsFile=(\S+)", variables)[0]
    login = ["-t", "-i", key, "-o", f"UserKnownHostsFile={known}", f"root@{host.address}"]
    pid, terminal = pty.fork()
    if not pid:
        os.execvp("ssh", ["ssh", *login, f"{program} {command}"])  # noqa: S606
    shown, seen, until = "", 0, time.monotonic() + DEADLINE
    answers = list(steps)
    try:
        while time.monotonic() < until:
            if answers and answers[0][0] in shown[seen:]:
                seen = shown.index(answers[0][0], seen) + len(answers[0][0])
                os.write(terminal, answers.pop(0)[1].encode())
            if select.select([terminal], [], [], 0.5)[0]:
                shown += os.read(terminal, 4096).decode(errors="replace")
    except OSError:  # the other end is gone: the command has ended
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"{command!r} did not end: {shown}")


def test_before_the_first_deploy_there_is_nothing_to_run(host: Host) -> None:
    run = manage(host, "check")
    assert run.rc != 0
    assert "this host has no such site" in run.output


def test_a_command_runs_in_the_live_release_and_its_output_is_seen_without_secrets(host: Host) -> None:
    succeeded(host.play("site.yml"))
    release, user = live(host), host.sh("id -u ledger").strip()
    told = [
        "say",
        "two words",
        "$HOME",
        "a${HOME}$$",
        "%n\n",
        "--variable=API_TOKEN",
        "--variable=EXTRA_PASSWORD",
        "--read",
    ]
    extra = {"manage_env": {"EXTRA_PASSWORD": PASSWORD}, "manage_input": "typed"}
    run = succeeded(manage(host, told, "-vvv", **extra))
    assert f"words ['two words', '$HOME', 'a${{HOME}}$$', '%n\\\\n'] as {user} of {release}" in run.output
    assert "API_TOKEN is '********'" in run.output
    assert "EXTRA_PASSWORD is '********'" in run.output
    assert "read 'typed'" in run.output
    assert "said on stderr" in run.output
    assert PASSWORD not in run.output
    assert "manage-" not in host.sh("ls /run/switchyard/ledger")


def test_a_command_that_fails_fails_the_run_with_its_status(host: Host) -> None:
    run = manage(host, "say --status 3")
    assert run.rc != 0
    assert "manage.py say --status 3 ended with exit status 3. It said last:" in run.output


def test_what_can_not_be_run_is_refused_before_a_host_is_asked(host: Host) -> None:
    for variables, reason in (
        ({"command": "say 'x"}, "can't be split into words"),
        ({"command": "manage.py check"}, "begins with manage.py"),
        ({"command": "check", "manage_env": {"A B": "1"}}, "manage_env.A B"),
        (
            {"command": "check", "manage_host": "web9"},
            "manage_host 'web9' is no host of the site in this run, which has web1.",
        ),
    ):
        run = manage(host, **variables)
        assert run.rc != 0
        assert reason in run.output
        assert run.remote == []


def test_in_check_mode_nothing_runs(host: Host) -> None:
    run = succeeded(manage(host, f"say --into {SAID}", "--check"))
    assert f"would run manage.py say --into {SAID}" in run.output
    assert host.sh(f"ls {SAID} 2>/dev/null", check=False) == ""


def test_without_a_command_there_is_the_one_for_a_terminal(host: Host) -> None:
    run = succeeded(manage(host, None))
    assert f"ssh -t root@{host.address} {MANAGE} shell" in run.output


def test_a_superuser_is_made_in_a_terminal_and_without_one(host: Host) -> None:
    asked = (("Username", "ann\n"), ("Email", "ann@example.org\n"), ("Password:", f"{PASSWORD}\n"))
    status, shown = in_a_terminal(host, "createsuperuser", *asked, ("Password (again):", f"{PASSWORD}\n"))
    assert (status, "Superuser created successfully." in shown) == (0, True), shown
    assert PASSWORD not in shown
    command = "createsuperuser --no-input --username bob --email bob@example.org"
    run = succeeded(manage(host, command, "-vvv", manage_env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD}))
    assert "Superuser created successfully." in run.output
    assert PASSWORD not in run.output
    status, shown = in_a_terminal(
        host,
        "shell",
        (">>> ", "from django.contrib.auth.models import User\n"),
        (">>> ", f"print([u.check_password({PASSWORD!r}) for u in User.objects.all()], __import__('os').getuid())\n"),
        (">>> ", "exit()\n"),
    )
    assert status == 0, shown
    assert f"[True, True] {host.sh('id -u ledger').strip()}" in shown


def test_what_dbshell_lacks_is_named_and_with_it_dbshell_works(host: Host) -> None:
    run = manage(host, "dbshell")
    assert run.rc != 0
    assert "The host lacks sqlite3: apt install sqlite3" in run.output
    host.sh("apt-get -qq update; apt-get -qq install --no-install-recommends sqlite3")
    run = succeeded(manage(host, "dbshell", manage_input="SELECT count(*) || ' users' FROM auth_user;\n"))
    assert "2 users" in run.output
    status, shown = in_a_terminal(host, "dbshell", ("sqlite> ", "SELECT count(*) || ' users' FROM auth_user;\n.quit\n"))
    assert (status, "2 users" in shown) == (0, True), shown


def test_a_command_that_goes_on_keeps_its_release_and_no_deploy_waiting(host: Host, source: Path) -> None:
    first = live(host)
    host.sh(f"systemd-run --quiet {MANAGE} shell -c '__import__(\"time\").sleep(600)'")
    unit = f"switchyard-manage-{first}-*@ledger.service"
    until = time.monotonic() + DEADLINE
    while "active" not in host.sh(f"systemctl list-units --plain --no-legend '{unit}'"):
        assert time.monotonic() < until
        time.sleep(0.2)
    for name in ("second", "third"):
        version(source, name)
        succeeded(host.play("site.yml", release_keep=2, cutover_drain=1))
    releases = host.sh("ls /etc/switchyard/ledger/releases").split()
    assert first in releases
    assert len(releases) == 3
    host.sh(f"systemctl stop '{unit}'")
    succeeded(host.play("site.yml", release_keep=2, cutover_drain=1))
    assert first not in host.sh("ls /etc/switchyard/ledger/releases").split()


def test_a_release_from_before_says_so(host: Host) -> None:
    host.sh(f"mv $(readlink -f {MANAGE}) /root/manage")
    run = manage(host, "check")
    assert run.rc != 0
    assert "is older than the commands of manage.py" in run.output
    host.sh(f"mv /root/manage /etc/switchyard/ledger/releases/{live(host)}/manage")


# --- the site's own tasks --------------------------------------------------------------------------------------------

TASK_FILE = f"""\
- name: The place is noted
  ansible.builtin.lineinfile:
    path: {SAID}
    create: true
    mode: "0666"
    line: "{{{{ release_id }}}} file {{{{ release_folder }}}} after {{{{ release_previous }}}}"

- name: It fails where a test wants it to
  ansible.builtin.command: /bin/false
  changed_when: false
  when: fail_in_file | default(false)
"""


def own_tasks(**failing: str) -> dict[str, Any]:
    """A command at each point; at those that are named, with a status."""
    points = ("before_migrate", "after_migrate", "before_cutover", "after_cutover", "after_rollback")
    return {point: [{"manage": f"say {point} --into {SAID} {failing.get(point, '')}".strip()}] for point in points}


def said(host: Host) -> list[str]:
    """What the tasks have written since the last look."""
    return host.sh(f"cat {SAID} 2>/dev/null; rm -f {SAID}", check=False).splitlines()


def test_wrong_tasks_are_refused_before_a_host_is_asked(host: Host) -> None:
    for tasks, reason in (
        ({"before_lunch": []}, "release_tasks.before_lunch is no point"),
        ({"before_migrate": [{"mange": "x"}]}, "release_tasks.before_migrate 1 must have either manage"),
        ({"before_migrate": [{"tasks": "none.yml"}]}, "there is no such file in"),
    ):
        run = host.play("site.yml", release_tasks=tasks)
        assert run.rc != 0
        assert reason in run.output
        assert run.remote == []


def test_each_point_comes_in_its_order_and_only_where_something_is_deployed(host: Host, source: Path) -> None:
    (host.scratch / "note.yml").write_text(TASK_FILE)
    tasks = own_tasks()
    tasks["before_cutover"].append({"tasks": "note.yml", "once": False})
    before = live(host)
    version(source, "with tasks")
    run = succeeded(host.play("site.yml", "--check", release_tasks=tasks))
    assert "would run manage.py say after_cutover" in run.output
    assert said(host) == []
    succeeded(host.play("site.yml", release_tasks=tasks))
    now = live(host)
    assert now != before
    assert said(host) == [
        f"{now} before_migrate",
        f"{now} after_migrate",
        f"{now} before_cutover",
        f"{now} file /srv/ledger/releases/{now}/code after {before}",
        f"{now} after_cutover",
    ]
    assert succeeded(host.play("site.yml", release_tasks=tasks)).changed == []
    assert said(host) == []


@pytest.mark.parametrize("point", ["before_migrate", "after_migrate", "before_cutover"])
def test_a_task_that_fails_before_the_cutover_leaves_all_as_it_was(host: Host, source: Path, point: str) -> None:
    before, pid = (
        live(host),
        host.sh("systemctl show -P MainPID ledger@$(basename $(readlink -f /etc/switchyard/ledger/current)).service"),
    )
    version(source, f"{point} fails")
    run = host.play("site.yml", release_tasks=own_tasks(**{point: "--status 5"}))
    assert run.rc != 0
    assert f"release_tasks.{point} 1, manage.py say {point}" in run.output
    assert "ended with exit status 5" in run.output
    assert "Nothing that is live was touched." in run.output
    assert live(host) == before
    assert host.sh(f"systemctl show -P MainPID ledger@{before}.service") == pid
    assert said(host)[-1].endswith(point)


def test_a_task_file_that_fails_names_itself_and_its_task(host: Host) -> None:
    tasks = {"before_cutover": [{"tasks": "note.yml"}, {"manage": f"say never --into {SAID}"}]}
    run = host.play("site.yml", release_tasks=tasks, fail_in_file=True)
    assert run.rc != 0
    assert "release_tasks.before_cutover 1, note.yml failed at" in run.output
    assert "It fails where a test wants it to" in run.output
    assert len(said(host)) == 1


def test_a_task_that_fails_after_the_cutover_takes_the_traffic_back(host: Host, source: Path) -> None:
    before = live(host)
    version(source, "after_cutover fails")
    with host.under_load("/health/", DOMAIN) as failures:
        run = host.play("site.yml", release_tasks=own_tasks(after_cutover="--status 6"))
    assert run.rc != 0
    assert failures == []
    assert "release_tasks.after_cutover 1, manage.py say after_cutover" in run.output
    assert "web1 was taken back: " in run.output
    assert live(host) == before
    # It was no good for a reason outside of it: the next run tries again.
    succeeded(host.play("site.yml", release_tasks=own_tasks()))
    assert live(host) != before
    said(host)


def test_after_a_rollback_its_tasks_run_and_one_that_fails_leaves_it(host: Host) -> None:
    after = live(host)
    succeeded(host.play("rollback.yml", release_tasks=own_tasks()))
    now = live(host)
    assert now != after
    assert said(host) == [f"{now} after_rollback"]
    run = host.play("rollback.yml", rollback_to=after, release_tasks=own_tasks(after_rollback="--status 7"))
    assert run.rc != 0
    assert f"The rollback stands: {after} is live." in run.output
    assert live(host) == after
    assert not host.sh("ls /run/switchyard/ledger/lease.json 2>/dev/null", check=False)

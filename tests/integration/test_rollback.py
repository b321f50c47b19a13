# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back, by the user's word or the host's own, on one host. Each test goes on where the one before ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controller import ROOT, Host, Run

DOMAIN = "yard.example.org"
LIVE = re.compile(r"yard: ([0-9a-f]{12}) \([^)]*\) is live")
ETC = "/etc/switchyard/yard"


class Project:
    """A copy of the project, of which a test makes one version after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "tests/integration/projects/yard", folder, ignore=shutil.ignore_patterns("__pycache__"))

    def version(self, name: str) -> None:
        path = self.folder / "yard/version.py"
        path.write_text(re.sub(r'VERSION = ".*"', f'VERSION = "{name}"', path.read_text()))

    def migration(self, name: str, after: str, operation: str) -> None:
        (self.folder / f"cargo/migrations/{name}.py").write_text(
            "from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            f'    dependencies = [("cargo", "{after}")]\n'
            f"    operations = [{operation}]\n"
        )

    def without_migration(self, name: str) -> None:
        (self.folder / f"cargo/migrations/{name}.py").unlink()


ADD_COLUMN = 'migrations.AddField("crate", "weight", models.IntegerField(default=0))'
DROP_IN = "/run/systemd/system/nginx.service.d"
RELOAD_BY = f"mkdir -p {DROP_IN}; printf '[Service]\\nExecReload=\\nExecReload=%s\\n' {{}} > {DROP_IN}/reload.conf"
FAIL_TO_RELOAD, SAY_RELOADED = RELOAD_BY.format("/bin/false"), RELOAD_BY.format("/bin/true")
FORGET_RELOAD = f"rm -r {DROP_IN}"
NO_WAY_BACK = "migrations.RunPython(lambda apps, schema_editor: None)"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("source") / "yard")


@pytest.fixture(scope="module")
def host(project: Project) -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_rollback",
        variables={
            "site_name": "yard",
            "site_source": str(project.folder),
            "site_package": "yard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/echo/",
            "site_env": {"GREETING": "first"},
            "cutover_settle": 3,
            "cutover_drain": 6,
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


def succeeded(run: Run) -> str:
    """The release that is live after a run that must have worked."""
    assert run.rc == 0, run.output
    found = LIVE.search(run.output)
    assert found, run.output
    return found.group(1)


def refused(host: Host, run: Run, *reasons: str) -> None:
    """The run failed for these reasons."""
    assert run.rc != 0, run.output
    for reason in reasons:
        assert reason in run.output, run.output


def live(host: Host) -> str:
    return host.sh(f"basename $(readlink {ETC}/current)").strip()


def served(host: Host) -> dict:
    status, _headers, body = host.get("/health/", DOMAIN)
    assert status == 200, body
    return json.loads(body)


def greeting(host: Host) -> str:
    """The variable GREETING as the main process of the live instance has it."""
    pid = host.sh(f"systemctl show yard@{live(host)}.service -p MainPID --value").strip()
    return host.sh(f"tr '\\0' '\\n' < /proc/{pid}/environ | sed -n 's/^GREETING=//p'").strip()


def history(host: Host) -> list[dict]:
    return [json.loads(line) for line in host.sh(f"cat {ETC}/history.jsonl").splitlines()]


def eventually(true: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.3)
    return True


releases: dict[str, str] = {}


def test_the_first_rollback_has_nothing_to_go_back_to(host: Host, project: Project) -> None:
    project.version("r1")
    releases["r1"] = succeeded(host.play("site.yml", serve_mode="wsgi"))
    before = host.fingerprint()
    refused(host, host.play("rollback.yml"), "nothing to go back to", f"the latest first: {releases['r1']}")
    assert host.fingerprint() == before
    refused(host, host.play("rollback.yml", rollback_to="0123456789ab"), "rollback_to 0123456789ab is no release here")
    assert host.fingerprint() == before


def test_a_rollback_goes_further_back_and_never_forward_into_what_was_rejected(host: Host, project: Project) -> None:
    for name in ("r2", "r3", "r4"):
        project.version(name)
        releases[name] = succeeded(host.play("site.yml"))
    assert succeeded(host.play("rollback.yml", cutover_reason="the checkout is broken")) == releases["r3"]
    assert succeeded(host.play("rollback.yml")) == releases["r2"]
    assert served(host)["version"] == "r2"

    # Neither a file's time nor a scheduled run brings the bad one back.
    host.sh(
        f"touch {ETC}/releases/{releases['r1']}/* {ETC}/releases/{releases['r4']}/* {ETC}/releases/{releases['r4']}"
    )
    host.sh(f"find /srv/yard/releases/{releases['r1']} /srv/yard/releases/{releases['r4']} -type f -exec touch {{}} +")
    refused(host, host.play("site.yml"), "was rolled away from", "the checkout is broken", "release_retry=true")
    assert live(host) == releases["r2"]
    assert succeeded(host.play("rollback.yml")) == releases["r1"]
    refused(host, host.play("rollback.yml"), "None of the releases", "name one with -e rollback_to=")

    # Who names it means it.
    assert succeeded(host.play("rollback.yml", rollback_to=releases["r4"])) == releases["r4"]
    again = host.play("site.yml")
    assert succeeded(again) == releases["r4"]
    assert again.changed == []
    assert succeeded(host.play("rollback.yml")) == releases["r1"]


def test_the_history_says_who_moved_what_and_why(host: Host) -> None:
    (host.scratch / "info.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  become: true\n  tasks:\n"
        "    - switchyard.django.release_info: {site: yard}\n      register: found\n"
        "    - ansible.builtin.debug: {msg: 'INFO={{ found | to_json }}'}\n"
    )
    run = host.play(str(host.scratch / "info.yml"))
    assert run.rc == 0, run.output
    found = json.loads(json.loads(re.search(r'"msg": ("INFO=.*")', run.output).group(1)).removeprefix("INFO="))
    assert found["live"] == releases["r1"]
    assert {one["id"] for one in found["releases"]} == set(releases.values())
    assert {one["id"] for one in found["releases"] if one["rejected"]} == {
        releases[name] for name in ("r2", "r3", "r4")
    }
    assert len(found["history"]) == 10 - 1
    why = next(one for one in found["history"] if one["operation"] == "rollback")
    assert (why["from"], why["to"]) == (releases["r4"], releases["r3"])
    assert (why["result"], why["stack"], why["reason"]) == ("live", "wsgi", "the checkout is broken")
    assert "@" in why["by"]
    assert 0 < why["seconds"] < 60


def test_a_rollback_needs_neither_the_source_nor_the_environment_of_the_day(host: Host, project: Project) -> None:
    project.version("r5")
    proven = succeeded(host.play("site.yml", site_env={"GREETING": "proven"}))
    later = succeeded(host.play("site.yml", site_env={"GREETING": "later"}))
    assert (later != proven, greeting(host)) == (True, "later")
    away = project.folder.rename(project.folder.with_name("gone"))
    back = host.play("rollback.yml", site_env={"GREETING": "of today"}, site_source="/nowhere")
    away.rename(project.folder)
    assert succeeded(back) == proven
    assert greeting(host) == "proven"


def test_a_release_comes_back_with_secrets_that_were_rotated_since(host: Host, project: Project) -> None:
    old = live(host)
    project.version("r6")
    succeeded(host.play("site.yml", site_env={"GREETING": "rotated"}))
    leaked = json.loads(host.sh(f"cat {ETC}/releases/{old}/release.json"))["environment"]
    # Its instance has to end before its environment can go.
    assert eventually(lambda: f"yard@{old}" not in host.sh("systemctl list-units --plain --no-legend 'yard@*'"))
    named = host.play("playbooks/forget_environment.yml")
    refused(host, named, f"{leaked}: {old}", "live")
    in_force = json.loads(host.sh(f"cat {ETC}/current/release.json"))["environment"]
    refused(host, host.play("playbooks/forget_environment.yml", forget_environment=in_force), "in use by", "site_env")
    forgotten = host.play("playbooks/forget_environment.yml", forget_environment=leaked)
    assert forgotten.rc == 0, forgotten.output
    assert old in forgotten.output
    assert host.sh(f"ls {ETC}/env").count(leaked) == 0
    refused(host, host.play("rollback.yml", rollback_to=old), "was forgotten", "rollback_environment=current")
    back = succeeded(host.play("rollback.yml", rollback_to=old, rollback_environment="current"))
    assert (served(host)["version"], greeting(host)) == ("r5", "rotated")
    assert (served(host)["release"], live(host)) == (back, back)
    host.sh("test $(stat -c %h /srv/yard/releases/*/code/manage.py | sort -n | tail -1) -gt 1")


def test_a_switch_with_a_pending_migration_is_refused(host: Host, project: Project) -> None:
    project.version("r7")
    succeeded(host.play("site.yml"))
    project.version("r8")
    project.migration("0002_weight", "0001_initial", ADD_COLUMN)
    refused(
        host,
        host.play("site.yml", serve_mode="asgi"),
        "cargo.0002_weight",
        "release_migrations_with_switch",
    )
    assert served(host)["version"] == "r7"


def columns(host: Host) -> str:
    return host.sh(
        "python3 -c \"import sqlite3; print([row[1] for row in sqlite3.connect('/srv/yard/data/db.sqlite3')"
        ".execute('pragma table_info(cargo_crate)')])\""
    )


def test_a_rollback_past_a_migration_keeps_it_or_reverses_it(host: Host) -> None:
    before = live(host)
    after = succeeded(host.play("site.yml"))
    manifest = json.loads(host.sh(f"cat {ETC}/releases/{after}/release.json"))
    assert (manifest["migrations"]["before"]["cargo"], manifest["migrations"]["after"]["cargo"]) == (
        "0001_initial",
        "0002_weight",
    )
    assert "weight" in columns(host)
    kept = host.play("rollback.yml")
    assert succeeded(kept) == before
    assert "cargo.0002_weight" in kept.output
    assert "weight" in columns(host)
    assert succeeded(host.play("rollback.yml", rollback_to=after)) == after
    checked = host.play("rollback.yml", "--check", rollback_migrations="reverse")
    assert checked.rc == 0, checked.output
    assert "weight" in columns(host)
    assert succeeded(host.play("rollback.yml", rollback_migrations="reverse")) == before
    assert "weight" not in columns(host)
    assert served(host)["version"] == "r7"


def test_migrations_come_back_where_a_rollback_undid_them_for_nothing(host: Host) -> None:
    before = live(host)
    after = succeeded(host.play("site.yml", release_retry=True))
    assert "weight" in columns(host), "a release that was rolled back with its migrations applies them again"
    host.sh(f"{FAIL_TO_RELOAD}; systemctl daemon-reload")
    failed = host.play("rollback.yml", rollback_to=before, rollback_migrations="reverse")
    host.sh(f"{FORGET_RELOAD}; systemctl daemon-reload")
    refused(host, failed, "nginx can't be reloaded")
    assert live(host) == after
    assert "weight" in columns(host)
    assert served(host)["version"] == "r8"


def test_what_a_release_that_failed_its_gate_has_applied_is_undone_as_well(host: Host, project: Project) -> None:
    after = live(host)
    project.version("fails its gate")
    project.migration("0003_size", "0002_weight", ADD_COLUMN.replace("weight", "size"))
    failed = host.play("site.yml", site_health_path="/upload/", cutover_gate_deadline=3)
    refused(host, failed, "did not pass its gate", "Applied for it and still there: cargo.0003_size")
    assert "size" in columns(host)
    back = host.play("rollback.yml", rollback_migrations="reverse")
    succeeded(back)
    assert "in this order: cargo.0003_size, cargo.0002_weight" in back.output, back.output
    assert columns(host).split() == ["['id',", "'label']"]
    refused(host, host.play("rollback.yml", rollback_to=after), "needs migrations that a rollback has undone")
    project.without_migration("0003_size")
    project.version("r8")
    assert succeeded(host.play("site.yml", release_retry=True)) == after
    assert "weight" in columns(host)


def test_an_irreversible_migration_is_refused_before_anything_changes(host: Host, project: Project) -> None:
    project.version("r9")
    project.migration("0003_one_way", "0002_weight", NO_WAY_BACK)
    after = succeeded(host.play("site.yml"))
    assert eventually(lambda: "switchyard-guard" not in host.fingerprint())

    def untouched() -> list[str]:  # but for the database's own folder: it was asked
        return [line for line in host.fingerprint().splitlines() if not line.startswith("/srv/yard/data ")]

    before = untouched()
    run = host.play("rollback.yml", rollback_migrations="reverse")
    refused(host, run, "cargo.0003_one_way", "rollback_migrations=keep")
    assert untouched() == before
    assert live(host) == after


def test_what_fails_at_the_cutover_goes_back_and_says_why(host: Host, project: Project) -> None:
    project.version("r10")
    good = live(host)
    pid = host.sh(f"systemctl show yard@{good} -p MainPID --value")

    # Another site is broken: a deploy sees it before it begins, and nginx refuses the candidate of a rollback.
    host.sh("echo 'server { nonsense on; }' > /etc/nginx/conf.d/other.conf")
    with host.under_load("/health/", DOMAIN) as failures:
        for playbook in ("site.yml", "rollback.yml"):
            run = host.play(playbook)
            refused(host, run, "nginx refuses the configuration", "nonsense", "Nothing was changed.")
    host.sh("rm /etc/nginx/conf.d/other.conf")
    assert failures == []

    # nginx is told to reload, and doesn't: the new release never answers.
    host.sh(f"{SAY_RELOADED}; systemctl daemon-reload")
    with host.under_load("/health/", DOMAIN) as failures:
        run = host.play("site.yml")
    host.sh(f"{FORGET_RELOAD}; systemctl daemon-reload")
    refused(host, run, "does not answer through nginx", f"Restored: {good} serves as before.")
    assert failures == []
    assert (live(host), served(host)["version"]) == (good, "r9")
    assert host.sh(f"systemctl show yard@{good} -p MainPID --value") == pid
    assert [one["result"] for one in history(host) if one["phase"] == "outcome"][-2:] == ["failed", "failed"]


def test_the_host_goes_back_by_itself_from_an_instance_that_dies(host: Host, project: Project) -> None:
    good = live(host)
    dying = succeeded(host.play("site.yml", site_env={"GREETING": "short", "YARD_DIES_AFTER": "4"}, cutover_settle=8))
    assert dying != good
    assert eventually(lambda: live(host) == good)
    assert eventually(lambda: history(host)[-1]["phase"] == "outcome")
    back = history(host)[-1]
    assert (back["operation"], back["from"], back["to"], back["result"]) == ("return", dying, good, "live")
    assert served(host)["version"] == "r9"
    run = host.play("site.yml", site_env={"GREETING": "short", "YARD_DIES_AFTER": "4"})
    refused(host, run, "its instance died", "release_retry=true")


def test_retention_keeps_what_is_needed_and_nothing_else(host: Host, project: Project) -> None:
    host.sh(f"mkdir -p {ETC}/releases/badbadbadbad /srv/yard/releases/badbadbadbad/code /srv/yard/venvs/halfmade")
    project.version("r11")
    last = succeeded(host.play("site.yml", release_keep=2, site_env={"GREETING": "r11"}))
    assert eventually(lambda: len(host.sh(f"ls {ETC}/releases").split()) == 2, 20), host.sh(f"ls {ETC}/releases")
    stayed = host.sh(f"ls {ETC}/releases").split()
    assert last in stayed
    assert host.sh("ls /srv/yard/releases").split() == stayed
    manifests = [json.loads(host.sh(f"cat {ETC}/releases/{one}/release.json")) for one in stayed]
    assert set(host.sh("ls /srv/yard/venvs").split()) == {one["venv"] for one in manifests}
    assert set(host.sh(f"ls {ETC}/env").split()) == {f"{one['environment']}.env" for one in manifests}
    assert len(host.sh("ls /etc/systemd/system | grep yard@").split()) == 2
    again = host.play("site.yml", release_keep=2, site_env={"GREETING": "r11"})
    assert succeeded(again) == last
    assert again.changed == []
    assert succeeded(host.play("rollback.yml")) in stayed
    refused(host, host.play("site.yml", release_keep=1), "release_keep 1 must be a whole number, at least 2")


@pytest.mark.full
def test_a_rollback_is_quick(host: Host, say: Callable[[str], None]) -> None:
    """Beside a playbook of one ping, in the same run; the figures are printed, the machine's noise is not judged."""
    ping = host.scratch / "ping.yml"
    ping.write_text("- hosts: all\n  gather_facts: false\n  become: true\n  tasks:\n    - ansible.builtin.ping:\n")
    one, other = live(host), next(name for name in host.sh(f"ls {ETC}/releases").split() if name != live(host))
    pings, warm, cold, tasks = [], [], [], 0
    for _round in range(3):
        for kept in (warm, cold):
            one, other = other, one
            if kept is cold:
                host.sh(f"systemctl stop yard@{one}")
            pings.append(host.play(str(ping)).seconds)
            run = host.play("rollback.yml", rollback_to=one, cutover_drain=60, cutover_settle=60)
            assert succeeded(run) == one
            kept.append(run.seconds)
            tasks = len(run.remote)
    base = statistics.median(pings)
    say(
        f"rollback beside a ping of {base:.2f} s: warm {statistics.median(warm) / base:.2f} times, "
        f"cold {statistics.median(cold) / base:.2f} times, {tasks} remote tasks"
    )
    assert tasks == 1
    assert statistics.median(warm) / base < 5

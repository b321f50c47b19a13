# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says before and after, beside what is really there. Each test goes on where the one before ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller import ROOT, Host, Run

WEIGHT = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cargo", "0001_initial")]
    operations = [migrations.AddField("crate", "weight", models.IntegerField(default=0))]
"""

DATABASE = "sqlite3.connect('/srv/yard/data/db.sqlite3')"
COLUMNS = f"import sqlite3; print(list({DATABASE}.execute('PRAGMA table_info(cargo_crate)')))"


class Repository:
    """The project, with its history."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "tests/integration/projects/yard", folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.git("init", "--quiet", "-b", "main")
        self.commit("The yard")

    def git(self, *words: str) -> str:
        who = {f"GIT_{role}_{what}": "jo" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", *words]
        done = subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True, env={**os.environ, **who}
        )
        return done.stdout.strip()

    def commit(self, subject: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("source") / "yard")


@pytest.fixture(scope="module")
def host(repository: Repository) -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_summary",
        variables={
            "site_name": "yard",
            "site_source": f"file://{repository.folder}",
            "site_package": "yard",
            "site_domains": ["yard.example.org"],
            "cutover_settle": 3,
            "cutover_drain": 6,
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


def summary(run: Run) -> list[str]:
    """The lines of the only summary."""
    (shown,) = re.findall(r"How it ended\].*?(\"(?:msg|summary)\": \[.*?\n    \])", run.output, re.DOTALL)
    lines = json.loads("{" + shown[shown.index('"msg": [' if '"msg": [' in shown else '"summary": [') :] + "}")
    return list(next(iter(lines.values())))


def row(lines: list[str], label: str) -> str:
    """What a row says, with the lines on which it goes on."""
    begin = next(number for number, line in enumerate(lines) if line[:14].strip() == label)
    end = next((number for number in range(begin + 1, len(lines)) if lines[number][:14].strip()), len(lines))
    return " ".join(line[14:].strip() for line in lines[begin:end])


def live(host: Host) -> dict[str, str]:
    return dict(json.loads(host.sh("cat /etc/switchyard/yard/current/release.json")))


def told(manifest: dict[str, str]) -> str:
    return f"{manifest['id']} ({manifest['stack']} by {manifest['server']}, commit {manifest['commit'][:12]})"


def test_before_the_first_deploy(host: Host, repository: Repository) -> None:
    run = host.play("site.yml", "--check", "--diff")
    assert run.rc == 0, run.output
    lines = summary(run)
    commit = repository.git("rev-parse", "HEAD")[:12]
    assert lines[0] == f"yard: a first deploy, wsgi by gunicorn, commit {commit}"
    assert row(lines, "rollback") == "there would be no release to go back to"
    assert lines[-1] == "Nothing was changed: this was a check."


def test_after_the_first_deploy(host: Host) -> None:
    run = host.play("site.yml")
    assert run.rc == 0, run.output
    lines = summary(run)
    assert lines[0] == f"yard: {told(live(host))} is live"
    assert "cargo.0001_initial" in row(lines, "migrations")
    assert row(lines, "gate").startswith("/health/ answered 3 times in a row")
    total, *phases = (int(number) for number in re.findall(r"\d+", row(lines, "seconds")))
    assert 0 < sum(phases) <= total <= run.seconds + 1
    again = host.play("site.yml", "--check", "--diff")
    assert summary(again) == [f"yard: {told(live(host))} is live already; nothing would change"]


def test_before_the_next_version(host: Host, repository: Repository) -> None:
    before = live(host)
    (repository.folder / "cargo/migrations/0002_weight.py").write_text(WEIGHT)
    with (repository.folder / "requirements.txt").open("a") as requirements:
        requirements.write("idna==3.10\n")
    repository.commit("Crates have a weight")
    repository.commit("Step two")
    check = summary(host.play("site.yml", "--check", "--diff"))
    assert f"from {told(before)}" in " ".join(check[:2])
    subjects = repository.git("log", "--format=%h %s", "-2").splitlines()
    assert row(check, "commits").endswith(": " + " ".join(subjects))
    assert "1 new" in row(check, "migrations")
    assert "cargo.0002_weight: AddField crate.weight NOT NULL without db_default" in row(check, "migrations")
    assert row(check, "dependencies").startswith("idna 3.10 now asked for"), (
        "a server of the other stack has it already"
    )
    assert live(host) == before


def test_after_it_and_the_command_that_takes_it_back(host: Host) -> None:
    """It is pasted as it was printed."""
    before = live(host)
    run = host.play("site.yml")
    lines = summary(run)
    assert lines[0] == f"yard: {told(live(host))} is live"
    assert row(lines, "before") == told(before)
    assert row(lines, "migrations") == "cargo.0002_weight applied"
    assert "'weight'" in host.sh(f'python3 -c "{COLUMNS}"')
    command = next(line for line in lines if "ansible-playbook" in line)
    command = command[command.index("ansible-playbook") :]
    undone = subprocess.run(["sh", "-c", command], cwd=ROOT, check=False, capture_output=True, text=True)
    assert undone.returncode == 0, undone.stdout
    assert live(host) == before
    assert f"yard: {told(before)} is live" in undone.stdout
    assert "1 migration that it does not know stays applied: cargo.0002_weight" in undone.stdout


def test_a_failure_says_the_cause_first_and_what_serves(host: Host, repository: Repository) -> None:
    before = live(host)
    with (repository.folder / "yard/settings.py").open("a") as settings:
        settings.write("import nowhere\n")
    repository.commit("Settings that can't be loaded")
    run = host.play("site.yml")
    repository.git("revert", "--no-edit", "HEAD")
    assert run.rc != 0
    lines = summary(run)
    assert lines[0].startswith("yard: the deploy failed: ")
    assert "No module named 'nowhere'" in " ".join(lines[:3])
    assert row(lines, "live") == f"{told(before)}, as before"
    assert live(host) == before


@pytest.mark.full
def test_the_undo_tells_of_what_an_earlier_run_left_applied(host: Host, repository: Repository) -> None:
    before = live(host)
    colour = WEIGHT.replace("0001_initial", "0002_weight").replace('"weight"', '"colour"')
    (repository.folder / "cargo/migrations/0003_colour.py").write_text(colour)
    urls = repository.folder / "yard/urls.py"
    text = urls.read_text()
    urls.write_text(text.replace("    interface =", '    raise RuntimeError("It is broken")\n    interface =', 1))
    repository.commit("Crates have a colour, and the page is broken")
    run = host.play("site.yml")
    assert run.rc != 0
    assert "did not pass its gate; the traffic stays where it is." in run.output
    assert "Applied for it and still there: cargo.0003_colour." in run.output
    harm = "with that the release before can't add rows (for cargo.0002_weight and cargo.0003_colour)"
    said = f"cargo.0002_weight, cargo.0003_colour applied, and still there; {harm}"
    assert row(summary(run), "migrations") == said
    assert live(host) == before
    urls.write_text(text)
    repository.commit("The page is back")
    lines = summary(host.play("site.yml"))
    assert row(lines, "migrations") == "none to apply; cargo.0002_weight, cargo.0003_colour applied by a run before"
    assert row(lines, "undo").startswith("cargo.0002_weight, cargo.0003_colour stay applied, and the release before")


def test_an_environment_file_that_somebody_has_edited_is_written_again(host: Host) -> None:
    env = {"API_TOKEN": "as-it-should-be"}
    assert host.play("site.yml", site_env=env).rc == 0
    file = f"/etc/switchyard/yard/env/{live(host)['environment']}.env"
    host.sh(f"sed -i 's/as-it-should-be/by-hand/' {file}")
    check = host.play("site.yml", "--check", "--diff", site_env=env)
    assert row(summary(check), "would change") == "the environment file, which somebody has edited"
    status = host.play("playbooks/status.yml", site_env=env)
    assert re.search(r"environment: \S+\.env changed", status.output), status.output
    assert "~API_TOKEN, another value" in status.output
    assert "by-hand" not in status.output
    run = host.play("site.yml", site_env=env)
    assert run.rc == 0, run.output
    assert any("The environment is where systemd alone reads it" in one for one in run.changed), run.changed
    assert "API_TOKEN=as-it-should-be" in host.sh(f"cat {file}")
    assert host.play("site.yml", site_env=env).changed == []

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git repository with a submodule, locked by uv: what a team with a habit of pinning brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller import ROOT, Host

DOMAIN = "board.example.org"
PYPROJECT = """\
[project]
name = "liveboard"
version = "1"
requires-python = ">=3.11"
dependencies = ["django>=5.2,<5.3", "channels>=4,<5", "dj-database-url", "psycopg[binary]"]

[dependency-groups]
dev = ["ruff"]
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    one = Host(group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_source")
    one.down()
    one.up()
    yield one
    one.down()


def git(folder: Path, *arguments: str | Path) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository: v1 is a tag, main is one commit further."""
    folder = tmp_path_factory.mktemp("git")
    part, work = folder / "part", folder / "work"
    part.mkdir()
    git(part, "init", "-q", "-b", "main")
    (part / "__init__.py").write_text('NAME = "from the submodule"\n')
    git(part, "add", "-A")
    git(part, "commit", "-qm", "part")
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3*", "requirements.*")
    shutil.copytree(ROOT / "examples/liveboard", work, ignore=ignored)
    (work / "pyproject.toml").write_text(PYPROJECT)
    # Without its submodule the release can't start.
    with (work / "liveboard/settings.py").open("a") as settings:
        settings.write("\nimport part\n\nassert part.NAME\n")
    subprocess.run(["uv", "lock", "--quiet"], cwd=work, check=True)
    git(work, "init", "-q", "-b", "main")
    git(work, "submodule", "--quiet", "add", f"file://{part}", "part")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "one")
    git(work, "tag", "v1")
    (work / "manage.py").write_text((work / "manage.py").read_text() + "# two\n")
    git(work, "commit", "-qam", "two")
    git(folder, "clone", "-q", "--bare", work, "board.git")
    return folder / "board.git"


def test_a_tag_is_deployed_from_its_lock_by_uvicorn_alone(host: Host, repository: Path) -> None:
    run = host.play(
        "site.yml",
        env={"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"},
        site_name="pinned",
        site_source=f"file://{repository}",
        site_version="v1",
        site_package="liveboard",
        site_domains=[DOMAIN],
        site_websocket_path="/ws/board/",
        serve_mode="asgi",
        asgi_server="uvicorn",
    )
    assert run.rc == 0, run.output
    _status, _headers, body = host.get("/health/", DOMAIN)
    answer = json.loads(body)
    assert answer["interface"] == "ASGI"
    assert answer["commit"] == git(repository, "rev-parse", "v1")
    locked = {line.split("==")[0] for line in host.sh("grep == /srv/pinned/venvs/*/switchyard.lock").splitlines()}
    assert {"django", "channels", "uvicorn"} <= locked
    assert "ruff" not in locked, "what is for development stays out"
    assert "--hash=sha256:" in host.sh("cat /srv/pinned/venvs/*/switchyard.lock")

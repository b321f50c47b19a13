# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every ansible-core on every Python that it supports deploys, switches and rolls back on each Debian release."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller import ROOT, Host, Run
from pythons import SUPPORTED, controller

pytestmark = pytest.mark.full

RESULTS = ROOT / "tests/output/matrix"
DOMAIN = "board.example.org"
# What the unit tests of what runs on the controller import, in the versions of requirements-dev.txt.
NEEDED = ("pytest", "hypothesis", "django", "matplotlib")
VERSIONS = """
import json, platform
from importlib.metadata import version
print(json.dumps({"core": version("ansible-core"), "python": platform.python_version(), "jinja": version("jinja2")}))
"""


@pytest.fixture(
    scope="module",
    params=[(core, python) for core, pythons in SUPPORTED.items() for python in pythons],
    ids=lambda pair: f"core{pair[0]}-python{pair[1]}",
)
def ansible(request: pytest.FixtureRequest) -> Path:
    """The virtual environment of one controller."""
    pinned = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    needed = [line.partition(" ")[0] for line in pinned if line.partition("==")[0] in NEEDED]
    assert len(needed) == len(NEEDED)
    return controller(*request.param, *needed)


@pytest.fixture(params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    source = tmp_path / "liveboard"
    shutil.copytree(ROOT / "examples/liveboard", source, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_matrix",
        release=request.param,
        variables={
            "site_name": "liveboard",
            "site_source": str(source),
            "site_package": "liveboard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/board/",
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


def record(ansible: Path, name: str, **result: Any) -> None:
    """For docs/matrix.md, which matrix_table.py writes."""
    said = subprocess.run([ansible / "bin/python", "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    RESULTS.mkdir(parents=True, exist_ok=True)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    text = json.dumps({"controller": json.loads(said), "on": today, **result})
    (RESULTS / f"{ansible.name}-{name}.json").write_text(text, encoding="utf-8")


def test_what_runs_on_the_controller(ansible: Path) -> None:
    tests = [ROOT / "tests/unit/plugins/action", ROOT / "tests/unit/plugins/filter"]
    done = subprocess.run(
        [ansible / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]
    record(ansible, "unit", tests=int(passed[1]))


def test_a_site_is_deployed_switched_and_rolled_back(ansible: Path, host: Host) -> None:
    def play(playbook: str, **variables: Any) -> Run:
        path = f"{ansible / 'bin'}{os.pathsep}{os.environ['PATH']}"
        run = host.play(playbook, env={"PATH": path}, **variables)
        assert run.rc == 0, run.output
        assert "deprecat" not in run.output.lower(), run.output
        return run

    def interface() -> str:
        status, _headers, body = host.get("/health/", DOMAIN)
        assert status == 200, body
        return json.loads(body)["interface"]

    play("site.yml", serve_mode="wsgi")
    assert interface() == "WSGI"
    assert play("site.yml", serve_mode="wsgi").changed == []
    play("site.yml", serve_mode="asgi")
    assert interface() == "ASGI"
    play("rollback.yml")
    assert interface() == "WSGI"
    tools = "python3 -V; nginx -v 2>&1; systemctl --version | head -n 1"
    python, nginx, systemd = (re.findall(r"\d[\d.]*", line)[0] for line in host.sh(tools).splitlines())
    debian = host.sh("cat /etc/debian_version").strip()
    record(ansible, host.release, host={"debian": debian, "python": python, "nginx": nginx, "systemd": systemd})

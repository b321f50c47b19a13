# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""serve_mode=auto on a real host: the project chooses the stack, and changes it for no trifle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller import ROOT, Host

DOMAIN = "board.example.org"
PLAIN = """\
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveboard.settings")
application = get_asgi_application()
"""

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_advice",
        variables={
            "site_name": "auto",
            "site_source": str(ROOT / "examples/liveboard"),
            "site_package": "liveboard",
            "site_domains": [DOMAIN],
            "serve_mode": "auto",
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


@pytest.fixture(scope="module")
def without_websocket(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The project with nothing left that needs ASGI: its async view and its stream work under both."""
    folder = tmp_path_factory.mktemp("source") / "liveboard"
    shutil.copytree(ROOT / "examples/liveboard", folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    Path(folder / "liveboard/asgi.py").write_text(PLAIN)
    return str(folder)


def interface(host: Host) -> str:
    _status, _headers, body = host.get("/health/", DOMAIN)
    return str(json.loads(body)["interface"])


def test_the_first_deploy_takes_what_the_project_needs(host: Host) -> None:
    run = host.play("site.yml")
    assert run.rc == 0, run.output
    assert "serve_mode=auto: asgi" in run.output
    assert "liveboard/asgi.py:25  WebSocket routing (Channels)" in run.output
    assert interface(host) == "ASGI"


def test_the_same_again_changes_nothing(host: Host) -> None:
    run = host.play("site.yml")
    assert run.rc == 0, run.output
    assert run.changed == []


def test_what_is_live_stays_where_both_would_do(host: Host, without_websocket: str) -> None:
    run = host.play("site.yml", site_source=without_websocket)
    assert run.rc == 0, run.output
    assert "serve_mode=auto: asgi stays, which is live and does as well" in run.output
    assert interface(host) == "ASGI"


def test_it_stays_the_other_way_round_too(host: Host, without_websocket: str) -> None:
    assert host.play("site.yml", site_source=without_websocket, serve_mode="wsgi").rc == 0
    run = host.play("site.yml", site_source=without_websocket)
    assert run.rc == 0, run.output
    assert run.changed == []
    assert interface(host) == "WSGI"


def test_a_need_changes_the_stack(host: Host) -> None:
    run = host.play("site.yml")
    assert run.rc == 0, run.output
    assert "serve_mode=auto: asgi, in place of wsgi, which is live" in run.output
    assert interface(host) == "ASGI"

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/advise.yml as a user runs it: in a checkout, on no host but the controller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LIVEBOARD = ROOT / "examples/liveboard"


@pytest.fixture
def advise(tmp_path):
    def advise(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", str(ROOT / "playbooks/advise.yml"), *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
                "PWD": str(cwd),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return advise


def message(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of the advice."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    found, _end = json.JSONDecoder().raw_decode(done.stdout.split('"msg": ', 1)[1])
    return list(found)


def test_a_project_is_all_that_is_needed(advise) -> None:
    done = advise("-e", f"site_source={LIVEBOARD}")
    lines = message(done)
    assert lines[0] == "ASGI, because of its WebSockets"
    assert lines[1] == "  liveboard/asgi.py:25  WebSocket routing (Channels)"
    recap = done.stdout.index("PLAY RECAP")
    assert max(map(len, done.stdout[:recap].splitlines())) <= 100


def test_a_folder_is_meant_from_where_the_command_is_given(advise, tmp_path) -> None:
    target = tmp_path / "advice.json"
    done = advise("-e", "site_source=liveboard", "-e", "advise_json=advice.json", cwd=ROOT / "examples")
    written = ROOT / "examples/advice.json"
    try:
        assert done.returncode == 0, done.stdout
        written.rename(target)
    finally:
        written.unlink(missing_ok=True)
    found = json.loads(target.read_text(encoding="utf-8"))
    assert (found["stack"], found["firm"], found["package"]) == ("asgi", True, "liveboard")


def test_the_variables_of_the_site_are_taken_from_its_inventory(advise, tmp_path) -> None:
    inventory = {
        "all": {
            "hosts": {"web1.example.org": {}},
            "vars": {
                "site_source": str(ROOT / "tests/integration/projects/ledger"),
                "site_package": "ledger",
                "site_domains": ["ledger.example.org"],
            },
        }
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    lines = message(advise("-i", str(tmp_path / "hosts.yml"), "--check"))
    assert lines[0].startswith("WSGI: nothing here needs ASGI")
    assert "  site_package: ledger" in lines


def test_a_folder_in_the_inventory_is_meant_from_there(advise, tmp_path) -> None:
    (tmp_path / "shop/shop").mkdir(parents=True)
    (tmp_path / "shop/shop/settings.py").write_text("")
    (tmp_path / "shop/shop/wsgi.py").write_text("")
    (tmp_path / "inventory").mkdir()
    inventory = {"all": {"hosts": {"web1.example.org": {}}, "vars": {"site_source": "../shop"}}}
    (tmp_path / "inventory/hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    assert message(advise("-i", str(tmp_path / "inventory/hosts.yml")))[0].startswith("WSGI")


def test_where_no_file_is_the_inventory_a_folder_is_meant_from_where_the_command_is_given(advise) -> None:
    done = advise("-i", "web1.example.org,", "-e", "site_source=liveboard", cwd=ROOT / "examples")
    assert message(done)[0] == "ASGI, because of its WebSockets"


@pytest.mark.parametrize(("tls", "https"), [({}, False), ({"nginx_tls": "acme"}, True)])
def test_what_the_inventory_has_is_not_asked_for_and_https_only_where_it_is_served(
    advise, tmp_path, tls, https
) -> None:
    (tmp_path / "shop/shop").mkdir(parents=True)
    (tmp_path / "shop/shop/settings.py").write_text("INSTALLED_APPS = []\nDEBUG = True\nALLOWED_HOSTS = []\n")
    (tmp_path / "shop/shop/wsgi.py").write_text("")
    variables = {
        "site_source": str(tmp_path / "shop"),
        "site_domains": ["shop.example.org"],
        "site_env": {"API_KEY": "hunter2hunter2"},
        "site_settings_overrides": {"ALLOWED_HOSTS": ["shop.example.org"]},
        **tls,
    }
    inventory = {"all": {"hosts": {"web1.example.org": {}}, "vars": variables}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    done = advise("-i", str(tmp_path / "hosts.yml"))
    said = "\n".join(message(done))
    assert "ALLOWED_HOSTS is empty" not in said
    assert ("SECURE_PROXY_SSL_HEADER" in said) == https
    suggested = yaml.safe_load(said.partition("Variables for the site:\n")[2])["site_settings_overrides"]
    assert (suggested["ALLOWED_HOSTS"], suggested["DEBUG"]) == (["shop.example.org"], False)
    assert "hunter2" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Which project? Give -e site_source="),
        (["-e", "site_source=/nowhere"], "site_source '/nowhere'"),
        (["-e", f"site_source={LIVEBOARD}", "-e", "site_package=store"], "site_package 'store'"),
        (["-e", f"site_source={LIVEBOARD}", "-e", "site_settings=liveboard.no"], "settings there: liveboard.settings."),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(advise, arguments, words) -> None:
    done = advise(*arguments)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("/nowhere/a.json", "advise_json '/nowhere/a.json': the folder /nowhere does not exist. Name a file"),
        ("docs", f"advise_json 'docs': {ROOT}/docs is a folder. Name a file"),
        ("galaxy.yml/a.json", f"advise_json 'galaxy.yml/a.json': {ROOT}/galaxy.yml is no folder. Name a file"),
        ("/proc/1/a.json", "advise_json '/proc/1/a.json': the folder /proc/1 can not be written to. Name a file"),
    ],
)
def test_where_no_json_can_be_written_is_said(advise, given, words) -> None:
    done = advise("-e", f"site_source={LIVEBOARD}", "-e", f"advise_json={given}")
    assert done.returncode != 0
    assert words in done.stdout + done.stderr

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input ends a run before the host is changed, with one message that names the variable and the way out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller import ROOT, Host

GOOD: dict[str, Any] = {
    "site_name": "liveboard",
    "site_source": str(ROOT / "examples/liveboard"),
    "site_package": "liveboard",
    "site_domains": ["board.example.org"],
}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    one = Host(group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_input", variables=GOOD)
    one.down()
    one.up()
    one.sh("useradd --system taken; mkdir -p /srv/occupied/files")
    yield one
    one.down()


@pytest.fixture(scope="module")
def untouched(host: Host) -> str:
    """The host before the first run."""
    return host.fingerprint()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("git")
    work = folder / "work"
    shutil.copytree(ROOT / "examples/liveboard", work, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    commands = [
        ["git", "init", "-q", "-b", "main", work],
        ["git", "-C", work, "add", "-A"],
        ["git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "first"],
        ["git", "clone", "-q", "--bare", work, folder / "board.git"],
    ]
    for command in commands:
        subprocess.run(command, check=True)
    return f"file://{folder}/board.git"


def without(name: str, tmp_path: Path) -> str:
    """The example without one of its files."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "examples/liveboard", folder, ignore=shutil.ignore_patterns("__pycache__", name))
    return str(folder)


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "serve_mode": ({"serve_mode": "agsi"}, ["serve_mode 'agsi'", "serve_mode=asgi"]),
    "name with a space": ({"site_name": "live board"}, ["site_name 'live board'", "a-z, 0-9 and -"]),
    "name with a quote": ({"site_name": 'live"board'}, ["site_name", "a-z, 0-9 and -"]),
    "name with a semicolon": ({"site_name": "liveboard;reboot"}, ["site_name", "a-z, 0-9 and -"]),
    "name with a newline": ({"site_name": "liveboard\n"}, ["site_name", "a-z, 0-9 and -"]),
    "name of the system": ({"site_name": "root"}, ["site_name 'root'", "belongs to the system"]),
    "name of a user": ({"site_name": "taken"}, ["site_name taken", "a user taken", "Choose another"]),
    "name of a folder": ({"site_name": "occupied"}, ["site_name occupied", "/srv/occupied", "Choose another"]),
    "domain with a space": (
        {"site_domains": ["a b.example.org"]},
        ["site_domains", "'a b.example.org'", "shop.example.org"],
    ),
    "domain with a quote": ({"site_domains": ['a".example.org']}, ["site_domains", "shop.example.org"]),
    "domain with a semicolon": ({"site_domains": ["a.example.org; root /etc"]}, ["site_domains", "shop.example.org"]),
    "domain with a newline": ({"site_domains": ["a.example.org\nb"]}, ["site_domains", "shop.example.org"]),
    "no domain": ({"site_domains": []}, ["site_domains is empty", "shop.example.org"]),
    "source that is nowhere": ({"site_source": "/no/such/folder"}, ["site_source '/no/such/folder'", "git URL"]),
    "git URL that is nowhere": (
        {"site_source": "file:///no/such.git"},
        ["site_source file:///no/such.git can't be read", "Check the URL"],
    ),
    "no requirements": (
        {"site_requirements": "nothing.txt"},
        ["site_requirements 'nothing.txt'", "not in site_source"],
    ),
    "DEBUG on": ({"site_env": {"DEBUG": "true"}}, ["site_env.DEBUG", "DEBUG"]),
    "weak secret": ({"site_env": {"SECRET_KEY": "changeme"}}, ["site_env.SECRET_KEY"]),
    "hosts that miss the domain": (
        {"site_env": {"ALLOWED_HOSTS": "other.example.org"}},
        ["site_env.ALLOWED_HOSTS", "board.example.org"],
    ),
    "server of the other stack": (
        {"serve_mode": "asgi", "asgi_server": "uwsgi"},
        ["asgi_server uwsgi", "wsgi_server", "serve_mode=wsgi"],
    ),
    "request time of nothing": ({"site_request_timeout": 0}, ["site_request_timeout 0", "from 1 to 1800"]),
    "nginx that gives up first": (
        {"site_request_timeout": 60, "nginx_read_timeout": 30},
        ["nginx_read_timeout 30", "site_request_timeout 60", "Take nginx_read_timeout out"],
    ),
    "a stop that cuts off": (
        {"site_request_timeout": 90, "site_graceful_timeout": 20},
        ["site_graceful_timeout 20", "site_request_timeout 90"],
    ),
    "a drain that daphne can't use": (
        {"serve_mode": "asgi", "asgi_server": "daphne", "cutover_drain": 20, "site_request_timeout": 30},
        ["cutover_drain 20", "site_request_timeout 30", "daphne"],
    ),
    "public bind": (
        {"site_bind": "8.8.8.8:8000", "nginx_trusted_proxies": ["10.0.0.2"]},
        ["site_bind 8.8.8.8:8000 is no address of a private network", "10.0.0.5:8000"],
    ),
    "bind of every address": (
        {"site_bind": "0.0.0.0:8000", "nginx_trusted_proxies": ["10.0.0.2"]},
        ["site_bind 0.0.0.0:8000", "public ones too"],
    ),
    "bind for nobody": (
        {"site_bind": "10.0.0.5:8000"},
        ["site_bind 10.0.0.5:8000", "nginx_trusted_proxies: [10.0.0.2]"],
    ),
    "bind with a semicolon": (
        {"site_bind": "10.0.0.5:80; root /", "nginx_trusted_proxies": ["10.0.0.2"]},
        ["site_bind 10.0.0.5:80; root /", "10.0.0.5:8000"],
    ),
    "certificate that is not there": (
        {
            "nginx_tls": "provided",
            "nginx_tls_certificate": "/etc/ssl/certs/shop.pem",
            "nginx_tls_key": "/etc/ssl/private/shop.key",
        },
        ["nginx_tls_certificate /etc/ssl/certs/shop.pem", "No such file", "Copy the file to this host"],
    ),
    "proxy that is none": ({"nginx_trusted_proxies": ["front"]}, ["nginx_trusted_proxies", "'front'", "10.0.0.0/24"]),
    "no worker": ({"wsgi_workers": 0}, ["wsgi_workers 0", "or auto"]),
    "two processes of daphne": (
        {"asgi_server": "daphne", "asgi_workers": 2},
        ["asgi_workers 2", "can have: 1", "choose another server"],
    ),
    "recycling that is not there": (
        {"wsgi_server": "granian", "wsgi_max_requests": 1000},
        ["wsgi_max_requests 1000", "granian", "Set it to 0"],
    ),
    "worker class": ({"wsgi_worker_class": "gevent"}, ["wsgi_worker_class", "gthread"]),
    "memory": ({"systemd_memory_max": "lots"}, ["systemd_memory_max lots", "768M"]),
    "a line for the unit": (
        {"systemd_writable_paths": ["/srv/exports\nUser=root"]},
        ["systemd_writable_paths", "can't stand in a unit", "/srv/exports"],
    ),
    "stall": ({"asgi_stall_threshold": "soon"}, ["asgi_stall_threshold soon must be a number of seconds"]),
    "package that is not there": ({"site_package": "shop"}, ["site_package 'shop'", "no folder"]),
    "health path": ({"site_health_path": "health check"}, ["site_health_path 'health check'", "/health/"]),
    "secret in an override": (
        {"site_settings_overrides": {"EMAIL_HOST_PASSWORD": "hunter2hunter2"}},
        ["site_settings_overrides", "EMAIL_HOST_PASSWORD", "site_env"],
    ),
}


# What the unit tests of the judgement show as well, as the others of its kind.
ALIKE = {
    "name with a space",
    "name with a quote",
    "domain with a space",
    "domain with a quote",
    "request time of nothing",
    "a stop that cuts off",
    "bind of every address",
    "bind for nobody",
    "bind with a semicolon",
    "proxy that is none",
    "no worker",
    "recycling that is not there",
    "worker class",
    "memory",
    "stall",
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.full) if case in ALIKE else case for case in CASES]
)
def test_bad_input(case: str, host: Host, untouched: str) -> None:
    variables, words = CASES[case]
    refused(host, untouched, words, **variables)


def test_a_ref_that_is_nowhere(host: Host, untouched: str, repository: str) -> None:
    refused(
        host,
        untouched,
        ["site_version 'v9'", "no branch, tag or commit", "main"],
        site_source=repository,
        site_version="v9",
    )


def test_a_ref_of_a_folder(host: Host, untouched: str) -> None:
    refused(host, untouched, ["site_version 'main'", "is a folder", "file://"], site_version="main")


def test_no_entry_point(host: Host, untouched: str, tmp_path: Path) -> None:
    words = [
        "liveboard/asgi.py",
        "get_asgi_application",
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveboard.settings")',
    ]
    refused(host, untouched, words, site_source=without("asgi.py", tmp_path), serve_mode="asgi")


def test_no_requirements_at_all(host: Host, untouched: str, tmp_path: Path) -> None:
    refused(
        host,
        untouched,
        ["requirements.txt", "uv.lock", "site_requirements"],
        site_source=without("requirements.*", tmp_path),
    )


def test_what_is_required_and_mistyped(host: Host, untouched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("site_package", "site_domains"):
        monkeypatch.delitem(GOOD, name)
    words = [
        "site_package is not set. ",
        "for example site_package: shop. site_pakage is set: is that meant?",
        "site_domains is not set. ",
    ]
    refused(host, untouched, words, site_pakage="liveboard")


def test_what_nothing_reads_is_warned_of_once(host: Host) -> None:
    run = host.play("playbooks/status.yml", site_helth_path="/", asgi_sever="uvicorn", site_motto="own")
    assert run.output.count("site_helth_path is no variable of switchyard.django") == 1, run.output
    assert run.output.count("[WARNING]") == 2, run.output


@pytest.mark.parametrize("inventory", sorted(ROOT.glob("examples/*/hosts.yml")), ids=lambda path: path.parent.name)
def test_the_examples_have_no_variable_that_nothing_reads(host: Host, inventory: Path) -> None:
    run = host.play(
        "site.yml", "-i", str(inventory), "-e", "site_group=all", "--limit", "!web1", site_source="/no/such"
    )
    assert "site_source '/no/such'" in run.output
    assert "[WARNING]" not in run.output


def test_a_value_that_ansible_cuts_off(host: Host) -> None:
    run = host.play("playbooks/manage.yml", "-e", "manage_command=migrate goods zero")
    assert run.rc != 0, run.output
    assert "-e manage_command=… is cut off at a space" in run.output
    assert run.remote == []


@pytest.mark.parametrize(("playbook", "noun"), [("site.yml", "deploy"), ("rollback.yml", "rollback")])
def test_the_only_host_can_not_be_reached(host: Host, playbook: str, noun: str) -> None:
    run = host.play(playbook, ansible_port=9)
    assert run.rc != 0
    summary = run.output.partition('"summary": [')[2]
    assert f"liveboard: the {noun} failed: web1 can't be reached: ssh: connect to host" in summary, run.output
    assert re.search(rf"Try it by hand: ssh -p 9 -i \S+ root@{host.address}\n", run.output), run.output
    assert "UNREACHABLE" not in run.output


def refused(host: Host, untouched: str, words: list[str], **variables: Any) -> None:
    run = host.play("site.yml", **variables)
    assert run.rc != 0, run.output
    for word in words:
        assert word in run.output, run.output
    assert "Traceback" not in run.output
    assert "hunter2" not in run.output
    assert run.changed == []
    assert host.fingerprint() == untouched

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the options: nginx takes what the role makes of them, and an analyser finds nothing in it.

Every pair of values of two options is in one of the cases.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from allpairspy import AllPairs
from ansible_collections.switchyard.django.plugins.module_utils import edge_variables, release
from controller import ROOT, Host

DEFAULTS = yaml.safe_load((ROOT / "roles/nginx/defaults/main.yml").read_text(encoding="utf-8"))
OPTIONS: dict[str, list[Any]] = {
    "nginx_tls": ["none", "self_signed", "provided", "acme"],
    "nginx_https_redirect": [True, False],
    "nginx_hsts": [0, 31536000],
    "nginx_http3": [False, True],
    "nginx_trusted_proxies": [[], ["10.0.0.2", "fd00::/64"]],
    "site_bind": ["", "10.0.0.5:8000"],
    "site_domains": [["shop.example.org"], ["shop.example.org", "www.shop.example.org"]],
    "nginx_port": [80, 8080],
    "nginx_tls_port": [443, 8443],
    "nginx_limit_requests": [0, 10],
    "nginx_limit_requests_burst": [20, 0],
    "nginx_limit_connections": [0, 10],
    "nginx_maintenance": [False, True],
    "nginx_protected_media": [[], ["invoices", "private/scans/"]],
    "websockets": [True, False],
    "ipv6": [True, False],
}
VERSIONS = {"bookworm": "1.22.1", "trixie": "1.26.3"}
RELEASE = "0123456789ab"
# What a host fills in when it makes a release.
FILLED = {
    "RELEASE": RELEASE,
    "UPSTREAM": f"unix:/run/shop-1/{RELEASE}/app.sock",
    "STATIC_URL": "/static/",
    "MEDIA_URL": "/media/",
}
# nginx.conf is Debian's, and no business of ours.
MAIN = """\
user www-data;
worker_processes auto;
worker_rlimit_nofile 2048;
include /etc/nginx/modules-enabled/*.conf;
events {
    worker_connections 768;
}
http {
    include /etc/nginx/sites-enabled/*.conf;
}
"""

CERTIFICATES = """
echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind
rm /etc/nginx/sites-enabled/default
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=shop -days 9 \\
    -keyout /etc/ssl/private/shop.key -out /etc/ssl/certs/shop.pem 2>&1
"""
CLEAR = "rm -rf /etc/switchyard/shop-1/current /etc/switchyard/shop-1/edge* /etc/nginx/sites-enabled/*"


def is_sound(row: list[Any]) -> bool:
    """Whether the values so far can stand together, by the judgement that a run starts with."""
    given = dict(zip(OPTIONS, row, strict=False))
    if given.get("nginx_tls") == "provided":
        given |= {"nginx_tls_certificate": "/etc/ssl/certs/shop.pem", "nginx_tls_key": "/etc/ssl/private/shop.key"}
    # What has no value yet is not held against those that have one.
    open_yet = {} if "nginx_trusted_proxies" in given else {"nginx_trusted_proxies": ["10.0.0.2"]}
    one = {**DEFAULTS, "site_bind": "", "site_domains": ["shop.example.org"], **open_yet, **given}
    return not edge_variables.problems({**one, "nginx_acme_directory": "https://acme.example.org/directory"})


def cases(version: str) -> list[dict[str, Any]]:
    rows = AllPairs(list(OPTIONS.values()), filter_func=is_sound)
    return [
        {"name": f"case-{number:02}", "nginx": version, **dict(zip(OPTIONS, row, strict=True))}
        for number, row in enumerate(rows)
    ]


def render(release_name: str, folder: Path) -> dict[str, dict[str, str]]:
    """nginx's files of each case, by its name, as they would lie on a host."""
    wanted = cases(VERSIONS[release_name])
    variables = folder / "variables.json"
    variables.write_text(json.dumps({"edge_cases": wanted, "edge_folder": str(folder)}))
    command = ["ansible-playbook", ROOT / "tests/integration/edge_options/render.yml", "-e", f"@{variables}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return {case["name"]: files_of(json.loads((folder / f"{case['name']}.json").read_text())) for case in wanted}


def files_of(rendered: dict[str, Any]) -> dict[str, str]:
    files = {one["path"]: one["content"] for one in rendered["edge"]}
    for one in rendered["release"]:
        files[f"/etc/switchyard/shop-1/current/{one['path']}"] = release.fill(one["content"], FILLED)
    return {path: text for path, text in files.items() if path.endswith(".conf")}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.full) if name == "trixie" else name for name in VERSIONS],
)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host with nginx and a certificate, and no site."""
    one = Host(group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_options", release=request.param)
    one.down()
    one.up()
    one.sh(CERTIFICATES)
    yield one
    one.down()


def test_nginx_takes_it(host: Host, tmp_path: Path) -> None:
    version = host.sh("nginx -v 2>&1").partition("nginx/")[2].strip()
    assert version == VERSIONS[host.release], "the cases are rendered for another nginx"
    for name, files in render(host.release, tmp_path).items():
        said = host.sh(f"echo {packed(files)} | base64 -d | tar -xzf - -C / && nginx -t 2>&1; {CLEAR}", check=False)
        assert "test is successful" in said, f"{name}: {said}"
        assert "[warn]" not in said, f"{name}: {said}"


def packed(files: dict[str, str]) -> str:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return base64.b64encode(archive.getvalue()).decode()


@pytest.mark.parametrize(
    "release_name", [pytest.param(name, marks=pytest.mark.full) if name == "trixie" else name for name in VERSIONS]
)
def test_an_analyser_finds_nothing(release_name: str, tmp_path: Path) -> None:
    rendered = render(release_name, tmp_path)
    assert len(rendered) >= 8
    print(f"{release_name}: {len(rendered)} cases")
    findings = {name: found for name, files in rendered.items() if (found := analyse(files, tmp_path / f"{name}.conf"))}
    assert findings == {}


def analyse(files: dict[str, str], dump: Path) -> list[str]:
    """What gixy has to say, in the form in which nginx -T prints a configuration."""
    whole = {"/etc/nginx/nginx.conf": MAIN, **files}
    dump.write_text("".join(f"# configuration file {path}:\n{text}\n" for path, text in whole.items()))
    done = subprocess.run(["gixy", "--format=json", dump], capture_output=True, text=True, check=False)
    return [f"{one['plugin']}: {one['summary']} {one.get('config', '')}" for one in json.loads(done.stdout)]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sized, bounded, and told the truth: what of that only a real host shows."""

from __future__ import annotations

import concurrent.futures
import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trial_site as trial
from controller import ROOT, Host

FRONT = """\
map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
server {{
    listen 80 default_server;
    location / {{
        proxy_pass http://{bind};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
    }}
}}
"""
MEGABYTES = 1024 * 1024


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    one = trial.host_of("serving", trial.make(tmp_path_factory.mktemp("source")), cutover_drain=60, cutover_settle=1)
    one.down()
    one.up()
    yield one
    one.down()


@pytest.fixture(scope="module")
def front(host: Host) -> Iterator[Host]:
    """Another machine of the same network."""
    one = Host(group=host.group, name="front")
    one.up()
    yield one


GUNICORN = trial.Server("wsgi", "gunicorn")


def limit_memory(host: Host, limit: int) -> None:
    """As a container is limited, by its cgroup of either version."""
    host.sh(
        "for file in memory.max memory/memory.limit_in_bytes; do "
        f"[ ! -e /sys/fs/cgroup/$file ] || echo {limit} > /sys/fs/cgroup/$file; done"
    )


def test_a_small_host_refuses_more_workers_than_it_carries_with_the_sum(host: Host) -> None:
    before = host.fingerprint()
    limit_memory(host, 512 * MEGABYTES)
    try:
        refused = host.play("site.yml", serve_mode="wsgi", wsgi_workers=8)
        by_itself = host.play("site.yml", "--check", serve_mode="wsgi")
    finally:
        limit_memory(host, -1)
    assert refused.rc != 0
    assert refused.changed == []
    assert host.fingerprint() == before
    said = " ".join(refused.output.replace("\\n", " ").split())
    for part in (
        "8 workers do not fit into the memory of this host, 512 MiB",
        "1024 MiB the same once more",
        "2176 MiB in all",
    ):
        assert part in said, refused.output
    assert "1 worker would fit: set wsgi_workers: 1" in said
    assert by_itself.rc == 0, by_itself.output


@pytest.mark.full
def test_a_folder_that_is_not_there_is_refused(host: Host) -> None:
    run = host.play("site.yml", systemd_writable_paths=["/srv/exports"])
    assert run.rc != 0
    assert "web1 lacks what the sandbox is loosened by: systemd_writable_paths: no folder /srv/exports" in run.output
    assert run.changed == []


def test_what_is_asked_for_is_what_runs(host: Host) -> None:
    host.sh("mkdir /srv/exports")
    trial.deploy(
        host,
        GUNICORN,
        wsgi_workers=3,
        wsgi_threads=2,
        systemd_memory_max="768M",
        systemd_writable_paths=["/srv/exports"],
    )
    command = host.sh(f"systemctl show -p ExecStart --value {trial.unit(host)}")
    assert "--workers=3 --threads=2" in command
    assert "--timeout=65 --graceful-timeout=60" in command
    shown = host.sh(f"systemctl show -p MemoryMax -p ReadWritePaths -p TimeoutStopUSec {trial.unit(host)}")
    assert f"MemoryMax={768 * MEGABYTES}" in shown
    assert "/srv/exports" in shown
    assert "TimeoutStopUSec=1min 5s" in shown


@pytest.mark.full
@pytest.mark.parametrize(
    ("server", "recycling"),
    [
        (GUNICORN, {"wsgi_max_requests": 40}),
        (trial.Server("asgi", "uvicorn"), {"asgi_max_requests": 40, "asgi_workers": 2}),
    ],
    ids=str,
)
def test_workers_that_are_replaced_lose_no_request(host: Host, server: trial.Server, recycling: dict[str, int]) -> None:
    trial.deploy(host, server, **recycling)
    seen = set()
    with host.under_load("/health/", trial.DOMAIN) as failures:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            seen.add(trial.visit(host)["pid"])
            time.sleep(0.05)
    assert failures == []
    assert len(seen) > 4, "no worker was replaced"


def test_a_loop_that_stands_still_is_reported_with_the_line(host: Host) -> None:
    trial.deploy(host, trial.Server("asgi", "gunicorn_uvicorn"), asgi_stall_threshold=0.25)
    answer = trial.ask(host, "/stall/")
    answer.read()
    assert answer.status == 200
    time.sleep(1)
    journal = host.sh(f"journalctl -o cat -u {trial.unit(host)}")
    found = re.findall(r"stalled for 0\.[0-9]+ s at (\S+) in stall: (.*)", journal)
    line = next(
        number
        for number, text in enumerate(
            (Path(__file__).parent / "projects/trial/trial.py").read_text().splitlines(), start=1
        )
        if "time.sleep(0.6)" in text
    )
    assert found, journal
    assert found[0][0] == f"liveboard/trial.py:{line}"
    assert "time.sleep(0.6)" in found[0][1]


@pytest.mark.full
def test_more_connections_for_nginx_are_one_line_of_its_configuration(host: Host) -> None:
    before = host.sh("cat /etc/nginx/nginx.conf")
    more = {"nginx_worker_connections": 2048, "serve_mode": "asgi"}
    assert host.play("site.yml", **more).rc == 0
    after = host.sh("cat /etc/nginx/nginx.conf")
    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        "worker_rlimit_nofile 4096;",
        "\tworker_connections 2048;",
    ]
    again = host.play("site.yml", **more)
    assert (again.rc, again.changed) == (0, [])


@pytest.mark.full
def test_nginx_on_another_machine(host: Host, front: Host) -> None:
    """It reaches the site at a private address, is believed, and nobody else is."""
    bind = f"{host.address}:8000"
    trial.deploy_anywhere(host, trial.Server("asgi", "uvicorn"), site_bind=bind, nginx_trusted_proxies=[front.address])
    front.sh(
        f"cat > /etc/nginx/sites-enabled/default <<'E'\n{FRONT.format(bind=bind)}\nE\n"
        "nginx -t -q && systemctl reload nginx"
    )
    time.sleep(1)
    through = trial.visit(front, **trial.FORGED)
    assert through["secure"] is True
    assert through["client"] == trial.gateway(host)
    assert (through["host"], through["port"]) == (trial.DOMAIN, "443")
    assert trial.websocket(front, trial.Server("asgi", "uvicorn")) == "yes"
    past = trial.ask(host, "/visit/", trial.FORGED, port=8000)
    assert b'"secure": false' in past.read()
    # Nobody has the name there: who is asked is the default server, ours or the distribution's.
    with contextlib.suppress(ConnectionResetError):
        assert trial.ask(host, "/visit/").status == 404
    beside = host.play("site.yml", site_name="other", site_domains=["other.example.org"])
    assert beside.rc == 0, beside.output
    again = host.play(
        "site.yml", serve_mode="asgi", asgi_server="uvicorn", site_bind=bind, nginx_trusted_proxies=[front.address]
    )
    assert (again.rc, again.changed) == (0, [])


@pytest.mark.full
@pytest.mark.parametrize("seconds", [60])
def test_a_database_that_is_away_for_a_minute(host: Host, seconds: int) -> None:
    """The instance is tried again and again, neither without a pause nor never again."""
    trial.deploy(host, GUNICORN)
    unit = trial.unit(host)
    host.sh(f"touch /srv/board/data/away; systemctl kill --signal=KILL {unit}")
    time.sleep(seconds)
    tried = int(host.sh(f"systemctl show -p NRestarts --value {unit}"))
    host.sh("rm /srv/board/data/away")
    until = time.monotonic() + 30
    while host.sh(f"systemctl is-active {unit}", check=False).strip() != "active":
        assert time.monotonic() < until, "it has given up"
        time.sleep(0.5)
    assert trial.visit(host)["interface"] == "WSGI"
    assert 5 <= tried <= seconds / 2


@pytest.mark.full
def test_the_eleventh_server_is_the_file_that_the_documentation_shows(host: Host, tmp_path: Path) -> None:
    """In a copy of the collection, and nothing else of it is changed."""
    checkout = tmp_path / "switchyard"
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "output", ".*_cache"))
    page = (ROOT / "docs/servers.md").read_text(encoding="utf-8")
    (name, text), *others = re.findall(r"`roles/wsgi/vars/(\w+)\.yml`:\n\n```yaml\n(.*?)```", page, re.DOTALL)
    assert not others
    (checkout / f"roles/wsgi/vars/{name}.yml").write_text(text, encoding="utf-8")
    environment = {"ANSIBLE_CONFIG": str(checkout / "ansible.cfg")}
    run = host.play("site.yml", cwd=checkout, env=environment, serve_mode="wsgi", wsgi_server=name)
    assert run.rc == 0, run.output
    server = trial.Server("wsgi", name)
    trial.page(host, server)
    trial.stream(host, server)
    trial.truth(host, trial.gateway(host))
    assert trial.exposure(host) <= 1.5


@pytest.mark.full
def test_a_thousand_short_visits_at_once_find_a_place(host: Host) -> None:
    """The queue of a server's socket takes what a moment brings."""
    trial.deploy(host, GUNICORN)
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        assert set(pool.map(lambda _: trial.status_of(host, 0.01), range(1000))) == {200}

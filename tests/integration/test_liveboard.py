# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one site on one bare host, from the first deploy on. Each test goes on where the one before ended."""

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

DOMAIN = "board.example.org"
CANARY = "canary-4f1c9a7e2b-must-never-be-seen"
EVERY_START_ANOTHER = "INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|NOTIFY_SOCKET"
RELEASE_OF = re.compile(r"liveboard: ([0-9a-f]{12}) \([a-z]+ by [a-z_]+[^)]*\) is live")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example that a test may break."""
    folder = tmp_path_factory.mktemp("source") / "liveboard"
    shutil.copytree(ROOT / "examples/liveboard", folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    return folder


@pytest.fixture(scope="module")
def host(project: Path) -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_story",
        warm=False,
        variables={
            "site_name": "liveboard",
            "site_source": str(project),
            "site_package": "liveboard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/board/",
            "site_env": {"PAYMENT_TOKEN": CANARY, "GREETING": 'a "quoted" value with $dollar, # and a\nsecond line'},
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


def succeeded(run: Run) -> str:
    """The release that is live after a run that must have worked."""
    assert run.rc == 0, run.output
    found = RELEASE_OF.search(run.output)
    assert found, run.output
    return found.group(1)


def interface(host: Host) -> str:
    status, _headers, body = host.get("/health/", DOMAIN)
    assert status == 200, body
    return json.loads(body)["interface"]


def what_serves(host: Host) -> dict[str, str]:
    """All that a rollback must bring back, as it is in force on the host."""
    release = host.sh("basename $(readlink /etc/switchyard/liveboard/current)").strip()
    unit = f"liveboard@{release}.service"
    pid = host.sh(f"systemctl show {unit} -p MainPID --value").strip()
    return {
        "release": release,
        "unit": host.sh(f"systemctl cat {unit}"),
        "command": host.sh(f"tr '\\0' '\\n' < /proc/{pid}/cmdline"),
        "exec_start": re.sub(
            r" (pid|start_time|stop_time|status|code)=[^;]*;", "", host.sh(f"systemctl show {unit} -p ExecStart")
        ),
        "environment": host.sh(f"tr '\\0' '\\n' < /proc/{pid}/environ | sort | grep -vE '^({EVERY_START_ANOTHER})='"),
        "nginx": host.sh("nginx -T 2>/dev/null | sed -n '/liveboard/,$p'"),
        "code": host.sh(f"cd /srv/liveboard/releases/{release} && find . -type f -exec sha256sum {{}} + | sort"),
        "commit": json.loads(host.sh("cat /etc/switchyard/liveboard/current/release.json"))["commit"] or "",
    }


def test_a_check_of_a_bare_host_changes_nothing(host: Host) -> None:
    before = host.fingerprint()
    run = host.play("site.yml", "--check", "--diff", serve_mode="asgi")
    assert run.rc == 0, run.output
    assert "apt would install" in run.output
    assert "+u liveboard - " in run.output, "the diff shows the user that would be made"
    assert run.changed
    assert host.fingerprint() == before


def test_one_command_serves_the_site(host: Host) -> None:
    run = host.play("site.yml", "--diff", serve_mode="asgi")
    succeeded(run)
    print(f"first deploy: {len(run.remote)} remote tasks, {run.seconds:.1f} s")
    assert interface(host) == "ASGI"
    status, _headers, page = host.get("/", DOMAIN)
    assert status == 200
    assert b'data-interface="ASGI"' in page
    sheets = re.findall(rb'href="(/static/[^"]+\.css)"', page)
    assert sheets
    for sheet in sheets:
        status, headers, body = host.get(sheet.decode(), DOMAIN)
        assert (status, headers["content-type"]) == (200, "text/css")
        assert "immutable" in headers["cache-control"], "a hashed name may be cached for ever"
        assert body


def test_who_asks_for_a_name_that_the_site_does_not_have_gets_nothing(host: Host) -> None:
    with pytest.raises(ConnectionResetError):
        host.get("/", "evil.example.net")


def test_the_same_inputs_change_nothing(host: Host) -> None:
    run = host.play("site.yml", "--diff", serve_mode="asgi")
    succeeded(run)
    assert run.changed == []
    assert len(run.remote) <= 12, run.remote
    print(f"nothing to do: {len(run.remote)} remote tasks, {run.seconds:.1f} s")


def test_without_serve_mode_the_live_stack_stays(host: Host) -> None:
    run = host.play("site.yml")
    succeeded(run)
    assert run.changed == []
    assert interface(host) == "ASGI"


def test_a_check_of_the_live_host_shows_the_switch_and_changes_nothing(host: Host) -> None:
    before = host.fingerprint()
    run = host.play("site.yml", "--check", "--diff", serve_mode="wsgi")
    assert run.rc == 0, run.output
    assert "/etc/switchyard/liveboard/current" in run.output, "the diff shows the pointer that would move"
    assert run.changed
    assert host.fingerprint() == before
    same = host.play("site.yml", "--check", "--diff", serve_mode="asgi")
    assert same.rc == 0, same.output
    assert same.changed == []


def test_a_switch_and_a_rollback_lose_no_request_and_bring_all_of_it_back(host: Host) -> None:
    before = what_serves(host)
    with host.under_load("/health/", DOMAIN) as failures:
        switched = host.play("site.yml", serve_mode="wsgi")
        succeeded(switched)
        assert interface(host) == "WSGI"
        back = host.play("rollback.yml", site_source="/nowhere", site_env={})
        succeeded(back)
    assert failures == []
    assert interface(host) == "ASGI"
    assert what_serves(host) == before
    assert len(back.remote) <= 8, back.remote
    print(f"switch: {len(switched.remote)} remote tasks, {switched.seconds:.1f} s")
    print(f"rollback: {len(back.remote)} remote tasks, {back.seconds:.1f} s")


def test_what_was_rolled_away_from_comes_back_only_when_asked_for(host: Host) -> None:
    refused = host.play("site.yml", serve_mode="wsgi")
    assert refused.rc != 0
    assert "was rolled away from" in refused.output
    assert "release_retry=true" in refused.output
    assert interface(host) == "ASGI"
    succeeded(host.play("site.yml", serve_mode="wsgi", release_retry=True))
    assert interface(host) == "WSGI"
    succeeded(host.play("site.yml", serve_mode="asgi"))
    assert interface(host) == "ASGI"


def test_a_release_that_can_not_be_imported_never_touches_the_live_one(host: Host, project: Path) -> None:
    urls = project / "liveboard/urls.py"
    whole = urls.read_text()
    # The live instance's alone: an earlier one may come to the end of its drain meanwhile.
    live = "systemctl show -P MainPID liveboard@$(basename $(readlink /etc/switchyard/liveboard/current)).service"
    processes = f"pid=$({live}); echo $pid; pgrep -P $pid | sort"
    pids = host.sh(processes)
    urls.write_text(f"{whole}\nimport a_module_that_nobody_wrote\n")
    try:
        with host.under_load("/health/", DOMAIN) as failures:
            run = host.play("site.yml")
    finally:
        urls.write_text(whole)
    assert run.rc != 0
    assert "a_module_that_nobody_wrote" in run.output, run.output
    assert f"liveboard/urls.py:{len(whole.splitlines()) + 2}" in run.output, run.output
    assert failures == []
    assert host.sh(processes) == pids


def test_a_release_that_fails_its_gate_never_touches_the_live_one(host: Host, project: Path) -> None:
    """What Django can't know beforehand: the entry point fails where only the app server runs it."""
    entry = project / "liveboard/asgi.py"
    whole = entry.read_text()
    entry.write_text(f"{whole}\nimport sys\nif 'gunicorn' in sys.argv[0]:\n    import a_module_of_the_server\n")
    live = what_serves(host)
    try:
        with host.under_load("/health/", DOMAIN) as failures:
            run = host.play("site.yml", cutover_gate_deadline=30)
    finally:
        entry.write_text(whole)
    assert run.rc != 0
    assert "a_module_of_the_server" in run.output
    assert "did not pass its gate" in run.output
    assert failures == []
    assert what_serves(host) == live
    assert host.sh("systemctl list-units --plain --no-legend --failed") == ""


def test_a_new_version_with_the_same_dependencies(host: Host, project: Path) -> None:
    (project / "liveboard/version.py").write_text('VERSION = "2"\n')
    old = host.sh("basename $(readlink /etc/switchyard/liveboard/current)").strip()
    with host.under_load("/health/", DOMAIN) as failures:
        run = host.play("site.yml", cutover_drain=5)
        new = succeeded(run)
        assert host.sh(f"systemctl is-active liveboard@{old}").strip() == "active", "it lives on for its connections"
        host.sh("systemctl daemon-reload")  # as any package may do meanwhile
        ended = f'[ "$(systemctl is-active liveboard@{old})" = inactive ]'
        host.sh(f"for i in $(seq 80); do {ended} && break; sleep 0.5; done")
    assert host.sh(f"systemctl is-active liveboard@{old}", check=False).strip() == "inactive"
    assert host.sh(f"systemctl is-active liveboard@{new}").strip() == "active"
    assert failures == []
    assert len(run.remote) <= 30, run.remote
    print(f"new version: {len(run.remote)} remote tasks, {run.seconds:.1f} s")


def test_nothing_that_root_trusts_is_writable_by_the_site_and_nothing_secret_is_readable(host: Host) -> None:
    as_site = "setpriv --reuid=liveboard --regid=liveboard --clear-groups"
    writable = host.sh(
        f"{as_site} find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/dev/*' ! -path '/tmp*' "
        "! -path '/var/tmp*' ! -path '/run/lock*' 2>/dev/null",
        check=False,
    ).split()
    allowed = ("/srv/liveboard/data", "/srv/liveboard/media", "/var/cache/switchyard/liveboard", "/run/liveboard/")
    assert [path for path in writable if not path.startswith(allowed) and path not in ("/run/systemd/notify",)] == []
    for secret in ("/etc/switchyard/liveboard/secrets.json", "/etc/switchyard/liveboard/env"):
        assert host.sh(f"{as_site} cat {secret} {secret}/* 2>/dev/null", check=False) == ""
    owners = host.sh("stat -c '%U:%G %a %n' /etc/switchyard/liveboard/secrets.json /etc/switchyard/liveboard/env/*")
    assert all(line.startswith("root:root 600 ") for line in owners.splitlines()), owners
    found = host.sh(
        f"grep -rlF {CANARY} /srv /etc /var/log /run /opt 2>/dev/null; journalctl --no-pager | grep -cF {CANARY}",
        check=False,
    )
    assert re.fullmatch(r"(/etc/switchyard/liveboard/env/[0-9a-f]+\.env\n)+0\n", found), found


def test_no_secret_is_seen_at_any_verbosity(host: Host) -> None:
    key = json.loads(host.sh("cat /etc/switchyard/liveboard/secrets.json"))
    run = host.play("site.yml", "-vvvv", "--diff", site_env={"PAYMENT_TOKEN": f"{CANARY}-2"})
    succeeded(run)
    assert CANARY not in run.output
    for secret in key.values():
        assert secret not in run.output


def test_the_site_comes_back_after_a_power_cut(host: Host) -> None:
    before = what_serves(host)
    host.restart()
    host.sh("for i in $(seq 60); do systemctl is-active -q nginx 'liveboard@*' && break; sleep 0.5; done")
    host.sh("for i in $(seq 60); do test -S /run/liveboard/*/app.sock && break; sleep 0.5; done")
    after = what_serves(host)
    assert after == before
    assert interface(host) == "ASGI"
    run = host.play("site.yml", site_env={"PAYMENT_TOKEN": f"{CANARY}-2"})
    succeeded(run)
    assert run.changed == []


def test_the_built_collection_deploys_from_an_empty_folder(host: Host, project: Path, tmp_path: Path) -> None:
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    (empty / "ansible.cfg").touch()
    # Nothing of the checkout is found: neither its configuration nor the link in collections/.
    alone = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(empty / "ansible.cfg")}

    def galaxy(*arguments: str | Path) -> None:
        command = ["ansible-galaxy", "collection", *arguments]
        subprocess.run(command, check=True, cwd=empty, env={**os.environ, **alone}, stdout=subprocess.DEVNULL)

    galaxy("build", "--output-path", tmp_path, ROOT)
    (tarball,) = tmp_path.glob("*.tar.gz")
    galaxy("install", "--offline", "-p", installed, tarball)
    run = host.play(
        "switchyard.django.site",
        cwd=empty,
        env=alone,
        site_name="second",
        site_domains=["second.example.org"],
        serve_mode="wsgi",
    )
    assert run.rc == 0, run.output
    status, _headers, page = host.get("/", "second.example.org")
    assert status == 200
    assert b'data-interface="WSGI"' in page
    assert interface(host) == "ASGI", "the neighbour serves as before"

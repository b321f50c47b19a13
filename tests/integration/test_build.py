# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that needs more than its dependencies: packages, commands, a private index, a private repository with LFS."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller import ROOT, TESTBED, Host, Run
from private_servers import Private, arguments_watched, served
from trial_site import gateway, unit

pytestmark = pytest.mark.full

DOMAIN = "board.example.org"
CANARY = "canary-7d21be90"
PASSWORD = f"{CANARY}-index"
TOKEN = f"{CANARY}-token"
NPM_TOKEN = f"{CANARY}-npm"
SECRETS = (CANARY, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode())
LARGE = b"a picture as large as a house\n" * 1000
# A package with an install script, for which npm counts the processors.
PART = {
    "name": "part",
    "version": "1.0.0",
    "scripts": {"postinstall": "node -e \"require('fs').writeFileSync('made.txt','by the part')\""},
}
PACKAGE = {
    "name": "board",
    "version": "1.0.0",
    "scripts": {"build": "node build.js"},
    "dependencies": {"part": "file:part"},
}
SCRIPT = """
const fs = require("fs");
console.log("the token is", process.env.NPM_TOKEN);
if (fs.existsSync("broken")) process.exit(3);
const made = JSON.stringify(fs.readFileSync("node_modules/part/made.txt", "utf8"));
fs.writeFileSync("board/static/board/built.js", `console.log(${made})`);
"""
PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "Note"\nmsgstr "Zettel"\n'


def git(folder: Path, *arguments: str | Path) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    if shutil.which("git-lfs") is None:
        subprocess.run([sys.executable, TESTBED, "setup", "git-lfs"], check=True)
    with served(Private(tmp_path_factory.mktemp("private"), PASSWORD, TOKEN)) as one:
        for name in ("yardkit", "gearkit"):
            one.add_package(name, "VALUE = 'from the private index'\n")
        yield one


@pytest.fixture(scope="module")
def work(private: Private) -> Path:
    """A checkout of the example that needs all of it."""
    work = private.folder / "work"
    shutil.copytree(ROOT / "examples/liveboard", work, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    (work / "requirements.txt").write_text((work / "requirements.in").read_text() + "yardkit==1.0\n")
    (work / "others.txt").write_text((work / "requirements.txt").read_text() + "gearkit==1.0\n")
    with (work / "liveboard/settings.py").open("a") as settings:
        settings.write("\nimport yardkit\n\nassert yardkit.VALUE\nLOCALE_PATHS = [BASE_DIR / 'locale']\n")
    texts = {
        "package.json": json.dumps(PACKAGE),
        "part/package.json": json.dumps(PART),
        "build.js": SCRIPT,
        "locale/de/LC_MESSAGES/django.po": PO,
        ".gitattributes": "*.png filter=lfs -text\n",
        "board/static/board/house.png": private.keep_large(LARGE),
    }
    for name, text in texts.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git(work, "init", "-q", "-b", "main")
    # As a clone without git-lfs would: what is committed is the pointer.
    git(work, "-c", "filter.lfs.clean=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false", "add", "-A")
    git(work, "commit", "-qm", "one")
    git(private.folder, "clone", "-q", "--bare", work, "board.git")
    return work


@pytest.fixture(scope="module")
def host(private: Private, work: Path) -> Iterator[Host]:
    one = Host(group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_build")
    one.down()
    one.up()
    bundle = json.loads(one.inventory.read_text().split("\n", 1)[1])["all"]["vars"]["release_build_environment"]
    one.variables = {
        "site_name": "board",
        "site_source": f"http://127.0.0.1:{private.port}/git/board.git",
        "site_source_token": TOKEN,
        "site_package": "liveboard",
        "site_domains": [DOMAIN],
        "site_packages": ["gettext", "npm"],
        "release_build_environment": {
            **bundle,
            "UV_INDEX": f"yard=http://{gateway(one)}:{private.port}/simple",
            "UV_INDEX_YARD_USERNAME": "deploy",
            "UV_INDEX_YARD_PASSWORD": PASSWORD,
            "NPM_TOKEN": NPM_TOKEN,
        },
        "release_build_commands": ["npm install --no-audit --no-fund", "npm run build", "manage.py compilemessages"],
    }
    yield one
    one.down()


def play(host: Host, *arguments: str, **variables: object) -> Run:
    """As a user with a cache of his own, in which nothing secret may be left."""
    cache = host.scratch / "cache"
    run = host.play("site.yml", *arguments, env={"XDG_CACHE_HOME": str(cache)}, **variables)
    assert not [secret for secret in SECRETS if secret in run.output], run.output
    left = [
        path
        for path in cache.rglob("*")
        if path.is_file() and any(one.encode() in path.read_bytes() for one in SECRETS)
    ]
    assert left == []
    return run


def live(host: Host) -> str:
    """The live release and its process; one before it may be draining."""
    return host.sh(f"readlink /etc/switchyard/board/current; systemctl show -p MainPID --value {unit(host)}")


def refused(host: Host, **variables: object) -> str:
    """A run that fails leaves the live instance as it was; its message."""
    before = live(host)
    run = play(host, **variables)
    assert run.rc != 0, run.output
    assert live(host) == before
    assert host.get("/health/", DOMAIN)[0] == 200
    return run.output


def test_a_look_ahead_names_the_packages_and_changes_nothing(host: Host) -> None:
    before = host.fingerprint()
    run = play(host, "--check", "--diff")
    assert run.rc == 0, run.output
    assert re.search(r"apt would install .*\bnpm\b", run.output), run.output
    assert host.fingerprint() == before


def test_a_package_that_apt_does_not_know_is_named_and_nothing_is_installed(host: Host) -> None:
    before = host.sh("dpkg-query --show")
    run = play(host, site_packages=["npm", "libgdal99"])
    assert run.rc != 0
    assert "site_packages: apt can't install libgdal99, npm on web1. Nothing was installed." in run.output, run.output
    assert "Unable to locate package libgdal99" in run.output
    assert host.sh("dpkg-query --show") == before


def test_what_the_project_needs_is_built(host: Host, private: Private) -> None:
    with arguments_watched(*SECRETS) as seen:
        run = play(host, "-vvvv", "--diff")
    assert run.rc == 0, run.output
    assert seen == []
    code = "/srv/board/releases/*/code"
    assert host.get("/static/board/built.js", DOMAIN)[2] == b'console.log("by the part")'
    assert host.get("/static/board/house.png", DOMAIN)[2] == LARGE, "the content, not git LFS's pointer"
    assert "/simple/yardkit/" in private.served
    assert any(path.startswith("/lfs/") for path in private.served)
    owners = host.sh(
        f"find {code} ! -user root -o -perm /022 ! -type l; stat -c '%U:%G %a' {code}/locale/de/LC_MESSAGES/django.mo"
    )
    assert owners == "root:board 640\n"
    assert host.sh("ls -A /srv/board/data") == "db.sqlite3\n", "what the tools keep lies in the cache"
    assert "npm" in host.sh("ls /var/cache/switchyard/board/build")


def test_no_secret_of_the_build_is_left_on_the_host(host: Host) -> None:
    places = "/srv /etc /var/log /run /opt /var/cache /tmp /var/tmp /root"
    found = host.sh(
        f"grep -rlF -e {SECRETS[0]} -e {SECRETS[1]} {places} 2>/dev/null; journalctl --no-pager | grep -F {CANARY}",
        check=False,
    )
    assert found == ""


def test_the_same_again_changes_nothing(host: Host) -> None:
    run = play(host)
    assert run.rc == 0, run.output
    assert run.changed == []


def test_a_command_more_makes_another_release(host: Host) -> None:
    before = live(host)
    commands = [*host.variables["release_build_commands"], "sh -c 'echo $HOME > home.txt'"]
    run = play(host, release_build_commands=commands)
    assert run.rc == 0, run.output
    assert live(host) != before
    assert host.sh("cat /srv/board/releases/$(basename $(readlink /etc/switchyard/board/current))/code/home.txt") == (
        "/var/cache/switchyard/board/build\n"
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "yarn install",
            "release_build_commands: yarn install ended with 127; nothing that is live was touched. There is no",
        ),
        ("sh -c 'touch broken; npm run build'", "ended with 3; nothing that is live was touched. It said last:"),
        ("touch /etc/made", "A build command may write in the code, below HOME and in /tmp, and nowhere else"),
        ("manage.py nonsense", "Unknown command: 'nonsense'"),
    ],
    ids=["no such command", "its own status", "outside", "manage.py"],
)
def test_a_command_that_fails_says_why(host: Host, command: str, said: str) -> None:
    message = refused(host, release_build_commands=[command])
    assert said in message, message
    if "broken" in command:
        assert "the token is ********" in message


def test_a_command_that_takes_too_long_is_stopped(host: Host) -> None:
    message = refused(host, release_build_commands=["sleep 60"], release_build_timeout=2)
    assert "sleep 60 took longer than release_build_timeout, 2 s, and was stopped" in message


def test_a_wrong_password_of_the_index_is_said_with_the_variable(host: Host) -> None:
    wrong = {**host.variables["release_build_environment"], "UV_INDEX_YARD_PASSWORD": f"{CANARY}-wrong"}
    # The same requirements are resolved already, and would not be again.
    message = refused(host, release_build_environment=wrong, site_requirements="others.txt")
    assert "did not take the credentials. release_build_environment gives them" in message


def test_a_netrc_on_the_host_gives_the_credentials(host: Host, private: Private) -> None:
    line = f"machine {gateway(host)} login deploy password {PASSWORD}"
    host.sh(f"umask 077; echo '{line}' > /etc/board.netrc; chgrp board /etc/board.netrc; chmod 640 /etc/board.netrc")
    given = {name: one for name, one in host.variables["release_build_environment"].items() if "_YARD_" not in name}
    run = play(host, release_build_environment={**given, "NETRC": "/etc/board.netrc"}, site_requirements="others.txt")
    assert run.rc == 0, run.output
    assert "/simple/gearkit/" in private.served


def test_a_wrong_token_is_said_with_the_variable(host: Host) -> None:
    message = refused(host, site_source_token=f"{CANARY}-wrong")
    assert "can't be read" in message
    assert "site_source_token" in message


def test_a_deploy_key_reads_a_repository_over_ssh(host: Host, work: Path, tmp_path: Path) -> None:
    """The host of the test is the git server."""
    found = json.loads(host.inventory.read_text().split("\n", 1)[1])["all"]["vars"]
    known_hosts = re.search(r"UserKnownHostsFile=(\S+)", found["ansible_ssh_common_args"])
    assert known_hosts
    ssh = {"GIT_SSH_COMMAND": f"ssh -F /dev/null -o UserKnownHostsFile={known_hosts[1]}"}
    key, url = Path(found["ansible_ssh_private_key_file"]), f"root@{host.address}:/root/plain.git"
    host.sh("apt-get install -y -qq --no-install-recommends git; git init -q --bare -b main /root/plain.git")
    git(work, "checkout", "-q", "-b", "plain")
    git(work, "rm", "-q", "-r", ".gitattributes", "board/static/board/house.png")
    git(work, "commit", "-qm", "without a large file")
    pushing = {**os.environ, "GIT_SSH_COMMAND": f"{ssh['GIT_SSH_COMMAND']} -i {key}"}
    subprocess.run(["git", "push", "-q", "--no-verify", url, "plain:main"], cwd=work, env=pushing, check=True)
    given = {"site_source": url, "site_source_token": ""}
    run = host.play("site.yml", "--check", env=ssh, **given, site_source_key=str(key))
    assert run.rc == 0, run.output
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    run = host.play("site.yml", "--check", env=ssh, **given, site_source_key=str(other))
    assert run.rc != 0
    assert "a deploy key is named with site_source_key" in run.output

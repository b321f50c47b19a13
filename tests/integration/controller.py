# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the playbooks as a user does, and looks at the host as an administrator does."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TESTBED = ROOT / "testbed" / "testbed"


@dataclass(frozen=True)
class Run:
    """How a playbook ended."""

    rc: int
    output: str
    remote: list[str]
    changed: list[str]
    seconds: float


@dataclass
class Host:
    """One Debian host that boots systemd, and the controller's way to it."""

    group: str
    name: str = "web1"
    warm: bool = True
    release: str = "bookworm"
    variables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="switchyard-test-"))
        self.inventory = self.scratch / "inventory.yml"

    def up(self) -> None:
        command = [sys.executable, TESTBED, "up", self.name, f"--group={self.group}", f"--release={self.release}"]
        command += [f"--inventory={self.inventory}", *(["--warm"] if self.warm else [])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        hosts = json.loads(self.inventory.read_text().split("\n", 1)[1])["all"]["hosts"]
        self.address = hosts[self.name]["ansible_host"]

    def down(self) -> None:
        subprocess.run([sys.executable, TESTBED, "down", self.group], check=True, stdout=subprocess.DEVNULL)

    def restart(self) -> None:
        """Cut the power and boot again."""
        self._podman("kill")
        self._podman("start")
        self.up()

    def remove(self) -> None:
        """This one alone of its group."""
        self._podman("rm", "--force", "--time=0", "--volumes")

    def _podman(self, *words: str) -> None:
        settings = {**os.environ, "CONTAINERS_CONF": str(TESTBED.with_name("containers.conf"))}
        command = ["podman", *words, f"switchyard-{self.group}-{self.name}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=settings)

    # --- the controller

    def play(
        self, playbook: str, *arguments: str, cwd: Path = ROOT, env: dict[str, str] | None = None, **variables: Any
    ) -> Run:
        """Run a playbook with the site's variables; `variables` are laid over them."""
        extra = self.scratch / "variables.json"
        extra.write_text(json.dumps({**self.variables, **variables}))
        tally = self.scratch / "tally.json"
        tally.unlink(missing_ok=True)
        started = time.monotonic()
        done = subprocess.run(
            ["ansible-playbook", "-i", self.inventory, playbook, "-e", f"@{extra}", *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/integration/callbacks"),
                "ANSIBLE_CALLBACKS_ENABLED": "tally",
                "ANSIBLE_NOCOLOR": "1",
                "SWITCHYARD_TALLY": str(tally),
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        counted = json.loads(tally.read_text()) if tally.exists() else {"remote": [], "changed": []}
        return Run(done.returncode, done.stdout, counted["remote"], counted["changed"], time.monotonic() - started)

    # --- the administrator

    def sh(self, command: str, check: bool = True) -> str:
        """What a command prints on the host."""
        done = subprocess.run(
            [sys.executable, TESTBED, "exec", self.name, "--group", self.group, "--", "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command!r} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def clues(self, site: str) -> str:
        """The last that nginx, the site's instances and the collection's own units have said."""
        journal = f"journalctl --no-pager -n 60 -o short-iso-precise -u '{site}@*' -u 'switchyard-*'"
        return self.sh(f"tail -n 20 /var/log/nginx/error.log; {journal}")

    def get(self, path: str, domain: str, port: int = 80, timeout: float = 10) -> tuple[int, dict[str, str], bytes]:
        """Ask nginx as a browser does."""
        connection = http.client.HTTPConnection(self.address, port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": domain})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def fingerprint(self) -> str:
        """Everything that a deploy could change on the host: files, packages, users, units."""
        return self.sh(
            "find /etc /srv /opt /usr/local /var/cache/switchyard /var/lib/dpkg/status -xdev "
            "! -path '/etc/ssh/*' -printf '%p %m %u %g %s %l %T@\\n' 2>/dev/null | sort; "
            "systemctl list-units --plain --no-legend --all 'nginx*' 'switchyard*' 'liveboard*'"
        )

    @contextlib.contextmanager
    def under_load(self, path: str, domain: str) -> Iterator[list[str]]:
        """Ask for a page again and again from two threads; yield the failures."""
        failures: list[str] = []
        asked = [0]
        over = threading.Event()

        def ask() -> None:
            while not over.is_set() and asked[0] < 50_000:
                asked[0] += 1
                try:
                    status, _headers, _body = self.get(path, domain)
                    if status != 200:
                        failures.append(f"status {status}")
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                over.wait(0.005)

        threads = [threading.Thread(target=ask, daemon=True) for _dummy in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield failures
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert asked[0] > 20, "the load never came up"

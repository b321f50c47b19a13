# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that the testbed runs on: its commands, packages and folders, and what the user gets to see of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "switchyard"
STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "switchyard"

PACKAGES = (
    "podman",
    "runc",
    "mmdebstrap",
    "netavark",
    "aardvark-dns",
    "iptables",
    "iproute2",
    "openssh-client",
    "debian-archive-keyring",
)

HEARTBEAT = 10.0
"""Seconds after which a step that is still running says so."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class Trouble(Exception):
    """A failure with words for the user: what went wrong, and the way out."""


def say(text: str) -> None:
    print(f"testbed: {text}", flush=True)


# ---- commands


def as_root(command: Sequence[str], **environment: str) -> list[str]:
    """The command as root runs it: as it is, or through sudo, which by itself passes no environment on."""
    passed_on = {name: os.environ[name] for name in PROXIES if name in os.environ} | environment
    with_environment = ["env", *(f"{name}={value}" for name, value in passed_on.items()), *command]
    if os.geteuid() == 0:
        return with_environment
    if shutil.which("sudo") is None:
        raise Trouble("this needs root, and sudo is not installed. Run it as root, or install sudo.")
    may_ask = sys.stdin is not None and sys.stdin.isatty()
    return ["sudo", *([] if may_ask else ["-n"]), *with_environment]


def podman_command(*arguments: str) -> list[str]:
    """Podman as root: the addresses of a rootless network cannot be reached from the machine."""
    return as_root(["podman", *arguments], CONTAINERS_CONF=str(HERE / "containers.conf"))


def podman(*arguments: str, stdin: str | None = None) -> str:
    """Run podman and return what it printed."""
    done = ask_podman(*arguments, stdin=stdin)
    if done.returncode != 0:
        evidence = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        raise Trouble(f"podman {arguments[0]} failed: {evidence}")
    return done.stdout


def ask_podman(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run podman where a failure is an answer, too."""
    if shutil.which("podman") is None:
        raise Trouble("podman is not installed. Run: python3 testbed/testbed setup")
    return subprocess.run(
        podman_command(*arguments),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )


def step(title: str, command: Sequence[str], way_out: str, stdout: IO[bytes] | None = None) -> None:
    """Run a command that may take long: say so, give signs of life, on a failure show the end of what it printed."""
    say(f"{title} …")
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log) as process:
            _wait(process, title, started)
        if process.returncode != 0:
            log.seek(0)
            last_lines = log.read().decode(errors="replace").splitlines()[-20:]
            raise Trouble("\n  ".join([f"{title}: failed with exit status {process.returncode}", *last_lines, way_out]))
    say(f"{title}: done in {time.monotonic() - started:.0f} s")


def _wait(process: subprocess.Popen[bytes], title: str, started: float) -> None:
    while True:
        try:
            process.wait(HEARTBEAT)
            return
        except subprocess.TimeoutExpired:
            say(f"{title}: under way for {time.monotonic() - started:.0f} s")


# ---- files


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold what is named for this process alone; wait, audibly, while another one has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as held:
        started = said = time.monotonic()
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if said == started or time.monotonic() - said >= HEARTBEAT:
                    said = time.monotonic()
                    say(f"another run works on {what}: waiting for it, {said - started:.0f} s so far")
                time.sleep(0.2)
        yield


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one go: nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(unfinished, mode)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


# ---- packages


def set_up(others: Sequence[str] = ()) -> None:
    """Install what the testbed itself runs on, and what else is asked for."""
    missing = missing_packages([*PACKAGES, *others])
    if not missing:
        say("setup: everything is installed")
        return
    say(f"setup: to install with apt: {' '.join(missing)}")
    install(missing)


def missing_packages(names: Sequence[str]) -> list[str]:
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        raise Trouble(f"this machine has no apt. Install by its own means: {' '.join(names)}")
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def install(packages: Sequence[str]) -> None:
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]
    step("apt-get update", as_root([*apt, "update"]), "Mend the machine's apt sources, then run this again.")
    step(
        f"apt-get install ({len(packages)} packages asked for)",
        as_root(
            [*apt, "install", "--yes", "--no-install-recommends", *packages],
            DEBIAN_FRONTEND="noninteractive",
        ),
        "The lines above are apt's own. When it is mended, run this again.",
    )

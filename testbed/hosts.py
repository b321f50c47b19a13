# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: containers that boot systemd, in groups. A group has its own network, ssh key and known_hosts file."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from machine import HEARTBEAT, PROXIES, STATE, Trouble, ask_podman, lock, podman, podman_command, say, write

LABEL = "switchyard.testbed.group"
HOST_LABEL = "switchyard.testbed.host"
RELEASE_LABEL = "switchyard.testbed.release"
WRITTEN_BY = "# Written by the testbed; `testbed down` removes it.\n"
BOOT_TIMEOUT = 120.0
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# A host's systemd and what it starts have some 8 of them; the kernel's own number is 128 for all hosts together.
INOTIFY_OF_A_HOST = 8
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

PASSED_ON = (
    *("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"),
    *PROXIES,
    *(name.upper() for name in PROXIES),
)
"""Variables that a build on a host needs where this machine has them: how packages are reached."""


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    group: str
    release: str
    running: bool
    ports: tuple[str, ...]

    @property
    def container(self) -> str:
        return container_name(self.group, self.name)


def container_name(group: str, name: str) -> str:
    return f"switchyard-{group}-{name}"


def network_name(group: str) -> str:
    return f"switchyard-{group}"


def state_folder(group: str) -> Path:
    return STATE / group


def all_hosts(group: str | None = None) -> list[Host]:
    """The hosts that the testbed made, by the labels it gave them."""
    label = LABEL if group is None else f"{LABEL}={group}"
    listed = json.loads(podman("ps", "--all", f"--filter=label={label}", "--format=json"))
    hosts = [
        Host(
            name=entry["Labels"][HOST_LABEL],
            group=entry["Labels"][LABEL],
            release=entry["Labels"][RELEASE_LABEL],
            running=entry["State"] == "running",
            ports=tuple(
                f"{port['host_ip']}:{port['host_port']}:{port['container_port']}" for port in entry["Ports"] or []
            ),
        )
        for entry in listed
    ]
    return sorted(hosts, key=lambda host: (host.group, host.name))


def find(name: str, group: str | None) -> Host:
    found = [host for host in all_hosts(group) if host.name == name]
    if not found:
        raise Trouble(f"there is no host {name!r}. `testbed list` shows those that exist.")
    if len(found) > 1:
        raise Trouble(
            f"several groups have a host {name!r}: {', '.join(host.group for host in found)}. Add --group GROUP."
        )
    return found[0]


# ---- up


def up(
    names: Sequence[str],
    group: str,
    release: str,
    image: str,
    publish: str | None,
    inventory: Path,
    site_vars: Path | None,
) -> None:
    """Have these hosts running and reachable, and the inventory written."""
    _check_names(names, group)
    if publish and len(names) > 1:
        raise Trouble(f"--publish gives its port to one host, and {len(names)} were named.")
    with lock(STATE / "lock", "hosts"):
        key = _ssh_key(group)
        _network(group)
        existing = {host.name: host for host in all_hosts(group)}
        for name in names:
            if name in existing:
                _reuse(existing[name], release, publish)
            else:
                _boot(name, group, release, image, publish)
        for name in names:
            _wait_until_booted(container_name(group, name))
            _let_in(container_name(group, name), key)
        running = [host for host in all_hosts(group) if host.running]
        _write_inventory(group, running, key, inventory, site_vars)
    say(f"inventory: {inventory} ({', '.join(host.name for host in running)})")


def _check_names(names: Sequence[str], group: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", group):
        raise Trouble(f"the group {group!r} is not a name: 1 to 31 of a-z, 0-9 and _, a letter first.")
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            raise Trouble(f"the host {name!r} needs a name of 1 to 31 of a-z, 0-9 and -, a letter first.")


def _ssh_key(group: str) -> Path:
    key = state_folder(group) / "id_ed25519"
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"switchyard testbed {group}", "-f", str(key)]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    return key


def _network(group: str) -> None:
    if ask_podman("network", "exists", network_name(group)).returncode != 0:
        podman("network", "create", f"--label={LABEL}={group}", network_name(group))


def _reuse(host: Host, release: str, publish: str | None) -> None:
    if host.release != release:
        raise Trouble(
            f"{host.name} runs {host.release}, not {release}. "
            f"To have it anew: python3 testbed/testbed down {host.group}"
        )
    if publish and publish not in host.ports:
        has = ", ".join(host.ports) or "no port"
        raise Trouble(
            f"{host.name} has {has}, not {publish}. To have it anew: python3 testbed/testbed down {host.group}"
        )
    if host.running:
        say(f"{host.name}: is there already")
    else:
        say(f"{host.name}: starting it again")
        podman("start", host.container)


def _boot(name: str, group: str, release: str, image: str, publish: str | None) -> None:
    say(f"{name}: booting {image.rpartition('/')[2]}")
    labels = {LABEL: group, HOST_LABEL: name, RELEASE_LABEL: release}
    started = ask_podman(
        "run",
        "--detach",
        "--privileged",
        "--systemd=always",
        f"--name={container_name(group, name)}",
        f"--hostname={name}",
        f"--network={network_name(group)}",
        f"--network-alias={name}",
        *(f"--label={label}={value}" for label, value in labels.items()),
        *([f"--publish={publish}"] if publish else []),
        image,
        "/lib/systemd/systemd",
    )
    if started.returncode != 0:
        ask_podman("rm", "--force", "--time=0", container_name(group, name))
        hint = f" Is {publish.rpartition(':')[0]} taken by another program?" if publish else ""
        raise Trouble(f"{name} does not start:{hint}\n  {started.stderr.strip()}")


def _wait_until_booted(container: str) -> None:
    started = said = time.monotonic()
    while True:
        state = ask_podman("exec", container, "systemctl", "is-system-running").stdout.strip()
        now = time.monotonic()
        if state == "running":
            say(f"{container}: up after {now - started:.1f} s")
            return
        if state == "degraded":
            failed = podman("exec", container, "systemctl", "--failed", "--plain", "--no-legend").strip()
            raise Trouble(
                f"{container} booted with failed units:\n  {failed}\n"
                "Look: python3 testbed/testbed exec … -- journalctl -b"
            )
        if now - started > BOOT_TIMEOUT:
            jobs = ask_podman("exec", container, "systemctl", "list-jobs", "--no-legend").stdout.strip()
            logs = ask_podman("logs", "--tail=20", container)
            evidence = jobs or logs.stdout + logs.stderr
            hint = crowded(sum(host.running for host in all_hosts()), int(INOTIFY.read_text(encoding="ascii")))
            raise Trouble(
                f"{container} is {state or 'without an answer'} after {BOOT_TIMEOUT:.0f} s:\n  {evidence}{hint}"
            )
        if now - said >= HEARTBEAT:
            said = now
            say(f"{container}: booting for {now - started:.0f} s ({state or 'no answer yet'})")
        time.sleep(0.2)


def crowded(running: int, instances: int) -> str:
    """The likely cause where there are more hosts than the machine lets watch their files; else nothing."""
    if running * INOTIFY_OF_A_HOST < instances:
        return ""
    more = 2 * INOTIFY_OF_A_HOST * running
    return (
        f"\n{running} hosts run, and fs.inotify.max_user_instances, which all of them share, is {instances}: systemd "
        f"can't boot without. Have more: sudo sysctl fs.inotify.max_user_instances={more}"
    )


def _let_in(container: str, key: Path) -> None:
    script = "umask 077 && mkdir -p /root/.ssh && cat > /root/.ssh/authorized_keys"
    public_key = key.with_suffix(".pub").read_text(encoding="utf-8")
    podman("exec", "--interactive", container, "sh", "-c", script, stdin=public_key)


# ---- inventory


def _write_inventory(group: str, hosts: Sequence[Host], key: Path, inventory: Path, site_vars: Path | None) -> None:
    addresses = {host.name: _address(host) for host in hosts}
    known_hosts = state_folder(group) / "known_hosts"
    keys = {
        host.name: podman("exec", host.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
        for host in hosts
    }
    lines = [f"{addresses[name]},{name} {' '.join(host_key)}\n" for name, host_key in keys.items()]
    write(known_hosts, "".join(lines))

    group_vars = connection(key, known_hosts, state_folder(group) / "cp") | {
        "release_build_environment": build_environment()
    }
    tree = {
        "all": {"hosts": {name: {"ansible_host": address} for name, address in addresses.items()}, "vars": group_vars}
    }
    if group not in addresses:  # Ansible warns where a host and a group share a name
        tree["all"]["children"] = {group: {"hosts": dict.fromkeys(addresses, {})}}
    _place(inventory, json.dumps(tree, indent=2) + "\n", group)
    if site_vars:
        _place(inventory.parent / "group_vars" / "all.yml", site_vars.read_text(encoding="utf-8"), group)


def _address(host: Host) -> str:
    networks = json.loads(podman("inspect", "--format={{json .NetworkSettings.Networks}}", host.container))
    return str(networks[network_name(host.group)]["IPAddress"])


def connection(key: Path, known_hosts: Path, control_sockets: Path) -> dict[str, object]:
    """How Ansible reaches the hosts of a group. The control sockets are its own: `down` can close them."""
    options = {
        "UserKnownHostsFile": known_hosts,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "ControlMaster": "auto",
        "ControlPersist": "60s",
    }
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": " ".join(f"-o {name}={value}" for name, value in options.items()),
        "ansible_control_path_dir": str(control_sockets),
        "ansible_ssh_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def build_environment() -> dict[str, str]:
    """What a build on a host needs to get at packages as this machine does."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    return {"SSL_CERT_FILE": CA_BUNDLE, "PIP_CERT": CA_BUNDLE} | passed_on


def _place(file: Path, text: str, group: str) -> None:
    """Write a file where the user wants it, never over one of theirs, and remember it for `down`."""
    if file.exists() and not file.read_text(encoding="utf-8").startswith(WRITTEN_BY):
        raise Trouble(f"{file} is not the testbed's own: not overwritten. Move it away, or name another --inventory.")
    write(file, WRITTEN_BY + text)
    placed = state_folder(group) / "placed.json"
    files = set(json.loads(placed.read_text(encoding="utf-8"))) if placed.exists() else set()
    write(placed, json.dumps(sorted(files | {str(file.resolve())})) + "\n")


# ---- down


def down(group: str) -> None:
    """Remove what belongs to the group, all of it, and nothing else."""
    with lock(STATE / "lock", "hosts"):
        hosts = all_hosts(group)
        _close_connections(group)
        if hosts:
            podman("rm", "--force", "--time=0", "--volumes", *(host.container for host in hosts))
        for network in podman("network", "ls", "--quiet", f"--filter=label={LABEL}={group}").split():
            podman("network", "rm", "--force", network)
        _remove_files(group)
    say(f"{group}: removed {len(hosts)} host(s)" if hosts else f"{group}: there was no host")


def _close_connections(group: str) -> None:
    """A connection to a host that is gone would be taken for one to the next host of the same address."""
    for socket in (state_folder(group) / "cp").glob("*"):
        command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "-"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _remove_files(group: str) -> None:
    placed = state_folder(group) / "placed.json"
    for name in json.loads(placed.read_text(encoding="utf-8")) if placed.exists() else []:
        file = Path(name)
        if file.exists() and file.read_text(encoding="utf-8").startswith(WRITTEN_BY):
            file.unlink()
    shutil.rmtree(state_folder(group), ignore_errors=True)


def run_in(host: Host, command: Sequence[str], terminal: bool) -> int:
    options = ["--interactive", "--tty"] if terminal else ["--interactive"]
    return subprocess.run(podman_command("exec", *options, host.container, *command), check=False).returncode

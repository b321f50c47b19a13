# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the lease: who asks for it, and whether the run that has it still lives.

A run on several hosts first asks all of them at once, and waits for none: where another run has one, it gives back the
rest. Only then it waits, one host after the other in the inventory's order. So no run ever waits for a host that comes
before one that it holds, and two runs can't wait for each other.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shlex
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display
from ansible_collections.switchyard.django.plugins.module_utils import lease, words
from ansible_collections.switchyard.django.plugins.plugin_utils.library import LibraryActionModule

SILENCE_IN_COMPANY = 900
# What ssh says where it did not get in. Else the connection broke, and nobody knows how far the module has come.
NEVER_THERE = re.compile(
    "ssh: connect to host|Could not resolve|Permission denied|verification failed|Connection closed by|banner exchange"
)
# The arguments that are the action's own.
OWN = ("lock_wait", "purpose", "together")


class ClaimingActionModule(LibraryActionModule):
    """Runs the module of the same name, which takes the lease before it does anything else."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = {**super().run(tmp, task_vars), "began": time.time()}
        together = boolean(self._task.args.get("together", False))
        wait = self._task.args.get("lock_wait", 0)
        if self._play_context.check_mode:  # which changes nothing, so it is in nobody's way
            return {**result, **self._call({**self._task.args, "claim": {}}, task_vars)}
        claim = {
            "token": secrets.token_hex(8),
            "by": by(),
            "purpose": self._task.args.get("purpose", "a run"),
            "process": process(),
            # A host has nothing to do while another of the site is at work: it hears of the run when that one is done.
            "silence": lease.SILENCE if _is_alone(task_vars) else SILENCE_IN_COMPANY,
        }
        answer = self._ask(claim, task_vars)
        if held := answer.get("held"):
            dead = is_dead(held["process"])
            if together and not dead:
                return {**result, **answer}
            if not dead:
                Display().display(f"{task_vars['inventory_hostname']}: waits for {held['described']}, {wait} s at most")
            answer = self._ask({**claim, "wait": float(wait), "instead_of": held["token"] if dead else ""}, task_vars)
        if held := answer.get("held"):
            raise AnsibleActionFail(
                f"{self._task.args['site']}: another run is at work on {task_vars['inventory_hostname']}: "
                f"{held['described']}. Waited {wait} s (cutover_lock_wait). Nothing was changed. Let it end, or wait "
                "longer, for example with -e cutover_lock_wait=600. One that is known to be dead is freed on the host: "
                f"rm /run/switchyard/{self._task.args['site']}/lease.json"
            )
        return {**result, **answer}

    def _ask(self, claim: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments = {name: value for name, value in self._task.args.items() if name not in OWN}
        return self._call({**arguments, "claim": dict(claim)}, task_vars)

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module, as the first one that goes to a host.

        Ansible skips rescue and always of a host that can't be reached. Others of the site say in its place what that
        means; where it has none, this is a failure like any other, so that the run ends with its summary.
        """
        try:
            return self._execute_module(module_args=arguments, task_vars=task_vars)
        except AnsibleConnectionFailure as problem:
            if not (_is_alone(task_vars) and self._connection.transport == "ssh" and NEVER_THERE.search(str(problem))):
                raise
            ways = map(self._connection.get_option, ("host", "port", "remote_user", "private_key_file"))
            raise AnsibleActionFail(unreached(task_vars["inventory_hostname"], str(problem), *ways)) from None


def _is_alone(task_vars: Mapping[str, Any]) -> bool:
    return len(task_vars["ansible_play_hosts"]) == 1


def unreached(name: str, said: str, host: str, port: int | None, user: str | None, key: str | None) -> str:
    """Why the only host of a run can't be reached, and the way out; what a summary needs is in the first line.

    :param said: the error of the connection
    :param host: its address, as Ansible gives it to ssh with the port, the user and the key
    """
    command = ["ssh", *(["-p", str(port)] if port else []), *(["-i", key] if key else [])]
    by_hand = shlex.join([*command, f"{user}@{host}" if user else host])
    return (
        f"{name} can't be reached: {words.ssh(said).rstrip('.')}. Try it by hand: {by_hand}\n"
        "Where ssh needs something else to get there, say it in the inventory: ansible_host, ansible_user, "
        "ansible_port, ansible_ssh_private_key_file. Nothing was changed."
    )


def by() -> str:
    """Who runs ansible-playbook, and where."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def process() -> dict[str, Any]:
    """Where the run is found by another one: the machine since its boot, the namespace of its PIDs, PID and start."""
    pid = os.getppid()  # this is a worker's process; the run is its parent
    return {"machine": _machine(), "pid": pid, "started": lease.process_start(pid)}


def is_dead(other: Mapping[str, Any]) -> bool:
    """Whether a run was on this machine and is no more. Of another machine's nothing is known from here."""
    here = _machine()
    return (
        bool(here) and other.get("machine") == here and lease.process_start(other.get("pid", 0)) != other.get("started")
    )


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""

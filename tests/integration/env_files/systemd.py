# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the systemd of a host what it makes of environment files, by starting a service with each of them."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from controller import TESTBED, Host

FOLDER = "/run/switchyard-env"
# No shell, and no program that would lose a byte: what the kernel has for the process is what systemd gave it.
UNIT = f"""
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
EnvironmentFile={FOLDER}/in/%i
ExecStart=/bin/cat /proc/self/environ
StandardOutput=truncate:{FOLDER}/out/%i
"""
AT_ONCE = 250
START = f"""
set -e
rm -rf {FOLDER}; mkdir -p {FOLDER}/out
tar -C {FOLDER} -xf -
install -m 0644 {FOLDER}/unit /run/systemd/system/switchyard-env@.service
systemctl daemon-reload
ls {FOLDER}/in | sed 's/.*/switchyard-env@&.service/' | xargs -n {AT_ONCE} systemctl start >/dev/null 2>&1 || true
systemctl reset-failed 'switchyard-env@*'
tar -C {FOLDER}/out -cf - .
"""


@dataclass(frozen=True)
class Answer:
    """What a service got from its environment file.

    Where systemd refused the file there was no service, and where the kernel refused the environment, no process.
    """

    refused: bool
    variables: dict[bytes, bytes]


def version(host: Host) -> int:
    return int(host.sh("systemctl --version").split()[1].split(".")[0].split("~")[0])


def ask(host: Host, files: Sequence[bytes]) -> list[Answer]:
    """What each of the files is to the host's systemd; the first file has to be an empty one."""
    command = [sys.executable, TESTBED, "exec", host.name, "--group", host.group, "--", "sh", "-c", START]
    done = subprocess.run(command, input=_packed(files), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        given = {member.name.removeprefix("./"): _content(archive, member) for member in archive if member.isfile()}
    answers = [_answer(given.get(str(number))) for number in range(len(files))]
    # Whatever a service has from a file with nothing in it, it does not have from the file.
    own = answers[0].variables
    assert b"INVOCATION_ID" in own
    return [_without(answer, own) for answer in answers]


def _packed(files: Sequence[bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in [("unit", UNIT.encode()), *((f"in/{number}", one) for number, one in enumerate(files))]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream
    return stream.read()


def _answer(environ: bytes | None) -> Answer:
    pairs = (entry.partition(b"=") for entry in (environ or b"").split(b"\0") if entry)
    return Answer(environ is None, {name: value for name, _equals, value in pairs})


def _without(answer: Answer, own: dict[bytes, bytes]) -> Answer:
    return Answer(answer.refused, {name: value for name, value in answer.variables.items() if name not in own})

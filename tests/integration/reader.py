# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who follows the guides, with a checkout and a project beside the folder, and hosts of their names.

Commands run as they are written. What the guides take for granted is around them: ssh and curl find the names, git
finds the project, and the hosts get at packages as this machine does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import guides
import yaml
from authority import Authority
from controller import ROOT, TESTBED, Host

SITE = "shop.example.org"
# The addresses of the guides' networks.
ADDRESS = re.compile(r"\b10\.0\.0\.\d+\b")
EDITOR = "sed -i s/horse/battery/"
LAST = 4000
SHORT = {"site_request_timeout": 5, "cutover_drain": 5, "cutover_settle": 2}


@dataclass
class Reader:
    """`hosts` are those of the guides, by their short names; `numbers` their addresses there."""

    home: Path
    hosts: dict[str, Host]
    numbers: dict[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        self.folder = self.home / "work"
        self.tools = self.home / "tools"
        self.collections = self.home / "collections"
        for made in (self.folder, self.tools, self.collections, self.home / "git"):
            made.mkdir()
        self._collection()
        self._project()
        self._certificate()
        self.meet()

    def meet(self) -> None:
        """Have the hosts' names lead to them, and to no host that had their addresses before."""
        shutil.rmtree(self.home / "cp", ignore_errors=True)
        known = next(iter(self.hosts.values()))
        every = yaml.safe_load(known.inventory.read_text(encoding="utf-8"))["all"]
        told = every["vars"]
        self.addresses = {name: every["hosts"][name]["ansible_host"] for name in self.hosts}
        options = told["ansible_ssh_common_args"].replace("-o ", "\n  ").replace("=", " ")
        lines = [
            f"Host {name} {name}.example.org {self.numbers.get(name, '')}\n  HostName {address}\n"
            for name, address in self.addresses.items()
        ]
        shared = f"Host *\n  IdentityFile {told['ansible_ssh_private_key_file']}{options}\n"
        (self.tools / "ssh_config").write_text("".join(lines) + shared, encoding="utf-8")
        for tool in ("ssh", "scp"):
            self._tool(tool, f'exec {shutil.which(tool)} -F {self.tools}/ssh_config "$@"')
        (self.folder / "group_vars/all").mkdir(parents=True, exist_ok=True)
        around = {"release_build_environment": told["release_build_environment"], **SHORT}
        around |= {"ansible_python_interpreter": told["ansible_python_interpreter"]}
        (self.folder / "group_vars/all/around.yml").write_text(json.dumps(around), encoding="utf-8")
        self.lead(next(iter(self.addresses.values())))

    def lead(self, address: str) -> None:
        """The site's name leads there."""
        rows = [f'resolve = "{SITE}:{port}:{address}"' for port in (80, 443)]
        rows += [f'cacert = "{self.authority.certificate}"', 'noproxy = "*"']
        (self.tools / ".curlrc").write_text("\n".join(rows), encoding="utf-8")

    def _tool(self, name: str, text: str) -> None:
        tool = self.tools / name
        tool.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        tool.chmod(0o755)

    def _collection(self) -> None:
        """A checkout of the collection as it is here, and where it came from."""
        checkout = self.home / "switchyard.django"
        listed = self.run_here("git ls-files --cached --others --exclude-standard", ROOT).splitlines()
        for name in listed:
            if (ROOT / name).is_file() and not (ROOT / name).parent.is_symlink():
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, checkout / name)
        self._repository(checkout, "switchyard.django")

    def _project(self) -> None:
        """The example, under the name that the guides have for a project."""
        project = self.home / "shop"
        shutil.copytree(
            ROOT / "examples/liveboard", project, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*", "tests")
        )
        (project / "liveboard").rename(project / "shop")
        for file in [project / "manage.py", *project.rglob("shop/*.py"), *project.rglob("board/*.py")]:
            file.write_text(file.read_text(encoding="utf-8").replace("liveboard", "shop"), encoding="utf-8")
        self._repository(project, "shop")

    def _repository(self, folder: Path, name: str) -> None:
        bare = self.home / f"git/{name}.git"
        self.run_here(f"git init --quiet --bare --initial-branch=main {bare}")
        self.run_here(
            f"git init --quiet --initial-branch=main && git add --all && git commit --quiet -m {name} && "
            f"git remote add origin {bare} && git push --quiet --set-upstream origin main",
            folder,
        )

    def _certificate(self) -> None:
        folder = self.home / "authority"
        folder.mkdir()
        self.authority = Authority.make(folder)
        made, key = self.authority.sign([SITE])
        shutil.copy(made, self.folder / "fullchain.pem")
        shutil.copy(key, self.folder / "privkey.pem")

    # --- a guide, step by step

    def install(self) -> None:
        """The collection, as in the guide to the first deploy."""
        self.do(guides.Command("$", "ansible-galaxy collection install ../switchyard.django", ()), "first-deploy.md")

    def follow(self, page: Path, meanwhile: Mapping[str, Callable[[], None]] | None = None) -> None:
        """Do all that it says, and then tell where it says what isn't so.

        What a guide leaves to the reader happens `meanwhile`, after the command that has those words.
        """
        untrue: list[str] = []
        for block in guides.blocks(page):
            if block.reason:
                continue
            for step in block.steps:
                if isinstance(step, guides.File):
                    self.write(step)
                else:
                    untrue += self.do(step, f"{page.name}:{block.line}")
                    for words, happens in (meanwhile or {}).items():
                        if words in step.words:
                            happens()
        assert not untrue, "\n\n".join(untrue)

    def write(self, file: guides.File) -> None:
        path = self.folder / file.name
        text = self.here(file.text)
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.added:
            inventory = yaml.safe_load(path.read_text(encoding="utf-8"))
            there = inventory["all"]["vars"]
            for variable, value in yaml.safe_load(text).items():
                there[variable] = {**there.get(variable, {}), **value} if isinstance(value, dict) else value
            text = yaml.safe_dump(inventory, sort_keys=False)
        path.write_text(text, encoding="utf-8")

    def do(self, command: guides.Command, place: str) -> list[str]:
        """Give the command; what it should have printed and has not."""
        words = self.named(self.here(command.words))
        self.say(f"{place} {command.where} {words}")
        self.drained()
        if command.where == "$":
            done = subprocess.run(
                ["bash", "-c", words],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        else:
            host = self.hosts[command.where]
            done = subprocess.run(
                [TESTBED, "exec", host.name, "--group", host.group, "--", "sh", "-c", words],
                capture_output=True,
                text=True,
                check=False,
            )
        output = f"{done.stdout}{done.stderr or ''}"
        assert (done.returncode != 0) == command.fails, f"{place}: {words}\nended with {done.returncode}:\n{output}"
        lacking = guides.missing(command.printed, output)
        return [f"{place}: {words}\ndid not print {lacking}, but at last:\n{output[-LAST:]}"] if lacking else []

    def here(self, text: str) -> str:
        """With the addresses that the hosts have here."""
        known = {self.numbers[name]: address for name, address in self.addresses.items() if name in self.numbers}
        return ADDRESS.sub(lambda found: known.get(found[0], found[0]), text)

    def named(self, words: str) -> str:
        """With the name of a release, or of an environment, that the first host has and that is not in use."""
        host = next(iter(self.hosts.values()))
        if re.search(r"=[0-9a-f]{16}\b", words):
            used = "systemctl cat 'shop@*' | sed -n 's/^EnvironmentFile=.*env.//p'"
            old = host.sh(f'cd /etc/switchyard/shop/env; ls -tr *.env | grep -vFx "$({used})" | head -n 1').strip()
            words = re.sub(r"(?<==)[0-9a-f]{16}\b", old.removesuffix(".env"), words)
        if re.search(r"=[0-9a-f]{12}\b", words):
            history = host.sh("cat /etc/switchyard/shop/history.jsonl").splitlines()
            before = next(one["from"] for one in map(json.loads, reversed(history)) if one.get("result") == "live")
            words = re.sub(r"(?<==)[0-9a-f]{12}\b", before, words)
        return words

    def drained(self) -> None:
        """The old instance has ended, as it has for somebody who reads between two commands."""
        count = "systemctl list-units --plain --no-legend 'shop@*.service' 2>/dev/null | wc -l"
        end = time.monotonic() + 60
        while any(int(host.sh(count)) > 1 for host in self.hosts.values()) and time.monotonic() < end:
            time.sleep(0.5)

    @property
    def environment(self) -> dict[str, str]:
        git = {f"GIT_{role}_{what}": "reader" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        git |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{self.home}/git/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://git.example.org/",
        }
        kept = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
        return {
            **kept,
            **git,
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.home / "cp"),
            "CURL_HOME": str(self.tools),
            "EDITOR": EDITOR,
        }

    def run_here(self, command: str, folder: Path | None = None) -> str:
        environment = {
            **os.environ,
            **{f"GIT_{role}_{what}": "reader" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, check=True, capture_output=True, text=True, env=environment
        )
        return done.stdout

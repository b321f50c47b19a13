# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers, on a host, for names that none of its sites has; and who else has a name that a site wants."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import host_command
from ansible_collections.switchyard.django.plugins.module_utils.layout import (
    NGINX_MAIN,
    NGINX_SITES,
    SITES,
    STOCK_NOTE,
)

# The distribution's default site.
STOCK_SITE = NGINX_SITES / "default"
STOCK_TEXT = "/etc/nginx/sites-available/default"
# Our own, one for each port: what they are is in their name.
DEFAULT_SITE = re.compile(r"switchyard-default-[0-9]+(?:-(?:tls|quic))?\.conf")
# A directive may stand anywhere on a line, and does, where somebody writes a whole server into one.
LISTEN = re.compile(r"(?:^|(?<=[\s;{}]))listen\s+([^;{}]+);")
SERVER = re.compile(r"(?:^|(?<=[\s;{}]))server\s*\{")
SERVER_NAME = re.compile(r"(?:^|(?<=[\s;{}]))server_name\s+([^;{}]+);")
# Where a server listens that takes no visitor away from one that listens everywhere.
EVERYWHERE_OR_HERE = re.compile(r"|\*|0\.0\.0\.0|\[::\]|localhost|127\..*|\[::1\]")
COMMENT = re.compile(r"(?m)(?:^|(?<=[\s;{}]))#.*$")
CONFIGURATION_FILE = re.compile(r"(?m)^# configuration file (.+):$")


def settled(site: str, files: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str | None], list[str]]:
    """The edge's files as this host can have them, by path, and what is to be said of it.

    A default server is one for each port. Where somebody has made one by hand it stays, and ours is left out; the
    distribution's stock site goes where it is as the distribution made it. Ours that no site needs any more go.
    """
    given = list(files)
    wanted: dict[str, str | None] = {one["path"]: one["content"] for one in given}
    ports = {one["path"]: one["default_for"] for one in given if one.get("default_for")}
    if not ports:
        return wanted, []
    with contextlib.suppress(ValueError):  # a neighbour that does not say what it needs: nothing of it is touched
        wanted |= {str(path): None for path in superfluous(site) if str(path) not in wanted}
    others = {path: listens for path, listens in _listens().items() if path not in wanted}
    stock = is_stock()
    notes = []
    for path, port in ports.items():
        here = [(file, listen) for file, listens in others.items() for listen in listens if listen.port == port]
        notes += [
            f"{file} listens at {listen.address}:{port}: who comes to that address gets its sites and not this one"
            for file, listen in here
            if listen.takes_away
        ]
        defaults = [file for file, listen in here if (listen.default or listen.nameless) and listen.everywhere]
        by_hand = [file for file in defaults if not (stock and file == str(STOCK_SITE))]
        if by_hand:
            wanted[path] = None
            notes.append(
                f"{by_hand[0]} is the default server of port {port} and stays: who asks for an unknown "
                "name gets its answer"
            )
        elif defaults:
            wanted[str(STOCK_SITE)] = None
            note = {"path": str(STOCK_SITE), "target": os.readlink(STOCK_SITE)}
            wanted[str(STOCK_NOTE)] = json.dumps(note) + "\n"
            notes.append(f"nginx's stock site, {STOCK_SITE}, is switched off")
    return wanted, list(dict.fromkeys(notes))


def is_stock() -> bool:
    """Whether the default site is there as the distribution made it."""
    if not STOCK_SITE.is_symlink() or os.path.realpath(STOCK_SITE) != STOCK_TEXT or not os.path.isfile(STOCK_TEXT):
        return False
    shipped = host_command.run(
        ["dpkg-query", "--show", "--showformat=${Conffiles}\n", "nginx-common"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    digest = hashlib.md5(Path(STOCK_TEXT).read_bytes(), usedforsecurity=False).hexdigest()
    return f" {STOCK_TEXT} {digest}" in shipped


@dataclass(frozen=True)
class Listen:
    """Where a server listens, as a file of nginx's configuration says."""

    address: str
    port: int
    default: bool
    nameless: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether it is the listen of ours: two can't both be the default there."""
        return self.address in ("", "*", "0.0.0.0", "[::]")  # noqa: S104 - nothing is bound here

    @property
    def place(self) -> tuple[str, int]:
        """Within which nginx tells servers apart by their names: IPv4 and IPv6 are two."""
        return "" if self.everywhere and self.address != "[::]" else self.address, self.port

    @property
    def takes_away(self) -> bool:
        """Whether nginx asks this server first, and no other, for an address at which others listen as well."""
        return not EVERYWHERE_OR_HERE.fullmatch(self.address)


def _listens() -> dict[str, list[Listen]]:
    """Where nginx listens by each file of its configuration, but for our own default servers."""
    return {
        path: [listen for server in _servers(text) for listen in _listens_of(server)]
        for path, text in _files()
        if not (Path(path).parent == NGINX_SITES and DEFAULT_SITE.fullmatch(Path(path).name))
    }


def _servers(text: str) -> list[str]:
    """What stands in each server block of a file."""
    found = []
    for begin in SERVER.finditer(text):
        depth, end = 1, begin.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found.append(text[begin.end() : end])
    return found


def _listens_of(server: str) -> list[Listen]:
    """Where a server listens. One without a name is there for names that no other has, whether it says so or not."""
    names = _names_of(server)
    directives = [words.split() for words in LISTEN.findall(server)] or [["80"]]
    return [
        replace(_listen(words), nameless=names <= {"", "_"}) for words in directives if not words[0].startswith("unix:")
    ]


def _names_of(server: str) -> set[str]:
    """What a server is called, as nginx compares it."""
    return {name.strip("\"'").lower() for words in SERVER_NAME.findall(server) for name in words.split()}


def _listen(words: list[str]) -> Listen:
    """Take a directive apart: an address, a port, or both, and what else there is to say."""
    address, _sep, port = words[0].rpartition(":") if not words[0].endswith("]") else (words[0], "", "80")
    if not port.isdecimal():  # an address alone
        address, port = words[0], "80"
    return Listen(address, int(port), not {"default", "default_server"}.isdisjoint(words[1:]))


def rivals(own: Path, names: Iterable[str], listens: Iterable[str]) -> str:
    """Which of the site's names another file of nginx's configuration has at the same place; empty where none.

    It is a look at the files alone: what a server block includes is found at the cutover, by nginx itself.

    :param own: the site's own file
    :param listens: where it listens, as nginx's directive has it
    """
    wanted = {name.lower(): name for name in names}
    here = {_listen([one]).place for one in listens}
    found: dict[str, list[str]] = {}
    for path, text in _files():
        for server in _servers(text) if path != str(own) else []:
            if here & {listen.place for listen in _listens_of(server)}:
                found.setdefault(path, []).extend(wanted[name] for name in _names_of(server) & set(wanted))
    return "\n".join(taken(theirs, path) for path, theirs in found.items() if theirs)


def taken(names: Iterable[str], owner: str) -> str:
    """That somebody else serves these names, in words."""
    return (
        f"site_domains has {', '.join(sorted(set(names)))}, which {owner} serves on the same port already. Take the "
        "name out of there, or out of site_domains."
    )


def conflicts(said: str, hosts: Iterable[str]) -> list[str]:
    """The site's names that another server block on the same port has already, from what nginx -t says."""
    ignored = re.findall(r'conflicting server name "([^"]+)" on \S+, ignored', said)
    return sorted({name for name in hosts if name.lower() in ignored})


def files_with(name: str) -> list[str]:
    """The files of nginx's configuration that have a server of this name."""
    pattern = re.compile(rf"(?i)(?:^|(?<=[\s;{{}}]))server_name\s[^;]*(?<=[\s\"']){re.escape(name)}(?=[\s;\"'])")
    return [path for path, text in _files() if pattern.search(text)]


def _files() -> list[tuple[str, str]]:
    """Path and text, without its comments, of each file of nginx's configuration."""
    try:
        told = host_command.run(["nginx", "-T", "-q"], capture_output=True, text=True, check=False, errors="replace")
    except OSError:  # a bare host
        return []
    parts = CONFIGURATION_FILE.split(told.stdout)
    found = list(zip(parts[1::2], parts[2::2]))
    if told.returncode:  # nginx shows nothing of what it refuses, which may be a file that is about to be put right
        paths = [NGINX_MAIN, *sorted(NGINX_MAIN.parent.glob("conf.d/*.conf")), *sorted(NGINX_SITES.glob("*"))]
        found = [(str(path), path.read_text(errors="replace")) for path in paths if path.is_file()]
    return [(path, COMMENT.sub("", text)) for path, text in found]


def superfluous(gone: str | None) -> list[Path]:
    """The default servers of ours, which take the visitors of unknown names, at ports that no site but `gone` needs."""
    needed: set[str] = set()
    for path in sorted(SITES.glob("*/edge.json")):
        if path.parent.name != gone:
            needed |= _defaults_of(path)
    return [path for path in sorted(NGINX_SITES.glob("switchyard-default-*.conf")) if path.name not in needed]


def _defaults_of(path: Path) -> set[str]:
    """The names of the default servers that a site needs."""
    try:
        edge = json.loads(path.read_text())
        names = set() if edge["bind"] else {f"switchyard-default-{edge['port']}.conf"}
        if edge.get("tls"):
            names.add(f"switchyard-default-{edge['tls_port']}-tls.conf")
        if edge.get("tls") and edge.get("http3"):
            names.add(f"switchyard-default-{edge['tls_port']}-quic.conf")
    except (ValueError, KeyError) as problem:
        raise ValueError(f"{path} does not say at which ports its site listens: {problem!r}. Deploy it anew") from None
    return names


def returning_stock_site(gone: str | None) -> tuple[Path, Path] | None:
    """The link to the distribution's own site and what it leads to, where nothing of ours is left at its port."""
    try:
        note = json.loads(STOCK_NOTE.read_text())
        link, target = Path(note["path"]), Path(note["target"])
    except OSError:
        return None
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{STOCK_NOTE} does not say which site was switched off: {problem!r}. Remove it") from None
    stay = set(NGINX_SITES.glob("switchyard-default-80[.-]*")) - set(superfluous(gone))
    return None if stay else (link, target)

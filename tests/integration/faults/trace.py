# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what strace saw, and knows at each moment what a power cut could still take away.

A write is on the disk when the file was synced after it, a name when its folder was. `pending` is what is neither.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

CALLS = (
    "trace=execve,openat,creat,write,writev,pwrite64,ftruncate,copy_file_range,sendfile,fsync,fdatasync,sync,syncfs,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
# What must outlive a power cut. All else is a scratch file, a cache or a log.
DURABLE = ("/etc/", "/srv/", "/opt/")

_LINE = re.compile(r"(?P<at>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+|\?)(?P<rest>.*)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\.\.\.)?')
# A folder by its handle, if it has one, and a name in it; or a handle alone.
_PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')
_HANDLE = re.compile(r"\d+<(?P<path>[^>]*)>")


@dataclass(frozen=True)
class Event:
    """One call that had an effect.

    :param paths: what it was done to; for a rename or a link, from where to where
    :param text: what was written or run, as far as strace shows it
    """

    at: float
    process: str
    kind: str
    paths: tuple[str, ...]
    text: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {' -> '.join(self.paths) or self.text}"


KINDS = {
    **dict.fromkeys(("write", "writev", "pwrite64", "ftruncate", "copy_file_range", "sendfile"), "write"),
    **dict.fromkeys(("fsync", "fdatasync"), "sync"),
    **dict.fromkeys(("sync", "syncfs"), "sync all"),
    **dict.fromkeys(("rename", "renameat", "renameat2"), "rename"),
    **dict.fromkeys(("link", "linkat"), "link"),
    **dict.fromkeys(("symlink", "symlinkat"), "symlink"),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), "remove"),
    **dict.fromkeys(("mkdir", "mkdirat"), "mkdir"),
    **dict.fromkeys(("openat", "creat"), "open"),
    "execve": "run",
}


def parse(trace: str, process: str) -> Iterator[Event]:
    """The events of one process's trace; calls that failed had no effect."""
    for line in trace.splitlines():
        found = _LINE.match(line)
        if not found or found["result"].startswith("-"):
            continue
        event = _event(float(found["at"]), process, found["call"], found["arguments"], found["rest"])
        if event:
            yield event


def _event(at: float, process: str, call: str, arguments: str, rest: str) -> Event | None:
    kind = KINDS.get(call)
    if kind is None:
        return None
    if kind == "open":
        opened = _HANDLE.match(rest.strip()) or re.match(r"<(?P<path>[^>]*)>", rest.strip())
        new = re.search(r"O_(CREAT|TRUNC)", arguments) or call == "creat"
        return Event(at, process, "create", (opened["path"],)) if new and opened else None
    if kind == "run":
        return Event(at, process, kind, (), " ".join(_TEXT.findall(arguments)))
    if kind in ("write", "sync", "sync all"):
        handles = [found["path"] for found in _HANDLE.finditer(arguments)]
        to = handles[-1] if call == "copy_file_range" else handles[0] if handles else "/"
        text = _TEXT.search(arguments) if kind == "write" else None
        return Event(at, process, kind, (to.removesuffix(" (deleted)"),), text[1] if text else "")
    places = [os.path.normpath(os.path.join(one["folder"] or "/", one["name"])) for one in _PLACE.finditer(arguments)]
    return Event(at, process, kind, (places[-1],) if kind == "symlink" else tuple(places))


def merge(traces: dict[str, str]) -> list[Event]:
    """The events of several processes, in the order in which they happened."""
    events = (event for process, trace in traces.items() for event in parse(trace, process))
    return sorted(events, key=lambda one: one.at)


def is_durable(path: str) -> bool:
    return path.startswith(DURABLE)


@dataclass
class Disk:
    """What has been asked of the disk and may not be on it yet."""

    content: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def pending(self) -> list[str]:
        return sorted({f"content of {path}" for path in self.content} | {f"name {path}" for path in self.names})

    def take(self, event: Event) -> None:
        """Let the event happen."""
        if event.kind == "sync all":
            self._sync_all(event.paths[0])
        elif event.kind == "sync":
            self._sync(event.paths[0])
        elif is_durable(event.paths[-1]):
            self._change(event)

    def _sync(self, path: str) -> None:
        self.content.discard(path)
        self.names = {name for name in self.names if os.path.dirname(name) != path}

    def _sync_all(self, path: str) -> None:
        """A file system's files: /etc and /srv may be two. Without a path (sync) it is all of them."""
        safe = next((top for top in DURABLE if f"{path}/".startswith(top)), "/")
        self.content = {one for one in self.content if not one.startswith(safe)}
        self.names = {one for one in self.names if not one.startswith(safe)}

    def _change(self, event: Event) -> None:
        path = event.paths[-1]
        if event.kind in ("write", "create"):
            self.content.add(path)
        if event.kind == "rename":
            self._move(*event.paths)
        if event.kind == "remove":
            self.content.discard(path)
        if event.kind != "write":
            self.names.add(path)

    def _move(self, source: str, target: str) -> None:
        """A tree takes along what it has pending; the name that it had is nobody's any more."""

        def moved(path: str) -> str:
            return target + path[len(source) :] if path == source or path.startswith(f"{source}/") else path

        self.content = {moved(path) for path in self.content}
        self.names = {moved(path) for path in self.names}


def changes(events: Iterable[Event]) -> Iterator[tuple[Event, Disk]]:
    """Each event that asks something of the disk, or runs a program, and the disk as it is just before it."""
    disk = Disk()
    for event in events:
        if event.kind in ("run", "sync all") or is_durable(f"{event.paths[-1]}/"):
            yield event, disk
        if event.kind != "run":
            disk.take(event)

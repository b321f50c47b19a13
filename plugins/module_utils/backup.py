# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves a site's databases where root alone can read them, and brings them back.

A backup is a folder of its name, with a file for each database and a note that is written last but for the folder's
own name: what has no note, or a name that begins with a dot, is no backup.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    django_backup,
    guard,
    masking,
    release,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

SUFFIXES = {"sqlite": "sqlite3", "postgresql": "dump"}
KINDS = "SQLite and PostgreSQL can be saved"
BY_HAND = "docs/backup.md says how to restore it by hand."
CHUNK = 1 << 20


class BackupError(Exception):
    """The data can't be saved or brought back; the message is for the user."""


def named(layout: Layout, name: str) -> dict[str, Any]:
    found = next((note for note in state.backups(layout) if note["name"] == name), None)
    if found is None:
        there = ", ".join(note["name"] for note in state.backups(layout)) or "none"
        raise BackupError(f"restore_backup {name} is no backup on this host. It has {there}.")
    return found


# --- saving ----------------------------------------------------------------------------------------------------------


def save(layout: Layout, by: str, why: str, pending: Iterable[str], keep: int) -> dict[str, Any] | None:
    """Save the databases of a release, and return the note; None where there is nothing to save yet.

    :param by: the release whose settings say which databases there are
    :param why: for people: before what it was made
    :param pending: the migrations that are about to be applied
    :param keep: how many backups stay; 0 for all of them
    """
    asked = _ask(layout, by, "survey")
    live = state.live_release(layout)
    if live is None and not asked["applied"]:
        return None
    _require_possible(layout, asked["databases"])
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{by}"
    layout.backups.mkdir(mode=0o700, exist_ok=True)
    for left in layout.backups.glob(".*"):  # of a run that was cut off
        disk.clear(left)
    partial = layout.backups / f".{name}"
    partial.mkdir(mode=0o700)
    try:
        databases = [_save(layout, by, alias, one, partial) for alias, one in asked["databases"].items()]
        note = {
            "name": name,
            "at": round(time.time(), 3),
            "why": why,
            "release": by,
            "live": live,
            "pending": list(pending),
            "applied": asked["applied"],
            "databases": databases,
        }
        disk.write(partial / state.BACKUP_NOTE, json.dumps(note, indent=2, sort_keys=True).encode() + b"\n", 0o600)
        disk.settle(partial)
        os.rename(partial, layout.backups / name)
        disk.sync_folder(layout.backups)
    except BaseException:
        disk.clear(partial)
        raise
    for gone in superfluous(layout, keep):
        disk.clear(layout.backups / gone)
    return note


def _require_possible(layout: Layout, databases: Mapping[str, Mapping[str, Any]]) -> None:
    for alias, one in databases.items():
        if one["kind"] not in SUFFIXES:
            raise BackupError(
                f"release_backup: the database {alias!r} is {one['kind']}, and {KINDS}. Take release_backup out, and "
                "save it by a task of your own: release_tasks.before_migrate."
            )
        if one.get("missing"):
            raise BackupError(
                f"release_backup: the database {alias!r} is PostgreSQL, and this host lacks "
                f"{', '.join(one['missing'])}: apt install postgresql-client, or add it to host_packages."
            )
    wanted = {layout.srv: sum(one["size"] for one in databases.values())}
    rooms = {os.stat(layout.srv).st_dev: [layout.srv, _free(layout.srv), wanted[layout.srv]]}
    for one in databases.values():
        if one["kind"] == "sqlite":  # a copy is made beside it first
            room = rooms.setdefault(one["device"], [Path(one["path"]).parent, one["free"], 0])
            room[2] += one["size"]
    for folder, free, need in rooms.values():
        if need > free:
            raise BackupError(
                f"release_backup: {folder} has {_mebibytes(free)} free, and the backup may take {_mebibytes(need)}. "
                "Make room, keep fewer with release_backup_keep, or go without: release_backup=false."
            )


def _free(folder: Path) -> int:
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _save(layout: Layout, by: str, alias: str, one: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Save one database, and see that what is on the disk is what was saved and can be read."""
    path = folder / f"{alias}.{SUFFIXES[one['kind']]}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        told = _ask(layout, by, "save", alias, one["kind"], stdout=stream)
        os.fsync(stream.fileno())
    digest = _digest(path)
    if told.get("sha256", digest) != digest:
        raise BackupError(
            f"what was saved of the database {alias!r} is not what is on the disk. Is the disk all right?"
        )
    if one["kind"] == "postgresql":
        with path.open("rb") as saved:
            _ask(layout, by, "verify", alias, one["kind"], stdin=saved)
    return {"alias": alias, "kind": one["kind"], "file": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def superfluous(layout: Layout, keep: int) -> list[str]:
    """The backups that go: all but the latest, and never the one that was made for the live release."""
    live = state.live_release(layout)
    own = state.backup_of(layout, live) if live else None
    names = [note["name"] for note in state.backups(layout)]
    return [name for name in names[keep:] if name != own] if keep else []


# --- which one -------------------------------------------------------------------------------------------------------


def plan(found: Mapping[str, Mapping[str, Any]], name: str | None) -> dict[str, Any]:
    """Which host has a backup, and which release comes back with it.

    :param found: what release_info says of each host
    :param name: the backup's; None to see only what there is
    """
    have = [(host, note) for host, info in found.items() for note in info["backups"]]
    lines = [_line(host, note) for host, note in sorted(have, key=lambda one: one[1]["at"], reverse=True)]
    chosen = {"host": "", "release": "", "problem": "", "listed": lines or ["There is no backup."]}
    if not have and not any(info["releases"] for info in found.values()):
        return {**chosen, "problem": f"{', '.join(found)} has no such site, and no backup of one."}
    if name is None:
        return chosen
    host, note = next((one for one in have if one[1]["name"] == name), ("", None))
    if note is None:
        there = "".join(["It has:\n", *(f"  {line}\n" for line in lines)]) if lines else "It has none."
        return {**chosen, "problem": f"restore_backup {name!r} is no backup of the site. {there}"}
    if not note["live"]:
        problem = f"no release was live when {name} was made, so none would serve its data."
        return {**chosen, "problem": f"{problem} {BY_HAND}"}
    lacking = [one for one, info in found.items() if note["live"] not in _startable(info)]
    if lacking:
        problem = (
            f"release {note['live']}, which fits the data of {name}, can't start any more on {', '.join(lacking)}."
        )
        return {**chosen, "problem": f"{problem} Take a later backup, or: {BY_HAND}"}
    return {**chosen, "host": host, "release": note["live"]}


def _startable(info: Mapping[str, Any]) -> list[str]:
    return [one["id"] for one in info["releases"] if one["startable"]]


def _line(host: str, note: Mapping[str, Any]) -> str:
    """A backup in the words of a person."""
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(note["at"]))
    size = _mebibytes(sum(one["bytes"] for one in note["databases"]))
    pending = f" of {note['release']}: {', '.join(note['pending'])}" if note["pending"] else ""
    return f"{note['name']} on {host}: {when}, {size}, {note['live'] or 'nothing'} was live; {note['why']}{pending}"


# --- bringing back ---------------------------------------------------------------------------------------------------


def stop(layout: Layout) -> None:
    """Stop all that works with the site's data. The host must not take it for a death."""
    guard.look_away(layout)
    units.stop([f"{layout.site}@*", f"switchyard-manage-*@{layout.site}.service"])


def resume(layout: Layout) -> None:
    """Start what is live again."""
    units.restart(layout.boot_unit)


def restore(layout: Layout, name: str, present: str) -> dict[str, list[str]]:
    """Bring the data of a backup back, all of it or, where something fails, none.

    That it has begun is noted first. The note goes with `conclude`: until then nothing else may be done with the site.

    :param present: the name of what was saved of the data as it is now; nothing where that is given up
    :return: the migrations that are applied no more, and those that are again
    """
    note = named(layout, name)
    by = note["live"]
    begun = _begun(layout)
    before = begun or {"applied": _ask(layout, by, "survey")["applied"] if present else None}
    disk.write(layout.restoring, json.dumps({**before, "backup": name, "present": present}).encode() + b"\n", 0o644)
    done: list[str] = []
    try:
        for one in note["databases"]:
            _require_undamaged(layout, name, one)
        for one in note["databases"]:
            _restore(layout, by, name, one)
            done.append(one["alias"])
    except BackupError as problem:
        raise BackupError(f"{problem}\n{_take_back(layout, by, present, done, bool(begun))}") from None
    after = _pairs(note["applied"])
    # Where the data was given up it is not known what was applied: it may be all that a release here knows.
    known = _pairs(before["applied"]) if before["applied"] is not None else _known(layout)
    return {"reversed": sorted(known - after), "regained": sorted(after - known)}


def conclude(layout: Layout) -> None:
    disk.remove(layout.restoring)


def _begun(layout: Layout) -> dict[str, Any] | None:
    try:
        return json.loads(layout.restoring.read_text())
    except (OSError, ValueError):
        return None


def _require_undamaged(layout: Layout, name: str, one: Mapping[str, Any]) -> None:
    path = layout.backups / name / one["file"]
    if not path.is_file() or _digest(path) != one["sha256"]:
        raise BackupError(f"{path} is not as it was when it was made. Take another backup.")


def _restore(layout: Layout, by: str, name: str, one: Mapping[str, Any]) -> None:
    with (layout.backups / name / one["file"]).open("rb") as saved:
        _ask(layout, by, "restore", one["alias"], one["kind"], stdin=saved)


def _take_back(layout: Layout, by: str, present: str, done: list[str], was_begun: bool) -> str:
    """Where one of several databases can't be restored, the others are put back.

    :param was_begun: whether a restore before was cut off: then nobody knows what the data was when this one began
    """
    for one in named(layout, present)["databases"] if present and done else []:
        if one["alias"] in done:
            try:
                _restore(layout, by, present, one)
            except BackupError as problem:
                return (
                    f"And the database {one['alias']!r} can't be put back as it was: {problem}\n"
                    "The site stays stopped. Mend what is named, then: playbooks/restore.yml "
                    f"-e restore_backup={present}"
                )
    if done and not present:
        return f"Restored are {', '.join(done)}, and the site stays stopped. Mend what is named, then run this again."
    if was_begun:
        return (
            "A restore before was cut off, so the data may be that of two moments, and the site stays stopped. Mend "
            "what is named, then run this again, or with another backup."
        )
    conclude(layout)
    return "The data is as it was before."


def _known(layout: Layout) -> set[str]:
    return {name for one in state.manifests(layout).values() for name in _pairs(one["migrations"].get("known", {}))}


def _pairs(names: Mapping[str, Iterable[str]]) -> set[str]:
    return {f"{app}.{name}" for app, each in names.items() for name in each}


# --- Django ----------------------------------------------------------------------------------------------------------


def _ask(
    layout: Layout,
    by: str,
    step: str,
    alias: str = "",
    kind: str = "",
    stdin: str | IO[bytes] = "",
    stdout: IO[bytes] | None = None,
) -> dict[str, Any]:
    """Run django_backup with the code, environment and sandbox of a release, and return its report."""
    marker = secrets.token_hex(16)
    question = {"marker": marker, "step": step, "alias": alias, "kind": kind}
    program = inspect.getsource(django_backup).replace("WANTED: dict = {}", f"WANTED: dict = {question!r}", 1)
    done = release.manage(layout, by, ["-c", program], stdin=stdin, stdout=stdout, patient=True)
    said, found, answer = done.stderr.rpartition(marker)
    said = masking.mask(said if found else done.stderr, release.variables_of(layout, by)).strip()[-2000:]
    report = json.JSONDecoder().raw_decode(answer)[0] if found else {"trouble": f"the process ended with {done.rc}"}
    if "trouble" in report:
        what = {"survey": "looked at", "save": "saved", "verify": "saved", "restore": "restored"}[step]
        which = f"The database {alias!r}" if alias else "The databases"
        raise BackupError(f"{which} can't be {what}: {report['trouble']}{chr(10) if said else ''}{said}")
    return report

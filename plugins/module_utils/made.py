# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release and its edge were made of, noted while they are made: by it drift sees what somebody changed later.

Of what a release's record has, and of the modules beside its code, there are the texts; of the environment the names,
each with a keyed digest from which no value can be guessed; of code and static files the size and the time of each; of
a virtual environment its packages. The archive of the source is kept. No other user can change any of it.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file, environment
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

# What of a release's folder is noted file by file.
TREES = ("code", "static")
# The note of a virtual environment, in its folder.
PACKAGES = "switchyard.packages.json"


def note_release(layout: Layout, manifest: Mapping[str, Any]) -> None:
    """Note the texts of a release's record and modules, and its environment, as they are now."""
    release, record = manifest["id"], layout.record(manifest["id"])
    note = {
        "files": {name: (record / name).read_text() for name in manifest["files"]},
        "modules": {path.name: path.read_text() for path in module_files(layout, release)},
        "environment": variables(layout, manifest["environment"]),
    }
    disk.write(layout.made(release), json.dumps(note).encode() + b"\n", 0o600)


def release(layout: Layout, name: str) -> dict[str, Any]:
    """The note of a release; empty for one that an earlier version of the collection made."""
    try:
        return json.loads(layout.made(name).read_text())
    except (OSError, ValueError):
        return {}


def module_files(layout: Layout, name: str) -> list[Path]:
    """The Python modules that a release has beside the project's."""
    folder = layout.modules(name)
    return sorted(path for path in folder.glob("*.py") if path.is_file()) if folder.is_dir() else []


def variables(layout: Layout, name: str) -> dict[str, str] | None:
    """A keyed digest of each variable of an environment, by name; None where it can't be read."""
    site_secrets = environment.load(layout)
    try:
        found = env_file.parse(layout.environment(name).read_bytes()).variables
    except OSError:
        return None
    if site_secrets is None:
        return None
    key = bytes.fromhex(site_secrets.identity_key)
    return {
        variable: hmac.new(key, disk.canonical([variable, value]), hashlib.sha256).hexdigest()[:16]
        for variable, value in sorted(found.items())
    }


def is_environment_whole(layout: Layout, name: str) -> bool:
    """Whether an environment file holds what its name, a digest of that, says."""
    site_secrets = environment.load(layout)
    try:
        found = env_file.parse(layout.environment(name).read_bytes()).variables
    except OSError:
        return False
    return site_secrets is not None and environment.digest(found, site_secrets) == name


def note_packages(venv: Path) -> None:
    """Note what is installed when a virtual environment is made: the releases that share it have the same note."""
    disk.write(venv / PACKAGES, json.dumps(packages(venv)).encode() + b"\n", 0o644)


def noted_packages(venv: Path) -> list[str] | None:
    """What note_packages noted; None for a virtual environment that an earlier version of the collection made."""
    try:
        return json.loads((venv / PACKAGES).read_text())
    except (OSError, ValueError):
        return None


def packages(venv: Path) -> list[str]:
    """What is installed in a virtual environment, each as NAME-VERSION."""
    return sorted(path.name.removesuffix(".dist-info") for path in venv.glob("lib/python*/site-packages/*.dist-info"))


# --- code and static files -------------------------------------------------------------------------------------------


def keep_source(layout: Layout, name: str, archive: IO[bytes]) -> None:
    """Keep the archive from which the code is unpacked: it says what was in a file that somebody changes."""
    kept = layout.source(name)
    archive.seek(0)
    with kept.open("wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        shutil.copyfileobj(archive, stream)


def note_tree(layout: Layout, name: str) -> None:
    """Note the files of code and static files, once they are built; releases that take them over have the same."""
    text = json.dumps(tree(layout.release(name)), separators=(",", ":"))
    # Without the time, so that the same tree gives the same file.
    disk.write(layout.listing(name), gzip.compress(text.encode(), 6, mtime=0), 0o600)


def listed(layout: Layout, name: str) -> dict[str, list[int]] | None:
    """What note_tree noted; None for a release that an earlier version of the collection made."""
    try:
        return json.loads(gzip.decompress(layout.listing(name).read_bytes()))
    except (OSError, ValueError, EOFError):
        return None


def tree(folder: Path, parts: Iterable[str] = TREES) -> dict[str, list[int]]:
    """Size and time of change of each file, by its path in the folder. A folder is told by what it holds."""
    found = _files(folder, parts)
    return {path: [seen.st_size, seen.st_mtime_ns, stat.S_IFMT(seen.st_mode)] for path, seen in found}


def _files(folder: Path, parts: Iterable[str] = TREES) -> Iterator[tuple[str, os.stat_result]]:
    for part in parts:
        try:
            entries = sorted(os.scandir(folder / part), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{part}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder, [path])
            else:
                yield path, entry.stat(follow_symlinks=False)


# --- the edge --------------------------------------------------------------------------------------------------------


def with_note_of_edge(layout: Layout, files: Mapping[str, str | None]) -> dict[str, str | None]:
    """The edge's files, and one more that has the texts of those that are the site's own: all of them move together.

    Files that go back to what they were have the note of that time among them.
    """
    if str(layout.edge_made) in files:
        return dict(files)
    own = {path: text for path, text in files.items() if text is not None and _is_own(layout, Path(path))}
    return {**files, str(layout.edge_made): json.dumps(own, sort_keys=True) + "\n"} if own else dict(files)


def edge(layout: Layout) -> dict[str, str]:
    """The texts of the site's own files of the edge as they were made, by path."""
    try:
        return json.loads(layout.edge_made.read_text())
    except (OSError, ValueError):
        return {}


def _is_own(layout: Layout, path: Path) -> bool:
    """Whether no other site writes it; edge.json is a note, which nginx does not read."""
    return path == layout.edge or path.is_relative_to(layout.edge_files)

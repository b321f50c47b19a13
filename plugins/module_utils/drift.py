# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody has changed by hand since the live release was made, with a diff that shows no values of secrets."""

from __future__ import annotations

import difflib
import itertools
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk, drift_lines, env_file, made, state
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.masking import HIDDEN, mask
from ansible_collections.switchyard.django.plugins.module_utils.page_text import printable

# What is larger than that is said to have changed, and not how. In bytes.
LONGEST_TEXT = 256 * 1024
MOST_LINES, LONGEST_LINE = 40, 160
# Of so many files each is told; then how many there are beside.
MOST_FILES = 20
# Where an administrator lays what is added to a unit; below /usr/lib the distribution does.
BY_HAND = ("/etc/", "/run/")


@dataclass(frozen=True)
class Drift:
    """One thing that is not as it was made.

    :param kind: unit, environment, nginx, code or dependencies
    :param what: changed, added or gone
    :param at: when it was changed, in seconds since 1970; None where nothing tells
    :param diff: the lines that differ, with - or + before them; empty where there is no text to compare
    """

    kind: str
    path: str
    what: str
    at: float | None = None
    diff: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """All of it.

    :param unknown: what can't be judged, because an earlier version of the collection made it
    """

    drift: list[Drift]
    unknown: list[str] = field(default_factory=list)


def read(layout: Layout, release: str, drop_ins: Mapping[str, str]) -> Found:
    """What differs of a release and of the edge.

    :param drop_ins: what systemd adds to the release's units, by unit: paths with blanks between them
    """
    manifest, note = state.manifest(layout, release) or {}, made.release(layout, release)
    secrets = _variables(layout, manifest.get("environment", ""))
    texts = _Texts(secrets)
    venv = layout.venv(manifest.get("venv", ""))
    installed = made.noted_packages(venv)
    drift = [
        *_of_record(layout, release, manifest.get("files", {}), note.get("files", {}), texts),
        *_of_drop_ins(layout, drop_ins, texts),
        *_of_environment(layout, manifest.get("environment", ""), note.get("environment")),
        *_of_edge(layout, texts),
        *_of_code(layout, release, texts),
        *_of_modules(layout, release, note.get("modules"), texts),
        *_of_packages(venv, installed),
    ]
    unknown = [
        *([] if note else ["how units, nginx's part and the environment differ"]),
        *([] if installed is not None else ["dependencies"]),
        *([] if layout.listing(release).exists() else ["code"]),
        *([] if layout.edge_made.exists() else ["nginx's part that is no release's"]),
    ]
    return Found(drift, unknown)


def _variables(layout: Layout, environment: str) -> dict[str, str]:
    try:
        return env_file.parse(layout.environment(environment).read_bytes()).variables
    except OSError:
        return {}


class _Texts:
    """Compares texts and hides what may be secret in them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.secrets = secrets

    def compare(self, kind: str, path: Path, before: str | None) -> Drift | None:
        """What has become of a file; None where it is as it was.

        :param before: its text; None where there was none
        """
        now = _text(path)
        if now == before:
            return None
        what = "gone" if now is None else "added" if before is None else "changed"
        return Drift(kind, str(path), what, _changed_at(path), self.diff(kind, path, before or "", now or ""))

    def diff(self, kind: str, path: Path, before: str, now: str) -> list[str]:
        if max(len(before), len(now)) > LONGEST_TEXT or "\0" in now:
            return []
        matched = difflib.SequenceMatcher(None, drift_lines.split(before), drift_lines.split(now))
        old, new = (drift_lines.lines(kind, str(path), text) for text in (before, now))
        shown: list[str] = []
        for what, i1, i2, j1, j2 in matched.get_opcodes():
            if what != "equal":
                shown += (self._shown("-", line) for line in old[i1:i2])
                shown += (self._shown("+", line) for line in new[j1:j2])
        shown = list(_counted(shown))
        beside = [f"… and {len(shown) - MOST_LINES} more lines"] if len(shown) > MOST_LINES else []
        return [*shown[:MOST_LINES], *beside]

    def _shown(self, sign: str, line: str) -> str:
        indent = line[: len(line) - len(line.lstrip())].replace("\t", "    ")
        return sign + indent + printable(mask(line, self.secrets), LONGEST_LINE)


def _counted(shown: Iterable[str]) -> Iterator[str]:
    """Lines of which nothing is shown are counted, where they stand in a row."""
    for line, same in itertools.groupby(shown):
        number = len(list(same))
        if line[1:] == HIDDEN and number > 1:
            yield f"{line} ({number} lines)"
        else:
            yield from [line] * number


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return stream.read(LONGEST_TEXT + 1).decode(errors="replace")
    except OSError:
        return None


def _changed_at(path: Path) -> float | None:
    """When it was changed, or where it is gone, its folder."""
    for one in (path, path.parent):
        try:
            return round(one.lstat().st_mtime, 3)
        except OSError:
            continue
    return None


# --- units and nginx -------------------------------------------------------------------------------------------------


def _of_record(
    layout: Layout, release: str, digests: Mapping[str, str], texts: Mapping[str, str], compare: _Texts
) -> Iterator[Drift]:
    """The files of the release's record, where they are read; systemd's by a link, which somebody may have replaced."""
    for name, digest in digests.items():
        kind = "nginx" if name.startswith("nginx/") else "unit"
        path = _in_force(layout, release, name)
        if disk.digest(_text(path), 16) == digest:
            continue
        found = compare.compare(kind, path, texts[name]) if name in texts else None
        yield found or Drift(kind, str(path), "changed" if path.exists() else "gone", _changed_at(path))
    part = layout.record(release) / "nginx"
    yield from _added("nginx", part.glob("*/*.conf"), {str(layout.record(release) / name) for name in digests}, compare)


def _in_force(layout: Layout, release: str, name: str) -> Path:
    """Where a file of the record is read."""
    path = layout.record(release) / name
    if layout.parts_of(name):
        link = layout.unit_file(release).with_name(name)
        return path if link.is_symlink() and link.resolve() == path.resolve() else link
    return path


def _of_drop_ins(layout: Layout, drop_ins: Mapping[str, str], compare: _Texts) -> Iterator[Drift]:
    """What is added to units: what systemd has read, and what lies there and was not read yet."""
    paths = {Path(path) for listed in drop_ins.values() for path in listed.split() if path.startswith(BY_HAND)}
    for name in (*drop_ins, f"{layout.site}@.service"):
        paths |= set(layout.unit_file("").with_name(f"{name}.d").glob("*.conf"))
    return _added("unit", paths, set(), compare)


def _of_edge(layout: Layout, compare: _Texts) -> Iterator[Drift]:
    texts = made.edge(layout)
    for path, text in texts.items():
        found = compare.compare("nginx", Path(path), text)
        if found:
            yield found
    if texts:
        yield from _added("nginx", layout.edge_files.glob("*.conf"), set(texts), compare)


def _added(kind: str, paths: Iterable[Path], known: set[str], compare: _Texts) -> Iterator[Drift]:
    for path in sorted(paths):
        found = compare.compare(kind, path, None) if str(path) not in known else None
        if found:
            yield found


# --- the environment -------------------------------------------------------------------------------------------------


def _of_environment(layout: Layout, name: str, before: Mapping[str, str] | None) -> Iterator[Drift]:
    """By names alone: no value of the environment is told, be it secret or not.

    The file's name says whether it was changed; the note, in which of its variables.
    """
    path, now = layout.environment(name), made.variables(layout, name)
    if now is None:
        yield Drift("environment", str(path), "gone", _changed_at(path))
    if now is None or made.is_environment_whole(layout, name):
        return
    before = now if before is None else before
    lines = [
        *(f"-{variable}" for variable in before if variable not in now),
        *(f"+{variable}" for variable in now if variable not in before),
        *(f"~{variable}, another value" for variable in now if now[variable] != before.get(variable, now[variable])),
    ]
    yield Drift("environment", str(path), "changed", _changed_at(path), lines)


# --- code, and what it needs -----------------------------------------------------------------------------------------


def _of_code(layout: Layout, release: str, compare: _Texts) -> Iterator[Drift]:
    before = made.listed(layout, release)
    if before is None:
        return
    folder = layout.release(release)
    now = made.tree(folder)
    differing = [path for path in sorted({*before, *now}) if before.get(path) != now.get(path)]
    with _Source(layout.source(release)) as source:
        found = 0
        for path in differing:
            if "__pycache__" in path:  # Python's own, which a run as root leaves
                continue
            what = "gone" if path not in now else "added" if path not in before else "changed"
            original = source.text(path)
            if what == "changed" and original is not None and original == _text(folder / path):
                continue  # it was touched, or written again with what it had
            found += 1
            if found <= MOST_FILES:
                file = folder / path
                diff = compare.diff("code", file, original or "", _text(file) or "") if _tells(what, original) else []
                yield Drift("code", str(file), what, _changed_at(file), diff)
    if found > MOST_FILES:
        yield Drift("code", str(folder), "changed", None, [f"{found - MOST_FILES} more files"])


def _tells(what: str, original: str | None) -> bool:
    """Whether there is a text to compare with: of what a build made, and no source has, there is none."""
    return what == "added" or original is not None


class _Source:
    """The archive that the code came from, which is opened when the first file is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tar: tarfile.TarFile | None = None
        self._known: dict[str, tarfile.TarInfo] | None = None

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._tar:
            self._tar.close()

    def text(self, path: str) -> str | None:
        """What a file of the code had; None where the source has none of that name, or it is no text to show."""
        folder, _slash, name = path.partition("/")
        if folder != "code":
            return None
        if self._known is None:
            self._known = self._members()
        member = self._known.get(name)
        stream = self._tar.extractfile(member) if self._tar and member and member.isreg() else None
        return stream.read(LONGEST_TEXT + 1).decode(errors="replace") if stream else None

    def _members(self) -> dict[str, tarfile.TarInfo]:
        try:
            self._tar = tarfile.open(self.path)  # noqa: SIM115 - closed by __exit__
            return {os.path.normpath(member.name): member for member in self._tar.getmembers()}
        except (OSError, tarfile.TarError):
            return {}


def _of_modules(layout: Layout, release: str, before: Mapping[str, str] | None, compare: _Texts) -> Iterator[Drift]:
    if before is None:
        return
    folder = layout.modules(release)
    for name in sorted({*before, *(path.name for path in made.module_files(layout, release))}):
        found = compare.compare("code", folder / name, before.get(name))
        if found:
            yield found


def _of_packages(venv: Path, before: list[str] | None) -> Iterator[Drift]:
    now = made.packages(venv)
    if before is None or now == before:
        return
    lines = [*(f"-{one}" for one in before if one not in now), *(f"+{one}" for one in now if one not in before)]
    yield Drift("dependencies", str(venv), "changed", None, lines[:MOST_LINES])

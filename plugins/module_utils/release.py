# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a release on a host: code, then what Django says of it, static files, and the record that makes it whole.

The manifest is written last. A release without one is half-made: it is never live, never a rollback's target, and the
next run makes it anew.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tarfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    diagnosis,
    disk,
    env_file,
    host_command,
    identity,
    made,
    masking,
    ownership,
    ports,
    processes,
    reach,
    sandbox,
    settings_overlay,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

TOKEN = re.compile(r"@([A-Z_]+)@")


class ReleaseError(Exception):
    """The release can't be made; the message is for the user."""


# --- code ------------------------------------------------------------------------------------------------------------


def unpack(layout: Layout, release: str, archive: IO[bytes]) -> None:
    """Lay the code down as root's, readable by the site alone."""
    final = layout.code(release)
    disk.clear(layout.release(release))
    layout.release(release).mkdir()
    layout.release(release).chmod(0o711)  # whatever the umask of root: nginx passes through to the static files
    partial = final.with_name("code.partial")
    partial.mkdir()
    with tarfile.open(fileobj=archive) as tar:
        # Links come last, so that no file is ever written through one.
        for member in sorted(tar.getmembers(), key=lambda one: not one.isreg()):
            _extract(tar, member, partial)
    ownership.take(partial, layout.site)
    made.keep_source(layout, release, archive)
    os.rename(partial, final)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    inside = (folder / name.parent).resolve().is_relative_to(folder.resolve())
    if not inside or name.is_absolute() or ".." in name.parts or not (member.isreg() or member.issym()):
        raise ReleaseError(f"the source holds {member.name!r}, which is neither a file nor a link inside it")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        path.symlink_to(member.linkname)
        return
    content = tar.extractfile(member)
    if content is None:
        raise ReleaseError(f"the source's archive is damaged at {member.name!r}")
    with content, path.open("xb") as stream:
        shutil.copyfileobj(content, stream)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


def adopt(layout: Layout, release: str, built: str) -> None:
    """Take code and static files of a release that was built from the same inputs, by hard links."""
    final = layout.release(release)
    partial = final.with_name(f"{release}.partial")
    for leftover in (final, partial):
        disk.clear(leftover)
    host_command.run(["cp", "--archive", "--link", layout.release(built), partial], check=True)
    os.rename(partial, final)


# --- Django ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What a release is to be, as the controller resolved it."""

    release: str
    root: str
    entry_point: str
    settings_module: str
    overrides: dict[str, Any]
    environment: str
    venv: str
    domains: list[str]
    health_path: str
    hosts: int
    serving: dict[str, Any]
    size: dict[str, int]
    modules: list[dict[str, str]]
    files: list[dict[str, str]]
    manifest: dict[str, Any]
    programs: list[dict[str, str]] = field(default_factory=list)


def python_environment(layout: Layout, release: str, root: str, settings_module: str, commit: str) -> dict[str, str]:
    """What the release's Python is told beside the site's environment file; the unit says the same."""
    return {
        "DJANGO_SETTINGS_MODULE": settings_module,
        "PYTHONPATH": f"{layout.modules(release)}:{layout.code(release) / root}",
        "PYTHONUNBUFFERED": "1",
        "RELEASE_ID": release,
        "RELEASE_COMMIT": commit,
        "HOME": str(layout.data),
    }


def environment_of(layout: Layout, wanted: Wanted) -> dict[str, str]:
    """What Python is told in a release that is being made."""
    commit = wanted.manifest.get("commit") or ""
    return python_environment(layout, wanted.release, wanted.root, _settings_in_force(wanted), commit)


def _settings_in_force(wanted: Wanted) -> str:
    return settings_overlay.MODULE if wanted.overrides else wanted.settings_module


def inspect(layout: Layout, wanted: Wanted, inspector: str, build: bool) -> dict[str, Any]:
    """Ask Django, and with `build` collect static files and compile the code as well.

    :param inspector: the text of django_inspector.py
    """
    tree, static = layout.release(wanted.release), layout.static(wanted.release)
    code = layout.code(wanted.release) / wanted.root
    if build:
        static.mkdir(mode=0o755, exist_ok=True)
        for folder in (layout.code(wanted.release), static):
            ownership.give(folder, layout.site)
    marker = secrets.token_hex(16)
    question = {
        "marker": marker,
        "build": build,
        "health_path": wanted.health_path,
        "entry_point": wanted.entry_point,
        "static": str(static),
        "earlier_static": _earlier_static(layout),
        "code": str(layout.code(wanted.release)),
    }
    try:
        done = sandbox.run(
            layout,
            "build",
            [layout.venv(wanted.venv) / "bin/python", "-"],
            cwd=code,
            writable=[tree] if build else [],
            environment_file=layout.environment(wanted.environment),
            environment={**environment_of(layout, wanted), **({} if build else {"PYTHONDONTWRITEBYTECODE": "1"})},
            loosened=wanted.serving["sandbox"],
            stdin=inspector.replace("WANTED: dict = {}", f"WANTED: dict = {question!r}", 1),
        )
    finally:
        if build:
            ownership.take(layout.code(wanted.release), layout.site)
            ownership.take(static, layout.site, public=True)
    _refuse_links(static)
    variables = variables_in(layout, wanted.environment)
    before, found, answer = done.stdout.rpartition(marker)
    if not found:
        said = masking.mask(f"{before}\n{done.stderr}", variables)
        raise ReleaseError(f"Django could not be asked (the process ended with {done.rc}):\n{said.strip()[-2000:]}")
    report, _end = json.JSONDecoder().raw_decode(answer)  # a project may print something when it ends, too
    for said in (*report["problems"], *report.get("checks", [])):
        for part in ("message", "where", "hint", "traceback"):
            if part in said:
                said[part] = masking.mask(said[part], variables)
    return report


def _earlier_static(layout: Layout) -> str:
    """The live release's static files, where they are as they were made; else nothing."""
    live = state.live_release(layout)
    listed = made.listed(layout, live) if live else None
    if live and listed and made.tree(layout.release(live), parts=("static",)).items() <= listed.items():
        return str(layout.static(live))
    return ""


def _refuse_links(static: Path) -> None:
    """nginx follows them, and may read what the site may not: the project has run here, and may have laid some."""
    links = ownership.links_out(static) if static.is_dir() else []
    if links:
        listed = "\n".join(f"  {link}" for link in links[:10])
        raise ReleaseError(
            f"The static files hold {len(links)} link(s) that lead out of them, and nginx would send what is there to "
            f"everybody:\n{listed}\nHave collectstatic lay files there instead. Nothing that is live was touched."
        )


def is_built(layout: Layout, release: str) -> bool:
    """Whether the static files of a release are there: taken from another one, or collected and judged before."""
    return _seal(layout, release).exists()


def seal(layout: Layout, release: str) -> None:
    """Say that nothing is left to build."""
    made.note_tree(layout, release)
    _seal(layout, release).touch(0o644)


def _seal(layout: Layout, release: str) -> Path:
    return layout.release(release) / "built"


def manage(
    layout: Layout,
    release: str,
    arguments: Iterable[str],
    *,
    stdin: str | IO[bytes] = "",
    stdout: IO[bytes] | None = None,
    patient: bool = False,
    purpose: str = "migrate",
    limit: int = 4 * 3600,
) -> sandbox.Result:
    """Run the Python of a whole release as its unit would, to completion."""
    manifest = json.loads(layout.manifest(release).read_text())
    told = python_environment(layout, release, manifest["root"], manifest["settings_module"], manifest["commit"] or "")
    return sandbox.run(
        layout,
        purpose,
        [layout.venv(manifest["venv"]) / "bin/python", *arguments],
        cwd=layout.code(release) / manifest["root"],
        environment_file=layout.environment(manifest["environment"]),
        environment={**told, "PYTHONDONTWRITEBYTECODE": "1"},
        binds=_mounts(layout, manifest),
        loosened=manifest.get("serving", {}).get("sandbox"),
        stdin=stdin,
        stdout=stdout,
        patient=patient,
        limit=limit,
    )


def migrate(layout: Layout, release: str, backup: str = "") -> str:
    """Apply the migrations and return what Django printed.

    :param backup: the name of what was saved before, for the record
    """
    done = manage(layout, release, ["-m", "django", "migrate", "--no-input", "--no-color"], patient=True)
    variables = variables_of(layout, release)
    if done.rc:
        said = masking.mask(f"{done.stdout}\n{done.stderr}".strip(), variables)
        finding = diagnosis.of_output(said.replace(f"{layout.code(release)}/", ""))
        last = "\n".join(f"  {line}" for line in said.splitlines()[-20:])
        cause = f"{finding}\n" if finding else ""
        saved = f"\nThe data as it was before: playbooks/restore.yml -e restore_backup={backup}" if backup else ""
        serves = "the live release still serves" if state.live_release(layout) else "no release is live yet"
        raise ReleaseError(f"{cause}migrate failed; {serves}. It said last:\n{last}{saved}")
    note = {"at": time.time(), **({"backup": backup} if backup else {})}
    disk.write(layout.migrated(release), json.dumps(note).encode() + b"\n", 0o644)
    disk.remove(layout.reversal)
    return masking.mask(done.stdout, variables)


def variables_of(layout: Layout, release: str) -> dict[str, str]:
    """The environment of a release, for masking what its programs print."""
    return variables_in(layout, json.loads(layout.manifest(release).read_text())["environment"])


def _mounts(layout: Layout, manifest: Mapping[str, Any]) -> dict[Path, Path]:
    """What the unit mounts where the project looks for static files and media: a migration may touch media."""
    settings = manifest["settings"]
    places = ((layout.static(manifest["id"]), settings["STATIC_ROOT"]), (layout.media, settings["MEDIA_ROOT"]))
    return {source: Path(place) for source, place in places if place}


def lay_modules(layout: Layout, wanted: Wanted) -> None:
    """Write the Python modules that the release has beside the project's."""
    folder = layout.modules(wanted.release)
    disk.clear(folder)  # in an adopted release they are links to another one's
    folder.mkdir(mode=0o750)
    texts = {one["path"]: one["content"] for one in wanted.modules}
    if wanted.overrides:
        name = f"{settings_overlay.MODULE}.py"
        texts[name] = settings_overlay.text(wanted.settings_module, wanted.overrides)
    for name, text in texts.items():
        (folder / name).write_text(text)
    ownership.take(folder, layout.site)


def variables_in(layout: Layout, environment: str) -> dict[str, str]:
    """What an environment file of the site holds."""
    return env_file.parse(layout.environment(environment).read_bytes()).variables


# --- the record ------------------------------------------------------------------------------------------------------


# systemd waits longer and longer between restarts from this version on (systemd.service, RestartSteps=).
GROWING_RESTARTS = 254


def _bind(layout: Layout, release: str, port: int | None) -> dict[str, str]:
    """Where an instance listens, for its command and for nginx."""
    address = f"127.0.0.1:{port}"
    return {
        "SOCKET": str(layout.socket(release)),
        "PORT": str(port or ""),
        "UPSTREAM": address if port else f"unix:{layout.socket(release)}",
    }


def record(layout: Layout, wanted: Wanted, report: Mapping[str, Any]) -> dict[str, Any]:
    """Write the units, nginx's part, the links to them and, last of all, the manifest; return the manifest."""
    settings = report["settings"]
    texts = [one["content"] for one in wanted.files]
    port = ports.choose(wanted.release, texts=texts) if wanted.serving["bind"] == "port" else None
    growing = units.version() >= GROWING_RESTARTS
    values = {
        "RELEASE": wanted.release,
        "ENVIRONMENT": wanted.environment,
        "VENV": str(layout.venv(wanted.venv)),
        "COMMIT": wanted.manifest.get("commit") or "",
        **_bind(layout, wanted.release, port),
        "WORKERS": str(wanted.size["workers"]),
        "THREADS": str(wanted.size["threads"]),
        "RESTART_STEPS": "4" if growing else "",
        "RESTART_MAX_DELAY": "15" if growing else "",
        "SETTINGS_MODULE": _settings_in_force(wanted),
        "STATIC_ROOT": settings["STATIC_ROOT"],
        "STATIC_URL": settings["STATIC_URL"]
        if settings["STATIC_ROOT"] and _is_location(settings["STATIC_URL"])
        else "",
        "MEDIA_ROOT": settings["MEDIA_ROOT"],
        "MEDIA_URL": settings["MEDIA_URL"] if settings["MEDIA_ROOT"] and _is_location(settings["MEDIA_URL"]) else "",
    }
    folder = layout.record(wanted.release)
    disk.clear(folder)
    files = [one for one in wanted.files if not one.get("needs") or values[one["needs"]]]
    rendered = {fill(one["path"], values): fill(one["content"], values) for one in files}
    modes = {fill(one["path"], values): int(one["mode"], 8) for one in files if "mode" in one}
    here = processes.unit_names(layout, wanted.release, wanted.manifest.get("processes", ()))
    rendered[layout.units(wanted.release).name] = "".join(f"{unit}\n" for unit in (layout.unit(wanted.release), *here))
    for name, text in sorted(rendered.items()):
        path = folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        disk.write(path, text.encode(), modes.get(name, 0o644))
    manifest = {
        **wanted.manifest,
        "id": wanted.release,
        "environment": wanted.environment,
        "venv": wanted.venv,
        "root": wanted.root,
        "settings_module": _settings_in_force(wanted),
        "serving": wanted.serving,
        "size": wanted.size,
        "port": port,
        "settings": {name: settings[name] for name in ("STATIC_URL", "STATIC_ROOT", "MEDIA_URL", "MEDIA_ROOT")},
        "migrations": report["migrations"],
        "reaches": reach.beyond_the_host(settings),
        "files": {name: disk.digest(text, 16) for name, text in rendered.items()},
    }
    _finish(layout, manifest)
    return manifest


def _finish(layout: Layout, manifest: dict[str, Any]) -> None:
    """Link the units and, once all of the release is on the disk, write the manifest, by which it is whole."""
    release = manifest["id"]
    for name in manifest["files"]:
        if layout.parts_of(name):
            disk.point(layout.unit_file(release).with_name(name), str(layout.record(release) / name))
    made.note_release(layout, manifest)
    for tree in (layout.release(release), layout.record(release)):
        disk.settle(tree)
    disk.write(layout.manifest(release), json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n", 0o644)


def with_environment_name(manifest: Mapping[str, Any], environment: str) -> str:
    """What a release is called with another environment."""
    if manifest["environment"] == environment:
        return manifest["id"]
    return identity.release({"release": manifest.get("made_from", manifest["id"]), "environment": environment})


def with_environment(layout: Layout, release: str, environment: str) -> str:
    """Make the same release with another environment, and return its identifier: it shares all its files."""
    manifest = json.loads(layout.manifest(release).read_text())
    other = with_environment_name(manifest, environment)
    if layout.manifest(other).exists():
        return other
    adopt(layout, other, release)
    disk.clear(layout.record(other))
    names = {release: other, manifest["environment"]: environment}
    pattern, port = "|".join(names), None
    if manifest.get("port"):
        texts = [(layout.record(release) / name).read_text() for name in manifest["files"]]
        port = ports.choose(other, texts=texts)
        names[str(manifest["port"])] = str(port)
        pattern += rf"|\b{manifest['port']}\b"

    def renamed(text: str) -> str:
        return re.sub(pattern, lambda found: names[found.group()], text)

    files = {}
    for name in manifest["files"]:
        before, path = layout.record(release) / name, layout.record(other) / renamed(name)
        text = renamed(before.read_text())
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        disk.write(path, text.encode(), before.stat().st_mode & 0o777)
        files[renamed(name)] = disk.digest(text, 16)
    changed = {
        "id": other,
        "environment": environment,
        "files": files,
        "port": port,
        "build": other,
        "made_from": manifest.get("made_from", release),
    }
    _finish(layout, {**manifest, **changed})
    return other


def _is_location(url: str) -> bool:
    return url.startswith("/") and url != "/"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in for tokens such as @RELEASE@. A line with a token that has no value is left out."""
    lines = []
    for line in text.splitlines(keepends=True):
        missing = [token for token in TOKEN.findall(line) if not values.get(token)]
        if not missing:
            lines.append(TOKEN.sub(lambda match: values[match.group(1)], line))
        elif line.startswith("ExecStart="):
            raise ReleaseError(f"the app server's command needs @{missing[0]}@, which this release doesn't have")
    return "".join(lines)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns site_source and site_version into one archive, on the controller, so that no host needs credentials.

A git URL is resolved to a commit and fetched with its submodules. A local folder is taken as it is, committed or not,
without what git ignores. Either way the result is a tar file in the controller's cache, named by the digest of what is
in it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.switchyard.django.plugins.module_utils import disk

KEPT_ARCHIVES = 20
# What never belongs to a release, for folders that no git looks after.
LEFT_OUT = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".tox", ".mypy_cache"})
GIT_URL = re.compile(r"(?:(?:https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+)")
COMMIT = re.compile(r"[0-9a-f]{7,40}")


class SourceError(Exception):
    """The source can't be had; the message names the variable and the way out."""


@dataclass(frozen=True)
class Source:
    """What a release is made of."""

    origin: str
    commit: str | None
    tree: str
    archive: Path
    files: frozenset[str]

    @property
    def identity(self) -> str:
        """What names the code: the commit of a git URL, the content of a folder."""
        return (
            self.commit if self.commit and not self.commit.endswith("-dirty") and self.origin != "folder" else self.tree
        )

    def read(self, name: str) -> str:
        """The text of one file."""
        with tarfile.open(self.archive) as archive:
            try:
                member = archive.extractfile(name)
            except KeyError:  # a link whose target is not in the archive
                member = None
            if member is None:
                raise SourceError(f"{name} in site_source is neither a file nor a link to one in it")
            return member.read().decode("utf-8", "replace")


def without_credentials(text: str) -> str:
    """A URL, or a message with URLs, whose user names and passwords are masked."""
    return re.sub(r"(\w+://)[^/\s]+@", r"\1***@", text)


def resolve(source: str, version: str, base: Path, cache: Path) -> Source:
    """Find the source and return it as an archive.

    :param source: git URL, or a folder, relative to base
    :param version: git ref, or "" for the remote's HEAD; only for git URLs
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = (base / Path(source).expanduser()).resolve() if not GIT_URL.fullmatch(source) else None
    if folder is None:
        return _from_git(source, version, cache)
    if not folder.is_dir():
        raise SourceError(
            f"site_source {source!r} is neither a git URL nor a folder ({folder} "
            f"{'is a file' if folder.exists() else 'does not exist'}). Give a URL such as "
            "https://git.example.org/shop.git, or the path of the folder that holds manage.py"
        )
    if _is_bare(folder):
        return _from_git(str(folder), version, cache)
    if version:
        raise SourceError(
            f"site_version {version!r} goes with a git URL, but site_source {source!r} is a folder, which is "
            f"deployed as it is. Leave site_version out, or write site_source: file://{folder}"
        )
    return _from_folder(folder, cache)


# --- git -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remote:
    """A git repository without its credentials, and the environment by which git gets them."""

    url: str
    access: dict[str, str]

    @property
    def shown(self) -> str:
        return without_credentials(self.url)


def _remote(url: str) -> Remote:
    """Take the credentials out of a URL: it becomes an argument of git, and every user can read arguments."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.username is None:
        return Remote(url, {})
    host = parts.netloc.rpartition("@")[2]
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    number = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    access = {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{parts.scheme}://{host}/.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {base64.b64encode(login).decode()}",
    }
    return Remote(urlunsplit(parts._replace(netloc=host)), access)


def _git(*arguments: str | Path, cwd: Path | None = None, access: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", *(str(part) for part in arguments)],
        cwd=cwd,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_ADVICE": "0", **(access or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line] or [f"git ended with {done.returncode}"]
        raise SourceError(without_credentials(lines[0]))
    return done.stdout


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _from_git(url: str, version: str, cache: Path) -> Source:
    if shutil.which("git") is None:
        raise SourceError(
            "site_source is a git URL, but the controller has no git. Install git where ansible-playbook runs"
        )
    if version.startswith("-") or re.search(r"[\s~^:?*\[\\\x00-\x1f]", version):
        raise SourceError(f"site_version {version!r} can't be a git ref. Give a branch, a tag or a commit")
    remote = _remote(url)
    mirror = cache / "git" / disk.digest(remote.url, 24)
    commit = _commit(remote, version, mirror)
    name = disk.digest({"commit": commit, "url": remote.url}, 32)
    archive = cache / "sources" / f"{name}.tar.gz"
    if not archive.exists():
        _fetch(remote, commit, version, mirror)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            tree = Path(scratch) / "tree"
            _git("clone", "--quiet", "--no-checkout", "--shared", mirror, tree)
            _git("checkout", "--quiet", "--detach", commit, cwd=tree)
            # Relative submodule URLs are relative to the real remote, not to the mirror.
            _git("remote", "set-url", "origin", remote.url, cwd=tree)
            if (tree / ".gitmodules").exists():
                try:
                    update = ("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1")
                    _git(*update, cwd=tree, access=remote.access)
                except SourceError as problem:
                    raise SourceError(
                        f"site_source {remote.shown}: its submodules can't be fetched: {problem}"
                    ) from None
            _pack(tree, _walk(tree), archive)
    return _opened("git", commit, archive)


def _commit(remote: Remote, version: str, mirror: Path) -> str:
    """The full commit that a ref means today."""
    if COMMIT.fullmatch(version) and len(version) == 40:
        return version
    try:
        listing = _git("ls-remote", "--", remote.url, access=remote.access)
    except SourceError as problem:
        raise SourceError(
            f"site_source {remote.shown} can't be read: {problem}. Check the URL and the controller's access to it"
        ) from None
    refs = {ref: commit for commit, ref in (line.split("\t", 1) for line in listing.splitlines())}
    if not version:
        if "HEAD" not in refs:
            raise SourceError(
                f"site_source {remote.shown} has no commit yet. Push one, or name a branch with site_version"
            )
        return refs["HEAD"]
    for ref in (version, f"refs/tags/{version}", f"refs/heads/{version}"):
        for candidate in (f"{ref}^{{}}", ref):  # an annotated tag's commit, not the tag
            if candidate in refs:
                return refs[candidate]
    if COMMIT.fullmatch(version):
        _fetch(remote, None, version, mirror)
        try:
            return _git("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", cwd=mirror).strip()
        except SourceError:
            pass
    names = sorted(re.sub(r"refs/(heads|tags)/", "", ref) for ref in refs if re.match(r"refs/(heads|tags)/[^^]*$", ref))
    known = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    raise SourceError(f"site_version {version!r} is no branch, tag or commit of {remote.shown}. It has: {known}")


def _fetch(remote: Remote, commit: str | None, version: str, mirror: Path) -> None:
    if not mirror.exists():
        mirror.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _git("init", "--quiet", "--bare", mirror)
    if commit and _has(mirror, commit):
        return
    everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    try:
        _git("fetch", "--quiet", "--force", "--", remote.url, *everything, cwd=mirror, access=remote.access)
        if commit and not _has(mirror, commit):
            _git("fetch", "--quiet", "--", remote.url, commit, cwd=mirror, access=remote.access)
    except SourceError as problem:
        raise SourceError(f"site_version {version or 'HEAD'!r} of {remote.shown} can't be fetched: {problem}") from None


def _has(mirror: Path, commit: str) -> bool:
    try:
        _git("cat-file", "-e", f"{commit}^{{commit}}", cwd=mirror)
    except SourceError:
        return False
    return True


# --- folders and archives --------------------------------------------------------------------------------------------


def _from_folder(folder: Path, cache: Path) -> Source:
    tracked = _git_view(folder)
    names = tracked if tracked is not None else _walk(folder)
    seal = hashlib.sha256()
    for name in names:
        path = folder / name
        kind, content = ("l", os.readlink(path).encode()) if path.is_symlink() else ("f", path.read_bytes())
        executable = kind == "f" and bool(path.stat().st_mode & 0o100)
        seal.update(disk.canonical([name, kind, executable, hashlib.sha256(content).hexdigest()]))
    archive = cache / "sources" / f"{seal.hexdigest()[:32]}.tar.gz"
    if not archive.exists():
        _pack(folder, names, archive)
    return _opened("folder", _folder_commit(folder) if tracked is not None else None, archive)


def _git_view(folder: Path) -> list[str] | None:
    """The files that git would not ignore, or None where git doesn't look after the folder."""
    try:
        listing = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=folder)
    except OSError:  # no git on the controller
        return None
    except SourceError as problem:
        if "not a git repository" in str(problem):
            return None
        # Without git's view the files that it ignores, secrets among them, would go to the hosts.
        raise SourceError(f"site_source {folder}: git can't say which files it ignores: {problem}") from None
    names = set()
    for name in filter(None, listing.split("\0")):
        if _is_folder(folder / name):  # a submodule, or a checkout inside this one
            names |= {os.path.join(name, inner) for inner in _inner_view(folder / name)}
        elif os.path.lexists(folder / name):
            names.add(name)
    # Nothing at all: the folder lies in somebody else's checkout, which ignores it as a whole.
    return sorted(names) or None


def _inner_view(folder: Path) -> list[str]:
    """A submodule that is not checked out has no .git, and git would answer for the checkout around it."""
    tracked = _git_view(folder) if (folder / ".git").exists() else None
    return tracked if tracked is not None else _walk(folder)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _folder_commit(folder: Path) -> str | None:
    try:
        commit = _git("rev-parse", "--verify", "--quiet", "HEAD", cwd=folder).strip()
        changed = _git("status", "--porcelain", "--", ".", cwd=folder).strip()
    except SourceError:
        return None
    return f"{commit}-dirty" if changed else commit


def _walk(folder: Path) -> list[str]:
    names = []
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and name not in links)
        paths = [os.path.join(parent, name) for name in files + links if name not in LEFT_OUT]
        # A socket or a pipe, which a server may have left there, has no content.
        names += [os.path.relpath(path, folder) for path in paths if os.path.islink(path) or os.path.isfile(path)]
    return sorted(names)


def _pack(folder: Path, names: Iterable[str], archive: Path) -> None:
    """Write an archive that is the same, byte for byte, for the same files."""
    archive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=archive.parent)
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=3) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name in names:
                _add(tar, folder, name)
        os.replace(temporary, archive)
    except BaseException:
        os.unlink(temporary)
        raise
    for old in sorted(archive.parent.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)[:-KEPT_ARCHIVES]:
        old.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    member = tarfile.TarInfo(PurePosixPath(name).as_posix())
    path = folder / name
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
        tar.addfile(member)
        return
    content = path.read_bytes()
    member.size = len(content)
    member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    tar.addfile(member, io.BytesIO(content))


def _opened(origin: str, commit: str | None, archive: Path) -> Source:
    with tarfile.open(archive) as tar:
        files = frozenset(tar.getnames())
    os.utime(archive)
    return Source(origin, commit, archive.name.split(".", 1)[0], archive, files)

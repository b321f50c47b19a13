# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns site_source and site_version into one archive, on the controller, so that no host needs credentials.

A git URL is resolved to a commit and fetched with its submodules and with what git LFS keeps for it. A local folder is
taken as it is, committed or not, without what git ignores. Either way the result is a tar file in the controller's
cache, named by the digest of what is in it.

What git needs to get in travels in its environment, which the user's own processes alone can read: never as an
argument, in the cache or in a message.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ansible_collections.switchyard.django.plugins.module_utils import disk, host_command

KEPT_ARCHIVES = 20
# What never belongs to a release, for folders that no git looks after.
LEFT_OUT = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".tox", ".mypy_cache"})
GIT_URL = re.compile(r"(?:(?:https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+)")
COMMIT = re.compile(r"[0-9a-f]{7,40}")


class SourceError(Exception):
    """The source can't be had; the message names the variable and the way out."""


@dataclass(frozen=True)
class Source:
    """What a release is made of.

    :param clone: where git has its commits: the controller's clone of a git URL, or a folder that is a checkout
    """

    origin: str
    commit: str | None
    tree: str
    archive: Path
    files: frozenset[str]
    clone: Path | None = None

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


def folder_of(source: str, base: Path) -> Path | None:
    """The folder that site_source means, whether it is there or not; None for a git URL."""
    return (base / Path(source).expanduser()).resolve() if not GIT_URL.fullmatch(source) else None


def resolve(source: str, version: str, base: Path, cache: Path, token: str = "", key: str = "") -> Source:
    """Find the source and return it as an archive.

    :param source: git URL, or a folder, relative to base
    :param version: git ref, or "" for the remote's HEAD; only for git URLs
    :param token: what git gives as its password, over HTTP
    :param key: the private key by which git gets in over ssh, a path relative to base
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder_of(source, base)
    remote = _remote(source, token, (base / Path(key).expanduser()) if key else None)
    if folder is None:
        return _from_git(remote, version, cache)
    if not folder.is_dir():
        raise SourceError(
            f"site_source {source!r} is neither a git URL nor a folder ({folder} "
            f"{'is a file' if folder.exists() else 'does not exist'}). Give a URL such as "
            "https://git.example.org/shop.git, or the path of the folder that holds manage.py"
        )
    if _is_bare(folder):
        return _from_git(Remote(str(folder)), version, cache)
    if version:
        raise SourceError(
            f"site_version {version!r} goes with a git URL, but site_source {source!r} is a folder, which is "
            f"deployed as it is. Leave site_version out, or write site_source: file://{folder}"
        )
    return _from_folder(folder, cache)


# --- git -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remote:
    """A git repository without its credentials, the environment by which git gets them, and what nobody may see."""

    url: str
    access: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""

    @property
    def shown(self) -> str:
        return without_credentials(self.url)

    def without_secret(self, text: str) -> str:
        """A message of git's; a server may repeat what it was given."""
        for form in (self.secret, quote(self.secret, safe="")):
            text = text.replace(form, "***") if len(form) > 3 else text
        return without_credentials(text)


NO_REMOTE = Remote("")
# What a server takes as the name of a user who has but a token: GitHub wants this one, and most take any.
TOKEN_USER = "x-access-token"
OVER_SSH = re.compile(r"ssh://|[\w.-]+@[\w.-]+:")


def _remote(url: str, token: str = "", key: Path | None = None) -> Remote:
    """Take the credentials out of a URL: it becomes an argument of git, and every user can read arguments."""
    shown = without_credentials(url)
    over_http = url.startswith(("http://", "https://"))
    if token and not over_http:
        raise SourceError(
            f"site_source_token goes with a URL that begins with https://, and site_source is {shown}. Take it out, or "
            "give that URL" + ("; a key for ssh is named with site_source_key" if OVER_SSH.match(url) else "")
        )
    if key:
        return Remote(url, _by_key(shown, key))
    parts = urlsplit(url)
    if not over_http or (parts.username is None and not token):
        return Remote(url)
    if token and parts.password:
        raise SourceError(
            f"site_source {shown} holds a password, and site_source_token is another. Take one of them out"
        )
    secret = token or unquote(parts.password or "")
    host = parts.netloc.rpartition("@")[2]
    login = f"{unquote(parts.username or TOKEN_USER)}:{secret}".encode()
    number = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    access = {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{parts.scheme}://{host}/.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {base64.b64encode(login).decode()}",
    }
    return Remote(urlunsplit(parts._replace(netloc=host)), access, secret)


def _by_key(shown: str, key: Path) -> dict[str, str]:
    """How git gets in by ssh with this key alone, and never asks anybody."""
    if not OVER_SSH.match(shown):
        raise SourceError(
            f"site_source_key goes with a URL for ssh, such as git@git.example.org:shop.git, and site_source is "
            f"{shown}. Take it out, or give that URL"
        )
    if not key.is_file():
        raise SourceError(f"site_source_key {key} is no file on the controller. Give the path of the private key")
    if key.stat().st_mode & 0o077:
        raise SourceError(f"site_source_key {key} can be read by others, so ssh does not take it: chmod 600 {key}")
    ssh = os.environ.get("GIT_SSH_COMMAND", "ssh")
    return {"GIT_SSH_COMMAND": f"{ssh} -i {shlex.quote(str(key))} -o IdentitiesOnly=yes -o BatchMode=yes"}


# What git and ssh say to whom they don't let in, and the way out.
REFUSED = {
    r"could not read Username|Authentication failed|[Aa]ccess denied|error: 40[13]|[Rr]epository.* not found": (
        "a repository that is not public needs site_source_token, which may have expired or lack the right to read"
    ),
    r"Permission denied \(publickey": "a deploy key is named with site_source_key",
    r"Host key verification failed": (
        "ssh does not know the server: log in once by hand, or add what ssh-keyscan prints to ~/.ssh/known_hosts"
    ),
}


def git(*arguments: str | Path, cwd: Path | None = None, remote: Remote = NO_REMOTE) -> str:
    done = host_command.run(
        ["git", *(str(part) for part in arguments)],
        cwd=cwd,
        env={
            **os.environ,
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "GIT_ADVICE": "0",
            # What git LFS keeps is fetched from the remote, which the clone that is checked out does not know yet.
            "GIT_LFS_SKIP_SMUDGE": "1",
            **remote.access,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line] or [f"git ended with {done.returncode}"]
        ways_out = [f" ({way})" for pattern, way in REFUSED.items() if remote.url and re.search(pattern, done.stderr)]
        raise SourceError(remote.without_secret(lines[0]) + "".join(ways_out[:1]))
    return done.stdout


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _from_git(remote: Remote, version: str, cache: Path) -> Source:
    if shutil.which("git") is None:
        raise SourceError(
            "site_source is a git URL, but the controller has no git. Install git where ansible-playbook runs"
        )
    if version.startswith("-") or re.search(r"[\s~^:?*\[\\\x00-\x1f]", version):
        raise SourceError(f"site_version {version!r} can't be a git ref. Give a branch, a tag or a commit")
    mirror = cache / "git" / disk.digest(remote.url, 24)
    commit = _commit(remote, version, mirror)
    name = disk.digest({"commit": commit, "url": remote.url}, 32)
    archive = cache / "sources" / f"{name}.tar.gz"
    if not archive.exists():
        _fetch(remote, commit, version, mirror)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            tree = Path(scratch) / "tree"
            git("clone", "--quiet", "--no-checkout", "--shared", mirror, tree)
            git("checkout", "--quiet", "--detach", commit, cwd=tree)
            # Relative submodule URLs are relative to the real remote, not to the mirror.
            git("remote", "set-url", "origin", remote.url, cwd=tree)
            if (tree / ".gitmodules").exists():
                try:
                    update = ("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1")
                    git(*update, cwd=tree, remote=remote)
                except SourceError as problem:
                    raise SourceError(
                        f"site_source {remote.shown}: its submodules can't be fetched: {problem}"
                    ) from None
            names = _walk(tree)
            _fetch_large_files(remote, tree, names, mirror)
            _pack(tree, names, archive)
    return replace(opened(archive, "git", commit), clone=mirror)


def _commit(remote: Remote, version: str, mirror: Path) -> str:
    """The full commit that a ref means today."""
    if COMMIT.fullmatch(version) and len(version) == 40:
        return version
    try:
        listing = git("ls-remote", "--", remote.url, remote=remote)
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
            return git("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", cwd=mirror).strip()
        except SourceError:
            pass
    names = sorted(re.sub(r"refs/(heads|tags)/", "", ref) for ref in refs if re.match(r"refs/(heads|tags)/[^^]*$", ref))
    known = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    raise SourceError(f"site_version {version!r} is no branch, tag or commit of {remote.shown}. It has: {known}")


def _fetch(remote: Remote, commit: str | None, version: str, mirror: Path) -> None:
    if not mirror.exists():
        mirror.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", mirror)
    if commit and _has(mirror, commit):
        return
    everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    try:
        git("fetch", "--quiet", "--force", "--", remote.url, *everything, cwd=mirror, remote=remote)
        if commit and not _has(mirror, commit):
            git("fetch", "--quiet", "--", remote.url, commit, cwd=mirror, remote=remote)
    except SourceError as problem:
        raise SourceError(f"site_version {version or 'HEAD'!r} of {remote.shown} can't be fetched: {problem}") from None


def _has(mirror: Path, commit: str) -> bool:
    try:
        git("cat-file", "-e", f"{commit}^{{commit}}", cwd=mirror)
    except SourceError:
        return False
    return True


# --- git LFS ---------------------------------------------------------------------------------------------------------

POINTER = b"version https://git-lfs.github.com/spec/v1\n"


def _pointers(folder: Path, suspects: Iterable[str]) -> list[str]:
    """Those of the files that stand for what git LFS keeps elsewhere, as the .gitattributes beside them say."""
    by_folder: dict[str, list[str]] = {}
    for name in suspects:
        parent, base = os.path.split(name)
        by_folder.setdefault(parent, []).append(base)
    found = []
    for parent, bases in by_folder.items():
        told = git("check-attr", "-z", "filter", "--", *bases, cwd=folder / parent).split("\0")
        found += [os.path.join(parent, base) for base, value in zip(told[::3], told[2::3]) if value == "lfs"]
    return found


def _begins_as_pointer(path: Path) -> bool:
    if path.is_symlink():
        return False
    with path.open("rb") as stream:
        return stream.read(len(POINTER)) == POINTER


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _fetch_large_files(remote: Remote, tree: Path, names: Iterable[str], mirror: Path) -> None:
    """Put the content where git has pointers; what was fetched once stays beside the mirror."""
    pointers = _pointers(tree, (name for name in names if _begins_as_pointer(tree / name)))
    if not pointers:
        return
    try:
        git("lfs", "version")
    except SourceError:
        raise SourceError(
            f"site_source {remote.shown}: git LFS keeps the content of {len(pointers)} file(s), {_some(pointers)}, and "
            "the controller has no git-lfs. Install it where ansible-playbook runs: apt install git-lfs"
        ) from None
    checkouts = {git("rev-parse", "--show-toplevel", cwd=(tree / name).parent).rstrip("\n") for name in pointers}
    for checkout in (Path(one) for one in sorted(checkouts)):
        try:
            git("lfs", "install", "--local", "--skip-repo", cwd=checkout)
            git("config", "lfs.storage", mirror / "lfs", cwd=checkout)
            git("lfs", "pull", cwd=checkout, remote=remote)
        except SourceError as problem:
            raise SourceError(
                f"site_source {remote.shown}: what git LFS keeps for it ({_some(pointers)}) can't be fetched: {problem}"
            ) from None


# --- folders and archives --------------------------------------------------------------------------------------------


def _from_folder(folder: Path, cache: Path) -> Source:
    tracked = _git_view(folder)
    names = tracked if tracked is not None else _walk(folder)
    seal, suspects = hashlib.sha256(), []
    for name in names:
        path = folder / name
        kind, content = ("l", os.readlink(path).encode()) if path.is_symlink() else ("f", path.read_bytes())
        if kind == "f" and content.startswith(POINTER):
            suspects.append(name)
        executable = kind == "f" and bool(path.stat().st_mode & 0o100)
        seal.update(disk.canonical([name, kind, executable, hashlib.sha256(content).hexdigest()]))
    pointers = _pointers(folder, suspects) if tracked is not None else []
    if pointers:
        raise SourceError(
            f"site_source {folder}: {_some(pointers)} hold(s) but the pointer to what git LFS keeps elsewhere. "
            "Have the content there: git lfs pull, in that folder"
        )
    archive = cache / "sources" / f"{seal.hexdigest()[:32]}.tar.gz"
    if not archive.exists():
        _pack(folder, names, archive)
    commit = _folder_commit(folder) if tracked is not None else None
    return replace(opened(archive, "folder", commit), clone=folder if commit else None)


def _git_view(folder: Path) -> list[str] | None:
    """The files that git would not ignore, or None where git doesn't look after the folder."""
    try:
        listing = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=folder)
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
        commit = git("rev-parse", "--verify", "--quiet", "HEAD", cwd=folder).strip()
        changed = git("status", "--porcelain", "--", ".", cwd=folder).strip()
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
    status = path.stat()
    member.size = status.st_size
    member.mode = 0o755 if status.st_mode & 0o100 else 0o644
    with path.open("rb") as content:  # it may be larger than the memory
        tar.addfile(member, content)


def opened(archive: Path, origin: str = "", commit: str | None = None) -> Source:
    """A source whose archive is in the cache."""
    with tarfile.open(archive) as tar:
        files = frozenset(tar.getnames())
    os.utime(archive)
    return Source(origin, commit, archive.name.split(".", 1)[0], archive, files)

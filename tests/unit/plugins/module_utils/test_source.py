# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tarfile

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import source
from ansible_collections.switchyard.django.plugins.module_utils.source import SourceError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture(autouse=True)
def git_of_nobody(monkeypatch):
    """A git that knows no user's configuration and may read submodules from file:// URLs."""
    for name, value in {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
        "GIT_CONFIG_KEY_1": "init.defaultBranch",
        "GIT_CONFIG_VALUE_1": "main",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }.items():
        monkeypatch.setenv(name, value)


class Checkout:
    """A git checkout to write into."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet")

    def git(self, *arguments):
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, **files):
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def commit(self, **files):
        self.write(**files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    @property
    def url(self):
        return f"file://{self.folder}"


@pytest.fixture
def upstream(tmp_path):
    return Checkout(tmp_path / "upstream")


@pytest.fixture
def resolve(tmp_path):
    def resolve(where, version=""):
        return source.resolve(str(where), version, tmp_path, tmp_path / "cache")

    return resolve


def message_of(resolve, where, version=""):
    with pytest.raises(SourceError) as caught:
        resolve(where, version)
    return str(caught.value)


def modes(found):
    with tarfile.open(found.archive) as tar:
        return {member.name: member.mode for member in tar.getmembers() if member.isreg()}


# --- which commit a version means ------------------------------------------------------------------------------------


def test_no_version_means_the_head_of_the_remote(upstream, resolve):
    upstream.commit(app="one")
    latest = upstream.commit(app="two")
    found = resolve(upstream.url)
    assert found.commit == latest
    assert found.read("app") == "two"
    assert found.origin == "git"


def test_the_head_of_the_remote_may_be_another_branch_than_main(upstream, resolve):
    upstream.commit(app="main")
    upstream.git("checkout", "--quiet", "-b", "stable")
    upstream.commit(app="stable")
    assert resolve(upstream.url).read("app") == "stable"


def test_a_branch_means_its_tip(upstream, resolve):
    first = upstream.commit(app="one")
    upstream.git("branch", "fix/login")
    upstream.commit(app="two")
    assert resolve(upstream.url, "fix/login").commit == first


def test_a_branch_that_moved_is_fetched_again(upstream, resolve):
    upstream.commit(app="one")
    assert resolve(upstream.url, "main").read("app") == "one"
    upstream.commit(app="two")
    assert resolve(upstream.url, "main").read("app") == "two"


def test_a_branch_that_was_rewritten_is_fetched_again(upstream, resolve):
    upstream.commit(app="one")
    resolve(upstream.url, "main")
    upstream.write(app="rewritten")
    upstream.git("commit", "--quiet", "--all", "--amend", "--message", "other")
    assert resolve(upstream.url, "main").read("app") == "rewritten"


@pytest.mark.parametrize("version", ["v1", "refs/tags/v1"])
@pytest.mark.parametrize("kind", [[], ["--annotate", "--message=one"]], ids=["lightweight", "annotated"])
def test_a_tag_means_the_commit_that_it_names(upstream, resolve, kind, version):
    tagged = upstream.commit(app="one")
    upstream.git("tag", *kind, "v1")
    upstream.commit(app="two")
    assert resolve(upstream.url, version).commit == tagged


def test_a_tag_wins_over_a_branch_of_its_name(upstream, resolve):
    tagged = upstream.commit(app="one")
    upstream.git("tag", "release")
    upstream.git("branch", "release")
    upstream.git("checkout", "--quiet", "refs/heads/release", "-B", "release")
    upstream.commit(app="two")
    assert resolve(upstream.url, "release").commit == tagged


@pytest.mark.parametrize("length", [7, 12, 40])
def test_a_commit_that_no_branch_ends_with_is_found(upstream, resolve, length):
    wanted = upstream.commit(app="one")
    upstream.commit(app="two")
    found = resolve(upstream.url, wanted[:length])
    assert found.commit == wanted
    assert found.identity == wanted
    assert found.read("app") == "one"


def test_an_abbreviated_commit_that_a_tag_alone_holds_is_found(upstream, resolve):
    upstream.commit(app="one")
    tagged = upstream.commit(app="tagged")
    upstream.git("tag", "v1")
    upstream.git("reset", "--quiet", "--hard", "HEAD~1")
    assert resolve(upstream.url, tagged[:8]).commit == tagged


def test_a_commit_that_no_branch_holds_is_fetched_by_its_name(upstream, resolve):
    upstream.commit(app="one")
    lost = upstream.commit(app="lost")
    upstream.git("reset", "--quiet", "--hard", "HEAD~1")
    assert resolve(upstream.url, lost).read("app") == "lost"


def test_a_resolved_commit_needs_the_remote_no_more(upstream, resolve, tmp_path):
    commit = upstream.commit(app="one")
    first = resolve(upstream.url, commit)
    upstream.folder.rename(tmp_path / "gone")
    assert resolve(upstream.url, commit) == first


def test_a_bare_repository_may_be_named_by_its_path(upstream, resolve, tmp_path):
    commit = upstream.commit(app="one")
    upstream.git("tag", "v1")
    upstream.git("clone", "--quiet", "--bare", ".", str(tmp_path / "shop.git"))
    assert resolve("shop.git", "v1").commit == commit


def test_submodules_come_along_at_the_commit_that_is_recorded(upstream, resolve, tmp_path):
    library = Checkout(tmp_path / "library")
    library.commit(code="recorded")
    upstream.git("submodule", "--quiet", "add", library.url, "libs/library")
    upstream.commit(app="one")
    library.commit(code="later")
    found = resolve(upstream.url)
    assert found.read("libs/library/code") == "recorded"
    assert not any(name.endswith(".git") for name in found.files)


def test_a_submodule_with_a_relative_url_is_sought_beside_the_remote(upstream, resolve, tmp_path):
    library = Checkout(tmp_path / "library")
    library.commit(code="beside")
    upstream.git("submodule", "--quiet", "add", library.url, "library")
    upstream.git("config", "--file", ".gitmodules", "submodule.library.url", "../library")
    upstream.commit()
    assert resolve(upstream.url).read("library/code") == "beside"


def test_a_submodule_that_is_gone_is_named_as_such(upstream, resolve, tmp_path):
    library = Checkout(tmp_path / "library")
    library.commit(code="x")
    upstream.git("submodule", "--quiet", "add", library.url, "library")
    upstream.commit()
    shutil.rmtree(library.folder)
    message = message_of(resolve, upstream.url)
    assert "site_source" in message
    assert "submodules can't be fetched" in message


# --- what is refused, and how it is said -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["nowhere", "deadbee", "V1"])
def test_a_version_that_is_missing_is_told_together_with_those_that_are_there(upstream, resolve, version):
    upstream.commit(app="one")
    upstream.git("tag", "--annotate", "--message=one", "v1")
    upstream.git("branch", "develop")
    message = message_of(resolve, upstream.url, version)
    assert f"site_version {version!r}" in message
    assert message.endswith("It has: develop, main, v1")


def test_a_long_list_of_versions_is_cut(upstream, resolve):
    upstream.commit(app="one")
    for number in range(10, 30):
        upstream.git("tag", f"v{number}")
    message = message_of(resolve, upstream.url, "nowhere")
    assert "v16 …" in message
    assert "v17" not in message


def test_a_full_commit_that_the_remote_lacks_names_the_variable(upstream, resolve):
    upstream.commit(app="one")
    assert "site_version" in message_of(resolve, upstream.url, "0" * 40)


def test_an_empty_remote_has_nothing_to_deploy(upstream, resolve):
    assert "site_source" in message_of(resolve, upstream.url)


def test_a_remote_that_can_not_be_read_names_the_source(tmp_path, resolve):
    message = message_of(resolve, f"file://{tmp_path}/nowhere")
    assert message.startswith("site_source")
    assert "Check the URL" in message


def test_a_folder_that_is_missing_names_the_source(resolve, tmp_path):
    message = message_of(resolve, "no/such/folder")
    assert "site_source 'no/such/folder'" in message
    assert str(tmp_path / "no/such/folder") in message


def test_a_version_goes_with_no_folder(upstream, resolve):
    upstream.commit(app="one")
    message = message_of(resolve, upstream.folder, "v1")
    assert "site_version 'v1'" in message
    assert f"site_source: {upstream.url}" in message


@pytest.mark.parametrize("version", ["--upload-pack=touch /tmp/x", "-v", "a b", "HEAD~1", "v1^", "a:b", "a\nb", "a*"])
def test_what_can_not_be_a_ref_never_reaches_git(upstream, resolve, version):
    upstream.commit(app="one")
    assert "can't be a git ref" in message_of(resolve, upstream.url, version)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://deploy:hunter2@git.example.org/shop.git", "https://***@git.example.org/shop.git"),
        ("https://ghp_abcdef@github.com/a/b", "https://***@github.com/a/b"),
        ("https://deploy:hun@ter2@git.example.org/x", "https://***@git.example.org/x"),
        ("fatal: 'https://u:p@a.org/x' and ssh://git@b.org/y", "fatal: 'https://***@a.org/x' and ssh://***@b.org/y"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("https://git.example.org/@scope/x", "https://git.example.org/@scope/x"),
    ],
)
def test_credentials_in_urls_are_masked(text, masked):
    assert source.without_credentials(text) == masked


def test_no_message_shows_the_credentials_of_the_url(resolve):
    # Port 9 (discard) on the loopback: refused at once.
    message = message_of(resolve, "http://deploy:hunter2@127.0.0.1:9/shop.git")
    assert "127.0.0.1:9/shop.git" in message
    assert "hunter2" not in message
    assert "deploy" not in message


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_checkout_is_taken_as_it_is_without_what_git_ignores(upstream, resolve):
    upstream.commit(**{".gitignore": "*.sqlite3\n.env\n", "app": "committed", "gone": "x"})
    upstream.write(app="changed", fresh="untracked", **{"db.sqlite3": "data", ".env": "SECRET"})
    (upstream.folder / "gone").unlink()
    found = resolve(upstream.folder)
    assert found.files == {".gitignore", "app", "fresh"}
    assert found.read("app") == "changed"
    assert found.origin == "folder"


def test_a_clean_checkout_knows_its_commit_and_a_changed_one_says_so(upstream, resolve):
    commit = upstream.commit(app="one")
    assert resolve(upstream.folder).commit == commit
    upstream.write(app="two")
    assert resolve(upstream.folder).commit == f"{commit}-dirty"


def test_a_checkout_without_a_commit_has_none(upstream, resolve):
    upstream.write(app="one")
    found = resolve(upstream.folder)
    assert (found.commit, found.files) == (None, {"app"})


def test_a_folder_is_named_by_its_content_even_at_a_commit(upstream, resolve):
    commit = upstream.commit(app="one")
    assert resolve(upstream.folder).identity != commit


def test_a_part_of_a_checkout_is_that_part(upstream, resolve):
    (upstream.folder / "shop").mkdir()
    upstream.write(**{"shop/manage.py": "x", "README": "y", ".gitignore": "secret.txt\n", "shop/secret.txt": "z"})
    assert resolve(upstream.folder / "shop").files == {"manage.py"}


def test_a_folder_that_the_checkout_around_it_ignores_is_taken_whole(upstream, resolve):
    upstream.write(**{".gitignore": "shop\n"})
    (upstream.folder / "shop").mkdir()
    upstream.write(**{"shop/manage.py": "x"})
    assert resolve(upstream.folder / "shop").files == {"manage.py"}


def test_submodules_of_a_folder_come_as_they_are(upstream, resolve, tmp_path):
    library = Checkout(tmp_path / "library")
    library.commit(**{"code": "x", ".gitignore": "cache\n"})
    upstream.git("submodule", "--quiet", "add", library.url, "library")
    upstream.write(**{"library/cache": "ignored", "library/fresh": "untracked"})
    assert resolve(upstream.folder).files == {
        ".gitmodules",
        "library/.gitignore",
        "library/code",
        "library/fresh",
    }


def test_a_submodule_that_is_not_checked_out_has_nothing_to_take(upstream, resolve, tmp_path):
    library = Checkout(tmp_path / "library")
    library.commit(code="x")
    upstream.git("submodule", "--quiet", "add", library.url, "library")
    upstream.commit(app="one")
    upstream.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    assert resolve("clone").files == {".gitmodules", "app"}


def test_a_folder_that_git_looks_after_has_its_commits_there(upstream, resolve, tmp_path):
    upstream.commit(app="one")
    upstream.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    assert resolve("clone").clone == tmp_path / "clone"
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/app").touch()
    assert resolve("bare").clone is None


def test_a_checkout_that_git_refuses_to_read_is_refused(upstream, resolve, monkeypatch):
    upstream.commit(**{".gitignore": ".env\n", "app": "x"})
    upstream.write(**{".env": "SECRET"})
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    message = message_of(resolve, upstream.folder)
    assert "site_source" in message
    assert "dubious ownership" in message


def test_a_folder_without_git_leaves_out_what_never_belongs_to_a_release(tmp_path, resolve):
    folder = tmp_path / "plain"
    for name in ("shop/urls.py", "venv/bin/python", "shop/__pycache__/urls.pyc", "node_modules/x/y.js", ".venv/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    found = resolve(folder)
    assert found.files == {"shop/urls.py"}
    assert found.commit is None


def test_a_socket_that_a_server_left_behind_is_no_file(tmp_path, resolve, monkeypatch):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "manage.py").write_text("x")
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("app.sock")
        assert resolve(folder).files == {"manage.py"}


@pytest.mark.parametrize("with_git", [True, False], ids=["git", "plain"])
def test_executable_files_and_links_stay_what_they_are(tmp_path, resolve, with_git):
    folder = tmp_path / "code"
    if with_git:
        Checkout(folder)
    (folder / "real").mkdir(parents=True)
    (folder / "real/tool").write_text("#!/bin/sh\n")
    (folder / "real/tool").chmod(0o700)
    (folder / "real/text").write_text("x")
    (folder / "real/text").chmod(0o600)
    (folder / "link").symlink_to("real/text")
    (folder / "linked").symlink_to("real")
    (folder / "dangling").symlink_to("nowhere")
    found = resolve(folder)
    assert modes(found) == {"real/tool": 0o755, "real/text": 0o644}
    with tarfile.open(found.archive) as tar:
        links = {member.name: member.linkname for member in tar.getmembers() if member.issym()}
    assert links == {"link": "real/text", "linked": "real", "dangling": "nowhere"}


def test_a_link_is_read_through_and_one_that_leads_nowhere_is_refused(tmp_path, resolve):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "base.txt").write_text("django")
    (folder / "requirements.txt").symlink_to("base.txt")
    (folder / "outside.txt").symlink_to("../elsewhere.txt")
    found = resolve(folder)
    assert found.read("requirements.txt") == "django"
    with pytest.raises(SourceError, match=r"outside\.txt"):
        found.read("outside.txt")


# --- the digest and the archive --------------------------------------------------------------------------------------


def make_tree(folder):
    (folder / "shop").mkdir(parents=True)
    (folder / "manage.py").write_text("import sys\n")
    (folder / "shop/urls.py").write_text("urlpatterns = []\n")
    (folder / "shop/link").symlink_to("urls.py")
    return folder


def test_the_same_content_has_the_same_name_and_bytes_wherever_and_whenever(tmp_path, monkeypatch):
    found = []
    for number in (1, 2):
        monkeypatch.setattr("time.time", lambda moment=number: float(moment))
        tree = make_tree(tmp_path / f"copy{number}")
        for path in tree.rglob("*.py"):
            os.utime(path, (number, number))
        found.append(source.resolve(str(tree), "", tmp_path, tmp_path / f"cache{number}"))
    assert found[0].identity == found[1].identity
    assert found[0].archive.read_bytes() == found[1].archive.read_bytes()


def test_the_archive_of_a_commit_is_reproducible(upstream, tmp_path):
    upstream.commit(app="one", other="two")
    first, second = (source.resolve(upstream.url, "", tmp_path, tmp_path / name).archive for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "manage.py").write_text("import os\n"),
        lambda tree: (tree / "manage.py").chmod(0o755),
        lambda tree: (tree / "manage.py").rename(tree / "manage2.py"),
        lambda tree: (tree / "more.py").write_text(""),
        lambda tree: (tree / "shop/link").unlink(),
        lambda tree: ((tree / "shop/link").unlink(), (tree / "shop/link").symlink_to("views.py")),
        lambda tree: ((tree / "shop/link").unlink(), (tree / "shop/link").write_text("urls.py")),
    ],
    ids=["content", "mode", "name", "addition", "removal", "link's target", "link becomes file"],
)
def test_every_change_changes_the_name(tmp_path, resolve, change):
    tree = make_tree(tmp_path / "tree")
    before = resolve(tree).identity
    change(tree)
    assert resolve(tree).identity != before


def test_the_cache_is_private_and_keeps_the_archives_used_last(tmp_path, resolve, monkeypatch):
    monkeypatch.setattr(source, "KEPT_ARCHIVES", 2)
    tree = make_tree(tmp_path / "tree")
    archives = []
    for number in range(3):
        (tree / "manage.py").write_text(f"{number}")
        archives.append(resolve(tree).archive)
        os.utime(archives[-1], (number, number))
    assert [archive.exists() for archive in archives] == [False, True, True]
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


def test_credentials_reach_git_by_its_environment_and_never_as_arguments(monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    remote = source._remote("https://ann:s%40crt@git.example.org:8443/shop.git")
    assert remote.url == "https://git.example.org:8443/shop.git"
    assert remote.access["GIT_CONFIG_COUNT"] == "2"
    assert remote.access["GIT_CONFIG_KEY_1"] == "http.https://git.example.org:8443/.extraHeader"
    assert remote.access["GIT_CONFIG_VALUE_1"] == "Authorization: Basic YW5uOnNAY3J0"  # ann:s@crt


@pytest.mark.parametrize("url", ["https://git.example.org/s.git", "ssh://git@git.example.org/s.git", "/srv/s.git"])
def test_a_url_without_a_password_stays_as_it_is(url):
    assert source._remote(url) == source.Remote(url, {})


def test_a_token_is_the_password_of_a_user_that_the_url_may_name(monkeypatch):
    monkeypatch.delenv("GIT_CONFIG_COUNT")
    for url, login in (
        ("https://git.example.org/shop.git", b"x-access-token:t0ken"),
        ("https://deploy@git.example.org/shop.git", b"deploy:t0ken"),
    ):
        remote = source._remote(url, token="t0ken")
        assert remote.url == "https://git.example.org/shop.git"
        assert remote.access["GIT_CONFIG_VALUE_0"] == f"Authorization: Basic {base64.b64encode(login).decode()}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("git@git.example.org:shop.git", "a key for ssh is named with site_source_key"),
        ("file:///srv/shop.git", "begins with https://"),
        ("shop", "begins with https://"),
        ("https://ann:0ther@git.example.org/shop.git", "Take one of them out"),
    ],
)
def test_a_token_that_could_not_be_used_is_refused(url, said):
    with pytest.raises(SourceError, match=re.escape(said)) as caught:
        source._remote(url, token="t0ken")
    assert "t0ken" not in str(caught.value)
    assert "0ther" not in str(caught.value)


def test_what_a_server_repeats_of_a_token_is_masked():
    remote = source._remote("https://git.example.org/shop.git", token="t0k/en")
    said = remote.without_secret("remote: t0k/en and t0k%2Fen are none; see https://ann:pw@git.example.org/")
    assert said == "remote: *** and *** are none; see https://***@git.example.org/"


def test_a_key_is_the_one_by_which_ssh_gets_in(tmp_path, monkeypatch):
    key = tmp_path / "deploy key"
    key.touch(0o600)
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -v")
    for url in ("git@git.example.org:shop.git", "ssh://git@git.example.org/shop.git"):
        remote = source._remote(url, key=key)
        assert remote.url == url
        assert remote.access["GIT_SSH_COMMAND"] == f"ssh -v -i '{key}' -o IdentitiesOnly=yes -o BatchMode=yes"


def test_a_key_that_could_not_be_used_is_refused(tmp_path, resolve):
    key = tmp_path / "key"
    with pytest.raises(SourceError, match="site_source_key .* is no file on the controller"):
        source.resolve("git@git.example.org:shop.git", "", tmp_path, tmp_path / "cache", key="key")
    key.touch(0o644)
    with pytest.raises(SourceError, match="chmod 600"):
        source.resolve("git@git.example.org:shop.git", "", tmp_path, tmp_path / "cache", key="key")
    key.chmod(0o600)
    with pytest.raises(SourceError, match="site_source_key goes with a URL for ssh"):
        source.resolve("https://git.example.org/shop.git", "", tmp_path, tmp_path / "cache", key="key")


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "site_source_token"),
        ("remote: Repository not found.\nfatal: repository 'https://h/' not found", "site_source_token"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", "site_source_token"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read", "site_source_key"),
        ("Host key verification failed.\nfatal: Could not read", "ssh-keyscan"),
    ],
)
def test_whom_a_server_does_not_let_in_is_told_the_way(monkeypatch, said, way_out):
    monkeypatch.setattr(subprocess, "run", lambda argv, **how: subprocess.CompletedProcess(argv, 128, "", said))
    with pytest.raises(SourceError, match=way_out) as caught:
        source.git("ls-remote", remote=source.Remote("https://h/"))
    assert str(caught.value).startswith(said.splitlines()[0])


# --- git LFS ---------------------------------------------------------------------------------------------------------

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs")
LARGE = b"as large as a house\n" * 100


def pointer_to(content):
    return f"{source.POINTER.decode()}oid sha256:{hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"


@pytest.fixture
def with_large_file(upstream):
    """A repository with a file that git LFS keeps, as a bare one has it: what it keeps lies in its folder lfs."""

    def lay(folder, content=LARGE):
        name = hashlib.sha256(content).hexdigest()
        place = folder / ".git/lfs/objects" / name[:2] / name[2:4]
        place.mkdir(parents=True)
        (place / name).write_bytes(content)

    upstream.lay = lay
    upstream.write(**{".gitattributes": "*.png filter=lfs -text\n", "house.png": pointer_to(LARGE)})
    for name in ("clean", "process"):
        upstream.git("config", f"filter.lfs.{name}", "")
    upstream.git("config", "filter.lfs.required", "false")
    upstream.commit(app="one")
    return upstream


@needs_lfs
def test_the_content_that_git_lfs_keeps_is_fetched(with_large_file, resolve):
    with_large_file.lay(with_large_file.folder)
    found = resolve(with_large_file.url)
    assert found.read("house.png").encode() == LARGE
    assert found.identity == with_large_file.git("rev-parse", "HEAD")


@needs_lfs
def test_content_that_was_fetched_once_is_not_fetched_again(with_large_file, resolve):
    with_large_file.lay(with_large_file.folder)
    resolve(with_large_file.url)
    shutil.rmtree(with_large_file.folder / ".git/lfs")
    with_large_file.commit(app="two")
    assert resolve(with_large_file.url).read("house.png").encode() == LARGE


@needs_lfs
def test_content_that_the_server_lacks_is_refused(with_large_file, resolve, tmp_path):
    message = message_of(resolve, with_large_file.url)
    assert "what git LFS keeps for it (house.png) can't be fetched" in message
    assert list((tmp_path / "cache/sources").glob("*")) == []


@needs_lfs
def test_a_submodules_content_is_fetched_too(with_large_file, tmp_path, resolve):
    with_large_file.lay(with_large_file.folder)
    outer = Checkout(tmp_path / "outer")
    outer.git("submodule", "--quiet", "add", with_large_file.url, "part")
    outer.commit(app="one")
    assert resolve(outer.url).read("part/house.png").encode() == LARGE


def test_without_git_lfs_the_files_are_named_and_the_way_out(with_large_file, resolve, monkeypatch):
    real = source.git

    def without_lfs(*arguments, **how):
        if arguments[0] == "lfs":
            raise SourceError("git: 'lfs' is not a git command. See 'git --help'.")
        return real(*arguments, **how)

    monkeypatch.setattr(source, "git", without_lfs)
    message = message_of(resolve, with_large_file.url)
    assert "git LFS keeps the content of 1 file(s), house.png, and the controller has no git-lfs" in message
    assert "apt install git-lfs" in message


def test_a_pointer_that_no_gitattributes_name_is_a_file_like_others(upstream, resolve):
    upstream.commit(**{"fixture.txt": pointer_to(LARGE)})
    assert resolve(upstream.url).read("fixture.txt") == pointer_to(LARGE)
    assert resolve(upstream.folder).read("fixture.txt") == pointer_to(LARGE)


def test_a_folder_with_pointers_is_refused(with_large_file, resolve):
    message = message_of(resolve, with_large_file.folder)
    assert "house.png hold(s) but the pointer" in message
    assert "git lfs pull" in message
    (with_large_file.folder / "house.png").write_bytes(LARGE)
    assert resolve(with_large_file.folder).read("house.png").encode() == LARGE

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import tarfile

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.source_history import Commits, commits, texts


@pytest.fixture
def clone(tmp_path):
    """A repository with a main line of three commits, and a branch from the first."""
    folder = tmp_path / "clone"

    def git(*words):
        who = {f"GIT_{who}_{what}": "jo" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", *words], cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **who}
        )
        return done.stdout.strip()

    folder.mkdir()
    git("init", "--quiet", "-b", "main")
    made = {}
    for name in ("first", "second", "third"):
        git("commit", "--quiet", "--allow-empty", "-m", f"The {name}")
        made[name] = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "-b", "other", made["first"])
    git("commit", "--quiet", "--allow-empty", "-m", "Another way")
    return folder, {**made, "other": git("rev-parse", "HEAD")}


def subjects(found):
    return [line.partition(" ")[2] for line in found.subjects]


def test_what_a_newer_commit_has(clone):
    folder, made = clone
    found = commits(folder, made["first"], made["third"])
    assert (found.ahead, found.behind) == (2, 0)
    assert subjects(found) == ["The third", "The second"]
    assert found.subjects[0].startswith(made["third"][:7])


def test_so_many_are_named(clone):
    folder, made = clone
    assert subjects(commits(folder, made["first"], made["third"], most=1)) == ["The third"]


def test_a_step_back_and_another_branch(clone):
    folder, made = clone
    assert commits(folder, made["third"], made["first"]) == Commits(0, 2, [])
    found = commits(folder, made["third"], made["other"])
    assert (found.ahead, found.behind, subjects(found)) == (1, 2, ["Another way"])


@pytest.mark.parametrize("live", ["f" * 40, "c0ffee-dirty", "--all"])
def test_a_commit_that_the_clone_lacks_is_not_compared(clone, live):
    folder, made = clone
    assert commits(folder, live, made["third"]) is None


def test_without_a_clone_nothing_is_known(tmp_path):
    assert commits(tmp_path / "gone", "a", "b") is None


def test_files_are_read_in_one_pass(tmp_path):
    (tmp_path / "a.py").write_bytes(b"caf\xe9")
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "link.py").symlink_to("b.txt")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        for name in ("a.py", "b.txt", "link.py"):
            tar.add(tmp_path / name, name)
    assert texts(tmp_path / "x.tar.gz", lambda name: name.endswith(".py")) == {"a.py": "caf\ufffd"}

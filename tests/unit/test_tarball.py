# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball holds what a user needs, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PLACE = Path("ansible_collections/switchyard/django")
MADE = {"FILES.json", "MANIFEST.json"}  # by ansible-galaxy
ALLOWED = {
    *MADE,
    *("CHANGELOG.rst", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *("changelogs", "docs", "examples", "meta", "playbooks", "plugins", "roles"),
    *("site.yml", "rollback.yml"),
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball, unpacked as ansible-galaxy installs it."""
    folder = tmp_path_factory.mktemp("tarball")
    build = [BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = folder.glob("switchyard-django-*.tar.gz")
    shutil.unpack_archive(tarball, folder / PLACE)
    return folder / PLACE


def files(collection: Path) -> set[str]:
    return {str(path.relative_to(collection)) for path in collection.rglob("*") if path.is_file()}


def test_there_is_nothing_at_the_top_but_what_is_allowed(collection: Path) -> None:
    assert {path.name for path in collection.iterdir()} == ALLOWED


def test_of_the_changelog_there_is_what_is_read(collection: Path) -> None:
    assert files(collection / "changelogs") == {"changelog.yaml"}


def test_of_the_documentation_there_are_the_pages(collection: Path) -> None:
    assert {Path(name).suffix for name in files(collection / "docs")} <= {".md", ".rst", ".yml", ".svg", ".png"}


def test_every_file_is_one_of_the_repository(collection: Path) -> None:
    """What lies about in a checkout, such as a cache, gets in nowhere."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert sorted(files(collection) - set(known) - MADE) == []


def test_every_link_of_the_readme_leads_somewhere(collection: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (collection / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (collection / link).exists()] == []


def test_its_playbooks_need_no_file_outside_of_what_ansible_knows(collection: Path, tmp_path: Path) -> None:
    """A collection has to work with these four folders alone, says the community's list of requirements."""
    bare = tmp_path / PLACE
    bare.mkdir(parents=True)
    for name in ("meta", "playbooks", "plugins", "roles", *MADE):
        (bare / name).symlink_to(collection / name)
    names = [f"switchyard.django.{path.stem}" for path in sorted((collection / "playbooks").glob("*.yml"))]
    assert len(names) == 9
    done = subprocess.run(
        [BIN / "ansible-playbook", "--syntax-check", *names],
        env={
            **{name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"},
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outside = re.compile(r"role_path ~ '/\.\./\.\./(?!plugins|roles|playbooks|meta)|playbook_dir ~ '/\.\./")
    code = [*bare.glob("roles/*/*/*.yml"), *bare.glob("playbooks/**/*.yml")]
    assert code
    assert [str(path) for path in code if outside.search(path.read_text(encoding="utf-8"))] == []


def test_nothing_is_hidden_from_ansible_test() -> None:
    assert list((ROOT / "tests").glob("sanity/ignore-*.txt")) == []

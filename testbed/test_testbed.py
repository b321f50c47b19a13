# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the testbed can be told without a host: sources, recipes, the cache, inventories."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path

import hosts
import images
import pytest
from machine import Trouble, write

DEB822 = """\
# the machine's own
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""

RECIPE = images.Recipe("bookworm", ("systemd",), "Types: deb\n", (), (), "bare")


def test_sources_are_switched_to_another_release() -> None:
    stanza = images.switch_release(images.parse_stanza(DEB822), "bookworm", "trixie")
    assert stanza["Types"] == "deb"
    assert stanza["Suites"] == "trixie trixie-updates"
    assert stanza["URIs"] == "http://mirror.example/debian"


def test_a_line_says_what_a_stanza_says() -> None:
    line = "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian-security bookworm-security main # comment"
    assert images.line_to_stanza(line) == {
        "Types": "deb",
        "URIs": "http://mirror.example/debian-security",
        "Suites": "bookworm-security",
        "Components": "main",
        "Signed-By": "/k.gpg",
    }
    assert images.line_to_stanza("# deb http://mirror.example/debian bookworm main") == {}
    assert images.line_to_stanza("deb-src http://mirror.example/debian bookworm main") == {}


@pytest.mark.parametrize(
    "change",
    [
        {"Suites": "stable"},
        {"Suites": "bookworm-backports"},
        {"Types": "deb-src"},
        {"Enabled": "no"},
        {"URIs": "https://packages.example/nodesource"},
        {"Components": "contrib"},
    ],
)
def test_sources_of_others_are_left_out(change: dict[str, str]) -> None:
    assert images.switch_release(images.parse_stanza(DEB822) | change, "bookworm", "bookworm") == {}


def test_a_key_written_out_in_a_stanza_survives() -> None:
    stanza = images.parse_stanza("Types: deb\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n")
    assert stanza["Signed-By"] == "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(images.Recipe)])
def test_every_part_of_a_recipe_makes_another_image(field: str) -> None:
    parts = dataclasses.asdict(RECIPE)
    other = "another" if isinstance(parts[field], str) else ("another",)
    assert images.Recipe(**parts | {field: other}).tag != RECIPE.tag


@pytest.mark.parametrize(("running", "instances", "told"), [(15, 128, ""), (16, 128, "=256"), (16, 1024, "")])
def test_many_hosts_that_do_not_boot_lack_what_the_kernel_gives_to_all(running: int, instances: int, told: str) -> None:
    said = hosts.crowded(running, instances)
    assert said.endswith(told)
    assert ("fs.inotify.max_user_instances, which all of them share, is 128" in said) == bool(told)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(images, "CACHE", tmp_path)
    tar = images._tar(RECIPE)
    tar.parent.mkdir(parents=True)
    tar.write_bytes(b"an image")
    write(tar.with_suffix(".json"), json.dumps({"sha256": hashlib.sha256(b"an image").hexdigest(), "at": time.time()}))
    return tar


def test_a_sound_image_is_taken_from_the_cache(cache: Path) -> None:
    assert images._cache_is_sound(RECIPE)


def test_a_damaged_image_is_not(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache.write_bytes(b"half an im")
    assert not images._cache_is_sound(RECIPE)
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"sha256": 1, "at": "today"}'])
def test_nor_is_one_whose_digest_is_damaged(cache: Path, note: str) -> None:
    cache.with_suffix(".json").write_text(note, encoding="utf-8")
    assert not images._cache_is_sound(RECIPE)


def test_nor_is_an_old_one(cache: Path) -> None:
    built = json.loads(cache.with_suffix(".json").read_text(encoding="utf-8"))
    write(cache.with_suffix(".json"), json.dumps(built | {"at": time.time() - images.OLDEST}))
    assert not images._cache_is_sound(RECIPE)


def test_package_indexes_are_passed_on_where_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in hosts.PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    bundle = {"SSL_CERT_FILE": hosts.CA_BUNDLE, "PIP_CERT": hosts.CA_BUNDLE}
    assert hosts.build_environment() == bundle
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple")
    assert hosts.build_environment() == bundle | {"UV_DEFAULT_INDEX": "https://index.example/simple"}


def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "STATE", tmp_path / "state")
    theirs, ours = tmp_path / "theirs.yml", tmp_path / "ours.yml"
    theirs.write_text("all:\n", encoding="utf-8")
    with pytest.raises(Trouble, match="not overwritten"):
        hosts._place(theirs, "{}\n", "group")
    hosts._place(ours, "{}\n", "group")
    hosts._place(ours, "{}\n", "group")
    hosts._remove_files("group")
    assert theirs.exists()
    assert not ours.exists()


@pytest.mark.parametrize(("names", "group"), [(["Web"], "web"), (["-w"], "web"), (["web"], "we-b"), (["web"], "")])
def test_names_that_would_not_work_are_refused(names: list[str], group: str) -> None:
    with pytest.raises(Trouble, match="name"):
        hosts._check_names(names, group)

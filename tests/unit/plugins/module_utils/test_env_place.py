# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import env_place

ME = str(os.getuid())
MY_GROUP = str(os.getgid())


def codes(findings):
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("0600", 0o600), ("640", 0o640), ("0o660", 0o660), (0o600, 0o600), (0o640, 0o640), (0o440, 0o440)],
)
def test_modes(mode, expected):
    assert env_place.parse_mode(mode) == expected


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("0644", "leave nothing to others"),
        ("0604", "leave nothing to others"),
        ("04600", "octal digits in quotes"),
        ("u=rw", "octal digits in quotes"),
        ("0608", "octal digits in quotes"),
        ("", "octal digits in quotes"),
        (None, "octal digits in quotes"),
        (True, "octal digits in quotes"),
        (0.6, "octal digits in quotes"),
        (["x"], "octal digits in quotes"),
        (600, "the number 600, .* in quotes, '0600'"),
        (640, "the number 640, .* in quotes, '0640'"),
        # Read as it stands it would be 0620.
        (400, "the number 400, .* in quotes"),
        (0o644, "the number 420, in octal digits 0644: .* nothing to others"),
        (-1, "the number -1"),
    ],
)
def test_refuses_modes_that_are_none_or_open_to_everybody(mode, words):
    with pytest.raises(ValueError, match=words):
        env_place.parse_mode(mode)


@pytest.fixture
def safe_file(tmp_path):
    path = tmp_path / "site.env"
    path.write_text("A=b\n")
    path.chmod(0o600)
    return path


def judge(path, mode=0o600, owner=ME, group=MY_GROUP):
    return env_place.judge_file(str(path), owner, group, mode)


def test_a_safe_file(safe_file):
    assert judge(safe_file) == []
    safe_file.chmod(0o400)
    assert judge(safe_file) == []


@pytest.mark.parametrize(
    ("actual", "wanted", "expected"),
    [
        (0o604, 0o600, ["mode"]),
        (0o620, 0o600, ["mode"]),
        (0o640, 0o600, ["mode"]),
        (0o640, 0o640, []),
        (0o660, 0o640, ["mode"]),
        (0o777, 0o660, ["mode"]),
    ],
)
def test_a_file_may_be_less_open_than_wanted_but_not_more(safe_file, actual, wanted, expected):
    safe_file.chmod(actual)
    assert codes(judge(safe_file, wanted)) == expected


def test_wrong_owner_and_group(safe_file):
    other = str(os.getuid() + 4242)
    owner_codes = codes(judge(safe_file, owner=other))
    assert "owner" in owner_codes
    assert judge(safe_file, group=other) == []
    safe_file.chmod(0o640)
    assert codes(judge(safe_file, mode=0o640, group=other)) == ["group"]


def test_unknown_owner_and_group(safe_file):
    assert codes(judge(safe_file, owner="no-such-user", group="no-such-group"))[:2] == [
        "unknown-owner",
        "unknown-group",
    ]


def test_missing_file_and_missing_folder(tmp_path):
    assert codes(judge(tmp_path / "site.env")) == ["missing"]
    assert codes(judge(tmp_path / "folder" / "site.env")) == ["folder-missing"]


def test_symbolic_link_and_other_things(safe_file, tmp_path):
    link = tmp_path / "link.env"
    link.symlink_to(safe_file)
    assert codes(judge(link)) == ["symlink"]
    link.unlink()
    link.symlink_to(tmp_path / "nothing")
    assert codes(judge(link)) == ["symlink"]
    assert codes(judge(tmp_path)) == ["not-a-file"]


def test_a_folder_on_the_way_that_others_may_write(tmp_path):
    path = tmp_path / "one" / "two" / "site.env"
    path.parent.mkdir(parents=True)
    path.write_text("")
    path.chmod(0o600)
    (tmp_path / "one").chmod(0o707)
    findings = judge(path)
    assert codes(findings) == ["folder-writable"]
    assert str(tmp_path / "one") in findings[0].message
    (tmp_path / "one").chmod(0o1777)
    assert judge(path) == []


def test_a_folder_behind_a_link_that_others_may_write(tmp_path):
    real = tmp_path / "open" / "real"
    real.mkdir(parents=True)
    (real / "site.env").write_text("")
    (real / "site.env").chmod(0o600)
    (tmp_path / "open").chmod(0o707)
    (tmp_path / "closed").symlink_to(real)
    assert codes(judge(tmp_path / "closed" / "site.env")) == ["folder-writable"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_that_belongs_to_somebody_else(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "site.env").write_text("")
    (folder / "site.env").chmod(0o600)
    os.chown(folder, 4242, 4242)
    assert codes(judge(folder / "site.env")) == ["folder-owner"]
    os.chown(folder, 0, 4242)
    folder.chmod(0o770)
    assert codes(judge(folder / "site.env")) == ["folder-writable"]


def test_numbers_are_those_of_ascii(safe_file):
    assert codes(judge(safe_file, owner="²"))[0] == "unknown-owner"


def test_another_name_of_the_file(safe_file, tmp_path):
    os.link(safe_file, tmp_path / "other")
    assert [(each.code, each.level) for each in judge(safe_file)] == [("hard-link", "warning")]


def test_an_access_list(safe_file, monkeypatch):
    monkeypatch.setattr(os, "listxattr", lambda _path: ["system.posix_acl_access"])
    assert codes(judge(safe_file)) == ["access-list"]


def test_a_file_system_without_access_lists(safe_file, monkeypatch):
    def fail(_path):
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "listxattr", fail)
    assert judge(safe_file) == []


@pytest.mark.parametrize("name", ["*.env", "sit?.env", "[a].env"])
def test_a_path_that_systemd_takes_for_a_pattern(tmp_path, name):
    (tmp_path / name).write_text("")
    (tmp_path / name).chmod(0o600)
    assert [(each.code, each.level) for each in judge(tmp_path / name)] == [("path-is-a-pattern", "warning")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/site.env", ["inside-source"]),
        ("src/a/../site.env", ["inside-source"]),
        ("src/link/site.env", ["inside-source"]),
        ("to-src/site.env", ["inside-source"]),
        ("src-2/site.env", []),
        ("site.env", []),
        ("to-file", ["inside-source"]),
        ("src/static/site.env", ["inside-source", "inside-static"]),
    ],
)
def test_a_file_lies_apart_from_what_others_get(tmp_path, path, expected):
    for folder in ("src/static", "src-2", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "to-src").symlink_to("src")
    (tmp_path / "to-file").symlink_to("src/site.env")
    folders = {"source": str(tmp_path / "src"), "static": str(tmp_path / "src/static")}
    assert codes(env_place.judge_apart(str(tmp_path / path), folders)) == expected
    behind = {"source": str(tmp_path / "to-src"), "static": str(tmp_path / "to-src/static")}
    assert codes(env_place.judge_apart(str(tmp_path / path), behind)) == expected


def test_a_mistyped_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    folders = {"source": str(tmp_path / "scr"), "static": str(tmp_path / "file"), "media": str(tmp_path / "media")}
    (tmp_path / "media").mkdir()
    findings = env_place.judge_apart(str(tmp_path / "site.env"), folders)
    assert [(each.code, each.level) for each in findings] == [
        ("source-missing", "warning"),
        ("static-missing", "warning"),
    ]
    assert f"{tmp_path}/scr does not exist" in findings[0].message
    assert f"{tmp_path}/file is not a folder" in findings[1].message


def test_a_folder_that_is_not_there_yet(tmp_path):
    assert codes(env_place.judge_apart(str(tmp_path / "a/b/site.env"), {"media": str(tmp_path / "a")})) == [
        "inside-media"
    ]

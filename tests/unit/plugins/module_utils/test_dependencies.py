# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import dependencies
from ansible_collections.switchyard.django.plugins.module_utils.dependencies import (
    differences,
    everywhere,
    fitting,
    named,
    of_project,
)

LOCK = """
django==5.2.19 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
Typing_Extensions==4.1 ; python_version < "3.13" \\
    --hash=sha256:cc
"""
UV = 'version = 1\n\n[[package]]\nname = "django"\nversion = "5.2.19"\nsource = { registry = "x" }\n'
ASKED = """
[package.metadata]
requires-dist = [
    { name = "django", specifier = ">=5.2" },
    { name = "psycopg", extras = ["binary"], specifier = ">=3" },
]

[package.metadata.requires-dev]
dev = [{ name = "pytest" }]
"""


def test_a_lock_says_what_is_installed():
    assert named(LOCK) == {"django": [["==5.2.19", ""]], "typing-extensions": [["==4.1", 'python_version < "3.13"']]}
    assert fitting(named(LOCK), everywhere) == {"django": "==5.2.19", "typing-extensions": "==4.1"}


def test_a_package_may_be_named_for_several_places():
    text = "a==1 ; old\na==2 ; new\nb==1 ; new\nc==3\n"
    assert fitting(named(text), lambda marker: marker == "old") == {"a": "==1", "c": "==3"}
    assert fitting(named(text), lambda marker: marker == "new") == {"a": "==2", "b": "==1", "c": "==3"}


def test_requirements_say_what_is_wanted():
    text = "# all\n-r more.txt\nDjango >= 5.2, < 6  # long term\npsycopg[binary]\nown @ https://example.org/own.whl\n"
    wanted = {"django": ">=5.2,<6", "psycopg": "", "own": "@https://example.org/own.whl"}
    assert fitting(named(text), everywhere) == wanted


def test_a_project_is_read_as_its_files_are():
    assert of_project("uv", {"uv.lock": UV, "pyproject.toml": "x"}, everywhere) == {"django": "==5.2.19"}
    two = {"a.txt": "django\n", "b.txt": "redis>=5\ntzdata; sys_platform == 'win32'\n"}
    assert of_project("requirements", two, lambda marker: "win32" not in marker) == {"django": "", "redis": ">=5"}
    assert of_project("group:main", {"pyproject.toml": "[dependency-groups]\n"}, everywhere) == {}


@pytest.mark.parametrize(
    ("kind", "files", "is_lock", "declared"),
    [
        ("uv", {"uv.lock": UV + ASKED, "pyproject.toml": "x"}, True, {"django", "psycopg"}),
        ("uv", {"uv.lock": UV, "pyproject.toml": "x"}, True, set()),
        ("requirements", {"requirements.txt": LOCK}, True, set()),
        ("requirements", {"requirements.txt": "django==5.2.1\nredis\n"}, False, {"django", "redis"}),
    ],
)
def test_a_lock_names_more_than_was_asked_for(kind, files, is_lock, declared):
    assert dependencies.is_lock(kind, files) is is_lock
    assert dependencies.declared(kind, files, everywhere) == declared


def test_what_comes_goes_and_changes_is_told():
    before = {"django": "==5.2.1", "celery": "==5.3", "idna": ">=3"}
    after = {"django": "==5.2.2", "redis": "==5.0", "idna": ""}
    assert differences(before, after) == ["+redis 5.0", "-celery 5.3", "django 5.2.1 → 5.2.2", "idna >=3 → any"]
    assert differences(before, before) == []
    assert dependencies.shown("==5.2,!=5.2.1") == "==5.2,!=5.2.1"

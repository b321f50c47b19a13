# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library is laid down and run as on a host: by another Python, which has nothing of this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import layout, library
from ansible_collections.switchyard.django.plugins.plugin_utils import library as controller

ROOT = Path(__file__).resolve().parents[4]

# As ansible-core does it: host_call alone has come with the call.
CALL = """
import json, runpy, sys
sys.path.insert(0, sys.argv[1])
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.read().encode(), "legacy"
runpy.run_module("ansible_collections.switchyard.django.plugins.modules.host_call", run_name="__main__")
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where libraries are."""
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "library")
    monkeypatch.setattr(library, "LIBRARY_LOCK", tmp_path / "run/library.lock")
    monkeypatch.setattr(library.disk, "settle", lambda folder: None)
    return tmp_path / "library"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    packed = tmp_path_factory.mktemp("packed") / "library.tar.gz"
    controller.pack(packed)
    return packed


@pytest.fixture
def call(tmp_path):
    """Calls host_call, and returns its answer."""
    came = tmp_path / "came/ansible_collections/switchyard/django/plugins/modules"
    came.mkdir(parents=True)
    for package in (came, *list(came.parents)[:4]):
        (package / "__init__.py").touch()
    (came / "host_call.py").write_text((ROOT / "plugins/modules/host_call.py").read_text())

    def call(folder, module, arguments, **how):
        asked = {"library": str(folder), "module": module, "arguments": arguments}
        internal = {"_ansible_check_mode": False, "_ansible_remote_tmp": str(tmp_path), **how}
        done = subprocess.run(
            [sys.executable, "-c", CALL, tmp_path / "came"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {**asked, **internal}}),
            env={**os.environ, "PYTHONPATH": ""},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout or json.dumps({"stderr": done.stderr}))

    return call


def test_a_module_runs_from_the_library_and_answers_itself(home, archive, call):
    assert library.lay_down(home / "0123", archive)
    answer = call(home / "0123", "site_lease", {"site": "shop", "colour": "red"})
    assert answer["failed"]
    assert "(switchyard.django.site_lease) module: colour" in answer["msg"]


def test_how_the_task_is_run_is_passed_on(home, archive, call):
    library.lay_down(home / "0123", archive)
    answer = call(home / "0123", "host_files", {"files": []}, _ansible_check_mode=True)
    assert answer["paths"] == []
    assert answer["invocation"]["module_args"]["files"] == []


def test_a_host_without_it_says_so(home, call):
    assert call(home / "0123", "site_lease", {"site": "shop"})["library_missing"]


def test_one_that_is_half_made_is_none_and_is_made_anew(home, archive, call):
    library.lay_down(home / "0123", archive)
    (home / "0123/whole").unlink()
    assert call(home / "0123", "site_lease", {"site": "shop"})["library_missing"]
    assert library.lay_down(home / "0123", archive)
    assert not library.lay_down(home / "0123", archive)


def test_it_is_compiled(home, archive):
    library.lay_down(home / "0123", archive)
    texts = list(home.glob("0123/ansible_collections/**/*.py"))
    compiled = list(home.glob("0123/ansible_collections/**/*.pyc"))
    assert len(texts) == len(compiled) > 100


def test_few_older_ones_stay(home, archive):
    for number in range(5):
        library.lay_down(home / f"library{number}", archive)
        os.utime(home / f"library{number}", (number, number))
    assert sorted(one.name for one in home.iterdir()) == ["library2", "library3", "library4"]


def test_what_runs_from_it_finds_it(home, archive):
    library.lay_down(home / "0123", archive)
    inside = home / "0123/ansible_collections/switchyard/django/plugins/module_utils/cutover.py"
    assert inside.exists()
    assert library.around(str(inside)) == home / "0123"
    assert library.around(layout.__file__) is None
    assert library.around("cutover.py") is None


def test_a_program_of_the_host_starts_from_it(home, archive, tmp_path):
    library.lay_down(home / "0123", archive)
    done = subprocess.run(
        [sys.executable, "-I", "-B", home / "0123", "cutover", tmp_path / "none.json", tmp_path / "outcome"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "none.json" in done.stderr

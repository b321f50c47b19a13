# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.switchyard.django.plugins.action.site_advice import ActionModule

FILES = {
    "backend/manage.py": "",
    "backend/shop/settings.py": "INSTALLED_APPS = []\nALLOWED_HOSTS = []\n",
    "backend/shop/wsgi.py": "application = None\n",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, text in FILES.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    return tmp_path / "project"


@pytest.fixture
def advice(run, project):
    return lambda **changes: run(ActionModule, {"site_source": "project", "base": str(project.parent), **changes})


def test_a_folder_is_read_and_nothing_else_is_asked_for(advice):
    found = advice()
    assert (found["changed"], found["stack"]) == (False, "wsgi")
    assert found["lines"][0] == found["advice"]["verdict"]
    assert found["advice"]["package"] == "shop"
    assert found["advice"]["origin"] == "project"


def test_a_git_url_is_read_at_a_version(advice, project):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=project, check=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "sync")
    git("tag", "v1")
    (project / "backend/requirements.txt").write_text("")
    (project / "backend/shop/asgi.py").write_text("")
    (project / "backend/shop/wsgi.py").unlink()
    git("add", "-A")
    git("commit", "-qm", "async")
    url = f"file://{project}"
    assert advice(site_source=url)["stack"] == "asgi"
    assert advice(site_source=url)["advice"]["placed"] == {"site_requirements": "backend/requirements.txt"}
    assert advice(site_source=url, site_version="v1")["stack"] == "wsgi"


def test_the_names_of_the_site_go_into_the_settings(advice):
    found = advice(site_domains=["shop.example.org"])
    assert found["advice"]["variables"]["site_settings_overrides"]["ALLOWED_HOSTS"] == ["shop.example.org"]


def test_what_the_site_has_already_is_not_asked_for(advice):
    there = {"ALLOWED_HOSTS": ["shop.example.org"]}
    found = advice(site_settings_overrides=there, scheme="http")
    assert (found["advice"]["needs"], "site_settings_overrides" in found["advice"]["variables"]) == ([], False)
    found = advice(site_settings_overrides=there, scheme="https")
    assert found["advice"]["variables"]["site_settings_overrides"].items() > there.items()


def test_of_a_parent_folder_the_one_that_holds_the_site_is_to_be_the_source(advice, project):
    found = advice()
    assert found["advice"]["variables"]["site_source"] == str(project / "backend")
    assert advice(site_source="project/backend")["advice"]["placed"] == {}


def test_the_advice_is_written_as_data_and_a_second_time_changes_nothing(advice, project):
    path = project.parent / "advice.json"
    found = advice(json=str(path))
    assert found["changed"]
    assert json.loads(path.read_text()) == found["advice"]
    assert not advice(json=str(path))["changed"]
    assert [one.name for one in project.parent.iterdir() if "advice" in one.name] == ["advice.json"]


def test_a_check_writes_nothing(run, project):
    path = project.parent / "advice.json"
    given = {"site_source": "project", "base": str(project.parent), "json": str(path)}
    assert not run(ActionModule, given, check_mode=True)["changed"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"site_source": "nowhere"}, "site_source 'nowhere'"),
        ({"site_source": "nowhere", "json": "/no/a.json"}, "advise_json '/no/a.json': the folder /no does not exist"),
        ({"site_package": "store"}, "site_package 'store'"),
        ({"site_settings": "shop.live"}, "site_settings 'shop.live' is no module of site_source"),
        ({"site_settings_overrides": {"API_KEY": "hunter2"}}, "API_KEY would lie in the release's folder"),
        ({"site_source_token": "hunter2"}, "site_source_token goes with a URL"),
    ],
)
def test_what_can_not_be_read_is_refused_with_the_way_out(advice, changes, words):
    with pytest.raises(AnsibleActionFail) as caught:
        advice(**changes)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)

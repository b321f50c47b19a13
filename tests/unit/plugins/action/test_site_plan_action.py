# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tarfile

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.switchyard.django.plugins.action.site_plan import ActionModule


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, text in {
        "backend/manage.py": "",
        "backend/shop/settings.py": "",
        "backend/shop/wsgi.py": "",
        "requirements.txt": "django==5.2.1\n",
    }.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    return tmp_path / "project"


@pytest.fixture
def plan(run, project):
    def plan(**changes):
        arguments = {
            "site_name": "shop",
            "site_source": "project",
            "site_package": "shop",
            "site_settings": "shop.settings",
            "site_domains": ["shop.example.org"],
            "site_health_path": "/health/",
            "base": str(project.parent),
        }
        return run(ActionModule, {**arguments, **changes})

    return plan


def refusal(plan, **changes):
    with pytest.raises(AnsibleActionFail) as caught:
        plan(**changes)
    return str(caught.value)


def test_a_sound_site_is_planned(plan, project):
    found = plan()
    assert found["root"] == "backend"
    assert found["files"] == ["backend/manage.py", "backend/shop/wsgi.py"]
    assert found["requirements"] == {"kind": "requirements", "files": {"requirements.txt": "django==5.2.1\n"}}
    with tarfile.open(found["archive"]) as tar:
        assert "backend/shop/settings.py" in tar.getnames()


def test_the_plan_changes_with_the_code_and_not_without(plan, project):
    first = plan()["identity"]
    assert plan()["identity"] == first
    (project / "backend/shop/settings.py").write_text("DEBUG = False\n")
    assert plan()["identity"] != first


def test_every_problem_of_the_variables_is_said_in_one_message(plan):
    message = refusal(plan, site_name="Shop", serve_mode="agsi")
    assert "site_name 'Shop'" in message
    assert "serve_mode 'agsi'" in message


def test_what_a_build_needs_is_judged_with_the_rest(plan):
    message = refusal(
        plan,
        site_name="Shop",
        site_packages=["libpq5=15"],
        release_build_commands=["npm ci && npm run build"],
        release_build_environment={"TOKEN": 7},
    )
    for name in ("site_name", "site_packages", "release_build_commands", "release_build_environment.TOKEN"):
        assert name in message


def test_a_token_for_a_folder_is_refused_without_it(plan):
    message = refusal(plan, site_source_token="hunter2")
    assert "site_source_token goes with a URL" in message
    assert "hunter2" not in message


def test_a_bad_environment_is_refused_without_its_value(plan):
    message = refusal(plan, site_env={"DEBUG": "on", "API_TOKEN": ["hunter2hunter2"]})
    assert "site_env.DEBUG" in message
    assert "site_env.API_TOKEN" in message
    assert "hunter2" not in message


def test_what_a_site_gets_by_https_counts_as_its_environment(plan):
    schema = [{"name": "CSRF_TRUSTED_ORIGINS", "required": True}]
    assert plan(site_env_schema=schema, scheme="https")
    assert "site_env.CSRF_TRUSTED_ORIGINS" in refusal(plan, site_env_schema=schema)


def test_every_time_follows_from_how_long_a_request_may_take(plan):
    assert plan()["times"] == {
        "request": 60,
        "nginx": 60,
        "server": 65,
        "graceful": 60,
        "stop": 65,
        "idle_nginx": 50,
        "idle_server": 55,
    }
    times = plan(site_request_timeout=90, nginx_read_timeout=120, site_graceful_timeout="auto")["times"]
    assert (times["request"], times["nginx"], times["graceful"]) == (90, 120, 90)


@pytest.mark.parametrize("name", ["nginx_read_timeout", "site_graceful_timeout"])
def test_times_that_contradict_each_other_are_refused_with_both_values(plan, name):
    message = refusal(plan, site_request_timeout=90, site_health_path="health", **{name: 45})
    assert f"{name} 45 is shorter than site_request_timeout 90" in message
    assert "site_health_path" in message, "all at once"


def test_the_advice_is_asked_for_with_auto_alone(plan, project):
    assert plan()["advice"] == plan(serve_mode="wsgi")["advice"] == {}
    assert plan(serve_mode="auto")["advice"] == {
        "stack": "wsgi",
        "firm": True,
        "lines": ["WSGI: nothing here needs ASGI", "  backend/shop/wsgi.py:1  the WSGI entry point"],
    }
    (project / "backend/shop/wsgi.py").rename(project / "backend/shop/asgi.py")
    assert plan(serve_mode="auto")["advice"]["stack"] == "asgi"


def test_settings_that_a_package_of_the_source_does_not_have_are_refused_for_every_stack(plan, project):
    (project / "backend/shop/__init__.py").write_text("")
    for mode in ("", "wsgi", "asgi", "auto"):
        message = refusal(plan, site_settings="shop.live", serve_mode=mode)
        assert "site_settings 'shop.live' is no module of site_source: backend/shop/live.py is not there" in message
        assert message.endswith("What looks like settings there: shop.settings")


@pytest.mark.parametrize(
    ("package", "changes"),
    [
        ("", {"site_settings": "elsewhere.settings"}),
        ("", {"release_build_commands": ["cp shop/settings.py shop/live.py"]}),
        ("__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n", {}),
        (None, {}),
    ],
)
def test_settings_that_may_come_from_elsewhere_are_not(plan, project, package, changes):
    if package is not None:
        (project / "backend/shop/__init__.py").write_text(package)
    assert plan(**{"site_settings": "shop.live", **changes})


def test_advice_by_settings_that_can_not_be_read_is_refused_with_both_ways_out(plan):
    message = refusal(plan, site_settings="elsewhere.settings", serve_mode="auto")
    assert "site_settings 'elsewhere.settings' is no module of site_source" in message
    assert "name the stack with serve_mode=wsgi or serve_mode=asgi" in message


def test_a_source_that_is_not_there_is_refused(plan):
    assert "site_source 'nowhere'" in refusal(plan, site_source="nowhere")


def test_requirements_that_are_not_there_are_refused(plan, project):
    (project / "requirements.txt").unlink()
    assert "site_requirements" in refusal(plan)


def test_a_package_that_the_source_lacks_is_refused(plan):
    assert "site_package 'store'" in refusal(plan, site_package="store", site_settings="store.settings")


def test_what_runs_beside_the_instances_is_planned(plan):
    found = plan(site_processes={"worker": "manage.py run"}, hosts=["web1"])
    (process,) = found["processes"]
    assert process["argv"] == ["@VENV@/bin/python", "/srv/shop/releases/@RELEASE@/code/backend/manage.py", "run"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"site_processes": ["celery worker"]}, "site_processes must be a dictionary"),
        ({"site_timers": "daily"}, "site_timers must be a dictionary"),
        (
            {"site_processes": {"worker": "celery | tee"}, "serve_mode": "agsi"},
            "site_processes.worker: the command has |",
        ),
        ({"site_timers": {"tidy": {"command": "manage.py tidy"}}}, "site_timers.tidy.schedule must say when"),
    ],
)
def test_what_can_not_run_beside_them_is_refused(plan, changes, words):
    assert words in refusal(plan, **changes)

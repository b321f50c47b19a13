# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import plan
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from hypothesis import given
from hypothesis import strategies as st

GOOD = {
    "site_name": "shop",
    "site_source": "https://git.example.org/shop.git",
    "site_package": "shop",
    "site_settings": "shop.settings.production",
    "site_settings_overrides": {},
    "site_requirements_overrides": [],
    "site_domains": ["shop.example.org"],
    "site_env": {},
    "site_env_schema": [],
    "site_health_path": "/health/",
    "site_websocket_path": "",
    "scheme": "http",
    "serve_mode": "",
}
GOOD_KEY = "v3ry-Random_Characters_of_which_there_are_enough-8472"


def problems(**changes):
    return plan.problems({**GOOD, **changes})


def environment_problems(site_env, **changes):
    return judge_environment(site_env, **changes)[0]


def judge_environment(site_env, **changes):
    return plan.judge_environment({**GOOD, **changes, "site_env": site_env}, Layout("shop"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serve_mode", "wsgi"),
        ("serve_mode", "asgi"),
        ("serve_mode", "auto"),
        ("site_name", "a"),
        ("site_name", "shop-2"),
        ("site_name", "s" * 32),
        ("site_domains", ["shop.example.org", "www.shop.example.org", "localhost", "xn--mller-kva.example"]),
        ("site_domains", ["192.0.2.7", "2001:db8::7"]),
        ("site_package", "apps.shop"),
        ("site_package", "_shop2"),
        ("site_package", "."),
        ("site_requirements_overrides", ["gunicorn>=25.1"]),
        ("site_health_path", "/health"),
        ("site_health_path", "/-/ready?deep=1&format=json"),
        ("site_health_path", "/caf%C3%A9/"),
        ("site_websocket_path", "/ws/board/"),
        ("site_settings_overrides", {"DEBUG": False, "DATABASES": {"default": {"PASSWORD": {"$env": "DB_PASSWORD"}}}}),
        ("site_settings_overrides", {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.Argon2PasswordHasher"]}),
        ("site_settings_overrides", {"PASSWORD_RESET_TIMEOUT": 3600, "EMAIL_HOST_PASSWORD": ""}),
        ("site_settings_overrides", {"CACHES": {"default": {"LOCATION": "redis://cache.example.org:6379/0"}}}),
    ],
)
def test_good_variables_pass(name, value):
    assert problems(**{name: value}) == []


TRAPS = [" ", '"', "'", ";", "\n", "\\", "$", "%", "{", "}", "/", "..", "#", "\t", "\x00", "é"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serve_mode", "agsi"),
        ("serve_mode", "WSGI"),
        ("serve_mode", "asgi\n"),
        ("site_name", ""),
        ("site_name", "Shop"),
        ("site_name", "2shop"),
        ("site_name", "shop-"),
        ("site_name", "-shop"),
        ("site_name", "shop_x"),
        ("site_name", "shop.x"),
        ("site_name", "s" * 33),
        ("site_name", 7),
        ("site_name", None),
        ("site_name", "root"),
        ("site_name", "nginx"),
        ("site_name", "systemd-x"),
        *(("site_name", f"shop{trap}x") for trap in TRAPS),
        ("site_name", "shop\n"),
        ("site_domains", []),
        ("site_domains", [""]),
        ("site_domains", [None]),
        ("site_domains", [80]),
        ("site_domains", ["https://shop.example.org"]),
        ("site_domains", ["shop.example.org:8000"]),
        ("site_domains", ["shop.example.org/app"]),
        ("site_domains", ["*.example.org"]),
        ("site_domains", [".example.org"]),
        ("site_domains", ["shop..example.org"]),
        ("site_domains", ["-shop.example.org"]),
        ("site_domains", [f"{'a' * 64}.example.org"]),
        ("site_domains", [".".join(["a" * 60] * 5)]),
        ("site_domains", ["shop.example.org\n"]),
        ("site_domains", ["good.example.org", "bad example.org"]),
        ("site_domains", ["fe80::1%; return 200 x"]),
        *(("site_domains", [f"shop{trap}.example.org"]) for trap in TRAPS if trap != ".."),
        ("site_package", ""),
        ("site_package", "shop/"),
        ("site_package", "shop-x"),
        ("site_package", "shop.wsgi:application"),
        ("site_package", ".shop"),
        ("site_package", "shop."),
        ("site_package", "2shop"),
        ("site_package", "shop\n"),
        ("site_requirements_overrides", ["gunicorn 25"]),
        ("site_settings", "shop/settings.py"),
        ("site_settings", "shop..settings"),
        ("site_settings", "shop.settings; import os"),
        ("site_health_path", ""),
        ("site_health_path", "health/"),
        ("site_health_path", "/health check/"),
        ("site_health_path", "/health/\n"),
        ("site_health_path", "/health/\r\nX-Evil: 1"),
        ("site_health_path", "https://shop.example.org/health/"),
        ("site_health_path", '/"/'),
        ("site_websocket_path", "ws/"),
        ("site_websocket_path", "/ws /"),
        ("site_websocket_path", "/ws\n/"),
        ("site_source", ""),
        ("site_settings_overrides", {"debug": False}),
        ("site_settings_overrides", {"Debug": False}),
        ("site_settings_overrides", {"_DEBUG": False}),
        ("site_settings_overrides", {1: False}),
        ("site_settings_overrides", {"SECRET_KEY": "hunter2hunter2"}),
        ("site_settings_overrides", {"EMAIL_HOST_PASSWORD": "hunter2hunter2"}),
        ("site_settings_overrides", {"DATABASES": {"default": {"PASSWORD": "hunter2hunter2"}}}),
        ("site_settings_overrides", {"SECRET_KEY_FALLBACKS": ["hunter2hunter2"]}),
        ("site_settings_overrides", {"SERVICES": [{"name": "x", "api_key": "hunter2hunter2"}]}),
        ("site_settings_overrides", {"CACHES": {"default": {"LOCATION": "redis://:hunter2hunter2@cache/0"}}}),
        ("site_settings_overrides", {"SECRET_KEY": {"$env": "not a name"}}),
        ("site_settings_overrides", {"SECRET_KEY": {"$env": ""}}),
    ],
)
def test_each_bad_variable_has_exactly_one_message_that_names_it(name, value):
    found = problems(**{name: value})
    assert len(found) == 1, found
    assert found[0].startswith(name)
    assert "hunter2" not in found[0]


def test_everything_is_said_at_once():
    found = problems(site_name="Shop", serve_mode="agsi", site_domains=["a b"], site_package="x-y", site_source="")
    assert [message.split()[0] for message in found] == [
        "site_name",
        "serve_mode",
        "site_domains",
        "site_package",
        "site_source",
    ]


def test_the_way_to_keep_a_secret_out_of_the_overrides_is_said():
    (message,) = problems(site_settings_overrides={"DATABASES": {"default": {"PASSWORD": "hunter2hunter2"}}})
    assert "DATABASES.default.PASSWORD" in message
    assert "{$env: DATABASES_DEFAULT_PASSWORD}" in message


@given(st.text(min_size=1, max_size=40))
def test_what_passes_as_a_domain_needs_no_quoting_anywhere(text):
    if not problems(site_domains=[text]):
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:")


# --- site_env --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "site_env",
    [
        {},
        {"SECRET_KEY": GOOD_KEY, "DEBUG": "0"},
        {"DATABASE_URL": "postgres://site:Bxq8Zt@db.example.org/shop"},
        {"WORKERS": 4, "RATE": 0.5, "EMPTY": ""},
        {"GREETING": 'quotes " and $dollars and \\ and \n lines'},
        {"ALLOWED_HOSTS": ".example.org"},
        {"DJANGO_SETTINGS_MODULE": "shop.settings.production"},
    ],
)
def test_a_good_environment_passes(site_env):
    assert environment_problems(site_env) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLAG", True),
        ("FLAG", False),
        ("FLAG", None),
        ("FLAG", ["a"]),
        ("FLAG", {"a": "b"}),
        ("DEBUG", "on"),
        ("DEBUG", "1"),
        ("DJANGO_DEBUG", "True"),
        ("SECRET_KEY", "changeme"),
        ("SECRET_KEY", ""),
        ("ALLOWED_HOSTS", "other.example.org"),
        ("DJANGO_SETTINGS_MODULE", "shop.settings.other"),
        ("PYTHONPATH", "/srv"),
        ("RELEASE_ID", "1"),
        ("RELEASE_COMMIT", "1"),
        ("HOME", "/root"),
        ("2FAST", "x"),
        ("WITH SPACE", "x"),
        ("NUL", "a\x00b"),
    ],
)
def test_each_bad_variable_of_the_environment_has_exactly_one_message_that_names_it(name, value):
    found = environment_problems({name: value, "FINE": "x"})
    assert len(found) == 1, found
    assert found[0].startswith("site_env")
    assert name in found[0]


@given(st.sampled_from(["DEBUG", "SECRET_KEY", "API_TOKEN", "X Y", "DATABASE_URL", "HOME"]), st.text())
def test_no_message_holds_a_value(name, text):
    assert GOOD_KEY not in "\n".join(environment_problems({name: f"{text}{GOOD_KEY}"}))


def test_the_environment_of_a_site_known_by_an_address_needs_no_hosts():
    assert environment_problems({}, site_domains=["2001:db8::7", "192.0.2.7"]) == []


# --- project_root ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "files", "root"),
    [
        ("shop", ["manage.py", "shop/wsgi.py"], ""),
        ("shop", ["README", "backend/manage.py", "backend/shop/wsgi.py"], "backend"),
        ("shop", ["shop/manage.py", "shop/shop/wsgi.py"], "shop"),
        (".", ["manage.py", "wsgi.py"], ""),
        (".", ["manage.py", "shop/manage.py", "shop/asgi.py"], "shop"),
        (".", ["manage.py", "shop/wsgi.py", "wsgi.py.example"], None),
        ("shop", ["myshop/manage.py", "myshop/shop/wsgi.py"], "myshop"),
        ("shop", ["a/b/c/manage.py", "a/b/c/shop/wsgi.py"], "a/b/c"),
        ("shop.web", ["src/manage.py", "src/shop/web/wsgi.py"], "src"),
        ("shop", ["manage.py", "src/shop/wsgi.py"], "src"),
        ("shop", ["shop/shop/wsgi.py"], "shop"),
        ("shop", ["manage.py", "shop/wsgi.py", "examples/manage.py", "examples/shop/wsgi.py"], ""),
        ("shop", ["docs/shop/conf.py", "web/manage.py", "web/shop/wsgi.py"], "web"),
        ("shop", ["one/manage.py", "one/shop/wsgi.py", "two/manage.py", "two/shop/wsgi.py"], "one"),
        ("shop", ["manage.py", "myshop/wsgi.py", "shop2/wsgi.py", "shop.py"], None),
        ("shop", ["templates/shop/base.html"], None),
        ("shop", [], None),
    ],
)
def test_the_folder_in_which_the_package_can_be_imported_is_found(package, files, root):
    assert plan.project_root(package, frozenset(files)) == root


def test_entry_points_in_no_package_are_said_so():
    assert plan.candidates(frozenset(["shop/manage.py", "shop/wsgi.py"])).endswith("site_package: .")
    assert (plan.prefix("."), plan.prefix("shop")) == ("", "shop.")


def test_a_schema_says_what_the_environment_must_hold():
    schema = [
        {"name": "PAYMENT_MODE", "type": "choice", "allowed": ["test", "live"]},
        {"name": "API_URL", "required": True},
    ]
    found = environment_problems({"PAYMENT_MODE": "canary"}, site_env_schema=schema)
    assert [problem.partition(":")[0] for problem in found] == ["site_env.API_URL", "site_env.PAYMENT_MODE"]
    assert "canary" not in "".join(found)
    assert environment_problems({"PAYMENT_MODE": "live", "API_URL": "x"}, site_env_schema=schema) == []


def test_what_the_deploy_gives_by_itself_satisfies_a_schema():
    assert environment_problems({}, site_env_schema=[{"name": "DATABASE_URL", "required": True}]) == []


def test_a_broken_schema_is_refused_by_its_own_name():
    (problem,) = environment_problems({}, site_env_schema=[{"name": "A", "pattern": "("}])
    assert problem.startswith("site_env_schema: entry 1 (A)")


def test_a_schema_is_read_as_the_module_reads_it():
    schema = [{"name": "WORKERS", "required": "yes", "allowed": [2, 4]}]
    assert environment_problems({"WORKERS": 4}, site_env_schema=schema) == []
    assert len(environment_problems({"WORKERS": 3}, site_env_schema=schema)) == 1
    assert len(environment_problems({}, site_env_schema=schema)) == 1


def test_a_name_that_is_almost_a_known_one_is_worth_a_warning():
    problems_, warnings = judge_environment({"ALOWED_HOSTS": "shop.example.org"})
    assert problems_ == []
    assert warnings == [
        "site_env.ALOWED_HOSTS: did you mean ALLOWED_HOSTS. Rename the variable to ALLOWED_HOSTS if so."
    ]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_the_deploy_gives_by_itself_is_worth_no_warning(scheme):
    assert judge_environment({}, scheme=scheme) == ([], [])


@pytest.mark.parametrize(("scheme", "missing"), [("http", ["site_env.CSRF_TRUSTED_ORIGINS"]), ("https", [])])
def test_a_site_that_is_visited_by_https_is_given_from_where_its_forms_come(scheme, missing):
    schema = [{"name": "CSRF_TRUSTED_ORIGINS", "required": True}]
    found = environment_problems({}, site_env_schema=schema, scheme=scheme)
    assert [problem.partition(":")[0] for problem in found] == missing


@pytest.mark.parametrize(
    ("advised", "firm", "live", "stack", "words"),
    [
        ("asgi", True, "", "asgi", "serve_mode=auto: asgi"),
        ("wsgi", False, "", "wsgi", "serve_mode=auto: wsgi"),
        ("asgi", True, "asgi", "asgi", "serve_mode=auto: asgi"),
        ("asgi", True, "wsgi", "asgi", "asgi, in place of wsgi, which is live"),
        ("wsgi", True, "asgi", "wsgi", "wsgi, in place of asgi, which is live"),
        ("wsgi", False, "asgi", "asgi", "asgi stays, which is live and does as well"),
    ],
)
def test_auto_follows_the_advice_and_changes_nothing_for_a_trifle(advised, firm, live, stack, words):
    found = plan.advised_stack({"stack": advised, "firm": firm, "lines": ["because"]}, live)
    assert found["stack"] == stack
    assert found["lines"][0].endswith(words)
    assert found["lines"][1:] == ["because"]

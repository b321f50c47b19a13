# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import re
import sys
import types
from pathlib import Path
from unittest import mock

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils import (
    django_inspector,
    django_settings,
    environment,
    settings_overlay,
)
from ansible_collections.switchyard.django.plugins.module_utils.django_settings import covers, judge, refusal
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from hypothesis import given
from hypothesis import strategies as st

LAYOUT = Layout("shop")
CODE = "/srv/shop/releases/0123456789ab/code"
SOUND = {
    "DEBUG": False,
    "ALLOWED_HOSTS": ["shop.example.org"],
    "SECRET_KEY": {"length": 64, "variety": 30, "insecure": False},
    "STATICFILES": True,
    "STATIC_URL": "/static/",
    "STATIC_ROOT": f"{CODE}/staticfiles",
    "MEDIA_URL": "/media/",
    "MEDIA_ROOT": f"{CODE}/media",
    "DATABASES": {"default": {"engine": "django.db.backends.postgresql", "name": ""}},
    "SECURE_SSL_REDIRECT": False,
    "SECURE_PROXY_SSL_HEADER": [],
    "CSRF_TRUSTED_ORIGINS": [],
    "BASE": CODE,
}
BY_HTTPS = {
    "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
    "CSRF_TRUSTED_ORIGINS": ["https://shop.example.org"],
}
SQLITE = "django.db.backends.sqlite3"
FROM_ENV = {"$env": "SECRET_KEY"}


def verdict_on(settings=None, domains=("shop.example.org",), hosts=1, size=None, scheme="http", **report):
    whole = {
        "problems": [],
        "settings": {**copy.deepcopy(SOUND), **(settings or {})},
        "urls": {"resolves": True, "instead": "/"},
        "checks": [],
        **report,
    }
    return judge(whole, LAYOUT, list(domains), "/health/", hosts, scheme, size)


def test_a_sound_project_passes():
    verdict = verdict_on()
    assert (verdict.problems, verdict.warnings, verdict.overrides, verdict.variables) == ([], [], {}, {})


@pytest.mark.parametrize(
    ("settings", "said", "overrides"),
    [
        ({"DEBUG": True}, "DEBUG is on", {"DEBUG": False}),
        ({"ALLOWED_HOSTS": []}, "doesn't cover shop.example.org", {"ALLOWED_HOSTS": ["shop.example.org"]}),
        ({"ALLOWED_HOSTS": ["other.org"]}, "['other.org'] doesn't cover", {"ALLOWED_HOSTS": ["shop.example.org"]}),
        ({"SECRET_KEY": {"length": 66, "variety": 40, "insecure": True}}, "SECRET_KEY", {"SECRET_KEY": FROM_ENV}),
        ({"SECRET_KEY": {"length": 49, "variety": 30, "insecure": False}}, "SECRET_KEY", {"SECRET_KEY": FROM_ENV}),
        ({"SECRET_KEY": {"length": 60, "variety": 4, "insecure": False}}, "SECRET_KEY", {"SECRET_KEY": FROM_ENV}),
        ({"STATIC_ROOT": ""}, "STATIC_ROOT is not set", {"STATIC_ROOT": "staticfiles"}),
        ({"STATIC_ROOT": CODE}, "STATIC_ROOT", {"STATIC_ROOT": "staticfiles"}),
        ({"STATIC_ROOT": "/srv"}, "STATIC_ROOT", {"STATIC_ROOT": "staticfiles"}),
        ({"STATIC_ROOT": "/"}, "STATIC_ROOT", {"STATIC_ROOT": "staticfiles"}),
        ({"STATIC_ROOT": f"{CODE}/my files"}, "STATIC_ROOT", {"STATIC_ROOT": "staticfiles"}),
        ({"STATIC_ROOT": f"{CODE}/x;y"}, "STATIC_ROOT", {"STATIC_ROOT": "staticfiles"}),
        ({"MEDIA_ROOT": CODE}, "MEDIA_ROOT", {"MEDIA_ROOT": "/srv/shop/media"}),
        ({"MEDIA_ROOT": f"{CODE}/staticfiles"}, "the same folder", {"MEDIA_ROOT": "/srv/shop/media"}),
        ({"STATIC_URL": "/sta tic/"}, "STATIC_URL", {}),
        ({"STATIC_URL": "/static;/"}, "STATIC_URL", {}),
        ({"STATIC_URL": "/static"}, "such as /static/", {}),
        ({"MEDIA_URL": "/me{dia/"}, "such as /media/", {}),
        (
            {"DATABASES": {"default": {"engine": SQLITE, "name": f"{CODE}/db.sqlite3"}}},
            "would end with this release",
            {"DATABASES": {"default": {"ENGINE": SQLITE, "NAME": "/srv/shop/data/db.sqlite3"}}},
        ),
        (
            {"DATABASES": {"default": {"engine": SQLITE, "name": ":memory:"}}},
            "SQLite at :memory:",
            {"DATABASES": {"default": {"ENGINE": SQLITE, "NAME": "/srv/shop/data/db.sqlite3"}}},
        ),
        (
            {"DATABASES": {"default": {"engine": SQLITE, "name": ""}}},
            "(no name)",
            {"DATABASES": {"default": {"ENGINE": SQLITE, "NAME": "/srv/shop/data/db.sqlite3"}}},
        ),
    ],
)
def test_each_thing_that_would_not_work_is_one_problem_with_the_line_that_mends_it(settings, said, overrides):
    verdict = verdict_on(settings)
    assert len(verdict.problems) == 1, verdict.problems
    assert said in verdict.problems[0]
    assert verdict.overrides == overrides


@pytest.mark.parametrize(
    "settings",
    [
        {"STATICFILES": False, "STATIC_ROOT": ""},
        {"STATIC_URL": "https://cdn.example.org/static/"},
        {"MEDIA_URL": "https://bucket.example.org/", "MEDIA_ROOT": ""},
        {"MEDIA_URL": "/", "MEDIA_ROOT": ""},
        {"STATIC_URL": "/assets/v1/"},
        {"ALLOWED_HOSTS": ["*"]},
        {"ALLOWED_HOSTS": [".example.org"]},
        {"DATABASES": {}},
        {"DATABASES": {"default": {"engine": SQLITE, "name": "/srv/shop/data/db.sqlite3"}}},
        {"MEDIA_ROOT": "/srv/shop/media", "STATIC_ROOT": "/var/www/static"},
    ],
)
def test_what_is_uncommon_and_works_is_respected(settings):
    assert verdict_on(settings).problems == []


def test_the_data_folder_of_another_site_is_not_this_sites():
    verdict = verdict_on({"DATABASES": {"default": {"engine": SQLITE, "name": "/srv/shop/data-old/db.sqlite3"}}})
    assert len(verdict.problems) == 1


def test_sqlite_on_several_hosts_is_refused():
    verdict = verdict_on({"DATABASES": {"default": {"engine": SQLITE, "name": "/srv/shop/data/db.sqlite3"}}}, hosts=2)
    (problem,) = verdict.problems
    assert "2 hosts" in problem
    assert verdict.overrides == {}


def test_an_override_of_the_databases_has_all_of_them():
    verdict = verdict_on(
        {
            "DATABASES": {
                "default": {"engine": SQLITE, "name": f"{CODE}/db.sqlite3"},
                "search": {"engine": SQLITE, "name": "/srv/shop/data/search.sqlite3"},
            }
        }
    )
    assert verdict.overrides["DATABASES"] == {
        "default": {"ENGINE": SQLITE, "NAME": "/srv/shop/data/db.sqlite3"},
        "search": {"ENGINE": SQLITE, "NAME": "/srv/shop/data/search.sqlite3"},
    }


def test_no_override_is_suggested_that_would_lose_a_database_or_show_its_password():
    verdict = verdict_on(
        {
            "DATABASES": {
                "default": {"engine": "django.db.backends.postgresql", "name": ""},
                "cache": {"engine": SQLITE, "name": f"{CODE}/cache.sqlite3"},
            }
        }
    )
    assert len(verdict.problems) == 1
    assert verdict.overrides == {}


def test_a_project_fresh_from_startproject_learns_everything_at_once():
    verdict = verdict_on(
        {
            "DEBUG": True,
            "ALLOWED_HOSTS": [],
            "SECRET_KEY": {"length": 66, "variety": 40, "insecure": True},
            "STATIC_ROOT": "",
            "DATABASES": {"default": {"engine": SQLITE, "name": f"{CODE}/db.sqlite3"}},
        },
        urls={"resolves": False, "instead": "/admin/login/"},
    )
    assert len(verdict.problems) == 6
    assert verdict.overrides == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["shop.example.org"],
        "SECRET_KEY": FROM_ENV,
        "STATIC_ROOT": "staticfiles",
        "DATABASES": {"default": {"ENGINE": SQLITE, "NAME": "/srv/shop/data/db.sqlite3"}},
    }
    assert verdict.variables == {"site_health_path": "/admin/login/"}


def test_a_health_path_that_no_url_has_is_a_problem_of_the_variable():
    verdict = verdict_on(urls={"resolves": False, "instead": ""})
    (problem,) = verdict.problems
    assert problem.startswith("site_health_path '/health/'")
    assert verdict.variables == {}


SIZE = {"workers": 4, "threads": 8, "connections": 32, "memory": 512}


def test_a_database_that_allows_too_few_connections_for_all_hosts_is_a_problem():
    connections = {"default": {"max_connections": 97}}
    assert verdict_on(size=SIZE, connections=connections).problems == []
    (problem,) = verdict_on(size=SIZE, connections=connections, hosts=2).problems
    assert "DATABASES['default'] allows 97 connections" in problem
    assert "are 128" in problem


@pytest.mark.parametrize(("size", "report"), [(None, {"connections": {"default": {"max_connections": 1}}}), (SIZE, {})])
def test_where_one_of_both_is_not_known_nobody_counts_connections(size, report):
    assert verdict_on(size=size, **report).problems == []


def test_every_step_of_the_inspector_has_its_words():
    steps = re.findall(r'(?:attempt|problem)\("(\w+)",', Path(django_inspector.__file__).read_text())
    assert set(steps) == set(django_settings.STEPS)


def test_what_the_inspector_met_is_said_with_its_place():
    met = {
        "step": "urls",
        "kind": "ImportError",
        "message": "no module x",
        "where": "shop/urls.py:3: import x",
        "traceback": "",
    }
    verdict = judge({"problems": [met], "settings": SOUND}, LAYOUT, ["shop.example.org"], "/health/", 1)
    assert verdict.problems == ["The URLconf can't be loaded: ImportError: no module x (shop/urls.py:3: import x)"]


def test_what_the_traceback_gives_away_is_said_with_the_way_out():
    lines = [
        "Traceback (most recent call last):",
        '  File "shop/urls.py", line 3, in <module>',
        "    import redis",
    ]
    text = "\n".join([*lines, "ModuleNotFoundError: No module named 'redis'"])
    met = {
        "step": "urls",
        "kind": "ModuleNotFoundError",
        "message": "No module named 'redis'",
        "where": "shop/urls.py:3",
    }
    verdict = judge({"problems": [{**met, "traceback": text}]}, LAYOUT, ["shop.example.org"], "/health/", 1)
    assert verdict.problems == [
        "The URLconf can't be loaded. A module is missing: "
        "ModuleNotFoundError: No module named 'redis' (shop/urls.py:3). Add it to the "
        "requirements, or mend the import."
    ]


def test_settings_that_could_not_be_read_are_not_judged():
    met = {"step": "settings_module", "kind": "KeyError", "message": "'X'", "where": "", "traceback": ""}
    verdict = judge({"problems": [met]}, LAYOUT, ["shop.example.org"], "/health/", 1)
    assert verdict.problems == ["The settings can't be loaded: KeyError: 'X'"]


def test_of_many_warnings_that_are_alike_three_are_said():
    checks = [{"level": 30, "id": "docs.W001", "message": f"view {number}", "hint": ""} for number in range(5)]
    *said, last = verdict_on(checks=checks).warnings
    assert said == ["docs.W001: view 0", "docs.W001: view 1", "docs.W001: view 2"]
    assert last.startswith("docs.W001: 2 more of these")


@pytest.mark.parametrize(("level", "kept_in"), [(50, "problems"), (40, "problems"), (30, "warnings"), (20, "warnings")])
def test_errors_of_djangos_checks_are_problems_and_the_rest_warnings(level, kept_in):
    check = {"id": "models.E1", "level": level, "message": "A model\n  is broken.", "hint": "Mend it."}
    verdict = verdict_on(checks=[check])
    assert getattr(verdict, kept_in) == ["models.E1: A model is broken. Mend it."]
    assert len(verdict.problems + verdict.warnings) == 1


# As Django 6.1.3 says it of what its startproject makes.
DEVELOPMENT_MAILER = {
    "id": "mail.E001",
    "level": 40,
    "message": "Your MAILERS setting uses a development-only email backend in the 'default' entry "
    "(django.core.mail.backends.console.EmailBackend).",
    "hint": "Use a production-ready email backend, such as the SMTP backend, otherwise email will not be sent.",
}


def test_a_mailer_for_development_is_a_problem_with_the_line_that_mends_it():
    verdict = verdict_on({"MAILERS": ["default"]}, checks=[DEVELOPMENT_MAILER])
    (problem,) = verdict.problems
    assert problem.startswith("mail.E001: Your MAILERS setting uses a development-only email backend")
    assert "OPTIONS name another" in problem
    (mailer,) = verdict.overrides["MAILERS"].values()
    assert mailer["BACKEND"].endswith(".smtp.EmailBackend")
    assert mailer["OPTIONS"]["host"], "Django asks for it with the first mail, and no sooner"


def test_no_line_is_suggested_that_would_lose_another_mailer():
    verdict = verdict_on({"MAILERS": ["default", "bulk"]}, checks=[DEVELOPMENT_MAILER])
    assert len(verdict.problems) == 1
    assert "the line below" not in verdict.problems[0].lower()
    assert verdict.overrides == {}


# --- http and https --------------------------------------------------------------------------------------------------


def test_a_sound_project_passes_by_https():
    verdict = verdict_on({**BY_HTTPS, "SECURE_SSL_REDIRECT": True}, scheme="https")
    assert (verdict.problems, verdict.warnings, verdict.overrides, verdict.variables) == ([], [], {}, {})


def test_by_http_a_redirect_to_https_is_refused():
    (problem,) = verdict_on({"SECURE_SSL_REDIRECT": True}).problems
    assert problem.startswith("SECURE_SSL_REDIRECT is on, but the site is served over HTTP")


def overrides_in(warning):
    """The line for site_settings_overrides that a warning ends with."""
    overrides = yaml.safe_load(re.search(r" to site_settings_overrides: (.*)$", warning)[1])
    assert settings_overlay.problems(overrides) == []
    return overrides


@pytest.mark.parametrize(
    "header",
    [
        [],
        ["HTTP_X_FORWARDED_PROTO", "http"],
        ["X_FORWARDED_PROTO", "https"],
        ["HTTP_X_FORWARDED_PROTOCOL", "https"],
        ["HTTP_X_FORWARDED_PROTO", "https", "x"],
    ],
)
def test_a_project_that_does_not_hear_of_https_is_told_the_lines_and_served(header):
    verdict = verdict_on({**BY_HTTPS, "SECURE_PROXY_SSL_HEADER": header}, scheme="https")
    (warning,) = verdict.warnings
    assert warning.startswith("SECURE_PROXY_SSL_HEADER does not name the header")
    assert "the settings: SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')" in warning
    overrides = overrides_in(warning)
    assert overrides == {"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]}
    assert (verdict.problems, verdict.overrides) == ([], {})
    assert verdict_on({**BY_HTTPS, **overrides}, scheme="https").warnings == []


def test_a_project_that_does_not_trust_where_its_forms_come_from_is_told_the_lines_and_served():
    domains = ["Shop.example.org", "www.example.org", "2001:db8::7"]
    settings = {**BY_HTTPS, "ALLOWED_HOSTS": ["*"], "CSRF_TRUSTED_ORIGINS": ["https://www.example.org"]}
    verdict = verdict_on(settings, domains, scheme="https")
    (warning,) = verdict.warnings
    assert warning.startswith("CSRF_TRUSTED_ORIGINS lacks https://shop.example.org, https://[2001:db8::7], from where")
    overrides = overrides_in(warning)
    origins = ["https://shop.example.org", "https://www.example.org", "https://[2001:db8::7]"]
    assert overrides == {"CSRF_TRUSTED_ORIGINS": origins}
    assert (verdict.problems, verdict.overrides) == ([], {})
    assert verdict_on({**settings, **overrides}, domains, scheme="https").warnings == []


def test_what_the_environment_gives_is_enough():
    domains = ["Shop.example.org", "2001:db8::7"]
    given_origins = environment.with_defaults({}, domains, LAYOUT, "https")["CSRF_TRUSTED_ORIGINS"].split(",")
    settings = {**BY_HTTPS, "ALLOWED_HOSTS": ["*"], "CSRF_TRUSTED_ORIGINS": given_origins}
    assert verdict_on(settings, domains, scheme="https").warnings == []


def test_by_http_nothing_of_https_is_missed():
    assert verdict_on(scheme="http").warnings == []
    assert len(verdict_on(scheme="https").warnings) == 2


NUMBERS = ("001", "002", "003", "004", "005", "006", "008", "009", "012", "016", "018", "019", "020", "021", "022")


@pytest.mark.parametrize(
    ("scheme", "dropped"), [("http", {"004", "005", "008", "012", "016", "021"}), ("https", {"004", "008"})]
)
def test_djangos_advice_is_told_but_for_what_is_not_the_projects(scheme, dropped):
    """By https the edge sends the header and the redirect; cookies stay the project's."""
    checks = [{"id": f"security.W{number}", "level": 30, "message": "x", "hint": ""} for number in NUMBERS]
    warnings = verdict_on(BY_HTTPS, scheme=scheme, checks=checks).warnings
    assert {warning.partition(":")[0] for warning in warnings} == {
        f"security.W{number}" for number in NUMBERS if number not in dropped
    }


def test_advice_that_is_dropped_has_the_meaning_that_is_thought():
    base = pytest.importorskip("django.core.checks.security.base")
    sessions = pytest.importorskip("django.core.checks.security.sessions")
    csrf = pytest.importorskip("django.core.checks.security.csrf")
    assert [base.W004.id, base.W008.id] == sorted(django_settings.ADVICE_FOR_THE_EDGE)
    assert "SECURE_HSTS_SECONDS" in base.W004.msg
    assert "SECURE_SSL_REDIRECT" in base.W008.msg
    cookies = {sessions.W012.id, csrf.W016.id}
    known = {base.W004.id, base.W005.id, base.W008.id, base.W021.id, *cookies}
    assert known == django_settings.ADVICE_FOR_HTTPS
    assert not cookies & django_settings.ADVICE_FOR_THE_EDGE


# --- covers() and Django ---------------------------------------------------------------------------------------------

LABELS = st.sampled_from(["a", "shop", "example", "org", "B"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(HOSTS, HOSTS.map(lambda host: f".{host}"), st.sampled_from(["*", "", ".", "[::1]", "10.0.0.1"]))


@given(st.lists(PATTERNS, max_size=4), st.one_of(HOSTS, st.sampled_from(["[::1]", "10.0.0.1"])))
def test_a_host_is_covered_where_django_would_accept_it(allowed, host):
    request = pytest.importorskip("django.http.request")
    domain, _port = request.split_domain_port(host)
    assert covers(allowed, host) == request.validate_host(domain, allowed)


def test_an_address_is_compared_as_a_browser_sends_it():
    assert verdict_on({"ALLOWED_HOSTS": ["[2001:db8::7]"]}, domains=["2001:db8::7"]).problems == []
    verdict = verdict_on({"ALLOWED_HOSTS": ["2001:db8::7"]}, domains=["2001:db8::7"])
    assert verdict.overrides == {"ALLOWED_HOSTS": ["[2001:db8::7]"]}


ORIGINS = st.one_of(
    HOSTS.map(lambda host: f"https://{host}".lower()),
    HOSTS.map(lambda host: f"https://*.{host}"),
    HOSTS.map(lambda host: f"http://{host}"),
    HOSTS.map(lambda host: f"http://*.{host}"),
)


@given(st.lists(ORIGINS, max_size=4), HOSTS)
def test_an_origin_is_trusted_where_django_would_take_its_forms(trusted, host):
    csrf = pytest.importorskip("django.middleware.csrf")
    (origin,) = environment.https_origins([host])
    settings = {"CSRF_TRUSTED_ORIGINS": trusted, "USE_X_FORWARDED_HOST": False, "ALLOWED_HOSTS": ["else.where"]}
    request = types.SimpleNamespace(META={"HTTP_ORIGIN": origin}, is_secure=lambda: True, get_host=lambda: "else.where")
    with mock.patch.object(csrf, "settings", types.SimpleNamespace(**settings)):
        taken = csrf.CsrfViewMiddleware(lambda request: None)._origin_verified(request)
    assert django_settings._trusts(trusted, origin) == taken


# --- the refusal -----------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc: #'\"{}[]\\\n\t%&*!|>-é", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_$", min_size=1), inner, max_size=3),
    max_leaves=8,
)
SETTINGS_NAMES = st.text("ABCDEFGH_", min_size=1, max_size=10).map(lambda name: f"S{name}")


INVENTORY = """\
all:
  hosts: {web1.example.org: {ansible_user: root}}
  vars:
    site_name: shop
"""
SETTINGS = st.dictionaries(SETTINGS_NAMES, VALUES, min_size=1, max_size=4)


def pasted(text):
    """The variables of README's inventory below which the lines of a refusal were put as they are."""
    variables = yaml.safe_load(INVENTORY + text.partition("\n\n")[2])["all"]["vars"]
    assert variables.pop("site_name") == "shop"
    return variables


@given(SETTINGS)
def test_the_suggested_lines_say_in_the_inventory_what_was_meant(overrides):
    verdict = django_settings.Verdict(problems=["x"], overrides=overrides, variables={"site_health_path": "/"})
    text = refusal(verdict, {})
    assert "below vars: in the inventory:\n" in text
    assert pasted(text) == {"site_settings_overrides": overrides, "site_health_path": "/"}


@given(SETTINGS, SETTINGS)
def test_the_suggested_lines_take_the_place_of_those_that_are_there(present, overrides):
    text = refusal(django_settings.Verdict(problems=["x"], overrides=overrides), present)
    assert "below vars: in the inventory, in place of the site_settings_overrides there:\n" in text
    assert pasted(text) == {"site_settings_overrides": {**present, **overrides}}


def test_where_no_setting_is_suggested_those_that_are_there_are_left_alone():
    verdict = django_settings.Verdict(problems=["x"], variables={"site_health_path": "/"})
    text = refusal(verdict, {"DEBUG": False})
    assert "in place of" not in text
    assert pasted(text) == {"site_health_path": "/"}


def test_the_refusal_lists_every_problem():
    text = refusal(django_settings.Verdict(problems=["one is wrong", "two is wrong"]), {})
    assert "  - one is wrong\n  - two is wrong" in text
    assert "site_settings_overrides" not in text


def test_what_is_suggested_is_accepted_as_a_variable():
    verdict = verdict_on(
        {
            "DEBUG": True,
            "ALLOWED_HOSTS": [],
            "SECRET_KEY": {"length": 1, "variety": 1, "insecure": False},
            "DATABASES": {"default": {"engine": SQLITE, "name": ""}},
            "MAILERS": ["default"],
        },
        checks=[DEVELOPMENT_MAILER],
    )
    assert len(verdict.overrides) == len(verdict.problems) == 5
    assert settings_overlay.problems(pasted(refusal(verdict, {}))["site_settings_overrides"]) == []


# --- the overlay -----------------------------------------------------------------------------------------------------


@pytest.fixture
def lay(monkeypatch):
    """Executes an overlay over a settings module that has the given settings."""

    def lay(base, overrides, **variables):
        module = types.ModuleType("projects_own_settings")
        vars(module).update(base)
        monkeypatch.setitem(sys.modules, "projects_own_settings", module)
        for name in ("SECRET_KEY", "DJANGO_SECRET_KEY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        namespace = {}
        exec(compile(settings_overlay.text("projects_own_settings", overrides), "overlay.py", "exec"), namespace)  # noqa: S102
        return namespace

    return lay


def test_an_override_replaces_a_setting_and_leaves_the_others(lay):
    settings = lay({"DEBUG": True, "TIME_ZONE": "UTC", "SECRET_KEY": "k" * 50}, {"DEBUG": False, "SITE_ID": 2})
    assert (settings["DEBUG"], settings["SITE_ID"], settings["TIME_ZONE"]) == (False, 2, "UTC")
    assert settings["SECRET_KEY"] == "k" * 50


def test_values_from_the_environment_are_read_at_any_depth(lay):
    overrides = {
        "DATABASES": {"default": {"PASSWORD": {"$env": "DB_PASSWORD"}, "NAME": "shop"}},
        "ADMINS": [["Ann", {"$env": "ADMIN_MAIL"}]],
        "SECRET_KEY": {"$env": "KEY"},
    }
    settings = lay({}, overrides, DB_PASSWORD="pa'ss\"w$rd", ADMIN_MAIL="a@b", KEY="x" * 50)
    assert settings["DATABASES"] == {"default": {"PASSWORD": "pa'ss\"w$rd", "NAME": "shop"}}
    assert settings["ADMINS"] == [["Ann", "a@b"]]
    assert settings["SECRET_KEY"] == "x" * 50


def test_a_variable_that_is_missing_stops_the_settings(lay):
    with pytest.raises(KeyError, match="DB_PASSWORD"):
        lay({"SECRET_KEY": "k"}, {"X": {"$env": "DB_PASSWORD"}})


@pytest.mark.parametrize("base", [{}, {"SECRET_KEY": ""}, {"SECRET_KEY": "django-insecure-abc"}])
@pytest.mark.parametrize("name", ["SECRET_KEY", "DJANGO_SECRET_KEY"])
def test_the_key_of_startproject_gives_way_to_the_one_that_was_made(lay, base, name):
    assert lay(base, {"DEBUG": False}, **{name: "made"})["SECRET_KEY"] == "made"


def test_the_projects_own_key_stays(lay):
    settings = lay({"SECRET_KEY": "own"}, {"DEBUG": False}, SECRET_KEY="made")
    assert settings["SECRET_KEY"] == "own"


@given(st.dictionaries(SETTINGS_NAMES, VALUES, max_size=4))
def test_any_value_arrives_as_it_was_written(overrides):
    module = types.ModuleType("base_of_property")
    module.SECRET_KEY = "own"
    sys.modules["base_of_property"] = module
    namespace = {}
    exec(settings_overlay.text("base_of_property", overrides), namespace)  # noqa: S102
    assert {name: namespace[name] for name in overrides} == json.loads(json.dumps(overrides))


def test_the_module_holds_no_value_of_the_environment(lay, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2")
    assert "hunter2" not in settings_overlay.text("shop.settings", {"X": {"$env": "DB_PASSWORD"}})


@pytest.mark.parametrize("name", ["MEDIA_ROOT", "STATIC_ROOT"])
@pytest.mark.parametrize("folder", ["/srv/shop/data", "/srv/shop", "/srv", "/etc", "/usr", "/"])
def test_a_folder_whose_place_something_else_has_is_refused(name, folder):
    verdict = verdict_on({name: folder})
    assert any(problem.startswith(f"{name} {folder!r} can't be mounted") for problem in verdict.problems)


@pytest.mark.parametrize("folder", ["/srv/shop/media", "/srv/shop/data/uploads", "/var/www/shop/media"])
def test_media_may_lie_outside_the_code(folder):
    assert not verdict_on({"MEDIA_ROOT": folder}).problems


def test_a_database_among_the_media_would_be_served():
    verdict = verdict_on({"DATABASES": {"default": {"engine": SQLITE, "name": "/srv/shop/media/db.sqlite3"}}})
    assert "served to everybody" in verdict.problems[0]

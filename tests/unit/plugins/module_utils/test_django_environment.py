# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.django_environment import judge_django
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import describe
from hypothesis import given
from hypothesis import strategies as st

GOOD_SECRET = "v3ry-Random_Characters_of_which_there_are_enough-8472"
GOOD = {
    "SECRET_KEY": GOOD_SECRET,
    "DEBUG": "0",
    "ALLOWED_HOSTS": "example.org,.example.net",
    "CSRF_TRUSTED_ORIGINS": "https://example.org",
    "DJANGO_SETTINGS_MODULE": "mysite.settings.production",
    "DATABASE_URL": "postgres://site:Bxq8Zt@localhost/site",
    "EMAIL_HOST_PASSWORD": "",
    "MY_OWN_VARIABLE": "anything",
}
DOMAINS = ["example.org", "www.example.net"]


def codes(variables, domains=()):
    return [finding.code for finding in judge_django(variables, domains)]


def test_a_good_environment():
    assert judge_django(GOOD, DOMAINS) == []


@pytest.mark.parametrize("value", ["1", "true", "True", "TRUE", "yes", "on", "t", "Y", " true ", "ok"])
@pytest.mark.parametrize("key", ["DEBUG", "DJANGO_DEBUG"])
def test_debug_on(key, value):
    findings = judge_django({key: value}, lines={key: 7})
    assert [(finding.key, finding.line, finding.code, finding.level) for finding in findings] == [
        (key, 7, "debug-on", "error")
    ]


@pytest.mark.parametrize("value", ["0", "false", "False", "no", "off", "F", "n", "", " 0 "])
def test_debug_off(value):
    assert codes({"DEBUG": value}) == []


@pytest.mark.parametrize("value", ["False # in production", "2", "'0'"])
def test_debug_that_different_readers_read_differently(value):
    assert [(each.code, each.level) for each in judge_django({"DEBUG": value})] == [("debug-unclear", "warning")]


@pytest.mark.parametrize(
    "value",
    """
    replace-me REPLACE_ME changeme change-me ChangeMe! CHANGE_THIS xxx XXXXXXXX <secret> <your-key> secret Secret
    your-secret-key your_secret_key_here {{secret}} ${SECRET_KEY_OF_SITE} *** ... placeholder-placeholder todo none
    django-insecure-changeme-changeme-changeme-changeme-changeme-changeme
    """.split(),
)
@pytest.mark.parametrize("key", ["SECRET_KEY", "DJANGO_SECRET_KEY"])
def test_placeholders_for_the_secret_key(key, value):
    expected = ["placeholder-secret"] + ["begins-with-dollar"] * value.startswith("$")
    assert codes({key: value}) == expected


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ("aB3-" * 12 + "x", ["50 characters"]),
        ("aB3-" * 20, ["5 different"]),
        ("django-insecure-" + GOOD_SECRET, ["startproject"]),
        ("django-insecure-aB3", ["50 characters", "startproject"]),
        ("aB3-", ["50 characters", "5 different"]),
    ],
)
@pytest.mark.parametrize("key", ["SECRET_KEY", "DJANGO_SECRET_KEY"])
def test_weak_secret_keys(key, value, reasons):
    findings = judge_django({key: value})
    assert [(finding.code, finding.level) for finding in findings] == [("weak-secret", "error")]
    assert all(reason in findings[0].message for reason in reasons)
    assert findings[0].message.count(" and ") == len(reasons) - 1


def test_a_secret_key_is_strong_from_50_characters_with_5_different_ones_on():
    assert codes({"SECRET_KEY": "abcde" * 10}) == []
    assert codes({"SECRET_KEY": ("abcde" * 10)[1:]}) == ["weak-secret"]
    assert codes({"SECRET_KEY": "abcd" * 13}) == ["weak-secret"]


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_secret_key(value):
    assert codes({"SECRET_KEY": value}) == ["empty-secret"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("DB_PASSWORD", "changeme", ["placeholder-secret"]),
        ("STRIPE_API_KEY", "<your key>", ["placeholder-secret"]),
        ("AUTH_TOKEN", "xxxxx", ["placeholder-secret"]),
        ("DATABASE_URL", "postgres://site:changeme@localhost/site", ["placeholder-secret"]),
        ("DATABASE_URL", "postgres://site@localhost/site", []),
        ("DATABASE_URL", "postgres://site:[@localhost/site", ["broken-url"]),
        ("OTHER_URL", "postgres://site:[@localhost/site", []),
        ("SENTRY_DSN", "https://site:changeme@sentry.example.org/1", ["placeholder-secret"]),
        ("SENTRY_DSN", "changeme", ["placeholder-secret"]),
        ("DB_PWD", "changeme", ["placeholder-secret"]),
        ("DB_PWD", "secret", ["placeholder-secret"]),
        ("AWS_ACCESS_KEY_ID", "<your key>", ["placeholder-secret"]),
        ("SMTP_AUTH", "changeme", ["placeholder-secret"]),
        ("SMTP_AUTH", "none", []),
        ("SESSION_COOKIE", "test", []),
        ("SESSION_COOKIE_SAMESITE", "None", []),
        ("AUTH_USER_MODEL", "example", []),
        ("COOKIE_DOMAIN", "example", []),
        ("AUTHOR", "test", []),
        ("KEY_PREFIX", "test", []),
        ("PASSWORD_BACKEND", "dummy", []),
        ("KEYCLOAK_URL", "https://keycloak.example.org/", []),
        ("KEYCLOAK_URL", "https://site:changeme@keycloak.example.org/", ["placeholder-secret"]),
        ("DB_PASSWORD", "short", []),
        ("DB_PASSWORD", "", []),
        ("GREETING", "changeme", []),
    ],
)
def test_other_secrets(key, value, expected):
    assert codes({key: value}) == expected


@pytest.mark.parametrize(
    ("hosts", "domain"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org", "example.ORG"),
        ("a.org,example.org", "example.org"),
        ("a.org, example.org", "example.org"),
        ("a.org example.org", "example.org"),
        ('["a.org", "example.org"]', "example.org"),
        (".example.org", "example.org"),
        (".example.org", "www.example.org"),
        (".example.org", "a.b.example.org"),
        (".example.org", "*.example.org"),
        (".org", "*.example.org"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("example.org", "example.org."),
        ("[::1]", "[::1]"),
    ],
)
@pytest.mark.parametrize("key", ["ALLOWED_HOSTS", "DJANGO_ALLOWED_HOSTS"])
def test_hosts_that_cover_a_domain(key, hosts, domain):
    assert codes({key: hosts}, [domain]) == []


@pytest.mark.parametrize(
    ("hosts", "domain", "add"),
    [
        ("", "example.org", "example.org"),
        ("example.com", "example.org", "example.org"),
        ("example.org", "www.example.org", "www.example.org"),
        (".example.org", "badexample.org", "badexample.org"),
        ("www.example.org", "example.org", "example.org"),
        ("*.example.org", "www.example.org", "www.example.org"),
        ("example.org", "*.example.org", ".example.org"),
        ("*.example.org", "*.example.org", ".example.org"),
        ("bücher.example", "bücher.example", "xn--bcher-kva.example"),
        ("example.org;www.example.org", "example.org", "example.org"),
    ],
)
def test_hosts_that_do_not_cover_a_domain(hosts, domain, add):
    findings = judge_django({"ALLOWED_HOSTS": hosts}, [domain])
    assert [(finding.code, finding.level) for finding in findings] == [("host-not-allowed", "error")]
    assert domain in findings[0].message
    assert findings[0].hint == f"Add {add} to ALLOWED_HOSTS"


def test_every_missing_domain_is_named():
    findings = judge_django({"ALLOWED_HOSTS": "a.org"}, ["a.org", "b.org", "c.org"])
    assert [finding.message.split()[0] for finding in findings] == ["b.org", "c.org"]


def test_any_host_is_a_warning():
    findings = judge_django({"ALLOWED_HOSTS": "*"}, ["example.org"])
    assert [(finding.code, finding.level) for finding in findings] == [("any-host", "warning")]


@pytest.mark.parametrize("entry", ["example.org:8000", "https://example.org", "example.org/"])
def test_hosts_that_django_never_matches(entry):
    assert codes({"ALLOWED_HOSTS": entry}, ["example.org"]) == ["not-a-host", "host-not-allowed"]


@pytest.mark.parametrize("key", ["ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"])
@pytest.mark.parametrize("value", ["['example.org']", "[example.org]", "[1]", '["example.org"'])
def test_lists_that_are_no_json(key, value):
    assert codes({key: value}, ["example.org"]) == ["unreadable-list"]


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ("https://example.org", []),
        ("https://example.org,http://a.org", []),
        ('["https://*.example.org"]', []),
        ("", []),
        ("example.org", ["origin-without-scheme"]),
        ("https://a.org, .example.org b.org", ["origin-without-scheme"] * 2),
        ("https://a.org/", ["origin-with-path"]),
        ("https://a.org/shop,b.org", ["origin-with-path", "origin-without-scheme"]),
        ('["example.org"]', ["origin-without-scheme"]),
    ],
)
@pytest.mark.parametrize("key", ["CSRF_TRUSTED_ORIGINS", "DJANGO_CSRF_TRUSTED_ORIGINS"])
def test_origins(key, origins, expected):
    assert codes({key: origins}) == expected


@pytest.mark.parametrize(
    "value", ["mysite/settings", "mysite.settings.py", "my-site.settings", "", ".settings", "mysite.", "a.class", "1.a"]
)
def test_settings_that_are_no_module(value):
    assert codes({"DJANGO_SETTINGS_MODULE": value}) == ["not-a-module"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", []), (GOOD_SECRET, []), (f"{GOOD_SECRET},short", ["weak-secret"]), ('["changeme"]', ["placeholder-secret"])],
)
def test_fallbacks_of_the_secret_key_get_a_warning(value, expected):
    findings = judge_django({"SECRET_KEY_FALLBACKS": value})
    assert [(each.code, each.level) for each in findings] == [(code, "warning") for code in expected]


@pytest.mark.parametrize(
    "key", ["DB_PORT", "DATABASE_PORT", "POSTGRES_PORT", "EMAIL_PORT", "REDIS_PORT", "DJANGO_DB_PORT"]
)
@pytest.mark.parametrize(("value", "expected"), [("5432", []), ("", []), ("0", ["not-a-port"]), ("x", ["not-a-port"])])
def test_ports(key, value, expected):
    assert codes({key: value}) == expected


def test_a_port_of_the_sites_own_may_be_anything():
    assert codes({"CARGO_PORT": "Rotterdam"}) == []


@pytest.mark.parametrize("key", ["DB_HOST", "DATABASE_HOST", "POSTGRES_HOST"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [("db.example.org", []), ("db_1", []), ("/run/postgresql", []), ("::1", []), ("", []), ("db:5432", ["not-a-host"])],
)
def test_hosts_of_databases(key, value, expected):
    assert codes({key: value}) == expected


@pytest.mark.parametrize("other", ["DB_NAME", "DB_HOST", "DATABASE_NAME", "POSTGRES_DB"])
def test_a_database_that_is_named_twice(other):
    url = "postgres://site@localhost/site"
    findings = judge_django({other: "site", "DATABASE_URL": url}, lines={"DATABASE_URL": 2})
    assert [(each.key, each.line, each.code, each.level) for each in findings] == [
        ("DATABASE_URL", 2, "database-twice", "warning")
    ]
    assert other in findings[0].message
    assert codes({other: "", "DATABASE_URL": url}) == codes({other: "site", "DATABASE_URL": ""})[1:] == []


def test_values_that_django_environ_takes_for_names():
    assert codes({"MY_OWN_VARIABLE": "$abc"}) == ["begins-with-dollar"]
    assert codes({"MY_OWN_VARIABLE": "abc$"}) == []


BAD_ENVIRONMENTS = [
    ({"DEBUG": "1", "SECRET_KEY": "changeme"}, ["debug-on", "placeholder-secret"]),
    ({"DEBUG": "yes", "ALLOWED_HOSTS": "localhost"}, ["debug-on"] + ["host-not-allowed"] * 2),
    ({"SECRET_KEY": "", "CSRF_TRUSTED_ORIGINS": "example.org"}, ["empty-secret", "origin-without-scheme"]),
    ({"ALLOWED_HOSTS": "*", "DJANGO_DEBUG": "True"}, ["any-host", "debug-on"]),
    ({"DJANGO_SETTINGS_MODULE": "a/b.py", "DATABASE_URL": "localhost"}, ["not-a-module", "not-a-url"]),
    ({"ALLOWED_HOSTS": ".example.org"}, ["host-not-allowed"]),
    ({"SECRET_KEY_FALLBACKS": "secret", "DEBUG": "t"}, ["placeholder-secret", "debug-on"]),
]


@pytest.mark.parametrize(("variables", "expected"), BAD_ENVIRONMENTS)
def test_everything_is_said_at_once(variables, expected):
    assert codes(variables, DOMAINS) == expected


KEYS = st.sampled_from([*GOOD, "DJANGO_DEBUG", "DB_PASSWORD", "SECERT_KEY", "DATABSE_URL"])
CANARY = "Tweety-8f3k"


@given(
    key=KEYS, before=st.sampled_from(["", "$", "[", "<", "http://u:", " ", "a,", "django-insecure-"]), after=st.text()
)
def test_no_finding_shows_a_value(key, before, after):
    for finding in judge_django({key: before + CANARY + after}, DOMAINS):
        assert CANARY not in describe(finding, "/etc/site.env")
        assert CANARY.lower() not in describe(finding, "/etc/site.env").lower()

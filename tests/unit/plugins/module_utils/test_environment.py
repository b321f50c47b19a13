# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import environment
from ansible_collections.switchyard.django.plugins.module_utils.environment import SiteSecrets
from hypothesis import given
from hypothesis import strategies as st

SECRETS = SiteSecrets(identity_key="ab" * 32, secret_key="made-for-the-site")


def test_a_site_gets_its_hosts_and_a_database_under_the_usual_names(layout):
    composed = environment.with_defaults({"X": "1"}, ["a.org", "b.org"], layout)
    assert composed == {
        "X": "1",
        "ALLOWED_HOSTS": "a.org,b.org",
        "DJANGO_ALLOWED_HOSTS": "a.org,b.org",
        "DATABASE_URL": f"sqlite:///{layout.data}/db.sqlite3",
    }


def test_what_the_user_says_wins_over_the_defaults(layout):
    given_ = {"ALLOWED_HOSTS": "*", "DATABASE_URL": "postgres://db/shop"}
    composed = environment.with_defaults(given_, ["a.org"], layout)
    assert composed == {**given_, "DJANGO_ALLOWED_HOSTS": "a.org"}


@pytest.mark.parametrize(
    "name",
    [
        "DB_NAME",
        "DB_HOST",
        "DATABASE_HOST",
        "POSTGRES_DB",
        "POSTGRESQL_HOST",
        "PGHOST",
        "PGPASSWORD",
        "PG_NAME",
        "MYSQL_DATABASE",
        "SQL_ENGINE",
        "DATABASE",
        "DJANGO_DB_NAME",
        "DJANGO_DATABASE_URL",
    ],
)
def test_whoever_names_a_database_gets_no_other_one_beside_it(layout, name):
    assert "DATABASE_URL" not in environment.with_defaults({name: "x"}, ["a.org"], layout)


@pytest.mark.parametrize("name", ["REDIS_DB", "DBUS_ADDRESS", "PAGE_SIZE", "SQLITE_TMPDIR", "MYDB_X", "PGP_key"])
def test_a_variable_that_names_no_database_leaves_the_default(layout, name):
    assert "DATABASE_URL" in environment.with_defaults({name: "x"}, ["a.org"], layout)


def test_an_address_stands_in_brackets_as_in_a_host_header(layout):
    composed = environment.with_defaults({}, ["2001:db8::7", "192.0.2.7"], layout)
    assert composed["ALLOWED_HOSTS"] == "[2001:db8::7],192.0.2.7"


ORIGINS = "https://shop.example.org,https://[2001:db8::7]"


def test_a_site_that_is_visited_by_https_gets_from_where_its_forms_come(layout):
    domains = ["Shop.example.org", "2001:db8::7"]
    by_http = environment.with_defaults({}, domains, layout, "http")
    by_https = environment.with_defaults({}, domains, layout, "https")
    assert by_http == environment.with_defaults({}, domains, layout)
    assert by_https == {**by_http, "CSRF_TRUSTED_ORIGINS": ORIGINS, "DJANGO_CSRF_TRUSTED_ORIGINS": ORIGINS}
    assert not set(by_http) & set(environment.TRUSTED_ORIGINS_NAMES)


@pytest.mark.parametrize("name", environment.TRUSTED_ORIGINS_NAMES)
def test_from_where_forms_come_is_what_the_user_says(layout, name):
    composed = environment.with_defaults({name: "https://*.example.org"}, ["a.org"], layout, "https")
    (other,) = {*environment.TRUSTED_ORIGINS_NAMES} - {name}
    assert (composed[name], composed[other]) == ("https://*.example.org", "https://a.org")


def test_a_site_without_a_key_gets_the_one_that_was_made():
    complete = environment.with_secret_key({"X": "1"}, SECRETS)
    assert complete == {"X": "1", "SECRET_KEY": "made-for-the-site", "DJANGO_SECRET_KEY": "made-for-the-site"}


@pytest.mark.parametrize("name", ["SECRET_KEY", "DJANGO_SECRET_KEY"])
def test_the_users_key_is_never_overwritten_and_has_both_names(name):
    complete = environment.with_secret_key({name: "theirs"}, SECRETS)
    assert complete == {"SECRET_KEY": "theirs", "DJANGO_SECRET_KEY": "theirs"}


def test_two_keys_of_the_user_stay_two():
    theirs = {"SECRET_KEY": "one", "DJANGO_SECRET_KEY": "two"}
    assert environment.with_secret_key(theirs, SECRETS) == theirs


VARIABLES = st.dictionaries(st.text("ABC_", min_size=1), st.text(), max_size=4)


@given(VARIABLES, VARIABLES)
def test_the_digest_tells_environments_apart(one, other):
    assert (environment.digest(one, SECRETS) == environment.digest(other, SECRETS)) == (one == other)


def test_the_digest_does_not_depend_on_the_order_but_on_the_key():
    one, other = {"A": "1", "B": "2"}, {"B": "2", "A": "1"}
    assert environment.digest(one, SECRETS) == environment.digest(other, SECRETS)
    assert environment.digest(one, SECRETS) != environment.digest(one, SiteSecrets.make())


def test_secrets_are_made_strong_and_never_twice():
    one, other = SiteSecrets.make(), SiteSecrets.make()
    assert len(one.secret_key) >= 50
    assert len(bytes.fromhex(one.identity_key)) == 32
    assert one.secret_key != other.secret_key
    assert one.fingerprint != other.fingerprint


def test_a_fingerprint_shows_nothing_of_the_secrets():
    assert SECRETS.fingerprint not in (SECRETS.identity_key, SECRETS.secret_key)
    assert len(SECRETS.fingerprint) == 16


def test_secrets_are_kept_for_root_alone(layout):
    assert environment.load(layout) is None
    environment.save(layout, SECRETS)
    assert environment.load(layout) == SECRETS
    assert layout.secrets.stat().st_mode & 0o777 == 0o600


def test_what_the_unit_sets_is_not_taken_from_the_user():
    site_env = json.dumps({"A": 1, "B": "two", "HOME": "/root", "DJANGO_SETTINGS_MODULE": "x", "RELEASE_ID": "y"})
    assert environment.given(site_env) == {"A": "1", "B": "two"}

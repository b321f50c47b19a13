# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.masking import mask
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY",
        "DB_PASSWORD",
        "EMAIL_HOST_PASSWD",
        "API_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "SENTRY_DSN",
        "pgpass",
        "SALT",
    ],
)
def test_values_of_secret_variables_are_hidden(name):
    assert mask("it says hunter2hunter2!", {name: "hunter2hunter2"}) == "it says ********!"


def test_values_of_other_variables_are_evidence_and_stay():
    assert mask("no module named shop.prod", {"DJANGO_ENV": "shop.prod"}) == "no module named shop.prod"


def test_a_value_of_a_few_characters_would_only_riddle_the_text():
    assert mask("a cat sat", {"API_KEY": "a", "TOKEN": ""}) == "a cat sat"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://shop:hunter2@db/shop", "postgres://shop:********@db/shop"),
        ("redis://:hunter2@cache:6379/0", "redis://:********@cache:6379/0"),
        ("amqp://u:hun@ter2@mq/", "amqp://u:********@mq/"),
        ("two: a://u:p1@h and b://v:p2@i", "two: a://u:********@h and b://v:********@i"),
        ("http://db:5432/x and mail@example.org", "http://db:5432/x and mail@example.org"),
        ("postgres://shop@db/shop", "postgres://shop@db/shop"),
    ],
)
def test_passwords_in_urls_are_hidden_whoever_prints_them(text, masked):
    assert mask(text, {}) == masked


def test_the_password_of_a_url_is_hidden_where_it_stands_alone():
    assert "hunter2" not in mask("auth failed: 'hunter2hunter2'", {"DATABASE_URL": "postgres://u:hunter2hunter2@db/x"})


def test_a_secret_that_is_a_part_of_another_does_not_uncover_the_rest():
    assert mask("abcdefgh", {"A_TOKEN": "abcd", "B_TOKEN": "abcdefgh"}) == "********"


SECRETS = st.text("abcdef123", min_size=6, max_size=12)


@given(st.dictionaries(st.sampled_from(["A_KEY", "B_KEY", "C_TOKEN", "D_SECRET"]), SECRETS), st.data())
def test_no_secret_survives_in_any_text(variables, data):
    parts = st.sampled_from([*variables.values(), " ", "Error: ", "x"])
    text = "".join(data.draw(st.lists(parts, max_size=6)))
    masked = mask(text, variables)
    assert not [value for value in variables.values() if value in masked]


@pytest.mark.parametrize("name", ["DB_PWD", "STRIPE_AUTH", "SESSION_COOKIE", "SMTP_PW"])
def test_short_spellings_of_a_secret_s_name_are_known(name):
    assert mask("it says hunter2hunter2!", {name: "hunter2hunter2"}) == "it says ********!"


@pytest.mark.parametrize("name", ["PWD", "AUTH_USER_MODEL", "COOKIE_DOMAIN", "AUTHOR"])
def test_what_only_sounds_like_one_is_evidence(name):
    assert mask("in accounts.User", {name: "accounts.User"}) == "in accounts.User"


def test_a_value_is_hidden_in_the_forms_in_which_programs_print_it():
    secret = 'it\'s "so"\nsecret-in-lines'
    for printed in (repr(secret), json.dumps(secret), secret.splitlines()[1]):
        assert "secret-in" not in mask(printed, {"API_KEY": secret})
    assert "p@ss" not in mask("no p@ssword1", {"DATABASE_URL": "postgres://u:p%40ssword1@db/x"})


def test_a_password_in_a_url_may_hold_a_slash():
    assert mask("postgres://u:hunter2/x@h/db", {}) == "postgres://u:********@h/db"

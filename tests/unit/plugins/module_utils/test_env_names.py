# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.django_environment import KNOWN_NAMES
from ansible_collections.switchyard.django.plugins.module_utils.env_names import judge_names


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("SECERT_KEY", "SECRET_KEY"),
        ("SECRETKEY", "SECRET_KEY"),
        ("secret_key", "SECRET_KEY"),
        ("databse_url", "DATABASE_URL"),
        ("DJANGO_SECRT_KEY", "DJANGO_SECRET_KEY"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("ALOWED_HOSTS", "ALLOWED_HOSTS"),
        ("DJANGO_SETTING_MODULE", "DJANGO_SETTINGS_MODULE"),
        ("DJANGO_SETTINGS_MODUEL", "DJANGO_SETTINGS_MODULE"),
        ("DBUG", "DEBUG"),
        ("django_debug", "DJANGO_DEBUG"),
        ("CSRF_TRUSTED_ORIGIN", "CSRF_TRUSTED_ORIGINS"),
        ("DATABSE_URL", "DATABASE_URL"),
    ],
)
def test_did_you_mean(key, meant):
    findings = judge_names([key], KNOWN_NAMES, {key: 7})
    assert [(finding.key, finding.line, finding.code, finding.level, finding.message) for finding in findings] == [
        (key, 7, "unknown-name", "warning", f"did you mean {meant}")
    ]


@pytest.mark.parametrize(
    "key",
    ["DATABASE_URL_2", "REDIS_URL2", "DB_HOST", "DJANGO_DB_HOST", "MEDIA_HOST", "PORT", "A", "SENTRY_DSN", "API_URL"],
)
def test_names_of_the_sites_own(key):
    assert judge_names([key], KNOWN_NAMES) == []


def test_a_name_in_a_schema_is_known_and_can_be_meant():
    assert judge_names(["CARGO_YARD"], ["CARGO_YARD"]) == []
    assert [each.message for each in judge_names(["CARGO_YRAD"], ["CARGO_YARD"])] == ["did you mean CARGO_YARD"]
    assert [each.message for each in judge_names(["MY_KEY"], ["my_key"])] == ["did you mean my_key"]
    assert [each.message for each in judge_names(["CARGO_YRAD"], ["cargo_yard"])] == ["did you mean cargo_yard"]
    assert judge_names(["SECRET_KEYS"], {"SECRET_KEYS", *KNOWN_NAMES}) == []

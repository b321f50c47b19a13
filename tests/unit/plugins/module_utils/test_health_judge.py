# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.health_checks import HttpCheck
from ansible_collections.switchyard.django.plugins.module_utils.health_judge import judge_page
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import Answer, Target

DOCUMENT = {
    "status": "ok",
    "ready": True,
    "workers": 2,
    "load": 0.5,
    "note": None,
    "checks": [{"name": "database", "up": True}, {"name": "cache", "up": False}],
    "names": {"grüß": "dich"},
    "versions": {"django.contrib": 5, "a.b.c": {"d": 1}},
}


def judge(body, expected):
    return judge_page(HttpCheck(json=expected), Answer(200, "HTTP/1.1 200 OK", {}, body), Target(port=80))


@pytest.mark.parametrize(
    "expected",
    [
        {"status": "ok"},
        {"ready": True, "workers": 2, "load": 0.5, "note": None},
        {"workers": 2.0},
        {"checks.0.up": True, "checks.1.up": False},
        {"names.grüß": "dich"},
        {r"versions.django\.contrib": 5, r"versions.a\.b\.c.d": 1},
    ],
)
def test_the_values_that_are_expected(expected):
    assert judge(json.dumps(DOCUMENT), expected) is None


@pytest.mark.parametrize(
    ("expected", "evidence"),
    [
        ({"status": "well"}, 'status is "ok" (expected "well")'),
        ({"status": "ok", "workers": 3}, "workers is 2 (expected 3)"),
        ({"workers": "2"}, 'workers is 2 (expected "2")'),
        ({"ready": 1}, "ready is true (expected 1)"),
        ({"workers": True}, "workers is 2 (expected true)"),
        ({"note": ""}, 'note is null (expected "")'),
        ({"names.grüß": "euch"}, 'names.grüß is "dich" (expected "euch")'),
        ({"checks.1.up": True}, "checks.1.up is false (expected true)"),
        ({"checks": "all"}, 'checks is [{"name": "database"'),
        ({"missing": 1}, "missing is missing: the document has status, ready, workers"),
        ({"checks.2.up": True}, "checks.2.up is missing: checks has 2 items"),
        ({"checks.one": True}, "checks.one is missing: checks has 2 items"),
        ({"checks.0.down": True}, "checks.0.down is missing: checks.0 has name, up"),
        ({"versions.django.contrib": 5}, "versions has django.contrib, a.b.c"),
        ({r"versions.a\.b\.c.e": 1}, r"versions.a\.b\.c.e is missing: versions.a\.b\.c has d"),
        ({"status.0": "o"}, 'status.0 is missing: status is "ok"'),
    ],
)
def test_another_value(expected, evidence):
    problem = judge(json.dumps(DOCUMENT), expected)
    assert problem.failure == "wrong_json"
    assert problem.evidence.startswith("HTTP/1.1 200 OK: ")
    assert evidence in problem.evidence
    assert problem.evidence.isprintable()


@pytest.mark.parametrize("body", ["", "all is well", "{", "[" * 100_000])
def test_an_answer_that_is_not_json(body):
    problem = judge(body, {"status": "ok"})
    assert problem.failure == "wrong_json"
    assert "(the answer is not JSON)" in problem.evidence


@pytest.mark.parametrize("body", ["[]", "{}", "1", "null"])
def test_json_of_another_kind(body):
    assert "status is missing: the document" in judge(body, {"status": "ok"}).evidence

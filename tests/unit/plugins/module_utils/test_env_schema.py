# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import env_schema
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import describe

CANARY = "Tweety-8f3k"
SECRET = "v3ry-Random_Characters_of_which_there_are_enough-8472"


def judge(variables, **entry):
    schema, problems = env_schema.read([{"name": "A", **entry}])
    assert problems == []
    return env_schema.judge(schema, variables, {"A": 7})


def codes(findings):
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "A", "pattern": "("}, ["entry 1 (A)", "pattern is no regular expression", "position 0"]),
        ({"name": "A", "pattern": ["7"]}, ["entry 1 (A)", "pattern"]),
        ({"name": "A", "type": "choice"}, ["entry 1 (A)", "allowed"]),
        ({"name": "A", "type": "choice", "allowed": []}, ["entry 1 (A)", "allowed"]),
        ({"name": "A", "type": "number"}, ["entry 1 (A)", "type", "bool, int, port"]),
        ({"name": "A", "type": ["int"]}, ["entry 1 (A)", "type"]),
        ({"name": "A", "allowed": {"b": 1}}, ["entry 1 (A)", "allowed", "list"]),
        ({"name": "A", "allowed": ["b", True]}, ["entry 1 (A)", "allowed", "quotes"]),
        ({"name": "A", "forbidden": [True]}, ["entry 1 (A)", "forbidden"]),
        ({"name": "A", "min_length": -1}, ["entry 1 (A)", "min_length"]),
        ({"name": "A", "min_length": "long"}, ["entry 1 (A)", "min_length"]),
        ({"name": "A", "min_length": True}, ["entry 1 (A)", "min_length"]),
        ({"name": "A", "required": "perhaps"}, ["entry 1 (A)", "required"]),
        ({"name": "A", "patern": "b"}, ["entry 1 (A)", "patern", "pattern"]),
        ({"name": "1A"}, ["entry 1 (1A)", "name"]),
        ({"name": "A\n"}, ["entry 1:", "name"]),
        ({"name": 7}, ["entry 1:", "name"]),
        ({}, ["entry 1:", "name"]),
        ("A", ["entry 1:", "dictionary"]),
    ],
)
def test_a_broken_entry_is_named(entry, words):
    schema, problems = env_schema.read([entry])
    assert schema == ()
    assert len(problems) == 1
    assert all(word in problems[0] for word in words)


@pytest.mark.parametrize("raw", [None, "A", {"name": "A"}, 7])
def test_a_schema_that_is_no_list(raw):
    assert env_schema.read(raw) == ((), ["the schema is no list"])


def test_all_problems_are_told_at_once():
    _schema, problems = env_schema.read([{"name": "A", "type": "x", "pattern": "["}, {"name": "B"}, {"name": ""}])
    assert [problem.partition(":")[0] for problem in problems] == ["entry 1 (A)", "entry 1 (A)", "entry 3 ()"]


def test_a_name_that_is_there_twice():
    _schema, problems = env_schema.read([{"name": "A"}, {"name": "B"}, {"name": "A"}])
    assert problems == ["entry 1 (A): the name is there more than once"]


def test_null_is_as_good_as_nothing():
    schema, problems = env_schema.read(
        [{"name": "A", "pattern": None, "allowed": None, "min_length": None, "type": None}]
    )
    assert (schema, problems) == ((env_schema.Variable("A"),), [])


@pytest.mark.parametrize(
    ("word", "written", "meant"),
    [
        ("required", "yes", True),
        ("required", "no", False),
        ("required", 1, True),
        ("pattern", 7, "7"),
        ("allowed", [1, 0.5, "b"], ("1", "0.5", "b")),
        ("allowed", "b,c", ("b", "c")),
        ("forbidden", [0], ("0",)),
        ("min_length", "8", 8),
    ],
)
def test_words_are_converted_as_ansible_converts_options(word, written, meant):
    entry = {"name": "A", word: written}
    assert env_schema.read([entry]) == ((env_schema.Variable("A", **{word: meant}),), [])
    assert entry[word] == written


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        ({}, CANARY, []),
        ({}, None, []),
        ({"required": True}, None, ["required-missing"]),
        ({"required": True, "type": "int", "pattern": "[1-9]"}, " ", ["required-empty"]),
        ({"required": True, "type": "secret"}, "", ["required-empty"]),
        ({"type": "int"}, "1", []),
        ({"type": "int"}, CANARY, ["not-an-int"]),
        ({"type": "int"}, "", ["not-an-int"]),
        ({"type": "list"}, "", []),
        ({"type": "hosts"}, "", []),
        ({"type": "url"}, "", ["not-a-url"]),
        ({"type": "secret"}, SECRET, []),
        ({"type": "secret"}, SECRET[1:], []),
        ({"type": "secret"}, SECRET[:49], ["weak-secret"]),
        ({"type": "secret", "min_length": 20}, SECRET[:20], []),
        ({"type": "secret", "min_length": 20}, SECRET[:19], ["weak-secret"]),
        ({"type": "secret", "min_length": 1}, "aaaa", ["weak-secret"]),
        ({"type": "secret"}, "changeme", ["placeholder-secret"]),
        ({"type": "secret"}, "", ["empty-secret"]),
        ({"type": "choice", "allowed": ["b", "c"]}, "b", []),
        ({"type": "choice", "allowed": ["b", "c"]}, CANARY, ["not-allowed"]),
        ({"type": "choice", "allowed": ["b", "c"]}, "", ["not-allowed"]),
        ({"allowed": ["b"]}, "B", ["not-allowed"]),
        ({"forbidden": ["b"]}, "b", ["forbidden"]),
        ({"forbidden": ["b"]}, "bb", []),
        ({"pattern": "[a-z]+"}, "abc", []),
        ({"pattern": "[a-z]+"}, "abc\n", ["pattern"]),
        ({"pattern": "a|b"}, "ab", ["pattern"]),
        ({"min_length": 3}, "éé", ["too-short"]),
        ({"min_length": 3}, "ééé", []),
        (
            {"type": "port", "pattern": "8.*", "forbidden": ["x"], "min_length": 4},
            "x",
            ["not-a-port", "pattern", "forbidden", "too-short"],
        ),
    ],
)
def test_judges_a_variable(entry, value, expected):
    findings = judge({} if value is None else {"A": value}, **entry)
    assert codes(findings) == expected
    assert all(finding.key == "A" and finding.level == "error" for finding in findings)
    assert all(finding.line == (None if value is None else 7) for finding in findings)
    assert not any(CANARY in describe(finding, "f") for finding in findings)


def test_says_what_is_allowed():
    assert judge({"A": CANARY}, allowed=["b", "c"])[0].hint == "Write one of b, c"
    assert judge({"A": CANARY}, pattern="[bc]")[0].hint == "It has to match [bc]"


def test_a_forbidden_value_is_not_shown():
    assert CANARY not in describe(judge({"A": CANARY}, forbidden=[CANARY])[0], "f")


def test_required_variables():
    findings = env_schema.judge_required({"A": "a", "B": " "}, ["A", "B", "C"], {"A": 1, "B": 2})
    assert [(finding.key, finding.line, finding.code) for finding in findings] == [
        ("B", 2, "required-empty"),
        ("C", None, "required-missing"),
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", []),
        ("AB", []),
        ("ABC", []),
        ("A", [("B", "A needs it", "Set A and B together, or none of them")]),
        ("B", [("A", "B needs it", "Set A and B together, or none of them")]),
    ],
)
def test_variables_that_are_needed_together(names, expected):
    findings = env_schema.judge_groups(names, required_together=[["A", "B"]])
    assert [(each.key, each.message.split(", and ")[1], each.hint) for each in findings] == expected
    assert set(codes(findings)) <= {"required-together"}


@pytest.mark.parametrize(
    ("names", "expected"), [("", ["required-one-of"]), ("D", ["required-one-of"]), ("B", []), ("AC", [])]
)
def test_one_of_several_variables_is_needed(names, expected):
    findings = env_schema.judge_groups(names, required_one_of=[["A", "B", "C"], []])
    assert codes(findings) == expected
    assert all("A, B and C" in finding.message for finding in findings)


@pytest.mark.parametrize(("names", "expected"), [("", ""), ("A", ""), ("AB", "B"), ("CBA", "BC")])
def test_variables_that_exclude_one_another(names, expected):
    findings = env_schema.judge_groups(names, mutually_exclusive=[["A", "B", "C"]], lines={"B": 2})
    assert [each.key for each in findings] == list(expected)
    assert all(each.code == "mutually-exclusive" and "beside A" in each.message for each in findings)
    assert all(each.line == (2 if each.key == "B" else None) for each in findings)

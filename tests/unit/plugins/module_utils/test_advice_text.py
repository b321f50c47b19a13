# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils import advice_text

PLANTED = Path(__file__).parent / "advice_projects/planted/shop"


@pytest.fixture(scope="module")
def planted(advise_folder):
    return advise_folder(PLANTED, domains=["shop.example.org"])


def test_the_verdict_comes_first_and_the_reasons_behind_it(planted):
    lines = advice_text.lines(planted)
    assert lines[0] == "ASGI, because of its WebSockets and streams"
    assert lines[1] == "  shop/asgi.py:11  WebSocket routing (Channels)"
    assert "  chat/consumers.py:16  WebSocket consumer Chat" in lines


def test_what_follows_is_in_the_order_in_which_one_acts(planted):
    heads = [line for line in advice_text.lines(planted) if line and not line.startswith(" ")]
    assert heads[1:] == [
        "What costs under ASGI:",
        "23 calls that do not belong in async code, where one makes all visitors wait:",
        "Settings that production asks for:",
        "Variables for the site:",
    ]


def test_a_call_is_shown_with_the_way_out_and_how_it_is_reached(planted):
    lines = advice_text.lines(planted)
    at = lines.index("  catalog/lookups.py:20  socket.gethostbyaddr(): waits for the network")
    assert lines[at + 1 : at + 3] == [
        "      instead: loop.getaddrinfo(…)",
        "      async middleware: shop/middleware.py:11 middleware → catalog/lookups.py:19 country",
    ]


def test_no_line_is_wider_than_100_columns_as_ansible_prints_it(planted):
    assert (
        max(len(json.dumps(line, ensure_ascii=False)) + len("        ,") for line in advice_text.lines(planted)) <= 100
    )


def test_the_variables_can_be_pasted(planted):
    lines = advice_text.lines(planted)
    text = "\n".join(lines[lines.index("Variables for the site:") + 1 :])
    assert yaml.safe_load(text) == advice_text.variables(planted)
    assert yaml.safe_load(text)["site_settings_overrides"]["ALLOWED_HOSTS"] == ["shop.example.org"]


def test_an_example_is_marked_as_one_and_can_be_pasted_all_the_same(planted, advise_folder):
    found = advise_folder(PLANTED)
    lines = advice_text.lines(found)
    at = lines.index("Variables for the site:")
    assert lines[at + 1] == "  # shop.example.org is an example: give site_domains for the site's own names"
    assert yaml.safe_load("\n".join(lines[at + 1 :])) == advice_text.variables(found)
    assert not any("is an example" in line for line in advice_text.lines(planted))


def test_what_the_site_has_already_is_among_the_variables_that_take_its_place(advise_folder):
    present = {"ALLOWED_HOSTS": ["a.example.org"], "SECRET_KEY": {"$env": "KEY"}, "CACHES": {"default": {}}}
    found = advise_folder(PLANTED, domains=["shop.example.org"], overrides=present)
    lines = advice_text.lines(found)
    at = lines.index("Variables for the site:")
    assert lines[at + 1] == "  # site_settings_overrides takes the place of the one there, and has what that says"
    overrides = yaml.safe_load("\n".join(lines[at + 1 :]))["site_settings_overrides"]
    assert {name: overrides[name] for name in present} == present
    assert len(overrides) > len(present)


def test_where_the_site_has_all_no_overrides_are_suggested(planted, advise_folder):
    found = advise_folder(PLANTED, overrides=advice_text.variables(planted)["site_settings_overrides"])
    assert "site_settings_overrides" not in "\n".join(advice_text.lines(found))


@pytest.mark.parametrize(
    "value",
    [
        "yes",
        "no",
        "shop",
        "a: b",
        "*",
        "",
        "1",
        True,
        [],
        ["x" * 60],
        {"a": {"b": ["*"]}},
        {},
        {"a": {}},
        {"no": {"a: b": 1}},
        [{"a": None}],
    ],
)
def test_every_value_comes_back_from_yaml_as_it_is(value):
    assert yaml.safe_load("\n".join(advice_text.as_yaml({"name": value}))) == {"name": value}


def test_a_project_that_says_nothing_is_told_so(advise):
    found = advise({})
    assert advice_text.lines(found)[:3] == [
        "WSGI: nothing here needs ASGI",
        "  shop/wsgi.py:2  the WSGI entry point",
        "  no consumer, no WebSocket, no stream, no async view in 8 files",
    ]
    assert advice_text.summary(found) == advice_text.lines(found)[:2]


def test_all_of_it_is_data_too(planted):
    found = json.loads(json.dumps(advice_text.as_data(planted)))
    assert found["stack"] == "asgi"
    assert len(found["blocking"]) == 23
    assert found["blocking"][0]["chain"][0] == {"path": "catalog/views.py", "line": 33, "name": "Detail.get"}
    assert found["variables"] == advice_text.variables(planted)


def test_the_settings_are_named_where_the_deploy_would_take_others(advise):
    wsgi = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.live")\n'
    found = advise({"shop/wsgi.py": wsgi, "shop/live.py": "from .settings import *\n"})
    assert advice_text.variables(found)["site_settings"] == "shop.live"
    assert "site_settings" not in advice_text.variables(advise({"shop/wsgi.py": ""}))


@pytest.mark.parametrize(
    ("placed", "words"),
    [
        ({"site_source": "/x/shop"}, "  shop holds manage.py: it is to be the site_source, "),
        ({"site_requirements": "shop/uv.lock"}, "  shop/uv.lock has to be named: "),
    ],
)
def test_where_a_site_below_the_top_lies_is_said_and_goes_into_the_variables(planted, placed, words):
    found = replace(planted, root="shop", placed=placed)
    lines = advice_text.lines(found)
    assert lines[lines.index("The site lies below the top of site_source:") + 1].startswith(words)
    assert list(advice_text.variables(found))[0] == next(iter(placed))
    assert advice_text.variables(found).items() >= placed.items()

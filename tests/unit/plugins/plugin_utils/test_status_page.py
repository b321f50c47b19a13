# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a status: nothing on it acts, whatever visitors call, and moves stand where they were."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.plugin_utils import status_page, status_series

TEMPLATE = Path(__file__).parents[4] / "roles/status/templates/report.html.j2"
R1, R2 = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
NOW = 1_790_000_000.0


def move(at, operation, target, stack="asgi", result="live", source=None):
    return {"at": NOW - at, "operation": operation, "from": source, "to": target, "stack": stack, "by": "ann@desk"} | {
        "result": result,
        "reason": None,
    }


@pytest.fixture
def told(host_status):
    history = [
        move(9000, "deploy", R1, "wsgi"),
        move(3000, "deploy", R2, "asgi", source=R1),
        move(2000, "deploy", "cccccccccccc", result="failed", source=R2),
        move(1000, "rollback", R1, "wsgi", source=R2),
    ]
    return {
        "site": "shop",
        "hosts": {name: host_status(R1, history=history) for name in ("web1", "web2")},
        "problems": [],
    }


def test_moves_of_several_hosts_are_one_and_a_change_of_the_stack_is_a_switch(told):
    moves = status_page.moves_of(told["hosts"])
    assert [(one["kind"], one["number"], one["hosts"]) for one in moves] == [
        ("deploy", 0, ["web1", "web2"]),  # before the window: no chart has a place for it
        ("switch", 1, ["web1", "web2"]),
        ("failed", 2, ["web1", "web2"]),
        ("rollback", 3, ["web1", "web2"]),
    ]


def test_the_same_release_moved_to_again_later_is_another_move(host_status):
    history = [move(3000, "deploy", R1), move(1000, "deploy", R1)]
    assert len(status_page.moves_of({"web1": host_status(R1, history=history)})) == 2


def test_charts_have_a_line_for_each_host_and_those_without_values_are_left_out(told):
    charts = {one.name: one for one in status_series.charts(told["hosts"])}
    assert {line.colour for line in charts["requests"].lines} == {0, 1}
    assert [line.style for line in charts["connections"].lines] == ["solid", "dotted"] * 2
    for one in told["hosts"].values():
        one["samples"] = {}
    assert {one.name for one in status_series.charts(told["hosts"])} == {"requests", "p95", "errors"}


def test_errors_of_a_minute_are_drawn_however_long_the_window_is(told):
    log = told["hosts"]["web1"]["log"]
    log["series"] = [{**slot, "server_errors": 6} for slot in log["series"][::2]]  # of two minutes each
    (errors,) = (one for one in status_series.charts(told["hosts"]) if one.name == "errors")
    assert {value for _at, value in errors.lines[0].points} == {3.0}


def test_signs_that_would_lie_one_on_the_other_are_one(told):
    pytest.importorskip("matplotlib", reason="the charts need it")
    for one in told["hosts"].values():
        more = [move(990, "deploy", R2, source=R1), move(980, "rollback", R1, source=R2)]
        one["history"] = [*one["history"], *more]
    page = status_page.render(told, TEMPLATE)
    assert page.count(">3–5</text>") == page.count("<svg ")
    assert page.count("<title>4: ") == page.count("<svg ")


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def rendered(told):
    pytest.importorskip("matplotlib", reason="the charts need it")
    page = _Page()
    page.source = status_page.render(told, TEMPLATE)
    page.feed(page.source)
    return page


def test_marks_stand_in_each_chart_with_a_word_to_each(rendered):
    titles = re.findall(r"<title>(\d: [^<]+)</title>", rendered.source)
    charts = rendered.source.count("<svg ")
    assert charts == 9
    assert titles.count(f"1: switch to {R2} on web1, web2, 13:23:20") == charts
    assert titles.count(f"3: rollback to {R1} on web1, web2, 13:56:40") == charts


def test_the_page_fetches_nothing_has_no_script_and_has_the_colours_of_both_modes(rendered):
    assert "script" not in rendered.tags
    fetched = [value for name, value in rendered.attributes if name in ("src", "href", "action")]
    assert fetched == []
    assert not [name for name, _value in rendered.attributes if name.startswith("on")]
    assert "default-src 'none'" in rendered.source
    assert "prefers-color-scheme: dark" in rendered.source
    used = set(re.findall(r"var\((--[\w-]+)\)", rendered.source))
    defined = set(re.findall(r"(--[\w-]+):", rendered.source))
    assert used - defined == set()
    assert not re.search(r"#010[0-9a-f]{3}\b", rendered.source), "a colour that stands for a variable was left"


def test_a_mark_has_no_colour_of_a_line():
    modes = TEMPLATE.read_text().split("prefers-color-scheme: dark", 1)
    for style in (modes[0], modes[1].partition("* {")[0]):
        named = {name: tuple(bytes.fromhex(text)) for name, text in re.findall(r"--([\w-]+): #([0-9a-f]{6})", style)}
        lines = [colour for name, colour in named.items() if name.startswith("series-")]
        marks = [named[name] for name in ("deploy", "switch", "rollback", "failed")]
        assert len(lines) == 8
        assert min(math.dist(line, mark) for line in lines for mark in marks) > 60


def test_what_is_said_in_a_row_of_its_own_stands_under_no_heading(told):
    unit = told["hosts"]["web1"]["units"][0]
    timer = {**unit, "unit": "shop@x-tidy.timer", "process": "tidy", "next": NOW + 60, "last": NOW - 60}
    told["hosts"]["web1"]["units"] += [timer, {**unit, "process": "mail"}]
    page = status_page.render(told, TEMPLATE)
    assert re.search(r'<td data-name="unit">tidy \(timer\)</td><td colspan="8"[^>]*>next ', page)
    assert '<td data-name="ws"></td>' in page
    assert "td:empty { display: none }" in page, "or its heading would stand alone where there is but one column"


def test_what_a_visitor_or_a_host_says_is_text(told):
    pytest.importorskip("matplotlib", reason="the charts need it")
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    one = told["hosts"]["web1"]
    one["log"]["endpoints"][0]["path"] = evil
    one["drift"]["drift"] = [{"kind": "code", "path": evil, "what": "added", "at": None, "diff": [f"+{evil}"]}]
    one["history"][1] |= {"by": evil, "reason": evil}
    one["live"]["reason"] = evil
    page = _Page()
    page.feed(status_page.render({**told, "problems": [evil]}, TEMPLATE))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.text.count(evil) >= 5


def test_the_same_status_gives_the_same_page(told):
    pytest.importorskip("matplotlib", reason="the charts need it")
    assert status_page.render(told, TEMPLATE) == status_page.render(told, TEMPLATE)


def test_a_host_that_could_not_be_asked_is_on_the_page(told):
    pytest.importorskip("matplotlib", reason="the charts need it")
    hosts = {**told["hosts"], "web3": {"unreachable": True, "msg": "no route"}}
    assert "not reached: no route" in status_page.render({**told, "hosts": hosts}, TEMPLATE)


def test_a_page_without_any_host_that_answers_needs_no_charts(told):
    page = status_page.render({**told, "hosts": {"web1": {"msg": "no route"}}}, TEMPLATE)
    assert "not read: no route" in page


def test_the_page_has_what_each_release_answered_and_what_fails_though_few_ask_for_it(told):
    pytest.importorskip("matplotlib", reason="the charts need it")
    log = told["hosts"]["web1"]["log"]
    log["releases"] = [{**log["total"], "release": name} for name in (R1, R2, "")]
    log["failing"] = [{**log["endpoints"][0], "path": "/pay/", "server_errors": 2}]
    page = status_page.render(told, TEMPLATE)
    assert page.count("Releases that answered") == 1
    assert "nginx itself" in page
    assert "GET /pay/" in page

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import env_values
from hypothesis import given
from hypothesis import strategies as st

GOOD = {
    "bool": ["true", "FALSE", "1", "0", "yes", "No", "on", "OFF", "t", "f", "y", "n"],
    "int": ["0", "-1", "+12", "007", "123456789012345678901234567890"],
    "port": ["1", "80", "65535", "00443"],
    "url": [
        "https://example.org",
        "http://localhost:8000/a?b=c#d",
        "https://user:Bxq8Zt@example.org/",
        "http://[::1]:80/",
        "redis://10.0.0.1:6379/0",
        "x+y://h",
    ],
    "host": [
        "localhost",
        "a-b.example.org",
        "xn--bcher-kva.example",
        "10.0.0.1",
        "::1",
        "[2001:db8::1]",
        "7up.example",
    ],
    "hosts": ["", "example.org", "*", ".example.org,[::1]", "a b", '["a.org", ".b.org"]', "10.0.0.1"],
    "path": ["/", "/srv/site/data", "/srv/é", "/a b", "/..a"],
    "email": ["a@example.org", "a.b+c@localhost", "Site <site@example.org>", "<a@b.org>"],
    "list": ["", "a", "a,b", "a b, c", '["a", "b"]', "[]"],
    "dsn": [
        "postgres://user:Bxq8Zt@host:5432/name",
        "sqlite:////srv/db.sqlite3",
        "sqlite://:memory:",
        "unix:///run/redis.sock",
        "https://key@sentry.example.org/1",
        "postgres://%2Frun%2Fpostgresql/name",
    ],
}
BAD = {
    "bool": ["", " true", "2", "ok", "none", "enabled", "truefalse"],
    "int": ["", " 1", "1.0", "1_000", "0x1", "--1", "1e3", "١", "1\n"],
    "port": ["", "0", "65536", "-1", "+80", "80 ", "١", "123456"],
    "url": [
        "",
        "example.org",
        "https://",
        "https:///path",
        "mailto:a@example.org",
        "https://exa mple.org",
        "https://example.org:port/",
        "https://example.org:0/",
        "https://[::1/",
        "//example.org",
        "http://u:changeme@example.org/",
        "http://example.org/\n",
    ],
    "host": [
        "",
        "a b",
        "-a",
        "a-",
        "a..b",
        "example.org:80",
        "https://example.org",
        "a/b",
        "é.org",
        "1.2.3",
        "1.2.3.256",
    ]
    + ["a_b", "::g", "[::1", "fe80::1%eth0", "a" * 64, "a\n", ".example.org", "*"],
    "hosts": ["example.org:80", "https://a.org", "*.example.org", "[a.org]", "['a']", "..a", "a.org;b.org"],
    "path": ["", "a", "./a", "~/a", "/a/../b", "/a/.", "/a\nb", "C:/a"],
    "email": [
        "",
        "a",
        "a@",
        "@b.org",
        "a@b@c.org",
        "a b@c.org",
        ".a@b.org",
        "a..b@c.org",
        "a@b_c.org",
        "a@b.org,c@d.org",
    ],
    "list": ["a,,b", ",", "a,", "[a]", "['a']", "[1]", '["a"'],
    "dsn": [
        "",
        "a",
        "postgres:",
        "postgres://",
        "redis:///",
        "postgres://u:p#w@h/d",
        "postgres://u:p w@h/d",
        "p://u:xxx@h/d",
    ],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in GOOD.items() for value in values])
def test_good_values(kind, value):
    assert list(env_values.JUDGES[kind](value)) == []


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in BAD.items() for value in values])
def test_bad_values(kind, value):
    verdicts = list(env_values.JUDGES[kind](value))
    assert verdicts
    assert {level for _code, level, _message, _hint in verdicts} == {"error"}


def test_both_tables_have_all_types():
    assert set(GOOD) == set(BAD) == set(env_values.JUDGES)


def test_every_bad_entry_of_a_list_is_named_by_its_number():
    messages = [message for _code, _level, message, _hint in env_values.judge_hosts("a.org, b/c .d.org e:1")]
    assert [message.split()[1] for message in messages] == ["2", "4"]
    assert [message.split()[1] for _c, _l, message, _h in env_values.judge_list("a,,b,")] == ["2", "4"]


@pytest.mark.parametrize("kind", env_values.JUDGES)
@given(before=st.text(max_size=6), after=st.text(max_size=6))
def test_no_verdict_shows_a_value(kind, before, after):
    for value in (f"{before}Tweety-8f3k{after}", f"p://u:{before}Tweety-8f3k{after}@h:Tweety-8f3k/d"):
        for verdict in env_values.JUDGES[kind](value):
            assert "tweety" not in "".join(verdict).lower()

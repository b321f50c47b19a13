# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx's templates decide by themselves: the expressions of their maps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.cutover import HASHED_NAME
from hypothesis import given
from hypothesis import strategies as st

TEMPLATES = Path(__file__).parents[3] / "roles/nginx/templates"


def chosen(template, variable):
    """What a map of a template gives for a value: the first expression that is found in it, or else the default."""
    text = (TEMPLATES / template).read_text()
    (body,) = re.findall(rf"map \S+ \$\{{\{{ __nginx_variable \}}\}}_{variable} \{{\n(.*?)\n\}}", text, re.DOTALL)
    cases = re.findall(r'^    "(~\*?)(.+?)" "?(.*?)"?;$', body, re.MULTILINE)
    (default,) = re.findall(r'^    default "?(.*?)"?;$', body, re.MULTILINE)
    assert cases
    assert len(cases) + 1 == len(body.splitlines())
    rules = [(re.compile(expression, re.IGNORECASE * (kind == "~*")), then) for kind, expression, then in cases]
    return lambda value: next((then for expression, then in rules if expression.search(value)), default)


CACHE = chosen("upstream.conf.j2", "cache")
FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_WHILE = "public, max-age=300"


@pytest.mark.parametrize(
    "name",
    [
        "app.0123456789ab.css",
        "app.3f2a9c1b7d04.css",
        "admin/css/base.a3f4b2c1d0e9.css",
        "app.3f2a9c1b7d04.min.js",
        "app.min.3f2a9c1b7d04.js",
        "app.3f2a9c1b7d04.css.map",
        "app.3f2a9c1b7d04.js.gz",
        "main.3f2a1b9c.js",
        "1.3f2a1b9c.chunk.js",
        "logo.d41d8cd98f00b204e9800998ecf8427e.svg",
        "font.0a1b2c3d4e5f60718293a4b5c6d7e8f901234567.woff2",
        "a.1234567a.js",
        "a.a1234567.js",
        "a.bcdefab1.js",
        "20240131.3f2a9c1b7d04.css",
        "report.20240131.3f2a9c1b7d04.pdf",
        "x.deadbeef.3f2a9c1b7d04.js",
    ],
)
def test_a_name_with_a_hash_means_one_content_for_ever(name):
    assert CACHE(f"/static/{name}") == FOR_EVER


@pytest.mark.parametrize(
    "name",
    [
        "app.css",
        "app.min.css",
        "staticfiles.json",
        "jquery.3.7.1.min.js",
        "report.20240131.pdf",
        "report.20240131120000.pdf",
        "backup.2024.01.31.tar.gz",
        "y.12345678.js",
        "x.deadbeef.js",
        "x.facade.js",
        "x.defaced.js",
        "x.effaceable.js",
        "x.accededbeef.js",
        "a.1234a67.js",
        "a.3F2A9C1B7D04.css",
        "a.3f2a9c1b7d0g.css",
        "a.3f2a9c1b-7d04.css",
        "a-3f2a9c1b7d04.css",
        "3f2a9c1b7d04.css",
        "3f2a9c1b7d04/app.css",
        "app.3f2a9c1b7d04",
        "app.3f2a9c1b7d04.",
        "app.3f2a9c1b7d04/app.css",
        "app.3f2a9c1b7d04.d/app.css",
        "a.b.c.d.e.f.0.1.js",
        "",
    ],
)
def test_a_name_without_a_hash_may_mean_something_else_tomorrow(name):
    assert CACHE(f"/static/{name}") == FOR_A_WHILE


HEX = st.text("0123456789abcdef", min_size=1, max_size=40)


@given(HEX)
def test_a_hash_has_eight_characters_or_more_and_letters_and_digits(text):
    mixed = bool(re.search("[0-9]", text) and re.search("[a-f]", text))
    assert (CACHE(f"/static/app.{text}.css") == FOR_EVER) == (len(text) >= 8 and mixed)


def test_what_is_cached_for_ever_is_kept_for_pages_that_are_still_open():
    for name in ("app.3f2a9c1b7d04.css", "main.3f2a1b9c.js", "a.bcdefab1.min.js"):
        assert CACHE(f"/static/{name}") == FOR_EVER
        assert HASHED_NAME.search(name)


POLICY = chosen("upstream.conf.j2", "media_policy")


@pytest.mark.parametrize(
    ("kind", "is_document"),
    [
        ("text/html", True),
        ("text/html; charset=utf-8", True),
        ("TEXT/HTML", True),
        ("text/xml", True),
        ("image/svg+xml", True),
        ("application/xml", True),
        ("application/xhtml+xml", True),
        ("application/atom+xml; charset=utf-8", True),
        ("application/rss+xml", True),
        ("", False),
        ("image/png", False),
        ("application/pdf", False),
        ("text/plain; charset=xml", False),
        ("application/octet-stream", False),
        ("video/mp4", False),
        ("x-text/html", False),
    ],
)
def test_what_a_browser_may_run_gets_a_policy(kind, is_document):
    assert POLICY(kind).startswith("sandbox; default-src 'none'") == is_document
    assert is_document or POLICY(kind) == ""

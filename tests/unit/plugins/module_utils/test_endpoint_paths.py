# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.endpoint_paths import fold
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/", "/"),
        ("/orders/17/", "/orders/<int>/"),
        ("/blog/2024/01/31/my-first-post/", "/blog/<int>/<int>/<int>/my-first-post/"),
        ("/o/550e8400-e29b-41d4-a716-446655440000", "/o/<uuid>"),
        ("/commit/A94A8FE5CCB19BA6/", "/commit/<hash>/"),
        ("/commit/a94a8fe5/", "/commit/<hash>/"),
        ("/blog/top-10-cars/", "/blog/<slug>/"),
        ("/reset/MQ/cb2k3x-a1b2c3d4/", "/reset/MQ/<slug>/"),
        ("/caf%C3%A9/", "/<str>/"),
        (f"/{'x' * 65}/", "/<str>/"),
        ("/a/b/c/d/e/f/g/h/i/j/", "/a/b/c/d/e/f/g/h/<path>"),
    ],
)
def test_what_names_one_among_many_is_folded(path, endpoint):
    assert fold("GET", path) == ("GET", endpoint)


@pytest.mark.parametrize("path", ["/api/v2/", "/api/v1.2/", "/oauth2/token/", "/facade/", "/a-b_c~d/", "//", "*", ""])
def test_what_is_a_name_stays(path):
    assert fold("GET", path) == ("GET", path)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("app.3f2a9c1b0d4e.css", "app.<hash>.css"),
        ("1234.jpg", "<int>.jpg"),
        ("jquery-3.6.0.min.js", "<slug>.js"),
        ("favicon.ico", "favicon.ico"),
        ("archive.tar.gz", "archive.tar.gz"),
        (".env", ".env"),
    ],
)
def test_a_file_keeps_its_extension(name, folded):
    assert fold("GET", f"/static/{name}")[1] == f"/static/{folded}"


def test_a_request_to_a_proxy_is_known_by_its_path():
    assert fold("GET", "http://elsewhere.example/orders/17/")[1] == "/orders/<int>/"


@pytest.mark.parametrize("method", ["", "get", "G" * 21, "<b>", "GET\x1b"])
def test_what_is_no_method_is_another(method):
    assert fold(method, "/") == ("OTHER", "/")


@given(st.text(max_size=300) | st.text("/aZ0-._~%<\x1b", max_size=300))
def test_whatever_is_asked_for_the_endpoint_is_short_and_plain(path):
    _method, endpoint = fold("GET", path)
    assert re.fullmatch(r"[A-Za-z0-9._~<>/*-]*", endpoint)
    assert len(endpoint) < 10 * 80

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import nginx_log

REFUSED = (
    "2026/11/21 17:55:00 [error] 31#31: *9 connect() to unix:/run/shop/0123/app.sock failed (111: Connection refused) "
    "while connecting to upstream, client: 203.0.113.9, server: shop.example.org, "
    'request: "GET /?token=hunter2 HTTP/1.1", '
    'upstream: "http://unix:/run/shop/0123/app.sock:/?token=hunter2", host: "www.shop.example.org:80"'
)
OTHER = (
    "2026/11/21 17:55:01 [error] 31#31: *10 client intended to send too large body: 9 bytes, client: 203.0.113.9, "
    'server: blog.example.org, request: "POST / HTTP/1.1", host: "blog.example.org"'
)
GLOBAL = "2026/11/21 17:55:02 [alert] 31#31: 512 worker_connections are not enough"
NOTICE = "2026/11/21 17:55:03 [notice] 31#31: signal process started"
WARNING = "2026/11/21 17:55:03 [warn] 31#31: *3 a client request body is buffered to a temporary file /x"


def test_a_line_is_taken_apart() -> None:
    [line] = nginx_log.parse(REFUSED)
    assert line.at == time.mktime((2026, 11, 21, 17, 55, 0, 0, 0, -1))
    assert line.message.endswith("while connecting to upstream")
    assert (line.server, line.host) == ("shop.example.org", "www.shop.example.org:80")


def test_no_query_and_no_visitor_is_shown() -> None:
    [line] = nginx_log.parse(REFUSED)
    assert "hunter2" not in line.text
    assert "203.0.113.9" not in line.text
    assert "GET /?… HTTP/1.1" in line.text


def test_what_is_no_failure_is_passed_over() -> None:
    assert nginx_log.parse(f"{NOTICE}\n{WARNING}\nnot a line of nginx\n") == []


def test_the_lines_of_a_site_are_known_by_name_and_by_socket() -> None:
    lines = nginx_log.parse("\n".join([REFUSED, OTHER, GLOBAL]))
    refused, other, everybody = lines
    assert nginx_log.of_site(lines, ["www.shop.example.org"], []) == [refused, everybody]
    assert nginx_log.of_site(lines, [], ["/run/shop/0123/"]) == [refused, everybody]
    assert nginx_log.of_site(lines, ["blog.example.org"], ["/run/blog/"]) == [other, everybody]
    assert nginx_log.of_site(lines, [], []) == lines


def test_only_what_came_since_then_is_read(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.write_text(f"{REFUSED}\n{OTHER}\n")
    since = nginx_log.parse(OTHER)[0].at
    assert [line.server for line in nginx_log.read(log, since)] == ["blog.example.org"]
    assert nginx_log.read(tmp_path / "none.log", 0) == []

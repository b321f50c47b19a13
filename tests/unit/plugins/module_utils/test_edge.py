# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import edge
from hypothesis import given
from hypothesis import strategies as st

# --- nginx's main configuration --------------------------------------------------------------------------------------

DEBIAN = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http {

\t##
\t# Basic Settings
\t##

\tsendfile on;
\ttcp_nopush on;
\ttypes_hash_max_size 2048;
\tinclude /etc/nginx/mime.types;
\tinclude /etc/nginx/sites-enabled/*;
}
"""


def test_of_debians_file_two_lines_change_and_no_other():
    changed = edge.with_worker_connections(DEBIAN, 4096)
    assert changed == DEBIAN.replace("768", "4096").replace("events {", "worker_rlimit_nofile 8192;\nevents {")


@pytest.mark.parametrize(
    ("before", "after"), [(1024, 8192), (8192, 8192), (100000, 100000)], ids=["too few", "just enough", "more"]
)
def test_open_files_that_are_set_already_become_no_fewer_than_are_needed(before, after):
    text = DEBIAN.replace("pid /run", f"worker_rlimit_nofile  {before} ;\npid /run")
    changed = edge.with_worker_connections(text, 4096)
    assert re.findall(r"worker_rlimit_nofile .*", changed) == [f"worker_rlimit_nofile  {after} ;"]
    assert "\tworker_connections 4096;\n" in changed


def test_a_limit_that_is_a_comment_is_none():
    changed = edge.with_worker_connections("# worker_rlimit_nofile 9;\n" + DEBIAN, 4096)
    assert "\nworker_rlimit_nofile 8192;\nevents {" in changed
    assert changed.startswith("# worker_rlimit_nofile 9;\n")


@given(st.lists(st.integers(1, 65536), min_size=1, max_size=4))
def test_the_files_are_enough_for_the_connections_however_often_they_change(numbers):
    text = DEBIAN
    for number in numbers:
        text = edge.with_worker_connections(text, number)
        assert edge.with_worker_connections(text, number) == text
    (connections,) = re.findall(r"(?m)^\tworker_connections (\d+);$", text)
    (files,) = re.findall(r"(?m)^worker_rlimit_nofile (\d+);$", text)
    assert (int(connections), int(files)) == (numbers[-1], 2 * max(numbers))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "events {\n}\n",
        "events { worker_connections 768; }\n",
        "events {\n\t# worker_connections 768;\n}\n",
        "events {\n\tworker_connections 768;\n\tworker_connections 1024;\n}\n",
        "events {\n\tworker_connections $many;\n}\n",
    ],
    ids=["empty", "none", "not of its own", "comment", "two", "no number"],
)
def test_a_file_whose_connections_are_not_one_line_is_left_to_the_user(text):
    with pytest.raises(ValueError, match="no line of its own with worker_connections, or more than one"):
        edge.with_worker_connections(text, 4096)


# --- where the host itself asks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"port": 80}, ("127.0.0.1", 80)),
        ({"port": "8080", "bind": ""}, ("127.0.0.1", 8080)),
        ({"port": 80, "bind": "10.0.0.5:8000"}, ("10.0.0.5", 8000)),
        ({"port": 80, "bind": "[fd00::5]:8000"}, ("fd00::5", 8000)),
        ({"port": 80, "tls": False, "tls_port": 443}, ("127.0.0.1", 80)),
        ({"port": 80, "tls": True, "tls_port": "8443"}, ("127.0.0.1", 8443)),
        ({"port": 80, "bind": "10.0.0.5:8000", "tls": True, "tls_port": 443}, ("10.0.0.5", 8000)),
        ({"port": 80, "bind": None}, ("127.0.0.1", 80)),
    ],
)
def test_the_edge_is_asked_where_it_listens(written, place):
    assert edge.place(written) == place


def test_an_address_is_the_hosts_own_or_not():
    assert edge.is_own("127.0.0.1:80")
    assert not edge.is_own("192.0.2.1:80")

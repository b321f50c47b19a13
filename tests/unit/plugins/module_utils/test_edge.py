# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils import edge, edge_variables
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[4]
AS_THEY_ARE = {
    "site_bind": "",
    "site_domains": ["shop.example.org"],
    **yaml.safe_load((ROOT / "roles/nginx/defaults/main.yml").read_text()),
}
INJECTIONS = [
    "{};",
    "{}; include /etc/shadow",
    "{} default_server",
    "{}\n",
    "{}\nevil on;",
    "\n{}",
    " {}",
    "{}#",
    "{}}}",
    "{}\x00",
    '"{}"',
    "${}",
]


def problems(**changes):
    return edge_variables.problems({**AS_THEY_ARE, **changes})


def of_bind(bind):
    return problems(site_bind=bind, nginx_trusted_proxies=["10.0.0.2"])


def test_what_stands_in_the_defaults_is_sound():
    assert problems() == []
    assert problems(**{name: str(value) for name, value in AS_THEY_ARE.items() if isinstance(value, int)}) == []


# --- numbers ---------------------------------------------------------------------------------------------------------

LIMITS = {
    "nginx_port": (1, 65535),
    "nginx_websocket_timeout": (1, 1_000_000),
    "nginx_worker_connections": (0, 65536),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_number_is_one_within_its_limits(name):
    least, most = LIMITS[name]
    assert [problems(**{name: value}) for value in (least, most)] == [[], []]
    assert name != "nginx_worker_connections" or "at least 128" in problems(**{name: 127})[0]
    for value in (least - 1, most + 1, "", "8o", "80;", "80 ", "80\n", "1e3", -1, 1.5, None, "٨٠", "9" * 30):
        problem = problems(**{name: value})[0]
        assert problem.startswith(f"{name} {value} must be a whole number from {least} to {most}")


@pytest.mark.parametrize("size", ["0", "1", 25, "25m", "25M", "1g", "64k", "512K", "2G"])
def test_a_size_of_nginx_passes(size):
    assert problems(nginx_client_max_body_size=size) == []


@pytest.mark.parametrize(
    "size", ["", "m", "25mb", "25 m", "1.5g", "-1", "25t", "25m;", "25m\n", "25m; evil on", None, "1" * 10]
)
def test_what_is_no_size_of_nginx_is_refused(size):
    (problem,) = problems(nginx_client_max_body_size=size)
    assert problem == (f"nginx_client_max_body_size {size} must be a number with k, m or g behind it, for example 25m")


def test_everything_that_is_wrong_is_told_at_once():
    wrong = dict.fromkeys((*LIMITS, "nginx_client_max_body_size"), "x")
    found = problems(**wrong, site_bind="x", nginx_trusted_proxies=["x", "y"])
    assert len(found) == len(wrong) + 3


# --- the address at which another machine asks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "bind",
    [
        "10.0.0.5:8000",
        "172.16.0.1:1",
        "172.31.255.254:65535",
        "192.168.1.10:80",
        "100.64.0.1:8000",
        "169.254.10.1:8000",
        "[fd00::5]:8000",
        "[fc00:1:2::5]:443",
    ],
)
def test_an_address_of_a_private_network_passes(bind):
    assert of_bind(bind) == []


@pytest.mark.parametrize(
    ("bind", "because"),
    [
        ("8.8.8.8:8000", "is no address of a private network"),
        ("172.32.0.1:8000", "is no address of a private network"),
        ("192.167.1.1:8000", "is no address of a private network"),
        ("[2600::1]:8000", "is no address of a private network"),
        ("[2a00:1450:4001::1]:8000", "is no address of a private network"),
        ("224.0.0.1:8000", "is no address of a private network"),
        ("0.0.0.0:8000", "is every address of the host"),
        ("[::]:8000", "is every address of the host"),
        ("[0:0:0:0:0:0:0:0]:8000", "is every address of the host"),
        ("127.0.0.1:8000", "can't be reached from another machine"),
        ("127.8.8.8:8000", "can't be reached from another machine"),
        ("[::1]:8000", "can't be reached from another machine"),
        ("[fe80::1]:8000", "is an address at which nginx can't listen"),
        ("[::ffff:8.8.8.8]:8000", "is an address at which nginx can't listen"),
        ("[::ffff:0.0.0.0]:8000", "is an address at which nginx can't listen"),
        ("[::ffff:10.0.0.5]:8000", "is an address at which nginx can't listen"),
    ],
)
def test_an_address_of_another_kind_is_refused_and_says_why(bind, because):
    (problem,) = of_bind(bind)
    assert problem.startswith(f"site_bind {bind} {because}")
    assert "site_bind: 10.0.0.5:8000" in problem


@pytest.mark.parametrize(
    "bind",
    [
        8000,
        "8000",
        ":8000",
        "10.0.0.5",
        "10.0.0.5:",
        "10.0.0.5:0",
        "10.0.0.5:65536",
        "10.0.0.5:123456",
        "10.0.0:8000",
        "10.0.0.256:8000",
        "010.0.0.5:8000",
        "10.0.0.5/24:8000",
        "[10.0.0.5]:8000",
        "fd00::5:8000",
        "[fd00::5]",
        "[fd00::5:8000",
        "[fd00::g]:8000",
        "[fe80::1%eth0]:8000",
        "[]:8000",
        "*:8000",
        "localhost:8000",
        "shop.example.org:8000",
        "unix:/run/shop.sock",
        "http://10.0.0.5:8000",
        "١٠.0.0.5:8000",
        *(trap.format("10.0.0.5:8000") for trap in INJECTIONS),
        *(trap.format("[fd00::5]:8000") for trap in INJECTIONS),
    ],
)
def test_what_is_no_address_with_a_port_is_refused(bind):
    (problem,) = of_bind(bind)
    assert problem.startswith(f"site_bind {bind} must be an address and a port of a private network")


def test_nobody_is_believed_who_is_not_named():
    (problem,) = problems(site_bind="10.0.0.5:8000")
    assert "nginx_trusted_proxies does not say which" in problem
    assert "nginx_trusted_proxies: [10.0.0.2]" in problem


NEARLY = st.text("0159af:.[]% ;\n{}/", max_size=24)


@given(NEARLY | st.tuples(st.ip_addresses(), st.integers(0, 70000)).map(lambda pair: f"{pair[0]}:{pair[1]}"))
def test_what_passes_is_an_address_and_a_port_and_nothing_else(bind):
    if bind and not of_bind(bind):
        assert re.fullmatch(r"[0-9.]+:[0-9]+|\[[0-9a-f:.]+\]:[0-9]+", bind)


@given(st.ip_addresses(v=4))
def test_no_address_of_the_internet_passes(address):
    passes = of_bind(f"{address}:8000") == []
    assert not (passes and (address.is_global or address.is_loopback or address.is_unspecified))


# --- who is believed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_not_everybody_can_be_believed(network):
    assert "which is everybody or nearly so" in "".join(problems(nginx_trusted_proxies=[network]))


@pytest.mark.parametrize(
    "network", ["10.0.0.2", "10.0.0.0/24", "10.0.0.2/32", "203.0.113.7", "fd00::2", "fd00::/8", "FD00::2"]
)
def test_an_address_or_a_network_passes(network):
    assert problems(nginx_trusted_proxies=["10.0.0.1", network]) == []


@pytest.mark.parametrize(
    "network",
    [
        "",
        "10.0.0",
        "10.0.0.5/24",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/0.255.255.255",
        "10.0.0.0/-1",
        "10.0.0.2:80",
        "[fd00::2]",
        "fd00::2/129",
        "fe80::1%eth0",
        "fe80::1%;evil on",
        "fe80::1%\n1;}evil{",
        "all",
        "unix:",
        "proxy.example.org",
        10,
        None,
        ["10.0.0.2"],
        *(trap.format("10.0.0.2") for trap in INJECTIONS),
        *(trap.format("fd00::/8") for trap in INJECTIONS),
    ],
)
def test_what_nginx_would_not_read_as_a_network_is_refused(network):
    (problem,) = problems(nginx_trusted_proxies=["10.0.0.1", network])
    assert problem.startswith(f"nginx_trusted_proxies has {network!r}, which is neither an address nor a network")


@pytest.mark.parametrize("proxies", ["10.0.0.2", "10.0.0.2, 10.0.0.3", "", None, {"10.0.0.2": 1}])
def test_who_is_believed_is_a_list(proxies):
    assert problems(nginx_trusted_proxies=proxies) == ["nginx_trusted_proxies must be a list, for example [10.0.0.2]"]


@given(NEARLY)
def test_a_network_that_passes_is_one_for_nginx_too(network):
    if not problems(nginx_trusted_proxies=[network]):
        assert re.fullmatch(r"[0-9a-f:.]+(/[0-9]+)?", network)
        assert ipaddress.ip_network(network)


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
    ],
)
def test_the_edge_is_asked_where_it_listens(written, place):
    assert edge.place(written) == place


def test_an_address_is_the_hosts_own_or_not():
    assert edge.is_own("127.0.0.1:80")
    assert not edge.is_own("192.0.2.1:80")

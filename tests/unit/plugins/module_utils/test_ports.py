# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import ports
from hypothesis import given
from hypothesis import strategies as st

ID = "0123456789ab"


@pytest.fixture
def etc(tmp_path):
    return tmp_path / "etc"


@pytest.fixture
def recorded(etc):
    """Has a release of a site with what its manifest says."""

    def recorded(site, release, text):
        folder = etc / site / "releases" / release
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(text if isinstance(text, str) else json.dumps(text))

    return recorded


def test_a_release_has_the_same_port_whenever_it_is_asked_for(etc):
    assert ports.choose(ID, etc) == ports.choose(ID, etc)


def test_releases_seldom_want_the_same_port(etc):
    assert len({ports.choose(f"{number:012x}", etc) for number in range(0, 10000, 1000)}) == 10


@given(st.integers(0, 16**12 - 1))
def test_a_port_is_one_that_the_kernel_gives_to_nobody_by_itself(number):
    assert ports.choose(f"{number:012x}", Path("/nowhere")) in range(20000, 30000)


@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, "127.0.0.1", id="loopback"),
        pytest.param(socket.AF_INET, "", id="every address"),
        pytest.param(
            socket.AF_INET6,
            "::",
            id="every address of both families",
            marks=pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6"),
        ),
    ],
)
@pytest.mark.parametrize("listens", [True, False])
def test_a_port_that_somebody_has_is_not_chosen(etc, family, address, listens):
    first = ports.choose(ID, etc)
    with socket.socket(family) as other:
        if family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        other.bind((address, first))
        if listens:
            other.listen()
        assert ports.choose(ID, etc) != first


def test_what_was_chosen_can_be_listened_on(etc):
    with socket.create_server(("127.0.0.1", ports.choose(ID, etc))) as server:
        assert server.getsockname()[1] in ports.PORTS


def test_a_port_of_any_release_of_any_site_is_not_chosen_even_where_nobody_listens(etc, recorded):
    first = ports.choose(ID, etc)
    recorded("blog", "b" * 12, {"port": first})
    second = ports.choose(ID, etc)
    recorded("shop", "c" * 12, {"port": second})
    assert len({first, second, ports.choose(ID, etc)}) == 3


@pytest.mark.parametrize("text", ["", '{"port": 2', {}, {"port": None}])
def test_a_release_that_is_half_made_or_has_a_socket_is_in_nobodys_way(etc, recorded, text):
    first = ports.choose(ID, etc)
    recorded("blog", "b" * 12, text)
    assert ports.choose(ID, etc) == first


def test_behind_the_last_port_comes_the_first(etc, recorded, monkeypatch):
    first = ports.choose(ID, etc)
    monkeypatch.setattr(ports, "PORTS", range(first - 1, first + 1))
    monkeypatch.setattr(ports, "_is_free", lambda port: True)
    recorded("blog", "b" * 12, {"port": first})
    assert {ports.choose(f"{number:012x}", etc) for number in range(2)} == {first - 1}


def test_a_host_without_a_free_port_says_so(etc, recorded, monkeypatch):
    monkeypatch.setattr(ports, "PORTS", range(20000, 20002))
    for port in ports.PORTS:
        recorded("blog", f"{port:012x}", {"port": port})
    with pytest.raises(OSError, match="no port from 20000 to 20001 is free on this host"):
        ports.choose(ID, etc)


def test_a_number_that_stands_in_the_releases_files_is_not_chosen(tmp_path):
    wanted = ports.choose("0" * 12, tmp_path)
    text = f"--max-requests={wanted}"
    assert ports.choose("0" * 12, tmp_path, texts=[text]) != wanted
    assert ports.choose("0" * 12, tmp_path, texts=[f"{wanted}0", f"a{wanted}"]) == wanted

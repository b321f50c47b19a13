# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import postgresql

# --- what a user says of it ------------------------------------------------------------------------------------------

SOUND: dict[str, Any] = {
    "postgresql_locale": "C.UTF-8",
    "postgresql_extensions": [],
    "postgresql_max_connections": 0,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"postgresql_locale": "en_GB.UTF-8"},
        {"postgresql_locale": "ca_ES@valencia"},
        {"postgresql_extensions": ["postgis", "uuid-ossp", "pg_trgm"]},
        {"postgresql_max_connections": "200"},
        {"postgresql_max_connections": 262143},
    ],
)
def test_what_postgresql_can_be_told_is_taken(changes: dict[str, Any]) -> None:
    assert postgresql.problems({**SOUND, **changes}) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"postgresql_locale": "C'; DROP"}, "postgresql_locale C'; DROP is no locale"),
        ({"postgresql_locale": ""}, "postgresql_locale  is no locale"),
        ({"postgresql_locale": "C.UTF-8\n"}, "is no locale"),
        (
            {"postgresql_extensions": ["bloom", "post gis"]},
            "must be a list of names of extensions, for example [postgis]",
        ),
        ({"postgresql_extensions": ["bloom\n"]}, "must be a list of names"),
        ({"postgresql_extensions": [""]}, "must be a list of names"),
        ({"postgresql_extensions": "postgis"}, "postgresql_extensions postgis must be a list of names"),
        ({"postgresql_max_connections": "many"}, "postgresql_max_connections many must be a whole number up to 262143"),
        ({"postgresql_max_connections": -1}, "postgresql_max_connections -1"),
        ({"postgresql_max_connections": 262144}, "or 0 to leave the server's own"),
        ({"postgresql_max_connections": None}, "postgresql_max_connections None"),
    ],
)
def test_what_it_can_not_be_told_is_named(changes: dict[str, Any], words: str) -> None:
    (problem,) = postgresql.problems({**SOUND, **changes})
    assert words in problem


# --- what the server is told -----------------------------------------------------------------------------------------

FOUND = {"listens": "localhost", "max_connections": 100}


@pytest.mark.parametrize(
    ("addresses", "connections", "expected"),
    [
        ([], 0, {}),
        ([], 100, {}),
        (["10.0.0.5"], 0, {"listen_addresses": "localhost,10.0.0.5"}),
        ([], 101, {"max_connections": "101"}),
        (["10.0.0.5"], 200, {"listen_addresses": "localhost,10.0.0.5", "max_connections": "200"}),
    ],
)
def test_the_server_is_told_what_it_does_not_do_yet(
    addresses: list[str], connections: int, expected: dict[str, str]
) -> None:
    assert postgresql.changes(FOUND, addresses, connections) == expected


def test_what_another_site_has_asked_for_stays() -> None:
    assert postgresql.changes({"listens": "*", "max_connections": 300}, ["10.0.0.5"], 200) == {}


@pytest.mark.parametrize(
    ("current", "wanted", "after"),
    [
        ("localhost", ["10.0.0.5"], "localhost,10.0.0.5"),
        ("localhost, 10.0.0.5", ["10.0.0.5"], "localhost, 10.0.0.5"),
        ("*", ["10.0.0.5", "fd00::5"], "*"),
        ("0.0.0.0", ["10.0.0.5", "fd00::5"], "0.0.0.0,fd00::5"),  # noqa: S104
        ("::", ["fd00::5"], "::"),
        ("", ["10.0.0.5", "10.0.0.5"], "10.0.0.5"),
    ],
)
def test_postgresql_listens_no_wider_than_needed_and_nowhere_less(current: str, wanted: list[str], after: str) -> None:
    assert postgresql.listening(current, wanted) == after


def test_the_hosts_of_a_site_get_in_and_those_that_were_go() -> None:
    rules = postgresql.access_rules("shop", ["10.0.0.2", "fd00::2", "10.1.0.0/24"], ["10.0.0.2/32", "10.0.0.9/32"])
    assert {rule["contype"] for rule in rules} == {"hostssl"}
    assert {(rule["address"], rule["state"]) for rule in rules} == {
        ("10.0.0.2/32", "present"),
        ("fd00::2/128", "present"),
        ("10.1.0.0/24", "present"),
        ("10.0.0.9/32", "absent"),
    }

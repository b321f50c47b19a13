# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL for the sites that share a server: what a user says of it, what the server is told, and who gets in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

LOCALE = re.compile(r"[A-Za-z0-9_.@-]+")
EXTENSION = re.compile(r"[A-Za-z0-9_-]+")
# PostgreSQL's own limit.
MOST_CONNECTIONS = 262143


def problems(variables: Mapping[str, Any]) -> list[str]:
    """What is wrong with the variables of the role, before a host is asked."""
    locale, extensions = variables["postgresql_locale"], variables["postgresql_extensions"]
    connections = str(variables["postgresql_max_connections"])
    found = []
    if not LOCALE.fullmatch(str(locale)):
        found.append(f"postgresql_locale {locale} is no locale. An example is en_GB.UTF-8.")
    if not isinstance(extensions, list) or not all(EXTENSION.fullmatch(str(one)) for one in extensions):
        found.append(
            f"postgresql_extensions {extensions} must be a list of names of extensions, for example [postgis]."
        )
    if not re.fullmatch(r"[0-9]{1,6}", connections) or int(connections) > MOST_CONNECTIONS:
        found.append(
            f"postgresql_max_connections {connections} must be a whole number up to {MOST_CONNECTIONS}, or 0 to leave "
            "the server's own."
        )
    return found


def changes(found: Mapping[str, Any], addresses: list[str], connections: int) -> dict[str, str]:
    """The settings of the server that have to be others than they are. What other sites have asked for stays.

    :param found: what the module data_host returned
    :param addresses: at which the site's hosts reach the server; none where the site comes by its socket
    :param connections: postgresql_max_connections
    """
    listens = listening(found["listens"], addresses)
    return {
        **({"listen_addresses": listens} if listens != found["listens"] else {}),
        **({"max_connections": str(connections)} if connections > found["max_connections"] else {}),
    }


def listening(current: str, wanted: list[str]) -> str:
    """PostgreSQL's listen_addresses with those that the site needs: it may listen elsewhere for others."""
    there = [one.strip() for one in current.split(",") if one.strip()]
    missing = [
        one
        for one in wanted
        if not {"*", "::" if ":" in one else "0.0.0.0", one}.intersection(there)  # noqa: S104
    ]
    return current if not missing else ",".join([*there, *dict.fromkeys(missing)])


def access_rules(site: str, sources: list[str], former: list[str]) -> list[dict[str, str]]:
    """The lines of pg_hba.conf by which the site's hosts get in, and nobody else, and only over TLS.

    :param former: from where its hosts came before; the lines of those that are no more go
    """
    wanted = {str(ipaddress.ip_network(one, strict=False)) for one in sources}
    return [
        {
            "contype": "hostssl",
            "databases": site,
            "users": site,
            "address": one,
            "method": "scram-sha-256",
            "state": "present" if one in wanted else "absent",
        }
        for one in sorted(wanted.union(former))
    ]

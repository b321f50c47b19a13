# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges, on the controller, what the user says of nginx and of the address at which it listens for the site."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.layout import NGINX_MAIN

SIZE = re.compile(r"[0-9]{1,9}[kKmMgG]?")
BIND = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")
# What Python takes as well, nginx does not: netmasks, and behind a % any text at all.
NETWORK = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")
OPEN_FILES = re.compile(r"(?m)^(\s*worker_rlimit_nofile\s+)([0-9]+)(\s*;)")

# RFC 1918, 6598, 3927 and 4193.
PRIVATE = [
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7")
]
# What is larger than this is no network of proxies, but half of the world.
LEAST_PREFIX = 8
LEAST_CONNECTIONS = 128


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong; each names the variable and the way out."""
    bind, proxies = str(variables["site_bind"] or ""), variables["nginx_trusted_proxies"]
    found = [
        _number_problem(variables, "nginx_port", 1, 65535),
        _number_problem(variables, "nginx_websocket_timeout", 1, 1_000_000, " seconds"),
        _number_problem(variables, "nginx_worker_connections", 0, 65536, ", 0 to leave it as it is"),
        _too_few_connections(variables["nginx_worker_connections"]),
        _bind_problem(bind),
    ]
    if not SIZE.fullmatch(str(variables["nginx_client_max_body_size"])):
        found.append(
            f"nginx_client_max_body_size {variables['nginx_client_max_body_size']} must be a number with k, m or g "
            "behind it, for example 25m"
        )
    if isinstance(proxies, list):
        found += [_network_problem(network) for network in proxies]
    else:
        found.append("nginx_trusted_proxies must be a list, for example [10.0.0.2]")
    if bind and not proxies:
        found.append(
            f"site_bind {bind} is for nginx on another machine, and nginx_trusted_proxies does not "
            "say which: nobody could tell the site its visitors' addresses and scheme. List that machine's address, "
            "for example nginx_trusted_proxies: [10.0.0.2]"
        )
    return [problem for problem in found if problem]


def _number_problem(variables: Mapping[str, Any], name: str, least: int, most: int, what: str = "") -> str:
    value = str(variables[name])
    if re.fullmatch(r"[0-9]{1,7}", value) and least <= int(value) <= most:
        return ""
    return f"{name} {value} must be a whole number from {least} to {most}{what}"


def _too_few_connections(number: object) -> str:
    if str(number).isdecimal() and 0 < int(str(number)) < LEAST_CONNECTIONS:
        return f"nginx_worker_connections {number} is too few for nginx to serve a page: at least {LEAST_CONNECTIONS}"
    return ""


def _bind_problem(bind: str) -> str:
    if not bind:
        return ""
    found = BIND.fullmatch(bind)
    example = "an address and a port of a private network, for example site_bind: 10.0.0.5:8000"
    if not found or not 1 <= int(found["port"]) <= 65535:
        return f"site_bind {bind} must be {example}"
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.IPv6Address(found["v6"]) if found["v6"] else ipaddress.IPv4Address(found["v4"])
    except ValueError:
        return f"site_bind {bind} must be {example}"
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.is_link_local):
        return f"site_bind {bind} is an address at which nginx can't listen. It must be {example}"
    if address.is_unspecified:
        return f"site_bind {bind} is every address of the host, the public ones too. It must be {example}"
    if address.is_loopback:
        return f"site_bind {bind} can't be reached from another machine. It must be {example}"
    if not any(address in network for network in PRIVATE if network.version == address.version):
        return (
            f"site_bind {bind} is no address of a private network: anybody could talk to the site past the machine in "
            f"front of it, and say who he is. It must be {example}"
        )
    return ""


def place(edge: Mapping[str, Any]) -> tuple[str, int]:
    """Where the host itself reaches the site's edge: the address and the port at which nginx listens."""
    found = BIND.fullmatch(edge.get("bind") or "")
    if found:
        return found["v6"] or found["v4"], int(found["port"])
    return "127.0.0.1", int(edge["port"])


def is_own(bind: str) -> bool:
    """Whether the address is one of this host's."""
    host, _port = place({"bind": bind})
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as asked:
        try:
            asked.bind((host, 0))
        except OSError:
            return False
    return True


def _network_problem(network: object) -> str:
    try:
        if not NETWORK.fullmatch(str(network)):
            raise ValueError
        everybody = ipaddress.ip_network(str(network)).prefixlen < LEAST_PREFIX
    except ValueError:
        return (
            f"nginx_trusted_proxies has {network!r}, which is neither an address nor a network, for example 10.0.0.2 "
            "or 10.0.0.0/24"
        )
    if everybody:
        return (
            f"nginx_trusted_proxies has {network}, which is everybody or nearly so: a visitor could say who he is. "
            "List what stands in front of nginx, for example 10.0.0.2"
        )
    return ""


def main_problem(number: int) -> str:
    """Why nginx's main configuration can't be given so many connections for each worker, or nothing."""
    try:
        main_configuration(number)
    except ValueError as problem:
        return str(problem)
    return ""


def main_configuration(number: int) -> dict[str, str]:
    """nginx's main configuration as it is to be, by its path; it stays the distribution's in all else."""
    if not number or not NGINX_MAIN.exists():  # a bare host: nginx will bring it
        return {}
    return {str(NGINX_MAIN): with_worker_connections(NGINX_MAIN.read_text(), number)}


def with_worker_connections(text: str, number: int) -> str:
    """nginx's main configuration, with so many connections for each worker, and the open files that they need."""
    changed, count = re.subn(r"(?m)^(\s*worker_connections\s+)[0-9]+(\s*;)", rf"\g<1>{number}\g<2>", text)
    if count != 1:
        raise ValueError(
            f"{NGINX_MAIN} has no line of its own with worker_connections, or more than one. Set the number there by "
            "hand, and nginx_worker_connections: 0"
        )
    files = 2 * number
    if OPEN_FILES.search(changed):  # from here or the user's own: it grows, and more than is needed stays
        return OPEN_FILES.sub(lambda found: f"{found[1]}{max(int(found[2]), files)}{found[3]}", changed)
    return re.sub(r"(?m)^events\b", f"worker_rlimit_nofile {files};\nevents", changed, count=1)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what a user says of a balancer and of the hosts behind it, before any of them is asked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.certificate import (
    CERTIFICATE_BEGINS,
    KEY_BEGINS,
    LOCKED_KEY,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import site_name_problem
from ansible_collections.switchyard.django.plugins.module_utils.plan import URL_PATH

# What HAProxy takes for the name of a server, and where it finds one.
SERVER = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
ADDRESS = re.compile(r"[A-Za-z0-9_.:-]+")
DOMAIN = re.compile(r"[A-Za-z0-9_.:-]+")
NUMBERS = {
    "balancer_port": (1, 65535, ", the port for visitors"),
    "balancer_tls_port": (1, 65535, ", the port for visitors who come by https"),
    "balancer_check_interval": (1, 60, " seconds"),
    "balancer_drain": (0, 3600, " seconds"),
    "site_request_timeout": (1, 1800, " seconds"),
    "nginx_client_timeout": (1, 3600, " seconds"),
    "nginx_websocket_timeout": (1, 86400, " seconds"),
}


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong; each names the variable and the way out."""
    found = [_number_problem(name, variables[name], *limits) for name, limits in NUMBERS.items()]
    found += _site_problems(variables)
    found += _group_problems(variables)
    found += [problem for host in variables["hosts"] for problem in _host_problems(host, variables)]
    found += _certificate_problems(variables)
    found += _move_problems(variables)
    return [problem for problem in found if problem]


def names_in(value: object) -> list[str]:
    """Hosts as a user names them: a list, or one text with commas."""
    given = value if isinstance(value, (list, tuple)) else str(value or "").split(",")
    return [name for name in (str(one).strip() for one in given) if name]


def _number_problem(name: str, value: object, least: int, most: int, what: str) -> str:
    if re.fullmatch(r"[0-9]{1,8}", str(value)) and least <= int(str(value)) <= most:
        return ""
    return f"{name} {value} must be a whole number from {least} to {most}{what}"


def _site_problems(variables: Mapping[str, Any]) -> list[str]:
    found = [site_name_problem(variables["site_name"]) or ""]
    domains, path = variables["site_domains"], str(variables["site_health_path"])
    if not isinstance(domains, list) or not domains or not all(DOMAIN.fullmatch(str(one)) for one in domains):
        found.append(f"site_domains {domains!r} must be a list of host names, for example [shop.example.org]")
    if not URL_PATH.fullmatch(path):
        found.append(f"site_health_path {path!r} must be the path of a page, for example /health/")
    return found


def _group_problems(variables: Mapping[str, Any]) -> list[str]:
    group, names = variables["site_group"], [host["name"] for host in variables["hosts"]]
    if not names:
        return [
            f"site_group {group} has no host in the inventory. Name the group of the hosts behind the balancer, for "
            "example -e site_group=web"
        ]
    both = [name for name in names if name in variables["balancers"]]
    if both:
        return [
            f"site_group {group} has {', '.join(both)}, which is in balancer_group {variables['balancer_group']} as "
            "well. Name the group of the hosts behind the balancer, for example -e site_group=web"
        ]
    return []


def _host_problems(host: Mapping[str, Any], variables: Mapping[str, Any]) -> Iterable[str]:
    name, address, port = host["name"], str(host["address"]), str(host["port"])
    if not SERVER.fullmatch(name):
        yield f"HAProxy can't call a host {name!r}. Name it by letters, digits and . _ - in the inventory"
    if not ADDRESS.fullmatch(address) or _is_its_own(address):
        yield (
            f"balancer_address {address} of {name} is nothing that the balancer could ask. Give the address or the "
            "name by which the balancer gets there, for example balancer_address: 10.0.0.11"
        )
    if not re.fullmatch(r"[0-9]{1,5}", port):
        yield f"nginx_port {port} of {name} must be a whole number from 1 to 65535"
    if host["tls"] != "none":
        yield (
            f"nginx_tls {host['tls']} of {name}: the balancer asks the hosts by HTTP, and would be sent to https for "
            "ever. Set nginx_tls: none there, balancer_certificate for the visitors, and nginx_public_scheme: https"
        )
    elif not host["trusted"]:
        yield (
            f"nginx_trusted_proxies of {name} is empty, so that every visitor would have the balancer's address. List "
            "the balancer, for example nginx_trusted_proxies: [10.0.0.2]; what names hostvars can't be read from here"
        )
    elif (host["scheme"] == "https") != bool(variables["balancer_certificate"]):
        yield (
            f"nginx_public_scheme {host['scheme']} of {name}: with balancer_certificate visitors come by https, and "
            "without it they don't. Set both, or neither"
        )


def _is_its_own(address: str) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    return known.is_loopback or known.is_unspecified


def _certificate_problems(variables: Mapping[str, Any]) -> Iterable[str]:
    path, text = variables["balancer_certificate"], str(variables["certificate"] or "")
    if not path:
        return
    if not text:
        yield (
            f"balancer_certificate {path} is no file on the controller. A relative path is meant from the inventory's "
            "folder"
        )
    elif CERTIFICATE_BEGINS not in text or not KEY_BEGINS.search(text):
        yield (
            f"balancer_certificate {path} must have the certificate, those of the authorities between, and the private "
            "key, one below the other: cat fullchain.pem privkey.pem"
        )
    elif LOCKED_KEY.search(text):
        yield f"balancer_certificate {path} has a key with a passphrase, which HAProxy could not ask for. Take that off"
    if str(variables["balancer_port"]) == str(variables["balancer_tls_port"]):
        yield f"balancer_tls_port {variables['balancer_tls_port']} is balancer_port as well. Choose another, like 443"


def _move_problems(variables: Mapping[str, Any]) -> Iterable[str]:
    known = [host["name"] for host in variables["hosts"]]
    moves = {name: names_in(variables[name]) for name in ("balancer_out", "balancer_in")}
    for variable, names in moves.items():
        for name in names:
            if name not in known:
                yield f"{variable} {name} is no host of site_group {variables['site_group']}: {', '.join(known)}"
    for name in set(moves["balancer_out"]).intersection(moves["balancer_in"]):
        yield f"balancer_out and balancer_in both name {name}. Take one of them out"

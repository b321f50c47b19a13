# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges, on the controller, what the user says of nginx and of the address at which it listens for the site."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.edge import BIND
from ansible_collections.switchyard.django.plugins.module_utils.layout import SITES

SIZE = re.compile(r"[0-9]{1,9}[kKmMgG]?")
# What Python takes as well, nginx does not: netmasks, and behind a % any text at all.
NETWORK = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")

# RFC 1918, 6598, 3927 and 4193.
PRIVATE = [
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7")
]
# What is larger than this is no network of proxies, but half of the world.
LEAST_PREFIX = 8
LEAST_CONNECTIONS = 128


# Mozilla keeps max-age at two years; what is more is a mistake.
LONGEST_HSTS = 63_072_000
ACME_DIRECTORIES = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
HTTPS_URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
EMAIL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
# Both stand in nginx's configuration, so only what needs no quoting there.
FILE = re.compile(r"/[A-Za-z0-9._/@+-]*[A-Za-z0-9._@+-]")
FOLDER = re.compile(r"(?:[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*/)*[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*/?")
ERROR_PAGES = (413, 502, 503, 504)
LONGEST_ERROR_PAGE = 1_000_000

NUMBERS: dict[str, tuple[int, int, str]] = {
    "nginx_port": (1, 65535, ""),
    "nginx_tls_port": (1, 65535, ""),
    "nginx_websocket_timeout": (1, 1_000_000, " seconds"),
    "nginx_client_timeout": (1, 3600, " seconds"),
    "nginx_worker_connections": (0, 65536, ", 0 to leave it as it is"),
    "nginx_hsts": (0, LONGEST_HSTS, " seconds, 0 for none"),
    "nginx_limit_requests": (0, 100_000, " requests a second, 0 for no limit"),
    "nginx_limit_requests_burst": (0, 100_000, " requests"),
    "nginx_limit_connections": (0, 100_000, " connections, 0 for no limit"),
}
SWITCHES = ("nginx_https_redirect", "nginx_http3", "nginx_maintenance")
CHOICES = {
    "nginx_tls": ("none", "self_signed", "provided", "acme"),
    "nginx_public_scheme": ("auto", "http", "https"),
}


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong; each names the variable and the way out."""
    found = [_number_problem(variables, name, *limits) for name, limits in NUMBERS.items()]
    found += [_switch_problem(name, variables[name]) for name in SWITCHES]
    found += [_choice_problem(name, variables[name], choices) for name, choices in CHOICES.items()]
    found.append(_too_few_connections(variables["nginx_worker_connections"]))
    found.append(_size_problem(variables["nginx_client_max_body_size"]))
    found += _front_problems(variables)
    found += _tls_problems(variables)
    found += _page_problems(variables["nginx_error_pages"])
    found += _media_problems(variables["nginx_protected_media"])
    return [problem for problem in found if problem]


def _switch_problem(name: str, value: object) -> str:
    if isinstance(value, bool) or str(value).lower() in ("true", "false", "yes", "no", "on", "off", "0", "1"):
        return ""
    return f"{name} {value!r} must be true or false"


def _choice_problem(name: str, value: object, choices: tuple[str, ...]) -> str:
    if value in choices:
        return ""
    return f"{name} {value!r} must be one of {', '.join(choices)}"


def _size_problem(size: object) -> str:
    if SIZE.fullmatch(str(size)):
        return ""
    return f"nginx_client_max_body_size {size} must be a number with k, m or g behind it, for example 25m"


def _front_problems(variables: Mapping[str, Any]) -> list[str]:
    """What is wrong with what stands in front of this nginx."""
    bind, proxies = str(variables["site_bind"] or ""), variables["nginx_trusted_proxies"]
    if not isinstance(proxies, list):
        return [_bind_problem(bind), "nginx_trusted_proxies must be a list, for example [10.0.0.2]"]
    found = [_bind_problem(bind), *(_network_problem(network) for network in proxies)]
    if bind and not proxies:
        found.append(
            f"site_bind {bind} is for nginx on another machine, and nginx_trusted_proxies does not "
            "say which: nobody could tell the site its visitors' addresses and scheme. List that machine's address, "
            "for example nginx_trusted_proxies: [10.0.0.2]"
        )
    if variables["nginx_public_scheme"] == "https" and variables["nginx_tls"] == "none" and not proxies:
        found.append(
            "nginx_public_scheme https says that visitors come by https, but with nginx_tls none somebody else must "
            "speak it, and nginx_trusted_proxies does not say who. List that machine's address, or set nginx_tls"
        )
    return found


def _tls_problems(variables: Mapping[str, Any]) -> list[str]:
    kind, found = variables["nginx_tls"], []
    if kind == "provided":
        found += [_file_problem(name, variables[name]) for name in ("nginx_tls_certificate", "nginx_tls_key")]
    elif kind in ("none", "self_signed", "acme"):
        found += [
            f"{name} {variables[name]} is of no use with nginx_tls {kind}. Set nginx_tls: provided, or take it out"
            for name in ("nginx_tls_certificate", "nginx_tls_key")
            if variables[name]
        ]
    if kind == "acme":
        found += _acme_problems(variables)
    if kind == "none":
        if str(variables["nginx_hsts"]) != "0":
            found.append(
                f"nginx_hsts {variables['nginx_hsts']} tells browsers to come by https alone, which nginx_tls none "
                "does not speak. Set nginx_tls, or nginx_hsts: 0"
            )
        return found
    found += [
        f"nginx_tls {kind}: site_domains has {domain}, and who comes by an address names no site when TLS begins. Take "
        "it out, or set nginx_tls: none"
        for domain in variables["site_domains"]
        if ":" in str(domain) or re.fullmatch(r"[0-9.]+", str(domain))
    ]
    if str(variables["nginx_port"]) == str(variables["nginx_tls_port"]):
        found.append(
            f"nginx_tls_port {variables['nginx_tls_port']} is nginx_port as well. Choose another, for example 443"
        )
    if variables["site_bind"]:
        found.append(
            f"site_bind {variables['site_bind']} is for nginx on another machine, which speaks TLS with the visitors. "
            f"Set nginx_tls: none, and nginx_public_scheme: https"
        )
    if variables["nginx_public_scheme"] == "http":
        found.append(f"nginx_public_scheme http contradicts nginx_tls {kind}. Take one of them out")
    if str(variables["nginx_hsts"]) != "0" and (
        kind == "self_signed" or (kind == "acme" and variables["nginx_acme_directory"] == "staging")
    ):
        found.append(
            f"nginx_hsts {variables['nginx_hsts']} with a certificate that no browser believes: nobody could come in. "
            "Set nginx_hsts: 0 until there is another"
        )
    return found


def _file_problem(name: str, path: object) -> str:
    if str(path).startswith(f"{SITES}/"):
        return (
            f"{name} {path} is in a folder of the deploy's, which it changes. Lay it elsewhere, for example in /etc/ssl"
        )
    if FILE.fullmatch(str(path)):
        return ""
    return (
        f"{name} {path!r} must be the path of a file on the host, of letters, digits and . _ / @ + -, for example "
        f"/etc/ssl/{'private/shop.key' if name.endswith('key') else 'certs/shop.pem'}"
    )


def _acme_problems(variables: Mapping[str, Any]) -> list[str]:
    directory, email, found = str(variables["nginx_acme_directory"]), variables["nginx_acme_email"], []
    if directory not in ACME_DIRECTORIES and not HTTPS_URL.fullmatch(directory):
        found.append(f"nginx_acme_directory {directory!r} must be production, staging, or the https URL of a directory")
    if email and not EMAIL.fullmatch(str(email)):
        found.append(f"nginx_acme_email {email!r} is no address to which mail goes, for example ops@example.org")
    if str(variables["nginx_port"]) != "80" and directory in ACME_DIRECTORIES:
        found.append(
            f"nginx_tls acme is proven over port 80, and nginx_port is {variables['nginx_port']}. Set nginx_port: 80, "
            "or bring a certificate with nginx_tls: provided"
        )
    return found


def _page_problems(pages: object) -> list[str]:
    example = "nginx_error_pages must be texts of HTML by status, for example {503: '<h1>Back soon</h1>'}"
    if not isinstance(pages, Mapping):
        return [example]
    known = ", ".join(map(str, ERROR_PAGES))
    found = [
        f"nginx_error_pages has {code!r}, and can have {known}" for code in pages if str(code) not in known.split(", ")
    ]
    found += [
        f"nginx_error_pages.{code} must be a text of HTML, of {LONGEST_ERROR_PAGE} characters at most"
        for code, text in pages.items()
        if not isinstance(text, str) or not text.strip() or "\0" in text or len(text) > LONGEST_ERROR_PAGE
    ]
    return found


def _media_problems(folders: object) -> list[str]:
    if not isinstance(folders, list):
        return ["nginx_protected_media must be a list of folders in MEDIA_ROOT, for example [invoices]"]
    return [
        f"nginx_protected_media has {folder!r}, which is no folder in MEDIA_ROOT: a text of letters, digits and "
        ". _ @ + -, with / between them, for example invoices or private/scans"
        for folder in folders
        if not isinstance(folder, str) or not FOLDER.fullmatch(folder)
    ]


def _number_problem(variables: Mapping[str, Any], name: str, least: int, most: int, what: str) -> str:
    value = str(variables[name])
    if re.fullmatch(r"[0-9]{1,8}", value) and least <= int(value) <= most:
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

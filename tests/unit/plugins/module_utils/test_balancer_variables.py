# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import balancer_variables

PEM = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"


def host(name="web1", **given):
    fine = {"address": "10.0.0.11", "port": 80, "tls": "none", "scheme": "http", "trusted": ["10.0.0.2"]}
    return {"name": name, **fine, **given}


def problems(**given):
    fine = {
        "site_name": "shop",
        "site_group": "web",
        "site_domains": ["shop.example.org"],
        "site_health_path": "/health/",
        "site_request_timeout": 60,
        "nginx_client_timeout": 15,
        "nginx_websocket_timeout": 3600,
        "balancer_group": "balancer",
        "balancer_port": 80,
        "balancer_tls_port": 443,
        "balancer_certificate": "",
        "balancer_check_interval": 2,
        "balancer_drain": 60,
        "balancer_out": [],
        "balancer_in": [],
        "balancers": ["balancer1"],
        "hosts": [host("web1"), host("web2", address="web2.example.org")],
        "certificate": "",
    }
    return balancer_variables.problems({**fine, **given})


def test_what_fits_together_is_taken():
    assert problems() == []
    assert problems(hosts=[host(address="2001:db8::11")]) == []
    behind_tls = [host(scheme="https")]
    assert problems(balancer_certificate="shop.pem", certificate=PEM, hosts=behind_tls) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"site_name": "Shop"}, "site_name 'Shop'"),
        ({"site_domains": []}, "site_domains [] must be"),
        ({"site_domains": ["a b"]}, "site_domains ['a b'] must be"),
        ({"site_health_path": "health page"}, "site_health_path 'health page' must be"),
        ({"balancer_port": 0}, "balancer_port 0 must be a whole number from 1 to 65535"),
        ({"balancer_drain": "long"}, "balancer_drain long must be"),
        ({"balancer_check_interval": "0.5"}, "balancer_check_interval 0.5 must be"),
        ({"site_request_timeout": "soon"}, "site_request_timeout soon must be"),
        ({"hosts": []}, "site_group web has no host"),
        ({"balancers": ["web1"]}, "site_group web has web1, which is in balancer_group balancer as well"),
        ({"hosts": [host("a host")]}, "HAProxy can't call a host 'a host'"),
        ({"hosts": [host(address="10.0.0.1; x")]}, "balancer_address 10.0.0.1; x of web1"),
        ({"hosts": [host(address="::1")]}, "balancer_address ::1 of web1"),
        ({"hosts": [host(address="localhost")]}, "balancer_address localhost of web1"),
        ({"hosts": [host(port="eighty")]}, "nginx_port eighty of web1"),
        ({"hosts": [host(tls="acme")]}, "nginx_tls acme of web1"),
        ({"hosts": [host(trusted=[])]}, "nginx_trusted_proxies of web1 is empty"),
        ({"hosts": [host(scheme="https")]}, "nginx_public_scheme https of web1"),
        ({"balancer_certificate": "shop.pem", "certificate": PEM}, "nginx_public_scheme http of web1"),
        ({"balancer_out": "web9"}, "balancer_out web9 is no host of site_group web: web1, web2"),
        ({"balancer_in": ["web1", "web9"]}, "balancer_in web9 is no host"),
        ({"balancer_out": "web1,web2", "balancer_in": "web2"}, "balancer_out and balancer_in both name web2"),
    ],
)
def test_what_does_not_is_named(given, told):
    found = problems(**given)
    assert any(one.startswith(told) for one in found), found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no file on the controller"),
        ("-----BEGIN CERTIFICATE-----\n", "must have the certificate"),
        (PEM.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"), "has a key with a passphrase"),
    ],
)
def test_a_certificate_that_would_not_do_is_named(text, told):
    found = problems(balancer_certificate="shop.pem", certificate=text, hosts=[host(scheme="https")])
    assert [told in one for one in found] == [True], found


def test_two_listeners_have_two_ports():
    found = problems(
        balancer_certificate="shop.pem", certificate=PEM, hosts=[host(scheme="https")], balancer_tls_port="80"
    )
    assert found == ["balancer_tls_port 80 is balancer_port as well. Choose another, like 443"]


@pytest.mark.parametrize("given", ["web1, web2", ["web1", "web2"], "web1,web2,"])
def test_hosts_are_named_as_a_list_or_in_one_text(given):
    assert balancer_variables.names_in(given) == ["web1", "web2"]
    assert balancer_variables.names_in("") == []

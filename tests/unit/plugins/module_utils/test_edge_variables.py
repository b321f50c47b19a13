# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils import edge_variables
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


PROVIDED = {
    "nginx_tls": "provided",
    "nginx_tls_certificate": "/etc/ssl/certs/shop.pem",
    "nginx_tls_key": "/etc/ssl/private/shop.key",
}
ACME = {"nginx_tls": "acme"}
SELF_SIGNED = {"nginx_tls": "self_signed"}


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
    "nginx_tls_port": (1, 65535),
    "nginx_websocket_timeout": (1, 1_000_000),
    "nginx_client_timeout": (1, 3600),
    "nginx_worker_connections": (0, 65536),
    "nginx_hsts": (0, 2 * 365 * 24 * 3600),
    "nginx_limit_requests": (0, 100_000),
    "nginx_limit_requests_burst": (0, 100_000),
    "nginx_limit_connections": (0, 100_000),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_number_is_one_within_its_limits(name):
    least, most = LIMITS[name]
    by_tls = PROVIDED if name == "nginx_hsts" else {}
    assert [problems(**{name: value}, **by_tls) for value in (least, most, str(least))] == [[], [], []]
    assert name != "nginx_worker_connections" or "at least 128" in problems(**{name: 127})[0]
    for value in (least - 1, most + 1, "", "8o", "80;", "80 ", "80\n", "1e3", -1, 1.5, None, "٨٠", "9" * 30, [], True):
        problem = problems(**{name: value}, **by_tls)[0]
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


@pytest.mark.parametrize("name", [*LIMITS, "nginx_client_max_body_size"])
@pytest.mark.parametrize("trap", INJECTIONS)
def test_nothing_stands_beside_a_number(name, trap):
    (problem,) = problems(**{name: trap.format(300)}, **(PROVIDED if name == "nginx_hsts" else {}))
    assert problem.startswith(f"{name} ")


def test_the_limits_are_those_that_are_judged():
    assert {name: (least, most) for name, (least, most, _what) in edge_variables.NUMBERS.items()} == LIMITS


# --- switches and choices --------------------------------------------------------------------------------------------

SWITCHES = ("nginx_https_redirect", "nginx_http3", "nginx_maintenance")


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [True, False, "true", "False", "yes", "NO", "on", "off", 1, 0, "1", "0"])
def test_a_switch_is_what_ansible_reads_as_one(name, value):
    assert problems(**{name: value}) == []


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", ["", "maybe", "true;", " true", "true\n", "y", 2, None, [], {}, [True]])
def test_what_is_no_switch_is_refused(name, value):
    assert problems(**{name: value}) == [f"{name} {value!r} must be true or false"]


CHOICES = {"nginx_tls": "none, self_signed, provided, acme", "nginx_public_scheme": "auto, http, https"}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["", "None", "ACME", "https;", "http\n", " none", True, None, [], {}, ["none"]])
def test_what_is_no_choice_is_refused_with_those_there_are(name, value):
    assert problems(**{name: value}) == [f"{name} {value!r} must be one of {CHOICES[name]}"]


def test_everything_that_is_wrong_is_told_at_once():
    wrong = dict.fromkeys((*LIMITS, *SWITCHES, *CHOICES, "nginx_client_max_body_size", "site_bind"), "x")
    wrong |= {"nginx_trusted_proxies": ["x", "y"], "nginx_error_pages": {500: "x"}, "nginx_protected_media": ["x y"]}
    found = [problem.split()[0] for problem in problems(**wrong)]
    assert set(found) == set(wrong)
    assert found.count("nginx_trusted_proxies") == 2


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.sampled_from(sorted({*AS_THEY_ARE} - {"site_domains"})),
    ANYTHING,
    st.sampled_from([{}, PROVIDED, ACME, SELF_SIGNED]),
)
def test_whatever_a_variable_is_it_is_judged(name, value, tls):
    found = problems(**{**tls, name: value})
    assert all(re.match(r"(nginx|site)_\w+", problem) for problem in found)


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


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        PROVIDED,
        SELF_SIGNED,
        ACME,
        {**PROVIDED, "nginx_hsts": 31536000, "nginx_http3": True, "nginx_public_scheme": "https"},
        {**PROVIDED, "nginx_port": 8080, "nginx_tls_port": 8443},
        {**ACME, "nginx_hsts": 300, "nginx_acme_email": "ops@example.org"},
        {**ACME, "nginx_acme_directory": "staging", "nginx_acme_email": "ops+shop@mail.example.org"},
        {**ACME, "nginx_acme_directory": "https://ca.example.org:14000/dir", "nginx_port": 8080, "nginx_hsts": 300},
        {**ACME, "nginx_acme_directory": "https://10.0.0.2/acme/acme/directory"},
        {"nginx_public_scheme": "https", "nginx_trusted_proxies": ["10.0.0.2"]},
        {
            "nginx_public_scheme": "https",
            "nginx_trusted_proxies": ["10.0.0.2"],
            "site_bind": "10.0.0.5:8000",
            "site_domains": ["192.0.2.7"],
        },
        {"nginx_public_scheme": "http"},
        {"site_domains": ["192.0.2.7", "2001:db8::7"]},
        {"nginx_acme_email": "x", "nginx_acme_directory": "x"},
    ],
)
def test_what_goes_together_passes(variables):
    assert problems(**variables) == []


@pytest.mark.parametrize(
    ("variables", "begins", "way_out"),
    [
        (
            {"nginx_hsts": 300},
            "nginx_hsts 300 tells browsers to come by https alone",
            "Set nginx_tls, or nginx_hsts: 0",
        ),
        ({**SELF_SIGNED, "nginx_hsts": 300}, "nginx_hsts 300 with a certificate that no browser", "nginx_hsts: 0"),
        (
            {**ACME, "nginx_acme_directory": "staging", "nginx_hsts": "300"},
            "nginx_hsts 300 with a certificate that no browser",
            "nginx_hsts: 0",
        ),
        (
            {**SELF_SIGNED, "site_domains": ["a.org", "192.0.2.7"]},
            "nginx_tls self_signed: site_domains has 192",
            "none",
        ),
        ({**ACME, "site_domains": ["2001:db8::7"]}, "nginx_tls acme: site_domains has 2001:db8::7", "nginx_tls: none"),
        ({**PROVIDED, "site_domains": ["::1"]}, "nginx_tls provided: site_domains has ::1", "nginx_tls: none"),
        ({**PROVIDED, "nginx_tls_port": "80"}, "nginx_tls_port 80 is nginx_port as well", "for example 443"),
        (
            {**PROVIDED, "site_bind": "10.0.0.5:8000", "nginx_trusted_proxies": ["10.0.0.2"]},
            "site_bind 10.0.0.5:8000 is for nginx on another machine",
            "nginx_tls: none, and nginx_public_scheme: https",
        ),
        ({**PROVIDED, "nginx_public_scheme": "http"}, "nginx_public_scheme http contradicts nginx_tls provided", "out"),
        ({"nginx_public_scheme": "https"}, "nginx_public_scheme https says that visitors come", "or set nginx_tls"),
        (
            {**ACME, "nginx_port": 8080},
            "nginx_tls acme is proven over port 80, and nginx_port is 8080",
            "nginx_port: 80",
        ),
        (
            {**ACME, "nginx_port": 8080, "nginx_acme_directory": "staging"},
            "nginx_tls acme is proven over port 80",
            "nginx_tls: provided",
        ),
        ({"nginx_tls": "provided", "nginx_tls_key": "/k"}, "nginx_tls_certificate ''", "/etc/ssl/certs/shop.pem"),
        ({"nginx_tls": "provided", "nginx_tls_certificate": "/c"}, "nginx_tls_key ''", "/etc/ssl/private/shop.key"),
        *(
            ({"nginx_tls": kind, name: "/x.pem"}, f"{name} /x.pem is of no use with nginx_tls {kind}", "provided")
            for kind in ("none", "self_signed", "acme")
            for name in ("nginx_tls_certificate", "nginx_tls_key")
        ),
    ],
)
def test_each_contradiction_is_one_message_with_the_way_out(variables, begins, way_out):
    (problem,) = problems(**variables)
    assert problem.startswith(begins)
    assert way_out in problem


def test_tls_that_lacks_everything_says_so_at_once():
    found = problems(nginx_tls="provided")
    assert [problem.split()[0] for problem in found] == ["nginx_tls_certificate", "nginx_tls_key"]


@pytest.mark.parametrize("name", ["nginx_tls_certificate", "nginx_tls_key"])
@pytest.mark.parametrize(
    "path", ["/x", "/etc/ssl/shop.pem", "/srv/a-b_c/x@y+z.pem", "/etc/letsencrypt/live/shop.de/key"]
)
def test_a_path_that_needs_no_quotes_passes(name, path):
    assert problems(**{**PROVIDED, name: path}) == []


@pytest.mark.parametrize("name", ["nginx_tls_certificate", "nginx_tls_key"])
@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/etc/ssl/", "shop.pem", "./shop.pem", "~/shop.pem", "/etc/ssl/my shop.pem", "/etc/ssl/ü.pem"),
        *("data:-----BEGIN", "engine:x:y", "/a\tb", "/a'b", "/a\\b", "/a|b", "/a`b`", "/a(b)", "/{a}"),
        *(None, 7, ["/x"], {"/x": 1}),
        *(trap.format("/etc/ssl/shop.pem") for trap in INJECTIONS),
    ],
)
def test_what_is_no_path_is_refused(name, path):
    (problem,) = problems(**{**PROVIDED, name: path})
    assert problem.startswith(f"{name} {path!r} must be the path of a file on the host")


@pytest.mark.parametrize(
    "directory",
    [
        *(
            "",
            "Production",
            "letsencrypt",
            "http://ca.example.org/dir",
            "https://",
            "https:///dir",
            "ca.example.org/dir",
        ),
        *("https://ca.example.org/dir?x=1", "https://ca.example.org/a b", "https://u:p@ca.example.org/dir"),
        *("https://ca.example.org:/dir", "https://ca.example.org:123456/dir", "--server=x", None, [], {}),
        *(trap.format("https://ca.example.org/dir") for trap in INJECTIONS),
        *(trap.format("production") for trap in INJECTIONS),
    ],
)
def test_what_is_no_directory_of_an_authority_is_refused(directory):
    (problem,) = problems(**ACME, nginx_acme_directory=directory)
    assert problem == (
        f"nginx_acme_directory {str(directory)!r} must be production, staging, or the https URL of a directory"
    )


@pytest.mark.parametrize(
    "email",
    [
        *("ops", "ops@", "@example.org", "ops@localhost", "ops@example.", "ops@@example.org", "a b@example.org"),
        *("Ops <ops@example.org>", "mailto:ops@example.org", "a@b.org,c@d.org", "--x@example.org", "-m@example.org"),
        *(7, ["ops@example.org"], True),
        *(trap.format("ops@example.org") for trap in INJECTIONS),
    ],
)
def test_what_is_no_address_of_mail_is_refused(email):
    (problem,) = problems(**ACME, nginx_acme_email=email)
    assert problem == f"nginx_acme_email {email!r} is no address to which mail goes, for example ops@example.org"


PLAIN = re.compile(r"[A-Za-z0-9._/@+:~-]*")
CROOKED = st.text("/a.:@+-_~ \t\n\r\x00;{}#$\"'\\é", max_size=12)


@given(
    st.sampled_from(["nginx_tls_certificate", "nginx_tls_key", "nginx_acme_directory", "nginx_acme_email"]),
    CROOKED
    | CROOKED.map(lambda end: f"https://a{end}")
    | CROOKED.map(lambda end: f"a@b.c{end}")
    | st.text(max_size=12),
)
def test_no_text_that_passes_needs_quotes_anywhere(name, text):
    tls = ACME if name.startswith("nginx_acme") else PROVIDED
    if problems(**{**tls, name: text}) == []:
        assert PLAIN.fullmatch(text)
        assert not text.startswith("-")


# --- error pages and media -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [413, 502, 503, 504, "413", "503"])
@pytest.mark.parametrize(
    "page",
    [
        "<h1>Back soon</h1>",
        "x" * 1_000_000,
        "one\r\ntwo",
        "ü & 'quotes\" $uri ${x} {{ x }} \\",
        *(trap.format("<p>x</p>") for trap in INJECTIONS if "\0" not in trap),
    ],
)
def test_a_page_is_a_file_and_may_hold_anything(code, page):
    assert problems(nginx_error_pages={code: page}) == []


@given(st.text(max_size=40))
def test_every_text_but_none_is_a_page(text):
    said = problems(nginx_error_pages={503: text})
    assert bool(said) == (not text.strip() or "\0" in text)


@pytest.mark.parametrize("code", [200, 404, 500, 5, "50x", "503;", " 503", "503\n", "../503", None, True, 503.5])
def test_a_page_of_another_status_is_refused_with_those_there_are(code):
    assert problems(nginx_error_pages={code: "x"}) == [
        f"nginx_error_pages has {code!r}, and can have 413, 502, 503, 504"
    ]


@pytest.mark.parametrize(
    "page", ["", " \n", "x" * 1_000_001, "\0link to /etc/shadow", "a\0b", None, 7, ["x"], {"x": 1}]
)
def test_what_is_no_page_is_refused(page):
    assert problems(nginx_error_pages={503: page, 502: "fine"}) == [
        "nginx_error_pages.503 must be a text of HTML, of 1000000 characters at most"
    ]


@pytest.mark.parametrize("pages", ["<h1>x</h1>", ["x"], None, 503, ""])
def test_pages_come_by_status(pages):
    (problem,) = problems(nginx_error_pages=pages)
    assert problem.startswith("nginx_error_pages must be texts of HTML by status, for example {503: ")


@pytest.mark.parametrize(
    "folders", [[], ["invoices"], ["invoices/"], ["private/scans", "a-b_c.d@e+f/g"], ["2024"], ["_x", "-x", "@x"]]
)
def test_folders_of_the_media_pass(folders):
    assert problems(nginx_protected_media=folders) == []


@pytest.mark.parametrize(
    "folder",
    [
        *(
            "",
            "/",
            "/invoices",
            "..",
            ".",
            "../data",
            "invoices/..",
            "invoices/../data",
            "a/./b",
            ".hidden",
            "a/.hidden",
        ),
        *("a//b", "a//", "a b", "é", "a%2fb", "*", "a|b", "(a)", "[a]", "^~ /", "a\\b", "'a'", "a\tb", "~"),
        # What YAML makes of null and 007 is another folder.
        *(None, 7, 7.5, ["a"], {"a": 1}),
        *(trap.format("invoices") for trap in INJECTIONS),
        *(trap.format("private/scans/") for trap in INJECTIONS),
    ],
)
def test_what_is_no_folder_of_the_media_is_refused(folder):
    (problem,) = problems(nginx_protected_media=["fine", folder])
    assert problem.startswith(f"nginx_protected_media has {folder!r}, which is no folder in MEDIA_ROOT")


@given(st.text("ab./@+-_ \n;{}\"'$\\", max_size=10))
def test_a_folder_that_passes_lies_in_the_media_and_needs_no_quotes(folder):
    if problems(nginx_protected_media=[folder]) == []:
        assert re.fullmatch(r"[A-Za-z0-9._@+/-]+", folder)
        assert not {"", ".", ".."} & set(folder.removesuffix("/").split("/"))


@pytest.mark.parametrize("folders", ["invoices", None, {"invoices": 1}, 7])
def test_protected_media_are_a_list(folders):
    assert problems(nginx_protected_media=folders) == [
        "nginx_protected_media must be a list of folders in MEDIA_ROOT, for example [invoices]"
    ]

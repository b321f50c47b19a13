# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How nginx speaks TLS, HTTP/2 and HTTP/3 for a site. Each test goes on where the one before ended."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import http3
import https
import pytest
import trial_site as trial
from authority import Authority
from controller import Host, Run

DOMAIN = trial.DOMAIN
NEIGHBOUR = "other.example.org"
A_YEAR = 31536000
RELOADS = 5
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": f"https://{DOMAIN}"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", params=["bookworm", pytest.param("trixie", marks=pytest.mark.full)])
def host(
    request: pytest.FixtureRequest, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    source = trial.make(tmp_path_factory.mktemp("source"))
    one = trial.host_of("tls", source, request.param, nginx_hsts=A_YEAR, nginx_http3=True, serve_mode="asgi")
    one.down()
    one.up()
    one.variables |= authority.give(one, [DOMAIN])
    run = one.play("site.yml")
    assert run.rc == 0, run.output
    yield one
    one.down()


@pytest.fixture
def place(host: Host, authority: Authority) -> https.Place:
    return https.Place(host.address, authority.certificate)


def said_of(run: Run) -> str:
    return " ".join(run.output.replace("\\n", " ").split())


def against_the_guideline(place: https.Place) -> str:
    """What sslyze says of the host, held against Mozilla's intermediate configuration."""
    command = [sys.executable, "-m", "sslyze", "--mozilla_config=intermediate", f"--sni={DOMAIN}"]
    command += [f"--certinfo_ca_file={place.authority}", f"{place.address}:{place.port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("COMPLIANCE AGAINST")[2] if done.returncode == 0 else done.stdout + done.stderr


def test_mozillas_intermediate_profile_is_met(host: Host, place: https.Place, authority: Authority) -> None:
    assert ": OK - Compliant." in (said := against_the_guideline(place)), said
    rsa = authority.give(host, [DOMAIN], "rsa")
    run = host.play("site.yml", **rsa)
    assert run.rc == 0, run.output
    with place.connected(DOMAIN) as connection:
        assert (connection.cipher() or ("",))[0].startswith("TLS_")
    assert ": OK - Compliant." in (said := against_the_guideline(place)), said
    back = host.play("site.yml")
    assert back.rc == 0, back.output


@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
def test_the_oldest_versions_are_refused_whatever_else_nginx_is_told(host: Host) -> None:
    """Debian 12's own configuration lets all sites of the host speak TLS 1.0."""
    everywhere = host.sh("grep ssl_protocols /etc/nginx/nginx.conf")
    assert host.release != "bookworm" or "TLSv1 TLSv1.1" in everywhere
    assert https.refusal(host.address, DOMAIN, oldest=True) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert https.refusal(host.address, DOMAIN) == ""


def test_http2_is_spoken(place: https.Place) -> None:
    assert place.answers_by_http2(DOMAIN)


# --- whom a visitor asks for


def test_who_names_no_site_of_the_host_gets_no_certificate(host: Host) -> None:
    assert https.refusal(host.address, "evil.example.net") == "TLSV1_UNRECOGNIZED_NAME"
    assert https.refusal(host.address, None) == "TLSV1_UNRECOGNIZED_NAME"


@pytest.mark.full
def test_who_names_one_site_and_asks_for_another_gets_neither(
    host: Host, place: https.Place, authority: Authority
) -> None:
    certificate = authority.give(host, [NEIGHBOUR])
    beside = host.play("site.yml", site_name="other", site_domains=[NEIGHBOUR], **certificate)
    assert beside.rc == 0, beside.output
    for name in (DOMAIN, NEIGHBOUR):
        assert place.get("/health/", name)[0] == 200
        assert place.get("/health/", name, name.upper())[0] == 200
    for name, asked in ((DOMAIN, NEIGHBOUR), (NEIGHBOUR, DOMAIN), (DOMAIN, "evil.example.net")):
        status, _headers, body = place.get("/health/", name, asked)
        assert (status, b"interface" in body) == (421, False), (name, asked)


# --- HTTP/3


@pytest.fixture
def speaks_http3(host: Host) -> None:
    if host.release == "bookworm":
        pytest.skip("the nginx of Debian 12 has no HTTP/3")


def test_http3_is_offered_where_nginx_can(host: Host, place: https.Place) -> None:
    _status, headers, _body = place.get("/", DOMAIN)
    offered = 'h3=":443"; ma=86400' if host.release == "trixie" else None
    assert headers["Alt-Svc"] == offered


def test_a_visit_over_http3(host: Host, place: https.Place, speaks_http3: None) -> None:
    async def visit() -> None:
        async with http3.connection(host.address, DOMAIN, place.authority) as one:
            page = await one.ask("/")
            assert page.status == 200
            assert page.headers["alt-svc"] == 'h3=":443"; ma=86400'
            assert page.headers["strict-transport-security"] == "max-age=300"
            (sheet, *_others) = re.findall(rb'href="(/static/[^"]+\.css)"', page.body)
            style = await one.ask(sheet.decode(), headers={"accept-encoding": "br"})
            assert (style.status, style.headers["content-encoding"]) == (200, "br")
            assert "immutable" in style.headers["cache-control"]
            told = json.loads((await one.ask("/visit/")).body)
            assert (told["secure"], told["host"], told["port"]) == (True, DOMAIN, "443")
            assert (told["address"], told["client"]) == (f"https://{DOMAIN}/visit/", trial.gateway(host))
            await post(one, page)
            large = await one.ask("/upload/", method="POST", body=b"x" * 3_000_000)
            assert json.loads(large.body)["length"] == 3_000_000

    asyncio.run(visit())


async def post(one: http3.Client, page: http3.Answer) -> None:
    """Send the page's form, with the token that Django asks for."""
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body.decode())
    cookie = page.headers["set-cookie"].partition(";")[0]
    sent = f"csrfmiddlewaretoken={token}&text=over+HTTP/3&author=&colour=blue".encode()
    headers = {**FORM, "origin": f"https://{one.name}", "cookie": cookie}
    answer = await one.ask("/", method="POST", headers=headers, body=sent)
    assert answer.status == 302, answer.body
    assert b"over HTTP/3" in (await one.ask("/")).body


def test_over_http3_too_another_name_gets_no_page(host: Host, place: https.Place, speaks_http3: None) -> None:
    async def visit() -> None:
        async with http3.connection(host.address, DOMAIN, place.authority) as one:
            for name in (NEIGHBOUR, "evil.example.net"):
                one.name = name
                assert (await one.ask("/health/")).status == 421
        with pytest.raises(ConnectionError):
            await http3.ask(host.address, "evil.example.net", place.authority, "/")

    asyncio.run(visit())


@pytest.mark.full
def test_after_a_reload_http3_goes_on(
    host: Host, place: https.Place, speaks_http3: None, say: Callable[[str], None]
) -> None:
    """A reload cuts its connections, as the variable's description says: counted here, and over after some seconds."""
    lasting, fresh = asyncio.run(over_reloads(host, place))
    for name, ended in (("one that lasts", lasting), ("a new one each time", fresh)):
        counted = collections.Counter(how for how, _seconds in ended)
        say(f"HTTP/3 over {RELOADS} reloads, {name}: {dict(counted)}, the longest {max(ended, key=by_time)}")
        assert counted["200"] > 20
        assert sum(counted.values()) - counted["200"] <= 3 * RELOADS
        assert [how for how, _seconds in ended[-5:]] == ["200"] * 5


def by_time(one: tuple[str, float]) -> float:
    return one[1]


async def over_reloads(host: Host, place: https.Place) -> list[list[tuple[str, float]]]:
    over = asyncio.Event()
    asking = [asyncio.create_task(ask_until(over, place, lasting)) for lasting in (True, False)]
    for _number in range(RELOADS):
        await asyncio.sleep(3)
        await asyncio.to_thread(host.sh, "systemctl reload nginx")
    await asyncio.sleep(30)
    over.set()
    return await asyncio.gather(*asking)


async def ask_until(over: asyncio.Event, place: https.Place, lasting: bool) -> list[tuple[str, float]]:
    """How each request ended, after how many seconds, over one connection for as long as it lives or over new ones."""
    ended = []
    while not over.is_set():
        started = time.monotonic()
        try:
            async with http3.connection(place.address, DOMAIN, place.authority) as one:
                while True:
                    how = str((await one.ask("/health/")).status)
                    ended.append((how, round(time.monotonic() - started, 2)))
                    if over.is_set() or not lasting:
                        break
                    await asyncio.sleep(0.02)
                    started = time.monotonic()
        except (ConnectionError, asyncio.TimeoutError) as problem:
            ended.append((repr(problem), round(time.monotonic() - started, 2)))
    return ended


# --- the way to another port, and back to HTTP


@pytest.mark.full
def test_the_port_is_another(host: Host, place: https.Place) -> None:
    """Redirects name it, nginx offers HTTP/3 at it, and Django hears of it."""
    run = host.play("site.yml", nginx_tls_port=8443)
    assert run.rc == 0, run.output
    status, headers, _body = host.get("/visit/?a=b", DOMAIN)
    assert (status, headers["location"]) == (308, f"https://{DOMAIN}:8443/visit/?a=b")
    there = https.Place(host.address, place.authority, 8443)
    _status, answered, body = there.get("/visit/", DOMAIN)
    assert json.loads(body)["address"] == f"https://{DOMAIN}:8443/visit/"
    assert https.refusal(host.address, DOMAIN) != "", "the site is still at the port before"
    if host.release == "trixie":
        assert answered["Alt-Svc"] == 'h3=":8443"; ma=86400'
        asyncio.run(post_at(there))


async def post_at(place: https.Place) -> None:
    async with http3.connection(place.address, DOMAIN, place.authority, place.port) as one:
        page = await one.ask("/")
        assert json.loads((await one.ask("/visit/")).body)["address"] == f"https://{DOMAIN}:{place.port}/visit/"
        await post(one, page)


def test_tls_is_not_switched_off_while_browsers_rely_on_it(host: Host) -> None:
    off = {"nginx_tls": "none", "nginx_tls_certificate": "", "nginx_tls_key": "", "nginx_http3": False}
    at_once = host.play("site.yml", **off)
    assert at_once.rc != 0
    assert "nginx_hsts 31536000 tells browsers to come by https alone" in said_of(at_once), at_once.output
    forgetful = host.play("site.yml", **off, nginx_hsts=0)
    assert forgetful.rc != 0
    assert "browsers may remember nginx_hsts, by which they come to web1 by https alone" in said_of(forgetful)
    assert at_once.changed + forgetful.changed == []


@pytest.mark.full
def test_tls_is_switched_off_once_nothing_is_said_any_more(host: Host, place: https.Place) -> None:
    silent = host.play("site.yml", nginx_hsts=0)
    assert silent.rc == 0, silent.output
    _status, headers, _body = place.get("/", DOMAIN)
    assert headers.get("Strict-Transport-Security") is None
    status, sent_on, _body = host.get("/", DOMAIN)
    assert (status, sent_on["location"]) == (308, f"https://{DOMAIN}/")
    assert sent_on["cache-control"] == "max-age=300", "what can be taken back"
    off = {"nginx_tls": "none", "nginx_tls_certificate": "", "nginx_tls_key": "", "nginx_http3": False}
    early = host.play("site.yml", **off, nginx_hsts=0)
    assert early.rc != 0
    assert "browsers may remember nginx_hsts" in said_of(early)
    host.sh(r"""sed -i 's/"hsts_until": "[^"]*"/"hsts_until": "2026-01-01"/' /etc/switchyard/board/edge.json""")
    run = host.play("site.yml", **off, nginx_hsts=0)
    assert run.rc == 0, run.output
    assert host.get("/health/", DOMAIN)[0] == 200
    assert https.refusal(host.address, DOMAIN) == "TLSV1_UNRECOGNIZED_NAME"

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visitor sees of a site that speaks TLS, in a real browser. Each test goes on where the one before ended."""

from __future__ import annotations

import concurrent.futures
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import https
import pytest
import trial_site as trial
from authority import Authority
from browser import Visitor
from controller import Host, Run
from playwright.sync_api import Browser, Error, Playwright

DOMAIN = trial.DOMAIN
A_YEAR = 31536000
HASHED = re.compile(r"/static/board/[a-z]+\.[0-9a-f]{12}\.[a-z]+$")
IMMUTABLE = "public, max-age=31536000, immutable"
# A script that no page loads until it is asked to, but whose hashed name each page knows.
LATER = """<link id="later" rel="x-later" href="{% static 'board/later.js' %}">\n</head>"""
# Between a page that one stack has made and its WebSocket the traffic may move to the other stack.
JUST_MOVED = re.compile(r"console: WebSocket connection to 'wss://\S+' failed: .* Unexpected response code: 404$")


class Project:
    """A copy of the example, whose static files a test changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = trial.make(folder)
        page = self.folder / "board/templates/board/board.html"
        page.write_text(page.read_text(encoding="utf-8").replace("</head>", LATER), encoding="utf-8")
        self.paint("1")

    def paint(self, version: str) -> None:
        static = self.folder / "board/static/board"
        (static / "later.js").write_text(f'export const version = "{version}";\n', encoding="utf-8")
        with (static / "board.css").open("a", encoding="utf-8") as sheet:
            sheet.write(f":root {{ --paint: {version}; }}\n")


pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def host(project: Project, authority: Authority) -> Iterator[Host]:
    one = trial.host_of("https", project.folder, nginx_hsts=A_YEAR, cutover_drain=8, cutover_settle=2)
    one.down()
    one.up()
    one.variables |= authority.give(one, [DOMAIN])
    yield one
    one.down()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with browser.driver() as one:
        yield one


@pytest.fixture(scope="module")
def chromium(
    playwright: Playwright, host: Host, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    home = tmp_path_factory.mktemp("home")
    with browser.opened(playwright, home, {DOMAIN: host.address}, authority.certificate) as one:
        yield one


@pytest.fixture(scope="module")
def visitor(chromium: Browser) -> Visitor:
    """Who comes before the first switch, and whose page stays open to the end."""
    return Visitor(chromium.new_page())


@pytest.fixture
def place(host: Host, authority: Authority) -> https.Place:
    return https.Place(host.address, authority.certificate)


def succeeded(run: Run) -> str:
    assert run.rc == 0, run.output
    return run.output


def come(chromium: Browser, interface: str) -> Visitor:
    """Somebody new, who stays until his page is live."""
    one = Visitor(chromium.new_page())
    one.go(f"https://{DOMAIN}/")
    one.is_served_by(interface)
    return one


def come_again_and_again(chromium: Browser, until: Callable[[], bool]) -> tuple[int, set[str], list[str]]:
    """How often a page was loaded, what served it, and what went wrong in it."""
    one = Visitor(chromium.new_page())
    loads, seen = 0, set()
    while not until():
        one.go(f"https://{DOMAIN}/")
        one.page.wait_for_selector('body:not([data-live="connecting"])')
        seen.add(str(one.page.get_attribute("body", "data-interface")))
        loads += 1
    one.page.close()
    # What it had asked for last when it went on is its own doing.
    return loads, seen, [trouble for trouble in one.trouble if "net::ERR_ABORTED" not in trouble]


def deploy_under_visitors(host: Host, chromium: Browser, playbook: str, **variables: Any) -> tuple[str, set[str]]:
    """What a run said, and what served those who came meanwhile; none of them met an error."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        run = pool.submit(host.play, playbook, **variables)
        loads, seen, trouble = come_again_and_again(chromium, run.done)
    output = succeeded(run.result())
    just_moved = [one for one in trouble if JUST_MOVED.search(one)]
    print(f"{playbook} {variables}: {loads} pages meanwhile, {len(just_moved)} of them just when the traffic moved")
    assert [one for one in trouble if one not in just_moved] == []
    assert len(just_moved) <= 1
    assert loads > 3
    return output, seen


def test_who_comes_by_http_ends_at_https(host: Host, chromium: Browser, visitor: Visitor) -> None:
    succeeded(host.play("site.yml", serve_mode="asgi"))
    answer = visitor.go(f"http://{DOMAIN}/")
    assert answer
    assert (answer.status, visitor.page.url) == (200, f"https://{DOMAIN}/")
    came_from = answer.request.redirected_from
    assert came_from
    first = came_from.response()
    assert first
    assert (first.status, first.headers["location"]) == (308, f"https://{DOMAIN}/")
    assert (answer.security_details() or {})["issuer"] == "Test authority"
    assert visitor.page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
    visitor.is_served_by("ASGI")
    assert [one.partition("?")[0] for one in visitor.sockets] == [f"wss://{DOMAIN}/ws/board/"]
    assert visitor.trouble == []


def test_a_browser_that_does_not_know_the_authority_stays_out(
    host: Host, playwright: Playwright, tmp_path: Path
) -> None:
    """So what the others see is not seen past the certificate."""
    with browser.opened(playwright, tmp_path, {DOMAIN: host.address}) as stranger:
        page = stranger.new_page()
        with pytest.raises(Error, match="AUTHORITY_INVALID"):
            page.goto(f"https://{DOMAIN}/")


def test_assets_have_hashed_names_and_stay_for_a_year(visitor: Visitor) -> None:
    kinds = {address.rpartition(".")[2] for address in visitor.assets}
    assert {"css", "js"} <= kinds
    for address, answer in visitor.assets.items():
        assert HASHED.search(address), address
        assert answer.headers["cache-control"] == IMMUTABLE
        assert answer.headers.get("content-encoding") == "br" or address.endswith(".svg")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_note_that_is_posted_is_seen_by_others(chromium: Browser, visitor: Visitor) -> None:
    visitor.post("before the switch")
    other = come(chromium, "ASGI")
    other.post("and by another")
    visitor.sees("and by another")
    assert visitor.trouble + other.trouble == []
    visitor.shoot("https-asgi")
    other.page.close()


def test_the_first_two_days_are_short(host: Host, place: https.Place, visitor: Visitor) -> None:
    (asset, *_others) = [address for address in visitor.assets if address.endswith(".css")]
    for path in ("/", "/nowhere/", asset.removeprefix(f"https://{DOMAIN}")):
        _status, headers, _body = place.get(path, DOMAIN)
        assert headers.get_all("Strict-Transport-Security") == ["max-age=300"], path
    status, headers, _body = host.get("/", DOMAIN)
    assert status == 308
    assert "strict-transport-security" not in headers, "browsers don't take it from there"


def test_a_switch_of_the_stack_disturbs_no_page(
    host: Host, project: Project, chromium: Browser, visitor: Visitor
) -> None:
    earlier = {address: visitor.fetch(address)["text"] for address in visitor.assets}
    project.paint("2")
    _output, seen = deploy_under_visitors(host, chromium, "site.yml", serve_mode="wsgi")
    assert seen == {"ASGI", "WSGI"}
    new = come(chromium, "WSGI")
    sheets = [{one for one in who.assets if one.endswith(".css")} for who in (visitor, new)]
    assert sheets[0].isdisjoint(sheets[1]), "the style sheet did not change"
    for address, text in earlier.items():
        assert visitor.fetch(address) == {"status": 200, "text": text, "cache": IMMUTABLE}
    for who, version in ((visitor, "1"), (new, "2")):
        found = who.page.evaluate("import(document.getElementById('later').href).then((later) => later.version)")
        assert found == version
    visitor.is_served_by("WSGI")
    visitor.post("after the switch")
    new.sees("after the switch")
    assert visitor.trouble + new.trouble == []
    visitor.shoot("https-wsgi")
    new.page.close()


def test_and_back(host: Host, chromium: Browser, visitor: Visitor) -> None:
    _output, seen = deploy_under_visitors(host, chromium, "site.yml", serve_mode="asgi")
    assert seen == {"ASGI", "WSGI"}
    visitor.is_served_by("ASGI")
    visitor.post("live again")
    assert visitor.trouble == []


def test_a_rollback_disturbs_no_page_either(host: Host, chromium: Browser, visitor: Visitor) -> None:
    _output, seen = deploy_under_visitors(host, chromium, "rollback.yml")
    assert seen == {"ASGI", "WSGI"}
    visitor.is_served_by("WSGI")
    visitor.post("rolled back")
    assert visitor.trouble == []
    visitor.shoot("https-rolled-back")


# --- what a project says of https itself

HTTPS_ALONE = {
    "ROOT_URLCONF": "liveboard.trial",
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
    "CSRF_COOKIE_SECURE": True,
    "SESSION_COOKIE_SECURE": True,
}


def what_is_live(host: Host) -> str:
    """The pointer, the process, and nginx's whole configuration."""
    unit = trial.unit(host)
    return host.sh(f"readlink /etc/switchyard/board/current; systemctl show -p MainPID {unit}; nginx -T 2>&1")


def on_one_line(run: Run) -> str:
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def test_a_project_that_sees_no_https_is_stopped_at_its_gate(host: Host, visitor: Visitor) -> None:
    """Its every page would lead to itself: it waits for another word than the one that nginx says."""
    before = what_is_live(host)
    wrong = {**HTTPS_ALONE, "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "on"]}
    run = host.play("site.yml", site_settings_overrides=wrong)
    assert run.rc != 0
    said = on_one_line(run)
    assert f"GET /health/: https_redirect_loop: HTTP/1.1 301 Moved Permanently: https://{DOMAIN}/health/" in said, (
        run.output
    )
    assert "leads to itself" in said, run.output
    assert 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")' in said, run.output
    assert "nothing that is live was touched" in said
    assert what_is_live(host) == before
    visitor.post("nobody noticed")
    assert visitor.trouble == []


def test_a_project_for_https_alone(host: Host, chromium: Browser, place: https.Place) -> None:
    succeeded(host.play("site.yml", serve_mode="asgi", site_settings_overrides=HTTPS_ALONE))
    _status, headers, body = place.get("/visit/", DOMAIN)
    told = json.loads(body)
    assert (told["secure"], told["port"], told["address"]) == (True, "443", f"https://{DOMAIN}/visit/")
    assert headers.get_all("Strict-Transport-Security") == ["max-age=3600"], "the project's own, once"
    _status, headers, _body = place.get("/", DOMAIN)
    assert "; Secure" in headers["Set-Cookie"]
    one = come(chromium, "ASGI")
    one.post("by a cookie for https alone")
    assert one.trouble == []
    one.page.close()


@pytest.mark.full
@pytest.mark.parametrize("header", [None, ["HTTP_X_FORWARDED_SSL", "on"]])
def test_a_project_that_was_made_for_http_is_served_with_a_word_of_advice(
    host: Host, chromium: Browser, place: https.Place, header: list[str] | None
) -> None:
    """The app server says as well how a visitor came, and nginx lets nobody send another header that does."""
    overrides = {**HTTPS_ALONE, "SECURE_PROXY_SSL_HEADER": header, "CSRF_TRUSTED_ORIGINS": []}
    run = host.play("site.yml", serve_mode="asgi", site_settings_overrides=overrides)
    succeeded(run)
    said = on_one_line(run)
    assert "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')" in said, run.output
    assert f'site_settings_overrides: CSRF_TRUSTED_ORIGINS: ["https://{DOMAIN}"]' in said, run.output
    assert json.loads(place.get("/visit/", DOMAIN)[2])["secure"] is True
    one = come(chromium, "ASGI")
    one.post(f"{header} is no matter")
    assert one.trouble == []
    one.page.close()

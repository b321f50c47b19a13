# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two public projects that others wrote, by the inventories of docs/projects.md, each used in a browser.

Their code is cloned from where they publish it, or from the folders that SWITCHYARD_PROJECT_BOOKWYRM and
SWITCHYARD_PROJECT_TABBYCAT name; where neither can be had the test is skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import load
import pytest
import yaml
from controller import ROOT, Host
from playwright.sync_api import Browser, Page

Say = Callable[[str], None]

pytestmark = pytest.mark.full

OTHER = {"wsgi": "asgi", "asgi": "wsgi"}
PASSWORD = "correct-horse-battery"
# What a load without slow pages, uploads and WebSockets asks for, of pages that are some work each.
LIGHT = {"slow": 0, "upload": 0, "fresh": 2, "kept": 2, "rate": 2.0}


def described(site: str) -> dict[str, Any]:
    """The variables of a site's inventory in docs/projects.md."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/projects.md").read_text(), re.MULTILINE | re.DOTALL)
    found = [yaml.safe_load(block)["all"]["vars"] for block in blocks]
    return next(variables for variables in found if variables["site_name"] == site)


def clone_of(site: str, url: str) -> str:
    name = f"SWITCHYARD_PROJECT_{site.upper()}"
    if os.environ.get(name):
        return f"file://{Path(os.environ[name]).resolve()}"
    asked = subprocess.run(
        ["git", "ls-remote", "--exit-code", url, "HEAD"],
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    if asked.returncode:
        pytest.skip(f"{url} can't be reached from here, and {name} names no clone of it")
    return url


def host_of(site: str, before: str) -> Iterator[Host]:
    """A bare host, and the variables of the page: but by the version before, and with a certificate of its own."""
    variables = described(site)
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_{site}",
        variables={
            **variables,
            "site_source": clone_of(site, variables["site_source"]),
            "site_version": before,
            "nginx_tls": "self_signed",
            "nginx_https_redirect": False,  # so that the load need not speak TLS
            "vault_email_password": PASSWORD,
        },
    )
    one.down()
    one.up()
    yield one
    one.down()


@pytest.fixture(scope="module")
def bookwyrm() -> Iterator[Host]:
    yield from host_of("bookwyrm", before="v0.9.1")


@pytest.fixture(scope="module")
def tabbycat() -> Iterator[Host]:
    yield from host_of("tabbycat", before="v2.9.2")


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Host], Browser]]:
    """Opens a browser that finds the host of a site by its name."""
    with browser.driver() as playwright:
        opened = []

        def open_one(host: Host) -> Browser:
            names = {host.variables["site_domains"][0]: host.address}
            opened.append(browser.opened(playwright, tmp_path_factory.mktemp("home"), names))
            return opened[-1].__enter__()

        yield open_one
        for one in opened:
            one.__exit__(None, None, None)


def manage(host: Host, command: str, **variables: Any) -> str:
    run = host.play("playbooks/manage.yml", manage_command=command, **variables)
    assert run.rc == 0, run.output
    return run.output


def deploy(host: Host, **variables: Any) -> None:
    run = host.play("site.yml", **variables)
    assert run.rc == 0, run.output
    again = host.play("site.yml", **variables)
    assert (again.rc, again.changed) == (0, []), again.output


def live(host: Host) -> tuple[str, str]:
    """The stack and the commit that serve."""
    shown = host.sh("cat /etc/switchyard/*/current/release.json")
    stack, commit = (re.findall(rf'"{key}": "(\w+)"', shown)[0] for key in ("stack", "commit"))
    return stack, commit


def move_it_about(host: Host, say: Say, home: str) -> None:
    """Switch, switch back, upgrade, roll back: under load, and nothing is lost at any of them."""
    path, newer = host.variables["site_health_path"], described(host.variables["site_name"])["site_version"]
    _stack, older = live(host)
    steps: list[tuple[str, str, dict[str, Any], str]] = [
        (f"the switch to {OTHER[home]}", "site.yml", {"serve_mode": OTHER[home]}, OTHER[home]),
        (f"the switch to {home}", "site.yml", {"serve_mode": home}, home),
        ("the upgrade", "site.yml", {"serve_mode": home, "site_version": newer}, home),
        ("the rollback", "rollback.yml", {}, home),
    ]
    for name, playbook, variables, stack in steps:
        asked = {"seconds": 1500, "requests": 20_000, "fresh_path": path, "kept_path": path, **LIGHT}
        with load.running(host.address, host.variables["site_domains"][0], **asked) as report:
            run = host.play(playbook, **variables)
        say(f"{host.variables['site_name']}: {name}, {run.seconds:.0f} s: {report.summary()}\n")
        assert run.rc == 0, run.output
        load.nothing_was_lost(report, host.clues(host.variables["site_name"]))
        now = live(host)
        assert now[0] == stack
        assert (now[1] == older) is (name != "the upgrade")


def go(page: Page, address: str) -> int:
    """Load a page, and return its status."""
    answer = browser.Visitor(page).go(address)
    assert answer is not None
    return answer.status


def shoot(page: Page, name: str) -> None:
    browser.SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=browser.SHOTS / f"{name}.png", animations="disabled")


# --- BookWyrm


def enter_bookwyrm(one: Browser, address: str) -> Page:
    page = one.new_context(ignore_https_errors=True, locale="en-US").new_page()
    go(page, f"{address}/login/")
    page.fill("#id_localname_confirm", "ann")
    page.fill("#id_password_confirm", PASSWORD)
    page.click("form[name^=login] button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)  # the first time it asks for a second factor
    return page


def feed_has(page: Page, address: str, text: str, tries: int = 20) -> bool:
    for _dummy in range(tries):
        go(page, address)
        if page.locator(f"article :text('{text}')").count():
            return True
        page.wait_for_timeout(1000)
    return False


def post(page: Page, address: str, book: int, text: str) -> None:
    """Say of a book that one wants to read it."""
    go(page, f"{address}/book/{book}")
    page.locator("button[data-modal-open^=want_to_read]:visible").first.click()
    dialog = page.locator(".modal.is-active")
    dialog.locator("textarea[name=content]").fill(text)
    with page.expect_response(lambda answer: "/reading-status/want/" in answer.url) as answer:
        dialog.locator("button.is-link[type=submit]:visible").last.click()
    assert answer.value.status < 400


def add_book(page: Page, address: str, title: str) -> int:
    go(page, f"{address}/create-book")
    page.fill("#id_title", title)
    page.click("form[name=create-book] button.is-primary[type=submit]")
    page.click("form[name=create-book][action$=confirm] button.is-primary[type=submit]")
    page.wait_for_url(re.compile("/book/[0-9]+"))
    return int(re.findall("/book/([0-9]+)", page.url)[0])


def test_bookwyrm(bookwyrm: Host, visitor: Callable[[Host], Browser], say: Say) -> None:
    host, address = bookwyrm, f"https://{bookwyrm.variables['site_domains'][0]}"
    deploy(host)
    code = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", manage(host, "admin_code"))[0]

    one = visitor(host)
    page = one.new_context(ignore_https_errors=True, locale="en-US").new_page()
    go(page, f"{address}/setup/admin/")
    page.fill("#id_admin_key", code)
    page.fill("#id_localname_register", "ann")
    page.fill("#id_email_register", "ann@example.org")
    page.fill("#id_password_register", PASSWORD)
    page.click("form[name=register] button[type=submit]")
    page.wait_for_selector("text=Site Settings")

    page = enter_bookwyrm(one, address)
    assert go(page, f"{address}/settings/celery/ping") == 200
    book = add_book(page, address, "The Switchyard")
    worker = host.sh("systemctl list-units --plain --no-legend 'bookwyrm@*-worker.service' | cut -d' ' -f1").strip()
    host.sh(f"systemctl stop {worker}")
    post(page, address, book, "before the move")
    assert not feed_has(page, address, "before the move", tries=5), "a worker of Celery fills the timeline"
    host.sh(f"systemctl start {worker}")
    assert feed_has(page, address, "before the move"), host.clues("bookwyrm")
    shoot(page, "bookwyrm")

    move_it_about(host, say, home="wsgi")

    page = enter_bookwyrm(one, address)
    post(page, address, add_book(page, address, "Points and Crossings"), "after the move")
    assert feed_has(page, address, "after the move"), host.clues("bookwyrm")
    assert feed_has(page, address, "before the move")


# --- Tabbycat


def enter_tabbycat(one: Browser, address: str) -> Page:
    page = one.new_context(ignore_https_errors=True).new_page()
    go(page, f"{address}/accounts/login/")
    page.fill("input[name=username]", "chair")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("a[href*='/logout/']")
    return page


def arrivals(page: Page, address: str) -> Page:
    """The page on which everybody sees who has arrived, once it is live."""
    with page.expect_websocket(lambda socket: "/checkins/" in socket.url):
        go(page, f"{address}/demo/admin/checkins/status/people/")
    page.wait_for_selector(".check-in-person")
    return page


def person(page: Page, name: str) -> Any:
    return page.locator(f".check-in-person:has-text('{name}')").first


def someone_arrives(here: Page, there: Page, name: str) -> None:
    """Who is checked in on one page is seen on the other one, which nobody has loaded again."""
    person(here, name).locator("a").click()
    person(there, name).locator(".btn-success").wait_for(timeout=20_000)


def test_tabbycat(tabbycat: Host, visitor: Callable[[Host], Browser], say: Say) -> None:
    host, address = tabbycat, f"https://{tabbycat.variables['site_domains'][0]}"
    deploy(host)
    secret = {"manage_env": {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}}
    said = manage(host, "createsuperuser --no-input --username chair --email chair@example.org", **secret)
    assert PASSWORD not in said
    manage(host, "importtournament bp88team --slug demo --name Demo --short-name Demo")
    manage(host, "manageidentifiers generate --tournament demo")
    host.variables["site_websocket_path"] = "/ws/demo/checkins/"

    one = visitor(host)
    here, there = (arrivals(enter_tabbycat(one, address), address) for _dummy in range(2))
    someone_arrives(here, there, "Davi Correia")
    shoot(there, "tabbycat")

    move_it_about(host, say, home="asgi")

    here, there = (arrivals(enter_tabbycat(one, address), address) for _dummy in range(2))
    person(here, "Davi Correia").locator(".btn-success").wait_for(timeout=20_000)
    someone_arrives(there, here, "Eduardo Pinto")

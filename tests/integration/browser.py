# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser, Debian's Chromium, and what a visitor sees of a site in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller import ROOT, TESTBED
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Playwright, Request, Response, sync_playwright

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What Chromium says of all that is under way when an interface of this machine comes or goes, a container's too.
NOT_THE_SITES = "net::ERR_NETWORK_CHANGED"
SHOTS = ROOT / "tests" / "output"


@contextlib.contextmanager
def driver() -> Iterator[Playwright]:
    """What drives browsers, once for all of them."""
    missing = [
        package
        for package, program in {"chromium": "chromium", "libnss3-tools": "certutil"}.items()
        if not shutil.which(program)
    ]
    if missing:
        subprocess.run([sys.executable, TESTBED, "setup", *missing], check=True)
    with sync_playwright() as playwright:
        yield playwright


@contextlib.contextmanager
def opened(
    playwright: Playwright, home: Path, addresses: dict[str, str], authority: Path | None = None
) -> Iterator[Browser]:
    """A browser with a home of its own, that finds these names at these addresses and trusts this authority as well."""
    if authority:
        trust(home, authority)
    rules = ", ".join(f"MAP {name} {address}" for name, address in addresses.items())
    browser = playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=[*OPTIONS, f"--host-resolver-rules={rules}"],
        env={**os.environ, "HOME": str(home)},
    )
    try:
        yield browser
    finally:
        browser.close()


def trust(home: Path, authority: Path) -> None:
    """Put the authority into the database where Chromium looks for those of its user."""
    folder = home / ".pki/nssdb"
    folder.mkdir(parents=True)
    database = ["-d", f"sql:{folder}"]
    subprocess.run(["certutil", *database, "-N", "--empty-password"], check=True)
    subprocess.run(["certutil", *database, "-A", "-n", "test", "-t", "C,,", "-i", authority], check=True)


@dataclass
class Visitor:
    """An open page, and what went wrong in it."""

    page: Page
    trouble: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    assets: dict[str, Response] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._note(f"script: {error}"))
        self.page.on("requestfailed", self._see_failure)
        self.page.on("response", self._see)
        self.page.on("websocket", lambda socket: self.sockets.append(socket.url))

    def go(self, address: str) -> Response | None:
        """Load a page; again where the network of this machine changed meanwhile."""
        until = time.monotonic() + 30
        while True:
            try:
                return self.page.goto(address)
            except Error as problem:
                if NOT_THE_SITES not in str(problem) or time.monotonic() > until:
                    raise
            self.page.wait_for_timeout(500)

    def _note(self, trouble: str) -> None:
        if NOT_THE_SITES not in trouble:
            self.trouble.append(trouble)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text}")

    def _see_failure(self, request: Request) -> None:
        self._note(f"{request.method} {request.url}: {request.failure}")

    def _see(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.request.method} {response.url}: {response.status}")
        if "/static/" in response.url:
            self.assets[response.url] = response

    def is_served_by(self, interface: str, seconds: float = 30) -> None:
        """Wait until the page says so, and is live in the way in which that interface lets it."""
        live = {"ASGI": "websocket", "WSGI": "polling"}[interface]
        self.page.wait_for_selector(f'body[data-interface="{interface}"][data-live="{live}"]', timeout=seconds * 1000)

    def post(self, text: str) -> None:
        """Send the page's form, and see the note on the board."""
        self.page.fill("#form [name=text]", text)
        self.page.click("#form button[type=submit]")
        self.sees(text)

    def sees(self, text: str) -> None:
        self.page.wait_for_selector(f'#notes .note__text:text-is("{text}")')

    def fetch(self, address: str) -> dict[str, Any]:
        """What the page gets at an address, by a request of its own that asks no cache."""
        return dict(
            self.page.evaluate(
                """async (address) => {
                    const answer = await fetch(address, {cache: "no-store"});
                    return {
                        status: answer.status, text: await answer.text(), cache: answer.headers.get("cache-control")
                    };
                }""",
                address,
            )
        )

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True, animations="disabled")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks each database, cache and channel layer for a sign of life, as the site would. Runs as the site's user.

This file travels to the release's Python as text, so it imports nothing of the collection. It reads its parameters
from WANTED, a line that is filled in on the way, and prints one JSON object behind a marker, because a project may
print whatever it likes.
"""

# It is a program of its own: there is no AnsibleModule to run a command or to answer by.
# pylint: disable=ansible-bad-function

from __future__ import annotations

import importlib
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

WANTED: dict = {}
ASKED_AGAIN = 0.5  # seconds after an answer that was none


def place(host: Any, port: Any) -> str:
    return f"{host}:{port}" if host and port else str(host or "")


def ask_database(alias: str) -> str:
    from django.db import connections

    connection = connections[alias]
    connection.ensure_connection()
    return "" if connection.is_usable() else "it does not answer a query"


def ask_cache(alias: str) -> str:
    from django.core.cache import caches

    key, value = f"switchyard-{secrets.token_hex(8)}", secrets.token_hex(8)
    caches[alias].set(key, value, 30)
    found = caches[alias].get(key)
    caches[alias].delete(key)
    return "" if found == value else "it does not give back what it was given"


def ask_channel_layer(alias: str) -> str:
    import asyncio  # by itself it takes longer than the rest of what the modules import that read this file

    channel_layers = importlib.import_module("channels.layers").channel_layers

    async def send_and_receive() -> str:
        layer = channel_layers[alias]
        channel = await layer.new_channel()
        sent = {"type": "switchyard.gate", "word": secrets.token_hex(8)}
        await layer.send(channel, sent)
        received = await layer.receive(channel)
        return "" if received.get("word") == sent["word"] else "it does not hand on what was sent"

    return asyncio.run(send_and_receive())


def where(kind: str, alias: str) -> str:
    """Where the settings say that it is; of a cache and a layer an address may hold a password, and is not told."""
    if kind != "databases":
        return ""
    from django.conf import settings

    one = settings.DATABASES[alias]
    options = one.get("OPTIONS", {})
    return place(one.get("HOST") or options.get("host"), one.get("PORT") or options.get("port"))


ASK: dict = {"databases": ask_database, "caches": ask_cache, "channel_layers": ask_channel_layer}


def answer(ask: Callable[[str], str], alias: str, seconds: float) -> str:
    """What is wrong, or nothing. Who does not answer in time is left behind: a driver may wait for minutes."""
    said = [f"no answer within {seconds:g} s"]

    def run() -> None:
        try:
            said[0] = ask(alias)
        except BaseException as error:  # noqa: BLE001 - a project's backend may raise anything
            said[0] = f"{type(error).__name__}: {error}"[:2000]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return said[0]


def look() -> list:
    import django

    django.setup()
    found: list = []

    def note(kind: str, alias: str) -> None:
        until = time.monotonic() + WANTED["seconds"]
        problem = answer(ASK[kind], alias, WANTED["seconds"])
        while problem and time.monotonic() + ASKED_AGAIN < until:
            time.sleep(ASKED_AGAIN)
            problem = answer(ASK[kind], alias, until - time.monotonic())
        if problem:
            found.append({"kind": kind, "alias": alias, "where": where(kind, alias), "problem": problem})

    threads = [
        threading.Thread(target=note, args=(kind, alias), daemon=True)
        for kind in ASK
        for alias in WANTED["reaches"].get(kind, [])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found, key=lambda one: (one["kind"], one["alias"]))


if __name__ == "__main__":
    sys.path[:0] = [os.getcwd()]
    print("\n" + WANTED["marker"] + json.dumps(look()))
    sys.stdout.flush()
    os._exit(0)  # without a wait for who did not answer

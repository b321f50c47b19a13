# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that cuts off its WebSockets when it is stopped: before that each is closed, so that pages come back."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "roles/asgi/files/switchyard_goodbye.py"
ACCEPT, HELLO, CLOSE = ({"type": f"websocket.{kind}"} for kind in ("accept", "send", "close"))


@pytest.fixture
def goodbye(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    spec = importlib.util.spec_from_file_location("goodbye_under_test", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOOKS_EVERY", 0.01)
    return module


class Visitor:
    """One WebSocket, as the server has it: what it was told, and the codes that the server does not take."""

    def __init__(self, refuses=()):
        self.told = []
        self.refuses = refuses
        self.gone = asyncio.Event()

    async def send(self, message):
        if message.get("code") in self.refuses:
            raise ValueError("no such code")
        self.told.append(message)
        if message["type"] == "websocket.close":
            self.gone.set()

    async def receive(self):
        await self.gone.wait()
        return {"type": "websocket.disconnect"}

    @property
    def codes(self):
        return [message.get("code") for message in self.told if message["type"] == "websocket.close"]


async def stays(_scope, receive, send):
    """A project that says hello, waits until its visitor has gone, and says goodbye to him all the same."""
    await send(ACCEPT)
    await send(HELLO)
    await receive()
    await send(HELLO)
    await send(CLOSE)


def stop(tmp_path):
    (tmp_path / "closing").touch()


def serve(goodbye, visitor, project=stays):
    return asyncio.create_task(goodbye.serve(project, {"type": "websocket"}, visitor.receive, visitor.send))


async def soon():
    await asyncio.sleep(0.1)


def test_every_websocket_is_closed_once_as_soon_as_the_instance_is_about_to_end(goodbye, tmp_path):
    async def story():
        visitors = [Visitor() for _number in range(3)]
        tasks = [serve(goodbye, visitor) for visitor in visitors]
        await soon()
        assert [visitor.codes for visitor in visitors] == [[]] * 3
        stop(tmp_path)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        await soon()
        assert [visitor.codes for visitor in visitors] == [[1012]] * 3

    asyncio.run(story())


def test_what_the_project_says_behind_the_close_is_for_nobody(goodbye, tmp_path):
    async def story():
        visitor = Visitor()
        task = serve(goodbye, visitor)
        await soon()
        stop(tmp_path)
        await asyncio.wait_for(task, 5)
        assert visitor.told == [ACCEPT, HELLO, {**CLOSE, "code": 1012}]

    asyncio.run(story())


def test_a_server_that_keeps_the_code_to_itself_gets_another_and_one_that_takes_none_is_in_nobodys_way(
    goodbye, tmp_path
):
    async def story():
        picky, deaf, usual = Visitor([1012]), Visitor([1012, 4012]), Visitor()
        tasks = [serve(goodbye, visitor) for visitor in (deaf, picky, usual)]
        await soon()
        stop(tmp_path)
        await asyncio.wait_for(asyncio.gather(*tasks[1:]), 5)
        assert (picky.codes, deaf.codes, usual.codes) == ([4012], [], [1012])
        tasks[0].cancel()

    asyncio.run(story())


def test_a_websocket_that_is_accepted_late_is_closed_as_well_and_not_before(goodbye, tmp_path):
    async def story():
        stop(tmp_path)
        visitor, ready = Visitor(), asyncio.Event()

        async def late(scope, receive, send):
            await ready.wait()
            await stays(scope, receive, send)

        task = serve(goodbye, visitor, late)
        await soon()
        assert visitor.told == []
        ready.set()
        await asyncio.wait_for(task, 5)
        assert visitor.codes == [1012]

    asyncio.run(story())


def test_a_websocket_that_has_ended_is_told_no_more(goodbye, tmp_path):
    async def leaves(_scope, _receive, send):
        await send(ACCEPT)
        await send({**CLOSE, "code": 1000})

    async def breaks(_scope, _receive, send):
        await send(ACCEPT)
        raise LookupError("the project's own")

    async def story():
        left, broken = Visitor(), Visitor()
        await serve(goodbye, left, leaves)
        with pytest.raises(LookupError, match="the project's own"):
            await serve(goodbye, broken, breaks)
        stop(tmp_path)
        await soon()
        assert (left.codes, broken.codes) == ([1000], [])

    asyncio.run(story())


def test_how_many_are_open_stands_in_a_file(goodbye, tmp_path):
    count = tmp_path / f"websockets.{os.getpid()}"

    async def story():
        visitors = [Visitor() for _number in range(12)]
        tasks = [serve(goodbye, visitor) for visitor in visitors]
        await soon()
        assert count.read_text() == "12     \n"
        for visitor in visitors[:3]:
            visitor.gone.set()
        await soon()
        assert count.read_text() == "9      \n", "a shorter number does not leave the rest of a longer one"
        stop(tmp_path)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert count.read_text().strip() == "0"

    asyncio.run(story())


def test_without_a_folder_for_the_file_they_are_served_as_well(goodbye, tmp_path, monkeypatch):
    monkeypatch.setattr(goodbye, "FOLDER", str(tmp_path / "nowhere"))

    async def story():
        visitor = Visitor()
        task = serve(goodbye, visitor)
        await soon()
        visitor.gone.set()
        await asyncio.wait_for(task, 5)
        assert visitor.told[:2] == [ACCEPT, HELLO]

    asyncio.run(story())


def test_a_websocket_that_is_refused_is_refused(goodbye, tmp_path):
    async def refuses(_scope, _receive, send):
        await send({**CLOSE, "code": 4403})

    async def story():
        visitor = Visitor()
        await serve(goodbye, visitor, refuses)
        assert visitor.codes == [4403]

    asyncio.run(story())

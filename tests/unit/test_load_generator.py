# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that misbehave on purpose: the load must see each of it, and call it by its name."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import load
import pytest

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NOBODY = {"fresh": 0, "kept": 0, "slow": 0, "upload": 0}
HASTE = {"rate": 1000.0, "upload_bytes": 300_000, "upload_pause": 0.0, "websocket_pause": 0.1, "reconnect_pause": 0.01}
QUIET = {**NOBODY, **HASTE, "unavailable_pause": 0.01}
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


# --- what servers do


async def head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def answers(data: bytes, then: Callable[[asyncio.StreamWriter], Any] = lambda writer: None) -> Behaviour:
    """Read a request, say this, end the connection."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.02)  # so that what was said is not overtaken by a reset
        then(writer)

    return behave


async def is_well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A site in good health: any path, also uploads and an echo, on connections that are kept."""
    while asked := await head(reader):
        if "Upgrade: websocket" in asked:
            await echoes(reader, writer, asked)
            return
        fields = dict(line.split(": ", 1) for line in asked.split("\r\n")[1:-2])
        body = await reader.readexactly(int(fields.get("Content-Length", 0)))
        told = {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        writer.write(answer(json.dumps(told).encode()))


def frame(opcode: int, payload: bytes = b"") -> bytes:
    return bytes([0x80 | opcode, len(payload)]) + payload


async def receive(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a client's frames are masked"
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))


def upgrade(asked: str) -> bytes:
    key = asked.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
    proof = base64.b64encode(hashlib.sha1((key + load.HANDSHAKE_GUID).encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {proof}\r\n\r\n"
    ).encode()


async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: str) -> None:
    writer.write(upgrade(asked) + frame(TEXT, b"hello from a test") + frame(PING, b"are you there"))
    ponged = False
    while True:
        opcode, payload = await receive(reader)
        if opcode == PONG:
            assert payload == b"are you there"
            ponged = True
        elif opcode == TEXT:
            assert ponged, "the ping came first"
            writer.write(frame(TEXT, payload))
        else:
            writer.write(frame(CLOSE, payload))
            return


def opens_a_websocket(then: Behaviour) -> Behaviour:
    """Shake hands, say hello, read one text, and go on as told."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(await head(reader)) + frame(TEXT, b"hello from a test"))
        await receive(reader)
        await then(reader, writer)

    return behave


def says(data: bytes, then: Callable[[asyncio.StreamWriter], Any] = lambda writer: None) -> Behaviour:
    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.02)
        then(writer)

    return behave


@contextlib.asynccontextmanager
async def site(*behaviours: Behaviour) -> Any:
    """A server whose connections behave one after the other as told, and the last way from then on; its port."""
    left = list(behaviours)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behave = left.pop(0) if len(left) > 1 else left[0]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def visit(*behaviours: Behaviour, requests: int = 1, seconds: float = 10, **settings: Any) -> load.Report:
    async def scenario() -> load.Report:
        async with site(*behaviours) as port:
            wanted = load.Load("127.0.0.1", "x.example", seconds, requests, port=port, **{**QUIET, **settings})
            return await load.Visitors(wanted).run()

    return asyncio.run(scenario())


# --- a site in good health


def test_a_healthy_site_has_no_failure() -> None:
    report = visit(is_well, requests=40, fresh=1, kept=1, slow=1, upload=1, websockets=2)
    assert report.failed == {}
    assert report.answered == {kind: report.sent[kind] for kind in load.KINDS}
    assert 40 <= report.requests + report.sent["websocket"] <= 46
    assert report.retried == 0
    assert report.websockets.opened == report.websockets.ended_by_client == 2
    assert report.websockets.echoes >= 2
    assert report.websockets.closed == {}


def test_kept_connections_are_kept_and_fresh_ones_are_not() -> None:
    connections = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await is_well(reader, writer)

    assert visit(counted, requests=5, kept=1).answered == {"kept": 5}
    assert len(connections) == 1
    assert visit(counted, requests=5, fresh=1).answered == {"fresh": 5}
    assert len(connections) == 6


def test_time_is_a_limit() -> None:
    began = time.monotonic()
    report = visit(is_well, requests=10**9, seconds=0.3, fresh=1, rate=20)
    assert 0.3 <= time.monotonic() - began < 5
    assert 1 <= report.sent["fresh"] <= 8


# --- requests that fail


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answers(answer(status="502 Bad Gateway")), "status 502"),
        (answers(b""), "closed before the answer"),
        (answers(b"", reset), "reset before the answer"),
        (answers(b"HTTP/1.1 200 OK\r\nCont"), "closed within the answer"),
        (answers(b"HTTP/1.1 200 OK\r\nCont", reset), "reset within the answer"),
        (answers(answer(b"x" * 100)[:-60]), "short body, then closed"),
        (answers(answer(b"x" * 100)[:-60], reset), "short body, then reset"),
        (answers(b"HTTP/1.1 200 OK\r\n\r\nbody"), "answer without Content-Length"),
        (answers(b"220 mail.example ESMTP\r\n\r\n"), "no HTTP"),
    ],
)
@pytest.mark.parametrize("kind", ["fresh", "slow", "kept"])
def test_a_failure_on_a_new_connection_is_counted_by_its_reason(kind: str, behaviour: Behaviour, reason: str) -> None:
    report = visit(behaviour, requests=2, **{kind: 1})
    assert report.failed == {kind: {reason: 2}}
    assert report.sent == {kind: 2}
    assert report.answered == {}
    assert report.retried == 0
    assert len(report.examples) == 2
    assert f" {kind}: {reason} after " in report.examples[0]


def test_the_examples_are_the_first_ones() -> None:
    report = visit(answers(answer(b"oops", "500 No")), requests=8, fresh=1)
    assert report.failed == {"fresh": {"status 500": 8}}
    assert len(report.examples) == load.EXAMPLES
    assert "b'oops'" in report.examples[0]


def test_a_refused_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        wanted = load.Load("127.0.0.1", "x.example", 10, 3, port=taken.getsockname()[1], **{**QUIET, "fresh": 1})
        report = asyncio.run(load.Visitors(wanted).run())
    assert report.failed == {"fresh": {"connection refused": 3}}


def test_an_answer_that_never_comes() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert visit(silent, fresh=1, timeout=0.1).failed == {"fresh": {"timed out": 1}}
    assert visit(silent, websockets=1, timeout=0.1).failed == {"websocket": {"timed out": 1}}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answers(answer(b'{"length": 1, "sha256": "0"}')), "wrong answer"),
        (answers(answer(b"no JSON")), "wrong answer"),
        (answers(answer(status="413 Too Large")), "status 413"),
        (answers(b"", reset), "reset before the answer"),
    ],
)
def test_an_upload_that_fails(behaviour: Behaviour, reason: str) -> None:
    async def reads_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = asyncio.StreamReader()
        whole.feed_data((await head(reader)).encode())
        await reader.readexactly(QUIET["upload_bytes"])
        await behaviour(whole, writer)

    report = visit(reads_all, upload=1)
    assert report.failed == {"upload": {reason: 1}}
    assert report.retried == 0


# --- kept connections


def first_well_then(behaviour: Behaviour) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(answer())
        await behaviour(reader, writer)

    return behave


async def closes(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await writer.drain()


@pytest.mark.parametrize("behaviour", [closes, answers(b""), answers(b"", reset)])
def test_an_idle_connection_that_was_closed_is_replaced_once(behaviour: Behaviour) -> None:
    report = visit(first_well_then(behaviour), is_well, requests=5, kept=1)
    assert report.failed == {}
    assert report.answered == {"kept": 5}
    assert report.retried == 1


def test_what_fails_on_the_new_connection_too_is_a_failure() -> None:
    report = visit(first_well_then(closes), answers(b""), is_well, requests=3, kept=1)
    assert report.failed == {"kept": {"closed before the answer": 1}}
    assert report.answered == {"kept": 2}
    assert report.retried == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answers(b"H"), "closed within the answer"),
        (answers(b"H", reset), "reset within the answer"),
        (answers(answer(b"x" * 100)[:-60], reset), "short body, then reset"),
        (answers(answer(status="502 Bad Gateway")), "status 502"),
    ],
)
def test_an_answer_that_had_begun_is_never_asked_for_again(behaviour: Behaviour, reason: str) -> None:
    report = visit(first_well_then(behaviour), is_well, requests=2, kept=1)
    assert report.failed == {"kept": {reason: 1}}
    assert report.retried == 0


def test_a_connection_that_will_be_closed_is_not_used_again() -> None:
    report = visit(answers(answer(b"{}", "200 OK", "Connection: close")), requests=3, kept=1)
    assert report.answered == {"kept": 3}
    assert report.retried == 0


# --- WebSockets


@pytest.mark.parametrize(
    ("behaviour", "reason", "cut"),
    [
        (opens_a_websocket(says(b"")), "cut: closed without a close frame", 1),
        (opens_a_websocket(says(b"", reset)), "cut: reset without a close frame", 1),
        (opens_a_websocket(says(frame(TEXT, b"half a frame")[:-3])), "cut: closed without a close frame", 1),
        (opens_a_websocket(says(frame(TEXT, b"something else"))), "wrong echo", 0),
        (opens_a_websocket(says(frame(2, b"binary"))), "unexpected frame", 0),
        (answers(answer(status="502 Bad Gateway")), "status 502 at the handshake", 0),
        (answers(b""), "closed before the answer", 0),
        (answers(b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: no\r\n\r\n"), "wrong Sec-WebSocket-Accept", 0),
    ],
)
def test_a_websocket_that_fails(behaviour: Behaviour, reason: str, cut: int) -> None:
    report = visit(behaviour, websockets=1)
    assert report.failed == {"websocket": {reason: 1}}
    assert report.websockets.cut == cut
    assert report.websockets.closed == {}
    assert report.websockets.ended_by_client == 0


def test_an_echo_that_never_comes() -> None:
    async def keeps_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    report = visit(opens_a_websocket(keeps_silent), websockets=1, timeout=0.2)
    assert report.failed == {"websocket": {"no echo in time": 1}}


def test_an_echo_that_comes_twice() -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(await head(reader)) + frame(TEXT, b"hello from a test"))
        _opcode, payload = await receive(reader)
        writer.write(2 * frame(TEXT, payload))
        await reader.read()

    assert visit(twice, websockets=1).failed == {"websocket": {"wrong echo": 1}}


@pytest.mark.parametrize(("payload", "code"), [(b"\x03\xf4", "1012"), (b"\x03\xe9bye", "1001"), (b"", "1005")])
def test_a_close_frame_is_no_failure_and_the_client_comes_back(payload: bytes, code: str) -> None:
    report = visit(opens_a_websocket(says(frame(CLOSE, payload))), is_well, websockets=1, requests=2, seconds=1)
    assert report.failed == {}
    assert report.websockets.closed == {code: 1}
    assert report.websockets.unanswered == 1
    assert report.websockets.opened == 2
    assert report.websockets.cut == 0


def test_a_close_frame_between_two_texts_leaves_none_unanswered() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(await head(reader)) + frame(TEXT, b"hello from a test"))
        _opcode, payload = await receive(reader)
        writer.write(frame(TEXT, payload) + frame(CLOSE, b"\x03\xf4"))
        assert await receive(reader) == (CLOSE, b"\x03\xf4"), "the client answers with the same code"
        writer.write(b"")

    report = visit(once, websockets=1)
    assert report.failed == {}
    assert report.websockets.closed == {"1012": 1}
    assert report.websockets.echoes == 1
    assert report.websockets.unanswered == 0


def test_no_websockets_at_present() -> None:
    nowhere = answers(answer(b"", "404 Not Found"))
    report = visit(nowhere, nowhere, is_well, websockets=1, requests=3, seconds=1)
    assert report.failed == {}
    assert report.websockets.unavailable == 2
    assert report.websockets.opened == 1


def test_a_server_that_does_not_answer_the_clients_close_frame() -> None:
    async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(await head(reader)) + frame(TEXT, b"hello from a test"))
        while True:
            opcode, payload = await receive(reader)
            if opcode == TEXT:
                writer.write(frame(TEXT, payload))

    report = visit(never_ends, websockets=1, seconds=0.3, requests=10, timeout=0.5)
    assert report.failed == {"websocket": {"the client's close frame was not answered": 1}}
    assert report.websockets.ended_by_client == 0


# --- in a process of its own


@contextlib.contextmanager
def site_in_a_thread(*behaviours: Behaviour) -> Iterator[int]:
    ready = threading.Event()
    started: dict[str, Any] = {}

    async def serve() -> None:
        async with site(*behaviours) as port:
            over = asyncio.Event()
            started.update(port=port, stop=over.set, loop=asyncio.get_running_loop())
            ready.set()
            await over.wait()

    # asyncio.run ends the connections that are still open.
    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert ready.wait(5)
    try:
        yield started["port"]
    finally:
        started["loop"].call_soon_threadsafe(started["stop"])
        thread.join()


def running(port: int, **settings: Any) -> contextlib.AbstractContextManager[load.Report]:
    wanted = {**QUIET, "seconds": 30, "requests": 10_000, "rate": 50.0, "port": port, **settings}
    return load.running("127.0.0.1", "x.example", **wanted)


def test_another_process_reports_while_it_runs_and_at_its_end() -> None:
    with site_in_a_thread(is_well) as port, running(port, fresh=1, kept=1, websockets=3) as report:
        assert report.websockets.opened == 3, "all are there when the block begins"
        at_first = report.requests
        assert at_first > 0
        end = time.monotonic() + 10
        while report.requests == at_first and time.monotonic() < end:
            time.sleep(0.05)
        in_between = report.requests
        assert in_between > at_first
    assert report.requests >= in_between
    assert report.failed == {}
    assert report.answered == {kind: report.sent[kind] for kind in ("fresh", "kept")}
    assert report.websockets.ended_by_client == 3
    assert "3 opened" in report.summary()


def test_failures_cross_the_process_boundary() -> None:
    with site_in_a_thread(answers(answer(status="502 Bad Gateway"))) as port, running(port, fresh=1) as report:
        pass
    assert report.failed == {"fresh": {"status 502": report.sent["fresh"]}}
    assert "× status 502" in report.summary()


def test_the_load_ends_with_the_block_also_when_that_fails() -> None:
    asked = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await is_well(reader, writer)

    with site_in_a_thread(counted) as port:
        with pytest.raises(ZeroDivisionError), running(port, fresh=1):
            raise ZeroDivisionError
        at_the_end = len(asked)
        time.sleep(0.3)
        assert len(asked) == at_the_end > 0


def test_a_load_that_can_not_begin_says_so() -> None:
    with pytest.raises(RuntimeError, match="has not begun"), running(1, fresh=1, rate="often"):
        pytest.fail("the block must not be entered")


def test_a_load_that_breaks_down_does_not_pass_for_one_that_saw_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "load.py"
    broken.write_text(f"print({load.Report(sent={'fresh': 1}).to_json()!r}, flush=True)\nraise SystemError\n")
    monkeypatch.setattr(load, "__file__", str(broken))
    with pytest.raises(RuntimeError, match="ended with 1"), running(1, fresh=1):
        pass


@pytest.mark.parametrize(("behaviour", "rc"), [(is_well, 0), (answers(b""), load.FAILURES_SEEN)])
def test_the_command_ends_by_its_limits_and_its_exit_status_tells(behaviour: Behaviour, rc: int) -> None:
    with site_in_a_thread(behaviour) as port:
        done = subprocess.run(
            [sys.executable, load.__file__, "127.0.0.1", "x.example", f"--port={port}", "--seconds=20", "--requests=9"]
            + ["--fresh=1", "--kept=0", "--slow=0", "--upload=0", "--rate=100"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == rc, done.stderr
    assert done.stdout.startswith("9 requests in ")


def test_the_command_asks_for_its_limits() -> None:
    done = subprocess.run(
        [sys.executable, load.__file__, "127.0.0.1", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--seconds, --requests" in done.stderr

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors of every kind at once, who miss nothing: what gets no whole and right answer is counted by its reason.

`fresh` opens a connection for each request, `kept` keeps its connections, `slow` asks for an answer that takes seconds,
`upload` sends large bodies, and WebSockets send a text each second and wait for its echo.

One thing is forgiven, as every HTTP client forgives it. A server may close an idle kept connection at any time: a GET
on a connection that has answered before, which ends before any byte of the answer, is sent once more on a new
connection and counted as `retried`. A WebSocket may be closed by a close frame; and while the stack that serves offers
none, a handshake is answered 404, counted as `unavailable` and tried again later.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, TypeVar

# What an application says that goes away: "going away", "service restart", and what daphne may say instead of it.
GOODBYES = {"1001", "1012", "4012"}
KINDS = ("fresh", "kept", "slow", "upload")
WEBSOCKET = "websocket"
POSITIONAL = ("address", "domain")

# RFC 6455, section 1.3.
HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
NO_CODE = 1005

CHUNK = 64 * 1024
EXAMPLES = 3
START_DEADLINE = 30
# Python itself ends with 1 or 2 when the load is what fails.
FAILURES_SEEN = 3

Key = TypeVar("Key", bound=Hashable)

dice = random.Random()  # noqa: S311 (visitors come at random, and nothing here is secret)


def setting(meaning: str, default: Any) -> Any:
    return field(default=default, metadata={"help": meaning})  # pylint: disable=invalid-field-call


@dataclass(frozen=True)
class Load:
    """Who visits what, and for how long at most."""

    address: str = field(metadata={"help": "where nginx listens"})
    domain: str = field(metadata={"help": "the Host header"})
    seconds: float = field(metadata={"help": "end after this time at the latest"})
    requests: int = field(metadata={"help": "end after this many requests and handshakes at the latest"})
    port: int = setting("the port", 80)
    fresh: int = setting("visitors who open a connection for each request", 6)
    kept: int = setting("visitors who keep their connection", 6)
    rate: float = setting("requests per second of each fresh or kept visitor", 10.0)
    slow: int = setting("visitors who ask for the slow page, again and again", 4)
    upload: int = setting("visitors who upload", 2)
    upload_bytes: int = setting("size of an upload", 5 * 1024 * 1024)
    upload_pause: float = setting("seconds from the begin of one upload of a visitor to the next", 1.0)
    websockets: int = setting("WebSockets that are open at once", 0)
    websocket_pause: float = setting("seconds between two texts of one WebSocket", 1.0)
    reconnect_pause: float = setting("seconds until a WebSocket that has ended comes back", 0.2)
    unavailable_pause: float = setting("seconds until it comes back where there are no WebSockets", 2.0)
    timeout: float = setting("seconds for a whole exchange", 30.0)
    fresh_path: str = setting("what fresh visitors ask for", "/health/")
    kept_path: str = setting("what visitors with a kept connection ask for", "/crate/")
    slow_path: str = setting("the slow page", "/slow/?seconds=2")
    upload_path: str = setting("what takes an upload and answers with its length and sha256", "/upload/")
    websocket_path: str = setting("what says hello and then echoes", "/ws/echo/")

    def visitors(self, kind: str) -> int:
        return int(getattr(self, kind))


@dataclass
class WebSockets:
    """How the WebSockets fared."""

    opened: int = 0
    echoes: int = 0
    unavailable: int = 0
    ended_by_client: int = 0
    closed: dict[str, int] = field(default_factory=dict)  # by the code of the server's close frame
    cut: int = 0  # ended without a close frame; each is a failure, too
    unanswered: int = 0  # texts that crossed the server's close frame


@dataclass
class Report:
    """What was sent, and everything that failed. A request counts as sent when it begins."""

    sent: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    failed: dict[str, dict[str, int]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    retried: int = 0
    slowest: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    websockets: WebSockets = field(default_factory=WebSockets)

    @property
    def requests(self) -> int:
        """All requests, without the handshakes of WebSockets."""
        return sum(self.sent.get(kind, 0) for kind in KINDS)

    @property
    def failures(self) -> int:
        return sum(count for reasons in self.failed.values() for count in reasons.values())

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def update(self, text: str) -> None:
        """Take over what another report says, in place."""
        told = json.loads(text)
        told["websockets"] = WebSockets(**told["websockets"])
        for name, value in told.items():
            setattr(self, name, value)

    def summary(self) -> str:
        took = {
            kind: f"{count} {kind} (longest {self.slowest.get(kind, 0):.2f} s)" for kind, count in self.sent.items()
        }
        ws = self.websockets
        closed = ", ".join(f"{number} by {code}" for code, number in sorted(ws.closed.items())) or "none"
        return "\n".join(
            [
                f"{self.requests} requests in {self.seconds:.0f} s, {self.failures} failures, {self.retried} retried",
                "  " + ", ".join(took[kind] for kind in KINDS if kind in took),
                f"  WebSockets: {ws.opened} opened, {ws.echoes} echoes, {ws.unavailable} times unavailable",
                f"  WebSockets closed by the server: {closed}; by the client: {ws.ended_by_client}; cut: {ws.cut}",
                *(
                    f"  FAILED {kind}: {number} × {reason}"
                    for kind, reasons in self.failed.items()
                    for reason, number in reasons.items()
                ),
                *(f"  {example}" for example in self.examples),
            ]
        )


class Failure(Exception):
    """No whole and right answer.

    :param reason: one of a few, to be counted
    :param detail: what is special about this one
    :param unheard: not a byte of the answer has come, and the connection is gone
    """

    def __init__(self, reason: str, detail: str = "", unheard: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.detail, self.unheard = reason, detail, unheard


def count(table: dict[Key, int], key: Key) -> None:
    table[key] = table.get(key, 0) + 1


# --- one connection


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""


class Connection:
    """A TCP connection that knows how much of an answer it has seen when it ends."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._buffer = sock, bytearray()
        self._heard = False

    @classmethod
    async def open(cls, address: str, port: int) -> Connection:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except ConnectionRefusedError:
            sock.close()
            raise Failure("connection refused") from None
        except OSError as error:
            sock.close()
            raise Failure("no connection", str(error)) from None
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def close(self) -> None:
        self._socket.close()

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            await asyncio.get_running_loop().sock_sendall(self._socket, data[start : start + CHUNK])

    async def request(self, head: list[str], body: bytes = b"") -> Answer:
        """Ask, and read the whole answer."""
        self._heard = False
        # A server may answer before it has read all, and then close: the answer says more than the failed sending.
        with contextlib.suppress(ConnectionError):
            await self.send("\r\n".join([*head, "", ""]).encode())
            await self.send(body)
        answer = await self._head()
        if answer.status == 101:
            return answer
        length = answer.headers.get("content-length", "")
        if not length.isdecimal():
            raise Failure("answer without Content-Length", f"status {answer.status}")
        return Answer(answer.status, answer.headers, await self._body(int(length)))

    async def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _head(self) -> Answer:
        try:
            while (end := self._buffer.find(b"\r\n\r\n")) < 0:
                await self._more()
        except Failure as failure:
            when = "within" if self._heard else "before"
            raise Failure(f"{failure.reason} {when} the answer", unheard=not self._heard) from None
        status, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        parts = status.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdecimal():
            raise Failure("no HTTP", repr(status[:80]))
        headers = {name.strip().lower(): value.strip() for name, _sep, value in (line.partition(":") for line in lines)}
        return Answer(int(parts[1]), headers)

    async def _body(self, length: int) -> bytes:
        try:
            return await self.read(length)
        except Failure as failure:
            detail = f"{len(self._buffer)} of {length} bytes"
            raise Failure(f"short body, then {failure.reason}", detail) from None

    async def _more(self) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, CHUNK)
        except ConnectionError:
            raise Failure("reset") from None
        if not data:
            raise Failure("closed")
        self._heard = True
        self._buffer += data


# --- one WebSocket


@dataclass(frozen=True)
class Closed:
    """The server's close frame."""

    code: int


class WebSocket:
    """A client's end, after the handshake. What happens on it comes one by one from `event`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events: asyncio.Queue[str | Closed | Failure] = asyncio.Queue()
        self._listener = asyncio.create_task(self._listen())

    async def event(self, seconds: float) -> str | Closed | None:
        """The next text or the close frame; None if nothing happens."""
        try:
            happened = await asyncio.wait_for(self._events.get(), seconds)
        except asyncio.TimeoutError:
            return None
        if isinstance(happened, Failure):
            raise happened
        return happened

    async def send(self, opcode: int, payload: bytes) -> None:
        """Send one masked frame of less than 64 KiB. A connection that is gone shows in the next event."""
        mask = os.urandom(4)
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        masked = bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))
        with contextlib.suppress(ConnectionError):
            await self._connection.send(bytes([0x80 | opcode]) + length + mask + masked)

    async def end(self) -> None:
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        self._connection.close()

    async def _listen(self) -> None:
        try:
            while True:
                opcode, payload = await self._frame()
                if opcode == TEXT:
                    self._events.put_nowait(payload.decode())
                elif opcode == PING:
                    await self.send(PONG, payload)
                elif opcode == CLOSE:
                    await self.send(CLOSE, payload[:2])
                    self._events.put_nowait(Closed(struct.unpack("!H", payload[:2])[0] if payload else NO_CODE))
                    return
                else:
                    raise Failure("unexpected frame", f"opcode {opcode:#x}")
        except Failure as failure:
            self._events.put_nowait(failure)

    async def _frame(self) -> tuple[int, bytes]:
        try:
            first, second = await self._connection.read(2)
            length = second & 0x7F
            if length >= 126:
                wide = length == 127
                (length,) = struct.unpack("!Q" if wide else "!H", await self._connection.read(8 if wide else 2))
            return first & 0x0F, await self._connection.read(length)
        except Failure as failure:
            raise Failure(f"cut: {failure.reason} without a close frame") from None


# --- the visitors


class Visitors:
    """All of them, in one event loop, and the report on them."""

    def __init__(self, load: Load) -> None:
        self.load, self.report = load, Report()
        self._over = asyncio.Event()
        self._started = time.monotonic()
        self._arrived: set[asyncio.Task[Any] | None] = set()
        self._upload = dice.randbytes(load.upload_bytes)
        self._upload_sha256 = hashlib.sha256(self._upload).hexdigest()

    @property
    def all_are_there(self) -> bool:
        """Whether every visitor has had an outcome."""
        return len(self._arrived) == sum(map(self.load.visitors, KINDS)) + self.load.websockets

    def stop(self) -> None:
        """Begin nothing new; what is under way goes on to its end."""
        self._over.set()

    async def run(self) -> Report:
        visits = {"fresh": self._fresh, "kept": self._kept, "slow": self._slow, "upload": self._uploads}
        tasks = [visits[kind]() for kind in KINDS for _dummy in range(self.load.visitors(kind))]
        tasks += [self._websocket() for _dummy in range(self.load.websockets)]
        end = asyncio.get_running_loop().call_later(self.load.seconds, self.stop)
        try:
            await asyncio.gather(*tasks)
        finally:
            end.cancel()
            self.look_at_the_clock()
        return self.report

    def look_at_the_clock(self) -> None:
        self.report.seconds = time.monotonic() - self._started

    # - kinds

    async def _fresh(self) -> None:
        await self._visit_again_and_again("fresh", 1 / self.load.rate, lambda: self._get_alone(self.load.fresh_path))

    async def _slow(self) -> None:
        await self._visit_again_and_again("slow", 0.1, lambda: self._get_alone(self.load.slow_path))

    async def _uploads(self) -> None:
        await self._visit_again_and_again("upload", self.load.upload_pause, self._upload_once)

    async def _kept(self) -> None:
        idle: Connection | None = None

        async def get() -> None:
            nonlocal idle
            used, idle = idle, None
            idle = await self._get_on(used)

        try:
            await self._visit_again_and_again("kept", 1 / self.load.rate, get)
        finally:
            if idle:
                idle.close()

    async def _get_on(self, idle: Connection | None) -> Connection | None:
        """Ask on a connection that has answered before, or else on a new one; the connection, if it may be kept."""
        head = self._head("GET", self.load.kept_path)
        with contextlib.ExitStack() as at_the_end:
            answer = None
            if connection := idle:
                at_the_end.callback(connection.close)
                answer = await self._answer_unless_closed(connection, head)
            if answer is None:
                connection = at_the_end.enter_context(contextlib.closing(await self._connect()))
                answer = await connection.request(head)
            require_ok(answer)
            if answer.headers.get("connection", "").lower() == "close":
                return None
            at_the_end.pop_all()
            return connection

    async def _answer_unless_closed(self, idle: Connection, head: list[str]) -> Answer | None:
        """None if the server had closed the connection instead, as it may."""
        try:
            return await idle.request(head)
        except Failure as failure:
            if not failure.unheard:
                raise
            self.report.retried += 1
            idle.close()
            return None

    async def _get_alone(self, path: str) -> None:
        with contextlib.closing(await self._connect()) as connection:
            require_ok(await connection.request(self._head("GET", path, "Connection: close")))

    async def _upload_once(self) -> None:
        head = self._head("POST", self.load.upload_path, f"Content-Length: {len(self._upload)}", "Connection: close")
        with contextlib.closing(await self._connect()) as connection:
            answer = await connection.request(head, self._upload)
        require_ok(answer)
        try:
            told = json.loads(answer.body)
        except ValueError:
            told = None
        if told != {"length": len(self._upload), "sha256": self._upload_sha256}:
            raise Failure("wrong answer", repr(answer.body[:200]))

    # - WebSockets

    async def _websocket(self) -> None:
        await self._pause(dice.random() * min(1, self.load.websocket_pause))
        while self._may_begin():
            pause = self.load.reconnect_pause
            count(self.report.sent, WEBSOCKET)
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.load.timeout):
                    connection = await self._shake_hands()
                if connection:
                    await self._talk(connection)
                else:
                    self.report.websockets.unavailable += 1
                    pause = self.load.unavailable_pause
            except (Failure, TimeoutError) as problem:
                self._note_failure(WEBSOCKET, problem, began)
            self._arrive()
            await self._pause(pause * dice.uniform(0.5, 1.5))

    async def _shake_hands(self) -> Connection | None:
        """None if the address has no WebSocket at present."""
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        )
        connection = await self._connect()
        try:
            answer = await connection.request(self._head("GET", self.load.websocket_path, *upgrade))
            if answer.status == 404:
                connection.close()
                return None
            if answer.status != 101:
                raise Failure(f"status {answer.status} at the handshake", repr(answer.body[:200]))
            proof = hashlib.sha1((key + HANDSHAKE_GUID).encode(), usedforsecurity=False).digest()
            if answer.headers.get("sec-websocket-accept") != base64.b64encode(proof).decode():
                raise Failure("wrong Sec-WebSocket-Accept")
        except BaseException:
            connection.close()
            raise
        return connection

    async def _talk(self, connection: Connection) -> None:
        """Send texts until somebody closes the connection."""
        self.report.websockets.opened += 1
        websocket = WebSocket(connection)
        try:
            closed = await self._texts(websocket)
            if closed:
                count(self.report.websockets.closed, str(closed.code))
            else:
                await self._say_goodbye(websocket)
        finally:
            await websocket.end()

    async def _texts(self, websocket: WebSocket) -> Closed | None:
        """The server's close frame, or None once the load is over."""
        hello = await websocket.event(self.load.timeout)
        if isinstance(hello, Closed):
            return hello
        if not hello or not hello.startswith("hello"):
            raise Failure("no hello", repr(hello))
        self._arrive()
        while not self._over.is_set():
            text = f"text {dice.getrandbits(64):x}"
            await websocket.send(TEXT, text.encode())
            echo = await websocket.event(self.load.timeout)
            if isinstance(echo, Closed):
                self.report.websockets.unanswered += 1
                return echo
            if echo is None:
                raise Failure("no echo in time")
            if echo != text:
                raise Failure("wrong echo", f"{echo[:80]!r} instead of {text!r}")
            self.report.websockets.echoes += 1
            quiet = await websocket.event(self.load.websocket_pause)
            if isinstance(quiet, Closed):
                return quiet
            if quiet is not None:
                raise Failure("wrong echo", f"{quiet[:80]!r} that nobody had sent")
        return None

    async def _say_goodbye(self, websocket: WebSocket) -> None:
        await websocket.send(CLOSE, struct.pack("!H", 1000))
        if not isinstance(await websocket.event(self.load.timeout), Closed):
            raise Failure("the client's close frame was not answered")
        self.report.websockets.ended_by_client += 1

    # - what all do

    async def _visit_again_and_again(self, kind: str, interval: float, visit: Callable[[], Awaitable[None]]) -> None:
        async for _beat in self._beats(interval):
            count(self.report.sent, kind)
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.load.timeout):
                    await visit()
                count(self.report.answered, kind)
            except (Failure, TimeoutError) as problem:
                self._note_failure(kind, problem, began)
            took = time.monotonic() - began
            self.report.slowest[kind] = max(took, self.report.slowest.get(kind, 0.0))
            self._arrive()

    async def _beats(self, interval: float) -> AsyncIterator[None]:
        """At an even pace, until the load is over. What a slow answer has missed is not caught up with."""
        await self._pause(dice.random() * min(1, interval))
        while self._may_begin():
            began = time.monotonic()
            yield
            # Where all fails at once, there is no use in failing as fast as possible.
            await self._pause(max(0.01, interval - (time.monotonic() - began)))

    def _may_begin(self) -> bool:
        if sum(self.report.sent.values()) >= self.load.requests:
            self.stop()
        return not self._over.is_set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    async def _connect(self) -> Connection:
        return await Connection.open(self.load.address, self.load.port)

    def _head(self, method: str, path: str, *headers: str) -> list[str]:
        return [f"{method} {path} HTTP/1.1", f"Host: {self.load.domain}", "User-Agent: switchyard-load", *headers]

    def _arrive(self) -> None:
        """Each visitor is a task."""
        self._arrived.add(asyncio.current_task())

    def _note_failure(self, kind: str, problem: Failure | TimeoutError, began: float) -> None:
        failure = problem if isinstance(problem, Failure) else Failure("timed out")
        if failure.reason.startswith("cut: "):
            self.report.websockets.cut += 1
        reasons = self.report.failed.setdefault(kind, {})
        count(reasons, failure.reason)
        if reasons[failure.reason] <= EXAMPLES:
            now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            after = f"after {time.monotonic() - began:.3f} s"
            self.report.examples.append(" ".join((now, f"{kind}:", failure.reason, after, failure.detail)).rstrip())


def require_ok(answer: Answer) -> None:
    if answer.status != 200:
        raise Failure(f"status {answer.status}", repr(answer.body[:200]))


def nothing_was_lost(report: Report, clues: str) -> None:
    """Every request was answered as it should be, and every WebSocket ended by a goodbye.

    :param clues: what to show where this is not so
    """
    said = f"{report.summary()}\n{clues}"
    websockets = report.websockets
    assert report.failed == {}, said
    assert report.answered == {kind: report.sent[kind] for kind in KINDS if kind in report.sent}, said
    assert websockets.cut == 0, said
    assert set(websockets.closed) <= GOODBYES, said
    assert sum(websockets.closed.values()) + websockets.ended_by_client == websockets.opened, said


# --- in a process of its own


@contextlib.contextmanager
def running(address: str, domain: str, *, seconds: float, requests: int, **settings: Any) -> Iterator[Report]:
    """Put a site under load from another process, from its first outcomes on; the report is kept up to date.

    When the block is left, whatever is under way is brought to its end, and the report is final.
    """
    load = Load(address=address, domain=domain, seconds=seconds, requests=requests, **settings)
    options = {name: value for name, value in asdict(load).items() if name not in POSITIONAL}
    command = [sys.executable, __file__, load.address, load.domain, "--until-eof", "--json"]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    report, has_begun = Report(), threading.Event()

    def follow() -> None:
        for line in child.stdout or ():
            report.update(line)
            has_begun.set()
        has_begun.set()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        if not has_begun.wait(START_DEADLINE + 5) or not report.sent:
            raise RuntimeError("The load has not begun; its own error message stands above.")
        yield report
    finally:
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(load.timeout + 10)
        finally:
            child.kill()
            child.wait()
            follower.join()
    if child.returncode not in (0, FAILURES_SEEN):
        raise RuntimeError(f"The load ended with {child.returncode}; its own error message stands above.")


async def visit(load: Load, tell: Callable[[Report], None], until_eof: bool) -> Report:
    """Run the load to its end and tell of it each second, from the time on when every visitor is there."""
    visitors = Visitors(load)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, visitors.stop)
    if until_eof:

        def stop_once() -> None:
            loop.remove_reader(sys.stdin.fileno())
            visitors.stop()

        loop.add_reader(sys.stdin.fileno(), stop_once)
    run = asyncio.create_task(visitors.run())
    began = time.monotonic()
    while not run.done():
        there = visitors.all_are_there
        if not there and time.monotonic() - began > START_DEADLINE:
            raise RuntimeError(
                f"Not every visitor had an outcome within {START_DEADLINE} s: {visitors.report.summary()}"
            )
        if there:
            visitors.look_at_the_clock()
            tell(visitors.report)
        await asyncio.wait({run}, timeout=1 if there else 0.05)
    return await run


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for one in fields(Load):
        kind = {"str": str, "int": int, "float": float}[str(one.type)]
        if one.name in POSITIONAL:
            top.add_argument(one.name, help=one.metadata["help"])
        elif one.name in ("seconds", "requests"):
            top.add_argument(f"--{one.name}", type=kind, required=True, help=one.metadata["help"])
        else:
            meaning = f"{one.metadata['help']} (default: {one.default})"
            top.add_argument(f"--{one.name.replace('_', '-')}", type=kind, default=one.default, help=meaning)
    top.add_argument("--json", action="store_true", help="print the report as JSON, once a second and at the end")
    top.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    return top


def main() -> int:
    arguments = vars(parser().parse_args())
    as_json, until_eof = arguments.pop("json"), arguments.pop("until_eof")

    def tell(report: Report) -> None:
        if as_json:
            print(report.to_json(), flush=True)

    report = asyncio.run(visit(Load(**arguments), tell, until_eof))
    print(report.to_json() if as_json else report.summary(), flush=True)
    return FAILURES_SEEN if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())

# Made by switchyard.django. An app server that is stopped may cut its WebSockets. Before systemd tells it to end, the
# unit lays down a file; here every WebSocket is closed then, with the code that makes a page connect again. How many
# are open stands in a file, too, one for each process, for whoever asks how the site is.
import asyncio
import contextlib
import os

FOLDER = os.environ.get("RUNTIME_DIRECTORY", "/nowhere")
FLAG = os.path.join(FOLDER, "closing")
LOOKS_EVERY = 0.25
# "Service restart"; and, for a server that keeps that code to itself, one of those that are free for applications.
CODES = (1012, 4012)

_sockets = {}
_watch = None
_count = None
# The child of a fork has a file of its own.
os.register_at_fork(after_in_child=lambda: globals().update(_count=None))


async def serve(project, scope, receive, send):
    """Serve one WebSocket until it ends, or until the instance is about to."""
    global _watch
    key, accepted = object(), False

    async def send_while_open(message):
        nonlocal accepted
        if accepted and key not in _sockets:
            return  # closed below: what the project still says is for nobody
        if message["type"] == "websocket.close":
            _forget(key)
        await send(message)
        if message["type"] == "websocket.accept":
            _sockets[key], accepted = send, True
            _write_count()

    if _watch is None or _watch.done():
        _watch = asyncio.get_running_loop().create_task(_say_goodbye())
    try:
        await project(scope, receive, send_while_open)
    finally:
        _forget(key)


def _forget(key):
    if _sockets.pop(key, None):
        _write_count()


def _write_count():
    """Say how many there are, in so many bytes that a new number takes the place of the old one."""
    global _count
    with contextlib.suppress(OSError):  # the site is served without it as well
        if _count is None:
            path = os.path.join(FOLDER, f"websockets.{os.getpid()}")
            _count = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.pwrite(_count, b"%-7d\n" % len(_sockets), 0)


async def _say_goodbye():
    """Look for the file, from the first WebSocket on."""
    while True:
        if os.path.exists(FLAG):
            going = list(_sockets.values())
            _sockets.clear()
            _write_count()
            await asyncio.gather(*(_close(send) for send in going))  # some wait for their visitor's answer
        await asyncio.sleep(LOOKS_EVERY)


async def _close(send):
    for code in CODES:
        try:
            await send({"type": "websocket.close", "code": code})
        except Exception:  # noqa: BLE001, S112 - it takes no such code, or has gone by itself: there are others to be told
            continue
        return

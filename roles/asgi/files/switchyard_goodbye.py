# Made by switchyard.django. An app server that is stopped may cut its WebSockets. Before systemd tells it to end, the
# unit lays down a file; here every WebSocket is closed then, with the code that makes a page connect again.
import asyncio
import os

FLAG = os.path.join(os.environ.get("RUNTIME_DIRECTORY", "/nowhere"), "closing")
LOOKS_EVERY = 0.25
# "Service restart"; and, for a server that keeps that code to itself, one of those that are free for applications.
CODES = (1012, 4012)

_sockets = {}
_watch = None


async def serve(project, scope, receive, send):
    """Serve one WebSocket until it ends, or until the instance is about to."""
    global _watch
    key, accepted = object(), False

    async def send_while_open(message):
        nonlocal accepted
        if accepted and key not in _sockets:
            return  # closed below: what the project still says is for nobody
        if message["type"] == "websocket.close":
            _sockets.pop(key, None)
        await send(message)
        if message["type"] == "websocket.accept":
            _sockets[key], accepted = send, True

    if _watch is None or _watch.done():
        _watch = asyncio.get_running_loop().create_task(_say_goodbye())
    try:
        await project(scope, receive, send_while_open)
    finally:
        _sockets.pop(key, None)


async def _say_goodbye():
    """Look for the file, from the first WebSocket on."""
    while True:
        if os.path.exists(FLAG):
            going = list(_sockets.values())
            _sockets.clear()
            await asyncio.gather(*(_close(send) for send in going))  # some wait for their visitor's answer
        await asyncio.sleep(LOOKS_EVERY)


async def _close(send):
    for code in CODES:
        try:
            await send({"type": "websocket.close", "code": code})
        except Exception:  # noqa: BLE001, S112 - it takes no such code, or has gone by itself: there are others to be told
            continue
        return

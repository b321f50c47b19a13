# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a project speaks for one stack or the other: WebSockets, streams, async views, entry points."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils.async_entries import MIDDLEWARE
from ansible_collections.switchyard.django.plugins.module_utils.blocking_calls import VIEW, Entry
from ansible_collections.switchyard.django.plugins.module_utils.project_index import Module, Scope, own_nodes
from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
from ansible_collections.switchyard.django.plugins.module_utils.project_values import (
    Class,
    Function,
    Instance,
    Library,
)

# needs: does not work under WSGI. gains: works under WSGI, at a cost. loses: suffers under ASGI. has: a plain fact.
NEEDS, GAINS, LOSES, HAS = "needs", "gains", "loses", "has"
ROUTERS = frozenset({"channels.routing.ProtocolTypeRouter", "strawberry.channels.GraphQLProtocolTypeRouter"})
# Whole ASGI applications that can be put beside Django's.
OTHER_APPLICATIONS = {
    "fastapi.FastAPI": "FastAPI",
    "starlette.applications.Starlette": "Starlette",
    "socketio.ASGIApp": "Socket.IO",
    "mcp.server.fastmcp.FastMCP": "an MCP server",
}
STREAMS = ("StreamingHttpResponse", "ServerSentEventsResponse", "EventStreamResponse", "EventSourceResponse")


@dataclass(frozen=True)
class Sign:
    """Something at a line of the project that speaks for a stack."""

    path: str
    line: int
    what: str
    weight: str


class Signs:
    """Looks for them in the modules that a request can reach."""

    def __init__(self, names: Names, reached: set[str], from_asgi: set[str]):
        """:param reached: the paths of the modules that count
        :param from_asgi: those that asgi.py, or ASGI_APPLICATION, leads to
        """
        self.names = names
        self.reached = reached
        self.from_asgi = from_asgi

    def _modules(self, *words: str) -> Iterator[Module]:
        for module in self.names.index.mentioning(*words):
            if module.path in self.reached:
                yield module

    def find(self, entries: list[Entry]) -> list[Sign]:
        """Everything that speaks for a stack, but the entry points themselves."""
        found = [*self._routers(), *self._applications(), *self._consumers(), *self._streams(), *self._views(entries)]
        return sorted(set(found), key=lambda sign: (sign.path, sign.line, sign.what))

    def _calls(self, *words: str) -> Iterator[tuple[Module, ast.Call, object, Scope]]:
        """Calls in the modules that have one of the words, with what is called and the scope."""
        for module in self._modules(*words):
            scopes: list[tuple[ast.AST, Scope]] = [(module.tree, module.scope)]
            scopes += [(one.node, self.names.body_of(one)) for one in self.names.all_functions(module)]
            for node, scope in scopes:
                for one in own_nodes(node):
                    if isinstance(one, ast.Call):
                        yield module, one, self.names.value(one.func, scope), scope

    def _is_a(self, callee: object, libraries: frozenset[str]) -> bool:
        paths = [callee.path] if isinstance(callee, Library) else []
        if isinstance(callee, Class):
            paths = self.names.base_names(callee)
        return bool(libraries & set(paths))

    def _routers(self) -> Iterator[Sign]:
        for module, node, callee, _scope in self._calls("ProtocolTypeRouter"):
            if module.path not in self.from_asgi or not self._is_a(callee, ROUTERS):
                continue
            if callee == Library("strawberry.channels.GraphQLProtocolTypeRouter"):
                yield Sign(module.path, node.lineno, "GraphQL subscriptions by WebSocket (strawberry, Channels)", NEEDS)
            for protocols in node.args:
                for key in protocols.keys if isinstance(protocols, ast.Dict) else ():
                    if isinstance(key, ast.Constant) and key.value == "websocket":
                        yield Sign(module.path, key.lineno, "WebSocket routing (Channels)", NEEDS)

    def _applications(self) -> Iterator[Sign]:
        for module, node, callee, _scope in self._calls(*(one.rpartition(".")[2] for one in OTHER_APPLICATIONS)):
            if module.path in self.from_asgi and isinstance(callee, Library) and callee.path in OTHER_APPLICATIONS:
                what = f"another ASGI application beside Django's: {OTHER_APPLICATIONS[callee.path]}"
                yield Sign(module.path, node.lineno, what, NEEDS)
        for module in self._modules("websocket"):
            if module.path not in self.from_asgi:
                continue
            for function in self.names.all_functions(module):
                given = [one.arg for one in function.node.args.args][-3:]
                if function.is_async and given == ["scope", "receive", "send"]:
                    line = _asks_for_websocket(function)
                    if line:
                        yield Sign(module.path, line, "answers WebSockets itself, without Channels", NEEDS)

    def _consumers(self) -> Iterator[Sign]:
        for module in self._modules("Consumer"):
            if module.path not in self.from_asgi:
                continue
            for node in own_nodes(module.tree):
                if isinstance(node, ast.ClassDef):
                    kind = _consumer_kind(self.names.base_names(Class(node, module.scope))[1:])
                    if kind:
                        yield Sign(module.path, node.lineno, f"{kind} {node.name}", NEEDS)

    def _streams(self) -> Iterator[Sign]:
        for module, node, callee, scope in self._calls(*STREAMS):
            name = callee.path.rpartition(".")[2] if isinstance(callee, Library) else ""
            if isinstance(callee, Class):
                name = next((base.rpartition(".")[2] for base in self.names.library_bases(callee)), "")
            if name not in STREAMS:
                continue
            given = (
                node.args[0]
                if node.args
                else next((one.value for one in node.keywords if one.arg == "streaming_content"), None)
            )
            events = name != STREAMS[0] or any(
                isinstance(one, ast.Constant) and one.value == "text/event-stream" for one in ast.walk(node)
            )
            yield from self._stream(module, node, self._sources(given, scope), events)

    def _sources(self, given: ast.AST | None, scope: Scope) -> set[str]:
        """async, sync: what kinds of iterators a stream may be made of, as far as that can be told."""
        if isinstance(given, ast.IfExp):
            return self._sources(given.body, scope) | self._sources(given.orelse, scope)
        if isinstance(given, ast.Name):
            found: set[str] = set()
            for binding in scope.bindings.get(given.id, []):
                if binding.kind == "expr":
                    found |= self._sources(binding.node, scope)
                elif binding.kind == "def":
                    found |= {"async" if isinstance(binding.node, ast.AsyncFunctionDef) else "sync"}
            return found
        if isinstance(given, ast.GeneratorExp):
            return {"async" if any(one.is_async for one in given.generators) else "sync"}
        callee = self.names.value(given.func if isinstance(given, ast.Call) else given, scope)
        if isinstance(callee, Function):
            return {"async" if callee.is_async else "sync"}
        of = callee if isinstance(callee, Class) else callee.of if isinstance(callee, Instance) else None
        if of:
            return {"async"} if isinstance(self.names.attribute(of, "__aiter__"), Function) else {"sync"}
        return set()

    def _stream(self, module: Module, node: ast.Call, sources: set[str], events: bool) -> Iterator[Sign]:
        what = "server-sent events" if events else "a stream"
        if sources == {"async"}:
            yield Sign(
                module.path, node.lineno, f"{what} by an async generator: WSGI sends nothing before its end", NEEDS
            )
        elif sources == {"async", "sync"}:
            yield Sign(
                module.path,
                node.lineno,
                f"{what}, async or sync as the stack asks: WSGI holds a thread for each",
                GAINS,
            )
        elif sources == {"sync"}:
            yield Sign(module.path, node.lineno, f"{what} by a sync iterator: ASGI sends nothing before its end", LOSES)

    def _views(self, entries: list[Entry]) -> Iterator[Sign]:
        for entry in entries:
            if entry.kind not in (VIEW, MIDDLEWARE, "GraphQL resolver"):
                continue
            path, line = entry.place
            if entry.kind == VIEW and self._polls(entry.function):
                yield Sign(
                    path, line, f"long polling in {entry.function.name}: WSGI holds a thread for each visitor", NEEDS
                )
            else:
                awaited = _awaited(entry.function)
                awaits = f"awaits {', '.join(awaited[:2])}" if awaited else "awaits nothing, and could as well be sync"
                yield Sign(path, line, f"{entry.kind} {entry.function.name}: {awaits}", GAINS)

    def _polls(self, function: Function) -> bool:
        """Whether a view goes round and round, and waits in between."""
        scope = self.names.body_of(function)
        for loop in own_nodes(function.node):
            if isinstance(loop, ast.While):
                for node in ast.walk(loop):
                    callee = (
                        self.names.value(node.value.func, scope)
                        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call)
                        else None
                    )
                    if callee == Library("asyncio.sleep"):
                        return True
        return False


def _awaited(function: Function) -> list[str]:
    """What a function awaits, by name."""
    found = []
    for node in own_nodes(function.node):
        if isinstance(node, ast.Await):
            found.append(node.value)
        elif isinstance(node, ast.AsyncWith):
            found += [item.context_expr for item in node.items]
        elif isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
            found.append(node.iter)
    return list(dict.fromkeys(_name_of(one) for one in found))


def _name_of(node: ast.expr) -> str:
    """The last two parts of a name: objects.aget of Book.objects.aget(pk=1)."""
    called = node.func if isinstance(node, ast.Call) else node
    if not isinstance(called, ast.Attribute):
        return called.id if isinstance(called, ast.Name) else "…"
    around = called.value.func if isinstance(called.value, ast.Call) else called.value
    before = getattr(around, "attr", getattr(around, "id", "…"))
    return f"{before}{'(…)' if around is not called.value else ''}.{called.attr}"


def _asks_for_websocket(function: Function) -> int:
    """The line where an ASGI application compares the type of a connection with websocket."""
    for node in ast.walk(function.node):
        if isinstance(node, ast.Compare) and "scope" in ast.dump(node.left):
            words = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            if "websocket" in words:
                return node.lineno
    return 0


def _consumer_kind(bases: list[str]) -> str:
    for base in bases:
        if base.startswith("channels.generic.http."):
            return "HTTP consumer"
        if base.startswith(("channels.generic.websocket.", "djangochannelsrestframework.")):
            return "WebSocket consumer"
    return ""

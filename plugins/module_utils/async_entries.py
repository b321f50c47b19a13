# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a project's code begins to run on the event loop: async views, their decorators, middleware, consumers.

A view is one that the URLs name, or that looks like one, by its request or its class.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ansible_collections.switchyard.django.plugins.module_utils.blocking_calls import DECORATOR, VIEW, Entry
from ansible_collections.switchyard.django.plugins.module_utils.project_index import Module, Scope, own_nodes
from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
from ansible_collections.switchyard.django.plugins.module_utils.project_values import (
    Class,
    Function,
    Library,
    OwnModule,
    Threaded,
)

ASYNC_CONSUMERS = ("channels.generic.websocket.Async", "channels.generic.http.Async", "channels.consumer.AsyncConsumer")
FRAMEWORKS = frozenset("django rest_framework adrf ninja ninja_extra wagtail allauth".split())
VERBS = frozenset("get post put patch delete head options trace dispatch".split())
ROUTES = [Library(name) for name in ("django.urls.path", "django.urls.re_path", "django.conf.urls.url")]
# How deep a view may lie in what is wrapped around it.
DEEPEST = 8
MIDDLEWARE = "async middleware"


class Entries:
    """Finds every function that the server, or Django, calls on the event loop."""

    def __init__(self, names: Names, reached: set[str], from_asgi: set[str], middleware: set[str]):
        """:param reached: the paths of the modules that count
        :param from_asgi: those that asgi.py, or ASGI_APPLICATION, leads to
        :param middleware: the dotted names in MIDDLEWARE
        """
        self.names = names
        self.reached = reached
        self.from_asgi = from_asgi
        self.middleware = middleware

    def find(self) -> list[Entry]:
        """Each of them once, in the order of the files."""
        found: dict[ast.AST, Entry] = {}
        for module in self._modules("async def"):
            for function in self.names.all_functions(module):
                kind = self._kind(function) if function.is_async else ""
                if kind:
                    found[function.node] = Entry(function, kind)
        for function, kind in (*self._middleware_functions(), *self._routed()):
            if function.is_async and not self._is_made_sync(function):
                found.setdefault(function.node, Entry(function, kind))
        for entry in [*found.values()]:
            if entry.kind == VIEW:
                for function in self._around(entry.function):
                    found.setdefault(function.node, Entry(function, DECORATOR))
        return sorted(found.values(), key=lambda entry: entry.place)

    def _modules(self, *words: str) -> Iterator[Module]:
        for module in self.names.index.mentioning(*words):
            if module.path in self.reached:
                yield module

    # --- by what they look like --------------------------------------------------------------------------------------

    def _kind(self, function: Function) -> str:
        node = function.node
        if isinstance(node, ast.Lambda) or self._is_made_sync(function):
            return ""
        given = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        if function.owner:
            given = given[1:]
            if any(base.startswith(ASYNC_CONSUMERS) for base in self.names.base_names(function.owner)):
                return "consumer"
        if given[:3] == ["scope", "receive", "send"]:
            return "ASGI application" if function.scope.module.path in self.from_asgi else ""
        if given[:1] == ["request"] and self._may_be_view(function.owner):
            if self._is_middleware(function):
                return MIDDLEWARE
            # A function inside a function that is no middleware is what a decorator makes of a view.
            return VIEW if isinstance(function.scope.node, (ast.Module, ast.ClassDef)) else DECORATOR
        if function.owner and node.name in VERBS and self._is_view(function.owner):
            return VIEW
        for decorator in node.decorator_list:
            value = self.names.value(decorator.func if isinstance(decorator, ast.Call) else decorator, function.scope)
            if isinstance(value, Library) and value.path.startswith(("strawberry.", "strawberry_django.")):
                return "GraphQL resolver"
        return ""

    def _is_made_sync(self, function: Function) -> bool:
        return isinstance(self.names.decorated(function), (Library, Threaded))

    def _may_be_view(self, of: Class | None) -> bool:
        """Whether a request that a method takes is one of Django's: a transport of httpx takes others."""
        bases = self.names.library_bases(of) if of else []
        return not bases or any(
            base.split(".")[0] in FRAMEWORKS or base.endswith(("View", "ViewSet")) for base in bases
        )

    def _is_view(self, of: Class) -> bool:
        return any(".views." in base or base.endswith(("View", "ViewSet")) for base in self.names.library_bases(of))

    def _is_middleware(self, function: Function) -> bool:
        module = function.scope.module.name
        owner = function.owner.node.name if function.owner else getattr(function.scope.node, "name", "")
        return f"{module}.{owner}" in self.middleware or getattr(function.node, "name", "") == "__acall__"

    # --- by who names them -------------------------------------------------------------------------------------------

    def _middleware_functions(self) -> Iterator[tuple[Function, str]]:
        """What MIDDLEWARE names: the methods of a class, or what a function returns."""
        for text in sorted(self.middleware):
            around, _dot, name = text.rpartition(".")
            module = self.names.index.module(around)
            value = self.names.member(OwnModule(module), name) if module else None
            if isinstance(value, Class):
                methods = [self.names.attribute(value, method) for method in ("__call__", "__acall__")]
                yield from ((one, MIDDLEWARE) for one in methods if isinstance(one, Function))
            elif isinstance(value, Function):
                yield from ((one, MIDDLEWARE) for one in self._returned(value))

    def _routed(self) -> Iterator[tuple[Function, str]]:
        """The views in urlpatterns, with what is wrapped around them there."""
        for module in self._modules("path(", "url("):
            for node in own_nodes(module.tree):
                if isinstance(node, ast.Call) and self.names.value(node.func, module.scope) in ROUTES:
                    given = node.args[1:2] or [one.value for one in node.keywords if one.arg == "view"]
                    for view in given:
                        yield from self._views_in(view, module.scope)

    def _views_in(self, node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[tuple[Function, str]]:
        value = self.names.value(node, scope)
        if isinstance(value, Function):
            yield value, VIEW if isinstance(value.scope.node, (ast.Module, ast.ClassDef)) else DECORATOR
        if isinstance(node, ast.Call) and depth < DEEPEST:
            wrapper = self.names.value(node.func, scope)
            if isinstance(wrapper, Function):
                yield from ((one, DECORATOR) for one in self._returned(wrapper))
            for one in node.args:
                yield from self._views_in(one, scope, depth + 1)

    def _around(self, view: Function) -> Iterator[Function]:
        """The async functions that the decorators of a view put in its place."""
        for node in getattr(view.node, "decorator_list", []):
            call = node if isinstance(node, ast.Call) else None
            decorator = self.names.value(call.func if call else node, view.scope)
            if decorator == Library("django.utils.decorators.method_decorator") and call and call.args:
                inner = call.args[0]
                call = inner if isinstance(inner, ast.Call) else None
                decorator = self.names.value(call.func if call else inner, view.scope)
            if isinstance(decorator, Function):
                # One that is called returns the decorator itself.
                decorators = self._returned(decorator) if call else iter((decorator,))
                for one in decorators:
                    yield from (inner for inner in self._returned(one) if inner.is_async)

    def _returned(self, function: Function) -> Iterator[Function]:
        """The functions of its own that a function returns, as one for async code beside one for sync code."""
        scope = self.names.body_of(function)
        for node in own_nodes(function.node):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
                for binding in scope.bindings.get(node.value.id, []):
                    if isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        yield Function(binding.node, scope)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a project's async code makes everybody wait: calls that block, followed from views and consumers.

An event loop serves all visitors of a process. What is called on it, however indirectly, without a thread of its own,
holds all of them up.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import blocking_table, orm_names
from ansible_collections.switchyard.django.plugins.module_utils.blocking_table import Blocking
from ansible_collections.switchyard.django.plugins.module_utils.lazy_user import LazyUser, comes_lazy
from ansible_collections.switchyard.django.plugins.module_utils.project_index import Scope, own_nodes
from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
from ansible_collections.switchyard.django.plugins.module_utils.project_values import (
    NOTHING,
    Class,
    Function,
    Instance,
    Library,
    Rows,
    Threaded,
)
from ansible_collections.switchyard.django.plugins.module_utils.taken_branches import Branches, constants_of

# Who would follow more calls than that has lost the thread.
DEEPEST = 12
MOST_FUNCTIONS = 20_000
ORM = "Django refuses it in async code (SynchronousOnlyOperation)"
# What they are given runs in another loop.
OTHER_LOOP = frozenset({"asyncio.run", "asyncio.run_coroutine_threadsafe"})

Step = tuple[str, int, str]
# The kinds of entries that are given a request of Django's.
VIEW, DECORATOR = "async view", "async decorator"


@dataclass(frozen=True)
class Entry:
    """A function that the server calls on its event loop."""

    function: Function
    kind: str

    @property
    def place(self) -> tuple[str, int]:
        return self.function.scope.module.path, self.function.node.lineno


@dataclass(frozen=True)
class Finding:
    """A call in async code that holds the event loop up."""

    path: str
    line: int
    call: str
    why: str
    instead: str
    # From the view or consumer to the function in which the call is: path, line and name of each.
    chain: tuple[Step, ...]
    kind: str


@dataclass(frozen=True)
class Visit:
    """A function that runs on the loop, with what is known of this call of it."""

    function: Function
    kind: str
    chain: tuple[Step, ...]
    constants: frozenset[tuple[str, object]] = frozenset()
    lazy_user: bool = False

    @property
    def known(self) -> tuple[object, ...]:
        return self.function.node, self.function.own, self.constants, self.lazy_user


def find(entries: Iterable[Entry], names: Names, cache_blocks: bool, lazy_user: bool = False) -> list[Finding]:
    """Every such call that can be reached from the entries, each once, by the shortest way.

    :param lazy_user: whether request.user is as Django's middleware leaves it
    """
    waiting = deque(
        Visit(
            entry.function,
            entry.kind,
            (_step(entry.function),),
            lazy_user=lazy_user and entry.kind in (VIEW, DECORATOR) and comes_lazy(entry.function, names),
        )
        for entry in entries
    )
    seen: set[tuple[object, ...]] = set()
    found: dict[tuple[str, int, str], Finding] = {}
    while waiting and len(seen) < MOST_FUNCTIONS:
        visit = waiting.popleft()
        if visit.known in seen:
            continue
        seen.add(visit.known)
        walk = _Walk(visit, names, cache_blocks)
        path = visit.function.scope.module.path
        for line, call, about in walk.findings():
            finding = Finding(path, line, call, about.why, about.instead, visit.chain, visit.kind)
            found.setdefault((path, line, call), finding)
        if len(visit.chain) < DEEPEST:
            waiting.extend(walk.visits())
    return sorted(found.values(), key=lambda one: (one.path, one.line, one.call))


def _step(function: Function) -> Step:
    return function.scope.module.path, function.node.lineno, function.name


class _Walk:
    """What one function does when it runs on the loop."""

    def __init__(self, visit: Visit, names: Names, cache_blocks: bool):
        self.visit = visit
        self.names = names
        self.cache_blocks = cache_blocks
        function = visit.function
        self.scope: Scope = names.body_of(function)
        nodes = list(own_nodes(function.node))
        never = {inner for node in nodes for inner in self._without_loop(node)} | self._never_taken(nodes)
        self.nodes = [node for node in nodes if node not in never]
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        # What was fetched for all to see: a queryset keeps its rows.
        self.fetched = set(self._fetched())
        self.user = LazyUser(self.scope, names) if visit.lazy_user else None

    def _never_taken(self, nodes: list[ast.AST]) -> set[ast.AST]:
        """What does not run in this call."""
        given = self.visit.function.node.args
        parameters = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
        self.constants = {name: value for name, value in self.visit.constants if len(self.scope.bindings[name]) == 1}
        # What the server gives to an entry is known.
        branches = Branches(self.value, parameters if len(self.visit.chain) > 1 else set(), self.constants)
        return branches.never_taken([self.visit.function.node, *nodes])

    def _without_loop(self, node: ast.AST) -> Iterator[ast.AST]:
        """What is for the case that no loop runs: the except of a try that asks for the running one."""
        if isinstance(node, ast.Try) and any(
            isinstance(one, ast.Call) and self.value(one.func) == Library("asyncio.get_running_loop")
            for statement in node.body
            for one in ast.walk(statement)
        ):
            for handler in node.handlers:
                yield from ast.walk(handler)

    def value(self, node: ast.AST | None) -> object:
        return self.names.value(node, self.scope)

    def _fetched(self) -> Iterator[str]:
        for node in self.nodes:
            if isinstance(node, (ast.AsyncFor, ast.comprehension)) and isinstance(node.iter, ast.Name):
                if isinstance(node, ast.AsyncFor) or node.is_async:
                    yield node.iter.id
            elif isinstance(node, ast.Call) and isinstance(self.value(node.func), Threaded):
                yield from (one.id for one in node.args if isinstance(one, ast.Name))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield ast.unparse(node)

    def findings(self) -> Iterator[tuple[int, str, Blocking]]:
        """The calls that block: the line, how they read, what is wrong."""
        for node in self.nodes:
            found = self._judge(node)
            if found:
                # A comprehension has no line of its own.
                place: Any = node.iter if isinstance(node, ast.comprehension) else node
                yield (place.lineno, *found)

    def _judge(self, node: ast.AST) -> tuple[str, Blocking] | None:
        asked = self.user.looked_at(node) if self.user else None
        if asked:
            return _shown(asked), Blocking(ORM, "await request.auser()")
        if isinstance(node, ast.Call):
            return self._judge_call(node)
        if isinstance(node, ast.Attribute):
            return self._judge_attribute(node)
        going_through, way_out = _goes_through_rows(node)
        if going_through is None or not self._is_lazy(going_through):
            return None
        shown = f"for … in {_shown(going_through)}"
        if isinstance(node, (ast.Subscript, ast.Compare)):
            shown = _shown(node)
        elif not isinstance(node, (ast.For, ast.comprehension)):
            shown = _shown(going_through)
        return shown, Blocking(ORM, way_out)

    def _judge_attribute(self, node: ast.Attribute) -> tuple[str, Blocking] | None:
        base = self.value(node.value) if isinstance(node.ctx, ast.Load) else None
        if not isinstance(base, Rows) or not orm_names.is_lazy_relation(base, node.attr, self.names):
            return None
        if ast.unparse(node) in self.fetched:
            return None
        return _shown(node), Blocking(ORM, f"select_related({node.attr!r})")

    def _is_lazy(self, node: ast.AST) -> bool:
        """Whether going through it asks the database."""
        if isinstance(node, ast.Name) and node.id in self.fetched:
            return False
        value = self.value(node)
        return isinstance(value, Rows) and value.kind == "queryset"

    def _judge_call(self, node: ast.Call) -> tuple[str, Blocking] | None:
        # What is awaited is no call that blocks, whatever it looks like.
        if isinstance(self.parents.get(node), ast.Await):
            return None
        callee = self.value(node.func)
        if isinstance(callee, Library) and callee != NOTHING:
            return self._judge_library(node, callee.path)
        if isinstance(node.func, ast.Attribute) and not isinstance(callee, (Function, Threaded)):
            base = self.value(node.func.value)
            if isinstance(base, Rows) and orm_names.asks(base, node.func.attr):
                return f"{_shown(node.func)}()", Blocking(ORM, f"await ….a{node.func.attr}()")
        return None

    def _judge_library(self, node: ast.Call, path: str) -> tuple[str, Blocking] | None:
        if path in blocking_table.CONSUMING and node.args and self._is_lazy(node.args[0]):
            return f"{path[9:]}({_shown(node.args[0])})", Blocking(ORM, "[… async for …]")
        if path in blocking_table.RENDERING:
            return self._judge_context(node, path)
        later = self._called_later(node)
        if isinstance(later, Library):
            about = blocking_table.blocking(later.path, self.cache_blocks)
            return (_shown(node), about) if about else None
        about = blocking_table.blocking(path, self.cache_blocks)
        if about and path.endswith(("smtplib.SMTP", "smtplib.SMTP_SSL")) and not (node.args or node.keywords):
            return None  # without a host it does not connect
        return (f"{_shown(node.func)}()", about) if about else None

    def _called_later(self, node: ast.Call) -> object:
        """The function that the loop is told to call."""
        callee = self.value(node.func)
        if not isinstance(callee, Library) or not callee.path.startswith(blocking_table.LOOPS):
            return None
        number = blocking_table.CALLING_LATER.get(callee.path.rpartition(".")[2], len(node.args))
        return self.value(node.args[number]) if len(node.args) > number else None

    def _judge_context(self, node: ast.Call, path: str) -> tuple[str, Blocking] | None:
        number = blocking_table.RENDERING[path]
        given = node.args[number] if len(node.args) > number else None
        given = given or next((one.value for one in node.keywords if one.arg == "context"), None)
        if isinstance(given, ast.Name):
            bound = self.scope.bindings.get(given.id, [])
            given = bound[0].node if len(bound) == 1 and bound[0].kind == "expr" else None  # type: ignore[assignment]
        if not isinstance(given, ast.Dict):
            return None
        lazy = [
            key.value
            for key, one in zip(given.keys, given.values)
            if isinstance(key, ast.Constant) and self._is_lazy(one)
        ]
        if not lazy:
            return None
        why = f"the template asks the database for {lazy[0]!r}, which {ORM.replace(' it ', ' ')}"
        return f"{_shown(node.func)}()", Blocking(why, "fetch the rows first: [… async for …]")

    # --- what it calls -----------------------------------------------------------------------------------------------

    def visits(self) -> Iterator[Visit]:
        """The functions of the project that it runs on the loop, too."""
        for callee, call in self._callees():
            base = self.value(call.func.value) if call and isinstance(call.func, ast.Attribute) else None
            constants = constants_of(call, callee, base, self.constants) if call else {}
            yield replace(
                self.visit,
                function=callee,
                chain=(*self.visit.chain, _step(callee)),
                constants=frozenset(constants.items()),
            )

    def _callees(self) -> Iterator[tuple[Function, ast.Call | None]]:
        for node in self.nodes:
            if isinstance(node, ast.Call) and not self._in_other_loop(node):
                callee = self.value(node.func)
                if isinstance(callee, Class):
                    callee = self.names.attribute(callee, "__init__")
                elif isinstance(callee, Instance):
                    callee = self.names.attribute(callee.of, "__call__")
                if isinstance(callee, Function) and self._runs(callee, node):
                    yield self._with_relations(callee, node.func), node
                later = self._called_later(node)
                if isinstance(later, Function):
                    yield later, None
            elif isinstance(node, ast.With):
                yield from ((one, None) for one in self._entering(node))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                called = self.value(node)
                if isinstance(called, Function) and _is_property(called):
                    yield self._with_relations(called, node), None

    def _with_relations(self, method: Function, named: ast.AST) -> Function:
        """A method of a row that has the relations that were put there."""
        if method.own is None or not isinstance(named, ast.Attribute):
            return method
        row = f"{ast.unparse(named.value)}."
        put = {one[len(row) :] for one in self.fetched if one.startswith(row)}
        return replace(method, own=replace(method.own, loaded=method.own.loaded | put))

    def _entering(self, node: ast.With) -> Iterator[Function]:
        """What runs at the beginning and at the end of a with statement."""
        for item in node.items:
            manager = self.value(item.context_expr)
            if isinstance(manager, Instance):
                methods = [self.names.attribute(manager.of, name) for name in ("__enter__", "__exit__")]
                yield from (one for one in methods if isinstance(one, Function))

    def _runs(self, callee: Function, node: ast.Call) -> bool:
        """Whether the call runs the function's body here."""
        if callee.is_async:
            return True
        # What is awaited and is no coroutine function is another method than this one: that of a subclass.
        if isinstance(self.parents.get(node), ast.Await):
            return False
        return not _is_generator(callee) or self._goes_through(node)

    def _in_other_loop(self, node: ast.AST) -> bool:
        parent = self.parents.get(node)
        if not isinstance(parent, ast.Call) or node is parent.func:
            return False
        callee = self.value(parent.func)
        return isinstance(callee, Library) and callee.path in OTHER_LOOP

    def _goes_through(self, node: ast.Call) -> bool:
        """Whether what a sync generator yields is fetched here, and not by whoever gets it."""
        parent = self.parents.get(node)
        if isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension, ast.YieldFrom, ast.Starred, ast.withitem)):
            return True
        callee = self.value(parent.func) if isinstance(parent, ast.Call) else None
        return isinstance(callee, Library) and callee.path in blocking_table.CONSUMING


def _goes_through_rows(node: ast.AST) -> tuple[ast.AST | None, str]:
    """The part of a node that is gone through, or asked whether it is empty, when that runs; and the async way."""
    if isinstance(node, ast.For) or (isinstance(node, ast.comprehension) and not node.is_async):
        return node.iter, "async for"
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        return node.test.operand if negated else node.test, "await ….aexists()"  # type: ignore[attr-defined]
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice):
        return node.value, "await ….afirst()"
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return node.comparators[0], "await ….acontains(…)"
    return None, ""


def _is_generator(function: Function) -> bool:
    return not function.is_async and any(
        isinstance(one, (ast.Yield, ast.YieldFrom)) for one in own_nodes(function.node)
    )


def _is_property(function: Function) -> bool:
    decorators = getattr(function.node, "decorator_list", [])
    return any(getattr(one, "id", getattr(one, "attr", "")) in ("property", "cached_property") for one in decorators)


def _shown(node: ast.AST, most: int = 40) -> str:
    """A piece of code on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a function never run, by what its tests say of themselves and of the arguments of this very call."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.switchyard.django.plugins.module_utils.project_values import Class, Function, Library

# What is known of the parameters in a call.
Constants = Mapping[str, object]
# A test that asks what kind of thing it was given: which branch is taken can't be told, and neither is judged.
TYPE_TESTS = frozenset(f"builtins.{name}" for name in "isinstance issubclass callable hasattr".split())
UNTOLD = "untold"
ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
PLAIN_DECORATORS = frozenset({"staticmethod", "classmethod"})


class Branches:
    """Judges the tests of one function."""

    def __init__(self, value: Callable[[ast.AST], object], parameters: set[str], constants: Constants):
        """:param value: what an expression means
        :param parameters: those of which can't be told what they are given
        :param constants: those of which it can, where they keep that value
        """
        self.value = value
        self.parameters = parameters
        self.constants = constants

    def never_taken(self, nodes: Iterable[ast.AST]) -> set[ast.AST]:
        """The nodes that do not run, or of which that can't be told."""
        return {inner for node in nodes for part in self._dead(node) for inner in ast.walk(part)}

    def _dead(self, node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            taken = self.truth(node.test)
            if taken in (False, UNTOLD):
                yield from _parts(node.body)
            if taken in (True, UNTOLD):
                yield from _parts(node.orelse)
        if isinstance(node, ast.BoolOp):
            ending = isinstance(node.op, ast.Or)
            truths = [self.truth(one) for one in node.values]
            yield from node.values[truths.index(ending) + 1 :] if ending in truths else ()
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            yield from self.behind_the_end(statements if isinstance(statements, list) else [])

    def behind_the_end(self, statements: list[ast.stmt]) -> Iterator[ast.AST]:
        """What stands in a block behind the statement with which it is surely over."""
        for number, one in enumerate(statements):
            if isinstance(one, ENDS) or (isinstance(one, ast.If) and isinstance(self._last(one), ENDS)):
                yield from statements[number + 1 :]
                return

    def _last(self, node: ast.If) -> ast.AST | None:
        """The last statement of the branch that is surely taken."""
        taken = self.truth(node.test)
        branch = node.body if taken is True else node.orelse if taken is False else []
        return branch[-1] if branch else None

    def truth(self, test: ast.expr) -> object:
        """True, False, UNTOLD, or None for a test that may come out either way."""
        if isinstance(test, ast.Constant):
            return bool(test.value)
        if isinstance(test, ast.Name) and test.id in self.constants:
            return bool(self.constants[test.id])
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.truth(test.operand)
            return not inner if isinstance(inner, bool) else inner
        if isinstance(test, ast.BoolOp):
            ending = isinstance(test.op, ast.Or)
            truths = [self.truth(one) for one in test.values]
            if ending in truths or UNTOLD in truths:
                return ending if ending in truths else UNTOLD
            return None if None in truths else not ending
        if isinstance(test, ast.Compare):
            return self._compared(test)
        if isinstance(test, ast.Call):
            given = test.args[0] if test.args else None
            callee = self.value(test.func)
            asks = isinstance(callee, Library) and callee.path in TYPE_TESTS
            return UNTOLD if asks and isinstance(given, ast.Name) and given.id in self.parameters else None
        return False if self.value(test) == Library("typing.TYPE_CHECKING") else None

    def _compared(self, test: ast.Compare) -> bool | None:
        left, right = test.left, test.comparators[0]
        if not (isinstance(left, ast.Name) and left.id in self.constants and isinstance(right, ast.Constant)):
            return None
        same = self.constants[left.id] is right.value
        operator = test.ops[0] if len(test.ops) == 1 else None
        if isinstance(operator, (ast.Is, ast.Eq)):
            return same
        return not same if isinstance(operator, (ast.IsNot, ast.NotEq)) else None


def _parts(branch: list[ast.stmt] | ast.expr) -> list[ast.stmt] | list[ast.expr]:
    return branch if isinstance(branch, list) else [branch]


def constants_of(call: ast.Call, callee: Function, base: object, known: Constants) -> dict[str, object]:
    """The parameters that are True, False or None in a call.

    :param base: what the method was looked up in
    :param known: of the parameters of the function that calls
    """
    node = callee.node
    if isinstance(node, ast.Lambda) or getattr(call.func, "attr", getattr(call.func, "id", "")) != node.name:
        return {}  # a partial may have arguments of its own
    decorators = {getattr(one, "id", "") for one in node.decorator_list}
    if decorators - PLAIN_DECORATORS or any(isinstance(one, ast.Starred) for one in call.args):
        return {}
    if any(one.arg is None for one in call.keywords):
        return {}
    parameters = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    named = {*parameters, *(one.arg for one in node.args.kwonlyargs)}
    defaults = dict(zip(reversed(parameters), reversed(node.args.defaults)))
    defaults.update((one.arg, value) for one, value in zip(node.args.kwonlyargs, node.args.kw_defaults) if value)
    bound = callee.owner and "staticmethod" not in decorators
    if bound and (not isinstance(base, Class) or "classmethod" in decorators):
        parameters = parameters[1:]
    given = {**dict(zip(parameters, call.args)), **{one.arg: one.value for one in call.keywords if one.arg in named}}
    found: dict[str, object] = {}
    for name, value in {**defaults, **given}.items():
        if isinstance(value, ast.Constant) and (value.value is None or isinstance(value.value, bool)):
            found[name] = value.value
        elif name in given and isinstance(value, ast.Name) and value.id in known:
            found[name] = known[value.id]
    return found

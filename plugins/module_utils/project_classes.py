# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions and classes of a project: the scope of each, what a class is made of, what it has under a name."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import orm_names
from ansible_collections.switchyard.django.plugins.module_utils.project_index import (
    Module,
    ProjectIndex,
    Scope,
    own_nodes,
)
from ansible_collections.switchyard.django.plugins.module_utils.project_values import (
    NOTHING,
    Class,
    Function,
    Instance,
    Library,
    Rows,
    Value,
)


class Classes(ABC):
    """The part of Names that knows of functions and classes."""

    def __init__(self, index: ProjectIndex):
        self.index = index
        self._scopes: dict[ast.AST, Scope] = {}
        self._scopes_of_rows: dict[tuple[ast.AST, Rows], Scope] = {}
        self._lineages: dict[Class, list[Class | Library]] = {}
        self._related: set[tuple[Any, Value]] | None = None
        self._assignments: dict[Class, dict[str, list[tuple[ast.expr | None, Scope]]]] = {}

    @abstractmethod
    def value(self, node: ast.AST | None, scope: Scope) -> Value:
        """What an expression means."""

    @abstractmethod
    def lookup(self, name: str, scope: Scope) -> Value:
        """What a name means in a scope."""

    @staticmethod
    @abstractmethod
    def merge(values: Iterable[Value]) -> Value:
        """The one value that all of them are."""

    def scope_of(self, node: ast.AST, around: Scope) -> Scope:
        """The scope of a function or a class."""
        if node not in self._scopes:
            self._scopes[node] = Scope(around.module, node, around)
        return self._scopes[node]

    def body_of(self, function: Function) -> Scope:
        if function.own is None:
            return self.scope_of(function.node, function.scope)
        key = (function.node, function.own)
        if key not in self._scopes_of_rows:
            self._scopes_of_rows[key] = Scope(function.scope.module, function.node, function.scope)
            self._scopes_of_rows[key].own = function.own
        return self._scopes_of_rows[key]

    def all_functions(self, module: Module) -> Iterator[Function]:
        """Every function of a module, those inside others and methods, too."""
        waiting: list[tuple[ast.AST, Scope, Class | None]] = [(module.tree, module.scope, None)]
        while waiting:
            node, scope, owner = waiting.pop()
            for one in own_nodes(node):
                if isinstance(one, ast.ClassDef):
                    waiting.append((one, self.scope_of(one, scope), Class(one, scope)))
                elif isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield Function(one, scope, owner)
                    waiting.append((one, self.scope_of(one, scope), None))

    def scopes_mentioning(self, word: str) -> Iterator[Scope]:
        """The scopes of the classes in modules that have a word."""
        for module in self.index.mentioning(word):
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    yield self.scope_of(node, module.scope)

    def instance(self, of: Class) -> Value:
        """What an instance of a class is: a queryset, a row, a manager, or none of these."""
        kind = self.orm_kind(of)
        if kind == "instance":
            return Rows("instance", of, loaded=frozenset("*"))
        return Rows(kind, "", methods=of, loaded=frozenset("*")) if kind else Instance(of)

    def lineage(self, of: Class) -> list[Class | Library]:
        """A class and those that it is made of, as far as they can be told."""
        if of not in self._lineages:
            self._lineages[of] = [of]  # for a class that is its own base
            found: list[Class | Library] = [of]
            for base in of.node.bases:
                value = self.value(base.func if isinstance(base, ast.Call) else base, of.scope)
                if isinstance(base, ast.Subscript):
                    value = self.value(base.value, of.scope)
                if isinstance(value, Class) and value != of:
                    found += [one for one in self.lineage(value) if one not in found]
                elif isinstance(value, Library) and value != NOTHING:
                    found.append(value)
            self._lineages[of] = found
        return self._lineages[of]

    def points_to(self, model: Class, related_name: str) -> bool:
        """Whether a relation of another model gives this one an attribute of that name."""
        if self._related is None:
            self._related = {
                (word.value, self.value(field.args[0], scope))
                for scope in self.scopes_mentioning("related_name")
                for field in _fields(scope.node)
                for word in (one.value for one in field.keywords if one.arg == "related_name")
                if isinstance(word, ast.Constant)
            }
        return any((related_name, one) in self._related for one in self.lineage(model))

    def library_bases(self, of: Class) -> list[str]:
        return [one.path for one in self.lineage(of) if isinstance(one, Library)]

    def base_names(self, of: Class) -> list[str]:
        """The dotted names of all that a class is made of: a library may lie in the source itself."""
        return [
            one.path if isinstance(one, Library) else f"{one.scope.module.name}.{one.node.name}"
            for one in self.lineage(of)
        ]

    def orm_kind(self, of: Class) -> str:
        """instance, manager or queryset; empty for a class that is none of them."""
        return orm_names.kind_of(self.library_bases(of))

    def attribute(self, of: Class, name: str, after: Class | None = None) -> Value:
        """What a class has under a name, by itself or by what it is made of."""
        classes = self.lineage(of)
        if after in classes:
            classes = classes[classes.index(after) + 1 :]
        for one in classes:
            if isinstance(one, Library):
                continue
            scope = self.scope_of(one.node, one.scope)
            if name in scope.bindings:
                return self.lookup(name, scope)
        return NOTHING

    def assigned(self, of: Class, name: str) -> Value:
        """What the methods of a class assign to an attribute of self."""
        found = [
            self.value(node, scope)
            for one in self.lineage(of)
            if isinstance(one, Class)
            for node, scope in self._assignments_of(one).get(name, ())
        ]
        return self.merge(found) if found else NOTHING

    def _assignments_of(self, of: Class) -> dict[str, list[tuple[ast.expr | None, Scope]]]:
        """What a class assigns to each attribute of self, with the scope of the method."""
        if of not in self._assignments:
            found = self._assignments[of] = {}
            around = self.scope_of(of.node, of.scope)
            for method in of.node.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and method.args.args:
                    scope = self.scope_of(method, around)
                    for name, value in _assignments_to(method.args.args[0].arg, method):
                        found.setdefault(name, []).append((value, scope))
        return self._assignments[of]


def _fields(model: ast.AST) -> Iterator[ast.Call]:
    """The fields of a model that lead to another."""
    for statement in model.body if isinstance(model, ast.ClassDef) else ():
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call) and statement.value.args:
            yield statement.value


def _assignments_to(own: str, method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.expr | None]]:
    """The attributes of a name that a method sets, and to what."""
    for node in own_nodes(method):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == own:
                    yield target.attr, node.value

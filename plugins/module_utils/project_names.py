# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an expression of a project means, where its text tells: a function of a library, of the project, a queryset.

Names are followed through imports, aliases, assignments, attributes and returns. What can't be told is None, and
nothing is ever said about it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from ansible_collections.switchyard.django.plugins.module_utils import orm_names
from ansible_collections.switchyard.django.plugins.module_utils.project_classes import Classes
from ansible_collections.switchyard.django.plugins.module_utils.project_index import (
    Binding,
    Module,
    ProjectIndex,
    Scope,
    own_nodes,
)
from ansible_collections.switchyard.django.plugins.module_utils.project_values import (
    DEEPEST,
    ELSEWHERE,
    INLINE,
    MOST_STEPS,
    NOTHING,
    TO_THREAD,
    Asking,
    Class,
    Function,
    Instance,
    Library,
    OwnModule,
    Rows,
    Threaded,
    Value,
    library,
)

# What leads from one path to another.
OTHER_PATHS = frozenset("parent parents resolve joinpath absolute".split())
# Where a model has a manager without saying so.
MANAGERS = frozenset("objects _default_manager _base_manager".split())


class Names(Classes):
    """Finds out what expressions mean."""

    def __init__(self, index: ProjectIndex, user_model: str = ""):
        """:param user_model: AUTH_USER_MODEL, where the settings tell"""
        super().__init__(index)
        self.user_model = user_model
        # By node and scope, by module and name, by function. The keys keep the nodes alive.
        self._known: dict[tuple[object, object], Value] = {}
        self._pending: set[tuple[object, object]] = set()
        self._cut = 0
        self._left = MOST_STEPS

    # --- names -------------------------------------------------------------------------------------------------------

    def lookup(self, name: str, scope: Scope) -> Value:
        """What a name means in a scope."""
        around: Scope | None = scope
        while around:
            # A function does not see the names of the class around it.
            if name in around.bindings and (around is scope or not isinstance(around.node, ast.ClassDef)):
                return self.merge(self._bound(one, around) for one in around.bindings[name])
            if around.stars and around.parent is None:
                found = self._from_stars(name, around)
                if found:
                    return found
            around = around.parent
        return Library(f"builtins.{name}") if hasattr(builtins, name) else None

    def _from_stars(self, name: str, scope: Scope) -> Value:
        for origin in reversed(scope.stars):
            module = self.index.module(origin)
            if module and module.scope is not scope:
                found = self._once((module.scope, name), partial(self.lookup, name, module.scope))
                if found and found != NOTHING and not (isinstance(found, Library) and found.path[:9] == "builtins."):
                    return found
        return None

    @staticmethod
    def merge(values: Iterable[Value]) -> Value:
        """The one value that all of them are."""
        found: Value = NOTHING
        for value in values:
            if value is None:
                return None
            if value in (NOTHING, found):
                continue
            if found == NOTHING:
                found = value
            elif (
                isinstance(value, Rows)
                and isinstance(found, Rows)
                and (value.kind, value.model) == (found.kind, found.model)
            ):
                found = replace(found, loaded=found.loaded | value.loaded)
            else:
                return None
        return found

    def _bound(self, binding: Binding, scope: Scope) -> Value:
        node = binding.node
        if binding.kind == "import":
            return self._imported(binding.target)
        if binding.kind == "def" and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            owner = Class(scope.node, scope.parent) if isinstance(scope.node, ast.ClassDef) and scope.parent else None
            return self.decorated(Function(node, scope, owner))
        if binding.kind == "class" and isinstance(node, ast.ClassDef):
            return Class(node, scope)
        if not isinstance(node, ast.expr):
            return self._first_parameter(scope, binding)
        if binding.kind in ("expr", "entered"):
            return self.value(node, scope)
        if binding.kind == "element":
            rows = self.value(node, scope)
            return orm_names.element(rows) if isinstance(rows, Rows) else None
        if binding.kind == "annotation":
            return self._first_parameter(scope, binding) or self._annotated(node, scope)
        return None

    def _first_parameter(self, scope: Scope, binding: Binding) -> Value:
        """self and cls."""
        node, around = scope.node, scope.parent
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or not around or not around.parent:
            return None
        given = [*node.args.posonlyargs, *node.args.args]
        if (
            not isinstance(around.node, ast.ClassDef)
            or not given
            or binding not in scope.bindings.get(given[0].arg, ())
        ):
            return None
        names = {getattr(one, "id", "") for one in node.decorator_list}
        if "staticmethod" in names:
            return None
        if isinstance(scope.own, Rows):
            return scope.own
        own = Class(around.node, around.parent)
        return own if "classmethod" in names or node.name == "__new__" else self.instance(own)

    def _annotated(self, node: ast.expr, scope: Scope) -> Value:
        """An instance of what an annotation names."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return None
        if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and node.right.value is None:
            return self._annotated(node.left, scope)
        if isinstance(node, ast.Subscript):
            optional = self.value(node.value, scope) == Library("typing.Optional")
            return self._annotated(node.slice, scope) if optional else None
        kind = self.value(node, scope)
        if isinstance(kind, Class):
            return self.instance(kind)
        return Library(f"{kind.path}()") if isinstance(kind, Library) and kind != NOTHING else None

    def _imported(self, target: str) -> Value:
        origin, colon, name = target.partition(":")
        module, rest = self.index.longest(f"{origin}.{name}" if colon else origin)
        if not module:
            if self.index.longest(target.split(".")[0].split(":")[0])[0]:
                return None  # the project's, and not there
            return library(f"{origin}.{name}" if colon else origin)
        if not rest:
            return OwnModule(module)
        if colon and rest == name:
            return self._once((module, name), lambda: self.lookup_in(module, name))
        return None

    def lookup_in(self, module: Module, name: str) -> Value:
        """What a module's attribute means."""
        if name in module.scope.bindings:
            return self.lookup(name, module.scope)
        found = self._from_stars(name, module.scope)
        if found:
            return found
        inner = self.index.module(f"{module.name}.{name}")
        return OwnModule(inner) if inner else None

    def decorated(self, function: Function) -> Value:
        """A function as its decorators leave it; None where one may run it elsewhere, or not at all."""
        value: Value = function
        for node in reversed(getattr(function.node, "decorator_list", [])):
            decorator = self.value(node.func if isinstance(node, ast.Call) else node, function.scope)
            if isinstance(decorator, Library) and decorator.path in TO_THREAD:
                value = Threaded(value)
            elif decorator == Library("asgiref.sync.async_to_sync"):
                value = Library("asgiref.sync.async_to_sync()")
            elif isinstance(decorator, Function):
                words = {getattr(one, "id", getattr(one, "attr", "")) for one in ast.walk(decorator.node)}
                if words & ELSEWHERE:
                    return None
            elif isinstance(decorator, Library):
                if not decorator.path.startswith(INLINE):
                    return None
            elif not (isinstance(node, ast.Attribute) and node.attr in ("setter", "getter")):
                return None
        return value

    # --- expressions -------------------------------------------------------------------------------------------------

    def value(self, node: ast.AST | None, scope: Scope) -> Value:
        """What an expression means."""
        return self._once((node, scope), lambda: self._evaluate(node, scope)) if node else None

    def _once(self, key: tuple[object, object], find: Callable[[], Value]) -> Value:
        """Find a value out once. What depends on itself says nothing about itself."""
        if key in self._known:
            return self._known[key]
        if key in self._pending:
            self._cut += 1
            return NOTHING
        self._left = MOST_STEPS if not self._pending else self._left - 1
        if len(self._pending) > DEEPEST or self._left < 0:
            self._cut += 1
            return None
        before = self._cut
        self._pending.add(key)
        try:
            found = find()
        finally:
            self._pending.discard(key)
        # What was cut short may be more, seen from elsewhere.
        if self._cut == before or not self._pending:
            self._known[key] = found
        return found

    def _evaluate(self, node: ast.AST, scope: Scope) -> Value:
        if isinstance(node, ast.Name):
            return self.lookup(node.id, scope)
        if isinstance(node, ast.Attribute):
            return self.member(self.value(node.value, scope), node.attr)
        if isinstance(node, ast.Call):
            return self._called(node, scope)
        if isinstance(node, (ast.Await, ast.NamedExpr)):
            return self.value(node.value, scope)
        if isinstance(node, ast.Lambda):
            return Function(node, scope)
        if isinstance(node, ast.IfExp):
            return self.merge((self.value(node.body, scope), self.value(node.orelse, scope)))
        if isinstance(node, ast.BoolOp):
            return self.merge(self.value(one, scope) for one in node.values)
        if isinstance(node, ast.Constant) and node.value is None:
            return NOTHING
        if isinstance(node, ast.BinOp):
            left = self.value(node.left, scope)
            if isinstance(left, Rows) and isinstance(node.op, (ast.BitOr, ast.BitAnd)):
                return left
            # What / goes behind is a path, as settings.BASE_DIR is.
            is_path = isinstance(left, Library) and left.path.startswith(("pathlib.Path()", "django.conf.settings."))
            return Library("pathlib.Path()") if is_path and isinstance(node.op, ast.Div) else None
        if isinstance(node, ast.Subscript):
            return self._item(node, scope)
        return None

    def _item(self, node: ast.Subscript, scope: Scope) -> Value:
        base = self.value(node.value, scope)
        if isinstance(base, Rows):
            return base if isinstance(node.slice, ast.Slice) else orm_names.element(base)
        return Library(f"{base.path}[]") if isinstance(base, Library) and base != NOTHING else None

    def _called(self, node: ast.Call, scope: Scope) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            around: Scope | None = scope
            while around and not isinstance(around.node, ast.ClassDef):
                around = around.parent
            if around and isinstance(around.node, ast.ClassDef) and around.parent:
                own = Class(around.node, around.parent)
                return Instance(own, after=own) if not self.orm_kind(own) else None
            return None
        callee = self.value(node.func, scope)
        if isinstance(callee, Library) and node.args:
            if callee.path in TO_THREAD:
                return Threaded(self.value(node.args[0], scope) or self._asking(node.args[0], scope))
            if callee.path in ("functools.partial", "typing.cast"):
                return self.value(node.args[0 if callee.path == "functools.partial" else -1], scope)
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if callee.path == "builtins.getattr" and len(node.args) == 2 and words:
                return self.member(self.value(node.args[0], scope), words[0])
            if callee.path in ("builtins.__import__", "importlib.import_module") and words:
                return self._imported(words[0])
        if callee == Library("django.contrib.auth.get_user_model"):
            return self._user_model()
        rows = self._rows_called(node, scope)
        return rows or self.result(callee)

    def _asking(self, node: ast.expr, scope: Scope) -> Value:
        rows = self.value(node.value, scope) if isinstance(node, ast.Attribute) else None
        return Asking(rows, node.attr) if isinstance(node, ast.Attribute) and isinstance(rows, Rows) else None

    def _rows_called(self, node: ast.Call, scope: Scope) -> Value:
        if not isinstance(node.func, ast.Attribute):
            return None
        base = self.value(node.func.value, scope)
        if base == NOTHING:
            return base
        if isinstance(base, Rows) and not self._own_method(base, node.func.attr):
            words = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
            return orm_names.result(base, node.func.attr, words)
        return None

    def result(self, callee: Value) -> Value:
        """What a call returns."""
        if isinstance(callee, Threaded):
            return self.result(callee.inner)  # type: ignore[arg-type]
        if isinstance(callee, Library):
            if orm_names.kind_of([callee.path]) == "instance":
                return Rows("instance", callee.path, loaded=frozenset("*"))
            return library(f"{callee.path}()") if callee != NOTHING else NOTHING
        if isinstance(callee, Class):
            return self.instance(callee)
        if isinstance(callee, Asking):
            return orm_names.result(callee.rows, callee.name, [])
        if isinstance(callee, Function):
            return self._once((callee.node, ("returned", callee.own)), lambda: self._returned(callee))
        return None

    def _returned(self, function: Function) -> Value:
        scope = self.body_of(function)
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, scope)
        nodes = list(own_nodes(function.node))
        if any(isinstance(one, (ast.Yield, ast.YieldFrom)) for one in nodes):
            return None
        values = [self.value(one.value, scope) for one in nodes if isinstance(one, ast.Return)]
        return (self.merge(values) if values else None) or (
            self._annotated(function.node.returns, scope) if function.node.returns else None
        )

    def _user_model(self) -> Value:
        app, _dot, name = self.user_model.rpartition(".")
        for module_name in sorted(self.index.paths):
            if f".{module_name}".endswith(f".{app}.models"):
                module = self.index.module(module_name)
                found = self.lookup_in(module, name) if module else None
                if isinstance(found, Class):
                    return found
        return Library("django.contrib.auth.models.User")

    # --- attributes --------------------------------------------------------------------------------------------------

    def _own_method(self, rows: Rows, name: str) -> Value:
        """A method that the project gives to a manager, a queryset or a model."""
        own = rows.methods if rows.kind != "instance" else rows.model
        found = self.attribute(own, name) if isinstance(own, Class) else None
        if isinstance(found, Function) and rows.kind == "instance" and "*" not in rows.loaded:
            return replace(found, own=rows)
        return found if isinstance(found, (Function, Threaded)) else None

    def member(self, base: Value, name: str) -> Value:
        """What an attribute of a value means."""
        if base == NOTHING or base is None:
            return base
        if isinstance(base, Library):
            if base.path.startswith("pathlib.Path()") and name in OTHER_PATHS:
                return Library("pathlib.Path()" if name.startswith("parent") else "pathlib.Path")
            if name in MANAGERS and orm_names.kind_of([base.path]) == "instance":
                return Rows("manager", base.path)
            # A folder without __init__.py is a package, too.
            inner = self.index.module(f"{base.path}.{name}")
            return OwnModule(inner) if inner else library(f"{base.path}.{name}")
        if isinstance(base, OwnModule):
            return self._once((base.module, name), lambda: self.lookup_in(base.module, name))
        if isinstance(base, Class):
            return self._of_class(base, name)
        if isinstance(base, Instance):
            found = self.attribute(base.of, name, base.after)
            assigned = self.assigned(base.of, name) if not isinstance(found, (Function, Threaded)) else NOTHING
            if (found, assigned) == (NOTHING, NOTHING):
                libraries = self.library_bases(base.of)
                return Library(f"{libraries[0]}().{name}") if len(libraries) == 1 else None
            return self.merge((found, assigned))
        if isinstance(base, Rows):
            return self._own_method(base, name) or orm_names.relation(base, name, self)
        return None

    def _of_class(self, of: Class, name: str) -> Value:
        if self.orm_kind(of) == "instance":
            found = self.attribute(of, name)
            if isinstance(found, Rows) and found.kind == "manager":
                return replace(
                    found, model=of, loaded=frozenset("*") if orm_names.loads(found.methods) else frozenset()
                )
            if isinstance(found, Library) and found.path.startswith("django.db.models.Manager"):
                return Rows("manager", of)
            if name in MANAGERS:
                return Rows("manager", of, loaded=frozenset() if found == NOTHING else frozenset("*"))
            return found if found != NOTHING else None
        found = self.attribute(of, name)
        if found == NOTHING:
            libraries = self.library_bases(of)
            return Library(f"{libraries[0]}.{name}") if len(libraries) == 1 else None
        return found

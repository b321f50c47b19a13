# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""request.user in async code: the first who looks at it asks the database, and Django refuses that there.

Until then it is an object that stands for the user. await request.auser() gives the user, and leaves request.user
as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from ansible_collections.switchyard.django.plugins.module_utils.project_index import FUNCTIONS, Scope
from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
from ansible_collections.switchyard.django.plugins.module_utils.project_values import Function, Library, Rows

MIDDLEWARE = "django.contrib.auth.middleware.AuthenticationMiddleware"
# Middleware that leaves it alone. Any other one may look at it in a thread, and then it is there for the view.
QUIET = (
    MIDDLEWARE,
    "django.middleware.",
    "django.contrib.sessions.",
    "django.contrib.messages.",
    "django.contrib.sites.",
    "allauth.account.",
    "corsheaders.",
    "csp.",
    "debug_toolbar.",
    "django_browser_reload.",
    "django_htmx.",
    "django_prometheus.",
    "servestatic.",
    "whitenoise.",
)
FILTERING = frozenset({"filter", "exclude"})
# Somebody puts the user there.
PUT = re.compile(r"\brequest\.(user|_cached_user)\s*(,\s*\w+\.\w+\s*)*=(?!=)|setattr\(\s*request,\s*.user\b")
MENTIONED = re.compile(r"\b(user|_cached_user)\b")


def is_left_alone(middleware: Iterable[str], texts: Mapping[str, str], paths: Mapping[str, str]) -> bool:
    """Whether nobody but the views looks at request.user, or puts a user there.

    :param texts: the files that a request may come to
    :param paths: of the modules, by their names
    """
    named = set(middleware)
    own = {one: texts.get(paths.get(one.rpartition(".")[0], "")) for one in named if not one.startswith(QUIET)}
    looks = any(text is None or MENTIONED.search(text) for text in own.values())
    return MIDDLEWARE in named and not looks and not any(PUT.search(text) for text in texts.values())


def comes_lazy(view: Function, names: Names) -> bool:
    """Whether a view gets the user as the middleware left it: a framework, or a decorator, may see to that."""
    classes = names.lineage(view.owner) if view.owner else []
    if not all(one.path.startswith("django.") for one in classes if isinstance(one, Library)):
        return False
    around = [
        method
        for one in classes
        if not isinstance(one, Library)
        for method in one.node.body
        if getattr(method, "name", "") in ("dispatch", "setup")
    ]
    for node in getattr(view.node, "decorator_list", []):
        decorator = names.value(node.func if isinstance(node, ast.Call) else node, view.scope)
        if isinstance(decorator, Function):
            around.append(decorator.node)  # type: ignore[arg-type]
        elif not (isinstance(decorator, Library) and decorator.path.startswith(("django.", "functools."))):
            return False
    return not any(getattr(one, "attr", "") == "user" for method in around for one in ast.walk(method))


class LazyUser:
    """Finds where a function looks at it."""

    def __init__(self, scope: Scope, names: Names):
        self.scope = scope
        self.names = names

    def looked_at(self, node: ast.AST) -> ast.AST | None:
        """The part of a node that makes the user come, when it runs."""
        if isinstance(node, ast.Attribute):
            return node if isinstance(node.ctx, ast.Load) and self._is_user(node.value) else None
        asked: list[ast.expr] = []
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            asked = [node.test]
        elif isinstance(node, ast.BoolOp):
            asked = node.values[:-1]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            asked = [node.operand]
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            asked = [node.left, node.comparators[0]]
        elif isinstance(node, ast.FormattedValue):
            asked = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FILTERING:
            # They look at once, though they ask for their rows later.
            asked = [one.value for one in node.keywords if isinstance(self._rows(node.func), Rows)]
        return next((one for one in asked if self._is_user(one)), None)

    def _rows(self, method: ast.Attribute) -> object:
        return self.names.value(method.value, self.scope)

    def _is_user(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            bound = self.scope.bindings.get(node.id, [])
            return bool(bound) and all(
                one.kind == "expr" and isinstance(one.node, ast.Attribute) and self._is_user(one.node) for one in bound
            )
        return isinstance(node, ast.Attribute) and node.attr == "user" and self._is_request(node.value)

    def _is_request(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr == "request" and isinstance(node.value, ast.Name) and node.value.id == "self"
        scope: Scope | None = self.scope if isinstance(node, ast.Name) and node.id == "request" else None
        while scope and "request" not in scope.bindings:
            scope = scope.parent
        bound = scope.bindings["request"] if scope and isinstance(scope.node, FUNCTIONS) else []
        return len(bound) == 1 and bound[0].kind in ("unknown", "annotation")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of a project: where each is found, what each binds, which of them a request can reach.

Nothing is imported or run: all of this is read from the text.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Union

FunctionNode = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (*FUNCTIONS, ast.ClassDef)
# What a case captures; Python 3.9 has none.
CAPTURES = (ast.MatchAs, ast.MatchStar) if sys.version_info >= (3, 10) else ()
STANDARD = frozenset(getattr(sys, "stdlib_module_names", ()))
# Characters of what no request reaches that are parsed all the same.
MOST_REST = 2_000_000
# What a parser says of a text that is no Python, or that is nested too deeply for it.
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Binding:
    """One way in which a name comes by its value.

    kind is expr, import, def, class, element (of what a loop goes over), entered (what a with statement enters),
    annotation, or unknown. `target` is the dotted name of an import, and for one by `from` the name behind the colon.
    """

    kind: str
    node: ast.AST | None = None
    target: str = ""


class Scope:
    """The names that a module, a class or a function binds by itself."""

    def __init__(self, module: Module, node: ast.AST, parent: Scope | None):
        self.module = module
        self.node = node
        self.parent = parent
        # Of a method that was looked up in a row: that row.
        self.own: object = None
        self.bindings: dict[str, list[Binding]] = {}
        self.elsewhere: set[str] = set()
        self.stars: list[str] = []
        for one in own_nodes(node):
            self._collect(one)
        for name in self.elsewhere:
            self.bindings.pop(name, None)
        if isinstance(node, FUNCTIONS):
            self._parameters(node.args)

    def _bind(self, name: str, kind: str, node: ast.AST | None = None, target: str = "") -> None:
        self.bindings.setdefault(name, []).append(Binding(kind, node, target))

    def _target(self, target: ast.AST, kind: str, node: ast.AST | None) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, kind, node)
        elif isinstance(target, (ast.Tuple, ast.List)):
            # a, b = x, y
            values = node.elts if isinstance(node, ast.Tuple) and len(node.elts) == len(target.elts) else None
            for number, one in enumerate(target.elts):
                self._target(one, *((kind, values[number]) if values and kind == "expr" else ("unknown", None)))
        elif isinstance(target, ast.Starred):
            self._target(target.value, "unknown", None)

    def _collect(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._bind(
                    alias.asname or alias.name.split(".")[0],
                    "import",
                    node,
                    alias.name if alias.asname else alias.name.split(".")[0],
                )
        elif isinstance(node, ast.ImportFrom):
            origin = self.module.absolute(node)
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(origin)
                else:
                    self._bind(alias.asname or alias.name, "import", node, f"{origin}:{alias.name}")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._bind(node.name, "def", node)
        elif isinstance(node, ast.ClassDef):
            self._bind(node.name, "class", node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._target(target, "expr", node.value)
        elif isinstance(node, ast.AnnAssign):
            self._target(node.target, *(("expr", node.value) if node.value else ("annotation", node.annotation)))
        elif isinstance(node, ast.NamedExpr):
            self._target(node.target, "expr", node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            self._target(node.target, "element", node.iter)
        elif isinstance(node, ast.withitem) and node.optional_vars:
            self._target(node.optional_vars, "entered", node.context_expr)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            self.elsewhere.update(node.names)
        elif isinstance(node, ast.AugAssign):
            self._target(node.target, "unknown", None)
        elif isinstance(node, (ast.ExceptHandler, *CAPTURES)):
            name = getattr(node, "name", None)
            if name:
                self._bind(name, "unknown")

    def _parameters(self, given: ast.arguments) -> None:
        for one in (*given.posonlyargs, *given.args, *given.kwonlyargs):
            self._bind(one.arg, "annotation" if one.annotation else "unknown", one.annotation)
        for extra in (given.vararg, given.kwarg):
            if extra:
                self._bind(extra.arg, "unknown")


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """What runs when this scope runs: not what stands in functions, lambdas and classes inside it.

    Decorators and defaults of a function inside it run, but call nothing that matters here.
    """
    body = scope.body if isinstance(scope, (ast.Module, *SCOPES)) else [scope]
    stack: list[ast.AST] = [body] if isinstance(body, ast.AST) else list(reversed(body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, SCOPES):
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


@dataclass(eq=False)
class Module:
    """A file of the project."""

    name: str
    path: str
    tree: ast.Module
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        self.scope = Scope(self, self.tree, None)

    @property
    def package(self) -> str:
        return self.name if self.path.endswith("__init__.py") else self.name.rpartition(".")[0]

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module that a from-import names."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".") if self.package else []
        kept = parts[: len(parts) - node.level + 1]
        return ".".join([*kept, node.module] if node.module else kept)


class ProjectIndex:
    """All modules of a project, each parsed when it is first asked for."""

    def __init__(self, texts: Mapping[str, str], root: str = ""):
        """:param texts: the Python files by their paths
        :param root: the folder in which the site's package can be imported
        """
        self.texts = texts
        self.root = root
        self.unparsable: dict[str, str] = {}
        self._parsed: dict[str, Module | None] = {}
        self.paths = _paths(texts, root)
        self._names: dict[str, str] = {}
        # The site's own root comes first: there its modules have the names by which it calls them.
        for name, path in self.paths.items():
            self._names.setdefault(path, name)

    def module(self, name: str) -> Module | None:
        """A module of the project by its dotted name; None for any other."""
        path = self.paths.get(name)
        return self.file(path, name) if path else None

    def file(self, path: str, name: str = "") -> Module | None:
        """A module by its path; None where it can't be parsed."""
        if path not in self._parsed:
            self._parsed[path] = self._parse(path, name or self._names.get(path, path))
        return self._parsed[path]

    def _parse(self, path: str, name: str) -> Module | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Module(name, path, ast.parse(self.texts[path]))
        except UNPARSABLE as problem:
            line = getattr(problem, "lineno", None)
            reason = getattr(problem, "msg", None) or str(problem) or type(problem).__name__
            self.unparsable[path] = reason if line is None else f"line {line}: {reason}"
            return None

    def parse_rest(self) -> None:
        """See whether what nothing asked for can be parsed, so that it is named where it can't; up to a bound."""
        left = MOST_REST
        for path in sorted(set(self.texts) - set(self._parsed)):
            left -= len(self.texts[path])
            if left < 0:
                return
            self._parse(path, path)

    def mentioning(self, *words: str) -> Iterator[Module]:
        """The modules whose text has one of the words, in the order of their paths."""
        for path in sorted(self.texts):
            if any(word in self.texts[path] for word in words):
                module = self.file(path)
                if module:
                    yield module

    def longest(self, dotted: str) -> tuple[Module | None, str]:
        """The module that begins a dotted name, and what is behind it."""
        parts = dotted.split(".")
        for number in range(len(parts), 0, -1):
            if ".".join(parts[:number]) in self.paths:
                return self.module(".".join(parts[:number])), ".".join(parts[number:])
        return None, dotted

    def reachable(self, starts: Iterable[str], without: frozenset[str] = frozenset()) -> set[str]:
        """The paths of the modules that these import, or name in a text, and so on.

        Django names much in texts: settings, URLs that are included, middleware.

        :param without: paths that lead no further
        """
        found = set(without)
        waiting = [name for name in starts if name in self.paths]
        while waiting:
            name = waiting.pop()
            path = self.paths[name]
            if path in found:
                continue
            found.add(path)
            module = self.module(name)
            for other in _named_in(module) if module else ():
                parts = other.split(".")
                # The packages around a module are imported with it.
                for number in range(len(parts), 0, -1):
                    inner = ".".join(parts[:number])
                    if inner in self.paths and self.paths[inner] not in found:
                        waiting.append(inner)
        return found - without


def _paths(texts: Mapping[str, str], root: str) -> dict[str, str]:
    """Where each module is, by each name under which it can be imported."""
    roots = {root, *(path.rpartition("/")[0] for path in texts if f"/{path}".endswith("/manage.py"))}
    for path in texts:
        folder = path.rpartition("/")[0]
        while folder and f"{folder}/__init__.py" in texts:
            folder = folder.rpartition("/")[0]
        roots.add(folder)
    found: dict[str, str] = {}
    ambiguous = set()
    for start in [root, *sorted(roots - {root})]:
        top = f"{start}/" if start else ""
        for path in sorted(texts):
            if not path.startswith(top):
                continue
            parts = path[len(top) : -len(".py")].split("/")
            if parts[-1] == "__init__":
                parts.pop()
            if not parts or not all(part.isidentifier() for part in parts):
                continue
            name = ".".join(parts)
            if start != root and (parts[0] in STANDARD or found.get(name, path) != path):
                # Only the site's own root may have a module that another one has, too.
                ambiguous.add(name)
                continue
            found.setdefault(name, path)
    own = f"{root}/" if root else ""
    return {name: path for name, path in found.items() if name not in ambiguous or path.startswith(own)}


def _named_in(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = module.absolute(node)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_dotted(node.value):
            yield node.value


def _is_dotted(text: str) -> bool:
    return len(text) < 200 and "." in text and all(part.isidentifier() for part in text.split("."))

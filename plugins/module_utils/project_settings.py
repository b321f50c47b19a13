# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project's settings as their text has them: which module, what each is set to, and where."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.project_index import Module, ProjectIndex, own_nodes


@dataclass(frozen=True)
class Setting:
    """One place where a setting gets a value."""

    name: str
    path: str
    line: int
    node: ast.expr | None
    module: Module


@dataclass
class Settings:
    """What the settings modules set, the last one last."""

    module: str
    path: str
    found: dict[str, list[Setting]] = field(default_factory=dict)
    # Why something may be set that can't be seen here.
    unseen: str = ""

    @property
    def paths(self) -> frozenset[str]:
        """The files that set anything."""
        return frozenset({self.path, *(one.path for several in self.found.values() for one in several)})

    def last(self, name: str) -> Setting | None:
        return self.found[name][-1] if name in self.found else None

    def texts(self, name: str) -> list[tuple[str, str, int]]:
        """Each text in the values of a setting, with path and line, those of the names that it is made of, too."""
        return [
            (node.value, one.path, node.lineno)
            for one in self.found.get(name, [])
            for node in self._nodes(one, set())
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]

    def _nodes(self, setting: Setting, seen: set[str]) -> Iterator[ast.AST]:
        for node in ast.walk(setting.node) if setting.node else ():
            yield node
            if isinstance(node, ast.Name) and node.id not in seen and node.id != setting.name:
                seen.add(node.id)
                for one in self.found.get(node.id, []):
                    yield from self._nodes(one, seen)

    def constants(self, name: str) -> list[Any]:
        """The values that a setting may have, where all of them can be told."""
        values = []
        for one in self.found.get(name, []):
            try:
                values.append(ast.literal_eval(one.node))  # type: ignore[arg-type]
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return []
        return values

    def backends(self, name: str, alias: str = "default") -> list[tuple[str, str, int]]:
        """The BACKEND of CACHES, CHANNEL_LAYERS or STORAGES under an alias, wherever one is set."""
        found = []
        for one in self.found.get(name, []):
            for node in self._nodes(one, set()):
                for key, value in zip(node.keys, node.values) if isinstance(node, ast.Dict) else ():
                    if isinstance(key, ast.Constant) and key.value == alias and isinstance(value, (ast.Dict, ast.Name)):
                        found += [(text, one.path, line) for text, line in self._backend(value)]
        return found

    def _backend(self, node: ast.expr) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.Name):
            for one in self.found.get(node.id, []):
                if isinstance(one.node, ast.Dict):
                    yield from self._backend(one.node)
            return
        for key, value in zip(node.keys, node.values) if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and key.value == "BACKEND":
                for inner in ast.walk(value):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                        yield inner.value, inner.lineno


DEVELOPMENT = re.compile(r"(dev|develop|development|local|debug|test|testing)$")
PRODUCTION = ("production", "prod", "live", "deploy")


def module_named(index: ProjectIndex, prefix: str) -> tuple[str, str, int]:
    """The settings module that the entry points name, with path and line; else PACKAGE.settings.

    :param prefix: what stands before the names of the entry points
    """
    for name in (f"{prefix}wsgi", f"{prefix}asgi", "manage"):
        module = index.module(name)
        for node in ast.walk(module.tree) if module else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setdefault":
                words = [one.value for one in node.args if isinstance(one, ast.Constant)]
                if words[:1] == ["DJANGO_SETTINGS_MODULE"] and len(words) == 2 and str(words[1]) in index.paths:
                    return _of_production(str(words[1]), index), module.path, node.lineno  # type: ignore[union-attr]
    return f"{prefix}settings", "", 0


def _of_production(name: str, index: ProjectIndex) -> str:
    """The settings module for production beside one that is for somebody's own machine."""
    around, _dot, leaf = name.rpartition(".")
    if DEVELOPMENT.match(leaf):
        return next((one for one in (f"{around}.{leaf}" for leaf in PRODUCTION) if one in index.paths), name)
    return name


def read(index: ProjectIndex, module: str) -> Settings:
    """Read a settings module and those that it takes its settings from."""
    settings = Settings(module, index.paths.get(module, ""))
    if not settings.path:
        settings.unseen = f"{module} is not in the source"
    _read(index, module, settings, set())
    if settings.path and "INSTALLED_APPS" not in settings.found:
        settings.unseen = settings.unseen or f"{settings.path} does not set INSTALLED_APPS: more comes from elsewhere"
    return settings


def _read(index: ProjectIndex, name: str, settings: Settings, seen: set[str]) -> None:
    module = index.module(name)
    if module is None or name in seen:
        return
    seen.add(name)
    for node in own_nodes(module.tree):
        if isinstance(node, ast.ImportFrom):
            _read_import(index, module, node, settings, seen)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                _set(settings, module, target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            _set(settings, module, node.target, node.value)
        elif isinstance(node, ast.Call):
            _read_call(index, module, node, settings, seen)
        elif isinstance(node, ast.ClassDef):  # django-configurations
            for statement in node.body:
                if isinstance(statement, ast.Assign):
                    for target in statement.targets:
                        _set(settings, module, target, statement.value)


def _set(settings: Settings, module: Module, target: ast.AST, value: ast.expr | None) -> None:
    while isinstance(target, ast.Subscript):  # CACHES["default"] = …
        target = target.value
    if isinstance(target, (ast.Tuple, ast.List)):
        for one in target.elts:
            _set(settings, module, one, None)
    if isinstance(target, ast.Name):
        settings.found.setdefault(target.id, []).append(Setting(target.id, module.path, target.lineno, value, module))


def _read_import(index: ProjectIndex, module: Module, node: ast.ImportFrom, settings: Settings, seen: set[str]) -> None:
    origin = module.absolute(node)
    for alias in node.names:
        if alias.name != "*":
            other = index.module(origin)
            inner = Settings(origin, "")
            if other and other is not module:
                _read(index, origin, inner, {*seen})
            known = inner.found.get(alias.name, [Setting(alias.name, module.path, node.lineno, None, module)])
            settings.found.setdefault(alias.asname or alias.name, []).extend(known)
        elif origin in index.paths:
            _read(index, origin, settings, seen)
        elif index.longest(origin)[0] is None and origin != "django.conf.global_settings":
            settings.unseen = settings.unseen or f"{module.path}:{node.lineno} takes settings from {origin}"


def _read_call(index: ProjectIndex, module: Module, node: ast.Call, settings: Settings, seen: set[str]) -> None:
    called = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if called in ("append", "insert", "extend", "setdefault", "update") and isinstance(node.func, ast.Attribute):
        if isinstance(node.func.value, ast.Name) and node.args:
            _set(settings, module, node.func.value, node.args[-1])
        called = "update" if isinstance(node.func.value, ast.Call) else ""
    if called in ("include", "optional"):  # django-split-settings
        folder = module.path.rpartition("/")[0]
        for one in node.args:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                pattern = f"{folder}/{one.value}".lstrip("/")
                for path in sorted(index.texts):
                    if fnmatch.fnmatchcase(path, pattern):
                        for name, where in index.paths.items():
                            if where == path:
                                _read(index, name, settings, seen)
                                break
    elif called in ("exec", "execfile", "update") or any(
        isinstance(one, ast.Call) and getattr(one.func, "id", "") in ("locals", "globals") for one in node.args
    ):
        settings.unseen = settings.unseen or f"{module.path}:{node.lineno} sets what can't be read"

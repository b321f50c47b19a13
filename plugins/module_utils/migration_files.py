# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads migrations as text, without running anything, and says what is known of them like this.

Which of them are pending is for Django to say, once the release is built. A file says what it would do: what the live
release no longer finds, what can't be undone, and what PostgreSQL locks, by its documentation of ALTER TABLE, CREATE
INDEX and explicit locking. Django runs a migration in one transaction, so a lock is held until its end.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Django leaves out what begins with _ or ~.
MIGRATION = re.compile(r"(?:^|.*/)(?P<app>[A-Za-z_]\w*)/migrations/(?P<name>[^_~/.][^/.]*)\.py")
APP = re.compile(r"(?:^|.*/)[A-Za-z_]\w*/apps\.py")

MOMENT = "blocks reads and writes for a moment"
REWRITE = "blocks reads and writes, and for long where it rewrites a large table"
SCAN = "blocks reads and writes while it reads the whole table"
INDEX = "blocks writes while it builds the index"
INDEX_ON_ADD = "blocks reads and writes while it builds an index"
LATER = "blocks neither reads nor writes"
ONE_WAY = "has no way back"
GONE = "the live release still uses it until the cutover, and its data is lost"
RENAMED = "the live release knows the old name alone until the cutover"
DEMANDED = "NOT NULL without db_default: the live release can't add rows until the cutover"


# What is left of that for a release that doesn't know the migration, once another was live.
AFTERWARDS = {DEMANDED: "can't add rows", GONE: "misses what it removed", RENAMED: "knows the old name alone"}


@dataclass(frozen=True)
class Migration:
    """What a file says of itself.

    :param effects: what is to be known of its operations before it runs; empty where they do no harm
    :param replaces: the migrations that it was squashed from
    :param is_known: whether its operations could be read
    """

    app: str
    name: str
    effects: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    is_known: bool = True

    @property
    def called(self) -> str:
        return f"{self.app}.{self.name}"


def is_wanted(path: str) -> bool:
    """Whether a file of the source is a migration, or says what its app is called."""
    return bool(MIGRATION.fullmatch(path) or APP.fullmatch(path))


def read(texts: Mapping[str, str]) -> list[Migration]:
    """The migrations of a source, in the order of their names.

    :param texts: path -> text of the files that `is_wanted` names
    """
    found = []
    for path, text in sorted(texts.items()):
        match = MIGRATION.fullmatch(path)
        if match:
            folder = path.rpartition("/migrations/")[0]
            found.append(_migration(_label(texts.get(f"{folder}/apps.py", ""), match["app"]), match["name"], text))
    return found


def new(migrations: Iterable[Migration], known: Mapping[str, Iterable[str]]) -> list[Migration]:
    """Those that the live release does not have. A squashed one whose parts it has is recorded, and does nothing.

    :param known: app -> names, as the live release's manifest has them
    """
    has = {f"{app}.{name}" for app, names in known.items() for name in names}
    return [one for one in migrations if one.called not in has and not (one.replaces and set(one.replaces) <= has)]


def missing(migrations: Iterable[Migration], known: Mapping[str, Iterable[str]]) -> list[str]:
    """What the live release has in the apps of the source and the source does not: it stays applied."""
    migrations = list(migrations)
    apps = {one.app for one in migrations}
    here = {one.called for one in migrations} | {name for one in migrations for name in one.replaces}
    return [f"{app}.{name}" for app in sorted(apps & set(known)) for name in known[app] if f"{app}.{name}" not in here]


def told(effects: Mapping[str, Iterable[str]]) -> str:
    """What a release can't do that doesn't know these migrations, which stay applied; empty where nothing is known.

    :param effects: those of each migration, by its name
    """
    broken: dict[str, list[str]] = {}
    for name, each in effects.items():
        for effect, said in AFTERWARDS.items():
            if any(effect in one for one in each):
                broken.setdefault(said, []).append(name)
    return ", ".join(
        said if len(effects) == 1 else f"{said} (for {' and '.join(names)})" for said, names in broken.items()
    )


def one_way(effects: Mapping[str, Iterable[str]]) -> list[str]:
    """Which of the migrations have no way back, as far as their files say."""
    return [name for name, each in effects.items() if any(ONE_WAY in one for one in each)]


def _label(text: str, folder: str) -> str:
    """What Django calls an app: by its AppConfig, or else by its folder."""
    for node in ast.walk(_parsed(text) or ast.Module([], [])):
        if isinstance(node, ast.ClassDef):
            for name, value in _assigned(node.body).items():
                if name == "label" and isinstance(value, ast.Constant):
                    return _text(value)
    return folder


def _migration(app: str, name: str, text: str) -> Migration:
    tree = _parsed(text)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)] if tree else []
    body = next((one.body for one in classes if one.name == "Migration"), None)
    if body is None:
        return Migration(app, name, is_known=False)
    assigned = _assigned(body)
    operations, replaces = assigned.get("operations", ast.List([])), assigned.get("replaces")
    effects = tuple(dict.fromkeys(_effects(operations)))
    return Migration(app, name, effects, tuple(_names(replaces)), isinstance(operations, (ast.List, ast.Tuple)))


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _assigned(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            found.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = node.value
    return found


def _names(node: ast.expr | None) -> Iterable[str]:
    """replaces, which is a list of pairs."""
    for pair in getattr(node, "elts", []):
        parts = [part.value for part in getattr(pair, "elts", []) if isinstance(part, ast.Constant)]
        if len(parts) == 2:
            yield ".".join(str(part) for part in parts)


# --- operations ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """One call in a list of operations."""

    kind: str
    args: list[ast.expr]
    options: dict[str, ast.expr]

    def given(self, name: str, place: int) -> ast.expr | None:
        """An argument, by name or by place."""
        return self.options.get(name, self.args[place] if place < len(self.args) else None)

    def text(self, name: str, place: int) -> str:
        return _text(self.given(name, place))


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "?"


def _operation(node: ast.expr) -> Operation | None:
    if not isinstance(node, ast.Call):
        return None
    kind = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "?")
    return Operation(kind, node.args, {one.arg: one.value for one in node.keywords if one.arg})


def _effects(operations: ast.expr) -> Iterable[str]:
    for node in getattr(operations, "elts", []):
        one = _operation(node)
        if one is None:
            yield "an operation that its file does not spell out"
        elif one.kind == "SeparateDatabaseAndState":
            yield from _effects(one.given("database_operations", 0) or ast.List([]))
        else:
            said = [part for part in _judged(one) if part]
            if said:
                yield f"{_called(one)} {'; '.join(said)}"


def _called(one: Operation) -> str:
    if one.kind in FIELDS:
        return (
            f"{one.kind} {one.text('model_name', 0)}.{one.text('name' if one.kind != 'RenameField' else 'old_name', 1)}"
        )
    if one.kind in ("RunPython", "RunSQL"):
        return one.kind
    first = one.args[0] if one.args else None
    name = one.options.get("model_name") or first or one.options.get("old_name") or one.options.get("name")
    return f"{one.kind} {_text(name)}" if name is not None else one.kind


FIELDS = ("AddField", "AlterField", "RemoveField", "RenameField")
# The live release's view of an operation, and the lock.
EFFECTS: dict[str, tuple[str, str]] = {
    "AlterField": ("", REWRITE),
    "RemoveField": (GONE, MOMENT),
    "RenameField": (RENAMED, MOMENT),
    "DeleteModel": (GONE, MOMENT),
    "RenameModel": (RENAMED, MOMENT),
    "AlterModelTable": (RENAMED, MOMENT),
    "AddIndex": ("", INDEX),
    "AddIndexConcurrently": ("", LATER),
    "RemoveIndex": ("", MOMENT),
    "RemoveIndexConcurrently": ("", LATER),
    "AddConstraint": ("", SCAN),
    "AddConstraintNotValid": ("", MOMENT),
    "ValidateConstraint": ("", LATER),
    "RemoveConstraint": ("", MOMENT),
    "AlterUniqueTogether": ("", SCAN),
    "AlterIndexTogether": ("", INDEX),
    "AlterOrderWithRespectTo": (DEMANDED, MOMENT),
}
# What touches no table that is there: it makes a new one, or the database hears nothing of it.
HARMLESS = (
    "CreateModel",
    "AlterModelOptions",
    "AlterModelManagers",
    "AlterModelTableComment",
    "RenameIndex",
    "AlterConstraint",
)


def _judged(one: Operation) -> tuple[str, ...]:
    if one.kind == "AddField":
        return _added(one)
    if one.kind == "RunPython":
        return (_way_back(one, "reverse_code"),)
    if one.kind == "RunSQL":
        return (_way_back(one, "reverse_sql"), "what it blocks is not known")
    if one.kind in EFFECTS:
        return EFFECTS[one.kind]
    return () if one.kind in HARMLESS else ("what it does is not known from here",)


def _way_back(one: Operation, name: str) -> str:
    given = one.given(name, 1)
    is_none = given is None or (isinstance(given, ast.Constant) and given.value is None)
    return ONE_WAY if is_none else ""


def _added(one: Operation) -> tuple[str, ...]:
    node = one.given("field", 2)
    field = _operation(node) if node is not None else None
    if field is None:
        return ("a field that its file does not spell out",)
    if field.kind == "ManyToManyField":  # a table of its own
        return ()
    if field.kind == "GeneratedField":
        return (REWRITE,)
    demanded = not (_is_true(field, "null") or "db_default" in field.options or field.kind.endswith("AutoField"))
    indexed = field.kind in ("ForeignKey", "OneToOneField", "SlugField") and not _is_false(field, "db_index")
    indexed = indexed or _is_true(field, "db_index") or _is_true(field, "unique")
    return (DEMANDED if demanded else "", INDEX_ON_ADD if indexed else MOMENT)


def _is_true(field: Operation, name: str) -> bool:
    value = field.options.get(name)
    return isinstance(value, ast.Constant) and value.value is True


def _is_false(field: Operation, name: str) -> bool:
    value = field.options.get(name)
    return isinstance(value, ast.Constant) and value.value is False

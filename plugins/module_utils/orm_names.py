# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Django's ORM gives: managers, querysets, rows, and which of their methods ask the database at once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
    from ansible_collections.switchyard.django.plugins.module_utils.project_values import Class, Rows

# They return another queryset, and ask nothing.
LAZY = frozenset(
    "all filter exclude order_by annotate alias select_related prefetch_related values values_list distinct using only "
    "defer reverse union intersection difference select_for_update dates datetimes extra raw iterator get_queryset "
    "non_polymorphic instance_of live public specific descendant_of child_of".split()
)
# They ask at once; each has a twin with an a in front.
ASKING = frozenset(
    "get create get_or_create update_or_create bulk_create bulk_update count first last latest earliest in_bulk "
    "aggregate exists contains update delete explain create_user create_superuser".split()
)
ONE_ROW = frozenset("get create first last latest earliest".split())
# Of a manager that belongs to a row.
OF_RELATED = frozenset("add remove set clear".split())
OF_INSTANCE = frozenset("save delete refresh_from_db".split())
TO_ONE = frozenset({"ForeignKey", "OneToOneField", "ParentalKey", "TreeForeignKey"})
TO_MANY = frozenset({"ManyToManyField", "ParentalManyToManyField"})
NO_MODEL = re.compile(r"Manager|QuerySet|Choices|Field|Mixin$")
ALL = frozenset("*")


def kind_of(bases: Iterable[str]) -> str:
    """What a class is for the ORM, by what it is made of that is not the project's."""
    for base in bases:
        if base in (
            "django.db.models.Manager",
            "django.contrib.auth.models.BaseUserManager",
            "django.contrib.auth.models.UserManager",
        ):
            return "manager"
        if base.startswith("django.db.models.Manager."):
            return "manager"
        if base == "django.db.models.QuerySet":
            return "queryset"
        if base.startswith("django.db.models."):
            if base == "django.db.models.Model":
                return "instance"
            continue
        # Abstract models of libraries: wagtail.models.Page, model_utils.models.TimeStampedModel.
        if ".models." in base and not NO_MODEL.search(base.rpartition(".")[2]):
            return "instance"
    return ""


def element(rows: Rows) -> Rows | None:
    """One of the rows of a queryset."""
    return replace(rows, kind="instance", methods=None) if rows.kind == "queryset" and rows.model else None


def result(rows: Rows, method: str, words: list[Any]) -> Rows | None:
    """What a method of the ORM returns.

    :param words: its arguments, None for each that is no constant
    """
    if rows.kind in ("manager", "queryset", "related"):
        if method in ("values", "values_list", "dates", "datetimes"):
            return replace(rows, kind="queryset", model="", loaded=ALL)
        if method in ("select_related", "prefetch_related"):
            names = {str(word).partition("__")[0] if word else "*" for word in words} or {"*"}
            return replace(rows, kind="queryset", loaded=rows.loaded | names)
        if method in LAZY:
            # What was prefetched with the row is there.
            there = rows.kind == "related" and rows.loaded and method == "all"
            return replace(rows, kind="fetched" if there else "queryset")
        plain = method[1:] if method.startswith("a") else method
        if plain in ONE_ROW and method != "all" and rows.model:
            made = plain == "create"
            return replace(rows, kind="instance", methods=None, loaded=ALL if made else rows.loaded)
    return None


def asks(rows: Rows, method: str) -> bool:
    """Whether a method of the ORM asks the database, there and then."""
    if rows.kind == "instance":
        return method in OF_INSTANCE
    return method in ASKING or (rows.kind == "related" and method in OF_RELATED)


def loads(methods: Class | None) -> bool:
    """Whether a manager of the project's may bring relations by itself."""
    return methods is not None and any(
        isinstance(one, ast.Attribute) and one.attr in ("select_related", "prefetch_related")
        for one in ast.walk(methods.node)
    )


def field_of(model: Class, name: str, names: Names) -> ast.Call | None:
    """The field that a model has under a name."""
    for one in names.lineage(model):
        node = getattr(one, "node", None)
        for statement in node.body if node else ():
            if (
                isinstance(statement, ast.Assign)
                and isinstance(statement.value, ast.Call)
                and any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
            ):
                return statement.value
    return None


def field_kind(field: ast.Call) -> str:
    return getattr(field.func, "attr", getattr(field.func, "id", ""))


def is_lazy_relation(rows: Rows, name: str, names: Names) -> bool:
    """Whether an attribute of a row asks the database, because the relation did not come with the row."""
    if rows.kind != "instance" or isinstance(rows.model, str) or rows.loaded & {"*", name}:
        return False
    field = field_of(rows.model, name, names)
    return bool(field) and field_kind(field) in TO_ONE  # type: ignore[arg-type]


def relation(rows: Rows, name: str, names: Names) -> Any:
    """What an attribute of a row is, where it is a relation."""
    if rows.kind != "instance" or isinstance(rows.model, str):
        return None
    field = field_of(rows.model, name, names)
    many = (
        field_kind(field) in TO_MANY if field else re.fullmatch(r"\w+_set", name) or names.points_to(rows.model, name)
    )
    if many:
        came = rows.loaded & {"*", name}
        return replace(rows, kind="related", model="", loaded=ALL if came else frozenset())
    if field is None:
        return None
    if field_kind(field) in TO_ONE and field.args:
        target = names.value(field.args[0], names.scope_of(rows.model.node, rows.model.scope))
        own = rows.model if isinstance(field.args[0], ast.Constant) and field.args[0].value == "self" else None
        model: Any = target if isinstance(target, type(rows.model)) else own
        return replace(rows, model=model, loaded=ALL) if model else None
    return None

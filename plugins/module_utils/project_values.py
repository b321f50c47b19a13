# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the expressions of a project can mean, and how what is not the project's is called."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Union

from ansible_collections.switchyard.django.plugins.module_utils.project_index import FunctionNode, Module, Scope


@dataclass(frozen=True)
class Library:
    """Something that is not the project's, by its dotted name; what a call returns has () behind it."""

    path: str


@dataclass(frozen=True)
class OwnModule:
    module: Module


@dataclass(frozen=True)
class Class:
    node: ast.ClassDef
    scope: Scope  # around it


@dataclass(frozen=True)
class Instance:
    of: Class
    after: Class | None = None  # super(): what stands behind this class in the lineage


@dataclass(frozen=True)
class Function:
    node: FunctionNode
    scope: Scope  # around it
    owner: Class | None = None
    own: Rows | None = None  # of a method, the row that it belongs to, where more is known of it than its model

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def name(self) -> str:
        own = getattr(self.node, "name", "lambda")
        return f"{self.owner.node.name}.{own}" if self.owner else own


@dataclass(frozen=True)
class Threaded:
    """A function that runs in a thread when it is called, and is awaited."""

    inner: object = None


@dataclass(frozen=True)
class Rows:
    """What the ORM gives: a manager, a queryset, or an instance of a model.

    `loaded` are the relations that came with it; "*" stands for all, or for those that can't be told.
    """

    kind: str
    model: Class | str
    methods: Class | None = None  # the project's own manager or queryset
    loaded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Asking:
    """A method of the ORM that is called elsewhere, as what a thread is given."""

    rows: Rows
    name: str


Value = Union[Library, OwnModule, Class, Instance, Function, Threaded, Rows, Asking, None]
# The value of what is being found out already, or of None: it says nothing against another one.
NOTHING = Library("")

TO_THREAD = frozenset({"asgiref.sync.sync_to_async", "channels.db.database_sync_to_async"})
# Who names one of these may call a function later, or elsewhere.
ELSEWHERE = frozenset(
    "sync_to_async database_sync_to_async SyncToAsync to_thread run_in_executor run_sync submit Thread delay "
    "apply_async asyncify".split()
)
# Decorators after which a call still runs the function, here and now.
INLINE = ("builtins.", "functools.", "contextlib.", "django.", "rest_framework.", "typing.", "celery.shared_task")
SAME = (
    ("django.http.response.", "django.http."),
    ("django.core.mail.message.", "django.core.mail."),
    ("django.db.models.query.", "django.db.models."),
    ("django.db.models.manager.", "django.db.models."),
    ("django.db.models.base.", "django.db.models."),
    ("django.contrib.gis.db.models.", "django.db.models."),
    ("django.views.generic.base.", "django.views."),
    ("django.views.generic.View", "django.views.View"),
    ("requests.api.", "requests."),
    ("requests.sessions.", "requests."),
    ("redis.client.", "redis."),
    ("io.open", "builtins.open"),
    ("pathlib.PosixPath", "pathlib.Path"),
    ("pathlib.Path.cwd()", "pathlib.Path()"),
    ("pathlib.Path.home()", "pathlib.Path()"),
    ("django.db.connections[]", "django.db.connection"),
)
# How far an expression is followed: names inside one another, and names at all.
DEEPEST = 60
MOST_STEPS = 5_000


def library(path: str) -> Library:
    """A library's name under which it is known here, whatever module it is imported from."""
    for start, shorter in SAME:
        if path.startswith(start):
            return Library(shorter + path[len(start) :])
    return Library(path)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a project's own code ever reads a database's URL: if not, its settings decide, and the variable does nothing.

What a comment or a docstring says of the variable reads nothing.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator, Mapping

from ansible_collections.switchyard.django.plugins.module_utils.django_environment import database_urls
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import WARNING, Finding

_READERS = (
    rb"\bdj_database_url\b|\bdj_db_url\b"
    # django-environ's and environs' own methods
    rb"|\.(?:db|db_url|dj_db_url)\("
)
# Code of others, and code that runs when nobody is served.
_SKIPPED = {"__pycache__", "migrations", "node_modules", "site-packages", "test", "testing", "tests"}
_SKIPPED_FILES = re.compile(r"tests?\.py|test_.*\.py|.*_test\.py|conftest\.py")
_MOST_FILES = 5_000
_MOST_BYTES = 1_000_000


def unread(source: str, variables: Mapping[str, str], default: str) -> list[Finding]:
    """A word on each variable that names a database which the source never asks for; `default` is nobody's wish."""
    named = [key for key in database_urls(variables) if variables[key] != default]
    return [finding for key in named for finding in judge(source, key, None)]


def judge(source: str, key: str, line: int | None) -> list[Finding]:
    """A warning on the variable `key` where no file of the source reads a database's URL."""
    if not os.path.isdir(source) or _reads_a_url(source, key):
        return []
    return [
        Finding(
            key,
            line,
            "url-not-read",
            WARNING,
            f"the variable is set, and no Python file in {source} reads it, so the settings name another database",
            "Read it in the settings, with dj_database_url.config() or env.db() for instance, or remove the variable",
        )
    ]


def _reads_a_url(source: str, key: str) -> bool:
    """Also true where there is too much to read: then nobody knows, and nothing is said."""
    # A prefix is often put before the name at run time, and pydantic's settings have it in small letters.
    readers = re.compile(rb"(?i:" + key.removeprefix("DJANGO_").encode() + rb")|" + _READERS)
    for number, path in enumerate(_python_files(source)):
        if number >= _MOST_FILES:
            return True
        try:
            with open(path, "rb") as file:
                text = file.read(_MOST_BYTES + 1)
        except OSError:
            return True
        if len(text) > _MOST_BYTES or (readers.search(text) and readers.search(_code(text))):
            return True
    return False


def _code(text: bytes) -> bytes:
    """The code without comments and docstrings; all of it where it is for another version of Python than this one."""
    try:
        with warnings.catch_warnings():
            # An invalid escape is the project's affair.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        return ast.unparse(_WithoutTexts().visit(tree)).encode(errors="replace")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


class _WithoutTexts(ast.NodeTransformer):
    """Drops the statements that are nothing but a text."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:  # noqa: N802
        return None if isinstance(node.value, ast.Constant) else node


def _python_files(source: str) -> Iterator[str]:
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if not _is_skipped(folder, name))
        for name in sorted(files):
            path = os.path.join(folder, name)
            # A pipe would never come to its end.
            if name.endswith(".py") and not _SKIPPED_FILES.fullmatch(name) and os.path.isfile(path):
                yield path


def _is_skipped(folder: str, name: str) -> bool:
    return name in _SKIPPED or name.startswith(".") or os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a project tell how it is served, and which of its packages is the site's."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ansible_collections.switchyard.django.plugins.module_utils import plan, requirements

# No project that was met has more; what is larger is data, or made by a program.
MOST_FILES = 20_000
LARGEST_FILE = 1_000_000  # bytes
MOST_BYTES = 30_000_000

# Folders whose code no request reaches: written for tests, for migrations, by others.
BESIDE = frozenset(
    "tests test testing e2e migrations site-packages dist-packages node_modules bower_components "
    "__pycache__ .git .tox .nox .venv venv virtualenv".split()
)
# Of these only where they are no package: an app may be called docs.
BESIDE_UNLESS_PACKAGE = frozenset("docs doc examples example samples benchmarks bench scripts bin build dist".split())
TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_tests?|tests?|conftest|locustfile|fabfile|setup|noxfile)\.py$")
SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*[,\]=]+\s*["']([\w.]+)["']""")
IMPORT = re.compile(r"^\s*(?:from|import)\s+([\w.]+)", re.MULTILINE)
STARTS = re.compile(r"(^|/)(wsgi|asgi|manage)(/__init__)?\.py$")
ENTRY = re.compile(r"(^|/)(wsgi|asgi)(/__init__)?\.py$")
# What looks like settings, by its name or by what it sets.
SETTINGS_FILE = re.compile(r"(^|/)(settings/[^/]+|([^/]+_)?settings(_[^/]+)?)\.py$")
SETS_APPS = re.compile(r"^INSTALLED_APPS\s*(:[^=\n]*)?\+?=", re.MULTILINE)
MOST_SETTINGS = 8


class ProjectError(Exception):
    """The project can't be read; the message names the variable and the way out."""


@dataclass
class ProjectFiles:
    """The Python files that count, by their paths in the source, and what was left out of them, with the reason."""

    package: str
    root: str
    # The variables by which the deploy finds what lies below the top.
    placed: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def read(archive: Path, package: str = "", settings: str = "", folder: Path | None = None) -> ProjectFiles:
    """Read the Python files of a source, without unpacking it.

    :param package: site_package, or "" to find it
    :param settings: site_settings, where it has to be a module of the source
    :param folder: where the source is a folder
    """
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers()}
        sizes = {name: member.size for name, member in members.items() if member.isfile()}

        def text(name: str) -> str:
            content = tar.extractfile(members[name])
            return content.read().decode("utf-8-sig", "replace") if content else ""

        starts = {name: text(name) for name in sizes if STARTS.search(name) and sizes[name] < LARGEST_FILE}
        found = ProjectFiles(*package_of(members, starts, package))
        found.placed = _placed(frozenset(sizes), found.root, folder)
        given = _files_of(settings, found.root).intersection(sizes)
        found.skipped, names = _within_bounds({name: sizes[name] for name in counting(sizes, found.root) | given})
        # In the order of the archive, which is compressed as a whole.
        found.texts = {name: text(name) for name in sizes if name in names}
    if settings and not given:
        raise ProjectError(
            f"site_settings {settings!r} is no module of site_source. {_settings_there(found.texts, found.root)}. Name "
            "the module with dots, or leave site_settings empty for the one that the entry points name"
        )
    return found


def settings_problems(settings: str, root: str, files: frozenset[str], read: Callable[[str], str]) -> list[str]:
    """What is wrong with site_settings, where that is sure: a package of the source's doesn't have the module.

    A package of that name may also be installed, unless the source's own comes first, which has to have an __init__.py.
    """
    base = top = f"{root}/" if root else ""
    packages = []
    for part in settings.split("."):
        if not any(name == f"{base}{part}" or name.startswith((f"{base}{part}.", f"{base}{part}/")) for name in files):
            break
        base += f"{part}/"
        packages.append(f"{base}__init__.py")
    else:
        return []
    if base == top or not files.issuperset(packages) or any("__path__" in read(package) for package in packages):
        return []
    there = _settings_there(dict.fromkeys(counting(files, root), ""), root)
    return [f"site_settings {settings!r} is no module of site_source: {base}{part}.py is not there. {there}"]


def _placed(names: frozenset[str], root: str, folder: Path | None) -> dict[str, str]:
    """The variables for a site below the top.

    The deploy finds its package there by itself, but looks for its requirements at the top.
    """
    below = next((usual for usual in requirements.USUAL if f"{root}/{usual}" in names), "")
    at_top = {name for name in names if requirements.NEAR.match(name)}
    # A pyproject.toml without a lock may be there for tools alone.
    if not root or at_top - ({"pyproject.toml"} if below else set()):
        return {}
    if folder and f"{root}/manage.py" in names:
        return {"site_source": str(folder / root)}
    return {"site_requirements": f"{root}/{below}"} if below else {}


def _files_of(module: str, root: str) -> set[str]:
    """The paths that a module may have; none for what is no dotted name."""
    if not plan.DOTTED.fullmatch(module):
        return set()
    base = "/".join([*root.split("/"), *module.split(".")]).lstrip("/")
    return {f"{base}.py", f"{base}/__init__.py"}


def _settings_there(texts: Mapping[str, str], root: str) -> str:
    """The modules that look like settings, to choose from."""
    top = f"{root}/" if root else ""
    inner = {name[len(top) :]: text for name, text in texts.items() if name.startswith(top)}
    alike = {name for name, text in inner.items() if SETTINGS_FILE.search(name) or SETS_APPS.search(text)}
    modules = sorted(name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in alike)
    shown = ", ".join(modules[:MOST_SETTINGS]) + (
        f" and {len(modules) - MOST_SETTINGS} more" if modules[MOST_SETTINGS:] else ""
    )
    return f"What looks like settings there: {shown}" if modules else "Nothing there looks like settings"


def _within_bounds(sizes: Mapping[str, int]) -> tuple[dict[str, str], set[str]]:
    """What is too much, with the reason, and the rest."""
    skipped: dict[str, str] = {}
    kept: set[str] = set()
    total = 0
    for name in sorted(sizes):
        if sizes[name] > LARGEST_FILE:
            skipped[name] = f"{sizes[name] // 1000} kB, which is data or made by a program"
        elif len(kept) == MOST_FILES or total + sizes[name] > MOST_BYTES:
            skipped[name] = "and what comes behind it: the project is larger than what is read"
            break
        else:
            kept.add(name)
            total += sizes[name]
    return skipped, kept


def counting(names: Iterable[str], root: str) -> set[str]:
    """The Python files whose code a request may reach."""
    everything = set(names)
    python = {name for name in everything if name.endswith(".py")}
    environments = {str(PurePosixPath(name).parent) for name in everything if name.endswith("pyvenv.cfg")}
    top = f"{root}/" if root else ""
    kept = set()
    for name in python:
        # What lies in a folder tests counts where the site itself lies there.
        inner = name[len(top) :] if name.startswith(top) else name
        folders = inner.split("/")[:-1]
        parents = [name[: len(name) - len(inner)] + "/".join(folders[: depth + 1]) for depth in range(len(folders))]
        if TEST_FILE.search(f"/{inner}") or "management/commands/" in inner or BESIDE & set(folders):
            continue
        if any(
            folder in BESIDE_UNLESS_PACKAGE and f"{parent}/__init__.py" not in python
            for folder, parent in zip(folders, parents)
        ):
            continue
        if any(parent in environments for parent in parents):
            continue
        kept.add(name)
    return kept


def package_of(files: Iterable[str], texts: Mapping[str, str], given: str = "") -> tuple[str, str]:
    """The site's package and the folder in which it can be imported.

    :param files: the paths of all files of the source
    :param texts: the texts of its entry points and of each manage.py
    :param given: site_package, or "" to find the one package that has wsgi.py or asgi.py
    """
    names = frozenset(files)
    if given:
        root = plan.project_root(given, names)
        if root is None:
            package = f"site_package {given!r} is no package of site_source: no folder has that name"
            raise ProjectError(f"{package}. {plan.candidates(names)}")
        return given, root
    entries = [name for name in names if ENTRY.search(name)]
    counted = counting(names, "").intersection(entries) or set(entries)
    packages = {_dotted(folder, names, texts) for folder in {ENTRY.sub("", name) for name in counted}}
    beside = {one for one in packages if f"{one[1]}/manage.py".lstrip("/") in names}
    packages = beside if len(packages) > 1 and len(beside) == 1 else packages
    if not packages:
        raise ProjectError(_no_entry_point(names))
    if len(packages) > 1:
        shown = ", ".join(f"{package} in {root or 'its top'}" for package, root in sorted(packages))
        raise ProjectError(
            f"site_source has several packages with wsgi.py or asgi.py: {shown}. Name one with site_package, or give "
            "its folder as site_source"
        )
    return packages.pop()


def _no_entry_point(names: frozenset[str]) -> str:
    managed = sorted((name for name in names if name.rpartition("/")[2] == "manage.py"), key=lambda one: one.count("/"))
    if managed:
        return (
            f"site_source has {managed[0]}, but no wsgi.py and no asgi.py, by which a server starts a project. Add one "
            "beside the settings, as django-admin startproject makes it"
        )
    return (
        "site_source is no Django project: none of its folders has manage.py, wsgi.py or asgi.py. Give the folder that "
        "holds manage.py, or the git URL of a project"
    )


def _dotted(folder: str, names: frozenset[str], texts: Mapping[str, str]) -> tuple[str, str]:
    """The package that is a folder with entry points, and its root."""
    parts = folder.split("/") if folder else []
    depths = range(len(parts) + 1)
    managed = [depth for depth in depths if "/".join((*parts[:depth], "manage.py")) in names]
    # The settings are named as Python finds them, which tells where it begins to look.
    entries = "\n".join(text for path, text in texts.items() if ENTRY.search(path) and ENTRY.sub("", path) == folder)
    managers = [texts.get("/".join((*parts[:depth], "manage.py")), "") for depth in reversed(managed)]
    for text in (entries, *managers):
        told = SETTINGS.search(text)
        for depth in depths if told else ():
            if _is_module((*parts[:depth], *told[1].split(".")), names):  # type: ignore[index]
                return _split(parts, depth)
    for told in IMPORT.finditer(entries):
        for depth in depths[:-1]:
            imported = told[1].split(".")
            if imported[0] == parts[depth] and _is_module((*parts[:depth], *imported), names):
                return _split(parts, depth)
    start = max(len(parts) - 1, 0)
    while start > 0 and f"{'/'.join(parts[:start])}/__init__.py" in names:
        start -= 1
    # A folder with manage.py is where Python is started, whether it is a package or not.
    return _split(parts, max([start, *managed]))


def _is_module(parts: tuple[str, ...], names: frozenset[str]) -> bool:
    base = "/".join(parts)
    return f"{base}.py" in names or f"{base}/__init__.py" in names


def _split(parts: list[str], depth: int) -> tuple[str, str]:
    return ".".join(parts[depth:]) or plan.TOP, "/".join(parts[:depth])

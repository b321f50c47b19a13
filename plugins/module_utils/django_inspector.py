# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Django what is in force. Runs in the site's own venv, environment and sandbox, as the site's user.

This file travels to the release's Python as text, so it imports nothing of the collection. It reads its parameters
from WANTED, a line that is filled in on the way, and prints one JSON object behind a marker, because a project may
print whatever it likes.
"""

# It is a program of its own: there is no AnsibleModule to run a command or to answer by.
# pylint: disable=ansible-bad-function

from __future__ import annotations

import compileall
import filecmp
import gzip
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

WANTED: dict = {}
# What a browser gets compressed. Pictures and fonts are compressed by themselves, and less than a packet gains nothing.
COMPRESSED = (".css", ".js", ".mjs", ".json", ".map", ".svg", ".html", ".txt", ".xml", ".wasm", ".ttf", ".otf", ".ico")
LEAST_COMPRESSED = 1024
# Files that one call of brotli takes.
MANY = 500
IMPORTS = re.compile(r"^<|/importlib/__init__\.py$")


def location(error: BaseException) -> str:
    """The innermost line of the project's own code in a traceback, or the innermost line at all."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{os.path.relpath(error.filename)}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not IMPORTS.search(frame.filename)]
    own = [frame for frame in frames if frame.filename.startswith(os.getcwd() + os.sep)]
    for frame in reversed(own or frames):
        return f"{os.path.relpath(frame.filename) if own else frame.filename}:{frame.lineno}: {frame.line}"
    return ""


def problem(step: str, error: BaseException) -> dict:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {
        "step": step,
        "kind": type(error).__name__,
        "message": str(error)[:2000],
        "where": location(error),
        "traceback": text.replace(os.getcwd() + os.sep, "")[-20000:],
    }


def static_root(settings: Any) -> str:
    """Where the project's storage wants static files: the storage's own option, or STATIC_ROOT."""
    options = getattr(settings, "STORAGES", {}).get("staticfiles", {}).get("OPTIONS", {})
    return str(options.get("location") or settings.STATIC_ROOT or "")


def settings_in_force() -> dict:
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    databases = {
        alias: {
            "engine": str(one.get("ENGINE", "")),
            "name": str(one.get("NAME", "")) if "sqlite" in one.get("ENGINE", "") else "",
        }
        for alias, one in settings.DATABASES.items()
    }
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # a project without one: Django refuses to hand out its empty default
        key = ""
    return {
        "DEBUG": bool(settings.DEBUG),
        "ALLOWED_HOSTS": [str(host) for host in settings.ALLOWED_HOSTS],
        "SECRET_KEY": {"length": len(key), "variety": len(set(key)), "insecure": key.startswith("django-insecure-")},
        "STATICFILES": "django.contrib.staticfiles" in settings.INSTALLED_APPS,
        "STATIC_URL": str(settings.STATIC_URL or ""),
        "STATIC_ROOT": os.path.abspath(static_root(settings)) if static_root(settings) else "",
        "MEDIA_URL": str(settings.MEDIA_URL or ""),
        "MEDIA_ROOT": os.path.abspath(str(settings.MEDIA_ROOT)) if settings.MEDIA_ROOT else "",
        "DATABASES": databases,
        "CACHES": {alias: str(one.get("BACKEND", "")) for alias, one in settings.CACHES.items()},
        "CHANNEL_LAYERS": {
            alias: str(one.get("BACKEND", "")) for alias, one in getattr(settings, "CHANNEL_LAYERS", {}).items()
        },
        "MAILERS": list(getattr(settings, "MAILERS", {})),  # since Django 6.1
        "SECURE_SSL_REDIRECT": bool(settings.SECURE_SSL_REDIRECT),
        "SECURE_PROXY_SSL_HEADER": list(settings.SECURE_PROXY_SSL_HEADER or []),
        "CSRF_TRUSTED_ORIGINS": [str(origin) for origin in settings.CSRF_TRUSTED_ORIGINS],
        "BASE": os.getcwd(),
    }


def health() -> dict:
    """Whether the URLconf has the health path, and a page that could stand in for it."""
    from django.urls import Resolver404, resolve

    def answers(path: str) -> bool:
        try:
            resolve(path)
        except Resolver404:
            return False
        return True

    return {
        "resolves": answers(WANTED["health_path"]),
        "instead": next(
            (path for path in ("/health/", "/healthz/", "/admin/login/", "/django-admin/login/", "/") if answers(path)),
            "",
        ),
    }


def deploy_checks() -> list:
    from django.core import checks

    found = checks.run_checks(include_deployment_checks=True)
    return [
        {"level": message.level, "id": message.id or "", "message": str(message.msg), "hint": str(message.hint or "")}
        for message in found
        if not message.is_silenced()
    ]


def migrations() -> dict:
    """Where each app's migrations stand, where this code wants them, all that it has, and what lies between."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    if connections["default"].vendor == "unknown":  # Django's stand-in for a site without a database
        return {"before": {}, "after": {}, "known": {}, "pending": []}
    executor = MigrationExecutor(connections["default"])
    executor.loader.check_consistent_history(connections["default"])
    targets = executor.loader.graph.leaf_nodes()
    before: dict = {}
    for app, name in sorted(executor.loader.applied_migrations):
        before[app] = name
    known: dict = {}
    for app, name in sorted(executor.loader.graph.nodes):
        known.setdefault(app, []).append(name)
    return {
        "before": before,
        "after": dict(sorted(targets)),
        "known": known,
        "pending": [
            f"{migration.app_label}.{migration.name}" for migration, _backwards in executor.migration_plan(targets)
        ],
    }


def collect() -> int:
    """Collect into the release's own folder, wherever the project's STATIC_ROOT points."""
    from django.conf import settings
    from django.core.management import call_command
    from django.test.utils import override_settings

    changed = {"STATIC_ROOT": WANTED["static"]}
    storages = json.loads(json.dumps(settings.STORAGES, default=str)) if hasattr(settings, "STORAGES") else {}
    if storages.get("staticfiles", {}).get("OPTIONS", {}).get("location"):
        storages["staticfiles"]["OPTIONS"]["location"] = WANTED["static"]
        changed["STORAGES"] = storages
    with override_settings(**changed):
        call_command("collectstatic", interactive=False, verbosity=0)
    compress(WANTED["static"], WANTED["earlier_static"])
    return sum(len(files) for _parent, _folders, files in os.walk(WANTED["static"]))


def compress(folder: str, earlier: str) -> None:
    """Lay compressed files beside each that a browser gets smaller like this; nginx sends them as they are.

    :param earlier: the static files of a release, or nothing; what is the same there has been compressed already
    """
    found = [os.path.join(parent, name) for parent, _folders, files in os.walk(folder) for name in files]
    worth = sorted(path for path in found if path.endswith(COMPRESSED) and os.path.getsize(path) >= LEAST_COMPRESSED)
    # Most files are there twice, under their name and under their hashed name.
    alike: dict = {}
    for path in worth:
        with open(path, "rb") as stream:
            alike.setdefault(hashlib.sha256(stream.read()).digest(), []).append(path)
    first = [paths[0] for paths in alike.values()]
    for path in first if earlier else []:
        before = os.path.join(earlier, os.path.relpath(path, folder))
        if os.path.isfile(before) and filecmp.cmp(path, before, shallow=False):
            for kind in ("gz", "br"):
                if os.path.exists(f"{before}.{kind}") and not os.path.exists(f"{path}.{kind}"):
                    shutil.copyfile(f"{before}.{kind}", f"{path}.{kind}")
    for path in first:
        if not os.path.exists(f"{path}.gz"):
            with open(path, "rb") as stream, gzip.GzipFile(f"{path}.gz", "wb", 9, mtime=0) as packed:
                shutil.copyfileobj(stream, packed)
    left = [path for path in first if not os.path.exists(f"{path}.br")]
    for start in range(0, len(left), MANY):
        command = ["/usr/bin/brotli", "--best", "--keep", "--", *left[start : start + MANY]]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    for original, *copies in alike.values():
        for kind in ("gz", "br"):
            if os.path.getsize(f"{original}.{kind}") >= os.path.getsize(original):
                os.remove(f"{original}.{kind}")
                continue
            for copy in copies:
                if not os.path.exists(f"{copy}.{kind}"):
                    os.link(f"{original}.{kind}", f"{copy}.{kind}")


LIMITS = {
    "postgresql": (
        "SELECT least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
        " nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),"
        " nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1))"
    ),
    "mysql": "SELECT @@max_connections",
}


def connection_limits() -> dict:
    """How many connections each database server allows, and how many one process keeps where Django pools them."""
    from django.db import Error, connections

    found: dict = {}
    for alias in connections:
        query = LIMITS.get(connections[alias].vendor)
        if not query:
            continue
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(query)
                found[alias] = {"max_connections": cursor.fetchone()[0]}
        except Error:  # the default one has answered before; another need not be there for a deploy
            continue
        pool = connections[alias].settings_dict.get("OPTIONS", {}).get("pool")
        if pool:
            options = pool if isinstance(pool, dict) else {}
            found[alias]["pool"] = options.get("max_size") or options.get("min_size", 4)  # psycopg_pool's own default
    return found


def inspect() -> dict:
    report: dict = {"problems": []}

    def attempt(step: str, ask: Callable[[], Any]) -> bool:
        try:
            report[step] = ask()
        except BaseException as error:  # noqa: BLE001 - a project may raise SystemExit as well
            if isinstance(error, KeyboardInterrupt):
                raise
            report["problems"].append(problem(step, error))
            return False
        return True

    def load():
        import django
        from django.conf import settings

        settings.DEBUG  # noqa: B018 - loads the settings module
        return django.get_version()

    if not attempt("settings_module", load):
        return report
    attempt("settings", settings_in_force)

    def set_up():
        import django

        django.setup()

    if not attempt("apps", set_up):
        return report
    if not attempt("urls", health):
        return report
    attempt("checks", deploy_checks)

    def entry_point():
        module = importlib.import_module(WANTED["entry_point"])
        return callable(module.application)

    attempt("entry_point", entry_point)
    if attempt("migrations", migrations):
        attempt("connections", connection_limits)
    return report


def build(report: dict) -> None:
    """Collect static files and compile the code, once all else is in order."""
    if report["settings"]["STATICFILES"] and report["settings"]["STATIC_ROOT"]:
        try:
            report["collected"] = collect()
        except BaseException as error:  # noqa: BLE001
            report["problems"].append(problem("collectstatic", error))
    for folder in (report["settings"]["STATIC_ROOT"], report["settings"]["MEDIA_ROOT"]):
        if folder.startswith(WANTED["code"] + os.sep):  # where the unit mounts what nginx serves
            os.makedirs(folder, exist_ok=True)
    compileall.compile_dir(WANTED["code"], quiet=2, workers=1)


if __name__ == "__main__":
    sys.path[:0] = [os.getcwd()]
    outcome = inspect()
    if WANTED["build"] and not outcome["problems"]:
        build(outcome)
    print("\n" + WANTED["marker"] + json.dumps(outcome))

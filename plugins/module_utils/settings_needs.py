# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project's settings lack for production, as far as their text tells, and the variables that mend it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils.environment import host_header, https_origins
from ansible_collections.switchyard.django.plugins.module_utils.project_settings import Setting, Settings

HASHED = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
PLAIN_STORAGES = frozenset(
    {"django.contrib.staticfiles.storage.StaticFilesStorage", "whitenoise.storage.CompressedStaticFilesStorage"}
)
PROXY_HEADER = ["HTTP_X_FORWARDED_PROTO", "https"]
# The deploy gives these by itself, with and without DJANGO_ in front.
GIVEN = frozenset({"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DJANGO_ALLOWED_HOSTS", "DJANGO_CSRF_TRUSTED_ORIGINS"})
READERS = frozenset("getenv get env config list bool str tuple csv".split())
EXAMPLE = "shop.example.org"
# What a site that is served over HTTP does without.
FOR_HTTPS = frozenset({"CSRF_TRUSTED_ORIGINS", "SECURE_PROXY_SSL_HEADER"})


@dataclass(frozen=True)
class Site:
    """What the site's variables say already.

    :param overrides: site_settings_overrides; the deploy judges what they say
    :param environment: the names that site_env gives
    """

    domains: list[str] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    environment: list[str] = field(default_factory=list)
    scheme: str = "https"


@dataclass(frozen=True)
class Need:
    """A setting that production asks for, and the variables that give it."""

    setting: str
    path: str
    line: int
    what: str
    overrides: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    # Whether EXAMPLE stands in them, in place of the site's names.
    example: bool = False


def judge(settings: Settings, site: Site) -> list[Need]:
    """What is still to be set. Nothing is said of what may be set where it can't be seen."""
    if not settings.path:
        return []
    names = site.domains or [EXAMPLE]
    hosts, origins = [host_header(one) for one in names], https_origins(names)
    given = GIVEN.union(site.environment)
    named = [
        _list(settings, "ALLOWED_HOSTS", hosts, "Django answers 400 to every name", given),
        _list(settings, "CSRF_TRUSTED_ORIGINS", origins, "by https, forms may be refused", given),
    ]
    found = [
        _debug(settings),
        *(replace(one, example=not site.domains) for one in named if one),
        _proxy_header(settings),
        *_static(settings),
    ]
    there = {*site.overrides, *(FOR_HTTPS if site.scheme == "http" else ())}
    return [one for one in found if one and one.setting not in there]


def _missing(settings: Settings, name: str) -> bool:
    return name not in settings.found and not settings.unseen


def _debug(settings: Settings) -> Need | None:
    last = settings.last("DEBUG")
    if last and set(settings.constants("DEBUG")) == {True}:
        return Need("DEBUG", last.path, last.line, "is on: error pages would show settings and code", {"DEBUG": False})
    return None


def _list(settings: Settings, name: str, wanted: list[str], otherwise: str, given: frozenset[str]) -> Need | None:
    last = settings.last(name)
    if last is None:
        return (
            Need(name, settings.path, 0, f"is not set: {otherwise}", {name: wanted})
            if _missing(settings, name)
            else None
        )
    if settings.constants(name)[-1:] == [[]]:
        return Need(name, last.path, last.line, f"is empty: {otherwise}", {name: wanted})
    read = [variable for one in settings.found[name] for variable in read_variables(one)]
    if read and not given.intersection(read):
        environment = {read[-1]: ",".join(wanted)}
        what = f"comes from the environment variable {read[-1]}"
        return Need(name, last.path, last.line, what, environment=environment)
    return None


def read_variables(setting: Setting) -> Iterator[str]:
    """The environment variables that a setting is read from."""
    for node in ast.walk(setting.node) if setting.node else ():
        if (
            isinstance(node, ast.Call)
            and node.args
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in READERS
        ):
            name: Any = node.args[0]
        elif isinstance(node, ast.Subscript) and getattr(node.value, "attr", getattr(node.value, "id", "")) in (
            "environ",
            "env",
        ):
            name = node.slice
        else:
            continue
        if isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value.isidentifier():
            yield name.value


def _proxy_header(settings: Settings) -> Need | None:
    if not _missing(settings, "SECURE_PROXY_SSL_HEADER"):
        return None
    what = "is not set: Django does not see that a visitor came by https"
    return Need("SECURE_PROXY_SSL_HEADER", settings.path, 0, what, {"SECURE_PROXY_SSL_HEADER": PROXY_HEADER})


def _static(settings: Settings) -> Iterator[Need]:
    apps = {text for text, _path, _line in settings.texts("INSTALLED_APPS")}
    if "django.contrib.staticfiles" not in apps:
        return
    if _missing(settings, "STATIC_ROOT"):
        what = "is not set: collectstatic has nowhere to put the style sheets"
        yield Need("STATIC_ROOT", settings.path, 0, what, {"STATIC_ROOT": "staticfiles"})
    used = [*settings.backends("STORAGES", "staticfiles"), *settings.texts("STATICFILES_STORAGE")]
    what = "names static files without a digest: browsers may keep an old style sheet after a deploy"
    if used:
        backend, path, line = used[-1]
        if all(one in PLAIN_STORAGES for one, _path, _line in used):
            yield Need("STORAGES", path, line, f"{backend.rpartition('.')[2]} {what}")
    elif not settings.unseen and not {"STORAGES", "STATICFILES_STORAGE"} & set(settings.found):
        storages = {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": HASHED},
        }
        yield Need("STORAGES", settings.path, 0, f"is not set, which {what}", {"STORAGES": storages})

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says by which stack to serve a project, why, and what to mend, from its text alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils import (
    blocking_calls,
    lazy_user,
    plan,
    project_settings,
    settings_needs,
)
from ansible_collections.switchyard.django.plugins.module_utils.asgi_signs import (
    GAINS,
    HAS,
    LOSES,
    NEEDS,
    Sign,
    Signs,
)
from ansible_collections.switchyard.django.plugins.module_utils.async_entries import Entries
from ansible_collections.switchyard.django.plugins.module_utils.blocking_calls import Finding
from ansible_collections.switchyard.django.plugins.module_utils.project_files import ProjectFiles
from ansible_collections.switchyard.django.plugins.module_utils.project_index import ProjectIndex
from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
from ansible_collections.switchyard.django.plugins.module_utils.project_settings import Settings
from ansible_collections.switchyard.django.plugins.module_utils.project_values import (
    Class,
    Function,
    Library,
    OwnModule,
)
from ansible_collections.switchyard.django.plugins.module_utils.settings_needs import Need, Site

WSGI, ASGI = "wsgi", "asgi"
IN_MEMORY = "channels.layers.InMemoryChannelLayer"
# They keep the cache in the process, or nowhere; any other one is asked over the network, the disk or the database.
QUICK_CACHES = ("django.core.cache.backends.locmem.", "django.core.cache.backends.dummy.")
SYNC_ONLY = {"whitenoise.middleware.WhiteNoiseMiddleware": "nginx serves static files: it can go"}
PLAIN_ASGI = ("django.core.asgi.get_asgi_application()", "channels.routing.get_default_application()")
# Of an app that is installed; the rest of it has to be imported by something.
PARTS_OF_AN_APP = ("", ".apps", ".models", ".urls", ".admin", ".signals")


@dataclass(frozen=True)
class Advice:
    """By which stack to serve a project, and all that speaks for it."""

    stack: str
    # Whether the other stack would be wrong; where it would not, a live site stays with what it has.
    firm: bool
    verdict: str
    reasons: list[Sign]
    blocking: list[Finding]
    costs: list[Sign]
    needs: list[Need]
    site: Site
    unparsable: dict[str, str]
    package: str
    # The folder of the source in which the package can be imported, and the variables that lead there.
    root: str
    placed: dict[str, str]
    settings: str
    settings_at: str
    files: int


def advise(files: ProjectFiles, settings_module: str = "", site: Site | None = None) -> Advice:
    """Read a project and advise.

    :param settings_module: site_settings, or "" for what the entry points name
    :param site: what the site's variables say, where there are some
    """
    site = site or Site()
    index = ProjectIndex(files.texts, files.root)
    prefix = plan.prefix(files.package)
    named, path, line = project_settings.module_named(index, prefix)
    settings = project_settings.read(index, settings_module or named)
    user_model = next(iter(settings.texts("AUTH_USER_MODEL")), ("",))[0]
    names = Names(index, user_model)
    applications = [text.rpartition(".")[0] for text, _path, _line in settings.texts("ASGI_APPLICATION")]
    # Not by way of the settings, which lead to all there is.
    from_asgi = index.reachable([f"{prefix}asgi", *applications], settings.paths)
    reached = _reached(index, settings, prefix) | from_asgi
    entries = Entries(names, reached, from_asgi, _middleware(settings)).find()
    found = [
        *Signs(names, reached, from_asgi).find(entries),
        *_settings_signs(settings),
        *_entry_point_signs(names, prefix),
    ]
    stack, firm, verdict = _judge(found, f"{prefix}wsgi" in index.paths, f"{prefix}asgi" in index.paths)
    caches = [backend for backend, _path, _line in settings.backends("CACHES")]
    slow_cache = any(not backend.startswith(QUICK_CACHES) for backend in caches)
    costs = [*_middleware_costs(names, settings), *_channel_layer(settings, stack)] if entries or stack == ASGI else []
    texts = {path: index.texts[path] for path in reached}
    lazy = lazy_user.is_left_alone(_middleware(settings), texts, index.paths)
    blocking = blocking_calls.find(entries, names, slow_cache, lazy)
    index.parse_rest()
    return Advice(
        stack=stack,
        firm=firm,
        verdict=verdict,
        reasons=_ordered(found, stack),
        blocking=blocking,
        costs=costs,
        needs=settings_needs.judge(settings, site),
        site=site,
        unparsable={**files.skipped, **index.unparsable},
        package=files.package,
        root=files.root,
        placed=files.placed,
        settings=settings.module,
        settings_at=f"{path}:{line}" if path and not settings_module else "",
        files=len(files.texts),
    )


def _reached(index: ProjectIndex, settings: Settings, prefix: str) -> set[str]:
    """The modules that a request may come to. Where the URLs can't be told, all of them count."""
    urls = [text for text, _path, _line in settings.texts("ROOT_URLCONF")]
    if not any(one in index.paths for one in urls):
        return set(index.texts)
    apps = [text for text, _path, _line in settings.texts("INSTALLED_APPS")]
    # An app is named by its package, or by its class in apps.py.
    packages = {one if one in index.paths else one.rpartition(".apps.")[0] for one in apps} - {""}
    middleware = [one.rpartition(".")[0] for one in _middleware(settings)]
    starts = [f"{prefix}wsgi", f"{prefix}asgi", settings.module, *urls, *middleware]
    return index.reachable([*starts, *(f"{one}{part}" for one in sorted(packages) for part in PARTS_OF_AN_APP)])


def _middleware(settings: Settings) -> set[str]:
    return {text for name in ("MIDDLEWARE", "MIDDLEWARE_CLASSES") for text, _path, _line in settings.texts(name)}


def _settings_signs(settings: Settings) -> Iterator[Sign]:
    for text, path, line in settings.texts("INSTALLED_APPS"):
        if text == "django_eventstream":
            yield Sign(path, line, "server-sent events by django-eventstream", NEEDS)
        elif text in ("channels", "daphne"):
            yield Sign(path, line, f"{text} is installed", GAINS)
    for text, path, line in settings.texts("ASGI_APPLICATION"):
        yield Sign(path, line, f"ASGI_APPLICATION is {text}", GAINS)


def _entry_point_signs(names: Names, prefix: str) -> Iterator[Sign]:
    for stack in (WSGI, ASGI):
        module = names.index.module(f"{prefix}{stack}")
        if module is None:
            continue
        bindings = module.scope.bindings.get("application", [])
        line = getattr(bindings[-1].node, "lineno", 1) if bindings else 1
        if stack == ASGI and bindings:
            value = names.lookup("application", module.scope)
            if not (isinstance(value, Library) and value.path in PLAIN_ASGI):
                yield Sign(module.path, line, "puts something of its own around Django", GAINS)
                continue
        yield Sign(module.path, line, f"the {stack.upper()} entry point", HAS)


def _judge(signs: list[Sign], has_wsgi: bool, has_asgi: bool) -> tuple[str, bool, str]:
    needs = [sign for sign in signs if sign.weight == NEEDS]
    gains = [sign for sign in signs if sign.weight == GAINS]
    if needs:
        missing = "" if has_asgi else ". asgi.py is still to be written"
        return ASGI, True, f"ASGI, because of its {' and '.join(_subjects(needs))}{missing}"
    if has_asgi and not has_wsgi:
        return ASGI, True, "ASGI: there is no wsgi.py, so it is made to be served by ASGI"
    if any(sign.what.startswith("async view") for sign in gains):
        return WSGI, False, "WSGI: its async views work there, too, each on a loop of its own; ASGI would do as well"
    if gains:
        return WSGI, False, "WSGI: nothing here needs ASGI, which would do as well"
    return WSGI, True, "WSGI: nothing here needs ASGI"


# How a sign begins -> what it is about.
SUBJECTS = {
    "WebSocket": "WebSockets",
    "answers WebSockets": "WebSockets",
    "GraphQL": "WebSockets",
    "HTTP consumer": "HTTP consumers",
    "server-sent events": "server-sent events",
    "a stream": "streams",
    "long polling": "long polling",
    "another ASGI application": "other applications in asgi.py",
}


def _subjects(signs: list[Sign]) -> list[str]:
    return sorted({about for start, about in SUBJECTS.items() for sign in signs if sign.what.startswith(start)})


ORDER = {ASGI: (NEEDS, GAINS, HAS, LOSES), WSGI: (LOSES, GAINS, HAS, NEEDS)}


def _ordered(signs: list[Sign], stack: str) -> list[Sign]:
    """What speaks for the verdict first; of the entry points the one that is served."""
    kept = [sign for sign in signs if sign.weight != HAS or sign.what.startswith(f"the {stack.upper()}")]

    def place(sign: Sign) -> tuple[int, bool, str, int]:
        return ORDER[stack].index(sign.weight), "routing" not in sign.what, sign.path, sign.line

    return sorted(kept, key=place)


# --- what costs under ASGI -------------------------------------------------------------------------------------------


def _middleware_costs(names: Names, settings: Settings) -> Iterator[Sign]:
    for text, path, line in settings.texts("MIDDLEWARE"):
        if text in SYNC_ONLY:
            yield Sign(path, line, f"{text.rpartition('.')[2]} is sync-only. {SYNC_ONLY[text]}", HAS)
            continue
        module_name, _dot, name = text.rpartition(".")
        module = names.index.module(module_name)
        value = names.member(OwnModule(module), name) if module else None
        what = f"sync-only middleware {name}: each request takes a thread for it"
        if isinstance(value, Class) and not _is_capable(names, value):
            way = "Set async_capable = True, and await get_response"
            yield Sign(value.scope.module.path, value.node.lineno, f"{what}. {way}", HAS)
        elif isinstance(value, Function) and not getattr(value.node, "decorator_list", []):
            way = "Decorate it with sync_and_async_middleware"
            yield Sign(value.scope.module.path, value.node.lineno, f"{what}. {way}", HAS)


def _is_capable(names: Names, middleware: Class) -> bool:
    """Whether a class of middleware takes async requests; one of a library's lineage may."""
    return bool(names.library_bases(middleware)) or "async_capable" in {
        name
        for one in names.lineage(middleware)
        if isinstance(one, Class)
        for name in names.scope_of(one.node, one.scope).bindings
    }


def _channel_layer(settings: Settings, stack: str) -> Iterator[Sign]:
    layers = settings.backends("CHANNEL_LAYERS")
    if layers and all(backend == IN_MEMORY for backend, _path, _line in layers) and stack == ASGI:
        _backend, path, line = layers[-1]
        what = (
            "the channel layer is in memory, and each worker has one of its own: a message does not reach the "
            "visitors of another. Use channels_redis, or asgi_workers: 1"
        )
        yield Sign(path, line, what, HAS)

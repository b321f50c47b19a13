# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which databases, caches and channel layers a release needs beside its own host's files, and whether it gets there."""

from __future__ import annotations

import inspect
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import diagnosis, django_services, masking, sandbox

# The seconds in which each has to answer: in them the client's library is loaded, and one that restarts comes back.
SECONDS = 15
LIMIT = 60
CALLED = {"databases": "DATABASES", "caches": "CACHES", "channel_layers": "CHANNEL_LAYERS"}


def beyond_the_host(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The aliases of what is asked in the gate. A file or the process's own memory is reached whenever the site is.

    :param settings: what `django_inspector` found in force
    """
    databases = [
        alias
        for alias, one in settings.get("DATABASES", {}).items()
        if one["engine"] not in ("", "django.db.backends.dummy") and "sqlite" not in one["engine"]
    ]
    caches = [alias for alias, backend in settings.get("CACHES", {}).items() if "redis" in backend.lower()]
    layers = [
        alias for alias, backend in settings.get("CHANNEL_LAYERS", {}).items() if "InMemoryChannelLayer" not in backend
    ]
    found = {"databases": sorted(databases), "caches": sorted(caches), "channel_layers": sorted(layers)}
    return {kind: aliases for kind, aliases in found.items() if aliases}


def problems(
    reaches: Mapping[str, list[str]],
    run: Callable[[str], sandbox.Result],
    variables: Mapping[str, str],
    host: str,
) -> list[str]:
    """What a release does not reach, in the user's words.

    :param reaches: what `beyond_the_host` found at the build
    :param run: runs a program by the release's Python, as its unit would
    :param variables: the release's environment, of which no secret is shown
    :param host: this one's name
    """
    if not reaches:
        return []
    marker = secrets.token_hex(16)
    question = {"marker": marker, "reaches": dict(reaches), "seconds": SECONDS}
    program = inspect.getsource(django_services)
    done = run(program.replace("WANTED: dict = {}", f"WANTED: dict = {question!r}", 1))
    _before, found, answer = done.stdout.rpartition(marker)
    if not found:
        said = masking.mask(f"{done.stdout}\n{done.stderr}", variables).strip()[-2000:]
        cause = diagnosis.of_output(said)
        return [
            (f"{cause}\n" if cause else "")
            + f"The release could not be asked what it reaches (the process ended with {done.rc}):\n{said}"
        ]
    failures, _end = json.JSONDecoder().raw_decode(answer)
    return [_in_words(one, variables, host) for one in failures]


REDIS_HINT = (
    "See whether its Redis runs (systemctl status 'redis-server*' on its host), and whether the address is right"
)
HINTS = {
    "databases": "See there whether the server runs (systemctl status 'postgresql*'), and whether its pg_hba.conf and "
    "a firewall let {host} in",
    "caches": REDIS_HINT,
    "channel_layers": REDIS_HINT,
}


def _in_words(failure: Mapping[str, str], variables: Mapping[str, str], host: str) -> str:
    kind = failure["kind"]
    place = f" at {failure['where']}" if failure["where"] else ""
    said = " ".join(masking.mask(failure["problem"], variables).split())
    source = "site_database" if kind == "databases" else "site_redis"
    return (
        f"{CALLED[kind]}[{failure['alias']!r}]{place} can't be reached from {host}: {said.rstrip('.')}. "
        f"{HINTS[kind].format(host=host)}. The release was told of it by its environment ({source}, site_env) or "
        "its settings."
    )

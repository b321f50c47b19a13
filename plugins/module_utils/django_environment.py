# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Django site's environment must not say in production.

Variables count with and without the prefix `DJANGO_`. The verdicts follow Django's own rules where it has any.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.switchyard.django.plugins.module_utils import django_urls, env_values, masking
from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR, WARNING, Finding
from ansible_collections.switchyard.django.plugins.module_utils.env_values import Verdict

KNOWN_NAMES = frozenset(
    """
    ADMIN_URL ADMINS ALLOWED_HOSTS AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_STORAGE_BUCKET_NAME AWS_S3_REGION_NAME
    AWS_S3_ENDPOINT_URL AWS_S3_CUSTOM_DOMAIN BROKER_URL CACHE_URL CELERY_BROKER_URL CELERY_RESULT_BACKEND CHANNELS_URL
    CONN_MAX_AGE CORS_ALLOWED_ORIGINS CSRF_COOKIE_SECURE CSRF_TRUSTED_ORIGINS DATABASE_URL DATABASE_URI DATABASE_HOST
    DATABASE_NAME DATABASE_PASSWORD DATABASE_PORT DATABASE_USER DB_ENGINE DB_HOST DB_NAME DB_PASSWORD DB_PORT DB_URL
    DB_USER DEBUG DEFAULT_FROM_EMAIL DJANGO_SETTINGS_MODULE EMAIL_BACKEND EMAIL_HOST EMAIL_HOST_PASSWORD
    EMAIL_HOST_USER EMAIL_PORT EMAIL_URL EMAIL_USE_SSL EMAIL_USE_TLS ENVIRONMENT GDAL_LIBRARY_PATH GEOS_LIBRARY_PATH
    LANGUAGE_CODE LOG_LEVEL LOGLEVEL MEDIA_ROOT MEDIA_URL MEMCACHED_URL POSTGRES_DB POSTGRES_HOST POSTGRES_PASSWORD
    POSTGRES_PORT POSTGRES_USER PYTHONPATH PYTHONUNBUFFERED REDIS_HOST REDIS_PORT REDIS_URI REDIS_URL SECRET_KEY
    SECRET_KEY_FALLBACKS SECURE_HSTS_SECONDS SECURE_PROXY_SSL_HEADER SECURE_SSL_REDIRECT SENTRY_DSN SERVER_EMAIL
    SESSION_COOKIE_DOMAIN SESSION_COOKIE_SECURE SITE_ID STATIC_ROOT STATIC_URL STATICFILES_STORAGE TIME_ZONE
    USE_X_FORWARDED_HOST WAGTAILADMIN_BASE_URL WEB_CONCURRENCY
    """.split()
)


# Each also with the prefix DJANGO_.
_DATABASE_URLS = ("DATABASE_URL", "DATABASE_URI", "DB_URL")


def database_urls(variables: Mapping[str, str]) -> list[str]:
    """The variables that name a database by its URL."""
    return [key for key, value in variables.items() if value and key.removeprefix("DJANGO_") in _DATABASE_URLS]


def judge_django(
    variables: Mapping[str, str],
    domains: Iterable[str] = (),
    lines: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Everything to say about the variables of a site that answers on the domains."""
    domains = list(domains)
    verdicts = [(key, verdict) for key, value in variables.items() for verdict in _judge(key, value, domains)]
    verdicts += _judge_databases(variables)
    return [Finding(key, (lines or {}).get(key), *verdict) for key, verdict in verdicts]


def _judge(key: str, value: str, domains: list[str]) -> Iterator[Verdict]:
    setting = key.removeprefix("DJANGO_")
    if setting == "ALLOWED_HOSTS":
        yield from _judge_allowed_hosts(key, value, domains)
    elif setting in _JUDGES:
        yield from _JUDGES[setting](value)
    elif key.endswith(("_URL", "_URI", "_DSN")) and env_values.scheme(value):
        yield from env_values.judge_password_in_url(value)
    elif masking.SECRET_NAME.search(key):
        yield from env_values.judge_other_secret(value, certain=_is_surely_secret(key))
    elif setting.endswith("_PORT") and setting in KNOWN_NAMES and value:
        yield from env_values.judge_port(value)
    if value.startswith("$"):
        yield (
            "begins-with-dollar",
            WARNING,
            "the value begins with $, and django-environ takes it for the name of another variable",
            "Create the environ.Env with interpolate=False, or choose a value that begins otherwise",
        )


# --- DEBUG -------------------------------------------------------------------------------------------------------


def _judge_debug(value: str) -> Iterator[Verdict]:
    word = value.strip().lower()
    if word in env_values.TRUE:
        yield (
            "debug-on",
            ERROR,
            "debug mode is on, and every error page would show settings and source code to visitors",
            "Set it to 0 or remove the variable",
        )
    elif word not in env_values.FALSE:
        yield (
            "debug-unclear",
            WARNING,
            "the value is neither a usual word for true nor one for false",
            "Set it to 0 or remove the variable",
        )


# --- Secrets -----------------------------------------------------------------------------------------------------

# Worth masking, and yet SMTP_AUTH=none and SESSION_COOKIE=test may say just that.
_SECRET_AT_TIMES = re.compile(r"AUTH|COOKIE", re.IGNORECASE)


def _is_surely_secret(key: str) -> bool:
    """By the last part of the name: DB_PASSWORD is a secret, PASSWORD_HASHER the kind of one."""
    last = key.rpartition("_")[2]
    return bool(masking.SECRET_NAME.search(f"_{last}")) and not _SECRET_AT_TIMES.fullmatch(last)


def _judge_fallbacks(value: str) -> Iterator[Verdict]:
    """Django's security.W025: a fallback still signs nothing, but it still opens what it once signed."""
    for number, key in enumerate(env_values.entries(value) or [], 1):
        for code, _level, _message, hint in env_values.judge_secret_key(key):
            yield code, WARNING, f"entry {number} is a secret that could be guessed (Django's security.W025)", hint


# --- Databases ---------------------------------------------------------------------------------------------------

_ONE_BY_ONE = re.compile(r"(?:DJANGO_)?(?:DB|DATABASE|POSTGRES)_(?:HOST|NAME|DB)")


def _judge_databases(variables: Mapping[str, str]) -> Iterator[tuple[str, Verdict]]:
    """Two ways of naming a database at once: which one counts only the settings know."""
    others = sorted(key for key in variables if _ONE_BY_ONE.fullmatch(key) and variables[key])
    if variables.get("DATABASE_URL") and others:
        yield (
            "DATABASE_URL",
            (
                "database-twice",
                WARNING,
                f"the database is named here and by {others[0]}, and only the settings know which one counts",
                "Keep the one that the settings read",
            ),
        )


def _judge_database_host(value: str) -> Iterator[Verdict]:
    """A host, or the folder of a socket."""
    if value and not value.startswith("/") and not env_values.is_host(value.replace("_", "-")):
        yield (
            "not-a-host",
            WARNING,
            "the value is neither a host nor the folder of a socket",
            "Write the host alone, and its port in a variable of its own",
        )


# --- Hosts and origins -------------------------------------------------------------------------------------------


def _judge_allowed_hosts(key: str, value: str, domains: list[str]) -> Iterator[Verdict]:
    patterns = env_values.entries(value)
    if patterns is None:
        yield env_values.unreadable_list("example.org,www.example.org")
        return
    if "*" in patterns:
        yield (
            "any-host",
            WARNING,
            "* lets the site answer to any name, and links in its mails can then point to an attacker's host",
            "List the site's own domains",
        )
    for number, pattern in enumerate(patterns, 1):
        if re.search(r"/|:\d+$", pattern):
            yield (
                "not-a-host",
                WARNING,
                f"entry {number} holds a scheme, a path or a port, so Django never matches it",
                "Write the host's name alone",
            )
    for domain in domains:
        if not any(_matches(domain, pattern) for pattern in patterns):
            yield (
                "host-not-allowed",
                ERROR,
                f"{domain} is not covered, so Django would answer every request for it with 400",
                f"Add {_pattern_for(domain)} to {key}",
            )


def _matches(domain: str, pattern: str) -> bool:
    """Django's validate_host; a domain such as *.example.org needs a pattern for all subdomains."""
    host = _ascii(domain)
    pattern = pattern.lower()
    if pattern == "*":
        return True
    if pattern.startswith("."):
        return host.endswith(pattern) or host == pattern[1:]
    return host == pattern and not host.startswith("*")


def _pattern_for(domain: str) -> str:
    return _ascii(domain).removeprefix("*")


def _ascii(domain: str) -> str:
    """The name as browsers send it and as Django compares it."""
    domain = domain.lower().rstrip(".")
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def _judge_csrf_origins(value: str) -> Iterator[Verdict]:
    origins = env_values.entries(value)
    if origins is None:
        yield env_values.unreadable_list("https://example.org,https://www.example.org")
        return
    for number, origin in enumerate(origins, 1):
        if "://" not in origin:
            yield (
                "origin-without-scheme",
                ERROR,
                f"entry {number} has no scheme, and Django does not start with it (4_0.E001)",
                "Write https:// in front of it",
            )
        elif "/" in origin.partition("://")[2]:
            yield (
                "origin-with-path",
                WARNING,
                f"entry {number} holds a path or a slash at its end, so Django never matches it",
                "Write the scheme and the host alone, as in https://example.org",
            )


# --- Names -------------------------------------------------------------------------------------------------------


def _judge_settings_module(value: str) -> Iterator[Verdict]:
    parts = value.split(".")
    if parts[-1] == "py" or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        yield (
            "not-a-module",
            ERROR,
            "the value is not a dotted Python name, so Django cannot import the settings",
            "Write it as in mysite.settings: no slashes, no .py",
        )


_JUDGES: dict[str, Callable[[str], Iterator[Verdict]]] = {
    "DEBUG": _judge_debug,
    "SECRET_KEY": env_values.judge_secret_key,
    "SECRET_KEY_FALLBACKS": _judge_fallbacks,
    "CSRF_TRUSTED_ORIGINS": _judge_csrf_origins,
    "SETTINGS_MODULE": _judge_settings_module,
    "DATABASE_URL": django_urls.judge_database_url,
    "REDIS_URL": django_urls.judge_redis_url,
    "CACHE_URL": django_urls.judge_cache_url,
    "EMAIL_URL": django_urls.judge_email_url,
    "DB_HOST": _judge_database_host,
    "DATABASE_HOST": _judge_database_host,
    "POSTGRES_HOST": _judge_database_host,
}

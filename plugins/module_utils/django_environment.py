# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Django site's environment must not say in production.

Variables count with and without the prefix `DJANGO_`. The verdicts follow Django's own rules where it has any.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from ansible_collections.switchyard.django.plugins.module_utils.env_file import ERROR, WARNING, Finding

# code, level, message, hint
_Verdict = tuple[str, str, str, str]

_NEW_SECRET = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"


def judge_django(
    variables: Mapping[str, str],
    domains: Iterable[str] = (),
    lines: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Everything to say about the variables of a site that answers on the domains."""
    domains = list(domains)
    return [
        Finding(key, (lines or {}).get(key), *verdict)
        for key, value in variables.items()
        for verdict in _judge(key, value, domains)
    ]


def _judge(key: str, value: str, domains: list[str]) -> Iterator[_Verdict]:
    setting = key.removeprefix("DJANGO_")
    if setting == "ALLOWED_HOSTS":
        yield from _judge_allowed_hosts(key, value, domains)
    elif setting in _JUDGES:
        yield from _JUDGES[setting](value)
    elif _names_a_secret(key):
        yield from _judge_other_secret(value)
    elif key.endswith("_URL"):
        yield from _judge_url(value)
    meant = _known_name_like(key)
    if meant:
        yield "unknown-name", WARNING, f"did you mean {meant}", f"Rename the variable to {meant} if so"
    if value.startswith("$"):
        yield (
            "begins-with-dollar",
            WARNING,
            "the value begins with $, and django-environ takes it for the name of another variable",
            "Create the environ.Env with interpolate=False, or choose a value that begins otherwise",
        )


# --- DEBUG -------------------------------------------------------------------------------------------------------

# What django-environ, python-decouple, distutils' strtobool and the usual hand-written comparisons take for true.
_TRUE = {"1", "true", "yes", "on", "t", "y", "ok", "enabled"}
_FALSE = {"", "0", "false", "no", "off", "f", "n", "none", "disabled"}


def _judge_debug(value: str) -> Iterator[_Verdict]:
    word = value.strip().lower()
    if word in _TRUE:
        yield (
            "debug-on",
            ERROR,
            "debug mode is on, and every error page would show settings and source code to visitors",
            "Set it to 0 or remove the variable",
        )
    elif word not in _FALSE:
        yield (
            "debug-unclear",
            WARNING,
            "the value is neither a usual word for true nor one for false",
            "Set it to 0 or remove the variable",
        )


# --- Secrets -----------------------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(r"(?:^|_)(?:KEY|SECRET|PASSWORD|PASSWD|PASS|TOKEN)$")
_PLACEHOLDER_WORDS = {
    "secret",
    "secretkey",
    "key",
    "mysecret",
    "mysecretkey",
    "password",
    "mypassword",
    "pass",
    "todo",
    "tbd",
    "fixme",
    "dummy",
    "example",
    "test",
    "none",
    "null",
    "undefined",
}
_PLACEHOLDER_PARTS = re.compile(
    r"changeme|changethis|changeit|replaceme|replacethis|replacewith|yoursecret|yourkey|yourpassword|yourtoken"
    r"|placeholder|insertsecret|insertyour|secretkeyhere|secrethere|keyhere|notsosecret|notasecret"
)
_PLACEHOLDER_SHAPES = re.compile(r"x{3,}|\*{3,}|\.{3,}|…|<.*>|\{\{.*\}\}|\$\{.*\}|\$\(.*\)", re.DOTALL)


def _is_placeholder(value: str) -> bool:
    value = value.strip().lower()
    letters = re.sub(r"[^a-z0-9]", "", value)
    return bool(
        letters in _PLACEHOLDER_WORDS or _PLACEHOLDER_PARTS.search(letters) or _PLACEHOLDER_SHAPES.fullmatch(value)
    )


def _names_a_secret(key: str) -> bool:
    return bool(_SECRET_NAME.search(key))


def _judge_secret_key(value: str) -> Iterator[_Verdict]:
    if not value.strip():
        yield "empty-secret", ERROR, "the secret key is empty, and Django does not start without one", _NEW_SECRET
        return
    if _is_placeholder(value):
        yield "placeholder-secret", ERROR, "the secret key is a placeholder that anybody can guess", _NEW_SECRET
        return
    weaknesses = list(_weaknesses(value))
    if weaknesses:
        yield "weak-secret", ERROR, f"the secret key {' and '.join(weaknesses)} (Django's security.W009)", _NEW_SECRET


_SHORTEST_SECRET_KEY = 50
_FEWEST_DIFFERENT_CHARACTERS = 5


def _weaknesses(value: str) -> Iterator[str]:
    """What Django's `check --deploy` holds against a secret key."""
    if len(value) < _SHORTEST_SECRET_KEY:
        yield f"has fewer than {_SHORTEST_SECRET_KEY} characters"
    if len(set(value)) < _FEWEST_DIFFERENT_CHARACTERS:
        yield f"has fewer than {_FEWEST_DIFFERENT_CHARACTERS} different characters"
    if value.startswith("django-insecure-"):
        yield "is the one that startproject made for development"


def _judge_other_secret(value: str) -> Iterator[_Verdict]:
    # An empty password is a legitimate one: a database on a local socket has none.
    if value.strip() and _is_placeholder(value):
        yield "placeholder-secret", ERROR, "the value is a placeholder that anybody can guess", "Put the real one there"


def _judge_url(value: str) -> Iterator[_Verdict]:
    try:
        password = urlsplit(value).password
    except ValueError:
        # Brackets that are no IPv6 address: the site's own reader may still know what to make of the value.
        return
    if password and _is_placeholder(password):
        yield (
            "placeholder-secret",
            ERROR,
            "the password in the URL is a placeholder that anybody can guess",
            "Put the real one there",
        )


# --- Hosts and origins -------------------------------------------------------------------------------------------


def _judge_allowed_hosts(key: str, value: str, domains: list[str]) -> Iterator[_Verdict]:
    patterns = _entries(value)
    if patterns is None:
        yield _unreadable_list("example.org,www.example.org")
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


def _judge_csrf_origins(value: str) -> Iterator[_Verdict]:
    origins = _entries(value)
    if origins is None:
        yield _unreadable_list("https://example.org,https://www.example.org")
        return
    for number, origin in enumerate(origins, 1):
        if "://" not in origin:
            yield (
                "origin-without-scheme",
                ERROR,
                f"entry {number} has no scheme, and Django does not start with it (4_0.E001)",
                "Write https:// in front of it",
            )


_IPV6_ADDRESS = re.compile(r"\[[0-9A-Fa-f:]*:")


def _entries(value: str) -> list[str] | None:
    """The list that a site reads from one variable: JSON, or parted by commas or blanks; None if it is broken JSON."""
    value = value.strip()
    if not value.startswith("[") or _IPV6_ADDRESS.match(value):
        return [entry for entry in re.split(r"[,\s]+", value) if entry]
    try:
        entries = json.loads(value)
    except ValueError:
        return None
    return entries if all(isinstance(entry, str) for entry in entries) else None


def _unreadable_list(example: str) -> _Verdict:
    return "unreadable-list", ERROR, "the value begins with [ but is no JSON list of strings", f"Write {example}"


# --- Names -------------------------------------------------------------------------------------------------------


def _judge_settings_module(value: str) -> Iterator[_Verdict]:
    parts = value.split(".")
    if parts[-1] == "py" or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        yield (
            "not-a-module",
            ERROR,
            "the value is not a dotted Python name, so Django cannot import the settings",
            "Write it as in mysite.settings: no slashes, no .py",
        )


_KNOWN_NAMES = frozenset(
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


def _known_name_like(key: str) -> str | None:
    """The known name that the key misspells, None if it is one itself or resembles none."""
    prefix = "DJANGO_" if key.upper().startswith("DJANGO_") else ""
    bare = key[len(prefix) :]
    if key in _KNOWN_NAMES or (key.startswith(prefix) and bare in _KNOWN_NAMES):
        return None
    for known in sorted(_KNOWN_NAMES):
        if _is_misspelling(bare, known):
            return prefix + known
        if _is_misspelling(key, known):
            return known
    return None


def _is_misspelling(written: str, known: str) -> bool:
    """The same letters in another case or with other underscores, or one slip of a finger apart."""
    if written.upper().replace("_", "") == known.replace("_", ""):
        return True
    # Very short names are a letter apart by nature, and a number at the end makes a second variable on purpose.
    return len(known) >= 5 and not written[-1:].isdigit() and _one_slip_apart(written, known)


def _one_slip_apart(one: str, other: str) -> bool:
    """Whether one character is missing, added, wrong, or two neighbours changed places."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, other_rest = one[start:], other[start:]
    return (
        rest[1:] == other_rest
        or rest == other_rest[1:]
        or rest[1:] == other_rest[1:]
        or (rest[2:] == other_rest[2:] and rest[:2] == other_rest[1::-1])
    )


_JUDGES: dict[str, Callable[[str], Iterator[_Verdict]]] = {
    "DEBUG": _judge_debug,
    "SECRET_KEY": _judge_secret_key,
    "CSRF_TRUSTED_ORIGINS": _judge_csrf_origins,
    "SETTINGS_MODULE": _judge_settings_module,
}

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of values: whether one is a port, a host, a list … and whether a secret is one.

A verdict says what is wrong and never shows the value.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from email.utils import parseaddr
from urllib.parse import SplitResult, unquote, urlsplit

from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR

# code, level, message, hint
Verdict = tuple[str, str, str, str]


# --- Booleans ----------------------------------------------------------------------------------------------------

# What django-environ, python-decouple, distutils' strtobool and the usual hand-written comparisons take for true.
TRUE = {"1", "true", "yes", "on", "t", "y", "ok", "enabled"}
FALSE = {"", "0", "false", "no", "off", "f", "n", "none", "disabled"}
# What all of them read alike.
_PLAIN_BOOLEANS = {"1", "true", "yes", "on", "t", "y", "0", "false", "no", "off", "f", "n"}


def judge_bool(value: str) -> Iterator[Verdict]:
    if value.lower() not in _PLAIN_BOOLEANS:
        yield "not-a-bool", ERROR, "the value is neither a word for true nor one for false", "Write true or false"


# --- Numbers -----------------------------------------------------------------------------------------------------


def judge_int(value: str) -> Iterator[Verdict]:
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        yield (
            "not-an-int",
            ERROR,
            "the value is not a whole number",
            "Write digits alone, with a sign before them if need be",
        )


def judge_port(value: str) -> Iterator[Verdict]:
    if not is_port(value):
        yield "not-a-port", ERROR, "the value is not a port", "Write a number from 1 to 65535, digits alone"


def is_port(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", text)) and 1 <= int(text) <= 65535


# --- Hosts -------------------------------------------------------------------------------------------------------

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


def judge_host(value: str) -> Iterator[Verdict]:
    if not is_host(value):
        yield (
            "not-a-host",
            ERROR,
            "the value is neither a host's name nor an IP address",
            "Write the name or the address alone: no scheme, no port, no path; a name outside ASCII in its xn-- form",
        )


def is_host(text: str) -> bool:
    """A host's name in ASCII, an IPv4 address, or an IPv6 address with or without brackets."""
    if ":" not in text:
        # Four numbers are an address or nothing; anything else that consists of numbers is no name either.
        return _is_address(text) if re.fullmatch(r"[0-9.]*", text) else bool(_HOST_NAME.fullmatch(text))
    return _is_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # behind it anything may stand


def judge_hosts(value: str) -> Iterator[Verdict]:
    patterns = entries(value)
    if patterns is None:
        yield unreadable_list("example.org,www.example.org")
        return
    for number, pattern in enumerate(patterns, 1):
        if pattern != "*" and not is_host(pattern[1:] if pattern.startswith(".") else pattern):
            yield (
                "not-a-host",
                ERROR,
                f"entry {number} is not a host that Django could match",
                "Write the name alone, with a dot before it for all of its subdomains",
            )


# --- Lists -------------------------------------------------------------------------------------------------------

_IPV6_ADDRESS = re.compile(r"\[[0-9A-Fa-f:]*:")


def entries(value: str) -> list[str] | None:
    """The list that a site reads from one variable: JSON, or parted by commas or blanks; None if it is broken JSON."""
    value = value.strip()
    if not value.startswith("[") or _IPV6_ADDRESS.match(value):
        return [entry for entry in re.split(r"[,\s]+", value) if entry]
    return _json_entries(value)


def _json_entries(value: str) -> list[str] | None:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if all(isinstance(entry, str) for entry in found) else None


def unreadable_list(example: str) -> Verdict:
    return "unreadable-list", ERROR, "the value begins with [ but is no JSON list of strings", f"Write {example}"


def judge_list(value: str) -> Iterator[Verdict]:
    """An entry may hold blanks here: only commas part the entries."""
    if value.strip().startswith("["):
        if _json_entries(value) is None:
            yield unreadable_list("one,two")
        return
    parts = value.split(",")
    for number, part in enumerate(parts, 1):
        if not part.strip() and len(parts) > 1:
            yield "empty-entry", ERROR, f"entry {number} of the list is empty", "Remove the comma that is too many"


# --- Paths and mail ----------------------------------------------------------------------------------------------


def judge_path(value: str) -> Iterator[Verdict]:
    if not value.startswith("/") or not value.isprintable() or {".", ".."} & set(value.split("/")):
        yield "not-a-path", ERROR, "the value is not an absolute path", "Begin it with /, and write it without . and .."


_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")


def judge_email(value: str) -> Iterator[Verdict]:
    if not _is_email(value):
        yield (
            "not-an-email",
            ERROR,
            "the value is not one mail address",
            "Write site@example.org, or a name and the address: Site <site@example.org>",
        )


def _is_email(text: str) -> bool:
    address = parseaddr(text)[1] if text.endswith(">") and text.isprintable() else text
    mailbox, at, domain = address.rpartition("@")
    dots = mailbox.startswith(".") or mailbox.endswith(".") or ".." in mailbox
    return bool(at and not dots and _MAILBOX.fullmatch(mailbox) and is_host(domain))


# --- URLs --------------------------------------------------------------------------------------------------------


def scheme(value: str) -> str:
    """What stands before ://, empty where nothing does."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+._-]*)://", value)
    return found.group(1).lower() if found else ""


def split_url(value: str) -> SplitResult | None:
    """The parts of a URL; None if nobody could say what they are."""
    if re.search(r"[\x00-\x1f\x7f]", value):  # urlsplit drops some of these without a word
        return None
    try:
        parts = _urlsplit(value)
        int(parts.port or 0)  # a port that is none is noticed here alone
    except ValueError:
        return None
    return parts


def _urlsplit(value: str) -> SplitResult:
    """As urlsplit, which takes all of a URL for a path where there is an underscore in its scheme."""
    name = scheme(value)
    return urlsplit(name.replace("_", "-") + value[len(name) :])


def _split_without_blanks(value: str) -> SplitResult | None:
    return None if re.search(r"\s", value) else split_url(value)


def broken_url(level: str = ERROR) -> Verdict:
    return (
        "broken-url",
        level,
        "the URL cannot be taken apart: a port that is no number, a blank or a stray character",
        "Percent-encode special characters in the user and the password: %40 for @, %2F for /, %23 for #, %3F for ?",
    )


def judge_url(value: str) -> Iterator[Verdict]:
    parts = _split_without_blanks(value)
    if not scheme(value):
        yield (
            "not-a-url",
            ERROR,
            "the value is not a URL with a scheme",
            "Write it whole, as in https://example.org/path",
        )
    elif parts is None:
        yield broken_url()
    elif not is_host(unquote(parts.hostname or "")) or parts.port == 0:
        yield (
            "not-a-url",
            ERROR,
            "the URL names no host, or none that could exist",
            "Write it as in https://example.org/path",
        )
    else:
        yield from judge_password_in_url(value)


def judge_dsn(value: str) -> Iterator[Verdict]:
    """A URL that says how to reach a service: it may name a file or a socket where others name a host."""
    if not scheme(value):
        yield (
            "not-a-dsn",
            ERROR,
            "the value is not a URL with a scheme",
            "Write it whole, as in postgres://user:password@host:5432/name or sqlite:////srv/site/db.sqlite3",
        )
    elif value == "sqlite://:memory:":
        return
    elif _split_without_blanks(value) is None:
        yield broken_url()
    elif not value.partition("://")[2].strip("/"):
        yield "not-a-dsn", ERROR, "nothing follows the scheme", "Name the host, the file or the socket"
    else:
        yield from judge_password_in_url(value)


def judge_password_in_url(value: str) -> Iterator[Verdict]:
    try:
        password = _urlsplit(value).password
    except ValueError:
        # Brackets that are no IPv6 address: the site's own reader may still know what to make of the value.
        return
    if password and is_placeholder(password):
        yield (
            "placeholder-secret",
            ERROR,
            "the password in the URL is a placeholder that anybody can guess",
            "Put the real one there",
        )


# --- Secrets -----------------------------------------------------------------------------------------------------

NEW_SECRET = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"

_PLACEHOLDER_WORDS = set(
    """
    secret secretkey key mysecret mysecretkey password mypassword pass todo tbd fixme dummy example test none null
    undefined
    """.split()
)
_PLACEHOLDER_PARTS = re.compile(
    r"changeme|changethis|changeit|replaceme|replacethis|replacewith|yoursecret|yourkey|yourpassword|yourtoken"
    r"|placeholder|insertsecret|insertyour|secretkeyhere|secrethere|keyhere|notsosecret|notasecret"
)
_PLACEHOLDER_SHAPES = re.compile(r"x{3,}|\*{3,}|\.{3,}|…|<.*>|\{\{.*\}\}|\$\{.*\}|\$\(.*\)", re.DOTALL)


def is_placeholder(value: str) -> bool:
    """Whether a secret is none."""
    return _letters(value) in _PLACEHOLDER_WORDS or is_placeholder_anywhere(value)


def is_placeholder_anywhere(value: str) -> bool:
    """Whether the value waits for the real one, whatever it is: `none` and `test` may be what is meant."""
    shape = _PLACEHOLDER_SHAPES.fullmatch(value.strip().lower())
    return bool(shape or _PLACEHOLDER_PARTS.search(_letters(value)))


def _letters(value: str) -> str:
    return re.sub(r"[^a-z0-9]", "", value.lower())


# Django's own, which `check --deploy` holds against a secret key (security.W009).
SHORTEST_SECRET_KEY = 50
_FEWEST_DIFFERENT_CHARACTERS = 5


def judge_secret_key(value: str, shortest: int = SHORTEST_SECRET_KEY) -> Iterator[Verdict]:
    """What Django says of a secret key."""
    if not value.strip():
        yield "empty-secret", ERROR, "the secret is empty", NEW_SECRET
    elif is_placeholder(value):
        yield "placeholder-secret", ERROR, "the secret is a placeholder that anybody can guess", NEW_SECRET
    else:
        weaknesses = list(_weaknesses(value, shortest))
        if weaknesses:
            yield "weak-secret", ERROR, f"the secret {' and '.join(weaknesses)} (Django's security.W009)", NEW_SECRET


def _weaknesses(value: str, shortest: int) -> Iterator[str]:
    if len(value) < shortest:
        yield f"has fewer than {shortest} characters"
    if len(set(value)) < _FEWEST_DIFFERENT_CHARACTERS:
        yield f"has fewer than {_FEWEST_DIFFERENT_CHARACTERS} different characters"
    if value.startswith("django-insecure-"):
        yield "is the one that startproject made for development"


def judge_other_secret(value: str, certain: bool = True) -> Iterator[Verdict]:
    """What stands in for a secret; where it is not `certain` that the variable holds one, a mere word is let pass."""
    # An empty password is a legitimate one: a database on a local socket has none.
    if is_placeholder(value) if certain else is_placeholder_anywhere(value):
        yield "placeholder-secret", ERROR, "the value is a placeholder that anybody can guess", "Put the real one there"


# The types of a schema that ask nothing but the value.
JUDGES: dict[str, Callable[[str], Iterator[Verdict]]] = {
    "bool": judge_bool,
    "int": judge_int,
    "port": judge_port,
    "url": judge_url,
    "host": judge_host,
    "hosts": judge_hosts,
    "path": judge_path,
    "email": judge_email,
    "list": judge_list,
    "dsn": judge_dsn,
}

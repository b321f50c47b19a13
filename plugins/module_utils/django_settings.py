# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what Django says is in force, and writes the lines that would mend it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import diagnosis, services, sizing
from ansible_collections.switchyard.django.plugins.module_utils.environment import host_header, https_origins
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

# Both go into a unit and into nginx's configuration, so only what needs no quoting there.
SAFE_PATH = re.compile(r"/[A-Za-z0-9._/@+-]*")
SAFE_URL_PATH = re.compile(r"/(?:[A-Za-z0-9._~@+-]+/)*")


@dataclass
class Verdict:
    """What is wrong, and the variables that mend it: overrides of settings, and other variables of the site."""

    problems: list[str] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, problem: str, **overrides: Any) -> None:
        self.problems.append(problem)
        self.overrides.update(overrides)


# So many warnings of one name are printed: some checks have one for each view.
ALIKE = 3

# They ask for HTTPS, which a site that is served over HTTP can't follow.
ADVICE_FOR_HTTPS = frozenset(f"security.W{number}" for number in ("004", "005", "008", "012", "016", "021"))

# They ask for what the edge does: nginx_hsts and nginx_https_redirect.
ADVICE_FOR_THE_EDGE = frozenset({"security.W004", "security.W008"})
PROXY_SSL_HEADER = ["HTTP_X_FORWARDED_PROTO", "https"]

# Django refuses a mailer for development, which startproject sets from 6.1 on. Where no mail server listens, each
# mail by this one is an error, and none is lost in silence.
DEVELOPMENT_MAILER = "mail.E001"
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "localhost"}}}


def judge(
    report: Mapping[str, Any],
    layout: Layout,
    domains: list[str],
    health_path: str,
    hosts: int,
    scheme: str = "http",
    size: Mapping[str, int] | None = None,
) -> Verdict:
    """Everything that would not work in production, all at once.

    :param size: of an instance, where it is to be seen whether the database has connections enough
    """
    verdict = Verdict()
    for problem in report["problems"]:
        verdict.problems.append(_in_words(problem))
    settings = report.get("settings")
    if settings:
        _judge_debug_and_hosts(verdict, settings, domains)
        _judge_secret_key(verdict, settings)
        _judge_redirect(verdict, settings, scheme)
        if scheme == "https":
            _judge_https(verdict, settings, domains)
        _judge_static_and_media(verdict, settings, layout)
        _judge_databases(verdict, settings, layout, hosts)
    if size:
        verdict.problems += sizing.connections_problem(size, hosts, report.get("connections", {}))
    if "urls" in report and not report["urls"]["resolves"]:
        instead = report["urls"]["instead"]
        verdict.problems.append(
            f"site_health_path {health_path!r} is no URL of the project"
            + (f"; {instead!r} is one" if instead else ". Add a view that answers 200 when the site works")
        )
        if instead:
            verdict.variables["site_health_path"] = instead
    alike: Counter[str] = Counter()
    for check in report.get("checks", []):
        if check["id"] in (ADVICE_FOR_HTTPS if scheme == "http" else ADVICE_FOR_THE_EDGE):
            continue
        text = f"{check['id']}: {check['message']}" + (f" {check['hint']}" if check["hint"] else "")
        # 40 is Django's ERROR. What the judgement above refuses already is not said twice.
        if check["level"] >= 40:
            verdict.problems.append(" ".join(text.split()))
            if check["id"] == DEVELOPMENT_MAILER:
                _mend_mailers(verdict, settings or {})
            continue
        alike[check["id"]] += 1
        if alike[check["id"]] <= ALIKE:
            verdict.warnings.append(" ".join(text.split()))
    verdict.warnings += [
        f"{name}: {number - ALIKE} more of these. manage.py check --deploy has them all"
        for name, number in alike.items()
        if number > ALIKE
    ]
    return verdict


def _mend_mailers(verdict: Verdict, settings: Mapping[str, Any]) -> None:
    # An override replaces MAILERS as a whole, and a mailer beside it may have a password: that is never written out.
    if settings.get("MAILERS") != ["default"]:
        return
    verdict.overrides["MAILERS"] = MAILERS
    verdict.problems[-1] += (
        " The line below sends by the host's own mail server. OPTIONS name another by host, port, use_tls, username "
        'and password: {"$env": "EMAIL_PASSWORD"}, with EMAIL_PASSWORD in site_env'
    )


STEPS = {
    "settings_module": "The settings can't be loaded",
    "settings": "The settings can't be read",
    "apps": "The applications of INSTALLED_APPS can't be loaded",
    "urls": "The URLconf can't be loaded",
    "checks": "manage.py check --deploy stops",
    "entry_point": "The entry point can't be imported",
    "migrations": "The database can't be asked for its migrations",
    "connections": "The database can't be asked how many connections it allows",
    "collectstatic": "collectstatic stops",
}


def _in_words(problem: Mapping[str, str]) -> str:
    """What stopped at which step and, where the traceback gives it away, why and what to do about it."""
    finding = diagnosis.of_output(problem["traceback"])
    if finding:
        return f"{STEPS[problem['step']]}. {finding}"
    where = f" ({problem['where']})" if problem["where"] else ""
    return f"{STEPS[problem['step']]}: {problem['kind']}: {problem['message']}{where}"


def _judge_debug_and_hosts(verdict: Verdict, settings: Mapping[str, Any], domains: list[str]) -> None:
    if settings["DEBUG"]:
        verdict.refuse("DEBUG is on: every error page would show the site's settings and code", DEBUG=False)
    hosts = [host_header(domain) for domain in domains]
    uncovered = [host for host in hosts if not covers(settings["ALLOWED_HOSTS"], host)]
    if uncovered:
        verdict.refuse(
            f"ALLOWED_HOSTS {settings['ALLOWED_HOSTS']} doesn't cover {', '.join(uncovered)} of site_domains: "
            "Django would answer 400",
            ALLOWED_HOSTS=hosts,
        )


def covers(allowed: list[str], host: str) -> bool:
    """Whether Django would accept a Host header (django.http.request.validate_host)."""
    host = host.lower()
    for pattern in (one.lower() for one in allowed):
        if pattern == "*" or pattern == host:
            return True
        if pattern.startswith(".") and (host.endswith(pattern) or host == pattern[1:]):
            return True
    return False


def _judge_secret_key(verdict: Verdict, settings: Mapping[str, Any]) -> None:
    key = settings["SECRET_KEY"]
    if key["insecure"] or key["length"] < 50 or key["variety"] < 5:
        verdict.refuse(
            "SECRET_KEY is missing or can be guessed (security.W009: at least 50 characters, 5 different ones, "
            "not from startproject). The deploy has made one and gives it as the environment variable SECRET_KEY",
            SECRET_KEY={"$env": "SECRET_KEY"},
        )


def _judge_redirect(verdict: Verdict, settings: Mapping[str, Any], scheme: str) -> None:
    if settings["SECURE_SSL_REDIRECT"] and scheme == "http":
        verdict.refuse(
            "SECURE_SSL_REDIRECT is on, but the site is served over HTTP: every page would redirect to where "
            "nothing answers",
            SECURE_SSL_REDIRECT=False,
        )


def _judge_https(verdict: Verdict, settings: Mapping[str, Any], domains: list[str]) -> None:
    """What a project lacks that was made for HTTP, with the lines to add; it is served all the same."""
    if settings["SECURE_PROXY_SSL_HEADER"] != PROXY_SSL_HEADER:
        verdict.warnings.append(
            "SECURE_PROXY_SSL_HEADER does not name the header by which nginx says that a visitor came by https. Add to "
            "the settings: SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https'), or to "
            'site_settings_overrides: SECURE_PROXY_SSL_HEADER: ["HTTP_X_FORWARDED_PROTO", "https"]'
        )
    origins = https_origins(domains)
    missing = [origin for origin in origins if not _trusts(settings["CSRF_TRUSTED_ORIGINS"], origin)]
    if missing:
        verdict.warnings.append(
            f"CSRF_TRUSTED_ORIGINS lacks {', '.join(missing)}, from where forms are sent. The environment has it in "
            f"the variable CSRF_TRUSTED_ORIGINS; or add to site_settings_overrides: "
            f"CSRF_TRUSTED_ORIGINS: {json.dumps(origins)}"
        )


def _trusts(trusted: list[str], origin: str) -> bool:
    """Whether an origin is among those trusted (django.middleware.csrf)."""
    wildcards = [one.removeprefix("https://*") for one in trusted if one.startswith("https://*.")]
    return origin in trusted or covers(wildcards, origin.removeprefix("https://"))


def _judge_static_and_media(verdict: Verdict, settings: Mapping[str, Any], layout: Layout) -> None:
    if settings["STATICFILES"] and not settings["STATIC_ROOT"]:
        verdict.refuse(
            "STATIC_ROOT is not set, so collectstatic has nowhere to put the style sheets", STATIC_ROOT="staticfiles"
        )
    for name in ("STATIC_ROOT", "MEDIA_ROOT"):
        folder = settings[name]
        hidden = _hidden_by(folder, settings["BASE"], layout) if folder else ""
        if folder and (hidden or not SAFE_PATH.fullmatch(folder)):
            reason = f"it holds {hidden}" if hidden else "it has characters other than letters, digits and . _ / @ + -"
            verdict.refuse(
                f"{name} {folder!r} can't be mounted for the site: {reason}",
                **{name: "staticfiles" if name == "STATIC_ROOT" else str(layout.media)},
            )
    if settings["STATIC_ROOT"] and settings["STATIC_ROOT"] == settings["MEDIA_ROOT"]:
        verdict.refuse("MEDIA_ROOT and STATIC_ROOT are the same folder", MEDIA_ROOT=str(layout.media))
    for name in ("STATIC_URL", "MEDIA_URL"):
        if settings[name].startswith("/") and not SAFE_URL_PATH.fullmatch(settings[name]):
            verdict.refuse(
                f"{name} {settings[name]!r} can't be a location of nginx: use a path such as /{name[:-4].lower()}/"
            )


SYSTEM_FOLDERS = ("/etc", "/usr", "/bin", "/lib", "/run", "/dev", "/proc", "/sys", "/var/lib", "/var/log")


def _hidden_by(folder: str, code: str, layout: Layout) -> str:
    """What the site would no longer find if something else were mounted at a folder."""
    needed = (code, str(layout.data), str(layout.srv / "venvs"), str(layout.etc), *SYSTEM_FOLDERS)
    return next((path for path in needed if os.path.commonpath([folder, path]) == folder), "")


def _judge_databases(verdict: Verdict, settings: Mapping[str, Any], layout: Layout, hosts: int) -> None:
    sqlite = {alias: one for alias, one in settings["DATABASES"].items() if "sqlite" in one["engine"]}
    if hosts > 1:
        verdict.problems += [services.sqlite_refusal(f"DATABASES[{alias!r}]", hosts) for alias in sqlite]
    lasting = f"{layout.data}/"
    passing = {alias: one["name"] for alias, one in sqlite.items() if not one["name"].startswith(lasting)}
    for alias, name in passing.items():
        verdict.refuse(
            f"DATABASES[{alias!r}] is SQLite at {name or '(no name)'}, which would end with this "
            f"release or be served to everybody. What outlives releases lies in {layout.data}"
        )
    # An override replaces DATABASES as a whole, and a database that is not SQLite may hold a password: it is never
    # written out.
    if passing and len(sqlite) == len(settings["DATABASES"]):
        verdict.overrides["DATABASES"] = {
            alias: {
                "ENGINE": one["engine"],
                "NAME": f"{layout.data}/{_file_name(alias)}" if alias in passing else one["name"],
            }
            for alias, one in sqlite.items()
        }


def _file_name(alias: str) -> str:
    return "db.sqlite3" if alias == "default" else f"db-{re.sub(r'[^A-Za-z0-9_-]', '_', alias)}.sqlite3"


def refusal(verdict: Verdict, present: Mapping[str, Any]) -> str:
    """One message with every problem, and the lines that mend them, ready to paste below vars: in the inventory.

    :param present: the site's site_settings_overrides. Of two in one inventory YAML takes the last alone, so the lines
        have what it says as well
    """
    count = len(verdict.problems)
    lines = [f"{'One thing' if count == 1 else f'{count} things'} in this release would not work in production:"]
    lines += [f"  - {problem}" for problem in verdict.problems]
    if verdict.overrides or verdict.variables:
        instead = ", in place of the site_settings_overrides there" if verdict.overrides and present else ""
        lines += [f"Mend them in the project, or put these lines below vars: in the inventory{instead}:", ""]
        if verdict.overrides:
            whole = {**present, **verdict.overrides}
            lines += ["    site_settings_overrides:", *(f"      {line}" for line in _yaml(whole))]
        lines += [f"    {line}" for line in _yaml(verdict.variables)]
    return "\n".join(lines)


def _yaml(value: Mapping[str, Any]) -> list[str]:
    """Flat YAML whose values are JSON, which YAML reads as it is."""
    return [f"{name}: {json.dumps(item)}" for name, item in value.items()]

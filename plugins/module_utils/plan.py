# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a site's variables on the controller, before any host is touched."""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    django_environment,
    env_file,
    env_finding,
    env_names,
    env_schema,
    environment,
    process_variables,
    requirements,
    services,
    settings_overlay,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout, site_name_problem

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
DOMAIN = re.compile(r"(?=.{1,253}$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
# site_package, where wsgi.py and asgi.py lie beside manage.py and in no package.
TOP = "."
URL_PATH = re.compile(r"/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*(\?[A-Za-z0-9._~%&+,=:@/-]*)?")
STACKS = ("wsgi", "asgi")
# serve_mode, for the stack that the project asks for.
AUTO = "auto"


SHAPES = {
    "site_domains": (list, "a list, for example [shop.example.org]"),
    "site_env": (dict, "a dictionary of names and texts, for example {LANG: C.UTF-8}"),
    "site_env_schema": (list, "a list, for example [{name: PAYMENT_KEY, type: secret, required: true}]"),
    "site_requirements_overrides": (list, "a list, for example [pillow>=11]"),
    "site_settings_overrides": (dict, "a dictionary of settings, for example {DEBUG: false}"),
    **{name: (dict, f"a dictionary, for example {example}") for name, example in process_variables.EXAMPLES.items()},
}


def shape_problems(variables: Mapping[str, Any]) -> list[str]:
    """What is no list or no dictionary where one is meant: nothing more can be said of the variables before."""
    return [
        f"{name} must be {meant}" for name, (shape, meant) in SHAPES.items() if not isinstance(variables[name], shape)
    ]


def problems(variables: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the variables themselves; each names the variable and the way out."""
    found = [site_name_problem(variables["site_name"])]
    found.append(_mode_problem(variables["serve_mode"]))
    found += [_domain_problem(domain) for domain in variables["site_domains"]]
    if not variables["site_domains"]:
        found.append(
            "site_domains is empty. List the host names under which the site answers, for example [shop.example.org]"
        )
    for name in ("site_package", "site_settings"):
        if not DOTTED.fullmatch(str(variables[name])) and (name, variables[name]) != ("site_package", TOP):
            found.append(
                f"{name} {variables[name]!r} is no Python name. Give it with dots, for example {_EXAMPLES[name]}"
            )
    for name in ("site_health_path", "site_websocket_path"):
        if variables[name] and not URL_PATH.fullmatch(variables[name]):
            found.append(
                f"{name} {variables[name]!r} is no URL path. It starts with / and has no space, for example /health/"
            )
    if not variables["site_health_path"]:
        found.append(
            "site_health_path is empty, so nothing could be probed. Name a page that answers 200, for example /health/"
        )
    if not variables["site_source"]:
        found.append("site_source is empty. Give a git URL, or the folder that holds manage.py")
    found += requirements.overrides_problems(variables["site_requirements_overrides"])
    found += settings_overlay.problems(variables["site_settings_overrides"])
    return [problem for problem in found if problem]


_EXAMPLES = {"site_package": "shop", "site_settings": "shop.settings"}


def _mode_problem(mode: str) -> str | None:
    if mode in ("", AUTO, *STACKS):
        return None
    return (
        f"serve_mode {mode!r} is no stack. Use serve_mode=wsgi or serve_mode=asgi, or serve_mode=auto for the one that "
        "the project asks for; or leave it out to keep the one that is live"
    )


def advised_stack(advice: Mapping[str, Any], live: str) -> dict[str, Any]:
    """The stack for serve_mode=auto, and the lines that say why it is this one.

    Where both would do, what is live stays: no site changes its stack for a trifle.

    :param advice: what site_plan returns
    :param live: the stack that is live, or ""
    """
    stack = advice["stack"]
    chosen = stack
    if live and stack != live and advice["firm"]:
        chosen = f"{stack}, in place of {live}, which is live"
    elif live and stack != live:
        stack, chosen = live, f"{live} stays, which is live and does as well"
    return {"stack": stack, "lines": [f"serve_mode=auto: {chosen}", *advice["lines"]]}


def _domain_problem(domain: object) -> str | None:
    if isinstance(domain, str) and (DOMAIN.fullmatch(domain) or _is_address(domain)):
        return None
    return (
        f"site_domains has {domain!r}, which is no host name. Use letters, digits, - and dots, without scheme, "
        "port or path, for example shop.example.org"
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # behind it anything may stand


def judge_environment(
    variables: Mapping[str, Any], layout: Layout, placed: Mapping[str, Any] | None = None
) -> tuple[list[str], list[str]]:
    """What is wrong with site_env, and what may be; never a value.

    :param placed: what `services.place` has found
    """
    schema, broken = env_schema.read(variables["site_env_schema"])
    if broken:
        return [f"site_env_schema: {problem}" for problem in broken], []
    given: dict[str, str] = {}
    found = []
    for name, value in variables["site_env"].items():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            found.append(f"site_env.{name} is no text. Put its value in quotes, as the program should read it")
        elif name in environment.OURS and not (
            name == "DJANGO_SETTINGS_MODULE" and value == variables["site_settings"]
        ):
            found.append(f"site_env.{name} belongs to the deploy: {environment.OURS[name]}. Take it out of site_env")
        elif name not in environment.OURS:
            given[name] = str(value)
    try:
        env_file.render(given)
    except ValueError as problem:
        return [*found, f"site_env: {problem}"], []
    beside = services.read(json.dumps({"found": placed or {}, "urls": services.urls(variables)}))
    # The site's own key never comes to the controller: this one stands for it.
    composed = environment.with_defaults(
        given, variables["site_domains"], layout, variables["scheme"], beside, secrets.token_hex(32)
    )
    hosts = [environment.host_header(domain) for domain in variables["site_domains"]]
    judged = [
        *django_environment.judge_django(composed, hosts),
        *env_schema.judge(schema, composed),
        *env_names.judge_names(given, django_environment.KNOWN_NAMES.union(one.name for one in schema)),
    ]
    found += [_of_site_env(finding) for finding in env_finding.errors(judged)]
    return found, [_of_site_env(finding) for finding in env_finding.warnings(judged) if finding.key in given]


def _of_site_env(finding: env_finding.Finding) -> str:
    return f"site_env.{finding.key}: {finding.message}. {finding.hint}."


def candidates(files: frozenset[str]) -> str:
    """Which packages of the source could be meant."""
    if project_root(TOP, files) is not None:
        return f"Its wsgi.py or asgi.py lies beside manage.py, in no package: say so with site_package: {TOP}"
    folders = {name.split("/")[-2] for name in files if name.endswith(("/wsgi.py", "/asgi.py"))}
    if not folders:
        return "None of its folders has a wsgi.py or an asgi.py: is site_source the folder that holds manage.py?"
    return f"The package that holds wsgi.py and asgi.py is meant; here that could be {' or '.join(sorted(folders))}"


def project_root(package: str, files: frozenset[str]) -> str | None:
    """The folder of the source in which `package` can be imported: the top, or the one folder that holds it."""
    with_manage = {name[: -len("manage.py")] for name in files if re.search(r"(^|/)manage\.py$", name)}
    if package == TOP:
        roots = {root for root in with_manage if files & {f"{root}wsgi.py", f"{root}asgi.py"}}
    else:
        inner = package.replace(".", "/") + "/"
        start = re.compile(rf"(?:^|(?<=/))(?={re.escape(inner)}[^/]+\.py$)")
        roots = {name[: match.start()] for name in files for match in start.finditer(name)}
    for root in sorted(roots & with_manage or roots, key=lambda one: (one.count("/"), one)):
        return root.rstrip("/")
    return None


def prefix(package: str) -> str:
    """What stands before wsgi and asgi where they are imported."""
    return "" if package == TOP else f"{package}."

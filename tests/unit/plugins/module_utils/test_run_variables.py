# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils import run_variables

ROLES = Path(__file__).resolve().parents[4] / "roles"
KNOWN = run_variables.options(ROLES)


def specs():
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        for entry_point in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            yield from entry_point.get("options", {}).items()


def test_the_options_are_those_that_a_parser_finds():
    assert {name for name, _option in specs()} == KNOWN
    assert len(KNOWN) > 100


def test_what_the_role_of_the_site_requires_is_told_with_a_value():
    options = yaml.safe_load((ROLES / "site/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert set(run_variables.REQUIRED) == {name for name, option in options.items() if option.get("required")}
    assert all(yaml.safe_load(value) for _meaning, value in run_variables.REQUIRED.values())


# --- what is not set -------------------------------------------------------------------------------------------------


def test_where_all_is_set_nothing_is_missing():
    assert run_variables.missing(["site_name"], {"web1": ["site_name"]}, KNOWN) == []


def test_all_that_is_missing_is_told_at_once_with_what_was_meant():
    host = ["site_nmae", "site_sorce", "site_pakage", "shop_domains", "site_settings"]
    name, source, package, domains, end = run_variables.missing(run_variables.REQUIRED, {"web1": host}, KNOWN)
    assert name.endswith("for example site_name: shop. site_nmae is set: is that meant?")
    assert source.startswith(
        "site_source is not set. A git URL, or a folder on this machine, for example site_source: "
    )
    assert source.endswith(" site_sorce is set: is that meant?")
    assert package.endswith(" site_pakage is set: is that meant?")
    assert domains.endswith("for example site_domains: [shop.example.org].")
    assert end == "Set it in the inventory, or with -e. Nothing was changed."


def test_hosts_that_lack_it_are_named_where_others_have_it():
    (said, _end) = run_variables.missing(["site_name"], {"web1": ["site_name"], "web2": ["sitename"]}, KNOWN)
    assert said.startswith("site_name is not set for web2. ")
    assert said.endswith("sitename is set: is that meant?")


def test_a_variable_that_is_read_is_not_meant_for_another():
    (said, _end) = run_variables.missing(["site_package"], {"web1": ["site_packages"]}, KNOWN)
    assert "is that meant" not in said


# --- what is mistyped ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("site_helth_path", "site_health_path"),
        ("site_domain", "site_domains"),
        ("asgi_sever", "asgi_server"),
        ("cutover_drian", "cutover_drain"),
        ("serve_mod", "serve_mode"),
        ("sevre_mode", "serve_mode"),
        ("servemode", "serve_mode"),
        ("nginx_prot", "nginx_port"),
    ],
)
def test_a_name_that_is_nearly_one_of_ours_is_told(name, meant):
    (said,) = run_variables.mistyped(["site_name", name], KNOWN)
    assert said == f"{name} is no variable of switchyard.django, and nothing of it reads it. Is {meant} meant?"


@pytest.mark.parametrize(
    "name",
    ["redis_host", "nginx_version", "host_name", "site_url", "release_date", "shop_domains", "ansible_host", "site"],
)
def test_a_variable_of_the_projects_own_is_left_alone(name):
    assert run_variables.mistyped([name, *KNOWN], KNOWN) == []


# --- what is cut off -------------------------------------------------------------------------------------------------


def test_the_quoting_that_is_right_is_told():
    (said,) = run_variables.cut_off(["manage_command"])
    assert said.startswith("-e manage_command=… is cut off at a space")
    assert """-e "manage_command='…'", or -e '{"manage_command": "…"}'""" in said


def test_a_word_before_all_variables_is_told_as_what_it_is():
    (said,) = run_variables.cut_off([""])
    assert said.startswith("-e has a word that belongs to no variable; it takes NAME=VALUE.")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the repository as a whole, whatever its parts do."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
SHARED_ROLES = ("host", "release", "systemd", "nginx", "cutover")
STACK_ROLES = ("wsgi", "asgi")
HEADER = """\
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
MODULE_UTILS = sorted((ROOT / "plugins/module_utils").rglob("*.py"))
OWN = "ansible_collections.switchyard.django.plugins.module_utils"


def read(path):
    return yaml.safe_load(path.read_text()) or {}


def entry_points(role):
    return read(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]


def options(role):
    return [
        (name, option) for entry in entry_points(role).values() for name, option in entry.get("options", {}).items()
    ]


def defaults(role):
    path = ROOT / "roles" / role / "defaults/main.yml"
    return read(path) if path.exists() else {}


def relative(path):
    return str(path.relative_to(ROOT))


# --- variables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_documented_as_it_is(role):
    documented = {name: option["default"] for name, option in options(role) if "default" in option}
    assert documented == defaults(role)


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_has_a_type_and_a_description_of_full_sentences(role):
    for name, option in options(role):
        description = option.get("description") or []
        sentences = [description] if isinstance(description, str) else description
        assert sentences, f"{name} has no description"
        assert all(sentence.rstrip().endswith(".") for sentence in sentences), (
            f"{name}: a sentence without its full stop"
        )
        assert option.get("type"), f"{name} has no type"


@pytest.mark.parametrize("role", ROLES)
def test_no_variable_is_required_and_has_a_default(role):
    assert not [name for name, option in options(role) if option.get("required") and "default" in option]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_owns_variables_of_its_own_name(role):
    assert not [name for name in defaults(role) if not name.startswith(f"{role}_") and name != "serve_mode"]


def test_no_variable_has_two_owners():
    owned = [name for role in ROLES for name in defaults(role)]
    assert len(owned) == len(set(owned))


def test_every_entry_point_has_its_tasks():
    for role in ROLES:
        for entry in entry_points(role):
            assert (ROOT / "roles" / role / "tasks" / f"{entry}.yml").exists(), f"{role}: {entry}"


# --- roles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_main_file_is_read_at_a_glance(role):
    assert len((ROOT / "roles" / role / "tasks/main.yml").read_text().splitlines()) <= 60


@pytest.mark.parametrize("role", SHARED_ROLES)
def test_a_shared_role_does_not_know_which_stack_runs(role):
    files = [path for path in (ROOT / "roles" / role).rglob("*") if path.is_file()]
    servers = {path.stem for stack in STACK_ROLES for path in (ROOT / "roles" / stack / "vars").glob("*.yml")} - {
        "main"
    }
    names = re.compile("|".join(sorted({"wsgi", "asgi", "gunicorn", "uvicorn", *servers})), re.IGNORECASE)
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if names.search(line)
    ]
    assert files
    assert found == []


@pytest.mark.parametrize("role", STACK_ROLES)
def test_every_app_server_fills_in_the_same_part_of_the_contract(role):
    servers = [path for path in sorted((ROOT / "roles" / role / "vars").glob("*.yml")) if path.stem != "main"]
    shapes = {relative(path): set(read(path)[f"__{role}_server"]) for path in servers}
    wanted = {"packages", "command", "readiness", "kill_mode", "stop_timeout", "reload_signal"}
    assert servers
    assert not {name: wanted - keys for name, keys in shapes.items() if not wanted <= keys}


@pytest.mark.parametrize("role", STACK_ROLES)
def test_the_default_app_server_exists(role):
    assert (ROOT / "roles" / role / "vars" / f"{defaults(role)[f'{role}_server']}.yml").exists()


def test_no_task_goes_through_a_shell():
    tasks = [path for path in (ROOT / "roles").rglob("tasks/*.yml") if re.search(r"\bshell:", path.read_text())]
    assert [relative(path) for path in tasks] == []


# --- plugins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=relative)
def test_every_plugin_says_whose_it_is_and_under_which_licence(path):
    text = path.read_text().removeprefix("#!/usr/bin/python\n")
    assert text.startswith(HEADER)
    assert "\nfrom __future__ import annotations\n" in text


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}:{node.lineno}: a relative import"
            yield node.module


@pytest.mark.parametrize("path", MODULE_UTILS, ids=lambda path: path.name)
def test_what_runs_on_a_host_needs_the_standard_library_alone(path):
    # They run in the release's own venv, where Django is.
    allowed = {"django"} if path.name in ("django_inspector.py", "django_reversal.py") else set()
    for name in imports(path):
        top = name.partition(".")[0]
        assert top in sys.stdlib_module_names or top in allowed or name.startswith(OWN), (
            f"{relative(path)} imports {name}"
        )


@pytest.mark.parametrize("name", ["django_inspector.py", "django_reversal.py"])
def test_what_travels_as_text_imports_nothing_of_the_collection(name):
    path = ROOT / "plugins/module_utils" / name
    assert not [one for one in imports(path) if one.startswith("ansible")]
    assert path.read_text().count("\nWANTED: dict = {}\n") == 1, "the line that is filled in on the way"


@pytest.mark.parametrize("path", MODULE_UTILS, ids=lambda path: path.name)
def test_what_runs_on_a_host_is_read_by_its_python(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("action", sorted((ROOT / "plugins/action").glob("*.py")), ids=lambda path: path.stem)
def test_every_action_has_a_module_that_documents_it(action):
    assert (ROOT / "plugins/modules" / action.name).exists()


# --- the rest --------------------------------------------------------------------------------------------------------


def test_the_link_by_which_a_checkout_resolves_is_not_in_the_built_collection():
    galaxy = read(ROOT / "galaxy.yml")
    assert (ROOT / "collections/ansible_collections/switchyard/django").resolve() == ROOT
    assert "collections" in galaxy["build_ignore"]
    assert galaxy["dependencies"] == {}

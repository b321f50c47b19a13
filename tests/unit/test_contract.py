# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the repository as a whole, whatever its parts do."""

from __future__ import annotations

import ast
import inspect
import re
import signal
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils import release, run_variables
from jinja2.nativetypes import NativeEnvironment

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
STACK_ROLES = ("wsgi", "asgi")
SHARED_ROLES = [role for role in ROLES if role not in STACK_ROLES]
HEADER = """\
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
MODULE_UTILS = sorted((ROOT / "plugins/module_utils").rglob("*.py"))
TASKS = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")])
OWN = "ansible_collections.switchyard.django.plugins.module_utils"


def relative(path):
    return str(path.relative_to(ROOT))


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
    others = {"serve_mode", "site_batch"}
    assert not [name for name in defaults(role) if not name.startswith(f"{role}_") and name not in others]


def test_no_variable_has_two_owners():
    owned = [name for role in ROLES for name in defaults(role)]
    assert len(owned) == len(set(owned))


def test_every_entry_point_has_its_tasks():
    for role in ROLES:
        for entry in entry_points(role):
            assert (ROOT / "roles" / role / "tasks" / f"{entry}.yml").exists(), f"{role}: {entry}"


# What the playbooks name themselves: groups of hosts, and what they hand from role to role.
OF_THE_PLAYBOOKS = {
    "balancer_members",
    "site_contract",
    "site_contracts",
    "site_first_stack",
    "site_members",
    "site_server_packages",
    "site_system_packages",
}


def known_variables():
    return {name for role in ROLES for name, _option in options(role)}


def test_every_variable_is_used():
    places = (
        "roles/*/tasks/*.yml",
        "roles/*/vars/*.yml",
        "roles/*/templates/*",
        "playbooks/**/*.yml",
        "plugins/**/*.py",
    )
    code = "\n".join(path.read_text() for place in places for path in ROOT.glob(place))
    assert [name for name in sorted(known_variables()) if not re.search(rf"(?<!\w){name}(?!\w)", code)] == []


@pytest.mark.parametrize("path", [*TASKS, *sorted(ROOT.glob("roles/*/vars/*.yml"))], ids=relative)
def test_every_public_variable_that_is_used_is_documented(path):
    modules = {one.stem for folder in ("modules", "filter") for one in (ROOT / "plugins" / folder).iterdir()}
    found = re.findall(rf"(?<![\w./-])(?:{'|'.join(ROLES)})_[a-z_]*[a-z]\b(?![-/(.])", path.read_text())
    assert sorted(set(found) - known_variables() - modules - OF_THE_PLAYBOOKS) == []


def test_what_the_playbooks_name_themselves_is_not_taken_for_mistyped():
    assert run_variables.mistyped(OF_THE_PLAYBOOKS, known_variables()) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("playbooks/*.yml")), ids=relative)
def test_every_playbook_judges_first_what_it_is_told(path):
    first = read(path)[-1]["tasks"][0]
    if "ansible.builtin.import_tasks" in first:
        first = read(path.parent / first["ansible.builtin.import_tasks"])[0]
    assert "switchyard.django.run_variables" in first


# --- roles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_main_file_is_read_at_a_glance(role):
    assert len((ROOT / "roles" / role / "tasks/main.yml").read_text().splitlines()) <= 60


@pytest.mark.parametrize("role", SHARED_ROLES)
def test_a_shared_role_does_not_know_which_stack_runs(role):
    # The one variable is the role site's, and its description says what it can be.
    told = ROOT / "roles/site/meta/argument_specs.yml"
    files = [path for path in (ROOT / "roles" / role).rglob("*") if path.is_file() and path != told]
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
def test_the_default_app_server_exists(role):
    assert (ROOT / "roles" / role / "vars" / f"{defaults(role)[f'{role}_server']}.yml").exists()


# A loop over these is no round trip to a host.
ON_THE_CONTROLLER = {"assert", "debug", "fail", "include_tasks", "set_fact"}


@pytest.mark.parametrize("path", TASKS, ids=relative)
def test_no_task_loops_over_what_a_module_could_take_at_once(path):
    """Each turn of a loop costs as much as a task: who loops on a host says in a comment why it can't be one call."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        if re.match(r" *(loop|with_\w+):", line):
            # The task begins where a name stands one level further out.
            indent = len(line) - len(line.lstrip())
            begin = max(number for number in range(start) if lines[number].startswith(" " * (indent - 2) + "- name:"))
            module = re.match(r" *(?:[a-z_]+\.)*([a-z_]+):", lines[begin + 1])[1]
            reason = lines[start - 1].lstrip().startswith("# ")
            assert module in ON_THE_CONTROLLER or reason, f"{relative(path)}:{start + 1}: why does it loop?"


def test_no_task_goes_through_a_shell():
    tasks = [path for path in (ROOT / "roles").rglob("tasks/*.yml") if re.search(r"\bshell:", path.read_text())]
    assert [relative(path) for path in tasks] == []


# --- app servers -----------------------------------------------------------------------------------------------------

NEEDED = {
    "wsgi": {"packages", "command", "readiness", "reload", "workers", "threads"},
    "asgi": {"packages", "command", "readiness", "reload", "workers"},
}
WITH_A_DEFAULT = {"system_packages", "modules", "bind", "stop_signal", "websockets", "finishes", "recycles"}
# Whether a server closes its WebSockets itself is asked before the contract is made.
SERVERS = [
    pytest.param(role, path, id=f"{role}-{path.stem}")
    for role in STACK_ROLES
    for path in sorted((ROOT / "roles" / role / "vars").glob("*.yml"))
    if path.stem != "main"
]


def described(role):
    return read(ROOT / "roles" / role / "vars/main.yml")[f"__{role}_described"]


def contract(role, path):
    """What stands in a server's file, over what holds for all of its stack."""
    return {**described(role), **read(path)[f"__{role}_server"]}


def tokens(*texts):
    return set(release.TOKEN.findall(" ".join(texts)))


def known_tokens():
    """Those that a release fills in."""
    source = "".join(inspect.getsource(function) for function in (release.record, release._bind))
    return set(re.findall(r'"([A-Z_]+)":', source))


def in_each_class(value):
    """What a number or a dict is made to, with each class of gunicorn's workers."""
    if not isinstance(value, str):
        return [value]
    template = NativeEnvironment().from_string(value)
    return [template.render(wsgi_worker_class=name) for name in ("gthread", "sync")]


def is_signal(name):
    return f"SIG{name}" in signal.Signals.__members__


def test_there_are_servers_for_each_stack():
    assert {one.values[0] for one in SERVERS} == set(STACK_ROLES)


@pytest.mark.parametrize("role", STACK_ROLES)
def test_what_a_server_may_leave_out_has_a_default(role):
    assert set(described(role)) >= WITH_A_DEFAULT
    assert not set(described(role)) & NEEDED[role]


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_every_app_server_fills_in_its_part_of_the_contract_and_no_more(role, path):
    keys = set(read(path)[f"__{role}_server"])
    assert sorted(NEEDED[role] - keys) == []
    assert sorted(keys - NEEDED[role] - WITH_A_DEFAULT) == []


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_every_value_of_the_contract_is_one_that_the_roles_understand(role, path):
    one = contract(role, path)
    assert all(isinstance(word, str) for name in ("packages", "system_packages", "command") for word in one[name])
    assert one["packages"]
    assert one["readiness"] in ("notify", "probe")
    assert one["bind"] in ("socket", "port")
    assert is_signal(one["stop_signal"])
    assert all(isinstance(one[name], bool) for name in ("websockets", "finishes"))
    assert isinstance(one["recycles"], (bool, int))
    if isinstance(one["reload"], list):
        assert one["reload"][0].startswith(("/", "@VENV@/"))
    else:
        assert one["reload"] == "" or is_signal(one["reload"])


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_workers_are_counted_by_a_rule_that_can_be_kept(role, path):
    for workers in in_each_class(contract(role, path)["workers"]):
        assert {"per_core", "least"} <= set(workers) <= {"per_core", "least", "plus", "most"}
        assert all(isinstance(number, int) and number > 0 for number in workers.values())
        assert workers["least"] <= workers.get("most", workers["least"])
    assert all(
        isinstance(number, int) and number > 0 for number in in_each_class(contract(role, path).get("threads", 1))
    )


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_every_token_of_a_command_is_one_that_a_release_fills_in(role, path):
    one = contract(role, path)
    assert one["command"][0].startswith("@VENV@/bin/")
    assert tokens(*one["command"], *one["reload"]) <= known_tokens()


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_a_server_listens_where_nginx_asks_and_nowhere_else(role, path):
    one = contract(role, path)
    place, other = ("PORT", "SOCKET") if one["bind"] == "port" else ("SOCKET", "PORT")
    assert place in tokens(*one["command"])
    assert other not in tokens(*one["command"], *one["reload"])
    if one["bind"] == "port":
        assert "127.0.0.1" in " ".join(one["command"]), "everybody could ask it past nginx"


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_a_server_that_can_have_several_workers_or_threads_is_told_how_many(role, path):
    one = contract(role, path)
    told = tokens(*one["command"])
    assert "WORKERS" in told or one["workers"] == {**one["workers"], "most": 1}
    assert ("THREADS" in told) is (role == "wsgi")


@pytest.mark.parametrize(("role", "path"), SERVERS)
def test_a_server_that_can_replace_its_workers_is_told_when_and_no_other(role, path):
    one = contract(role, path)
    assert (f"{role}_max_requests" in " ".join(one["command"])) is bool(one["recycles"])


def test_every_token_of_a_template_is_one_that_a_release_fills_in():
    templates = [path for role in ("systemd", "nginx") for path in (ROOT / "roles" / role).rglob("*") if path.is_file()]
    found = {relative(path): tokens(path.read_text()) - known_tokens() for path in templates}
    assert {"RELEASE", "UPSTREAM", "RESTART_STEPS"} <= tokens(*(path.read_text() for path in templates))
    assert {name: unknown for name, unknown in found.items() if unknown} == {}


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
    allowed = (
        {"django"}
        if path.name in ("django_inspector.py", "django_reversal.py", "django_backup.py", "django_services.py")
        else set()
    )
    for name in imports(path):
        top = name.partition(".")[0]
        assert top in sys.stdlib_module_names or top in allowed or name.startswith(OWN), (
            f"{relative(path)} imports {name}"
        )


@pytest.mark.parametrize(
    "name", ["django_inspector.py", "django_reversal.py", "django_backup.py", "django_services.py"]
)
def test_what_travels_as_text_imports_nothing_of_the_collection(name):
    path = ROOT / "plugins/module_utils" / name
    assert not [one for one in imports(path) if one.startswith("ansible")]
    assert path.read_text().count("\nWANTED: dict = {}\n") == 1, "the line that is filled in on the way"


@pytest.mark.parametrize("path", MODULE_UTILS, ids=lambda path: path.name)
def test_what_runs_on_a_host_is_read_by_its_python(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip"]
    assert not names & {"pairwise", "freedesktop_os_release", "file_digest", "chdir"}, "Python 3.9 has none of them"
    assert not [one for call in calls for one in call.keywords if one.arg == "strict"], "nor zip(strict=)"


@pytest.mark.parametrize("action", sorted((ROOT / "plugins/action").glob("*.py")), ids=lambda path: path.stem)
def test_every_action_has_a_module_that_documents_it(action):
    assert (ROOT / "plugins/modules" / action.name).exists()


def test_every_module_starts_from_the_host_but_those_for_one_that_no_deploy_has_prepared():
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    own = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
    routed = read(ROOT / "meta/runtime.yml")["plugin_routing"]["modules"]
    assert all(how == {"action_plugin": "switchyard.django.host_call"} for how in routed.values())
    of_themselves = {"env_file", "health_probe", "release_info", "service_diagnosis_info"}
    first = {"host_files", "host_uv", "site_remove", "site_restore"}
    elsewhere = {"data_host", "haproxy_config", "haproxy_servers"}
    assert sorted([*own, *routed, *of_themselves, *first, *elsewhere]) == sorted(modules)


# --- the rest --------------------------------------------------------------------------------------------------------


def test_the_link_by_which_a_checkout_resolves_is_not_in_the_built_collection():
    galaxy = read(ROOT / "galaxy.yml")
    assert (ROOT / "collections/ansible_collections/switchyard/django").resolve() == ROOT
    assert "collections" in galaxy["build_ignore"]
    assert galaxy["dependencies"] == {}

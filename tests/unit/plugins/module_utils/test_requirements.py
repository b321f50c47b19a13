# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.requirements import (
    OVERRIDES,
    Requirements,
    RequirementsError,
    find,
    overridden,
    overrides_problems,
)
from hypothesis import given
from hypothesis import strategies as st


def look(sources, wanted=""):
    return find(wanted, frozenset(sources), sources.__getitem__)


def refusal(sources, wanted=""):
    with pytest.raises(RequirementsError) as caught:
        look(sources, wanted)
    return str(caught.value)


def test_requirements_txt_at_the_top_is_found():
    found = look({"requirements.txt": "django\n", "manage.py": ""})
    assert (found.kind, found.files) == ("requirements", {"requirements.txt": "django\n"})


def test_uv_lock_comes_before_requirements_txt():
    found = look({"requirements.txt": "django", "uv.lock": "lock", "pyproject.toml": "project"})
    assert (found.kind, found.files) == ("uv", {"uv.lock": "lock", "pyproject.toml": "project"})


def test_the_file_that_is_asked_for_wins():
    sources = {"uv.lock": "lock", "pyproject.toml": "project", "requirements/production.txt": "django"}
    assert look(sources, "requirements/production.txt").files == {"requirements/production.txt": "django"}


def test_a_lock_in_a_folder_goes_with_the_project_beside_it():
    sources = {"backend/uv.lock": "lock", "backend/pyproject.toml": "inner", "pyproject.toml": "outer"}
    assert look(sources, "backend/uv.lock").files == {"uv.lock": "lock", "pyproject.toml": "inner"}


def test_a_lock_without_its_project_is_refused():
    message = refusal({"uv.lock": "lock", "requirements.txt": "django"})
    assert "no pyproject.toml beside it" in message


def test_a_file_that_is_not_there_names_the_variable():
    assert "site_requirements 'prod.txt'" in refusal({"requirements.txt": ""}, "prod.txt")


def test_a_dependency_group_is_named_behind_a_colon():
    sources = {"pyproject.toml": "[dependency-groups]", "requirements.txt": "other"}
    found = look(sources, "pyproject.toml:main")
    assert (found.kind, found.files) == ("group:main", {"pyproject.toml": "[dependency-groups]"})


def test_only_a_pyproject_has_groups():
    assert "Leave :main out" in refusal({"requirements.txt": ""}, "requirements.txt:main")


PIPFILE_LOCK = """{
    "_meta": {"hash": {"sha256": "00"}},
    "default": {
        "uvicorn": {"extras": ["standard"], "hashes": ["sha256:aa", "sha256:bb"], "version": "==0.30.1"},
        "appnope": {"hashes": ["sha256:cc"], "markers": "sys_platform == 'darwin'", "version": "==0.1.4"}
    },
    "develop": {"pytest": {"hashes": ["sha256:dd"], "version": "==8.0"}}
}"""


def test_the_packages_of_a_pipfile_lock_keep_versions_and_hashes():
    found = look({"Pipfile.lock": PIPFILE_LOCK, "Pipfile": ""})
    assert found.kind == "requirements"
    assert found.files["requirements.txt"].splitlines() == [
        "appnope==0.1.4 ; sys_platform == 'darwin' --hash=sha256:cc",
        "uvicorn[standard]==0.30.1 --hash=sha256:aa --hash=sha256:bb",
    ]


def test_a_checkout_in_a_pipfile_lock_is_refused():
    lock = '{"default": {"shop": {"git": "https://git.example.org/shop.git", "ref": "main"}}}'
    assert "Pipfile.lock takes shop from a repository" in refusal({"Pipfile.lock": lock})


def test_overrides_go_along_and_are_part_of_the_name():
    plain = Requirements("requirements", {"requirements.txt": "gunicorn==25.0"})
    lifted = overridden(plain, ["gunicorn>=25.1"])
    assert next(iter(lifted.files)) == "requirements.txt"
    assert lifted.files[OVERRIDES] == "gunicorn>=25.1\n"
    assert lifted.digest([]) != plain.digest([])
    assert overridden(plain, []) == plain


@pytest.mark.parametrize("fit", ["gunicorn>=25.1", "uvicorn[standard] >= 0.30, <1", "django==5.2.*", "h11"])
def test_overrides_that_name_versions(fit):
    assert overrides_problems([fit]) == []


@pytest.mark.parametrize("unfit", ["", "-r other.txt", "x @ https://example.org/x.whl", "x>=1\n-e .", "x>=1,", 5, None])
def test_overrides_that_name_none(unfit):
    (problem,) = overrides_problems([unfit])
    assert problem.startswith("site_requirements_overrides has ")


def test_where_nothing_says_what_to_install_the_ways_out_are_named():
    message = refusal({"manage.py": ""})
    assert "requirements.txt" in message
    assert "site_requirements" in message
    assert "pyproject.toml:main" in refusal({"manage.py": "", "pyproject.toml": ""})


def test_files_that_might_be_meant_are_offered():
    message = refusal({"requirements/base.txt": "", "requirements/production.txt": "", "backend/uv.lock": ""})
    assert "backend/uv.lock, requirements/base.txt, requirements/production.txt" in message
    assert "site_requirements" in message


@pytest.mark.parametrize(
    "line",
    [
        "-r base.txt",
        "-rbase.txt",
        "--requirement base.txt",
        "--requirement=base.txt",
        "  -r   base.txt  # shared",
        "-c base.txt",
        "-cbase.txt",
        "--constraint base.txt",
        "--constraint=base.txt",
    ],
)
def test_every_way_to_include_a_file_is_followed(line):
    found = look({"requirements.txt": f"django\n{line}\n", "base.txt": "redis\n"})
    assert found.files == {"requirements.txt": f"django\n{line}\n", "base.txt": "redis\n"}


def test_includes_are_relative_to_the_file_that_includes_and_recursive():
    sources = {
        "requirements/live/all.txt": "-r ../base.txt\n-r ./more.txt\n",
        "requirements/live/more.txt": "",
        "requirements/base.txt": "-c ../constraints.txt\n",
        "constraints.txt": "django<6\n",
        "base.txt": "not this one",
    }
    found = look(sources, "requirements/live/all.txt")
    assert list(found.files) == [
        "requirements/live/all.txt",
        "requirements/base.txt",
        "constraints.txt",
        "requirements/live/more.txt",
    ]


def test_files_that_include_each_other_are_read_once():
    assert set(look({"requirements.txt": "-r b.txt", "b.txt": "-r requirements.txt"}).files) == {
        "requirements.txt",
        "b.txt",
    }


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt", "/etc/requirements.txt"])
def test_an_include_that_the_source_lacks_is_named_with_its_line(name):
    message = refusal({"requirements.txt": f"# all\ndjango\n-r {name}\n"})
    assert f"requirements.txt line 3 includes {name}" in message


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "-e ./libs/payments",
        "--editable=.",
        "./libs/payments",
        "../payments",
        ".",
        ".[dev]",
        "/home/me/payments",
        "file:///home/me/payments",
        "payments @ file:///home/me/payments",
        "payments @ file:libs/payments",
        "payments@./libs/payments",
        "payments[eu] @ /home/me/payments",
    ],
)
def test_a_local_path_is_refused_with_its_line(line):
    message = refusal({"requirements.txt": "-r base.txt\n", "base.txt": f"django\n{line}\n"})
    assert "base.txt line 2" in message
    assert line in message


@pytest.mark.parametrize(
    "line",
    [
        "django==5.2.1",
        "payments @ https://example.org/payments-1.0-py3-none-any.whl",
        "psycopg[binary]>=3.1 ; python_version >= '3.11'  # see @file: in the docs",
        "# -e ./libs/payments",
        "   ",
    ],
)
def test_other_lines_are_left_to_the_installer(line):
    assert look({"requirements.txt": f"{line}\n"}).files == {"requirements.txt": f"{line}\n"}


def test_the_digest_covers_files_and_servers_and_not_their_order():
    one = look({"requirements.txt": "django"})
    assert one.digest(["a", "b"]) == one.digest(["b", "a"])
    others = [
        one.digest(["a"]),
        look({"requirements.txt": "django "}).digest(["a", "b"]),
        look({"prod.txt": "django"}, "prod.txt").digest(["a", "b"]),
    ]
    assert len({one.digest(["a", "b"]), *others}) == 4


NAMES = st.sampled_from(["a.txt", "x/b.txt", "x/y/c.txt"])
REACH = st.sampled_from(["a.txt", "../a.txt", "../../a.txt", "b.txt", "x/b.txt", "../b.txt", "y/c.txt", "x/y/c.txt"])


@given(st.dictionaries(NAMES, st.lists(REACH, max_size=3), min_size=1))
def test_whatever_includes_whatever_the_search_ends_inside_the_source(graph):
    sources = {name: "".join(f"-r {other}\n" for other in others) for name, others in graph.items()}
    for name in sources:
        try:
            assert set(look(sources, name).files) <= set(sources)
        except RequirementsError as problem:
            assert "which is not in site_source" in str(problem)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("shop-core @ git+https://git.example.org/core.git@v1", "no hash"),
        ("git+ssh://git@git.example.org/core.git#egg=core", "no hash"),
        ("--index-url https://user:pass@pypi.example.org/simple", "release_build_environment"),
        ("--extra-index-url=https://pypi.example.org/simple", "release_build_environment"),
        ("-i https://pypi.example.org/simple", "release_build_environment"),
        ("--find-links wheels", "release_build_environment"),
        ("core @ https://ann:pass@files.example.org/core-1.0-py3-none-any.whl", "release_build_environment"),
        ("core @ https://pass@files.example.org/core-1.0-py3-none-any.whl", "release_build_environment"),
    ],
)
def test_what_a_lock_can_not_hold_is_refused_by_its_line(line: str, words: str) -> None:
    files = {"requirements.txt": f"django\n{line}\n"}
    with pytest.raises(RequirementsError, match="requirements.txt line 2") as refusal:
        find("", frozenset(files), files.__getitem__)
    assert words in str(refusal.value)
    assert "pass" not in str(refusal.value).replace("password", "")

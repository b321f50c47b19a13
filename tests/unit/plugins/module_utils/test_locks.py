# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import identity, locks, run_summary, sandbox
from ansible_collections.switchyard.django.plugins.module_utils.commands import Commands
from ansible_collections.switchyard.django.plugins.module_utils.layout import UV
from ansible_collections.switchyard.django.plugins.module_utils.locks import with_hashes_of
from hypothesis import given
from hypothesis import strategies as st

# What `uv pip compile --universal --generate-hashes --no-header --no-annotate` of uv 0.13.9 printed.
RESOLVED = """\
asgiref==3.8.1 \\
    --hash=sha256:3e1e3ecc849832fe52ccf2cb6686b7a55f82bb1d6aee72a58826471390335e47 \\
    --hash=sha256:c343bd80a0bec947a9860adb4c432ffa7db769836c64238fc34bdc3fec84d590
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:08695f5cb7ed6e0531a20572697297273c47b8cae5a63ffc6d6ed5c201be6e44 \\
    --hash=sha256:4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6
django==5.2.1 ; python_full_version < '4' \\
    --hash=sha256:57fe1f1b59462caed092c80b3dd324fd92161b620d59a9ba9181c34746c97284 \\
    --hash=sha256:a9b680e84f9a0e71da83e399f1e922e1ab37b2173ced046b541c72e1589a5961
sqlparse==0.6.1 ; python_full_version < '4' \\
    --hash=sha256:3be5a72d04c873d690d7c6dedd33d6fae2ef82759881ceec02fc2efd0cba564f
"""
OWN = f"sha256:{'0' * 64}"
OTHER = f"sha256:{'1' * 64}"


def block(lock, name):
    found = re.search(rf"^{re.escape(name)}[^\n]*\n(?: +--hash=[^\n]*\n)*", lock, re.MULTILINE)
    assert found, f"{name} is not in the lock"
    return found.group(0)


def hashes(text):
    return re.findall(r"--hash=(\S+)", text)


def test_without_hashes_of_the_project_the_resolution_stays_as_it_is():
    assert with_hashes_of("Django==5.2.1\nasgiref>=3.8\n", RESOLVED) == RESOLVED


@pytest.mark.parametrize(
    "pinned",
    [
        f"django==5.2.1 --hash={OWN}",
        f"django==5.2.1 \\\n    --hash={OWN}\n    # via -r requirements.in",
        f"Django==5.2.1 \\\n--hash={OWN}",
        f"django==5.2.1 \\\r\n    --hash={OWN}\r",
        f"django[argon2]==5.2.1 \\\n    --hash={OWN}",
        f"django == 5.2.1 --hash={OWN}",
        f'django==5.2.1 ; python_version >= "3.11" and python_version < "4.0" \\\n    --hash={OWN}',
        f'django==5.2.1; sys_platform == "linux" --hash={OWN}',
    ],
    ids=["one line", "pip-compile", "capital", "Windows", "extra", "spaces", "poetry", "marker on one line"],
)
def test_the_projects_hashes_win_however_they_are_written(pinned):
    lock = with_hashes_of(f"# requirements\n{pinned}\nsqlparse==0.6.1\n", RESOLVED)
    assert hashes(block(lock, "django")) == [OWN]


def test_the_marker_stays_the_resolutions():
    lock = with_hashes_of(f'django==5.2.1 ; python_version < "4.0" \\\n    --hash={OWN}\n', RESOLVED)
    assert block(lock, "django") == f"django==5.2.1 ; python_full_version < '4' \\\n    --hash={OWN}\n"


def test_all_hashes_of_the_project_are_kept_in_order():
    lock = with_hashes_of(f"asgiref==3.8.1 \\\n    --hash={OWN} \\\n    --hash={OTHER}\n", RESOLVED)
    assert hashes(block(lock, "asgiref")) == [OWN, OTHER]


def test_only_what_the_project_pins_changes():
    lock = with_hashes_of(f"django==5.2.1 --hash={OWN}\n", RESOLVED)
    for name in ("asgiref", "colorama", "sqlparse"):
        assert block(lock, name) == block(RESOLVED, name)


def test_hashes_of_another_version_are_not_taken():
    assert with_hashes_of(f"django==5.2.10 --hash={OWN}\nasgiref==3.8 --hash={OWN}\n", RESOLVED) == RESOLVED


@pytest.mark.parametrize("spelling", ["Typing_Extensions", "typing.extensions", "TYPING--EXTENSIONS"])
def test_names_are_compared_as_the_index_does(spelling):
    resolved = f"typing-extensions==4.16.0 \\\n    --hash={OTHER}\n"
    assert hashes(with_hashes_of(f"{spelling}==4.16.0 --hash={OWN}\n", resolved)) == [OWN]


def test_versions_that_a_marker_tells_apart_keep_their_own_hashes():
    resolved = (
        "numpy==2.0.2 ; python_full_version < '3.10' \\\n    --hash=sha256:aa\n"
        "numpy==2.3.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:bb\n"
    )
    given_ = (
        f"numpy==2.0.2 ; python_version < '3.10' --hash={OWN}\nnumpy==2.3.0 ; python_version >= '3.10' --hash={OTHER}\n"
    )
    assert hashes(with_hashes_of(given_, resolved)) == [OWN, OTHER]


def test_a_package_of_a_url_keeps_its_place():
    resolved = "payments @ https://example.org/payments-1.0-py3-none-any.whl \\\n    --hash=sha256:aa\n"
    assert with_hashes_of("payments @ https://example.org/payments-1.0-py3-none-any.whl\n", resolved) == resolved


def test_options_and_comments_are_no_packages():
    resolved = "--index-url https://pypi.example.org/simple\n# made by hand\n\n" + RESOLVED
    assert with_hashes_of(f"--require-hashes\n-r base.txt\n# django==5.2.1 --hash={OWN}\n", resolved) == RESOLVED


PINS = st.dictionaries(
    st.sampled_from(["asgiref", "colorama", "django", "sqlparse", "redis"]),
    st.tuples(st.sampled_from(["3.8.1", "0.4.6", "5.2.1", "0.6.1", "9"]), st.lists(st.integers(0, 9), unique=True)),
)


@given(PINS)
def test_the_lock_has_every_package_once_and_each_with_hashes(pins):
    text = "".join(
        f"{name}=={version}" + "".join(f" --hash=sha256:{number}" for number in numbers) + "\n"
        for name, (version, numbers) in pins.items()
    )
    lock = with_hashes_of(text, RESOLVED)
    heads = [line.removesuffix(" \\") for line in lock.splitlines() if not line.startswith(" ")]
    assert heads == [line.removesuffix(" \\") for line in RESOLVED.splitlines() if not line.startswith(" ")]
    for name in ("asgiref", "colorama", "django", "sqlparse"):
        assert hashes(block(lock, name))


def test_a_lock_with_the_projects_hashes_stays_what_it_is():
    once = with_hashes_of(f"django==5.2.1 --hash={OWN}\n", RESOLVED)
    assert with_hashes_of(once, once) == once
    assert with_hashes_of("", once) == once


def test_the_name_of_a_venv_covers_lock_and_python():
    names = {identity.venv("a" * 16, "3.11"), identity.venv("a" * 16, "3.13"), identity.venv("b" * 16, "3.11")}
    assert len(names) == 3


# --- uv -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def uv(layout, monkeypatch):
    """A uv that says what it is told to, and remembers how it was called."""
    calls = []
    answers = []

    def run(layout, purpose, argv, **how):
        argv = [str(part) for part in argv]
        files = {path.name: path.read_text() for path in how["cwd"].rglob("*") if path.is_file()}
        calls.append({"argv": argv, "files": files, **how})
        return answers.pop(0) if answers else sandbox.Result(0, "", "")

    monkeypatch.setattr(sandbox, "run", run)
    monkeypatch.setattr(locks.ownership, "take", lambda tree, user: None)
    run.calls, run.answers = calls, answers
    return run


def test_requirements_and_servers_are_resolved_together(layout, uv):
    uv.answers.append(sandbox.Result(0, RESOLVED, ""))
    text = locks.make(
        layout,
        "requirements",
        {"requirements/live.txt": "-r base.txt\n", "requirements/base.txt": f"django==5.2.1 --hash={OWN}\n"},
        ["gunicorn>=25.1"],
        {"UV_INDEX_URL": "https://pypi.example.org/simple"},
    )
    (call,) = uv.calls
    assert call["argv"][0] == str(UV / "bin/uv")
    assert call["argv"][-2:] == ["requirements/live.txt", "switchyard-servers.in"]
    assert call["files"]["base.txt"] == f"django==5.2.1 --hash={OWN}\n"
    assert call["files"]["switchyard-servers.in"] == "gunicorn>=25.1\n"
    assert call["environment"]["UV_INDEX_URL"] == "https://pypi.example.org/simple"
    assert hashes(block(text, "django")) == [OWN]


def test_a_lock_of_uv_is_exported_and_its_hashes_kept(layout, uv):
    exported = f"django==5.2.1 \\\n    --hash={OWN}\n"
    uv.answers += [sandbox.Result(0, exported, ""), sandbox.Result(0, RESOLVED, "")]
    text = locks.make(layout, "uv", {"uv.lock": "lock", "pyproject.toml": "project"}, ["gunicorn"], {})
    export, compilation = uv.calls
    assert "--frozen" in export["argv"]
    assert compilation["files"]["switchyard-project.txt"] == exported
    assert hashes(block(text, "django")) == [OWN]


def test_a_dependency_group_and_overrides_are_uvs_to_read(layout, uv):
    uv.answers.append(sandbox.Result(0, RESOLVED, ""))
    files = {"pyproject.toml": "[dependency-groups]", "switchyard-overrides.in": "gunicorn>=25.1\n"}
    locks.make(layout, "group:main", files, ["gunicorn>=25.1"], {})
    (call,) = uv.calls
    assert call["argv"][-5:] == [
        *("--group", "pyproject.toml:main", "--override", "switchyard-overrides.in"),
        "switchyard-servers.in",
    ]
    assert call["files"]["switchyard-overrides.in"] == "gunicorn>=25.1\n"


def test_where_a_server_is_the_reason_the_way_out_is_named():
    packages = ["gunicorn>=25.1", "uvicorn[standard]>=0.30", "uvicorn-worker>=0.3"]
    said = "Because you require gunicorn>=25.1 and gunicorn==25.0.3, your requirements are unsatisfiable."
    assert locks.way_out(said, packages).endswith("site_requirements_overrides: [gunicorn>=25.1]")
    assert locks.way_out("Because uvicorn-worker was not found", packages).endswith("[uvicorn-worker>=0.3]")
    assert locks.way_out("Because there is no version of django-gunicorn", packages) == ""


def test_what_uv_says_is_the_reason(layout, uv):
    said = "Resolving...\n  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of x"
    uv.answers.append(sandbox.Result(1, "", said))
    with pytest.raises(locks.LockError, match="^Because there is no version of x$"):
        locks.make(layout, "requirements", {"requirements.txt": "x"}, [], {})


def test_what_uv_says_is_shown_without_secrets_and_with_the_way_out(layout, uv):
    said = "error: could not query https://deploy:s3cr3t-9@pypi.example.org/simple: 401 Unauthorized for s3cr3t-9"
    uv.answers.append(sandbox.Result(2, "", said))
    with pytest.raises(locks.LockError, match="release_build_environment gives them") as caught:
        locks.make(layout, "requirements", {"requirements.txt": "x"}, [], {"UV_INDEX_TEAM_PASSWORD": "s3cr3t-9"})
    assert "s3cr3t" not in str(caught.value)


def test_a_repository_in_a_lock_of_uv_is_refused(layout, uv):
    line = "core @ git+https://git.example.org/core@0123456789012345678901234567890123456789"
    uv.answers.append(sandbox.Result(0, f"django==5.2.1 --hash={OWN}\n{line}\n", ""))
    with pytest.raises(locks.LockError, match="uv.lock names a repository, .*core @ git"):
        locks.make(layout, "uv", {"uv.lock": "lock", "pyproject.toml": "project"}, [], {})


def test_a_silent_failure_has_a_reason_too(layout, uv):
    uv.answers.append(sandbox.Result(137, "", ""))
    with pytest.raises(locks.LockError, match="137"):
        locks.make(layout, "requirements", {"requirements.txt": "x"}, [], {})


# --- a host whose Python is too old ----------------------------------------------------------------------------------

# What uv 0.13.9 said on Debian 12 of what `pip freeze` wrote elsewhere.
TOO_OLD = """\
error: No solution found when resolving dependencies for split (markers: python_full_version == '3.11.*')
  cause: Because the requested Python version (>=3.11) does not satisfy Python>=3.12 and django==6.1.3 depends on \
Python>=3.12, we can conclude that django==6.1.3 cannot be used.
         And because you require django==6.1.3, we can conclude that your requirements are unsatisfiable.

hint: The `requires-python` value (>=3.11) includes Python versions that are not supported by your dependencies (e.g., \
django==6.1.3 only supports >=3.12). Consider using a more restrictive `requires-python` value (like >=3.12).
"""


@pytest.fixture
def refused(layout, uv, monkeypatch):
    """Why nothing can be resolved, on a host with this Python, where uv says this at first and then answers so."""

    def refused(python, said, *answers):
        monkeypatch.setattr(locks.sys, "version_info", (*python, 2))
        uv.answers += [sandbox.Result(1, "", said), *answers]
        with pytest.raises(locks.LockError) as caught:
            locks.make(layout, "requirements", {"requirements.txt": "django==6.1.3"}, [], {})
        return str(caught.value)

    return refused


def test_a_package_that_the_hosts_python_is_too_old_for_is_said_with_both_ways_out(refused, uv):
    said = refused((3, 11), TOO_OLD, sandbox.Result(0, "asgiref==3.8.1\ndjango==5.2.19\n", ""))
    assert uv.calls[-1]["files"]["switchyard-latest.in"] == "django\n"
    way, reason = said.split("\n", 1)
    assert way == (
        "The host has Python 3.11, and django==6.1.3 needs 3.12 or later: pin django==5.2.19, the latest that runs "
        "there, or take Debian 13, which has Python 3.13."
    )
    assert reason.startswith("Because the requested Python version (>=3.11) does not satisfy")
    assert reason.endswith("your requirements are unsatisfiable.")


def test_the_summary_shows_both_ways_out_whole(refused):
    said = refused((3, 11), TOO_OLD, sandbox.Result(0, "django==5.2.19\n", ""))
    failure = run_summary.Failure("web1.example.org", "x", locks.refusal(said, ["gunicorn>=25.1"]))
    hosts = {"web1.example.org": {}, "web2.example.org": {}}
    lines = run_summary.failed(run_summary.Run("shop", "deploy", "", hosts, Commands("shop", [], "/")), [failure])
    shown = " ".join(line.strip() for line in lines[: run_summary.CAUSE])
    assert shown.endswith("or take Debian 13, which has Python 3.13.")


def test_a_package_without_a_version_for_the_hosts_python_has_none_to_pin(refused):
    said = refused((3, 11), "Because all versions of fresh require Python >=3.13", sandbox.Result(1, "", "no"))
    assert said.startswith("The host has Python 3.11, and fresh needs 3.13 or later: do without fresh, or take Debian")


def test_no_other_debian_is_named_that_would_not_do(refused):
    for python in ((3, 11), (3, 13)):
        said = refused(python, "Because web==7 requires Python >=3.14", sandbox.Result(0, "web==5\n", ""))
        assert "Debian" not in said
        assert ": pin web==5, the latest that runs there.\n" in said


def test_what_the_hosts_python_is_new_enough_for_is_no_matter_of_it(refused, uv):
    assert refused((3, 13), TOO_OLD).startswith("Because ")
    assert len(uv.calls) == 1


@pytest.fixture
def index(tmp_path):
    """An index with two versions of a package, of which the newer one needs the Python after this one."""
    folder = tmp_path / "simple" / "web"
    folder.mkdir(parents=True)
    links = []
    for version, minor in (("5.2", sys.version_info[1]), ("6.1", sys.version_info[1] + 1)):
        about, wheel = f"web-{version}.dist-info", f"web-{version}-py3-none-any.whl"
        metadata = f"Metadata-Version: 2.1\nName: web\nVersion: {version}\nRequires-Python: >=3.{minor}\n"
        files = {
            f"{about}/METADATA": metadata,
            f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        with zipfile.ZipFile(folder / wheel, "w") as packed:
            for path, text in files.items():
                packed.writestr(path, text)
            packed.writestr(f"{about}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"]))
        links.append(f'<a href="{wheel}" data-requires-python="&gt;=3.{minor}">{wheel}</a>')
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>")
    return {"UV_OFFLINE": "1", "UV_DEFAULT_INDEX": folder.parent.as_uri()}


@pytest.mark.parametrize("wanted", ["web==6.1", "web>=6"])
def test_uv_itself_says_so_of_an_index(layout, index, monkeypatch, wanted):
    def run(layout, purpose, argv, *, cwd, environment, **how):
        words = [sys.executable if str(word) == locks.PYTHON else str(word) for word in argv[1:]]
        done = subprocess.run(
            [Path(sys.executable).with_name("uv"), *words],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return sandbox.Result(done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(sandbox, "run", run)
    monkeypatch.setattr(locks.ownership, "take", lambda tree, user: None)
    with pytest.raises(locks.LockError) as caught:
        locks.make(layout, "requirements", {"requirements.txt": wanted}, ["web>=5"], index)
    here = sys.version_info[1]
    way, reason = str(caught.value).split("\n", 1)
    assert re.match(rf"The host has Python 3\.{here}, and web[>=6.1,<]+ needs 3\.{here + 1} or later: ", way)
    assert ": pin web==5.2, the latest that runs there" in way
    assert reason.startswith("Because ")
    assert "requires-python" not in reason

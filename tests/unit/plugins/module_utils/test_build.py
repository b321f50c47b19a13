# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    build,
    build_clues,
    build_variables,
    disk,
    release,
    sandbox,
)

ID = "0123456789ab"
SOUND = {
    "site_packages": [],
    "release_build_commands": [],
    "release_build_timeout": 1800,
    "release_build_environment": {},
}


# --- on the controller -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"site_packages": ["libpq5", "g++", "libgdal32", "python3.11-dev"]},
        {"release_build_commands": ["npm ci", "NODE_ENV=production npm run build", "sh -c 'a && b > c'"]},
        {"release_build_timeout": "60"},
        {"release_build_environment": {"UV_INDEX": "https://pypi.example.org/simple", "EMPTY": ""}},
    ],
)
def test_what_a_build_may_need_is_taken(variables):
    assert build_variables.problems({**SOUND, **variables}) == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"site_packages": "libpq5"}, "site_packages must be a list"),
        ({"site_packages": ["libpq5=15.1"]}, "site_packages has 'libpq5=15.1'"),
        ({"site_packages": ["--purge"]}, "site_packages has '--purge'"),
        ({"site_packages": ["a\n"]}, r"site_packages has 'a\n'"),
        ({"site_packages": [5]}, "site_packages has 5"),
        ({"release_build_commands": "npm ci"}, "release_build_commands must be a list"),
        ({"release_build_commands": [["npm", "ci"]]}, "which is no line of text"),
        ({"release_build_commands": ["npm ci\nnpm run build"]}, "which is no line of text"),
        ({"release_build_commands": ["echo 'one"]}, "No closing quotation. Close the quotes"),
        ({"release_build_commands": ["A=b"]}, "names no command"),
        ({"release_build_commands": ["  "]}, "names no command"),
        ({"release_build_commands": ["npm ci && npm run build"]}, "write sh -c 'npm ci && npm run build'"),
        ({"release_build_commands": ["make > log"]}, "to which alone > means something"),
        ({"release_build_commands": ["curl https://ann:hunter2@h/x"]}, "a URL with a password"),
        ({"release_build_timeout": 0}, "release_build_timeout 0"),
        ({"release_build_timeout": "soon"}, "release_build_timeout 'soon'"),
        ({"release_build_timeout": True}, "release_build_timeout True"),
        ({"release_build_environment": ["A=b"]}, "release_build_environment must be a dictionary"),
        ({"release_build_environment": {"CI": True}}, "release_build_environment.CI is no text"),
        ({"release_build_environment": {"A B": "hunter2"}}, "release_build_environment: "),
        ({"release_build_environment": {"TOKEN": "hunter2\0"}}, "release_build_environment: "),
    ],
)
def test_what_can_not_be_is_said_with_its_variable_and_without_a_secret(variables, said):
    (problem,) = build_variables.problems({**SOUND, **variables})
    assert said in problem
    assert "hunter2" not in problem


def test_all_is_said_at_once():
    assert (
        len(
            build_variables.problems(
                {**SOUND, "site_packages": "x", "release_build_commands": ["'"], "release_build_timeout": 0}
            )
        )
        == 3
    )


# --- the words of a command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("npm ci", ["npm", "ci"]),
        ("manage.py compilemessages -l de", ["/v/python", "/c/manage.py", "compilemessages", "-l", "de"]),
        ("DEBUG=1 manage.py check", ["DEBUG=1", "/v/python", "/c/manage.py", "check"]),
        ("python manage.py check", ["python", "manage.py", "check"]),
        ("sh -c 'echo \"$HOME\" | cat'", ["sh", "-c", 'echo "$HOME" | cat']),
    ],
)
def test_a_line_becomes_words_without_a_shell(command, words):
    assert build.words(command, Path("/v/python"), Path("/c/manage.py")) == words


# --- on the host -----------------------------------------------------------------------------------------------------


@pytest.fixture
def wanted(layout):
    disk.write(layout.environment("e1"), b"DB_PASSWORD=hunter2hunter2\n")
    names = ("domains", "modules", "files")
    return release.Wanted(
        **dict.fromkeys(names, []),
        release=ID,
        root="backend",
        entry_point="shop.wsgi",
        settings_module="shop.settings",
        overrides={},
        environment="e1",
        venv="v1",
        health_path="/",
        hosts=1,
        serving={"sandbox": {"x": 1}},
        size={},
        manifest={"commit": "c0ffee"},
    )


@pytest.fixture
def ran(monkeypatch):
    """What ran in the sandbox; who had the code then; and how the next one ends."""

    class Ran:
        calls: list = []
        owners: list = []
        result = sandbox.Result(0, "", "")

    ran = Ran()
    ran.calls, ran.owners = [], []
    monkeypatch.setattr(build.ownership, "give", lambda tree, user: ran.owners.append(("give", tree.name)))
    monkeypatch.setattr(build.ownership, "take", lambda tree, group: ran.owners.append(("take", tree.name)))

    def run(layout, purpose, argv, **how):
        ran.calls.append(([str(word) for word in argv], how))
        ran.owners.append(("run", argv[2]))
        return ran.result

    monkeypatch.setattr(build.sandbox, "run", run)
    return ran


def test_the_commands_run_one_after_the_other_while_the_code_is_the_sites(layout, wanted, ran):
    build.run(layout, wanted, ["npm ci", "npx vite build"], {}, 60)
    assert ran.owners == [("give", "code"), ("run", "npm"), ("run", "npx"), ("take", "code")]


def test_a_command_runs_as_the_release_does(layout, wanted, ran):
    build.run(layout, wanted, ["manage.py compilemessages"], {"NPM_TOKEN": "t", "HOME": "/elsewhere"}, 60)
    (argv, how) = ran.calls[0]
    code = layout.code(ID)
    manage = ["/usr/bin/env", "--", str(layout.venv("v1") / "bin/python"), str(code / "backend/manage.py")]
    assert argv == [*manage, "compilemessages"]
    assert how["cwd"] == code / "backend"
    assert how["writable"] == [code, layout.build_cache]
    assert how["environment_file"] == layout.environment("e1")
    assert (how["loosened"], how["limit"]) == ({"x": 1}, 60)
    told = how["environment"]
    assert told["PATH"].startswith(f"{layout.venv('v1')}/bin:/usr/local/sbin:")
    assert told["DJANGO_SETTINGS_MODULE"] == "shop.settings"
    assert told["npm_config_cache"].startswith(str(layout.build_cache))
    assert (told["NPM_TOKEN"], told["HOME"]) == ("t", "/elsewhere"), "what the user says counts"


def test_a_failure_ends_the_build_and_says_how_without_a_secret(layout, wanted, ran):
    lines = "".join(f"line {number}\n" for number in range(100))
    ran.result = sandbox.Result(3, f"{lines}at https://u:sEcr3t-pw@h/ with hunter2hunter2 and npm-secret-1\n", "")
    with pytest.raises(release.ReleaseError) as caught:
        build.run(layout, wanted, ["npm ci", "npm run build"], {"NPM_TOKEN": "npm-secret-1"}, 60)
    message = str(caught.value)
    assert message.startswith(
        "release_build_commands: npm ci ended with 3; nothing that is live was touched. It said last:"
    )
    assert not [secret for secret in ("hunter2", "sEcr3t", "npm-secret") if secret in message]
    assert "line 99" in message
    assert "line 60\n" not in message
    assert ran.owners == [("give", "code"), ("run", "npm"), ("take", "code")]


def test_what_was_stopped_is_said_with_the_variable(layout, wanted, ran, monkeypatch):
    times = iter([10.0, 71.0])
    monkeypatch.setattr(build.time, "monotonic", lambda: next(times))
    ran.result = sandbox.Result(1, "", "")
    with pytest.raises(
        release.ReleaseError, match="npm ci took longer than release_build_timeout, 60 s, and was stopped"
    ):
        build.run(layout, wanted, ["npm ci"], {}, 60)


# --- the way out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "way"),
    [
        (
            "/usr/bin/env: \u2018npm\u2019: No such file or directory",
            "There is no command npm: add npm to site_packages",
        ),
        ("/usr/bin/env: 'node': No such file or directory", "add nodejs to site_packages"),
        ("sh: 1: vite: not found", "There is no command vite: add the Debian package that has it to site_packages, or"),
        ("bash: line 1: make: command not found", "add make to site_packages"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'git'", "add git to site_packages"),
        ("CommandError: Can't find msgfmt. Make sure you have GNU gettext tools 0.15 or newer", "add gettext to"),
        ("Error: pg_config executable not found.", "add libpq-dev, gcc and python3-dev to site_packages"),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "add gcc and python3-dev to"),
        ("Git executable not found. Ensure that Git is installed", "add git to site_packages"),
        ("received 401 Unauthorized from the server", "release_build_environment gives them"),
        (
            "due to a lack of valid authentication credentials (401 Unauthorized)",
            "release_build_environment gives them",
        ),
        ("npm ERR! code E401", "release_build_environment gives them"),
        ("OSError: [Errno 30] Read-only file system: '/etc/made'", "and nowhere else"),
        ("cat: notes.txt: No such file or directory", ""),
        ("AssertionError", ""),
    ],
)
def test_a_failure_shows_the_way_out(said, way):
    found = build_clues.way_out(f"before\n{said}\nafter")
    assert way in found
    assert bool(found) == bool(way)

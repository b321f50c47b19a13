# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.modules import env_file

CANARY = "Tweety-8f3k"
SECRET = f"{CANARY}-of_which_there_are_enough_characters_0123456789"
VARIABLES = {"SECRET_KEY": SECRET, "DEBUG": "0", "ALLOWED_HOSTS": "example.org", "PORT": 1, "A": "a"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "site.env"


@pytest.fixture
def run(path, capsys, monkeypatch):
    logged = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, message, log_args=None: logged.append(message))

    def run_module(check=False, diff=True, **options):
        # Warnings are collected for the process: each run is one of its own on a real host.
        monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {})
        arguments = {"path": str(path), "owner": str(os.getuid()), "group": str(os.getgid()), **options}
        arguments.update(_ansible_check_mode=check, _ansible_diff=diff)
        with patch_module_args(arguments), pytest.raises(SystemExit):
            env_file.main()
        output = capsys.readouterr().out
        assert CANARY not in output
        assert not any(CANARY in message for message in logged)
        return json.loads(output)

    return run_module


def write(run, variables=None, **options):
    return run(state="present", variables=VARIABLES if variables is None else variables, **options)


def codes(result):
    return [finding["code"] for finding in result["findings"]]


def test_writes_and_then_has_nothing_to_do(run, path):
    result = write(run, domains=["example.org"], required=["SECRET_KEY"])
    assert (result["changed"], result["findings"]) == (True, [])
    assert result["names"] == ["A", "ALLOWED_HOSTS", "DEBUG", "PORT", "SECRET_KEY"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET in path.read_text()
    written = path.stat()
    assert write(run)["changed"] is False
    assert path.stat().st_ino == written.st_ino
    assert run(state="validated")["names"] == result["names"]


def test_the_diff_names_variables_and_shows_no_value(run, path):
    write(run, {"A": "1", "B": "2", "C": "3"}, mode="0640")
    diff = write(run, {"A": "1", "B": CANARY, "D": "4"})["diff"]
    owner = f"# owner {os.getuid()}, group {os.getgid()}, mode"
    assert diff["before"].splitlines() == [f"{owner} 0640", "A=(hidden)", "B=(hidden)", "C=(hidden)"]
    assert diff["after"].splitlines() == [f"{owner} 0600", "A=(hidden)", "B=(hidden, changed)", "D=(hidden)"]


def test_there_is_no_diff_unless_asked_for(run):
    assert "diff" not in write(run, diff=False)


def test_the_diff_tells_that_the_form_alone_changes(run, path):
    path.write_text("A = b\n")
    path.chmod(0o600)
    result = write(run, {"A": "b"})
    assert result["changed"] is True
    assert result["diff"]["after"].splitlines()[-1] == "# the same variables, written in another form"


def test_the_diff_does_not_trust_the_names_in_a_broken_file(run, path):
    path.write_text(f"A=1\nPEM=-----BEGIN\nMIIEow/abc\n{CANARY.replace('-', '')}=\n")
    path.chmod(0o600)
    result = write(run, {"A": "2"})
    assert CANARY.replace("-", "") not in json.dumps(result)
    assert "A=(hidden, changed)" in result["diff"]["after"]


def test_check_mode_writes_nothing_and_foretells_the_same(run, path):
    foretold = write(run, check=True)
    assert (foretold["changed"], path.exists()) == (True, False)
    assert foretold["diff"] == write(run)["diff"]
    assert write(run, check=True)["changed"] is False


def test_check_mode_on_a_bare_host(run, path):
    elsewhere = str(path.parent / "folder" / "site.env")
    options = {"path": elsewhere, "owner": "no-such-user", "group": "no-such-group"}
    foretold = write(run, check=True, **options)
    assert foretold["changed"] is True
    assert {finding["level"] for finding in foretold["findings"]} == {"warning"}
    assert codes(run(check=True, path=str(path))) == ["missing"]
    assert codes(write(run, **options)) == ["unknown-owner", "unknown-group", "folder-missing"]


@pytest.mark.parametrize("change", [{"mode": "0640"}, {"variables": {**VARIABLES, "PORT": 2}}])
def test_mends_what_differs(run, path, change):
    write(run)
    assert run(state="present", **{"variables": VARIABLES, **change})["changed"] is True
    assert run(state="present", **{"variables": VARIABLES, **change})["changed"] is False


def test_mends_the_mode_of_a_file_with_the_right_content(run, path):
    write(run)
    path.chmod(0o644)
    assert write(run)["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o600


BAD = [
    ({"DEBUG": "1"}, ["debug-on"]),
    ({"DEBUG": True}, ["boolean"]),
    ({"A": None}, ["null"]),
    ({"A": [CANARY]}, ["not-a-string"]),
    ({"A": {"b": {"c": CANARY}}}, ["not-a-string"]),
    ({"A-B": CANARY}, ["invalid-name"]),
    ({"A": f"{CANARY}\0"}, ["nul-byte"]),
    ({"A": f"{CANARY}\ufdd0"}, ["invalid-utf8"]),
    ({"SECRET_KEY": "changeme"}, ["placeholder-secret"]),
    ({"SECRET_KEY": CANARY}, ["weak-secret"]),
    ({"SECRET_KEY": f"django-insecure-{SECRET}"}, ["weak-secret"]),
    ({"SECRET_KEY": ""}, ["empty-secret"]),
    ({"ALLOWED_HOSTS": f"{CANARY}.example"}, ["host-not-allowed", "host-not-allowed"]),
    ({"ALLOWED_HOSTS": "example.org:443,www.example.org"}, ["not-a-host", "host-not-allowed"]),
    ({"CSRF_TRUSTED_ORIGINS": CANARY}, ["origin-without-scheme"]),
    ({"DJANGO_SETTINGS_MODULE": f"{CANARY}/settings.py"}, ["not-a-module"]),
    ({"DATABASE_URL": f"postgres://{CANARY}:changeme@localhost/site"}, ["placeholder-secret"]),
    ({"DEBUG": "on", "SECRET_KEY": "secret", "A": False}, ["boolean", "debug-on", "placeholder-secret"]),
]


@pytest.mark.parametrize(("variables", "expected"), BAD)
def test_nothing_bad_lands_on_the_disk(run, path, variables, expected):
    result = write(run, variables, domains=["example.org", "www.example.org"])
    assert result["failed"] is True
    assert codes(result) == expected
    errors = [finding for finding in result["findings"] if finding["level"] == "error"]
    assert [line.split(":")[0] for line in result["msg"].splitlines()] == [finding["key"] for finding in errors]
    assert not path.exists()


def test_a_refused_variable_is_not_called_missing_as_well(run):
    assert codes(write(run, {"A": True}, required=["A", "B"])) == ["boolean", "required-missing"]


def test_judges_the_file_that_is_there(run, path):
    path.write_text(f"export SECRET_KEY={CANARY}\nDEBUG=True # for {CANARY}\nALLOWED_HOSTS = example.com\n")
    path.chmod(0o644)
    result = run(domains=["example.org"], required=["SECRET_KEY"])
    assert sorted((each["code"], each["key"], each["line"]) for each in result["findings"] if each["key"]) == [
        ("debug-unclear", "DEBUG", 2),
        ("export", "SECRET_KEY", 1),
        ("host-not-allowed", "ALLOWED_HOSTS", 3),
        ("inline-comment", "DEBUG", 2),
        ("required-missing", "SECRET_KEY", None),
        ("spaces-around-equals", "ALLOWED_HOSTS", 3),
    ]
    assert result["msg"].splitlines()[0].startswith(f"{path}: the mode is 0644")
    assert "ALLOWED_HOSTS (line 3): example.org is not covered" in result["msg"]
    assert "names" not in result
    assert any(
        "inline" in warning or "no comment behind a value" in warning for warning in map(str, result["warnings"])
    )


def test_warnings_alone_do_not_fail(run, path):
    path.write_text("A=1\nA=2\n")
    path.chmod(0o600)
    result = run()
    assert (result["changed"], codes(result)) == (False, ["duplicate-key"])
    assert len(result["warnings"]) == 1


def test_without_preset_django_is_not_judged(run, path):
    assert write(run, {"DEBUG": "1", "SECRET_KEY": "secret"}, preset="none")["findings"] == []
    assert run(preset="none")["findings"] == []
    assert codes(run()) == ["debug-on", "placeholder-secret"]


def test_a_schema_judges_what_is_written_and_what_is_there(run, path):
    schema = [
        {"name": "PORT", "type": "port", "required": True},
        {"name": "KIND", "type": "choice", "allowed": ["one", "two"]},
        {"name": "TOKEN", "type": "secret", "min_length": 20},
        {"name": "SITE_NAME", "pattern": "[a-z]+", "forbidden": ["admin"], "min_length": 3},
    ]
    bad = {"PORT": 70_000, "KIND": CANARY, "TOKEN": CANARY, "SITE_NAME": "admin", "SITE_NMAE": CANARY}
    expected = ["not-a-port", "not-allowed", "weak-secret", "forbidden", "unknown-name"]
    assert codes(write(run, bad, schema=schema, preset="none")) == expected
    assert not path.exists()
    write(run, bad, preset="none")
    assert codes(run(schema=schema, preset="none")) == expected
    good = {"PORT": 80, "KIND": "one", "TOKEN": f"{CANARY}-is-long-enough", "SITE_NAME": "cargo"}
    assert write(run, good, schema=schema)["findings"] == []
    assert codes(write(run, {}, schema=schema)) == ["required-missing"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([{"name": "A"}, {"name": "B", "pattern": "("}], ["schema: entry 2 (B)", "pattern"]),
        ([{"name": "B", "type": "choice"}], ["schema: entry 1 (B)", "allowed"]),
        ([{"name": "B"}, {"name": "B"}], ["schema: entry 1 (B)", "more than once"]),
        ([{"name": "B-C"}], ["schema: entry 1 (B-C)", "name"]),
        ([{"name": "B", "type": "number"}], ["number"]),
        ([{"name": "B", "patern": "b"}], ["patern"]),
        ([{"type": "int"}], ["name"]),
    ],
)
def test_a_broken_schema_is_named_and_nothing_is_written(run, path, schema, words):
    result = write(run, {"A": "7"}, schema=schema)
    assert result["failed"] is True
    assert all(word in result["msg"] for word in words)
    assert not path.exists()


def test_what_the_schema_and_django_say_alike_is_said_once(run):
    schema = [{"name": "SECRET_KEY", "type": "secret"}]
    assert codes(write(run, {"SECRET_KEY": CANARY}, schema=schema)) == ["weak-secret"]


def test_variables_that_go_together(run):
    options = {
        "required_together": [["A", "B"]],
        "required_one_of": [["C", "D"]],
        "mutually_exclusive": [["E", "F"]],
    }
    result = write(run, {"A": CANARY, "B": "", "E": "1", "F": "2"}, **options)
    assert codes(result) == ["required-together", "required-one-of", "mutually-exclusive"]
    assert write(run, {"A": "1", "B": "2", "D": "4", "F": "6"}, **options)["findings"] == []
    refused = write(run, {"A": "1", "B": True, "D": "4"}, **options)
    assert codes(refused) == ["boolean"]


@pytest.mark.parametrize("option", ["required_together", "required_one_of", "mutually_exclusive"])
def test_a_group_of_what_are_no_names(run, option):
    assert f"{option}: 'a-b' is not a variable's name" in write(run, {"A": "a"}, **{option: [["A", "a-b"]]})["msg"]


def test_a_name_of_a_group_is_known(run):
    assert codes(write(run, {"CARGO_YRAD": "1"}, mutually_exclusive=[["CARGO_YARD", "B"]])) == ["unknown-name"]


@pytest.mark.parametrize(
    ("option", "code"), [("source", "inside-source"), ("static_root", "inside-static"), ("media_root", "inside-media")]
)
def test_a_file_in_a_folder_that_others_get(run, path, option, code):
    assert codes(write(run, **{option: str(path.parent)})) == [code]
    assert not path.exists()
    write(run)
    assert codes(run(**{option: str(path.parent)})) == [code]


def test_a_url_that_the_project_never_reads(run, tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    variables = {"DATABASE_URL": f"postgres://site:{CANARY}@localhost/site"}
    assert codes(write(run, variables, source=str(source))) == ["url-not-read"]
    result = run(source=str(source))
    assert [(each["key"], each["line"], each["code"]) for each in result["findings"]] == [
        ("DATABASE_URL", 2, "url-not-read")
    ]
    (source / "settings.py").write_text("dj_database_url.config()")
    assert codes(run(source=str(source))) == []


@pytest.mark.parametrize("key", ["DJANGO_DATABASE_URL", "DB_URL", "DATABASE_URI"])
def test_a_url_of_another_name_that_the_project_never_reads(run, tmp_path, key):
    (tmp_path / "src").mkdir()
    result = write(run, {key: f"postgres://site:{CANARY}@localhost/site"}, source=str(tmp_path / "src"))
    assert [(each["key"], each["code"]) for each in result["findings"]] == [(key, "url-not-read")]


def test_a_source_that_is_not_there(run, tmp_path):
    assert codes(write(run, {"DATABASE_URL": "mysql://h/n"}, source=str(tmp_path / "scr"))) == ["source-missing"]


def test_numbers_in_a_schema(run):
    schema = [{"name": "WORKERS", "required": "yes", "allowed": [2, 4]}]
    assert codes(write(run, {"WORKERS": 3}, schema=schema)) == ["not-allowed"]
    assert codes(write(run, {"WORKERS": 4}, schema=schema)) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("systemd 252 (252.39-1~deb12u2)\n+PAM", "comment-continues"),
        ("systemd 254~rc1", "comment-backslash"),
        ("systemd 257 (257.8-1)", "comment-backslash"),
        ("", "comment-continues"),
    ],
)
def test_asks_the_host_for_its_systemd(run, path, monkeypatch, answer, expected):
    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", lambda _self, name: f"/usr/bin/{name}")
    monkeypatch.setattr(basic.AnsibleModule, "run_command", lambda _self, _command: (0, answer, ""))
    path.write_text("# comment \\\nA=1\n")
    path.chmod(0o600)
    assert codes(run()) == [expected]
    assert codes(run(systemd_version=252)) == ["comment-continues"]


def test_of_a_file_that_systemd_refuses_no_variable_is_called_missing(run, path):
    path.write_bytes(b"A=\0\n")
    path.chmod(0o600)
    assert codes(run(required=["A", "B"])) == ["nul-byte"]


def test_a_part_of_a_broken_value_is_not_shown_as_a_name(run, path):
    name = CANARY.replace("-", "_")
    path.write_text(f"PEM=begin\n+{CANARY}\n{name} ='$x'\nDEBUG=1\n")
    path.chmod(0o600)
    result = run()
    assert [(each["key"], each["code"]) for each in result["findings"]] == [
        ("", "not-an-assignment"),
        ("", "spaces-around-equals"),
        ("", "begins-with-dollar"),
        ("DEBUG", "debug-on"),
    ]
    assert name not in json.dumps(result)


def test_a_symbolic_link_is_not_written_through(run, path, tmp_path):
    target = tmp_path / "target"
    target.write_text("precious")
    path.symlink_to(target)
    assert codes(write(run)) == ["symlink"]
    assert target.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "0644"}, "mode: the mode must leave nothing to others"),
        ({"mode": None}, "mode: the mode is not written as octal digits"),
        ({"mode": 0.6}, "mode: the mode is not written as octal digits"),
        ({"mode": ["x"]}, "mode: the mode is not written as octal digits"),
        ({"mode": True}, "mode: the mode is not written as octal digits"),
        ({"mode": 600}, "mode: the mode without quotes is the number 600"),
        ({"path": "rel.env"}, "path: 'rel.env' is not an absolute path"),
        ({"path": ""}, "path: '' is not an absolute path"),
        ({"source": "src"}, "source: 'src' is not an absolute path"),
        ({"static_root": ""}, "static_root: '' is not an absolute path"),
        ({"media_root": "media"}, "media_root: 'media' is not an absolute path"),
        ({"owner": ""}, "owner: it is empty"),
        ({"group": " "}, "group: it is empty"),
        ({"systemd_version": -3}, "systemd_version: -3 is no version"),
        ({"required_together": ["A"]}, "required_together: it is a list of lists"),
        ({"required_one_of": ["A", "B"]}, "required_one_of: it is a list of lists"),
        ({"mutually_exclusive": "A,B"}, "mutually_exclusive: it is a list of lists"),
        ({"schema": [{"name": "A", "allowed": [True]}]}, "schema: entry 1 (A): allowed"),
        ({"mode": "u=rw"}, "mode: the mode is not written as octal digits"),
        ({"state": "validated", "variables": {"A": CANARY}}, "state=present"),
        ({"state": "present"}, "variables"),
        ({"state": "present", "variables": CANARY}, "unable to convert to dict"),
        ({"state": "present", "variables": [CANARY]}, "unable to convert to dict"),
        ({"path": "/proc/self/mem"}, "/proc/self/mem: "),
    ],
)
def test_wrong_options(run, options, words):
    result = run(**options)
    assert result["failed"] is True
    assert words in result["msg"]


def test_wrong_options_are_named_at_once(run):
    message = run(path="rel.env", owner="", mode=600, systemd_version=0, schema=[{"name": "1"}])["msg"]
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "path",
        "owner",
        "mode",
        "systemd_version",
        "schema",
    ]


def test_no_value_in_the_invocation_and_yet_the_messages_are_whole(run, path):
    variables = {
        "A": "a",
        "ONE": "1",
        "WORD": "variable",
        "HOST": "example.org",
        "FOLDER": str(path.parent),
        "DEBUG": "1",
    }
    result = write(run, variables, domains=["example.org"], required=["NEEDED"])
    assert result["invocation"]["module_args"]["variables"] == dict.fromkeys(variables, env_file.HIDDEN)
    text = json.dumps([result["msg"], result["findings"], result["path"]])
    assert "****" not in text
    assert result["path"] == str(path)


def test_a_long_value_stays_masked_should_it_ever_reach_a_message(run, monkeypatch):
    def leak(_finding, path):
        return f"{path} {SECRET}"

    monkeypatch.setattr(env_file.env_finding, "describe", leak)
    assert "********" in write(run, {"SECRET_KEY": SECRET, "DEBUG": "1"})["msg"]

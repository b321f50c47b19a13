# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from unittest import mock
from urllib.parse import unquote_to_bytes

import jinja2
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.switchyard.django.plugins.filter import site
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.plan import URL_PATH
from hypothesis import given
from hypothesis import strategies as st

ESCAPES = {"\\": "\\", '"': '"', "'": "'", "s": " ", "n": "\n", "t": "\t"}


def as_systemd_reads(line):
    """The argument list that systemd makes of an ExecStart= line, as systemd.syntax(7) and systemd.service(5) say."""
    words, word, quote, position = [], None, "", 0
    while position < len(line):
        character = line[position]
        position += 1
        if character == "\\":
            word = (word or "") + ESCAPES[line[position]]
            position += 1
        elif quote:
            if character == quote:
                quote = ""
            else:
                word += character
        elif character in "\"'":
            quote, word = character, word or ""
        elif character in " \t":
            words, word = [*words, *([] if word is None else [word])], None
        else:
            assert not (character == ";" and word is None and line[position : position + 1] in ("", " ")), (
                "a 2nd command"
            )
            word = (word or "") + character
    assert not quote, "a quotation that never ends"
    words += [] if word is None else [word]
    return [expanded(word) for word in words]


def expanded(word):
    """Specifiers and variables; what is not doubled would be expanded."""
    for sign in "%$":
        parts = word.split(sign * 2)
        assert not any(sign in part for part in parts), f"{word!r} would be expanded"
        word = sign.join(parts)
    return word


TRAPS = [
    "",
    " ",
    "two words",
    '"',
    "'",
    "it's",
    '"quoted"',
    "\\",
    "\\\\",
    "ends with \\",
    "\\n",
    "$HOME",
    "${HOME}",
    "$$",
    "100%",
    "%n",
    "%%",
    ";",
    "a;b",
    "#",
    "#comment",
    "*",
    "a=b",
    "--forwarded-allow-ips=*",
    "naïve – ü",
    "{{ x }}",
]


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_arrives_as_it_is(trap):
    arguments = ["/srv/shop/venvs/v/bin/server", trap, "--last"]
    assert as_systemd_reads(site.exec_start(arguments)) == arguments


@given(st.lists(st.text("ab \"'\\$%;#*{}=@,.:-\u00e9", max_size=8), max_size=4))
def test_systemd_reads_the_very_arguments(arguments):
    arguments = ["/bin/server", *arguments]
    assert as_systemd_reads(site.exec_start(arguments)) == arguments


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), max_size=4))
def test_the_line_stays_one_line(arguments):
    assert "\n" not in site.exec_start(arguments)
    assert as_systemd_reads(site.exec_start(arguments)) == arguments


def test_plain_words_stay_readable():
    assert (
        site.exec_start(["/bin/x", "--workers=2", "shop.web:application"]) == "/bin/x --workers=2 shop.web:application"
    )


def test_numbers_are_words():
    assert site.exec_start(["/bin/x", 2]) == "/bin/x 2"


@pytest.mark.parametrize("trap", ["a\nExecStart=/bin/evil", "a\rb", "a\tb", "\x00", "\x1b"])
def test_a_control_character_can_not_stand_in_a_unit(trap):
    with pytest.raises(AnsibleFilterError, match="control character"):
        site.exec_start(["/bin/x", trap])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_itself_finds_nothing_amiss(tmp_path):
    unit = tmp_path / "trap.service"
    unit.write_text(f"[Service]\nExecStart={site.exec_start(['/bin/true', *TRAPS])}\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "trap.service" in line]
    assert said == []


def test_the_folders_are_those_of_the_layout():
    folders = site.site_folders("shop")
    assert [(one["path"], one["mode"]) for one in folders] == [(str(p), m) for p, m, _o, _g in Layout("shop").folders()]
    assert all(set(one) == {"path", "mode", "owner", "group"} for one in folders)


@pytest.mark.parametrize("ask", [site.site_folders])
def test_an_impossible_site_is_refused(ask):
    with pytest.raises(ValueError, match="site_name"):
        ask("../etc")


def documented():
    files = sorted(Path(site.__file__).parent.glob("*.yml"))
    return {path.stem: yaml.safe_load(path.read_text()) for path in files}


def test_every_filter_that_is_offered_is_documented_and_no_other():
    assert set(site.FilterModule().filters()) == set(documented())
    assert {name: one["DOCUMENTATION"]["name"] for name, one in documented().items()} == {
        name: name for name in documented()
    }


@pytest.mark.parametrize("name", sorted(documented()))
def test_every_example_works(name):
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no page
    environment.filters[f"switchyard.django.{name}"] = used = mock.Mock(wraps=site.FilterModule().filters()[name])
    environment.from_string(documented()[name]["EXAMPLES"]).render()
    assert used.called


# --- the size of an instance -----------------------------------------------------------------------------------------

RULE = {
    "variable": "wsgi_workers",
    "workers": "auto",
    "threads": "auto",
    "per_core": "1",
    "plus": "1",
    "least": "2",
    "most": "0",
    "usual_threads": "8",
    "worker_memory": "128",
    "reserve": "128",
    "memory_max": "75%",
}


def test_a_size_is_made_of_what_templates_made():
    found = site.instance_size(RULE, {"cores": 2, "memory": 2048}, {})
    assert found == {"size": {"workers": 3, "threads": 8, "connections": 24, "memory": 384}, "problem": ""}


def test_what_does_not_fit_comes_with_the_sum():
    found = site.instance_size({**RULE, "workers": "8"}, {"cores": 2, "memory": 2048}, {"blog": 256})
    assert found["size"]["workers"] == 8
    assert "the site blog" in found["problem"]


# --- a path for nginx ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("/health/", "/health/"),
        ("/-/ready?deep=1&format=json", "/-/ready"),
        ("/a.b", r"/a\x2eb"),
        ("/a+b(c)*", r"/a\x2bb\x28c\x29\x2a"),
        ("/caf%C3%A9/", r"/caf\xc3\xa9/"),
        ("/caf\u00e9/", r"/caf\xc3\xa9/"),
        ("/$uri", r"/\x24uri"),
        ("/%22;%0A}", r"/\x22\x3b\x0a\x7d"),
        ("/%5C%5c", r"/\x5c\x5c"),
        ("/100%", r"/100\x25"),
        ("/a%3Fb?c", r"/a\x3fb"),
    ],
)
def test_a_path_is_written_as_nginx_takes_it(path, expression):
    assert site.nginx_path(path) == expression


def as_nginx_reads(text):
    """A text in quotes of nginx's configuration: these alone does it read for another (ngx_conf_file.c)."""
    escapes = {"t": "\t", "r": "\r", "n": "\n", '"': '"', "'": "'", "\\": "\\"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[0]), text)


PATHS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=24),
    st.from_regex(URL_PATH, fullmatch=True),
    st.text("/ab%0123456789abcdefABCDEF.*+?()[]{}|^$\\\"';# \n\x00", max_size=24),
)


@given(PATHS)
def test_nothing_of_a_path_means_anything_to_nginx(path):
    expression = site.nginx_path(path)
    assert re.fullmatch(r"(?:[A-Za-z0-9/_~-]|\\x[0-9a-f]{2})*", expression)
    assert as_nginx_reads(expression) == expression


@given(PATHS, st.binary(max_size=24))
def test_the_expression_of_a_path_means_that_path_and_no_other(path, other):
    expression = re.compile(site.nginx_path(path))
    decoded = unquote_to_bytes(path.partition("?")[0])
    assert expression.fullmatch(decoded.decode("latin-1"))
    assert bool(expression.fullmatch(other.decode("latin-1"))) == (other == decoded)
    for byte in range(len(decoded)):
        changed = decoded[:byte] + bytes([decoded[byte] ^ 1]) + decoded[byte + 1 :]
        assert not expression.fullmatch(changed.decode("latin-1"))

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import glob
import os
import random
import re
import subprocess
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file, env_finding, env_reader
from env_files import generate
from hypothesis import example, given, settings
from hypothesis import strategies as st

CANARY = "Tweety-8f3k"


def codes(findings):
    return [finding.code for finding in findings]


# --- Reading: what systemd reads ---------------------------------------------------------------------------------

READ = {
    b"": {},
    b"A=b": {"A": "b"},
    b"A=b\n": {"A": "b"},
    b"\n\n  \t\nA=b\n\n": {"A": "b"},
    b"A=": {"A": ""},
    b"A=   \n": {"A": ""},
    b"# comment\n; comment\n  # comment\nA=b\n": {"A": "b"},
    b"  A  =  b c  \n": {"A": "b c"},
    b"A=b=c=d\n": {"A": "b=c=d"},
    b"A=b # c\n": {"A": "b # c"},
    b"A=#b\n": {"A": "#b"},
    b"A='b'\n": {"A": "b"},
    b"A='  b  '  \n": {"A": "  b  "},
    b"A='b\\n$c\\\\'\n": {"A": "b\\n$c\\\\"},
    b"A='b\nc'\nD=e\n": {"A": "b\nc", "D": "e"},
    b'A="b"\n': {"A": "b"},
    b'A="b\nc"\n': {"A": "b\nc"},
    b'A="\\"\\\\\\`\\$"\n': {"A": '"\\`$'},
    b'A="\\n\\t\\x"\n': {"A": "\\n\\t\\x"},
    b'A="b\\\nc"\n': {"A": "bc"},
    b"A=b\\\nc\n": {"A": "bc"},
    b"A=\\\n  b\n": {"A": "  b"},
    b"A=b\\ \n": {"A": "b "},
    b"A=b \\\n\n": {"A": "b "},
    b"A=\\'b\\\"c\\d\n": {"A": "'b\"cd"},
    b"A=b\\": {"A": "b"},
    b'A="b" "c"\n': {"A": "bc"},
    b"A='b'\"c\"d'e'\n": {"A": "bcd'e'"},
    b"A=b'c'\n": {"A": "b'c'"},
    b"A=it's\n": {"A": "it's"},
    b"A=$B ${C} `d`\n": {"A": "$B ${C} `d`"},
    b"A=b\r\nC=d\r\n": {"A": "b", "C": "d"},
    b"A=b\rC=d\r": {"A": "b", "C": "d"},
    b"A='b\r\nc'\r\n": {"A": "b\r\nc"},
    b"A=1\nB=2\nA=3\n": {"A": "3", "B": "2"},
    b"export A=b\nC=d\n": {"C": "d"},
    b"1A=b\nA-B=c\nA.B=d\n=e\n==f\nG=h\n": {"G": "h"},
    b"A\nB=c\n": {"B": "c"},
    b"A": {},
    b"\xef\xbb\xbfA=b\nC=d\n": {"C": "d"},
    b"\xef\xbb\xbf# comment\nC=d\n": {"C": "d"},
    b"A='b\nC=d\n": {"A": "b\nC=d\n"},
    b'A="b\\': {"A": "b"},
    b'A="b\nC="d"\n': {"A": 'b\nC=d"'},
    b"A=b\0c\nD=e\n": {},
    b"A=\xff\nD=e\n": {},
    b"\xff=b\nD=e\n": {},
    b"# \xff\nD=e\n": {"D": "e"},
    b"A=\xef\xb7\x90\n": {},
    b"A=\xef\xbf\xbe\n": {},
    b"A=\xed\xa0\x80\n": {},
    b"A=\xef\xbb\xbfb\n": {"A": "\ufeffb"},
    "A=é\u20ac😀\n".encode(): {"A": "é€😀"},
    b"\x0bexport=1\n\x0b=2\nA=b\n": {"A": "b"},
}
# Until systemd 253 a comment that ends in a backslash goes on in the next line.
READ_BEFORE_254 = {
    b"# comment \\\nA=b\nC=d\n": {"C": "d"},
    b"# comment \\\r\nA=b\n": {"A": "b"},
    b"# com\\ment\nA=b\n": {"A": "b"},
    b"# comment \\\\\nA=b\n": {"A": "b"},
}


READ_SINCE_254 = {
    b"# comment \\\nA=b\nC=d\n": {"A": "b", "C": "d"},
    b"# comment \\\r\nA=b\n": {"A": "b"},
    b"# com\\ment\\\\\nA=b\n": {"A": "b"},
    b"# comment\\": {},
}


@pytest.mark.parametrize(("data", "expected"), {**READ, **READ_BEFORE_254}.items())
def test_reads_what_systemd_252_reads(data, expected):
    assert env_file.parse(data, 252).variables == expected
    assert env_file.parse(data).variables == expected


@pytest.mark.parametrize("version", [254, 257])
@pytest.mark.parametrize(("data", "expected"), {**READ, **READ_SINCE_254}.items())
def test_reads_what_later_versions_read(data, expected, version):
    assert env_file.parse(data, version).variables == expected


def test_tells_a_file_that_systemd_refuses_from_one_without_variables():
    assert not env_file.parse(b"# nothing\n").refused
    assert env_file.parse(b"A=1\nB=\0\n").refused
    assert env_file.parse(b"A=1\nB=\xff\nC=2\n").refused


class Systemd:
    """The parser of the systemd on this machine, called in its own library."""

    def __init__(self, library):
        self.version = int(re.search(r"-(\d+)", library).group(1))
        self._library = ctypes.CDLL(library)
        strings = ctypes.POINTER(ctypes.c_char_p)
        self._library.load_env_file.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(strings)]
        self._library.env_assignment_is_valid.argtypes = [ctypes.c_char_p]
        self._library.env_assignment_is_valid.restype = ctypes.c_bool
        self._strings = strings

    def read(self, path):
        found = self._strings()
        if self._library.load_env_file(None, str(path).encode(), ctypes.byref(found)) < 0:
            return {}
        variables = {}
        position = 0
        while found and found[position] is not None:
            if self._library.env_assignment_is_valid(found[position]):
                key, _equals, value = found[position].partition(b"=")
                variables[key.decode()] = value.decode()
            position += 1
        return variables


LIBRARIES = glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so") + glob.glob(
    "/usr/lib/systemd/libsystemd-shared-*.so"
)
needs_systemd = pytest.mark.skipif(not LIBRARIES, reason="there is no libsystemd-shared here to compare with")


@pytest.fixture(scope="module")
def systemd():
    return Systemd(LIBRARIES[0])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("systemd") / "scratch.env"


@needs_systemd
@pytest.mark.parametrize("data", READ)
def test_the_expectations_are_those_of_systemd_itself(data, systemd, scratch):
    scratch.write_bytes(data)
    assert systemd.read(scratch) == READ[data]


PIECES = st.sampled_from(
    [b"A", b"B", b"=", b"\n", b"\r\n", b"\r", b" ", b"\t", b"'", b'"', b"\\", b"\\\n", b"#", b";", b"$X", b"`", b"x"]
    + ["é".encode(), b"\xff", b"export ", b"\xef\xbb\xbf", b"\xef\xb7\x90", b"\x0b", b"\0"]
)
FILES = st.lists(PIECES, max_size=30).map(b"".join)


@needs_systemd
@settings(max_examples=500, deadline=None)
@given(data=FILES)
def test_agrees_with_systemd_on_any_file(data, systemd, scratch):
    scratch.write_bytes(data)
    assert env_file.parse(data, systemd.version).variables == systemd.read(scratch)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"A=1\nB=2\n", {"A": 1, "B": 2}),
        (b"\n\n# c\nA='1\n2'\nB=3\n", {"A": 4, "B": 6}),
        (b"A=1\r\nB=2\r\n", {"A": 1, "B": 2}),
        (b"A=1\\\n2\nB=3\n", {"A": 1, "B": 3}),
        (b"A=1\nB=2\nA=3\n", {"A": 3, "B": 2}),
    ],
)
def test_knows_the_lines(data, lines):
    assert env_file.parse(data).lines == lines


# --- Reading: what to say ----------------------------------------------------------------------------------------

BAD_FILES = [
    # systemd drops a variable, a line or the file
    (b"A=1\nB=\0\n", [("nul-byte", "", 2)]),
    (b"A=1\nB=\xff\n", [("invalid-utf8", "B", 2)]),
    (
        b"A=1\r\nA=2\r\n2B=1\n\nnothing\n\nC=\0\nD=\0\nexport E=1\n",
        [
            ("carriage-return", "", 1),
            ("duplicate-key", "A", 2),
            ("invalid-name", "", 3),
            ("not-an-assignment", "", 5),
            ("nul-byte", "", 7),
            ("export", "E", 9),
        ],
    ),
    ("A=1\r\n2B=2\r\n".encode("utf-16"), [("nul-byte", "", 1)]),
    (b"\xef\xbb\xbfA=1\n", [("bom", "A", 1)]),
    (b"\xef\xbb\xbf# comment\nA=1\n", [("bom", "", 1)]),
    (b"A=1\n\xef\xbb\xbfB=2\n", [("bom", "B", 2)]),
    (b"export A=1\n", [("export", "A", 1)]),
    (b"export\tA-B=1\n", [("export", "", 1)]),
    (b"A-B=1\n", [("invalid-name", "", 1)]),
    (b"1A=1\n", [("invalid-name", "", 1)]),
    (b"A B=1\n", [("invalid-name", "", 1)]),
    (b"=1\n", [("not-an-assignment", "", 1)]),
    (b"A\n", [("not-an-assignment", "", 1)]),
    (b"A: 1\n", [("not-an-assignment", "", 1)]),
    (b"A='b\nC=d\n", [("unbalanced-quote", "A", 1)]),
    (b'A=1\nB="b', [("unbalanced-quote", "B", 2)]),
    (b'A="b\nC="d"\n', [("runaway-quote", "A", 1)]),
    (b"A='b\nC='d'\n", [("runaway-quote", "A", 1)]),
    (b"# c \\\nA=1\n", [("comment-continues", "", 1)]),
    (b"A=" + b"x" * 200_000, [("too-long", "A", 1)]),
    (b"A=" + b"x" * 200_000 + b"\nA=1\n", [("duplicate-key", "A", 2)]),
    # others read something else
    (b"A=1\nB=2\nA=3\n", [("duplicate-key", "A", 3)]),
    (b"A=~/b\n", [("tilde", "A", 1)]),
    (b"A=/b:~c\n", [("tilde", "A", 1)]),
    (b"A=$1\n", [("expansion", "A", 1)]),
    (b'A="$$"\n', [("expansion", "A", 1)]),
    (b"A= \n", [("trailing-blanks", "A", 1)]),
    (b"A=b\t \n", [("trailing-blanks", "A", 1)]),
    (b"A='b' \n", [("trailing-blanks", "A", 1)]),
    (b"A=b\\ \n", [("backslash", "A", 1)]),
    (b"A=b\x0cc\n", [("odd-line-end", "A", 1)]),
    (b"A='b\rc'\n", [("odd-line-end", "A", 1)]),
    ("A=b\u2028c\n".encode(), [("odd-line-end", "A", 1)]),
    (b'A="\\x"\n', [("escape-sequence", "A", 1)]),
    (b"A='\"b\"'\n", [("doubly-quoted", "A", 1)]),
    (b" A=1\n", [("indented", "A", 1)]),
    (b"\n\tA=1\n", [("indented", "A", 2)]),
    (b"A='b\nc'\n", [("multi-line", "A", 1)]),
    (b'A="b\nc"\n', [("multi-line", "A", 1)]),
    (b"A=\\\nb\n", [("continuation", "A", 1)]),
    (b'A="b\\\nc"\n', [("continuation", "A", 1)]),
    ("A=\u201cb\u201d\n".encode(), [("curly-quote", "A", 1)]),
    (b"A =1\n", [("spaces-around-equals", "A", 1)]),
    (b"A= 1\n", [("spaces-around-equals", "A", 1)]),
    (b"A=1 # c\n", [("inline-comment", "A", 1)]),
    (b"A=#1\n", [("inline-comment", "A", 1)]),
    (b"A='1' # c\n", [("inline-comment", "A", 1)]),
    (b"A=$B\n", [("expansion", "A", 1)]),
    (b"A=${B}\n", [("expansion", "A", 1)]),
    (b'A="$B"\n', [("expansion", "A", 1)]),
    (b'A="`date`"\n', [("expansion", "A", 1)]),
    (b"A=b c\n", [("unquoted-special", "A", 1)]),
    (b"A=b?c&d\n", [("unquoted-special", "A", 1)]),
    (b"A=C:\\dir\n", [("backslash", "A", 1)]),
    (b'A="b\\nc"\n', [("escape-sequence", "A", 1)]),
    (b"A=it's\n", [("quote-inside", "A", 1)]),
    (b"A='b' 'c'\n", [("text-after-quote", "A", 1)]),
    (b"A='b'c\n", [("text-after-quote", "A", 1)]),
    (b"; A=1\n", [("semicolon-comment", "", 1)]),
    (b"A=1\r\nB=2\r\n", [("carriage-return", "", 1)]),
    # several at once, in the order of the file
    (
        b"export A=1\nB = $C # d\nB=2\n",
        [
            ("export", "A", 1),
            ("spaces-around-equals", "B", 2),
            ("inline-comment", "B", 2),
            ("expansion", "B", 2),
            ("duplicate-key", "B", 3),
        ],
    ),
]


@pytest.mark.parametrize(("data", "expected"), BAD_FILES)
def test_says_what_is_wrong_with_a_file(data, expected):
    findings = env_file.parse(data).findings
    assert [(finding.code, finding.key, finding.line) for finding in findings] == expected


def test_every_problem_is_in_the_table_of_bad_files():
    shown = {code for _data, expected in BAD_FILES for code, _key, _line in expected}
    assert set(env_reader.PROBLEMS) == shown | {"comment-backslash"}


@pytest.mark.parametrize(
    "data",
    [
        b"A=b\n",
        b"# c \\\n# d\nA=1\n",
        b"# c \\\n\nA=1\n",
        b"A='$B # `c`'\n",
        b'A="\\$B"\n',
        b"A='b~'\n",
        b"A=b~\n",
        b"A='~/b'\n",
        b'A="\\"b\\\\"\n',
        b"A=a$\n",
        b"URL=postgres://u:p@h/d?a=b#c\n",
    ],
)
def test_says_nothing_where_all_readers_agree(data):
    assert env_file.parse(data).findings == []


def test_the_versions_of_systemd_part_at_a_comment_that_ends_in_a_backslash():
    data = b"# c \\\nA=1\n"
    assert [(each.code, each.level) for each in env_file.parse(data, 253).findings] == [("comment-continues", "error")]
    assert [(each.code, each.level) for each in env_file.parse(data, 254).findings] == [
        ("comment-backslash", "warning")
    ]


def test_a_shell_reads_alike_what_nothing_is_said_of(tmp_path):
    seed = random.SystemRandom().randrange(10**9)
    source = random.Random(seed)  # noqa: S311
    expected = []
    while len(expected) < 400:
        data = b"A=" + generate.written_value(source) + b"\n"
        parsed = env_file.parse(data)
        if parsed.variables and not parsed.findings:
            (tmp_path / str(len(expected))).write_bytes(data)
            expected.append(parsed.variables["A"].encode())
    script = 'for one in $(seq 0 399); do (. "./$one"; printf "%s\\0" "$A"); done'
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == expected, f"seed {seed}"


@pytest.mark.parametrize("begin", [b"", b"A=", b"A='", b'A="', b"# "])
def test_a_hard_file_takes_no_time(begin):
    pieces = [b" ", b"\\", b"'", b'"', b"# \\\n", b"A=b \\\n", b"x =\n", b"$", b"\r", b"="]
    started = time.process_time()
    for piece in pieces:
        env_file.parse(begin + piece * (100_000 // len(piece)))
    assert time.process_time() - started < 20


def test_what_a_line_loses_is_an_error_and_what_others_read_is_a_warning():
    levels = {code: level for code, (level, _message, _hint) in env_reader.PROBLEMS.items()}
    assert levels["export"] == levels["unbalanced-quote"] == levels["invalid-name"] == "error"
    assert levels["duplicate-key"] == levels["expansion"] == levels["inline-comment"] == "warning"


@given(before=FILES, after=FILES, quote=st.sampled_from([b"", b"'", b'"']))
@example(before=b"A=-----BEGIN KEY-----\n", after=b"+/==\n", quote=b"")
@example(before=b"A='b\n", after=b"=c'\n", quote=b"")
def test_no_finding_shows_a_value(before, after, quote):
    data = before + b"K=" + quote + CANARY.encode() + after
    for finding in env_file.parse(data).findings:
        assert CANARY not in env_finding.describe(finding, "/etc/site.env")


def test_a_line_of_a_broken_value_is_not_taken_for_a_name():
    findings = env_file.parse(b"PEM=-----BEGIN\nMIIEow/q83vEjRWeJA+\nTweety+8f3k==\n").findings
    assert [(finding.code, finding.key) for finding in findings] == [("not-an-assignment", ""), ("invalid-name", "")]
    assert not any("Tweety" in env_finding.describe(finding, "f") for finding in findings)


def test_names_behind_a_line_of_a_broken_value_are_not_shown():
    parsed = env_file.parse(b"A =1\nPEM=-----BEGIN\nMIIEow/abc\nTweety8f3k =x\nTweety9 =y\n\nB =2\n")
    assert [(each.code, each.key, each.line) for each in parsed.findings] == [
        ("spaces-around-equals", "A", 1),
        ("not-an-assignment", "", 3),
        ("spaces-around-equals", "", 4),
        ("spaces-around-equals", "", 5),
        ("spaces-around-equals", "B", 7),
    ]
    assert parsed.uncertain == {"Tweety8f3k", "Tweety9"}


# --- Writing -----------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
HARD_TEXT = st.text(alphabet=st.sampled_from(list("'\"\\$`#;=!~ \t\r\n\x0b\x01\u2028\ufeffaé😀%{}()&")), max_size=20)
ANY_TEXT = st.text(max_size=40).filter(lambda text: not env_file._cannot_carry("A", text))
VARIABLES = st.dictionaries(NAMES, HARD_TEXT | ANY_TEXT, max_size=6)


@settings(max_examples=300, deadline=None)
@given(variables=VARIABLES)
def test_what_was_written_is_read_back(variables):
    parsed = env_file.parse(env_file.render(variables))
    assert parsed.variables == variables
    assert set(codes(parsed.findings)) <= {"multi-line", "odd-line-end", "doubly-quoted"}


@needs_systemd
@settings(max_examples=300, deadline=None)
@given(variables=VARIABLES)
def test_systemd_reads_back_what_was_written(variables, systemd, scratch):
    scratch.write_bytes(env_file.render(variables))
    assert systemd.read(scratch) == variables


@settings(max_examples=30, deadline=None)
@given(value=HARD_TEXT)
@example(value="a!b")
@example(value="~/x")
@example(value="\\\n")
def test_a_shell_reads_back_what_was_written(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "shell.env"
    path.write_bytes(env_file.render({"A_VALUE": value}))
    script = f'. {path} && printf "%s" "$A_VALUE"'
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout.decode() == value


def test_writes_plainly_what_needs_no_quotes_and_sorts():
    variables = {"B": "https://example.org:8000/a?b", "A": "a.b,c@d%20+e-f=g", "C": "", "D": "it's $5"}
    assert env_file.render(variables).decode().splitlines() == [
        "# Managed by switchyard.django",
        "A=a.b,c@d%20+e-f=g",
        "B='https://example.org:8000/a?b'",
        "C=",
        'D="it\'s \\$5"',
    ]


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("1A", CANARY, "invalid-name"),
        ("A-B", CANARY, "invalid-name"),
        ("A\n", CANARY, "invalid-name"),
        ("É", CANARY, "invalid-name"),
        ("", CANARY, "invalid-name"),
        ("A", f"{CANARY}\0", "nul-byte"),
        ("A", f"{CANARY}\ud800", "invalid-utf8"),
        ("A", f"{CANARY}\ufdd0", "invalid-utf8"),
        ("A", f"{CANARY}\U0010ffff", "invalid-utf8"),
        ("A", CANARY * 20_000, "too-long"),
    ],
)
def test_refuses_what_no_environment_can_carry(key, value, code):
    name = key if key.isprintable() and key else ascii(key)
    with pytest.raises(ValueError, match=f"^{re.escape(name)}: ") as refusal:
        env_file.render({key: value})
    accepted, findings = env_file.normalise({key: value})
    assert (accepted, codes(findings), findings[0].key) == ({}, [code], name)
    assert CANARY not in str(refusal.value) + repr(findings)


def test_the_longest_assignment_is_what_linux_hands_to_a_process():
    longest = "x" * (env_reader.LONGEST_ASSIGNMENT - len("A="))
    assert env_file.normalise({"A": longest})[1] == []
    subprocess.run(["/bin/true"], env={"A": longest}, check=True)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true"], env={"A": longest + "x"}, check=True)
    assert codes(env_file.normalise({"A": longest + "x"})[1]) == ["too-long"]


@pytest.mark.parametrize(
    ("value", "expected"), [("a", "a"), (8000, "8000"), (-1, "-1"), (2.5, "2.5"), ("", ""), ("true", "true")]
)
def test_takes_strings_and_numbers(value, expected):
    assert env_file.normalise({"A": value}) == ({"A": expected}, [])


@pytest.mark.parametrize(
    ("value", "code", "hint"),
    [
        (True, "boolean", "Quote"),
        (False, "boolean", "Quote"),
        (None, "null", "''"),
        ([CANARY], "not-a-string", "join"),
        ({"b": CANARY}, "not-a-string", "join"),
        (float("nan"), "not-a-string", "Quote"),
    ],
)
def test_refuses_other_types_by_name(value, code, hint):
    accepted, findings = env_file.normalise({"A": value, "B": "b"})
    assert accepted == {"B": "b"}
    assert [(finding.key, finding.code, finding.level) for finding in findings] == [("A", code, "error")]
    assert hint in findings[0].hint
    assert CANARY not in repr(findings)


def test_writes_in_one_step_with_the_mode_before_the_content(tmp_path, monkeypatch):
    path = tmp_path / "site.env"
    path.write_bytes(b"old")
    seen = []

    def rename(source, target):
        seen.append((os.stat(source).st_mode & 0o777, path.read_bytes(), os.path.dirname(source) == str(tmp_path)))
        real_rename(source, target)

    real_rename = os.replace
    monkeypatch.setattr(os, "replace", rename)
    disk.write(path, b"new", 0o640, (os.getuid(), os.getgid()))
    assert seen == [(0o640, b"old", True)]
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["site.env"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "site.env"
    path.write_bytes(b"old")

    def no_space(_descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        disk.write(path, b"new", 0o600, (os.getuid(), os.getgid()))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["site.env"]


# --- Findings ----------------------------------------------------------------------------------------------------


def test_one_line_for_a_human():
    finding = env_finding.Finding("A", 3, "x", "error", "it is wrong", "Mend it")
    assert env_finding.describe(finding, "/f") == "A (line 3): it is wrong. Mend it."
    assert env_finding.describe(env_finding.Finding("", None, "x", "error", "m", "h"), "/f") == "/f: m. h."

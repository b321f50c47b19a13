# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import glob
import os
import re
import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file
from hypothesis import example, given, settings
from hypothesis import strategies as st

ME = str(os.getuid())
MY_GROUP = str(os.getgid())
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
}


@pytest.mark.parametrize(("data", "expected"), {**READ, **READ_BEFORE_254}.items())
def test_reads_what_systemd_reads(data, expected):
    assert env_file.parse(data).variables == expected


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
    parsed = env_file.parse(data)
    if systemd.version >= 254 and "comment-continues" in codes(parsed.findings):
        return
    scratch.write_bytes(data)
    assert parsed.variables == systemd.read(scratch)


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
    # others read something else
    (b"A=1\nB=2\nA=3\n", [("duplicate-key", "A", 3)]),
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
    assert set(env_file._PROBLEMS) == {code for _data, expected in BAD_FILES for code, _key, _line in expected}


@pytest.mark.parametrize(
    "data",
    [
        b"A=b\n",
        b"# c \\\n# d\nA=1\n",
        b"# c \\\n\nA=1\n",
        b"A='$B # `c`'\n",
        b'A="\\$B"\n',
        b"A=\\\nb\n",
        b"A='b\nc'\n",
        b"A= \n",
        b"A=a$\n",
        b"URL=postgres://u:p@h/d?a=b#c\n",
    ],
)
def test_says_nothing_where_all_readers_agree(data):
    assert env_file.parse(data).findings == []


def test_what_a_line_loses_is_an_error_and_what_others_read_is_a_warning():
    levels = {code: level for code, (level, _message, _hint) in env_file._PROBLEMS.items()}
    assert levels["export"] == levels["unbalanced-quote"] == levels["invalid-name"] == "error"
    assert levels["duplicate-key"] == levels["expansion"] == levels["inline-comment"] == "warning"


@given(before=FILES, after=FILES, quote=st.sampled_from([b"", b"'", b'"']))
@example(before=b"A=-----BEGIN KEY-----\n", after=b"+/==\n", quote=b"")
@example(before=b"A='b\n", after=b"=c'\n", quote=b"")
def test_no_finding_shows_a_value(before, after, quote):
    data = before + b"K=" + quote + CANARY.encode() + after
    for finding in env_file.parse(data).findings:
        assert CANARY not in env_file.describe(finding, "/etc/site.env")


def test_a_line_of_a_broken_value_is_not_taken_for_a_name():
    findings = env_file.parse(b"PEM=-----BEGIN\nMIIEow/q83vEjRWeJA+\nTweety+8f3k==\n").findings
    assert [(finding.code, finding.key) for finding in findings] == [("not-an-assignment", ""), ("invalid-name", "")]
    assert not any("Tweety" in env_file.describe(finding, "f") for finding in findings)


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
    assert parsed.findings == []


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
    longest = "x" * (env_file.LONGEST_ASSIGNMENT - len("A="))
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


# --- Judging -----------------------------------------------------------------------------------------------------


def test_required_variables():
    findings = env_file.judge_required({"A": "a", "B": " "}, ["A", "B", "C"], {"A": 1, "B": 2})
    assert [(finding.key, finding.line, finding.code) for finding in findings] == [
        ("B", 2, "required-empty"),
        ("C", None, "required-missing"),
    ]


@pytest.mark.parametrize(("mode", "expected"), [("0600", 0o600), ("640", 0o640), ("0o660", 0o660), (0o600, 0o600)])
def test_modes(mode, expected):
    assert env_file.parse_mode(mode) == expected


@pytest.mark.parametrize("mode", ["0644", "0604", "u=rw", "0608", "", "04600", 600, -1])
def test_refuses_modes_that_are_none_or_open_to_everybody(mode):
    with pytest.raises(ValueError, match="mode"):
        env_file.parse_mode(mode)


@pytest.fixture
def safe_file(tmp_path):
    path = tmp_path / "site.env"
    path.write_text("A=b\n")
    path.chmod(0o600)
    return path


def judge(path, mode=0o600, owner=ME, group=MY_GROUP):
    return env_file.judge_file(str(path), owner, group, mode)


def test_a_safe_file(safe_file):
    assert judge(safe_file) == []
    safe_file.chmod(0o400)
    assert judge(safe_file) == []


@pytest.mark.parametrize(
    ("actual", "wanted", "expected"),
    [
        (0o604, 0o600, ["mode"]),
        (0o620, 0o600, ["mode"]),
        (0o640, 0o600, ["mode"]),
        (0o640, 0o640, []),
        (0o660, 0o640, ["mode"]),
        (0o777, 0o660, ["mode"]),
    ],
)
def test_a_file_may_be_less_open_than_wanted_but_not_more(safe_file, actual, wanted, expected):
    safe_file.chmod(actual)
    assert codes(judge(safe_file, wanted)) == expected


def test_wrong_owner_and_group(safe_file):
    other = str(os.getuid() + 4242)
    owner_codes = codes(judge(safe_file, owner=other))
    assert "owner" in owner_codes
    assert judge(safe_file, group=other) == []
    safe_file.chmod(0o640)
    assert codes(judge(safe_file, mode=0o640, group=other)) == ["group"]


def test_unknown_owner_and_group(safe_file):
    assert codes(judge(safe_file, owner="no-such-user", group="no-such-group"))[:2] == [
        "unknown-owner",
        "unknown-group",
    ]


def test_missing_file_and_missing_folder(tmp_path):
    assert codes(judge(tmp_path / "site.env")) == ["missing"]
    assert codes(judge(tmp_path / "folder" / "site.env")) == ["folder-missing"]


def test_symbolic_link_and_other_things(safe_file, tmp_path):
    link = tmp_path / "link.env"
    link.symlink_to(safe_file)
    assert codes(judge(link)) == ["symlink"]
    link.unlink()
    link.symlink_to(tmp_path / "nothing")
    assert codes(judge(link)) == ["symlink"]
    assert codes(judge(tmp_path)) == ["not-a-file"]


def test_a_folder_on_the_way_that_others_may_write(tmp_path):
    path = tmp_path / "one" / "two" / "site.env"
    path.parent.mkdir(parents=True)
    path.write_text("")
    path.chmod(0o600)
    (tmp_path / "one").chmod(0o707)
    findings = judge(path)
    assert codes(findings) == ["folder-writable"]
    assert str(tmp_path / "one") in findings[0].message
    (tmp_path / "one").chmod(0o1777)
    assert judge(path) == []


def test_a_folder_behind_a_link_that_others_may_write(tmp_path):
    real = tmp_path / "open" / "real"
    real.mkdir(parents=True)
    (real / "site.env").write_text("")
    (real / "site.env").chmod(0o600)
    (tmp_path / "open").chmod(0o707)
    (tmp_path / "closed").symlink_to(real)
    assert codes(judge(tmp_path / "closed" / "site.env")) == ["folder-writable"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_that_belongs_to_somebody_else(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "site.env").write_text("")
    (folder / "site.env").chmod(0o600)
    os.chown(folder, 4242, 4242)
    assert codes(judge(folder / "site.env")) == ["folder-owner"]
    os.chown(folder, 0, 4242)
    folder.chmod(0o770)
    assert codes(judge(folder / "site.env")) == ["folder-writable"]


def test_one_line_for_a_human():
    finding = env_file.Finding("A", 3, "x", "error", "it is wrong", "Mend it")
    assert env_file.describe(finding, "/f") == "A (line 3): it is wrong. Mend it."
    assert env_file.describe(env_file.Finding("", None, "x", "error", "m", "h"), "/f") == "/f: m. h."

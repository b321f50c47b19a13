# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment file, beside the systemd of a real host, and the secrets in it, which nobody sees."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import env_file
from controller import ROOT, TESTBED, Host, Run
from env_files import generate, systemd, table

GROUP = f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_env"
AT_A_TIME = 1000
LINES = 60
# This seed repeats a run that failed.
SEED = os.environ.get("SWITCHYARD_ENV_SEED")

Say = Callable[[str], None]


@contextlib.contextmanager
def a_host(release: str) -> Iterator[Host]:
    one = Host(group=f"{GROUP}_{release}", release=release, warm=release == "bookworm")
    one.down()
    one.up()
    try:
        yield one
    finally:
        one.down()


@pytest.fixture(scope="module")
def bookworm() -> Iterator[Host]:
    with a_host("bookworm") as one:
        yield one


@pytest.fixture(scope="module")
def trixie() -> Iterator[Host]:
    with a_host("trixie") as one:
        yield one


# --- Reading and writing, beside systemd -----------------------------------------------------------------------------


def test_reads_what_systemd_reads(bookworm: Host, say: Say) -> None:
    read_beside_systemd(bookworm, say, 10_000)


def test_systemd_reads_back_what_was_written(bookworm: Host, say: Say) -> None:
    write_beside_systemd(bookworm, say, 10_000)


@pytest.mark.full
@pytest.mark.parametrize(("release", "assignments"), [("bookworm", 110_000), ("trixie", 40_000)])
def test_reads_many_files_as_systemd_reads_them(
    release: str, assignments: int, request: pytest.FixtureRequest, say: Say
) -> None:
    read_beside_systemd(request.getfixturevalue(release), say, assignments)


@pytest.mark.full
@pytest.mark.parametrize(("release", "values"), [("bookworm", 110_000), ("trixie", 40_000)])
def test_systemd_reads_back_many_values(release: str, values: int, request: pytest.FixtureRequest, say: Say) -> None:
    write_beside_systemd(request.getfixturevalue(release), say, values)


def new_seed() -> int:
    """What it makes has to be repeatable, and need not be a secret."""
    return int(SEED) if SEED else random.SystemRandom().randrange(10**9)


def read_beside_systemd(host: Host, say: Say, wanted: int) -> None:
    """Compare file after file until systemd has seen so many assignments in them."""
    seed, version = new_seed(), systemd.version(host)
    source = random.Random(seed)  # noqa: S311
    seen = files = refused = 0
    disagreements: list[str] = []
    while seen < wanted:
        # A file in ten is one that systemd should refuse as a whole.
        amount = min(AT_A_TIME, (wanted - seen) // (LINES // 2) + 20)
        batch = [generate.file(source, LINES, number % 10 == 9) for number in range(amount)]
        for number, (data, answer) in enumerate(zip(batch, ask(host, batch)), files):
            seen += len(answer.variables)
            refused += answer.refused
            disagreements += [f"file {number}: {what}" for what in differences(data, version, answer)]
        files += amount
    say(
        f"systemd {version}: {seen} assignments in {files} files, of which it refused {refused}; "
        f"disagreements: {len(disagreements)} (SWITCHYARD_ENV_SEED={seed})\n"
    )
    assert refused > files // 50
    assert not disagreements, "\n".join(disagreements[:20])


def ask(host: Host, files: list[bytes]) -> list[systemd.Answer]:
    return systemd.ask(host, [b"", *files])[1:]


def differences(data: bytes, version: int, answer: systemd.Answer) -> Iterator[str]:
    parsed = env_file.parse(data, version)
    if parsed.refused != answer.refused:
        yield f"refused by us: {parsed.refused}, by systemd: {answer.refused}"
        return
    ours = {name.encode(): value.encode() for name, value in parsed.variables.items()}
    if any(finding.code == "too-long" for finding in parsed.findings):
        # systemd reads such a file, and Linux does not start a process with it.
        ours = {}
    for name in sorted(ours.keys() | answer.variables.keys()):
        if ours.get(name) != answer.variables.get(name):
            yield f"{name!r}: {ours.get(name)!r:.200} here, {answer.variables.get(name)!r:.200} by systemd"


def write_beside_systemd(host: Host, say: Say, wanted: int) -> None:
    seed, version = new_seed(), systemd.version(host)
    source = random.Random(seed)  # noqa: S311
    lost: list[str] = []
    for start in range(0, wanted, AT_A_TIME * LINES):
        values = [generate.value(source) for _dummy in range(min(AT_A_TIME * LINES, wanted - start))]
        parts = [values[at : at + LINES] for at in range(0, len(values), LINES)]
        given = [{f"K{number}": value for number, value in enumerate(part)} for part in parts]
        answers = ask(host, [env_file.render(variables) for variables in given])
        for variables, answer in zip(given, answers):
            got = answer.variables
            lost += [repr(value) for name, value in variables.items() if got.get(name.encode()) != value.encode()]
            assert len(got) <= len(variables), "systemd found variables that nobody wrote"
    say(f"systemd {version}: {wanted} values written and read back; lost: {len(lost)} (SWITCHYARD_ENV_SEED={seed})\n")
    assert not lost, "\n".join(lost[:20])


# --- The table of bad files ------------------------------------------------------------------------------------------

SECRET = "Tweety-8f3kQz-of_which_there_are_enough_characters_0123456789"
WRITES: dict[str, dict[str, Any]] = {
    "first": {"SECRET_KEY": SECRET, "A": "Tweety", "B": "Tweety-8f3kQz\n'\"$"},
    "changed": {"SECRET_KEY": f"{SECRET}-again", "A": "Tweety", "C": "Tweety-8f3kQz"},
    "again": {"SECRET_KEY": f"{SECRET}-again", "A": "Tweety", "C": "Tweety-8f3kQz"},
    "refused": {"SECRET_KEY": "Tweety-8f3kQz", "A-B": "Tweety-8f3kQz", "D": ["Tweety-8f3kQz"], "E": "Tweety\ufdd0"},
}
ON_HOST = "/root/env-cases"


@pytest.fixture(scope="module")
def judged(bookworm: Host, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any], dict[str, Any], str]:
    """All files of the table, judged in one run: what it printed and said, what others saw, what was logged."""
    cases = table.load()
    folder = tmp_path_factory.mktemp("cases")
    for case in cases.values():
        case.lay(folder / case.name)
    lay_on(bookworm, folder)
    results = bookworm.scratch / "results.json"
    with watched(bookworm) as seen:
        run = bookworm.play(
            str(ROOT / "tests/integration/env_files/judge.yml"),
            "-vvvv",
            "--diff",
            env_cases={name: case.options(f"{ON_HOST}/{name}") for name, case in cases.items()},
            env_writes=WRITES,
            env_folder=ON_HOST,
            env_results=str(results),
        )
    assert run.rc == 0, run.output[-3000:]
    journal = bookworm.sh(
        "journalctl --sync; journalctl --quiet --all --output=verbose -t ansible-switchyard.django.env_file"
    )
    return run, json.loads(results.read_text()), seen, journal


def lay_on(host: Host, folder: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, arcname=".", filter=of_root)
    command = f"mkdir -p {ON_HOST} && tar -C {ON_HOST} -xpf - && chmod 0755 {ON_HOST}"
    done = [sys.executable, TESTBED, "exec", host.name, "--group", host.group, "--", "sh", "-c", command]
    subprocess.run(done, input=packed.getvalue(), check=True, stdout=subprocess.DEVNULL)


def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


@contextlib.contextmanager
def watched(host: Host) -> Iterator[dict[str, Any]]:
    """Look at the processes of the host as nobody does, for as long as the block runs."""
    program = (ROOT / "tests/integration/env_files/watch.py").read_text()
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "python3", "-c", program]
    seen: dict[str, Any] = {}
    watcher = subprocess.Popen(
        [sys.executable, TESTBED, "exec", host.name, "--group", host.group, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdin and watcher.stdout
    watcher.stdin.write(f"{table.CANARY}\n")
    watcher.stdin.flush()
    assert watcher.stdout.readline() == "ready\n"
    try:
        yield seen
    finally:
        answer, _nothing = watcher.communicate(timeout=30)
    seen.update(json.loads(answer))


def test_each_bad_file_gets_exactly_its_findings(judged: Any) -> None:
    _run, results, _seen, _journal = judged
    got = {result["item"]: table.said(result["findings"]) for result in results["judged"]}
    expected = {name: case.expected for name, case in table.load().items()}
    assert {name: got.get(name) for name in expected if got.get(name) != expected[name]} == {}


def test_a_secret_is_in_no_output(judged: Any) -> None:
    run, results, _seen, _journal = judged
    # The output is all that there is to be: connection, arguments, results.
    assert all(words in run.output for words in ("ESTABLISH SSH CONNECTION", "module_args", "url-not-read"))
    assert table.CANARY not in run.output.lower()
    assert table.CANARY not in json.dumps(results).lower()


def test_the_diff_names_what_is_added_changed_and_removed(judged: Any) -> None:
    run, results, _seen, _journal = judged
    written = {result["item"]: result for result in results["written"]}
    assert [written[name].get("changed") for name in WRITES] == [True, True, False, False]
    lines = run.output.splitlines()
    for line in ("-B=(hidden)", "+C=(hidden)", "-SECRET_KEY=(hidden)", "+SECRET_KEY=(hidden, changed)", " A=(hidden)"):
        assert line in lines
    assert [(key, code) for key, _line, code, _level in table.said(written["refused"]["findings"])] == [
        ("A-B", "invalid-name"),
        ("E", "invalid-utf8"),
        ("D", "not-a-string"),
        ("SECRET_KEY", "weak-secret"),
    ]


def test_a_secret_is_not_in_the_journal(judged: Any) -> None:
    _run, results, _seen, journal = judged
    assert journal.count("Invoked with") >= len(results["judged"]) + len(WRITES)
    assert table.CANARY not in journal.lower()


def test_a_secret_is_not_in_the_process_list(judged: Any) -> None:
    _run, results, seen, _journal = judged
    assert seen["looks"] > len(results["judged"])
    # So does a module show itself: it came in through its standard input.
    assert repr(b"/usr/bin/python3\0") in seen["seen"]
    assert seen["found"] == []

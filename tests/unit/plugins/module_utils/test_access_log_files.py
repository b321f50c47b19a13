# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of an access log are read, and how much of them."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import access_log_files
from ansible_collections.switchyard.django.plugins.module_utils.access_log_files import SLACK, opened, rotations
from hypothesis import given
from hypothesis import strategies as st

BEGIN = 1_800_000_000


def line(at, path="/"):
    stamp = datetime.fromtimestamp(at, timezone.utc).isoformat()
    return f'{{"time":"{stamp}","method":"GET","uri":"{path}","status":200}}\n'.encode()


def lines(since, until, step=1):
    return b"".join(line(at) for at in range(since, until, step))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "shop.access.log"


def turned_over(log: Path, name: str) -> Path:
    return log.with_name(log.name + name)


def read(log: Path, since: float) -> tuple[list[str], bytes, bool]:
    """The names of the files that are read, what is in them, and whether they go back far enough."""
    with opened(log, since) as (parts, reaches_back):
        content = b"".join(chunk for part in parts for chunk in part.lines(since))
        return [part.path.name.removeprefix(log.name) for part in parts], content, reaches_back


def test_the_newest_comes_first_whatever_logrotate_calls_it(log):
    for name in ("", ".1", ".2.gz", ".10.gz", ".bak", "-20261125", "-20261126.gz", "-20261126-1700000000"):
        turned_over(log, name).touch()
    log.with_name("shop.access.log.1.old").touch()
    log.with_name("blog.access.log").touch()
    names = [path.name.removeprefix(log.name) for path in rotations(log)]
    assert names == ["", ".1", ".2.gz", ".10.gz", "-20261126-1700000000", "-20261126.gz", "-20261125"]


def test_what_is_being_compressed_is_read_once(log):
    turned_over(log, ".1").touch()
    turned_over(log, ".1.gz").touch()
    assert [path.name for path in rotations(log)] == ["shop.access.log.1"]


def test_only_files_that_the_window_needs_are_read(log):
    turned_over(log, ".2.gz").write_bytes(gzip.compress(lines(BEGIN, BEGIN + 1000)))
    turned_over(log, ".1").write_bytes(lines(BEGIN + 1000, BEGIN + 2000))
    log.write_bytes(lines(BEGIN + 2000, BEGIN + 3000))
    turned_over(log, ".3.gz").write_bytes(b"never looked at")
    assert read(log, BEGIN + 2500)[0::2] == ([""], True)
    assert read(log, BEGIN + 1500)[0::2] == ([".1", ""], True)
    names, content, reaches_back = read(log, BEGIN + 500)
    assert (names, reaches_back) == ([".2.gz", ".1", ""], True)
    assert content == lines(BEGIN, BEGIN + 3000)


def test_a_log_that_was_just_turned_over_is_not_the_beginning(log):
    turned_over(log, ".1").write_bytes(lines(BEGIN, BEGIN + 1000))
    log.touch()
    assert read(log, BEGIN + 900)[0::2] == ([".1", ""], True)
    log.unlink()
    assert read(log, BEGIN + 900)[0::2] == ([".1"], True)


def test_a_log_that_begins_later_says_so(log):
    log.write_bytes(lines(BEGIN, BEGIN + 10))
    assert read(log, BEGIN - 10)[2] is False
    assert read(log, BEGIN + 5)[2] is True


def test_of_a_large_file_only_the_end_is_read(log):
    log.write_bytes(lines(BEGIN, BEGIN + 100_000))
    with opened(log, BEGIN + 99_000) as ([part], _reaches_back):
        content = b"".join(part.lines(BEGIN + 99_000))
        assert part.read < part.size / 10
    first = content[: content.index(b"\n") + 1]
    assert content == lines(BEGIN + 100_000 - content.count(b"\n"), BEGIN + 100_000)
    assert first <= line(int(BEGIN + 99_000 - SLACK))


@given(st.integers(0, 2**20), st.integers(0, 3000), st.sampled_from([b"", b"\x00\xff", b"x" * 400_000, b"\n\n"]))
def test_wherever_the_window_begins_no_line_of_it_is_missed(tmp_path_factory, seed, offset, junk):
    """Lines that stand too late by less than the slack, and some that are none."""
    log = tmp_path_factory.getbasetemp() / "bisected.access.log"
    times = [BEGIN + count + (seed * (count + 1) * 7919) % int(SLACK) for count in range(3000)]
    written = [line(at, f"/{'a' * 200}") for at in times]
    log.write_bytes(b"".join([*written[:1700], junk, *written[1700:]]))
    _names, content, _reaches_back = read(log, BEGIN + offset)
    wanted = {one for at, one in zip(times, written) if at >= BEGIN + offset}
    # The line that junk is glued to is broken.
    assert wanted - {one + b"\n" for one in content.split(b"\n")} <= {written[1700]}


def test_the_log_is_turned_over_while_it_is_looked_up(log, monkeypatch):
    """What has been opened under one name comes again under another, and what it was there for is somewhere else."""
    turned_over(log, ".1").write_bytes(lines(BEGIN, BEGIN + 1000))
    log.write_bytes(lines(BEGIN + 1000, BEGIN + 2000))
    real, calls = access_log_files._open, []

    def rotating(path, stack):
        calls.append(path.name)
        if len(calls) == 2:
            turned_over(log, ".2.gz").write_bytes(gzip.compress(turned_over(log, ".1").read_bytes()))
            log.rename(turned_over(log, ".1"))
            log.write_bytes(lines(BEGIN + 2000, BEGIN + 2001))
        return real(path, stack)

    monkeypatch.setattr(access_log_files, "_open", rotating)
    names, content, reaches_back = read(log, BEGIN + 500)
    assert (names, reaches_back) == ([".2.gz", ".1", ""], True)
    assert content == lines(BEGIN, BEGIN + 2001)


def test_the_log_is_turned_over_while_it_is_read(log):
    log.write_bytes(lines(BEGIN, BEGIN + 100))
    with opened(log, BEGIN) as ([part], _reaches_back):
        log.rename(turned_over(log, ".1"))
        shutil.copy(turned_over(log, ".1"), log)
        with turned_over(log, ".1").open("ab") as late:
            late.write(line(BEGIN + 100))
        assert b"".join(part.lines(BEGIN)) == lines(BEGIN, BEGIN + 100)


def test_a_pipe_keeps_nobody_waiting(log):
    os.mkfifo(log)
    assert read(log, BEGIN) == ([], b"", False)


def test_a_name_with_a_pattern_is_itself(tmp_path):
    for name in ("[a]*.log", "[a]*.log.1", "a.log.1"):
        (tmp_path / name).touch()
    assert [path.name for path in rotations(tmp_path / "[a]*.log")] == ["[a]*.log", "[a]*.log.1"]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import subprocess
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk
from hypothesis import given
from hypothesis import strategies as st

FORK = multiprocessing.get_context("fork")


def test_a_file_has_its_content_and_its_mode_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        disk.write(tmp_path / "file", b"new", 0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o644


def test_a_secret_is_never_readable_for_others_on_the_way(tmp_path, monkeypatch):
    seen = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (seen.append(os.stat(old).st_mode & 0o777), replace(old, new)))
    disk.write(tmp_path / "file", b"secret", 0o600)
    assert seen == [0o600]


@pytest.mark.parametrize("step", ["replace", "fsync", "fchmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    (tmp_path / "file").write_bytes(b"old")

    def fail(*_arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space"):
        disk.write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_write_left_is_replaced_by_the_next_and_does_not_pile_up(tmp_path, monkeypatch):
    for _attempt in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", lambda *_names: os._exit(9))
            worker = FORK.Process(target=disk.write, args=(tmp_path / "file", b"new"))
            worker.start()
            worker.join()
        assert os.listdir(tmp_path) == [".file.partial"]
    disk.write(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_what_somebody_else_laid_in_the_way_is_not_written_through(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".file.partial").symlink_to("precious")
    disk.write(tmp_path / "file", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_reader_keeps_the_file_that_it_opened(tmp_path):
    disk.write(tmp_path / "file", b"old")
    with (tmp_path / "file").open("rb") as reader:
        disk.write(tmp_path / "file", b"new")
        assert reader.read() == b"old"


def test_a_link_that_stands_in_the_way_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "file").symlink_to("target")
    disk.write(tmp_path / "file", b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_pointer_moves_in_one_step(tmp_path, monkeypatch):
    disk.point(tmp_path / "current", "releases/a")

    def fail(*_arguments):
        raise OSError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="power"):
            disk.point(tmp_path / "current", "releases/b")
    assert os.readlink(tmp_path / "current") == "releases/a"
    disk.point(tmp_path / "current", "releases/c")  # what the power cut left is in nobody's way
    assert os.readlink(tmp_path / "current") == "releases/c"
    assert os.listdir(tmp_path) == ["current"]


def test_lines_are_appended_one_by_one(tmp_path):
    for line in ("one", "two", "drei – ü"):
        disk.append_line(tmp_path / "log", line)
    assert (tmp_path / "log").read_text().splitlines() == ["one", "two", "drei – ü"]


def test_a_line_is_not_glued_to_one_that_a_power_cut_tore(tmp_path):
    (tmp_path / "log").write_text("one\ntw")
    disk.append_line(tmp_path / "log", "three")
    assert (tmp_path / "log").read_text() == "one\ntw\nthree\n"


def test_a_line_that_does_not_fit_on_the_disk_is_an_error(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:3]) if len(line) > 3 else 0)
    with pytest.raises(OSError, match="log"):
        disk.append_line(tmp_path / "log", "three")


def test_what_is_removed_may_be_gone_already(tmp_path):
    disk.remove(tmp_path / "nothing")
    (tmp_path / "dangling").symlink_to("nowhere")
    disk.remove(tmp_path / "dangling")
    assert os.listdir(tmp_path) == []


# --- what lies there, and laying it there again ----------------------------------------------------------------------


def test_what_lies_there_is_a_text_a_link_or_nothing(tmp_path):
    (tmp_path / "file").write_text("ü\n")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("/no/where")
    (tmp_path / "folder").mkdir()
    found = [disk.text_of(tmp_path / name) for name in ("file", "link", "dangling", "nothing", "no/thing", "folder")]
    assert found == ["ü\n", f"{disk.LINK}file", f"{disk.LINK}/no/where", None, None, None]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda one: not one.startswith(disk.LINK))
TARGETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(disk.LINK.__add__)
LYING = st.none() | TEXTS | TARGETS


@given(LYING, LYING)
def test_whatever_lay_there_can_be_laid_there_again(tmp_path_factory, one, other):
    path = tmp_path_factory.mktemp("disk") / "folder" / "file"
    for text in (one, other, one, one):
        disk.put(path, text)
        assert disk.text_of(path) == text
        assert os.path.lexists(path) == (text is not None)
        assert path.is_symlink() == bool(text and text.startswith(disk.LINK))


@pytest.mark.parametrize("text", ["one\r\ntwo\rthree\n", "\ufeffx", "", "\n\n"])
def test_a_text_is_laid_as_it_is(tmp_path, text):
    disk.put(tmp_path / "file", text)
    assert (tmp_path / "file").read_bytes() == text.encode()
    assert disk.text_of(tmp_path / "file") == text


def test_a_link_is_replaced_and_what_it_points_at_is_left_alone(tmp_path):
    (tmp_path / "target").write_text("precious")
    for text in ("new", None):
        disk.put(tmp_path / "link", f"{disk.LINK}target")
        disk.put(tmp_path / "link", text)
        assert disk.text_of(tmp_path / "link") == text
        assert (tmp_path / "target").read_text() == "precious"


def test_a_file_gives_way_to_a_link(tmp_path):
    disk.put(tmp_path / "file", "text")
    disk.put(tmp_path / "file", f"{disk.LINK}../target")
    assert os.readlink(tmp_path / "file") == "../target"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("text", [None, "text", f"{disk.LINK}target"], ids=["nothing", "a file", "a link"])
def test_what_is_so_already_is_not_written_again(tmp_path, monkeypatch, text):
    disk.put(tmp_path / "file", text)

    def full(*_arguments, **_how):
        raise OSError("no space left")

    for step in ("open", "replace", "symlink", "unlink"):
        monkeypatch.setattr(os, step, full)
    disk.put(tmp_path / "file", text)


def test_a_file_is_for_everybody_to_read_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        disk.put(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_tree_of_many_files_is_settled_at_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda argv, **how: calls.append((argv, how)))
    disk.settle(tmp_path)
    assert calls == [(["sync", "--file-system", tmp_path], {"check": True})]


# --- one at a time ---------------------------------------------------------------------------------------------------


def test_only_one_process_works_behind_a_lock(tmp_path):
    path = tmp_path / "run" / "lock"

    def work():
        for _round in range(10):
            with disk.locked(path):
                (tmp_path / "inside").mkdir()  # fails where somebody else is inside
                time.sleep(0.001)
                (tmp_path / "inside").rmdir()

    workers = [FORK.Process(target=work) for _worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4


@pytest.mark.parametrize("end", ["kill", "raise"])
def test_a_lock_is_free_when_its_process_has_ended_however_it_ended(tmp_path, end):
    def work():
        with disk.locked(tmp_path / "lock"):
            (tmp_path / "locked").touch()
            if end == "raise":
                os.close(2)
                raise OSError
            time.sleep(60)

    worker = FORK.Process(target=work)
    worker.start()
    while not (tmp_path / "locked").exists():
        time.sleep(0.01)
    if end == "kill":
        worker.kill()
    worker.join()
    with disk.locked(tmp_path / "lock"):
        pass


def test_programs_that_are_started_behind_a_lock_do_not_hold_it(tmp_path):
    with disk.locked(tmp_path / "lock"):
        program = subprocess.Popen(["/bin/sleep", "60"])
    try:
        with disk.locked(tmp_path / "lock"):
            pass
    finally:
        program.kill()
        program.wait()


def test_nobody_else_finds_what_lies_beside_a_lock(tmp_path):
    with disk.locked(tmp_path / "run" / "lock"):
        pass
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run" / "lock").stat().st_mode & 0o777 == 0o600


# --- digests ---------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(JSON)
def test_the_canonical_form_is_plain_ascii_on_one_line(value):
    written = disk.canonical(value)
    assert written.isascii()
    assert b"\n" not in written


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_keys(value, random):
    names = list(value)
    random.shuffle(names)
    assert disk.digest({name: value[name] for name in names}) == disk.digest(value)


def test_a_digest_is_cut_to_its_length():
    assert disk.digest("x").startswith(disk.digest("x", 12))
    assert len(disk.digest("x", 12)) == 12

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a power cut would leave: the order of writes and syncs, as strace sees it while a release is made and goes live.

Killing a host's processes loses nothing that they wrote, so this is looked at apart from the deaths of test_faults.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from faults import Bench, Deploy, Switch
from faults.trace import Disk, Event, changes, is_durable, merge, parse

ETC = "/etc/switchyard/liveboard"
CURRENT = f"{ETC}/current"
HISTORY = f"{ETC}/history.jsonl"
RUNS = ["deployed", pytest.param("switched", marks=pytest.mark.full)]


# --- the reader of traces --------------------------------------------------------------------------------------------


def test_calls_are_read_with_their_paths() -> None:
    trace = """\
1.0 openat(AT_FDCWD</>, "/etc/a", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600) = 3</etc/a>
1.1 openat(AT_FDCWD</>, "/etc/hosts", O_RDONLY) = 4</etc/hosts>
1.2 write(3</etc/a>, "{\\"phase\\": \\"intent\\""..., 200) = 200
1.3 fsync(3</etc/a>)                 = 0
1.4 rename("/etc/a", "/etc/b")       = 0
1.5 linkat(5</srv/x>, "f", 6</srv/y>, "g", 0) = 0
1.6 symlink("releases/1", "/etc/.current.7") = 0
1.7 unlink("/etc/gone")              = -1 ENOENT (No such file or directory)
1.8 unlinkat(5</srv/x>, "f", 0)      = 0
1.9 syncfs(3</srv>)                  = 0
2.0 execve("/usr/bin/systemctl", ["systemctl", "reload", "nginx"], 0x7ffd /* 9 vars */) = 0
2.1 copy_file_range(3</srv/from>, NULL, 4</srv/to>, NULL, 99, 0) = 99
"""
    assert [(event.kind, event.paths) for event in parse(trace, "p")] == [
        ("create", ("/etc/a",)),
        ("write", ("/etc/a",)),
        ("sync", ("/etc/a",)),
        ("rename", ("/etc/a", "/etc/b")),
        ("link", ("/srv/x/f", "/srv/y/g")),
        ("symlink", ("/etc/.current.7",)),
        ("remove", ("/srv/x/f",)),
        ("sync all", ("/srv",)),
        ("run", ()),
        ("write", ("/srv/to",)),
    ]
    assert [event.text for event in parse(trace, "p") if event.kind == "run"] == [
        "/usr/bin/systemctl systemctl reload nginx"
    ]


def test_traces_are_merged_by_time() -> None:
    assert [event.process for event in merge({"a": '2.0 unlink("/etc/x") = 0', "b": '1.0 unlink("/etc/y") = 0'})] == [
        "b",
        "a",
    ]


def test_content_is_safe_after_its_sync_and_a_name_after_that_of_its_folder() -> None:
    disk = Disk()

    def happens(kind: str, *paths: str) -> list[str]:
        disk.take(Event(0.0, "p", kind, paths))
        return disk.pending()

    assert happens("create", "/etc/.a") == ["content of /etc/.a", "name /etc/.a"]
    assert happens("sync", "/etc/.a") == ["name /etc/.a"]
    assert happens("rename", "/etc/.a", "/etc/a") == ["name /etc/a"]
    assert happens("sync", "/srv") == ["name /etc/a"]
    assert happens("sync", "/etc") == []
    assert happens("write", "/etc/a") == ["content of /etc/a"]
    assert happens("write", "/run/volatile") == ["content of /etc/a"]
    assert happens("sync all", "/srv/x") == ["content of /etc/a"]
    assert happens("sync all", "/") == []
    assert happens("mkdir", "/srv/x.partial") == ["name /srv/x.partial"]
    assert happens("create", "/srv/x.partial/f") == [
        "content of /srv/x.partial/f",
        "name /srv/x.partial",
        "name /srv/x.partial/f",
    ]
    assert happens("rename", "/srv/x.partial", "/srv/x") == ["content of /srv/x/f", "name /srv/x", "name /srv/x/f"]


# --- the real thing --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployed(bench: Bench) -> list[Event]:
    """All that a deploy of a new version writes, release and cutover."""
    bench.host.sh("command -v strace || { apt-get -qq update; apt-get -qq install --no-install-recommends strace; }")
    return bench.traced(Deploy(bench))


@pytest.fixture(scope="module")
def switched(bench: Bench) -> list[Event]:
    """All that a change of stack writes."""
    return bench.traced(Switch(bench))


def program_of(events: list[Event]) -> list[Event]:
    """The events of the program that moves the traffic, and of what it starts."""
    (mover,) = {one.process.split(".")[0] for one in events if one.kind == "rename" and one.paths[-1] == CURRENT}
    return [one for one in events if one.process.split(".")[0] == mover]


def is_line(event: Event, phase: str) -> bool:
    return event.kind == "write" and event.paths == (HISTORY,) and f'phase\\": \\"{phase}' in event.text


def disturbs(event: Event) -> bool:
    """Whether it asks something new of the disk."""
    return event.kind not in ("run", "sync", "sync all") and is_durable(event.paths[-1])


def pending_at(events: list[Event], name: str) -> list[list[str]]:
    """What a power cut could take away just before a file of this name comes into place."""
    return [
        disk.pending() for event, disk in changes(events) if event.kind == "rename" and event.paths[-1].endswith(name)
    ]


def assert_none(found: Iterable[str]) -> None:
    amiss = list(found)
    assert not amiss, "\n".join([f"{len(amiss)} are not on the disk:", *amiss[:12]])


@pytest.fixture(params=RUNS)
def moved(request: pytest.FixtureRequest) -> list[Event]:
    return program_of(request.getfixturevalue(request.param))


def test_the_intent_is_on_the_disk_before_anything_else_is_written(moved: list[Event]) -> None:
    asked = [(event, disk.pending()) for event, disk in changes(moved) if disturbs(event)]
    first = next(index for index, (event, _pending) in enumerate(asked) if event.kind == "write")
    assert is_line(asked[first][0], "intent"), f"before it: {asked[first][0]}"
    assert {event.paths for event, _pending in asked[:first]} <= {(HISTORY,)}
    after, pending = asked[first + 1]
    assert pending == [], f"at {after} it may not be on the disk yet"


def test_the_outcome_is_on_the_disk_before_the_way_back_goes_and_nothing_is_written_after_it(
    moved: list[Event],
) -> None:
    asked = [(event, disk.pending()) for event, disk in changes(moved) if disturbs(event)]
    told = next(index for index, (event, _pending) in enumerate(asked) if is_line(event, "outcome"))
    after = asked[told + 1 :]
    assert [str(event) for event, _pending in after if event.kind != "remove"] == []
    assert_none(one for _event, pending in after[:1] for one in pending)
    disk = Disk()
    for event in moved:
        if event.kind != "run":
            disk.take(event)
    assert_none(disk.pending())


@pytest.mark.parametrize("run", RUNS)
def test_all_that_current_depends_on_is_on_the_disk_before_it_moves(run: str, request: pytest.FixtureRequest) -> None:
    (pending,) = pending_at(request.getfixturevalue(run), CURRENT)
    assert_none(one for one in pending if not one.startswith(f"name {ETC}/.current"))


def test_the_pointer_is_on_the_disk_before_nginx_hears_of_it(moved: list[Event]) -> None:
    start = next(index for index, one in enumerate(moved) if one.kind == "rename" and one.paths[-1] == CURRENT)
    after = [one for one in moved[start + 1 :] if one.kind == "run" or disturbs(one) or one.kind.startswith("sync")]
    assert (after[0].kind, after[0].paths) == ("sync", (ETC,)), f"after the pointer: {after[0]}"


@pytest.mark.parametrize("run", RUNS)
def test_what_is_renamed_into_place_is_whole_and_its_name_is_safe_before_the_next_step(
    run: str, request: pytest.FixtureRequest
) -> None:
    """A file was synced after its last write, its folder is before anything else; a tree waits for the manifest."""
    amiss, unsafe, files = [], "", set()
    for event, disk in changes(request.getfixturevalue(run)):
        if event.kind == "sync" and unsafe and event.paths[0] == os.path.dirname(unsafe) or event.kind == "sync all":
            unsafe = ""
        if unsafe and disturbs(event):
            amiss.append(f"the name {unsafe} is not on the disk when this comes: {event}")
            unsafe = ""
        if event.kind in ("create", "symlink"):
            files.add(event.paths[0])
        if event.kind == "rename" and event.paths[0] in files:
            source, unsafe = event.paths
            if source in disk.content:
                amiss.append(f"renamed to {unsafe} before it was synced")
    assert any("/.release.json." in path for path in files), "the trace shows no file that is renamed into place"
    assert_none(amiss)


@pytest.mark.parametrize("run", RUNS)
def test_the_manifest_comes_when_all_of_the_release_is_on_the_disk(run: str, request: pytest.FixtureRequest) -> None:
    (pending,) = pending_at(request.getfixturevalue(run), "/release.json")
    assert_none(one for one in pending if "/.release.json" not in one)


@pytest.mark.parametrize("run", RUNS)
def test_what_the_sandbox_built_is_synced_before_the_manifest(run: str, request: pytest.FixtureRequest) -> None:
    """Django and uv write as processes of systemd's, where no file is seen: a sync of the file system covers them."""
    synced = True
    for event, _disk in changes(request.getfixturevalue(run)):
        if event.kind == "run" and "systemd-run" in event.text and "--pipe" in event.text:
            synced = False
        elif event.kind == "sync all" and (f"{event.paths[0]}/".startswith("/srv/") or event.paths[0] == "/"):
            synced = True
        elif event.kind == "rename" and event.paths[-1].endswith("/release.json"):
            assert synced, (
                "the file system of /srv was not synced between the last program in the sandbox and the manifest"
            )

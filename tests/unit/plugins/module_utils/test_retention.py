# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import os
import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    disk,
    history,
    locks,
    retention,
    state,
    venvs,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

R1, R2, R3, R4, R5 = (f"{number}" * 12 for number in range(1, 6))


class Killed(BaseException):
    """The clean-up is killed."""


class Systemd:
    """Which instances are in which state, and what systemd is told."""

    def __init__(self):
        self.instances = {}
        self.told = []

    def run(self, argv, **_how):
        if argv[:2] == ["systemctl", "show"]:
            said = "\n\n".join(f"Id={unit}\nActiveState={how}\nMainPID=71" for unit, how in self.instances.items())
            return subprocess.CompletedProcess(argv, 0, said, "")
        self.told.append([str(part) for part in argv])
        return subprocess.CompletedProcess(argv, 0, "", "")


@pytest.fixture(autouse=True)
def systemd(monkeypatch):
    one = Systemd()
    monkeypatch.setattr(subprocess, "run", one.run)
    return one


def record(layout, operation, target, result="live"):
    entry = {"operation": operation, "from": state.live_release(layout), "to": target}
    history.record(layout.history, "intent", **entry)
    if result:
        history.record(layout.history, "outcome", result=result, **entry)
    if result == "live":
        disk.point(layout.current, f"releases/{target}")


@pytest.fixture
def deploy(layout, make_release, tmp_path):
    def deploy(*names, **changes):
        for name in names:
            make_release(name, **changes)
            disk.point(tmp_path / "system" / layout.unit(name), str(layout.record(name) / layout.unit(name)))
            record(layout, "deploy", name)

    return deploy


def left(layout):
    """What is left of releases anywhere."""
    return sorted({*os.listdir(layout.etc / "releases"), *os.listdir(layout.srv / "releases")})


# --- which releases go -----------------------------------------------------------------------------------------------


def test_the_latest_that_were_live_stay(layout, deploy):
    deploy(R1, R2, R3, R4, R5)
    assert retention.superfluous(layout, 3) == [R1, R2]
    assert retention.superfluous(layout, 5) == []


def test_the_order_is_that_of_the_history(layout, deploy):
    deploy(R1, R2, R3, R1)
    os.utime(layout.manifest(R3), (0, 0))
    assert retention.superfluous(layout, 2) == [R2]


def test_where_nobody_said_how_many_none_goes(layout, deploy):
    deploy(R1, R2, R3)
    assert retention.superfluous(layout, 0) == []
    assert retention.kept(layout) == 0


def test_the_one_before_the_live_one_stays_even_where_one_is_asked_for(layout, deploy):
    deploy(R1, R2, R3)
    assert retention.superfluous(layout, 1) == [R1]


def test_the_one_that_a_rollback_leads_to_stays(layout, deploy):
    deploy(R1, R2, R3)
    record(layout, "rollback", R1)
    record(layout, "rollback", R3)
    deploy(R4)
    record(layout, "rollback", R3)
    target = state.releases(layout)["rollback_target"]
    assert target == R1
    assert target not in retention.superfluous(layout, 1)


@pytest.mark.parametrize("how", ["active", "activating", "deactivating", "reloading"])
def test_one_whose_instance_still_runs_stays(layout, deploy, systemd, how):
    deploy(R1, R2, R3, R4)
    systemd.instances = {layout.unit(R1): how, layout.unit(R2): "failed"}
    assert retention.superfluous(layout, 2) == [R2]


def test_one_whose_worker_finishes_a_task_still_stays(layout, deploy, systemd):
    deploy(R1, R2, R3, R4)
    systemd.instances = {layout.unit(R1, "worker"): "deactivating", layout.unit(R2, "worker"): "failed"}
    assert retention.superfluous(layout, 2) == [R2]


def test_one_that_never_got_live_goes(layout, deploy, make_release):
    deploy(R1, R2)
    make_release(R3)
    assert retention.superfluous(layout, 5) == [R3]


def test_both_ends_of_a_move_that_was_cut_off_stay(layout, deploy, make_release):
    deploy(R1, R2, R3)
    record(layout, "rollback", R1, result=None)
    assert retention.superfluous(layout, 1) == []
    make_release(R4)
    record(layout, "deploy", R4, result=None)
    assert retention.superfluous(layout, 1) == [R1]


def test_the_number_is_left_for_the_guard(layout):
    retention.remember(layout, 3)
    assert retention.kept(layout) == 3
    (layout.etc / "keep.json").write_text("three")
    assert retention.kept(layout) == 0


# --- how they go -----------------------------------------------------------------------------------------------------


def test_a_release_goes_with_all_that_is_its_alone(layout, deploy, systemd, tmp_path):
    deploy(R1, environment="e1", venv="v1")
    deploy(R2, R3, environment="e2", venv="v2")
    for unit in (layout.unit(R1, "worker"), layout.unit(R1, "tidy", "timer")):
        disk.point(tmp_path / "system" / unit, str(layout.record(R1) / unit))
    assert retention.sweep(layout, 2) == [R1]
    assert left(layout) == [R2, R3]
    assert os.listdir(layout.srv / "venvs") == ["v2"]
    assert os.listdir(layout.etc / "env") == ["e2.env"]
    assert sorted(os.listdir(tmp_path / "system")) == [layout.unit(R2), layout.unit(R3)]
    assert systemd.told == [["systemctl", "daemon-reload"]]


def test_what_others_share_stays(layout, deploy):
    text = "django==5.2\n"
    layout.lock("inputs").write_text(text)
    deploy(R1, R2, R3, lock=locks.digest(text))
    assert retention.sweep(layout, 2) == [R1]
    assert os.listdir(layout.srv / "venvs") == ["v1"]
    assert os.listdir(layout.etc / "env") == ["e1.env"]
    assert os.listdir(layout.etc / "locks") == ["inputs.txt"]


def test_a_lock_goes_with_the_last_release_that_was_made_of_it(layout, deploy):
    for name in ("old", "new"):
        layout.lock(name).write_text(f"{name}==1\n")
    deploy(R1, lock=locks.digest("old==1\n"))
    deploy(R2, R3, lock=locks.digest("new==1\n"))
    (layout.etc / "locks/torn.txt").write_bytes(b"\xff\xfe")
    retention.sweep(layout, 2)
    assert os.listdir(layout.etc / "locks") == ["new.txt"]


def test_what_is_half_made_goes_wherever_it_lies(layout, deploy):
    deploy(R1, R2)
    layout.record(R3).mkdir()
    layout.release(R3).mkdir()
    layout.release(f"{R4}.partial").mkdir()
    layout.venv("half").mkdir()
    (layout.etc / "env/.e9.env.partial").write_text("SECRET")
    assert retention.sweep(layout, 5) == []
    assert left(layout) == [R1, R2]
    assert os.listdir(layout.srv / "venvs") == ["v1"]
    assert os.listdir(layout.etc / "env") == ["e1.env"]


def test_a_live_release_whose_manifest_is_damaged_stays(layout, deploy):
    deploy(R1, R2)
    layout.manifest(R2).write_text("{")
    retention.sweep(layout, 1)
    assert R2 in left(layout)


def test_nothing_to_sweep_is_nothing_done(layout, deploy, systemd, tmp_path):
    deploy(R1, R2)
    before = sorted(tmp_path.rglob("*"))
    assert retention.sweep(layout, 5) == []
    assert sorted(tmp_path.rglob("*")) == before
    assert systemd.told == []


def test_a_bare_host_is_swept_of_nothing(layout):
    for folder in ("releases", "env", "locks"):
        (layout.etc / folder).rmdir()
    for folder in ("releases", "venvs"):
        (layout.srv / folder).rmdir()
    assert retention.sweep(layout, 3) == []


@pytest.mark.parametrize("count", range(1, 9))
def test_a_clean_up_that_is_killed_leaves_no_half_release_to_go_back_to(layout, deploy, tmp_path, monkeypatch, count):
    deploy(R1, R2, environment="e1", venv="v1")
    deploy(R3, R4, environment="e2", venv="v2")
    steps = itertools.count(1)

    def deadly(function):
        def killed(path):
            if next(steps) == count:
                raise Killed
            function(path)

        return killed

    with monkeypatch.context() as patch:
        patch.setattr(disk, "remove", deadly(disk.remove))
        patch.setattr(disk, "clear", deadly(disk.clear))
        with pytest.raises(Killed):
            retention.sweep(layout, 2)
    whole = state.manifests(layout)
    assert all(layout.release(name).exists() for name in whole)
    assert all(layout.environment(one["environment"]).exists() for one in whole.values())
    assert all(layout.venv(one["venv"]).exists() for one in whole.values())
    retention.sweep(layout, 2)
    assert left(layout) == [R3, R4]
    assert os.listdir(layout.srv / "venvs") == ["v2"]
    assert sorted(os.listdir(tmp_path / "system")) == [layout.unit(R3), layout.unit(R4)]


def test_a_venv_that_was_removed_by_half_is_not_taken_for_whole(layout, deploy, monkeypatch):
    deploy(R1, venv="v1")
    deploy(R2, R3, venv="v2")
    (layout.venv("v1") / venvs.LOCK).write_text("django==5.2")

    def killed(folder):
        if folder == layout.venv("v1"):
            raise Killed

    monkeypatch.setattr(disk, "clear", killed)
    with pytest.raises(Killed):
        retention.sweep(layout, 2)
    assert layout.venv("v1").exists()
    assert not venvs.is_whole(layout.venv("v1"))


# --- static files of earlier releases --------------------------------------------------------------------------------


def keep_static(layout, release, name, text):
    path, kept = layout.static(release) / name, layout.earlier_static / name
    for folder in (path.parent, kept.parent):
        folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.link(path, kept)


def test_hashed_files_go_with_the_last_release_that_has_them(layout, deploy):
    deploy(R1, R2, R3)
    keep_static(layout, R1, "css/old.0123abcd.css", "old")
    keep_static(layout, R2, "app.4567abcd.css", "newer")
    os.link(layout.static(R2) / "app.4567abcd.css", layout.static(R3) / "app.4567abcd.css")
    retention.sweep(layout, 2)
    assert [str(path.relative_to(layout.earlier_static)) for path in layout.earlier_static.rglob("*")] == [
        "app.4567abcd.css"
    ]


# --- whatever happened -----------------------------------------------------------------------------------------------

NAMES = st.sampled_from([R1, R2, R3, R4, R5])
STEPS = st.one_of(
    st.tuples(st.just("deploy"), NAMES, st.sampled_from(["live", "live", "failed", None])),
    st.tuples(st.just("rollback"), st.none(), st.sampled_from(["live", "live", "failed", None])),
    st.tuples(st.just("rollback to"), NAMES, st.sampled_from(["live", "failed", None])),
    st.tuples(st.just("run"), NAMES, st.none()),
    st.tuples(st.just("stop"), NAMES, st.none()),
    st.tuples(st.just("sweep"), st.none(), st.integers(1, 3)),
)
SITES = (Layout(f"shop{number}") for number in itertools.count())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(st.lists(STEPS, min_size=3, max_size=10), st.integers(1, 3))
def test_clean_up_never_takes_what_is_needed(layout, systemd, monkeypatch, steps, keep):
    site = next(SITES)
    for folder in (site.etc / "releases", site.srv / "releases"):
        folder.mkdir(parents=True)
    systemd.instances = {}
    monkeypatch.setattr(disk, "sync_folder", lambda folder: None)
    for step, name, detail in [*steps, ("sweep", None, keep)]:
        found = state.releases(site)
        name = found["rollback_target"] if step == "rollback" else name
        if step == "deploy" and not history.unfinished(history.read(site.history)):
            site.record(name).mkdir(exist_ok=True)
            site.release(name).mkdir(exist_ok=True)
            site.manifest(name).write_text(f'{{"environment": "{name}", "venv": "{name}", "lock": "{name}"}}')
            record(site, "deploy", name, detail)
        elif step in ("rollback", "rollback to") and name in found["releases"]:
            record(site, "rollback", name, detail)
        elif step == "run" and name in found["releases"]:
            systemd.instances[site.unit(name)] = "active"
        elif step == "stop":
            systemd.instances.pop(site.unit(name), None)
        elif step == "sweep":
            cut_off = history.unfinished(history.read(site.history)) or {"from": None, "to": None}
            before = next((one for one in found["lived"] if one != found["live"]), None)
            gone = retention.sweep(site, detail)
            needed = {
                found["live"],
                found["rollback_target"],
                before,
                *found["running"],
                cut_off["from"],
                cut_off["to"],
            }
            assert not needed & set(gone)
            assert set(state.manifests(site)) == set(found["releases"]) - set(gone)
            assert set(left(site)) == set(state.manifests(site))
            assert state.releases(site)["rollback_target"] == found["rollback_target"]

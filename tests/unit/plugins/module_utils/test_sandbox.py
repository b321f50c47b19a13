# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import env_file, sandbox

SECRET = 'hunter2 with "quotes" and $dollars'


@pytest.fixture
def systemd(monkeypatch):
    """Notes how systemd-run is called, and what its environment files hold at that moment."""

    def run(argv, **how):
        if argv[0] == "systemctl":
            run.asked.append([str(part) for part in argv[1:]])
            state = run.states.pop(0) if run.states else "inactive"
            said = f"Id={argv[-1]}\nActiveState={state}\n" if argv[1] == "show" else ""
            return subprocess.CompletedProcess(argv, 0 if state == "active" else 3, said, "")
        run.argv = [str(part) for part in argv]
        run.stdin = how.get("input")
        run.files = [Path(one.split("=", 2)[2]) for one in run.argv if one.startswith("--property=EnvironmentFile=")]
        run.modes = [path.stat().st_mode & 0o777 for path in run.files]
        run.variables = {}
        for path in run.files:
            run.variables.update(env_file.parse(path.read_bytes()).variables)
        if run.breaks:
            raise OSError("no systemd-run")
        return subprocess.CompletedProcess(argv, 3, "out", "err")

    run.breaks, run.asked, run.states = False, [], []
    monkeypatch.setattr(subprocess, "run", run)
    return run


def test_values_travel_in_files_that_root_alone_reads_and_never_as_arguments(layout, systemd):
    sandbox.run(layout, "build", ["/bin/true"], environment={"DB_PASSWORD": SECRET})
    assert systemd.variables["DB_PASSWORD"] == SECRET
    assert systemd.modes == [0o600]
    assert not [part for part in systemd.argv if "hunter2" in part]


def test_the_files_are_gone_afterwards(layout, systemd):
    sandbox.run(layout, "build", ["/bin/true"], environment={"DB_PASSWORD": SECRET})
    assert not systemd.files[0].exists()
    systemd.breaks = True
    with pytest.raises(OSError, match="no systemd-run"):
        sandbox.run(layout, "build", ["/bin/true"], environment={"DB_PASSWORD": SECRET})
    assert not systemd.files[0].exists()


def test_what_the_deploy_says_is_laid_over_the_sites_environment(layout, systemd, tmp_path):
    (tmp_path / "site.env").write_text('NAME="site"\nHOME="/root"\n')
    sandbox.run(layout, "build", ["x"], environment_file=tmp_path / "site.env", environment={"HOME": "/srv"})
    assert systemd.variables == {"NAME": "site", "HOME": "/srv"}


def test_a_command_runs_as_the_site_in_the_sandbox_and_writes_where_it_may(layout, systemd, tmp_path):
    done = sandbox.run(layout, "build", ["/bin/x", tmp_path], writable=[tmp_path / "w"], stdin="hello")
    assert (done.rc, done.stdout, done.stderr) == (3, "out", "err")
    assert systemd.argv[-3:] == ["--", "/bin/x", str(tmp_path)]
    assert systemd.stdin == "hello"
    properties = {part.removeprefix("--property=") for part in systemd.argv if part.startswith("--property=")}
    assert {"User=shop", "Group=shop", *sandbox.DIRECTIVES} <= properties
    assert f"ReadWritePaths={layout.data} {layout.media} {tmp_path}/w" in properties


def test_what_a_run_that_was_cut_off_left_at_work_is_stopped(layout, systemd):
    systemd.states = ["active"]
    sandbox.run(layout, "build", ["/bin/true"])
    assert ["stop", "switchyard-build@shop.service"] in systemd.asked


def test_a_migration_that_is_still_at_work_is_waited_for(layout, systemd, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    systemd.states = ["active", "deactivating"]
    sandbox.run(layout, "migrate", ["/bin/true"], patient=True)
    assert [asked[0] for asked in systemd.asked] == ["show"] * 3


def test_what_a_killed_run_left_behind_is_in_nobodys_way_and_does_not_pile_up(layout, systemd):
    systemd.breaks = True
    before = sorted(layout.run.iterdir())
    (layout.run / "build.env").write_text('STALE="1"\n')
    (layout.run / ".build.env.partial").write_text("ST")
    with pytest.raises(OSError, match="no systemd-run"):
        sandbox.run(layout, "build", ["/bin/true"], environment={"NAME": "new"})
    assert systemd.variables == {"NAME": "new"}
    assert sorted(layout.run.iterdir()) == before

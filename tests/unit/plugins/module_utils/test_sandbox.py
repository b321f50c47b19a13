# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import grp
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import env_file, sandbox
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_command_gets_its_arguments_as_they_are(layout, systemd):
    sandbox.run(layout, "build", ["/bin/sh", "-c", "echo $HOME $$"])
    assert systemd.argv[-1] == "echo $$HOME $$$$", "which systemd takes for $HOME and $$"


def test_what_one_command_needs_beside_comes_after_the_sandbox(layout, systemd):
    sandbox.run(layout, "build", ["/bin/true"], properties=["ProcSubset=all"])
    properties = [part for part in systemd.argv if part.startswith("--property=ProcSubset")]
    assert properties == ["--property=ProcSubset=pid", "--property=ProcSubset=all"]


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


def test_a_command_runs_in_the_loosened_sandbox_of_its_release(layout, systemd):
    sandbox.run(layout, "build", ["/bin/x"], loosened=loosened(address_families=["AF_NETLINK"]))
    told = [part for part in systemd.argv if "RestrictAddressFamilies" in part]
    assert told[-1] == "--property=RestrictAddressFamilies=AF_NETLINK"
    assert len(told) == 2


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


# --- what is loosened ------------------------------------------------------------------------------------------------

LISTS = {
    "writable_paths": "/srv/exports",
    "address_families": "AF_NETLINK",
    "system_calls": "@resources",
    "devices": "/dev/dri/renderD128",
    "groups": "render",
}
TIGHT = {**{name: [] for name in LISTS}, "protect_home": "yes"}


def loosened(**changes):
    return {**TIGHT, **changes}


def test_where_nobody_loosens_it_the_sandbox_is_as_it_is():
    assert sandbox.directives() == sandbox.directives(TIGHT) == list(sandbox.DIRECTIVES)
    assert "NoNewPrivileges=yes" in sandbox.DIRECTIVES


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({"writable_paths": ["/srv/exports", "/mnt/x"]}, ["ReadWritePaths=/srv/exports /mnt/x"]),
        ({"address_families": ["AF_NETLINK", "AF_PACKET"]}, ["RestrictAddressFamilies=AF_NETLINK AF_PACKET"]),
        ({"system_calls": ["@resources", "mlock"]}, ["SystemCallFilter=@resources mlock"]),
        (
            {"devices": ["/dev/fuse", "char-drm"]},
            ["PrivateDevices=no", "DeviceAllow=/dev/fuse rw", "DeviceAllow=char-drm rw"],
        ),
        ({"groups": ["render", "video"]}, ["SupplementaryGroups=render video"]),
        ({"protect_home": "read-only"}, ["ProtectHome=read-only"]),
        ({"protect_home": "no"}, ["ProtectHome=no"]),
    ],
)
def test_what_is_loosened_stands_behind_what_it_loosens(changes, added):
    assert sandbox.problems(loosened(**changes)) == []
    assert sandbox.directives(loosened(**changes)) == [*sandbox.DIRECTIVES, *added]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_itself_takes_all_that_can_be_loosened(tmp_path):
    directives = sandbox.directives({**{name: [item] for name, item in LISTS.items()}, "protect_home": "tmpfs"})
    unit = tmp_path / "loosened.service"
    unit.write_text("\n".join(["[Service]", "ExecStart=/bin/true", *directives, ""]))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "loosened.service" in line] == []


GOOD = {
    "writable_paths": ["/srv/exports", "/mnt/a-b_c.d@e+f/g", "/srv/..x/y.."],
    "address_families": ["AF_NETLINK", "AF_CAN", "AF_X25"],
    "system_calls": ["@resources", "@raw-io", "mlock", "io_uring_setup"],
    "devices": ["/dev/fuse", "/dev/dri/renderD128", "/dev/bus/usb/001/002", "char-drm"],
    "groups": ["render", "_ssh", "www-data"],
}
BAD = {
    "writable_paths": [
        "",
        "/",
        "srv",
        "~/x",
        "/srv/%n",
        "/srv/$X",
        "-/srv",
        "+/srv",
        "/srv:/x",
        "/srv/é",
        "/s\\x",
        "/srv/../x",
        "/..",
        7,
    ],
    "address_families": ["", "NETLINK", "~AF_INET", "af_netlink", "none", "AF_", "AF-INET", 16],
    "system_calls": ["", "~@privileged", "@", "mlock:EPERM", "Mlock", "@a@b", ["mlock"]],
    "devices": ["", "/dev", "/dev/", "fuse", "/etc/passwd", "block-*", "char-*", "/dev/fuse rw", "/dev/../etc", None],
    "groups": ["", "Render", "a b", "render\n", "1st", "x" * 33, "root;"],
}
INJECTIONS = ["{};", "{} ", " {}", "{}\n", "{}\nUser=root", "\n{}", "{} /", "{}\t", "{}\\", '"{}"', "{}#", "{}\x00"]


@pytest.mark.parametrize("name", LISTS)
def test_what_systemd_takes_may_be_loosened(name):
    assert sandbox.problems(loosened(**{name: GOOD[name]})) == []


@pytest.mark.parametrize(
    ("name", "item"),
    [
        *((name, item) for name, items in BAD.items() for item in items),
        *((name, trap.format(item)) for name, item in LISTS.items() for trap in INJECTIONS),
    ],
)
def test_what_can_not_stand_in_a_unit_is_refused_by_its_name(name, item):
    assert sandbox.problems(loosened(**{name: [LISTS[name], item]})) == [
        f"systemd_{name} has {item!r}, which can't stand in a unit; an example is {LISTS[name]}"
    ]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("value", ["/srv/exports", "", None, {"/srv": 1}, True])
def test_what_is_loosened_is_a_list(name, value):
    assert sandbox.problems(loosened(**{name: value})) == [
        f"systemd_{name} must be a list, for example [{LISTS[name]}]"
    ]


@pytest.mark.parametrize("value", ["", "YES", "true", "yes\nUser=root", "no ", True, False, None, []])
def test_homes_are_protected_as_systemd_can_and_no_other_way(value):
    (problem,) = sandbox.problems(loosened(protect_home=value))
    assert problem.startswith(f"systemd_protect_home {value!r} is none of yes, read-only, tmpfs, no")
    assert "quotes" in problem, "a bare no is a truth value to YAML"


def test_everything_that_is_wrong_is_told_at_once():
    wrong = {name: ["; x", "\n"] for name in LISTS}
    assert len(sandbox.problems({**wrong, "protect_home": "maybe"})) == 2 * len(LISTS) + 1


@given(st.sampled_from(sorted(LISTS)), st.lists(st.text("aZ_/@-.: ;\n\t%$\\'\"#=~+AF_dev", max_size=8), max_size=3))
def test_what_passes_adds_lines_of_the_sandbox_and_no_others(name, items):
    changes = loosened(**{name: items})
    if not sandbox.problems(changes):
        added = sandbox.directives(changes)[len(sandbox.DIRECTIVES) :]
        assert not [line for line in added if set(line) & set("\n\\%$'\"#;")]
        words = [word for line in added for word in line.partition("=")[2].split()]
        assert [word for word in words if word not in ("no", "rw")] == items


def test_what_a_host_lacks_of_it_is_named_by_its_variable(tmp_path):
    lacking = {
        "writable_paths": [str(tmp_path), f"{tmp_path}/none"],
        "devices": ["/dev/null", "/dev/nosuch", "char-drm"],
        "address_families": ["AF_NETLINK", "AF_NOPE"],
        "groups": [grp.getgrgid(0).gr_name, "no-such-group"],
        "system_calls": [],
    }
    assert sandbox.unknown(loosened(**lacking)) == [
        f"systemd_writable_paths: no folder {tmp_path}/none",
        "systemd_devices: no device /dev/nosuch",
        "systemd_address_families: no AF_NOPE",
        "systemd_groups: no group no-such-group",
    ]
    assert sandbox.unknown(TIGHT) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_knows_its_groups_of_system_calls():
    assert sandbox.unknown(loosened(system_calls=["@resources", "mlock", "@nosuch"])) == [
        "systemd_system_calls: no group @nosuch"
    ]

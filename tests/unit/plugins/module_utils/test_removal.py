# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    default_server,
    disk,
    lease,
    removal,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout
from ansible_collections.switchyard.django.plugins.module_utils.removal import RemovalError

R1 = "1" * 12


class Killed(BaseException):
    """The removal is killed: nothing of it runs any more, not even what stands under except."""


class Machine:
    """What the host's programs are told, and what they do."""

    def __init__(self, root):
        self.root = root
        self.running = {f"shop@{R1}.service", f"shop@{R1}-worker.service", f"shop@{R1}-tidy.timer", "shop.service"}
        self.running |= {"switchyard-sampler@shop.timer", "switchyard-sampler@shop-2.timer"}
        self.running |= {"shop-2@222222222222.service", "shop-2@222222222222-tidy.timer"}
        self.stubborn = set()
        self.told = []
        self.fail = {}
        self.seen_by_nginx = []
        self.deleted = []

    def run(self, argv, **_how):
        argv = [str(part) for part in argv]
        if argv[:2] == ["systemctl", "show"]:
            said = "\n\n".join(f"Id={one}\nActiveState=active\nMainPID=7" for one in sorted(self._meant(argv[4:])))
            return subprocess.CompletedProcess(argv, 0, said, "")
        self.told.append(" ".join(argv[:3]))
        if argv[:2] == ["systemctl", "stop"]:
            self.running -= self._meant(argv[3:]) - self.stubborn
        if argv[0] == "unshare":
            self._validate(argv[argv.index("sh") + 1 :])
        if argv[:4] == ["certbot", "delete", "--non-interactive", "--cert-name"]:
            self.deleted.append(argv[4])
        if argv[0] == "userdel":
            self.users.discard(argv[1])
        failed = next((text for start, text in self.fail.items() if " ".join(argv).startswith(start)), "")
        return subprocess.CompletedProcess(argv, 1 if failed else 0, "", failed)

    def _meant(self, patterns):
        return {unit for unit in self.running if any(Path(unit).match(pattern) for pattern in patterns)}

    def _validate(self, pairs):
        self.seen_by_nginx.append(
            {pairs[place + 1]: sorted(os.listdir(pairs[place])) for place in range(0, len(pairs), 2)}
        )


@pytest.fixture
def machine(layout, tmp_path, monkeypatch):
    """A host whose folders lie under tmp_path, with the sites shop and shop-2."""
    one = Machine(tmp_path)
    one.users = {"shop", "shop-2"}
    monkeypatch.setattr(subprocess, "run", one.run)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(removal.units, "is_active", lambda unit: True)
    monkeypatch.setattr(removal.shutil, "which", lambda name: f"/usr/bin/{name}")
    places = {name: tmp_path / name for name in ("units", "tmpfiles", "nginx", "modules", "logs", "letsencrypt", "opt")}
    for folder in places.values():
        folder.mkdir()
    monkeypatch.setattr(removal, "UNITS", places["units"])
    monkeypatch.setattr(removal, "NGINX_LOGS", places["logs"])
    for module in (removal, certificate):
        monkeypatch.setattr(module, "LETSENCRYPT", places["letsencrypt"])
    monkeypatch.setattr(removal, "NGINX_OURS", places["modules"] / "90-switchyard.conf")
    monkeypatch.setattr(removal, "UV", places["opt"] / "switchyard/uv")
    monkeypatch.setattr(removal, "UV_LOCK", tmp_path / "uv.lock")
    monkeypatch.setattr(removal, "TEMPORARY", [tmp_path / "temporary"])
    monkeypatch.setattr(removal, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(state, "TMPFILES", places["tmpfiles"])
    monkeypatch.setattr(state, "SITES", layout.etc.parent)
    monkeypatch.setattr(default_server, "SITES", layout.etc.parent)
    monkeypatch.setattr(default_server, "NGINX_SITES", places["nginx"])
    for module in (default_server, removal):
        monkeypatch.setattr(module, "STOCK_NOTE", layout.etc.parent / "stock-site.json")
    monkeypatch.setattr(Layout, "account", property(lambda self: tmp_path / "accounts" / f"{self.site}.conf"))
    monkeypatch.setattr(Layout, "sockets", property(lambda self: tmp_path / "sockets" / self.site))

    def account(name):
        if name not in one.users:
            raise KeyError(name)

    monkeypatch.setattr(removal.pwd, "getpwnam", account)
    (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
    put(places["modules"] / "90-switchyard.conf", places["opt"] / "switchyard/uv/version")
    put(places["nginx"] / "switchyard-default-80.conf", places["nginx"] / "by-hand.conf")
    one.install = lambda name, **listening: install(Layout(name), places, **listening)
    one.install("shop", port=80)
    one.install("shop-2", port=80)
    return one


def put(*paths, text="x\n"):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def install(layout, places, **listening):
    """All that a site has on a host."""
    put(
        *(layout.record(R1) / "release.json", layout.environment("e1"), layout.secrets, layout.history),
        *(layout.code(R1) / "manage.py", layout.venv("v1") / "bin/python", layout.data / "db.sqlite3"),
        *(
            layout.media / "upload.txt",
            layout.cache / "uv/x",
            layout.sockets / R1 / "app.sock",
            layout.run / "guard.json",
        ),
        *(layout.edge, layout.account, state.marker(layout), places["logs"] / f"{layout.site}.access.log"),
        *(places["units"] / layout.boot_unit, places["units"] / layout.unit(R1)),
        *(places["units"] / layout.unit(R1, "worker"), places["units"] / layout.unit(R1, "tidy", "timer")),
        *(layout.sampler, layout.samples / "samples-2026-11-26.csv"),
        *(places["units"] / f"switchyard-sampler@{layout.site}.{kind}" for kind in ("service", "timer")),
        places["units"] / f"timers.target.wants/switchyard-sampler@{layout.site}.timer",
        *(
            places["units"] / "multi-user.target.wants" / layout.boot_unit,
            places["units"] / f"{layout.boot_unit}.d/x.conf",
        ),
    )
    layout.tls.mkdir(exist_ok=True)
    put(layout.edge_names, text=json.dumps({"bind": "", "hosts": [f"{layout.site}.example.org"], **listening}))
    disk.point(layout.current, f"releases/{R1}")


def left(machine, name):
    """Every path that bears the name of a site and no longer one."""
    return sorted(
        str(path.relative_to(machine.root))
        for path in machine.root.rglob("*")
        if any(
            part in (name, f"switchyard-{name}.conf")
            or part.startswith((f"{name}.", f"{name}@"))
            or f"@{name}." in part
            for part in path.relative_to(machine.root).parts
        )
    )


def take_off(layout, data=False):
    removal.carry_out(layout, data, "ann@laptop")
    lease.dissolve(layout, "")


KEPT = [
    *("accounts/shop.conf", "etc/shop", "etc/shop/removed.json", "etc/shop/secrets.json", "logs/shop.access.log"),
    *("srv/shop", "srv/shop/data", "srv/shop/data/db.sqlite3", "srv/shop/media", "srv/shop/media/upload.txt"),
]


# --- what goes and what stays ----------------------------------------------------------------------------------------


def test_nothing_is_left_but_what_is_kept_and_the_neighbour_keeps_all(layout, machine):
    neighbour = left(machine, "shop-2")
    assert len(neighbour) > 20
    take_off(layout)
    assert left(machine, "shop") == KEPT
    assert left(machine, "shop-2") == neighbour
    assert machine.running == {
        *("shop-2@222222222222.service", "shop-2@222222222222-tidy.timer", "switchyard-sampler@shop-2.timer")
    }
    assert {path.name for path in (machine.root / "nginx").iterdir()} == {
        *("by-hand.conf", "shop-2.conf", "switchyard-default-80.conf")
    }
    assert (machine.root / "opt/switchyard/uv/version").exists()
    assert machine.users == {"shop", "shop-2"}


def test_the_note_says_when_by_whom_and_what_is_kept(layout, machine):
    take_off(layout)
    note = json.loads(layout.removed.read_text())
    assert (note["by"], note["at"][-4:]) == ("ann@laptop", " UTC")
    assert note["kept"] == [
        *(str(layout.data), str(layout.media), str(layout.secrets)),
        *(str(machine.root / "logs/shop.access.log"), "the user shop"),
    ]


def test_the_sites_own_certificate_is_kept_where_there_is_one(layout, machine):
    put(layout.tls / "key.pem")
    take_off(layout)
    assert (layout.tls / "key.pem").exists()


def test_with_its_data_nothing_is_left(layout, machine):
    neighbour = left(machine, "shop-2")
    take_off(layout, data=True)
    assert left(machine, "shop") == []
    assert left(machine, "shop-2") == neighbour
    assert machine.users == {"shop-2"}


def test_what_was_kept_can_be_removed_later(layout, machine):
    take_off(layout)
    assert removal.found(layout) == "data"
    assert removal.survey(layout, data=False).gone == []
    take_off(layout, data=True)
    assert left(machine, "shop") == []
    assert removal.found(layout) == "nothing"


def test_a_user_that_the_collection_did_not_make_stays(layout, machine):
    layout.account.unlink()
    take_off(layout, data=True)
    assert "shop" in machine.users


def test_the_last_one_takes_along_what_all_share(layout, machine):
    take_off(Layout("shop-2"), data=True)
    take_off(layout, data=True)
    assert sorted(str(path.relative_to(machine.root)) for path in machine.root.rglob("*") if path.is_file()) == [
        *("mounts", "nginx/by-hand.conf"),
    ]
    assert not layout.etc.parent.exists()
    assert not (machine.root / "opt/switchyard").exists()


@pytest.mark.parametrize("left_of_it", ["folder", "marker"])
def test_a_site_that_a_run_has_begun_with_needs_what_all_share(layout, machine, left_of_it):
    take_off(Layout("shop-2"), data=True)
    if left_of_it == "folder":
        Layout("blog").etc.mkdir()
    else:
        put(state.marker(Layout("blog")))
    take_off(layout, data=True)
    assert (machine.root / "opt/switchyard/uv/version").exists()
    assert (machine.root / "modules/90-switchyard.conf").exists()


def test_one_of_which_data_is_kept_does_not_need_what_all_share(layout, machine):
    take_off(layout)
    take_off(Layout("shop-2"), data=True)
    assert left(machine, "shop") == KEPT
    assert not (machine.root / "opt/switchyard").exists()
    assert not (machine.root / "modules/90-switchyard.conf").exists()


def test_a_site_that_was_never_live_goes_as_well(layout, machine):
    blog = Layout("blog")
    put(state.marker(blog))
    assert removal.found(blog) == "site"
    take_off(blog)
    assert left(machine, "blog") == []


def test_what_a_power_cut_left_of_temporary_files_goes(layout, machine):
    boot = "0123456789abcdef" * 2
    ours, others = (
        [machine.root / f"temporary/systemd-private-{boot}-{unit}@{R1}.service-aBc123/tmp" for unit in units]
        for units in (["shop"], ["shop-2", "my-shop"])
    )
    for path in (*ours, *others):
        path.mkdir(parents=True)
    take_off(layout)
    assert [path.exists() for path in (*ours, *others)] == [False, True, True]


@pytest.mark.parametrize("name", ["access", "error"])
def test_nginxs_common_logs_are_no_sites(machine, name):
    logs = [machine.root / "logs" / one for one in ("access.log", "access.log.1", "error.log", "error.log.2.gz")]
    put(*logs)
    machine.install(name, port=80)
    machine.users.add(name)
    take_off(Layout(name), data=True)
    assert [path.exists() for path in logs] == [True] * 4
    assert not (machine.root / f"logs/{name}.access.log").exists()


def test_a_certificate_of_certbots_is_deleted_by_certbot(layout, machine):
    neighbours = [f"switchyard-shop-2{ending}" for ending in ("", "-0123abcd")]
    ours = ["switchyard-shop", "switchyard-shop-0123abcd", "switchyard-shop-89abcdef"]
    put(*(machine.root / f"letsencrypt/renewal/{name}.conf" for name in (*neighbours, *ours)))
    put(*(machine.root / f"letsencrypt/live/{name}/fullchain.pem" for name in ours))
    take_off(layout)
    assert machine.deleted == ours
    for name in ours:
        assert machine.seen_by_nginx[0][str(machine.root / "letsencrypt/live" / name)] == []
    take_off(Layout("shop-2"))
    assert machine.deleted == [*ours, *neighbours]


# --- the order, and what is refused ----------------------------------------------------------------------------------


def test_nginx_is_asked_first_and_lets_go_first(layout, machine):
    take_off(layout)
    order = [told for told in machine.told if "reset-failed" not in told]
    assert order[0].startswith("unshare")
    assert order[1:5] == [
        *("systemctl stop --", "systemctl reload nginx.service"),
        *("systemctl stop --", "systemctl daemon-reload"),
    ]
    (seen,) = machine.seen_by_nginx
    assert seen == {
        str(machine.root / "nginx"): ["by-hand.conf", "shop-2.conf", "switchyard-default-80.conf"],
        str(layout.etc): [],
    }


def everything(machine):
    return sorted((str(path), path.lstat().st_mtime_ns) for path in machine.root.rglob("*") if "run" not in path.parts)


def test_what_nginx_refuses_changes_nothing(layout, machine):
    machine.fail["unshare"] = "nginx: [emerg] unknown directive in /etc/nginx/sites-enabled/by-hand.conf:3"
    before, running = everything(machine), set(machine.running)
    with pytest.raises(RemovalError, match=r"by-hand\.conf:3\nNothing was changed"):
        removal.carry_out(layout, False, "ann")
    assert (everything(machine), machine.running) == (before, running)
    assert removal.found(layout) == "site"


def test_what_is_mounted_is_not_emptied(layout, machine):
    (machine.root / "mounts").write_text(f"nas:/media {layout.media} nfs rw 0 0\n")
    before = everything(machine)
    with pytest.raises(RemovalError, match="is mounted from elsewhere"):
        removal.carry_out(layout, True, "ann")
    assert everything(machine) == before
    take_off(layout)
    assert (layout.media / "upload.txt").exists()


def test_a_certificate_that_nobody_can_delete_is_said_before_anything_changes(layout, machine, monkeypatch):
    put(machine.root / "letsencrypt/renewal/switchyard-shop.conf")
    monkeypatch.setattr(removal.shutil, "which", lambda name: None)
    before = everything(machine)
    with pytest.raises(RemovalError, match="certbot, which would delete it, is not installed"):
        removal.carry_out(layout, False, "ann")
    assert everything(machine) == before


def test_an_instance_that_can_not_be_stopped_keeps_its_files(layout, machine):
    machine.stubborn = {f"shop@{R1}.service"}
    with pytest.raises(units.StillAtWorkError, match=f"shop@{R1}.service can't be stopped"):
        removal.carry_out(layout, True, "ann")
    assert (layout.data / "db.sqlite3").exists()
    assert removal.found(layout) == "half"


def test_a_link_goes_and_what_it_leads_to_stays(layout, machine):
    disk.clear(layout.media)
    put(machine.root / "elsewhere/upload.txt")
    layout.media.symlink_to(machine.root / "elsewhere")
    removal._clear(layout.media)
    assert (machine.root / "elsewhere/upload.txt").exists()


# --- cut off ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [False, True])
def test_wherever_it_is_cut_off_the_next_one_ends_it(layout, machine, monkeypatch, data):
    steps = {"left": 0}

    def counted(function):
        def step(*arguments, **named):
            if steps["left"] == 0:
                raise Killed
            steps["left"] -= 1
            return function(*arguments, **named)

        return step

    for module, names in (
        (removal.disk, ("remove", "write", "clear")),
        (removal, ("_clear", "_run")),
        (removal.units, ("stop",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, counted(getattr(module, name)))
    for cut in itertools.count():
        machine.install("shop", port=80)
        machine.users.add("shop")
        put(machine.root / "letsencrypt/renewal/switchyard-shop.conf")
        steps["left"] = cut
        try:
            removal.carry_out(layout, data, "ann")
            break
        except Killed:
            met = removal.found(layout)
            assert met == ("site" if cut == 0 else "half") or (met, data) == ("nothing", True)
        steps["left"] = 1000
        removal.carry_out(layout, data, "ann")
        lease.dissolve(layout, "")
        assert [path for path in left(machine, "shop") if "letsencrypt" not in path] == ([] if data else KEPT), cut
        assert machine.told.count("certbot delete --non-interactive") > cut
    assert cut > 15


def test_one_that_was_cut_off_before_the_reload_reloads(layout, machine):
    machine.fail["systemctl reload"] = "no"
    with pytest.raises(RemovalError, match="systemctl reload nginx.service ended with 1: no"):
        removal.carry_out(layout, False, "ann")
    assert removal.found(layout) == "half"
    machine.fail, machine.told = {}, []
    take_off(layout)
    assert "systemctl reload nginx.service" in machine.told
    assert left(machine, "shop") == KEPT


# --- what a person is told -------------------------------------------------------------------------------------------


def test_what_went_what_stays_and_the_ways_on_are_told(layout, machine):
    planned = removal.survey(layout, data=False)
    would, did = (removal.describe(layout, "site", planned, done) for done in (False, True))
    assert (would[0], did[0]) == ("shop would go, with:", "shop is gone. There went:")
    assert f"  {layout.edge}" in did
    assert f"  shop@{R1}.service, which runs" in did
    assert f"  {layout.data}" in did[did.index("There stays:") :]
    assert did[-2] == "playbooks/remove.yml with -e site_name=shop -e remove_data=true removes this, too."
    assert did[-1].startswith("The journal and what a server holds, such as PostgreSQL or Redis, are left")


def test_a_second_time_it_is_told_that_it_was_removed(layout, machine):
    take_off(layout)
    told = removal.describe(layout, "data", removal.survey(layout, data=False), done=True)
    assert told[0].startswith("shop was removed on 2")
    assert told[0].endswith(" by ann@laptop. Only what was kept of it is here.")
    assert f"  {layout.data}" in told


def test_where_there_is_no_such_site_those_that_there_are_are_named(layout, machine):
    take_off(layout)
    blog = Layout("blog")
    assert removal.describe(blog, removal.found(blog), removal.survey(blog, True), done=True) == [
        "This host has no site blog. It has shop (removed, its data is kept), shop-2."
    ]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a site off its host, and with the last one what all of them share.

That a removal has begun is written first and goes last. So one that is cut off is met by the next, which finds what is
still there and goes on. nginx reads its configuration without the site before anything is changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import (
    certificate,
    default_server,
    disk,
    host_command,
    nginx_service,
    state,
    units,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import (
    LETSENCRYPT,
    LIBRARY_LOCK,
    NGINX_LOGS,
    NGINX_OURS,
    STOCK_NOTE,
    UNITS,
    UV,
    UV_LOCK,
    Layout,
)

MOUNTS = Path("/proc/self/mounts")
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - where systemd makes those of PrivateTmp=


class RemovalError(Exception):
    """The site can't be removed, or not as a whole; the message is for the user."""


@dataclass(frozen=True)
class Removal:
    """What goes, in the order in which it does, what comes back, and what stays.

    :param edge: nginx's files of the site, and those of the host that no other site needs
    :param stock: a link of the distribution's that comes back, and what it leads to
    :param at_work: the units that are stopped
    :param unit_files: what systemd knows the site by
    :param certificates: certbot's names of the certificates that go
    :param folders: files and folders
    :param account: the user that goes
    :param shared: what all sites share, where this is the last one
    :param kept: what stays, as a person is told
    """

    edge: list[Path] = field(default_factory=list)
    stock: tuple[Path, Path] | None = None
    at_work: list[str] = field(default_factory=list)
    unit_files: list[Path] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    account: str = ""
    shared: list[Path] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def gone(self) -> list[str]:
        """What goes, as a person is told."""
        return [
            *(str(path) for path in self.edge),
            *(f"{unit}, which runs" for unit in self.at_work),
            *(str(path) for path in self.unit_files),
            *(f"the certificate {name} of certbot" for name in self.certificates),
            *(_described(path) for path in (*self.folders, *self.shared)),
            *([f"the user {self.account}"] if self.account else []),
        ]


def found(layout: Layout) -> str:
    """What the host has of the site: nothing, data that a removal kept, half of it, or a site."""
    if state.is_half_removed(layout):
        return "half"
    if state.is_removed(layout):
        return "data"
    return "site" if layout.etc.exists() or state.marker(layout).exists() else "nothing"


def survey(layout: Layout, data: bool) -> Removal:
    """What a removal would do, by what is there now."""
    what = found(layout)
    if what == "nothing" or (what == "data" and not data):
        return Removal(kept=_kept(layout) if what == "data" else [])
    last = not state.in_use() - {layout.site}
    ours = [layout.edge, *default_server.superfluous(layout.site), *([NGINX_OURS] if last else [])]
    return Removal(
        edge=_there(ours),
        stock=default_server.returning_stock_site(layout.site),
        at_work=_at_work(layout),
        unit_files=_unit_files(layout),
        certificates=certificate.lineages(layout),
        folders=_folders(layout, data),
        account=layout.site if data and layout.account.exists() else "",
        shared=_there([UV.parent, UV_LOCK, LIBRARY_LOCK, layout.nginx_lock, layout.cache.parent, layout.samples.parent])
        if last
        else [],
        kept=[] if data else _kept(layout),
    )


def require_possible(layout: Layout, removal: Removal) -> None:
    """Refuse what would fail later, before anything is changed."""
    _require_no_mounts(removal)
    if removal.certificates and not shutil.which("certbot"):
        raise RemovalError(
            f"{LETSENCRYPT} has the certificate {removal.certificates[0]}, and certbot, which would delete it, is not "
            "installed. Install it with apt install certbot. Nothing was changed."
        )
    if removal.edge or removal.stock:
        _require_nginx_without(layout, removal)


def carry_out(layout: Layout, data: bool, by: str) -> None:
    """Remove the site. Where this is cut off, it goes on when it is called again.

    :param by: who removes it, for the note that stays
    """
    units.wait_for(f"switchyard-migrate@{layout.site}.service")
    # Whoever moves traffic holds the one, be it a cutover of a dead run or the guard on the way back; whoever changes
    # nginx's configuration the other.
    with disk.locked(layout.run / "cutover.lock"), disk.locked(layout.nginx_lock):
        removal = survey(layout, data)
        require_possible(layout, removal)
        resumed = found(layout) == "half"
        layout.etc.mkdir(mode=0o755, parents=True, exist_ok=True)
        disk.write(layout.removing, json.dumps({"at": _now(), "by": by}).encode() + b"\n", 0o644)
        units.stop([f"switchyard-*@{layout.site}.timer", f"switchyard-*@{layout.site}.service"])
        _leave_nginx(removal, resumed)
    units.stop([f"{layout.site}@*.timer", f"{layout.site}.service", f"{layout.site}@*.service"])
    _forget_units(layout, removal)
    for name in removal.certificates:
        _run("certbot", "delete", "--non-interactive", "--cert-name", name)
    for path in (*removal.folders, *_temporary(layout)):
        _clear(path)
    if removal.account:
        _remove_account(layout)
    for path in removal.shared:
        _clear(path)
    _conclude(layout, removal, by)


def _conclude(layout: Layout, removal: Removal, by: str) -> None:
    """The last of it: from here on nothing says that the removal has begun."""
    if removal.kept:
        note = {"at": _now(), "by": by, "kept": removal.kept}
        disk.write(layout.removed, json.dumps(note, indent=2).encode() + b"\n", 0o644)
        disk.remove(layout.removing)
        return
    disk.clear(layout.etc)
    disk.sync_folder(layout.etc.parent)
    with contextlib.suppress(OSError):  # other sites are there, or their data
        layout.etc.parent.rmdir()


def describe(layout: Layout, what: str, removal: Removal, done: bool) -> list[str]:
    """What has gone, or would go, and what stays, line by line."""
    site = layout.site
    if what == "nothing":
        return [f"This host has no site {site}. It has {state.sites() or 'none'}."]
    told: list[str] = []
    if removal.gone:
        told += [f"{site} is gone. There went:" if done else f"{site} would go, with:"]
        told += [f"  {one}" for one in removal.gone]
    else:
        told.append(f"{site} was removed{_when(layout)}. Only what was kept of it is here.")
    if removal.stock:
        told.append(f"{removal.stock[0]}, nginx's own site, {'is' if done else 'would be'} back.")
    if removal.kept:
        told += ["There stays:", *(f"  {one}" for one in removal.kept)]
        told.append(f"site.yml with site_name={site} takes it up again.")
        told.append(f"playbooks/remove.yml with -e site_name={site} -e remove_data=true removes this, too.")
    if removal.gone or removal.kept:
        told.append(
            "The journal and what a server holds, such as PostgreSQL or Redis, are left as they are. docs/services.md "
            "says how that is dropped."
        )
    return told


# --- what there is ---------------------------------------------------------------------------------------------------


def _there(paths: list[Path]) -> list[Path]:
    return [path for path in paths if os.path.lexists(path)]


def _beside(folder: Path, stay: set[str]) -> list[Path]:
    """What lies in a folder, but for what stays."""
    return sorted(path for path in folder.iterdir() if path.name not in stay) if folder.is_dir() else []


def _logs(layout: Layout) -> list[Path]:
    """The site's own, those that logrotate has turned over included; what begins with its name may be another's."""
    own = re.compile(rf"{re.escape(layout.site)}\.access\.log(\.[0-9]+(\.gz)?)?")
    return [path for path in sorted(NGINX_LOGS.glob(f"{layout.site}.*")) if own.fullmatch(path.name)]


def _keepable(layout: Layout) -> list[Path]:
    """What outlives the site unless the user says otherwise; an empty folder for what was made is nothing to keep."""
    made = [folder for folder in (layout.backups, layout.tls) if folder.is_dir() and os.listdir(folder)]
    return _there([layout.data, layout.media, layout.secrets, *made])


def _kept(layout: Layout) -> list[str]:
    account = [f"the user {layout.site}"] if layout.account.exists() else []
    return [str(path) for path in (*_keepable(layout), *_logs(layout))] + account


def _at_work(layout: Layout) -> list[str]:
    site = layout.site
    patterns = [f"switchyard-*@{site}.service", f"switchyard-*@{site}.timer"]
    patterns += [f"{site}.service", f"{site}@*.service", f"{site}@*.timer"]
    return sorted(name for name, unit in units.states(patterns).items() if unit["ActiveState"] in units.AT_WORK)


def _unit_files(layout: Layout) -> list[Path]:
    """The site's own, of which two are enabled, those of the releases, and what an administrator has added to them."""
    site = layout.site
    sampler = f"switchyard-sampler@{site}"
    patterns = [f"*.wants/{site}.service", f"*.wants/{sampler}.timer"]
    for name in (f"{site}.service", f"{site}@*.service", f"{site}@*.timer", f"{sampler}.service", f"{sampler}.timer"):
        patterns += [name, f"{name}.d"]
    return [path for pattern in patterns for path in _units(pattern)]


def _units(pattern: str) -> list[Path]:
    return sorted(UNITS.glob(pattern))


def _folders(layout: Layout, data: bool) -> list[Path]:
    """The marker first: by it systemd makes the others anew at boot."""
    stay = set() if data else {path.name for path in _keepable(layout)}
    return [
        *_there([state.marker(layout), layout.sockets]),
        *_beside(layout.etc, stay | {layout.removing.name}),
        *(_there([layout.srv]) if data or not _there([layout.data, layout.media]) else _beside(layout.srv, stay)),
        *_there([layout.cache, layout.samples]),
        *(_logs(layout) if data else []),
    ]


def _temporary(layout: Layout) -> list[Path]:
    """What a power cut left of the instances' temporary files; systemd names it by the boot and the unit."""
    pattern = f"systemd-private-{'?' * 32}-{layout.site}@*"
    return [path for folder in TEMPORARY for path in sorted(folder.glob(pattern))]


def _described(path: Path) -> str:
    return f"{path}, a link; what it leads to stays" if path.is_symlink() and path.is_dir() else str(path)


def _when(layout: Layout) -> str:
    try:
        note = json.loads(layout.removed.read_text())
        return f" on {note['at']}{' by ' + note['by'] if note['by'] else ''}"
    except (OSError, ValueError, KeyError):
        return ""


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


# --- what is looked at first -----------------------------------------------------------------------------------------


def _require_no_mounts(removal: Removal) -> None:
    """What is mounted may be other hosts', too."""
    mounted = [Path(line.split()[1]) for line in MOUNTS.read_text().splitlines()]
    for path in (*removal.folders, *removal.shared):
        for mount in mounted:
            if mount == path or path in mount.parents:
                raise RemovalError(
                    f"{mount} is mounted from elsewhere, and what is in it may be needed there. Unmount it, and take "
                    "it out of /etc/fstab; then run this again. Nothing was changed."
                )


def _require_nginx_without(layout: Layout, removal: Removal) -> None:
    """Let nginx read its real configuration without the site, in a mount namespace that ends with it."""
    with tempfile.TemporaryDirectory(prefix="switchyard-") as scratch:
        mounts: dict[Path, Path] = {}
        changed = [*removal.edge, *([removal.stock[0]] if removal.stock else [])]
        for folder in sorted({path.parent for path in changed}):
            copy = mounts[folder] = Path(scratch) / folder.name
            shutil.copytree(folder, copy, symlinks=True)
            for path in removal.edge:
                if path.parent == folder:
                    (copy / path.name).unlink()
            if removal.stock and removal.stock[0].parent == folder:
                _link(copy / removal.stock[0].name, removal.stock[1])
        empty = Path(scratch) / "empty"
        empty.mkdir()
        gone = (layout.etc, *map(certificate.live_folder, removal.certificates))
        mounts |= {folder: empty for folder in gone if folder.is_dir()}
        done = nginx_service.read_with(mounts)
    if done.returncode:
        raise RemovalError(
            f"nginx would refuse its configuration without the site:\n{done.stderr.strip()}\n"
            "Nothing was changed. Mend what nginx names, then run this again."
        )


# --- the steps -------------------------------------------------------------------------------------------------------


def _run(*command: str) -> None:
    done = host_command.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RemovalError(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")


def _leave_nginx(removal: Removal, resumed: bool) -> None:
    """Take the site out of nginx. One that was cut off may have got no further than the files."""
    for path in removal.edge:
        disk.remove(path)
    if removal.stock:
        _link(*removal.stock)
        disk.remove(STOCK_NOTE)
    if (removal.edge or removal.stock or resumed) and units.is_active("nginx.service"):
        _run("systemctl", "reload", "nginx.service")


def _link(link: Path, target: Path) -> None:
    """Bring the distribution's site back, unless somebody has, or has removed it."""
    if target.exists() and not os.path.lexists(link):
        disk.point(link, str(target))


def _forget_units(layout: Layout, removal: Removal) -> None:
    for path in removal.unit_files:
        _clear(path)
    _run("systemctl", "daemon-reload")
    site = layout.site
    patterns = [f"{site}.service", f"{site}@*.service", f"{site}@*.timer", f"switchyard-*@{site}.*"]
    host_command.run(["systemctl", "reset-failed", "--", *patterns], check=False, capture_output=True)
    # systemd keeps the group of a template's instances when the last of them has ended.
    escaped = layout.site.replace("-", r"\x2d")
    slices = [f"system-{escaped}.slice", *(["system-switchyard*.slice"] if removal.shared else [])]
    host_command.run(["systemctl", "stop", "--", *slices], check=False, capture_output=True)


def _clear(path: Path) -> None:
    """Remove a file, a link or a folder; what it held may be gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        disk.sync_folder(path.parent)
    else:
        disk.remove(path)


def _remove_account(layout: Layout) -> None:
    """The file by which it was made goes last, for it says that the user is the site's."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(layout.site)
        _run("userdel", layout.site)
    disk.remove(layout.account)

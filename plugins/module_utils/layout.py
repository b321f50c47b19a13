# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a site's things lie on a host: the one place that knows the paths and the names of units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

UV = Path("/opt/switchyard/uv")
LIBRARY = Path("/opt/switchyard/library")
SITES = Path("/etc/switchyard")
STOCK_NOTE = SITES / "stock-site.json"
UNITS = Path("/etc/systemd/system")
TMPFILES = Path("/etc/tmpfiles.d")
UV_LOCK = Path("/run/switchyard/uv.lock")
LIBRARY_LOCK = Path("/run/switchyard/library.lock")
NGINX_MAIN = Path("/etc/nginx/nginx.conf")
NGINX_SITES = Path("/etc/nginx/sites-enabled")
NGINX_OURS = Path("/etc/nginx/modules-enabled/90-switchyard.conf")
NGINX_LOGS = Path("/var/log/nginx")
LETSENCRYPT = Path("/etc/letsencrypt")
HAPROXY = Path("/usr/sbin/haproxy")
HAPROXY_CONFIGURATION = Path("/etc/haproxy/haproxy.cfg")
HAPROXY_CERTIFICATE = Path("/etc/haproxy/switchyard.pem")
HAPROXY_STATE = Path("/var/lib/haproxy/switchyard.state")
HAPROXY_MASTER = Path("/run/haproxy-master.sock")
HAPROXY_LOCK = Path("/run/switchyard/haproxy.lock")

# systemd, useradd and a socket path all have to carry the name; 32 is what useradd takes.
SITE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
RELEASE_ID = re.compile(r"[0-9a-f]{12,16}")
PROCESS_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
RESERVED_NAMES = frozenset({"switchyard", "default", "root", "nginx", "www-data", "nobody", "daemon", "bin", "sys"})


def site_name_problem(name: object) -> str | None:
    """Say what is wrong with a site_name, or None."""
    if not isinstance(name, str) or not SITE_NAME.fullmatch(name):
        return (
            f"site_name {name!r} can't name a unit, a user and a folder. Use 1 to 32 of a-z, 0-9 and -, "
            "with a letter first and no - at the end, for example site_name: shop"
        )
    if name in RESERVED_NAMES or name.startswith(("switchyard-", "systemd-")):
        return f"site_name {name!r} belongs to the system. Choose another, for example my-{name}"
    return None


@dataclass(frozen=True)
class Layout:
    """Every path and unit name of one site."""

    site: str

    def __post_init__(self) -> None:
        problem = site_name_problem(self.site)
        if problem:
            raise ValueError(problem)

    # What root trusts: root's all along the path.
    @property
    def etc(self) -> Path:
        return SITES / self.site

    @property
    def current(self) -> Path:
        return self.etc / "current"

    @property
    def history(self) -> Path:
        return self.etc / "history.jsonl"

    @property
    def undo(self) -> Path:
        """What the edge was before a move that is under way: the way back, whoever dies in the middle."""
        return self.etc / "undo.json"

    @property
    def reversal(self) -> Path:
        """Which release's migrations a rollback is undoing; gone once the traffic has moved."""
        return self.etc / "reversal.json"

    @property
    def restoring(self) -> Path:
        """Which backup a restore is bringing back; gone once a release that fits it is live."""
        return self.etc / "restoring.json"

    @property
    def edge_names(self) -> Path:
        """By which port and names the edge is asked."""
        return self.etc / "edge.json"

    @property
    def edge_files(self) -> Path:
        """What the edge adds to every release's locations, and its error pages."""
        return self.etc / "edge"

    @property
    def edge_made(self) -> Path:
        """What the edge's own files were when they were made."""
        return self.etc / "edge-made.json"

    @property
    def tls(self) -> Path:
        """The certificates that the host made for itself."""
        return self.etc / "tls"

    @property
    def secrets(self) -> Path:
        return self.etc / "secrets.json"

    @property
    def removing(self) -> Path:
        """That a removal has begun, which is the first that it writes and the last that goes."""
        return self.etc / "removing.json"

    @property
    def removed(self) -> Path:
        """When the site was removed and what was kept of it; gone with the next deploy."""
        return self.etc / "removed.json"

    @property
    def sampler(self) -> Path:
        """The program that notes what the site takes."""
        return self.etc / "sampler.py"

    @property
    def samples(self) -> Path:
        """What it has noted."""
        return Path("/var/lib/switchyard") / self.site

    @property
    def account(self) -> Path:
        """By which the site's user was made."""
        return Path("/etc/sysusers.d") / f"switchyard-{self.site}.conf"

    def record(self, release: str) -> Path:
        """The folder that holds a release's manifest, its unit and nginx's part of it."""
        return self.etc / "releases" / release

    def manifest(self, release: str) -> Path:
        return self.record(release) / "release.json"

    def made(self, release: str) -> Path:
        """What the release was made of, down to its texts: by it is seen what somebody changes later."""
        return self.record(release) / "made.json"

    def units(self, release: str) -> Path:
        """The units that are started at boot while the release is live."""
        return self.record(release) / "units"

    def migrated(self, release: str) -> Path:
        """When the release's migrations were applied, if they were."""
        return self.record(release) / "migrated.json"

    def manage(self, release: str) -> Path:
        """The program that runs a command of manage.py as the release would."""
        return self.record(release) / "manage"

    def environment(self, digest: str) -> Path:
        return self.etc / "env" / f"{digest}.env"

    def lock(self, inputs: str) -> Path:
        return self.etc / "locks" / f"{inputs}.txt"

    # What the site reads, and the two folders that it may write.
    @property
    def srv(self) -> Path:
        return Path("/srv") / self.site

    def release(self, release: str) -> Path:
        return self.srv / "releases" / release

    def code(self, release: str) -> Path:
        return self.release(release) / "code"

    def static(self, release: str) -> Path:
        return self.release(release) / "static"

    def modules(self, release: str) -> Path:
        """The Python modules that a release has beside the project's: settings overrides, and what its stack adds."""
        return self.release(release) / "modules"

    def source(self, release: str) -> Path:
        """The archive that the code was unpacked from."""
        return self.release(release) / "source.tar.gz"

    def listing(self, release: str) -> Path:
        """The files of code and static files, when they had been built."""
        return self.release(release) / "files.json.gz"

    def venv(self, digest: str) -> Path:
        return self.srv / "venvs" / digest

    @property
    def data(self) -> Path:
        return self.srv / "data"

    @property
    def media(self) -> Path:
        return self.srv / "media"

    @property
    def backups(self) -> Path:
        """What was saved of the databases, each in a folder of its name."""
        return self.srv / "backups"

    @property
    def earlier_static(self) -> Path:
        return self.srv / "static"

    @property
    def challenges(self) -> Path:
        """What an ACME authority asks for over HTTP, to see that the host answers under the site's names."""
        return self.srv / "acme"

    @property
    def cache(self) -> Path:
        return Path("/var/cache/switchyard") / self.site

    @property
    def build_cache(self) -> Path:
        """What build commands keep from one build to the next; their HOME."""
        return self.cache / "build"

    @property
    def run(self) -> Path:
        """Root's own scratch folder, which a restart of the host empties."""
        return Path("/run/switchyard") / self.site

    @property
    def sockets(self) -> Path:
        return Path("/run") / self.site

    @property
    def nginx_lock(self) -> Path:
        """Held by whoever changes nginx's configuration, which the host's sites share. No site's name has a dot."""
        return self.run.parent / "nginx.lock"

    # What systemd and nginx know.
    def unit(self, release: str, process: str = "", kind: str = "service") -> str:
        """The unit of a release's instance, or of one of the processes beside it."""
        return f"{self.site}@{release}{'-' if process else ''}{process}.{kind}"

    def parts_of(self, unit: str) -> tuple[str, str] | None:
        """The release that a unit belongs to and the process that it runs, empty for the instance; None for others."""
        found = re.fullmatch(
            rf"{re.escape(self.site)}@({RELEASE_ID.pattern})(?:-({PROCESS_NAME.pattern}))?\.(service|timer)", unit
        )
        return (found[1], found[2] or "") if found else None

    def unit_file(self, release: str) -> Path:
        return UNITS / self.unit(release)

    def unit_files(self, release: str) -> list[Path]:
        """All that systemd knows of a release."""
        folder = self.unit_file(release).parent
        named = {path: self.parts_of(path.name) for path in folder.glob(f"{self.site}@{release}*")}
        return sorted(path for path, parts in named.items() if parts and parts[0] == release)

    @property
    def boot_unit(self) -> str:
        return f"{self.site}.service"

    def socket(self, release: str) -> Path:
        return self.sockets / release / "app.sock"

    @property
    def access_log(self) -> Path:
        return NGINX_LOGS / f"{self.site}.access.log"

    @property
    def edge(self) -> Path:
        return NGINX_SITES / f"{self.site}.conf"

    def folders(self) -> list[tuple[Path, str, str, str]]:
        """Path, mode, owner and group of every folder that outlives a release.

        /srv/SITE can be passed but not listed, so that nginx reaches static and media files and no other site's
        user finds anything.
        """
        site = self.site
        return [
            (self.etc.parent, "0755", "root", "root"),
            (self.etc, "0755", "root", "root"),
            (self.etc / "releases", "0755", "root", "root"),
            (self.etc / "locks", "0755", "root", "root"),
            (self.etc / "env", "0700", "root", "root"),
            (self.tls, "0700", "root", "root"),
            (self.srv, "0711", "root", "root"),
            (self.srv / "releases", "0711", "root", "root"),
            (self.srv / "venvs", "0750", "root", site),
            (self.earlier_static, "0755", "root", "root"),
            (self.challenges, "0755", "root", "root"),
            (self.backups, "0700", "root", "root"),
            (self.data, "0700", site, site),
            (self.media, "2750", site, "www-data"),
            (self.cache.parent, "0755", "root", "root"),
            (self.cache, "0750", "root", site),
            (self.cache / "uv", "0700", site, site),
            (self.build_cache, "0700", site, site),
            (self.sockets, "0710", site, "www-data"),
        ]

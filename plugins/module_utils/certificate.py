# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate by which nginx speaks TLS for a site: where it lies, whether it will do, and one that is home-made.

Its place is named by what it is for: other names, or another authority, and a new one is had beside the one that nginx
serves. Which of them counts is said by the edge, which moves in the cutover and comes back with it. What stands in a
certificate is read by openssl. How one is fetched from an authority is in acme.
"""

from __future__ import annotations

import contextlib
import datetime
import grp
import hashlib
import ipaddress
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import disk, host_command, nginx_service, units
from ansible_collections.switchyard.django.plugins.module_utils.edge_variables import ACME_DIRECTORIES
from ansible_collections.switchyard.django.plugins.module_utils.layout import LETSENCRYPT, NGINX_SITES, Layout

CERTBOT = "/usr/bin/certbot"
TIMER = "certbot.timer"
# Browsers refuse what is made for more than 398 days.
HOME_MADE_DAYS = 365
HOME_MADE_RENEWED = datetime.timedelta(days=30)
WARNED = datetime.timedelta(days=14)
# The timer renews long before: what has so little left of it, it could not. Of the usual 90 days these are 10.
OVERDUE, OVERDUE_PART = datetime.timedelta(days=10), 9
# Who may read a key beside root; ssl-cert is Debian's group for it.
KEY_GROUPS = ("root", "ssl-cert")
CERTIFICATE_BEGINS = "-----BEGIN CERTIFICATE-----"
KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
LOCKED_KEY = re.compile(r"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")
PLACE_LENGTH = 8
PLACE = re.compile(rf"[0-9a-f]{{{PLACE_LENGTH}}}")
# A place of home-made ones, and what it leads to; then what an earlier version had, which knew one place alone.
HOME_MADE = re.compile(rf"({PLACE.pattern})(?:-[0-9T]+)?|certificate\.pem|key\.pem|current|[0-9]{{8}}T[0-9]+")


class CertificateError(Exception):
    """There is no certificate that would do; the message is for the user."""


@dataclass(frozen=True)
class Wanted:
    """What the user says of the certificate.

    :param kind: none, self_signed, provided or acme
    :param domains: the names that it has to cover
    :param certificate: where it lies, if it is provided; so does `key`
    :param directory: whom to ask: production, staging, or the URL of an authority's directory
    :param email: whom the authority writes to; empty for nobody
    :param port: where nginx speaks HTTP
    """

    kind: str = "none"
    domains: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    directory: str = "production"
    email: str = ""
    port: int = 80

    @property
    def names(self) -> tuple[str, ...]:
        """The domains, each once and as certificates have them."""
        return tuple(dict.fromkeys(normal(domain) for domain in self.domains))

    @property
    def url(self) -> str:
        return ACME_DIRECTORIES.get(self.directory, self.directory)

    @property
    def place(self) -> str:
        """What one for these names, of this authority, is told from the site's others by."""
        return disk.digest([sorted(self.names), *([self.url] if self.kind == "acme" else [])], PLACE_LENGTH)


@dataclass(frozen=True)
class Judgement:
    """What is to be said of a certificate.

    :param problem: why it can't work, and the way out
    :param due: why something has to be made, fetched or looked at, or nothing
    :param warning: what will become a problem
    """

    problem: str = ""
    due: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Certificate:
    """What openssl says of the first certificate in a file."""

    names: frozenset[str]
    begins: datetime.datetime
    ends: datetime.datetime
    public_key: str

    @property
    def left(self) -> datetime.timedelta:
        return self.ends - _now()

    @property
    def until(self) -> str:
        return f"{self.ends:%Y-%m-%d}"


def wanted_of(given: Mapping[str, Any]) -> Wanted:
    """What is wanted, from a module's parameters; what else there is among them is passed over."""
    named = {field.name for field in fields(Wanted)}
    return Wanted(**{**{name: given[name] for name in given if name in named}, "domains": tuple(given["domains"])})


def normal(name: str) -> str:
    """A host name or an address in the one form in which they are compared."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def lineage(layout: Layout, wanted: Wanted) -> str:
    """By which name certbot knows the certificate that is wanted."""
    return f"switchyard-{layout.site}-{wanted.place}"


def lineages(layout: Layout) -> list[str]:
    """By which names certbot knows those that the site has; one without a digest is of an earlier version."""
    names = sorted(path.stem for path in (LETSENCRYPT / "renewal").glob(f"switchyard-{layout.site}*.conf"))
    return [name for name in names if _is_of_site(layout, name.removeprefix(f"switchyard-{layout.site}"))]


def _is_of_site(layout: Layout, ending: str) -> bool:
    """What ends like a digest may also be the one of an earlier version, of a site that is called so."""
    if not ending:
        return True
    named_so = layout.etc.with_name(f"{layout.site}{ending}").exists()
    return ending.startswith("-") and PLACE.fullmatch(ending[1:]) is not None and not named_so


def live_folder(name: str) -> Path:
    """Where nginx finds what certbot has by a name."""
    return LETSENCRYPT / "live" / name


def challenge_server(layout: Layout) -> Path:
    """What answers the authority for names that nginx does not serve yet; it lasts as long as the authority asks."""
    return NGINX_SITES / f"switchyard-acme-{layout.site}.conf"


def files(layout: Layout, wanted: Wanted) -> tuple[Path, Path]:
    """Where nginx finds the certificate that is wanted, and its key."""
    if wanted.kind == "provided":
        return Path(wanted.certificate), Path(wanted.key)
    if wanted.kind == "acme":
        folder = live_folder(lineage(layout, wanted))
        return folder / "fullchain.pem", folder / "privkey.pem"
    folder = layout.tls / wanted.place
    return folder / "certificate.pem", folder / "key.pem"


def read(path: Path) -> Certificate | None:
    """What openssl makes of a certificate; None where there is none that it can read."""
    done = _openssl(
        *("x509", "-noout", "-ext", "subjectAltName", "-dates", "-dateopt", "iso_8601", "-pubkey", "-in", str(path))
    )
    if done is None or done.returncode:
        return None
    dates = dict(re.findall(r"^(notBefore|notAfter)=(.+)Z$", done.stdout, re.MULTILINE))
    return Certificate(
        names=frozenset(
            normal(name.strip()) for name in re.findall(r"(?:DNS|IP Address):([^,\n]+)", done.stdout, re.MULTILINE)
        ),
        begins=_date(dates["notBefore"]),
        ends=_date(dates["notAfter"]),
        public_key=done.stdout[done.stdout.index("-----BEGIN PUBLIC KEY-----") :].strip(),
    )


def judge(layout: Layout, wanted: Wanted) -> Judgement:
    """Whether there is a certificate that will do; reads, and changes nothing."""
    judged = Judgement()
    if wanted.kind == "provided":
        judged = _judge_provided(wanted)
    elif wanted.kind == "self_signed":
        judged = Judgement(due=_home_made_due(layout, wanted))
    elif wanted.kind == "acme":
        judged = Judgement(due=fetch_due(layout, wanted) or _timer_due())
    if challenge_server(layout).exists():
        return replace(judged, due=f"{challenge_server(layout)} was left by a run that was cut off")
    return judged


def described(layout: Layout, given: Mapping[str, Any]) -> dict[str, str]:
    """What is to be said of the certificate that is wanted, and where nginx finds it, from a module's parameters."""
    one = wanted_of(given)
    paths = ("", "") if one.kind == "none" else files(layout, one)
    # Whoever makes or fetches one reloads nginx himself; whoever puts another in its place leaves that to the next run.
    digest = _digest(Path(one.certificate)) if one.kind == "provided" else ""
    return {**asdict(judge(layout, one)), "certificate": str(paths[0]), "key": str(paths[1]), "digest": digest}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def fetch_due(layout: Layout, wanted: Wanted) -> str:
    """Why the authority has to be asked, or nothing."""
    certificate, key = files(layout, wanted)
    found = read(certificate)
    if found is None or not key.exists():
        return "there is none yet"
    server = _authority(layout, wanted)
    if server != wanted.url:
        return f"it is not from {wanted.url}" + (f" but from {server}" if server else "")
    if found.left < min(OVERDUE, (found.ends - found.begins) / OVERDUE_PART):
        return f"it ends on {found.until} and was not renewed (journalctl -u certbot.service says why)"
    return _other_names(found, wanted)


def make(layout: Layout, wanted: Wanted) -> None:
    """Make a certificate that signs itself. Certificate and key come into their place together: it is a link.

    :raises CertificateError: where nginx, which serves the site by the one before, would not take it up
    """
    in_use = _is_served(layout, wanted)
    if in_use:
        try_nginx()
    layout.tls.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = layout.tls / wanted.place
    folder = place.with_name(f"{place.name}-{_now():%Y%m%dT%H%M%S%f}")
    folder.mkdir(mode=0o700)
    alternatives = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in wanted.names)
    done = _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-sha256"),
        *("-days", str(HOME_MADE_DAYS), "-subj", f"/CN={layout.site}", "-addext", f"subjectAltName={alternatives}"),
        *("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
    )
    if done is None or done.returncode:
        disk.clear(folder)
        said = done.stderr.strip() if done else "it is not installed"
        raise CertificateError(f"openssl can't make a certificate for {layout.site}: {said}\nNothing was changed.")
    (folder / "key.pem").chmod(0o600)
    disk.settle(folder)
    disk.point(place, folder.name)
    for earlier in layout.tls.glob(f"{place.name}-*"):
        if earlier != folder:
            disk.clear(earlier)
    if in_use:
        reload_nginx()


def unused(layout: Layout) -> list[str | Path]:
    """What there is of the site's certificates that nginx does not name: lineages of certbot's, files and folders.

    What was provided is not among them. Whoever deletes them has the lease: one may be there for a run that has not
    come to its cutover.
    """
    if not layout.edge.exists():  # somebody has taken the site out of nginx, and may lay it there again
        return []
    named = _named(layout)
    made = sorted(layout.tls.iterdir()) if layout.tls.is_dir() else []
    return [
        *(name for name in lineages(layout) if f"{live_folder(name)}/" not in named),
        *(path for path in made if (found := HOME_MADE.fullmatch(path.name)) and _path_in(layout, found) not in named),
    ]


def _path_in(layout: Layout, found: re.Match[str]) -> str:
    """What the edge names of a home-made one, by what lies in the folder."""
    return f"{layout.tls}/{found[1]}/" if found[1] else f"{layout.tls}/certificate.pem"


def _named(layout: Layout) -> str:
    """What nginx's sites say, the site's own and others, and what the edge was before a move that was cut off."""
    said = []
    for path in (layout.undo, *layout.edge.parent.glob("*")):
        with contextlib.suppress(OSError):  # a link that leads nowhere
            said.append(path.read_text(errors="replace"))
    return "\n".join(said)


def forget_unused(layout: Layout) -> list[str]:
    """Delete what nginx does not name, and say what that was.

    :raises CertificateError: where certbot does not delete one
    """
    gone = unused(layout)
    for one in gone:
        if isinstance(one, str):
            done = run(CERTBOT, "delete", "--non-interactive", "--cert-name", one)
            if done.returncode:
                raise CertificateError(f"certbot can't delete {one}: {(done.stderr or done.stdout).strip()}")
        elif one.is_dir() and not one.is_symlink():
            disk.clear(one)
        else:
            disk.remove(one)
    return [str(one) for one in gone]


def try_nginx() -> str:
    """Have nginx read what is on the disk, and return what it says of it.

    :raises CertificateError: where it refuses
    """
    done = run("nginx", "-t")
    if done.returncode:
        raise CertificateError(f"nginx refuses its configuration:\n{done.stderr.strip()}")
    return done.stderr


def reload_nginx() -> None:
    """Have nginx take up what is on the disk; it goes on as before where that is no good."""
    problem = nginx_service.reload()
    if problem:
        raise CertificateError(problem)


# --- why one will not do ---------------------------------------------------------------------------------------------


def _judge_provided(wanted: Wanted) -> Judgement:
    certificate, key = Path(wanted.certificate), Path(wanted.key)
    problem = _certificate_file_problem(certificate) or _key_file_problem(key)
    if problem:
        return Judgement(problem)
    if shutil.which("openssl") is None:
        return Judgement(due="openssl is not there yet to look into it")
    found = read(certificate)
    if found is None:
        return Judgement(
            f"nginx_tls_certificate {certificate}: openssl can't read it. Copy the certificate to the host once more"
        )
    problem = _pair_problem(certificate, key, found) or _time_problem(certificate, found)
    problem = problem or _cover_problem(certificate, found, wanted.names)
    if problem or found.left > WARNED:
        return Judgement(problem)
    return Judgement(warning=f"nginx_tls_certificate {certificate} ends on {found.until}: see to the next one")


def _certificate_file_problem(path: Path) -> str:
    text, problem = _text("nginx_tls_certificate", path)
    if problem or CERTIFICATE_BEGINS in text:
        return problem
    return (
        f"nginx_tls_certificate {path} has no certificate in PEM form, which begins with {CERTIFICATE_BEGINS}. One in "
        f"DER form is turned into it by: openssl x509 -inform DER -in {path} -out {path}.pem"
    )


def _key_file_problem(path: Path) -> str:
    text, problem = _text("nginx_tls_key", path)
    if problem:
        return problem
    if LOCKED_KEY.search(text):
        return (
            f"nginx_tls_key {path} has a passphrase, which nobody could give to nginx when the host boots. Take it "
            f"off, and put what comes out in its place: openssl pkey -in {path} -out {path}.open"
        )
    if not KEY_BEGINS.search(text):
        return f"nginx_tls_key {path} has no key in PEM form, which begins with -----BEGIN PRIVATE KEY-----"
    return _secrecy_problem(path)


def _text(name: str, path: Path) -> tuple[str, str]:
    """What stands in a file, or what is wrong with it."""
    try:
        return path.read_text(encoding="ascii", errors="replace"), ""
    except OSError as problem:
        return "", f"{name} {path}: {problem.strerror}. Copy the file to this host, or name the one that is meant"


def _secrecy_problem(path: Path) -> str:
    status = path.stat()
    who = []
    if status.st_uid:
        who.append("its owner")
    if status.st_mode & stat.S_IRWXG and _group(status.st_gid) not in KEY_GROUPS:
        who.append(f"the group {_group(status.st_gid)}")
    if status.st_mode & stat.S_IRWXO:
        who.append("everybody")
    if not who:
        return ""
    return (
        f"nginx_tls_key {path} can be read by {' and '.join(who)}, and it is a secret of root's, who starts nginx: "
        f"chown root:root {path}; chmod 600 {path}"
    )


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _pair_problem(certificate: Path, key: Path, found: Certificate) -> str:
    done = _openssl("pkey", "-pubout", "-passin", "pass:", "-in", str(key))
    if done is None or done.returncode:
        return f"nginx_tls_key {key}: openssl can't read it. Copy the key to the host once more"
    if done.stdout.strip() == found.public_key:
        return ""
    return (
        f"nginx_tls_key {key} is not the key of the first certificate in nginx_tls_certificate {certificate}. The "
        "site's own certificate has to stand first there, those between it and the root behind it"
    )


def _time_problem(path: Path, found: Certificate) -> str:
    if found.left <= datetime.timedelta(0):
        return f"nginx_tls_certificate {path} has expired on {found.until}. Copy the one that came after to the host"
    if found.begins > _now():
        return (
            f"nginx_tls_certificate {path} is valid from {found.begins:%Y-%m-%d %H:%M} UTC on, and on this host it is "
            f"{_now():%Y-%m-%d %H:%M}. Set the clock right, or wait"
        )
    return ""


def _cover_problem(path: Path, found: Certificate, names: Iterable[str]) -> str:
    """Which of the names it does not cover; wildcards are openssl's."""
    if not found.names:  # what openssl would take instead, the common name, no browser does
        return f"nginx_tls_certificate {path} has no names (subjectAltName), so no browser takes it. Have it made anew"
    missing = [name for name in names if not _covers(path, found, name)]
    if not missing:
        return ""
    return (
        f"nginx_tls_certificate {path} is for {', '.join(sorted(found.names))} and not for {', '.join(missing)}. Take "
        "that out of site_domains, or bring a certificate for all of them"
    )


def _covers(path: Path, found: Certificate, name: str) -> bool:
    if name in found.names and not _is_address(name):  # nothing to ask: a site may have many names
        return True
    done = _openssl("x509", "-noout", "-checkip" if _is_address(name) else "-checkhost", name, "-in", str(path))
    return done is not None and "does match certificate" in done.stdout


def _home_made_due(layout: Layout, wanted: Wanted) -> str:
    certificate, key = files(layout, wanted)
    found = read(certificate)
    if found is None or not key.exists():
        return "there is none yet"
    if _pair_problem(certificate, key, found):
        return "its key is another's"
    if found.left < HOME_MADE_RENEWED:
        return f"it ends on {found.until}"
    return _other_names(found, wanted)


def _other_names(found: Certificate, wanted: Wanted) -> str:
    if found.names == frozenset(wanted.names):
        return ""
    return f"it is for {', '.join(sorted(found.names))}, and site_domains has {', '.join(wanted.names)}"


def _authority(layout: Layout, wanted: Wanted) -> str:
    """Whom certbot has the certificate from, and will have the next one from."""
    try:
        text = (LETSENCRYPT / "renewal" / f"{lineage(layout, wanted)}.conf").read_text()
    except OSError:
        return ""
    found = re.search(r"^server\s*=\s*(\S+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def _timer_due() -> str:
    shown = units.properties(run("systemctl", "show", TIMER, "-p", "UnitFileState", "-p", "ActiveState").stdout)
    if shown.get("UnitFileState") == "enabled" and shown.get("ActiveState") == "active":
        return ""
    return f"{TIMER}, which renews it, is off"


def _is_served(layout: Layout, wanted: Wanted) -> bool:
    """Whether nginx serves the site by the home-made certificate in that place."""
    try:
        text = layout.edge.read_text()
    except OSError:
        return False
    return str(files(layout, wanted)[0]) in text and units.is_active("nginx.service")


# --- the commands ----------------------------------------------------------------------------------------------------


def _openssl(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What openssl says; None where it is not installed."""
    try:
        return run("openssl", *arguments)
    except FileNotFoundError:
        return None


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that says what it has to say in English."""
    return host_command.run(
        command,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _date(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.timezone.utc)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)

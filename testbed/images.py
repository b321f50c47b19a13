# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of bare Debian hosts, built from the machine's own Debian sources: no registry has a part in it.

An image goes through three places: mmdebstrap builds it, the cache keeps it as a tar with its digest beside it, and
podman holds it under a tag. The recipe's digest is part of each name: a changed recipe makes another image.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from machine import CACHE, HERE, Trouble, as_root, ask_podman, lock, podman, say, step, write

RELEASES = ("bookworm", "trixie")
LABEL = "switchyard.testbed.image"
OLDEST = 14 * 24 * 3600
"""Seconds after which an image is built anew: its package lists would name packages that the mirror no longer has."""

BARE = ("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "ca-certificates")
MACHINE_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# A privileged container shares the machine's kernel and consoles. What would load modules, set the machine's sysctls or
# take its terminals stays off.
MASKED_UNITS = ("systemd-modules-load.service", "systemd-sysctl.service", "getty.target", "console-getty.service")

# Without this every host booted from the image would have the same host key, and none could be told from another.
OWN_HOST_KEYS = """\
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
"""

CUSTOMIZE = r"""#!/bin/sh
set -eu
root=$1
rm -f "$root"/etc/ssh/ssh_host_*
chroot "$root" update-ca-certificates
chroot "$root" systemctl mask {masked}
: > "$root/etc/machine-id"
"""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides what ends up in an image."""

    release: str
    packages: tuple[str, ...]
    sources: str
    apt_options: tuple[str, ...]
    authorities: tuple[str, ...]
    kind: str

    @property
    def digest(self) -> str:
        parts = [dataclasses.astuple(self), OWN_HOST_KEYS, CUSTOMIZE, MASKED_UNITS]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        return f"{self.release}-{self.kind}"

    @property
    def tag(self) -> str:
        return f"localhost/switchyard/{self.name}:{self.digest}"


def recipe_for(release: str, warm: bool) -> Recipe:
    if release not in RELEASES:
        raise Trouble(f"there is no release {release!r}: it is one of {', '.join(RELEASES)}.")
    return Recipe(
        release=release,
        packages=BARE + (warm_packages() if warm else ()),
        sources=debian_sources(release),
        apt_options=apt_options(),
        authorities=own_authorities(),
        kind="warm" if warm else "bare",
    )


def warm_packages() -> tuple[str, ...]:
    lines = (HERE / "warm-packages.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


# ---- what an image takes over from the machine


def debian_sources(release: str) -> str:
    """The machine's Debian sources, for this release, in deb822 form."""
    own = _codename()
    stanzas = [line_to_stanza(line) for file in _source_files("list") for line in file.splitlines()]
    stanzas += [parse_stanza(text) for file in _source_files("sources") for text in re.split(r"\n\s*\n", file)]
    wanted = [switched for stanza in stanzas if (switched := switch_release(stanza, own, release))]
    if not wanted:
        say("this machine has no Debian sources: the image is built from deb.debian.org")
        wanted = [
            _stanza("http://deb.debian.org/debian", f"{release} {release}-updates"),
            _stanza("http://deb.debian.org/debian-security", f"{release}-security"),
        ]
    return "\n".join("".join(f"{field}: {value}\n" for field, value in stanza.items()) for stanza in wanted)


def _source_files(extension: str) -> list[str]:
    folder = Path("/etc/apt")
    files = sorted((folder / "sources.list.d").glob(f"*.{extension}"))
    if extension == "list":
        files.insert(0, folder / "sources.list")
    return [file.read_text(encoding="utf-8") for file in files if file.is_file()]


def _codename() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else ""


def _stanza(uris: str, suites: str) -> dict[str, str]:
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return {"Types": "deb", "URIs": uris, "Suites": suites, "Components": "main", "Signed-By": keyring}


def parse_stanza(text: str) -> dict[str, str]:
    """One paragraph of a .sources file; a field that goes on over several lines (a key written out) keeps them."""
    fields: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            fields[last] += "\n" + line
        else:
            last, _sep, value = line.partition(":")
            fields[last] = value.strip()
    return fields


def line_to_stanza(line: str) -> dict[str, str]:
    """One line of a .list file, as the stanza that says the same."""
    found = re.match(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)", line)
    if not found:
        return {}
    stanza = _stanza(found["uri"], found["suite"]) | {"Components": found["components"].strip()}
    signed_by = re.search(r"signed-by=(\S+)", found["options"] or "")
    return stanza | ({"Signed-By": signed_by[1]} if signed_by else {})


def switch_release(stanza: dict[str, str], own: str, release: str) -> dict[str, str]:
    """The stanza for another release; empty where it is about something else (sources, backports …)."""
    own_suites = [own, f"{own}-updates", f"{own}-security"]
    suites = [suite.replace(own, release, 1) for suite in stanza.get("Suites", "").split() if suite in own_suites]
    enabled = stanza.get("Enabled", "yes").lower() not in ("no", "false")
    is_debian = "debian" in stanza.get("URIs", "") and "main" in stanza.get("Components", "").split()
    if own not in RELEASES or not suites or not enabled or not is_debian or "deb" not in stanza["Types"].split():
        return {}
    return stanza | {"Types": "deb", "Suites": " ".join(suites)}


def apt_options() -> tuple[str, ...]:
    """How the machine's apt reaches its mirror, where its sources don't say so."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    reach = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) ")
    options = [line for line in dump.splitlines() if reach.match(line)]
    if os.environ.get("http_proxy") and not any("http::Proxy" in option for option in options):
        options.append(f'Acquire::http::Proxy "{os.environ["http_proxy"]}";')
    return tuple(options)


def own_authorities() -> tuple[str, ...]:
    """The certificates that this machine trusts beyond those that Debian ships: a company's proxy, for one."""
    certificate = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
    if not MACHINE_CA_BUNDLE.is_file():
        return ()
    shipped = {
        found
        for file in Path("/usr/share/ca-certificates").rglob("*.crt")
        for found in certificate.findall(file.read_text())
    }
    return tuple(found for found in certificate.findall(MACHINE_CA_BUNDLE.read_text()) if found not in shipped)


# ---- building and keeping


def provide(release: str, warm: bool) -> str:
    """Have the image in podman, by the shortest way there is, and return its tag."""
    recipe = recipe_for(release, warm)
    with lock(CACHE / "images" / f"{recipe.name}.lock", f"the {recipe.name} image"):
        if _held_by_podman(recipe):
            return recipe.tag
        if not _cache_is_sound(recipe):
            _build(recipe)
        _import(recipe)
        _remove_older(recipe)
    return recipe.tag


def _held_by_podman(recipe: Recipe) -> bool:
    answer = ask_podman("image", "inspect", "--format", f'{{{{index .Labels "{LABEL}.built"}}}}', recipe.tag)
    return answer.returncode == 0 and time.time() - int(answer.stdout) < OLDEST


def _tar(recipe: Recipe) -> Path:
    return CACHE / "images" / f"{recipe.name}-{recipe.digest}.tar"


def _cache_is_sound(recipe: Recipe) -> bool:
    tar = _tar(recipe)
    try:
        built = json.loads(tar.with_suffix(".json").read_text(encoding="utf-8"))
        if time.time() - built["at"] >= OLDEST:
            return False
        with tar.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == built["sha256"]:
                return True
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        pass
    say(f"the cached image {tar} is damaged: building it anew")
    return False


def _build(recipe: Recipe) -> None:
    """Build into the cache: the tar gets its name only when it's whole, and counts only with its digest beside it."""
    tar = _tar(recipe)
    tar.with_suffix(".json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=tar.parent, prefix=".building-") as scratch:
        unfinished = Path(scratch) / tar.name
        with unfinished.open("wb") as output:
            step(
                f"building the {recipe.name} image",
                as_root(_mmdebstrap(recipe, Path(scratch))),
                "The lines above are mmdebstrap's own. When the cause is mended (mirror? disk space?), run this again.",
                stdout=output,
            )
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        unfinished.replace(tar)
    write(tar.with_suffix(".json"), json.dumps({"sha256": digest, "at": int(time.time())}) + "\n")


def _mmdebstrap(recipe: Recipe, scratch: Path) -> list[str]:
    """The command that prints the image as a tar. The hooks run outside of the image, with its root folder as $1."""
    sources, customize, host_keys = scratch / "debian.sources", scratch / "customize", scratch / "host-keys.conf"
    sources.write_text(recipe.sources, encoding="utf-8")
    customize.write_text(CUSTOMIZE.format(masked=" ".join(MASKED_UNITS)), encoding="utf-8")
    customize.chmod(0o755)
    host_keys.write_text(OWN_HOST_KEYS, encoding="utf-8")
    authorities = []
    for number, certificate in enumerate(recipe.authorities, start=1):
        file = scratch / f"machine-{number}.crt"
        file.write_text(certificate + "\n", encoding="utf-8")
        authorities.append(str(file))
    hooks = [f"copy-in {' '.join(authorities)} /usr/local/share/ca-certificates"] if authorities else []
    hooks += [
        'mkdir -p "$1/etc/systemd/system/ssh.service.d"',
        f"copy-in {host_keys} /etc/systemd/system/ssh.service.d",
    ]
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        "--format=tar",
        "--skip=cleanup/apt/lists",
        "--dpkgopt=force-unsafe-io",
        f"--include={','.join(recipe.packages)}",
        *(f"--aptopt={option}" for option in recipe.apt_options),
        *(f"--customize-hook={hook}" for hook in [*hooks, str(customize)]),
        recipe.release,
        "-",
        str(sources),
    ]


def _import(recipe: Recipe) -> None:
    built = json.loads(_tar(recipe).with_suffix(".json").read_text(encoding="utf-8"))
    say(f"handing the {recipe.name} image to podman …")
    changes = [f"LABEL {LABEL}={recipe.name}", f"LABEL {LABEL}.built={built['at']}", 'CMD ["/lib/systemd/systemd"]']
    podman("import", *(f"--change={change}" for change in changes), str(_tar(recipe)), recipe.tag)


def _remove_older(recipe: Recipe) -> None:
    """Room for the next one: older images of the same name, unless a host still runs on them."""
    for tag in podman(
        "images", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}", f"--filter=label={LABEL}={recipe.name}"
    ).split("\n"):
        if tag and not tag.endswith(recipe.tag):
            ask_podman("rmi", tag.split()[0])
    for file in (CACHE / "images").glob(f"{recipe.name}-*"):
        if file.stem != _tar(recipe).stem:
            file.unlink(missing_ok=True)

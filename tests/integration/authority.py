# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority of a test's own, and the certificates that it gives to hosts."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

from controller import Host

KEYS = {"ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
# Mozilla's guideline has certificates live for 366 days at most.
DAYS = 90


@dataclass(frozen=True)
class Authority:
    """What is made lies in `folder`; `certificate` is what others are to trust."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        one = cls(folder)
        what = ["-subj", "/CN=Test authority", "-days", "9", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        files = ["-keyout", folder / "authority.key", "-out", one.certificate]
        _openssl("req", "-x509", "-newkey", *KEYS["ecdsa"], "-noenc", *what, *files)
        return one

    @property
    def certificate(self) -> Path:
        return self.folder / "authority.pem"

    def give(self, host: Host, names: list[str], kind: str = "ecdsa") -> dict[str, str]:
        """Lay a certificate for these names, and its key, on the host; the variables that say where."""
        made, key = self.sign(names, kind)
        files = {f"/etc/ssl/certs/{made.name}": made, f"/etc/ssl/private/{key.name}": key}
        for path, file in files.items():
            text = base64.b64encode(file.read_bytes()).decode()
            host.sh(f"umask 077; mkdir -p $(dirname {path}); echo {text} | base64 -d > {path}")
        certificate, its_key = files
        return {"nginx_tls": "provided", "nginx_tls_certificate": certificate, "nginx_tls_key": its_key}

    def sign(self, names: list[str], kind: str = "ecdsa") -> tuple[Path, Path]:
        """A certificate for these names, and its key."""
        name = f"{names[0]}-{kind}"
        key, request, made = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
        extensions = self.folder / "extensions"
        covered = ",".join(f"DNS:{one}" for one in names)
        extensions.write_text(f"subjectAltName={covered}\nextendedKeyUsage=serverAuth\n")
        _openssl("req", "-newkey", *KEYS[kind], "-noenc", "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
        signed_by = ["-CA", self.certificate, "-CAkey", self.folder / "authority.key", "-CAcreateserial"]
        _openssl("x509", "-req", "-in", request, *signed_by, "-days", str(DAYS), "-extfile", extensions, "-out", made)
        return made, key


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

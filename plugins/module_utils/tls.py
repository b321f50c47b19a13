# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a probe speaks TLS: whom it trusts, and by which name the server must prove itself."""

from __future__ import annotations

import functools
import os
import re
import ssl
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9_:%][A-Za-z0-9._:%-]*")


@dataclass(frozen=True)
class Tls:
    """TLS with a server that proves to be `server_name`.

    :param server_name: the name or address that is asked for (SNI) and that the certificate must cover
    :param ca_path: file or folder with the authorities to trust; None for those that the system trusts
    :param validate: whether the certificate is looked at, at all
    """

    server_name: str
    ca_path: str | None = None
    validate: bool = True

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.server_name):
            raise ValueError(f"server_name: {self.server_name!r} is neither a host name nor an address")
        try:
            self.context()
        except OSError as error:
            raise ValueError(f"ca_path: {self.ca_path!r} holds no certificates in PEM form: {error}") from error

    def context(self) -> ssl.SSLContext:
        return _context(self.ca_path, self.validate)


# Reading all that a system trusts takes some milliseconds, which no attempt after the first has to wait for.
@functools.lru_cache(maxsize=8)
def _context(ca_path: str | None, validate: bool) -> ssl.SSLContext:
    # Not ssl.create_default_context(): how strict that is depends on the version of Python.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if not validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_path is None:
        context.load_default_certs()
    elif os.path.isdir(ca_path):
        context.load_verify_locations(capath=ca_path)
    else:
        context.load_verify_locations(cafile=ca_path)
    return context

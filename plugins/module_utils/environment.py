# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a release: what the user gives, what follows from the site, and the secrets made for it.

The secrets of a site are made once and never leave its hosts but for another host of the same site.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils import disk, env_file, services
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

SECRET_KEY_NAMES = ("SECRET_KEY", "DJANGO_SECRET_KEY")
ALLOWED_HOSTS_NAMES = ("ALLOWED_HOSTS", "DJANGO_ALLOWED_HOSTS")
# Django compares them with the Origin of a form that is sent over https.
TRUSTED_ORIGINS_NAMES = ("CSRF_TRUSTED_ORIGINS", "DJANGO_CSRF_TRUSTED_ORIGINS")
# Whoever names a database in any of the usual ways wants that one, and no default beside it.
DATABASE_NAMES = re.compile(r"(DJANGO_)?(DB|DATABASE|POSTGRES|POSTGRESQL|PG|MYSQL|SQL)(_|$)|PG[A-Z]+$")

# Set in the unit for each release; an environment file would win over the unit.
OURS = {
    "DJANGO_SETTINGS_MODULE": "name the settings module with site_settings",
    "PYTHONPATH": "the release's code is on the path already",
    "RELEASE_ID": "the unit sets it",
    "RELEASE_COMMIT": "the unit sets it",
    "HOME": "the unit sets it",
}


@dataclass(frozen=True)
class SiteSecrets:
    """What the hosts of one site share."""

    identity_key: str
    secret_key: str

    @classmethod
    def make(cls) -> SiteSecrets:
        return cls(identity_key=secrets.token_hex(32), secret_key=secrets.token_urlsafe(50))

    @property
    def fingerprint(self) -> str:
        """Tells two hosts' secrets apart without telling them."""
        return hashlib.sha256(f"{self.identity_key}{self.secret_key}".encode()).hexdigest()[:16]

    def to_json(self) -> str:
        return json.dumps({"identity_key": self.identity_key, "secret_key": self.secret_key})

    @classmethod
    def from_json(cls, text: str) -> SiteSecrets:
        return cls(**json.loads(text))


def load(layout: Layout) -> SiteSecrets | None:
    """The site's secrets on this host, if it has any."""
    if not layout.secrets.exists():
        return None
    return SiteSecrets.from_json(layout.secrets.read_text())


def save(layout: Layout, site_secrets: SiteSecrets) -> None:
    disk.write(layout.secrets, site_secrets.to_json().encode(), 0o600)


def given(site_env: str) -> dict[str, str]:
    """site_env, which travels as JSON, as texts and without what the unit sets."""
    return {name: str(value) for name, value in json.loads(site_env).items() if name not in OURS}


def with_defaults(
    variables: Mapping[str, str],
    domains: list[str],
    layout: Layout,
    scheme: str = "http",
    beside: services.Services = services.NONE,
    key: str = "",
) -> dict[str, str]:
    """The user's variables, and the usual names of what follows from the site where the user has none of them.

    :param beside: the services that the site uses
    :param key: the identity key of the site's secrets, where a service needs a password
    """
    hosts = [host_header(domain) for domain in domains]
    composed = dict.fromkeys(ALLOWED_HOSTS_NAMES, ",".join(hosts))
    if scheme == "https":
        composed |= dict.fromkeys(TRUSTED_ORIGINS_NAMES, ",".join(https_origins(domains)))
    if not beside.database and not any(DATABASE_NAMES.match(name) for name in variables):
        composed["DATABASE_URL"] = default_database(layout)
    return {**composed, **beside.told(layout.site, key), **variables}


def default_database(layout: Layout) -> str:
    return f"sqlite:///{layout.data}/db.sqlite3"


def host_header(domain: str) -> str:
    """A domain as a Host header has it: an IPv6 address stands in brackets."""
    return f"[{domain}]" if ":" in domain else domain


def https_origins(domains: list[str]) -> list[str]:
    """From where a browser sends forms to the site: it writes names in small letters, and Django compares them so."""
    return [f"https://{host_header(domain).lower()}" for domain in domains]


def with_secret_key(composed: Mapping[str, str], site_secrets: SiteSecrets) -> dict[str, str]:
    """The environment as systemd gets it: with a secret key under both usual names, the user's where there is one."""
    key = next((composed[name] for name in SECRET_KEY_NAMES if composed.get(name)), site_secrets.secret_key)
    return {**dict.fromkeys(SECRET_KEY_NAMES, key), **composed}


def digest(complete: Mapping[str, str], site_secrets: SiteSecrets) -> str:
    """The keyed digest that names an environment; without the key nothing can be guessed from it."""
    key = bytes.fromhex(site_secrets.identity_key)
    return hmac.new(key, disk.canonical(dict(complete)), hashlib.sha256).hexdigest()[:16]


def is_in_place(layout: Layout, name: str, complete: Mapping[str, str]) -> bool:
    """Whether the file of an environment is there and as it was written: somebody may have edited it since."""
    try:
        return layout.environment(name).read_bytes() == env_file.render(complete)
    except OSError:
        return False

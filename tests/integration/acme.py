# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An authority that speaks ACME, on the host itself, with a DNS of its own: Debian's pebble."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from controller import Host

# One authority under two names, so that a site can change from one to the other. certbot takes what has "staging" in
# its address for one that no browser believes.
DIRECTORY = "https://authority.test:14000/dir"
STAGING = "https://staging.authority.test:14000/dir"
# Its server's certificate does not cover this name of it.
UNTRUSTED = "https://localhost:14000/dir"

CONFIGURATION = {
    "listenAddress": "127.0.0.1:14000",
    "managementListenAddress": "127.0.0.1:15000",
    "certificate": "/etc/pebble/certificate.pem",
    "privateKey": "/etc/pebble/key.pem",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "certificateValidityPeriod": 90 * 86400,
}

SET_UP = """\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends pebble openssl ca-certificates
mkdir -p /etc/pebble
cd /etc/pebble
echo {configuration} > pebble.json
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj "/CN=The authority's own server" \\
    -addext subjectAltName=DNS:authority.test,DNS:staging.authority.test -keyout key.pem -out certificate.pem
cp certificate.pem /usr/local/share/ca-certificates/authority.crt
update-ca-certificates
echo "127.0.0.1 authority.test staging.authority.test" >> /etc/hosts
cat > /etc/systemd/system/pebble-dns.service <<'END'
[Service]
ExecStart=/usr/bin/pebble-challtestsrv -dns01 127.0.0.1:8053 -http01 "" -https01 "" -tlsalpn01 ""{doh} \\
    -defaultIPv4 127.0.0.1 -defaultIPv6 "" -management 127.0.0.1:8055
[Install]
WantedBy=multi-user.target
END
cat > /etc/systemd/system/pebble.service <<'END'
[Service]
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0
ExecStart=/usr/bin/pebble -config /etc/pebble/pebble.json -dnsserver 127.0.0.1:8053
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now pebble-dns.service pebble.service
for _attempt in $(seq 50); do {ask} {directory} > /dev/null 2>&1 && exit 0; sleep 0.1; done
exit 1
"""
ASK = "python3 -c 'import ssl, sys, urllib.request as u; print(u.urlopen(sys.argv[1], context={}).read().decode())'"
TRUSTING = ASK.format("ssl.create_default_context()")
GULLIBLE = ASK.format("ssl._create_unverified_context()")


@dataclass
class Authority:
    """The authority, and the DNS by which it finds the names: all of them lead to the host, until told otherwise."""

    host: Host

    def up(self) -> None:
        configuration = shlex.quote(json.dumps({"pebble": CONFIGURATION}))
        # Debian 12's has no DNS over HTTPS to be switched off.
        doh = ' -doh ""' if self.host.release != "bookworm" else ""
        self.host.sh(SET_UP.format(configuration=configuration, ask=TRUSTING, directory=DIRECTORY, doh=doh))

    def send(self, domain: str, address: str) -> None:
        """Let a name lead elsewhere; to nowhere without an address."""
        self._tell("clear-a", host=f"{domain}.")
        self._tell("clear-servfail", host=f"{domain}.")
        if address:
            self._tell("add-a", host=f"{domain}.", addresses=[address])
        else:
            self._tell("set-servfail", host=f"{domain}.")

    def root(self) -> str:
        """The certificate to trust for whom it vouches; another one each time that it starts."""
        return self.host.sh(f"{GULLIBLE} https://127.0.0.1:15000/roots/0")

    def _tell(self, what: str, **content: object) -> None:
        program = "import sys, urllib.request as u; u.urlopen(sys.argv[1], sys.argv[2].encode()).read()"
        words = [program, f"http://127.0.0.1:8055/{what}", json.dumps(content)]
        self.host.sh(f"python3 -c {' '.join(map(shlex.quote, words))}")


def named(host: Host, site: str) -> str:
    """Where the certificate lies that nginx is told to serve a site by."""
    edge = f"/etc/nginx/sites-enabled/{site}.conf"
    return host.sh(f"sed -n 's/^ *ssl_certificate \\(.*\\);/\\1/p' {edge} | sort -u").strip()


def serial(host: Host, site: str) -> str:
    """Which certificate it is that nginx is told to serve a site by."""
    return host.sh(f"openssl x509 -noout -serial -in {named(host, site)}").strip()

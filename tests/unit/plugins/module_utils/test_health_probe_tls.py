# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each class of TLS failure against a real server on loopback, with real certificates."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import health_errors
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import (
    CLASSES,
    HttpCheck,
    Limits,
    Target,
    WebSocketCheck,
    probe_once,
)
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import Stage
from ansible_collections.switchyard.django.plugins.module_utils.tls import Tls
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

QUICK = Limits(connect_timeout=2, read_timeout=2, deadline=5)
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates, and writes them where servers and probes find them."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        builder = self._builder(self.name, self.key, NOW - DAY, NOW + DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name, key, begins, ends):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        return builder.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)

    def issue(self, *names, begins=NOW - DAY, ends=NOW + DAY):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        builder = self._builder(subject, key, begins, ends)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        path = self.folder / f"{names[0]}-{begins:%d}-{ends:%d}.pem"
        path.write_bytes(
            builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@contextlib.contextmanager
def listening(behaviour):
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                connection.settimeout(5)
                with connection, contextlib.suppress(OSError):
                    behaviour(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def speaks_tls(certificate, names=None, version=None):
    """Answer over TLS with the body "well"; note by which name the client asks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if version:
        context.maximum_version = version
    if names is not None:
        context.sni_callback = lambda _socket, name, _context: names.append(name)

    def behaviour(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")

    return behaviour


def ask(port, tls, check=None):
    return probe_once(Target(port=port, tls=tls), check or HttpCheck(body_contains="well"), QUICK)


def test_a_valid_certificate(authority):
    names = []
    with listening(speaks_tls(authority.issue("shop.example"), names)) as port:
        attempt = ask(port, Tls("shop.example", str(authority.path)))
        assert (attempt.ok, attempt.evidence) == (True, "HTTP/1.1 200 OK")
    assert names == ["shop.example"]


def test_an_address_in_the_certificate(authority):
    with listening(speaks_tls(authority.issue("127.0.0.1"))) as port:
        assert ask(port, Tls("127.0.0.1", str(authority.path))).ok
        assert ask(port, Tls("10.0.0.7", str(authority.path))).failure == "tls_name_mismatch"


def test_a_folder_of_authorities(authority, tmp_path):
    (tmp_path / "ca").mkdir()
    with listening(speaks_tls(authority.issue("shop.example"))) as port:
        assert ask(port, Tls("shop.example", str(tmp_path / "ca"))).failure == "tls_untrusted"


@pytest.mark.parametrize(
    ("name", "begins", "ends", "trusted", "failure", "evidence"),
    [
        ("shop.example", -2 * DAY, -DAY, True, "tls_expired", "has expired"),
        ("shop.example", DAY, 2 * DAY, True, "tls_not_yet_valid", "not yet valid"),
        ("pay.example", -DAY, DAY, True, "tls_name_mismatch", "shop.example"),
        ("shop.example", -DAY, DAY, False, "tls_untrusted", "issuer certificate"),
    ],
)
def test_a_certificate_that_is_not_valid(authority, name, begins, ends, trusted, failure, evidence):
    certificate = authority.issue(name, begins=NOW + begins, ends=NOW + ends)
    with listening(speaks_tls(certificate)) as port:
        attempt = ask(port, Tls("shop.example", str(authority.path) if trusted else None))
        assert (attempt.failure, attempt.status) == (failure, None)
        assert evidence in attempt.evidence
        assert attempt.hint == CLASSES[failure].hint
        assert ask(port, Tls("shop.example", validate=False)).ok


def plain(connection):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_plain_http_where_tls_is_expected():
    with listening(plain) as port:
        attempt = ask(port, Tls("shop.example"))
    assert attempt.failure == "tls_handshake"
    assert "plain HTTP" in attempt.hint


def test_a_tls_port_that_hangs_up_on_plain_http(authority):
    def hangs_up(connection):
        if connection.recv(1, socket.MSG_PEEK) == b"\x16":
            speaks_tls(authority.issue("shop.example"))(connection)

    with listening(hangs_up) as port:
        attempt = ask(port, None)
    assert attempt.failure == "tls_required"
    assert attempt.evidence == "Connection reset by peer; a TLS handshake succeeds"


def test_a_handshake_that_is_broken_off():
    with listening(lambda connection: connection.recv(4096)) as port:
        attempt = ask(port, Tls("shop.example"))
    assert attempt.failure == "tls_handshake"
    assert attempt.evidence == "the server closed the connection in the TLS handshake"
    assert attempt.hint == CLASSES["tls_handshake"].hint


def test_a_server_that_knows_no_such_name(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("shop.example"))
    context.sni_callback = lambda *_arguments: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def refuses(connection):
        context.wrap_socket(connection, server_side=True)

    with listening(refuses) as port:
        attempt = ask(port, Tls("shop.example"))
    assert attempt.failure == "tls_handshake"
    assert "UNRECOGNIZED_NAME" in attempt.evidence


def test_a_handshake_that_is_never_answered():
    limits = Limits(connect_timeout=0.3, read_timeout=5)
    with listening(lambda connection: (connection.recv(4096), connection.recv(1))) as port:
        attempt = probe_once(Target(port=port, tls=Tls("shop.example")), HttpCheck(), limits)
    assert attempt.failure == "read_timeout"
    assert attempt.evidence == "no TLS handshake within 0.3 s"


@pytest.mark.parametrize(
    ("location", "failure"),
    [("https://shop.example/", "https_redirect_loop"), ("https://www.shop.example/", "redirect")],
)
def test_over_tls_a_redirect_to_itself_is_a_loop(authority, location, failure):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("shop.example"))

    def redirects(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)
            secured.sendall(f"HTTP/1.1 301 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    with listening(redirects) as port:
        check = HttpCheck(headers={"Host": "shop.example"})
        assert ask(port, Tls("shop.example", str(authority.path)), check).failure == failure


def test_the_origin_over_tls_is_https(authority):
    seen = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("shop.example"))

    def refuses(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            seen.append(secured.recv(4096))
            secured.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with listening(refuses) as port:
        check = WebSocketCheck("/ws/", headers={"Host": "shop.example"})
        assert ask(port, Tls("shop.example", str(authority.path)), check).failure == "no_upgrade"
    assert b"\r\nOrigin: https://shop.example\r\n" in seen[0]


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError])
def test_whichever_way_a_broken_handshake_shows_it_is_one_thing(kind):
    problem = health_errors.explain(kind("closed"), Stage.TLS, "1.0 s")
    assert (problem.failure, problem.evidence) == (
        "tls_handshake",
        "the server closed the connection in the TLS handshake",
    )

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real certificates, and the real openssl."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import os
import re
import subprocess
import threading

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import acme, certificate, disk, units
from ansible_collections.switchyard.django.plugins.module_utils.certificate import Wanted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
OPEN = serialization.NoEncryption()


def pem_of(key, lock=OPEN, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(PEM, form, lock)


def is_address(name):
    return name[0].isdigit() or ":" in name


def issue(*names, begins=NOW - DAY, ends=NOW + 90 * DAY):
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.org")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
    if names:
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(one)) if is_address(one) else x509.DNSName(one) for one in names
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, hashes.SHA256()), key


@pytest.fixture
def places(layout, tmp_path, monkeypatch):
    """certbot's folder and nginx's, in which nothing is; its timer is on, and nginx runs."""
    monkeypatch.setattr(certificate, "LETSENCRYPT", tmp_path / "letsencrypt")
    monkeypatch.setattr(certificate, "NGINX_SITES", tmp_path / "nginx")
    monkeypatch.setattr(certificate, "_timer_due", lambda: "")
    monkeypatch.setattr(units, "is_active", lambda unit: True)
    (tmp_path / "nginx").mkdir()
    return tmp_path


@pytest.fixture
def provide(layout, places):
    """Lays a certificate and its key where the user says, and judges them."""
    folder = places / "user"
    folder.mkdir()

    def judge(*names, domains=("shop.example.org",), **about):
        one, key = issue(*names, **about)
        (folder / "shop.pem").write_bytes(one.public_bytes(PEM))
        (folder / "shop.key").write_bytes(pem_of(key))
        (folder / "shop.key").chmod(0o600)
        return again(domains)

    def again(domains=("shop.example.org",)):
        wanted = Wanted("provided", tuple(domains), str(folder / "shop.pem"), str(folder / "shop.key"))
        return certificate.judge(layout, wanted)

    judge.again, judge.folder = again, folder
    return judge


# --- provided --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "domains"),
    [
        (["shop.example.org"], ["shop.example.org"]),
        (["shop.example.org"], ["Shop.Example.org"]),
        (["shop.example.org", "other.example.org"], ["shop.example.org"]),
        (["*.example.org"], ["shop.example.org", "www.example.org"]),
        (["shop.example.org", "10.0.0.5"], ["shop.example.org", "10.0.0.5"]),
        (["fd00::1"], ["FD00:0::1"]),
    ],
)
def test_one_that_covers_every_name_will_do(provide, names, domains):
    assert provide(*names, domains=domains) == certificate.Judgement()


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (["www.example.org"], "shop.example.org"),
        (["*.example.org"], "example.org"),
        (["*.example.org"], "a.b.example.org"),
        (["shop.example.org"], "10.0.0.5"),
        (["10.0.0.50"], "10.0.0.5"),
    ],
)
def test_a_name_that_it_does_not_cover_is_named(provide, names, domain):
    judged = provide(*names, domains=[domain])
    assert f"is for {names[0]} and not for {domain}" in judged.problem
    assert "site_domains" in judged.problem


def test_one_that_has_a_common_name_alone_is_refused_as_browsers_do(provide):
    assert "has no names" in provide().problem


def test_what_is_over_what_has_not_begun_and_what_ends_soon(provide):
    assert "has expired on" in provide("shop.example.org", ends=NOW - datetime.timedelta(minutes=1)).problem
    assert "is valid from" in provide("shop.example.org", begins=NOW + DAY).problem
    soon = provide("shop.example.org", ends=NOW + 13 * DAY)
    assert (soon.problem, soon.due) == ("", "")
    assert f"ends on {NOW + 13 * DAY:%Y-%m-%d}" in soon.warning
    assert provide("shop.example.org", ends=NOW + 15 * DAY).warning == ""


@pytest.mark.parametrize("name", ["shop.pem", "shop.key"])
def test_a_file_that_is_not_there_is_named_with_its_variable(provide, name):
    provide("shop.example.org")
    (provide.folder / name).unlink()
    problem = provide.again().problem
    assert str(provide.folder / name) in problem
    assert problem.startswith("nginx_tls_certificate" if name.endswith("pem") else "nginx_tls_key")


@pytest.mark.parametrize("content", [b"", b"\x00\xff rubbish", b"-----BEGIN RUBBISH-----\n"])
def test_what_is_neither_certificate_nor_key_is_refused(provide, content):
    provide("shop.example.org")
    whole = (provide.folder / "shop.key").read_bytes()
    (provide.folder / "shop.key").write_bytes(content)
    assert "has no key in PEM form" in provide.again().problem
    (provide.folder / "shop.key").write_bytes(whole)
    (provide.folder / "shop.pem").write_bytes(content)
    assert "has no certificate in PEM form" in provide.again().problem


def test_what_only_looks_like_a_certificate_or_a_key_is_refused(provide):
    provide("shop.example.org")
    whole = (provide.folder / "shop.key").read_bytes()
    (provide.folder / "shop.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert "openssl can't read it" in provide.again().problem
    (provide.folder / "shop.key").write_bytes(whole)
    (provide.folder / "shop.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "openssl can't read it" in provide.again().problem


def test_a_key_of_another_certificate_is_refused_and_so_is_a_chain_in_the_wrong_order(provide):
    provide("shop.example.org")
    other, other_key = issue("shop.example.org")
    right = (provide.folder / "shop.pem").read_bytes()
    (provide.folder / "shop.pem").write_bytes(other.public_bytes(PEM) + right)
    assert "is not the key of the first certificate" in provide.again().problem
    (provide.folder / "shop.pem").write_bytes(right + other.public_bytes(PEM))
    assert provide.again() == certificate.Judgement()
    (provide.folder / "shop.key").write_bytes(pem_of(other_key))
    assert "is not the key of the first certificate" in provide.again().problem


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_a_key_may_have_either_form_and_no_passphrase(provide, form):
    provide("shop.example.org")
    key = serialization.load_pem_private_key((provide.folder / "shop.key").read_bytes(), None)
    (provide.folder / "shop.key").write_bytes(pem_of(key, form=form))
    assert provide.again() == certificate.Judgement()
    locked = pem_of(key, serialization.BestAvailableEncryption(b"hunter2"), form)
    (provide.folder / "shop.key").write_bytes(locked)
    assert "has a passphrase" in provide.again().problem


@pytest.mark.parametrize(
    ("mode", "group", "who"),
    [
        (0o600, "root", ""),
        (0o400, "root", ""),
        (0o640, "root", ""),
        (0o640, "ssl-cert", ""),
        (0o600, "users", ""),
        (0o640, "users", "the group users"),
        (0o644, "root", "everybody"),
        (0o666, "users", "the group users and everybody"),
    ],
)
def test_a_key_is_for_root_and_for_debians_group_alone(provide, monkeypatch, mode, group, who):
    monkeypatch.setattr(certificate, "_group", lambda number: group)
    provide("shop.example.org")
    os.chown(provide.folder / "shop.key", 0, 0)
    (provide.folder / "shop.key").chmod(mode)
    problem = provide.again().problem
    assert bool(problem) is bool(who)
    assert f"can be read by {who}" in problem or not who
    assert "chmod 600" in problem or not who


def test_a_key_of_another_user_is_his(provide):
    provide("shop.example.org")
    os.chown(provide.folder / "shop.key", 12345, 0)
    assert "can be read by its owner" in provide.again().problem


def test_where_openssl_is_missing_what_can_be_seen_is_and_the_rest_is_due(provide, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    judged = provide("other.example.org")
    assert judged.problem == ""
    assert "openssl is not there yet" in judged.due
    (provide.folder / "shop.key").chmod(0o644)
    assert "can be read by everybody" in provide.again().problem


# --- made by the host ------------------------------------------------------------------------------------------------

SELF = Wanted("self_signed", ("Shop.example.org", "10.0.0.5", "fd00::1"))


def test_what_is_made_is_what_is_wanted(layout, places):
    assert certificate.judge(layout, SELF).due == "there is none yet"
    certificate.make(layout, SELF)
    assert certificate.judge(layout, SELF) == certificate.Judgement()
    path, key = certificate.files(layout, SELF)
    one = x509.load_pem_x509_certificate(path.read_bytes())
    names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5", "fd00::1"]
    assert isinstance(one.public_key(), ec.EllipticCurvePublicKey)
    assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert 360 * DAY < one.not_valid_after_utc - NOW <= 397 * DAY
    assert key.stat().st_mode & 0o777 == 0o600
    assert layout.tls.stat().st_mode & 0o777 == 0o700
    as_provided = Wanted("provided", SELF.domains, str(path), str(key))
    assert certificate.judge(layout, as_provided) == certificate.Judgement()


def test_other_names_have_another_place_and_their_order_or_case_none(layout, places):
    for kind in ("self_signed", "acme"):
        one, same, less = (Wanted(kind, names) for names in (("a.org", "b.org"), ("B.org", "a.org"), ("a.org",)))
        assert certificate.files(layout, one) == certificate.files(layout, same)
        assert certificate.files(layout, one) != certificate.files(layout, less)
    places_ = {certificate.files(layout, Wanted("acme", ("a.org",), directory=one))[0] for one in ("staging", "x://ca")}
    assert len(places_) == 2
    assert certificate.files(layout, Wanted("self_signed", ("a.org",), directory="x://ca")) == certificate.files(
        layout, Wanted("self_signed", ("a.org",))
    )
    url = "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert Wanted("acme", ("a.org",), directory="staging").place == Wanted("acme", ("a.org",), directory=url).place


def content_of(folder):
    """All that lies there, with what links lead to, and when it was written."""
    return {
        path: (path.lstat().st_mtime_ns, os.readlink(path) if path.is_symlink() else "") for path in folder.rglob("*")
    }


def test_one_for_other_names_is_made_beside_the_one_that_nginx_serves(layout, places, monkeypatch):
    certificate.make(layout, SELF)
    layout.edge.write_text(f"ssl_certificate {certificate.files(layout, SELF)[0]};\n")
    before = content_of(layout.tls)
    monkeypatch.setattr(certificate, "reload_nginx", lambda: pytest.fail("nothing that it serves has changed"))
    less = Wanted("self_signed", SELF.domains[:1])
    assert certificate.judge(layout, less).due == "there is none yet"
    assert acme.settle(layout, less)[0]
    assert certificate.judge(layout, less) == certificate.judge(layout, SELF) == certificate.Judgement()
    after = content_of(layout.tls)
    assert {path: after.get(path) for path in before} == before
    assert len(after) == 2 * len(before)


def test_names_given_by_hand_an_early_end_or_a_foreign_key_make_a_new_one_due(layout, places):
    certificate.make(layout, SELF)
    path, key = certificate.files(layout, SELF)
    one, its_key = issue("shop.example.org")
    path.write_bytes(one.public_bytes(PEM))
    key.write_bytes(pem_of(its_key))
    assert (
        "it is for shop.example.org, and site_domains has shop.example.org, 10.0" in certificate.judge(layout, SELF).due
    )
    for days, due in ((29, True), (31, False)):
        one, its_key = issue(*SELF.names, ends=NOW + days * DAY)
        path.write_bytes(one.public_bytes(PEM))
        key.write_bytes(pem_of(its_key))
        assert bool(certificate.judge(layout, SELF).due) is due
    key.write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1())))
    assert certificate.judge(layout, SELF).due == "its key is another's"


def test_a_new_one_takes_the_place_of_the_one_before_by_one_link(layout, places, monkeypatch):
    certificate.make(layout, SELF)
    before = [path.read_bytes() for path in certificate.files(layout, SELF)]

    def cut_off(*_where):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(certificate.disk, "point", cut_off)
        with pytest.raises(KeyboardInterrupt):
            certificate.make(layout, SELF)
    assert [path.read_bytes() for path in certificate.files(layout, SELF)] == before
    certificate.make(layout, SELF)
    after = [path.read_bytes() for path in certificate.files(layout, SELF)]
    assert all(one != other for one, other in zip(before, after))
    assert len([path for path in layout.tls.iterdir() if path.is_dir() and not path.is_symlink()]) == 1


def test_where_nginx_serves_by_the_one_before_it_is_reloaded_and_nowhere_else(layout, places, monkeypatch):
    told = []
    monkeypatch.setattr(certificate, "try_nginx", lambda: told.append("try"))
    monkeypatch.setattr(certificate, "reload_nginx", lambda: told.append("reload"))
    layout.edge.write_text("ssl_certificate /etc/ssl/other.pem;\n")
    certificate.make(layout, SELF)
    assert told == []
    layout.edge.write_text(f"ssl_certificate {certificate.files(layout, SELF)[0]};\n")
    certificate.make(layout, SELF)
    assert told == ["try", "reload"]


def test_what_openssl_refuses_leaves_nothing_behind(layout, places):
    certificate.make(layout, SELF)
    held = sorted(path.name for path in layout.tls.iterdir())
    with pytest.raises(certificate.CertificateError, match="openssl can't make a certificate for shop"):
        certificate.make(layout, Wanted("self_signed", ("a.example.org,IP:rubbish",)))
    assert sorted(path.name for path in layout.tls.iterdir()) == held


# --- fetched ---------------------------------------------------------------------------------------------------------

ACME = Wanted("acme", ("shop.example.org", "www.shop.example.org"))


@pytest.fixture
def fetched(layout, places):
    """Lays a certificate where certbot would."""

    def lay(*names, server=ACME.url, wanted=ACME, **about):
        one, key = issue(*names, **about)
        path, key_path = certificate.files(layout, wanted)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.public_bytes(PEM))
        key_path.write_bytes(pem_of(key))
        renewal = places / f"letsencrypt/renewal/{certificate.lineage(layout, wanted)}.conf"
        renewal.parent.mkdir(exist_ok=True)
        renewal.write_text(f"version = 4.0.0\n[renewalparams]\nserver = {server}\nauthenticator = webroot\n")

    return lay


def due(layout, wanted=ACME):
    judged = certificate.judge(layout, wanted)
    assert judged.problem == judged.warning == ""
    return judged.due


def test_what_is_there_is_not_fetched_again(layout, fetched):
    assert due(layout) == "there is none yet"
    fetched("www.shop.example.org", "shop.example.org")
    assert due(layout) == ""


def test_other_names_and_another_authority_are_fetched_beside_it(layout, fetched):
    fetched(*ACME.domains)
    staging = Wanted("acme", ACME.domains, directory="staging")
    for other in (Wanted("acme", ACME.domains[:1]), staging):
        assert due(layout, other) == "there is none yet"
        told = acme.command(layout, other)
        assert told[told.index("--cert-name") + 1] == f"switchyard-shop-{other.place}"
        assert other.place != ACME.place
    fetched(*ACME.domains, server=staging.url, wanted=staging)
    assert due(layout, staging) == due(layout) == ""


def test_what_somebody_has_changed_by_hand_is_due(layout, fetched):
    fetched("shop.example.org")
    assert "it is for shop.example.org, and site_domains has shop.example.org, www.shop.example.org" in due(layout)
    fetched(*ACME.domains, server="https://ca.example.org/acme")
    assert due(layout) == f"it is not from {ACME.url} but from https://ca.example.org/acme"


@pytest.mark.parametrize(("life", "left", "is_due"), [(90, 11, False), (90, 9, True), (6, 1, False), (6, 0.5, True)])
def test_what_the_timer_should_have_renewed_is_due(layout, fetched, life, left, is_due):
    fetched(*ACME.domains, begins=NOW - (life - left) * DAY, ends=NOW + left * DAY)
    assert ("was not renewed" in due(layout)) is is_due


def test_a_timer_that_is_off_is_due_and_nobody_is_asked_for_a_certificate(layout, fetched, monkeypatch):
    fetched(*ACME.domains)
    monkeypatch.setattr(certificate, "_timer_due", lambda: "the timer is off")
    assert due(layout) == "the timer is off"
    assert certificate.fetch_due(layout, ACME) == ""


def test_what_a_run_left_that_was_cut_off_is_due_whatever_is_wanted(layout, fetched):
    fetched(*ACME.domains)
    certificate.challenge_server(layout).write_text("server {}\n")
    for kind in ("none", "acme"):
        assert "was left by a run that was cut off" in certificate.judge(layout, Wanted(kind, ACME.domains)).due


def test_without_tls_there_is_nothing_to_say(layout, places):
    nothing = {"problem": "", "due": "", "warning": "", "certificate": "", "key": "", "digest": ""}
    assert certificate.described(layout, {"domains": ["shop.example.org"]}) == nothing


# --- no longer in use ------------------------------------------------------------------------------------------------

NEIGHBOURS = ["switchyard-shop-12345678", "switchyard-shop-2", "switchyard-shop-2-0123abcd", "switchyard-shop-mine"]


@pytest.fixture
def certbot(layout, places, monkeypatch):
    """certbot, which has a certificate of an earlier version, and some of neighbours'; one is called as a digest is."""

    class Certbot:
        folder = places / "letsencrypt/renewal"
        fails = False

        def lay(self, *names):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                (self.folder / f"{name}.conf").touch()

        @property
        def names(self):
            return sorted(path.stem for path in self.folder.glob("*.conf"))

        def run(self, *command):
            assert command[:4] == ("/usr/bin/certbot", "delete", "--non-interactive", "--cert-name")
            if not self.fails:
                (self.folder / f"{command[4]}.conf").unlink()
            return subprocess.CompletedProcess(command, int(self.fails), "", "Another instance is running\n")

    one = Certbot()
    one.lay("switchyard-shop", *NEIGHBOURS)
    layout.etc.with_name("shop-12345678").mkdir()
    layout.etc.with_name("shop-2").mkdir()
    others = certificate.run
    monkeypatch.setattr(
        certificate, "run", lambda *command: (one.run if command[0] == certificate.CERTBOT else others)(*command)
    )
    return one


def serve(layout, wanted):
    layout.edge.write_text(f"server {{\n    ssl_certificate {certificate.files(layout, wanted)[0]};\n}}\n")


def test_what_nginx_does_not_name_goes_and_nothing_of_a_neighbour(layout, certbot):
    other = Wanted("acme", ("shop.example.org",))
    certbot.lay(*(certificate.lineage(layout, one) for one in (ACME, other)))
    serve(layout, ACME)
    gone = sorted(["switchyard-shop", certificate.lineage(layout, other)])
    assert certificate.unused(layout) == gone
    assert certificate.forget_unused(layout) == gone
    assert certbot.names == sorted([*NEIGHBOURS, certificate.lineage(layout, ACME)])
    assert certificate.unused(layout) == []


def test_what_an_earlier_version_has_stays_while_nginx_names_it(layout, certbot):
    certbot.lay(certificate.lineage(layout, ACME))
    live = certificate.LETSENCRYPT / "live/switchyard-shop"
    layout.edge.write_text(f"ssl_certificate {live}/fullchain.pem;\nssl_certificate_key {live}/privkey.pem;\n")
    assert certificate.forget_unused(layout) == [certificate.lineage(layout, ACME)]
    layout.edge.write_text("listen 80;\n")
    assert certificate.forget_unused(layout) == ["switchyard-shop"]
    assert certbot.names == sorted(NEIGHBOURS)


def test_what_the_way_back_of_a_move_that_was_cut_off_or_another_server_of_nginxs_needs_stays(layout, certbot):
    name = certificate.lineage(layout, ACME)
    certbot.lay(name)
    serve(layout, ACME)
    text = layout.edge.read_text()
    layout.edge.write_text("listen 80;\n")
    assert certificate.unused(layout) == ["switchyard-shop", name]
    for place, said in ((layout.undo, f'{{"edge": {json.dumps(text)}}}'), (layout.edge.with_name("mine.conf"), text)):
        place.write_text(said)
        assert certificate.unused(layout) == ["switchyard-shop"]
        place.unlink()


def test_where_somebody_has_taken_the_site_out_of_nginx_nothing_goes(layout, certbot):
    assert not layout.edge.exists()
    assert certificate.forget_unused(layout) == []


def test_a_certificate_that_certbot_does_not_delete_is_named(layout, certbot):
    certbot.fails = True
    layout.edge.write_text("listen 80;\n")
    with pytest.raises(certificate.CertificateError, match="certbot can't delete switchyard-shop: Another instance"):
        certificate.forget_unused(layout)


def test_home_made_ones_go_with_their_folders_and_others_files_stay(layout, certbot):
    (certbot.folder / "switchyard-shop.conf").unlink()
    less = Wanted("self_signed", SELF.domains[:1])
    certificate.make(layout, SELF)
    certificate.make(layout, less)
    old = layout.tls / "20260102T030405000000"
    old.mkdir()
    disk.point(layout.tls / "current", old.name)
    for name in ("certificate.pem", "key.pem"):
        (old / name).touch()
        disk.point(layout.tls / name, f"current/{name}")
    (layout.tls / "mine.pem").touch()
    layout.edge.write_text(f"ssl_certificate {layout.tls}/certificate.pem;\n")
    assert {path.name[:8] for path in certificate.unused(layout)} == {SELF.place, less.place}
    serve(layout, less)
    certificate.forget_unused(layout)
    assert certificate.judge(layout, less) == certificate.Judgement()
    assert {path.name.partition("-")[0] for path in layout.tls.iterdir()} == {less.place, "mine.pem"}
    layout.edge.write_text("listen 80;\n")
    certificate.forget_unused(layout)
    assert [path.name for path in layout.tls.iterdir()] == ["mine.pem"]


# --- certbot ---------------------------------------------------------------------------------------------------------

REFUSED = """\
Saving debug log to /var/log/letsencrypt/letsencrypt.log
Requesting a certificate for shop.example.org and www.shop.example.org

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: www.shop.example.org
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for www.shop.example.org

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""
BROKEN = """\
Saving debug log to /var/log/letsencrypt/letsencrypt.log
An unexpected error occurred:
{}
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


def certbot_that_says(*answers, monkeypatch, then=lambda: None):
    """Each time it is run it ends as the next of the answers says, the last one for ever."""
    left, asked = list(answers), []

    def run(*command):
        if command[0] != acme.CERTBOT:
            return subprocess.CompletedProcess(command, 0, "", "")
        asked.append(command)
        code, said = left.pop(0) if len(left) > 1 else left[0]
        then()
        return subprocess.CompletedProcess(command, code, said, "")

    monkeypatch.setattr(acme, "run", run)
    monkeypatch.setattr(acme.time, "sleep", lambda seconds: None)
    return asked


@pytest.fixture
def answered(monkeypatch):
    """nginx answers under every name what lies in the folder."""
    monkeypatch.setattr(
        acme, "_answer", lambda domain, port, name: (acme_folder(domain) / name).read_text(encoding="ascii")
    )

    def acme_folder(_domain):
        return Place.layout.challenges / ".well-known/acme-challenge"

    class Place:
        layout = None

    return Place


def test_certbot_is_told_all_that_it_would_ask(layout):
    wanted = Wanted("acme", ("a.org", "b.org", "A.org"), email="ops@a.org", directory="staging")
    told = acme.command(layout, wanted)
    assert told[:2] == ["/usr/bin/certbot", "certonly"]
    assert [told[told.index(name) + 1] for name in ("--email", "--cert-name")] == [
        *("ops@a.org", f"switchyard-shop-{wanted.place}"),
    ]
    assert told[told.index("--server") + 1] == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert [told[number + 1] for number, word in enumerate(told) if word == "--domain"] == ["a.org", "b.org"]
    assert "--standalone" not in told
    assert "--register-unsafely-without-email" in acme.command(layout, Wanted("acme", ("a.org",)))


def test_a_domain_that_is_refused_is_named_with_the_authoritys_reason_and_the_way_out(
    layout, places, answered, monkeypatch
):
    answered.layout = layout
    questions = layout.challenges / ".well-known/acme-challenge"
    questions.mkdir(parents=True)
    (questions / "switchyard-0123").write_text("left by a run that was cut off")
    certbot_that_says((1, REFUSED), monkeypatch=monkeypatch)
    with pytest.raises(certificate.CertificateError) as refused:
        acme.settle(layout, ACME)
    said = str(refused.value)
    assert "www.shop.example.org: DNS problem: NXDOMAIN" in said
    assert "DNS records" in said
    assert "firewall" in said
    assert "Nothing was changed" in said
    assert not list(questions.iterdir())


@pytest.mark.parametrize(
    ("error", "reason", "way_out"),
    [
        ("ValueError: Requesting ca.example.org/dir: Connection refused", "Connection refused", "its firewall"),
        (
            "requests.exceptions.SSLError: HTTPSConnectionPool(host='ca.example.org', port=443): Max retries exceeded "
            "with url: /dir (Caused by SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED')))",
            "  SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))\n",
            "update-ca-certificates",
        ),
        (
            "Error creating new order :: too many certificates (5) already issued for this exact set of domains",
            "too many certificates (5)",
            "nginx_acme_directory: staging",
        ),
        ("live directory exists for switchyard-shop", "live directory exists", "letsencrypt.log has all of it"),
    ],
)
def test_what_else_certbot_says_is_cut_to_the_reason(layout, places, answered, monkeypatch, error, reason, way_out):
    answered.layout = layout
    certbot_that_says((1, BROKEN.format(error)), monkeypatch=monkeypatch)
    wanted = Wanted("acme", ACME.domains, directory="https://ca.example.org/dir")
    with pytest.raises(certificate.CertificateError, match="https://ca.example.org/dir gave no certificate") as refused:
        acme.settle(layout, wanted)
    assert reason in str(refused.value)
    assert way_out in str(refused.value)
    assert "Ask for help" not in str(refused.value)


def test_another_certbot_is_waited_for_and_what_it_renewed_is_not_fetched_again(layout, fetched, answered, monkeypatch):
    answered.layout = layout
    fetched(*ACME.domains, begins=NOW - 85 * DAY, ends=NOW + 5 * DAY)
    busy = (1, f"{acme.BUSY}.\n")
    asked = certbot_that_says(busy, busy, (0, ""), monkeypatch=monkeypatch)
    changed, why = acme.settle(layout, ACME)
    assert changed
    assert "was not renewed" in why
    assert len(asked) == 3
    asked = certbot_that_says(busy, monkeypatch=monkeypatch, then=lambda: fetched(*ACME.domains))
    acme.settle(layout, ACME)
    assert len(asked) == 1


def test_check_mode_says_what_is_due_and_does_nothing(layout, places, monkeypatch):
    asked = certbot_that_says((1, REFUSED), monkeypatch=monkeypatch)
    certificate.challenge_server(layout).write_text("server {}\n")
    assert acme.settle(layout, ACME, check_mode=True)[0]
    assert acme.settle(layout, SELF, check_mode=True)[0]
    assert asked == []
    assert certificate.challenge_server(layout).exists()
    assert not layout.challenges.exists()


def test_an_edge_of_an_earlier_version_is_not_asked_to_answer(layout, places, monkeypatch):
    asked = certbot_that_says((0, ""), monkeypatch=monkeypatch)
    monkeypatch.setattr(acme, "_answer", lambda *_what: "status 404")
    layout.edge.write_text("server { server_name shop.example.org; }\n")
    layout.edge_names.write_text('{"port": 80, "hosts": ["shop.example.org"]}')
    with pytest.raises(certificate.CertificateError, match="Deploy once with nginx_tls: none"):
        acme.settle(layout, ACME)
    assert asked == []
    assert not certificate.challenge_server(layout).exists()


@pytest.mark.parametrize(("drops", "rounds"), [([], 5), ([2], 8), ([0, 4], 10)])
def test_the_authority_is_asked_when_every_name_has_answered_five_times_in_a_row(layout, monkeypatch, drops, rounds):
    """A worker from before nginx's reload may drop a connection yet; `drops` are the rounds in which one does."""
    waited = []
    monkeypatch.setattr(acme.time, "sleep", waited.append)

    def answer(domain, _port, _name):
        return "reset" if len(waited) in drops and domain == ACME.domains[1] else "content"

    monkeypatch.setattr(acme, "_answer", answer)
    acme._require_answers(ACME, "name", "content")
    assert waited == [0.1] * rounds


@pytest.mark.parametrize(
    ("mark", "counts"),
    [("", True), ("switchyard-0123", True), ("switchyard-4567", False)],
    ids=["site", "run", "before"],
)
def test_what_the_server_of_a_run_before_still_answers_is_no_answer(layout, mark, counts):
    """nginx takes a moment to let go of a server that was left, and for so long it answers from the same folder."""

    class Nginx(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            if mark:
                said = acme._server(layout, 80, ["shop.example.org"], mark)
                name, value = re.search(r"add_header (\S+) (\S+);", said).groups()
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"content")

        def log_message(self, *_what):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Nginx) as server:
        threading.Thread(target=server.handle_request).start()
        answer = acme._answer("shop.example.org", server.server_port, "switchyard-0123")
    assert (answer == "content") is counts


def test_a_server_for_a_moment_is_for_names_that_nobody_answers_and_takes_nobodys_place(layout, places, monkeypatch):
    asked = certbot_that_says((0, ""), monkeypatch=monkeypatch)
    monkeypatch.setattr(acme, "_answer", lambda *_what: "status 404")
    seen = []

    def try_nginx():
        seen.append(certificate.challenge_server(layout).read_text())
        return 'nginx: [warn] conflicting server name "shop.example.org" on 0.0.0.0:80, ignored\n'

    monkeypatch.setattr(acme, "try_nginx", try_nginx)
    monkeypatch.setattr(acme, "reload_nginx", lambda: pytest.fail("nginx has taken it up"))
    with pytest.raises(certificate.CertificateError, match="nginx serves shop.example.org already, by a server"):
        acme.settle(layout, ACME)
    assert "server_name shop.example.org www.shop.example.org;" in seen[0]
    assert asked == []
    assert not certificate.challenge_server(layout).exists()

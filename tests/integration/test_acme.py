# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates from an authority that speaks ACME. Each test on the host goes on where the one before ended."""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acme import DIRECTORY, STAGING, UNTRUSTED, Authority, named, serial
from controller import ROOT, Host, Run

DOMAIN, OTHER, AWAY = "yard.example.org", "www.yard.example.org", "away.example.org"
GROUP = os.environ.get("SWITCHYARD_TEST_GROUP", "molecule")
PASSING = "/etc/nginx/sites-enabled/switchyard-acme-yard.conf"
EDGE = "/etc/nginx/sites-enabled/yard.conf"
PLAY = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - switchyard.django.site_certificate:
        site: yard
        kind: "{{ kind }}"
        domains: "{{ domains }}"
        directory: "{{ directory }}"
      register: done
    - ansible.builtin.debug:
        msg: "{{ done.message }}; it lies at {{ done.certificate }} now"
"""
LIES = re.compile(r"it lies at (\S+) now")
# As if the time had come, of which the host's own program is told by a note.
NOW = """\
import json, os
path = "/run/switchyard/yard/guard.json"
noted = json.load(open(path))
print(noted["tidy"] - float(open("/proc/uptime").read().split()[0]))
noted["tidy"] = 1.0
with open(path + ".new", "w") as file:
    json.dump(noted, file)
os.replace(path + ".new", path)
"""
# As another certbot does that is at work.
LOCK = """\
import fcntl, time
held = open("/etc/letsencrypt/.certbot.lock", "w")
fcntl.lockf(held, fcntl.LOCK_EX)
time.sleep(12)
"""
KILL = """\
for _attempt in $(seq 300); do
    pid=$(pgrep -of "[c]ertbot certonly") && break
    sleep 0.05
done
kill -9 $(ps -o ppid= -p $pid)
"""

pytestmark = pytest.mark.full


def boot(name: str, release: str, **variables: Any) -> Iterator[tuple[Host, Authority]]:
    one = Host(group=f"{GROUP}_{name}", release=release, variables=variables)
    one.down()
    one.up()
    authority = Authority(one)
    authority.up()
    (one.scratch / "certificate.yml").write_text(PLAY)
    yield one, authority
    one.down()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Authority]]:
    source = tmp_path_factory.mktemp("source") / "yard"
    shutil.copytree(ROOT / "tests/integration/projects/yard", source, ignore=shutil.ignore_patterns("__pycache__"))
    yield from boot(
        "acme",
        "trixie",
        site_name="yard",
        site_source=str(source),
        site_package="yard",
        site_domains=[DOMAIN],
        site_env={"GREETING": "first"},
        cutover_settle=0,
        nginx_https_redirect=False,
        nginx_acme_directory=DIRECTORY,
        nginx_acme_email="ops@yard.example.org",
    )


@pytest.fixture
def host(story: tuple[Host, Authority]) -> Host:
    return story[0]


@pytest.fixture
def authority(story: tuple[Host, Authority]) -> Authority:
    return story[1]


def have(host: Host, *arguments: str, **about: Any) -> Run:
    """Call the module, without the rest of a deploy."""
    about = {"kind": "acme", "domains": [DOMAIN], "directory": DIRECTORY, **about}
    return host.play(str(host.scratch / "certificate.yml"), *arguments, **about)


def succeeded(run: Run, *words: str) -> Run:
    assert run.rc == 0, run.output
    for word in words:
        assert word in run.output, run.output
    return run


def refused(run: Run, *words: str) -> None:
    """The run failed for these reasons."""
    assert run.rc != 0, run.output
    for word in words:
        assert word in run.output, run.output
    assert "Traceback" not in run.output


def place(run: Run) -> str:
    """Where the module says that the certificate is."""
    found = LIES.search(run.output)
    assert found, run.output
    return found[1]


def renewal(certificate: str) -> str:
    """By which file certbot renews what lies there."""
    assert certificate.startswith("/etc/letsencrypt/live/switchyard-yard-"), certificate
    return f"/etc/letsencrypt/renewal/{Path(certificate).parent.name}.conf"


def names(host: Host, path: str) -> list[str]:
    said = host.sh(f"openssl x509 -noout -ext subjectAltName -in {path}")
    return sorted(word.strip(" ,").removeprefix("DNS:") for word in said.split() if word.startswith("DNS:"))


def served(host: Host, authority: Authority, name: str = DOMAIN) -> str:
    """Which certificate nginx shows to who asks for a name, and trusts the authority alone."""
    trust = ssl.create_default_context(cadata=authority.root())
    plain = socket.create_connection((host.address, 443), timeout=10)
    with trust.wrap_socket(plain, server_hostname=name) as secret:
        shown = secret.getpeercert()
    assert shown, "nobody showed a certificate"
    return str(shown["serialNumber"])


def held(host: Host) -> str:
    """All that a certificate depends on, and what nginx is told; accounts at authorities are not of it."""
    folders = "/etc/letsencrypt/live /etc/letsencrypt/archive /etc/letsencrypt/renewal /etc/nginx /etc/switchyard"
    return host.sh(
        f"find {folders} -type f -exec sha256sum {{}} + | sort; find {folders} -type l -printf '%p %l\\n' | sort; "
        "systemctl show -p MainPID nginx"
    )


def reloads(host: Host, since: str) -> int:
    said = host.sh(f"journalctl --no-pager -u nginx.service --since '{since}'")
    return said.count("Reloaded nginx.service")


def now(host: Host) -> str:
    time.sleep(1.1)
    return host.sh("date '+%F %T'").strip()


def test_a_bare_host_has_its_certificate_before_the_release_is_made(host: Host, authority: Authority) -> None:
    before = host.fingerprint()
    looked = succeeded(host.play("site.yml", "--check", nginx_tls="acme"))
    assert any("certificate" in task for task in looked.changed), looked.changed
    assert host.fingerprint() == before
    succeeded(host.play("site.yml", nginx_tls="acme"))
    assert names(host, named(host, "yard")) == [DOMAIN]
    assert host.sh("systemctl is-enabled certbot.timer; systemctl is-active certbot.timer").split() == [
        "enabled",
        "active",
    ]
    renewed = host.sh(f"cat {renewal(named(host, 'yard'))}")
    assert f"server = {DIRECTORY}" in renewed
    assert "renew_hook = systemctl try-reload-or-restart nginx.service" in renewed
    assert "webroot_path = /srv/yard/acme" in renewed
    assert host.sh(f"ls {PASSING} 2>/dev/null; ls /srv/yard/acme/.well-known/acme-challenge", check=False) == ""
    assert host.get("/health/", DOMAIN)[0] == 200
    assert served(host, authority) in serial(host, "yard")


def test_the_same_again_changes_nothing(host: Host) -> None:
    before = serial(host, "yard")
    assert succeeded(host.play("site.yml", nginx_tls="acme")).changed == []
    assert serial(host, "yard") == before


def test_a_name_that_leads_elsewhere_is_named_and_nothing_is_touched(host: Host, authority: Authority) -> None:
    authority.send(AWAY, host.sh("ip route show default | cut -d' ' -f3").strip())
    before, pid = held(host), host.sh("systemctl show -p MainPID 'yard@*'")
    with host.under_load("/health/", DOMAIN) as failures:
        run = host.play("site.yml", nginx_tls="acme", site_domains=[DOMAIN, AWAY])
    refused(run, "gave no certificate for yard", f"{AWAY}: ", "DNS records", "firewall", "Nothing was changed")
    assert failures == []
    assert held(host) == before
    assert host.sh("systemctl show -p MainPID 'yard@*'") == pid


def test_a_name_more_is_fetched_without_a_failed_request(host: Host, authority: Authority) -> None:
    before = serial(host, "yard")
    with host.under_load("/health/", DOMAIN) as failures:
        succeeded(host.play("site.yml", nginx_tls="acme", site_domains=[DOMAIN, OTHER]))
    assert failures == []
    assert names(host, named(host, "yard")) == [OTHER, DOMAIN]
    assert serial(host, "yard") != before
    assert host.sh(f"ls {PASSING} 2>/dev/null", check=False) == ""
    assert host.get("/health/", OTHER)[0] == 200
    assert served(host, authority, OTHER) == served(host, authority)


def test_the_timers_own_command_renews_and_nginx_takes_it_up(host: Host, authority: Authority) -> None:
    before, since, file = serial(host, "yard"), now(host), renewal(named(host, "yard"))
    host.sh(f"sed -i 's/^#* *renew_before_expiry.*/renew_before_expiry = 89 days/' {file}; sed -n 1,3p {file}")
    host.sh(f"grep -q '^renew_before_expiry' {file} || sed -i '1i renew_before_expiry = 89 days' {file}")
    with host.under_load("/health/", DOMAIN) as failures:
        host.sh("sleep 0.5; systemctl start certbot.service; sleep 0.5")
    assert failures == []
    assert serial(host, "yard") == before, "89 days are left, and a bit"
    host.sh(f"sed -i 's/^renew_before_expiry.*/renew_before_expiry = 91 days/' {file}")
    with host.under_load("/health/", DOMAIN) as failures:
        host.sh("systemctl start certbot.service; sleep 0.5")
    host.sh(f"sed -i 's/^renew_before_expiry.*/renew_before_expiry = 30 days/' {file}")
    assert failures == []
    assert serial(host, "yard") != before
    assert reloads(host, since) == 1
    assert served(host, authority) in serial(host, "yard")


def test_another_authority_is_asked_for_one_beside_that_which_is_served(host: Host, authority: Authority) -> None:
    both = {"domains": [DOMAIN, OTHER]}
    before, shown = serial(host, "yard"), served(host, authority)
    with host.under_load("/health/", DOMAIN) as failures:
        run = succeeded(have(host, directory=STAGING, **both), "there is none yet")
    assert failures == []
    assert f"server = {STAGING}" in host.sh(f"cat {renewal(place(run))}")
    assert (serial(host, "yard"), served(host, authority)) == (before, shown)
    first = have(host, **both)
    assert first.changed == []
    assert place(first) == named(host, "yard") != place(run)


def test_what_was_changed_by_hand_comes_back(host: Host, authority: Authority) -> None:
    """certbot has other names in the place of those that the place is for."""
    both, path, since = {"domains": [DOMAIN, OTHER]}, named(host, "yard"), now(host)
    less = f"--cert-name {Path(path).parent.name} --webroot --webroot-path /srv/yard/acme --domain {OTHER}"
    how = f"--non-interactive --renew-with-new-domains --server {DIRECTORY}"
    host.sh(f"certbot certonly {less} {how}")
    assert names(host, path) == [OTHER]
    with host.under_load("/health/", DOMAIN) as failures:
        succeeded(have(host, **both), f"it is for {OTHER}, and site_domains has {DOMAIN}, {OTHER}")
    assert failures == []
    assert names(host, path) == [OTHER, DOMAIN]
    assert reloads(host, since) >= 1
    time.sleep(0.5)
    assert served(host, authority) in serial(host, "yard")


def test_an_authority_that_the_host_does_not_trust_is_no_authority(host: Host) -> None:
    before = held(host)
    run = have(host, directory=UNTRUSTED, domains=[DOMAIN, OTHER])
    refused(run, f"{UNTRUSTED} gave no certificate", "does not trust the authority's server", "update-ca-certificates")
    assert held(host) == before


def test_what_a_run_left_that_was_cut_off_goes_and_the_timer_comes_back(host: Host) -> None:
    before = serial(host, "yard")
    host.sh(f"echo 'server {{ listen 80; server_name {AWAY}; }}' > {PASSING}; systemctl reload nginx")
    run = succeeded(have(host, domains=[DOMAIN, OTHER]), "was left by a run that was cut off")
    assert len(run.changed) == 1
    assert host.sh(f"ls {PASSING} 2>/dev/null", check=False) == ""
    host.sh("systemctl disable --now certbot.timer")
    looked = have(host, "--check", domains=[DOMAIN, OTHER])
    succeeded(looked, "would be seen to, because certbot.timer, which renews it, is off")
    assert host.sh("systemctl is-active certbot.timer", check=False).strip() == "inactive"
    assert len(succeeded(have(host, domains=[DOMAIN, OTHER])).changed) == 1
    assert host.sh("systemctl is-active certbot.timer").strip() == "active"
    assert serial(host, "yard") == before


def test_somebody_elses_server_keeps_its_name(host: Host) -> None:
    host.sh(f"echo 'server {{ listen 80; server_name {AWAY}; return 200 theirs; }}' > /etc/nginx/conf.d/theirs.conf")
    host.sh("systemctl reload nginx; sleep 0.5")
    with host.under_load("/", AWAY) as failures:
        run = have(host, domains=[DOMAIN, AWAY])
    refused(run, f"nginx serves {AWAY} already, by a server that is not yard's", "location ^~ /.well-known/acme-ch")
    assert failures == []
    assert host.get("/", AWAY)[2] == b"theirs"
    host.sh("rm /etc/nginx/conf.d/theirs.conf; systemctl reload nginx")


def test_a_configuration_that_nginx_refuses_is_not_made_worse(host: Host) -> None:
    host.sh("echo 'server { nonsense on; }' > /etc/nginx/conf.d/other.conf")
    run = have(host, domains=[DOMAIN, AWAY])
    host.sh("rm /etc/nginx/conf.d/other.conf")
    refused(run, "nginx refuses its configuration", "nonsense", "Nothing was changed")
    assert host.sh(f"ls {PASSING} 2>/dev/null", check=False) == ""
    assert host.get("/health/", DOMAIN)[0] == 200


def test_another_certbot_is_waited_for(host: Host) -> None:
    host.sh(f"systemd-run --unit=other-certbot --collect python3 -c '{LOCK}'")
    run = succeeded(have(host, domains=[DOMAIN, "third.example.org"]))
    assert run.seconds > 6
    assert names(host, place(run)) == ["third.example.org", DOMAIN]


def test_a_run_that_is_killed_while_the_authority_is_asked_is_made_up_for(host: Host) -> None:
    host.sh(f"systemd-run --unit=other-certbot --collect python3 -c '{LOCK}'")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        killed = pool.submit(have, host, domains=[DOMAIN, "new.example.org"])
        host.sh(KILL)
        assert killed.result().rc != 0
    assert "server_name new.example.org;" in host.sh(f"cat {PASSING}")
    host.sh("systemctl stop other-certbot")
    with host.under_load("/health/", DOMAIN) as failures:
        run = succeeded(have(host, domains=[DOMAIN, "new.example.org"]), "was seen to, because")
    assert failures == []
    assert names(host, place(run)) == ["new.example.org", DOMAIN]
    assert host.sh(f"ls {PASSING} 2>/dev/null; ls /srv/yard/acme/.well-known/acme-challenge", check=False) == ""
    host.sh("systemctl stop nginx")
    run = succeeded(have(host, domains=["newer.example.org"]))
    assert names(host, place(run)) == ["newer.example.org"]
    assert host.get("/health/", DOMAIN)[0] == 200


def test_an_edge_of_an_earlier_version_has_to_come_up_to_date_first(host: Host) -> None:
    text = host.sh(f"cat {EDGE}")
    host.sh(f"sed -i s/acme-challenge/acme-was-not-there/ {EDGE}; systemctl reload nginx; sleep 0.5")
    run = have(host, directory=STAGING)
    (host.scratch / "edge.conf").write_text(text)
    host.sh(f"cat > {EDGE} <<'END'\n{text}END\nsystemctl reload nginx")
    refused(run, f"{EDGE} is of an earlier version", "Deploy once with nginx_tls: none")


def test_one_that_is_home_made_is_made_once(host: Host) -> None:
    run = succeeded(have(host, kind="self_signed"), "there is none yet")
    assert len(run.changed) == 1
    assert have(host, kind="self_signed").changed == []
    folder = Path(place(run)).parent
    assert host.sh(f"stat -L -c %a {folder.parent} {folder} {folder}/key.pem").split() == ["700", "700", "600"]


def test_a_deploy_that_fails_leaves_the_certificate_that_is_served(host: Host, authority: Authority) -> None:
    entry = Path(host.variables["site_source"]) / "yard/wsgi.py"
    whole, before, edge = entry.read_text(), named(host, "yard"), host.sh(f"cat {EDGE}")
    first, shown = serial(host, "yard"), served(host, authority, OTHER)
    entry.write_text(f"{whole}\nimport nothing_of_that_name\n")
    with host.under_load("/health/", DOMAIN) as failures:
        run = host.play("site.yml", nginx_tls="acme", site_domains=[OTHER])
    refused(run, "nothing_of_that_name")
    assert any("certificate" in task for task in run.changed), run.changed
    assert failures == []
    assert (named(host, "yard"), serial(host, "yard"), host.sh(f"cat {EDGE}")) == (before, first, edge)
    host.sh("systemctl reload nginx; sleep 0.5")
    assert names(host, before) == [OTHER, DOMAIN]
    assert served(host, authority, OTHER) == served(host, authority, DOMAIN) == shown
    entry.write_text(f"{whole}\n# mended\n")
    run = succeeded(host.play("site.yml", nginx_tls="acme", site_domains=[OTHER]))
    assert not any("certificate" in task for task in run.changed), "the one of the run before will do"
    assert named(host, "yard") != before
    assert names(host, named(host, "yard")) == [OTHER]
    assert served(host, authority, OTHER) in serial(host, "yard")
    assert served(host, authority, OTHER) != shown


def test_what_nginx_names_no_longer_goes_by_itself(host: Host, authority: Authority) -> None:
    live = Path(named(host, "yard")).parent.name
    lineages = host.sh("ls /etc/letsencrypt/renewal").split()
    assert len(lineages) > 4, lineages
    left = float(host.sh(f"flock /run/switchyard/yard/guard.lock python3 -c '{NOW}'"))
    assert 600 < left <= 900
    until = time.monotonic() + 60
    while host.sh("systemctl is-active switchyard-guard@yard", check=False).strip() == "active":
        assert time.monotonic() < until, host.clues("yard")
        time.sleep(0.5)
    assert host.sh("ls /etc/letsencrypt/renewal; ls /etc/letsencrypt/archive; ls /etc/switchyard/yard/tls").split() == [
        *(f"{live}.conf", live),
    ]
    assert succeeded(host.play("site.yml", nginx_tls="acme", site_domains=[OTHER])).changed == []
    assert served(host, authority, OTHER) in serial(host, "yard")


def test_several_hosts_are_refused_before_they_are_asked(host: Host) -> None:
    run = host.play("site.yml", "-i", "nowhere.example.org,", nginx_tls="acme")
    refused(run, "nginx_tls acme: the site has 2 hosts", "nginx_tls: provided", "nginx_public_scheme: https")
    assert run.changed == []
    assert run.remote == [], "a host was asked"


def test_debian_12_does_the_same(tmp_path: Path) -> None:
    """Its certbot and its nginx, without a site."""
    for one, authority in boot("acme12", "bookworm"):
        one.sh("apt-get install -y -qq --no-install-recommends certbot nginx")
        run = succeeded(have(one), "there is none yet")
        assert names(one, place(run)) == [DOMAIN]
        assert have(one).changed == []
        authority.send(AWAY, "")
        refused(have(one, domains=[DOMAIN, AWAY]), f"{AWAY}: ", "DNS records")
        staging = succeeded(have(one, directory=STAGING), "there is none yet")
        assert place(staging) != place(run)
        assert f"server = {STAGING}" in one.sh(f"cat {renewal(place(staging))}")
        refused(have(one, directory=UNTRUSTED), "does not trust the authority's server")
        assert one.sh(f"ls {PASSING} 2>/dev/null", check=False) == ""

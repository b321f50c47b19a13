# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking sites off a host that has others, one of which is not ours. Each test goes on where the one before ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from controller import ROOT, Host, Run

# One name begins with the other, so that what is meant for one must not meet the other.
SITE, NEIGHBOUR = "shop", "shop-2"
DOMAINS = {SITE: "shop.example.org", NEIGHBOUR: "second.example.org"}
BY_HAND = "by-hand.example.org"
NGINX = "/etc/nginx/sites-enabled"
STOCK = f"{NGINX}/default"
OWN_SERVER = f"server {{ listen 80; server_name {BY_HAND}; location / {{ return 200 mine; }} }}"
DEFAULT_SERVER = "server { listen 80 default_server; server_name _; return 444; }"
DROP_IN = "/run/systemd/system/nginx.service.d"
FAIL_TO_RELOAD = f"mkdir -p {DROP_IN}; printf '[Service]\\nExecReload=\\nExecReload=/bin/false\\n' > {DROP_IN}/x.conf"
RELOAD_AGAIN = f"rm -r {DROP_IN}; systemctl daemon-reload"

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_remove",
        variables={"site_source": str(ROOT / "examples/liveboard"), "site_package": "liveboard", "cutover_settle": 0},
    )
    one.down()
    one.up()
    yield one
    one.down()


def deploy(host: Host, site: str) -> None:
    run = host.play("site.yml", site_name=site, site_domains=[DOMAINS[site]])
    assert run.rc == 0, run.output
    assert status(host, DOMAINS[site]) == 200


def remove(host: Host, site: str, *arguments: str, confirm: str = "", **variables: Any) -> Run:
    """As a user does, who gives nothing but the name."""
    return host.play("playbooks/remove.yml", *arguments, site_name=site, remove_confirm=confirm or site, **variables)


def removed(run: Run, *told: str) -> None:
    assert run.rc == 0, run.output
    for text in told:
        assert text in run.output, run.output


def refused(run: Run, *reasons: str) -> None:
    assert run.rc != 0, run.output
    for reason in reasons:
        assert reason in run.output, run.output


def status(host: Host, domain: str) -> int:
    return host.get("/health/" if domain != BY_HAND else "/", domain)[0]


def traces(host: Host, name: str) -> list[str]:
    """Everywhere that a host may have something of a name, and does; a longer name is another's."""
    seen = host.sh(
        "find /etc /srv /run /var /opt /tmp /root /home -xdev ! -path '/var/log/journal/*' ! -path '/var/lib/dpkg/*';"
        "find /run; getent passwd; getent group; getent shadow; nginx -T 2>/dev/null;"
        "systemctl list-units --all --plain --no-legend; systemctl list-unit-files --no-legend; mount"
    )
    whole = re.compile(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9]|[-_][0-9])")
    lines = seen.replace(r"\x2d", "-").splitlines()  # as systemd writes a hyphen
    return sorted({line for line in lines if whole.search(line)})


def data_of(host: Host, site: str) -> str:
    return host.sh(
        f"cd /srv/{site} && find data media -type f -exec sha256sum {{}} + ; cat /etc/switchyard/{site}/secrets.json"
    )


def test_two_sites_stand_beside_one_that_is_not_ours(host: Host) -> None:
    deploy(host, SITE)
    deploy(host, NEIGHBOUR)
    host.sh(f"echo '{OWN_SERVER}' > {NGINX}/by-hand.conf")
    # The default server that the sites of a port share, and the site of nginx's own for which it stands in.
    default = f"{NGINX}/switchyard-default-80.conf"
    host.sh(
        f"test -e {default} || {{ rm {STOCK}; echo '{DEFAULT_SERVER}' > {default};"
        f'echo \'{{"path": "{STOCK}", "target": "/etc/nginx/sites-available/default"}}\' > '
        "/etc/switchyard/stock-site.json; }; nginx -t -q && systemctl reload nginx"
    )
    host.sh(f"echo precious > /srv/{SITE}/media/upload.txt; chown {SITE}: /srv/{SITE}/media/upload.txt")
    host.sh(f"touch /var/log/nginx/{SITE}.access.log /var/log/nginx/{NEIGHBOUR}.access.log")
    assert {domain: status(host, domain) for domain in (*DOMAINS.values(), BY_HAND)} == dict.fromkeys(
        (*DOMAINS.values(), BY_HAND), 200
    )


def test_another_answer_another_name_and_a_look_change_nothing(host: Host) -> None:
    before = host.fingerprint()
    refused(remove(host, SITE, confirm=NEIGHBOUR), f"remove_confirm '{NEIGHBOUR}' is not the site_name {SITE}")
    refused(host.play("playbooks/remove.yml", site_name=SITE), "is not the site_name shop")
    refused(host.play("playbooks/remove.yml", remove_confirm=SITE), "with -e site_name=")
    refused(remove(host, SITE, remove_data="perhaps"), "remove_data perhaps must be true or false")
    refused(remove(host, "shpo"), "site_name shpo: web1 has no such site. It has shop, shop-2.")
    look = remove(host, SITE, "--check", "--diff")
    removed(look, "shop would go, with:", f"-{NGINX}/shop.conf", "/srv/shop/data", "remove_data=true")
    assert look.changed == ["The site is gone"]
    removed(remove(host, SITE, "--check", remove_data=True), "the user shop")
    assert host.fingerprint() == before
    assert "shpo" not in host.sh("ls /run/switchyard")
    assert status(host, DOMAINS[SITE]) == 200


def test_what_nginx_would_not_accept_and_what_is_mounted_changes_nothing(host: Host) -> None:
    host.sh(f"echo 'server {{ include /etc/switchyard/{SITE}/edge.json; }}' > {NGINX}/broken.conf")
    before = host.fingerprint()
    refused(remove(host, SITE), "nginx would refuse its configuration without the site", f"{NGINX}/broken.conf:1")
    assert host.fingerprint() == before
    host.sh(f"rm {NGINX}/broken.conf; mount -t tmpfs tmpfs /srv/{SITE}/media")
    refused(remove(host, SITE, remove_data=True), f"/srv/{SITE}/media is mounted from elsewhere")
    host.sh(f"umount /srv/{SITE}/media")
    assert status(host, DOMAINS[SITE]) == 200


def test_one_that_was_cut_off_is_half_removed_until_the_next_ends_it(host: Host) -> None:
    host.sh(f"{FAIL_TO_RELOAD}; systemctl daemon-reload")
    kept = data_of(host, SITE)
    refused(remove(host, SITE), "systemctl reload nginx.service ended with", "It is half removed; run this again")
    host.sh(RELOAD_AGAIN)
    deploying = host.play("site.yml", site_name=SITE, site_domains=[DOMAINS[SITE]])
    refused(deploying, "site_name shop: its removal from web1 was cut off")
    with host.under_load("/health/", DOMAINS[NEIGHBOUR]) as failed, host.under_load("/", BY_HAND) as also_failed:
        run = remove(host, SITE)
    assert failed == also_failed == []
    removed(run, "shop is gone. There went:", "There stays:", "remove_data=true removes this, too")
    assert data_of(host, SITE) == kept


def test_nothing_is_left_but_what_is_kept(host: Host) -> None:
    paths = {line for line in traces(host, SITE) if line.startswith("/")}
    data = set(host.sh(f"find /srv/{SITE}/data /srv/{SITE}/media").split())
    assert paths - data == {
        *(
            "/srv/shop",
            "/etc/switchyard/shop",
            "/etc/switchyard/shop/secrets.json",
            "/etc/switchyard/shop/removed.json",
        ),
        *("/etc/sysusers.d/switchyard-shop.conf", "/var/log/nginx/shop.access.log"),
    }
    assert [line.split(":")[0] for line in traces(host, SITE) if not line.startswith("/")] == ["shop"] * 3
    note = json.loads(host.sh("cat /etc/switchyard/shop/removed.json"))
    assert note["kept"] == [
        *("/srv/shop/data", "/srv/shop/media", "/etc/switchyard/shop/secrets.json"),
        *("/var/log/nginx/shop.access.log", "the user shop"),
    ]
    assert "@" in note["by"]
    with contextlib.suppress(ConnectionError):  # the default server may hang up
        assert status(host, DOMAINS[SITE]) != 200
    host.sh("systemctl is-system-running")


def test_a_second_removal_has_nothing_to_do(host: Host) -> None:
    before = host.fingerprint()
    run = remove(host, SITE)
    removed(run, "shop was removed on ", "Only what was kept of it is here.", "/srv/shop/data")
    assert run.changed == []
    refused(remove(host, "shpo"), "It has shop (removed, its data is kept), shop-2.")
    refused(host.play("rollback.yml", site_name=SITE), "the site was removed from this host")
    assert host.fingerprint() == before


def test_a_deploy_takes_up_what_was_kept(host: Host) -> None:
    host.restart()
    assert [line for line in traces(host, SITE) if line.startswith("/run")] == []
    kept = data_of(host, SITE)
    deploy(host, SITE)
    assert [line for line in kept.splitlines() if line not in data_of(host, SITE)] == []
    host.sh("! test -e /etc/switchyard/shop/removed.json")
    again = host.play("site.yml", site_name=SITE, site_domains=[DOMAINS[SITE]])
    assert (again.rc, again.changed) == (0, [])


def test_with_its_data_nothing_at_all_is_left(host: Host) -> None:
    with host.under_load("/health/", DOMAINS[NEIGHBOUR]) as failed:
        removed(remove(host, SITE, remove_data=True), "the user shop", "/srv/shop")
    assert failed == []
    assert traces(host, SITE) == []
    refused(remove(host, SITE, remove_data=True), "site_name shop: web1 has no such site. It has shop-2.")
    assert "switchyard-default-80.conf" in host.sh(f"ls {NGINX}")


def test_the_last_one_takes_all_of_the_collection_with_it(host: Host) -> None:
    with host.under_load("/", BY_HAND) as failed:
        removed(remove(host, NEIGHBOUR, remove_data=True), f"{STOCK}, nginx's own site, is back.")
    assert failed == []
    assert traces(host, NEIGHBOUR) == []
    left = host.sh("find / -xdev -name '*switchyard*' ! -path '/proc/*'; find /run /tmp -name '*switchyard*'")
    assert left.split() == []
    assert [line for line in traces(host, "switchyard") if "hostname" not in line] == []
    assert host.sh(f"readlink {STOCK}").strip() == "/etc/nginx/sites-available/default"
    assert b"Welcome to nginx" in host.get("/", "unknown.example.org")[2]
    refused(remove(host, NEIGHBOUR), "It has none.")

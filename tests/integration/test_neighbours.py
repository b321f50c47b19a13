# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three sites and one made by hand share a host: none reads another, and none is hurt by what is done to another.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import random
import re
import shlex
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import load
import pytest
import trial_site as trial
from controller import ROOT, Host, Run

PROJECTS = ROOT / "tests/integration/projects"
SITES = ("board", "shop", "paper")
FIRST_STACK = {"board": "asgi", "shop": "wsgi", "paper": "wsgi"}
OTHER_STACK = {"asgi": "wsgi", "wsgi": "asgi"}
BY_HAND = "hand"
DOMAINS = {name: f"{name}.example.org" for name in (*SITES, BY_HAND)}

SHEETS = 300
LARGE = 3
LARGE_BYTES = 2 * 1024 * 1024

# What an administrator has made before: a site, an answer for all unknown names, and a stock site of their own taste.
PREPARED = rf"""
set -e
mkdir /var/www/hand; echo 'made by hand' > /var/www/hand/index.html
cat > /etc/nginx/sites-available/hand <<'END'
server {{
    listen 80;
    listen [::]:80;
    server_name {DOMAINS[BY_HAND]};
    root /var/www/hand;
}}
END
ln -s /etc/nginx/sites-available/hand /etc/nginx/sites-enabled/hand
cd /etc/nginx/sites-enabled
echo 'server {{ listen 80 default_server; listen [::]:80 default_server; return 418; }}' > catchall
sed -i 's/ default_server//; s/server_name _;/server_name stock.example.org;/' /etc/nginx/sites-available/default
systemctl reload nginx
"""
STOCK = "/etc/nginx/sites-available/default"
# Each site's own: nginx and systemd may, the site may, nobody else may.
SECRETS = "install -o {site} -g {group} -m 0640 /dev/stdin /srv/{site}/{folder}/secret.txt"

Say = Callable[[str], None]


@dataclass
class Town:
    """The host; and for each of its sites the controller's way to it, and a copy of its project."""

    machine: Host
    sites: dict[str, Host]
    sources: dict[str, Path]
    by_distribution: set[str] = field(default_factory=set)
    static: dict[str, bytes] = field(default_factory=dict)

    def deploy(self, site: str, **variables: Any) -> Run:
        return self.sites[site].play("site.yml", **variables)

    def new_version(self, site: str) -> None:
        """One that differs in its code, and in paper's case in one of its static files."""
        place = self.sources[site] / ("sheets/sheet-000.css" if site == "paper" else "liveboard/version.py")
        text = place.read_text(encoding="utf-8") if place.exists() else ""
        place.write_text(f"{text}/* again */\n" if site == "paper" else f"{text}# again\n", encoding="utf-8")

    def live(self, site: str) -> str:
        return self.machine.sh(f"basename $(readlink /etc/switchyard/{site}/current)").strip()

    def unit(self, site: str) -> str:
        return f"{site}@{self.live(site)}.service"

    def stack(self, site: str) -> str:
        return json.loads(self.machine.sh(f"cat /etc/switchyard/{site}/current/release.json"))["stack"]

    def get(self, site: str, path: str) -> tuple[int, bytes]:
        status, _headers, body = self.machine.get(path, DOMAINS[site])
        return status, body

    def all_answer(self) -> None:
        assert self.get(BY_HAND, "/") == (200, b"made by hand\n")
        for site in SITES:
            assert self.get(site, "/health/")[0] == 200, site
        for address, content in self.static.items():
            assert self.get("paper", address) == (200, content), address

    def state(self) -> str:
        """All that a run which backs off must leave alone."""
        return self.machine.sh(
            "find /etc/nginx -printf '%p %m %u %g %s %l %T@\\n' | sort; readlink /etc/switchyard/*/current; "
            "systemctl show -p MainPID nginx"
        )


def paper(folder: Path) -> Path:
    """A project with some 300 style sheets, and a few files that are large."""
    shutil.copytree(PROJECTS / "paper", folder, ignore=shutil.ignore_patterns("__pycache__"))
    sheets = folder / "sheets"
    sheets.mkdir()
    for number in range(SHEETS):
        rules = "".join(f".s{number}-{rule} {{ color: #{rule:06x} }}\n" for rule in range(number % 100))
        (sheets / f"sheet-{number:03}.css").write_text(f"/* {number} */\n{rules}", encoding="utf-8")
    for number in range(LARGE):
        (sheets / f"large-{number}.bin").write_bytes(random.Random(number).randbytes(LARGE_BYTES))  # noqa: S311
    return folder


def sources_of(folder: Path) -> dict[str, Path]:
    """A project for each site; each has a page that pries."""
    found = {name: trial.make(folder / name) for name in ("board", "shop")}
    found["paper"] = paper(folder / "paper")
    for source in found.values():
        for name in ("pry.py", "prying.py", "linking.py"):
            shutil.copy(PROJECTS / "prying" / name, source / name)
    return found


def controller_of(site: str, source: Path, group: str, release: str) -> Host:
    package = "paper" if site == "paper" else "liveboard"
    media = {} if site == "paper" else {"MEDIA_URL": "/media/", "MEDIA_ROOT": f"/srv/{site}/media"}
    return Host(
        group=group,
        release=release,
        variables={
            "site_name": site,
            "site_source": str(source),
            "site_package": package,
            "site_domains": [DOMAINS[site]],
            "site_env": {"URLCONF": "paper.urls" if site == "paper" else "liveboard.trial"},
            "site_settings_overrides": {"ROOT_URLCONF": "prying", **media},
            "site_websocket_path": "/ws/board/" if site == "board" else "",
            "cutover_drain": 10,
            "cutover_settle": 3,
        },
    )


pytestmark = pytest.mark.full


@pytest.fixture(scope="module", params=["bookworm", pytest.param("trixie", marks=pytest.mark.full)])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    group = f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_near"
    sources = sources_of(tmp_path_factory.mktemp("sources"))
    sites = {site: controller_of(site, sources[site], group, request.param) for site in SITES}
    one = Town(sites["board"], sites, sources)
    one.machine.down()
    for host in sites.values():
        host.up()
    one.machine.sh(PREPARED)
    one.by_distribution = set(one.machine.sh("find /etc/nginx ! -type d").split())
    yield one
    one.machine.down()


# --- load ------------------------------------------------------------------------------------------------------------


def visitors(town: Town, site: str) -> dict[str, Any]:
    """Who visits a site, and what they ask for."""
    few = {"fresh": 2, "kept": 2, "rate": 3.0, "upload_bytes": 256 * 1024}
    if site == BY_HAND:
        return {**few, "slow": 0, "upload": 0, "fresh_path": "/", "kept_path": "/"}
    if site == "paper":
        small, *_others, large = town.static
        return {**few, "slow": 0, "upload": 0, "fresh_path": small, "kept_path": large}
    return {**few, "slow": 1, "upload": 1, "websockets": 3 if site == "board" else 0}


@contextlib.contextmanager
def under_load(town: Town, *names: str) -> Iterator[dict[str, load.Report]]:
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                load.running(town.machine.address, DOMAINS[name], seconds=600, requests=100_000, **visitors(town, name))
            )
            for name in names
        }


def nothing_was_lost(town: Town, reports: dict[str, load.Report], what: str, say: Say) -> None:
    told = ", ".join(f"{name} {report.requests} requests {report.failures} failed" for name, report in reports.items())
    say(f"{what}: {told}")
    for name, report in reports.items():
        load.nothing_was_lost(report, town.machine.clues(name))
        assert report.requests > 20, name


def succeeded(run: Run) -> str:
    assert run.rc == 0, run.output
    return " ".join(run.output.split())


def refused(town: Town, run: Run, before: str, *words: str) -> None:
    """The run failed for these reasons, and left all as it was."""
    said = " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())
    assert run.rc != 0, run.output
    for part in (*words, "Nothing was changed."):
        assert part in said, run.output
    assert town.state() == before
    town.all_answer()


# --- three sites come to a host that has one -------------------------------------------------------------------------


def test_first_deploys_at_the_same_time_beside_a_site_made_by_hand(town: Town, say: Say) -> None:
    """Both need a package that is not there, uv, and what all sites of the host share."""
    town.machine.sh("apt-get -qq purge brotli")
    with under_load(town, BY_HAND) as reports:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [
                pool.submit(town.deploy, site, serve_mode=FIRST_STACK[site], site_version="")
                for site in ("board", "shop")
            ]
        for run in runs:
            assert "catchall is the default server of port 80 and stays" in succeeded(run.result())
            say(f"a first deploy beside another: {run.result().seconds:.0f} s")
    nothing_was_lost(town, reports, "two first deploys at the same time", say)
    assert [town.stack(site) for site in ("board", "shop")] == ["asgi", "wsgi"]


def test_a_third_comes_while_they_are_visited(town: Town, say: Say) -> None:
    with under_load(town, "board", "shop", BY_HAND) as reports:
        succeeded(town.deploy("paper", serve_mode="wsgi"))
    nothing_was_lost(town, reports, "paper comes", say)
    names = ["sheet-000.css", "sheet-299.css", "large-0.bin"]
    for name in names:
        address = json.loads(town.get("paper", f"/address/?name={name}")[1])["address"]
        assert re.search(r"\.[0-9a-f]{12}\.", address)
        town.static[address] = (town.sources["paper"] / "sheets" / name).read_bytes()
    town.all_answer()


def test_of_nginx_nothing_is_ours_but_files_of_our_own(town: Town) -> None:
    now = set(town.machine.sh("find /etc/nginx ! -type d").split())
    assert town.by_distribution - now == set()
    ours = {"modules-enabled/90-switchyard.conf", *(f"sites-enabled/{site}.conf" for site in SITES)}
    assert {name.removeprefix("/etc/nginx/") for name in now - town.by_distribution} == ours
    # What dpkg calls changed is what the administrator has changed.
    assert town.machine.sh("dpkg -V nginx-common nginx libnginx-mod-http-brotli-static", check=False).split() == [
        "??5??????",
        "c",
        STOCK,
    ]
    assert town.machine.get("/", "nobody.example.org")[0] == 418
    assert b"Welcome to nginx" in town.machine.get("/", "stock.example.org")[2]


# --- none reads another ----------------------------------------------------------------------------------------------


def belongings(town: Town, site: str) -> dict[str, list[str]]:
    """How one would get at what a site has: at what the site may see of it itself, and at what it may not."""
    manifest = json.loads(town.machine.sh(f"cat /etc/switchyard/{site}/current/release.json"))
    release, venv, environment = (manifest[name] for name in ("id", "venv", "environment"))
    process = town.machine.sh(f"systemctl show -p MainPID --value {town.unit(site)}").strip()
    code, packages = f"/srv/{site}/releases/{release}/code", f"/srv/{site}/venvs/{venv}"
    sheet = "sheets/sheet-000.css" if site == "paper" else "board/static/board/board.css"
    return {
        "its own": [
            *(f"list:{path}" for path in (code, packages, f"/srv/{site}/data", f"/srv/{site}/media")),
            *(f"read:{code}/{name}" for name in ("manage.py", "prying.py", sheet)),
            f"read:{packages}/pyvenv.cfg",
            f"run:{packages}/bin/python",
            *(f"read:/srv/{site}/{folder}/secret.txt" for folder in ("data", "media")),
            *(f"write:/srv/{site}/{folder}/pried" for folder in ("data", "media")),
            f"connect:/run/{site}/{release}/app.sock",
            f"stop:{process}",
        ],
        "nobody's": [
            *(f"list:/srv/{site}{path}" for path in ("", "/releases")),
            *(f"write:/srv/{site}/{path}" for path in ("pried", "static/pried", "acme/pried")),
            f"write:/srv/{site}/releases/{release}/static/pried",
            f"list:/etc/switchyard/{site}/env",
            f"read:/etc/switchyard/{site}/env/{environment}.env",
            f"read:/etc/switchyard/{site}/secrets.json",
            f"list:/etc/switchyard/{site}/tls",
            f"write:/etc/switchyard/{site}/pried",
            f"list:/run/switchyard/{site}",
            f"read:/var/log/nginx/{site}.access.log",
            "read:/var/log/nginx/error.log",
        ],
        "others'": [
            f"list:/srv/{site}/venvs",
            f"list:/var/cache/switchyard/{site}",
            f"list:/run/{site}",
            *(f"{how}:/proc/{process}/{name}" for how, name in (("read", "environ"), ("list", "fd"), ("list", "root"))),
        ],
    }


def pry_from_outside(town: Town, site: str, wanted: list[str]) -> dict[str, str]:
    """As the site's user, without the sandbox: what the kernel alone refuses."""
    script = shlex.quote((PROJECTS / "prying/pry.py").read_text(encoding="utf-8"))
    asked = shlex.quote(json.dumps(wanted))
    return json.loads(town.machine.sh(f"printf %s {asked} | runuser -u {site} -- python3 -c {script}"))


def pry_from_inside(town: Town, site: str, wanted: list[str]) -> dict[str, str]:
    """From within the instance, with all that its sandbox leaves it."""
    request = urllib.request.Request(
        f"http://{town.machine.address}/pry/", json.dumps(wanted).encode(), {"Host": DOMAINS[site]}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_none_reads_what_another_has(town: Town, say: Say) -> None:
    for site in SITES:
        for folder, group in (("data", site), ("media", "www-data")):
            secret = SECRETS.format(site=site, group=group, folder=folder)
            town.machine.sh(f"echo '{site} alone' | {secret}")
    has = {site: belongings(town, site) for site in SITES}
    tried = 0
    for site in SITES:
        foreign = [
            attempt
            for other, kinds in has.items()
            for kind, attempts in kinds.items()
            for attempt in attempts
            if other != site or kind == "nobody's"
        ]
        for pry in (pry_from_outside, pry_from_inside):
            ended = pry(town, site, foreign)
            assert len(ended) > 80
            assert [attempt for attempt, how in ended.items() if how == "got"] == [], (site, pry.__name__)
            tried += len(ended)
            # The same at its own: that an attempt ends well where it may.
            assert [a for a, how in pry(town, site, has[site]["its own"]).items() if how != "got"] == []
        read = town.machine.sh(
            f"runuser -u {site} -- journalctl -q --no-pager -u 'shop@*' -u 'board@*' 2>&1", check=False
        )
        assert "GET" not in read
        assert "gunicorn" not in read
    say(f"{tried} attempts at what belongs to others, 0 successful")


def test_a_link_among_the_media_leads_nowhere(town: Town) -> None:
    """A site writes its media, and nginx may read more than the site: what a link leads to is judged by its owner."""
    live = {site: town.live(site) for site in SITES}
    env = town.machine.sh("echo /etc/switchyard/board/env/*.env").split()[0]
    targets = {
        "passwd": "/etc/passwd",
        "env": env,
        "data": "/srv/board/data/secret.txt",
        "shop-media": "/srv/shop/media/secret.txt",
        "shop-folder": "/srv/shop/media",
        "shop-static": f"/srv/shop/releases/{live['shop']}/static/staticfiles.json",
        "shop-code": f"/srv/shop/releases/{live['shop']}/code/manage.py",
        "log": "/var/log/nginx/shop.access.log",
        "root": "/",
    }
    for name, target in targets.items():
        town.machine.sh(f"runuser -u board -- ln -s {target} /srv/board/media/{name}")
    assert town.get("board", "/media/secret.txt") == (200, b"board alone\n")
    beneath = [
        "shop-folder/secret.txt",
        "root/etc/passwd",
        "root/srv/shop/media/secret.txt",
        "../shop/media/secret.txt",
    ]
    for path in [*targets, *beneath]:
        status, body = town.get("board", f"/media/{path}")
        assert status in (400, 403, 404), path
        assert b"alone" not in body
        assert b"root:" not in body
    # What the kernel has against a hard link to what is another's.
    hard = town.machine.sh(
        "runuser -u board -- ln /srv/shop/releases/*/static/*.json /srv/board/media/ 2>&1", check=False
    )
    assert "cross" in hard or "not permitted" in hard or "No such file" in hard
    town.machine.sh("find /srv/board/media -type l -delete")


def test_a_link_in_the_place_of_a_socket_leads_to_nobody(town: Town) -> None:
    """A site's user has the folder of its socket, and nginx follows a link from there to another site's."""
    live = {site: town.live(site) for site in ("board", "shop")}
    own, other = (f"/run/{site}/{release}" for site, release in live.items())
    town.machine.sh(f"runuser -u board -- sh -c 'cd {own} && mv app.sock kept.sock && ln -s {other}/app.sock app.sock'")
    # Workers from now on have no connection from before the link.
    town.machine.sh("systemctl reload nginx; sleep 1")
    try:
        status, body = town.get("board", "/")
        assert (status, body) == (421, b""), "board's visitors came to shop"
    finally:
        town.machine.sh(f"runuser -u board -- mv {own}/kept.sock {own}/app.sock; systemctl reload nginx; sleep 1")
    town.all_answer()


@pytest.mark.full
def test_a_link_among_the_static_files_is_refused(town: Town) -> None:
    """They are made by the project's own code, and belong to root from then on: their owner says nothing."""
    before = town.state()
    overrides = town.sites["board"].variables["site_settings_overrides"]
    storages = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "linking.Linking"},
    }
    run = town.deploy("board", site_settings_overrides={**overrides, "STORAGES": storages})
    assert run.rc != 0, run.output
    assert "leak.txt -> /srv/shop/media/secret.txt" in run.output
    assert town.state() == before


# --- a neighbour is broken -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def broken(town: Town, path: str, text: str) -> Iterator[None]:
    """A file of nginx's as an administrator left it in a hurry; nginx has not been told yet."""
    kept = town.machine.sh(f"[ ! -e {path} ] || cat {path}")
    town.machine.sh(f"cat > {path} <<'END'\n{text}\nEND")
    try:
        yield
    finally:
        town.machine.sh(f"cat > {path} <<'END'\n{kept.rstrip()}\nEND" if kept else f"rm {path}")


def test_beside_a_file_that_nginx_refuses_a_deploy_backs_off(town: Town, say: Say) -> None:
    town.new_version("board")
    with broken(town, "/etc/nginx/sites-enabled/wiki", "server {\n    listen 80;\n    serve_name wiki.example.org;\n}"):
        before = town.state()
        with under_load(town, "board", "shop", BY_HAND) as reports:
            run = town.deploy("board")
        nothing_was_lost(town, reports, "a deploy beside a broken file", say)
        refused(
            town,
            run,
            before,
            "nginx refuses the configuration that the host has already, without what board would change:",
            'unknown directive "serve_name" in /etc/nginx/sites-enabled/wiki:3',
            "Mend that file, which is not board's, or take it out of nginx's configuration",
        )


@pytest.mark.full
def test_once_it_is_mended_the_same_run_goes_through(town: Town) -> None:
    succeeded(town.deploy("board"))
    town.all_answer()


@pytest.mark.full
def test_beside_a_site_of_ours_that_is_broken_by_hand_both_back_off(town: Town) -> None:
    town.new_version("board")
    conf = "/etc/nginx/sites-enabled/shop.conf"
    text = town.machine.sh(f"cat {conf}")
    with broken(town, conf, text.replace("real_ip_recursive on;", "real_ip_recursive on")):
        before = town.state()
        for run in (town.deploy("board"), town.sites["board"].play("rollback.yml")):
            refused(town, run, before, "in /etc/nginx/sites-enabled/shop.conf:", "which is not board's")


@pytest.mark.full
def test_a_rollback_says_where_it_is_the_sites_own_file_that_is_broken(town: Town) -> None:
    conf = "/etc/nginx/sites-enabled/board.conf"
    text = town.machine.sh(f"cat {conf}")
    with broken(town, conf, text.replace("real_ip_recursive on;", "real_ip_recursive on")):
        before = town.state()
        run = town.sites["board"].play("rollback.yml")
        refused(town, run, before, "in /etc/nginx/sites-enabled/board.conf:", "site.yml writes it anew")
        succeeded(town.deploy("board"))
        assert town.machine.sh(f"cat {conf}") == text


@pytest.mark.full
@pytest.mark.parametrize("name", ["aaa", "zzz.conf"])
def test_a_name_that_is_served_by_hand_already_is_refused(town: Town, name: str) -> None:
    """Whichever of the two nginx would read first."""
    town.new_version("board")
    path = f"/etc/nginx/sites-enabled/{name}"
    with broken(town, path, f"server {{ listen 80; server_name www.example.org {DOMAINS['board']}; return 204; }}"):
        before = town.state()
        refused(town, town.deploy("board"), before, f"site_domains has {DOMAINS['board']}, which {path} serves")


# --- one is moved while the others are visited -----------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("site", SITES)
def test_a_deploy_a_switch_and_a_rollback_cost_nobody_a_request(town: Town, site: str, say: Say) -> None:
    town.new_version(site)
    stack = town.stack(site)
    steps: dict[str, tuple[str, dict[str, str], str]] = {
        "a deploy": ("site.yml", {}, stack),
        "a switch": ("site.yml", {"serve_mode": OTHER_STACK[stack]}, OTHER_STACK[stack]),
        "a rollback": ("rollback.yml", {}, stack),
    }
    before = town.live(site)
    for name, (playbook, variables, expected) in steps.items():
        with under_load(town, *SITES, BY_HAND) as reports:
            succeeded(town.sites[site].play(playbook, **variables))
            town.all_answer()
        nothing_was_lost(town, reports, f"{name} of {site}", say)
        assert town.live(site) != before, name
        before = town.live(site)
        assert town.stack(site) == expected


@pytest.mark.full
def test_two_deploys_at_the_same_time_cost_nobody_a_request(town: Town, say: Say) -> None:
    """The default server that was made by hand is gone by now, so that both come to have one."""
    town.machine.sh("rm /etc/nginx/sites-enabled/catchall; systemctl reload nginx")
    before = [town.live(site) for site in ("shop", "paper")]
    for site in ("shop", "paper"):
        town.new_version(site)
    with (
        under_load(town, *SITES, BY_HAND) as reports,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        runs = [pool.submit(town.deploy, site) for site in ("shop", "paper")]
        for run in runs:
            succeeded(run.result())
    nothing_was_lost(town, reports, "two deploys at the same time", say)
    assert all(town.live(site) != old for site, old in zip(("shop", "paper"), before))
    town.all_answer()
    ours = town.machine.sh("ls /etc/nginx/sites-enabled").split()
    assert sorted(ours) == sorted(["default", "hand", "switchyard-default-80.conf", *(f"{one}.conf" for one in SITES)])
    with pytest.raises(ConnectionResetError):
        town.machine.get("/", "nobody.example.org")

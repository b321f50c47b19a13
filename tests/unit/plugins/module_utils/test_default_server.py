# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import default_server

# --- what all sites of the host share --------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A host with default servers at some ports, whose sites the test makes."""
    monkeypatch.setattr(default_server, "SITES", tmp_path / "sites")
    monkeypatch.setattr(default_server, "NGINX_SITES", tmp_path / "nginx")
    monkeypatch.setattr(default_server, "STOCK_NOTE", tmp_path / "sites/stock-site.json")
    (tmp_path / "nginx").mkdir()
    for name in ("80", "8000", "443-tls", "443-quic", "8443-tls", "8443-quic"):
        (tmp_path / f"nginx/switchyard-default-{name}.conf").touch()
    for name in ("default", "shop.conf", "default-80.conf"):
        (tmp_path / "nginx" / name).touch()

    def site(name, **listening):
        (tmp_path / "sites" / name).mkdir(parents=True)
        (tmp_path / "sites" / name / "edge.json").write_text(json.dumps({"bind": "", "hosts": ["a"], **listening}))

    return site


def superfluous(gone=None):
    return {path.stem.removeprefix("switchyard-default-") for path in default_server.superfluous(gone)}


EVERY = {"80", "8000", "443-tls", "443-quic", "8443-tls", "8443-quic"}


@pytest.mark.parametrize(
    ("listening", "needed"),
    [
        ({"port": 80}, {"80"}),
        ({"port": "8000"}, {"8000"}),
        ({"port": 80, "tls": False, "tls_port": 443, "http3": True}, {"80"}),
        ({"port": 80, "tls": True, "tls_port": 443}, {"80", "443-tls"}),
        ({"port": 8000, "tls": True, "tls_port": 8443, "http3": True}, {"8000", "8443-tls", "8443-quic"}),
        ({"port": 80, "bind": "10.0.0.5:8000"}, set()),
    ],
)
def test_a_default_server_stays_where_a_site_listens(shared, listening, needed):
    shared("shop", **listening)
    assert superfluous() == superfluous("blog") == EVERY - needed
    assert superfluous("shop") == EVERY


def test_what_another_site_needs_stays(shared):
    shared("shop", port=80, tls=True, tls_port=443)
    shared("blog", port=80)
    assert superfluous() == EVERY - {"80", "443-tls"}
    assert superfluous("shop") == EVERY - {"80"}


def test_a_host_without_sites_needs_none(shared):
    assert superfluous() == EVERY


@pytest.mark.parametrize("text", ["{", "{}", '{"port": 80, "tls": true}'])
def test_a_site_that_does_not_say_where_it_listens_is_named(shared, tmp_path, text):
    shared("shop", port=80)
    (tmp_path / "sites/shop/edge.json").write_text(text)
    with pytest.raises(ValueError, match=r"sites/shop/edge\.json does not say at which ports"):
        default_server.superfluous(None)
    assert superfluous("shop") == EVERY


def test_the_distributions_site_comes_back_with_the_last_that_needs_its_port(shared, tmp_path):
    shared("shop", port=80)
    shared("blog", port=8000)
    assert default_server.returning_stock_site("shop") is None
    (tmp_path / "sites/stock-site.json").write_text('{"path": "/a/default", "target": "/b/default"}')
    assert default_server.returning_stock_site("blog") is None
    assert default_server.returning_stock_site("shop") == (Path("/a/default"), Path("/b/default"))
    (tmp_path / "sites/stock-site.json").write_text('{"path": "/a')
    with pytest.raises(ValueError, match=r"stock-site\.json does not say which site was switched off"):
        default_server.returning_stock_site("shop")


# --- who answers for unknown names -----------------------------------------------------------------------------------

STOCK = """\
server {
\tlisten 80 default_server;
\tlisten [::]:80 default_server;

\t# SSL configuration
\t#
\t# listen 443 ssl default_server;
\t# listen [::]:443 ssl default_server;

\troot /var/www/html;
\tserver_name _;
}
"""


class Nginx:
    """A host's nginx: its files, and what it and the package manager say of them."""

    def __init__(self, folder):
        self.folder = folder
        self.sites = folder / "sites-enabled"
        self.available = folder / "sites-available" / "default"
        self.stock = self.sites / "default"
        self.files = {}
        self.runs = True
        self.conffiles = ""
        for path in (self.sites, self.available.parent):
            path.mkdir()

    def run(self, argv, **how):
        assert how.get("capture_output"), "what it says is for us"
        if argv[0] == "dpkg-query":
            assert argv[-1] == "nginx-common"
            return subprocess.CompletedProcess(argv, 0, self.conffiles, "")
        assert argv == ["nginx", "-T", "-q"]
        if not self.runs:
            raise FileNotFoundError("nginx")
        texts = [f"# configuration file {path}:\n{text}\n" for path, text in self.files.items()]
        return subprocess.CompletedProcess(argv, 0 if texts else 1, "".join(texts), "")

    def install(self, text=STOCK):
        """The distribution's site as its package leaves it, on the disk and in nginx."""
        self.available.write_text(text)
        self.stock.symlink_to(self.available)
        self.files[self.stock] = text
        digest = hashlib.md5(text.encode()).hexdigest()
        self.conffiles = f" /etc/nginx/nginx.conf 0123\n {self.available} {digest}\n /etc/nginx/x 4567\n"


def defaults():
    """The ports for which a file has a default server."""
    found = {path: {one.port for one in listens if one.default} for path, listens in default_server._listens().items()}
    return {path: ports for path, ports in found.items() if ports}


@pytest.fixture
def nginx(tmp_path, monkeypatch):
    one = Nginx(tmp_path)
    monkeypatch.setattr(default_server, "NGINX_SITES", one.sites)
    monkeypatch.setattr(default_server, "STOCK_SITE", one.stock)
    monkeypatch.setattr(default_server, "STOCK_TEXT", str(one.available))
    monkeypatch.setattr(default_server, "STOCK_NOTE", tmp_path / "stock-site.json")
    monkeypatch.setattr(subprocess, "run", one.run)
    return one


def test_the_stock_site_is_known_by_what_its_package_says(nginx):
    nginx.install()
    assert default_server.is_stock()


def edited(nginx):
    nginx.available.write_text(STOCK + "# mine\n")


def switched_off(nginx):
    nginx.stock.unlink()


def replaced(nginx):
    nginx.stock.unlink()
    nginx.stock.write_text(STOCK)


def moved(nginx):
    (nginx.folder / "mine").write_text(STOCK)
    nginx.stock.unlink()
    nginx.stock.symlink_to(nginx.folder / "mine")


def dangling(nginx):
    nginx.available.unlink()


def unknown(nginx):
    nginx.conffiles = ""


def of_another_path(nginx):
    nginx.conffiles = nginx.conffiles.replace(f" {nginx.available} ", f" {nginx.available}.d ")


CHANGES = [edited, switched_off, replaced, moved, dangling, unknown, of_another_path]


@pytest.mark.parametrize("change", CHANGES)
def test_a_site_that_is_not_as_the_distribution_made_it_is_not_stock(nginx, change):
    nginx.install()
    change(nginx)
    assert not default_server.is_stock()


def test_a_link_to_a_link_and_a_relative_one_are_links_all_the_same(nginx):
    nginx.install()
    nginx.stock.unlink()
    (nginx.folder / "between").symlink_to(nginx.available)
    nginx.stock.symlink_to("../between")
    assert default_server.is_stock()


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        (STOCK, {80}),
        ("server { listen 80 default_server; }", {80}),
        ("server {listen 8080 default_server;}", {8080}),
        ("server {\n    listen 127.0.0.1:8080 ssl default_server reuseport;\n}", {8080}),
        ("server {\n    listen *:80\n        default_server;\n}", {80}),
        ("server {\n    listen [::1] default_server ipv6only=on;\n}", {80}),
        ("server {\n    listen example.org default_server;\n}", {80}),
        ("server {\n    listen 80 default;\n}", {80}),
        ("server {\n    listen 80 default_server;\n    listen 443 ssl default_server;\n}", {80, 443}),
        ("server { listen 80; }\nserver { listen 81 default_server; listen 82; }", {81}),
        ("server {\n    listen unix:/run/x.sock default_server;\n}", set()),
        ("server {\n    listen 80 deferred;\n}", set()),
        ("server {\n    # listen 80 default_server;\n}", set()),
        ("server {\n    listen 80; # default_server;\n}", set()),
        ("# server { listen 80 default_server; }", set()),
        ("server {\n    listen 80;\n    server_name default_server;\n}", set()),
        ("map $x $listen { default 80; }", set()),
        ("", set()),
    ],
)
def test_a_default_server_is_found_where_nginx_has_one(nginx, text, ports):
    nginx.files = {"/etc/nginx/nginx.conf": "events {\n}\n", "/etc/nginx/conf.d/mine.conf": text}
    assert defaults() == ({"/etc/nginx/conf.d/mine.conf": ports} if ports else {})


@pytest.mark.parametrize("name", ["switchyard-default-80.conf", "switchyard-default-443-tls.conf"])
def test_our_own_default_servers_are_nobody_elses(nginx, name):
    nginx.files = {nginx.sites / name: "server { listen 80 default_server; }"}
    assert defaults() == {}


@pytest.mark.parametrize(
    "name", ["sites-enabled/switchyard-default-80.conf.bak", "conf.d/switchyard-default-80.conf", "sites-enabled/80"]
)
def test_what_only_looks_like_ours_is_somebody_elses(nginx, name):
    nginx.files = {nginx.folder / name: "server { listen 80 default_server; }"}
    assert defaults() == {str(nginx.folder / name): {80}}


def test_a_bare_host_and_one_whose_nginx_refuses_its_configuration_tell_nothing(nginx):
    assert defaults() == {}
    nginx.runs = False
    assert defaults() == {}
    assert default_server.files_with("shop.example.org") == []


# --- what the host gets of the edge ----------------------------------------------------------------------------------


def wanted(nginx):
    """The site's file, and a default server for each of its ports."""
    return [
        {"path": "/etc/nginx/sites-enabled/shop.conf", "content": "site", "default_for": None},
        {"path": str(nginx.sites / "switchyard-default-80.conf"), "content": "80", "default_for": 80},
        {"path": str(nginx.sites / "switchyard-default-443-tls.conf"), "content": "443", "default_for": 443},
        {"path": "/gone", "content": None},
    ]


def as_wanted(nginx, **changes):
    return {one["path"]: one["content"] for one in wanted(nginx)} | {str(path): text for path, text in changes.items()}


def test_where_nobody_is_in_the_way_the_edge_is_as_it_is_wanted(nginx):
    nginx.files = {nginx.sites / "switchyard-default-80.conf": "server { listen 80 default_server; }"}
    assert default_server.settled("shop", wanted(nginx)) == (as_wanted(nginx), [])
    assert default_server.settled("shop", []) == ({}, [])


def test_the_stock_site_goes_and_it_is_noted_who_switched_it_off(nginx):
    nginx.install()
    files, notes = default_server.settled("shop", wanted(nginx))
    note = json.dumps({"path": str(nginx.stock), "target": str(nginx.available)}) + "\n"
    assert files == {**as_wanted(nginx), str(nginx.stock): None, str(nginx.folder / "stock-site.json"): note}
    assert notes == [f"nginx's stock site, {nginx.stock}, is switched off"]
    assert nginx.stock.is_symlink(), "a thought changes nothing"


def test_the_stock_site_stays_where_none_of_its_ports_is_wanted(nginx):
    nginx.install()
    files = [one for one in wanted(nginx) if one.get("default_for") != 80]
    assert default_server.settled("shop", files) == ({one["path"]: one["content"] for one in files}, [])


def test_what_went_already_does_not_go_twice(nginx):
    nginx.install()
    nginx.stock.unlink()
    del nginx.files[nginx.stock]
    assert default_server.settled("shop", wanted(nginx)) == (as_wanted(nginx), [])


@pytest.mark.parametrize("change", [edited, replaced, moved, unknown])
def test_a_stock_site_that_somebody_changed_stays_and_ours_is_left_out(nginx, change):
    nginx.install()
    change(nginx)
    files, notes = default_server.settled("shop", wanted(nginx))
    assert files == {**as_wanted(nginx), str(nginx.sites / "switchyard-default-80.conf"): None}
    assert notes == [
        f"{nginx.stock} is the default server of port 80 and stays: who asks for an unknown name gets its answer"
    ]


def test_a_default_server_made_by_hand_stays_for_its_port_alone(nginx):
    nginx.files = {"/etc/nginx/conf.d/mine.conf": "server { listen 443 ssl default_server; }"}
    files, notes = default_server.settled("shop", wanted(nginx))
    assert files == {**as_wanted(nginx), str(nginx.sites / "switchyard-default-443-tls.conf"): None}
    assert [note.partition(" and stays")[0] for note in notes] == [
        "/etc/nginx/conf.d/mine.conf is the default server of port 443"
    ]


def test_a_default_server_of_one_address_is_in_nobodys_way(nginx):
    nginx.files["/etc/nginx/conf.d/mine.conf"] = "server { listen 10.0.0.5:80 default_server; }"
    files, (note,) = default_server.settled("shop", wanted(nginx))
    assert files == as_wanted(nginx)
    assert note.startswith("/etc/nginx/conf.d/mine.conf listens at 10.0.0.5:80")


# --- names that somebody else has ------------------------------------------------------------------------------------

SAID = """\
2026/11/26 07:13:32 [warn] 27515#27515: conflicting server name "shop.example.org" on 127.0.0.1:18080, ignored
2026/11/26 07:13:32 [warn] 27515#27515: conflicting server name "shop.example.org" on [::]:80, ignored
nginx: [warn] conflicting server name "[2001:db8::7]" on 0.0.0.0:80, ignored
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
"""


@pytest.mark.parametrize(
    ("hosts", "taken"),
    [
        (["shop.example.org", "www.example.org"], ["shop.example.org"]),
        (["Shop.Example.org"], ["Shop.Example.org"]),
        (["www.example.org", "shop.example.org", "[2001:db8::7]"], ["[2001:db8::7]", "shop.example.org"]),
        (["example.org", "shop.example", "hop.example.org"], []),
        ([], []),
    ],
)
def test_the_names_that_are_taken_are_those_that_nginx_ignores(hosts, taken):
    assert default_server.conflicts(SAID, hosts) == taken


def test_where_nginx_is_content_no_name_is_taken():
    assert (
        default_server.conflicts("nginx: configuration file /etc/nginx/nginx.conf test is successful", ["a.org"]) == []
    )
    assert default_server.conflicts("", ["a.org"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "server {\n    server_name shop.example.org;\n}",
        "server { listen 80; server_name shop.example.org; }",
        "server {server_name Shop.Example.ORG;}",
        "server {\n    server_name\n        www.example.org\n        shop.example.org\n        blog.example.org;\n}",
        "server {\n    server_name 'www.example.org' \"shop.example.org\";\n}",
        "server {\n    server_name www.example.org # the old one;\n        shop.example.org;\n}",
    ],
)
def test_a_file_that_serves_a_name_is_found(nginx, text):
    nginx.files = {"/one": "server { server_name www.example.org; }", "/two": text, "/three": "events {\n}\n"}
    assert default_server.files_with("shop.example.org") == ["/two"]


@pytest.mark.parametrize(
    "text",
    [
        "server { server_name www.shop.example.org shop.example.org.uk shopXexample.org; }",
        "server { server_name www.example.org; return 301 https://shop.example.org; }",
        "server {\n    # server_name shop.example.org;\n}",
        "server { server_name www.example.org; # shop.example.org ;\n}",
        "upstream x { server shop.example.org; }",
    ],
)
def test_a_file_that_only_mentions_a_name_is_not(nginx, text):
    nginx.files = {"/one": text}
    assert default_server.files_with("shop.example.org") == []


def test_a_name_is_no_pattern(nginx):
    nginx.files = {"/one": "server { server_name [2001:db8::7]; }", "/two": "server { server_name 2; }"}
    assert default_server.files_with("[2001:db8::7]") == ["/one"]


# --- beside what is made by hand -------------------------------------------------------------------------------------

OURS = {"path": "/etc/nginx/sites-enabled/switchyard-default-80.conf", "content": "server {}", "default_for": 80}
BY_HAND = "/etc/nginx/sites-enabled/hand"


@pytest.fixture
def by_hand(monkeypatch):
    """An nginx that has one file made by hand, with the text that a test gives it."""

    def has(text, path=BY_HAND):
        said = f"# configuration file {path}:\n{text}\n\n# configuration file /etc/nginx/mime.types:\ntypes {{}}\n\n"
        monkeypatch.setattr(
            subprocess,
            "run",
            lambda argv, **_how: subprocess.CompletedProcess(argv, 0, said, ""),
        )

    monkeypatch.setattr(default_server, "is_stock", lambda: False)
    return has


@pytest.mark.parametrize(
    "text",
    [
        "server {\n    listen 80 default_server;\n}",
        "server {\n\tlisten\t80\n\t\tdefault_server\n\t\treuseport;\n}",
        "server { listen 80 default_server; return 444; }",
        "server {listen [::]:80 default_server ipv6only=on;}",
        "server { listen *:80 default; }",
        "server { server_name _;listen 0.0.0.0 default_server; } # for all the rest",
        "server {\n    # listen 8080;\n    listen 80 default_server; # all\n}",
        # Nobody else has what has no name.
        "server { listen 80; return 200; }",
        "server { root /srv; }",
        "server { server_name _; listen [::]:80; location / { if ($uri) { return 204; } } }",
        "server { listen 80; server_name wiki.example.org; } server { listen 80; server_name ''; }",
    ],
)
def test_a_default_server_that_is_made_by_hand_stays_and_ours_is_left_out(by_hand, text):
    by_hand(text)
    wanted, notes = default_server.settled("shop", [OURS])
    assert wanted == {OURS["path"]: None}
    assert notes == [
        f"{BY_HAND} is the default server of port 80 and stays: who asks for an unknown name gets its answer"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "server { listen 80; server_name default_server; }",
        "# server { listen 80 default_server; }",
        "server {\n    #listen 80 default_server;\n    listen 80;\n    server_name wiki.example.org;\n}",
        "server { listen 80; server_name _ wiki.example.org; }",
        "server { listen 8080; } server { listen 80; server_name wiki.example.org; location / { return 204; } }",
        "server { listen 10.0.0.5:8080; server_name _; }",
        "server { listen 8080 default_server; listen 443 ssl default_server; }",
        "server { listen unix:/run/hand.sock default_server; }",
        "map $uri $listen { /80 default_server; }",
    ],
)
def test_where_nobody_has_made_one_ours_comes(by_hand, text):
    by_hand(text)
    assert default_server.settled("shop", [OURS]) == ({OURS["path"]: OURS["content"]}, [])


def test_ours_is_nobodys_by_hand(by_hand):
    by_hand("server { listen 80 default_server; }", path=OURS["path"])
    assert default_server.settled("shop", [OURS]) == ({OURS["path"]: OURS["content"]}, [])


def test_who_takes_an_address_for_himself_is_named_once(by_hand):
    by_hand("server { listen 10.0.0.5:80; } server { listen 10.0.0.5:80; listen 127.0.0.1:80; listen 10.0.0.6:81; }")
    wanted, notes = default_server.settled("shop", [OURS])
    assert wanted == {OURS["path"]: OURS["content"]}
    assert notes == [f"{BY_HAND} listens at 10.0.0.5:80: who comes to that address gets its sites and not this one"]


def test_the_files_that_are_about_to_be_written_take_nothing_away(by_hand):
    by_hand("server { listen 10.0.0.5:80; }")
    mine = {"path": BY_HAND, "content": "server { listen 80; }"}
    assert default_server.settled("shop", [mine, OURS])[1] == []


def test_where_nginx_refuses_its_configuration_the_files_are_read(monkeypatch, tmp_path):
    """One of them may be the site's own, which is about to be put right: then the rest must fit it."""
    for name, text in (("sites-enabled/hand", "server { listen 80 default_server; }"), ("nginx.conf", "events {}")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "sites-enabled/gone").symlink_to(tmp_path / "nowhere")
    monkeypatch.setattr(default_server, "NGINX_MAIN", tmp_path / "nginx.conf")
    monkeypatch.setattr(default_server, "NGINX_SITES", tmp_path / "sites-enabled")
    monkeypatch.setattr(default_server, "is_stock", lambda: False)
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda argv, **_how: subprocess.CompletedProcess(argv, 1, "", ""),
    )
    wanted, (note,) = default_server.settled("shop", [OURS])
    assert wanted == {OURS["path"]: None}
    assert note.startswith(f"{tmp_path}/sites-enabled/hand is the default server of port 80")


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("server {\n    server_name shop.example.org;\n}", True),
        ("server { listen 80; server_name www.example.org SHOP.example.org; return 204; }", True),
        ('server { server_name "shop.example.org"; }', True),
        ("server { server_name my-shop.example.org shop.example.org.uk; }", False),
        ("server {\n    # server_name shop.example.org;\n}", False),
        ("server { server_name www.example.org; } # server_name shop.example.org;", False),
    ],
)
def test_the_file_that_has_a_name_is_found(by_hand, text, has):
    by_hand(text)
    assert default_server.files_with("shop.example.org") == ([BY_HAND] if has else [])


OWN = Path("/etc/nginx/sites-enabled/shop.conf")
EVERYWHERE = ("80", "[::]:80")


def rivals(nginx, text, listens=EVERYWHERE, own=OWN):
    nginx.files = {str(OWN): "server { listen 80; server_name shop.example.org; }", "/other.conf": text}
    return default_server.rivals(own, ["Shop.example.org", "www.example.org"], listens)


@pytest.mark.parametrize(
    ("text", "listens"),
    [
        ("server { listen 80; server_name shop.example.org; }", EVERYWHERE),
        ("server { server_name SHOP.example.org; }", EVERYWHERE),
        ("server { listen [::]:80; server_name a.org 'shop.example.org'; }", EVERYWHERE),
        ("server { listen 8080; listen *:80; server_name shop.example.org; }", EVERYWHERE),
        ("server { listen 443 ssl; server_name shop.example.org; }", [*EVERYWHERE, "443", "[::]:443"]),
        ("server { listen 10.0.0.5:8000; server_name shop.example.org; }", ["10.0.0.5:8000"]),
        ("server { listen 80; server_name a.org; } server { listen 80; server_name shop.example.org; }", EVERYWHERE),
    ],
)
def test_another_who_has_a_name_at_the_same_place_is_found_before_anything_begins(nginx, text, listens):
    assert rivals(nginx, text, listens) == (
        "site_domains has Shop.example.org, which /other.conf serves on the same port already. Take the name out of "
        "there, or out of site_domains."
    )


@pytest.mark.parametrize(
    ("text", "listens"),
    [
        ("server { listen 8080; server_name shop.example.org; }", EVERYWHERE),
        ("server { listen 10.0.0.5:80; server_name shop.example.org; }", EVERYWHERE),
        ("server { listen 80; server_name shop.example.org; }", ["10.0.0.5:80"]),
        ("server { listen unix:/run/a; server_name shop.example.org; }", EVERYWHERE),
        ("server { listen 80; server_name .example.org *.example.org blog.example.org; }", EVERYWHERE),
        ("server { listen 80; server_name a.org; } server { listen 81; server_name shop.example.org; }", EVERYWHERE),
    ],
)
def test_another_who_has_it_elsewhere_is_in_nobodys_way(nginx, text, listens):
    assert rivals(nginx, text, listens) == ""


def test_everybody_who_has_one_is_named(nginx):
    said = rivals(nginx, "server { server_name www.example.org; }", own=Path("/none"))
    assert [line.split(" serves")[0] for line in said.splitlines()] == [
        "site_domains has Shop.example.org, which /etc/nginx/sites-enabled/shop.conf",
        "site_domains has www.example.org, which /other.conf",
    ]

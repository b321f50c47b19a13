# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import socket
import subprocess
import threading

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import haproxy

CONFIGURATION = """\
# shop, made by switchyard.django. A change here is lost.
global
    description shop @DIGEST@
backend shop
    default-server check
    server web1 10.0.0.11:80
    server web2 [2001:db8::12]:8080
"""
PROCESSES = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
303             master          1 [failed: 0]   0d00h03m37s     2.6.12-1+deb12u4
# workers
341             worker          0               0d00h00m02s     2.6.12-1+deb12u4
# old workers
300             worker          1               0d00h10m02s     2.6.12-1+deb12u4
# programs

"""
STATES = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port
3 shop 1 web1 10.0.0.11 2 0 80
3 shop 2 web2 2001:db8::12 0 8 80
3 shop 3 gone 10.0.0.13 2 9 80
"""
STATS = "# pxname,svname,scur,status,check_code,check_desc,\nshop,web1,2,UP,200,Layer7 check passed,\n"
STATS += "shop,web2,0,DOWN 1/2,,Layer4 timeout,\n\n"
OLD_STATS = "# pxname,svname,scur,status,check_code,check_desc,\nshop,web1,0,UP,,,\nshop,web2,3,UP,,,\n\n"


class Master:
    """Answers as HAProxy's master does: one command for each connection, once the other end says no more."""

    def __init__(self, path, answers):
        self.answers, self.asked = answers, []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _address = self.socket.accept()
            except OSError:
                return
            with connection:
                command = connection.makefile().read().strip()
                self.asked.append(command)
                connection.sendall(self.answers.get(command, "\n").encode())


@pytest.fixture
def places(tmp_path, monkeypatch):
    """HAProxy's files, in a folder of the test's."""
    found = {
        name: tmp_path / name.lower() for name in ("HAPROXY_CERTIFICATE", "HAPROXY_CONFIGURATION", "HAPROXY_STATE")
    }
    for name, path in found.items():
        monkeypatch.setattr(haproxy, name, path)
    monkeypatch.setattr(haproxy, "runs", lambda: True)
    return found


@pytest.fixture
def master(tmp_path, monkeypatch):
    path = tmp_path / "master.sock"
    monkeypatch.setattr(haproxy, "HAPROXY_MASTER", path)
    one = Master(
        path,
        {
            "show proc": PROCESSES,
            "@!341 show stat shop 4 -1": STATS,
            "@!300 show stat shop 4 -1": OLD_STATS,
            "@!341 show servers state shop": STATES,
            "@!341 show info": "Name: HAProxy\ndescription: shop 0123456789abcdef\n",
        },
    )
    yield one
    one.socket.close()


# --- what it says


def test_sessions_of_a_process_from_before_a_reload_count(master):
    web1, web2 = haproxy.servers("shop")
    assert web1 == haproxy.Server("web1", "up", False, 2, "Layer7 check passed 200")
    assert web2 == haproxy.Server("web2", "down", True, 3, "Layer4 timeout")
    assert str(web2) == "web2: out, DOWN, 3 sessions, Layer4 timeout"


def test_a_backend_that_it_does_not_have_has_no_servers(master):
    master.answers["@!341 show stat other 4 -1"] = "No such proxy.\n\n"
    assert haproxy.servers("other") == []


def test_without_a_process_it_says_so(master):
    master.answers["show proc"] = "# workers\n# programs\n"
    with pytest.raises(haproxy.HAProxyError, match="no process that works"):
        haproxy.processes()


def test_those_that_stay_busy_are_named_once_the_time_is_over(master):
    assert [one.name for one in haproxy.wait_until_idle("shop", ["web2"], 0)] == ["web2"]
    assert haproxy.wait_until_idle("shop", [], 60) == []


def test_those_that_do_not_come_up_are_named(master):
    assert [one.name for one in haproxy.wait_until_up("shop", ["web1", "web2"], 0)] == ["web2"]


# --- who is out


def server(name, state="up", out=False):
    return haproxy.Server(name, state, out, 0, "")


@pytest.mark.parametrize(
    ("found", "out", "back", "told"),
    [
        ([server("web1"), server("web2")], ["web2"], [], ""),
        ([server("web1"), server("web2")], ["web3"], [], "The balancer has no host web3. It has web1, web2"),
        ([server("web1"), server("web2")], ["web1", "web2"], [], "balancer_out web1, web2: no host would be left"),
        ([server("web1", "down"), server("web2")], ["web2"], [], "balancer_out web2: no host would be left to"),
        ([server("web1", "drain", True), server("web2")], ["web2"], ["web1"], ""),
        ([server("web1", "down"), server("web2", "drain", True)], ["web2"], [], ""),
        ([server("web1")], ["web1"], [], "balancer_out web1: no host would be left to serve (there is no other)"),
    ],
)  # fmt: skip
def test_somebody_is_left_to_serve(found, out, back, told):
    assert haproxy.problem_of(found, out, back).startswith(told)
    assert bool(told) == bool(haproxy.problem_of(found, out, back))


def test_a_decision_reaches_every_process_and_is_written_down(master, places):
    places["HAPROXY_CONFIGURATION"].write_text(CONFIGURATION)
    haproxy.decide("shop", ["web2"], "drain")
    assert {f"@!{pid} set server shop/web2 state drain" for pid in (341, 300)} < set(master.asked)
    text = places["HAPROXY_STATE"].read_text()
    # With the port of the configuration, and without those that it no longer has.
    assert text.splitlines() == [*STATES.splitlines()[:2], "3 shop 2 web2 2001:db8::12 0 8 8080"]
    assert places["HAPROXY_STATE"].stat().st_mode & 0o777 == 0o600


def test_a_decision_that_is_not_taken_is_told(master, places):
    master.answers["@!341 set server shop/web2 state drain"] = "No such server.\n\n"
    with pytest.raises(haproxy.HAProxyError, match="would not set web2 to drain: No such server."):
        haproxy.decide("shop", ["web2"], "drain")


def test_without_an_answer_what_was_decided_stays(master, places, monkeypatch):
    master.answers["@!341 show servers state shop"] = "Can't find backend.\n\n"
    haproxy.keep_decisions("shop", CONFIGURATION)
    assert places["HAPROXY_STATE"].read_text() == "1\n"
    places["HAPROXY_STATE"].write_text(STATES)
    haproxy.keep_decisions("shop", CONFIGURATION)
    assert places["HAPROXY_STATE"].read_text() == STATES
    monkeypatch.setattr(haproxy, "runs", lambda: False)
    haproxy.keep_decisions("shop", CONFIGURATION)
    assert places["HAPROXY_STATE"].read_text().splitlines()[2:] == ["3 shop 2 web2 2001:db8::12 0 8 8080"]


# --- the configuration


@pytest.fixture
def dpkg(monkeypatch):
    """The distribution's configuration is this text."""

    def run(command, **_options):
        said = f"\n /etc/haproxy/errors/400.http 0\n {haproxy.HAPROXY_CONFIGURATION} {md5('stock')}\n"
        return subprocess.CompletedProcess(command, 0, stdout=said, stderr="")

    monkeypatch.setattr(subprocess, "run", run)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, ""),
        ("stock", ""),
        (CONFIGURATION, ""),
        (CONFIGURATION.replace("# shop", "# other"), "balances the site other, and one balancer has one site"),
        ("stock, and more", "was changed by hand"),
    ],
)
def test_what_somebody_else_made_is_not_replaced(places, dpkg, text, told):
    if text is not None:
        places["HAPROXY_CONFIGURATION"].write_text(text)
    assert told in haproxy.foreign("shop")
    assert bool(told) == bool(haproxy.foreign("shop"))


def test_another_certificate_is_another_configuration(places, master):
    plain, first, second = (haproxy.Wanted("shop", CONFIGURATION, one) for one in ("", "first", "second"))
    assert len({plain.digest, first.digest, second.digest}) == 3
    assert f"description shop {first.digest}" in first.files[places["HAPROXY_CONFIGURATION"]]
    assert plain.files[places["HAPROXY_CERTIFICATE"]] is None


def test_it_is_in_force_once_a_process_has_read_it(places, master):
    wanted = haproxy.Wanted("shop", CONFIGURATION)
    assert not haproxy.is_in_force(wanted)
    places["HAPROXY_CONFIGURATION"].write_text(wanted.files[places["HAPROXY_CONFIGURATION"]])
    assert not haproxy.is_in_force(wanted)
    master.answers["@!341 show info"] = f"description: shop {wanted.digest}\n"
    assert haproxy.is_in_force(wanted)


def test_a_port_that_another_program_has_is_named(places, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as free:
        taken = other.getsockname()[1]
        port = free.getsockname()[1]
        free.close()
        text = f"frontend visitors\n    bind *:{taken}\n    bind [::]:{taken} v6only\n    bind *:{port} ssl crt a.pem\n"
        monkeypatch.setattr(haproxy, "runs", lambda: False)
        assert haproxy.taken(text) == [str(taken)]
        places["HAPROXY_CONFIGURATION"].write_text(text)
        assert haproxy.taken(text) == [str(taken)], "what is only written there is nobody's"
        monkeypatch.setattr(haproxy, "runs", lambda: True)
        assert haproxy.taken(text) == []


@pytest.mark.parametrize(
    ("before", "now"), [(CONFIGURATION, "goes on with the one before"), ("the package's", "balances nothing yet")]
)
def test_what_is_not_taken_up_is_put_back(places, master, monkeypatch, before, now):
    places["HAPROXY_CONFIGURATION"].write_text(before)
    places["HAPROXY_CERTIFICATE"].write_text("certificate before")
    monkeypatch.setattr(haproxy, "_take_up", lambda digest: "cannot bind")
    said = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_options: said.append(command))
    with pytest.raises(haproxy.HAProxyError, match=f"and {now}:\ncannot bind"):
        haproxy.enforce(haproxy.Wanted("shop", CONFIGURATION, "another"))
    assert places["HAPROXY_CONFIGURATION"].read_text() == before
    assert places["HAPROXY_CERTIFICATE"].read_text() == "certificate before"
    assert said == [["systemctl", "reload", "haproxy.service"]]


def test_what_is_taken_up_is_there_at_the_next_boot(places, master, monkeypatch):
    places["HAPROXY_CERTIFICATE"].write_text("certificate before")
    monkeypatch.setattr(haproxy, "_take_up", lambda digest: "")
    said = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_options: said.append(command))
    haproxy.enforce(haproxy.Wanted("shop", CONFIGURATION))
    assert not places["HAPROXY_CERTIFICATE"].exists()
    assert said == [["systemctl", "enable", "--quiet", "haproxy.service"]]


@pytest.mark.parametrize(("code", "told"), [(0, ""), (1, "[ALERT] (1) : parsing [/etc/haproxy/haproxy.cfg:3]")])
def test_it_is_read_beside_the_one_in_force(monkeypatch, code, told):
    seen = {}

    def run(command, **_options):
        path = command[-1]
        seen["text"] = path.read_text()
        seen["certificate"] = (path.parent / "certificate.pem").stat().st_mode & 0o777
        return subprocess.CompletedProcess(command, code, stdout="", stderr=f"[ALERT] (1) : parsing [{path}:3]")

    monkeypatch.setattr(subprocess, "run", run)
    text = f"bind *:443 ssl crt {haproxy.HAPROXY_CERTIFICATE}\n"
    assert haproxy.refused(haproxy.Wanted("shop", text, "secret")) == told
    assert str(haproxy.HAPROXY_CERTIFICATE) not in seen["text"]
    assert seen["certificate"] == 0o600

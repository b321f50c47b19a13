# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import re
import threading

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.module_utils.health_classes import CLASSES
from ansible_collections.switchyard.django.plugins.modules import health_probe


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(dict(self.headers))
        known = self.headers["Host"] == "shop.example"
        body = b"all is well" if known else b"<h1>Bad Request (400)</h1>"
        self.send_response(self.server.status if known else 400)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Keep the test's output to itself."""


@pytest.fixture
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.status, server.location = [], 200, ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(capfd):
    def run_module(**arguments):
        with patch_module_args(arguments), pytest.raises(SystemExit) as ending:
            health_probe.main()
        output = capfd.readouterr().out
        return ending.value.code, json.loads(output), output

    return run_module


def test_well(site, run):
    code, result, _output = run(
        port=site.server_port, virtual_host="shop.example", body="well", successes=2, interval=0.01
    )
    assert code == 0
    assert result["changed"] is False
    assert result["failure"] is None
    assert result["attempt_count"] == len(result["attempts"]) == 2
    assert set(result["latency_ms"]) == {"min", "median", "max"}
    assert re.fullmatch(r"GET / over 127\.0\.0\.1:\d+: 200 in [\d.]+ ms \(median\), [\d.]+ s in all", result["msg"])


def test_ill(site, run):
    code, result, _output = run(port=site.server_port, path="/health/", deadline=0.1)
    assert code == 1
    assert result["failed"] is True
    assert result["failure"] == "disallowed_host"
    assert result["msg"] == (
        f"GET /health/ over 127.0.0.1:{site.server_port}: disallowed_host: "
        "HTTP/1.1 400 Bad Request: Bad Request (400). Add the domain to ALLOWED_HOSTS."
    ).replace("HTTP/1.1", "HTTP/1.0")


def test_it_probes_in_check_mode_too(site, run):
    code, result, _output = run(port=site.server_port, virtual_host="shop.example", _ansible_check_mode=True)
    assert (code, result["changed"], len(site.seen)) == (0, False, 1)


def test_secret_headers_are_sent_and_not_shown(site, run):
    _code, _result, output = run(
        port=site.server_port,
        virtual_host="shop.example",
        headers={"X-Forwarded-Proto": "https", "X-Number": 7},
        secret_headers={"Authorization": "Bearer hunter2"},
    )
    sent = site.seen[0]
    assert (sent["Authorization"], sent["X-Forwarded-Proto"], sent["X-Number"]) == ("Bearer hunter2", "https", "7")
    assert "hunter2" not in output


def test_a_query_is_sent_and_not_shown(site, run):
    site.status, site.location = 302, "https://a.example/login?next=hunter2"
    code, result, _output = run(port=site.server_port, virtual_host="shop.example", path="/loop?a=hunter2", patience=0)
    assert (code, result["failure"]) == (1, "redirect")
    assert result["attempts"][0]["check"] == "GET /loop?…"
    assert result["msg"].startswith(f"GET /loop?… over 127.0.0.1:{site.server_port}: redirect: ")
    assert "https://a.example/login?… Probe the URL" in result["msg"]
    del result["invocation"]
    assert "hunter2" not in json.dumps(result)


def test_websocket_path_adds_a_handshake(site, run):
    _code, result, _output = run(
        port=site.server_port, virtual_host="shop.example", websocket_path="/ws/", deadline=0.1
    )
    assert [attempt["failure"] for attempt in result["attempts"]] == [None, "no_upgrade"]
    assert result["msg"].startswith("WebSocket /ws/ over ")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"server_name": "pay.example", "virtual_host": "shop.example"}, "pay.example"),
        ({"virtual_host": "shop.example:8443"}, "shop.example"),
        ({"virtual_host": "[::1]:8443"}, "::1"),
        ({"host": "10.0.0.7"}, "10.0.0.7"),
        ({"unix_socket": "/run/shop.sock"}, "localhost"),
    ],
)
def test_the_name_by_which_the_server_proves_itself(arguments, name):
    params = {"server_name": None, "virtual_host": None, "unix_socket": None, "host": "127.0.0.1", **arguments}
    assert health_probe.server_name(params) == name


def test_tls_is_asked_for(site, run):
    code, result, _output = run(port=site.server_port, tls=True, virtual_host="shop.example", patience=0)
    assert (code, result["failure"]) == (1, "tls_handshake")
    assert f"127.0.0.1:{site.server_port} (TLS, shop.example)" in result["msg"]


def test_json_and_events_are_asked_for(site, run):
    _code, result, _output = run(
        port=site.server_port, virtual_host="shop.example", json={"ok": True}, events_path="/events/", deadline=0.1
    )
    assert [attempt["failure"] for attempt in result["attempts"][:2]] == ["wrong_json", "not_an_event_stream"]


def test_patience(site, run):
    code, result, _output = run(port=site.server_port, patience=0)
    assert (code, result["failure"], result["attempt_count"]) == (1, "disallowed_host", 1)


def test_a_unit_that_does_not_exist_ends_the_wait(run, tmp_path, monkeypatch):
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho LoadState=not-found\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    code, result, _output = run(unix_socket=str(tmp_path / "x.sock"), unit="shop@1.service", deadline=60)
    assert (code, result["failure"]) == (1, "unit_failed")
    assert "shop@1.service does not exist" in result["msg"]
    assert result["elapsed_ms"] < 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of the following is required: unix_socket, port"),
        ({"port": 80, "unix_socket": "/run/x"}, "mutually exclusive"),
        ({"port": 80, "path": "/\r\nX-Evil: 1"}, "path: "),
        ({"port": 80, "virtual_host": "a\r\nX-Evil: 1"}, "control character"),
        ({"port": 80, "virtual_host": "bad host"}, "virtual_host: 'bad host' is not a valid Host"),
        ({"port": 80, "virtual_host": ""}, "virtual_host: '' is not a valid Host"),
        ({"port": 80, "virtual_host": "bad host", "tls": True}, "virtual_host: 'bad host' is not a valid Host"),
        ({"port": 80, "virtual_host": "[a", "tls": True}, "virtual_host: '[a' has no name"),
        ({"port": 80, "virtual_host": ":443", "tls": True}, "virtual_host: ':443' has no name"),
        ({"port": 80, "host": "bad host", "tls": True}, "host: 'bad host' is neither"),
        ({"port": 80, "headers": {"X-A": "ä"}}, "headers: the value of X-A contains a letter beyond ASCII"),
        ({"port": 80, "secret_headers": {"X-Key": "ä"}}, "secret_headers: the value of X-Key contains a letter"),
        ({"port": 80, "secret_headers": {"X-Key": None}}, "secret_headers: the value of X-Key is neither a text nor"),
        ({"port": 80, "headers": {"X-A": ["b"]}}, "headers: the value of X-A is neither a text nor a number"),
        ({"port": 80, "response_headers": {"X-A": None}}, "response_headers: the value of X-A is neither a text nor"),
        ({"port": 80, "ca_path": "/nowhere.pem"}, "ca_path: it counts with TLS alone; set tls to true"),
        ({"port": 80, "server_name": "shop.example"}, "server_name: it counts with TLS alone"),
        ({"port": 80, "validate_certs": False}, "validate_certs: it counts with TLS alone"),
        ({"port": 80, "events_timeout": 3}, "events_path"),
        ({"port": 80, "websocket_subprotocols": ["a"]}, "websocket_subprotocols: there is no handshake"),
        ({"port": 80, "status": [200, 9999]}, "status: 9999 is no status of HTTP"),
        ({"port": 80, "headers": {"host": "a"}}, "headers: host goes into the option virtual_host"),
        ({"port": 80, "headers": {"Cookie": "a=b"}}, "headers: Cookie goes into the option secret_headers"),
        (
            {"port": 80, "secret_headers": {"Host": "shop.example"}},
            "secret_headers: Host goes into the option virtual_host",
        ),
        ({"port": 80, "tls": True, "ca_path": "/nowhere.pem"}, "ca_path: '/nowhere.pem'"),
        ({"port": 80, "websocket_path": "/", "websocket_send": "x"}, "websocket_expect"),
        ({"port": 80, "websocket_expect": "x"}, "websocket_path"),
        ({"port": 80, "backoff": 0.5}, "backoff: 0.5"),
        ({"port": 80, "unit": "-evil"}, "not the name of a systemd unit"),
        ({"port": 80, "method": "POST"}, "value of method must be one of: GET, HEAD"),
    ],
)
def test_bad_options_are_refused(run, monkeypatch, arguments, message):
    monkeypatch.setattr(health_probe.AnsibleModule, "get_bin_path", lambda *_a, **_k: "/bin/false")
    code, result, _output = run(**arguments)
    assert code == 1
    assert message in result["msg"]


def test_the_documented_classes_are_those_of_the_table():
    documented = yaml.safe_load(health_probe.RETURN)["failure"]["description"]
    table = [f"V({one.name}) - {one.when}" + (" It lasts." if one.lasts else "") for one in CLASSES.values()]
    assert [line for line in documented if " - " in line] == table


def test_every_option_that_a_class_names_exists():
    named = {name for one in CLASSES.values() for name in re.findall(r"O\((\w+)\)", one.when)}
    assert named <= set(health_probe.ARGUMENT_SPEC)
    assert len(named) > 8


def test_the_documented_options_are_those_of_the_module():
    documented = yaml.safe_load(health_probe.DOCUMENTATION)["options"]
    assert set(documented) == set(health_probe.ARGUMENT_SPEC)
    for name, option in documented.items():
        spec = health_probe.ARGUMENT_SPEC[name]
        for key in ("type", "default", "choices", "elements"):
            assert option.get(key) == spec.get(key), (name, key)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_probe before real servers, each of them wrong in one way or right: the folder probe/ has them.

The module runs as users run it, through Ansible; one playbook asks all the questions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from controller import ROOT, TESTBED, Host

FOLDER = ROOT / "tests/integration/probe"

# What all questions have in common: each thing is asked once, as no pause fits into the deadline.
COMMON = {
    "virtual_host": "shop.example.com",
    "connect_timeout": 1,
    "read_timeout": 3,
    "deadline": 5,
    "interval": 5,
    "patience": 0,
}
# Where nothing listens, the probe looks again and again before an interval is over.
SOON_OVER = {"deadline": 0.5}
ASKERS = 4
CA = "/opt/probe/certificates/ca.pem"


def socket(name: str) -> dict[str, Any]:
    return {"unix_socket": f"/run/probe/{name}.sock", "path": "/health/"}


def page(path: str, port: int = 8080) -> dict[str, Any]:
    return {"port": port, "path": path}


def secured(port: int, **options: Any) -> dict[str, Any]:
    return {"port": port, "path": "/health/", "tls": True, "ca_path": CA, **options}


def channel(path: str, **options: Any) -> dict[str, Any]:
    return {**page("/health/"), "websocket_path": path, **options}


def echo(path: str, **options: Any) -> dict[str, Any]:
    return channel(path, websocket_send="ping", websocket_expect="ping", **options)


@dataclass(frozen=True)
class Wrong:
    """A misconfiguration: what is asked, and the class, the evidence and the hint that must come back."""

    options: dict[str, Any]
    failure: str
    evidence: str
    hint: str
    status: int | None = None


WRONG: dict[str, Wrong] = {
    # --- no connection
    "the socket is missing": Wrong(
        {**socket("nobody"), **SOON_OVER}, "no_socket", "No such file", "has not made its socket"
    ),
    "the socket was left by a dead process": Wrong(
        {**socket("killed"), **SOON_OVER}, "refused", "refused", "stale socket file"
    ),
    "the socket is a folder": Wrong(
        {"unix_socket": "/run/probe", **SOON_OVER}, "no_socket", "a folder, not a socket", "unix_socket"
    ),
    "nothing listens on the port": Wrong({**page("/", 9), **SOON_OVER}, "refused", "refused", "Nothing listens there"),
    "all workers are stuck and the queue is full": Wrong(socket("stuck"), "connect_timeout", "no connection", "stuck"),
    "the server accepts and never answers": Wrong(
        {**page("/", 9001), "read_timeout": 1}, "read_timeout", "no complete answer", "slow query"
    ),
    "the view is too slow": Wrong(
        {**socket("asgi"), "path": "/slow/?seconds=9", "read_timeout": 1},
        "read_timeout",
        "no complete answer",
        "slow query",
    ),
    "the name does not resolve": Wrong({"host": "shop.invalid", "port": 80}, "dns", "", "does not resolve"),
    "the socket is one for datagrams": Wrong(
        {"unix_socket": "/run/systemd/journal/dev-log"}, "unreachable", "wrong type", "No connection to this address"
    ),
    "a mail server listens on the port": Wrong(page("/", 9003), "bad_http", "220 mail", "does not speak HTTP"),
    "the worker is killed in mid-answer": Wrong(
        {**socket("strict"), "path": "/drip/", "read_timeout": 20, "deadline": 20, "interval": 20},
        "reset",
        "closed",
        "worker crashed",
    ),
    # --- TLS
    "the certificate has expired": Wrong(secured(8444), "tls_expired", "certificate has expired", "Renew"),
    "the certificate begins tomorrow": Wrong(secured(8447), "tls_not_yet_valid", "not yet valid", "clock"),
    "the certificate is another site's": Wrong(
        secured(8445), "tls_name_mismatch", "not valid for 'shop.example.com'", "server_name"
    ),
    "the certificate is self-signed": Wrong(secured(8446), "tls_untrusted", "self-signed certificate", "ca_path"),
    "the authority is not known to the system": Wrong(
        {"port": 8443, "tls": True}, "tls_untrusted", "unable to get local issuer certificate", "ca_path"
    ),
    "TLS is spoken to a plain port of nginx": Wrong(secured(8080), "tls_handshake", "", "speaks plain HTTP"),
    "TLS is spoken to a plain socket of gunicorn": Wrong(
        {**socket("wsgi"), "tls": True}, "tls_handshake", "", "speaks plain HTTP"
    ),
    "plain HTTP is spoken to a TLS port of nginx": Wrong(
        page("/health/", 8443), "tls_required", "plain HTTP request was sent to HTTPS port", "tls=true", 400
    ),
    "plain HTTP is spoken to a TLS port of uvicorn": Wrong(
        page("/health/", 9443), "tls_required", "a TLS handshake succeeds", "tls=true"
    ),
    "nginx has no certificate for the name": Wrong(
        secured(8449), "tls_handshake", "UNRECOGNIZED_NAME", "for this name"
    ),
    "nginx speaks an old TLS only": Wrong(secured(8450), "tls_handshake", "", "agree on no version"),
    "nginx wants a certificate from the client": Wrong(
        secured(8451), "bad_request", "No required SSL certificate was sent", "malformed", 400
    ),
    # --- Django
    "ALLOWED_HOSTS lacks the domain": Wrong(
        socket("hosts"), "disallowed_host", "Bad Request (400)", "ALLOWED_HOSTS", 400
    ),
    "nginx passes its upstream's name on as Host": Wrong(
        page("/without-host/"), "disallowed_host", "Bad Request (400)", "ALLOWED_HOSTS", 400
    ),
    "SECURE_SSL_REDIRECT without SECURE_PROXY_SSL_HEADER, behind nginx": Wrong(
        secured(8448), "https_redirect_loop", "https://shop.example.com/health/", "SECURE_PROXY_SSL_HEADER = ", 301
    ),
    "SECURE_SSL_REDIRECT without SECURE_PROXY_SSL_HEADER, on the socket": Wrong(
        {**socket("loops"), "headers": {"X-Forwarded-Proto": "https"}},
        "https_redirect_loop",
        "https://shop.example.com/health/",
        "SECURE_PROXY_SSL_HEADER = ",
        301,
    ),
    "the probe forgets X-Forwarded-Proto": Wrong(
        socket("redirects"), "redirect", "https://shop.example.com/health/", "X-Forwarded-Proto", 301
    ),
    "the page needs a login": Wrong(page("/account/"), "redirect", "/login/?…", "login", 302),
    "the final slash is missing": Wrong(page("/health"), "redirect", "/health/", "slash", 301),
    "the health path is another one": Wrong(page("/healthz/"), "not_found", "404 Not Found", "site_health_path", 404),
    "the view raises": Wrong(page("/error/"), "server_error", "500 Internal Server Error", "traceback", 500),
    # --- nginx
    "nginx redirects to another name": Wrong(page("/moved/"), "redirect", "https://www.shop.example.com", "URL", 301),
    "nginx asks for a password": Wrong(page("/private/"), "unauthorized", "401", "needs no login", 401),
    "nginx denies the address": Wrong(page("/denied/"), "unauthorized", "403 Forbidden", "address filter", 403),
    "the URL is too long": Wrong(page("/?" + "x" * 2000, 8081), "too_large", "414", "raise its limit", 414),
    "the cookies are too large": Wrong(
        {**page("/", 8081), "secret_headers": {"Cookie": "a=" + "x" * 2000}},
        "too_large",
        "Request Header Or Cookie Too Large",
        "raise its limit",
        400,
    ),
    "nginx stands before a dead server": Wrong(page("/dead/"), "bad_gateway", "502 Bad Gateway", "own socket", 502),
    "nginx waits in vain": Wrong(
        page("/impatient/?seconds=9"), "gateway_timeout", "504 Gateway Time-out", "own socket", 504
    ),
    "nginx limits requests": Wrong(
        {**page("/limited/"), "successes": 2, "interval": 0.1, "deadline": 0.5},
        "unavailable",
        "503 Service",
        "a limit on requests",
        503,
    ),
    "nginx is in maintenance": Wrong(page("/maintenance/"), "unavailable", "503 Service", "Maintenance mode", 503),
    # --- another answer
    "another body": Wrong(
        {**page("/health/"), "body": "release 43"}, "wrong_body", "expected to contain 'release 43'", "release", 200
    ),
    "a value in the JSON is another one": Wrong(
        {**page("/health/"), "json": {"status": "ok", "checks.1.up": True}},
        "wrong_json",
        "checks.1.up is false (expected true)",
        "look at the value",
        200,
    ),
    "the answer is not JSON": Wrong(
        {**page("/", 8081), "json": {"status": "ok"}}, "wrong_json", "well (the answer is not JSON)", "json", 200
    ),
    "another release answers": Wrong(
        {**page("/health/"), "response_headers": {"X-Release": "bd11e0c9a7f2"}},
        "wrong_header",
        "X-Release is '3f9c2a7d41b8'",
        "Another application or release",
        200,
    ),
    "the page is slower than it may be": Wrong(
        {**page("/slow/?seconds=0.6"), "latency_limit": 0.4}, "too_slow", "(limit 0.4 s)", "too few workers", 200
    ),
    # --- WebSocket
    "nginx does not pass Upgrade on": Wrong(
        channel("/without-upgrade/"), "no_upgrade", "404 Not Found", "the proxy passes Upgrade", 404
    ),
    "a WSGI server behind nginx": Wrong(channel("/to-wsgi/"), "no_upgrade", "200 OK", "WSGI server", 200),
    "a WSGI server": Wrong(
        {**socket("wsgi"), "websocket_path": "/ws/echo/"}, "no_upgrade", "404 Not Found", "on an ASGI server", 404
    ),
    "uvicorn without its WebSocket library": Wrong(
        {**socket("no-websockets"), "websocket_path": "/ws/echo/"}, "no_upgrade", "404 Not Found", "websockets or", 404
    ),
    "the path is not routed": Wrong(channel("/ws/nowhere/"), "no_upgrade", "500", "traceback", 500),
    "the origin is not allowed": Wrong(
        channel("/ws/echo/", headers={"Origin": "https://evil.example"}), "no_upgrade", "403", "ALLOWED_HOSTS", 403
    ),
    "a cache answers the handshake": Wrong(
        {**page("/health/", 9002), "status": [101], "websocket_path": "/ws/"},
        "bad_accept_key",
        "does not match the key",
        "cache or proxy",
        101,
    ),
    "another subprotocol": Wrong(
        channel("/ws/subprotocol/", websocket_subprotocols=["shop.v2"]),
        "wrong_subprotocol",
        "subprotocol shop.v1 was chosen, offered were: shop.v2",
        "Browsers refuse",
        101,
    ),
    "the consumer fails at once": Wrong(channel("/ws/broken/"), "reset", "dropped", "message broker", 101),
    "the consumer says nothing": Wrong(
        echo("/ws/silent/", read_timeout=1), "no_message", "the time was over", "did not answer", 101
    ),
    "another echo": Wrong(
        echo("/ws/shout/", read_timeout=1), "wrong_message", """'{"said": "PING"}'""", "Another consumer", 101
    ),
    # --- server-sent events
    "nginx buffers the events": Wrong(
        {**page("/health/"), "events_path": "/buffered/", "events_timeout": 1.5},
        "no_event",
        "within 1.5 s",
        "X-Accel-Buffering: no",
    ),
    "the stream has comments alone": Wrong(
        {**socket("asgi"), "events_path": "/comments/", "events_timeout": 1.5},
        "no_event",
        "no complete event within 1.5 s",
        "The view sends none",
        200,
    ),
    "the stream is a page": Wrong(
        {**page("/health/"), "events_path": "/health/"},
        "not_an_event_stream",
        "Content-Type is application/json",
        "text/event-stream",
        200,
    ),
}

LASTS = "the health path is another one, with patience"

# Asked by a user to whom nothing belongs.
WRONG_FOR_A_USER: dict[str, Wrong] = {
    "the socket is root's": Wrong(socket("closed"), "permission", "Permission denied", "Give the user who probes"),
}

RIGHT: dict[str, dict[str, Any]] = {
    "gunicorn's socket": socket("wsgi"),
    "uvicorn's socket": {**socket("asgi"), "successes": 3, "interval": 0.05},
    "root's socket, for root": socket("closed"),
    "nginx": {
        **page("/health/"),
        "json": {"status": "ok", "checks.0.name": "database", "checks.0.up": True},
        "response_headers": {"X-Release": "3f9c2a7d41b8"},
        "body": "database",
        "body_pattern": r'"status":\s*"ok"',
        "latency_limit": 2,
    },
    "HEAD": {**page("/health/"), "method": "HEAD"},
    "a redirect that is expected": {**page("/account/"), "status": [301, 302]},
    "a page with a password": {
        **page("/private/"),
        "secret_headers": {"Authorization": "Basic bW9uaXRvcjpvcGVuLXNlc2FtZQ=="},
    },
    "HTTPS with the authority's certificate": secured(8443),
    "HTTPS with a WebSocket": secured(8443, websocket_path="/ws/echo/", websocket_send="a", websocket_expect="a"),
    "HTTPS under another name": secured(8445, server_name="pay.example.com"),
    "HTTPS without a look at the certificate": secured(8446, validate_certs=False),
    "HTTPS with a self-signed certificate that is trusted": secured(8446, ca_path="/opt/probe/certificates/self.pem"),
    "uvicorn with TLS": secured(9443),
    "SECURE_SSL_REDIRECT with X-Forwarded-Proto": {**socket("redirects"), "headers": {"X-Forwarded-Proto": "https"}},
    "a WebSocket through nginx": echo("/ws/echo/"),
    "a WebSocket on the socket": {**socket("asgi"), "websocket_path": "/ws/echo/"},
    "a subprotocol": channel("/ws/subprotocol/", websocket_subprotocols=["shop.v2", "shop.v1"]),
    "events through nginx": {**page("/health/"), "events_path": "/flowing/", "events_timeout": 2},
    "events on the socket": {**socket("asgi"), "events_path": "/events/", "events_timeout": 2},
}


def with_common(options: dict[str, Any]) -> dict[str, Any]:
    return {**COMMON, **options}


def set_up(host: Host) -> None:
    """Start the servers on the host."""
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(FOLDER, "/opt/probe", filter=lambda member: None if "__pycache__" in member.name else member)
        packed.seek(0)
        into = [sys.executable, TESTBED, "exec", host.name, "--group", host.group, "--"]
        subprocess.run([*into, "tar", "-xC", "/"], stdin=packed, check=True)
    inventory = json.loads(host.inventory.read_text().split("\n", 1)[1])
    packages = inventory["all"]["vars"]["release_build_environment"]
    subprocess.run(
        [*into, "env", *(f"{name}={value}" for name, value in packages.items()), "sh", "/opt/probe/set_up.sh"],
        check=True,
    )


@pytest.fixture(scope="module", params=["bookworm", pytest.param("trixie", marks=pytest.mark.full)])
def answers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, Any]]]:
    """What the module returned to each question."""
    host = Host(group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_probe", release=request.param)
    host.down()
    host.up()
    try:
        set_up(host)
        yield ask(host, tmp_path_factory.mktemp("answers"))
    finally:
        host.down()


def ask(host: Host, folder: Path) -> dict[str, dict[str, Any]]:
    questions = {name: with_common(one.options) for name, one in WRONG.items()}
    questions |= {name: with_common(options) for name, options in RIGHT.items()}
    patient = {"patience": 0.5, "interval": 0.1, "backoff": 2, "deadline": 60}
    questions[LASTS] = with_common({**page("/healthz/"), **patient})
    of_a_user = {name: with_common(one.options) for name, one in WRONG_FOR_A_USER.items()}
    run = host.play(
        str(FOLDER / "probes.yml"),
        # Without it, options that come from a variable are warned of: facts of a host could become options.
        env={"ANSIBLE_INJECT_FACT_VARS": "false"},
        questions=questions,
        questions_of_a_user=of_a_user,
        answers=str(folder),
        askers=ASKERS,
    )
    assert run.rc == 0, run.output
    answers = [answer for file in folder.iterdir() for answer in json.loads(file.read_text())]
    return {answer["item"]["key"]: answer for answer in answers if "item" in answer}


@pytest.mark.parametrize("name", [*WRONG, *WRONG_FOR_A_USER])
def test_what_is_wrong_is_named(name: str, answers: dict[str, dict[str, Any]]) -> None:
    wrong = {**WRONG, **WRONG_FOR_A_USER}[name]
    answer = answers[name]
    assert answer["failure"] == wrong.failure, answer["msg"]
    assert wrong.evidence in answer["evidence"]
    assert answer["evidence"]
    assert wrong.hint in answer["hint"]
    assert answer["evidence"] in answer["msg"]
    assert answer["hint"] in answer["msg"]
    statuses = [attempt["status"] for attempt in answer["attempts"] if attempt["failure"] == wrong.failure]
    assert statuses[-1] == wrong.status
    assert len(answer["attempts"]) == answer["attempt_count"]
    assert answer["changed"] is False


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str, answers: dict[str, dict[str, Any]]) -> None:
    answer = answers[name]
    assert answer["failure"] is None, answer["msg"]
    assert all(attempt["ok"] for attempt in answer["attempts"])
    assert len(answer["attempts"]) == answer["attempt_count"]
    assert set(answer["latency_ms"]) == {"min", "median", "max"}


def test_a_failure_that_lasts_is_not_waited_out(answers: dict[str, dict[str, Any]]) -> None:
    answer = answers[LASTS]
    assert answer["failure"] == "not_found"
    assert 500 <= answer["elapsed_ms"] < 20_000
    begun = [attempt["at_ms"] for attempt in answer["attempts"]]
    pauses = [later - earlier for earlier, later in zip(begun, begun[1:], strict=False)]
    assert len(begun) == answer["attempt_count"] >= 3
    assert pauses[0] >= 100
    assert pauses[1] >= 200, "the pause grows by the factor of backoff"


def test_no_secret_is_returned(answers: dict[str, dict[str, Any]]) -> None:
    returned = dict(answers["a page with a password"])
    asked = returned.pop("item")  # Ansible's own, from the loop
    secret = asked["value"]["secret_headers"]["Authorization"]
    assert secret not in json.dumps(returned)

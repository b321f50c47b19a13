#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_probe
short_description: Ask a web application whether it is well, and name what ails it
version_added: 1.0.0
author: switchyard.django contributors (@switchyard)
description:
  - Sends HTTP requests to an application, over a unix socket, TCP or TLS, with the very headers that the proxy before
    it sends. If asked to, it makes WebSocket handshakes, exchanges a message, and waits for a server-sent event.
  - Repeats them until O(successes) rounds in a row have passed, until O(deadline) is over, or until a failure that does
    not heal by itself has stood for O(patience). While nothing listens yet it looks more often than O(interval), from
    every 50 milliseconds on, so that a quick start is seen at once.
  - Fails with the class of the failure (RV(failure)), the line of evidence (RV(evidence)) and what to do about it
    (RV(hint)).
  - Redirects are judged, never followed.
options:
  unix_socket:
    description:
      - Absolute path of the unix socket on which the application listens.
      - Exactly one of O(unix_socket) and O(port) must be given.
    type: path
  host:
    description:
      - Host name or address to connect to. Used with O(port).
    type: str
    default: 127.0.0.1
  port:
    description:
      - TCP port to connect to.
    type: int
  tls:
    description:
      - Whether to speak TLS there. Then the probe counts as a request over HTTPS.
    type: bool
    default: false
  ca_path:
    description:
      - A file or a hashed folder with the certificates, in PEM form, of the authorities to trust. Without it those are
        trusted that the system trusts. It needs O(tls).
    type: path
  validate_certs:
    description:
      - Whether the certificate must be valid now, be issued for O(server_name) and lead to a trusted authority.
        V(false) needs O(tls).
    type: bool
    default: true
  server_name:
    description:
      - The name that the server is asked for (SNI) and that its certificate must cover.
      - Without it that is O(virtual_host) without its port, or else O(host), or else C(localhost).
        It needs O(tls).
    type: str
  virtual_host:
    description:
      - The C(Host) header, for which the application looks in C(ALLOWED_HOSTS).
      - Without it C(localhost) is sent to a unix socket, and the address to a TCP port.
    type: str
  path:
    description:
      - Path and query to ask for. It begins with a slash, and blanks and letters beyond ASCII are percent-encoded.
      - The query appears in nothing that is returned, as it may hold a token. C(no_log=true) keeps it out of Ansible's
        own log of the options as well.
    type: str
    default: /
  method:
    description:
      - Method of the request.
    type: str
    choices: [GET, HEAD]
    default: GET
  headers:
    description:
      - Further headers to send, with the request, with the WebSocket handshake and for the events.
      - Each value is a text or a number.
      - C(Host) goes into O(virtual_host), and C(Authorization) and C(Cookie) into O(secret_headers).
      - C(Accept-Encoding=identity) is sent unless they have another one.
    type: dict
    default: {}
  secret_headers:
    description:
      - Headers to send as well, whose values appear in no output and no log.
    type: dict
    default: {}
  status:
    description:
      - The statuses that a healthy application may answer with, from 100 to 599.
    type: list
    elements: int
    default: [200]
  body:
    description:
      - Text that the answer must contain.
    type: str
  body_pattern:
    description:
      - Python regular expression that must match somewhere in the answer.
    type: str
  json:
    description:
      - Values that the answer, which must be JSON, must have. Each key is a dotted path to a value, in which a number
        counts in a list from 0, as in C(checks.0.state). Each value is a text, a number, a boolean or null.
      - A dot that belongs to a key has a backslash before it, as in C(versions.django\.contrib).
      - Texts and numbers are not the same, V("1") is not V(1).
    type: dict
    default: {}
  response_headers:
    description:
      - Headers that the answer must have, with their exact values.
    type: dict
    default: {}
  websocket_path:
    description:
      - Also make a real WebSocket handshake at this path in each round, and close it in an orderly way.
      - The site's own origin is sent as C(Origin) unless the headers have one. It begins with C(https) with O(tls) or
        if the headers say C(X-Forwarded-Proto=https).
    type: str
  websocket_subprotocols:
    description:
      - Subprotocols to offer in the handshake. The application must choose one of them, as browsers insist on it.
      - They need O(websocket_path).
    type: list
    elements: str
    default: []
  websocket_send:
    description:
      - A text message to send when the handshake is done. It needs O(websocket_expect).
    type: str
  websocket_expect:
    description:
      - Text that a message must contain that comes over the WebSocket within O(read_timeout) of the handshake, or of
        O(websocket_send). Messages without it, such as a greeting, are passed over.
    type: str
  events_path:
    description:
      - Also ask for server-sent events at this path in each round, until the first event has come in full.
    type: str
  events_timeout:
    description:
      - Seconds from the connection to the end of the first event, 10 if it is not set. It needs O(events_path).
    type: float
  successes:
    description:
      - How many rounds in a row must pass.
    type: int
    default: 1
  interval:
    description:
      - Seconds between two rounds.
    type: float
    default: 1
  backoff:
    description:
      - Factor, from 1 to 10, by which the pause grows after each further round that fails. After one that passes it is
        O(interval) again.
    type: float
    default: 1
  max_interval:
    description:
      - Seconds beyond which O(backoff) does not let the pause grow. O(interval) itself may be longer.
    type: float
    default: 10
  connect_timeout:
    description:
      - Seconds in which the connection must come about, the TLS handshake included.
    type: float
    default: 5
  read_timeout:
    description:
      - Seconds in which a request must be answered in full.
    type: float
    default: 10
  latency_limit:
    description:
      - Seconds from the beginning of an attempt to its answer beyond which a round counts as failed, although the
        answer was right. It holds for the request and for the WebSocket handshake.
    type: float
  patience:
    description:
      - Seconds after which a failure ends the probe that has stood since, and that lasts until somebody mends it.
        RV(failure) says which these are. Status 500 and above is none of them.
      - With V(0) the first such failure ends it. With the value of O(deadline) every failure is waited out.
    type: float
    default: 10
  deadline:
    description:
      - Seconds for all of it. A request that is under way then is cut off, and no pause is begun that would outlast
        it.
    type: float
    default: 60
  unit:
    description:
      - A systemd unit to watch. The wait ends at once when it has failed, does not exist, or has restarted more than
        once while it was probed.
    type: str
requirements:
  - python >= 3.9
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details:
      - It changes nothing and therefore probes in check mode as well. On a host without the application, skip it with
        C(when=not ansible_check_mode).
  diff_mode:
    description: Will return details on what has changed, or possibly needs changing, when in diff mode.
    support: none
    details:
      - There is nothing to change.
  platform:
    description: Target OS or family that can be operated against.
    platforms: posix
    support: full
notes:
  - An answer is read up to 1 MiB. One that comes compressed with gzip or deflate is decompressed, up to 1 MiB as well;
    a stream of events is not.
  - Resolving O(host) is left to the system's resolver, whose own time-out may exceed O(deadline). An address has no
    such wait.
seealso:
  - module: ansible.builtin.uri
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: Look which release is live
  switchyard.django.release_info:
    site: shop
  register: shop

- name: Ask its instance on its private socket, as nginx does
  switchyard.django.health_probe:
    unix_socket: "/run/shop/{{ shop.live }}/app.sock"
    virtual_host: shop.example.com
    headers:
      X-Forwarded-Proto: https
    path: /health/

- name: Wait for an instance that starts, but no longer than systemd keeps it up
  switchyard.django.health_probe:
    unix_socket: "/run/shop/{{ shop.live }}/app.sock"
    virtual_host: shop.example.com
    path: /health/
    successes: 3
    interval: 0.5
    backoff: 1.5
    deadline: 90
    unit: "shop@{{ shop.live }}.service"

- name: See the live release answer through nginx, and quickly
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /health/
    response_headers:
      X-Release: "{{ shop.live }}"
    latency_limit: 2

- name: Expect the health page to say that the database is well
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /health/
    json:
      status: ok
      database: ok

- name: See that nobody can read what nobody should, and don't wait for it
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /.env
    status: [403, 404]
    patience: 0

- name: Ask over HTTPS, with a certificate of the company's own authority
  switchyard.django.health_probe:
    port: 443
    tls: true
    ca_path: /etc/ssl/certs/shop-ca.pem
    virtual_host: shop.example.com
    path: /health/

- name: Send a message over a WebSocket and expect one that says hello
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /health/
    websocket_path: /ws/board/
    websocket_send: '{"type": "hello"}'
    websocket_expect: hello

- name: Expect the first server-sent event within three seconds
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /health/
    events_path: /events/
    events_timeout: 3

- name: Ask for a page behind basic authentication
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /health/
    secret_headers:
      Authorization: "Basic {{ shop_monitor_credentials | b64encode }}"
    body: database
"""

RETURN = r"""
msg:
  description:
    - What was asked and what came of it. On a failure also what to do.
  returned: always
  type: str
  sample: >-
    GET /health/ over unix:/run/shop/3f9c2a7d41b8/app.sock: disallowed_host: HTTP/1.1 400 Bad Request:
    Bad Request (400). Add the domain to ALLOWED_HOSTS.
failure:
  description:
    - The class of the failure, V(null) if there was none. It is that of the last round with a failure.
    - One that lasts does not heal by itself, and ends the probe after O(patience).
    - V(no_socket) - The unix socket does not exist, or what has its name is no socket.
    - V(permission) - The user who probes may not open the unix socket. It lasts.
    - V(refused) - Nothing listens on the port, or on a unix socket that a dead process left.
    - V(dns) - The host name does not resolve.
    - V(unreachable) - There is no way to the address.
    - V(connect_timeout) - No connection came about within O(connect_timeout).
    - V(tls_expired) - The certificate has expired. It lasts.
    - V(tls_not_yet_valid) - The certificate is not valid yet. It lasts.
    - V(tls_name_mismatch) - The certificate is for other names than O(server_name). It lasts.
    - V(tls_untrusted) - No authority that is trusted here has signed the certificate. It lasts.
    - V(tls_handshake) - The server refused or broke off the TLS handshake, or does not speak TLS. It lasts.
    - V(tls_required) - The port speaks TLS, and plain HTTP was sent to it. It lasts.
    - V(read_timeout) - The request was taken, and no complete answer came within O(read_timeout).
    - V(reset) - The connection was closed before the answer was complete.
    - V(bad_http) - What came back is not HTTP. It lasts.
    - V(disallowed_host) - Django answered with 400 because of the C(Host) header. It lasts.
    - V(https_redirect_loop) - A request that came over HTTPS was redirected to itself. It lasts.
    - V(redirect) - Any other redirect. It lasts.
    - V(bad_request) - Status 400 from anything but Django's check of the host. It lasts.
    - V(unauthorized) - Status 401 or 403. It lasts.
    - V(not_found) - Status 404. It lasts.
    - V(too_large) - Status 413, 414 or 431, or nginx's 400 for headers that are too large. It lasts.
    - V(server_error) - Status 500, or a WebSocket that was closed with 1011.
    - V(bad_gateway) - Status 502.
    - V(unavailable) - Status 503 or 429.
    - V(gateway_timeout) - Status 504.
    - V(wrong_status) - Any other status than those expected. It lasts.
    - V(wrong_body) - The answer lacks O(body), or O(body_pattern) does not match it.
    - V(wrong_json) - A value of O(json) is another one or missing, or the answer is not JSON.
    - V(wrong_header) - A header of O(response_headers) has another value or is missing.
    - V(too_slow) - The answer was right, and took longer than O(latency_limit).
    - V(no_upgrade) - The WebSocket handshake was not answered with a switch of protocols. It lasts.
    - V(bad_accept_key) - C(Sec-WebSocket-Accept) does not prove that the server read the key. It lasts.
    - V(wrong_subprotocol) - The server chose none of O(websocket_subprotocols), or one that was not offered. It
      lasts.
    - V(no_message) - No message came over the WebSocket within O(read_timeout).
    - V(wrong_message) - Messages came over the WebSocket, and none contained O(websocket_expect).
    - V(not_an_event_stream) - The answer to O(events_path) is not of the type text/event-stream. It lasts.
    - V(no_event) - No complete server-sent event came within O(events_timeout).
    - V(unit_failed) - The systemd unit O(unit) will not come up.
    - V(deadline) - Nothing failed, but the successes did not come within O(deadline).
  returned: when a probe was made
  type: str
  sample: disallowed_host
evidence:
  description:
    - What shows it, on one line. The status line with the redirect's target, the beginning of the page as plain text,
      or the exception that Django's debug page names. Empty if there was no failure.
  returned: when a probe was made
  type: str
  sample: "HTTP/1.1 400 Bad Request: Bad Request (400)"
hint:
  description:
    - What to do about it. Empty if there was no failure.
  returned: when a probe was made
  type: str
  sample: Add the domain to ALLOWED_HOSTS.
attempts:
  description:
    - All that was asked, in order. Of more than 300 attempts the first 100 and the last 200.
  returned: when a probe was made
  type: list
  elements: dict
  contains:
    check:
      description: What was asked.
      type: str
      sample: GET /health/
    ok:
      description: Whether the answer was as expected.
      type: bool
    status:
      description: Status of the answer, V(null) if none came.
      type: int
      sample: 200
    at_ms:
      description: When it began, in milliseconds from the beginning of the probe.
      type: float
      sample: 1004.6
    latency_ms:
      description: Milliseconds from its beginning to the full answer or to the failure.
      type: float
      sample: 4.2
    failure:
      description: The class of the failure, V(null) if there was none.
      type: str
    evidence:
      description: What was seen.
      type: str
      sample: HTTP/1.1 200 OK
    hint:
      description: What to do about it.
      type: str
attempt_count:
  description:
    - How many attempts there were, those left out of RV(attempts) included.
  returned: when a probe was made
  type: int
  sample: 3
latency_ms:
  description:
    - Of the attempts that were answered, the least, the median and the greatest latency in milliseconds. Empty if
      none was.
  returned: when a probe was made
  type: dict
  sample: {"min": 3.9, "median": 4.2, "max": 11.0}
elapsed_ms:
  description:
    - Milliseconds for all of it, pauses included.
  returned: when a probe was made
  type: float
  sample: 2012.4
"""

from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils.health_checks import validate_headers
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import (
    Check,
    EventsCheck,
    HttpCheck,
    Limits,
    Report,
    Target,
    WebSocketCheck,
    probe,
)
from ansible_collections.switchyard.django.plugins.module_utils.tls import Tls
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import UnitWatch

ARGUMENT_SPEC = {
    "unix_socket": {"type": "path"},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int"},
    "tls": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "server_name": {"type": "str"},
    "virtual_host": {"type": "str"},
    "path": {"type": "str", "default": "/"},
    "method": {"type": "str", "choices": ["GET", "HEAD"], "default": "GET"},
    "headers": {"type": "dict", "default": {}},
    "secret_headers": {"type": "dict", "default": {}, "no_log": True},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "body": {"type": "str"},
    "body_pattern": {"type": "str"},
    "json": {"type": "dict", "default": {}},
    "response_headers": {"type": "dict", "default": {}},
    "websocket_path": {"type": "str"},
    "websocket_subprotocols": {"type": "list", "elements": "str", "default": []},
    "websocket_send": {"type": "str"},
    "websocket_expect": {"type": "str"},
    "events_path": {"type": "str"},
    "events_timeout": {"type": "float"},
    "successes": {"type": "int", "default": 1},
    "interval": {"type": "float", "default": 1},
    "backoff": {"type": "float", "default": 1},
    "max_interval": {"type": "float", "default": 10},
    "connect_timeout": {"type": "float", "default": 5},
    "read_timeout": {"type": "float", "default": 10},
    "latency_limit": {"type": "float"},
    "patience": {"type": "float", "default": 10},
    "deadline": {"type": "float", "default": 60},
    "unit": {"type": "str"},
}

# Options that are the fields of Limits.
LIMITS = (
    *("successes", "interval", "backoff", "max_interval"),
    *("connect_timeout", "read_timeout", "latency_limit", "patience", "deadline"),
)

# Each has an option of its own, which keeps it apart or keeps it out of the logs.
OPTION_OF_HEADER = {
    "host": "virtual_host",
    "authorization": "secret_headers",
    "cookie": "secret_headers",
    "proxy-authorization": "secret_headers",
}


def request_headers(params: dict[str, Any]) -> dict[str, str]:
    """All headers to send. ValueError, with the option's name, where one is wrong or belongs into another option."""
    for name in params["headers"]:
        option = OPTION_OF_HEADER.get(name.lower())
        if option:
            raise ValueError(f"headers: {name} goes into the option {option}")
    if any(name.lower() == "host" for name in params["secret_headers"]):
        raise ValueError("secret_headers: Host goes into the option virtual_host")
    plain, secret = header_texts(params, "headers"), header_texts(params, "secret_headers")
    host = {} if params["virtual_host"] is None else {"Host": params["virtual_host"]}
    for option, headers in (("headers", plain), ("secret_headers", secret), ("virtual_host", host)):
        validate_headers(option, headers)
    return {**plain, **secret, **host}


def header_texts(params: dict[str, Any], option: str) -> dict[str, str]:
    """The headers of an option. A null, which a variable without a value leaves, would go out as the text None."""
    for name, value in params[option].items():
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"{option}: the value of {name} is neither a text nor a number")
    return {name: str(value) for name, value in params[option].items()}


def requested_target(params: dict[str, Any]) -> Target:
    place = Target(params["unix_socket"], params["host"], params["port"] or 0)
    if params["tls"]:
        return replace(place, tls=Tls(server_name(params), params["ca_path"], params["validate_certs"]))
    for option in ("ca_path", "server_name"):
        if params[option] is not None:
            raise ValueError(f"{option}: it counts with TLS alone; set tls to true, or remove {option}")
    if not params["validate_certs"]:
        raise ValueError("validate_certs: it counts with TLS alone; set tls to true, or remove validate_certs")
    return place


def server_name(params: dict[str, Any]) -> str:
    """The name by which the server must prove itself: by default the one under which visitors come."""
    if params["server_name"] is not None:
        return params["server_name"]
    if params["virtual_host"] is not None:
        return name_in(params["virtual_host"])
    return "localhost" if params["unix_socket"] else params["host"]


def name_in(virtual_host: str) -> str:
    """The name or address in a Host header, which may have a port behind it."""
    try:
        name = urlsplit("//" + virtual_host).hostname
    except ValueError:
        name = None
    if not name:
        raise ValueError(f"virtual_host: {virtual_host!r} has no name for the certificate; set server_name as well")
    return name


def requested_checks(params: dict[str, Any]) -> list[Check]:
    headers = request_headers(params)
    checks: list[Check] = [
        HttpCheck(
            path=params["path"],
            method=params["method"],
            headers=headers,
            statuses=tuple(params["status"]),
            body_contains=params["body"],
            body_pattern=params["body_pattern"],
            json=params["json"],
            response_headers=header_texts(params, "response_headers"),
        )
    ]
    if params["websocket_subprotocols"] and params["websocket_path"] is None:
        raise ValueError("websocket_subprotocols: there is no handshake; set websocket_path as well")
    if params["websocket_path"] is not None:
        checks.append(
            WebSocketCheck(
                path=params["websocket_path"],
                headers=headers,
                subprotocols=tuple(params["websocket_subprotocols"]),
                send=params["websocket_send"],
                expect=params["websocket_expect"],
            )
        )
    if params["events_path"] is not None:
        timeout = {} if params["events_timeout"] is None else {"timeout": params["events_timeout"]}
        checks.append(EventsCheck(params["events_path"], headers, **timeout))
    return checks


def requested_limits(params: dict[str, Any]) -> Limits:
    return Limits(**{name: params[name] for name in LIMITS if params[name] is not None})


def message(target: Target, checks: list[Check], report: Report) -> str:
    asked = report.check or ", ".join(str(check) for check in checks)
    subject = f"{asked} over {target}"
    if not report.ok:
        stop = "" if report.evidence.endswith((".", "…")) else "."
        return f"{subject}: {report.failure}: {report.evidence}{stop} {report.hint}"
    answers = ", ".join(str(attempt.status) for attempt in report.attempts[-len(checks) :])
    return (
        f"{subject}: {answers} in {report.latency_ms['median']:g} ms (median), {report.elapsed_ms / 1000:.1f} s in all"
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("unix_socket", "port")],
        required_one_of=[("unix_socket", "port")],
        required_by={
            "websocket_send": ("websocket_path", "websocket_expect"),
            "websocket_expect": "websocket_path",
            "events_timeout": "events_path",
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        # The checks first: what is wrong with virtual_host is wrong with the name that TLS takes from it as well.
        checks = requested_checks(params)
        target = requested_target(params)
        limits = requested_limits(params)
        give_up = UnitWatch(params["unit"], module.get_bin_path("systemctl", required=True)) if params["unit"] else None
    except ValueError as error:
        module.fail_json(msg=str(error))
    report = probe(target, checks, limits, give_up)
    result = asdict(report)
    del result["ok"], result["check"], result["lasts"]
    result["msg"] = message(target, checks, report)
    if report.ok:
        module.exit_json(changed=False, **result)
    module.fail_json(**result)


if __name__ == "__main__":
    main()

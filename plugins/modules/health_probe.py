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
  - Sends HTTP requests, and WebSocket handshakes if asked to, to an application over a unix socket or TCP, with the
    very headers that the proxy before it sends.
  - Repeats them until O(successes) rounds in a row have passed or O(deadline) is over. While nothing listens yet it
    looks more often than O(interval), from every 50 milliseconds on, so that a quick start is seen at once.
  - Fails with the kind of failure (RV(failure)), the line of evidence (RV(evidence)) and what to do about it
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
  virtual_host:
    description:
      - The C(Host) header, for which the application looks in C(ALLOWED_HOSTS).
      - Without it C(localhost) is sent to a unix socket, and the address to a TCP port.
    type: str
  path:
    description:
      - Path and query to ask for. It begins with a slash, and blanks and letters beyond ASCII are percent-encoded.
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
      - Further headers to send, with the request and with the WebSocket handshake.
      - C(Host) goes into O(virtual_host), and C(Authorization) and C(Cookie) into O(secret_headers).
    type: dict
    default: {}
  secret_headers:
    description:
      - Headers to send as well, whose values appear in no output and no log.
    type: dict
    default: {}
  status:
    description:
      - The statuses that a healthy application may answer with.
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
  response_headers:
    description:
      - Headers that the answer must have, with their exact values.
    type: dict
    default: {}
  websocket_path:
    description:
      - Also make a real WebSocket handshake at this path in each round, and close it in an orderly way.
      - The site's own origin is sent as C(Origin), with C(https) if the headers say C(X-Forwarded-Proto=https),
        unless the headers have one.
    type: str
  websocket_subprotocols:
    description:
      - Subprotocols to offer in the handshake. The application must choose one of them, as browsers insist on it.
    type: list
    elements: str
    default: []
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
  timeout:
    description:
      - Seconds that a request may take to connect, and again to be answered in full.
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
  - An answer is read up to 1 MiB.
  - Resolving O(host) is left to the system's resolver, whose own time-out may exceed O(deadline). An address has no
    such wait.
seealso:
  - module: ansible.builtin.uri
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: Ask an instance on its private socket, as nginx does
  switchyard.django.health_probe:
    unix_socket: /run/shop/3f9c2a7d41b8/app.sock
    virtual_host: shop.example.com
    headers:
      X-Forwarded-Proto: https
    path: /health/

- name: Wait for a new instance, but no longer than systemd keeps it up
  switchyard.django.health_probe:
    unix_socket: /run/shop/3f9c2a7d41b8/app.sock
    virtual_host: shop.example.com
    path: /health/
    websocket_path: /ws/
    successes: 3
    deadline: 90
    unit: shop@3f9c2a7d41b8.service

- name: See the new release answer through the edge
  switchyard.django.health_probe:
    port: 80
    virtual_host: shop.example.com
    path: /health/
    response_headers:
      X-Release: 3f9c2a7d41b8

- name: Expect a page behind basic authentication
  switchyard.django.health_probe:
    host: 10.0.0.7
    port: 8000
    virtual_host: shop.example.com
    path: /admin/login/
    secret_headers:
      Authorization: "Basic {{ shop_monitor_credentials | b64encode }}"
    body: csrfmiddlewaretoken
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
    - The kind of failure, V(null) if there was none. It is that of the last round with a failure.
    - No connection is V(no_socket), V(permission), V(refused), V(dns), V(unreachable) or V(connect_timeout).
    - No answer is V(read_timeout), V(reset) or V(bad_http).
    - Django's own are V(disallowed_host) and V(https_redirect_loop).
    - Another status than expected is V(redirect), V(bad_request) (400), V(unauthorized) (401, 403), V(not_found)
      (404), V(too_large) (413, 414, 431), V(server_error) (500), V(bad_gateway) (502), V(unavailable) (503),
      V(gateway_timeout) (504) or V(wrong_status).
    - Another answer than expected is V(wrong_body) or V(wrong_header).
    - From a WebSocket it is V(no_upgrade) (another status than 101), V(bad_accept_key), V(wrong_header),
      V(server_error) (closed with 1011) or V(reset) (dropped as soon as it was accepted).
    - Without a verdict in time it is V(unit_failed) (O(unit) will not come up) or V(deadline) (nothing failed, but
      too slowly).
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
    - What was asked, in order. Of more than 20 attempts the first 5 and the last 15.
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
    latency_ms:
      description: Milliseconds from the beginning to the full answer or to the failure.
      type: float
      sample: 4.2
    failure:
      description: The kind of failure, V(null) if there was none.
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

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import (
    Check,
    HttpCheck,
    Limits,
    Report,
    Target,
    WebSocketCheck,
    probe,
)
from ansible_collections.switchyard.django.plugins.module_utils.unit_watch import UnitWatch

ARGUMENT_SPEC = {
    "unix_socket": {"type": "path"},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int"},
    "virtual_host": {"type": "str"},
    "path": {"type": "str", "default": "/"},
    "method": {"type": "str", "choices": ["GET", "HEAD"], "default": "GET"},
    "headers": {"type": "dict", "default": {}},
    "secret_headers": {"type": "dict", "default": {}, "no_log": True},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "body": {"type": "str"},
    "body_pattern": {"type": "str"},
    "response_headers": {"type": "dict", "default": {}},
    "websocket_path": {"type": "str"},
    "websocket_subprotocols": {"type": "list", "elements": "str", "default": []},
    "successes": {"type": "int", "default": 1},
    "interval": {"type": "float", "default": 1},
    "timeout": {"type": "float", "default": 10},
    "deadline": {"type": "float", "default": 60},
    "unit": {"type": "str"},
}

# Each has an option of its own, which keeps it apart or keeps it out of the logs.
OPTION_OF_HEADER = {
    "host": "virtual_host",
    "authorization": "secret_headers",
    "cookie": "secret_headers",
    "proxy-authorization": "secret_headers",
}


def request_headers(params: dict[str, Any]) -> dict[str, str]:
    """All headers to send. ValueError where one belongs into another option."""
    for name in params["headers"]:
        option = OPTION_OF_HEADER.get(name.lower())
        if option:
            raise ValueError(f"headers: {name} goes into the option {option}")
    if any(name.lower() == "host" for name in params["secret_headers"]):
        raise ValueError("secret_headers: Host goes into the option virtual_host")
    headers = {**params["headers"], **params["secret_headers"]}
    if params["virtual_host"] is not None:
        headers["Host"] = params["virtual_host"]
    return {name: str(value) for name, value in headers.items()}


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
            response_headers={name: str(value) for name, value in params["response_headers"].items()},
        )
    ]
    if params["websocket_path"] is not None:
        subprotocols = tuple(params["websocket_subprotocols"])
        checks.append(WebSocketCheck(params["websocket_path"], headers, subprotocols))
    return checks


def requested_limits(params: dict[str, Any]) -> Limits:
    return Limits(
        connect_timeout=params["timeout"],
        read_timeout=params["timeout"],
        successes=params["successes"],
        interval=params["interval"],
        deadline=params["deadline"],
    )


def message(target: Target, checks: list[Check], report: Report) -> str:
    asked = report.check or ", ".join(str(check) for check in checks)
    subject = f"{asked} over {target}"
    if not report.ok:
        return f"{subject}: {report.failure}: {report.evidence.rstrip('.…')}. {report.hint}"
    answers = ", ".join(str(attempt.status) for attempt in report.attempts[-len(checks) :])
    return (
        f"{subject}: {answers} in {report.latency_ms['median']:g} ms (median), {report.elapsed_ms / 1000:.1f} s in all"
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=[("unix_socket", "port")],
        required_one_of=[("unix_socket", "port")],
        supports_check_mode=True,
    )
    params = module.params
    try:
        target = Target(params["unix_socket"], params["host"], params["port"] or 0)
        checks = requested_checks(params)
        limits = requested_limits(params)
        give_up = UnitWatch(params["unit"], module.get_bin_path("systemctl", required=True)) if params["unit"] else None
    except ValueError as error:
        module.fail_json(msg=str(error))
    report = probe(target, checks, limits, give_up)
    result = asdict(report)
    del result["ok"], result["check"]
    result["msg"] = message(target, checks, report)
    if report.ok:
        module.exit_json(changed=False, **result)
    module.fail_json(**result)


if __name__ == "__main__":
    main()

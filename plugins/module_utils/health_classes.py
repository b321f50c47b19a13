# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classes of failure that a probe tells apart: the one list, from which the module's documentation is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FailureClass:
    """A kind of failure.

    :param when: what was met, as a sentence
    :param hint: what to do about it
    :param lasts: whether it stays until somebody mends it, so that there is no point in a long wait
    :param blocks: whether everything else that is asked of the same target would meet it as well
    """

    name: str
    when: str
    hint: str
    lasts: bool = False
    blocks: bool = False


_NO_CONNECTION = (
    FailureClass(
        "no_socket",
        "The unix socket does not exist, or what has its name is no socket.",
        "The application server has not made its socket. See the unit's journal for why it did not start.",
        blocks=True,
    ),
    FailureClass(
        "permission",
        "The user who probes may not open the unix socket.",
        "Give the user who probes access to the socket and to search every directory above it.",
        lasts=True,
        blocks=True,
    ),
    FailureClass(
        "refused",
        "Nothing listens on the port, or on a unix socket that a dead process left.",
        "Nothing listens there: the application server is down, still starting, or left a stale socket file.",
        blocks=True,
    ),
    FailureClass(
        "dns",
        "The host name does not resolve.",
        "The host name does not resolve on this machine: correct the name, or use an address.",
        blocks=True,
    ),
    FailureClass(
        "unreachable",
        "There is no way to the address.",
        "No connection to this address: check the address, the route and the firewall.",
        blocks=True,
    ),
    FailureClass(
        "connect_timeout",
        "No connection came about within O(connect_timeout).",
        "Nothing takes the connection: a firewall drops it, or all workers are stuck and the queue is full.",
        blocks=True,
    ),
)

_TLS = (
    FailureClass(
        "tls_expired",
        "The certificate has expired.",
        "Renew the certificate, and have the server load it: nginx goes on with the old one until it is reloaded.",
        lasts=True,
        blocks=True,
    ),
    FailureClass(
        "tls_not_yet_valid",
        "The certificate is not valid yet.",
        "The clock of this machine, or of the one that issued the certificate, is wrong: check timedatectl.",
        lasts=True,
        blocks=True,
    ),
    FailureClass(
        "tls_name_mismatch",
        "The certificate is for other names than O(server_name).",
        "Have the certificate issued for this name as well. If the server has one that is, another of its sites "
        "answers: check its server names, and set server_name.",
        lasts=True,
        blocks=True,
    ),
    FailureClass(
        "tls_untrusted",
        "No authority that is trusted here has signed the certificate.",
        "Name the authority's certificate in ca_path. If it is a public one, the server does not send the "
        "intermediate certificates: give it the full chain.",
        lasts=True,
        blocks=True,
    ),
    FailureClass(
        "tls_handshake",
        "The server refused or broke off the TLS handshake, or does not speak TLS.",
        "Client and server agree on no version or cipher of TLS, or the server has no certificate for this name: see "
        "the server's error log.",
        lasts=True,
        blocks=True,
    ),
    FailureClass(
        "tls_required",
        "The port speaks TLS, and plain HTTP was sent to it.",
        "Set tls=true, or probe the port that speaks plain HTTP.",
        lasts=True,
        blocks=True,
    ),
)

_NO_ANSWER = (
    FailureClass(
        "read_timeout",
        "The request was taken, and no complete answer came within O(read_timeout).",
        "The application took the request and did not answer in time: look for a slow query, a database or cache out "
        "of reach, or a stuck worker; or raise the time-out.",
    ),
    FailureClass(
        "reset",
        "The connection was closed before the answer was complete.",
        "The application server closed the connection in mid-answer: a worker crashed, was killed for its memory or "
        "its time-out, or was restarting. See the unit's journal.",
    ),
    FailureClass(
        "bad_http",
        "What came back is not HTTP.",
        "What listens there does not speak HTTP: the wrong port or socket, or a uwsgi or FastCGI socket.",
        lasts=True,
    ),
)

_WRONG_STATUS = (
    FailureClass(
        "disallowed_host",
        "Django answered with 400 because of the C(Host) header.",
        "Add the domain to ALLOWED_HOSTS.",
        lasts=True,
    ),
    FailureClass(
        "https_redirect_loop",
        "A request that came over HTTPS was redirected to itself.",
        "The page leads to itself for ever: Django does not see that the request came over HTTPS. Put into the "
        'settings: SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https"), and have the proxy send '
        "X-Forwarded-Proto.",
        lasts=True,
    ),
    FailureClass(
        "redirect",
        "Any other redirect.",
        "Probe the URL that it leads to. A final slash may be missing, the page may need a login, or "
        "SECURE_SSL_REDIRECT is on and the probe did not send X-Forwarded-Proto: https.",
        lasts=True,
    ),
    FailureClass(
        "bad_request",
        "Status 400 from anything but Django's check of the host.",
        "If Django sent this, its ALLOWED_HOSTS lacks the Host that was sent, or a header is malformed.",
        lasts=True,
    ),
    FailureClass(
        "unauthorized",
        "Status 401 or 403.",
        "Probe a page that needs no login and that no address filter or middleware guards.",
        lasts=True,
    ),
    FailureClass(
        "not_found",
        "Status 404.",
        "Correct the path (of a site of this collection: site_health_path), or add it to the project's URLs.",
        lasts=True,
    ),
    FailureClass(
        "too_large",
        "Status 413, 414 or 431, or nginx's 400 for headers that are too large.",
        "The request is larger than the server accepts: raise its limit on bodies, headers or URLs.",
        lasts=True,
    ),
    FailureClass(
        "server_error",
        "Status 500, or a WebSocket that was closed with 1011.",
        "The application raised an exception: its traceback is in the unit's journal.",
    ),
    FailureClass(
        "bad_gateway",
        "Status 502.",
        "The proxy got no valid answer from the application server: probe that one's own socket.",
    ),
    FailureClass(
        "unavailable",
        "Status 503 or 429.",
        "Maintenance mode is on, the application reports itself unfit, a limit on requests is hit, or no worker is "
        "free.",
    ),
    FailureClass(
        "gateway_timeout",
        "Status 504.",
        "The proxy waited in vain for the application server: probe that one's own socket.",
    ),
    FailureClass(
        "wrong_status",
        "Any other status than those expected.",
        "Correct the status that is expected, or the view that answers.",
        lasts=True,
    ),
)

_WRONG_ANSWER = (
    FailureClass(
        "wrong_body",
        "The answer lacks O(body), or O(body_pattern) does not match it.",
        "Another application or release answers there, or the expected text has changed.",
    ),
    FailureClass(
        "wrong_json",
        "A value of O(json) is another one or missing, or the answer is not JSON.",
        "What the application says of itself is not what was expected: look at the value, or correct json.",
    ),
    FailureClass(
        "wrong_header",
        "A header of O(response_headers) has another value or is missing.",
        "Another application or release answers there, or the expected header has changed.",
    ),
    FailureClass(
        "too_slow",
        "The answer was right, and took longer than O(latency_limit).",
        "The first requests after a start may be slow: ask for several successes and give it time. If it stays slow, "
        "look for missing indexes, cold caches or too few workers.",
    ),
)

_WEBSOCKET = (
    FailureClass(
        "no_upgrade",
        "The WebSocket handshake was not answered with a switch of protocols.",
        "The server did not switch to WebSocket: it may be a WSGI server, an ASGI server without its WebSocket "
        "library, a path that is not routed, or a proxy that does not pass Upgrade and Connection on.",
        lasts=True,
    ),
    FailureClass(
        "bad_accept_key",
        "C(Sec-WebSocket-Accept) does not prove that the server read the key.",
        "What answers is not a WebSocket server, or a cache or proxy answers in its place.",
        lasts=True,
    ),
    FailureClass(
        "wrong_subprotocol",
        "The server chose none of O(websocket_subprotocols), or one that was not offered.",
        "Browsers refuse this: the consumer must accept with one of the subprotocols that are offered.",
        lasts=True,
    ),
    FailureClass(
        "no_message",
        "No message came over the WebSocket within O(read_timeout).",
        "The consumer did not answer: look for its traceback in the unit's journal, for a channel layer or message "
        "broker out of reach, and for a proxy that cuts the connection off.",
    ),
    FailureClass(
        "wrong_message",
        "Messages came over the WebSocket, and none contained O(websocket_expect).",
        "Another consumer or release answers there, or the expected text has changed.",
    ),
)

_EVENTS = (
    FailureClass(
        "not_an_event_stream",
        "The answer to O(events_path) is not of the type text/event-stream.",
        'Have the view answer with StreamingHttpResponse(…, content_type="text/event-stream").',
        lasts=True,
    ),
    FailureClass(
        "no_event",
        "No complete server-sent event came within O(events_timeout).",
        "The view sends none so soon, or a proxy keeps it back: send the header X-Accel-Buffering: no with the "
        "stream, or set proxy_buffering off and gzip off for its location in nginx. An event ends with a blank line.",
    ),
)

_NO_VERDICT = (
    FailureClass(
        "unit_failed",
        "The systemd unit O(unit) will not come up.",
        "The cause is in the unit's journal: journalctl --unit, followed by its name.",
    ),
    FailureClass(
        "deadline",
        "Nothing failed, but the successes did not come within O(deadline).",
        "Nothing failed, but the answers were too slow for so many in a row: raise the deadline.",
    ),
)

CLASSES: Mapping[str, FailureClass] = {
    one.name: one
    for group in (_NO_CONNECTION, _TLS, _NO_ANSWER, _WRONG_STATUS, _WRONG_ANSWER, _WEBSOCKET, _EVENTS, _NO_VERDICT)
    for one in group
}

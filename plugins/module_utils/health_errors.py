# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells from an exception what went wrong on the way to an answer."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

from ansible_collections.switchyard.django.plugins.module_utils.health_judge import Problem
from ansible_collections.switchyard.django.plugins.module_utils.http_connection import Stage
from ansible_collections.switchyard.django.plugins.module_utils.page_text import printable

# What OpenSSL finds wrong with a certificate (X509_V_ERR_…). Everything else is a matter of trust.
_BY_VERIFY_CODE = {
    9: "tls_not_yet_valid",
    10: "tls_expired",
    62: "tls_name_mismatch",
    64: "tls_name_mismatch",
}

# What OpenSSL says where the answer is not TLS at all; which of them depends on its version.
_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "UNKNOWN_PROTOCOL",
)
_NOT_TLS_HINT = "What listens there speaks plain HTTP, or no TLS at all: probe its TLS port, or set tls=false."

_NO_SOCKET_HINT = "Name in unix_socket the socket itself, as the application server's configuration does."

# A server's alert: content type 21, version 3.x.
_TLS_ALERT = "\x15\x03"


# With a goodbye and without one: which of them shows is a matter of moments.
_CLOSED_BY_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


def explain(error: Exception, stage: Stage, waited: str) -> Problem:
    """Which failure an exception stands for. The order matters: RemoteDisconnected is a BadStatusLine as well."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        failure = "connect_timeout" if stage is Stage.CONNECT else "read_timeout"
        return Problem(failure, f"no {stage.value} within {waited}")
    # UnicodeError: a name that cannot be written as a DNS name at all.
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return Problem("dns", _text(error))
    if isinstance(error, _CLOSED_BY_TLS) and stage is Stage.ANSWER:
        return Problem("reset", "the connection was closed without an answer")
    if isinstance(error, ssl.SSLError) or stage is Stage.TLS:
        return _explain_tls(error)
    if isinstance(error, OSError) and error.errno == errno.ENOTSOCK:
        return Problem("no_socket", _text(error), _NO_SOCKET_HINT)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Problem("no_socket", _text(error))
    if isinstance(error, PermissionError):
        return Problem("permission", _text(error))
    if isinstance(error, ConnectionRefusedError):
        return Problem("refused", _text(error))
    if isinstance(error, http.client.RemoteDisconnected):
        return Problem("reset", "the connection was closed without an answer")
    if isinstance(error, http.client.IncompleteRead):
        return Problem("reset", f"the connection was closed after {len(error.partial)} bytes of the body")
    if isinstance(error, ConnectionError):
        return Problem("reset", _text(error))
    if isinstance(error, http.client.BadStatusLine) and str(error).startswith(_TLS_ALERT):
        return Problem("tls_required", "the answer is an alert of the TLS protocol")
    if isinstance(error, http.client.HTTPException):
        return Problem("bad_http", printable(f"{type(error).__name__}: {error}"))
    return Problem("unreachable" if stage is Stage.CONNECT else "reset", _text(error))


def _explain_tls(error: Exception) -> Problem:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Problem(_BY_VERIFY_CODE.get(error.verify_code, "tls_untrusted"), printable(error.verify_message))
    if isinstance(error, (*_CLOSED_BY_TLS, ConnectionError)):
        return Problem("tls_handshake", "the server closed the connection in the TLS handshake")
    reason = getattr(error, "reason", None) or _text(error)
    return Problem("tls_handshake", printable(reason), _NOT_TLS_HINT if reason in _NOT_TLS else "")


def _text(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

# Made by switchyard.django. An app server behind a socket does not know what a visitor asked for: nginx says it in
# headers, and replaces those of the same name that a visitor sends.
import os

HEADERS = (b"host", b"x-forwarded-proto", b"x-real-ip", b"x-switchyard-release")
PORTS = {"http": 80, "https": 443}


def scheme(told, known):
    """http or https, as nginx tells; where it does not, as the server knows it."""
    if told in PORTS:
        return told
    return "https" if known in ("https", "wss") else "http"


def server(host, scheme):
    """The name and the port that a Host header asks for."""
    name, _colon, port = host.rpartition(":")
    if name and port.isdecimal() and len(port) <= 5:
        return name, int(port)
    return host, PORTS[scheme]


def is_stream(names):
    """Whether an answer is made as it goes: Django gives every other one its length. nginx passes it on as it comes."""
    return not any(name in (b"content-length", b"x-accel-buffering") for name in names)


def is_for_another(recipient):
    """Whether nginx meant another release: another site may have laid a link to this socket where its own was."""
    return bool(recipient) and recipient != os.environ.get("RELEASE_ID", recipient)

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a site's certificate from an authority that speaks ACME, with Debian's certbot and nginx as it is.

The authority asks for a file under each of the names. The site's own server answers it; for names that nginx does not
serve yet a server of a few lines does, for as long as it takes. Before the authority is asked we ask ourselves, for it
counts failures and then answers nobody for an hour.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk, units
from ansible_collections.switchyard.django.plugins.module_utils.certificate import (
    CERTBOT,
    TIMER,
    CertificateError,
    Wanted,
    challenge_server,
    fetch_due,
    judge,
    lineage,
    make,
    reload_nginx,
    run,
    try_nginx,
)
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

LOG = "/var/log/letsencrypt/letsencrypt.log"
# The timer keeps it and runs it after each renewal. It does nothing where nginx does not run.
DEPLOY_HOOK = "systemctl try-reload-or-restart nginx.service"
FOLDER = "/.well-known/acme-challenge"
# By which the server for the challenge says for which run it answers: nginx may still have the one of a run before.
MARK = "X-Switchyard-Question"
BUSY = "Another instance of Certbot is already running"
# A renewal of all that a host has may take so long, in seconds.
PATIENCE = 300
# nginx takes up a new configuration some time after it was told to, and for a moment a worker from before may still
# take a connection and drop it: the authority is sent there when every name has answered so many times in a row.
RELOAD_TAKES, IN_A_ROW = 10, 5
PROBLEM = re.compile(
    r"^\s*Domain:\s*(?P<domain>\S+)\n\s*Type:\s*(?P<type>\S+)\n\s*Detail:\s*(?P<detail>.+)$", re.MULTILINE
)
LONGEST_DETAIL = 300
DNS = (
    "The authority has to reach this host on port 80 under each of site_domains. See to the names' DNS records (A, and "
    "AAAA where there is one) and to the firewall, or take the names out of site_domains."
)
WAYS_OUT = [
    (
        re.compile(r"too many|rateLimited"),
        "The authority answers again when some time is over. Until then try with nginx_acme_directory: staging.",
    ),
    (
        re.compile(r"SSLError|CERTIFICATE_VERIFY_FAILED"),
        "This host does not trust the authority's server. Lay the certificate of who vouches for it into "
        "/usr/local/share/ca-certificates, with a name that ends in .crt, and run update-ca-certificates.",
    ),
    (
        re.compile(r"[Cc]onnect|resolve|timed out|unreachable"),
        "This host does not get to the authority. See to its DNS, its route and its firewall, and to "
        "nginx_acme_directory.",
    ),
]
UNCHANGED = "Nothing was changed; what is live goes on with the certificate that it has."


def settle(layout: Layout, wanted: Wanted, check_mode: bool = False) -> tuple[bool, str]:
    """Have the certificate that is wanted; say whether that changed, or would change, anything, and why.

    :raises CertificateError: why it can't be had; what is live was not touched
    """
    first = judge(layout, wanted)
    if first.problem:
        raise CertificateError(first.problem)
    left_over = challenge_server(layout).exists()
    if not first.due or check_mode:
        return bool(first.due) and (left_over or wanted.kind != "provided"), first.due
    clear(layout)
    second = judge(layout, wanted)
    if second.due and wanted.kind == "self_signed":
        make(layout, wanted)
    elif second.due and wanted.kind == "acme":
        fetch(layout, wanted)
    return left_over or bool(second.due and wanted.kind != "provided"), second.due or first.due


def clear(layout: Layout) -> None:
    """Take the server for the challenge away, also where a run that was cut off has left it."""
    if challenge_server(layout).exists():
        with disk.locked(layout.nginx_lock):
            disk.remove(challenge_server(layout))
            run(
                "systemctl", "reload", "nginx.service"
            )  # where it refuses what others have written, it serves as before


def fetch(layout: Layout, wanted: Wanted) -> None:
    """Have a certificate for all of the domains, and the timer that renews it.

    :raises CertificateError: why there is none; what is live was not touched
    """
    if fetch_due(layout, wanted):
        with _answering(layout, wanted):
            _ask_authority(layout, wanted)
    done = run("systemctl", "enable", "--now", TIMER)
    if done.returncode:
        raise CertificateError(
            f"nginx_tls acme: the certificate is there, but {TIMER}, which renews it, can't be started: "
            f"{done.stderr.strip()}"
        )


# --- what the authority sees -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _answering(layout: Layout, wanted: Wanted) -> Iterator[None]:
    """For as long as this lasts nginx answers the challenge under each of the names."""
    folder = layout.challenges / FOLDER.strip("/")
    name, content = f"switchyard-{secrets.token_hex(8)}", secrets.token_hex(16)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for left_over in folder.glob("switchyard-*"):  # by a run that was cut off
        left_over.unlink()
    question = folder / name
    disk.write(question, content.encode())
    try:
        if not units.is_active("nginx.service"):
            reload_nginx()  # which starts it
        silent = [domain for domain in wanted.names if _answer(domain, wanted.port, name) != content]
        _refuse_deaf_edge(layout, wanted, silent)
        if silent:
            with disk.locked(layout.nginx_lock):
                _put_up_server(layout, wanted, silent, name)
            _require_answers(wanted, name, content)
        yield
    finally:
        question.unlink(missing_ok=True)
        clear(layout)


def _answer(domain: str, port: int, name: str) -> str:
    """What nginx answers under a name, be it that it does not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        with contextlib.closing(connection):
            connection.request("GET", f"{FOLDER}/{name}", headers={"Host": domain})
            answer = connection.getresponse()
            if answer.getheader(MARK) not in (None, name):
                return "the server of a run before"
            return answer.read(1000).decode(errors="replace") if answer.status == 200 else f"status {answer.status}"
    except (OSError, http.client.HTTPException) as problem:
        return str(problem) or repr(problem)


def _refuse_deaf_edge(layout: Layout, wanted: Wanted, silent: Iterable[str]) -> None:
    """A name that the site is served under has to be answered by the site's own server: no other may come before it."""
    deaf = sorted(set(silent) & _served(layout, wanted.port))
    if not deaf:
        return
    names = ", ".join(deaf)
    if FOLDER not in layout.edge.read_text():
        raise CertificateError(
            f"nginx_tls acme: {layout.edge} is of an earlier version, which does not answer an authority's question "
            f"for {names}. Deploy once with nginx_tls: none, then again with nginx_tls: acme. {UNCHANGED}"
        )
    raise CertificateError(
        f"nginx_tls acme: nginx does not answer under {names} what lies in {layout.challenges}, though {layout.edge} "
        f"says so. See with nginx -T who else has the name, and whether nginx was reloaded since. {UNCHANGED}"
    )


def _served(layout: Layout, port: int) -> set[str]:
    """The names under which the site is live on a port."""
    try:
        edge = json.loads(layout.edge_names.read_text())
    except (OSError, ValueError):
        return set()
    return set(map(str.lower, edge["hosts"])) if layout.edge.exists() and edge["port"] == port else set()


def _put_up_server(layout: Layout, wanted: Wanted, names: list[str], question: str) -> None:
    disk.write(challenge_server(layout), _server(layout, wanted.port, names, question).encode())
    try:
        said = try_nginx()
    except CertificateError as problem:
        raise CertificateError(f"nginx_tls acme: {problem}\n{UNCHANGED}") from None
    # nginx would take the first of the two that it reads, and that may be ours: somebody's page would be gone.
    taken = [name for name in names if f'conflicting server name "{name}"' in said]
    if taken:
        raise CertificateError(
            f"nginx_tls acme: nginx serves {', '.join(taken)} already, by a server that is not {layout.site}'s and "
            "does not answer an authority's question. grep -r server_name /etc/nginx says where. Take it away, or have "
            f"it answer: location ^~ {FOLDER}/ {{ root {layout.challenges}; }}\n{UNCHANGED}"
        )
    reload_nginx()


def _server(layout: Layout, port: int, names: Iterable[str], question: str) -> str:
    listen = [f"    listen {port};", *([f"    listen [::]:{port};"] if _has_ipv6() else [])]
    return "\n".join(
        [
            f"# Answers an authority, while a deploy fetches the certificate of {layout.site}, and goes then.",
            "server {",
            *listen,
            f"    server_name {' '.join(names)};",
            f"    location ^~ {FOLDER}/ {{",
            f"        root {layout.challenges};",
            "        default_type text/plain;",
            f"        add_header {MARK} {question};",
            "    }",
            "    location / {",
            "        return 404;",
            "    }",
            "}",
            "",
        ]
    )


def _has_ipv6() -> bool:
    addresses = Path("/proc/net/if_inet6")
    return addresses.exists() and bool(addresses.read_text())


def _require_answers(wanted: Wanted, name: str, content: str) -> None:
    until, rounds = time.monotonic() + RELOAD_TAKES, 0
    while rounds < IN_A_ROW:
        answers = ((domain, _answer(domain, wanted.port, name)) for domain in wanted.names)
        wrong = next(((domain, answer) for domain, answer in answers if answer != content), None)
        rounds = 0 if wrong else rounds + 1
        if wrong and time.monotonic() > until:
            raise CertificateError(
                f"nginx_tls acme: the authority was not asked, for nginx does not answer here: "
                f"http://127.0.0.1:{wanted.port}{FOLDER}/{name} under the name {wrong[0]}: {wrong[1]}. journalctl -u "
                f"nginx.service and /var/log/nginx/error.log say why. {UNCHANGED}"
            )
        time.sleep(0.1)


# --- what the authority says -----------------------------------------------------------------------------------------


def _ask_authority(layout: Layout, wanted: Wanted) -> None:
    """Run certbot; where a renewal is at work, wait for it, and see whether there is still something to do."""
    until = time.monotonic() + PATIENCE
    while True:
        done = run(*command(layout, wanted))
        if not done.returncode:
            return
        if BUSY not in done.stdout + done.stderr:
            raise CertificateError(failure(layout, wanted, f"{done.stdout}\n{done.stderr}"))
        if time.monotonic() > until:
            raise CertificateError(
                f"nginx_tls acme: another certbot has been at work for {PATIENCE} s: systemctl status certbot.service. "
                f"Run this again when it has ended. {UNCHANGED}"
            )
        time.sleep(2)
        if not fetch_due(layout, wanted):
            return


def command(layout: Layout, wanted: Wanted) -> list[str]:
    """It runs only where something is due, so certbot is not asked whether it thinks so, too."""
    account = ["--email", wanted.email] if wanted.email else ["--register-unsafely-without-email"]
    return [
        *(CERTBOT, "certonly", "--non-interactive", "--agree-tos", "--no-eff-email", *account),
        *("--cert-name", lineage(layout, wanted), "--server", wanted.url, "--key-type", "ecdsa"),
        *("--webroot", "--webroot-path", str(layout.challenges), "--deploy-hook", DEPLOY_HOOK),
        # Of a lineage that is there already: certbot would wait longer, or somebody has given it other names by hand.
        *("--force-renewal", "--renew-with-new-domains"),
        *(part for name in wanted.names for part in ("--domain", name)),
    ]


def failure(layout: Layout, wanted: Wanted, said: str) -> str:
    """What certbot said, in short, and the way out."""
    problems = [f"{found['domain']}: {found['detail']}" for found in PROBLEM.finditer(said)]
    reasons = list(dict.fromkeys(problems)) or [_own_words(said)]
    way_out = DNS if problems else next((way for sign, way in WAYS_OUT if sign.search(reasons[0])), "")
    return "\n".join(
        [
            f"nginx_tls acme: {wanted.url} gave no certificate for {layout.site}:",
            *(f"  {_shortened(reason)}" for reason in reasons),
            f"{way_out} {LOG} has all of it. {UNCHANGED}".strip(),
        ]
    )


def _own_words(said: str) -> str:
    """certbot's reason, without where to ask for help; of an error within an error the inner one."""
    text = said.partition("An unexpected error occurred:\n")[2] or said
    lines = [line.strip() for line in text.partition("Ask for help")[0].splitlines() if line.strip()]
    reason = " ".join(lines[-3:]) or "certbot said nothing"
    cause = re.search(r"\(Caused by (.+)\)$", reason)
    return cause.group(1) if cause else reason


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]} …"

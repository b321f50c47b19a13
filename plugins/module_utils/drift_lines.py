# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a file for a diff, with all hidden that may be a secret: what is shown is known to be harmless."""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator

from ansible_collections.switchyard.django.plugins.module_utils.masking import HIDDEN

# --- units -----------------------------------------------------------------------------------------------------------

# What is set by numbers and fixed words: it is shown where it is.
_UNIT_HARMLESS = re.compile(
    r"Memory(?:Max|High|Low|Min|SwapMax|DenyWriteExecute)|Limit[A-Z]+|Timeout\w*Sec|Restart(?:Sec|Steps|MaxDelaySec)?|"
    r"StartLimit(?:IntervalSec|Burst)|Nice|CPU(?:Quota|Weight)|IOWeight|TasksMax|OOM(?:ScoreAdjust|Policy)|WatchdogSec|"
    r"RuntimeMaxSec|Kill(?:Mode|Signal)|Type|UMask|NoNewPrivileges|Private(?:Tmp|Devices|Network|Users)|"
    r"Protect(?:System|Home|Clock|Hostname|Proc|Kernel\w+|ControlGroups)|Restrict(?:Realtime|SUIDSGID|Namespaces)|"
    r"LockPersonality|DynamicUser|RemainAfterExit|SendSIGKILL|AccuracySec|RandomizedDelaySec|Persistent|OnBootSec|"
    r"OnUnitActiveSec"
)
# What has a text: by its name alone. A line that begins with no known name may go on with the one before.
_UNIT_NAMED = re.compile(
    r"(?:Set|Load|Import)Credential(?:Encrypted)?|(?:Pass|Unset)?Environment|EnvironmentFile|"
    r"Exec(?:Condition|Start(?:Pre|Post)?|Reload|Stop(?:Post)?)|User|Group|WorkingDirectory|Description|Documentation|"
    r"After|Before|Requires|Wants|BindsTo|PartOf|Conflicts|WantedBy|OnFailure|OnCalendar|Unit|Slice|Sockets|ListenStream|"
    r"Bind(?:ReadOnly)?Paths|(?:ReadWrite|ReadOnly|Inaccessible)Paths|TemporaryFileSystem|RootDirectory|"
    r"(?:Runtime|State|Cache|Logs)Directory|Standard(?:Input|Output|Error)|SyslogIdentifier|CapabilityBoundingSet|"
    r"AmbientCapabilities|SystemCall(?:Filter|Architectures)|RestrictAddressFamilies|IPAddress(?:Allow|Deny)"
)
_UNIT_SECTION = re.compile(r"\s*\[(?:Unit|Service|Install|Timer|Socket|Path)\]\s*")
_UNIT_LINE = re.compile(r"(?P<before>\s*[#;]?\s*)(?P<name>[A-Za-z]+)(?P<sign>\s*=\s*)(?P<value>.*?)\s*")
_UNIT_WORD = re.compile(
    r"-?\d{1,9}(?:\.\d{1,3})?(?:%|[KMGTPE]|us|ms|s|sec|m|min|h|d|w)?(?::\d{1,9}[KMGTPE]?)?|infinity|yes|no|true|false|on|"
    r"off|always|on-(?:failure|abnormal|success|abort|watchdog)|simple|exec|forking|oneshot|notify(?:-reload)?|idle|mixed|"
    r"control-group|process|none|full|strict|read-only|tmpfs|invisible|stop|continue|kill|SIG(?:TERM|INT|QUIT|KILL|HUP)"
)


def _of_unit(line: str) -> str:
    if not line.strip() or _UNIT_SECTION.fullmatch(line):
        return line
    found = _UNIT_LINE.fullmatch(line)
    if not found:
        return HIDDEN
    words = found["value"].split()
    if _UNIT_HARMLESS.fullmatch(found["name"]):
        return line if all(_UNIT_WORD.fullmatch(word) for word in words) else _named(found, HIDDEN)
    return _named(found, HIDDEN if words else "") if _UNIT_NAMED.fullmatch(found["name"]) else HIDDEN


def _named(found: re.Match[str], value: str) -> str:
    return f"{found['before']}{found['name']}{found['sign']}{value}"


# --- nginx -----------------------------------------------------------------------------------------------------------

_NGINX_HARMLESS = re.compile(
    r"client_(?:max_body_size|body_buffer_size|header_buffer_size)|large_client_header_buffers|keepalive(?:_requests)?|"
    r"(?:client_body|client_header|keepalive|lingering|send|proxy_connect|proxy_read|proxy_send|proxy_next_upstream|"
    r"resolver|ssl_session)_timeout|worker_(?:processes|connections|rlimit_nofile|shutdown_timeout)|listen|server_name|"
    r"server_tokens|proxy_(?:buffering|request_buffering|buffer_size|buffers|busy_buffers_size|http_version|"
    r"intercept_errors|next_upstream_tries)|gzip(?:_static|_comp_level|_min_length|_vary)?|sendfile|tcp_no(?:push|delay)|"
    r"expires|return|allow|deny|ssl_protocols|ssl_session_tickets|access_log|autoindex|http2|absolute_redirect"
)
_NGINX_NAMED = re.compile(
    r"add_header|proxy_(?:set_header|pass|redirect|hide_header|pass_header|cookie_path|cache\w{0,12})|set|fastcgi_param|"
    r"uwsgi_param|uwsgi_pass|fastcgi_pass|grpc_pass|if|location|upstream|server|http|map|geo|include|root|alias|rewrite|"
    r"try_files|error_page|ssl_(?:certificate|certificate_key|ciphers|trusted_certificate|session_cache)|error_log|"
    r"log_format|limit_(?:req|conn)(?:_zone|_status)?|auth_basic(?:_user_file)?|auth_request|resolver|zone|types|"
    r"default_type|internal|events|user"
)
_NGINX_LINE = re.compile(r"(?P<before>\s*#?\s*)(?P<name>[a-z_0-9]+)(?P<sign>\s*)(?P<value>.*?)(?P<end>\s*[{;]?)\s*")
_NGINX_WORD = re.compile(
    r"-?\d{1,9}(?:\.\d{1,3})?(?:[kKmMgGshdwy]|ms)?|on|off|all|auto|max|epoch|ssl|default_server|http2|reuseport|TLSv1(?:\.[123])?|"
    r"(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2}|:\d{1,5})?|\[::1?\]:\d{1,5}|\*:\d{1,5}"
)
_HOST_NAME = re.compile(r"_|(?:\*\.)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")


def _of_nginx(line: str) -> str:
    if line.strip() in ("", "}"):
        return line
    found = _NGINX_LINE.fullmatch(line)
    if not found:
        return HIDDEN
    words, is_harmless = found["value"].split(), _NGINX_HARMLESS.fullmatch(found["name"])
    if not is_harmless and not _NGINX_NAMED.fullmatch(found["name"]):
        return HIDDEN
    form = _HOST_NAME if found["name"] == "server_name" else _NGINX_WORD
    if not words or (is_harmless and all(form.fullmatch(word) and not _may_be_key(word) for word in words)):
        return line
    return _named(found, HIDDEN) + found["end"]


# --- code ------------------------------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"pwd|pass|secret|token|key|cred|dsn|private|salt|auth|cookie|"
    r"(?:\b|_)(?:pw|pins?|otp|totp|codes?|cvc|cvv|iban|ssn)(?:\b|_|\d)",
    re.IGNORECASE,
)
_KNOWN_KEY = re.compile(r"(?:sk|pk|rk|gh[opsur]|whsec)_|github_pat_|xox|AKIA|ASIA|-----BEGIN|eyJ|glpat-")
_LONG_KEY = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w+/=-]{20,}")
# A status, a size or a port; what is longer may open something, whatever its name.
_LONGEST_NUMBER = 3
_BLANK = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
# Since Python 3.12 a string with f before it has parts.
_START, _END = ([getattr(tokenize, f"{kind}STRING_{name}", -1) for kind in "FT"] for name in ("START", "END"))
_REPEATED = re.compile(rf"{re.escape(HIDDEN)}(?:\s*{re.escape(HIDDEN)})+")


def _may_be_key(text: str) -> bool:
    return len(text) > 80 or bool(_KNOWN_KEY.search(text) or _LONG_KEY.search(text))


def _of_python(text: str) -> list[str] | None:
    """Names, numbers and signs; no strings and no comments, and signs alone after the name of a secret in a statement.

    None where it is no Python: nothing tells then where a string begins.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        return None
    shown: dict[int, str] = {}
    ends: dict[int, int] = {}
    for start, end, word in _words(tokens):
        row, column = start
        indent = " " * max(column - ends.get(row, 0), 0)
        shown[row] = shown.get(row, "") + indent + word
        ends[end[0]] = end[1]
        for inner in range(row + 1, end[0] + 1):  # the rest of a string over many lines
            shown[inner] = HIDDEN
    return [_REPEATED.sub(HIDDEN, shown.get(row, "")) for row in range(1, len(split(text)) + 1)]


_Place = tuple[int, int]


def _words(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[tuple[_Place, _Place, str]]:
    """What stands for each token: where it begins and ends in the text, and what is shown for it."""
    is_secret, depth, started = False, 0, (0, 0)
    for token in tokens:
        if token.type == tokenize.NEWLINE and not depth:
            is_secret = False
        if token.type in _BLANK:
            continue
        is_named = bool(_SECRET_NAME.search(token.string)) and not keyword.iskeyword(token.string)
        if token.type in _START:
            started, depth = (token.start, 1) if not depth else (started, depth + 1)
        elif token.type in _END:
            depth -= 1
            if not depth:
                yield started, token.end, HIDDEN if is_secret else f'"{HIDDEN}"'
        elif not depth:
            is_value = token.type != tokenize.OP and not keyword.iskeyword(token.string)
            yield token.start, token.end, HIDDEN if is_secret and is_value else _word(token)
        is_secret = is_secret or (is_named and token.type != tokenize.COMMENT)


def _word(token: tokenize.TokenInfo) -> str:
    text = token.string
    if token.type == tokenize.COMMENT:
        return f"# {HIDDEN}"
    if token.type == tokenize.STRING:
        return text if text in ("''", '""') else f'"{HIDDEN}"'
    if token.type == tokenize.NUMBER:
        return text if len(text) <= _LONGEST_NUMBER else HIDDEN
    return HIDDEN if _may_be_key(text) else text


_OF_LINE = {"unit": _of_unit, "nginx": _of_nginx}
# What is longer is no line, and no code, to read, and costs time.
_LONGEST_LINE, _LONGEST_CODE = 300, 64 * 1024


def split(text: str) -> list[str]:
    """The lines of a text; those alone, unlike str.splitlines(), that Python's tokenizer counts."""
    return text.removesuffix("\n").split("\n") if text else []


def lines(kind: str, path: str, text: str) -> list[str]:
    """What is shown for each line of a text, as `split` has them.

    :param kind: unit, nginx or code; of code what is Python is shown in part, and nothing of the rest
    """
    given = split(text)
    if kind in _OF_LINE:
        return [_OF_LINE[kind](line) if len(line) <= _LONGEST_LINE else HIDDEN for line in given]
    python = _of_python(text) if path.endswith(".py") and len(text) <= _LONGEST_CODE else None
    return python if python is not None else [HIDDEN if line.strip() else "" for line in given]

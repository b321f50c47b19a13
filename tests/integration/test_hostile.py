# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no browser sends gets what it must, never reaches Django as something else, and nobody else notices.

Each test goes on where the one before ended.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import hostile
import pytest
import trial_site as trial
from controller import ROOT, Host
from hostile import Answer, Entry, Visitor

TABLE = ROOT / "tests/output/hostile.md"
SERVERS = {"asgi": trial.Server("asgi", "gunicorn_uvicorn"), "wsgi": trial.Server("wsgi", "gunicorn")}
MIDDLEWARE = [
    "liveboard.trial.recorded",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# What a project may look at for who comes, and whence; all of it is nginx's word, or is not there.
TOLD = ("HTTP_HOST", "HTTP_X_REAL_IP", "HTTP_PROXY", "REMOTE_ADDR", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT")
FORWARDED = re.compile(r"HTTP_X_FORWARDED|HTTP_FORWARDED|HTTP_X_URL_SCHEME")
STOCK = "/etc/nginx/sites-available/default"
RATE, BURST, EXCESS, AT_ONCE = 2, 5, 30, 3


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    one = trial.host_of(
        "hostile",
        trial.make(tmp_path_factory.mktemp("source")),
        site_settings_overrides={
            "ROOT_URLCONF": "liveboard.trial",
            "MIDDLEWARE": MIDDLEWARE,
            "MEDIA_URL": "/media/",
            "MEDIA_ROOT": "/srv/board/media",
        },
        nginx_client_max_body_size="1m",
        nginx_client_timeout=hostile.BODY_TIMEOUT,
        nginx_protected_media=["private"],
        cutover_settle=1,
        cutover_drain=5,
    )
    one.down()
    one.up()
    yield one
    one.down()


def unknown(host: Host) -> str:
    """What one gets who asks for a name that no site has."""
    visitor = Visitor(host.address)
    visitor.perform(Entry("", hostile.get("/", host=hostile.EVIL), ()))
    return visitor.outcome()


# --- who answers for unknown names


def test_a_default_server_made_by_hand_stays_and_the_run_says_so(host: Host) -> None:
    host.sh(f"cp -p {STOCK} /root/stock; echo '# by hand' >> {STOCK}")
    run = host.play("site.yml", serve_mode="asgi")
    assert run.rc == 0, run.output
    assert "/etc/nginx/sites-enabled/default is the default server of port 80 and stays" in " ".join(run.output.split())
    assert unknown(host) == "200"
    assert "by hand" in host.sh(f"cat {STOCK}; test -e /etc/nginx/sites-enabled/default")
    assert trial.visit(host)["interface"] == "ASGI"


def test_the_stock_site_goes_where_it_is_as_it_came(host: Host) -> None:
    host.sh(f"cp -p /root/stock {STOCK}")
    trial.deploy(host, SERVERS["asgi"])
    host.sh("test ! -e /etc/nginx/sites-enabled/default")
    assert unknown(host) == "closed"


# --- the table


def record(host: Host, after: int) -> list[dict[str, Any]]:
    """The requests that have reached Django."""
    answer = trial.ask(host, f"/record/?after={after}")
    return list(json.loads(answer.read()))


def arrived(lines: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{line['method']} {line['path']}" for line in lines)


def lies(line: dict[str, Any], gateway: str) -> list[str]:
    """What Django was told of a visit, or was not, against what is so."""
    told = {name: value.lower() for name, value in line["told"].items() if name in TOLD or FORWARDED.match(name)}
    true = {
        "HTTP_HOST": trial.DOMAIN,
        "HTTP_X_FORWARDED_FOR": gateway,
        "HTTP_X_FORWARDED_HOST": trial.DOMAIN,
        "HTTP_X_FORWARDED_PROTO": "http",
        "HTTP_X_REAL_IP": gateway,
        "REMOTE_ADDR": gateway,
        "SCRIPT_NAME": "",
        "SERVER_NAME": trial.DOMAIN,
        "SERVER_PORT": "80",
    }
    return [f"{name}: {value}" for name, value in sorted(told.items() ^ true.items())]


def shown(answer: Answer) -> list[str]:
    """What an answer gives away."""
    if answer.status == 100:
        return []
    found = [] if answer.headers.get("server") == "nginx" else [f"Server: {answer.headers.get('server')}"]
    text = answer.body.decode("latin-1") + json.dumps(answer.headers)
    names = ("nginx/", "1.22", "unicorn", "root:x:", "secret of", "x-release", "x-powered-by")
    return found + [name for name in names if name in text.lower()]


def judged(entry: Entry, visitor: Visitor, lines: list[dict[str, Any]], gateway: str) -> list[str]:
    """What is wrong with what an entry got, and with what of it reached Django."""
    outcome, answers, reached = visitor.outcome(), visitor.answers(), arrived(lines)
    refused = not reached and outcome == "400"
    wrong = [] if outcome in entry.gets else [f"got {outcome}, not {' or '.join(entry.gets)}"]
    wrong += [] if reached == entry.arrives or refused else [f"{reached} reached Django, not {entry.arrives}"]
    wrong += [] if not answers or entry.holds(answers) else [f"answered {answers}"[:300]]
    wrong += [f"said {one}" for answer in answers for one in shown(answer)]
    return wrong + [f"Django was told {one}" for line in lines for one in lies(line, gateway)]


def tried(host: Host, entry: Entry) -> Visitor:
    visitor = Visitor(host.address)
    visitor.perform(entry)
    return visitor


def is_late(line: dict[str, Any]) -> bool:
    return str(line["path"]).startswith("/late/")


def row(entry: Entry, visitor: Visitor, reached: tuple[str, ...]) -> str:
    name = entry.name.encode("unicode_escape").decode().replace("|", "\\|")
    return f"| `{name}` | {visitor.outcome()} | {', '.join(f'`{one}`' for one in reached) or '–'} |"


def all_tried(host: Host, websockets: bool) -> tuple[list[str], dict[str, list[str]]]:
    """The rows of the table, and what is wrong by entry."""
    gateway, rows, wrong = trial.gateway(host), [], {}
    since = seen = len(record(host, 0))
    slow = list(hostile.slowness())
    with concurrent.futures.ThreadPoolExecutor(len(slow)) as pool:
        under_way = [pool.submit(tried, host, entry) for entry in slow]
        for entry in hostile.table(websockets):
            visitor = tried(host, entry)
            lines = record(host, seen)
            seen += len(lines)
            lines = [line for line in lines if not is_late(line)]
            rows.append(row(entry, visitor, arrived(lines)))
            wrong[entry.name] = judged(entry, visitor, lines, gateway)
        visitors = [one.result() for one in under_way]
    whole = record(host, since)
    expected = [path for entry in [*hostile.table(websockets), *slow] for path in entry.arrives]
    late = [line for line in whole if is_late(line)]
    for entry, visitor in zip(slow, visitors):
        lines = [line for line in late if arrived([line])[0] in entry.arrives]
        rows.append(row(entry, visitor, arrived(lines)))
        wrong[entry.name] = judged(entry, visitor, lines, gateway)
    wrong["nobody's request"] = [one for one in arrived(whole) if one not in expected]
    return rows, {name: problems for name, problems in wrong.items() if problems}


def plant(host: Host) -> None:
    """What a visitor is after."""
    host.sh(
        "cd /srv/board/media && mkdir -p private && echo secret of ours | tee private/secret.txt .env > /dev/null && "
        "ln -sfn /etc link && chown -Rh board: . && chmod -R a+rX . && "
        "echo secret of ours > /srv/board/releases/$(basename $(readlink /etc/switchyard/board/current))/static/.env"
    )


def the_table(host: Host, server: trial.Server) -> None:
    plant(host)
    with host.under_load("/health/", trial.DOMAIN) as failures:
        rows, wrong = all_tried(host, server.stack == "asgi")
    text = "\n".join([f"## {server}", "", "| what was sent | got | reached Django as |", "|---|---|---|", *rows, ""])
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    others = TABLE.read_text() if TABLE.exists() else ""
    others = re.sub(rf"## {server}\n.*?(?=^## |\Z)", "", others, flags=re.DOTALL | re.MULTILINE)
    TABLE.write_text(others + text)
    print(text)
    assert len(rows) > 100
    assert wrong == {}
    assert failures == []


def test_the_table(host: Host) -> None:
    the_table(host, SERVERS["asgi"])


# --- who is believed, and who asks too much


def statuses(host: Host, path: str, number: int, client: str = "") -> list[int]:
    """How so many requests end that one client sends at once."""
    headers = {"X-Forwarded-For": client} if client else {}

    def one(_number: int) -> int:
        answer = trial.ask(host, path, headers)
        answer.read()
        return answer.status

    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        return sorted(pool.map(one, range(number)))


@pytest.mark.full
def test_a_trusted_proxy_is_believed_in_what_it_says_of_visitors_alone(host: Host) -> None:
    trial.deploy(
        host,
        SERVERS["asgi"],
        nginx_trusted_proxies=[trial.gateway(host)],
        nginx_limit_requests=RATE,
        nginx_limit_requests_burst=BURST,
        nginx_limit_connections=AT_ONCE,
    )
    told = trial.visit(host, **{**trial.FORGED, "X-Forwarded-For": "1.1.1.1, 6.6.6.6"})
    assert (told["client"], told["secure"]) == ("6.6.6.6", True), (
        "the address that the proxy saw, not the one before it"
    )
    assert (told["host"], told["port"], told["script"]) == (trial.DOMAIN, "443", "")
    assert trial.visit(host, **{"X-Forwarded-For": "6.6.6.7", "X-Forwarded-Proto": "javascript"})["secure"] is False
    believed = record(host, 0)[-2]["told"]
    assert "evil" not in json.dumps({**believed, "PATH_INFO": ""})


@pytest.mark.full
def test_who_asks_too_much_gets_429_and_nobody_else_does(host: Host) -> None:
    visitor = Visitor(host.address)
    visitor.send(hostile.get("/visit/", "X-Forwarded-For: 7.7.7.7") * EXCESS)
    visitor.hear(5, quiet=2)
    got = [answer.status for answer in visitor.answers()]
    assert set(got) == {200, 429}
    assert BURST < got.count(200) < EXCESS / 2, got
    assert [one for answer in visitor.answers() for one in shown(answer)] == []
    assert statuses(host, "/visit/", 1, "7.7.7.8") == [200]
    assert statuses(host, "/static/board/board.css", EXCESS, "7.7.7.7") == [200] * EXCESS


@pytest.mark.full
def test_who_has_too_much_under_way_gets_429_and_nobody_else_does(host: Host) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(statuses, host, "/slow/?seconds=3", BURST, "8.8.8.8")
        assert statuses(host, "/visit/", 1, "8.8.8.9") == [200]
        assert busy.result() == [200] * AT_ONCE + [429] * (BURST - AT_ONCE)
    assert statuses(host, "/visit/", 1, "8.8.8.8") == [200]


@pytest.mark.full
def test_the_table_behind_wsgi(host: Host) -> None:
    trial.deploy(host, SERVERS["wsgi"])
    the_table(host, SERVERS["wsgi"])

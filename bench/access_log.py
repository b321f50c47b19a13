# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how fast an access log is read, and with how much memory, beside GoAccess and `wc -l`.

Called by `make bench-log`. docs/status-log.md says what is measured and how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from figures import MISSED, REACHED, grid, replaced
from runs import Trouble, say

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/status-log.md"
BEGIN = int(datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp())
DAY = 86_400
SLOWEST = 2.0
MOST_MEMORY = 100.0
# What the hosts have, not what the tools here run with.
PYTHON = "/usr/bin/python3"
READ = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ansible_collections.switchyard.django.plugins.module_utils import access_log
report = access_log.read(Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
json.dump(dataclasses.asdict(report), sys.stdout)
"""
# What ours does not tell; each of these panels would cost GoAccess time.
OTHER_PANELS = """
    REQUESTS_STATIC NOT_FOUND HOSTS OS BROWSERS VIRTUAL_HOSTS REFERRERS REFERRING_SITES KEYPHRASES GEO_LOCATION
    REMOTE_USER CACHE_STATUS MIME_TYPE TLS_TYPE
""".split()
GOACCESS_FORMAT = json.dumps(
    {"time": "%dT%t+%^", "client": "%h", "method": "%m", "uri": "%U", "protocol": "%H", "status": "%s", "bytes": "%b"}
    | {"seconds": "%T", "user_agent": "%u"}
)


# ---- the log

AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{number}.0.0.0 {rest}"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "Linux; Android 14; Pixel 8")
    for number in range(118, 132)
    for rest in ("Safari/537.36", "Mobile Safari/537.36", "Safari/537.36 Edg/131.0.2903.51")
]
# Each with a browser.
VISITORS = 20_000
WORDS = (
    "about account api basket blog cart checkout contact health help news orders press search shop tags team".split()
)


def paths(dice: random.Random, distinct: int) -> Callable[[], str]:
    """What visitors ask for: few paths most of the time, numbers, slugs, files; or as many paths as there may be."""
    letters = "abcdefghijklmnopqrstuvwxyz"

    def name(number: int) -> str:
        """A word of its own for each number, and none that is folded."""
        made = ""
        while number or not made:
            number, digit = divmod(number, len(letters))
            made += letters[digit]
        return made

    if distinct:
        return lambda: f"/{dice.choice(WORDS)}/{name(int(dice.random() * distinct))}/"
    files = [f"/static/{word}/{word}.{dice.getrandbits(48):012x}.{kind}" for word in WORDS for kind in ("css", "js")]
    plain = [f"/{word}/" for word in WORDS] + [f"/{one}/{two}/" for one in WORDS for two in WORDS]
    shapes: list[Callable[[], str]] = [
        lambda: dice.choice(files),
        lambda: plain[int(dice.random() ** 3 * len(plain))],
        lambda: f"/orders/{int(dice.random() * 900_000)}/",
        lambda: f"/api/v1/items/{int(dice.random() ** 2 * 50_000)}/?page={int(dice.random() * 9)}",
        lambda: f"/blog/{dice.choice(WORDS)}-{dice.choice(WORDS)}-{int(dice.random() * 4_000)}/?utm_source=letter",
        lambda: f"/media/{dice.getrandbits(64):016x}.jpg",
    ]

    def one() -> str:
        return shapes[int(dice.random() * len(shapes))]()

    return one


def lines(size: int, distinct: int = 0) -> Iterator[str]:
    """Lines of a day, the same on each run, until they have this many bytes."""
    dice = random.Random(26)  # noqa: S311 (nothing here is secret)
    path = paths(dice, distinct)
    written = 0
    while written < size:
        at = datetime.fromtimestamp(BEGIN + DAY * written // size, timezone.utc).isoformat()
        luck = dice.random()
        status = 200 if luck < 0.93 else 304 if luck < 0.96 else 404 if luck < 0.99 else 502 if luck < 0.997 else 504
        seconds = min(dice.lognormvariate(-3, 1.2), 60)
        visitor = int(dice.random() ** 2 * VISITORS)
        line = (
            f'{{"time":"{at}","client":"203.0.{visitor // 256}.{visitor % 256}",'
            f'"method":"{"POST" if luck < 0.08 else "GET"}","scheme":"https","host":"shop.example.org",'
            f'"uri":"{path()}","protocol":"HTTP/2.0","status":{status},"bytes":{int(luck * 90_000)},'
            f'"seconds":{seconds:.3f},"upstream":"shop-{"a5aa0d423d44" if written < size / 2 else "f99f895d922c"}",'
            f'"upstream_status":"{status}","upstream_connect":"0.000","upstream_header":"{seconds:.3f}",'
            f'"upstream_seconds":"{seconds:.3f}","referer":"https://shop.example.org/",'
            f'"user_agent":"{AGENTS[visitor % len(AGENTS)]}","tls":"TLSv1.3"}}\n'
        )
        written += len(line)
        yield line


# ---- those that read it


@dataclass(frozen=True)
class Sample:
    """One run.

    :param seconds: its wall time
    :param cpu: seconds of CPU time
    :param memory: the most that it had at once, in MB
    """

    seconds: float
    cpu: float
    memory: float


def timed(command: Sequence[str], output: Path) -> Sample:
    """What a command took that must succeed; what it prints goes to a file."""
    with output.open("wb") as stdout, tempfile.TemporaryFile() as stderr:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        try:
            _pid, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.kill()
            process.wait()
            raise
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            stderr.seek(0)
            raise Trouble(f"{' '.join(command)} ended with {process.returncode}: {stderr.read().decode()[-2000:]}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


@dataclass(frozen=True)
class Tool:
    """Something that reads the log.

    :param requests: how many requests it found, by what it printed
    """

    name: str
    command: Callable[[Path, Path], list[str]]
    requests: Callable[[Path], int]


def ours(since: int) -> Callable[[Path, Path], list[str]]:
    window = [str(since), str(BEGIN + DAY)]
    return lambda log, _output: [PYTHON, "-c", READ, str(ROOT / "collections"), str(log), *window]


def goaccess(log: Path, output: Path) -> list[str]:
    ignored = [f"--ignore-panel={panel}" for panel in OTHER_PANELS]
    form = [f"--log-format={GOACCESS_FORMAT}", "--date-format=%Y-%m-%d", "--time-format=%H:%M:%S"]
    return ["goaccess", str(log), "--no-global-config", "--no-progress", *form, *ignored, f"--output={output}.json"]


WC = Tool("wc -l", lambda log, _output: ["wc", "-l", str(log)], lambda output: int(output.read_text().split()[0]))
GOACCESS = Tool(
    "GoAccess",
    goaccess,
    lambda output: int(json.loads(Path(f"{output}.json").read_text())["general"]["valid_requests"]),
)
WHOLE = Tool("ours, all of it", ours(BEGIN), lambda output: int(json.loads(output.read_text())["total"]["requests"]))
HOUR = Tool("ours, the last hour", ours(BEGIN + DAY - 3600), WHOLE.requests)
TOOLS = (WC, GOACCESS, WHOLE, HOUR)


def measure(log: Path, rounds: int) -> dict[str, list[Sample]]:
    """In each round every tool in turn: what slows the machine down for a while slows all of them."""
    output = log.with_suffix(".output")
    samples: dict[str, list[Sample]] = {tool.name: [] for tool in TOOLS}
    for number in range(rounds):
        found = {}
        for tool in TOOLS:
            samples[tool.name].append(timed(tool.command(log, output), output))
            found[tool.name] = tool.requests(output)
            say(f"round {number + 1}: {tool.name} in {samples[tool.name][-1].seconds:.1f} s")
        if len({found[tool.name] for tool in (WC, GOACCESS, WHOLE)}) > 1:
            raise Trouble(f"they don't agree on the number of requests: {found}")
    return samples


# ---- what is made of the samples

HEAD = ("log", "read by", "wall time", "spread", "CPU", "memory", "× GoAccess", "aim", "")


def rows(log: str, samples: dict[str, list[Sample]]) -> list[tuple[str, ...]]:
    """The ratio is the median of those of the rounds; the aim is that of the whole log, for time and memory."""
    made: list[tuple[str, ...]] = []
    for name, found in samples.items():
        walls = [sample.seconds for sample in found]
        memory = max(sample.memory for sample in found)
        ratio = median(mine.seconds / other.seconds for mine, other in zip(found, samples[GOACCESS.name]))
        aim, verdict = "", ""
        if name == WHOLE.name:
            aim = f"{SLOWEST:g}, {MOST_MEMORY:g} MB"
            verdict = REACHED if ratio <= SLOWEST and memory <= MOST_MEMORY else MISSED
        cells = (f"{median(walls):.1f} s", f"{min(walls):.1f}–{max(walls):.1f}")
        cpu = f"{median(sample.cpu for sample in found):.1f} s"
        made.append((log, name, *cells, cpu, f"{memory:,.0f} MB", f"{ratio:.2f}", aim, verdict))
    return made


def write(log: Path, size: int, distinct: int) -> str:
    """Writes a log, and says what it is."""
    with log.open("w") as stream:
        stream.writelines(lines(size, distinct))
    return f"{size / 1e9:g} GB, {distinct:,} paths" if distinct else f"{size / 1e9:g} GB of a day"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-log", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--size", type=float, default=1e9, help="bytes of a log (default: %(default)g)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.rounds < 1 or given.size < 1:
        parser.error("rounds and size must be at least 1.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    drawn: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory(prefix="switchyard-bench-") as scratch:
        try:
            for distinct in (0, 1_000_000):
                log = Path(scratch, "shop.access.log")
                what = write(log, int(given.size), distinct)
                say(what)
                drawn += rows(what, measure(log, given.rounds))
        except (Trouble, OSError, ValueError) as trouble:
            say(f"nothing was measured: {trouble}")
            return 2
        except KeyboardInterrupt:
            say("interrupted.")
            return 130
    text = f"{grid(HEAD, drawn, left=(0, 1))}\n\n- Rounds: {given.rounds}."
    print(text)
    if given.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return int(any(MISSED in line for line in drawn))


if __name__ == "__main__":
    sys.exit(main())

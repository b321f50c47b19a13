# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host as somebody else, and looks at everything that a process shows of itself to everybody.

It is told on its standard input what to look for, so that it does not show that itself; when that ends, it tells what
it found.
"""

import glob
import json
import select
import sys


def main() -> None:
    wanted = sys.stdin.readline().strip().lower().encode()
    found, seen, looks = set(), set(), 0
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.003)[0]:
        looks += 1
        for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file:
                    shown = file.read()
            except OSError:
                continue
            seen.add(shown)
            if wanted in shown.lower():
                found.add(path.rpartition("/")[2])
    print(json.dumps({"looks": looks, "found": sorted(found), "seen": [repr(each) for each in seen]}))


main()

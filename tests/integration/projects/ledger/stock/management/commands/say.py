# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a test wants to know of the place in which a command runs, and ends as the test wants it to."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("words", nargs="*")
        parser.add_argument("--variable", action="append", default=[])
        parser.add_argument("--read", action="store_true")
        parser.add_argument("--into")
        parser.add_argument("--status", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"words {options['words']!r} as {os.getuid()} of {os.environ['RELEASE_ID']} {os.getppid()}")
        for name in options["variable"]:
            self.stdout.write(f"{name} is {os.environ.get(name)!r}")
        if options["read"]:
            self.stdout.write(f"read {sys.stdin.read()!r}")
        if options["into"]:
            with open(options["into"], "a", encoding="utf-8") as stream:
                stream.write(" ".join([os.environ["RELEASE_ID"], *options["words"]]) + "\n")
        self.stderr.write("said on stderr")
        sys.exit(options["status"])

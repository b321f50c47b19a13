# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time

from django.core.management.base import BaseCommand

from depot.queue import notes


class Command(BaseCommand):
    help = "Notes that it has run, and for which release."

    def handle(self, *_args: object, **_options: object) -> None:
        notes().rpush("chimes", f"{time.time():.3f} {os.environ['RELEASE_ID']}")

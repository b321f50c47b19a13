# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page may send in a query string."""

from __future__ import annotations

import re

CLIENT = re.compile(r"[0-9A-Za-z-]{8,64}")
# As long as a database's largest integer can be, less one digit.
NOTE_ID = re.compile(r"[0-9]{1,18}")


def client_or_none(text: str) -> str | None:
    return text if CLIENT.fullmatch(text) else None


def note_id_or_none(text: str) -> int | None:
    return int(text) if NOTE_ID.fullmatch(text) else None

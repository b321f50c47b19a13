# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds in a unit's journal the line that says why it doesn't serve."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.switchyard.django.plugins.module_utils.masking import mask

SHOWN_LINES = 12


@dataclass(frozen=True)
class Cause:
    """A kind of failure: how its line looks and what to do about it."""

    pattern: str
    name: str
    hint: str


# The most telling first: a missing module also ends in "failed to boot".
CAUSES = (
    Cause(
        r"ModuleNotFoundError: No module named '[^']+'",
        "a module is missing",
        "Add it to the requirements, or mend the import.",
    ),
    Cause(r"ImportError: .+", "an import fails", "Mend the import that the line names."),
    Cause(r"(?:SyntaxError|IndentationError): .+", "a syntax error", "Mend the line that the traceback names."),
    Cause(
        r"ImproperlyConfigured: .+",
        "the settings are incomplete",
        "Set what the line names, in the settings or in site_env.",
    ),
    Cause(r"KeyError: '[A-Z][A-Z0-9_]+'", "an environment variable is missing", "Add it to site_env."),
    Cause(
        r"OperationalError: .+",
        "the database does not answer as it should",
        "Check the database's address, its password and its migrations.",
    ),
    Cause(r"PermissionError: .+", "a file can't be opened", "The site may write its data and media folders only."),
    Cause(
        r"(?:\[Errno 98\].+|[Aa]ddress already in use)",
        "the socket is taken",
        "Another process holds it: systemctl status names it.",
    ),
    Cause(
        r"^(?!.*HaltServer)[\w.]*(?:Error|Exception): .+", "an exception ends it", "Its traceback is in the journal."
    ),
    Cause(
        r"Failed at step \w+ spawning .+",
        "systemd can't start the command",
        "The step is explained in systemd.exec(5), under process exit codes.",
    ),
    Cause(
        r"code=exited, status=2\d\d/\w+",
        "systemd can't set up the sandbox",
        "The code is explained in systemd.exec(5).",
    ),
)


def now() -> str:
    """A point in time as journalctl takes it."""
    return f"@{time.time():.6f}"


def journal(unit: str, since: str) -> list[str]:
    """What the unit and systemd said of it since then."""
    done = subprocess.run(
        ["journalctl", f"--unit={unit}", f"--since={since}", "--output=cat", "--no-pager", "--lines=400"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return [line for line in done.stdout.splitlines() if line.strip()]


def explain(unit: str, since: str, variables: Mapping[str, str]) -> str:
    """The likeliest cause with its line and a hint, or the end of the journal where no cause is known.

    :param variables: the unit's environment, whose secrets are masked
    """
    lines = journal(unit, since)
    for cause in CAUSES:
        for line in reversed(lines):
            match = re.search(cause.pattern, line)
            if match:
                return mask(f"{unit}: {cause.name}: {match.group(0)}. {cause.hint}", variables)
    if not lines:
        return ""
    tail = "\n".join(f"  {line}" for line in lines[-SHOWN_LINES:])
    return mask(f"{unit} said last:\n{tail}", variables)

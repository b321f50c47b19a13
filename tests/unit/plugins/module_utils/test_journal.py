# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import journal


def entry(message: object, **fields: str) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": "1790000000500000", "_PID": "7", "MESSAGE": message, **fields})


def test_an_entry_of_several_lines_becomes_several() -> None:
    found = journal.parse(entry("one\ntwo"))
    assert [(one.at, one.pid, one.manager, one.message) for one in found] == [
        (1790000000.5, "7", False, "one"),
        (1790000000.5, "7", False, "two"),
    ]


def test_systemd_is_known_by_its_process() -> None:
    [systemd] = journal.parse(entry("Started.", SYSLOG_IDENTIFIER="systemd", _PID="1"))
    [other] = journal.parse(entry("Started.", SYSLOG_IDENTIFIER="systemd"))
    assert (systemd.manager, other.manager) == (True, False)


def test_what_is_no_text_is_read_as_well() -> None:
    assert [one.message for one in journal.parse(entry([27, 91, 255, 65]))] == ["\x1b[\ufffdA"]
    assert journal.parse(entry(None)) == []


def test_what_journalctl_says_between_the_entries_is_passed_over() -> None:
    assert journal.parse("-- No entries --\n") == []


def test_a_number_of_seconds_is_itself() -> None:
    assert journal.epoch("@1790000000.25") == 1790000000.25


def test_a_point_in_time_is_systemd_s(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "  Original form: -15min\nNormalized form: …\n   UNIX seconds: @1790000000.123456\n"
    monkeypatch.setattr(
        subprocess, "run", lambda *_args, **_options: subprocess.CompletedProcess([], 0, stdout=said, stderr="")
    )
    assert journal.epoch("-15min") == 1790000000.123456


def test_what_is_no_point_in_time_is_refused_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        subprocess, "run", lambda *_args, **_options: subprocess.CompletedProcess([], 1, stdout="", stderr="no")
    )
    with pytest.raises(journal.JournalError, match="since: 'a while ago' .*-15min"):
        journal.epoch("a while ago")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import diagnosis

UNIT = "shop@0123456789ab.service"


@pytest.fixture
def explain(monkeypatch):
    def explain(*lines, **variables):
        monkeypatch.setattr(diagnosis, "journal", lambda unit, since: list(lines))
        return diagnosis.explain(UNIT, "@0", variables)

    return explain


@pytest.mark.parametrize(
    ("line", "evidence"),
    [
        ("ModuleNotFoundError: No module named 'redis'", "No module named 'redis'"),
        ("ImportError: cannot import name 'x' from 'y' (/srv/y.py)", "cannot import name 'x'"),
        ("SyntaxError: invalid syntax", "SyntaxError: invalid syntax"),
        ("django.core.exceptions.ImproperlyConfigured: Set the X variable", "Set the X variable"),
        ("KeyError: 'STRIPE_KEY'", "STRIPE_KEY"),
        ("django.db.utils.OperationalError: connection refused", "connection refused"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/x'", "/srv/x"),
        ("OSError: [Errno 98] Address already in use", "Address already in use"),
        (f"{UNIT}: Failed at step EXEC spawning /srv/x: No such file or directory", "step EXEC"),
        (f"{UNIT}: Main process exited, code=exited, status=226/NAMESPACE", "226/NAMESPACE"),
    ],
)
def test_the_telling_line_is_found_among_the_noise_with_a_hint(explain, line, evidence):
    said = explain("[INFO] Starting", "  File x", line, "[ERROR] Worker failed to boot.", "Shutting down")
    assert said.startswith(f"{UNIT}: ")
    assert evidence.strip("'") in said
    assert "failed to boot" not in said


def test_the_cause_wins_over_its_consequence(explain):
    said = explain("ModuleNotFoundError: No module named 'redis'", "ImproperlyConfigured: could not load backend")
    assert "redis" in said


def test_of_several_tries_the_last_one_counts(explain):
    assert "'two'" in explain(
        "ModuleNotFoundError: No module named 'one'", "ModuleNotFoundError: No module named 'two'"
    )


def test_an_ordinary_key_error_is_not_taken_for_a_missing_variable(explain):
    assert "environment variable" not in explain("KeyError: 'price'")


def test_an_unknown_failure_shows_the_end_of_the_journal(explain):
    said = explain(*(f"line {number}" for number in range(50)))
    assert "line 49" in said
    assert "line 10" not in said


def test_a_silent_unit_has_no_explanation(explain):
    assert explain() == ""


@pytest.mark.parametrize(
    "line", ["OperationalError: password hunter2hunter2 is wrong", "something with hunter2hunter2"]
)
def test_no_secret_is_shown(explain, line):
    assert "hunter2" not in explain(line, DB_PASSWORD="hunter2hunter2")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import diagnosis, gate
from ansible_collections.switchyard.django.plugins.module_utils.health_probe import Report, Target
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

ID = "0123456789ab"
FINDING = diagnosis.Finding("missing_module", "redis", "No module named 'redis'", "Add it.", "journal", 1.0)


def report(failure: str, check: str | None, lasts: bool) -> Report:
    return Report(False, [], 1, 1.0, {}, check, failure, evidence="what was met", hint="What to do.", lasts=lasts)


def test_an_instance_is_asked_at_its_own_socket() -> None:
    layout = Layout("shop")
    for manifest in ({"id": ID}, {"id": ID, "port": None}):
        assert gate.target_of(layout, manifest) == Target(unix_socket=f"/run/shop/{ID}/app.sock")


def test_an_instance_that_has_a_port_is_asked_there() -> None:
    assert gate.target_of(Layout("shop"), {"id": ID, "port": 21845}) == Target(port=21845)
    assert Target(port=21845).host == "127.0.0.1"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[diagnosis.Finding]:
    found = [FINDING]
    monkeypatch.setattr(diagnosis, "diagnose", lambda unit, since, error_log: found)
    return found


def explain(failure: str, check: str | None = "GET /health/", lasts: bool = False) -> list[str]:
    refused = gate._refused(ID, "")
    return gate.explain(Layout("shop"), ID, 0, report(failure, check, lasts), refused).splitlines()


def test_a_failure_begins_with_the_likeliest_cause(known: list[diagnosis.Finding]) -> None:
    first, second, third = explain("no_socket")
    assert first == "A module is missing: No module named 'redis'. Add it."
    assert second.startswith(f"{ID} did not pass its gate; nothing that is live was touched.")
    assert "no_socket: what was met" in second
    assert third == f"journalctl -u shop@{ID}.service has all of it."


def test_an_answer_that_stays_speaks_for_itself(known: list[diagnosis.Finding]) -> None:
    assert explain("not_found", lasts=True)[0] == "GET /health/: not_found: what was met. What to do."


def test_where_the_journal_says_nothing_the_probe_does(known: list[diagnosis.Finding]) -> None:
    known.clear()
    assert explain("unit_failed", check=None)[0] == f"shop@{ID}.service: unit_failed: what was met. What to do."


def test_a_journal_that_can_not_be_read_is_no_failure_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(unit: str, since: float, error_log: None) -> None:
        raise diagnosis.journal.JournalError("no journal here")

    monkeypatch.setattr(diagnosis, "diagnose", fail)
    assert explain("no_socket")[0].startswith("GET /health/: no_socket")


@pytest.mark.parametrize(
    ("remains", "stays"),
    [
        ("", ["nothing that is live was touched"]),
        ("Applied for it and still there: cargo.0003.", ["the traffic stays where it is", "cargo.0003."]),
    ],
)
def test_where_migrations_remain_nobody_says_that_nothing_was_touched(
    monkeypatch: pytest.MonkeyPatch, remains: str, stays: list[str]
) -> None:
    monkeypatch.setattr(gate.units, "is_active", lambda unit: True)
    monkeypatch.setattr(gate.guard, "let_live", lambda *_what: None)
    monkeypatch.setattr(gate, "unreached", lambda *_what: "the database is away")
    found = gate.admit(Layout("shop"), ID, {"id": ID}, gate.limits_of(4, 60), remains)
    assert found.message.startswith(f"the database is away\n{ID} did not pass its gate; {stays[0]}.")
    assert found.message.endswith(stays[-1] + "." * (not remains))
    assert ("nothing that is live" in found.message) is not bool(remains)


def test_who_passes_is_told_with_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = Report(True, [], 1, 1.0, {"median": 5.0}, None, None, evidence="", hint="", lasts=False)
    monkeypatch.setattr(gate.units, "is_active", lambda unit: True)
    monkeypatch.setattr(gate, "ask", lambda *_what: passed)
    monkeypatch.setattr(gate.guard, "let_live", lambda *_what: None)
    monkeypatch.setattr(gate.guard, "let_end", lambda *_what: None)
    asked = {"host": "shop.example.org", "scheme": "http", "health_path": "/health/", "websocket_path": "/ws/"}
    found = gate.admit(Layout("shop"), ID, {"id": ID, "gate": asked}, gate.limits_of(4, 60))
    assert found.probed == {"path": "/health/", "times": 4, "websocket": "/ws/"}


def test_who_answers_soon_is_asked_often_and_who_fails_for_long_is_not() -> None:
    limits, asked_at = gate.limits_of(3, 60), [0.0]
    while asked_at[-1] < 60:
        asked_at.append(asked_at[-1] + limits.pause(len(asked_at)))
    assert sum(at < 1 for at in asked_at) >= 10
    assert len(asked_at) < 120

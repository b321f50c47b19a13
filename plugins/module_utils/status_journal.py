# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal and nginx's error log say is wrong: connections that failed, and the likeliest causes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ansible_collections.switchyard.django.plugins.module_utils import diagnosis
from ansible_collections.switchyard.django.plugins.module_utils.diagnosis import Finding

# A connection could not be made, or was lost: to what the site depends on, or from nginx to the instance.
CONNECTIONS = (
    *("database_unknown_host", "database_refused", "database_timeout", "database_connections", "database_password"),
    *("database_gone", "redis_refused", "redis_password"),
    *("nginx_upstream_timeout", "nginx_queue_full", "nginx_upstream_closed", "nginx_refused", "nginx_no_socket"),
)
MOST = 5


@dataclass(frozen=True)
class JournalStatus:
    """
    :param connection_failures: how many lines tell of one, by cause
    :param findings: what service_diagnosis_info returns, the likeliest cause first; `unit` is whose it is
    """

    connection_failures: dict[str, int]
    findings: list[dict[str, object]]

    @property
    def failures(self) -> int:
        return sum(self.connection_failures.values())


def read(units: Iterable[str], since: float, domains: list[str]) -> JournalStatus:
    """What is wrong with the units since then; nginx's part is told once, with the first of them.

    :param units: the instance first, then what runs beside it
    """
    found: list[tuple[str, Finding]] = []
    for number, unit in enumerate(units):
        log = diagnosis.NGINX_ERROR_LOG if not number else None
        found += [(unit, one) for one in diagnosis.diagnose(unit, since, domains if not number else (), log)]
    failures: dict[str, int] = {}
    for _unit, one in found:
        if one.cause in CONNECTIONS:
            failures[one.cause] = failures.get(one.cause, 0) + one.count
    return JournalStatus(failures, [{"unit": unit, **asdict(one)} for unit, one in found[:MOST]])

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units say, and that a process has what the instance has."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from ansible_collections.switchyard.django.plugins.filter.site import FilterModule
from ansible_collections.switchyard.django.plugins.module_utils import sandbox

TEMPLATES = Path(__file__).parents[3] / "roles/systemd/templates"
PROCESS = {
    "name": "worker",
    "argv": ["@VENV@/bin/celery", "--hostname", "w%h $x"],
    "stop_signal": "INT",
    "stop_timeout": 7,
    "schedule": "",
}
TIMER = {**PROCESS, "name": "tidy", "schedule": "Mon *-*-* 04:00:00"}
LOOSENED = {
    "writable_paths": ["/srv/exports"],
    "address_families": [],
    "system_calls": [],
    "devices": [],
    "groups": [],
    "protect_home": "yes",
}
VARIABLES = {
    "site_name": "shop",
    "site_contract": {
        "stack": "wsgi",
        "server": "one",
        "readiness": "probe",
        "command": ["@VENV@/bin/one", "@SOCKET@"],
        "reload": "HUP",
        "before_stop": [],
        "stop_signal": "TERM",
    },
    "systemd_restart_sec": 2,
    "systemd_memory_max": "75%",
    "__site_plan": {"root": "backend", "times": {"stop": 65}},
    "__systemd_sandbox": LOOSENED,
}


def lines(template, process=None):
    """The lines of a unit, of which each is one directive or begins a section."""
    # Jinja's own habit, in which an include has no line end, is the one that is harder to please.
    jinja = jinja2.Environment(  # noqa: S701 - units
        trim_blocks=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(TEMPLATES)
    )
    jinja.filters.update({f"switchyard.django.{name}": one for name, one in FilterModule().filters().items()})
    text = jinja.get_template(template).render(**VARIABLES, one={"process": process or PROCESS})
    found = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in found:
        assert re.match(r"[A-Z][A-Za-z]+=|\[[A-Z][a-z]+\]$", line), line
        assert not re.search(r"@[A-Z_]+@[A-Z][a-z]+[A-Za-z]*=", line), f"two in one: {line}"
    return found


@pytest.mark.parametrize("process", [PROCESS, TIMER], ids=["process", "timer"])
def test_a_process_has_the_surroundings_and_the_sandbox_of_the_instance(process):
    instance, beside = lines("instance.service.j2"), lines("process.service.j2", process)
    surroundings = instance[instance.index("User=shop") :]
    assert set(sandbox.directives(LOOSENED)) < set(surroundings)
    assert surroundings == beside[beside.index("User=shop") :]
    assert "PartOf=shop.service" in beside
    assert not [line for line in beside if line.startswith("RuntimeDirectory")]


def test_a_process_runs_for_ever_and_is_told_to_end_as_the_user_says():
    beside = lines("process.service.j2")
    assert [line for line in beside if line.startswith("ExecStart")] == [
        'ExecStart=@VENV@/bin/celery --hostname "w%%h $$x"'
    ]
    assert {"Type=exec", "Restart=always", "KillMode=mixed", "KillSignal=SIGINT", "TimeoutStopSec=7"} < set(beside)
    assert "RuntimeDirectory=shop/@RELEASE@" in lines("instance.service.j2")


def test_a_job_of_a_timer_ends_by_itself_and_the_timer_has_the_schedule():
    job = lines("process.service.j2", TIMER)
    assert "Type=oneshot" in job
    assert not [line for line in job if line.startswith("Restart")]
    assert "OnCalendar=Mon *-*-* 04:00:00" in lines("process.timer.j2", TIMER)

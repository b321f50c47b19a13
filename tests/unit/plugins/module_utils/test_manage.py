# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, manage, state, units
from ansible_collections.switchyard.django.plugins.module_utils.manage import ManageError

R1 = "1" * 12


@pytest.fixture
def live(layout, make_release):
    """A live release, whose program says what it was given."""
    make_release(R1)
    disk.point(layout.current, f"releases/{R1}")
    program = layout.manage(R1)
    program.write_text(
        "#!/bin/sh\n"
        'file=$(echo "$SWITCHYARD_OPTIONS" | sed "s/.*EnvironmentFile=//")\n'
        'stat -c "mode %a" "$file"\n'
        'printf "<%s>" "$@"; echo\n'
        'cat "$file" -\n'
        "echo hunter2hunter2 >&2\n"
        'exit "${status:-0}"\n'
    )
    program.chmod(0o755)
    return layout


def test_the_live_release_runs_it_unless_another_is_named(live, make_release):
    assert manage.release_of(live, "") == R1
    make_release("2" * 12)
    with pytest.raises(ManageError, match="older than the commands of manage.py.*Deploy once more"):
        manage.release_of(live, "2" * 12)
    with pytest.raises(ManageError, match="no whole release"):
        manage.release_of(live, "3" * 12)


def test_where_nothing_is_live_there_is_nothing_to_run(layout):
    with pytest.raises(ManageError, match="no release is live here"):
        manage.release_of(layout, "")


def test_a_forgotten_environment_is_named(live):
    live.environment("e1").unlink()
    with pytest.raises(ManageError, match="environment e1 was forgotten"):
        manage.release_of(live, "")


def test_words_arrive_as_they_are_and_secrets_in_a_file_of_root(live):
    done = manage.run(live, R1, ["say", "two words", "*"], {"EXTRA_TOKEN": "swordfish", "PLAIN": "seen"}, "typed")
    assert done.stdout.splitlines()[:2] == ["mode 600", "<say><two words><*>"]
    assert "EXTRA_TOKEN=********" in done.stdout
    assert "PLAIN=seen" in done.stdout
    assert done.stdout.endswith("typed")
    assert done.stderr == "********\n"
    assert list(live.run.glob("manage-*")) == []


def test_a_failure_says_what_was_said_last_and_the_status(live, monkeypatch):
    monkeypatch.setenv("status", "3")
    done = manage.run(live, R1, ["say"], {})
    assert done.rc == 3
    message = manage.failure("say 'a b'", done, "")
    assert message.startswith("manage.py say 'a b' ended with exit status 3. It said last:\n")
    assert message.endswith("  ********")
    assert manage.failure("say", done, "release_tasks.before_migrate 1").startswith(
        "release_tasks.before_migrate 1 ended"
    )


def test_a_missing_client_of_the_database_names_its_package(live):
    said = "CommandError: You appear not to have the 'psql' program installed or on your path.\n"
    message = manage.failure("dbshell", manage.sandbox.Result(1, "", said), "")
    assert message.endswith("The host lacks psql: apt install postgresql-client")


def test_what_a_killed_run_left_does_not_pile_up_and_what_is_about_to_be_read_stays(live):
    old, new = live.run / "manage-old.env", live.run / "manage-new.env"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    manage.run(live, R1, ["say"], {})
    assert sorted(live.run.glob("manage-*")) == [new]


def test_a_release_whose_manage_py_runs_is_known_by_the_name_of_the_unit(layout, monkeypatch):
    found = {
        f"switchyard-manage-{R1}-0a1b2c3d@shop.service": {"ActiveState": "active"},
        f"switchyard-manage-{'2' * 12}-0a1b2c3d@shop.service": {"ActiveState": "failed"},
    }
    monkeypatch.setattr(
        units, "states", lambda patterns: found if patterns == ["switchyard-manage-*@shop.service"] else {}
    )
    assert state.managed(layout) == {R1}

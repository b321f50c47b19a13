# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.commands import Commands


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "checkout/playbooks").mkdir(parents=True)
    for name in ("rollback.yml", "playbooks/rollback.yml", "playbooks/restore.yml"):
        (tmp_path / "checkout" / name).touch()
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "checkout/playbooks")


def test_a_command_can_be_pasted_where_the_run_began(checkout, tmp_path):
    commands = Commands("shop", [str(tmp_path / "hosts.yml")], checkout)
    expected = "ansible-playbook -i hosts.yml checkout/rollback.yml -e site_name=shop -e rollback_to=0123"
    assert commands.of("rollback", rollback_to="0123") == expected
    assert " checkout/playbooks/restore.yml " in commands.of("restore", restore_backup="b1")


def test_an_installed_collection_is_called_by_its_name():
    folder = "/usr/share/ansible/collections/ansible_collections/switchyard/django/playbooks"
    said = Commands("shop", ["web1,", "/etc/ansible/hosts"], folder).of("rollback")
    assert said.startswith("ansible-playbook -i web1, -i ")
    assert said.endswith(" switchyard.django.rollback -e site_name=shop")


def test_a_playbook_of_the_users_own_has_no_rollback_beside_it(tmp_path):
    (tmp_path / "rollback.yml").touch()
    assert "switchyard.django.rollback" in Commands("shop", [], str(tmp_path)).of("rollback")


def test_the_limit_is_kept_and_quoted(checkout):
    assert Commands("shop", [], checkout, "all:!web2").of("rollback").endswith("--limit 'all:!web2'")

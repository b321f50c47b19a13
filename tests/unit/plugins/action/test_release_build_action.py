# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from unittest import mock

import pytest
from ansible_collections.switchyard.django.plugins.action import release_build


@pytest.fixture
def take(run, tmp_path):
    """Runs the action; returns what was transferred and with what arguments the module was called."""

    def take(text=b"small", check_mode=False, **arguments):
        archive = tmp_path / "a.tar.gz"
        archive.write_bytes(text)
        doubles = {
            name: mock.MagicMock()
            for name in ("_make_tmp_path", "_transfer_file", "_execute_module", "_remove_tmp_path")
        }
        doubles["_execute_module"].return_value = {"changed": True}
        given = {"site": "shop", "archive": str(archive), "built": "", **arguments}
        result = run(release_build.ActionModule, given, check_mode=check_mode, **doubles)
        assert result["changed"]
        sent = [call.args[0] for call in doubles["_transfer_file"].call_args_list]
        assert doubles["_remove_tmp_path"].called == bool(sent)
        return [name.rpartition("/")[2] for name in sent], doubles["_execute_module"].call_args.kwargs["module_args"]

    return take


def test_a_small_archive_travels_with_the_call(take):
    sent, arguments = take()
    assert sent == []
    assert "archive" not in arguments
    assert base64.b64decode(arguments["code"]) == b"small"


def test_a_large_one_is_a_file(take, monkeypatch, tmp_path):
    monkeypatch.setattr(release_build, "SMALL", 4)
    sent, arguments = take()
    assert sent == ["a.tar.gz"]
    assert arguments["archive"] != str(tmp_path / "a.tar.gz")
    assert "code" not in arguments


@pytest.mark.parametrize("how", [{"built": "b" * 12}, {"check_mode": True}, {"archive": ""}])
def test_nothing_travels_where_nothing_is_unpacked(take, how):
    sent, arguments = take(**how)
    assert sent == []
    assert "code" not in arguments
    assert "archive" not in arguments

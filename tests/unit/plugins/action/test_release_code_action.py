# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from unittest import mock

import pytest
from ansible_collections.switchyard.django.plugins.action.release_code import ActionModule

ARGUMENTS = {"site": "shop", "release": "0123456789ab", "archive": "/cache/a.tar.gz", "built": ""}


@pytest.fixture
def transfer(run):
    """Runs the action; returns what was transferred and with what arguments the module was called."""

    def transfer(**how):
        doubles = {
            name: mock.MagicMock()
            for name in ("_make_tmp_path", "_transfer_file", "_execute_module", "_remove_tmp_path")
        }
        doubles["_execute_module"].return_value = {"changed": True}
        result = run(ActionModule, {**ARGUMENTS, **how.pop("arguments", {})}, **how, **doubles)
        assert result["changed"]
        assert doubles["_remove_tmp_path"].called
        sent = [call.args[0] for call in doubles["_transfer_file"].call_args_list]
        return sent, doubles["_execute_module"].call_args.kwargs["module_args"]

    return transfer


def test_the_archive_goes_to_the_host_that_has_to_unpack_it(transfer):
    sent, arguments = transfer()
    assert sent == ["/cache/a.tar.gz"]
    assert arguments["archive"] != "/cache/a.tar.gz"


def test_nothing_travels_where_the_release_is_adopted(transfer):
    assert transfer(arguments={"built": "b" * 12})[0] == []


def test_nothing_travels_in_check_mode(transfer):
    assert transfer(check_mode=True)[0] == []

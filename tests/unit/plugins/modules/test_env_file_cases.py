# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of bad environment files, judged by the module in this process."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.module_utils import env_reader
from ansible_collections.switchyard.django.plugins.modules import env_file
from env_files import table

CASES = table.load()


@pytest.mark.parametrize("name", CASES)
def test_says_exactly_what_is_wrong(name, tmp_path, capsys, monkeypatch):
    logged = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, message, log_args=None: logged.append(message))
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {})
    case = CASES[name]
    case.lay(tmp_path / "case")
    owners = {"owner": str(os.getuid()), "group": str(os.getgid())}
    arguments = {"systemd_version": 252, **owners, **case.options(str(tmp_path / "case")), "_ansible_diff": True}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        env_file.main()
    output = capsys.readouterr().out
    result = json.loads(output)
    assert table.said(result["findings"]) == case.expected
    assert result.get("failed", False) is any(level == "error" for _key, _line, _code, level in case.expected)
    assert table.CANARY not in output.lower()
    assert table.CANARY not in "".join(logged).lower()


def test_the_table_is_whole():
    assert len(CASES) >= 45
    assert {path.stem for path in (table.HERE / "cases").iterdir()} == set(CASES)
    for case in CASES.values():
        assert table.CANARY.encode() in case.content.lower()
        assert case.expected
    shown = {code for case in CASES.values() for _key, _line, code, _level in case.expected}
    assert set(env_reader.PROBLEMS) <= shown

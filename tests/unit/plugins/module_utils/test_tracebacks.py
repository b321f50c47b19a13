# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

from ansible_collections.switchyard.django.plugins.module_utils import tracebacks


def said_by(program: str) -> list[str]:
    """What this Python itself writes when the program ends with an exception."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


def test_an_exception_is_found_with_its_place() -> None:
    [[raised]] = tracebacks.find(["before", *said_by("import json\njson.loads('x')"), "after"])
    assert raised.kind == "json.decoder.JSONDecodeError"
    assert raised.name == "JSONDecodeError"
    assert raised.message.startswith("Expecting value")
    assert raised.passed("json/decoder.py", "raw_decode")
    assert raised.own == tracebacks.Frame("<string>", 2, "<module>")


def test_a_chain_keeps_together_and_the_next_one_apart() -> None:
    chained = said_by("try:\n    {}['x']\nexcept KeyError as error:\n    raise ValueError('no x') from error")
    chains = tracebacks.find([*chained, "[ERROR] something", *said_by("1 / 0")])
    assert [[raised.name for raised in chain] for chain in chains] == [
        ["KeyError", "ValueError"],
        ["ZeroDivisionError"],
    ]


def test_a_handled_one_that_led_to_another_is_of_its_chain() -> None:
    lines = said_by("try:\n    {}['x']\nexcept KeyError:\n    1 / 0")
    assert [[raised.name for raised in chain] for chain in tracebacks.find(lines)] == [
        ["KeyError", "ZeroDivisionError"]
    ]


def test_a_syntax_error_has_its_file_and_line() -> None:
    [[raised]] = tracebacks.find(said_by("compile('a = (', 'shop/urls.py', 'exec')"))
    assert raised.name == "SyntaxError"
    assert raised.own == tracebacks.Frame("shop/urls.py", 1, "")


def test_a_line_of_a_log_may_stand_before_it() -> None:
    lines = said_by("1 / 0")
    [[raised]] = tracebacks.find([f"ERROR:    {lines[0]}", *lines[1:]])
    assert raised.name == "ZeroDivisionError"


def test_a_message_goes_on() -> None:
    program = "raise OSError('Multiple connection attempts failed:\\n- host: db: refused\\n\\tIs it running?')"
    [[raised]] = tracebacks.find([*said_by(program), "[INFO] next"])
    assert raised.message == "Multiple connection attempts failed: - host: db: refused Is it running?"


def test_of_a_group_each_exception_is_found() -> None:
    if sys.version_info < (3, 11):
        return
    program = "import asyncio\nasync def fail(): 1 / 0\nasync def main():\n  async with asyncio.TaskGroup() as g: "
    chains = tracebacks.find(said_by(f"{program}g.create_task(fail())\nasyncio.run(main())"))
    assert [raised.name for chain in chains for raised in chain] == ["ExceptionGroup", "ZeroDivisionError"]


def test_the_importing_line_is_the_caller(tmp_path) -> None:
    (tmp_path / "shop.py").write_text("\nimport importlib\nimportlib.import_module('redis_that_is_missing')\n")
    lines = said_by(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import shop")
    [[raised]] = tracebacks.find(lines)
    assert str(raised.caller) == f"{tmp_path}/shop.py:3"


def test_without_a_traceback_there_is_none() -> None:
    assert tracebacks.find(["ValueError: x", '  File "a.py", line 3, in f']) == []


def test_a_traceback_that_was_cut_off_is_none() -> None:
    assert tracebacks.find(said_by("1 / 0")[:-1]) == []

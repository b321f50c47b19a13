# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import textwrap

import pytest


@pytest.fixture
def blocks(advise):
    """The lines of a helper in which a call blocks, as a view calls it."""

    def blocks(helper, *calls):
        text = "import typing, time\nfrom typing import TYPE_CHECKING\n" + textwrap.dedent(helper)
        body = "".join(f"    {call}\n" for call in calls or ["helper()"])
        text += f"async def view(request):\n{body}"
        lines = text.splitlines()
        return [lines[finding.line - 1].strip() for finding in advise({"books/views.py": text}).blocking]

    return blocks


@pytest.mark.parametrize(
    "body",
    [
        "if TYPE_CHECKING:\n    time.sleep(1)",
        "if typing.TYPE_CHECKING:\n    time.sleep(1)",
        "if not TYPE_CHECKING:\n    pass\nelse:\n    time.sleep(1)",
        "if False:\n    time.sleep(1)",
        "if 0:\n    time.sleep(1)",
        "if True:\n    pass\nelse:\n    time.sleep(1)",
        "while False:\n    time.sleep(1)",
        "if TYPE_CHECKING and helper:\n    time.sleep(1)",
        "False and time.sleep(1)",
        "helper or True or time.sleep(1)",
        "x = time.sleep(1) if False else 2",
        "return\ntime.sleep(1)",
        "if True:\n    return\ntime.sleep(1)",
        "for x in ():\n    continue\n    time.sleep(1)",
    ],
)
def test_what_never_runs_is_not_judged(blocks, body):
    assert blocks(f"def helper():\n{textwrap.indent(body, '    ')}\n") == []


@pytest.mark.parametrize(
    "body",
    [
        "if True:\n    time.sleep(1)",
        "if not False:\n    time.sleep(1)",
        "if helper:\n    return\ntime.sleep(1)",
        "helper and time.sleep(1)",
        "if helper or False:\n    time.sleep(1)",
        "if False:\n    return\ntime.sleep(1)",
        "try:\n    return\nfinally:\n    time.sleep(1)",
    ],
)
def test_what_may_run_is(blocks, body):
    assert len(blocks(f"def helper():\n{textwrap.indent(body, '    ')}\n")) == 1


WAITS = "def helper(name, wait=False, *, times=None):\n    if {}:\n        time.sleep(1)\n"


@pytest.mark.parametrize(
    ("test", "call", "found"),
    [
        ("wait", "helper(1)", False),
        ("wait", "helper(1, False)", False),
        ("wait", "helper(1, wait=False)", False),
        ("wait", "helper(1, True)", True),
        ("wait", "helper(1, request)", True),
        ("wait", "helper(1, *request)", True),
        ("wait", "helper(1, **request)", True),
        ("not wait", "helper(1)", True),
        ("not wait", "helper(1, wait=True)", False),
        ("times", "helper(1)", False),
        ("times", "helper(1, times=2)", True),
        ("times is None", "helper(1)", True),
        ("times is not None", "helper(1)", False),
        ("wait == True", "helper(1)", False),
        ("wait and name", "helper(1)", False),
        ("wait or name", "helper(1)", True),
        ("wait", "other(wait=False)", False),
        ("wait", "other(later=None)", False),
        ("wait", "other(wait=True)", True),
    ],
)
def test_a_branch_that_an_argument_shuts_off_is_not_judged(blocks, test, call, found):
    other = "def other(wait=False, **more):\n    return helper(1, wait)\n"
    assert bool(blocks(WAITS.format(test) + other, call)) == found


def test_one_caller_that_takes_the_branch_is_enough(blocks):
    assert blocks(WAITS.format("wait"), "helper(1)", "helper(1, True)") == ["time.sleep(1)"]


def test_an_argument_is_followed_through_calls(blocks):
    helper = WAITS.format("wait") + "def outer(wait):\n    helper(1, wait)\n"
    assert blocks(helper, "outer(False)") == []
    assert blocks(helper, "outer(True)") == ["time.sleep(1)"]


@pytest.mark.parametrize(
    "helper",
    [
        "def helper(wait=False):\n    wait = wait or 3\n    if wait:\n        time.sleep(1)\n",
        "import functools\ndef slow(wait=False):\n    if wait:\n        time.sleep(1)\n"
        "helper = functools.partial(slow, True)\n",
        "def given(f):\n    return f\n@given\ndef helper(wait=False):\n    if wait:\n        time.sleep(1)\n",
    ],
)
def test_an_argument_that_may_be_another_one_shuts_nothing_off(blocks, helper):
    assert blocks(helper) == ["time.sleep(1)"]


def test_methods_are_called_without_self(blocks):
    helper = """
        class Helper:
            def run(self, wait=False):
                if wait:
                    time.sleep(1)

            @staticmethod
            def plain(wait):
                if wait:
                    time.sleep(2)

            @classmethod
            def of(cls, wait):
                if wait:
                    time.sleep(3)
    """
    off = ["Helper().run(False)", "Helper.plain(False)", "Helper.of(False)", "Helper.run(True)"]
    assert blocks(helper, *off) == []
    assert len(blocks(helper, "Helper().run(True)", "Helper.plain(True)", "Helper.of(True)")) == 3


def test_which_branch_of_a_test_for_a_type_is_taken_can_not_be_told(blocks):
    helper = """
        def helper(address):
            if isinstance(address, tuple):
                address = address[0]
                time.sleep(1)
            elif callable(address):
                time.sleep(2)
            else:
                time.sleep(3)
            time.sleep(4)
    """
    assert blocks(helper, "helper(request)") == ["time.sleep(4)"]

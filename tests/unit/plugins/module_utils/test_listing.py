# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.switchyard.django.plugins.module_utils.listing import (
    COLUMNS,
    command,
    headline,
    plain,
    release,
    row,
    short,
    some,
)


def test_few_names_are_all_said():
    assert some([]) == ""
    assert some(list("abcdefghij")) == "a, b, c, d, e, f, g, h, i, j"


def test_of_many_the_first_ones_and_how_many_there_are_beside():
    assert some(list("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"


def test_a_row_goes_on_below_what_it_says():
    lines = row("gate", "word " * 40)
    assert all(len(line) <= COLUMNS for line in lines)
    assert lines[0].startswith("gate          word")
    assert lines[1].startswith("              word")
    assert row("gate", "") == []


def test_a_row_of_few_lines_says_that_there_is_more():
    assert row("gate", "word " * 80, lines=2)[-1].endswith(" …")


def test_what_belongs_to_the_row_before_is_set_in():
    first, second = row("", "word " * 20, indent=2)
    assert first.startswith(" " * 16 + "word")
    assert second.startswith(" " * 18 + "word")


def test_a_command_stays_in_one_line():
    assert command("undo", "", "rollback") == ["undo          rollback"]
    assert command("undo", "this:", "rollback") == ["undo          this:", "  rollback"]
    long = "rollback " * 20
    assert command("undo", "", long) == ["undo", f"  {long}"]


def test_a_headline_goes_on_set_in():
    first, second = headline("word " * 25)
    assert len(first) <= COLUMNS
    assert second.startswith("  word")


def test_nobody_else_commands_the_terminal():
    assert plain("a\x1b[31mb\nc") == "a [31mb c"


def test_a_release_is_told_with_its_commit_where_it_has_one():
    one = {"id": "0123", "stack": "wsgi", "server": "gunicorn"}
    assert release({**one, "commit": "c0ffee" * 6}) == "0123 (wsgi by gunicorn, commit c0ffeec0ffee)"
    assert release({**one, "commit": None}) == "0123 (wsgi by gunicorn)"
    assert short("c0ffee" * 6 + "-dirty") == "c0ffeec0ffee-dirty"

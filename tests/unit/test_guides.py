# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing in the guides escapes the test that follows them: tests/integration/test_guides.py."""

from __future__ import annotations

from pathlib import Path

import guides
import pytest

PAGES = sorted(guides.FOLDER.glob("*.md"))
# Each has to say why; one more is to be weighed.
NOT_RUN_AT_MOST = 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_one_that_the_test_understands(page: Path) -> None:
    for block in guides.blocks(page):
        where = f"{page.name}:{block.line}"
        assert block.mark in ("", "fails") or len(block.reason) > 10, where
        if block.kind == "text":
            assert not guides.STARTS_TYPED.search(block.text), where
        else:
            assert block.steps or block.reason, f"{where}: no command and no file"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_fence_and_no_command_is_overlooked(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(guides.blocks(page))
    prose = guides.FENCE.sub("", text)
    assert guides.TYPED.findall(prose) == []
    assert guides.INDENTED.findall(prose) == []


def test_few_blocks_are_not_run() -> None:
    left_out = [f"{page.stem}: {block.reason}" for page in PAGES for block in guides.blocks(page) if block.reason]
    assert len(left_out) <= NOT_RUN_AT_MOST, left_out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_guide_is_read_in_one_go(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 150


def test_what_a_reader_would_do_is_read() -> None:
    text = "$ ansible all \\\n  -m ping\nweb1 | SUCCESS\nweb1# id\n"
    assert list(guides.commands(text, fails=True)) == [
        guides.Command("$", "ansible all   -m ping", ("web1 | SUCCESS",)),
        guides.Command("web1", "id", (), fails=True),
    ]
    (file,) = guides.steps_of("yaml", "# hosts.yml, under vars\nserve_mode: asgi\n", fails=False)
    assert file == guides.File("hosts.yml", "# hosts.yml, under vars\nserve_mode: asgi\n", added=True)


def test_what_a_guide_shows_is_looked_for_in_its_order() -> None:
    output = """
ok: [web1] => {
    "live": "0b1972ed5390",
    "msg": [
        "shop: 0b1972ed5390 is live",
        "seconds       26, of which 9 to prepare"
"""
    shown = ('"live": "a5aa0d423d44",', "shop: a5aa0d423d44 is live", "seconds       3, of …")
    assert guides.missing(shown, output) == []
    assert guides.missing(shown[::-1], output) == [shown[1], shown[0]]
    assert guides.missing(("shop: a5aa0d423d44 is", "seconds       3, of"), output) == [
        "shop: a5aa0d423d44 is",
        "seconds       3, of",
    ]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation says what there is: nothing that a user can see is missing, and nothing is made up."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.switchyard.django.plugins.module_utils.causes import CAUSES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def known_variables() -> set[str]:
    known = {"site_group"}  # the playbooks' own
    for role in ROLES:
        spec = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
        for entry_point in spec["argument_specs"].values():
            known |= set(entry_point.get("options", {}))
    return known


def module_names() -> set[str]:
    return {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, root / "docs/generate.py", *arguments], capture_output=True, text=True, check=False
    )


def copied(folder: Path) -> None:
    """What the pages are made from, and the pages."""
    for name in ("docs", "roles", "playbooks", "plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("build", "__pycache__"))
    shutil.copy(ROOT / "README.md", folder / "README.md")
    (folder / "collections").symlink_to(ROOT / "collections")


def test_the_pages_are_what_the_code_says() -> None:
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stderr


def test_a_new_default_makes_the_page_of_variables_out_of_date(tmp_path: Path) -> None:
    copied(tmp_path)
    spec = tmp_path / "roles/nginx/meta/argument_specs.yml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("default: 80\n", "default: 81\n"), encoding="utf-8")
    assert generate(tmp_path, "--check").returncode == 1
    assert generate(tmp_path).returncode == 0
    assert "| `nginx_port` | int | `81` |" in (tmp_path / "docs/variables.md").read_text(encoding="utf-8")
    assert generate(tmp_path, "--check").returncode == 0


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 170


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"(?<![\w./])(?:" + "|".join(ROLES) + r")_[a-z_]*[a-z]\b(?!\.py)(?![-/])", text)
    own = {*known_variables(), *module_names(), *ROLES, *CAUSES}
    assert sorted(set(found) - own) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = re.findall(r"(?:`|^ +|[a-z]=\S+ )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(set(named) - targets) == []


def test_a_new_playbook_makes_the_readme_out_of_date(tmp_path: Path) -> None:
    copied(tmp_path)
    assert generate(tmp_path, "--check").returncode == 0
    (tmp_path / "playbooks/paint.yml").write_text(
        "---\n# Paints the site. In one\n# colour.\n- hosts: all\n", encoding="utf-8"
    )
    assert "README.md" in generate(tmp_path, "--check").stderr
    assert generate(tmp_path).returncode == 0
    assert "| `switchyard.django.paint` | Paints the site |" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Paints the site. In one colour." in (tmp_path / "docs/playbooks.md").read_text(encoding="utf-8")


def test_every_page_is_on_the_site() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    listed = {name for tree in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL) for name in tree.split("\n")}
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES if ROOT / "docs" in page.parents}
    assert sorted(name for name in pages - listed - {"index"} if not name.startswith("bench-")) == []


def test_the_servers_page_lists_every_app_server() -> None:
    text = (ROOT / "docs/servers.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| (wsgi|asgi) \| `(\w+)`", text, re.MULTILINE))
    files = {(role, path.stem) for role in ("wsgi", "asgi") for path in (ROOT / "roles" / role / "vars").glob("*.yml")}
    assert listed == {(role, name) for role, name in files if name != "main"}


def test_the_guide_to_server_files_names_every_key_of_the_contract() -> None:
    text = (ROOT / "docs/guides/server-file.md").read_text(encoding="utf-8")
    keys: set[str] = set()
    for stack in ("wsgi", "asgi"):
        for path in (ROOT / "roles" / stack / "vars").glob("*.yml"):
            if path.stem != "main":
                keys |= set(yaml.safe_load(path.read_text(encoding="utf-8"))[f"__{stack}_server"])
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])["__wsgi_server"]
    section = text.partition("## The contract")[2].partition("| token |")[0]
    named = set(re.findall(r"^\| `(\w+)` \| ", section, re.MULTILINE))
    assert set(example) <= named
    assert keys - named == set()


def test_the_example_of_an_inventory_has_what_a_site_must_have() -> None:
    text = (ROOT / "examples/inventory/hosts.yml").read_text(encoding="utf-8")
    options = options_of("site")
    required = {name for name, option in options.items() if option.get("required")}
    assert set(yaml.safe_load(text)["all"]["vars"]) == required
    commented = set(re.findall(r"^    # ([a-z_]+):", text, re.MULTILINE)) - {"ansible_user"}
    assert sorted(commented - {*options, *options_of("nginx")}) == []


def options_of(role: str) -> dict[str, Any]:
    spec = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
    return dict(spec["argument_specs"]["main"]["options"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_words_of_a_variable_are_quoted_for_ansible_too(page: Path) -> None:
    """-e name="a b" reaches Ansible as name=a b, of which it takes the first word alone."""
    assert re.findall(r"-e [a-z_]+=[\"'][^\"']* [^\"']*[\"']", page.read_text(encoding="utf-8")) == []


def test_the_picture_of_a_terminal_is_of_commands_that_the_readme_has() -> None:
    picture = (ROOT / "docs/terminal.svg").read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", "", picture)).replace("\xa0", " ")
    for playbook in ("site", "rollback"):
        command = f"ansible-playbook -i hosts.yml switchyard.django.{playbook}"
        assert command in README
        assert command in text
    assert "(asgi by gunicorn_uvicorn, commit" in text
    assert "(wsgi by gunicorn, commit" in text
    # A page that shows a picture lets it fetch nothing.
    assert "url(" not in picture.replace("url(#", "")

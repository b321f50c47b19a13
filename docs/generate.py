# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what the pages of docs/ take from the code, or say with --check whether they are what it says.

docs/variables.md, the README of each role and the tables of README.md come from the argument specs of the roles, the
modules' documentation and the comments that playbooks begin with; docs/playbooks.md from these; the tables of
docs/diagnosis.md from the modules.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.switchyard.django.plugins.module_utils.causes import CAUSES  # noqa: E402
from ansible_collections.switchyard.django.plugins.module_utils.health_classes import CLASSES  # noqa: E402

WAY_OUT = ".venv/bin/python docs/generate.py"
TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COLLECTION = "switchyard.django"

# In the order in which a reader asks; a role that is not named here comes after these.
FIRST = ("site", "wsgi", "asgi", "release", "cutover", "rollback", "nginx", "systemd", "host", "balancer")
SET_BY_THE_PLAYBOOK = "The playbook sets it."

HEAD = f"""\
# Variables

Made from `roles/*/meta/argument_specs.yml` by `{WAY_OUT}`; a change here is lost.

Set them in the inventory. `site_name`, `site_source`, `site_package` and `site_domains` have to be there; everything
else has a default. A rollback needs `site_name` alone. A run warns of a name that begins like one of these, is none of
them, and is nearly one.
"""

ROLE = """
## {name}

{short}.

| variable | type | default | |
|---|---|---|---|
{rows}
"""

README = """\
<!-- Made from meta/argument_specs.yml by {way_out}; a change here is lost. -->

# switchyard.django.{name}

{short}.

{description}

Its variables: [docs/variables.md](../../docs/variables.md#{name}). The playbooks run it with the others: see the
[README](../../README.md) of the collection.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where the page is out of date")
    check = parser.parse_args().check
    pages = {
        ROOT / "docs/variables.md": variables(),
        ROOT / "docs/playbooks.md": playbooks(),
        ROOT / "docs/diagnosis.md": diagnosis(),
        ROOT / "README.md": readme(),
    }
    pages |= {ROOT / "roles" / name / "README.md": role_readme(name) for name in roles()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is not what the code says. Run: {WAY_OUT}", file=sys.stderr)
        else:
            path.write_text(pages[path], encoding="utf-8")
    return 1 if check and stale else 0


# --- variables.md ----------------------------------------------------------------------------------------------------


def variables() -> str:
    """The whole page. A variable that several roles read stands where it is met first."""
    shown: set[str] = set()
    parts = [HEAD]
    for name in roles():
        spec = argument_spec(name)
        options = {variable: option for variable, option in options_of(spec) if variable not in shown}
        shown |= set(options)
        if options:
            rows = "\n".join(row(variable, option) for variable, option in options.items())
            short = plain(spec["main"]["short_description"])
            parts.append(ROLE.format(name=name, short=short, rows=rows))
    return "".join(parts)


def role_readme(role: str) -> str:
    """Of a role: Ansible Galaxy asks for one in each."""
    main = argument_spec(role)["main"]
    return README.format(
        way_out=WAY_OUT, name=role, short=plain(main["short_description"]), description=plain(description(main))
    )


def roles() -> list[str]:
    names = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
    return sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def argument_spec(role: str) -> dict[str, Any]:
    path = ROOT / "roles" / role / "meta/argument_specs.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]


def options_of(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a user may set, of every entry point of the role."""
    for entry_point in spec.values():
        for name, option in entry_point.get("options", {}).items():
            if SET_BY_THE_PLAYBOOK not in description(option):
                yield name, option


def row(name: str, option: dict[str, Any]) -> str:
    kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
    if "choices" in option:
        kind = " or ".join(f"`{choice}`" for choice in option["choices"])
    default = "required" if option.get("required") else f"`{shown_default(option.get('default'))}`"
    return f"| `{name}` | {kind} | {default} | {plain(description(option))} |"


def shown_default(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def description(option: dict[str, Any]) -> str:
    found = option["description"]
    return " ".join([found] if isinstance(found, str) else found)


def plain(text: str) -> str:
    """Ansible's markup as Markdown's, on one line of a table."""
    marked = re.sub(r"\b(?:C|V|O|RV|M|I)\(((?:\\.|[^)\\])*)\)", r"`\1`", " ".join(text.split()))
    return marked.replace("|", r"\|").rstrip(".") + ("." if text.rstrip().endswith(".") else "")


# --- playbooks.md and README.md --------------------------------------------------------------------------------------

PLAYBOOKS_HEAD = f"""\
# Playbooks

Made from the comments in `playbooks/*.yml` by `{WAY_OUT}`; a change here is lost.

Each of them runs as `ansible-playbook -i hosts.yml {COLLECTION}.NAME`, in a checkout also by its path.
"""


def playbooks() -> str:
    parts = [f"\n## {COLLECTION}.{name}\n\n{said}\n" for name, said in playbook_comments().items()]
    return PLAYBOOKS_HEAD + "".join(parts)


def playbook_comments() -> dict[str, str]:
    """What each playbook says of itself, those first that are used first."""
    first = ("site", "rollback", "status", "advise", "manage")
    names = sorted(path.stem for path in ROOT.glob("playbooks/*.yml"))
    names.sort(key=lambda name: first.index(name) if name in first else len(first))
    return {name: comment((ROOT / f"playbooks/{name}.yml").read_text(encoding="utf-8")) for name in names}


def comment(text: str) -> str:
    """What stands between the first line of a file and its first play."""
    return " ".join(line[2:] for line in itertools.takewhile(lambda line: line[:1] == "#", text.splitlines()[1:]))


def readme() -> str:
    """The page as it is, with its tables filled in."""
    specs = {name: argument_spec(name)["main"] for name in roles()}
    tables = {
        "playbooks": [(f"{COLLECTION}.{name}", said.partition(". ")[0]) for name, said in playbook_comments().items()],
        "roles": [(name, spec["short_description"]) for name, spec in specs.items()],
        "modules": sorted(module_descriptions()),
    }
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    return TABLE.sub(lambda found: f"{found[1]}{short_table(found[2][:-1], tables[found[2]])}{found[3]}", page)


def module_descriptions() -> Iterator[tuple[str, str]]:
    for path in ROOT.glob("plugins/modules/*.py"):
        text = path.read_text(encoding="utf-8")
        documented = re.search(r'^DOCUMENTATION = r?"""\n(.*?)"""', text, re.DOTALL | re.MULTILINE)
        assert documented, path  # noqa: S101 - Ansible refuses such a module as well
        yield path.stem, yaml.safe_load(documented[1])["short_description"]


def short_table(first: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {first} | |", "|---|---|", *(f"| `{name}` | {plain(said)} |" for name, said in rows)]
    return "\n".join(lines) + "\n"


# --- diagnosis.md ----------------------------------------------------------------------------------------------------


def diagnosis() -> str:
    """The page as it is, with its tables filled in."""
    tables = {
        "causes": table("cause", [(one.name, f"{one.words}.", one.hint) for one in CAUSES.values()]),
        "classes": table("failure", [(one.name, one.when, one.hint) for one in CLASSES.values()]),
    }
    page = (ROOT / "docs/diagnosis.md").read_text(encoding="utf-8")
    return TABLE.sub(lambda found: f"{found[1]}{tables[found[2]]}{found[3]}", page)


def table(first: str, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"| {first} | what it is | what to do |", "|---|---|---|"]
    lines += [f"| `{name}` | {plain(what[:1].upper() + what[1:])} | {plain(hint)} |" for name, what, hint in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

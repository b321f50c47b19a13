# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a collection has to pass that is published: antsibull-docs, galaxy-importer, ansible-test; `make checks`.

ansible-test looks at what the tarball holds and at the checkout, with each ansible-core. Of the checkout it gets all
but collections/, the link by which a checkout finds itself: a collection may have no link to a folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "testbed"))

from machine import CACHE  # noqa: E402
from pythons import SUPPORTED, controller, environment  # noqa: E402

BIN = Path(sys.executable).parent
PLACE = "ansible_collections/switchyard/django"
# ansible-test fetches this script from a server of its own, under a name with the version of pip. Python brings a pip.
BOOTSTRAP = "import ensurepip\n\nensurepip.bootstrap()\n"
PIP = re.compile(r"pip='([\d.]+)'")
# galaxy-importer, as strict as it can be.
IMPORTER = """\
[galaxy-importer]
CHECK_CHANGELOG = True
CHECK_REQUIRED_TAGS = True
CHECK_RUNTIME_REQUIRES_ANSIBLE = True
OFFLINE_ANSIBLE_LINT = True
RUN_ANSIBLE_DOC = True
RUN_ANSIBLE_LINT = True
RUN_FLAKE8 = True
"""
COMPLAINT = re.compile(r"^(?:WARNING|ERROR|CRITICAL): .*", re.MULTILINE)
# It takes the documentation of a filter, NAME.yml, for Python, and two habits of ruff's for faults.
NO_COMPLAINT = re.compile(r" plugins/filter/\w+\.yml:\S+ E999 |: (?:E203|W503) ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", action="append", choices=[*SUPPORTED, "none"], help="for ansible-test; usually all")
    cores = [one for one in parser.parse_args().core or SUPPORTED if one != "none"]
    with tempfile.TemporaryDirectory() as scratch:
        built = build(Path(scratch))
        tarball, checkout = unpacked(built, Path(scratch) / "tarball"), copied(Path(scratch) / "checkout")
        found = [*documentation(tarball), *importer(built)]
        for core in cores:
            found += sanity(core, tarball, "the tarball") + sanity(core, checkout, "the checkout")
    print("\n".join(["checks: not clean", *found]) if found else "checks: all clean")
    return 1 if found else 0


def run(*command: str | Path, **options: Any) -> tuple[int, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    return done.returncode, done.stdout


# --- what is looked at -----------------------------------------------------------------------------------------------


def build(folder: Path) -> Path:
    code, said = run(BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT)
    assert code == 0, said
    (tarball,) = folder.glob("*.tar.gz")
    return tarball


def unpacked(tarball: Path, folder: Path) -> Path:
    """What the tarball holds, and beside it for which Python the modules are, which ansible-test reads in tests/."""
    shutil.unpack_archive(tarball, folder / PLACE)
    (folder / PLACE / "tests").mkdir()
    shutil.copy(ROOT / "tests/config.yml", folder / PLACE / "tests/config.yml")
    return folder / PLACE


def copied(folder: Path) -> Path:
    """The files of the checkout as they are now, in a repository of their own, as ansible-test wants it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        if (ROOT / name).is_file() and not name.startswith("collections/"):
            (folder / PLACE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / PLACE / name)
    for command in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", *command], cwd=folder / PLACE, check=True)
    return folder / PLACE


# --- who looks -------------------------------------------------------------------------------------------------------


def documentation(place: Path) -> list[str]:
    print("checks: antsibull-docs", flush=True)
    lint = ["lint-collection-docs", "--plugin-docs", "--validate-collection-refs=dependent"]
    code, said = run(BIN / "antsibull-docs", *lint, "--disallow-unknown-collection-refs", place)
    return said.splitlines() if code or said else []


def importer(tarball: Path) -> list[str]:
    print("checks: galaxy-importer", flush=True)
    settings = tarball.with_name("galaxy-importer.cfg")
    settings.write_text(IMPORTER, encoding="utf-8")
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as elsewhere:  # beside ansible.cfg, it would find the checkout
        options = {"cwd": elsewhere, "env": {**os.environ, "PATH": path, "GALAXY_IMPORTER_CONFIG": str(settings)}}
        options["env"].pop("ANSIBLE_CONFIG", None)
        code, said = run(sys.executable, "-m", "galaxy_importer.main", tarball, **options)
    complaints = [line for line in COMPLAINT.findall(said) if not NO_COMPLAINT.search(line)]
    return complaints or ([said] if code else [])


def sanity(core: str, place: Path, called: str) -> list[str]:
    """What ansible-test finds; on the newest Python that this ansible-core supports."""
    print(f"checks: ansible-test sanity of ansible-core {core} on {called}", flush=True)
    ansible = controller(core, SUPPORTED[core][-1])
    home = CACHE / "ansible-test"  # it keeps its own environments below the home folder
    (settings,) = ansible.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    for version in PIP.findall(settings.read_text(encoding="utf-8")):
        script = home / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(BOOTSTRAP, encoding="utf-8")
    usual = environment()
    usual |= {"HOME": str(home), "PATH": f"{ansible / 'bin'}{os.pathsep}{usual['PATH']}"}
    usual.pop("ANSIBLE_CONFIG", None)
    code, said = run(ansible / "bin/ansible-test", "sanity", "--color=no", cwd=place, env=usual)
    lines = [line for line in said.splitlines() if line.startswith(("ERROR:", "FATAL:"))]
    return [f"ansible-test {core} on {called}: {line}" for line in lines] or ([said] if code else [])


if __name__ == "__main__":
    sys.exit(main())

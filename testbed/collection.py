# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a collection beside ansible-core that lint and tests need, alone out of all those of the package `ansible`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

# The one for ansible-core 2.19; the collection is the same on later ones.
ANSIBLE = "ansible==12.3.0"


def main(collections: list[str]) -> None:
    site_packages = Path(sysconfig.get_path("purelib"))
    wanted = [f"ansible_collections/{name.replace('.', '/')}/" for name in collections]
    if all((site_packages / folder / "MANIFEST.json").exists() for folder in wanted):
        return
    with tempfile.TemporaryDirectory() as folder:
        fetch = [
            "-m",
            "pip",
            "download",
            "-qq",
            "--disable-pip-version-check",
            "--no-deps",
            f"--dest={folder}",
            ANSIBLE,
        ]
        subprocess.run([sys.executable, *fetch], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(tuple(wanted))]
            archive.extractall(site_packages, [name for name in members if "/tests/" not in name])


if __name__ == "__main__":
    main(sys.argv[1:])

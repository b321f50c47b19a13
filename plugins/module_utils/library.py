# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's modules on a host: a folder for each version of them, named by the digest of their texts."""

from __future__ import annotations

import compileall
import shutil
import tarfile
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk
from ansible_collections.switchyard.django.plugins.module_utils.layout import LIBRARY, LIBRARY_LOCK

KEPT = 3
MAIN = """\
import importlib, sys
importlib.import_module("ansible_collections.switchyard.django.plugins.module_utils." + sys.argv[1]).main(*sys.argv[2:])
"""


def around(file: str) -> Path | None:
    """The library that this module was loaded from, or None where it came with the call."""
    path = Path(file)
    return path.parents[5] if len(path.parents) > 5 and is_whole(path.parents[5]) else None


def is_whole(folder: Path) -> bool:
    return (folder / "whole").exists()


def lay_down(folder: Path, archive: str) -> bool:
    """Unpack and compile it; the mark that it is whole comes last, so that a half-made one is not taken for one.

    :returns: whether it was not there before
    """
    with disk.locked(LIBRARY_LOCK):  # the host's sites share it
        if is_whole(folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o755, parents=True)
        with tarfile.open(archive) as packed:
            for member in packed.getmembers():
                path = folder / member.name
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                path.write_bytes(packed.extractfile(member).read())  # type: ignore[union-attr]
                path.chmod(0o644)
        for package in folder.glob("**/"):
            if package != folder:  # each a package of its own, or Python prefers one that came with the call
                (package / "__init__.py").touch(0o644)
        (folder / "__main__.py").write_text(MAIN)
        compileall.compile_dir(folder, quiet=2)
        disk.settle(folder)
        disk.write(folder / "whole", b"", 0o644)
        for old in sorted(LIBRARY.iterdir(), key=lambda one: one.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old)
        return True

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks nginx what it makes of a configuration, of one to come or of the one that is, and has it take it up."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.switchyard.django.plugins.module_utils import disk, host_command, units
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout

SCRIPT = 'while [ "$#" -gt 0 ]; do mount --bind "$1" "$2" || exit 70; shift 2; done; exec nginx -t'


def read_with(places: Mapping[Path, Path]) -> subprocess.CompletedProcess[str]:
    """Let nginx read its real configuration with other folders in the place of some, in a mount namespace of its own.

    :param places: what is to lie where; a folder before those in it, for what is mounted later lies on top
    """
    pairs = [part for place, folder in places.items() for part in (folder, place)]
    return host_command.run(
        ["unshare", "--mount", "--propagation=private", "/bin/sh", "-c", SCRIPT, "sh", *pairs],
        capture_output=True,
        text=True,
        check=False,
    )


def reload() -> str:
    """Have nginx take up what is on the disk, and say what was wrong; it goes on as before where that is no good."""
    active = units.is_active("nginx.service")
    done = host_command.run(
        ["systemctl", "reload" if active else "start", "nginx.service"], capture_output=True, text=True, check=False
    )
    return f"nginx can't be {'reloaded' if active else 'started'}: {done.stderr.strip()}" if done.returncode else ""


def refused_already(layout: Layout, and_ours: bool = True) -> str:
    """What nginx refuses of the configuration that the host has, and who mends it; nothing where the site changes that.

    :param and_ours: whether a file of the site's own is to be told as well, which a deploy writes anew
    """
    try:
        said = host_command.run(["nginx", "-t", "-q"], capture_output=True, text=True, check=False)
    except OSError:  # a bare host
        return ""
    fault = "\n".join(line for line in said.stderr.splitlines() if "[emerg]" in line)
    own_file = any(f" {own}" in fault for own in (f"{layout.edge}:", f"{layout.etc}/"))
    if not said.returncode or (own_file and not and_ours) or (_is_of_the_site(layout, fault) and not own_file):
        return ""
    if own_file:
        way_out = f"That file is {layout.site}'s own, and was changed by hand: site.yml writes it anew."
    else:
        way_out = f"Mend that file, which is not {layout.site}'s, or take it out of nginx's configuration."
    return (
        f"nginx refuses the configuration that the host has already, without what {layout.site} would change:\n"
        f"{said.stderr.strip()}\n{way_out} Until then nginx goes on with what it read before, and would not start "
        "again."
    )


def _is_of_the_site(layout: Layout, fault: str) -> bool:
    """Whether nginx names a file of the site's: one of its own, or one that its own name, such as a certificate."""
    named = [Path(path) for path in re.findall(r'(?<=["\s])/[^\s":]+', fault)]
    own = disk.text_of(layout.edge) or ""
    return any(path == layout.edge or path.is_relative_to(layout.etc) or f" {path};" in own for path in named)

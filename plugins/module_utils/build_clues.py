# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a build that failed, by what its programs said last."""

from __future__ import annotations

import re

# By what a failure gives away that the host lacks a package, and which.
LACKS = {
    r"Can't find (?:msgfmt|msgmerge|msguniq|xgettext)\b": "gettext",
    r"pg_config executable not found|libpq-fe\.h": "libpq-dev, gcc and python3-dev",
    r"mysql_config|Can not find valid pkg-config name": "default-libmysqlclient-dev, gcc, python3-dev and pkg-config",
    r"gdal-config": "libgdal-dev, g++ and python3-dev",
    r"Python\.h: No such file": "python3-dev and gcc",
    r"(?:command|execute|compiler) ['\"`](?:\S*-)?(?:gcc|cc|g\+\+|c\+\+)\b": "gcc and python3-dev",
    r"Git executable not found": "git",
}
# How env, a shell and Python say that there is no such command, and the packages whose names are not the commands'.
NO_COMMAND = re.compile(
    r"env: ['\u2018](?P<env>[\w.+-]+)['\u2019]: No such file"
    r"|(?:sh|bash): (?:line )?\d+: (?P<sh>[\w.+-]+): (?:command )?not found"
    r"|No such file or directory: '(?P<python>[\w.+-]+)'"
)
PACKAGE_OF = {"node": "nodejs", "npx": "npm", "msgfmt": "gettext", "cc": "gcc", "g++": "build-essential"}
SAME_NAME = frozenset({"npm", "git", "make", "gcc", "curl", "yarnpkg", "sassc", "rsync", "unzip"})
UNAUTHORISED = re.compile(r"\b40[13] (?:Unauthorized|Forbidden)|\bE40[13]\b|ENEEDAUTH|authentication credentials")


def way_out(said: str) -> str:
    """What to do about a build that ended like this; empty where it does not show."""
    for pattern, packages in LACKS.items():
        if re.search(pattern, said):
            return f"The host lacks what it needs: add {packages} to site_packages"
    if found := NO_COMMAND.search(said):
        name = next(filter(None, found.groups()))
        package = PACKAGE_OF.get(name, name if name in SAME_NAME else "")
        return f"There is no command {name}: " + (
            f"add {package} to site_packages"
            if package
            else "add the Debian package that has it to site_packages, or have a command before this one install it"
        )
    if UNAUTHORISED.search(said):
        return (
            "An index or a registry did not take the credentials. release_build_environment gives them: for an index "
            "that UV_INDEX calls name, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD"
        )
    if "Read-only file system" in said or "EROFS" in said:
        return "A build command may write in the code, below HOME and in /tmp, and nowhere else"
    return ""

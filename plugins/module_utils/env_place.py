# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an environment file lies where it is safe, and is open to nobody but those who were named."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Mapping
from pathlib import PurePath

from ansible_collections.switchyard.django.plugins.module_utils.env_finding import ERROR, WARNING, Finding

_NUMBER = re.compile(r"[0-9]+")


_OCTAL_DIGITS = re.compile(r"(0o)?[0-7]{3,4}")
_FOR_OWNER_AND_GROUP = 0o770


def parse_mode(mode: object) -> int:
    """The mode given as a number or as octal digits; ValueError if it is none, or if it lets everybody read secrets."""
    if isinstance(mode, int) and not isinstance(mode, bool):
        return _mode_without_quotes(mode)
    if not isinstance(mode, str) or not _OCTAL_DIGITS.fullmatch(mode):
        raise ValueError("the mode is not written as octal digits in quotes, such as '0600'")
    if int(mode, 8) & ~_FOR_OWNER_AND_GROUP:
        raise ValueError("the mode must leave nothing to others, as '0600' and '0640' do")
    return int(mode, 8)


def _mode_without_quotes(number: int) -> int:
    """YAML makes 384 of 0600, which is the mode that was meant, and leaves 600, of which nobody can be sure."""
    meant_as_digits = _OCTAL_DIGITS.fullmatch(str(number)) and not int(str(number), 8) & ~_FOR_OWNER_AND_GROUP
    if not meant_as_digits and not number & ~_FOR_OWNER_AND_GROUP:
        return number
    # What is more than 0777 can only be digits; below, 420 may be what YAML made of 0644.
    example = f"{number:04}" if meant_as_digits and number > 0o777 else "0600"
    raise ValueError(
        f"the mode without quotes is the number {number}, in octal digits {number:04o}: put the digits in quotes, "
        f"'{example}'; they must leave nothing to others"
    )


def user_id(owner: str) -> int | None:
    """The number of a user given by name or number, None if there is no such user."""
    if _NUMBER.fullmatch(owner):
        return int(owner)
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        return None


def group_id(group: str) -> int | None:
    """The number of a group given by name or number, None if there is no such group."""
    if _NUMBER.fullmatch(group):
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def judge_owners(owner: str, group: str) -> list[Finding]:
    findings = []
    if user_id(owner) is None:
        findings.append(
            _about_file(
                "unknown-owner", f"the user {owner} does not exist", "Create the user first, or name another owner"
            )
        )
    if group_id(group) is None:
        findings.append(
            _about_file(
                "unknown-group", f"the group {group} does not exist", "Create the group first, or name another group"
            )
        )
    return findings


def judge_place(path: str, owner: str) -> list[Finding]:
    """Whether the path, and every folder on the way to it, is in the hands of root and the owner alone."""
    findings = []
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return [_about_file("folder-missing", f"the folder {folder} does not exist", "Create it with mode 0700 first")]
    if os.path.islink(path):
        findings.append(
            _about_file(
                "symlink",
                "the path is a symbolic link",
                "Put the file itself there, so that nobody can exchange what it points to",
            )
        )
    elif os.path.lexists(path) and not os.path.isfile(path):
        findings.append(
            _about_file("not-a-file", "the path is not a regular file", "Remove what is there, or choose another path")
        )
    if re.search(r"[*?\[]", path):
        findings.append(
            _about_file(
                "path-is-a-pattern",
                "systemd takes *, ? and [ in the path of an EnvironmentFile= for a pattern",
                "Choose a path without them",
                WARNING,
            )
        )
    trusted = {0, user_id(owner)}
    for each in _folders_above(path):
        status = os.stat(each)
        if status.st_uid not in trusted:
            findings.append(
                _about_file(
                    "folder-owner",
                    f"the folder {each} belongs to user {status.st_uid}, who can exchange the file",
                    f"chown root {each}",
                )
            )
        if _others_may_write(status):
            findings.append(
                _about_file(
                    "folder-writable",
                    f"others can write to the folder {each} and exchange the file",
                    f"chmod go-w {each}",
                )
            )
    return findings


def judge_apart(path: str, folders: Mapping[str, str]) -> list[Finding]:
    """Whether the file lies in none of the folders, which `folders` has by what they are: source, static, media.

    Of a folder that is not there nobody can say so for certain, and nothing can be read from it.
    """
    findings = []
    for name, folder in folders.items():
        if _lies_in(os.path.abspath(path), os.path.abspath(folder)):
            message = f"the file lies in the {name} folder {folder}, from which others get copies or downloads"
            findings.append(
                _about_file(f"inside-{name}", message, "Keep it elsewhere, in a folder below /etc for instance")
            )
        elif not os.path.isdir(folder):
            message = f"the {name} folder {folder} {_why_no_folder(folder)}, so nothing can be judged by it"
            hint = "Correct its path, or make the folder first"
            findings.append(_about_file(f"{name}-missing", message, hint, WARNING))
    return findings


def _why_no_folder(path: str) -> str:
    return "is not a folder" if os.path.exists(path) else "does not exist"


def _lies_in(path: str, folder: str) -> bool:
    """By the names of both, by where symbolic links really lead, and by what is one folder under two names."""
    files, folders = {path, os.path.realpath(path)}, {folder, os.path.realpath(folder)}
    if any(os.path.commonpath((one, other)) == other for one in files for other in folders):
        return True
    return any(_is_same(each, folder) for file in files for each in _folders_above(file))


def _is_same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def judge_file(path: str, owner: str, group: str, mode: int) -> list[Finding]:
    """Whether the file is there, in a safe place, and open to nobody but those who were named."""
    findings = judge_owners(owner, group) + judge_place(path, owner)
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        return findings
    if not os.path.lexists(path):
        hint = "Write it with state=present, or correct the path"
        return findings + [_about_file("missing", "the file does not exist", hint)]
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        return findings
    uid, gid = user_id(owner), group_id(group)
    excess = stat.S_IMODE(status.st_mode) & ~mode
    if excess:
        message = f"the mode is {stat.S_IMODE(status.st_mode):04o} and opens the file further than {mode:04o}"
        findings.append(_about_file("mode", message, f"chmod {mode:04o} {path}"))
    if uid is not None and status.st_uid != uid:
        findings.append(
            _about_file("owner", f"the file belongs to user {status.st_uid}, not to {owner}", f"chown {owner} {path}")
        )
    if gid is not None and status.st_gid != gid and status.st_mode & stat.S_IRWXG:
        message = f"the file is open to group {status.st_gid}, not to {group}"
        findings.append(_about_file("group", message, f"chgrp {group} {path}"))
    if _has_access_list(path):
        message = "the file has an access list, which names others beside its owner and its group"
        findings.append(_about_file("access-list", message, f"setfacl --remove-all {path}"))
    if status.st_nlink > 1:
        message = "the file has another name, a hard link, in a folder that nobody judged"
        hint = f"Find it with find / -xdev -samefile {path}, and remove it"
        findings.append(_about_file("hard-link", message, hint, WARNING))
    return findings


def _has_access_list(path: str) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except OSError:
        # The file system knows no access lists.
        return False


def _about_file(code: str, message: str, hint: str, level: str = ERROR) -> Finding:
    return Finding("", None, code, level, message, hint)


def _folders_above(path: str) -> list[str]:
    """Every folder on the way to the file, both as it is named and, behind symbolic links, as it really is."""
    folder = os.path.dirname(path)
    folders = {folder, os.path.realpath(folder)}
    return sorted(folders.union(*(map(str, PurePath(each).parents) for each in folders)))


def _others_may_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_ISVTX:
        # In a sticky folder such as /tmp nobody can rename or remove what belongs to another user.
        return False
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    return bool(by_group or status.st_mode & stat.S_IWOTH)

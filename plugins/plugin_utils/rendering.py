# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders templates of the roles for an action.

The lookup ansible.builtin.template does the same, and first makes a deep copy of all variables, which takes longer than
all else that such a task does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


def text(action: ActionBase, one: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """The text of a file: its `content`, or what its `template` makes of all variables and of itself, as `one`.

    :param one: the template is a path, or a name in the role's templates
    """
    if "template" not in one:
        return str(one["content"])
    path = action._find_needle("templates", one["template"])
    templar = action._templar.copy_with_new_env(
        searchpath=[str(Path(path).parent)], available_variables={**variables, "one": one}
    )
    template = trust_as_template(action._loader.get_text_file_contents(path))
    return str(templar.template(template, escape_backslashes=False)).rstrip("\n") + "\n"

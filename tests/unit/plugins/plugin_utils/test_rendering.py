# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.switchyard.django.plugins.plugin_utils import rendering


@pytest.fixture
def render(tmp_path):
    """Renders a template that lies among others, as an action of the role does."""
    loader = DataLoader()
    (tmp_path / "part.j2").write_text("from {{ site_name }}")

    def render(template, one=None, **variables):
        (tmp_path / "whole.j2").write_text(template)
        variables = {"site_name": "shop", **variables}
        action = SimpleNamespace(
            _find_needle=lambda kind, name: str(tmp_path / name),
            _loader=loader,
            _templar=Templar(loader=loader, variables=variables),
        )
        return rendering.text(action, {"template": "whole.j2", **(one or {})}, variables)

    return render


def test_a_template_knows_all_variables_and_its_own_entry(render):
    assert render("{{ site_name }} {{ one.kind }}\n", {"kind": "tls"}) == "shop tls\n"


def test_it_includes_what_lies_beside_it(render):
    assert render("hello\n{% include 'part.j2' %}\n") == "hello\nfrom shop\n"


def test_a_variable_may_be_a_template_itself(render):
    assert render("{{ greeting }}\n", greeting=trust_as_template("hello {{ site_name }}")) == "hello shop\n"


def test_what_somebody_else_says_is_no_template(render):
    assert render("{{ greeting }}\n", greeting="{{ site_name }}") == "{{ site_name }}\n"


def test_a_text_stays_a_text_and_ends_with_one_line_end(render):
    assert render("{{ [1, 2] }}\n\n\n") == "[1, 2]\n"
    assert render("a\\nb") == "a\\nb\n"


def test_a_line_of_control_leaves_none_behind(render):
    assert render("{% if true %}\nyes\n{% endif %}\nend\n") == "yes\nend\n"


def test_what_is_not_defined_is_an_error(render):
    with pytest.raises(AnsibleUndefinedVariable, match="colour"):
        render("{{ colour }}\n")


def test_a_content_is_taken_as_it_is():
    assert rendering.text(SimpleNamespace(), {"content": "{{ x }}\n\n"}, {}) == "{{ x }}\n\n"

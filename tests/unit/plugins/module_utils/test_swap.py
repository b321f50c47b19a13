# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import edge, swap

NEW = "b" * 12
BEFORE = "user www-data;\nevents {\n\tworker_connections 768;\n}\n"
AFTER = "user www-data;\nworker_rlimit_nofile 4000;\nevents {\n\tworker_connections 2000;\n}\n"


@pytest.fixture
def main(tmp_path, monkeypatch):
    """nginx's main configuration."""
    path = tmp_path / "nginx.conf"
    path.write_text(BEFORE)
    monkeypatch.setattr(edge, "NGINX_MAIN", path)
    return path


def edge_of(layout, **wanted):
    return swap.plan_of(layout, {"release": NEW, "operation": "deploy", **wanted}, "").edge


def test_the_connections_of_nginxs_workers_move_with_the_edge(layout, main):
    files = [{"path": "/x", "content": "x"}, {"path": "/y", "content": None}]
    assert edge_of(layout, edge=files, worker_connections=2000) == {"/x": "x", "/y": None, str(main): AFTER}
    assert main.read_text() == BEFORE, "a plan changes nothing"


@pytest.mark.parametrize("wanted", [{}, {"worker_connections": 0}])
def test_where_nobody_sets_them_the_main_configuration_is_left_alone(layout, main, wanted):
    main.write_text("whatever")
    assert edge_of(layout, **wanted) == {}


def test_a_host_that_has_no_nginx_yet_can_be_checked(layout, main):
    main.unlink()
    assert edge_of(layout, worker_connections=2000) == {}


def test_a_main_configuration_that_says_so_already_makes_no_difference(layout, main):
    main.write_text(AFTER)
    plan = swap.plan_of(layout, {"release": NEW, "operation": "deploy", "worker_connections": 2000}, "")
    assert plan.edge == {str(main): AFTER}
    assert swap.differences(plan, NEW) == []


def test_a_main_configuration_of_another_shape_is_left_to_the_user_with_the_way_out(layout, main):
    main.write_text("events { worker_connections 768; }\n")
    said = edge.main_problem(2000)
    assert said.startswith(f"{main} has no line of its own with worker_connections")
    assert said.endswith("Set the number there by hand, and nginx_worker_connections: 0")
    assert edge.main_problem(0) == ""

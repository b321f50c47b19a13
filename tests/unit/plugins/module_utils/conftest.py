# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """The layout of a site named shop, whose folders lie under tmp_path and exist."""
    for name in ("etc", "srv", "cache", "run"):
        (tmp_path / name / "shop").mkdir(parents=True)
    monkeypatch.setattr(Layout, "etc", property(lambda self: tmp_path / "etc" / self.site))
    monkeypatch.setattr(Layout, "srv", property(lambda self: tmp_path / "srv" / self.site))
    monkeypatch.setattr(Layout, "cache", property(lambda self: tmp_path / "cache" / self.site))
    monkeypatch.setattr(Layout, "edge", property(lambda self: tmp_path / "nginx" / f"{self.site}.conf"))
    one = Layout("shop")
    for folder in (one.etc / "releases", one.etc / "env", one.etc / "locks", one.srv / "releases", one.srv / "venvs"):
        folder.mkdir()
    return one

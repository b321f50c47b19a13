# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.layout import Layout


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """The layout of a site named shop, whose folders lie under tmp_path and exist."""
    for name in ("etc/shop", "srv/shop", "cache/shop", "run/shop", "system"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(Layout, "etc", property(lambda self: tmp_path / "etc" / self.site))
    monkeypatch.setattr(Layout, "srv", property(lambda self: tmp_path / "srv" / self.site))
    monkeypatch.setattr(Layout, "cache", property(lambda self: tmp_path / "cache" / self.site))
    monkeypatch.setattr(Layout, "run", property(lambda self: tmp_path / "run" / self.site))
    monkeypatch.setattr(Layout, "socket", lambda self, release: tmp_path / "sockets" / release / "app.sock")
    monkeypatch.setattr(Layout, "unit_file", lambda self, release: tmp_path / "system" / self.unit(release))
    monkeypatch.setattr(Layout, "edge", property(lambda self: tmp_path / "nginx" / f"{self.site}.conf"))
    one = Layout("shop")
    for folder in (one.etc / "releases", one.etc / "env", one.etc / "locks", one.srv / "releases", one.srv / "venvs"):
        folder.mkdir()
    return one


@pytest.fixture
def make_release(layout):
    """Makes a whole release, as far as the host's own records go."""

    def make(name, **changes):
        manifest = {
            "id": name,
            "stack": "wsgi",
            "server": "gunicorn",
            "commit": "c0ffee" * 6,
            "root": ".",
            "settings_module": "shop.settings",
            "settings": {"STATIC_ROOT": "", "MEDIA_ROOT": ""},
            "environment": "e1",
            "venv": "v1",
            "lock": "l1",
            "migrations": {"before": {}, "after": {}, "known": {}, "pending": []},
            "files": {},
            **changes,
        }
        layout.record(name).mkdir(exist_ok=True)
        layout.manifest(name).write_text(json.dumps(manifest))
        layout.static(name).mkdir(parents=True, exist_ok=True)
        layout.venv(manifest["venv"]).mkdir(exist_ok=True)
        layout.environment(manifest["environment"]).write_text('SECRET_KEY="hunter2hunter2"\n')
        return name

    return make

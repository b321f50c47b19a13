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
    monkeypatch.setattr(Layout, "samples", property(lambda self: tmp_path / "samples" / self.site))
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


NOW = 1_790_000_000.0


@pytest.fixture
def host_status():
    """Makes what site_status_info returns of a host that is well; parts that are given take the place of its own."""

    def make(release="3f9c2a7d41b8", **changes):
        figures = {"requests": 100, "statuses": {"200": 100}, "server_errors": 0, "rate_502": 0.0, "rate_504": 0.0}
        figures |= {"p50": 0.012, "p95": 0.08, "p99": 0.21}
        unit = {"unit": f"shop@{release}.service", "release": release, "process": "", "role": "live"}
        unit |= {"state": "active/running", "result": "success", "since": NOW - 7200, "ends_in": None, "restarts": 0}
        unit |= {"restarts_lately": 0, "processes": 3, "workers": 2, "workers_started": 0, "memory": 93 * 1024**2}
        unit |= {"memory_limit": 768 * 1024**2, "growth": {"per_hour": 1048576, "seconds": 3600}, "cpu": 0.04}
        unit |= {"connections": 5, "websockets": 2, "next": None, "last": None}
        move = {"at": NOW - 7200, "by": "ann@desk", "operation": "deploy", "from": None, "to": release, "stack": "asgi"}
        disk = {"paths": ["/srv/shop", "/srv/shop/data"], "size": 10**10, "free": 5 * 10**9}
        slots = [{"at": NOW - 3600 + 60 * n, "requests": n, "server_errors": 0, "p95": 0.1} for n in range(60)]
        points = [
            {"at": NOW - 3600 + 60 * n, "memory": 10**8, "cpu": 0.1, "connections": 3, "websockets": 1, "restarts": 0}
            for n in range(60)
        ]
        status = {
            "at": NOW,
            "since": NOW - 3600,
            "found": "site",
            "sites": ["shop"],
            "live": {
                "id": release,
                "stack": "asgi",
                "server": "uvicorn",
                "commit": "c0ffee" * 6,
                "python": "3.11",
                "origin": "https://git.example.org/shop.git",
                "scheme": "https",
                "since": NOW - 7200,
                "by": "ann@desk",
                "operation": "deploy",
                "reason": None,
                "rollback_target": None,
                "unfinished": False,
                "restoring": "",
            },
            "run": None,
            "maintenance": False,
            "units": [unit],
            "host": {
                "cores": 2,
                "load": 0.5,
                "memory": 2 * 1024**3,
                "memory_available": 1024**3,
                "nginx": "active/running",
                "tls_problem": "",
                "disks": [{**disk, "free_share": 0.5, "inodes_free_share": 0.9}],
                "tls": {"path": "/etc/x.pem", "ends": NOW + 61 * 86400, "days": 61.0, "served": True},
            },
            "log": {
                "since": NOW - 3600,
                "until": NOW,
                "per_second": 100 / 3600,
                "untimed": 0,
                "broken": 0,
                "total": figures,
                "others": {**figures, "requests": 0},
                "failing": [],
                "releases": [],
                "endpoints": [{**figures, "method": "GET", "path": "/notes/<int>/", "missed": 0}],
                "websockets": {"connections": 1, "p50": 5.0, "p95": 5.0, "p99": 5.0},
                "series": slots,
                "reaches_back": True,
                "sources": [],
            },
            "journal": {"connection_failures": {}, "findings": [], "failures": 0},
            "drift": {"drift": [], "unknown": [], "not_taken_up": []},
            "history": [{**move, "result": "live", "seconds": 0.4, "reason": None}],
            "samples": {f"shop@{release}.service": points, "host": points},
            "unread": {},
        }
        return {**status, **changes}

    return make

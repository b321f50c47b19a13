# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules make of HAProxy: a look changes nothing, a second run changes nothing, and no secret is shown."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.switchyard.django.plugins.module_utils import haproxy
from ansible_collections.switchyard.django.plugins.modules import haproxy_config, haproxy_servers


@pytest.fixture
def run(capsys):
    def run(module, check=False, **options):
        arguments = {"_ansible_check_mode": check, "_ansible_diff": True, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        said = json.loads(capsys.readouterr().out)
        said.pop("invocation", None)
        return said

    return run


# --- haproxy_config

GIVEN = {"site": "shop", "configuration": "backend shop\n", "certificate": "a secret key"}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """One with HAProxy, whose configuration is not yet this one; what it was asked for is noted."""
    done = []
    for name in ("HAPROXY_CERTIFICATE", "HAPROXY_CONFIGURATION"):
        for module in (haproxy, haproxy_config):
            monkeypatch.setattr(module, name, tmp_path / name.lower())
    monkeypatch.setattr(haproxy_config, "HAPROXY", tmp_path)
    monkeypatch.setattr(haproxy_config, "HAPROXY_LOCK", tmp_path / "lock")
    monkeypatch.setattr(haproxy_servers, "HAPROXY_LOCK", tmp_path / "lock")
    monkeypatch.setattr(haproxy, "foreign", lambda site: "")
    monkeypatch.setattr(haproxy, "is_in_force", lambda wanted: False)
    monkeypatch.setattr(haproxy, "taken", lambda configuration: [])
    monkeypatch.setattr(haproxy, "refused", lambda wanted: "")
    monkeypatch.setattr(haproxy, "enforce", done.append)
    return done


def test_a_configuration_is_shown_and_its_key_is_not(host, run):
    said = run(haproxy_config, **GIVEN)
    assert said["changed"]
    assert host == [haproxy.Wanted(**GIVEN)]
    assert "secret" not in json.dumps(said)
    assert "+backend shop" in "".join(f"+{one['after']}" for one in said["diff"])


def test_a_look_at_a_configuration_has_it_read_and_changes_nothing(host, run, monkeypatch):
    assert run(haproxy_config, check=True, **GIVEN)["changed"]
    monkeypatch.setattr(haproxy, "refused", lambda wanted: "[ALERT] no")
    assert "[ALERT] no\nNothing was changed." in run(haproxy_config, check=True, **GIVEN)["msg"]
    assert host == []


def test_a_configuration_that_is_in_force_stays(host, run, monkeypatch):
    monkeypatch.setattr(haproxy, "is_in_force", lambda wanted: True)
    assert not run(haproxy_config, **GIVEN)["changed"]
    assert host == []


def test_a_configuration_of_somebody_else_stays(host, run, monkeypatch):
    monkeypatch.setattr(haproxy, "foreign", lambda site: "It was changed by hand")
    assert run(haproxy_config, **GIVEN)["msg"] == "It was changed by hand. Nothing was changed."
    assert host == []


@pytest.mark.parametrize("check", [False, True])
def test_a_port_that_is_taken_is_said_before_anything_changes(host, run, monkeypatch, check):
    monkeypatch.setattr(haproxy, "taken", lambda configuration: ["80", "443"])
    said = run(haproxy_config, check=check, **GIVEN)["msg"]
    assert said.startswith(
        "Another program has port 80, 443 of this host, which is balancer_port or balancer_tls_port."
    )
    assert said.endswith("Nothing was changed.")
    assert host == []


# --- haproxy_servers


@pytest.fixture
def servers(host, monkeypatch):
    """Two hosts that serve, of which HAProxy takes out and brings back whom it is told to."""
    found = {name: haproxy.Server(name, "up", False, 1, "passed") for name in ("web1", "web2")}

    def decide(backend, names, state):
        for name in names:
            out = state == "drain"
            found[name] = haproxy.Server(name, "drain" if out else "up", out, 1, "passed")
            host.append((name, state))

    monkeypatch.setattr(haproxy, "runs", lambda: True)
    monkeypatch.setattr(haproxy, "servers", lambda backend: list(found.values()))
    monkeypatch.setattr(haproxy, "decide", decide)
    return found


def test_how_all_are_is_said_and_nothing_changes(servers, host, run):
    said = run(haproxy_servers, backend="shop")
    assert (said["changed"], host) == (False, [])
    assert said["message"] == ["web1: UP, 1 session, passed", "web2: UP, 1 session, passed"]


def test_who_is_taken_out_is_out_and_whom_it_still_serves_is_told(servers, host, run):
    said = run(haproxy_servers, backend="shop", out=["web2"], drain=0)
    assert (said["changed"], host) == (True, [("web2", "drain")])
    assert said["servers"][1]["out"]
    assert said["diff"][0]["after"] == "web1 in\nweb2 out\n"
    assert "web2 gets no new visitors, and still has 1 after 0 s" in json.dumps(said["warnings"])
    assert not run(haproxy_servers, backend="shop", out=["web2"], drain=0)["changed"]
    assert run(haproxy_servers, backend="shop", back=["web2"])["changed"]
    assert host[1:] == [("web2", "ready")]
    assert not run(haproxy_servers, backend="shop", back=["web2"])["changed"]


def test_a_look_says_who_would_be_out(servers, host, run):
    said = run(haproxy_servers, check=True, backend="shop", out=["web2"])
    assert (said["changed"], host) == (True, [])
    assert said["message"][1] == "web2: out, DRAIN, 1 session, passed"


def test_the_last_one_stays(servers, host, run):
    said = run(haproxy_servers, backend="shop", out=["web1", "web2"])
    assert said["msg"].endswith("Bring one back first. Nothing was changed.")
    assert host == []


def test_a_look_at_a_host_without_the_site_says_so(servers, host, run, monkeypatch):
    monkeypatch.setattr(haproxy, "runs", lambda: False)
    assert run(haproxy_servers, check=True, backend="shop")["message"] == ["HAProxy does not balance the site yet"]

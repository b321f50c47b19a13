# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation do what they say, as they stand, on a host with a site named shop."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.parsing.plugin_docs import read_docstring
from controller import ROOT, Host

MODULES = ("env_file", "health_probe", "service_diagnosis_info")
DOMAIN = "shop.example.com"

# What the examples take for granted: a project's folders, a unit that somebody made by hand, and HTTPS with an
# authority of one's own.
PREPARED = f"""
set -e
mkdir -p /srv/example/src/example /srv/example/static /srv/example/media
echo 'DATABASES = {{"default": dj_database_url.config()}}' > /srv/example/src/example/settings.py
cat > /etc/systemd/system/gunicorn.service <<'END'
[Service]
ExecStart=/bin/sleep infinity
END
systemctl start gunicorn.service
mkdir /etc/ssl/shop; cd /etc/ssl/shop
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Shop's own authority" \
  -keyout ca.key -out /etc/ssl/certs/shop-ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN={DOMAIN}" -keyout site.key -out site.csr
printf 'subjectAltName=DNS:{DOMAIN}' > names
openssl x509 -req -in site.csr -CA /etc/ssl/certs/shop-ca.pem -CAkey ca.key -CAcreateserial -days 2 \\
  -extfile names -out site.pem
cat > /etc/nginx/conf.d/https.conf <<'END'
server {{
    listen 443 ssl;
    server_name {DOMAIN};
    ssl_certificate /etc/ssl/shop/site.pem;
    ssl_certificate_key /etc/ssl/shop/site.key;
    location / {{ proxy_pass http://127.0.0.1; proxy_set_header Host $http_host; }}
}}
END
systemctl reload nginx
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    one = Host(
        group=f"{os.environ.get('SWITCHYARD_TEST_GROUP', 'molecule')}_examples",
        variables={
            "site_name": "shop",
            "site_source": str(ROOT / "examples/liveboard"),
            "site_package": "liveboard",
            "site_domains": [DOMAIN],
            "site_websocket_path": "/ws/board/",
            "vault_secret_key": "p7Kd0vXw2RjT9qLmZc4NbYs8HgUe6AfVi1OoPx3QkWzEtBnM5y",
            "vault_database_password": "open/sesame:4711",
            "shop_monitor_credentials": "monitor:open-sesame-4711",
        },
    )
    one.down()
    one.up()
    try:
        deployed = one.play("site.yml", serve_mode="asgi")
        assert deployed.rc == 0, deployed.output
        one.sh(PREPARED)
        yield one
    finally:
        one.down()


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_do_what_they_say(module: str, host: Host) -> None:
    documented = read_docstring(str(ROOT / f"plugins/modules/{module}.py"), verbose=False)
    tasks = yaml.safe_load(documented["plainexamples"])
    assert any(f"switchyard.django.{module}" in task for task in tasks)
    playbook = host.scratch / f"{module}.yml"
    play: dict[str, Any] = {"hosts": "all", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([play]))
    run = host.play(str(playbook))
    assert run.rc == 0, run.output
    assert "[WARNING]" not in run.output
    for secret in ("open-sesame", "open/sesame", "open%2Fsesame", "p7Kd0vXw2RjT9qLm"):
        assert secret not in run.output


@pytest.mark.parametrize("module", MODULES)
def test_the_documentation_renders_without_a_warning(module: str) -> None:
    shown = subprocess.run(
        ["ansible-doc", "-t", "module", f"switchyard.django.{module}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "WARNING" not in shown.stderr + shown.stdout
    assert "EXAMPLES" in shown.stdout
    assert "RETURN VALUES" in shown.stdout

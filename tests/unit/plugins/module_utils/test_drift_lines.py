# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diff shows of a line: what says what was changed, and nothing that may be a secret."""

from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import drift_lines
from hypothesis import given
from hypothesis import strategies as st

CANARY = "hunter2"


def shown(kind, text, path="settings.py"):
    return drift_lines.lines(kind, path, text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Environment=API_TOKEN=hunter2", ["Environment=********"]),
        ("Environment = HAND_VALUE=hunter2", ["Environment = ********"]),
        ("Environment=A=1 \\\n  PAY=hunter2", ["Environment=********", "********"]),
        ('Environment="A=1 \\\nhunter2', ["Environment=********", "********"]),
        ("Environment=A=1 \\\nQWxhZGRpbjpodW50ZXIy==", ["Environment=********", "********"]),
        ("#Environment=PAY=hunter2", ["#Environment=********"]),
        ("; hunter2", ["********"]),
        ("ExecStart=/srv/x --password hunter2", ["ExecStart=********"]),
        ("ExecStart=/srv/x --pass hunter2", ["ExecStart=********"]),
        ("ExecStart=/usr/bin/env PAY=hunter2 /srv/x", ["ExecStart=********"]),
        ("SetCredential=pay:hunter2", ["SetCredential=********"]),
        ("MemoryMax=hunter2", ["MemoryMax=********"]),
        ("Hunter2=yes", ["********"]),
        ("[hunter2]", ["********"]),
    ],
)
def test_what_a_unit_may_hold_as_a_secret_is_hidden(text, hidden):
    assert shown("unit", text) == hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("# proxy_set_header X-Api-Key hunter2;", "# proxy_set_header ********;"),
        ('  proxy_set_header Authorization "Basic hunter2";', "  proxy_set_header ********;"),
        ("set $api_token hunter2;", "set ********;"),
        ("fastcgi_param SECRET_KEY hunter2;", "fastcgi_param ********;"),
        ("if ($http_x_token != hunter2)", "if ********"),
        ("if ($http_x_token != hunter2) {", "if ******** {"),
        ("location /hook/hunter2/ {", "location ******** {"),
        ("server { set $x hunter2; }", "server ********"),
        ("keepalive 32; set $x hunter2;", "keepalive ********;"),
        ("keepalive 32; # hunter2", "keepalive ********"),
        ('    "hunter2";', "********"),
        ("    hunter2 1;", "********"),
        ("return 200 hunter2;", "return ********;"),
        ("server_name a1b2c3d4e5f6a7b8c9d0e1f2.example.org;", "server_name ********;"),
    ],
)
def test_what_nginx_may_hold_as_a_secret_is_hidden(text, hidden):
    assert shown("nginx", text) == [hidden]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('STRIPE = "sk_live_x"', ['STRIPE = "********"']),
        ("STRIPE = sk_live_x", ["STRIPE = ********"]),
        ("x = AKIA4XXV2ZQ7XAMPLE", ["x = ********"]),
        ('PWD = "hunter2"', ["PWD = ********"]),
        ('pw = "hunter2"', ["pw = ********"]),
        ('x = {"pwd": "hunter2"}', ['x = {"********": ********}']),
        ('os.environ.setdefault("STRIPE_SECRET", "hunter2")', ['os.environ.setdefault("********", ********)']),
        ("connect(api_key=hunter2)", ["connect(api_key=********)"]),
        ('STRIPE = (\n    "hunter2"\n)', ["STRIPE = (", '    "********"', ")"]),
        ("API_KEY = [\n    hunter2,\n    x]\ny = 1", ["API_KEY = [", "    ********,", "    ********]", "y = 1"]),
        ('x = """a\nhunter2\n  b""" + c', ['x = "********"', "********", "******** + c"]),
        ('x = f"hunter2 {y} hunter2" + z', ['x = "********" + z']),
        ("x = 1  # hunter2", ["x = 1  # ********"]),
        ("PIN = 424242", ["PIN = ********"]),
        ("user_pin = 42", ["user_pin = ********"]),
        ("check(otp=4711)", ["check(otp=********)"]),
        ("DOOR = 4711", ["DOOR = ********"]),
        ("a_password = 1234", ["a_password = ********"]),
        ("x = \\\n    b'hunter2'", ["x =", '    "********"']),
        ("it was hunter2\n\nx", ["********", "", "********"]),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj", ["********", "********"]),
    ],
)
def test_what_code_may_hold_as_a_secret_is_hidden(text, hidden):
    assert shown("code", text) == hidden


@pytest.mark.parametrize("path", ["local.yml", ".env", "page.html", "run.sh"])
def test_what_is_no_python_is_not_shown(path):
    assert shown("code", "pay: hunter2\n", path) == ["********"]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("unit", "MemoryMax=90%"),
        ("unit", "#MemoryMax = 1.5G"),
        ("unit", "LimitNOFILE=1024:4096"),
        ("unit", "TimeoutStopSec=1min 30s"),
        ("unit", "Restart=on-failure"),
        ("unit", "Nice=-5"),
        ("unit", "CPUQuota=150%"),
        ("unit", "ExecStart="),
        ("unit", "[Service]"),
        ("nginx", "    keepalive 64;"),
        ("nginx", "    client_max_body_size 99m;"),
        ("nginx", "proxy_read_timeout 90s;"),
        ("nginx", "worker_connections 4096;"),
        ("nginx", "listen [::]:443 ssl default_server;"),
        ("nginx", "server_name shop.example.org *.example.com;"),
        ("nginx", "server {"),
        ("nginx", "}"),
        ("nginx", "allow all;"),
        ("nginx", "access_log off;"),
        ("code", "for item in sorted(items, reverse=True):\n    pass"),
        ("code", "x = HttpResponse(status=204)"),
        ("code", "DEBUG = True"),
        ("code", "PAGE_SIZE = 250"),
        ("code", "shopping.pinned(spins=12)"),
        ("code", 'x = ""'),
    ],
)
def test_what_says_what_was_changed_stays(kind, line):
    assert "\n".join(shown(kind, line)) == line


FORMS = {
    "unit": ["Environment={}", "Environment = A={} B=1", "{}", "{}=1", "# {}", "User={}", 'ExecStart=/x "{}', "[{}]"],
    "nginx": ["set $x {};", "# {}", "{}", "{};", "add_header X {};", "{} 1;", "return 200 {};", "listen unix:/{};"],
    "code": [
        'x = "{}"',
        "x = '{}'",
        "# {}",
        'y(b"{}")',
        '"""\n{}\n"""',
        'f"{}"',
        "passwd({})",
        "secret_{}",
        "A_KEY = {}",
    ],
}


@given(st.data(), st.text("abcdefgXYZ0189+_-.!", min_size=8, max_size=60))
def test_no_usual_way_to_write_a_secret_shows_it(data, value):
    value = f"hunter2{value}"
    kind = data.draw(st.sampled_from(sorted(FORMS)))
    form = data.draw(st.sampled_from(FORMS[kind]))
    if form.startswith("secret_"):
        form = 'secret = "{}"'
    assert "hunter2" not in "\n".join(shown(kind, form.format(value)))

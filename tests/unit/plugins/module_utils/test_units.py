# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import units


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT -SELINUX\n", 252),
        ("systemd 257 (257.9-1~deb13u1)\n+PAM +AUDIT -SELINUX\n", 257),
        ("systemd 255.4-1ubuntu8 (255.4-1ubuntu8)\n+PAM\n", 255),
        ("systemd 256.10 (256.10-1.fc41)\n+PAM\n", 256),
    ],
)
def test_the_version_of_systemd_is_a_number(monkeypatch, said, version):
    monkeypatch.setattr(subprocess, "run", lambda argv, **_how: subprocess.CompletedProcess(argv, 0, said, ""))
    assert units.version() == version

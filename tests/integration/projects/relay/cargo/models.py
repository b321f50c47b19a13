# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from django.db import models


class Crate(models.Model):
    label = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.label

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the page: the same ones wherever the depot is set up."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import migrations

ROWS = 40
GOODS = ("rail chair", "fishplate", "track bolt", "sleeper", "point lever", "signal lamp", "ballast fork", "gauge bar")


def fill(apps: Any, schema_editor: Any) -> None:
    apps.get_model("stock", "Item").objects.bulk_create(
        apps.get_model("stock", "Item")(
            shelf=f"{'ABCDE'[number % 5]}-{number:02}",
            name=f"{GOODS[number % len(GOODS)]} no. {number}",
            quantity=number * 37 % 400,
            price=Decimal(number * 613 % 20_000) / 100,
            arrived=date(2026, 1, 1) + timedelta(days=number * 5),
        )
        for number in range(ROWS)
    )


class Migration(migrations.Migration):
    dependencies = [("stock", "0001_initial")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the board: notes, and who is present."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Note",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(max_length=280)),
                ("author", models.CharField(blank=True, max_length=40)),
                (
                    "colour",
                    models.CharField(
                        choices=[
                            ("amber", "Amber"),
                            ("red", "Red"),
                            ("green", "Green"),
                            ("blue", "Blue"),
                            ("violet", "Violet"),
                        ],
                        default="amber",
                        max_length=10,
                    ),
                ),
                ("created", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="Presence",
            fields=[
                ("connection", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("client", models.CharField(max_length=64)),
                ("seen", models.DateTimeField(db_index=True)),
            ],
        ),
    ]

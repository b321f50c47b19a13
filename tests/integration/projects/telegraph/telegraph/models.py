# SPDX-License-Identifier: GPL-3.0-or-later
from django.db import models


class Telegram(models.Model):
    text = models.CharField(max_length=80)

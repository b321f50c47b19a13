# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the workers do, and by whose word. Redis keeps the queue, and the tests look there at what was done."""

from __future__ import annotations

import os
import time

import redis
from celery import Celery
from celery.signals import before_task_publish

REDIS = "redis://127.0.0.1:6379"
RELEASE = os.environ.get("RELEASE_ID", "")

app = Celery("depot", broker=f"{REDIS}/0")
# A task is the worker's that has begun with it, and nobody else's: what is told to stop finishes it.
app.conf.worker_prefetch_multiplier = 1
app.conf.beat_schedule = {"tick": {"task": "depot.queue.tick", "schedule": 1.0}}


def notes() -> redis.Redis:
    return redis.Redis.from_url(f"{REDIS}/1")


@app.task
def work(number: int, seconds: float) -> None:
    notes().rpush("begun", f"{number} {RELEASE}")
    time.sleep(seconds)
    notes().rpush("done", f"{number} {RELEASE}")


@app.task
def tick() -> None:
    """What beat sends."""


@before_task_publish.connect(sender=tick.name)
def sent(**_what: object) -> None:
    """Note who sends a tick, and when, before anything else can happen to it."""
    notes().rpush("ticks", f"{time.time():.3f} {os.getpid()} {RELEASE}")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the quay. Each thing that they ask of the world is one that can be missing."""

from __future__ import annotations

import os
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if env("DOTENV", default=""):
    with open(env("DOTENV")) as dotenv:
        env.read_env(dotenv)

DEBUG = False
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
HARBOUR_TOKEN = env("HARBOUR_TOKEN")

INSTALLED_APPS = ["django.contrib.staticfiles", "harbour"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "quay.urls"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATABASES = {"default": env.db(default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
REDIS_URL = env("REDIS_URL", default="redis://127.0.0.1:6379/0")

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_URL = "/media/"
MEDIA_ROOT = BASE_DIR / "media"

# Without LOG_LEVEL it is a project like most: one that says nothing of logging.
if env("LOG_LEVEL", default=""):
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL")},
        "loggers": {"django": {"handlers": ["stderr"], "level": env("LOG_LEVEL"), "propagate": False}},
    }
    if env("LOG_FILE", default=""):
        LOGGING["handlers"]["file"] = {"class": "logging.FileHandler", "filename": env("LOG_FILE")}
        LOGGING["root"]["handlers"].append("file")

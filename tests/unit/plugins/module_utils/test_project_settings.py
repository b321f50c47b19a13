# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import textwrap

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import project_settings, settings_needs
from ansible_collections.switchyard.django.plugins.module_utils.project_index import ProjectIndex


@pytest.fixture
def read():
    def read(text, module="shop.settings", **others):
        texts = {"manage.py": "", "shop/__init__.py": "", "shop/settings.py": text}
        texts.update({name.replace("__", "/") + ".py": more for name, more in others.items()})
        index = ProjectIndex({name: textwrap.dedent(one) for name, one in texts.items()})
        return project_settings.read(index, module)

    return read


@pytest.fixture
def needs(read):
    def needs(text, domains=(), site=None, **others):
        given = settings_needs.Site(list(domains), **(site or {}))
        return {one.setting: one for one in settings_needs.judge(read(text, **others), given)}

    return needs


APPS = 'INSTALLED_APPS = ["django.contrib.staticfiles"]\n'


def test_a_fresh_project_lacks_what_production_asks_for(needs):
    found = needs(APPS + "DEBUG = True\nALLOWED_HOSTS = []\n", ["shop.example.org", "10.0.0.1"])
    assert sorted(found) == [
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "DEBUG",
        "SECURE_PROXY_SSL_HEADER",
        "STATIC_ROOT",
        "STORAGES",
    ]
    assert found["DEBUG"].line == 2
    assert found["ALLOWED_HOSTS"].overrides == {"ALLOWED_HOSTS": ["shop.example.org", "10.0.0.1"]}
    assert found["CSRF_TRUSTED_ORIGINS"].overrides["CSRF_TRUSTED_ORIGINS"][0] == "https://shop.example.org"
    assert json.dumps([one.overrides for one in found.values()])


def test_without_the_names_of_the_site_an_example_is_given_and_marked_as_one(needs):
    found = needs(APPS + "ALLOWED_HOSTS = []\n")
    assert found["ALLOWED_HOSTS"].overrides == {"ALLOWED_HOSTS": [settings_needs.EXAMPLE]}
    assert {name for name, need in found.items() if need.example} == {"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"}
    own = needs(APPS + "ALLOWED_HOSTS = []\n", [settings_needs.EXAMPLE])
    assert not any(need.example for need in own.values())


def test_what_the_site_sets_itself_is_not_missing(needs):
    text = APPS + "DEBUG = True\nALLOWED_HOSTS = []\n"
    found = needs(text, site={"overrides": {"ALLOWED_HOSTS": ["shop.example.org"], "STATIC_ROOT": "static"}})
    assert sorted(found) == ["CSRF_TRUSTED_ORIGINS", "DEBUG", "SECURE_PROXY_SSL_HEADER", "STORAGES"]
    names = READY.replace('"ALLOWED_HOSTS"]', '"SHOP_NAMES"]')
    assert "ALLOWED_HOSTS" in needs(names)
    assert needs(names, site={"environment": ["SHOP_NAMES"]}) == {}


def test_a_site_without_tls_needs_nothing_for_https(needs):
    found = needs(APPS + "DEBUG = True\nALLOWED_HOSTS = []\n", site={"scheme": "http"})
    assert sorted(found) == ["ALLOWED_HOSTS", "DEBUG", "STATIC_ROOT", "STORAGES"]


READY = """
    INSTALLED_APPS = ["django.contrib.staticfiles"]
    DEBUG = os.environ.get("DEBUG") == "1"
    ALLOWED_HOSTS = os.environ["ALLOWED_HOSTS"].split(",")
    CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    STATIC_ROOT = BASE_DIR / "static"
    STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
"""


def test_a_project_that_is_ready_lacks_nothing(needs):
    assert needs(READY) == {}


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ("BASE_DIR / ", "None or ", None),
        ("    STATIC_ROOT = ", "    OTHER_ROOT = ", "STATIC_ROOT"),
        ("CompressedManifestStaticFilesStorage", "CompressedStaticFilesStorage", "STORAGES"),
        ("whitenoise.storage.CompressedManifestStaticFilesStorage", "storages.backends.s3.S3Storage", None),
        ("    STORAGES = ", "    OTHER = ", "STORAGES"),
        ('os.environ.get("DEBUG") == "1"', "True", "DEBUG"),
        ('os.environ["ALLOWED_HOSTS"].split(",")', '["*"]', None),
        ('os.environ["ALLOWED_HOSTS"].split(",")', 'os.getenv("NAMES", "").split()', "ALLOWED_HOSTS"),
    ],
)
def test_each_of_them_is_judged_by_itself(needs, old, new, setting):
    assert old in READY
    assert list(needs(READY.replace(old, new))) == ([setting] if setting else [])


def test_a_setting_that_the_environment_gives_names_the_variable(needs):
    found = needs(READY.replace('"ALLOWED_HOSTS"]', '"SHOP_NAMES"]'), ["shop.example.org"])
    assert found["ALLOWED_HOSTS"].environment == {"SHOP_NAMES": "shop.example.org"}


@pytest.mark.parametrize(
    "more",
    [
        "from somewhere.private import *\n",
        "globals().update(load())\n",
        "exec(open('more.py').read())\n",
        "django_heroku.settings(locals())\n",
    ],
)
def test_nothing_is_said_to_be_missing_where_it_may_be_set_unseen(needs, more):
    assert needs(APPS + more) == {}


def test_settings_without_apps_are_made_elsewhere(needs):
    assert needs("NAME = 1\n") == {}


def test_settings_are_taken_from_where_they_are_taken(read):
    found = read(
        "from .base import *\nfrom .parts import DATABASES as D\nDEBUG = False\n",
        shop__base="INSTALLED_APPS = ['a'] + MORE\nMORE = ['b']\nINSTALLED_APPS += ['c']\nDEBUG = True\n",
        shop__parts="DATABASES = {}\n",
    )
    assert {text for text, _path, _line in found.texts("INSTALLED_APPS")} == {"a", "b", "c"}
    assert found.constants("DEBUG") == [True, False]
    assert found.last("DEBUG").path == "shop/settings.py"
    assert "D" in found.found


def test_settings_in_parts_are_put_together(read):
    text = "from split_settings.tools import include, optional\ninclude('parts/*.py', optional('local.py'))\n"
    found = read(text, shop__parts__apps="INSTALLED_APPS = ['a']\n")
    assert "INSTALLED_APPS" in found.found


def test_the_backends_of_an_alias_are_found_wherever_they_are_set(read):
    found = read("""
        REDIS = {"BACKEND": "redis"}
        CACHES = {"default": {"BACKEND": "locmem"}, "other": {"BACKEND": "file"}}
        if PRODUCTION:
            CACHES = {"default": REDIS}
    """)
    assert [backend for backend, _path, _line in found.backends("CACHES")] == ["locmem", "redis"]


@pytest.mark.parametrize(
    ("wsgi", "files", "module"),
    [
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.conf")', ["shop/conf.py"], "shop.conf"),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.gone")', [], "shop.settings"),
        ("", [], "shop.settings"),
        (
            'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")',
            ["shop/settings/dev.py", "shop/settings/production.py"],
            "shop.settings.production",
        ),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.local")', ["shop/local.py"], "shop.local"),
    ],
)
def test_the_entry_points_name_the_settings(wsgi, files, module):
    index = ProjectIndex({"shop/wsgi.py": wsgi, "manage.py": "", **dict.fromkeys(files, "")})
    assert project_settings.module_named(index, "shop.")[0] == module

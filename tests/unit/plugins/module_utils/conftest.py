# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tarfile
import textwrap

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import advice, project_files, settings_needs

PROJECT = {
    "manage.py": "",
    "shop/__init__.py": "",
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    "shop/asgi.py": "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
    "shop/settings.py": """
        INSTALLED_APPS = ["books"]
        ROOT_URLCONF = "shop.urls"
        CACHES = {"default": {"BACKEND": "x.Redis"}}
    """,
    "shop/urls.py": "from books import views\n",
    "books/__init__.py": "",
    "books/models.py": """
        from django.db import models

        class Author(models.Model):
            name = models.TextField()

        class Book(models.Model):
            author = models.ForeignKey(Author, models.CASCADE, related_name="books")
            tags = models.ManyToManyField("Tag")

            @property
            def first_tag(self):
                return Tag.objects.first()

            def label(self):
                return self.author.name

        class Tag(models.Model):
            name = models.TextField()
    """,
}


@pytest.fixture(scope="session")
def advise_folder(tmp_path_factory):
    """The advice on a folder, by way of an archive, as the plugins have it."""

    def advise_folder(folder, package="", settings="", **site):
        archive = tmp_path_factory.mktemp("source") / "source.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(folder, arcname="")
        return advice.advise(project_files.read(archive, package), settings, settings_needs.Site(**site))

    return advise_folder


@pytest.fixture
def advise(tmp_path, advise_folder):
    """The advice on a project with these files beside what every project has; None takes one away."""

    def advise(files):
        texts = {name: textwrap.dedent(text) for name, text in {**PROJECT, **files}.items() if text is not None}
        for name, text in texts.items():
            (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "project" / name).write_text(text, encoding="utf-8")
        return advise_folder(tmp_path / "project")

    return advise

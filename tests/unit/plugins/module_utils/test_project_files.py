# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import project_files
from ansible_collections.switchyard.django.plugins.module_utils.project_files import ProjectError, counting, package_of


@pytest.mark.parametrize(
    "name",
    [
        "shop/tests/test_views.py",
        "shop/tests.py",
        "shop/test_models.py",
        "conftest.py",
        "shop/migrations/0001_initial.py",
        "shop/management/commands/load.py",
        "env/lib/python3.11/site-packages/django/views.py",
        "mine/lib/code.py",
        "docs/conf.py",
        "setup.py",
        "readme.txt",
    ],
)
def test_what_no_request_reaches_does_not_count(name):
    assert counting([name, "mine/pyvenv.cfg", "shop/views.py"], "") == {"shop/views.py"}


def test_an_app_called_docs_counts():
    assert "docs/views.py" in counting(["docs/__init__.py", "docs/views.py"], "")


def test_a_site_among_tests_counts():
    names = ["tests/site/manage.py", "tests/site/shop/views.py", "tests/site/shop/tests/test_x.py", "tests/test_y.py"]
    assert counting(names, "tests/site") == {"tests/site/manage.py", "tests/site/shop/views.py"}


SETDEFAULT = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'


@pytest.mark.parametrize(
    ("files", "package", "root"),
    [
        ({"manage.py": "", "shop/wsgi.py": ""}, "shop", ""),
        ({"manage.py": "", "shop/asgi.py": "", "shop/wsgi.py": ""}, "shop", ""),
        ({"backend/manage.py": "", "backend/shop/wsgi.py": ""}, "shop", "backend"),
        ({"manage.py": "", "wsgi.py": ""}, ".", ""),
        (
            {"manage.py": "", "shop/__init__.py": "", "shop/site/__init__.py": "", "shop/site/wsgi.py": ""},
            "shop.site",
            "",
        ),
        ({"manage.py": "", "shop/asgi/__init__.py": ""}, "shop", ""),
        ({"manage.py": "", "shop/wsgi.py": "", "shop/tests/wsgi.py": "", "docs/wsgi.py": ""}, "shop", ""),
        ({"manage.py": "", "shop/wsgi.py": "", "other/thing/wsgi.py": ""}, "shop", ""),
        # A manage.py inside the package: the settings say from where Python imports.
        (
            {
                "src/shop/manage.py": SETDEFAULT.format("shop.conf.settings"),
                "src/shop/__init__.py": "",
                "src/shop/conf/wsgi.py": "",
                "src/shop/conf/settings.py": "",
            },
            "shop.conf",
            "src",
        ),
        (
            {
                "src/shop/manage.py": "",
                "src/shop/__init__.py": "",
                "src/shop/conf/asgi.py": "from shop.conf.helpers import x\n",
                "src/shop/conf/wsgi.py": "",
                "src/shop/conf/helpers.py": "",
            },
            "shop.conf",
            "src",
        ),
        ({"manage.py": "", "src/wsgi.py": SETDEFAULT.format("settings.live"), "src/settings/live.py": ""}, ".", "src"),
    ],
)
def test_the_one_package_with_an_entry_point_is_found(files, package, root):
    assert package_of(files, files) == (package, root)


@pytest.mark.parametrize(
    ("files", "given", "words"),
    [
        ({"shop/views.py": ""}, "", "site_source is no Django project: .* Give the folder that holds manage.py"),
        ({}, "", "site_source is no Django project"),
        (
            {"backend/old/manage.py": "", "backend/manage.py": "", "backend/shop/settings.py": ""},
            "",
            "site_source has backend/manage.py, but no wsgi.py and no asgi.py.* Add one beside the settings",
        ),
        (
            {"manage.py": "", "a/wsgi.py": "", "b/wsgi.py": ""},
            "",
            "a in its top, b in its top. Name one with site_package",
        ),
        ({"manage.py": "", "shop/wsgi.py": ""}, "store", "site_package 'store'"),
    ],
)
def test_what_can_not_be_told_is_refused_with_the_way_out(files, given, words):
    with pytest.raises(ProjectError, match=words):
        package_of(files, files, given)


@pytest.fixture
def archive(tmp_path):
    def archive(files):
        with tarfile.open(tmp_path / "source.tar.gz", "w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                if content is None:
                    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                    tar.addfile(member)
                else:
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        return tmp_path / "source.tar.gz"

    return archive


SITE = {"manage.py": b"", "shop/wsgi.py": b""}


def test_a_source_is_read_as_it_is_packed(archive):
    found = project_files.read(archive({**SITE, "shop/views.py": "\ufeffname = 'Zoë'\n".encode(), "a.txt": b"x"}))
    assert (found.package, found.root) == ("shop", "")
    assert found.texts["shop/views.py"] == "name = 'Zoë'\n"
    assert sorted(found.texts) == ["manage.py", "shop/views.py", "shop/wsgi.py"]


def test_a_link_is_not_followed(archive):
    assert "shop/views.py" not in project_files.read(archive({**SITE, "shop/views.py": None})).texts


def test_bytes_that_are_no_text_are_read_all_the_same(archive):
    assert "shop/views.py" in project_files.read(archive({**SITE, "shop/views.py": b"\xff\xfe\x00"})).texts


def test_what_is_too_large_is_left_out_and_named(archive, monkeypatch):
    monkeypatch.setattr(project_files, "LARGEST_FILE", 2000)
    found = project_files.read(archive({**SITE, "shop/data.py": b"#" * 3000}))
    assert found.skipped == {"shop/data.py": "3 kB, which is data or made by a program"}


@pytest.mark.parametrize(("name", "bound", "first"), [("MOST_FILES", 4, "shop/wsgi.py"), ("MOST_BYTES", 10, "c.py")])
def test_a_project_beyond_the_bounds_is_read_up_to_them(archive, monkeypatch, name, bound, first):
    monkeypatch.setattr(project_files, name, bound)
    found = project_files.read(archive({**SITE, "a.py": b"#" * 5, "b.py": b"#" * 5, "c.py": b"#" * 5}))
    assert list(found.skipped) == [first]
    assert first not in found.texts
    assert {"a.py", "b.py"} <= set(found.texts)


SETTINGS = {
    "backend/manage.py": b"",
    "backend/shop/wsgi.py": b"",
    "backend/shop/settings/__init__.py": b"",
    "backend/shop/settings/live.py": b"",
    "backend/shop/settings/test.py": b"DEBUG = True\n",
    "backend/shop/conf.py": b"INSTALLED_APPS: list[str] = []\n",
    "backend/shop/views.py": b"apps = settings.INSTALLED_APPS\n",
    "other/settings.py": b"",
}


@pytest.mark.parametrize("given", ["shop.nosettings", "settings", "shop/conf", "shop.settings.live.py", ".shop.conf"])
def test_settings_that_are_not_there_are_refused_with_those_that_are(archive, given):
    with pytest.raises(ProjectError) as caught:
        project_files.read(archive(SETTINGS), settings=given)
    assert str(caught.value).startswith(f"site_settings {given!r} is no module of site_source. ")
    assert "there: shop.conf, shop.settings, shop.settings.live. Name" in str(caught.value)


def test_of_many_settings_the_first_are_named(archive):
    many = {f"shop/settings/s{number}.py": b"" for number in range(10)}
    with pytest.raises(ProjectError, match=r"shop\.settings\.s7 and 2 more\. Name"):
        project_files.read(archive({**SITE, **many}), settings="shop.conf")


def test_a_project_without_settings_is_told_so(archive):
    with pytest.raises(ProjectError, match="Nothing there looks like settings"):
        project_files.read(archive(SITE), settings="shop.settings")


@pytest.mark.parametrize("given", ["shop.settings", "shop.settings.live", "shop.conf"])
def test_settings_that_are_there_are_taken(archive, given):
    assert project_files.read(archive(SETTINGS), settings=given).package == "shop"


def test_settings_that_are_asked_for_count_among_tests_too(archive):
    assert "backend/shop/settings/test.py" in project_files.read(archive(SETTINGS), "", "shop.settings.test").texts


BELOW = {"a/manage.py": b"", "a/shop/wsgi.py": b"", "a/requirements.txt": b"", "b/requirements.txt": b""}


@pytest.mark.parametrize(
    ("more", "gone", "of_a_folder", "of_a_url"),
    [
        ([], [], {"site_source": "/x/a"}, {"site_requirements": "a/requirements.txt"}),
        (["pyproject.toml"], [], {"site_source": "/x/a"}, {"site_requirements": "a/requirements.txt"}),
        ([], ["a/requirements.txt"], {"site_source": "/x/a"}, {}),
        (["manage.py"], ["a/manage.py"], *2 * [{"site_requirements": "a/requirements.txt"}]),
        # What the deploy finds by itself, or what site_requirements may name.
        (["requirements.txt"], [], {}, {}),
        (["requirements/live.txt"], [], {}, {}),
        (["pyproject.toml"], ["a/requirements.txt"], {}, {}),
        (["manage.py", "shop/wsgi.py"], list(BELOW), {}, {}),
    ],
)
def test_a_site_below_the_top_is_placed_so_that_its_requirements_are_found(archive, more, gone, of_a_folder, of_a_url):
    source = archive({name: b"" for name in [*BELOW, *more] if name not in gone})
    assert project_files.read(source, folder=Path("/x")).placed == of_a_folder
    assert project_files.read(source).placed == of_a_url

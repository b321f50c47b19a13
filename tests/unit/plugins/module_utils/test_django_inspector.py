# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inspector runs as it does on a host: as text on the standard input of the project's own Python."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import django_inspector

pytest.importorskip("django")

INSPECTOR = Path(django_inspector.__file__).read_text()
BROTLI = "/usr/bin/brotli"
# What takes its place on a machine that has none: it packs otherwise, and takes the very same arguments.
STAND_IN = """\
import pathlib, sys, zlib

if sys.argv[1:3] == ["--decompress", "--stdout"]:
    sys.stdout.buffer.write(zlib.decompress(pathlib.Path(sys.argv[3]).read_bytes()))
    sys.exit()
assert sys.argv[1:4] == ["--best", "--keep", "--"]
assert sys.argv[4:], "brotli would take its standard input"
for path in sys.argv[4:]:
    with open(path + ".br", "xb") as packed:
        packed.write(zlib.compress(pathlib.Path(path).read_bytes()))
"""
MARKER = "0123456789abcdef"
SETTINGS = """\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-hunter2357"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles", "shop"]
ROOT_URLCONF = "shop.urls"
STATIC_URL = "static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
PRODUCTION = """
DEBUG = False
ALLOWED_HOSTS = ["shop.example.org"]
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "media/"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = ("https://shop.example.org",)
"""
URLS = """\
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("health/", lambda request: HttpResponse("fine"))]
"""
WSGI = """\
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


@pytest.fixture(scope="session")
def brotli(tmp_path_factory):
    """The path of brotli, or of what stands in for it."""
    if os.path.exists(BROTLI):
        return BROTLI
    folder = tmp_path_factory.mktemp("brotli")
    (folder / "brotli.py").write_text(STAND_IN)
    (folder / "brotli").write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(folder / "brotli.py")])} "$@"\n')
    (folder / "brotli").chmod(0o755)
    return str(folder / "brotli")


class Project:
    """A small Django project in a folder of its own."""

    def __init__(self, folder, brotli):
        self.folder = folder
        self.inspector = INSPECTOR.replace(BROTLI, brotli)
        self.write("manage.py", "")
        self.write("shop/__init__.py", "")
        self.write("shop/settings.py", SETTINGS)
        self.write("shop/urls.py", URLS)
        self.write("shop/wsgi.py", WSGI)
        self.write("shop/static/shop/style.css", "body {}")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def inspect(self, build=False, settings="shop.settings", health_path="/health/"):
        wanted = {
            "marker": MARKER,
            "build": build,
            "health_path": health_path,
            "entry_point": "shop.wsgi",
            "static": str(self.folder.parent / "static"),
            "earlier_static": "",
            "code": str(self.folder),
        }
        done = subprocess.run(
            [sys.executable, "-"],
            input=self.inspector.replace("WANTED: dict = {}", f"WANTED: dict = {wanted!r}", 1),
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": settings, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert MARKER in done.stdout, done.stderr
        return json.loads(done.stdout.rpartition(MARKER)[2])

    def problem(self, **how):
        (problem,) = self.inspect(**how)["problems"]
        return problem


@pytest.fixture
def project(tmp_path, brotli):
    return Project(tmp_path / "code", brotli)


def test_what_is_in_force_is_reported(project):
    report = project.inspect()
    assert report["problems"] == []
    assert report["settings"] == {
        "DEBUG": True,
        "ALLOWED_HOSTS": [],
        "SECRET_KEY": {"length": 26, "variety": 19, "insecure": True},
        "STATICFILES": True,
        "STATIC_URL": "/static/",
        "STATIC_ROOT": "",
        "MEDIA_URL": "/",
        "MEDIA_ROOT": "",
        "DATABASES": {
            "default": {"engine": "django.db.backends.sqlite3", "name": str(project.folder / "db.sqlite3")},
        },
        "CACHES": {"default": "django.core.cache.backends.locmem.LocMemCache"},
        "CHANNEL_LAYERS": {},
        "MAILERS": [],
        "SECURE_SSL_REDIRECT": False,
        "SECURE_PROXY_SSL_HEADER": [],
        "CSRF_TRUSTED_ORIGINS": [],
        "BASE": str(project.folder),
    }
    assert report["urls"] == {"resolves": True, "instead": "/health/"}
    assert report["entry_point"] is True
    assert "auth.0001_initial" in report["migrations"]["pending"]
    assert report["migrations"]["before"] == {}
    assert report["connections"] == {}
    assert "security.W018" in {check["id"] for check in report["checks"]}


def test_the_key_itself_is_not_reported(project):
    assert "hunter2" not in json.dumps(project.inspect())


def test_a_password_of_a_database_is_not_reported(project):
    database = {"ENGINE": "django.db.backends.dummy", "NAME": "shop", "PASSWORD": "hunter2hunter2"}
    project.write("shop/settings.py", SETTINGS + f"DATABASES['other'] = {database!r}\n")
    report = project.inspect()
    assert report["settings"]["DATABASES"]["other"] == {"engine": "django.db.backends.dummy", "name": ""}
    assert "hunter2" not in json.dumps(report)


def test_of_mailers_the_names_alone_are_reported(project):
    project.write(
        "shop/settings.py", SETTINGS + 'MAILERS = {"default": {"OPTIONS": {"password": "hunter2"}}, "bulk": {}}\n'
    )
    report = project.inspect()
    assert report["settings"]["MAILERS"] == ["default", "bulk"]
    assert "hunter2" not in json.dumps(report)


def test_a_chatty_project_does_not_spoil_the_report(project):
    project.write("shop/settings.py", "print('{\"problems\": [1]}')\n" + SETTINGS)
    project.write("shop/__init__.py", "import atexit\n")
    assert project.inspect()["problems"] == []


def test_a_health_path_that_no_url_has_comes_with_one_that_has(project):
    assert project.inspect(health_path="/status/")["urls"] == {"resolves": False, "instead": "/health/"}


def test_production_settings_are_respected_in_a_build(project):
    project.write("shop/settings.py", SETTINGS + PRODUCTION)
    report = project.inspect(build=True)
    assert report["problems"] == []
    assert report["settings"]["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert report["settings"]["CSRF_TRUSTED_ORIGINS"] == ["https://shop.example.org"]
    assert report["settings"]["MEDIA_URL"] == "/media/"
    assert report["collected"] >= 1
    assert (project.folder.parent / "static/shop/style.css").read_text() == "body {}"
    # Where the unit mounts what nginx serves, and nothing in it.
    assert list((project.folder / "staticfiles").iterdir()) == []
    assert (project.folder / "media").is_dir()


def test_hashed_names_of_a_manifest_storage_are_collected_too(project):
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    project.write(
        "shop/settings.py", f"{SETTINGS}{PRODUCTION}STORAGES = {{'staticfiles': {{'BACKEND': '{storage}'}}}}\n"
    )
    assert project.inspect(build=True)["problems"] == []
    assert list((project.folder.parent / "static/shop").glob("style.*.css"))


def test_a_build_that_can_not_collect_says_so(project):
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    project.write(
        "shop/settings.py", f"{SETTINGS}{PRODUCTION}STORAGES = {{'staticfiles': {{'BACKEND': '{storage}'}}}}\n"
    )
    project.write("shop/static/shop/style.css", "body { background: url('missing.png') }")
    problem = project.problem(build=True)
    assert problem["step"] == "collectstatic"
    assert "missing.png" in problem["message"]


def test_a_urlconf_that_imports_what_is_missing_names_module_and_line(project):
    project.write("shop/urls.py", "# URLs\nfrom django.urls import path\n\nimport nothere\n" + URLS)
    problem = project.problem()
    assert (problem["step"], problem["kind"]) == ("urls", "ModuleNotFoundError")
    assert "'nothere'" in problem["message"]
    assert problem["where"].startswith("shop/urls.py:4")
    assert problem["traceback"].rstrip().endswith("ModuleNotFoundError: No module named 'nothere'")


def test_of_several_lines_the_one_that_fails_is_named(project):
    project.write("shop/helpers.py", "def ask():\n    return {}['x']\n")
    project.write("shop/urls.py", "from shop import helpers\n\nhelpers.ask()\n" + URLS)
    assert project.problem()["where"].startswith("shop/helpers.py:2")


def test_an_application_that_is_not_installed_is_named(project):
    project.write("shop/settings.py", SETTINGS + "INSTALLED_APPS.append('nothere')\n")
    problem = project.problem()
    assert problem["step"] == "apps"
    assert "'nothere'" in problem["message"]


@pytest.mark.parametrize("name", ["shop/settings.py", "shop/urls.py"])
def test_a_syntax_error_names_file_and_line(project, name):
    project.write(name, "# one\n# two\ndef broken(:\n")
    problem = project.problem()
    assert problem["kind"] == "SyntaxError"
    assert problem["where"].startswith(f"{name}:3")


def test_settings_that_refuse_to_load_say_why_and_where(project):
    project.write(
        "shop/settings.py",
        "from django.core.exceptions import ImproperlyConfigured\n\n"
        "raise ImproperlyConfigured('Set the STRIPE_KEY environment variable')\n",
    )
    problem = project.problem()
    assert (problem["step"], problem["kind"]) == ("settings_module", "ImproperlyConfigured")
    assert "STRIPE_KEY" in problem["message"]
    assert problem["where"].startswith("shop/settings.py:3")


def test_a_missing_variable_names_itself_and_its_line(project):
    project.write("shop/settings.py", "import os\n\nKEY = os.environ['STRIPE_KEY']\n")
    problem = project.problem()
    assert problem["message"] == "'STRIPE_KEY'"
    assert problem["where"].startswith("shop/settings.py:3")


def test_a_settings_module_that_is_not_there_is_a_problem_of_the_settings(project):
    problem = project.problem(settings="shop.nothere")
    assert problem["step"] == "settings_module"
    assert "shop.nothere" in problem["message"]


def test_a_project_that_exits_is_a_problem_and_not_the_end(project):
    project.write("shop/settings.py", "import sys\nsys.exit('not today')\n")
    problem = project.problem()
    assert (problem["kind"], problem["message"]) == ("SystemExit", "not today")


def test_an_entry_point_that_does_not_import_is_named(project):
    project.write("shop/wsgi.py", "import nothere\n")
    problem = project.problem()
    assert problem["step"] == "entry_point"
    assert problem["where"].startswith("shop/wsgi.py:1")


def test_several_problems_are_told_at_once(project):
    project.write("shop/settings.py", SETTINGS + "DATABASES['default']['NAME'] = '/no/such/folder/db.sqlite3'\n")
    project.write("shop/wsgi.py", "import nothere\n")
    assert [problem["step"] for problem in project.inspect()["problems"]] == ["entry_point", "migrations"]


# --- compressed files ------------------------------------------------------------------------------------------------

CSS = "body { color: #333; }\n" * 100


@pytest.fixture
def static(tmp_path, brotli, monkeypatch):
    """A folder of static files; says what lies beside them once they are compressed."""
    folder = tmp_path / "static"
    folder.mkdir()
    run = subprocess.run

    def counted(argv, *, check, **how):
        assert argv[0] == BROTLI
        static.calls.append(len(argv[argv.index("--") + 1 :]))
        return run([brotli, *argv[1:]], check=check, **how)

    def static(files, earlier=""):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        django_inspector.compress(str(folder), str(earlier))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".gz", ".br"))

    def unpacked(name):
        if name.endswith(".gz"):
            return gzip.decompress((folder / name).read_bytes())
        return run([brotli, "--decompress", "--stdout", folder / name], capture_output=True, check=True).stdout

    static.folder, static.unpacked, static.calls = folder, unpacked, []
    monkeypatch.setattr(django_inspector.subprocess, "run", counted)
    return static


@pytest.mark.parametrize(
    "name",
    [
        *("app.css", "app.js", "app.mjs", "logo.svg", "app.3f2a9c1b.css", "deep/er/app.js.map", "favicon.ico"),
        *("a b.txt", "--rm.css", "'$(x)';.js"),
    ],
)
def test_what_a_browser_gets_smaller_has_compressed_files_beside_it(static, name):
    assert static({name: CSS}) == [f"{name}.br", f"{name}.gz"]
    assert [static.unpacked(f"{name}.{kind}") for kind in ("br", "gz")] == [CSS.encode()] * 2
    assert (static.folder / name).read_text() == CSS


@pytest.mark.parametrize(
    "name", ["photo.jpg", "photo.webp", "font.woff2", "bundle.css.gz", "bundle.css.br", "css", "x.CSS"]
)
def test_what_is_compressed_by_itself_and_what_nobody_knows_is_left_alone(static, name):
    assert static({name: CSS}) == [name] * name.endswith((".gz", ".br"))
    assert static.calls == []


@pytest.mark.parametrize(
    ("size", "compressed"), [(0, []), (1023, []), (1024, ["app.css.br", "app.css.gz"])], ids=["0", "1023", "1024"]
)
def test_what_fits_into_a_packet_is_left_alone(static, size, compressed):
    assert static({"app.css": "x" * size}) == compressed


def test_what_would_not_become_smaller_is_left_alone(static):
    assert static({"app.wasm": os.urandom(4096)}) == []


def test_what_the_project_has_compressed_itself_stays_as_it_is(static):
    own = gzip.compress(CSS.encode(), compresslevel=1)
    assert static({"app.css": CSS, "app.css.gz": own}) == ["app.css.br", "app.css.gz"]
    assert (static.folder / "app.css.gz").read_bytes() == own
    assert static({"own.js": CSS, "own.js.br": b"theirs"})[2:] == ["own.js.br", "own.js.gz"]
    assert (static.folder / "own.js.br").read_bytes() == b"theirs"


def test_what_an_earlier_release_has_of_the_same_file_is_not_compressed_again(static, tmp_path):
    earlier = tmp_path / "earlier"
    (earlier / "deep").mkdir(parents=True)
    for name, text in {
        "same.css": CSS,
        "deep/other.css": CSS.replace("3", "4"),
        "bare.css": f"{CSS}/* bare */",
    }.items():
        (earlier / name).write_text(text)
    for name in ("same.css", "deep/other.css"):
        for kind in ("gz", "br"):
            (earlier / f"{name}.{kind}").write_bytes(b"as it was")
    others = {"deep/other.css": CSS.replace("3", "5"), "bare.css": f"{CSS}/* bare */", "new.css": f"{CSS}/* new */"}
    assert len(static({"same.css": CSS, **others}, earlier)) == 8
    assert [(static.folder / f"same.css.{kind}").read_bytes() for kind in ("br", "gz")] == [b"as it was"] * 2
    for name, text in others.items():
        assert [static.unpacked(f"{name}.{kind}") for kind in ("br", "gz")] == [text.encode()] * 2
    assert static.calls == [3]


def test_the_same_file_is_compressed_to_the_same_bytes_on_every_host(static, tmp_path):
    static({"one/app.css": CSS})
    static({"two/app.css": CSS})
    os.utime(static.folder / "one/app.css", (0, 0))
    for kind in ("gz", "br"):
        one, two = ((static.folder / name / f"app.css.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert (static.folder / "one/app.css.gz").read_bytes()[4:8] == bytes(4), "the time at which it was compressed"
    before = static({})
    assert before == [f"{name}/app.css.{kind}" for name in ("one", "two") for kind in ("br", "gz")]


def test_where_nothing_is_left_to_compress_brotli_is_not_asked(static):
    static({"app.css": CSS})
    before = {path: path.read_bytes() for path in static.folder.iterdir()}
    static({})
    assert {path: path.read_bytes() for path in static.folder.iterdir()} == before
    assert static.calls == [1], "the second time there was nothing for it"


def test_many_files_are_more_than_one_call(static, monkeypatch):
    monkeypatch.setattr(django_inspector, "MANY", 2)
    assert len(static({f"{number}.css": f"{CSS}{number}" for number in range(5)})) == 10
    assert static.calls == [2, 2, 1]


def test_what_is_there_twice_is_compressed_once(static):
    static({"app.css": CSS, "app.3f2a9c1b0d4e.css": CSS})
    assert static.calls == [1]
    for kind in ("gz", "br"):
        one, other = (static.folder / f"{name}.{kind}" for name in ("app.css", "app.3f2a9c1b0d4e.css"))
        assert one.samefile(other)


def test_a_build_compresses_what_it_collects_under_its_hashed_name_too(project):
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    project.write(
        "shop/settings.py", f"{SETTINGS}{PRODUCTION}STORAGES = {{'staticfiles': {{'BACKEND': '{storage}'}}}}\n"
    )
    project.write("shop/static/shop/style.css", CSS)
    assert project.inspect(build=True)["problems"] == []
    folder = project.folder.parent / "static/shop"
    (hashed,) = set(folder.glob("style.*.css"))
    for kind in ("gz", "br"):
        assert {path.name for path in folder.glob(f"*.{kind}")} == {f"style.css.{kind}", f"{hashed.name}.{kind}"}
    assert gzip.decompress((folder / f"{hashed.name}.gz").read_bytes()) == CSS.encode()


def test_a_build_without_brotli_says_so(tmp_path):
    project = Project(tmp_path / "code", "/nowhere/brotli")
    project.write("shop/settings.py", SETTINGS + PRODUCTION)
    project.write("shop/static/shop/style.css", CSS)
    problem = project.problem(build=True)
    assert (problem["step"], problem["kind"]) == ("collectstatic", "FileNotFoundError")
    assert "brotli" in problem["message"]


# --- how many connections a database allows --------------------------------------------------------------------------

ENGINE = """\
from django.db.backends.sqlite3 import base


class Cursor:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def execute(self, query):
        with open("asked", "a") as stream:
            stream.write(query + "\\n")

    def fetchone(self):
        return (97,)


class DatabaseWrapper(base.DatabaseWrapper):
    vendor = {vendor!r}

    def cursor(self):
        if self.settings_dict["NAME"] == "away":
            raise base.Database.OperationalError("connection refused")
        return Cursor()
"""


@pytest.fixture
def database(project):
    """Adds a database server's connection to the project, and tells what is found out of it."""

    def database(vendor="postgresql", **settings):
        project.write(f"shop/{vendor}/base.py", ENGINE.format(vendor=vendor))
        settings = {"ENGINE": f"shop.{vendor}", "NAME": "shop", **settings}
        project.write("shop/settings.py", SETTINGS + f"DATABASES['other'] = {settings!r}\n")
        return project.inspect()

    database.asked = (project.folder / "asked").read_text
    return database


@pytest.mark.parametrize(("vendor", "asked"), [("postgresql", "superuser_reserved_connections"), ("mysql", "@@max_")])
def test_a_database_server_is_asked_how_many_connections_it_allows(database, vendor, asked):
    report = database(vendor)
    assert (report["problems"], report["connections"]) == ([], {"other": {"max_connections": 97}})
    assert asked in database.asked()


@pytest.mark.parametrize("vendor", ["oracle", "unheard_of"])
def test_a_database_that_nobody_knows_how_to_ask_is_not_asked(database, vendor):
    report = database(vendor)
    assert (report["problems"], report["connections"]) == ([], {})


@pytest.mark.parametrize(
    ("pool", "size"),
    [
        (True, 4),
        ({"min_size": 2}, 2),
        ({"min_size": 2, "max_size": 10}, 10),
        ({"max_size": None, "min_size": 3}, 3),
        ({"timeout": 10}, 4),
    ],
)
def test_a_pool_says_how_many_connections_a_process_keeps(database, pool, size):
    assert database(OPTIONS={"pool": pool})["connections"]["other"] == {"max_connections": 97, "pool": size}


@pytest.mark.parametrize("options", [{}, {"pool": False}, {"pool": {}}, {"sslmode": "require"}])
def test_where_nothing_is_pooled_there_is_no_pool(database, options):
    assert database(OPTIONS=options)["connections"]["other"] == {"max_connections": 97}


def test_a_server_that_can_not_be_asked_is_a_problem_of_its_own(database):
    (problem,) = database(NAME="away")["problems"]
    assert (problem["step"], problem["kind"]) == ("connections", "OperationalError")
    assert "connection refused" in problem["message"]


def test_where_the_migrations_can_not_be_asked_for_the_connections_are_no_second_problem(project):
    project.write("shop/settings.py", SETTINGS + "DATABASES['default']['NAME'] = '/no/such/folder/db.sqlite3'\n")
    report = project.inspect()
    assert [problem["step"] for problem in report["problems"]] == ["migrations"]
    assert "connections" not in report

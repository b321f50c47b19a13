# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed by hand is told, with how it was, and without what is secret."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import disk, drift, env_file, environment, made
from ansible_collections.switchyard.django.plugins.module_utils.environment import SiteSecrets

ID = "3f9c2a7d41b8"
UNIT = f"shop@{ID}.service"
FILES = {
    UNIT: "[Service]\nExecStart=/srv/shop/gunicorn\nMemoryMax=75%\n",
    "nginx/http/upstream.conf": "upstream shop {\n    keepalive 32;\n}\n",
    "manage": "#!/bin/sh\n",
}
CODE = {"shop/views.py": "def view():\n    return 1\n", "shop/urls.py": "urlpatterns = []\n", "logo.png": "\x89PNG"}
VARIABLES = {"SECRET_KEY": "hunter2hunter2", "LANG": "C", "GONE": "soon", "DB_URL": "postgres://u:pass-word@db/x"}
SECRETS = SiteSecrets("ab" * 32, "secret")
ENVIRONMENT = environment.digest(VARIABLES, SECRETS)


@pytest.fixture
def site(layout):
    """A release as a deploy makes it, and its edge."""
    environment.save(layout, SECRETS)
    disk.write(layout.environment(ENVIRONMENT), env_file.render(VARIABLES), 0o600)
    for name, text in FILES.items():
        put(layout.record(ID) / name, text)
    disk.point(layout.unit_file(ID), str(layout.record(ID) / UNIT))
    archive = layout.srv / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in CODE.items():
            put(layout.code(ID) / name, text)
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    put(layout.static(ID) / "app.0123456789ab.css", "body {}")
    put(layout.modules(ID) / "switchyard_settings.py", "DEBUG = False\n")
    put(layout.venv("v1") / "lib/python3.11/site-packages/django-5.2.dist-info/METADATA", "")
    made.note_packages(layout.venv("v1"))
    made.keep_source(layout, ID, archive.open("rb"))
    made.note_tree(layout, ID)
    digests = {name: disk.digest(text, 16) for name, text in FILES.items()}
    manifest = {"id": ID, "environment": ENVIRONMENT, "venv": "v1", "files": digests}
    made.note_release(layout, manifest)
    layout.manifest(ID).write_text(json.dumps(manifest))
    edge = {str(layout.edge): "server {\n    client_max_body_size 25m;\n}\n"}
    edge[str(layout.edge_files / "application.conf")] = "add_header X-Content-Type-Options nosniff;\n"
    for path, text in made.with_note_of_edge(layout, edge).items():
        put(Path(path), text)
    return layout


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def found(layout, drop_ins=None):
    return [
        (one.kind, os.path.basename(one.path), one.what, one.diff)
        for one in drift.read(layout, ID, drop_ins or {UNIT: ""}).drift
    ]


def test_what_is_as_it_was_made_is_no_drift(site):
    os.utime(site.code(ID) / "shop/views.py", (1, 1))  # touched, with the text that it had
    put(site.code(ID) / "shop/__pycache__/views.cpython-311.pyc", "Python's own")
    assert drift.read(site, ID, {UNIT: ""}) == drift.Found([], [])


def test_a_unit_that_was_edited_in_its_place_is_told_with_the_lines(site):
    unit = site.record(ID) / UNIT
    unit.write_text(FILES[UNIT].replace("75%", "90%") + 'Environment=A_TOKEN=hunter3 "B=c d"\n')
    lines = ["-MemoryMax=75%", "+MemoryMax=90%", "+Environment=********"]
    assert found(site) == [("unit", UNIT, "changed", lines)]


def test_a_unit_that_was_put_in_the_place_of_the_link_is_the_one_that_counts(site):
    site.unit_file(ID).unlink()
    site.unit_file(ID).write_text(FILES[UNIT] + "Nice=5\n")
    assert found(site) == [("unit", UNIT, "changed", ["+Nice=5"])]


def test_a_unit_that_is_gone_is_told(site):
    site.unit_file(ID).unlink()
    assert [one[:3] for one in found(site)] == [("unit", UNIT, "gone")]


def test_what_is_laid_beside_a_unit_is_told_whether_systemd_has_read_it_or_not(site, tmp_path):
    put(site.unit_file(ID).with_name(f"{UNIT}.d") / "override.conf", "[Service]\nLimitNOFILE=1024\n")
    put(site.unit_file(ID).with_name("shop@.service.d") / "all.conf", "[Service]\nNice=1\n")
    drop_ins = {UNIT: f"{site.unit_file(ID)}.d/override.conf /usr/lib/systemd/system/service.d/vendor.conf"}
    assert sorted(found(site, drop_ins)) == [
        ("unit", "all.conf", "added", ["+[Service]", "+Nice=1"]),
        ("unit", "override.conf", "added", ["+[Service]", "+LimitNOFILE=1024"]),
    ]


def test_nginx_of_the_release_and_of_the_edge(site):
    (site.record(ID) / "nginx/http/upstream.conf").write_text("upstream shop {\n    keepalive 64;\n}\n")
    put(site.record(ID) / "nginx/server/mine.conf", 'proxy_set_header Authorization "Basic aHVudGVyMg";\n')
    site.edge.write_text("server {\n    client_max_body_size 99m;\n}\n")
    put(site.edge_files / "application-mine.conf", "allow all;\n")
    (site.edge_files / "application.conf").unlink()
    assert found(site) == [
        ("nginx", "upstream.conf", "changed", ["-    keepalive 32;", "+    keepalive 64;"]),
        ("nginx", "mine.conf", "added", ["+proxy_set_header ********;"]),
        ("nginx", "application.conf", "gone", ["-add_header ********;"]),
        ("nginx", "shop.conf", "changed", ["-    client_max_body_size 25m;", "+    client_max_body_size 99m;"]),
        ("nginx", "application-mine.conf", "added", ["+allow all;"]),
    ]


def test_the_environment_is_told_by_names_alone(site):
    changed = {**VARIABLES, "LANG": "de_DE", "SECRET_KEY": "another-secret", "NEW": "value"}
    del changed["GONE"]
    disk.write(site.environment(ENVIRONMENT), env_file.render(changed), 0o600)
    lines = ["-GONE", "+NEW", "~LANG, another value", "~SECRET_KEY, another value"]
    assert found(site) == [("environment", f"{ENVIRONMENT}.env", "changed", lines)]
    disk.remove(site.environment(ENVIRONMENT))
    assert found(site) == [("environment", f"{ENVIRONMENT}.env", "gone", [])]


def test_an_environment_that_was_edited_before_the_release_was_made_is_told(site):
    disk.write(site.environment(ENVIRONMENT), env_file.render({**VARIABLES, "LANG": "de_DE"}), 0o600)
    made.note_release(site, json.loads(site.manifest(ID).read_text()))
    assert found(site) == [("environment", f"{ENVIRONMENT}.env", "changed", [])]


def test_no_value_of_the_environment_stands_in_the_note(site):
    note = site.made(ID).read_text()
    assert not any(value in note for value in VARIABLES.values() if len(value) > 1)
    assert site.made(ID).stat().st_mode & 0o777 == 0o600


def test_code_that_was_changed_added_or_removed(site):
    code = site.code(ID)
    (code / "shop/views.py").write_text('API_KEY = "hunter2"\ndef view():\n    return 2\n')
    (code / "shop/urls.py").unlink()
    put(code / "shop/hack.py", "token = 'hunter2'\n")
    (site.static(ID) / "app.0123456789ab.css").write_text("body { color: red }")
    put(site.modules(ID) / "switchyard_settings.py", "DEBUG = True\n")
    assert found(site) == [
        ("code", "hack.py", "added", ["+token = ********"]),
        ("code", "urls.py", "gone", ["-urlpatterns = []"]),
        ("code", "views.py", "changed", ["+API_KEY = ********", "-    return 1", "+    return 2"]),
        ("code", "app.0123456789ab.css", "changed", []),
        ("code", "switchyard_settings.py", "changed", ["-DEBUG = False", "+DEBUG = True"]),
    ]


def test_a_secret_of_the_environment_is_hidden_wherever_it_stands(site):
    (site.code(ID) / "shop/views.py").write_text("hunter2hunter2 + pass_word\n")
    (told,) = found(site)
    assert "+******** + pass_word" in told[3]


def test_a_line_that_looks_like_the_head_of_a_diff_is_shown(site):
    (site.code(ID) / "shop/views.py").write_text(CODE["shop/views.py"] + "-- a\n++ b\n")
    (told,) = found(site)
    assert told[3] == ["+-- a", "+++ b"]


def test_lines_that_are_all_hidden_are_counted(site):
    put(site.code(ID) / "shop/local.yml", "stripe: hunter2\nsize: 4\n\npay: hunter3\n")
    assert found(site) == [("code", "local.yml", "added", ["+******** (2 lines)", "+", "+********"])]


def test_many_files_are_counted_and_long_texts_are_cut(site):
    for number in range(30):
        put(site.code(ID) / f"many/{number:02}.py", "x\n")
    (site.code(ID) / "shop/views.py").write_text("".join(f"line({number})\n" for number in range(100)))
    told = drift.read(site, ID, {UNIT: ""}).drift
    assert len(told) == drift.MOST_FILES + 1
    assert told[-1].diff == ["11 more files"]
    views = (site.code(ID) / "shop/views.py").read_text()
    lines = drift._Texts({}).diff("code", Path("views.py"), "", views)
    assert lines[-1] == "… and 60 more lines"


def test_packages_that_somebody_installed(site):
    folder = site.venv("v1") / "lib/python3.11/site-packages"
    (folder / "django-5.2.dist-info").rename(folder / "django-5.3.dist-info")
    assert found(site) == [("dependencies", "v1", "changed", ["-django-5.2", "+django-5.3"])]
    made.note_release(site, json.loads(site.manifest(ID).read_text()))  # of the next release, which shares them
    assert [one[0] for one in found(site)] == ["dependencies"]


def test_a_release_of_an_earlier_version_is_judged_as_far_as_its_digests_go(site):
    disk.remove(site.made(ID))
    disk.remove(site.listing(ID))
    disk.remove(site.edge_made)
    disk.remove(site.venv("v1") / made.PACKAGES)
    (site.record(ID) / UNIT).write_text("[Service]\n")
    told = drift.read(site, ID, {UNIT: ""})
    assert [(one.kind, one.what, one.diff) for one in told.drift] == [("unit", "changed", [])]
    assert "code" in told.unknown
    assert "dependencies" in told.unknown


def test_the_note_of_the_edge_comes_back_with_it(layout):
    before = {str(layout.edge): "edited by hand", str(layout.edge_made): '{"as": "it was made"}'}
    assert made.with_note_of_edge(layout, before) == before
    assert made.with_note_of_edge(layout, {}) == {}

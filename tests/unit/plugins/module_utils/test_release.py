# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import identity, made, release, sandbox, state
from ansible_collections.switchyard.django.plugins.module_utils.release import ReleaseError, Wanted, fill
from hypothesis import given
from hypothesis import strategies as st

ID = "0123456789ab"


@pytest.fixture(autouse=True)
def nobody_changes_owners(monkeypatch):
    """Tests run as anybody: what is given to whom is noted, not done."""
    done = []
    monkeypatch.setattr(release.ownership, "give", lambda tree, user: done.append(("give", tree.name)))
    monkeypatch.setattr(
        release.ownership, "take", lambda tree, group, public=False: done.append(("take", tree.name, public))
    )
    return done


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """What was made durable is noted, with whether the release was whole by then."""
    trees = []

    def settle(tree):
        trees.append((tree, any(tree.parent.parent.glob("releases/*/release.json"))))

    monkeypatch.setattr(release.disk, "settle", settle)
    return trees


@pytest.fixture(autouse=True)
def systemd(monkeypatch):
    """The version of the host's systemd."""
    version = [252]
    monkeypatch.setattr(release.units, "version", lambda: version[0])
    return version


# --- the name --------------------------------------------------------------------------------------------------------


def test_the_name_of_a_release_does_not_depend_on_the_order_of_its_inputs():
    assert identity.release({"a": 1, "b": [2]}) == identity.release({"b": [2], "a": 1})


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3))
def test_every_input_counts(inputs):
    name = identity.release(inputs)
    assert len(name) == 12
    assert int(name, 16) >= 0
    assert identity.release({**inputs, "one more": 1}) != name


# --- fill ------------------------------------------------------------------------------------------------------------


def test_tokens_get_their_values():
    text = "ExecStart=@VENV@/bin/gunicorn --bind=unix:@SOCKET@\n"
    assert fill(text, {"VENV": "/v", "SOCKET": "/s"}) == "ExecStart=/v/bin/gunicorn --bind=unix:/s\n"


def test_a_line_whose_token_has_no_value_is_left_out():
    assert fill("a\nx @NONE@ y\nz @EMPTY@ @FULL@\nb", {"EMPTY": "", "FULL": "1"}) == "a\nb"


def test_a_templated_unit_name_keeps_its_own_sign():
    assert fill("shop@@RELEASE@.service", {"RELEASE": ID}) == f"shop@{ID}.service"


def test_a_value_is_not_read_for_tokens_again():
    assert fill("@A@", {"A": "@B@", "B": "x"}) == "@B@"


@pytest.mark.parametrize("text", ["user@example.org", "@lower@", "@", "@@", "location @fallback {", "a@B c@D"])
def test_other_signs_are_left_alone(text):
    assert fill(text, {}) == text


# --- unpack ----------------------------------------------------------------------------------------------------------


def member(name, content=None, **how):
    info = tarfile.TarInfo(name)
    for key, value in how.items():
        setattr(info, key, value)
    data = (content or "").encode()
    info.size = len(data)
    return info, data


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, type=kind, linkname=target)


def packed(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def test_files_links_and_modes_arrive(layout, tmp_path, nobody_changes_owners):
    archive = packed(
        tmp_path / "a.tar.gz",
        link("current", "shop/urls.py"),
        member("manage.py", "run", mode=0o755),
        member("shop/urls.py", "urls", mode=0o666),
    )
    release.unpack(layout, ID, archive.open("rb"))
    code = layout.code(ID)
    assert (code / "manage.py").read_text() == "run"
    assert (code / "manage.py").stat().st_mode & 0o777 == 0o755
    assert (code / "shop/urls.py").stat().st_mode & 0o777 == 0o644
    assert os.readlink(code / "current") == "shop/urls.py"
    assert ("take", "code.partial", False) in nobody_changes_owners
    assert sorted(os.listdir(layout.release(ID))) == ["code", "source.tar.gz"]
    assert layout.source(ID).read_bytes() == archive.read_bytes()
    assert layout.source(ID).stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_left_is_replaced(layout, tmp_path):
    (layout.release(ID) / "code.partial").mkdir(parents=True)
    (layout.release(ID) / "code.partial/stale").write_text("x")
    release.unpack(layout, ID, packed(tmp_path / "a.tar.gz", member("manage.py", "run")).open("rb"))
    assert os.listdir(layout.code(ID)) == ["manage.py"]


def test_setuid_bits_do_not_arrive(layout, tmp_path):
    release.unpack(layout, ID, packed(tmp_path / "a.tar.gz", member("tool", "x", mode=0o6755)).open("rb"))
    assert (layout.code(ID) / "tool").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil", "x")],
        [member("shop/../../evil", "x")],
        [member("shop/../evil", "x")],
        [member("/tmp/evil", "x")],
        [link("../evil", "x")],
        [link("shop", "../../../outside"), member("shop/evil", "x")],
        [member("shop/evil", "x"), link("shop", "../../../outside")],
        [link("shop", "../../../../../outside"), link("shop/evil", "x")],
        [link("a", "b"), link("b", "../../../../../outside"), link("a/evil", "x")],
        [member("file", "x"), link("evil", "file", tarfile.LNKTYPE)],
        [link("evil", "/etc/passwd", tarfile.LNKTYPE)],
        [member("evil", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
        [member("evil", type=tarfile.BLKTYPE)],
        [member("evil", type=tarfile.FIFOTYPE)],
        [member("evil", type=tarfile.DIRTYPE)],
    ],
    ids=[
        "parent",
        "parent inside",
        "parent, and still inside",
        "absolute",
        "link in parent",
        "link, then file through it",
        "file, then link in its way",
        "link, then link through it",
        "link over link",
        "hard link",
        "hard link out",
        "device",
        "block device",
        "pipe",
        "folder",
    ],
)
def test_an_archive_that_would_write_elsewhere_makes_no_release(layout, tmp_path, members):
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = packed(tmp_path / "a.tar.gz", *members)
    with pytest.raises((ReleaseError, FileExistsError)):
        release.unpack(layout, ID, archive.open("rb"))
    inside = layout.release(ID) / "code.partial"
    assert not layout.code(ID).exists()
    assert not [path for path in tmp_path.rglob("evil") if inside not in path.parents]
    assert not Path("/tmp/evil").exists()


def test_what_is_refused_is_named(layout, tmp_path):
    with pytest.raises(ReleaseError, match=r"'\.\./evil'"):
        release.unpack(layout, ID, packed(tmp_path / "a.tar.gz", member("../evil", "x")).open("rb"))


def test_a_release_of_the_same_inputs_is_adopted_whole_and_shares_its_files(layout):
    built = layout.release("b" * 12)
    (built / "code").mkdir(parents=True)
    (built / "code/manage.py").write_text("run")
    (built / "built").touch()
    release.adopt(layout, ID, "b" * 12)
    assert (layout.code(ID) / "manage.py").samefile(built / "code/manage.py")
    assert release.is_built(layout, ID)
    assert sorted(os.listdir(layout.srv / "releases")) == sorted([ID, "b" * 12])


def test_adopting_replaces_what_a_killed_run_left(layout):
    built = layout.release("b" * 12)
    (built / "code").mkdir(parents=True)
    for leftover in (layout.release(ID), layout.release(f"{ID}.partial")):
        (leftover / "stale").mkdir(parents=True)
    release.adopt(layout, ID, "b" * 12)
    assert os.listdir(layout.release(ID)) == ["code"]


# --- asking Django ---------------------------------------------------------------------------------------------------


LOOSENED = {
    "writable_paths": ["/srv/exports"],
    "address_families": [],
    "system_calls": [],
    "devices": [],
    "protect_home": "yes",
}
SERVING = {"bind": "socket", "sizing": {}, "times": {"request": 60}, "sandbox": LOOSENED}


def wanted(**changes):
    return Wanted(
        **{
            "release": ID,
            "root": "backend",
            "entry_point": "shop.web",
            "settings_module": "shop.settings",
            "overrides": {},
            "environment": "e1",
            "venv": "v1",
            "domains": ["shop.example.org"],
            "health_path": "/health/",
            "hosts": 1,
            "serving": SERVING,
            "size": {"workers": 3, "threads": 8, "connections": 24, "memory": 384},
            "modules": [],
            "files": [],
            "manifest": {"commit": "c0ffee", "stack": "one"},
            **changes,
        }
    )


@pytest.fixture
def django(layout, monkeypatch):
    """A Django that prints what it is told to, and remembers how it was asked."""
    layout.environment("e1").write_text('SECRET_KEY="hunter2hunter2"\nNAME="shop"\n')
    layout.code(ID).mkdir(parents=True)
    calls = []

    def run(layout, purpose, argv, **how):
        calls.append({"purpose": purpose, "argv": [str(part) for part in argv], **how})
        answer = run.answer(how.get("stdin") or "") if callable(run.answer) else run.answer
        return sandbox.Result(run.rc, answer, run.stderr)

    run.calls, run.rc, run.answer, run.stderr = calls, 0, "", ""
    monkeypatch.setattr(sandbox, "run", run)
    return run


INSPECTOR = "import json\nWANTED: dict = {}\nprint(WANTED)\n"


def asked(program):
    """The parameters that a filled-in inspector carries."""
    namespace = {}
    exec(next(line for line in program.splitlines() if line.startswith("WANTED")), namespace)  # noqa: S102
    return namespace["WANTED"]


def test_the_answer_is_what_stands_behind_the_marker(layout, django):
    report = {"problems": [], "settings": {"DEBUG": False}}
    django.answer = lambda program: f"chatter {{}}\n{asked(program)['marker']}{json.dumps(report)}"
    assert release.inspect(layout, wanted(), INSPECTOR, build=False) == report
    (call,) = django.calls
    assert call["cwd"] == layout.code(ID) / "backend"
    assert call["environment"]["DJANGO_SETTINGS_MODULE"] == "shop.settings"
    assert call["environment_file"] == layout.environment("e1")
    assert call["writable"] == []
    assert call["loosened"] == LOOSENED


def test_the_marker_can_not_be_guessed_by_the_project(layout, django):
    markers = []
    django.answer = lambda program: markers.append(asked(program)["marker"]) or f'{markers[-1]}{{"problems": []}}'
    for _dummy in range(2):
        release.inspect(layout, wanted(), INSPECTOR, build=False)
    assert len(set(markers)) == 2
    assert all(len(marker) >= 32 for marker in markers)


def test_secrets_in_what_the_project_says_are_masked(layout, django):
    report = {
        "problems": [{"message": "bad key hunter2hunter2"}],
        "checks": [{"message": "postgres://u:pa55word@db/x"}],
    }
    django.answer = lambda program: f"{asked(program)['marker']}{json.dumps(report)}"
    assert "hunter2" not in str(release.inspect(layout, wanted(), INSPECTOR, build=False))


def test_a_python_that_dies_is_reported_with_its_last_words_masked(layout, django):
    django.rc, django.answer, django.stderr = 139, "started with hunter2hunter2", "Segmentation fault"
    with pytest.raises(ReleaseError) as caught:
        release.inspect(layout, wanted(), INSPECTOR, build=False)
    assert "139" in str(caught.value)
    assert "Segmentation fault" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_tree_is_the_sites_while_it_is_built_and_taken_back_even_after_a_failure(
    layout, django, nobody_changes_owners
):
    with pytest.raises(ReleaseError):
        release.inspect(layout, wanted(overrides={"DEBUG": False}), INSPECTOR, build=True)
    given_away = nobody_changes_owners.index(("give", "code"))
    assert ("take", "code", False) in nobody_changes_owners[given_away:]
    assert ("take", "static", True) in nobody_changes_owners[given_away:]
    assert django.calls[0]["writable"] == [layout.release(ID)]


@pytest.fixture
def live_static(layout):
    """The static files of a live release, as they were noted when it was built."""
    folder = layout.static("earlier")
    folder.mkdir(parents=True)
    (folder / "app.css").write_text("body { color: #333 }")
    (folder / "app.css.br").write_bytes(b"as it was")
    layout.current.symlink_to("releases/earlier")
    layout.listing("earlier").parent.mkdir(parents=True, exist_ok=True)
    made.note_tree(layout, "earlier")
    return folder


def asked_for_earlier(layout, django):
    django.answer = lambda program: f'{asked(program)["marker"]}{{"problems": []}}'
    release.inspect(layout, wanted(), INSPECTOR, build=False)
    return asked(django.calls[-1]["stdin"])["earlier_static"]


def test_what_the_live_release_has_compressed_is_taken_over(layout, django, live_static):
    assert asked_for_earlier(layout, django) == str(live_static)


@pytest.mark.parametrize("what", ["changed", "added", "no release is live", "not noted"])
def test_what_somebody_changed_among_its_static_files_is_not(layout, django, live_static, what):
    if what == "changed":
        (live_static / "app.css.br").write_bytes(b"as it is")
        os.utime(live_static / "app.css.br", (0, 0))
    elif what == "added":
        (live_static / "more.css.br").write_bytes(b"")
    elif what == "not noted":
        layout.listing("earlier").unlink()
    else:
        layout.current.unlink()
    assert asked_for_earlier(layout, django) == ""


def test_static_files_that_lead_out_of_themselves_are_refused(layout, django):
    """The project's own code has run there, and nginx may read what the site may not."""

    def answer(program):
        (layout.static(ID) / "leak.txt").symlink_to("/etc/passwd")
        (layout.static(ID) / "app.css").symlink_to("app.0123456789ab.css")
        return f'{asked(program)["marker"]}{{"problems": []}}'

    django.answer = answer
    with pytest.raises(ReleaseError) as caught:
        release.inspect(layout, wanted(), INSPECTOR, build=True)
    assert "1 link(s) that lead out of them" in str(caught.value)
    assert "leak.txt -> /etc/passwd" in str(caught.value)
    assert "app.css" not in str(caught.value)


def test_overrides_become_a_settings_module_of_the_release(layout, django):
    django.answer = lambda program: f'{asked(program)["marker"]}{{"problems": []}}'
    overridden = wanted(overrides={"DEBUG": False})
    release.lay_modules(layout, overridden)
    release.inspect(layout, overridden, INSPECTOR, build=True)
    environment = django.calls[0]["environment"]
    folder, code = environment["PYTHONPATH"].split(":")
    module = layout.modules(ID) / f"{environment['DJANGO_SETTINGS_MODULE']}.py"
    assert str(module.parent) == folder
    assert "from shop.settings import *" in module.read_text()
    assert code == str(layout.code(ID) / "backend")


def test_the_modules_of_a_release_are_its_own_and_no_links_to_those_it_was_adopted_with(layout):
    other = layout.modules("b" * 12)
    other.mkdir(parents=True)
    (other / "wrapper.py").write_text("other")
    layout.modules(ID).mkdir(parents=True)
    (layout.modules(ID) / "wrapper.py").hardlink_to(other / "wrapper.py")
    (layout.modules(ID) / "left_over.py").write_text("")
    release.lay_modules(layout, wanted(modules=[{"path": "wrapper.py", "content": "own"}]))
    assert (other / "wrapper.py").read_text() == "other"
    assert [(one.name, one.read_text()) for one in layout.modules(ID).iterdir()] == [("wrapper.py", "own")]


@pytest.fixture
def recorded(layout, make_release):
    """A whole release, as its migrations find it."""
    settings = {"STATIC_ROOT": f"{layout.code(ID)}/static", "MEDIA_ROOT": ""}
    return make_release(ID, root="backend", settings_module="shop.production", commit=None, settings=settings)


def test_migrations_find_the_folders_that_the_unit_mounts(layout, django, recorded):
    release.migrate(layout, ID)
    assert django.calls[0]["binds"] == {layout.static(ID): layout.code(ID) / "static"}


def test_migrations_run_in_the_release_and_say_what_they_did(layout, django, recorded):
    django.answer = "Applying shop.0002... OK with hunter2hunter2"
    assert release.migrate(layout, ID) == "Applying shop.0002... OK with ********"
    (call,) = django.calls
    assert call["argv"][0] == str(layout.venv("v1") / "bin/python")
    assert call["argv"][1:4] == ["-m", "django", "migrate"]
    assert call["cwd"] == layout.code(ID) / "backend"
    assert call["environment_file"] == layout.environment("e1")
    assert call["environment"]["DJANGO_SETTINGS_MODULE"] == "shop.production"
    assert (call["environment"]["RELEASE_ID"], call["environment"]["RELEASE_COMMIT"]) == (ID, "")
    assert call["patient"], "a migration must not be cut off by the next run"


@pytest.mark.parametrize(("manifest", "loosened"), [({}, None), ({"serving": SERVING}, LOOSENED)])
def test_migrations_run_in_the_sandbox_of_their_own_release(layout, django, recorded, make_release, manifest, loosened):
    make_release(ID, commit=None, **manifest)
    release.migrate(layout, ID)
    assert django.calls[0]["loosened"] == loosened


@pytest.mark.parametrize(
    ("live", "serves"), [("earlier", "the live release still serves"), (None, "no release is live yet")]
)
def test_a_migration_that_fails_says_what_serves(layout, django, recorded, live, serves):
    django.rc, django.stderr = 1, "OperationalError: no such table for hunter2hunter2"
    if live:
        layout.current.symlink_to(f"releases/{live}")
    with pytest.raises(ReleaseError) as caught:
        release.migrate(layout, ID)
    assert f"migrate failed; {serves}. It said last:" in str(caught.value)
    assert "no such table" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_was_undone_is_undone_no_more_once_it_is_applied_again(layout, django, recorded):
    layout.reversal.write_text("{}")
    django.rc = 1
    with pytest.raises(ReleaseError):
        release.migrate(layout, ID)
    assert layout.reversal.exists()
    django.rc = 0
    release.migrate(layout, ID)
    assert not layout.reversal.exists()


def test_a_program_on_standard_input_runs_as_the_releases_own(layout, django, recorded):
    release.manage(layout, ID, ["-"], stdin="print(1)")
    (call,) = django.calls
    assert (call["argv"][1:], call["stdin"], call["patient"]) == (["-"], "print(1)", False)
    assert call["environment"]["PYTHONDONTWRITEBYTECODE"] == "1", "it is no longer the site's to write"


# --- the record ------------------------------------------------------------------------------------------------------

REPORT = {
    "settings": {"STATIC_URL": "/static/", "STATIC_ROOT": "/s", "MEDIA_URL": "/", "MEDIA_ROOT": "", "DEBUG": False},
    "migrations": {"before": {}, "after": {}, "pending": []},
}
FILES = [
    {"path": "shop@@RELEASE@.service", "content": "ExecStart=@VENV@/bin/x\nBind=@MEDIA_ROOT@\nCommit=@COMMIT@\n"},
    {"path": "nginx/static.conf", "content": "location @STATIC_URL@ {}\n", "needs": "STATIC_URL"},
    {"path": "nginx/media.conf", "content": "location @MEDIA_URL@ {}\n", "needs": "MEDIA_URL"},
]


@pytest.fixture
def built(layout):
    """The tree of a release that has been built."""
    layout.static(ID).mkdir(parents=True)


def test_the_record_has_the_files_that_the_release_needs(layout, built):
    release.record(layout, wanted(files=FILES), REPORT)
    folder = layout.record(ID)
    unit = (folder / f"shop@{ID}.service").read_text()
    assert unit == f"ExecStart={layout.venv('v1')}/bin/x\nCommit=c0ffee\n"
    assert (folder / "nginx/static.conf").read_text() == "location /static/ {}\n"
    assert not (folder / "nginx/media.conf").exists()


def test_the_manifest_makes_the_release_whole(layout, built):
    manifest = release.record(layout, wanted(files=FILES), REPORT)
    assert state.manifest(layout, ID) == json.loads(json.dumps(manifest))
    assert manifest["id"] == ID
    assert manifest["stack"] == "one"
    assert set(manifest["files"]) == {f"shop@{ID}.service", "nginx/static.conf", "units"}
    assert "DEBUG" not in manifest["settings"]


def test_the_manifest_says_how_the_release_is_served_and_how_large_it_is(layout, built):
    manifest = release.record(layout, wanted(files=FILES), REPORT)
    assert (manifest["serving"], manifest["port"]) == (SERVING, None)
    assert manifest["size"] == {"workers": 3, "threads": 8, "connections": 24, "memory": 384}


LISTENS = """\
ExecStart=/bin/server --workers=@WORKERS@ --threads=@THREADS@
Socket=@SOCKET@
Port=@PORT@
Upstream=@UPSTREAM@
Restart=always
RestartSteps=@RESTART_STEPS@
RestartMaxDelaySec=@RESTART_MAX_DELAY@
"""


def lines_of(layout, **changes):
    """The unit that a release gets, without what its command is."""
    release.record(layout, wanted(files=[{"path": "unit", "content": LISTENS}], **changes), REPORT)
    command, *rest = (layout.record(ID) / "unit").read_text().splitlines()
    assert command == "ExecStart=/bin/server --workers=3 --threads=8"
    return rest


def test_an_instance_listens_at_its_own_socket_and_nginx_asks_there(layout, built):
    socket = layout.socket(ID)
    assert lines_of(layout) == [f"Socket={socket}", f"Upstream=unix:{socket}", "Restart=always"]


def test_an_instance_whose_server_needs_one_gets_a_port_of_the_loopback_and_nginx_asks_there(
    layout, built, monkeypatch
):
    monkeypatch.setattr(release.ports, "choose", lambda name, **_texts: {ID: 21845}[name])
    lines = lines_of(layout, serving={**SERVING, "bind": "port"})
    assert lines == [f"Socket={layout.socket(ID)}", "Port=21845", "Upstream=127.0.0.1:21845", "Restart=always"]
    assert state.manifest(layout, ID)["port"] == 21845


def test_a_command_that_needs_a_port_has_one_or_there_is_no_release(layout, built):
    files = [{"path": "unit", "content": "ExecStart=/bin/server --port=@PORT@\n"}]
    with pytest.raises(ReleaseError, match="@PORT@"):
        release.record(layout, wanted(files=files), REPORT)
    assert state.manifest(layout, ID) is None


@pytest.mark.parametrize(("version", "known"), [(247, False), (252, False), (253, False), (254, True), (257, True)])
def test_restarts_slow_down_where_systemd_can(layout, built, systemd, version, known):
    systemd[0] = version
    told = [line for line in lines_of(layout) if line.startswith("Restart")]
    growing = ["RestartSteps=4", "RestartMaxDelaySec=15"] if known else []
    assert told == ["Restart=always", *growing]


def test_a_record_that_fails_half_way_is_no_release(layout, built, monkeypatch):
    release.record(layout, wanted(files=FILES), REPORT)
    write = release.disk.write

    def write_until_the_power_fails(path, *how):
        if path.name == "static.conf":
            raise OSError("no space left")
        write(path, *how)

    monkeypatch.setattr(release.disk, "write", write_until_the_power_fails)
    with pytest.raises(OSError, match="no space"):
        release.record(layout, wanted(files=FILES), REPORT)
    assert state.manifest(layout, ID) is None


BESIDE = [
    *FILES,
    {"path": "shop@@RELEASE@-worker.service", "content": "worker\n"},
    {"path": "shop@@RELEASE@-tidy.service", "content": "tidy\n"},
    {"path": "shop@@RELEASE@-tidy.timer", "content": "daily\n"},
]
HERE = [
    {"name": "worker", "singleton": False, "timer": False},
    {"name": "tidy", "singleton": True, "timer": True},
]


def test_systemd_knows_every_unit_of_a_release_by_a_link_into_the_record(layout, built):
    release.record(layout, wanted(files=BESIDE), REPORT)
    names = [f"shop@{ID}-tidy.service", f"shop@{ID}-tidy.timer", f"shop@{ID}-worker.service", f"shop@{ID}.service"]
    assert [path.name for path in layout.unit_files(ID)] == names
    assert [os.readlink(path) for path in layout.unit_files(ID)] == [str(layout.record(ID) / name) for name in names]


@pytest.mark.parametrize(
    ("here", "units"),
    [([], ["shop@{}.service"]), (HERE, ["shop@{}.service", "shop@{}-tidy.timer", "shop@{}-worker.service"])],
)
def test_what_is_started_at_boot_is_what_runs_on_this_host(layout, built, here, units):
    release.record(layout, wanted(files=BESIDE, manifest={"commit": None, "processes": here}), REPORT)
    assert layout.units(ID).read_text().splitlines() == [unit.format(ID) for unit in units]


@pytest.mark.parametrize("url", ["https://cdn.example.org/static/", "/", ""])
def test_static_files_that_nginx_can_not_serve_get_no_location(layout, built, url):
    report = {**REPORT, "settings": {**REPORT["settings"], "STATIC_URL": url}}
    release.record(layout, wanted(files=FILES), report)
    assert not (layout.record(ID) / "nginx/static.conf").exists()


def test_all_of_a_release_is_on_the_disk_before_the_manifest_says_so(layout, built, settled):
    release.record(layout, wanted(files=FILES), REPORT)
    assert settled == [(layout.release(ID), False), (layout.record(ID), False)]


# --- the same release with another environment -----------------------------------------------------------------------

UNIT = """\
[Service]
EnvironmentFile={env}/e1.env
ExecStart=/srv/shop/venvs/v1/bin/gunicorn --bind=unix:/run/shop/{id}/app.sock
Environment=RELEASE_ID={id}
"""


@pytest.fixture
def proven(layout, django, built):
    """A release of environment e1 that is live."""
    layout.environment("e2").write_text('SECRET_KEY="other"\n')
    (layout.static(ID) / "app.css").write_text("css")
    files = [
        {"path": "shop@@RELEASE@.service", "content": UNIT.format(env=layout.etc / "env", id=ID)},
        {
            "path": "nginx/static.conf",
            "content": f"add_header X-Release {ID};\nalias /srv/shop/releases/{ID}/static/;\n",
        },
    ]
    release.record(layout, wanted(files=files), REPORT)
    return ID


def test_a_release_has_one_twin_for_each_environment(layout, proven):
    other = release.with_environment(layout, ID, "e2")
    assert other != ID
    assert release.with_environment(layout, ID, "e2") == other
    assert release.with_environment(layout, ID, "e1") == ID
    assert sorted(state.manifests(layout)) == sorted([ID, other])


def test_a_twin_is_told_apart_everywhere(layout, proven):
    other = release.with_environment(layout, ID, "e2")
    unit = (layout.record(other) / f"shop@{other}.service").read_text()
    assert unit == UNIT.format(env=layout.etc / "env", id=other).replace("e1.env", "e2.env")
    nginx = (layout.record(other) / "nginx/static.conf").read_text()
    assert nginx == f"add_header X-Release {other};\nalias /srv/shop/releases/{other}/static/;\n"
    assert os.readlink(layout.unit_file(other)) == str(layout.record(other) / f"shop@{other}.service")


def test_a_twins_manifest_says_what_it_was_made_from(layout, proven):
    other = release.with_environment(layout, ID, "e2")
    before, after = state.manifest(layout, ID), state.manifest(layout, other)
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {"id", "environment", "files", "build", "made_from"}
    assert (after["id"], after["environment"], after["made_from"]) == (other, "e2", ID)
    assert set(after["files"]) == {f"shop@{other}.service", "nginx/static.conf", "units"}
    assert after["files"]["nginx/static.conf"] != before["files"]["nginx/static.conf"]


def test_a_twin_has_the_processes_of_the_release_under_its_own_name(layout, proven):
    release.record(layout, wanted(files=BESIDE, manifest={"commit": None, "processes": HERE}), REPORT)
    other = release.with_environment(layout, ID, "e2")
    names = [path.name for path in layout.unit_files(other)]
    assert names == [path.name.replace(ID, other) for path in layout.unit_files(ID)]
    assert len(names) == 4
    assert layout.units(other).read_text() == layout.units(ID).read_text().replace(ID, other)
    assert state.manifest(layout, other)["processes"] == HERE


AT_PORT = """\
[Service]
ExecStart=/srv/shop/venvs/v1/bin/server --port=@PORT@ --proxy=127.0.0.1:@PORT@
Environment=RELEASE_ID={id}
"""


def test_a_twin_has_another_port_everywhere(layout, django, built, tmp_path, monkeypatch):
    free = iter([21845, 21846])
    monkeypatch.setattr(release.ports, "choose", lambda name, **_texts: next(free))
    files = [
        {"path": "shop@@RELEASE@.service", "content": AT_PORT.format(id=ID)},
        {"path": "nginx/upstream.conf", "content": "server @UPSTREAM@;\n"},
    ]
    release.record(layout, wanted(files=files, serving={**SERVING, "bind": "port"}), REPORT)
    layout.environment("e2").touch()
    other = release.with_environment(layout, ID, "e2")
    assert (state.manifest(layout, ID)["port"], state.manifest(layout, other)["port"]) == (21845, 21846)
    unit = (layout.record(other) / f"shop@{other}.service").read_text()
    assert "--port=21846 --proxy=127.0.0.1:21846\n" in unit
    assert (layout.record(other) / "nginx/upstream.conf").read_text() == "server 127.0.0.1:21846;\n"
    texts = [path.read_text() for path in layout.record(other).rglob("*") if path.is_file()]
    assert not [text for text in texts if "21845" in text]


def test_a_twin_of_a_release_with_a_socket_has_no_port_either(layout, proven):
    other = release.with_environment(layout, ID, "e2")
    assert state.manifest(layout, other)["port"] is None


def test_a_twin_is_served_as_the_release_is(layout, proven):
    before, after = state.manifest(layout, ID), state.manifest(layout, release.with_environment(layout, ID, "e2"))
    assert (after["serving"], after["size"]) == (before["serving"], before["size"]) == (SERVING, wanted().size)


def test_a_twin_shares_its_files_and_leaves_the_release_as_it_was(layout, proven):
    record = {path: path.read_text() for path in layout.record(ID).rglob("*") if path.is_file()}
    other = release.with_environment(layout, ID, "e2")
    assert (layout.static(other) / "app.css").samefile(layout.static(ID) / "app.css")
    assert {path: path.read_text() for path in layout.record(ID).rglob("*") if path.is_file()} == record


def test_a_twin_whose_making_was_cut_off_is_made_anew(layout, proven):
    other = release.with_environment(layout, ID, "e2")
    layout.manifest(other).unlink()
    (layout.record(other) / "nginx/left-over.conf").touch()
    (layout.release(other) / "left-over").touch()
    assert release.with_environment(layout, ID, "e2") == other
    assert state.manifest(layout, other)
    assert not list(layout.record(other).rglob("left-over*"))
    assert os.listdir(layout.release(other)) == os.listdir(layout.release(ID))

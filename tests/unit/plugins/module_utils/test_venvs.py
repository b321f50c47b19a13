# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import host_command, locks, sandbox, venvs

UV = Path(sys.executable).with_name("uv")
PACKAGES = Path(f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
FAILING = "def fail():\n    raise ValueError\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder of wheels, each with a module and a command of the package's name."""
    folder = tmp_path_factory.mktemp("index")
    for name in ("amber", "birch", "cedar"):
        for version in ("1", "2"):
            about = f"{name}-{version}.dist-info"
            files = {
                f"{name}/__init__.py": f'VERSION = "{version}"\n\n\ndef main():\n    print("{name}", VERSION)\n',
                f"{name}/only_in_{version}.py": FAILING,
                f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                f"{about}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
            }
            record = f"{about}/RECORD"
            with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
                for path, text in files.items():
                    wheel.writestr(path, text)
                wheel.writestr(record, "".join(f"{path},,\n" for path in [*files, record]))
    return folder


@pytest.fixture
def lock(index):
    """The text of a lock of these versions."""

    def lock(*more, **versions):
        lines = []
        for name, version in versions.items():
            wheel = index / f"{name}-{version}-py3-none-any.whl"
            own = hashlib.sha256(wheel.read_bytes()).hexdigest()
            hashes = "".join(f" \\\n    --hash=sha256:{one}" for one in (own, *more))
            lines.append(f"{name}=={version}{hashes}\n")
        return "".join(lines)

    return lock


@pytest.fixture
def uv(monkeypatch):
    """Lets uv itself work, without the sandbox of a host."""

    def run(layout, purpose, argv, *, environment, **how):
        words = [str(word) for word in argv][1:]
        command = [UV, *(sys.executable if word == "/usr/bin/python3" else word for word in words)]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        return sandbox.Result(done.returncode, done.stdout, done.stderr)

    def give(venv, user, files=True):
        assert not venvs.is_whole(venv)

    monkeypatch.setattr(sandbox, "run", run)
    monkeypatch.setattr(venvs.ownership, "give", give)
    monkeypatch.setattr(venvs.ownership, "take", lambda venv, group: None)
    monkeypatch.setattr(venvs.disk, "settle", lambda folder: None)


@pytest.fixture
def install(layout, index, uv):
    """Makes a venv; its folder, and its donor's name."""

    def install(name, lock):
        offline = {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(index)}
        return layout.venv(name), venvs.install(layout, layout.venv(name), lock, offline)

    return install


@pytest.fixture
def donor(install, lock):
    return install("donor", lock(amber=1, birch=1, cedar=1))[0]


def contents(venv):
    """All files; of compiled ones only of which source they are, for in them is the path where they were compiled."""
    return {
        str(path.relative_to(venv)): path.read_bytes()[: 16 if path.suffix == ".pyc" else None]
        for path in venv.rglob("*")
        if path.is_file() and path.name != venvs.FILES
    }


def said_by(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_venv_made_of_a_donor_is_the_one_that_is_made_of_nothing(install, lock, donor):
    wanted = lock(amber=1, birch=2, cedar=1)
    venv, name = install("fresh", wanted)
    assert name == "donor"
    of_donor = contents(venv)
    shutil.rmtree(venv)
    (donor / venvs.FILES).unlink()
    venv, name = install("fresh", wanted)
    assert name == ""
    of_nothing = contents(venv)
    # When uv installed a file is in what it compiles of it.
    for found in (of_donor, of_nothing):
        compiled = {path for path in found if path.endswith(".pyc")}
        assert len(compiled) == 6
        found.update(dict.fromkeys(compiled, b""))
    assert of_donor == of_nothing


def test_what_the_lock_has_no_more_is_gone(install, lock, donor):
    venv, name = install("fresh", lock(amber=1, birch=1))
    assert name == "donor"
    assert not list(venv.rglob("*cedar*"))


def test_commands_and_tracebacks_name_the_venv_in_which_they_are(install, lock, donor):
    venv, _name = install("fresh", lock(amber=1, birch=2, cedar=1))
    assert (venv / "bin/amber").read_text().startswith(f"#!{venv}/bin/python\n")
    assert said_by(venv / "bin/amber").stdout == "amber 1\n"
    assert said_by(venv / "bin/birch").stdout == "birch 2\n"
    compiled = next((venv / PACKAGES / "amber/__pycache__").glob("only_in_1.*"))
    assert bytes(donor) in compiled.read_bytes()
    said = said_by(venv / "bin/python", "-B", "-c", "from amber.only_in_1 import fail; fail()").stderr
    assert f'File "{venv}/{PACKAGES}/amber/only_in_1.py", line 2, in fail' in said
    assert str(donor) not in said


def test_the_donor_has_no_file_in_common_with_its_copy(install, lock, donor):
    before = venvs.digest(donor)
    install("fresh", lock(amber=1, birch=2, cedar=1))
    assert venvs.digest(donor) == before
    assert {path.lstat().st_nlink for path in donor.rglob("*") if path.is_file()} == {1}


def change_and_set_back_the_time(module):
    before = module.stat()
    module.write_text(module.read_text().replace("amber", "umber"))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (module.stat().st_mtime_ns, module.stat().st_size) == (before.st_mtime_ns, before.st_size)


@pytest.mark.parametrize(
    "change",
    [
        lambda venv: (venv / PACKAGES / "amber/__init__.py").write_text("VERSION = 'mine'\n"),
        lambda venv: change_and_set_back_the_time(venv / PACKAGES / "amber/__init__.py"),
        lambda venv: (venv / PACKAGES / "amber/mine.py").write_text(""),
        lambda venv: (venv / PACKAGES / "mine.pth").write_text("import os\n"),
        lambda venv: (venv / PACKAGES / "mine").mkdir(),
        lambda venv: (venv / PACKAGES / "amber/only_in_1.py").unlink(),
        lambda venv: (venv / PACKAGES / "amber/only_in_1.py").chmod(0o755),
        lambda venv: next((venv / PACKAGES / "amber/__pycache__").iterdir()).write_bytes(b"mine"),
        lambda venv: (venv / "bin/amber").write_text("#!/bin/sh\n"),
        lambda venv: (venv / "mine").symlink_to("/etc"),
        lambda venv: os.mkfifo(venv / "mine"),
    ],
    ids=[
        "changed",
        "changed and its time set back",
        "added",
        "pth",
        "folder",
        "removed",
        "mode",
        "compiled",
        "command",
        "link",
        "pipe",
    ],
)
def test_nothing_that_somebody_changed_by_hand_comes_along(install, lock, donor, change):
    change(donor)
    venv, name = install("fresh", lock(amber=1, birch=2, cedar=1))
    assert name == ""
    assert "mine" not in {path.stem for path in venv.rglob("*")}
    assert said_by(venv / "bin/amber").stdout == "amber 1\n"
    assert (venv / PACKAGES / "amber/only_in_1.py").stat().st_mode & 0o111 == 0


def test_the_donor_is_the_venv_that_has_most_of_the_lock(layout, install, lock):
    for name, versions in {"a": (1, 1, 2), "b": (2, 1, 2), "c": (2, 2, 1)}.items():
        install(name, lock(**dict(zip(("amber", "birch", "cedar"), versions))))
    found = venvs.find_donor(layout.venv("fresh"), lock(amber=2, birch=1, cedar=1))
    assert found == layout.venv("b")


@pytest.mark.parametrize(
    "change",
    [
        lambda venv: (venv / venvs.LOCK).unlink(),
        lambda venv: (venv / venvs.FILES).unlink(),
        lambda venv: (venv / PACKAGES.parent).rename(venv / "lib/python2.7"),
    ],
    ids=["half-made", "without a note", "of another Python"],
)
def test_what_is_no_donor(layout, lock, donor, change):
    wanted = lock(amber=1, birch=1, cedar=2)
    assert venvs.find_donor(layout.venv("fresh"), wanted) == donor
    change(donor)
    assert venvs.find_donor(layout.venv("fresh"), wanted) is None


def test_a_venv_that_has_little_of_the_lock_is_no_donor(layout, lock, donor):
    assert venvs.find_donor(layout.venv("fresh"), lock(amber=1, birch=2, cedar=2)) is None


def test_what_a_donor_was_installed_of_must_be_allowed_by_the_lock(layout, lock, install):
    install("donor", lock("0" * 64, amber=1, birch=1, cedar=1))
    assert venvs.find_donor(layout.venv("fresh"), lock(amber=1, birch=1, cedar=2)) is None
    more = lock("0" * 64, "1" * 64, amber=1, birch=1, cedar=2)
    assert venvs.find_donor(layout.venv("fresh"), more) == layout.venv("donor")


@pytest.mark.parametrize("part", ["cp", "pip"])
def test_where_the_copy_can_not_be_made_the_venv_it_is_made_of_nothing(install, lock, donor, monkeypatch, part):
    uv, command = locks.uv, host_command.run
    failed = []

    def run(argv, **how):
        if argv[0] == part:
            failed.append(argv)
            raise subprocess.CalledProcessError(1, argv)
        return command(argv, **how)

    def run_uv(layout, cwd, environment, *arguments, **how):
        if arguments[0] == part and not failed:
            failed.append(arguments)
            raise locks.LockError("the copy is no good")
        return uv(layout, cwd, environment, *arguments, **how)

    monkeypatch.setattr(host_command, "run", run)
    monkeypatch.setattr(locks, "uv", run_uv)
    venv, name = install("fresh", lock(amber=1, birch=2, cedar=1))
    assert (len(failed), name) == (1, "")
    assert said_by(venv / "bin/birch").stdout == "birch 2\n"


def test_a_venv_is_whole_once_its_lock_is_written_into_it(install, lock, donor):
    assert venvs.is_whole(donor)
    assert (donor / venvs.LOCK).read_text() == lock(amber=1, birch=1, cedar=1)


def test_a_venv_whose_installation_failed_is_not_whole_and_made_anew(layout, install, lock, donor):
    with pytest.raises(locks.LockError, match="cedar"):
        install("fresh", lock(amber=1, birch=1) + f"cedar==3 --hash=sha256:{'0' * 64}\n")
    assert not venvs.is_whole(layout.venv("fresh"))
    assert install("fresh", lock(amber=1, birch=1, cedar=2)) == (layout.venv("fresh"), "donor")
    assert venvs.is_whole(layout.venv("fresh"))


def test_a_file_that_the_lock_does_not_allow_is_not_installed(install, lock, donor):
    with pytest.raises(locks.LockError, match="[Hh]ash"):
        install("fresh", lock(amber=1, birch=1) + f"cedar==2 --hash=sha256:{'0' * 64}\n")

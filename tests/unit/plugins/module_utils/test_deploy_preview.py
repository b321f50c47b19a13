# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import tarfile

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import listing, migration_files, source_history
from ansible_collections.switchyard.django.plugins.module_utils.commands import Commands
from ansible_collections.switchyard.django.plugins.module_utils.deploy_preview import MOST, Sources, preview, sources
from ansible_collections.switchyard.django.plugins.module_utils.migration_files import Migration
from ansible_collections.switchyard.django.plugins.module_utils.run_summary import Run
from ansible_collections.switchyard.django.plugins.module_utils.source_history import Commits

OLD, NEW = "a" * 12, "b" * 12
OLD_TOLD = f"{OLD} (wsgi by gunicorn, commit 111111111111)"
NEW_TOLD = f"{NEW} (wsgi by gunicorn, commit 222222222222)"
SIZING = {
    "workers": "auto",
    "threads": "auto",
    "per_core": 1,
    "least": 2,
    "usual_threads": 1,
    "worker_memory": 128,
    "reserve": 256,
    "memory_max": "infinity",
    "variable": "wsgi_workers",
}
LIVE = {
    "id": OLD,
    "stack": "wsgi",
    "server": "gunicorn",
    "commit": "1" * 40,
    "archive": "old",
    "migrations": {"known": {"cargo": ["0001_initial"], "auth": ["0001_initial"]}},
}


def state(live=OLD, **more):
    return {
        "live": live,
        "releases": {live: {**LIVE, "id": live}} if live else {},
        "secrets": "s",
        "lock": "l",
        "missing_packages": [],
        "folders_amiss": [],
        "files_amiss": [],
        "environment": "e1",
        "environment_present": True,
        "certificate": {"due": ""},
        "resources": {"cores": 2, "memory": 2048},
        "neighbours": {},
        "packages": {"live": {"django": [["==5.2.1", ""]]}, "wanted": {"django": [["==5.2.2", ""]]}},
        **more,
    }


def facts(state, stack="wsgi", server="gunicorn", built="", **move):
    """What a host knows after a check."""
    return {
        "plan": {"services": {"database": {}, "redis": {}}},
        "read": {"state": state},
        "release": {
            "id": NEW,
            "live": state["live"] == NEW,
            "built": built,
            "wanted": {
                "serving": {"sizing": SIZING},
                "size": {"workers": 2, "threads": 1, "connections": 2, "memory": 256},
                "manifest": {"stack": stack, "server": server, "commit": "2" * 40, "python": "3.11"},
            },
        },
        "move": {"moved": True, "source": state["live"], "diff": [], "notes": [], "said": "x", **move},
    }


def run(*hosts, **changes):
    named = {f"web{number}": one for number, one in enumerate(hosts or [facts(state())], start=1)}
    commands = Commands("shop", [], "/nowhere")
    return Run("shop", "deploy", NEW, named, commands, check=True, **changes)


SOURCES = Sources(commits=Commits(2, 0, ["222 Two", "111 One"]), migrations=[Migration("cargo", "0001_initial")])


def linux(marker):
    return "win32" not in marker


def rows(lines):
    """The rows, each in one line, by their labels, without the first and the last line."""
    assert all(len(line) <= listing.COLUMNS for line in lines)
    assert lines[-1] == "Nothing was changed: this was a check."
    found, key = {}, ""
    for line in lines[1:-1]:
        key = line[: listing.LABEL].strip() or key
        found[key] = f"{found.get(key, '')} {line[listing.LABEL :].strip()}".strip()
    return found


def test_an_edited_environment_file_would_be_written_again():
    one = state(NEW, environment_present=False)
    one["releases"][NEW]["environment"] = "e1"
    said = rows(preview(run(facts(one)), SOURCES))["would change"]
    assert said == "the environment file, which somebody has edited"


# --- what would happen -----------------------------------------------------------------------------------------------


def test_a_deploy_that_is_all_known():
    assert preview(run(), SOURCES) == [
        f"shop: from {OLD_TOLD} to {NEW} (wsgi by gunicorn,",
        "  commit 222222222222)",
        "hosts         web1",
        "commits       2, from 111111111111 to 222222222222:",
        "                222 Two",
        "                111 One",
        "build         code and static files, with Python 3.11",
        "migrations    none new in the project's files; those of dependencies are known after the build",
        "dependencies  django 5.2.1 → 5.2.2, by the locks",
        "memory        768 MiB of 2048: two instances of 2 workers for a while, the system and other sites",
        f"rollback      would go back to {OLD_TOLD}",
        "Nothing was changed: this was a check.",
    ]


def test_a_bare_host():
    bare = state(None, secrets=None, lock=None, missing_packages=["nginx"], folders_amiss=["/srv/shop"], packages={})
    lines = preview(run({**facts(bare), "uv": {"changed": True}}), Sources(migrations=[Migration("cargo", "0001")]))
    assert lines[0] == "shop: a first deploy, wsgi by gunicorn, commit 222222222222"
    found = rows(lines)
    assert "commits" not in found
    assert found["release"] == f"its name hangs on the site's secrets and the lock; {NEW} stands for it above"
    assert found["migrations"] == "all of the project and its dependencies; it has 1 of its own"
    assert found["dependencies"] == "resolved and installed at the deploy"
    assert found["rollback"] == "there would be no release to go back to"
    assert found["beside"] == "Debian packages: nginx; folders and files of the site; uv"


def test_nothing_would_happen():
    one = facts(state(NEW))
    assert preview(run(one), Sources()) == [
        f"shop: {NEW} (wsgi by gunicorn, commit 111111111111) is live already; nothing would change"
    ]


def test_what_the_roles_of_services_would_do_is_not_claimed():
    one = facts(state(NEW))
    one["plan"]["services"]["database"] = {"kind": "postgresql"}
    assert " ".join(preview(run(one), Sources())).endswith("beside what the tasks above say of postgresql")
    one["plan"]["services"]["database"] = {"kind": "url"}
    assert preview(run(one), Sources())[-1].endswith("nothing would change")


def test_a_first_deploy_says_where_its_services_would_be():
    one = facts(state(None))
    assert "services" not in rows(preview(run(one), Sources()))
    one["plan"]["services"] = {"database": {"kind": "postgresql", "host": "db1"}, "redis": {"kind": "url"}}
    said = "PostgreSQL, set up on db1 where it is not yet; Redis, at the URL of site_redis"
    assert rows(preview(run(one), Sources()))["services"] == said
    one = facts(state())
    one["plan"]["services"] = {"database": {"kind": "postgresql", "host": "db1"}}
    assert "services" not in rows(preview(run(one), Sources()))


def test_the_edge_alone_would_change():
    diff = [{"after_header": "/etc/nginx/sites-enabled/shop.conf"}]
    one = facts(state(NEW, certificate={"due": "it ends soon"}), diff=diff, notes=["closed"])
    first, *others, last = preview(run(one), Sources())
    assert last == "Nothing was changed: this was a check."
    assert first == f"shop: {NEW} (wsgi by gunicorn, commit 111111111111) is live already"
    assert " ".join(line[14:] for line in others) == (
        "the certificate: it ends soon; what nginx does for the site: /etc/nginx/sites-enabled/shop.conf; closed"
    )


def test_another_environment_is_said_without_a_word_of_it():
    one = facts(state())
    one["release"]["wanted"]["environment"] = "e2"
    assert rows(preview(run(one), SOURCES))["environment"] == "its variables are not those of the live release"


def test_a_change_of_the_stack_and_of_the_server():
    (first, *_others) = preview(run(facts(state(), stack="asgi", server="uvicorn")), SOURCES)
    assert first.startswith("shop: a change of the stack, from ")
    (first, *_others) = preview(run(facts(state(), server="granian")), SOURCES)
    assert first.startswith("shop: a change of the app server, from ")


def test_what_is_built_is_not_built_again():
    whole = state()
    whole["releases"][NEW] = {**LIVE, "id": NEW}
    assert rows(preview(run(facts(whole)), SOURCES))["build"].startswith("nothing: the release is on the host")
    assert (
        rows(preview(run(facts(state(), built=OLD)), SOURCES))["build"] == f"code and static files are those of {OLD}"
    )


# --- commits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"is_folder": True}, "site_source is a folder, which is deployed as it is: there are none to list"),
        (
            {"commits": None},
            "from 111111111111 to 222222222222; git does not have the live one on this machine, so they can't be "
            "listed",
        ),
        (
            {"commits": Commits(12, 0, ["2 Two"])},
            "12, from 111111111111 to 222222222222, the latest 1 of them: 2 Two",
        ),
        (
            {"commits": Commits(0, 1, [])},
            "from 111111111111 to 222222222222: a step back, without 1 commit that the live release has",
        ),
        (
            {"commits": Commits(1, 2, ["2 Two"])},
            "from 111111111111 to 222222222222: another branch, without 2 commits that the live release has, and with "
            "1 commit that it lacks: 2 Two",
        ),
    ],
)
def test_commits(found, said):
    assert rows(preview(run(), Sources(**found)))["commits"] == said


def test_the_same_commit():
    one = facts(state(), stack="asgi")
    one["release"]["wanted"]["manifest"]["commit"] = "1" * 40
    assert (
        rows(preview(run(one), Sources(commits=Commits(0, 0, []))))["commits"] == "none: 111111111111 is live already"
    )


def test_a_checkout_lists_its_commits_and_what_is_not_committed_may_differ(archives, monkeypatch):
    asked = []
    monkeypatch.setattr(
        source_history, "commits", lambda clone, *two: asked.append((str(clone), *two)) or Commits(1, 0, ["2 Two"])
    )
    one = copy.deepcopy(facts(state()))
    wanted = {"kind": "requirements", "files": {}}
    one["plan"] |= {"archive": str(archives("new")), "clone": "/shop", "commit": f"{'2' * 40}-dirty"}
    one["plan"]["requirements"] = wanted
    one["release"]["wanted"]["manifest"]["commit"] = f"{'2' * 40}-dirty"
    said = rows(preview(run(one), sources(run(one), "", linux)))["commits"]
    assert asked == [("/shop", "1" * 40, "2" * 40, MOST)]
    assert said == "1, from 111111111111 to 222222222222-dirty: 2 Two"
    one["read"]["state"]["releases"][OLD]["commit"] = f"{'2' * 40}-dirty"
    said = rows(preview(run(one), Sources(commits=Commits(0, 0, []))))["commits"]
    assert said == "none: 222222222222-dirty is live already; what is not committed may differ"


# --- the database ----------------------------------------------------------------------------------------------------


def test_new_migrations_say_what_they_do():
    found = Sources(
        migrations=[
            Migration("cargo", "0002_x", ("AddField crate.x blocks",)),
            Migration("cargo", "0003", is_known=False),
        ]
    )
    said = rows(preview(run(), found))["migrations"]
    assert said == (
        "2 new in the project's files; those of dependencies are known after the build. What they block is told as of "
        "PostgreSQL: "
        "cargo.0002_x: AddField crate.x blocks cargo.0003: its file can't be read as a list of operations "
        "not in it, but in the live release, and still applied: cargo.0001_initial"
    )


def test_the_way_back_says_what_the_migrations_do_to_it():
    found = Sources(migrations=[Migration("cargo", "0002", (f"AddField crate.x {migration_files.DEMANDED}",))])
    said = rows(preview(run(), found))["rollback"]
    assert said == (
        f"would go back to {OLD_TOLD}; with the migrations above, which stay applied, that release can't add rows"
    )
    assert rows(preview(run(), SOURCES))["rollback"] == f"would go back to {OLD_TOLD}"


def test_many_migrations_are_counted():
    found = Sources(migrations=[Migration("cargo", f"{number:04}") for number in range(2, 15)])
    said = rows(preview(run(), found))["migrations"]
    assert "cargo.0011 and 3 more" in said
    assert "cargo.0012" not in said


def test_migrations_with_a_change_of_the_stack():
    found = Sources(migrations=[Migration("cargo", "0002")])
    said = rows(preview(run(facts(state(), stack="asgi")), found))["migrations"]
    assert "together with a change of the stack they are refused, unless release_migrations_with_switch: allow" in said


def test_a_live_release_that_knows_no_migrations():
    one = state()
    one["releases"][OLD] = {**LIVE, "migrations": {"known": {}}}
    assert rows(preview(run(facts(one)), SOURCES))["migrations"].startswith("the live release has no database")


# --- dependencies and memory -----------------------------------------------------------------------------------------


def test_the_lock_is_not_made_yet():
    one = state(lock=None, packages={"live": {"django": [["==5.2.1", ""]]}, "wanted": {}})
    known = Sources(requirements=({"django": "==5.2.1"}, {"django": "==5.2.2"}))
    found = rows(preview(run(facts(one)), known))
    assert found["dependencies"] == "django 5.2.1 → 5.2.2, by the project's files; the lock is made at the deploy"
    assert found["release"].startswith("its name hangs on")
    same = Sources(requirements=({"django": ""}, {"django": ""}))
    assert rows(preview(run(facts(one)), same))["dependencies"].startswith("the same, by the project's files")
    assert rows(preview(run(facts(one)), Sources()))["dependencies"].startswith("not known from here")


def test_what_the_files_name_no_more_may_stay():
    one = state(lock=None, packages={"live": {"sqlparse": [["==0.5.3", ""]], "idna": [["==3.9", ""]]}, "wanted": {}})
    known = ({"sqlparse": "==0.5.3"}, {"idna": "==3.10", "redis": "==6.0"})
    said = rows(preview(run(facts(one)), Sources(requirements=known)))["dependencies"]
    assert said.startswith("idna 3.10 now asked for, +redis 6.0, sqlparse no longer asked for, by the project's files")
    said = rows(preview(run(facts(one)), Sources(requirements=known, names_all=True)))["dependencies"]
    assert said.startswith("+idna 3.10, +redis 6.0, -sqlparse 0.5.3, by the project's files")


def test_the_same_lock():
    django, elsewhere = [["==5.2.1", ""]], [["==0.4.6", "sys_platform == 'win32'"]]
    one = state(packages={"live": {"django": django}, "wanted": {"django": django, "colorama": elsewhere}})
    assert rows(preview(run(facts(one)), Sources(holds=linux)))["dependencies"] == "the same, by the locks"


def test_the_host_with_the_least_room_is_named():
    small = state(resources={"cores": 1, "memory": 1024}, neighbours={"pair": 100})
    said = rows(preview(run(facts(state()), facts(small)), SOURCES))["memory"]
    assert said.startswith("868 MiB of 1024 on web2, which has the least room: two instances of 2 workers")


# --- several hosts ---------------------------------------------------------------------------------------------------


def test_hosts_that_differ():
    lines = preview(run(facts(state(NEW)), facts(state()), facts(state(None)), absent=["web4"]), SOURCES)
    found = rows(lines)
    assert found["hosts"] == (
        f"{OLD_TOLD} on web2; nothing live on web3; live already on web1; left out by --limit: web4"
    )
    assert found["rollback"] == f"would go back to {OLD_TOLD} on web2; nothing on web3"


# --- the sources -----------------------------------------------------------------------------------------------------


@pytest.fixture
def archives(tmp_path):
    def make(name, **files):
        for path, text in {"requirements.txt": "", **files}.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / name, "", filter=lambda one: one)
        return tmp_path / f"{name}.tar.gz"

    return make


def test_the_controller_reads_both_sources(archives):
    archives("old", **{"requirements.txt": "django==5.2.1\n"})
    new = archives("new", **{"cargo/migrations/0001_initial.py": "class Migration:\n    operations = []\n"})
    one = copy.deepcopy(facts(state()))
    one["plan"] |= {
        "archive": str(new),
        "clone": "",
        "commit": None,
        "requirements": {"kind": "requirements", "files": {"requirements.txt": "django==5.2.2\n"}},
    }
    found = sources(run(one), "", linux)
    assert found == Sources(
        is_folder=True,
        migrations=[Migration("cargo", "0001_initial")],
        requirements=({"django": "==5.2.1"}, {"django": "==5.2.2"}),
        holds=linux,
    )
    (new.parent / "old.tar.gz").unlink()
    assert sources(run(one), "", linux).requirements is None
    archives("old")
    assert sources(run(one), "elsewhere.txt", linux).requirements is None


def test_of_a_lock_and_ranges_what_is_declared_is_compared_alone(archives):
    archives("old", **{"requirements.txt": "asgiref==3.8\ndjango==5.2.1\npsycopg-binary==3.2\n"})
    ranges = "django>=5.2,<6\nredis\ntzdata; sys_platform == 'win32'\n"
    new = archives("new", **{"requirements.txt": ranges})
    one = copy.deepcopy(facts(state(lock=None, packages={"live": {}, "wanted": {}})))
    wanted = {"kind": "requirements", "files": {"requirements.txt": ranges}}
    one["plan"] |= {"archive": str(new), "clone": "", "commit": None, "requirements": wanted}
    said = rows(preview(run(one), sources(run(one), "", linux)))["dependencies"]
    assert said == (
        "+redis, django 5.2.1 → >=5.2,<6, by the project's files, of which one is a lock and the other is not: what is "
        "declared directly is compared alone; the lock is made at the deploy"
    )
    one["plan"]["requirements"] = {"kind": "group:main", "files": {"pyproject.toml": "[dependency-groups]\n"}}
    assert rows(preview(run(one), sources(run(one), "", linux)))["dependencies"].startswith("not known from here")

# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import listing, migration_files
from ansible_collections.switchyard.django.plugins.module_utils.commands import Commands
from ansible_collections.switchyard.django.plugins.module_utils.run_summary import Failure, Run, cause, done, failed

OLD, NEW = "a" * 12, "b" * 12
COMMANDS = Commands("shop", ["hosts.yml"], "/nowhere")
BACK = f"undo          ansible-playbook -i hosts.yml switchyard.django.rollback -e site_name=shop -e rollback_to={OLD}"
OLD_TOLD = f"{OLD} (wsgi by gunicorn, commit 111111111111)"
NEW_TOLD = f"{NEW} (asgi by uvicorn, commit 222222222222)"
PROBED = {"path": "/health/", "times": 3, "websocket": "/ws/"}


def manifest(name):
    stack, server, commit = ("wsgi", "gunicorn", "1" * 40) if name == OLD else ("asgi", "uvicorn", "2" * 40)
    return {"id": name, "stack": stack, "server": server, "commit": commit}


def moved(source=OLD, release=NEW, changed=True, notes=(), **more):
    told = {OLD: OLD_TOLD, NEW: NEW_TOLD}
    said = f"{told[release]} is live" + (" already" if source == release and not changed else "")
    described = {name: told[name] for name in (source, release) if name}
    return {
        "moved": True,
        "source": source,
        "changed": changed,
        "said": said,
        "notes": list(notes),
        "described": described,
        "seconds": 1.2,
        **more,
    }


def facts(live=OLD, **more):
    """What a host knows after a deploy."""
    named = {key: value for key, value in manifest(NEW).items() if key != "id"}
    return {
        "plan": {"began": 100.0},
        "read": {"state": {"live": live, "releases": {live: manifest(live)} if live else {}}},
        "release": {"id": NEW, "began": 112.0, "wanted": {"manifest": named}},
        "venv": {"skipped": True},
        "build": {"pending": ["cargo.0002"], "seconds": 8.0},
        "migrated": {"changed": True, "seconds": 2.0},
        "gate": {"probed": PROBED, "seconds": 3.0},
        "move": moved(live),
        **more,
    }


def run(operation="deploy", release=NEW, hosts=None, **changes):
    return Run("shop", operation, release, hosts or {"web1": facts()}, COMMANDS, **changes)


def text(lines):
    """The rows, each in one line, by their labels."""
    rows, key = {}, ""
    for line in lines[1:]:
        is_command = line.startswith("  ansible-playbook")
        assert is_command or len(line) <= listing.COLUMNS or "ansible-playbook" in line, line
        key = key if is_command else line[: listing.LABEL].strip() or key
        rows[key] = f"{rows.get(key, '')} {line.strip() if is_command else line[listing.LABEL :].strip()}".strip()
    return rows


# --- what went well --------------------------------------------------------------------------------------------------


def test_a_deploy():
    assert done(run(seconds=31)) == [
        f"shop: {NEW_TOLD} is live",
        f"before        {OLD_TOLD}",
        "hosts         web1",
        "gate          /health/ answered 3 times in a row, a WebSocket opened at /ws/; then it answered",
        "              through nginx",
        "migrations    cargo.0002 applied",
        "seconds       31, of which 12 to prepare, 8 to build and check, 2 to migrate, 3 at the gate, 1 to",
        "              move",
        "undo          cargo.0002 stays applied:",
        f"  {BACK[14:]}",
        "              this undoes it as well; what came into new columns and tables is lost:",
        f"  {BACK[14:]} -e rollback_migrations=reverse",
    ]


def test_the_undo_says_what_breaks_with_the_migrations_that_stay():
    effects = {"cargo.0002": (f"AddField crate.x {migration_files.DEMANDED}; {migration_files.MOMENT}",)}
    lines = done(run(effects=effects))
    assert "undo          cargo.0002 stays applied, and the release before can't add rows:" in lines
    assert lines[-1].endswith(f"-e rollback_to={OLD} -e rollback_migrations=reverse")


def test_migrations_without_a_way_back_offer_none():
    effects = {"cargo.0002": (f"RunPython {migration_files.ONE_WAY}",)}
    lines = done(run(effects=effects))
    assert " ".join(line[14:] for line in lines[-3:-1]) == (
        "cargo.0002 stays applied. cargo.0002 can't be undone: the release goes back, and the database stays as it is:"
    )
    assert lines[-1] == f"  {BACK[14:]}"


def test_the_undo_knows_what_an_earlier_run_left_applied():
    one = facts(build={"pending": [], "left": ["cargo.0002"]}, migrated={"skipped": True})
    rows = text(done(run(hosts={"web1": one, "web2": one})))
    assert rows["migrations"] == "none to apply; cargo.0002 applied by a run before"
    assert rows["undo"].startswith("cargo.0002 stays applied: ansible-playbook")
    one = facts(build={"pending": ["cargo.0003"], "left": ["cargo.0002"]})
    rows = text(done(run(hosts={"web1": one})))
    assert rows["undo"].startswith("cargo.0002, cargo.0003 stay applied: ansible-playbook")
    rows = text(failed(run(hosts={"web1": one}), GATE))
    assert rows["migrations"] == "cargo.0002, cargo.0003 applied, and still there"


def test_without_migrations_the_undo_is_the_command_alone():
    rows = text(done(run(hosts={"web1": facts(migrated={"skipped": True}, build={"pending": []})})))
    assert rows["undo"] == BACK[14:]


def test_a_first_deploy():
    one = facts(live=None)
    rows = text(done(run(hosts={"web1": one})))
    assert rows["before"] == "nothing: it is the first release"
    assert rows["undo"].startswith("there is no release before it; this takes the site off: ansible-playbook")
    assert rows["undo"].endswith("switchyard.django.remove -e site_name=shop")


def test_nothing_to_do():
    one = facts(live=NEW, build={"skipped": True}, migrated={"skipped": True}, gate={"skipped": True})
    one["move"] = moved(NEW, changed=False)
    assert done(run(hosts={"web1": one}, seconds=5)) == [
        f"shop: {NEW_TOLD} is live already",
        "hosts         web1",
        "seconds       5, of which 12 to prepare, 1 to move",
    ]


def test_a_switch_whose_release_was_built_before():
    one = facts(build={"pending": [], "seconds": 0.4}, migrated={"skipped": True})
    rows = text(done(run(hosts={"web1": one}, seconds=20)))
    assert rows["migrations"] == "none to apply"
    assert rows["seconds"] == "20, of which 12 to prepare, 3 at the gate, 1 to move"


def test_an_instance_that_passed_before_is_not_said_to_be_probed():
    assert text(done(run(hosts={"web1": facts(gate={"skipped": True})})))["gate"].startswith("it ran and was live")


def test_a_page_alone():
    one = facts(gate={"probed": {**PROBED, "websocket": ""}})
    said = "/health/ answered 3 times in a row; then it answered through nginx"
    assert text(done(run(hosts={"web1": one})))["gate"] == said


def test_several_hosts_have_one_summary():
    lines = done(run(hosts={"web1": facts(), "web2": facts()}, absent=["web3"]))
    rows = text(lines)
    assert rows["before"] == OLD_TOLD
    left_out = "left out by --limit, with the release that they had: web3"
    assert rows["hosts"] == f"web1, web2; {left_out} (the next run without it takes them along)"
    assert lines[0] == f"shop: {NEW_TOLD} is live"


def test_hosts_that_differ_are_told():
    hosts = {
        "web1": facts(live=NEW, gate={"skipped": True}, move=moved(NEW, changed=False)),
        "web2": facts(move=moved(notes=["one note", "another"])),
        "web3": facts(live=None, move=moved(None, notes=["one note"])),
    }
    lines = done(run(hosts=hosts))
    rows = text(lines)
    assert lines[0] == f"shop: {NEW_TOLD} is live"
    assert rows["before"] == f"{OLD_TOLD} on web2; nothing: it is the first release on web3"
    assert rows["hosts"] == "web2, web3; live already on web1"
    assert rows["beside"] == "one note (web2, web3); another (web2)"
    assert rows["undo"].startswith(f"the hosts had different releases before: {OLD}. Name the one that is meant:")


def test_the_limit_of_a_rollback_says_how_the_others_follow():
    one = {"rollback": {"release": OLD, "live": NEW, "left": [], "outcome": moved(NEW, OLD)}}
    rows = text(done(run("rollback", OLD, {"web1": one}, absent=["web2"])))
    assert rows["hosts"].endswith(f"web2 (the same without it and with -e rollback_to={OLD} takes them along)")


def test_what_becomes_of_others_is_bounded():
    lines = done(
        run(hosts={"web1": facts(move=moved(notes=["a long note about it " * 4] * 1 + ["b" * 60 + " c"] * 9))})
    )
    assert len(lines) <= 14


def test_a_backup_before_the_migrations_is_named():
    rows = text(done(run(hosts={"web1": facts(saved={"name": "b1"})})))
    assert rows["migrations"] == "cargo.0002 applied; the data as it was before is saved as b1"


# --- rollbacks and restores ------------------------------------------------------------------------------------------


def went_back(**changes):
    answer = {
        "began": 100.0,
        "release": OLD,
        "live": NEW,
        "left": ["cargo.0002"],
        "gate": {"probed": PROBED, "seconds": 2.0},
        "outcome": moved(NEW, OLD, notes=[f"{NEW} was rolled away from; …"]),
        **changes,
    }
    return {"rollback": answer}


def test_a_rollback_of_one_host():
    lines = done(run("rollback", OLD, {"web1": went_back()}, seconds=4))
    rows = text(lines)
    assert lines[0] == f"shop: {OLD_TOLD} is live"
    assert rows["before"] == NEW_TOLD
    assert rows["migrations"] == "1 migration that it does not know stays applied: cargo.0002"
    assert rows["seconds"] == "4, of which 2 at the gate, 1 to move"
    assert rows["gate"].startswith("/health/ answered 3 times in a row, a WebSocket opened at /ws/")
    assert rows["undo"].endswith(f"-e rollback_to={NEW}")


def test_a_rollback_says_what_its_release_can_not_do():
    effects = {"cargo.0002": [f"RemoveField crate.x {migration_files.GONE}"]}
    rows = text(done(run("rollback", OLD, {"web1": went_back(effects=effects)})))
    assert rows["migrations"].endswith("stays applied: cargo.0002; with that the release misses what it removed")
    stuck = {"cargo.0002": [f"RunSQL {migration_files.ONE_WAY}"]}
    rows = text(done(run("rollback", OLD, {"web1": went_back(effects=stuck)}, check=True))[:-1])
    assert rows["migrations"].endswith("stays applied: cargo.0002; cargo.0002 can't be undone")
    rows = text(done(run("rollback", OLD, {"web1": went_back(effects=effects)}, check=True))[:-1])
    assert rows["migrations"].endswith("misses what it removed; rollback_migrations=reverse would undo it")


def test_a_rollback_says_why():
    lines = done(run("rollback", OLD, {"web1": went_back()}, reason="the checkout is broken"))
    assert text(lines)["reason"] == "the checkout is broken"
    assert "reason" not in text(done(run("rollback", OLD, {"web1": went_back()})))
    assert "reason" not in text(done(run(reason="not of a deploy")))


def test_a_rollback_of_several_hosts():
    one = {**went_back(outcome={}), "move": moved(NEW, OLD)}
    assert text(done(run("rollback", OLD, {"web1": one, "web2": one})))["hosts"] == "web1, web2"


def test_a_rollback_that_undid_migrations_is_undone_by_a_deploy():
    one = {**went_back(outcome={}), "move": moved(NEW, OLD), "reversed": {"changed": True, "seconds": 1.0}}
    rows = text(done(run("rollback", OLD, {"web1": one})))
    assert rows["migrations"] == "cargo.0002 undone"
    assert rows["undo"].startswith("this applies the migrations again: ansible-playbook")
    assert rows["undo"].endswith("switchyard.django.site -e site_name=shop -e release_retry=true")


def test_a_check_of_a_rollback():
    one = {**went_back(outcome={}), "move": {**moved(NEW, OLD), "said": f"{OLD} would be live"}}
    lines = done(run("rollback", OLD, {"web1": one}, check=True))
    assert lines[0] == f"shop: {OLD_TOLD} would be live"
    assert lines[-1] == "Nothing was changed: this was a check."
    assert not {"undo", "gate"} & set(text(lines[:-1]))


@pytest.mark.parametrize(
    ("saved", "undo"),
    [
        (
            {"name": "b2"},
            "ansible-playbook -i hosts.yml switchyard.django.restore -e site_name=shop -e restore_backup=b2",
        ),
        ({"skipped": True}, "not possible: the data as it was before was not saved (restore_save)"),
    ],
)
def test_a_restore(saved, undo):
    one = {"read": facts()["read"], "saved": saved, "gate": {"probed": PROBED}, "move": moved(NEW, OLD)}
    rows = text(done(run("restore", OLD, {"web1": one}, backup="b1")))
    assert rows["migrations"].startswith("as in b1, whose data is back")
    assert rows["undo"] == undo


def test_a_check_of_what_is_live_already():
    one = went_back(outcome={}, live=OLD)
    one["move"] = {**moved(OLD, OLD, changed=False), "said": f"{OLD} is live already"}
    assert done(run("rollback", OLD, {"web1": one}, check=True))[0] == f"shop: {OLD_TOLD} is live already"


def test_a_check_of_a_restore():
    one = {"read": facts()["read"], "move": moved(NEW, OLD)}
    assert text(done(run("restore", OLD, {"web1": one}, backup="b1", check=True))[:-1])["migrations"].endswith(
        "would be back"
    )


# --- what went wrong -------------------------------------------------------------------------------------------------

GATE = [Failure("web1", "The release has passed its gate", "\n views.py:1: NameError\nmore\n")]


def test_a_failed_gate():
    one = facts(gate={"failed": True, "msg": "x", "seconds": 89.4})
    del one["move"]
    assert failed(run(hosts={"web1": one}, seconds=111), GATE) == [
        "shop: the deploy failed: views.py:1: NameError",
        "task          The release has passed its gate",
        "hosts         web1",
        f"live          {OLD_TOLD}, as before",
        f"wanted        {NEW_TOLD}",
        "migrations    cargo.0002 applied, and still there",
        "seconds       111, of which 12 to prepare, 8 to build and check, 2 to migrate, 89 at the gate, where",
        "              it failed",
        "next          do what the message above says, and run again",
    ]


def test_a_failed_gate_says_what_the_live_release_can_not_do_with_the_migrations():
    effects = {"cargo.0002": (f"AddField crate.x {migration_files.DEMANDED}",)}
    rows = text(failed(run(hosts={"web1": facts(gate={"failed": True}, move={})}, effects=effects), GATE))
    assert rows["migrations"] == "cargo.0002 applied, and still there; with that the release before can't add rows"


def test_a_failed_gate_of_the_first_release():
    one = facts(live=None, migrated={"failed": True})
    del one["move"]
    rows = text(failed(run(hosts={"web1": one}), GATE))
    assert rows["live"] == "nothing, as before"
    assert "migrations" not in rows


def test_before_the_release_has_its_name():
    rows = text(failed(run(release="", hosts={"web1": {"plan": {"began": 1.0}, "read": facts()["read"]}}), GATE))
    assert rows["live"] == f"{OLD_TOLD}, as before"
    assert "wanted" not in rows


def test_a_cutover_that_failed_on_one_of_two_hosts():
    hosts = {
        "web1": facts(back={"moved": True, "message": "back"}),
        "web2": facts(move={"moved": False, "source": OLD, "message": "nginx"}),
    }
    lines = failed(run(hosts=hosts), [Failure("web1", "Every host has moved", "web2: nginx refuses it")])
    assert lines[0] == "shop: the deploy failed: web2: nginx refuses it"
    assert text(lines)["live"] == f"{OLD_TOLD}, as before"


def test_a_host_that_could_not_be_taken_back():
    hosts = {"web1": facts(back={"moved": False}), "web2": facts(move={"moved": False, "source": OLD})}
    assert text(failed(run(hosts=hosts), GATE))["live"] == f"{NEW_TOLD} on web1; {OLD_TOLD} on web2"


@pytest.mark.parametrize("how", ["unreachable", "timedout"])
def test_of_a_host_that_went_away_in_its_cutover_nothing_is_known(how):
    hosts = {"web1": facts(move={"moved": False, "source": OLD}), "web2": facts(move={how: True, "failed": True})}
    assert text(failed(run(hosts=hosts), GATE))["live"] == f"{OLD_TOLD}, as before; web2: not known from here"


def test_a_host_that_can_not_be_reached_is_the_cause():
    one, two = facts(), facts()
    del one["move"], two["move"]
    lines = failed(run(hosts={"web1": one, "web2": two}, lost=["web2"]), [])
    assert lines[0] == "shop: the deploy failed: web2 can't be reached"
    assert text(lines)["live"] == f"{OLD_TOLD}, as before; web2: not known from here"


def test_without_any_word_the_message_above_counts():
    assert cause(run(), []) == "shop: the deploy failed: the message above says why"


def test_the_rollback_stands_whose_task_failed():
    rows = text(failed(run("rollback", OLD, {"web1": went_back()}), [Failure("web1", "They have succeeded", "no")]))
    assert rows["live"] == OLD_TOLD


def test_migrations_that_were_undone_for_nothing_are_applied_again():
    one = {**went_back(outcome={}), "move": {"moved": False, "source": NEW}, "reversed": {"changed": True}}
    said = "cargo.0002 undone; as the traffic did not move, they are applied again"
    assert text(failed(run("rollback", OLD, {"web1": one}), GATE))["migrations"] == said
    one["move"] = moved(NEW, OLD)
    assert text(failed(run("rollback", OLD, {"web1": one}), GATE))["migrations"] == "cargo.0002 undone"


def test_a_rollback_that_found_no_way():
    answer = {"failed": True, "live": NEW, "described": {NEW: NEW_TOLD}, "began": 1.0}
    lines = failed(
        run("rollback", "", {"web1": {"rollback": answer}}), [Failure("web1", "chosen", "shop: there is none")]
    )
    assert lines[0] == "shop: the rollback failed: there is none"
    assert text(lines)["live"] == f"{NEW_TOLD}, as before"


def test_the_seconds_of_a_rollback_that_failed_at_its_gate():
    answer = {"failed": True, "live": NEW, "described": {}, "gate": {"seconds": 60.2}}
    rows = text(failed(run("rollback", OLD, {"web1": {"rollback": answer}}, seconds=64), GATE))
    assert rows["seconds"] == "64, of which 60 at the gate, where it failed"


def test_the_host_that_was_longest_at_a_phase_counts():
    hosts = {"web1": facts(build={"failed": True, "seconds": 30.0}), "web2": facts()}
    assert "30 to build and check, where it failed, 2 to migrate" in text(failed(run(hosts=hosts), GATE))["seconds"]


def test_a_failed_restore_does_not_say_what_serves():
    assert "live" not in text(failed(run("restore", OLD), GATE))


def test_a_check_that_failed_is_none():
    assert cause(run(check=True), GATE) == "shop: the check of the deploy failed: views.py:1: NameError"


def test_the_saved_data_is_named_with_the_way_back():
    one = facts(saved={"name": "b1"}, gate={"failed": True})
    assert text(failed(run(hosts={"web1": one}), GATE))["migrations"].endswith("-e restore_backup=b1")


def test_a_line_that_leads_to_the_next_is_not_the_cause_alone():
    said = cause(run(), [Failure("web1", "x", "One thing would not work:\n  - The settings\nmore")])
    assert said == "shop: the deploy failed: One thing would not work: The settings"


def test_a_long_cause_is_cut():
    lines = failed(run(), [Failure("web1", "x", "word " * 200)])
    assert lines[2].endswith(" …")
    assert lines[3].startswith("task ")


def test_hosts_that_failed_for_different_reasons_are_told_apart():
    hosts = {"web1": facts(), "web2": facts(), "web3": facts()}
    failures = [Failure("web1", "The gate", "no room"), Failure("web3", "The gate", "no route")]
    lines = failed(run(hosts=hosts), failures)
    assert lines[0] == "shop: the deploy failed on web1, web3: web1: no room"
    assert text(lines)["hosts"] == "failed on web1, web3; ended with it on web2; web3: no route"

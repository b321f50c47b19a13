# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import sizing
from ansible_collections.switchyard.django.plugins.module_utils.sizing import Rule, Size, connections_problem, size
from hypothesis import given
from hypothesis import strategies as st

GIB = 1024 * 1024 * 1024
NO_LIMIT_V1 = "9223372036854771712"


# --- the host --------------------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Makes the files of a host with 8 cores and 16 GiB, and whatever its cgroups say."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(
        "MemTotal:       16777216 kB\nMemFree:          812340 kB\nSwapTotal:       8388608 kB\nDirectMap4k: 1 kB\n"
    )

    def host(files=None):
        for name, text in (files or {}).items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return sizing.resources(tmp_path)

    return host


def test_a_machine_has_its_cores_and_its_memory(host):
    assert host() == {"cores": 8, "memory": 16384}


def test_the_cores_are_those_on_which_a_process_may_run(host, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5}, raising=False)
    assert host()["cores"] == 2


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": 2 * GIB},
        {"system.slice/memory.max": 2 * GIB},
        {"memory.max": 4 * GIB, "system.slice/memory.max": 2 * GIB},
        {"memory.max": 2 * GIB, "system.slice/memory.max": 4 * GIB},
        {"memory.max": "max", "system.slice/memory.max": 2 * GIB},
        {"memory/memory.limit_in_bytes": 2 * GIB},
        {"memory/system.slice/memory.limit_in_bytes": 2 * GIB, "memory/memory.limit_in_bytes": NO_LIMIT_V1},
    ],
    ids=[
        "v2",
        "v2, services",
        "the services' is less",
        "the container's is less",
        "no limit above",
        "v1",
        "v1, services",
    ],
)
def test_the_smallest_limit_of_memory_counts(host, files):
    assert host(files) == {"cores": 8, "memory": 2048}


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": "max", "system.slice/memory.max": "max"},
        {"memory/memory.limit_in_bytes": NO_LIMIT_V1},
        {"memory.max": 64 * GIB},
        {"memory.max": ""},
        {"memory.max": "-1"},
        {"memory.max.d/left": "1"},
    ],
    ids=["v2 without", "v1 without", "more than the machine has", "empty", "negative", "no file"],
)
def test_where_nothing_is_limited_the_machines_memory_counts(host, files):
    assert host(files)["memory"] == 16384


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "1600000 100000"}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": ""}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000"}, 8),
        ({"cpu.max": "400000 100000", "cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_a_quota_is_so_many_cores_as_it_fills_and_one_at_least(host, files, cores):
    assert host(files)["cores"] == cores


def test_this_host_has_something():
    assert all(number > 0 for number in sizing.resources().values())


# --- who else is there -----------------------------------------------------------------------------------------------


@pytest.fixture
def etc(tmp_path):
    return tmp_path / "etc"


@pytest.fixture
def live(etc):
    """Makes a release of a site, with what its manifest says, the live one."""

    def live(site, manifest, release="a" * 12):
        folder = etc / site / "releases" / release
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
        (etc / site / "current").symlink_to(f"releases/{release}")

    return live


def test_the_live_releases_of_other_sites_count_and_the_sites_own_does_not(etc, live):
    for site, memory in {"shop": 512, "wiki": 256, "blog": 384}.items():
        live(site, {"size": {"workers": 2, "memory": memory}})
    assert list(sizing.neighbours("shop", etc).items()) == [("blog", 384), ("wiki", 256)]


def test_a_release_that_is_not_live_takes_no_memory(etc, live):
    live("blog", {"size": {"memory": 384}})
    folder = etc / "blog/releases" / ("b" * 12)
    folder.mkdir()
    (folder / "release.json").write_text('{"size": {"memory": 1024}}')
    assert sizing.neighbours("shop", etc) == {"blog": 384}


@pytest.mark.parametrize("manifest", ["", '{"size": {"mem', {"id": "a" * 12}], ids=["empty", "damaged", "an older one"])
def test_a_site_that_says_nothing_of_its_size_is_not_counted(etc, live, manifest):
    live("blog", manifest)
    assert sizing.neighbours("shop", etc) == {}


def test_a_pointer_to_nothing_and_a_host_without_sites_have_no_neighbours(etc):
    assert sizing.neighbours("shop", etc) == {}
    (etc / "blog").mkdir(parents=True)
    (etc / "blog/current").symlink_to("releases/gone")
    assert sizing.neighbours("shop", etc) == {}


# --- what fits -------------------------------------------------------------------------------------------------------


def rule(**changes):
    return Rule(
        **{
            "workers": "auto",
            "threads": "auto",
            "per_core": 1,
            "plus": 1,
            "least": 2,
            "usual_threads": 8,
            "worker_memory": 128,
            "reserve": 128,
            "memory_max": "75%",
            "variable": "wsgi_workers",
            **changes,
        }
    )


LARGE = {"cores": 4, "memory": 65536}
SMALL = {"cores": 1, "memory": 1024}


def workers(host=None, others=None, **changes):
    found, problem = size(rule(**changes), host or LARGE, others or {})
    assert not problem
    return found.workers


def test_the_cores_say_how_many_where_the_memory_is_no_matter():
    assert workers() == 5
    assert workers(per_core=2, plus=1) == 9
    assert workers(per_core=1, plus=0) == 4


def test_there_are_as_many_as_the_server_needs_at_least():
    assert workers({"cores": 1, "memory": 65536}, plus=0) == 2
    assert workers({"cores": 1, "memory": 65536}, least=3) == 3


def test_there_are_no_more_than_the_server_can_have():
    assert workers(most=1) == 1
    assert workers(most=3) == 3
    assert workers(most=64) == 5


def test_memory_counts_before_cores():
    # (1024 - 128) / 2 instances = 448 MiB, which are 3 workers of 128.
    assert workers({"cores": 16, "memory": 1024}) == 3
    assert workers({"cores": 16, "memory": 1024}, worker_memory=449 // 2) == 2
    assert workers({"cores": 16, "memory": 1024}, worker_memory=448) == 1, "rather one than what the server needs"


def test_what_other_sites_have_is_theirs():
    assert workers({"cores": 16, "memory": 1024}, {"blog": 256, "wiki": 128}) == 2


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        ("25%", 8),
        ("100%", 15),
        ("infinity", 15),
        ("1G", 8),
        ("1024M", 8),
        ("1048576K", 8),
        ("1073741824", 8),
        ("512M", 4),
        ("1T", 15),
    ],
)
def test_an_instance_has_no_more_than_its_limit(limit, allowed):
    # (4096 - 1) / 2 instances are 15 workers.
    assert workers({"cores": 64, "memory": 4096}, memory_max=limit, reserve=1) == allowed


def test_who_wants_a_number_gets_it_or_is_told_why_not():
    assert workers(workers="12") == 12
    assert workers({"cores": 1, "memory": 1024}, workers="3") == 3
    found, problem = size(rule(workers="4"), SMALL, {})
    assert (found.workers, bool(problem)) == (4, True)


def test_threads_are_the_servers_or_the_users_and_each_has_a_connection():
    assert size(rule(workers="3"), LARGE, {})[0] == Size(workers=3, threads=8, connections=24, memory=384)
    assert size(rule(workers="3", threads="2"), LARGE, {})[0] == Size(workers=3, threads=2, connections=6, memory=384)


def test_a_server_whose_threads_nobody_knows_says_how_many_connections_a_worker_has():
    found, _problem = size(rule(workers="3", usual_threads=1, connections=10), LARGE, {})
    assert found == Size(workers=3, threads=1, connections=30, memory=384)


def test_the_sum_shows_why_it_does_not_fit_and_what_would():
    _size, problem = size(rule(workers="8"), {"cores": 2, "memory": 2048}, {"blog": 256})
    assert problem == (
        "8 workers do not fit into the memory of this host, 2048 MiB:\n"
        "    1024 MiB  8 workers × 128 MiB (systemd_worker_memory)\n"
        "    1024 MiB  the largest site once more: two instances overlap during a cutover\n"
        "     128 MiB  kept for the rest of the host (systemd_memory_reserve)\n"
        "     256 MiB  the site blog, which is live on this host\n"
        "    2432 MiB  in all\n"
        "6 workers would fit: set wsgi_workers: 6, or leave it out.\n"
        "Or take a larger host; or, where you have measured less (systemctl show -p MemoryCurrent), lower "
        "systemd_worker_memory."
    )


def test_the_sum_names_the_limit_where_that_is_what_is_exceeded():
    _size, problem = size(rule(workers="4", memory_max="256M"), LARGE, {})
    assert problem.startswith("4 workers do not fit into systemd_memory_max 256M, 256 MiB for an instance")
    assert "2 workers would fit: set wsgi_workers: 2" in problem
    assert "systemd_memory_max" not in size(rule(workers="8"), {"cores": 2, "memory": 2048}, {})[1]


@pytest.mark.parametrize("memory", [0, 100, 128, 383])
def test_a_host_for_not_even_one_worker_is_refused_and_nothing_is_said_to_fit(memory):
    found, problem = size(rule(), {"cores": 2, "memory": memory}, {})
    assert found.workers == 1
    assert problem.startswith(f"1 worker does not fit into the memory of this host, {memory} MiB:")
    assert "would fit" not in problem
    assert size(rule(), {"cores": 2, "memory": 384}, {})[1] == ""


RULES = st.builds(
    rule,
    workers=st.just("auto") | st.integers(1, 64).map(str),
    per_core=st.integers(1, 4),
    plus=st.integers(0, 2),
    least=st.integers(1, 4),
    most=st.sampled_from([0, 0, 1, 8]),
    worker_memory=st.integers(1, 2048),
    reserve=st.integers(1, 4096),
    memory_max=st.sampled_from(["infinity", "75%", "1%", "100%", "512M", "2G", "768"]),
)
HOSTS = st.fixed_dictionaries({"cores": st.integers(1, 128), "memory": st.integers(0, 131072)})
OTHERS = st.dictionaries(st.sampled_from(["blog", "wiki"]), st.integers(0, 8192))


def whole(found, wanted, others):
    """All that the host carries while the largest of its sites is moved."""
    return found.memory + max(found.memory, *others.values(), 0) + wanted.reserve + sum(others.values())


@given(RULES, HOSTS, OTHERS)
def test_two_instances_and_all_else_fit_or_it_is_refused(wanted, host, others):
    found, problem = size(wanted, host, others)
    assert found.memory == found.workers * wanted.worker_memory
    if not problem:
        assert whole(found, wanted, others) <= host["memory"]
        assert found.memory <= sizing._allowed(wanted, host)


@given(RULES, HOSTS, OTHERS)
def test_what_is_refused_would_really_not_fit(wanted, host, others):
    found, problem = size(wanted, host, others)
    if problem:
        assert whole(found, wanted, others) > host["memory"] or found.memory > sizing._allowed(wanted, host)


@given(RULES, HOSTS, OTHERS)
def test_what_is_said_to_fit_fits_and_one_more_does_not(wanted, host, others):
    _size, problem = size(wanted, host, others)
    fitting = int(problem.partition("set wsgi_workers: ")[2].partition(",")[0] or 0)
    for number, fits in ((fitting, True), (fitting + 1, False)):
        if problem and number:
            changed = Rule(**{**vars(wanted), "workers": str(number)})
            assert (size(changed, host, others)[1] == "") is fits


@given(RULES, HOSTS, OTHERS, st.integers(0, 65536))
def test_more_memory_never_makes_fewer_workers_or_a_refusal(wanted, host, others, more):
    before, refused_before = size(wanted, host, others)
    after, refused_after = size(wanted, {**host, "memory": host["memory"] + more}, others)
    assert after.workers >= before.workers
    assert refused_before or not refused_after


@given(RULES, HOSTS, OTHERS)
def test_who_leaves_it_to_the_host_is_refused_only_where_nothing_fits(wanted, host, others):
    found, problem = size(Rule(**{**vars(wanted), "workers": "auto"}), host, others)
    assert not problem or (found.workers == 1 and "would fit" not in problem)
    assert not wanted.most or found.workers <= wanted.most


# --- what the user says ----------------------------------------------------------------------------------------------

GIVEN = {
    "variable": "wsgi_workers",
    "workers": "auto",
    "threads": "auto",
    "per_core": 1,
    "plus": 1,
    "least": 2,
    "most": 0,
    "usual_threads": 8,
    "worker_memory": 128,
    "reserve": 128,
    "memory_max": "75%",
}


def problems(**changes):
    return sizing.rule_problems({**GIVEN, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"workers": 4, "threads": 16},
        {"workers": "4", "threads": "16"},
        {"workers": 1, "most": 1},
        {"worker_memory": "256", "reserve": 1},
        *({"memory_max": limit} for limit in ("infinity", "1%", "100%", "768M", "2G", "1T", "4096K", "1000000000")),
    ],
)
def test_sound_numbers_pass(changes):
    assert problems(**changes) == []


@pytest.mark.parametrize("value", [0, "0", -1, "two", "", "1.5", 1.5, "4 ", "4\n", 10000, "AUTO", None, True, "٤"])
@pytest.mark.parametrize("name", ["workers", "threads"])
def test_a_number_that_is_none_is_refused_by_its_name(name, value):
    assert problems(**{name: value}) == [f"wsgi_{name} {value} must be a whole number from 1 to 999, or auto"]


def test_the_stack_of_the_variable_is_named():
    assert problems(variable="asgi_workers", workers="x")[0].startswith("asgi_workers x ")


@pytest.mark.parametrize(
    ("name", "variable"), [("worker_memory", "systemd_worker_memory"), ("reserve", "systemd_memory_reserve")]
)
@pytest.mark.parametrize("value", [0, "0", -1, "128M", "", "1.5", "128\n", None, 10_000_000])
def test_memory_is_counted_in_mebibytes(name, variable, value):
    assert problems(**{name: value}) == [f"{variable} {value} must be a whole number of MiB from 1 on"]


@pytest.mark.parametrize(
    "limit", ["", "0", "0%", "101%", "75 %", "1.5G", "1GB", "1GiB", "768m", "-1", "all", "1G\nUser=root", "1G ", None]
)
def test_a_limit_that_systemd_does_not_know_is_refused(limit):
    (problem,) = problems(memory_max=limit)
    assert problem.startswith(f"systemd_memory_max {limit} is no limit that systemd knows")


def test_more_workers_than_the_server_can_have_are_refused():
    (problem,) = problems(workers="2", most=1)
    assert problem.startswith("wsgi_workers 2 is more than this app server can have: 1.")


def test_everything_that_is_wrong_is_told_at_once():
    assert len(problems(workers="x", threads="x", worker_memory="x", reserve="x", memory_max="x", most=1)) == 5


def test_a_rule_that_passes_can_be_worked_with():
    texts = {name: str(value) for name, value in GIVEN.items()}
    assert sizing.rule_of(texts) == sizing.rule_of(GIVEN) == rule()


@given(
    st.text("0159%KMGTinfty", max_size=9) | st.integers(1, 100).map("{}%".format),
    st.integers(0, 1 << 20),
)
def test_every_limit_that_passes_is_understood(limit, memory):
    if not problems(memory_max=limit):
        found, _problem = size(rule(memory_max=limit), {"cores": 1, "memory": memory}, {})
        assert found.workers >= 1


# --- the database ----------------------------------------------------------------------------------------------------

WANTED = {"workers": 4, "threads": 8, "connections": 32, "memory": 512}


def test_connections_that_are_enough_are_no_problem():
    assert connections_problem(WANTED, 1, {}) == []
    assert connections_problem(WANTED, 1, {"default": {"max_connections": 64}}) == []
    assert connections_problem(WANTED, 3, {"default": {"max_connections": 192}}) == []


@pytest.mark.parametrize("database", [{}, {"pool": 4}, {"max_connections": None}, {"max_connections": 0}])
def test_a_database_that_names_no_limit_has_none(database):
    assert connections_problem(WANTED, 9, {"default": database}) == []


def test_two_instances_on_every_host_have_their_connections_at_once():
    (problem,) = connections_problem(WANTED, 3, {"default": {"max_connections": 191}})
    assert "DATABASES['default'] allows 191 connections" in problem
    assert "2 instances during a cutover × 3 host(s) × 32" in problem
    assert "are 192." in problem


def test_of_the_collections_own_server_the_variable_is_named():
    (problem,) = connections_problem(WANTED, 3, {"default": {"max_connections": 97, "ours": True}})
    assert "raise the server's max_connections (postgresql_max_connections: 200 does, and restarts it), or" in problem
    (problem,) = connections_problem(WANTED, 3, {"default": {"max_connections": 97}})
    assert "postgresql" not in problem


def test_a_pool_bounds_what_a_worker_has():
    database = {"max_connections": 40, "pool": 5}
    assert connections_problem(WANTED, 1, {"default": database}) == []
    (problem,) = connections_problem(WANTED, 2, {"default": database})
    assert "a pool of 5 in each of 4 workers" in problem
    assert "are 80." in problem


def test_each_database_is_judged_by_itself():
    databases = {
        "default": {"max_connections": 10},
        "reports": {"max_connections": 500},
        "archive": {"max_connections": 9},
    }
    found = connections_problem(WANTED, 1, databases)
    assert [problem.split("'")[1] for problem in found] == ["default", "archive"]


@given(RULES, HOSTS, st.integers(1, 8192))
def test_a_site_that_fits_fits_as_well_when_another_has_come(wanted, host, first):
    """The first one is judged by what the second one is counted with, and by the same sum."""
    second, problem = size(wanted, host, {"first": first})
    if not problem:
        assert first + max(first, second.memory) + wanted.reserve + second.memory <= host["memory"]


@pytest.mark.parametrize(("others", "total"), [({}, 200 + 200 + 256), ({"a": 300, "b": 50}, 200 + 300 + 256 + 350)])
def test_what_is_needed_counts_the_largest_overlap_once(others, total):
    assert sizing.needed(rule(reserve=256), {"memory": 200}, others) == total

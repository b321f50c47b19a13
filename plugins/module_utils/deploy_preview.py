# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy would do, as far as it is known before anything is built; what is not known yet is said to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.switchyard.django.plugins.module_utils import (
    dependencies,
    listing,
    migration_files,
    requirements,
    run_summary,
    sizing,
    source,
    source_history,
)
from ansible_collections.switchyard.django.plugins.module_utils.listing import DIRTY, count, headline, row, short
from ansible_collections.switchyard.django.plugins.module_utils.run_summary import Run
from ansible_collections.switchyard.django.plugins.module_utils.source_history import Commits

# Commits, migrations and packages that are named one by one.
MOST = 10
# Kinds of services that are set up, and what is at a URL.
CALLED = {"postgresql": "PostgreSQL", "redis": "Redis"}
AT_URL = {"database": "the database", "redis": "Redis"}


@dataclass(frozen=True)
class Sources:
    """What the controller knows of the new source and of the live one.

    :param commits: what lies between them; None where this is not known
    :param is_folder: whether site_source is a folder that git does not look after, so that it has no commits
    :param migrations: those of the new source
    :param requirements: what the files of the live one and of the new one say of each package; None where those of the
        live one are not on this machine
    :param declared_alone: whether that is of the packages alone that a project asks for itself, for one side is a lock
        and the other is not
    :param names_all: whether both name all that is installed, as uv.lock does
    :param holds: whether an environment marker is true on the hosts
    """

    commits: Commits | None = None
    is_folder: bool = False
    migrations: list[migration_files.Migration] = field(default_factory=list)
    requirements: tuple[Mapping[str, str], Mapping[str, str]] | None = None
    declared_alone: bool = False
    names_all: bool = False
    holds: dependencies.Holds = dependencies.everywhere


def preview(run: Run, sources: Sources) -> list[str]:
    """What would happen."""
    states = {host: one["state"] for host, one in run.of("read").items()}
    named = run.of("release")
    wanted = next(iter(named.values()))["wanted"]["manifest"]
    here = [host for host in states if not named[host]["live"]]
    beside = _beside(run, states)
    if not here:
        said = f"{run.site}: {run_summary.described(run, run.release)} is live already"
        if not beside:
            return headline(f"{said}; nothing would change{_services(run)}")
        return [*headline(said), *row("would change", beside), run_summary.NOTHING_CHANGED]
    live = _manifest(states, here)
    lines = headline(f"{run.site}: {_whither(run, states, live, wanted)}")
    lines += row("hosts", _hosts(run, states, here))
    if _is_provisional(states):
        lines += row("release", f"its name hangs on the site's secrets and the lock; {run.release} stands for it above")
    if live:
        lines += row("commits", _commits(live, wanted, sources))
        for one in sources.commits.subjects if sources.commits else []:
            lines += row("", one, lines=1, indent=2)
        lines += row("environment", _environment(live, next(iter(named.values()))["wanted"]))
    else:
        lines += row("services", _placed(run))
    lines += row("build", _build(run, named, here, wanted))
    lines += _migrations(live, wanted, sources)
    lines += row("dependencies", _dependencies(states, here, live, sources))
    lines += row("memory", _memory(states, here, next(iter(named.values()))["wanted"]))
    lines += row("rollback", _rollback(run, states, here, _new(live, sources)))
    lines += row("beside", beside)
    return [*lines, run_summary.NOTHING_CHANGED]


def _manifest(states: Mapping[str, Any], here: list[str]) -> Mapping[str, Any]:
    """The live release of the first host that would change and has one."""
    found = (states[host]["releases"].get(states[host]["live"]) for host in states if host in here)
    return next((one for one in found if one), {})


def _is_provisional(states: Mapping[str, Any]) -> bool:
    """Whether the name of the release hangs on what the deploy makes first: the site's secrets, and its lock."""
    return not all(any(one[name] for one in states.values()) for name in ("secrets", "lock"))


def _whither(run: Run, states: Mapping[str, Any], live: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    if not live:
        return f"a first deploy, {listing.served(wanted)}"
    to = (
        f"a new release ({listing.served(wanted)})"
        if _is_provisional(states)
        else run_summary.described(run, run.release)
    )
    stack, server = ((one["stack"], one["server"]) for one in (live, wanted))
    switch = "a change of the stack, " if live["stack"] != wanted["stack"] else ""
    switch = switch or ("a change of the app server, " if live["server"] != wanted["server"] else "")
    return f"{switch}from {listing.release(live)} to {to}"


def _hosts(run: Run, states: Mapping[str, Any], here: list[str]) -> str:
    said = listing.some(here)
    others = [host for host in states if host not in here]
    lives = {host: states[host]["live"] or "" for host in here}
    if len(set(lives.values())) > 1:
        said = run_summary.grouped(run, lives, "nothing live")
    if others:
        said += f"; live already on {listing.some(others)}"
    return said + (f"; left out by --limit: {listing.some(run.absent)}" if run.absent else "")


def _commits(live: Mapping[str, Any], wanted: Mapping[str, Any], sources: Sources) -> str:
    if sources.is_folder:
        return "site_source is a folder, which is deployed as it is: there are none to list"
    old, new = live.get("commit") or "", wanted.get("commit") or ""
    if old.removesuffix(DIRTY) == new.removesuffix(DIRTY):
        edited = "; what is not committed may differ" if DIRTY in old + new else ""
        return f"none: {short(old)} is live already{edited}"
    between = f"from {short(old) or 'a folder'} to {short(new)}"
    found = sources.commits
    if found is None:
        return f"{between}; git does not have the live one on this machine, so they can't be listed"
    beside = found.ahead - len(found.subjects)
    more = f", the latest {len(found.subjects)} of them:" if beside > 0 else ":" if found.ahead else ""
    if not found.behind:
        return f"{found.ahead}, {between}{more}"
    if not found.ahead:
        return f"{between}: a step back, without {count(found.behind, 'commit')} that the live release has"
    return (
        f"{between}: another branch, without {count(found.behind, 'commit')} that the live release has, and with "
        f"{count(found.ahead, 'commit')} that it lacks{more}"
    )


def _environment(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    return (
        ""
        if live.get("environment") == wanted.get("environment")
        else "its variables are not those of the live release"
    )


def _build(run: Run, named: Mapping[str, Any], here: list[str], wanted: Mapping[str, Any]) -> str:
    """What would have to be made, on all hosts that would change."""
    whole = all(run.release in run.hosts[host]["read"]["state"]["releases"] for host in here)
    if whole:
        return "nothing: the release is on the host, and its instance would be started"
    if all(named[host]["built"] for host in here):
        return f"code and static files are those of {next(named[host]['built'] for host in here)}"
    return f"code and static files, with Python {wanted['python']}"


# --- the database ----------------------------------------------------------------------------------------------------


def _new(live: Mapping[str, Any], sources: Sources) -> list[migration_files.Migration]:
    """Those of the project that the live release does not have; none where it does not say which ones it has."""
    known = live.get("migrations", {}).get("known", {})
    return migration_files.new(sources.migrations, known) if known else []


def _migrations(live: Mapping[str, Any], wanted: Mapping[str, Any], sources: Sources) -> list[str]:
    if not live:
        return row(
            "migrations", f"all of the project and its dependencies; it has {len(sources.migrations)} of its own"
        )
    known = live.get("migrations", {}).get("known", {})
    if not known:
        return row("migrations", "the live release has no database, or does not say which ones it knows")
    new = _new(live, sources)
    blocked = ". What they block is told as of PostgreSQL:" if any(one.effects for one in new) else ""
    number = len(new) or "none"
    said = f"{number} new in the project's files; those of dependencies are known after the build{blocked}"
    lines = row("migrations", said)
    for one in new[:MOST]:
        effects = "; ".join(one.effects) if one.is_known else "its file can't be read as a list of operations"
        lines += row("", f"{one.called}{': ' if effects else ''}{effects}", indent=2)
    lines += row("", f"and {len(new) - MOST} more", indent=2) if len(new) > MOST else []
    missing = migration_files.missing(sources.migrations, known)
    if missing:
        lines += row("", f"not in it, but in the live release, and still applied: {listing.some(missing)}", indent=2)
    if new and live["stack"] != wanted["stack"]:
        said = "together with a change of the stack they are refused, unless release_migrations_with_switch: allow"
        lines += row("", said, indent=2)
    return lines


# --- dependencies, memory, the way back ------------------------------------------------------------------------------


def _dependencies(states: Mapping[str, Any], here: list[str], live: Mapping[str, Any], sources: Sources) -> str:
    if not live:
        return "resolved and installed at the deploy"
    locks = [states[host].get("packages") or {} for host in states]
    resolved = next((one["wanted"] for one in locks if one.get("wanted")), None)
    of_live: dependencies.Named = next(
        (states[host]["packages"]["live"] for host in states if host in here and states[host]["live"]), {}
    )
    if resolved is not None and of_live:
        before, after = (dependencies.fitting(one, sources.holds) for one in (of_live, resolved))
        found = dependencies.differences(before, after)
        return f"{_some(found)}, by the locks" if found else "the same, by the locks"
    if sources.requirements:
        told = sources.requirements
        found = dependencies.differences(*told) if sources.names_all else dependencies.asked_for(*told, of_live)
        by = "by the project's files"
        if sources.declared_alone:
            by += ", of which one is a lock and the other is not: what is declared directly is compared alone"
        return f"{_some(found) if found else 'the same'}, {by}; the lock is made at the deploy"
    return "not known from here: the lock is made at the deploy, and this machine can't compare the project's files"


def _some(found: list[str]) -> str:
    return listing.some(found, MOST)


def _memory(states: Mapping[str, Any], here: list[str], wanted: Mapping[str, Any]) -> str:
    """What the host with the least room needs while two instances overlap."""
    sums = []
    for host in here:
        state = states[host]
        need = sizing.needed(sizing.rule_of(wanted["serving"]["sizing"]), wanted["size"], state["neighbours"])
        sums.append((state["resources"]["memory"] - need, host, need, state["resources"]["memory"]))
    _room, host, need, there = min(sums)
    where = f" on {host}, which has the least room" if len(here) > 1 else ""
    workers = count(wanted["size"]["workers"], "worker")
    return f"{need} MiB of {there}{where}: two instances of {workers} for a while, the system and other sites"


def _rollback(run: Run, states: Mapping[str, Any], here: list[str], new: list[migration_files.Migration]) -> str:
    lives = {host: states[host]["live"] or "" for host in here}
    if not any(lives.values()):
        return "there would be no release to go back to"
    harm = migration_files.told({one.called: one.effects for one in new})
    said = f"; with the migrations above, which stay applied, that release {harm}" if harm else ""
    return f"would go back to {run_summary.grouped(run, lives, 'nothing')}{said}"


# --- what belongs to no release --------------------------------------------------------------------------------------


def _beside(run: Run, states: Mapping[str, Any]) -> str:
    """What would change on the hosts beside the release."""
    found: dict[str, list[str]] = {}
    for host, state in states.items():
        move = run.of("move").get(host, {})
        said = [
            f"Debian packages: {listing.some(state['missing_packages'])}" if state["missing_packages"] else "",
            "the environment file, which somebody has edited" if _is_edited(state) else "",
            "folders and files of the site" if state["folders_amiss"] or state.get("files_amiss") else "",
            "uv" if run.hosts[host].get("uv", {}).get("changed") else "",
            f"the certificate: {state['certificate']['due']}" if (state.get("certificate") or {}).get("due") else "",
            _of_nginx(move),
            *move.get("notes", []),
        ]
        for one in said:
            if one:
                found.setdefault(one, []).append(host)
    told = [one if len(hosts) == len(states) else f"{one} ({listing.some(hosts)})" for one, hosts in found.items()]
    return "; ".join(told)


def _is_edited(state: Mapping[str, Any]) -> bool:
    """Whether an environment that a release has is not as it was written; one that is gone is made in any case."""
    names = {one.get("environment") for one in state["releases"].values()}
    return state["environment"] in names and not state["environment_present"]


def _services(run: Run) -> str:
    """Of what is set up for its data the tasks above have said what would change."""
    plan: Mapping[str, Any] = next(iter(run.of("plan").values()), {})
    services = plan.get("services", {})
    kinds = sorted({one["kind"] for one in services.values() if one and one["kind"] != "url"})
    return f", beside what the tasks above say of {' and '.join(kinds)}" if kinds else ""


def _placed(run: Run) -> str:
    """Where the services of its data would be, of the first deploy."""
    plan: Mapping[str, Any] = next(iter(run.of("plan").values()), {})
    said = [
        f"{AT_URL[name]}, at the URL of site_{name}"
        if one["kind"] == "url"
        else f"{CALLED[one['kind']]}, set up on {one['host']} where it is not yet"
        for name, one in plan.get("services", {}).items()
        if one
    ]
    return "; ".join(said)


def _of_nginx(move: Mapping[str, Any]) -> str:
    """What the cutover would change beside the pointer."""
    changed = [one["after_header"] for one in move.get("diff", []) if not one["after_header"].endswith("/current")]
    return f"what nginx does for the site: {listing.some(changed, 3)}" if changed and move["source"] else ""


# --- the sources -----------------------------------------------------------------------------------------------------


def sources(run: Run, site_requirements: str, holds: dependencies.Holds) -> Sources:
    """What the controller knows of both, in its clone and its archives.

    :param holds: whether an environment marker is true on the hosts
    """
    plan = next(iter(run.of("plan").values()))
    states = {host: one["state"] for host, one in run.of("read").items()}
    live = _manifest(states, list(states))
    archive = Path(plan["archive"])
    clone, commit = plan.get("clone"), live.get("commit")
    texts = source_history.texts(archive, migration_files.is_wanted)
    old = archive.with_name(f"{live.get('archive')}.tar.gz")
    said, declared_alone, names_all = _requirements(old, plan, site_requirements, holds)
    return Sources(
        commits=_between(Path(clone), commit, plan["commit"]) if clone and commit else None,
        is_folder=not clone,
        migrations=migration_files.read(texts),
        requirements=said,
        declared_alone=declared_alone,
        names_all=names_all,
        holds=holds,
    )


def _between(clone: Path, live: str, wanted: str) -> Commits | None:
    return source_history.commits(clone, live.removesuffix(DIRTY), wanted.removesuffix(DIRTY), MOST)


def _requirements(
    archive: Path, plan: Mapping[str, Any], site_requirements: str, holds: dependencies.Holds
) -> tuple[tuple[Mapping[str, str], Mapping[str, str]] | None, bool, bool]:
    """What the project's files say, in the live release and now; whether of what is declared alone; whether of all."""
    if not archive.exists():
        return None, False, False
    before = source.opened(archive)
    try:
        found = requirements.find(site_requirements, before.files, before.read)
    except (requirements.RequirementsError, source.SourceError):
        return None, False, False
    now = plan["requirements"]
    sides: list[tuple[str, Mapping[str, str]]] = [(found.kind, found.files), (now["kind"], now["files"])]
    if any(kind.startswith("group:") for kind, _files in sides):  # in a pyproject.toml, which nobody reads here
        return None, False, False
    old, new = (dependencies.of_project(kind, files, holds) for kind, files in sides)
    if dependencies.is_lock(*sides[0]) == dependencies.is_lock(*sides[1]):
        return (old, new), False, all(kind == "uv" for kind, _files in sides)
    names = {name for kind, files in sides for name in dependencies.declared(kind, files, holds)}
    return ({name: old[name] for name in names & set(old)}, {name: new[name] for name in names & set(new)}), True, False

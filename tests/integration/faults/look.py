# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host: tells in one answer all that the checks after a fault need. It judges nothing."""

from __future__ import annotations

import glob
import http.client
import json
import os
import re
import subprocess
import sys

PROPERTIES = "Id,ActiveState,SubState,MainPID,EnvironmentFiles,Job"


def main(site: str, domain: str, health: str) -> None:
    etc = f"/etc/switchyard/{site}"
    current = _link(f"{etc}/current")
    units = _units(site)
    manifests = {name: _json(f"{etc}/releases/{name}/release.json") for name in _names(f"{etc}/releases")}
    print(
        json.dumps(
            {
                "site": site,
                "current": os.path.basename(current) if current else None,
                "units": units,
                "environ": {name: _release_of(unit["MainPID"]) for name, unit in units.items()},
                "manifests": {name: found and found["environment"] for name, found in manifests.items()},
                "stacks": {name: found and found["stack"] for name, found in manifests.items()},
                "code": _names(f"/srv/{site}/releases"),
                "nginx": _nginx(site),
                "served": _served(domain, health),
                "leftovers": _leftovers(site),
            }
        )
    )


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def _names(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _json(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def _units(site):
    """Whatever systemd knows of the site and of ours, by name."""
    names = [f"{site}@*.service", f"{site}.service", f"*switchyard*{site}*.service", "nginx.service"]
    done = subprocess.run(
        ["systemctl", "show", f"--property={PROPERTIES}", "--", *names], capture_output=True, text=True, check=False
    )
    blocks = (dict(line.split("=", 1) for line in block.splitlines()) for block in done.stdout.strip().split("\n\n"))
    return {block["Id"]: block for block in blocks if "Id" in block}


def _release_of(pid):
    """The release that the main process of a unit was told it is."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            found = re.search(rb"(?:^|\0)RELEASE_ID=([0-9a-f]+)", stream.read())
            return found.group(1).decode() if found else None
    except OSError:
        return None


def _nginx(site):
    """The releases that nginx's configuration on the disk names, or what nginx has against it."""
    done = subprocess.run(["nginx", "-T"], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"problem": done.stderr.strip()[-500:], "releases": []}
    return {"problem": None, "releases": sorted(set(re.findall(rf"{site}-([0-9a-f]{{12,16}})\b", done.stdout)))}


def _served(domain, health):
    """What the host itself is answered through nginx."""
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=5)
    try:
        connection.request("GET", health, headers={"Host": domain})
        answer = connection.getresponse()
        body = answer.read()
        told = json.loads(body).get("release") if answer.status == 200 else None
        return {"status": answer.status, "header": answer.getheader("X-Release"), "health": told}
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return {"status": None, "header": None, "health": repr(problem)}
    finally:
        connection.close()


def _leftovers(site):
    """What only a run that was cut off leaves behind."""
    found = glob.glob("/run/switchyard-*") + glob.glob("/etc/nginx/*/.*") + glob.glob("/etc/systemd/system/.*")
    tops = ("/etc/switchyard", "/run/switchyard", "/var/cache/switchyard")
    for top in (f"/srv/{site}/releases", *(f"{one}/{site}" for one in tops)):
        for parent, folders, files in os.walk(top):
            if os.path.basename(parent) in ("code", "static", "uv"):  # the project's own, the installer's own
                folders.clear()
                continue
            names = [name for name in folders + files if name.startswith(".") or name.endswith(".partial")]
            found += [os.path.join(parent, name) for name in names]
    venvs = [os.path.join(f"/srv/{site}/venvs", name) for name in _names(f"/srv/{site}/venvs")]
    found += [path for path in venvs if not os.path.exists(f"{path}/switchyard.lock")]
    dangling = [path for path in glob.glob(f"/etc/systemd/system/{site}@*") if not os.path.exists(path)]
    return sorted(found + dangling)


if __name__ == "__main__":
    main(*sys.argv[1:])

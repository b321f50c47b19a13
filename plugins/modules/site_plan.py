#!/usr/bin/python
# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: site_plan
short_description: Judges a site's variables and resolves its source on the controller
version_added: 1.0.0
description:
  - Runs on the controller alone and needs no connection, so that bad input ends a run before any host is touched.
  - Judges names, domains, paths, settings overrides and the environment, and reports all that is wrong at once.
  - Resolves O(site_source) and O(site_version) to one archive in the controller's cache
    (C($XDG_CACHE_HOME/switchyard), by default C(~/.cache/switchyard)), with submodules, and finds the project's
      requirements in it.
extends_documentation_fragment:
  - switchyard.django.source
  - switchyard.django.attributes.controller
  - switchyard.django.attributes
options:
  site_name:
    description: The name of the site, 1 to 32 of a-z, 0-9 and V(-).
    type: raw
    required: true
  site_package:
    description: The Python package that holds the entry points; C(.) where they lie beside manage.py.
    type: str
    required: true
  site_settings:
    description: The settings module. One inside a package of the source that is not there is refused.
    type: str
    required: true
  site_settings_overrides:
    description: Settings that are laid over the project's own, a dictionary.
    type: raw
    default: {}
  site_domains:
    description: The host names of the site, a list.
    type: raw
    required: true
  site_env:
    description: The environment variables of the site, a dictionary. No value of it is returned or shown.
    type: raw
    default: {}
  site_env_schema:
    description: What O(site_env) must hold, a list as O(switchyard.django.env_file#module:schema).
    type: raw
    default: []
  site_processes:
    description: What runs beside the instances, a dictionary of names and of commands or dictionaries.
    type: raw
    default: {}
  site_timers:
    description: What runs by the clock, a dictionary of names and of dictionaries.
    type: raw
    default: {}
  site_requirements:
    description: The requirements file relative to the source's top; empty to look for C(uv.lock), then
      C(requirements.txt), then C(Pipfile.lock).
    type: str
    default: ""
  site_packages:
    description: The Debian packages that the project needs, a list.
    type: raw
    default: []
  release_build_commands:
    description: The build commands of the project, a list.
    type: raw
    default: []
  release_build_timeout:
    description: The seconds that each of them may take.
    type: raw
    default: 1800
  release_build_environment:
    description: Environment variables for the build, a dictionary. No value of it is returned or shown.
    type: raw
    default: {}
  site_requirements_overrides:
    description: Versions of packages that count in place of what the requirements say of them, a list.
    type: raw
    default: []
  site_health_path:
    description: The path of a page that answers 200 when the site works.
    type: str
    required: true
  site_websocket_path:
    description: The path of a WebSocket; empty for none.
    type: str
    default: ""
  site_request_timeout:
    description: The seconds that a request may take.
    type: str
    default: "60"
  site_graceful_timeout:
    description: The seconds that requests in flight have when an instance stops, or V(auto).
    type: str
    default: auto
  nginx_read_timeout:
    description: The seconds for which nginx waits for the app server, or V(auto).
    type: str
    default: auto
  scheme:
    description: How visitors come, V(http) or V(https).
    type: str
    default: http
  serve_mode:
    description: The stack, V(auto) for the one that the project asks for; empty to keep the one that is live.
    type: str
    default: ""
  hosts:
    description: The hosts of the site, in the order of the inventory. On the first one runs what runs on one alone.
    type: list
    elements: str
    default: []
  site_database:
    description: V(sqlite), V(postgresql) or a URL, which is returned and shown nowhere.
    type: raw
    default: sqlite
  site_database_host:
    description: The host of the inventory on which PostgreSQL is set up; empty for the site's only host.
    type: str
    default: ""
  site_database_variables:
    description: By which environment variables the site is told of its database, a dictionary.
    type: raw
    default: {DATABASE_URL: url}
  site_redis:
    description: Whether the site has a Redis, or its URL, which is returned and shown nowhere.
    type: raw
    default: false
  site_redis_host:
    description: The host of the inventory on which Redis is set up; empty for the site's only host.
    type: str
    default: ""
  site_redis_variables:
    description: By which environment variables the site is told of its Redis, a dictionary.
    type: raw
    default: {REDIS_URL: url}
  postgresql_port:
    description: The port of PostgreSQL.
    type: raw
    default: 5432
  redis_port:
    description: The port of the site's Redis.
    type: raw
    default: 6379
author: switchyard.django contributors (@switchyard)
"""

EXAMPLES = r"""
- name: The variables are sound and the source is at hand
  switchyard.django.site_plan:
    site_name: shop
    site_source: https://git.example.org/shop.git
    site_version: v1.4.0
    site_package: shop
    site_settings: shop.settings
    site_domains: [shop.example.org]
    site_health_path: /health/
    base: "{{ playbook_dir }}"
  run_once: true
"""

RETURN = r"""
origin:
  description: The source without credentials.
  type: str
  returned: success
commit:
  description: The commit, with C(-dirty) behind it where a folder differs from it, or null where git doesn't know
    the folder.
  type: str
  returned: success
identity:
  description: What names the code in a release's identifier, the commit of a git URL or the digest of a folder.
  type: str
  returned: success
archive:
  description: The path of the archive on the controller.
  type: str
  returned: success
clone:
  description: Where git has the commits, the path of the controller's clone of a git URL, or of a folder; empty where a
    folder has none.
  type: str
  returned: success
began:
  description: When the run began, in seconds since the epoch, by the controller's clock.
  type: float
  returned: success
files:
  description: The paths of entry points and of manage.py in the source.
  type: list
  elements: str
  returned: success
root:
  description: The folder of the source in which the package can be imported; empty for its top.
  type: str
  returned: success
prefix:
  description: What stands before the names of the entry points where they are imported, the package with a dot.
  type: str
  returned: success
times:
  description: The seconds that nginx, the app server and systemd have, which follow from O(site_request_timeout).
  type: dict
  returned: success
processes:
  description:
    - What O(site_processes) and O(site_timers) describe, with the argument list (V(argv)) and the one host, where it
      is one (V(host)).
  type: list
  elements: dict
  returned: success
requirements:
  description: The kind of the project's requirements and the text of its files.
  type: dict
  returned: success
services:
  description: For V(database) and V(redis) the kind of the service, its host, address and port, and the environment
    variables that tell of it; empty where the site has none. Nothing of it is secret.
  type: dict
  returned: success
advice:
  description: With O(serve_mode=auto) the stack that the project asks for, whether the other one would be wrong
    (V(firm)), and why (V(lines)). Otherwise empty.
  type: dict
  returned: success
"""

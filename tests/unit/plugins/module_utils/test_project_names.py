# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast

import pytest
from ansible_collections.switchyard.django.plugins.module_utils.project_index import ProjectIndex
from ansible_collections.switchyard.django.plugins.module_utils.project_names import Names
from ansible_collections.switchyard.django.plugins.module_utils.project_values import NOTHING, Function, Library


@pytest.fixture
def meaning():
    """What a name in the module shop.views means: a library's dotted name, or the path and line of a function."""

    def meaning(text, root="", others=()):
        texts = {f"{root}/shop/views.py".lstrip("/"): text}
        texts.update(others)
        index = ProjectIndex(texts, root)
        module = index.module("shop.views")
        found = Names(index).value(ast.parse("it", mode="eval").body, module.scope)
        if isinstance(found, Library) and found != NOTHING:
            return found.path
        return (found.scope.module.path, found.node.lineno) if isinstance(found, Function) else None

    return meaning


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("import time as it", "time"),
        ("import os.path\nit = os.path.join", "os.path.join"),
        ("from time import sleep as it", "time.sleep"),
        ("import time\nit = time.sleep", "time.sleep"),
        ("from functools import partial\nimport time\nit = partial(time.sleep, 1)", "time.sleep"),
        ("try:\n    import x as it\nexcept ImportError:\n    it = None", "x"),
        ("import requests\nit = requests.Session()", "requests.Session()"),
        ("import requests\nit = requests.Session().get", "requests.Session().get"),
        ("from requests.sessions import Session\nit = Session().get", "requests.Session().get"),
        ("import requests\nit: requests.Session = make()", None),
        ("import requests\nit: requests.Session", "requests.Session()"),
        ("import requests\nclass Mine(requests.Session): pass\nit = Mine().get", "requests.Session().get"),
        (
            "import requests\nclass C:\n    def __init__(self):\n        self.s = requests.Session()\nit = C().s",
            "requests.Session()",
        ),
        ("import a, b\nit = a.x if b.y else a.x", "a.x"),
        ("import a, b\nit = a.x if b.y else b.x", None),
        ("import a\nit = a.x\nit = unknown()", None),
        ("import a\ndef f():\n    return a.x()\nit = f()", "a.x()"),
        ("import a\nfor it in a.x(): pass", None),
        ("it = it", None),
        ("it = open", "builtins.open"),
        ("from nowhere import *", None),
    ],
)
def test_a_name_means_what_it_is_bound_to(meaning, text, path):
    assert meaning(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "from shop.other import f as it",
        "from .other import f as it",
        "from . import other\nit = other.f",
        "import shop.other\nit = shop.other.f",
        "import shop.other as o\nit = o.f",
        "from .other import *\nit = f",
        "from .again import f as it",
        "from .again import *\nit = f",
    ],
)
@pytest.mark.parametrize("root", ["", "backend/src"])
@pytest.mark.parametrize("package", ["shop/__init__.py", "shop/apart.py"])
def test_a_function_is_found_in_another_module(meaning, text, root, package):
    top = f"{root}/".lstrip("/")
    others = {"shop/other.py": "\ndef f(): pass\n", "shop/again.py": "from .other import f\n", package: ""}
    others = {f"{top}{path}": more for path, more in others.items()}
    assert meaning(text, root, others) == (f"{top}shop/other.py", 2)


def test_a_module_of_the_project_hides_a_library_of_its_name(meaning):
    others = {"requests.py": "\n\ndef get(): pass\n"}
    assert meaning("import requests\nit = requests.get", "", others) == ("requests.py", 3)


def test_a_name_that_two_folders_have_means_neither(meaning):
    others = {"a/manage.py": "", "b/manage.py": "", "a/tools.py": "def f(): pass\n", "b/tools.py": "def f(): pass\n"}
    assert meaning("from tools import f as it", "site", others) == "tools.f"
    del others["b/tools.py"]
    assert meaning("from tools import f as it", "site", others) == ("a/tools.py", 1)


def test_what_modules_lead_to_is_followed_through_imports_and_texts():
    index = ProjectIndex(
        {
            "shop/__init__.py": "",
            "shop/urls.py": "from . import views\nroutes = include('books.urls')\n",
            "shop/views.py": "def f():\n    import shop.late\n",
            "shop/late.py": "",
            "shop/left.py": "",
            "books/__init__.py": "",
            "books/urls.py": "",
        }
    )
    assert index.reachable(["shop.urls"]) == set(index.texts) - {"shop/left.py"}
    assert index.reachable(["shop.urls"], frozenset({"shop/views.py"})) == {
        "shop/__init__.py",
        "shop/urls.py",
        "books/__init__.py",
        "books/urls.py",
    }


@pytest.mark.parametrize("text", ["print 'x'", "{% if x %}", "\0", "(" * 2000])
def test_what_is_no_python_is_no_module(text):
    index = ProjectIndex({"a.py": text})
    assert index.module("a") is None
    assert list(index.unparsable) == ["a.py"]

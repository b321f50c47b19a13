# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.switchyard.django.plugins.module_utils import migration_files as files
from ansible_collections.switchyard.django.plugins.module_utils.migration_files import Migration


def text(*operations, head=""):
    return (
        "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        f'    dependencies = [("cargo", "0001_initial")]\n    {head}\n    operations = [{", ".join(operations)}]\n'
    )


def effects(*operations):
    (one,) = files.read({"cargo/migrations/0002_x.py": text(*operations)})
    assert one.is_known
    return list(one.effects)


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("cargo/migrations/0001_initial.py", True),
        ("backend/apps/cargo/migrations/0001_initial.py", True),
        ("cargo/apps.py", True),
        ("cargo/migrations/__init__.py", False),
        ("cargo/migrations/_helpers.py", False),
        ("cargo/migrations/sql/0001.py", False),
        ("cargo/models.py", False),
        ("migrations/0001_initial.py", False),
    ],
)
def test_migrations_are_found_by_their_paths(path, wanted):
    assert files.is_wanted(path) is wanted


def test_an_app_is_called_by_its_folder_or_its_label():
    here = {f"{app}/migrations/0001_initial.py": text() for app in ("cargo", "crane", "quay")}
    here["crane/apps.py"] = 'class Crane(AppConfig):\n    name = "crane"\n    label = "lifting"\n'
    here["quay/apps.py"] = "class Quay(AppConfig:\n"
    assert [one.called for one in files.read(here)] == [
        "cargo.0001_initial",
        "lifting.0001_initial",
        "quay.0001_initial",
    ]


@pytest.mark.parametrize(
    "broken",
    ["", "class Migration(", "class Other: pass", "class Migration:\n    operations = made()\n", "\0"],
)
def test_what_is_no_list_of_operations_is_said_to_be_unknown(broken):
    (one,) = files.read({"cargo/migrations/0002_x.py": broken})
    assert one == Migration("cargo", "0002_x", is_known=False)


def test_a_migration_without_operations_does_nothing():
    (one,) = files.read({"cargo/migrations/0002_x.py": "class Migration(migrations.Migration):\n    pass\n"})
    assert (one.is_known, one.effects) == (True, ())


# --- which are new ---------------------------------------------------------------------------------------------------


def test_new_is_what_the_live_release_does_not_know():
    here = [Migration("cargo", "0001_initial"), Migration("cargo", "0002_x"), Migration("crane", "0001_initial")]
    known = {"cargo": ["0001_initial"], "auth": ["0001_initial"]}
    assert [one.called for one in files.new(here, known)] == ["cargo.0002_x", "crane.0001_initial"]


def test_squashed_ones_whose_parts_are_known_do_nothing():
    text_of_it = text(head='replaces = [("cargo", "0001_initial"), ("cargo", "0002_x")]')
    (one,) = files.read({"cargo/migrations/0001_squashed.py": text_of_it})
    assert one.replaces == ("cargo.0001_initial", "cargo.0002_x")
    assert files.new([one], {"cargo": ["0001_initial", "0002_x"]}) == []
    assert files.new([one], {"cargo": ["0001_initial"]}) == [one]
    assert files.missing([one], {"cargo": ["0001_initial", "0002_x"]}) == []


def test_what_a_step_back_lacks_is_named_for_the_apps_of_the_project_alone():
    here = [Migration("cargo", "0001_initial")]
    known = {"cargo": ["0001_initial", "0002_x"], "auth": ["0001_initial"]}
    assert files.missing(here, known) == ["cargo.0002_x"]


# --- what they do ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ('migrations.RemoveField("crate", "weight")', f"RemoveField crate.weight {files.GONE}; {files.MOMENT}"),
        (
            'migrations.RenameField(model_name="crate", old_name="weight", new_name="mass")',
            f"RenameField crate.weight {files.RENAMED}; {files.MOMENT}",
        ),
        ('migrations.AlterField("crate", "weight", models.TextField())', f"AlterField crate.weight {files.REWRITE}"),
        ('migrations.DeleteModel("Crate")', f"DeleteModel Crate {files.GONE}; {files.MOMENT}"),
        ('migrations.DeleteModel(name="Crate")', f"DeleteModel Crate {files.GONE}; {files.MOMENT}"),
        ("migrations.AddIndex('crate', models.Index(fields=['weight']))", f"AddIndex crate {files.INDEX}"),
        ("AddIndexConcurrently('crate', models.Index(fields=['weight']))", f"AddIndexConcurrently crate {files.LATER}"),
        (
            "migrations.AddConstraint('crate', models.CheckConstraint(name='c', check=q))",
            f"AddConstraint crate {files.SCAN}",
        ),
        ("ValidateConstraint('crate', name='c')", f"ValidateConstraint crate {files.LATER}"),
        ("migrations.RunPython(forwards)", f"RunPython {files.ONE_WAY}"),
        ("migrations.RunPython(forwards, reverse_code=None)", f"RunPython {files.ONE_WAY}"),
        ("migrations.RunSQL('VACUUM')", f"RunSQL {files.ONE_WAY}; what it blocks is not known"),
        ("migrations.RunSQL('a', 'b')", "RunSQL what it blocks is not known"),
        ("own.Operation()", "Operation what it does is not known from here"),
        ("*more", "an operation that its file does not spell out"),
    ],
)
def test_each_operation_says_what_is_to_be_known(operation, said):
    assert effects(operation) == [said]


@pytest.mark.parametrize(
    "operation",
    [
        "migrations.CreateModel('Crate', fields=[])",
        "migrations.AlterModelOptions(name='crate', options={})",
        "migrations.RunPython(forwards, backwards)",
        "migrations.RunPython(forwards, reverse_code=migrations.RunPython.noop)",
        "migrations.AddField('crate', 'marks', models.ManyToManyField('cargo.Mark'))",
        "migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel('Crate')])",
    ],
)
def test_what_does_no_harm_is_not_said(operation):
    assert effects(operation) == []


def test_what_stands_in_other_operations_is_found():
    inner = "migrations.SeparateDatabaseAndState([migrations.DeleteModel('Crate')], [])"
    assert effects(inner) == [f"DeleteModel Crate {files.GONE}; {files.MOMENT}"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("models.IntegerField(default=0)", [files.DEMANDED, files.MOMENT]),
        ("models.CharField(max_length=9, blank=True)", [files.DEMANDED, files.MOMENT]),
        ("models.IntegerField(null=True)", [files.MOMENT]),
        ("models.IntegerField(db_default=0)", [files.MOMENT]),
        ("models.IntegerField(null=True, db_index=True)", [files.INDEX_ON_ADD]),
        ("models.IntegerField(null=True, unique=True)", [files.INDEX_ON_ADD]),
        ("models.ForeignKey('auth.User', models.CASCADE, null=True)", [files.INDEX_ON_ADD]),
        ("models.ForeignKey('auth.User', models.CASCADE, null=True, db_index=False)", [files.MOMENT]),
        ("models.SlugField(default='')", [files.DEMANDED, files.INDEX_ON_ADD]),
        ("models.GeneratedField(expression=e, output_field=o)", [files.REWRITE]),
        ("own", ["a field that its file does not spell out"]),
    ],
)
def test_a_new_column_says_what_the_live_release_meets(field, said):
    expected = [f"AddField crate.weight {'; '.join(said)}"]
    assert effects(f"migrations.AddField('crate', 'weight', {field})") == expected
    assert effects(f"migrations.AddField(model_name='crate', name='weight', field={field})") == expected


def test_what_a_release_can_not_do_that_does_not_know_a_migration():
    add = (f"AddField crate.x {files.DEMANDED}; {files.MOMENT}",)
    assert files.told({"cargo.0002": add}) == "can't add rows"
    several = {"cargo.0002": add, "cargo.0003": (), "cargo.0004": (f"RenameField crate.y {files.RENAMED}",)}
    assert files.told(several) == "can't add rows (for cargo.0002), knows the old name alone (for cargo.0004)"
    assert files.told({"cargo.0003": (f"AddIndex crate {files.INDEX}",)}) == ""
    assert files.one_way({"cargo.0002": add, "cargo.0005": (f"RunPython {files.ONE_WAY}",)}) == ["cargo.0005"]

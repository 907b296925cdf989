"""Base documents that a policy tree describes: checked where they are loaded, typed where policies speak of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doorward import Engine
from doorward.author.lint import LintSettings, check
from doorward.author.lsp.tree import Tree
from doorward.author.testing import run_tests
from doorward.bundle import BundleError, Manifest, build_bundle, bundle_files, read_bundle, read_files
from doorward.engine import ModuleCache, read_policies
from doorward_dsl import PolicyError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["limits", "open_hours", "staff"],
    "properties": {
        "staff": {"type": "object", "additionalProperties": {"$ref": "#/definitions/person"}},
        "limits": {
            "type": "object",
            "required": ["rows"],
            "properties": {"rows": {"type": "integer"}, "bytes": {"type": "integer"}},
        },
        "open_hours": {"type": "array", "items": {"type": "integer"}},
        "free": {"type": "object", "additionalProperties": True, "properties": {"known": {"type": "string"}}},
        "by_region": {
            "type": "object",
            "patternProperties": {"^eu-": {"type": "number"}},
            "additionalProperties": False,
        },
        "owner": {"type": ["object", "null"], "properties": {"name": {"type": "string"}}},
    },
    "definitions": {
        "person": {
            "type": "object",
            "required": ["role"],
            "properties": {
                "role": {"enum": ["admin", "analyst"]},
                "team": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
DATA: dict[str, Any] = {
    "staff": {"ann": {"role": "admin", "team": "data"}, "bob": {"role": "analyst", "tags": ["new"]}},
    "limits": {"rows": 100},
    "open_hours": [9, 10],
    "free": {"known": "x", "other": 1},
    "by_region": {"eu-1": 1},
    "owner": None,
}
HEAD = "package acme.access\n\ngoverns postgres\n\n"


def tree(tmp_path: Path, policy: str = "", *, data: Any = DATA, schema: Any = SCHEMA, **more: str) -> Path:
    """A tree in which `data.acme` is described, and one policy speaks of it."""
    folder = tmp_path / "acme"
    folder.mkdir(exist_ok=True)
    if data is not None:
        (folder / "data.json").write_text(json.dumps(data))
    text = schema if isinstance(schema, str) else json.dumps(schema)
    (folder / "data.schema.json").write_text(text)
    (tmp_path / "p.ward").write_text(HEAD + policy)
    for name, content in more.items():
        (tmp_path / name.replace("__", ".")).write_text(content)
    return tmp_path


def refused(path: Path) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        Engine.from_path(path)
    return caught.value


# --- at load -----------------------------------------------------------------------------------------------------


def test_a_schema_is_no_data(tmp_path: Path) -> None:
    policies = read_policies(tree(tmp_path))
    assert policies.data == {"acme": DATA}
    assert policies.documents["acme",].source.name == "acme/data.schema.json"
    assert Engine(policies).query("data.acme.staff.ann.role = x") == [{"x": "admin"}]


@pytest.mark.parametrize("name", ["data.schema.yaml", "data.schema.yml"])
def test_schemas_may_be_yaml(tmp_path: Path, name: str) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / name).write_text("type: object\nproperties:\n  a: {type: string}\n")
    (tmp_path / "acme" / "data.yaml").write_text("a: 1\n")
    assert "`data.acme` is not as its schema says: a: Invalid type" in str(refused(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limits": {}}, "rows is required"),
        ({"limits": {"rows": "many"}}, "limits.rows: Invalid type"),
        ({"staff": {"ann": {"role": "admn"}}}, "staff.ann.role"),
        ({"staff": {"ann": {"role": "admin", "tema": "x"}}}, "Additional property tema is not allowed"),
        ({"mistyped": 1}, "Additional property mistyped is not allowed"),
        ({"by_region": {"eu-1": "x"}}, "by_region.eu-1"),
    ],
)
def test_data_is_as_its_schema_says(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    error = refused(tree(tmp_path, data={**DATA, **change}))
    assert error.code == "ward_data_error"
    assert "`data.acme` is not as its schema says" in str(error)
    assert said in str(error)
    assert error.diagnostics[0].span.source.name == "acme/data.schema.json"


def test_data_that_is_described_is_there(tmp_path: Path) -> None:
    assert "there is no data at `data.acme`" in str(refused(tree(tmp_path, data=None)))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("[]", "the schema of `data.acme` is not an object"),
        ('{"type": "text"}', "the schema of `data.acme` is not one"),
        ('{"properties": 3}', "the schema of `data.acme` is not one"),
        ('{"properties": {"staff": {"$ref": "other.json"}}}', "`data.acme` is not as its schema says"),
        ("{", "the file is not JSON"),
    ],
)
def test_a_schema_that_is_none_is_refused_at_its_file(tmp_path: Path, schema: str, said: str) -> None:
    error = refused(tree(tmp_path, schema=schema))
    assert said in str(error)
    assert error.diagnostics[0].span.source.name == "acme/data.schema.json"


def test_a_folder_is_described_once(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "acme/data.schema.yaml").write_text("type: object\n")
    assert "the data of this folder is described twice" in str(refused(tmp_path))


def test_large_data_is_checked_within_its_size(tmp_path: Path) -> None:
    staff = {f"u{number}": {"role": "admin", "tags": ["a", "b"]} for number in range(3000)}
    assert Engine.from_path(tree(tmp_path, data={**DATA, "staff": staff})).revision


# --- types -------------------------------------------------------------------------------------------------------

UNKNOWN = "ward_unknown_field"
TYPE = "rego_type_error"
ABSENT = "ward_absence_error"


@pytest.mark.parametrize(
    ("policy", "code", "said", "at"),
    [
        ('allow if data.acme.staff[principal.id].rol == "x"', UNKNOWN, "did you mean `role`?", "rol"),
        ("allow if data.acme.limts.rows > 1", UNKNOWN, "did you mean `limits`?", "limts"),
        ('allow if {\n\tsome p in data.acme.staff\n\tp.rol == "x"\n}', TYPE, "did you mean `role`?", "rol"),
        ('allow if {\n\tp := data.acme.staff.bob\n\tp.taem == "x"\n}', TYPE, "did you mean `team`?", "taem"),
        ("allow if data.acme.staff[principal.id].role == 5", TYPE, "can never be equal", None),
        ("allow if data.acme.limits.rows == principal.id", TYPE, "can never be equal", None),
        ("allow if principal.id in data.acme.open_hours", TYPE, "can never be equal", None),
        ("allow if startswith(data.acme.limits.rows, principal.id)", TYPE, "invalid argument 1", None),
        ("allow if 5 in [p.role | some p in data.acme.staff]", TYPE, "can never be equal", None),
        ("rows := data.acme.limits.rows\n\nallow if rows == principal.id", TYPE, "can never be equal", None),
        (
            "f(x) := data.acme.staff[x].role\n\nallow if f(principal.id) == 5",
            TYPE,
            "can never be equal",
            None,
        ),
        ("allow if data.acme.by_region[principal.id] == principal.id", TYPE, "can never be equal", None),
        ("allow if data.acme.owner == 5", TYPE, "null or object", None),
        ("import data.acme.limits\n\nallow if limits.row > 5", UNKNOWN, "did you mean `rows`?", "row"),
    ],
)
def test_policies_are_typed_by_the_schema(
    tmp_path: Path, policy: str, code: str, said: str, at: str | None
) -> None:
    error = refused(tree(tmp_path, policy + "\n"))
    assert error.code == code, str(error)
    (one,) = error.diagnostics
    assert said in f"{one.message} {one.hint}"
    assert at is None or one.span.text == at


def test_rego_is_typed_too(tmp_path: Path) -> None:
    module = (
        "package other\n\np contains x if data.acme.staff[x].role == 5\n\nq if data.acme.limits.rwos > 1\n"
    )
    error = refused(tree(tmp_path, r__rego=module))
    assert [one.code for one in error.diagnostics] == [TYPE, UNKNOWN]


@pytest.mark.parametrize(
    "line",
    [
        "data.acme.free.anything.at_all == 5",
        "data.acme.by_region[principal.id] > 5",
        "data.acme.owner.name == principal.id",
        "data.other.thing.goes == 5",
    ],
)
def test_what_a_schema_leaves_open_is_open(tmp_path: Path, line: str) -> None:
    Engine.from_path(tree(tmp_path, f"allow if {line}\n"))


@pytest.mark.parametrize(
    ("condition", "absent"),
    [
        ("data.acme.limits.rows != 5", None),
        ("data.acme.limits.bytes != 5", "data.acme.limits.bytes"),
        ("data.acme.staff.ann.role != principal.id", "data.acme.staff.ann.role"),
        ("data.acme.staff[principal.id].role != principal.id", "data.acme.staff[principal.id].role"),
        ("data.acme.staff[_].role != principal.id", None),
        ("data.acme.staff[_].team != principal.id", "data.acme.staff[_].team"),
        ("some p in data.acme.staff; p.role != principal.id", None),
        ("some p in data.acme.staff; p.team != principal.id", "p.team"),
        ("some p in data.acme.staff; p.team; p.team != principal.id", None),
        ("p := data.acme.limits; p.bytes != 5", "p.bytes"),
        ("data.acme.staff[_].team == principal.id", None),
        ("data.acme.open_hours[0] != 5", "data.acme.open_hours[0]"),
        ("data.other.thing != 5", None),
        ("data.other[principal.id] != 5", "data.other[principal.id]"),
    ],
)
def test_restrictions_know_what_may_be_missing(tmp_path: Path, condition: str, absent: str | None) -> None:
    path = tree(tmp_path, f"block if {{ {condition} }}\n", more__json="{}")
    if absent is None:
        Engine.from_path(path)
    else:
        error = refused(path)
        assert error.code == ABSENT, str(error)
        assert f"`{absent}` may be missing" in str(error)


def test_rules_below_the_same_place_win(tmp_path: Path) -> None:
    policy = 'allow if data.acme.staff_on_call.ann == 5\n\nblock if data.acme.limits.hours == "x"\n'
    module = 'package acme\n\nstaff_on_call := {"ann": 5}\n'
    other = 'package acme.limits\n\nhours := "x"\n'
    engine = Engine.from_path(tree(tmp_path, policy, r__rego=module, s__rego=other))
    assert engine.query("data.acme.staff_on_call.ann = x") == [{"x": 5}]
    wrong = policy.replace("== 5", '== "x"')
    assert refused(tree(tmp_path, wrong, r__rego=module, s__rego=other)).code == TYPE


def test_replaced_data_may_be_otherwise(tmp_path: Path) -> None:
    module = """package tests

test_staff if {
	data.acme.staff.ann.role == 5 with data.acme.staff as {"ann": {"role": 5}}
	data.acme.extra == 5 with data.acme.extra as 5
	data.acme.extra == 5 with data.acme as {"extra": 5}
}
"""
    run = run_tests(read_policies(tree(tmp_path, r__rego=module)))
    assert [one.outcome for one in run.results] == ["passed"], run


def test_the_place_inside_another_counts(tmp_path: Path) -> None:
    tree(tmp_path, "allow if data.acme.staff.ann.level == principal.id\n")
    inner = tmp_path / "acme/more"
    inner.mkdir()
    outer = {**SCHEMA, "properties": {**SCHEMA["properties"], "more": {}}}
    (tmp_path / "acme/data.schema.json").write_text(json.dumps(outer))
    (inner / "data.schema.json").write_text('{"properties": {"level": {"type": "integer"}}}')
    (inner / "data.json").write_text('{"level": 1}')
    (tmp_path / "p.ward").write_text(HEAD + "allow if data.acme.more.level == principal.id\n")
    assert refused(tmp_path).code == TYPE


def test_the_whole_of_data_can_be_described(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"rows": 5}')
    (tmp_path / "data.schema.json").write_text('{"properties": {"rows": {"type": "integer"}}}')
    test = """
test "what tests keep lies beside data" {
	some rows in [5]
	given principal.id := "ann"
	when postgres `select 1`
	expect allow
	expect if data.rows == rows
}
"""
    (tmp_path / "p.ward").write_text(HEAD + "allow if data.rows == 5\n" + test)
    run = run_tests(read_policies(tmp_path))
    assert [one.outcome for one in run.results] == ["passed"], run
    (tmp_path / "p.ward").write_text(HEAD + "allow if data.row == 5\n")
    assert refused(tmp_path).code == UNKNOWN


# --- where schemas go --------------------------------------------------------------------------------------------


def test_a_changed_schema_is_noticed(tmp_path: Path) -> None:
    modules = ModuleCache()
    path = tree(tmp_path, "allow if data.acme.limits.rows == 5\n")
    Engine(read_policies(path), modules=modules)
    limits = {**SCHEMA["properties"]["limits"], "properties": {"rows": {"type": ["integer", "string"]}}}
    limits["properties"]["rows"] = {"type": "string"}
    changed = {**SCHEMA, "properties": {**SCHEMA["properties"], "limits": limits}}
    tree(tmp_path, "allow if data.acme.limits.rows == 5\n", schema=changed)
    text = {**DATA, "limits": {"rows": "many"}}
    (path / "acme/data.json").write_text(json.dumps(text))
    with pytest.raises(PolicyError, match="can never be equal"):
        Engine(read_policies(path), modules=modules)


def test_a_rule_that_comes_to_a_described_place_is_noticed(tmp_path: Path) -> None:
    modules = ModuleCache()
    path = tree(tmp_path, "allow if data.acme.staff[principal.id].role == principal.id\n")
    Engine(read_policies(path), modules=modules)
    path = tree(tmp_path, "allow if data.acme.staff.carl.rol == 5\n")
    with pytest.raises(PolicyError, match="no field"):
        Engine(read_policies(path), modules=modules)
    tree(
        tmp_path, "allow if data.acme.staff.carl.rol == 5\n", r__rego="package acme.staff.carl\n\nrol := 5\n"
    )
    Engine(read_policies(path), modules=modules)
    (path / "r.rego").unlink()
    with pytest.raises(PolicyError, match="no field"):
        Engine(read_policies(path), modules=modules)


def test_a_bundle_carries_schemas(tmp_path: Path) -> None:
    path = tree(tmp_path, "allow if data.acme.limits.rows == 5\n")
    files = bundle_files(read_files(path), Manifest())
    bundle = read_bundle(build_bundle(files))
    assert bundle.policies.documents.keys() == {("acme",)}
    assert bundle.policies.data == {"acme": DATA}
    assert Engine(bundle.policies).revision
    elsewhere = bundle_files(read_files(path), Manifest(roots=("other", "acme/access")))
    with pytest.raises(BundleError, match="outside the bundle's roots"):
        read_bundle(build_bundle(elsewhere))


def test_lint_the_tests_and_the_editor_know_schemas(tmp_path: Path) -> None:
    path = tree(tmp_path, "allow if data.acme.limits.rwos == 5\n")
    policies = read_policies(path)
    (one,) = check(policies, LintSettings()).diagnostics
    assert one.code == UNKNOWN
    with pytest.raises(PolicyError, match="no field"):
        run_tests(policies)
    edited = Tree(path)
    edited.look()
    assert [one.code for one in edited.check().diagnostics] == [UNKNOWN]
    (path / "acme/data.json").write_text('{"limits": {"rows": 1}}')
    edited.look()
    assert {one.code for one in edited.check().diagnostics} == {UNKNOWN, "ward_data_error"}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ('data.acme.staff[principal.id].role == "admn"', "did you mean `admin`?"),
        ('data.acme.staff.ann.role in {"admin", "boss"}', "its values are `admin`, `analyst`"),
        ('data.acme.staff.ann.role == "admin"', None),
        ('data.acme.staff.ann.team == "x"', None),
        ('data.acme.staff.ann.role == "boss" with data.acme.staff.ann.role as "boss"', None),
    ],
)
def test_lint_knows_the_values_that_a_schema_lists(tmp_path: Path, condition: str, said: str | None) -> None:
    found = check(read_policies(tree(tmp_path, f'allow "so" if {condition}\n')), LintSettings()).diagnostics
    assert [(one.rule, one.hint) for one in found] == ([("impossible-value", said)] if said else [])

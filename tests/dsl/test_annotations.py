"""`# METADATA` blocks: what they are attached to, and what is wrong with them."""

from __future__ import annotations

import pytest

from doorward_dsl import ParseError, Source, parse_module

FILE = """# METADATA
# title: About the package
# authors:
#   - Jane Doe <jane@example.com>
package t

governs *

# METADATA
# scope: subpackages
# custom:
#   since: 2020-01-01

import data.x

# METADATA
# title: One
# entrypoint: true
p := 1

# METADATA
# scope: document
# related_resources:
#   - ref: https://example.com
#     description: more
# METADATA
# description: |
#   Two lines,
#   kept.
# schemas:
#   - input: schema.x
p := 2 if false

# METADATA
# title: Said of a statement
allow "r"

  # METADATA
  # title: not in the first column
q := 1
"""


def test_blocks_find_what_stands_below_them() -> None:
    text = FILE.replace("# scope: subpackages", "# scope: rule").replace("import data.x\n", "x := 1\n")
    module = parse_module(Source("p.ward", text))
    assert [(a.scope, a.document["title"]) for a in module.annotations] == [("package", "About the package")]
    x, first, second, q = module.rules
    assert [(a.scope, a.document["custom"]) for a in x.annotations] == [("rule", {"since": "2020-01-01"})]
    assert [(a.scope, a.document["title"]) for a in first.annotations] == [("document", "One")]
    assert [a.scope for a in second.annotations] == ["document", "rule"]
    assert second.annotations[1].document["description"] == "Two lines,\nkept.\n"
    assert q.annotations == ()
    assert [a.document["title"] for a in module.statements[0].annotations] == ["Said of a statement"]
    assert first.annotations[0].span.text == "# METADATA\n# title: One\n# entrypoint: true"


MISTAKES = [
    ("# METADATA\np := 1", "3:1", "expected METADATA block, found whitespace"),
    ("# METADATA\n# title: [\np := 1", "4:1", "the METADATA block is not valid YAML"),
    ("# METADATA\n# title: 1\np := 1", "3:1", "`title` must be text"),
    ("# METADATA\n# - a\np := 1", "4:1", "a METADATA block is a YAML mapping"),
    ("# METADATA\n# custom: [1]\np := 1", "3:1", "`custom` must be a mapping"),
    ("# METADATA\n# custom: {1: 2}\np := 1", "3:1", "invalid map key type(s)"),
    ("# METADATA\n# scope: rul\np := 1", "3:1", "invalid annotation scope `rul`"),
    ("# METADATA\n# scope: package\np := 1", "3:1", "annotation scope `package` must be applied to package"),
    ("# METADATA\n# title: x", "3:1", "invalid annotation scope ``"),
    ("# METADATA\n# scope: rule", "3:1", "annotation scope `rule` must be applied to rule"),
    ("# METADATA\n# title: x\nimport data.y", "3:1", "invalid annotation scope `import`"),
    ("# METADATA\n# scope: rule\n# entrypoint: true\np := 1", "3:1", "annotation entrypoint applied to non-document"),
    ("# METADATA\n# authors: ['']\np := 1", "3:1", "invalid author definition"),
    ("# METADATA\n# authors: [{age: 4}]\np := 1", "3:1", "invalid author definition"),
    ("# METADATA\n# related_resources: [{}]\np := 1", "3:1", "invalid related-resource definition"),
    ("# METADATA\n# organizations: [1]\np := 1", "3:1", "`organizations` must be a list of names"),
    ("# METADATA\n# schemas: [x]\np := 1", "3:1", "invalid schema declaration"),
    ("# METADATA\n# custom: {a: &x [1], b: *x}\np := 1", "4:1", "the METADATA block is not valid YAML: aliases"),
    ("# METADATA\n# custom: !!python/object:os.system {}\np := 1", "4:1", "the METADATA block is not valid YAML"),
    ("# METADATA\n# custom: {a: " + "[" * 3_000 + "\np := 1", "3:1", "the METADATA block is not valid YAML"),
    ("# METADATA\n# custom: {a: " + "[" * 60 + "]" * 60 + "}\np := 1", "3:1", "the METADATA block is nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message"), MISTAKES)
def test_mistakes(text: str, place: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_module(Source("p.rego", f"package t\n\n{text}\n"))
    (found,) = caught.value.diagnostics
    assert found.message.startswith(message)
    assert f"{found.span.line}:{found.span.column}" == place
    assert found.code == "rego_parse_error"


def test_every_bad_block_is_reported() -> None:
    text = "package t\n# METADATA\n# scope: a\np := 1\n# METADATA\n# title: 2\nq := 1\n"
    with pytest.raises(ParseError) as caught:
        parse_module(Source("p.rego", text))
    assert len(caught.value.diagnostics) == 2

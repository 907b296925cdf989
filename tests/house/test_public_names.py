"""Every module says what it offers, and everything it offers is explained."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("dsl", "engine", "proto", "gateway")
    for path in (ROOT / folder).rglob("*.py")
    if not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))
)
Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return None


def undocumented(tree: ast.Module, public: set[str]) -> list[str]:
    """Public functions, classes and methods without a docstring; plain data classes' fields explain themselves."""
    missing = []
    for node in tree.body:
        if not isinstance(node, Defined) or node.name not in public:
            continue
        if ast.get_docstring(node) is None and not _is_plain_record(node):
            missing.append(node.name)
        if isinstance(node, ast.ClassDef):
            missing += [
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
                and not inner.name.startswith("_")
                and ast.get_docstring(inner) is None
                and not _repeats_a_base(node)
            ]
    return missing


def _is_plain_record(node: Defined) -> bool:
    """A data class of nothing but fields, such as the nodes of a tree."""
    return (
        isinstance(node, ast.ClassDef)
        and any("dataclass" in ast.unparse(d) for d in node.decorator_list)
        and all(isinstance(inner, ast.AnnAssign) for inner in node.body)
    )


def _repeats_a_base(node: ast.ClassDef) -> bool:
    """A method of a class with bases may take its explanation from there."""
    return bool(node.bases)


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(ROOT)) for p in FILES])
def test_public_names_are_listed_and_explained(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if not tree.body:
        return
    names = exported(tree)
    public_definitions = [n.name for n in tree.body if isinstance(n, Defined) and not n.name.startswith("_")]
    if names is None:
        assert not public_definitions, f"no __all__, yet it defines {', '.join(public_definitions)}"
        return
    assert ast.get_docstring(tree), "a module with public names says what it is for"
    assert undocumented(tree, set(names)) == []

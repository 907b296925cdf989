"""Imports run one way. Every import statement counts, also inside functions and under TYPE_CHECKING."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "doorward_dsl": ROOT / "dsl",
    "doorward": ROOT / "engine",
    "doorward_proto": ROOT / "proto",
    "doorward_gateway": ROOT / "gateway",
}

# A room may import its own, and what is named here. The longest matching prefix is the room.
MAY_IMPORT: dict[str, set[str]] = {
    "doorward_dsl": set(),
    "doorward_proto": set(),
    "doorward_gateway": {"doorward_proto"},
    "doorward.run": {"doorward_dsl"},
    "doorward.facts": {"doorward.run"},
    "doorward.compile": {"doorward_dsl", "doorward.run"},
    "doorward.decide": {"doorward_dsl", "doorward.run", "doorward.facts", "doorward.compile"},
    "doorward.bundle": {"doorward_dsl", "doorward.run"},
    "doorward.engine": {
        "doorward_dsl",
        "doorward.bundle",
        "doorward.run",
        "doorward.facts",
        "doorward.compile",
        "doorward.decide",
    },
    "doorward.author": {
        "doorward_dsl",
        "doorward",
        "doorward.run",
        "doorward.facts",
        "doorward.compile",
        "doorward.decide",
        "doorward.engine",
        "doorward.bundle",
    },
    "doorward.serve": {
        "doorward_dsl",
        "doorward_proto",
        "doorward.run",
        "doorward.facts",
        "doorward.decide",
        "doorward.engine",
        "doorward.bundle",
    },
    "doorward.cli": {
        "doorward_dsl",
        "doorward",
        "doorward.run",
        "doorward.facts",
        "doorward.compile",
        "doorward.decide",
        "doorward.engine",
        "doorward.bundle",
        "doorward.author",
        "doorward.serve",
    },
    "doorward.__main__": {"doorward.cli"},
    "doorward": {"doorward_dsl", "doorward.run", "doorward.decide", "doorward.engine"},
}


def room(module: str) -> str | None:
    """The room of a dotted module name, None for what is not ours."""
    found = [name for name in MAY_IMPORT if module == name or module.startswith(name + ".")]
    return max(found, key=len, default=None)


def imports(path: Path, module: str) -> list[tuple[int, str]]:
    """Line and full name of every module that a file imports, `from package import module` included."""
    found: list[tuple[int, str]] = []
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            # `from doorward import decide` imports the room `doorward.decide`, where there is one
            found += [
                (node.lineno, f"{base}.{alias.name}" if f"{base}.{alias.name}" in MAY_IMPORT else base)
                for alias in node.names
            ]
    return found


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, root in PACKAGES.items():
        for path in sorted((root / package).rglob("*.py")):
            dotted = ".".join(path.relative_to(root).with_suffix("").parts)
            found.append((dotted.removesuffix(".__init__"), path))
    return found


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_run_one_way(module: str, path: Path) -> None:
    own = room(module)
    assert own is not None, f"{module} is in no room of the house"
    for line, imported in imports(path, module):
        other = room(imported)
        allowed = other is None or other == own or other in MAY_IMPORT[own]
        assert allowed, f"{path.relative_to(ROOT)}:{line}: {own} may not import {imported}"


def test_the_check_sees_every_kind_of_import(tmp_path: Path) -> None:
    file = tmp_path / "leak.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import doorward.engine\n"
        "def late():\n    from doorward import decide\n"
        "from . import sibling\n"
    )
    seen = {name for _, name in imports(file, "doorward_gateway.postgres.leak")}
    assert {"doorward.engine", "doorward.decide", "doorward_gateway.postgres"} <= seen

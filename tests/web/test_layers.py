"""The HTTP edge opens no transaction and calls no function of the store: actions do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import flagpost

SOURCE = Path(flagpost.__file__).parent
WEB = SOURCE / "web"


def violations(source: str) -> Iterator[str]:
    """Every use of a context's database, and every import of a module of the store; its records may be imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "db":
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Import):
            yield from (f"line {node.lineno}: {one.name}" for one in node.names if _is_store(one.name))
        if isinstance(node, ast.ImportFrom) and _is_store(node.module or ""):
            names = [f"{node.module}.{one.name}" for one in node.names]
            yield from (f"line {node.lineno}: {name}" for name in names if _is_module(name))


def _is_store(module: str) -> bool:
    return module.split(".")[:2] == ["flagpost", "store"]


def _is_module(name: str) -> bool:
    path = SOURCE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_the_web_layer_opens_no_transaction_and_imports_no_module_of_the_store() -> None:
    found = {str(path.relative_to(WEB)): list(violations(path.read_text())) for path in WEB.rglob("*.py")}
    assert {path: said for path, said in found.items() if said} == {}


def test_the_check_finds_a_transaction_and_a_module_of_the_store() -> None:
    assert list(violations("with ctx.db.read() as tx: pass")) == ["line 1: ctx.db"]
    assert list(violations("from flagpost.store.segments import keys")) == ["line 1: flagpost.store.segments.keys"]
    assert list(violations("import flagpost.store.db")) == ["line 1: flagpost.store.db"]
    assert list(violations("from flagpost.store.records import Flag")) == []

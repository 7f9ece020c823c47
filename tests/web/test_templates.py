"""Templates name only what the code has: mypy does not see them, so a renamed field would fail in a user's browser."""

import ast
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes
from jinja2.runtime import LoopContext

import flagpost
from flagpost.web.templating import STATIC

SOURCE = Path(flagpost.__file__).parent
TEMPLATES = sorted((STATIC.parent / "templates").glob("*.html"))
BY_NAME = {"map", "selectattr", "rejectattr", "groupby"}


def names_of_the_code() -> set[str]:
    """Every field and property of a class that a page can be given, and every key of a definition's JSON."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not _is_for_programs(path):
                found |= set(_members(node))
            if isinstance(node, ast.Dict) and (room == "flags" or "console" in path.parts):
                keys = (key.value for key in node.keys if isinstance(key, ast.Constant))
                found |= {key for key in keys if isinstance(key, str)}
    return found


def _is_for_programs(path: Path) -> bool:
    """Whether a module has bodies of an API, which no page shows."""
    return path.name.endswith("schemas.py") or bool({"rest_api", "admin_api", "sdk", "ofrep"} & set(path.parts))


def _members(node: ast.ClassDef) -> Iterator[str]:
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            yield one.target.id
        if isinstance(one, ast.FunctionDef) and any("property" in ast.unparse(by) for by in one.decorator_list):
            yield one.name


def names_in(template: nodes.Template) -> Iterator[str]:
    """Every attribute that a template reads, `namespace` variables of its own aside."""
    own = {one.attr for one in template.find_all(nodes.NSRef)}
    called = [one.node for one in template.find_all(nodes.Call)]
    for read in template.find_all(nodes.Getattr):
        if read.attr not in own and read not in called:
            yield read.attr
    for call in template.find_all(nodes.Filter):
        arguments = [*call.args[:1], *(one.value for one in call.kwargs if one.key == "attribute")]
        if call.name in BY_NAME:
            yield from (name for one in arguments if isinstance(one, nodes.Const) for name in str(one.value).split("."))


@pytest.fixture(scope="module")
def known() -> set[str]:
    built_in = (str, dict, list, LoopContext)
    return names_of_the_code() | {name for kind in built_in for name in dir(kind)} | {"value"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_attribute_that_a_template_reads_exists(path: Path, known: set[str]) -> None:
    unknown = set(names_in(jinja2.Environment().parse(path.read_text()))) - known
    assert unknown == set()


def test_an_attribute_that_does_not_exist_is_found(known: set[str]) -> None:
    template = jinja2.Environment().parse("{{ a.name }}{{ b.renamed_since }}{{ c|selectattr('gone_since.name')|list }}")
    assert set(names_in(template)) - known == {"renamed_since", "gone_since"}

"""Find words of `tools/house_words.toml` in pages, templates, messages, docstrings and comments.

    python tools/prose.py             the number of findings in each file
    python tools/prose.py PATH …      every finding below these paths, with what to write instead

Ends with code 1 where anything is found. Code spans and code blocks of Markdown are left out, as are identifiers. The
general prose linters were turned down in docs/decisions/0016-prose-linter.md.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = ROOT / "tools/house_words.toml"
#: What is checked, as git pathspecs, and what of it is not: files of others, and pictures.
PLACES = ("*.md", "src", "sandbox", "tools", "deploy", ".github", ".devcontainer", "Makefile", "Containerfile")
LEFT_OUT = re.compile(r"/vendor/|^tools/house_words|LICENSE|\.(svg|png)$")


@dataclass(frozen=True, slots=True)
class Passage:
    """Text for people at a line of a file. `kind`: docstring, comment, message or page."""

    line: int
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What not to write, what to write instead, and the one kind of passage that it holds for (empty: every kind)."""

    pattern: re.Pattern[str]
    advice: str
    only: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule broken at a line of a file."""

    path: Path
    line: int
    words: str
    advice: str


def rules() -> list[Rule]:
    """The rules of the word list."""
    found = tomllib.loads(WORDS.read_text())["rule"]
    return [Rule(_pattern(one["avoid"]), one["write"], one.get("only", "")) for one in found]


def _pattern(avoid: str) -> re.Pattern[str]:
    words = avoid.replace(" ", r"\s+(?:[#*/]+\s+)?")  # a phrase may go on in the next line, of a comment too
    return re.compile(words if avoid.startswith("^") else rf"(?<![\w`./-])(?:{words})(?![\w`-]|\.\w)", re.IGNORECASE)


def python_passages(text: str) -> Iterator[Passage]:
    """Docstrings, comments, and strings with a space in them."""
    tree = ast.parse(text)
    docstrings = {id(node): "docstring" for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Passage(node.lineno, node.value, docstrings.get(id(node), "message"))
    yield from _comments(text)


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def _comments(text: str) -> Iterator[Passage]:
    """Comments; those of adjoining lines are one passage, since a phrase may go on in the next line."""
    block: list[str] = []
    start = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != last + 1:
            yield Passage(start, "\n".join(block), "comment")
            block = []
        if not block:
            start = token.start[0]
        block.append(token.string)
        last = token.start[0]
    if block:
        yield Passage(start, "\n".join(block), "comment")


def markdown_passages(text: str) -> Iterator[Passage]:
    """A page without its code blocks, code spans and link targets."""
    yield Passage(1, _blanked(r"^```.*?^```$|`[^`\n]*`|\]\([^)]*\)", text), "page")


def template_passages(text: str) -> Iterator[Passage]:
    """A template without Jinja's statements, expressions' names and HTML tags, but with the words in them."""
    yield Passage(
        1, _blanked(r"\{%-?\s*(?:if|elif|for|set|import|from|include|extends|block|macro)\b.*?%\}", text), "page"
    )


def plain_passages(text: str) -> Iterator[Passage]:
    """Everything that a file of another kind says."""
    yield Passage(1, text, "page")


def _blanked(pattern: str, text: str) -> str:
    """The text with what matches replaced, every line kept in its place."""
    return re.sub(pattern, lambda found: "`" + "\n" * found[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)


READERS: dict[str, Callable[[str], Iterator[Passage]]] = {
    ".py": python_passages,
    ".md": markdown_passages,
    ".html": template_passages,
}


def findings(path: Path, text: str, wanted: list[Rule]) -> Iterator[Finding]:
    """Every rule that a file breaks; words that two rules refuse are found once, by the earlier rule."""
    for passage in READERS.get(path.suffix, plain_passages)(text):
        taken: dict[tuple[int, int], Rule] = {}
        for rule in wanted:
            if rule.only in ("", passage.kind):
                spans = [found.span() for found in rule.pattern.finditer(passage.text)]
                taken |= {one: rule for one in spans if not any(one[0] < end and at < one[1] for at, end in taken)}
        for (at, end), rule in sorted(taken.items(), key=lambda item: item[0]):
            line = passage.line + passage.text.count("\n", 0, at)
            yield Finding(path, line, " ".join(passage.text[at:end].split()), rule.advice)


def files(below: list[str]) -> list[Path]:
    """The files to check, of those below some paths or of all, relative to the repository."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "--", *(below or PLACES)]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in listing.splitlines() if not LEFT_OUT.search(line)]
    return sorted({Path(line) for line in lines if (ROOT / line).is_file()})


def check(below: list[str]) -> list[Finding]:
    """All findings below some paths, or everywhere that is checked."""
    wanted = rules()
    return [one for path in files(below) for one in findings(path, (ROOT / path).read_text(), wanted)]


def main() -> None:
    """Print what was found; code 1 where that is anything."""
    below = sys.argv[1:]
    found = check(below)
    if below:
        for one in found:
            print(f"{one.path}:{one.line}: “{one.words}” → {one.advice}")
    else:
        for path, count in Counter(one.path for one in found).most_common():
            print(f"{count:5}  {path}")
    print(f"{len(found)} words of the house list" + ("" if below or not found else "; make prose IN=PATH lists them"))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

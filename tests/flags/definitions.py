"""Definitions made up by hypothesis: valid ones, with every kind of matcher."""

from hypothesis import strategies as st

from flagpost.flags.matchers import KEY_MATCHERS, MATCHERS, SEMVER_MATCHERS
from flagpost.flags.model import Between, BetweenVersions, Bucket, Definition, Depends, Matcher, Rule, Treatment

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() != ""
)
NAMES = st.from_regex(r"[a-zA-Z][-_a-zA-Z0-9]{0,11}", fullmatch=True).filter(lambda name: name.lower() != "control")
VERSIONS = st.from_regex(r"[1-9][0-9]?\.[0-9]{1,2}\.[0-9]{1,2}(-[a-z]{1,4})?", fullmatch=True)
TIMES = st.integers(0, 4_000_000_000_000)


@st.composite
def shares(draw: st.DrawFn, names: list[str]) -> tuple[Bucket, ...]:
    """Sizes for some of the treatments that add up to 100."""
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(chosen) - 1, max_size=len(chosen) - 1)))
    edges = [0, *cuts, 100]
    return tuple(Bucket(name, edges[i + 1] - edges[i]) for i, name in enumerate(chosen))


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    """A matcher of any kind, with its value in the right field."""
    kind = MATCHERS[draw(st.sampled_from(sorted(MATCHERS)))]
    needs = kind.needs_attribute
    attribute = draw(WORDS) if needs else None if kind.type in KEY_MATCHERS else draw(st.none() | WORDS)
    texts = VERSIONS if kind.type in SEMVER_MATCHERS else st.just("a+") if kind.type == "MATCHES_STRING" else WORDS
    low = draw(TIMES)
    values = {
        "string": {"string": draw(texts)},
        "strings": {"strings": tuple(draw(st.lists(texts, min_size=1, max_size=3, unique=True)))},
        "number": {"number": draw(st.integers(-(10**9), 10**9))},
        "date": {"date": low},
        "between": {"between": Between(low, low + draw(st.integers(0, 10**9)))},
        "between_versions": {"between_versions": BetweenVersions("0.9.0", draw(VERSIONS))},
        "boolean": {"boolean": draw(st.booleans())},
        "depends": {"depends": Depends(draw(NAMES), tuple(draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))))},
    }
    return Matcher(kind.type, draw(st.booleans()), attribute, **values[kind.field])  # type: ignore[arg-type]


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """A valid definition."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    keys = draw(st.lists(WORDS, max_size=4, unique=True))
    treatments = tuple(
        Treatment(
            name,
            draw(st.text(max_size=5)),
            draw(st.none() | st.just('{"a": 1}')),
            tuple(key for n, key in enumerate(keys) if n % len(names) == place),
            tuple(draw(st.lists(NAMES, max_size=2, unique=True))),
        )
        for place, name in enumerate(names)
    )
    rules = st.builds(Rule, st.lists(matchers(), min_size=1, max_size=3).map(tuple), shares(names))
    return Definition(
        treatments,
        draw(st.sampled_from(names)),
        draw(shares(names)),
        tuple(draw(st.lists(rules, max_size=3))),
        draw(st.integers(0, 100)),
        draw(st.none() | st.sampled_from(names)),
        tuple(
            draw(st.lists(st.builds(Depends, NAMES, st.lists(NAMES, min_size=1, max_size=2).map(tuple)), max_size=2))
        ),
        draw(st.booleans()),
    )

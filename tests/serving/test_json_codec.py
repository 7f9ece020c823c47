"""Requests are read into records or refused with the field that is wrong; responses are joined from encoded parts."""

import json

import msgspec
import pytest

from flagpost.errors import InvalidInput
from flagpost.serving.json_codec import JsonReader, MalformedJson, encode, encode_part, join_parts


class Point(msgspec.Struct):
    x: int
    name: str = ""


POINTS = JsonReader(list[Point])
NAMED = JsonReader(dict[str, Point])


def test_a_document_copies_its_encoded_parts_and_is_ascii() -> None:
    parts = [encode_part({"name": "Zoë \ud83e", "share": 1.5}), encode_part(None)]
    document = join_parts({"d": parts, "t": 7})
    assert document.isascii()
    assert json.loads(document) == {"d": [{"name": "Zoë \ud83e", "share": 1.5}, None], "t": 7}
    assert encode({"a": [1, "é"]}) == b'{"a":[1,"\\u00e9"]}'


def test_a_request_is_read_into_records() -> None:
    assert POINTS.read(b'[{"x": 1, "more": []}, {"x": 2, "name": "b"}]') == [Point(1), Point(2, "b")]


def test_half_of_a_surrogate_pair_is_read_as_javascript_writes_it() -> None:
    assert POINTS.read(b'[{"x": 1, "name": "a\\ud83e"}]') == [Point(1, "a\ud83e")]


@pytest.mark.parametrize("raw", [b"", b"[", b"\xff", b'[{"x": 1}', b'[{"x": 01}]', b"[" * 9000, b"1" * 6000])
def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedJson, match=r"not JSON\.$"):
        POINTS.read(raw)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"{}", ""),
        (b"1e400", ""),
        (b"[1]", "[0]"),
        (b'[{"x": 1}, {"x": "1"}]', "[1].x"),
        (b'[{"x": 1, "name": "\\ud83e"}, {"x": "1"}]', "[1].x"),
    ],
)
def test_a_body_of_another_shape_is_refused_with_the_field(raw: bytes, path: str) -> None:
    with pytest.raises(InvalidInput, match=r"\.$") as refused:
        POINTS.read(raw)
    assert [one.path for one in refused.value.problems] == [path]


def test_a_field_of_a_part_is_named_by_its_place_in_the_whole() -> None:
    with pytest.raises(InvalidInput) as refused:
        POINTS.convert([{"x": None}], "entries")
    assert [one.path for one in refused.value.problems] == ["entries[0].x"]
    with pytest.raises(InvalidInput) as refused:
        NAMED.read(b'{"a": {"x": "1"}}')
    assert [one.path for one in refused.value.problems] == ["[...].x"]
